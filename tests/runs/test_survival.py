"""Work done is never lost: killed or out of disk, the next run ends with the same bytes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.runs.test_annotate import results

REPOSITORY = Path(__file__).resolve().parents[2]

SCRIPT = """
import resource, sys
from tests import fakes
from emodiss.models import catalog
catalog.CATALOG.update(fakes.ENTRIES)
import emodiss
from emodiss.errors import RunError

if __name__ == "__main__":
    manifest, out, workers, limit = sys.argv[1:5]
    if int(limit):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    try:
        run = emodiss.annotate(
            manifest, out=out, preset="lite", settings=fakes.SETTINGS, workers=int(workers)
        )
    except RunError as error:
        print(error.code)
        sys.exit(1)
    sys.exit(1 if run.failures else 0)
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("script") / "work.py"
    path.write_text(SCRIPT)
    return path


def start(script: Path, manifest: Path, out: Path, *, workers: int = 1, limit: int = 0):
    return subprocess.Popen(
        [sys.executable, str(script), str(manifest), str(out), str(workers), str(limit)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.fixture(scope="module")
def undisturbed(script, study, tmp_path_factory) -> dict[str, str]:
    """Bytes of a run that was never killed."""
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    process = start(script, study / "manifest.csv", out)
    _, talk = process.communicate(timeout=200)
    assert process.returncode == 0, talk[-2000:]
    return results(out)


def finished(out: Path) -> int:
    """Artifacts that are there whole."""
    return sum(1 for _ in out.rglob("meta.json"))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_at_twenty_random_moments_it_ends_with_the_same_bytes(
    script, study, undisturbed, tmp_path
):
    out = tmp_path / "run"
    rng = random.Random(20)
    killed = 0
    begun_again = 0
    while killed < 20:
        # By turns what works itself is killed, and what a worker works for.
        process = start(script, study / "manifest.csv", out, workers=killed % 2)
        # Moments are counted in finished artifacts, then drawn: the same on a slow machine.
        goal = finished(out) + rng.randint(0, 4)
        while process.poll() is None and finished(out) < goal:
            time.sleep(0.03)
        try:
            process.wait(timeout=rng.uniform(0, 0.6))
        except subprocess.TimeoutExpired:
            # The parent alone is killed: an orphan must not disturb the next run.
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
        else:
            assert process.returncode == 0, process.stderr.read()[-2000:]  # type: ignore[union-attr]
            # It came through before the axe fell; the rest of the kills hit a fresh run.
            begun_again += 1
            assert results(out) == undisturbed
            out = tmp_path / f"run{begun_again}"
            assert begun_again < 20
    last = start(script, study / "manifest.csv", out)
    _, talk = last.communicate(timeout=200)
    assert last.returncode == 0, talk[-2000:]
    assert results(out) == undisturbed
    assert not list(out.rglob(".*.tmp"))


@pytest.mark.parametrize("limit", [2_000, 40_000])
def test_out_of_disk_it_stops_with_a_clear_word_and_goes_on_later(
    script, study, undisturbed, tmp_path, limit
):
    # 2 kB stops at the first tables, 40 kB at the sound of 3 s, 96 kB.
    out = tmp_path / "run"
    process = start(script, study / "manifest.csv", out, limit=limit)
    said, talk = process.communicate(timeout=200)
    assert process.returncode == 1, talk[-2000:]
    assert said.strip() == "disk"
    again = start(script, study / "manifest.csv", out)
    _, talk = again.communicate(timeout=200)
    assert again.returncode == 0, talk[-2000:]
    assert results(out) == undisturbed


def test_more_workers_give_the_same_bytes(script, study, undisturbed, tmp_path):
    process = start(script, study / "manifest.csv", tmp_path / "two", workers=2)
    _, talk = process.communicate(timeout=200)
    assert process.returncode == 0, talk[-2000:]
    assert results(tmp_path / "two") == undisturbed
