"""The bench of untouched recordings: its counting, by hand. What it measures is not timed here."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emodiss.transcript import Turn
from tests import make

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "bench_untouched.py"


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("bench_untouched", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_untouched"] = module
    spec.loader.exec_module(module)
    return module


def test_seconds_with_the_right_a_wrong_and_no_face(bench):
    # Ada (left) speaks 0 to 2, Bo (right) 2 to 4, and Cy, who is never shown, 4 to 5.
    case = bench.Case(
        "x",
        "pair",
        Path("x.mp4"),
        turns=(Turn(0, 2, "Ada"), Turn(2, 4, "Bo"), Turn(4, 5, "Cy")),
        voices={"Ada": "Ada", "Bo": "Bo", "Cy": None},
        faces=(("Ada", 0, 5, (0, 0, 100, 100)), ("Bo", 0, 5, (100, 0, 200, 100))),
    )
    left = make.track(7, np.arange(0, 150, 3), (10.0, 10, 40, 40))
    # Ada's first second has her face, her second one no utterance; Bo has Ada's; Cy has none.
    table = pd.DataFrame(
        {"start": [0.0, 2.0, 4.0], "end": [1.0, 4.0, 5.0], "track_id": [7, 7, None]}
    )
    found = bench._faces(case, table, make.tracks(left))
    assert found == {"face_right_s": 2.0, "face_wrong_s": 2.0, "face_open_s": 1.0}


def test_behind_a_cut_a_face_is_judged_where_it_was_seen(bench):
    # Full pictures: Ada until 2 s, then Bo, who listens while Ada goes on speaking.
    whole = (0, 0, 200, 100)
    case = bench.Case(
        "x",
        "cuts",
        Path("x.mp4"),
        turns=(Turn(0, 3, "Ada"),),
        voices={"Ada": "Ada"},
        faces=(("Ada", 0, 2, whole), ("Bo", 2, 4, whole)),
    )
    ada = make.track(7, np.arange(0, 60, 3), (10.0, 10, 40, 40))
    table = pd.DataFrame({"start": [0.0], "end": [3.0], "track_id": [7]})
    found = bench._faces(case, table, make.tracks(ada))
    assert found == {"face_right_s": 3.0, "face_wrong_s": 0.0, "face_open_s": 0.0}


def test_classes_are_summed_and_bad_input_is_not_among_them(bench):
    whole = {"outcome": "done", "voices": 1, "voices_found": 1, "utterances": 4, "words": 10,
             "words_unflagged": 10, "voice_ok": 4, "face_ok": 2, "speech_s": 10.0,
             "der_s": 1.0, "said": 10, "word_errors": 1, "word_pairs": 10,
             "word_voice_errors": 0}  # fmt: skip
    rows = [
        {**whole, "case": "a", "class": "single"},
        {**whole, "case": "b", "class": "single", "said": 30, "word_errors": 1, "voices_found": 2},
        {**whole, "case": "c", "class": "bad input", "word_errors": 10},
        {"case": "d", "class": "single", "outcome": "failed in media: media"},
    ]
    single, everything = bench.by_class(rows)
    assert (single["class"], single["recordings"], everything["recordings"]) == ("single", 2, 2)
    assert single["wer_%"] == 5.0  # two of forty words
    assert single["der_%"] == 10.0 and single["counts_right"] == "1/2"
    assert single["face_ok_%"] == 50.0 and single["words_flagged_%"] == 0.0
    assert single["face_right_%"] is None  # nobody knows whose faces these are


def test_the_guide_holds_the_tables_that_the_script_writes(bench):
    text = bench.GUIDE.read_text(encoding="utf-8")
    made = bench.updated(text, {"results": "R", "bad input": "B", "cost": "C"})
    assert made.count("\nR\n<!-- end results -->") == 1 and "\nC\n<!-- end cost -->" in made
    with pytest.raises(SystemExit, match="lacks the part 'other'"):
        bench.updated(text, {"other": ""})


def test_bad_input_that_needs_no_data_is_composed(bench, tmp_path, monkeypatch):
    # Nothing is annotated here: that each case exists, opens, and says what it should end in.
    whole = bench.demo.build
    monkeypatch.setattr(bench.demo, "build", lambda folder: whole(folder, duration_s=1.0))
    found = {case.name: case for case in bench._bad(None, tmp_path)}
    assert {"silence", "noise", "music", "laughter-like noise", "sound 200 ms late",
            "mirrored picture", "picture without sound", "sound without picture", "20 seconds",
            "dubbed: the sound of another stretch"} == set(found)  # fmt: skip
    assert all(case.path.stat().st_size > 1000 and case.expect for case in found.values())
    import av

    with av.open(str(found["picture without sound"].path)) as media:
        assert (len(media.streams.video), len(media.streams.audio)) == (1, 0)
    with av.open(str(found["sound without picture"].path)) as media:
        assert (len(media.streams.video), len(media.streams.audio)) == (0, 1)
    mirrored = {p: box[0] for p, _, _, box in found["mirrored picture"].faces}
    assert mirrored["Sheila"] == 0.0 and mirrored["Diane"] > 0
