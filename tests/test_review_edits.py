"""Laws of reviews: any edits and undos leave a sound transcript, and undo gives back what was."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings, strategies as st

from emodiss.reviews import Place, Review, in_force, place, replay, reword, standing
from emodiss.reviews.records import GEOMETRY
from emodiss.runs.codecs import encode
from emodiss.transcript import Transcript, Utterance, Word

NUMBERS = itertools.count()


def said(kind: str, of: Utterance | Place | None, by: str = "Rita", **values: Any) -> Review:
    if isinstance(of, Utterance):
        of = Place(start=of.start, end=of.end, speaker=of.speaker)
    return Review(
        by=by,
        at=datetime(2026, 5, 1, tzinfo=UTC),
        video_id="v",
        kind=kind,  # type: ignore[arg-type]
        of=() if of is None else (of,),
        id=f"{next(NUMBERS):08x}",
        **values,
    )


def spoken(start: float, end: float, speaker: str, text: str) -> Utterance:
    texts = text.split()
    step = (end - start) / max(len(texts), 1)
    words = [
        Word(t, start + i * step, start + (i + 1) * step, speaker) for i, t in enumerate(texts)
    ]
    return Utterance(start, end, speaker, text, tuple(words))


TALK = Transcript(
    (
        spoken(0.0, 2.0, "A", "how was your week"),
        spoken(2.0, 6.0, "B", "it was a good week"),
        spoken(6.5, 7.5, "A", "good"),
        spoken(7.5, 9.5, "A", "tell me more"),
    ),
    "recognised",
)


def now(*reviews: Review, draft: Transcript = TALK) -> list[tuple[str, float, float, str, str]]:
    found = replay(draft, in_force(reviews))
    assert not found.lost, found.lost
    return [
        (unit.id, u.start, u.end, u.speaker, u.text)
        for unit in found.units
        for u in [unit.utterance]
    ]


def test_a_split_divides_words_by_their_times_or_their_number() -> None:
    cut = said("split", TALK.utterances[1], cut=4.0)
    # Five words of 0.8 s: "a" lies in [3.6, 4.4), its middle at the cut belongs to the second.
    assert now(cut)[1:3] == [
        ("u0002", 2.0, 4.0, "B", "it was"),
        ("u0002-2", 4.0, 6.0, "B", "a good week"),
    ]
    counted = said("split", TALK.utterances[1], cut=4.0, n_words=4)
    assert [row[4] for row in now(counted)[1:3]] == ["it was a good", "week"]
    parts = replay(TALK, [counted]).utterances[1:3]
    for part in parts:
        assert all(part.start <= w.start < w.end <= part.end for w in part.words)
    assert parts[0].flags == ("reviewed_split",)


def test_parts_can_be_corrected_and_a_text_goes_along_with_a_split() -> None:
    text = said("text", TALK.utterances[1], text="it was a bad week")
    cut = said("split", TALK.utterances[1], cut=4.0)
    second = said("speaker", Place(start=4.0, end=6.0, speaker="B"), speaker="A")
    third = said("text", Place(start=4.0, end=6.0, speaker="B"), text="a bad day")
    assert now(text, cut, second, third)[1:3] == [
        ("u0002", 2.0, 4.0, "B", "it was"),
        ("u0002-2", 4.0, 6.0, "A", "a bad day"),
    ]
    # Edges and voices come out the same whether texts are replayed or not.
    stages = place(draft=TALK, reviews=[cut, second])
    whole = reword(draft=TALK, transcript=stages, reviews=[text, cut, second, third])
    assert [(u.start, u.end, u.speaker, u.overlap_s) for u in stages.utterances] == [
        (u.start, u.end, u.speaker, u.overlap_s) for u in whole.utterances
    ]
    assert whole.ids == ("u0001", "u0002", "u0002-2", "u0003", "u0004")


def test_two_become_one_and_keep_the_first_name() -> None:
    one = said("merge", TALK.utterances[3], other=Place(start=6.5, end=7.5, speaker="A"))
    assert now(one)[2:] == [("u0003", 6.5, 9.5, "A", "good tell me more")]
    strangers = said("merge", TALK.utterances[1], other=Place(start=6.5, end=7.5, speaker="A"))
    assert replay(TALK, [strangers]).lost[0][1] == "u0002 and u0003 are of two voices"
    # Between the two somebody of the same voice speaks.
    around = said("merge", TALK.utterances[0], other=Place(start=7.5, end=9.5, speaker="A"))
    assert replay(TALK, [around]).lost[0][1] == "it would overlap u0003 of the same voice"


def test_utterances_come_and_go_and_no_other_is_renamed() -> None:
    new = said("add", Place(start=6.0, end=6.4, speaker="C"), text="mm hm")
    gone = said("remove", TALK.utterances[0], why="not_speech")
    assert [row[0] for row in now(new, gone)] == ["u0002", "u0002-2", "u0003", "u0004"]
    first = said("add", Place(start=6.0, end=6.2, speaker="B"), text="oh")
    assert now(first)[2][:2] == ("u0002-2", 6.0)
    # What was added is an utterance like any other.
    moved = said("times", Place(start=6.0, end=6.2, speaker="B"), start=6.1, end=6.3)
    assert now(first, moved)[2] == ("u0002-2", 6.1, 6.3, "B", "oh")
    over = said("add", Place(start=5.0, end=5.5, speaker="B"), text="oh")
    assert replay(TALK, [over]).lost[0][1] == "it would overlap u0002 of the same voice"


def test_nothing_is_put_upon_what_a_split_left_over() -> None:
    cut = said("split", TALK.utterances[1], cut=5.5)
    late = said("text", TALK.utterances[1], text="whole text", by="Sam")
    found = replay(TALK, [cut, late])
    # [2, 5.5) shares 0.875 of [2, 6), and is another utterance all the same.
    assert found.lost == [(late, "its utterance was split, merged or removed")]
    assert place(draft=TALK, reviews=[cut]).n_lost_reviews == 0
    talk = place(draft=TALK, reviews=[cut])
    assert reword(draft=TALK, transcript=talk, reviews=[cut, late]).notes == ("lost_review",)


def test_two_people_who_differ_are_both_kept_and_the_first_is_followed() -> None:
    ritas = said("text", TALK.utterances[1], text="one")
    sams = said("text", TALK.utterances[1], by="Sam", text="two")
    same = said("text", TALK.utterances[1], by="Tom", text="one")
    found = standing([ritas, sams, same])
    assert (found.held, found.conflicts) == ((ritas,), ((ritas, sams),))
    # Rita thinks again: hers still holds, and so does the conflict, unless she agrees.
    again = said("text", TALK.utterances[1], text="three")
    assert standing([ritas, sams, again]).conflicts == ((again, sams),)
    agreed = said("text", TALK.utterances[1], text="two")
    assert standing([ritas, sams, agreed]).conflicts == ()
    # Somebody settles it; what comes later may differ again.
    settled = said("text", TALK.utterances[1], by="Tom", text="two", settles=True)
    assert standing([ritas, sams, settled]).held == (settled,)
    assert standing([ritas, sams, settled]).conflicts == ()
    assert standing([ritas, sams, settled, again]).conflicts == ((settled, again),)
    # Who takes back leaves the other.
    assert standing([ritas, sams, said("text", TALK.utterances[1])]).held == (sams,)
    # Two cuts of one utterance are a conflict, too; two notes stand side by side.
    cuts = [
        said("split", TALK.utterances[1], by=by, cut=c) for by, c in (("Rita", 3.0), ("Sam", 5.0))
    ]
    assert standing(cuts).conflicts == (tuple(cuts),)
    notes = [said("note", TALK.utterances[1], by=by, note="look") for by in ("Rita", "Sam")]
    assert standing(notes).held == tuple(notes)


def test_undo_goes_to_any_point_and_leaves_what_others_said() -> None:
    one = said("text", TALK.utterances[0], text="one")
    two = said("text", TALK.utterances[1], text="two")
    sams = said("text", TALK.utterances[2], by="Sam", text="sam")
    three = said("text", TALK.utterances[3], text="three")
    lines = [one, two, sams, three]
    assert standing([*lines, said("undo", None, to=one.ref)]).held == (one, sams)
    assert standing([*lines, said("undo", None, to="")]).held == (sams,)
    # The point may be another's: Rita's state at that time.
    assert standing([*lines, said("undo", None, to=sams.ref)]).held == (one, two, sams)
    # An undo is undone by going to a later point.
    back = said("undo", None, to="")
    assert standing([*lines, back, said("undo", None, to=three.ref)]).held == tuple(lines)
    # A point that is not there, after a line was taken out by hand, changes nothing.
    assert standing([*lines, said("undo", None, to="0123abcd")]).held == tuple(lines)
    old = one.model_copy(update={"id": ""})
    assert standing([old, two, said("undo", None, to=old.ref)]).held == (old,)


tenths = st.integers(0, 120).map(lambda n: n / 8)


@st.composite
def drafts(draw: st.DrawFn) -> Transcript:
    found: list[Utterance] = []
    for speaker in "AB":
        at = 0.0
        for _ in range(draw(st.integers(0, 4))):
            start = at + draw(st.integers(0, 16)) / 8
            at = start + draw(st.integers(1, 24)) / 8
            text = " ".join(draw(st.lists(st.sampled_from(["so", "it", "goes"]), max_size=5)))
            one = spoken(start, at, speaker, text)
            found.append(one if draw(st.booleans()) else replace(one, words=()))
    return Transcript(tuple(sorted(found, key=lambda u: (u.start, u.end))), "recognised")


@st.composite
def edits(draw: st.DrawFn, draft: Transcript, made: list[Review]) -> Review:
    """One edit of what stands, or an undo, by one of two people; it need not fit."""
    by = draw(st.sampled_from(["Rita", "Sam"]))
    units = replay(draft, in_force(made)).units
    kinds = ["add", "undo"] if not units else ["undo", "note", "add", "text", *GEOMETRY]
    kind = draw(st.sampled_from(kinds))
    a, b = sorted((draw(tenths), draw(tenths)))
    if kind == "undo":
        return said("undo", None, by, to=draw(st.sampled_from(["", *[m.ref for m in made]])))
    if kind == "add":
        speaker = draw(st.sampled_from("ABC"))
        return said("add", Place(start=a, end=b + 0.125, speaker=speaker), by, text="oh well")
    unit = draw(st.sampled_from(units))
    values: dict[str, dict[str, Any]] = {
        "note": {"note": "look"},
        "text": {"text": draw(st.sampled_from(["", "so", "it goes so"]))},
        "speaker": {"speaker": draw(st.sampled_from("ABC"))},
        "times": {"start": a, "end": b + 0.125},
        "split": {"cut": draw(tenths) + 0.0625, "n_words": draw(st.none() | st.integers(0, 4))},
        "merge": {"other": draw(st.sampled_from(units)).anchor},
        "remove": {"why": "not_speech"},
    }
    back = kind != "note" and draw(st.integers(0, 5)) == 0
    settles = draw(st.integers(0, 3)) == 0
    return said(kind, unit.anchor, by, settles=settles, **({} if back else values[kind]))


def overlaps(utterances: tuple[Utterance, ...]) -> bool:
    return any(
        a.speaker == b.speaker and min(a.end, b.end) - max(a.start, b.start) > 1e-6
        for a, b in itertools.combinations(utterances, 2)
    )


@settings(max_examples=120)
@given(st.data())
def test_any_edits_and_undos_leave_a_sound_transcript(data: st.DataObject) -> None:
    draft = data.draw(drafts())
    made: list[Review] = []
    for _ in range(data.draw(st.integers(1, 8))):
        made.append(data.draw(edits(draft, made)))
        held = in_force(made)
        geometry = [r for r in held if r.kind in GEOMETRY]
        talk = place(draft=draft, reviews=geometry)
        words = [r for r in held if r.kind in (*GEOMETRY, "text")]
        wording = reword(draft=draft, transcript=talk, reviews=words)
        said_ = wording.utterances
        assert all(0 <= u.start < u.end for u in said_)
        assert [(u.start, u.end) for u in said_] == sorted((u.start, u.end) for u in said_)
        assert not overlaps(said_)
        assert len(set(wording.ids)) == len(wording.ids) == len(said_)
        # The two stages agree on who speaks when.
        assert [(u.start, u.end, u.speaker) for u in said_] == [
            (u.start, u.end, u.speaker) for u in talk.utterances
        ]
        for u in said_:
            assert all(
                u.start <= w.start <= w.end <= u.end and w.speaker == u.speaker for w in u.words
            )
            assert 0 <= u.overlap_s <= u.duration + 1e-9
        # Everything ever said is still there, and counts, is replaced, disputed or undone.
        assert len(standing(made).undone) + len(held) <= len(made)


@settings(max_examples=60)
@given(st.data())
def test_undo_gives_back_the_bytes_before(data: st.DataObject) -> None:
    draft = data.draw(drafts())

    def bytes_of(reviews: list[Review]) -> Any:
        held = [r for r in in_force(reviews) if r.kind in (*GEOMETRY, "text")]
        talk = place(draft=draft, reviews=[r for r in held if r.kind in GEOMETRY])
        facts = [r.facts() for r in held]
        return facts, encode(reword(draft=draft, transcript=talk, reviews=held))

    made: list[Review] = []
    states = [bytes_of(made)]
    for _ in range(data.draw(st.integers(1, 6))):
        one = data.draw(edits(draft, made)).model_copy(update={"by": "Rita"})
        made.append(one)
        states.append(bytes_of(made))
    to = data.draw(st.integers(0, len(made)))
    back = said("undo", None, to=made[to - 1].ref if to else "")
    assert bytes_of([*made, back]) == states[to]
    # And forth again.
    forth = said("undo", None, to=made[-1].ref)
    assert bytes_of([*made, back, forth]) == states[-1]
