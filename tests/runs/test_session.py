"""What a person works with in Python: sessions, what a notebook shows, and errors with a way on."""

from __future__ import annotations

import itertools
import sys
import types

import pytest

import emodiss
from emodiss.errors import ArgumentError, EmodissError
from emodiss.runs import progress
from tests.chat.scripted import table


@pytest.fixture
def run(tmp_path) -> emodiss.Run:
    """A run of two invented sessions; of the second, nothing is known about one flag."""
    root = tmp_path / "run"
    root.mkdir()
    (root / "run.json").write_text('{"settings": {}, "problems": [], "preset": "lite"}')
    (root / "manifest.jsonl").write_text('{"id": "v1"}\n{"id": "v2"}\n')
    rows = table("v1", "v2").astype({"dissonant": "boolean"})
    rows["dissonance_score"] = 1.1
    rows.loc[7, "dissonant"] = None
    rows.loc[0, "text"] = "<b>not markup</b>"
    rows.to_parquet(root / "utterances.parquet")
    videos = rows[["video_id"]].drop_duplicates().assign(duration=8.0)
    videos.to_parquet(root / "videos.parquet")
    return emodiss.load(root)


def test_a_run_holds_sessions(run):
    assert len(run) == 2 and [session.video for session in run] == ["v1", "v2"]
    session = run["v2"]
    assert len(session) == 4 and set(session.utterances["video_id"]) == {"v2"}
    assert session.duration == 8.0
    with pytest.raises(EmodissError, match="no video 'v3'"):
        run["v3"]


def test_failures_come_in_one_order_whoever_was_first(run):
    from emodiss.runs.store import Outcome

    due = [("v1", "faces"), ("v1", "speech_affect"), ("v2", "media"), ("v2", "faces")]
    failed = [Outcome(*one, "failed", error={"code": "worker_died"}) for one in due]
    for told in itertools.permutations(failed):
        run.store.journal.write([Outcome("v1", "faces", "done"), *told])
        assert [(one.video, one.stage) for one in run.failures] == due
        assert [*run.outcomes] == due


def test_an_address_that_gave_way_to_a_file_is_no_failure(run):
    from emodiss.runs.store import Outcome

    failed = Outcome("v1", "fetch", "failed", error={"code": "network"})
    run.store.journal.write([failed])
    assert run.failures == []
    rows = '{"id": "v1", "url": "https://example.org/v"}\n{"id": "v2"}\n'
    (run.root / "manifest.jsonl").write_text(rows)
    assert run.failures == [failed]


def test_a_notebook_shows_counts_and_no_markup_of_others(run):
    shown = run._repr_html_()
    # 2 of 4 utterances of v1 are flagged, and 1 of 3 that are determined of v2.
    for fact in ("videos: <b>2</b>", "preset: <b>lite</b>", "dissonant: <b>3 of 7 determined"):
        assert fact in shown
    of_session = run["v1"]._repr_html_()
    assert "&lt;b&gt;not markup" in of_session and "<b>not markup" not in of_session
    assert "dissonant: <b>2 of 4 determined" in of_session
    (run.root / "utterances.parquet").unlink()
    assert "none yet" in run._repr_html_()


def test_what_takes_a_table_takes_a_session_and_refuses_the_rest(run):
    whole = emodiss.dissonance.sweep(run.utterances["dissonance_score"])
    assert emodiss.dissonance.sweep(run).equals(whole)
    assert emodiss.dissonance.sweep(run.utterances).equals(whole)
    of_table = emodiss.prompts.build(run.session("v1"), kind="base")
    assert emodiss.prompts.build(run["v1"], kind="base") == of_table
    with pytest.raises(EmodissError, match=r"2 sessions.*run\.session"):
        emodiss.prompts.build(run, kind="base")
    for call in (
        lambda: emodiss.dissonance.chance(run.utterances["dissonance_score"]),
        lambda: emodiss.dissonance.chance(run.utterances[["text"]]),
        lambda: emodiss.dissonance.flag([0.1], [0.1, 0.2], [0.1], [0.1]),
        lambda: emodiss.plots.figure10(run.utterances),
        lambda: emodiss.study.prompts(3, "base"),
        lambda: emodiss.annotate(3),
    ):
        with pytest.raises(ArgumentError):
            call()


def test_what_is_about_a_run_takes_its_folder(run):
    by_folder = emodiss.study.prompts(str(run.root), "base")
    assert by_folder.prompts == emodiss.study.prompts(run, "base").prompts
    with pytest.raises(EmodissError, match="no run folder"):
        emodiss.plots.figure10("nowhere")


class Kernel:
    """A notebook's side of the display protocol."""

    def __init__(self) -> None:
        self.kernel, self.shown = self, []

    def get_ipython(self):
        return self

    def HTML(self, text):
        return text

    def display(self, picture, display_id):
        self.shown.append(picture)
        return types.SimpleNamespace(update=self.shown.append)


@pytest.fixture
def kernel(monkeypatch) -> Kernel:
    found = Kernel()
    monkeypatch.setitem(sys.modules, "IPython", found)
    monkeypatch.setitem(sys.modules, "IPython.display", found)
    return found


def test_a_notebook_shows_progress_unless_it_is_not_wanted(kernel):
    with progress.shown(None) as told:
        assert told is not None
        told("faces", 0, 2)
        told("faces", 2, 2)
    assert "2 of 2" in kernel.shown[-1] and "<progress value='2' max='2'>" in kernel.shown[-1]
    with progress.shown(False) as told:
        assert told is None
    with progress.shown(print) as told:
        assert told is print


def test_a_script_shows_progress_where_it_is_wanted(capsys):
    with progress.shown(None) as told:
        assert told is None
    with progress.shown(True) as told:
        assert told is not None
        told("faces", 1, 2)
        told("faces", 2, 2)
    assert capsys.readouterr().err == "faces: 2 of 2 done\n"
