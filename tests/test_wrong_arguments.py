"""What a function was not made for ends in an error of emodiss that says what belongs there."""

from __future__ import annotations

import errno
import pickle
from pathlib import Path

import pandas as pd
import pytest

import emodiss
from emodiss.errors import DiskError, EmodissError
from emodiss.runs.files import write_atomically

PATHS = [
    *(emodiss.manifest.read, emodiss.transcript.read, emodiss.transcript.read_annomi),
    *(emodiss.ratings.read, emodiss.ratings.read_pairs, emodiss.ratings.open_study),
    *(emodiss.judging.read_scores, emodiss.judging.read_steps, emodiss.corpus.read_overrules),
]
TABLES = [
    *(emodiss.ratings.item_means, emodiss.ratings.check, emodiss.ratings.check_pairs),
    *(emodiss.ratings.background, emodiss.judging.order_check, emodiss.statistics.win_rates),
    *(emodiss.statistics.score_means, emodiss.statistics.length_correlation),
    *(emodiss.plots.figure5, emodiss.plots.table3),
]
VERBS = [
    emodiss.annotate,
    emodiss.plan,
    emodiss.load,
    emodiss.resume,
    emodiss.study.browser_answers,
]


def _given(kind: str, run: Path) -> object:
    return {
        **{"run": emodiss.load(run), "folder": str(run.parent), "text": "nothing"},
        **{"path": Path("no/such"), "none": None, "list": [1, 2]},
        "table": pd.DataFrame({"a": [1]}),
    }[kind]


KINDS = ["run", "folder", "text", "path", "none", "list", "table"]


@pytest.mark.parametrize("function", VERBS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("kind", KINDS)
def test_verbs_name_what_they_cannot_take(function, kind, study_run, tmp_path, monkeypatch):
    if kind == "run" and function in (emodiss.load, emodiss.resume):
        pytest.skip("takes a run")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    given = str(tmp_path / "empty") if kind == "folder" else _given(kind, study_run)
    with pytest.raises(EmodissError) as caught:
        function(given)
    assert caught.value.next_step


@pytest.mark.parametrize("function", PATHS, ids=lambda f: f"{f.__module__}.{f.__name__}")
@pytest.mark.parametrize("kind", ["run", "none", "list", "table", "path"])
def test_readers_name_what_is_no_path(function, kind, study_run):
    with pytest.raises(EmodissError):
        function(_given(kind, study_run))


@pytest.mark.parametrize("function", TABLES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("kind", KINDS)
def test_what_takes_a_table_names_what_is_none(function, kind, study_run):
    with pytest.raises(EmodissError):
        function(_given(kind, study_run))


def test_a_run_is_named_as_what_was_handed_in(study_run):
    with pytest.raises(EmodissError, match=r"Got Run where.*emodiss\.resume"):
        emodiss.annotate(emodiss.load(study_run))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("place", "number"),
    [("file/run", (errno.ENOTDIR, errno.EEXIST)), ("x" * 300, (errno.ENAMETOOLONG,))],
)
def test_a_place_that_cannot_be_written_is_an_error_of_ours_and_of_the_disk(
    place, number, study, stand_ins, tmp_path
):
    (tmp_path / "file").touch()
    out = tmp_path / place
    for write in (
        lambda: write_atomically(out / "a.csv", b""),
        lambda: emodiss.annotate(study / "manifest.csv", out=out, workers=0),
    ):
        with pytest.raises(EmodissError) as caught:
            write()
        assert caught.value.next_step
    with pytest.raises(OSError, match="cannot be used") as fault:
        write_atomically(out / "a.csv", b"")
    assert isinstance(fault.value, DiskError) and fault.value.errno in number


def test_an_error_of_the_disk_passes_between_processes():
    fault = DiskError.of(OSError(errno.ENOSPC, "No space left on device", "a.csv"))
    again = pickle.loads(pickle.dumps(fault))
    assert isinstance(again, DiskError) and str(again) == str(fault)
