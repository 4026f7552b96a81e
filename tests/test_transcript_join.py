"""Join: cases worked out by hand, and laws that hold for any words and turns."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, strategies as st

from emodiss.timebase import TimeError
from emodiss.transcript import Turn, Utterance, Word, join
from emodiss.transcript.join import ends_sentence, tell_apart

NAN = math.nan


def talk(text: str, start: float, *, step: float = 0.5, gap: float = 0.0) -> list[Word]:
    """Words of `step` seconds each, one after the other."""
    return [
        Word(word, start + i * (step + gap), start + i * (step + gap) + step)
        for i, word in enumerate(text.split())
    ]


def shown(utterances: list[Utterance]) -> list[tuple[str, str]]:
    return [(u.speaker, u.text) for u in utterances]


def test_a_segment_of_two_voices_is_split_where_the_voice_changes() -> None:
    words = talk("where were you at home of course", 0)  # 7 words, 0 to 3.5 s
    utterances = join(words, [Turn(0, 1.5, "A"), Turn(1.5, 3.5, "B")])
    assert shown(utterances) == [("A", "where were you"), ("B", "at home of course")]
    assert [(u.start, u.end) for u in utterances] == [(0, 1.5), (1.5, 3.5)]
    assert {u.timing for u in utterances} == {"aligned"}
    assert all(w.speaker == u.speaker for u in utterances for w in u.words)


def test_sentences_and_long_pauses_end_an_utterance() -> None:
    words = [*talk("It was good. Really it was.", 0), *talk("And then nothing", 4.5)]
    turns = [Turn(0, 6, "A")]
    # The words end at 3.0 s; the pause to 4.5 s is longer than 1 s.
    assert [u.text for u in join(words, turns)] == [
        "It was good.",
        "Really it was.",
        "And then nothing",
    ]
    assert len(join(words, turns, keep_sentences=False)) == 2
    assert len(join(words, turns, keep_sentences=False, max_pause_s=1.5)) == 1
    assert len(join(words, turns, max_pause_s=0.4)) == 3


def test_a_sentence_of_one_word_stays_with_the_next_one() -> None:
    utterances = join(talk("Oh. Hello there you.", 0), [Turn(0, 9, "A")])
    assert [u.text for u in utterances] == ["Oh. Hello there you."]


@pytest.mark.parametrize(
    ("word", "ends"),
    [("done.", True), ("done?!", True), ('said."', True), ("Dr.", False), ("U.S.", False),
     ("13.60", False), ("well,", False), ("…", True), ("好。", True), ("2014.", True)],
)  # fmt: skip
def test_what_ends_a_sentence(word: str, ends: bool) -> None:
    assert ends_sentence(word) is ends


def test_a_flicker_inside_a_sentence_is_smoothed() -> None:
    words = talk("I went to the store yesterday.", 0)
    turns = [Turn(0, 1.5, "A"), Turn(1.5, 1.95, "B"), Turn(1.95, 3, "A")]
    (utterance,) = join(words, turns)
    assert (utterance.speaker, utterance.flags) == ("A", ("smoothed",))
    assert shown(join(words, turns, min_words=1)) == [
        ("A", "I went to"),
        ("B", "the"),
        ("A", "store yesterday."),
    ]


def test_a_word_that_hangs_over_the_edge_goes_to_its_sentence() -> None:
    # The diarizer hears B half a second late: "I'm" falls into A's turn.
    words = talk("How are you? I'm fine thank you.", 0)
    utterances = join(words, [Turn(0, 2.0, "A"), Turn(2.0, 4, "B")])
    assert shown(utterances) == [("A", "How are you?"), ("B", "I'm fine thank you.")]
    assert utterances[1].flags == ("smoothed",)


def test_an_answer_of_one_word_is_kept() -> None:
    words = talk("Did you ever go? Never. And do you want to?", 0)
    utterances = join(words, [Turn(0, 2, "A"), Turn(2, 2.5, "B"), Turn(2.5, 5, "A")])
    assert shown(utterances)[1] == ("B", "Never.")
    assert utterances[1].flags == ()


def test_a_listeners_signal_is_its_own_utterance() -> None:
    words = [*talk("so I told her", 0), *talk("mm-hmm", 2, step=0.25), *talk("to go home", 2.25)]
    turns = [Turn(0, 3.75, "A"), Turn(2, 2.25, "B")]
    utterances = join(words, turns)
    # During "mm-hmm" both have a turn; the listener's is the shorter one.
    assert shown(utterances) == [("A", "so I told her"), ("B", "mm-hmm"), ("A", "to go home")]
    assert [u.flags for u in utterances] == [(), ("backchannel",), ()]
    # A's turn covers all of B's 0.25 s; B's turn touches neither of A's utterances.
    assert [u.overlap_s for u in utterances] == [0, 0.25, 0]


def test_a_listeners_phrase_of_two_words_is_one_too() -> None:
    words = [*talk("so then he", 0), *talk("I see", 1.5, step=0.25), *talk("left me alone", 2)]
    turns = [Turn(0, 4, "A"), Turn(1.5, 2, "B")]
    utterances = join(words, turns)
    assert shown(utterances) == [("A", "so then he"), ("B", "I see"), ("A", "left me alone")]
    assert utterances[1].flags == ("backchannel",)
    # "I" alone is nobody's signal: both have a turn, and A was speaking.
    words = [*talk("so then", 0), *talk("I went", 1, step=0.25), *talk("home alone", 1.5)]
    assert shown(join(words, [Turn(0, 4, "A"), Turn(1, 1.5, "B")])) == [
        ("A", "so then I went home alone")
    ]


def test_times_before_the_start_and_ends_without_end_are_not_believed() -> None:
    words = [Word("a", -1, 0.25), Word("b", 0.5, 1), Word("c", 2, math.inf)]
    (utterance,) = join(words, [Turn(0, 3, "A")])
    assert utterance.span.start >= 0
    assert [w.timing for w in utterance.words] == ["interpolated", "aligned", "interpolated"]
    assert utterance.words[2].end == 2.125  # eight of the shortest words, 8 / 64 s


def test_the_last_okay_is_no_backchannel() -> None:
    utterances = join(talk("see you then. Okay.", 0), [Turn(0, 1.5, "A"), Turn(1.5, 2, "B")])
    assert shown(utterances) == [("A", "see you then."), ("B", "Okay.")]
    assert utterances[1].flags == ()


def test_words_without_times_share_the_gap_by_length() -> None:
    words = [
        Word("it", 0, 1),
        Word("cost", NAN, NAN),
        Word("42", 1.5, 1.5),
        Word("euros", 1.375, 3),
    ]
    (utterance,) = join(words, [Turn(0, 3, "A")])
    got = [(w.start, w.end, w.timing) for w in utterance.words]
    # Six characters would like 0.39 s; there are 0.375 s, shared 4 : 2.
    assert got[0] == (0, 1, "aligned")
    assert got[1] == (1, pytest.approx(1.25), "interpolated")
    assert got[2] == (pytest.approx(1.25), 1.375, "interpolated")
    assert got[3] == (1.375, 3, "aligned")
    # Both words around them are A's: nobody doubts the voice.
    assert (utterance.timing, utterance.flags) == ("aligned", ())


def test_words_at_the_ends_take_the_room_of_the_turn() -> None:
    words = [Word("well", NAN, NAN), Word("then", 5, 5.5), Word("go", NAN, NAN)]
    (utterance,) = join(words, [Turn(4.9, 8, "A")])
    # Four characters would like 0.26 s, the turn leaves 0.1; two take 0.13 s of what is left.
    assert [(w.start, w.end) for w in utterance.words] == [
        (pytest.approx(4.9), 5),
        (5, 5.5),
        (5.5, pytest.approx(5.63)),
    ]
    assert utterance.timing == "interpolated"


def test_no_room_means_the_word_before_shares() -> None:
    words = [Word("thirty", 0, 1), Word("two", 1, 1), Word("years", 1, 2)]
    (utterance,) = join(words, [Turn(0, 2, "A")])
    assert [(w.start, w.end) for w in utterance.words] == [
        (0, pytest.approx(2 / 3)),
        (pytest.approx(2 / 3), 1),
        (1, 2),
    ]
    assert [w.timing for w in utterance.words] == ["interpolated", "interpolated", "aligned"]


def test_both_neighbours_of_the_first_good_word_are_squeezed() -> None:
    # Found by hypothesis: the leading word took half of "b", whose start then left no room.
    words = [Word("a", 0, 0), Word("b", 1, 2), Word("c", 0, 0), Word("d", 1.25, 2)]
    (utterance,) = join(words, [])
    # "b" and "c" share [1, 1.25); then "a" and "b" share [1, 1.125).
    assert [(w.start, w.end) for w in utterance.words] == [
        (1, 1.0625),
        (1.0625, 1.125),
        (1.125, 1.25),
        (1.25, 2),
    ]


def test_one_wild_time_does_not_spoil_the_rest() -> None:
    words = talk("one two three four five", 0)
    words[1] = replace(words[1], start=900.0, end=901.0)
    (utterance,) = join(words, [Turn(0, 2.5, "A")])
    assert [w.timing for w in utterance.words].count("interpolated") == 1
    assert (utterance.start, utterance.end) == (0, 2.5)


def test_words_outside_every_turn_get_the_nearest_voice_and_a_flag() -> None:
    words = [*talk("hello there", 1), *talk("who is it", 5), *talk("me of course", 9)]
    turns = [Turn(1, 2, "A"), Turn(9, 11, "B")]
    utterances = join(words, turns)
    # "who" starts 3 s after A and 3.5 s before B; "it" ends at 6.5, 2.5 s before B.
    assert shown(utterances) == [("A", "hello there"), ("B", "who is it"), ("B", "me of course")]
    assert utterances[0].flags == ()
    assert "nearest_speaker" in utterances[1].flags
    assert utterances[1].words[0].timing == "aligned"  # measured, so kept


def test_nearest_means_the_turn_that_ended_last_not_the_one_that_started_last() -> None:
    words = [Word("so", 10.5, 11.0), Word("yes", 11.0, 11.5)]
    # B's short turn starts later but ended long ago.
    utterances = join(words, [Turn(0, 10, "A"), Turn(2, 3, "B"), Turn(30, 31, "C")])
    assert shown(utterances) == [("A", "so yes")]


def test_words_that_carry_a_voice_keep_it_without_turns() -> None:
    words = [replace(w, speaker="A") for w in talk("how are you", 0)]
    words += [replace(w, speaker="B") for w in talk("very well thanks", 1.5)]
    words[4] = replace(words[4], speaker=None)
    utterances = join(words, [])
    assert shown(utterances) == [("A", "how are you"), ("B", "very well thanks")]
    assert utterances[1].flags == ("nearest_speaker",)


def test_doubts_about_lines_stay_with_their_words_when_voices_are_told_apart() -> None:
    def line(start: float, text: str, *flags: str) -> Utterance:
        words = tuple(
            Word(w, start + 0.5 * k, start + 0.5 * k + 0.4) for k, w in enumerate(text.split())
        )
        return Utterance(start, words[-1].end, "speaker", text, words, flags=flags)

    lines = [
        line(0.0, "all is well.", "time_unit_assumed"),
        line(2.0, "(music)", "no_words", "time_unit_assumed"),
        line(2.5, "and so on.", "text_mismatch"),
    ]
    turns = [Turn(0.0, 1.6, "A"), Turn(2.0, 4.0, "B")]
    assert [(u.speaker, u.flags) for u in tell_apart(lines, turns)] == [
        ("A", ("time_unit_assumed",)),
        ("B", ("text_mismatch", "time_unit_assumed")),
    ]


def test_nobody_is_named() -> None:
    assert shown(join(talk("all by myself", 0), [], speaker_default="?")) == [
        ("?", "all by myself")
    ]
    assert join([], []) == []


def test_no_times_at_all_spread_over_the_turns() -> None:
    words = [Word(text, NAN, NAN) for text in ("aaaa", "bbbb", "cccc", "dddd")]
    utterances = join(words, [Turn(2, 4, "A"), Turn(4, 6, "B")])
    assert shown(utterances) == [("A", "aaaa bbbb"), ("B", "cccc dddd")]
    assert [u.timing for u in utterances] == ["interpolated"] * 2


def test_turns_alone_become_utterances_without_text() -> None:
    turns = [Turn(5, 6, "B"), Turn(0, 2, "A"), Turn(2.5, 4, "A"), Turn(3.5, 4.5, "B")]
    utterances = join([], turns)
    # A's turns are 0.5 s apart, B's 0.5 s: both merge. [3.5, 4) is shared.
    assert [(u.start, u.end, u.speaker, u.text, u.overlap_s) for u in utterances] == [
        (0, 4, "A", "", 0.5),
        (3.5, 6, "B", "", 0.5),
    ]
    assert {u.timing for u in utterances} == {"detected"}
    assert len(join([], turns, max_pause_s=0.25)) == 4


def test_a_turn_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(TimeError):
        join([], [Turn(2, 1, "A")])


# -- laws ----------------------------------------------------------------------------------

ticks = st.integers(0, 640).map(lambda n: n / 64)  # exact in binary, so shifts are exact too
lengths = st.integers(-8, 64).map(lambda n: n / 64)
texts = st.sampled_from(["so", "mm-hmm", "yeah", "home.", "I", "what?", "never", "", "Dr."])
voices = st.none() | st.sampled_from("AB")


@st.composite
def any_words(draw: st.DrawFn) -> list[Word]:
    """Mostly rising times, with gaps, doubles, strays and holes."""
    words: list[Word] = []
    clock = 0.0
    for text in draw(st.lists(texts, max_size=14)):
        clock += draw(st.integers(0, 100)) / 64
        start = draw(st.sampled_from([clock, clock, clock, clock, NAN]) | ticks)
        end = draw(st.sampled_from([start + draw(lengths), NAN]) | st.just(start + 0.25))
        words.append(Word(text, start, end, draw(voices)))
    return words


any_turns = st.lists(
    st.tuples(ticks, st.integers(1, 200), st.sampled_from("ABC")).map(
        lambda item: Turn(item[0], item[0] + item[1] / 64, item[2])
    ),
    max_size=6,
)
guards = st.fixed_dictionaries(
    {
        "min_words": st.integers(1, 4),
        "min_duration_s": st.sampled_from([0.0, 0.4, 2.0]),
        "max_pause_s": st.sampled_from([0.0, 1.0, math.inf]),
        "keep_sentences": st.booleans(),
    }
)


@given(any_words(), any_turns, guards)
@example([Word("a", 1, 2), Word("b", 1, 2), Word("c", 1, 2)], [], {"min_words": 2})
@example([Word("a", 0, math.inf), Word("b", 0.25, 1)], [], {})
def test_no_word_is_lost_and_the_order_stays(
    words: list[Word], turns: list[Turn], options: dict[str, Any]
) -> None:
    utterances = join(words, turns, **options)
    if words:
        assert [w.text for u in utterances for w in u.words] == [w.text for w in words]
        kept = [w.score for u in utterances for w in u.words]
        assert len(kept) == len(words)


@given(any_words(), any_turns, guards)
def test_spans_are_positive_and_do_not_overlap_for_one_speaker(
    words: list[Word], turns: list[Turn], options: dict[str, Any]
) -> None:
    utterances = join(words, turns, **options)
    by_speaker = defaultdict(list)
    for utterance in utterances:
        assert utterance.span.duration > 0  # span refuses anything not finite or not positive
        assert 0 <= utterance.overlap_s <= utterance.duration + 1e-9
        by_speaker[utterance.speaker].append(utterance)
        assert all(a.end <= b.start for a, b in pairwise(utterance.words))
        assert all(w.end > w.start for w in utterance.words)
        assert all(w.speaker == utterance.speaker for w in utterance.words)
        if utterance.words:
            assert utterance.start == utterance.words[0].start
            assert utterance.end == utterance.words[-1].end
    for own in by_speaker.values():
        if words:
            assert all(a.end <= b.start for a, b in pairwise(own))
        else:
            assert all(b.start - a.end > options["max_pause_s"] for a, b in pairwise(own))


# The seventh word lies as far from A's as from B's, but for the last bits.
HALFWAY = [Word("so", 0.0, 0.0, {1: "A", 13: "B"}.get(i)) for i in range(14)]


@given(any_words(), any_turns, guards, st.integers(1, 100))
@example(HALFWAY, [], {"min_words": 1, "min_duration_s": 0.0}, 1)
def test_shifting_time_shifts_everything(
    words: list[Word], turns: list[Turn], options: dict[str, Any], by: int
) -> None:
    if not turns and not any(math.isfinite(w.start) for w in words):
        return  # nothing to shift
    late_words = [replace(w, start=w.start + by, end=w.end + by) for w in words]
    late_turns = [replace(t, start=t.start + by, end=t.end + by) for t in turns]
    early = join(words, turns, **options)
    late = join(late_words, late_turns, **options)
    assert [(u.speaker, u.text, u.flags, u.timing) for u in early] == [
        (u.speaker, u.text, u.flags, u.timing) for u in late
    ]
    assert [u.start + by for u in early] == pytest.approx([u.start for u in late])
    assert [u.end + by for u in early] == pytest.approx([u.end for u in late])
    assert [u.overlap_s for u in early] == pytest.approx([u.overlap_s for u in late])


@given(any_words(), any_turns)
def test_names_of_voices_do_not_matter_but_in_ties(words: list[Word], turns: list[Turn]) -> None:
    # Names in the same order, so that ties fall the same way.
    other = {"A": "K", "B": "L", "C": "M", None: None, "speaker": "speaker"}
    renamed = join(
        [replace(w, speaker=other[w.speaker]) for w in words],
        [replace(t, speaker=other[t.speaker]) for t in turns],
    )
    assert [(other[u.speaker], u.start, u.end, u.flags) for u in join(words, turns)] == [
        (u.speaker, u.start, u.end, u.flags) for u in renamed
    ]


def test_three_hours_are_joined_in_seconds() -> None:
    words = talk(" ".join(["so it goes on and on."] * 5000), 0, step=0.25, gap=0.0625)
    turns = [Turn(10.0 * i, 10.0 * i + 11, "AB"[i % 2]) for i in range(1000)]
    utterances = join(words, turns)
    assert sum(len(u.words) for u in utterances) == 30_000
