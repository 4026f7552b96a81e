"""The command people: voices with their faces, and the faces of nobody."""

from __future__ import annotations

import json
import math

import pytest
from typer.testing import CliRunner

import emodiss
from emodiss.cli import app
from emodiss.cli.people import why_faceless
from emodiss.errors import RunError
from emodiss.people import Binding, People, Person
from tests import make

NAN = math.nan


def test_voices_faces_and_who_said_so(study, tmp_path, stand_ins, finished_run):
    run = emodiss.annotate(
        study / "manifest.csv",
        out=tmp_path / "run",
        preset="lite",
        settings={**stand_ins, "people.faces": "Bo=none;Ada=none"},
        workers=0,
    )
    shown = CliRunner().invoke(app, ["people", str(run.root), "--video", "a", "--json"])
    rows = json.loads(shown.output)
    assert [(r["voice"], r["tracks"], r["said_by"]) for r in rows] == [
        ("Ada", "", "setting"),
        ("Bo", "", "setting"),
        (None, "1", None),
    ]
    assert rows[0]["no_face_because"].startswith("stated to have none")
    assert rows[2]["no_face_because"] is None
    assert rows[0]["role"] == "therapist" and rows[0]["talk_s"] == 1.2
    # The stand-in's face lies from a quarter to three quarters of the width.
    assert rows[2]["side"] == "right"
    both = CliRunner().invoke(app, ["people", str(run.root), "--csv"])
    assert len(both.output.splitlines()) == 7
    wrong = CliRunner().invoke(app, ["people", str(run.root), "--video", "z"])
    assert isinstance(wrong.exception, RunError)
    # A video in which nobody speaks still has its faces.
    (tmp_path / "mute.csv").write_text(f"id,path,transcript\nmute,{study / 'a.mp4'},mute.stm\n")
    make.write_stm(tmp_path / "mute.stm", [("Ada", 100.0, 101.0, "after the end")])
    mute = emodiss.annotate(
        tmp_path / "mute.csv", out=tmp_path / "mute", preset="lite", settings=stand_ins, workers=0,
        allow_local=True,
    )  # fmt: skip
    shown = CliRunner().invoke(app, ["people", str(mute.root), "--json"])
    assert [(r["voice"], r["tracks"]) for r in json.loads(shown.output)] == [(None, "1")]
    with pytest.raises(RunError, match="no run folder"):
        raise CliRunner().invoke(app, ["people", str(tmp_path)]).exception


@pytest.mark.parametrize(
    ("evidence", "why"),
    [
        ((), "no face was followed"),
        (
            (Binding("Bo", 1, 4.5, 1.0, 0.3, 0.84), Binding("Bo", 2, 0.0, NAN, 0.0, 0.1)),
            "best is track 1 with 0.8400 after 4.5 s alone in view, and people.min_confidence",
        ),
        ((Binding("Bo", 4, 9.0, 3.0, 3.0, 0.995),), "track 4, was given to Ada"),
    ],
)
def test_a_voice_without_a_face_says_why(evidence, why):
    ada, bo = Person("Ada", (4,), 0.999, "measured"), Person("Bo", (), NAN, None)
    # What is known of Ada's faces says nothing of Bo's.
    people = People((ada, bo), (Binding("Ada", 4, 9.0, 5.0, 5.0, 0.999), *evidence))
    assert why in str(why_faceless(bo, people, 0.99))
    assert why_faceless(ada, people, 0.99) is None
