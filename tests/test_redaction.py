"""Names are replaced where they are listed or label a voice, and nothing else is."""

from __future__ import annotations

import json

import pandas as pd
from hypothesis import given, strategies as st

from emodiss.interventions.redaction import read_names, redact
from tests.chat.scripted import table


def texts(*lines, speaker="SPEAKER_00"):
    return pd.DataFrame({"speaker": speaker, "text": list(lines)})


def test_labels_and_listed_names_are_replaced_and_others_stay():
    people = read_names("# people\nCarla Diaz, Carla , Carlita\n\n")
    out, done = redact(table("v1"), people)
    assert out["text"].tolist() == [
        "How was your week, NAME3? (v1)",
        "It was fine. NAME2, I slept badly every single night. (v1)",
        "Tell me about the nights. (v1)",
        "My sister NAME1 calls at three. (v1)",
    ]
    assert out["speaker"].tolist() == ["NAME2", "NAME3"] * 2
    assert (done.n_people, done.n_replaced) == (3, 3)
    assert "Carla" not in json.dumps(done.to_dict()) + repr(done)


def test_the_parts_of_a_name_are_one_person():
    frame = texts(
        "Ada Novak, or ADA, or ms novak's; not Adam, not Canada.", speaker="Dr. Ada Novak"
    )
    out, _ = redact(frame)
    assert out["text"][0] == "NAME1, or NAME1, or ms NAME1's; not Adam, not Canada."


def test_labels_that_are_no_names_replace_nothing():
    for label in ("SPEAKER_00", "S1", "A", "Therapist", "patient 2", "voice", "", None, "7"):
        frame = texts("The therapist and the patient: a voice, a speaker.", speaker=label)
        out, done = redact(frame)
        assert done.n_people == 0 and out.equals(frame), label


@given(st.lists(st.text(min_size=1, max_size=8), max_size=4), st.text(max_size=60))
def test_no_listed_name_survives_as_a_word(names, text):
    # Lower-case Latin letters only: case folding of other letters is Unicode's affair.
    names = [n for n in names if n.isascii() and n.isalpha() and not n.lower().startswith("name")]
    out, _ = redact(texts(text), [(n,) for n in names])
    words = "".join(c if c.isalnum() or c == "_" else " " for c in out["text"][0]).split()
    assert not {w.lower() for w in words if w.isascii()} & {n.lower() for n in names}
