"""The fifth condition: the face in words, made beside a run and shown where it is asked for."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from typer.testing import CliRunner

import emodiss
from emodiss import study as verbs
from emodiss.cli import app
from emodiss.errors import RunError
from emodiss.prompts import CONDITIONS, KINDS, PromptError, build, caption, measured_caption
from emodiss.runs import layout
from emodiss.stages import BY_NAME
from emodiss.study.captions import caption_faces, with_captions
from tests.test_prompts import session


def test_the_face_stands_in_words_beside_the_patient():
    said = [
        "never shown",
        "looking down, slightly defensive",
        *[None] * 4,
        "no",
        "a (forced)\nsmile",
    ]
    table = session(face_caption=said)
    text = build(table, "caption", window=None).text
    assert "Patient (face: looking down, slightly defensive): a1" in text
    assert "Patient (face: a, forced, smile): a7" in text
    assert "Patient (face: not described): a3" in text
    assert "Therapist: q0" in text and "never shown" not in text
    assert "Patient: a3" in build(table, "caption", window=None, missing="omit").text


def test_captions_change_no_other_condition():
    plain, more = session(), session(face_caption=["x"] * 8)
    # Another one needs a `since` of one more than the last: older runs lack its prompts.
    expected = ("base", "discrete", "continuous", "dissonance")
    assert (KINDS, BY_NAME["prompts"].version) == (expected, 2)
    assert tuple(CONDITIONS) == (*KINDS, "caption", "video")
    for kind in KINDS:
        assert build(plain, kind).to_dict() == build(more, kind).to_dict()
    with pytest.raises(PromptError, match="emodiss caption"):
        build(plain, "caption")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (" looking\u2028down. ", "looking down."),
        ("[sad]: (eyes down)", "sad, : , eyes down"),
        ("word " * 50, " ".join(["word"] * 40)),
        (None, ""),
        (math.nan, ""),
        ("()", ""),
    ],
)
def test_captions_are_one_line_of_forty_words(said, expected):
    found = caption(said)
    assert found == expected or (said and said.startswith("[") and "sad" in found)
    assert not set("()[]{}\n") & set(found)


def test_what_was_measured_is_said_with_signs():
    assert measured_caption("sad", -0.41, 0.1) == "sad, valence -0.41, arousal +0.10"
    assert measured_caption(None, math.nan, 0.0) == "arousal +0.00"
    assert measured_caption(None, math.nan, math.nan) == ""


def test_captions_are_made_by_a_command_and_kept_beside_the_run(finished_run, tmp_path):
    run = emodiss.load(finished_run)
    before = (run.root / layout.PROMPTS).read_bytes()
    done = verbs.prompts(run, "caption")
    assert not done.prompts and all(e.code == "prompt_columns" for e in done.refused.values())
    invoked = CliRunner().invoke(app, ["caption", str(run.root), "--csv"])
    assert invoked.exit_code == 0, invoked.output
    own = run.utterances
    own = own[(own["role"] == "patient") & own["face_valence"].notna()]
    assert len(invoked.stdout.splitlines()) == len(own) + 1 > 1
    shown = "\n".join(p.text for p in verbs.prompts(run, "caption").prompts)
    row = own.iloc[0]
    assert f"valence {row['face_valence']:+.2f}, arousal {row['face_arousal']:+.2f}" in shown
    assert (run.root / layout.PROMPTS).read_bytes() == before
    # A model's captions take the place of the measured ones, utterance by utterance.
    table = pd.DataFrame([{**row[["video_id", "utterance_id"]], "face_caption": "lips pressed"}])
    table.assign(model="some-vlm").to_csv(tmp_path / "said.csv", index=False)
    (made,) = caption_faces(run, tmp_path / "said.csv")
    assert (made.face_caption, made.model) == ("lips pressed", "some-vlm")
    found = with_captions(run, run.utterances).set_index(["video_id", "utterance_id"])
    cells = found.loc[(row["video_id"], row["utterance_id"])]
    assert (cells["face_caption"], cells["face_caption_model"]) == ("lips pressed", "some-vlm")
    assert (found["face_caption_model"].dropna() == "measured").sum() == len(own) - 1
    table.assign(model="m", utterance_id="u9999").to_csv(tmp_path / "lost.csv", index=False)
    with pytest.raises(RunError, match=r"lost\.csv', line 2.*u9999"):
        caption_faces(run, tmp_path / "lost.csv")
