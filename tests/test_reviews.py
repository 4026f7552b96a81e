"""Reviews: found again by place, the last word counts, nothing is put upon something else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from emodiss.reviews import (
    Place,
    Review,
    differences,
    find_utterance,
    find_voice,
    in_force,
    place,
    reviewed_roles,
    reword,
    voices,
)
from emodiss.transcript import Transcript, Utterance, Word

TALK = (
    Utterance(0.0, 2.0, "A", "how was your week", flags=("smoothed",)),
    Utterance(2.0, 6.0, "B", "it was a good week"),
    Utterance(6.5, 7.5, "A", "good"),
)


def review(kind: str, of: Utterance | tuple[Place, ...], **values: Any) -> Review:
    if isinstance(of, Utterance):
        of = (Place(start=of.start, end=of.end, speaker=of.speaker),)
    values.setdefault("by", "Rita")
    return Review(at=datetime(2026, 5, 1, tzinfo=UTC), video_id="v", kind=kind, of=of, **values)  # type: ignore[arg-type]


def draft(*utterances: Utterance) -> Transcript:
    return Transcript(utterances or TALK, "recognised")


def test_a_review_survives_json() -> None:
    one = review("times", TALK[1], start=2.5, end=6.0, note="late")
    assert Review.model_validate(one.to_dict()) == one
    assert "role" not in one.to_dict()
    taken_back = review("text", TALK[1])
    assert taken_back.value == {} and Review.model_validate(taken_back.to_dict()) == taken_back
    # An empty text is a correction: nothing is said.
    assert review("text", TALK[1], text="").value == {"text": ""}


@pytest.mark.parametrize(
    ("kind", "values", "match"),
    [
        ("role", {"role": "doctor"}, "therapist"),
        ("role", {"text": "x"}, "has no 'text'"),
        ("times", {"start": 1.0}, "both a start and an end"),
        ("times", {"start": 2.0, "end": 1.0}, "0 <= start < end"),
        ("times", {"start": 0.0, "end": float("inf")}, "finite"),
        ("verdict", {"right": True}, "judged"),
        ("text", {"text": "x", "by": ""}, "at least 1"),
        ("text", {"text": "x", "by": "a\nb"}, "pattern"),
        ("text", {"text": "x", "mood": "sad"}, "Extra"),
        ("speaker", {"speaker": ""}, "at least 1"),
    ],
)
def test_what_is_no_review_is_refused(kind: str, values: dict[str, Any], match: str) -> None:
    with pytest.raises(ValidationError, match=match):
        review(kind, TALK[1], **values)


def test_a_review_without_a_time_zone_is_refused() -> None:
    record = {**review("text", TALK[1], text="x").to_dict(), "at": "2026-05-01T00:00:00"}
    with pytest.raises(ValidationError, match="timezone"):
        Review.model_validate(record)


def test_the_last_word_counts_and_taking_back_leaves_no_trace() -> None:
    first = review("text", TALK[1], text="one")
    second = review("text", TALK[1], text="two")
    other = review("role", voices(TALK)["A"], role="therapist")
    assert in_force([first, other, second]) == [other, second]
    back = review("text", TALK[1])
    assert in_force([first, other, second, back]) == [other]
    # Saying it again, by whomever, moves nothing.
    again = review("text", TALK[1], text="one", by="Sam")
    assert [r.facts() for r in in_force([first, other, again])] == [first.facts(), other.facts()]


def test_who_and_when_change_no_key() -> None:
    one = review("role", voices(TALK)["A"], role="patient")
    two = one.model_copy(update={"by": "Sam", "at": datetime(2027, 1, 1, tzinfo=UTC), "note": "!"})
    assert one.facts() == two.facts()


def test_an_utterance_is_found_by_place_whatever_its_number() -> None:
    mine = Place(start=2.0, end=6.0, speaker="B")
    assert find_utterance(mine, TALK) == 1
    moved = (Utterance(0, 0.5, "A"), Utterance(0.6, 1.9, "A"), Utterance(2.2, 6.1, "S1"))
    assert find_utterance(mine, moved) == 2
    # Split in two: [2, 3.9) shares 1.9 of 4 s, less than half.
    assert find_utterance(mine, (Utterance(2, 3.9, "B"), Utterance(7, 8, "B"))) is None
    # Two people at once: the label decides.
    both = (Utterance(2, 6, "A"), Utterance(2, 6, "B"))
    assert find_utterance(mine, both) == 1


def test_a_voice_is_found_under_another_label() -> None:
    swapped = tuple(replace(u, speaker={"A": "B", "B": "A"}[u.speaker]) for u in TALK)
    assert find_voice(voices(TALK)["A"], TALK) == "A"
    assert find_voice(voices(TALK)["A"], swapped) == "B"
    assert find_voice(voices(TALK)["A"], (Utterance(10, 20, "A"),)) is None
    roles, lost = reviewed_roles(swapped, [review("role", voices(TALK)["A"], role="therapist")])
    assert (roles, lost) == ({"B": "therapist"}, 0)
    roles, lost = reviewed_roles((), [review("role", voices(TALK)["A"], role="therapist")])
    assert (roles, lost) == ({}, 1)


def test_speakers_and_times_are_laid_over_and_marked() -> None:
    found = place(
        draft=draft(),
        reviews=[
            review("speaker", TALK[2], speaker="B", voice=voices(TALK)["B"]),
            review("times", TALK[1], start=1.5, end=6.0),
        ],
    )
    assert [(u.start, u.end, u.speaker) for u in found.utterances] == [
        (0.0, 2.0, "A"),
        (1.5, 6.0, "B"),
        (6.5, 7.5, "B"),
    ]
    assert found.utterances[1].flags == ("reviewed_times",)
    assert found.utterances[1].timing == "given"
    assert found.utterances[2].flags == ("reviewed_speaker",)
    # [1.5, 2) is now shared.
    assert [u.overlap_s for u in found.utterances] == [0.5, 0.5, 0.0]
    assert found.n_lost_reviews == 0
    assert draft().utterances[2].speaker == "A"  # the draft is as it was


def test_a_reviewed_speaker_follows_the_voice_to_its_new_label() -> None:
    one = review("speaker", TALK[2], speaker="B", voice=voices(TALK)["B"])
    names = {"A": "S1", "B": "S0"}
    again = tuple(replace(u, speaker=names[u.speaker]) for u in TALK)
    assert place(draft=draft(*again), reviews=[one]).utterances[2].speaker == "S0"
    # A voice that was not heard elsewhere keeps the name it was given.
    new = review("speaker", TALK[2], speaker="Nurse")
    assert place(draft=draft(*again), reviews=[new]).utterances[2].speaker == "Nurse"


def test_a_review_whose_utterance_is_gone_is_counted_and_harms_nobody() -> None:
    gone = review("speaker", Utterance(100, 101, "A"), speaker="B")
    found = place(draft=draft(), reviews=[gone])
    assert found.utterances == draft().utterances
    assert (found.n_lost_reviews, found.notes) == (1, ("lost_review",))


def test_words_keep_their_times_where_the_text_stays() -> None:
    words = tuple(
        Word(text, 2.0 + i, 3.0 + i, speaker="B", timing="aligned")
        for i, text in enumerate(("it", "was", "a", "wood"))
    )
    spoken = replace(TALK[1], text="it was a wood", words=words)
    base = draft(TALK[0], spoken, TALK[2])
    one = review("text", spoken, text="it was really good")
    found = reword(draft=base, transcript=base, reviews=[one]).utterances[1]
    assert (found.text, found.flags) == ("it was really good", ("reviewed_text",))
    # "a wood" [4, 6) became "really good": 6 and 4 letters share 2 s as 1.2 and 0.8.
    assert [(w.text, w.start, w.end, w.timing) for w in found.words] == [
        ("it", 2.0, 3.0, "aligned"),
        ("was", 3.0, 4.0, "aligned"),
        ("really", 4.0, pytest.approx(5.2), "interpolated"),
        ("good", pytest.approx(5.2), 6.0, "interpolated"),
    ]
    # A word added where there is no room: all are spread over the utterance.
    one = review("text", spoken, text="it was not a wood")
    found = reword(draft=base, transcript=base, reviews=[one]).utterances[1]
    assert [w.text for w in found.words] == ["it", "was", "not", "a", "wood"]
    assert {w.timing for w in found.words} == {"interpolated"}
    assert (found.words[0].start, found.words[-1].end) == (2.0, 6.0)
    assert reword(draft=base, transcript=base, reviews=[review("text", spoken, text="")])


def test_words_outside_new_edges_are_spread_over_them() -> None:
    words = (Word("it", 2.0, 3.0, "B"), Word("was", 3.0, 6.0, "B"))
    base = draft(replace(TALK[1], words=words))
    kept = place(draft=base, reviews=[review("times", TALK[1], start=1.0, end=6.5)])
    assert kept.utterances[0].words == words
    cut = place(draft=base, reviews=[review("times", TALK[1], start=3.0, end=5.0)])
    # Two letters to three of 2 s.
    assert [(w.start, w.end) for w in cut.utterances[0].words] == [
        (3.0, pytest.approx(3.8)),
        (pytest.approx(3.8), 5.0),
    ]


def test_what_a_file_rounded_was_not_changed() -> None:
    found = {"speaker": "A", "text": "so  it goes", "start": 1.23449, "end": 2.0}
    assert differences(found, {"text": "so it goes", "start": 1.234}, tolerance_s=0.001) == {}
    changed = differences(found, {**found, "speaker": "B", "end": 2.5}, tolerance_s=0.001)
    # The edge that was not moved keeps its full precision.
    assert changed == {"speaker": {"speaker": "B"}, "times": {"start": 1.23449, "end": 2.5}}
