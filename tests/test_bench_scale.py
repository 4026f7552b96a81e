"""`scripts/bench_scale.py`: the run it makes is a true one, and what it times is there."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import emodiss
from emodiss import utterances
from emodiss.cli import reporting
from emodiss.exports import FORMATS
from emodiss.runs.journal import Journal

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "bench_scale.py"
sys.path.insert(0, str(SCRIPT.parent))  # it imports its neighbours
SESSIONS = 5


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("bench_scale", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(bench, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("scale")
    bench.simulate(folder, sessions=SESSIONS, n=60)
    return folder


def test_a_simulated_run_is_finished_and_fits_every_schema(folder):
    run = emodiss.load(folder / "run")
    assert not run.failures and len(run.videos) == SESSIONS
    assert len(run.utterances) == 60
    utterances.validate(run.utterances)
    utterances.validate(run.face_frames, utterances.FRAME_SCHEMA)
    planned = emodiss.plan(folder / "study" / "manifest.csv", out=run.root)
    assert {job.status for job in planned} == {"cached", "skipped"}
    # Stages that need no model are the real ones.
    said = run.artifact("s0001", "wording").utterances
    assert list(run.session("s0001")["text"]) == [one.text for one in said]


def test_figure_10_says_what_chance_gives(folder):
    run = emodiss.load(folder / "run")
    title = emodiss.plots.figure10(run).axes[0].get_title(loc="left")
    # All pairs count, so the number does not depend on how many are drawn.
    expected = emodiss.dissonance.chance(run.utterances, threshold=0.5).null_rate
    assert f"; chance {expected:.0%})" in title


def test_every_format_is_timed_and_held_to_its_target(bench, folder):
    bench.write_manifests(folder)
    rows = {row.name: row for row in bench.rows(folder, SESSIONS)}
    assert {f"export {name}" for name in FORMATS} < rows.keys()
    assert rows["report, a page"].per == SESSIONS + 1
    cpu, peak = bench.measure(rows["export rttm"])
    assert 0 < cpu < 60 and 20 < peak < 2000
    assert len(list((folder / "out").glob("*.rttm"))) == SESSIONS


def test_the_summary_of_a_run_reads_its_journal_no_more_often_for_more_videos(
    folder, monkeypatch, capsys
):
    read: list[str] = []
    real = Journal.read
    monkeypatch.setattr(Journal, "read", lambda self: read.append(self.path.name) or real(self))
    reporting.report_on(emodiss.load(folder / "run"), as_json=False)
    assert f"{SESSIONS} of {SESSIONS} videos complete" in capsys.readouterr().out
    assert read.count("outcomes.jsonl") == 1


def test_what_tells_of_a_run_loads_no_more_than_it_needs(folder):
    """Importing pandas, SciPy or Matplotlib takes longer than all that these commands do."""
    heavy = ("pandas", "scipy", "matplotlib", "torch", "cv2", "av", "ray", "jinja2", "yt_dlp")
    code = (
        "import sys\nfrom emodiss.cli import main\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code\n"
        f"print([m for m in {heavy!r} if m in sys.modules], file=sys.stderr)"
    )
    for command in ("status", "people", "dissonance"):
        done = subprocess.run(
            [sys.executable, "-c", code, command, str(folder / "run")],
            capture_output=True,
            text=True,
        )
        assert done.stderr.splitlines()[-1] == "[]", (command, done.stderr)
