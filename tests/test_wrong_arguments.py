"""What a function was not made for ends in an error of emodiss that says what belongs there."""

from __future__ import annotations

import errno
import importlib
import inspect
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import emodiss
from emodiss.arguments import explaining
from emodiss.errors import ArgumentError, DiskError, EmodissError
from emodiss.runs.files import write_atomically

ANY: Any = emodiss

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


class Thing:
    """Something that has nothing to do with it."""


THINGS = {
    **{"none": None, "number": 3, "share": 0.5, "text": "nothing", "bytes": b"x"},
    **{"path": Path("no/such"), "numbers": [1, 2], "texts": ["a"], "dict": {"a": 1}},
    **{"table": pd.DataFrame({"a": [1]}), "array": np.zeros((2, 2)), "thing": Thing()},
}
RIGHT_KINDS = {
    "faces": ("number", "share", "numbers", "table", "array"),  # of another shape, if anything
    **dict.fromkeys(("demo", "mirror"), ("text", "path")),  # a folder, where all of it is made
}


def _exported(room: str) -> list[Callable[..., Any]]:
    module = importlib.import_module(f"emodiss.{room}")
    return [one for name in module.__all__ if inspect.isfunction(one := getattr(module, name))]


ROOMS = [
    *("affect", "chat", "clients", "corpus", "demo", "dissonance", "encounters", "exports"),
    *("faces", "interventions", "judging", "manifest", "media", "mirror", "people", "plots"),
    *("prompts", "ratings", "reviews", "screening", "screenplays", "statistics", "study"),
    *("transcript", "utterances"),
]


@pytest.mark.parametrize("room", ROOMS)
def test_no_function_of_a_room_ends_in_an_error_of_pythons(room, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for function in _exported(room):
        needed = [
            parameter
            for parameter in inspect.signature(function).parameters.values()
            if parameter.default is parameter.empty
            and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        ]
        refused = 0
        for kind, thing in THINGS.items():
            if kind in RIGHT_KINDS.get(room, ()):
                continue
            try:
                result = function(
                    *(thing for p in needed if p.kind is not p.KEYWORD_ONLY),
                    **{p.name: thing for p in needed if p.kind is p.KEYWORD_ONLY},
                )
                if inspect.isgenerator(result):
                    list(result)
            except EmodissError:
                refused += 1
            except Exception as error:
                raise AssertionError(f"{room}.{function.__name__}({kind})") from error
        assert refused or all(parameter.annotation == "object" for parameter in needed)
        plt.close("all")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda: ANY.judging.weigh(["a"], scale=(1, 5)),
            r"Got list of str for 'tokens' of emodiss\.judging\.weigh, where .*TokenLogprob",
        ),
        (lambda: emodiss.statistics.proportion([1, 0], 3), "Labels have shape"),
        (
            lambda: list(ANY.chat.ask([1], None, params=None)),  # a generator
            r"Got list of int for 'questions' of emodiss\.chat\.ask, where Iterable\[Question\]",
        ),
        (lambda: emodiss.manifest.of_media("a.mp4"), "Got str where a list of paths belongs"),
    ],
    ids=["held", "shape", "generator", "one_text"],
)
def test_what_was_handed_in_is_named_with_what_belongs_there(call, said):
    with pytest.raises(EmodissError, match=said) as caught:
        call()
    assert "nothing" not in str(caught.value)


def test_a_function_that_explains_itself_is_still_the_function():
    weigh = emodiss.judging.weigh
    assert pickle.loads(pickle.dumps(weigh)) is weigh
    assert next(iter(inspect.signature(weigh).parameters)) == "tokens"
    assert weigh.__doc__ and inspect.getsource(weigh).startswith("def weigh(")
    with pytest.raises(TypeError, match="missing 1 required"):  # Python says it well
        weigh()  # pyright: ignore[reportCallIssue]


def test_an_error_that_is_nobodys_argument_passes():
    def odd(values: list[int]) -> dict[str, int]:
        return {}[values[0]]  # pyright: ignore[reportArgumentType]

    def column(rows: pd.DataFrame) -> pd.Series:
        return rows["item"]

    with pytest.raises(KeyError):
        explaining(odd, "emodiss.odd")([1])
    with pytest.raises(ArgumentError, match=r"table for 'rows' of emodiss\.odd\.column lacks item"):
        explaining(column, "emodiss.odd")(pd.DataFrame({"a": [1]}))
    with pytest.raises(ArgumentError, match=r"Got tuple of int, str for 'values'"):
        explaining(odd, "emodiss.odd")((1, "a"))


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
