"""Runs go on: what is remembered, what is said about it, and how a stop is survived."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer

import emodiss
from emodiss.errors import RunError
from emodiss.runs import seals
from tests import fakes, make
from tests.runs.test_annotate import results


@pytest.fixture
def clips(study, tmp_path):
    """The study's media and transcripts without its manifest."""
    folder = tmp_path / "clips"
    shutil.copytree(study, folder)
    (folder / "manifest.csv").unlink()
    return folder


def annotate(what, settings=(), **options):
    said: list[str] = []
    run = emodiss.annotate(what, settings=settings, workers=0, announce=said.append, **options)
    return run, said


def test_a_file_alone_is_annotated_beside_itself_by_the_embedded_models(clips, stand_ins):
    run, said = annotate(clips / "a.mp4", stand_ins)
    assert run.root == clips / "a-run" and run.videos == ["a"] and run.failures == []
    assert run.facts["preset"] == "lite"
    assert sum("preset lite" in line and "--preset paper" in line for line in said) == 1
    assert any("a (a.stm)" in line for line in said)
    assert any("a-run" in line and "--out" in line for line in said)
    table = run.utterances
    assert table["text"].str.len().gt(0).all() and set(run.videos_table["transcript_source"]) == {
        "given:stm"
    }


def test_a_run_goes_on_with_what_it_remembers(clips, stand_ins):
    first, _ = annotate(clips / "a.mp4", {**stand_ins, "dissonance.threshold": 1.05})
    before = results(first.root)
    fakes.LOADED.clear()
    again, said = annotate(clips / "a.mp4")
    assert fakes.LOADED == [] and results(again.root) == before
    assert any("goes on with preset lite and the settings of this run" in line for line in said)
    resumed = emodiss.resume(first.root, workers=0)
    assert fakes.LOADED == [] and results(resumed.root) == before
    changed = emodiss.resume(first.root, settings=["dissonance.threshold=0.4"], workers=0)
    assert changed.settings.dissonance.threshold == 0.4
    assert changed.settings.models.faces == "fake-faces"


def test_another_preset_is_said_and_so_are_settings_that_are_dropped(clips, stand_ins):
    run, said = annotate(clips / "a.mp4", {**stand_ins, "dissonance.threshold": 1.05})
    assert not any("this run" in line for line in said)
    _, said = annotate(clips / "a.mp4", stand_ins, preset="lite")
    assert any("dissonance.threshold=0.5 (was 1.05)" in line for line in said)
    keep = {**run.settings.model_dump()["models"]}
    models = {f"models.{task}": name for task, name in keep.items()}
    _, said = annotate(clips / "a.mp4", {**stand_ins, **models}, preset="paper-raw")
    assert any("made with preset lite; it goes on with paper-raw" in line for line in said)


def test_videos_that_leave_a_run_are_named(clips, stand_ins, tmp_path):
    out = tmp_path / "run"
    annotate([clips / "a.mp4", clips / "b.mp4"], stand_ins, out=out)
    with pytest.raises(RunError, match=r"\(b\) is not handed in now"):
        annotate(clips / "a.mp4", out=out)
    run, said = annotate(clips / "a.mp4", out=out, absent="drop")
    assert run.videos == ["a"]
    assert any("(b)" in line for line in said)


def test_a_default_folder_is_not_taken_over_by_a_namesake(clips, stand_ins):
    annotate(clips / "a.mp4", stand_ins)
    shutil.copy(clips / "b.mp4", clips / "a.mkv")
    with pytest.raises(RunError, match=r"holds the run of 'a\.mp4'"):
        annotate(clips / "a.mkv", stand_ins)


def test_a_study_that_moves_as_a_whole_goes_on(clips, stand_ins, tmp_path):
    run, _ = annotate(clips, stand_ins, out=clips / "run")
    assert run.videos == ["a", "b"]
    moved = tmp_path / "moved"
    clips.rename(moved)
    fakes.LOADED.clear()
    again = emodiss.resume(moved / "run", workers=0)
    assert again.failures == [] and fakes.LOADED == []
    (moved / "run").rename(tmp_path / "run")
    shutil.rmtree(moved)
    with pytest.raises(RunError, match="emodiss annotate MANIFEST --out"):
        emodiss.resume(tmp_path / "run")


def test_rows_from_memory_go_on_too(clips, stand_ins, tmp_path):
    read = emodiss.manifest.from_rows([{"id": "x", "path": "a.mp4"}], folder=clips)
    run, _ = annotate(read, stand_ins, out=tmp_path / "run")
    before = results(run.root)
    assert results(emodiss.resume(run.root, workers=0).root) == before


def test_settings_of_another_version_are_named(clips, stand_ins):
    run, _ = annotate(clips / "a.mp4", stand_ins)
    facts = run.facts
    facts["settings"]["faces"]["gone"] = 3
    (run.root / "run.json").write_text(json.dumps(facts))
    seals.forget(run.root / "run.json")
    with pytest.raises(RunError, match=r"faces\.gone.*Name the preset anew"):
        emodiss.resume(run.root)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_says_how_to_go_on_and_the_rest_is_done_then(number, tmp_path):
    # To load the face detector takes longer than the stop needs to arrive.
    make.write_stm(tmp_path / "a.stm", [("Ada", 0.0, 9.0, "How?"), ("Bo", 9.0, 20.0, "Well.")])
    make.write_media(
        tmp_path / "a.mp4", frames=[make.grey(90)] * 20, fps=1, sound=make.tone(20.0, level=0.2)
    )
    work = [sys.executable, "-m", "emodiss", "annotate", str(tmp_path / "a.mp4"), "--workers", "1"]
    running = subprocess.Popen(
        work, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    journal = tmp_path / "a-run" / "outcomes.jsonl"
    until = time.monotonic() + 120
    while not (journal.is_file() and journal.stat().st_size) and time.monotonic() < until:
        time.sleep(0.05)
    if number == signal.SIGINT:
        os.killpg(running.pid, number)  # Ctrl-C reaches the workers too
    else:
        running.send_signal(number)
    _, said = running.communicate(timeout=120)
    assert running.returncode == 128 + number, said
    assert f"emodiss resume {tmp_path / 'a-run'}" in said and "Traceback" not in said
    status = subprocess.run(
        [sys.executable, "-m", "emodiss", "status", str(tmp_path / "a-run"), "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    (row,) = json.loads(status.stdout)
    assert row["state"] == "unfinished" and row["stage"]
    assert row["next_step"] == f"emodiss resume {tmp_path / 'a-run'}"


def test_a_closed_terminal_ends_work_with_a_word_unless_that_is_ignored(capsys):
    from emodiss.cli.stopping import stoppable

    own = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        with pytest.raises(typer.Exit) as ended, stoppable("emodiss resume r"):
            signal.raise_signal(signal.SIGHUP)
        assert ended.value.exit_code == 128 + signal.SIGHUP
        assert "emodiss resume r" in capsys.readouterr().err
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
        with stoppable("emodiss resume r"):
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, own)


def test_a_path_of_a_run_is_quoted_for_the_shell(tmp_path):
    from emodiss.cli.reporting import resume_command

    assert resume_command(Path("my run")) == "emodiss resume 'my run'"
