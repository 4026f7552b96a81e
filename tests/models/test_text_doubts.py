"""Doubts about recognised text; the numbers are chosen, the sentences invented."""

from __future__ import annotations

import math

import pytest

from emodiss.models.whisper.doubts import TINY_EN, WHISPER, doubt_the_recording, doubts
from emodiss.transcript import Recognition, Utterance


@pytest.mark.parametrize(
    ("text", "log_probability", "no_speech", "level", "flags"),
    [
        ("How have you been since last week?", -0.2, 0.01, -25.0, ()),
        ("Thank you for watching.", -0.4, 0.93, -45.0, ("no_speech",)),
        ("Thank you.", -0.4, 0.1, -75.0, ("no_speech",)),
        ("perhaps something else", -1.4, 0.1, -25.0, ("low_probability",)),
        ("no no no no", -0.3, 0.0, -25.0, ("repetition",)),
        ("no no no", -0.3, 0.0, -25.0, ()),
        ("I see what you mean. " * 4, -0.3, 0.0, -25.0, ("repetition",)),
        ("abc" * 40, -0.3, 0.0, -25.0, ("repetition",)),
    ],
)
def test_doubts(text, log_probability, no_speech, level, flags):
    assert doubts(text, log_probability, no_speech, level) == flags


@pytest.mark.parametrize(
    ("belief", "log_probability", "word_probability", "doubted"),
    [
        (WHISPER, -0.9, 0.1, False),  # large models are asked for their log probability alone
        (WHISPER, -1.1, 0.9, True),
        (TINY_EN, -0.7, 0.65, True),
        (TINY_EN, -0.7, 0.8, False),  # a clear sentence in a doubtful window
        (TINY_EN, -0.5, 0.65, False),
        (TINY_EN, -0.3, 0.4, True),  # a lost sentence in a clear window
        (TINY_EN, -0.7, math.nan, True),
        (TINY_EN, -0.5, math.nan, False),
    ],
)
def test_each_model_is_believed_by_its_own_card(belief, log_probability, word_probability, doubted):
    found = doubts(
        "it was a good week", log_probability, 0.0, belief=belief, word_probability=word_probability
    )
    assert found == (("low_probability",) if doubted else ())


def segments(*parts: tuple[float, bool]) -> list[Utterance]:
    """Make one segment for each length and doubt, one after another."""
    found, start = [], 0.0
    for length, low in parts:
        flags = ("low_probability",) if low else ()
        found.append(Utterance(start, start + length, "", "a word", flags=flags))
        start += length
    return found


def test_a_recording_of_which_most_is_doubted_is_doubted_as_a_whole():
    mostly = Recognition(doubt_the_recording(segments((3, True), (2, False))))
    assert all("language_or_noise_doubtful" in s.flags for s in mostly.segments)
    assert mostly.notes == ("language_or_noise_doubtful",)
    # Seconds count, not segments.
    partly = doubt_the_recording(segments((1, True), (1, True), (3, False)))
    assert [s.flags for s in partly] == [("low_probability",), ("low_probability",), ()]
    assert doubt_the_recording([]) == ()


@pytest.mark.parametrize(
    ("text", "seconds", "doubted"),
    [
        # Whisper's loop on German: 174 words in 18.7 s, all of them probable.
        ("I don't know how to do it, " * 22, 18.7, True),
        # A sentence said over and over at the pace of speech, as actors and drills do.
        ("Dogs are sitting by the door. " * 7, 22.0, False),
        # Slow, but nobody says it twenty times.
        ("no, " * 80, 30.0, True),
        ("no, " * 12, 5.0, False),
        # Fast talk that repeats nothing.
        ("and then we went to the old house by the sea with all of them there", 2.0, False),
    ],
)
def test_a_loop_is_doubted_however_sure_it_is_of_its_words(text, seconds, doubted):
    loop = Utterance(0.0, seconds, "", text, flags=doubts(text, -0.2, 0.0))
    (found,) = doubt_the_recording([loop])
    assert ("language_or_noise_doubtful" in found.flags) == doubted


def test_text_on_what_is_no_speech_counts_as_doubtful():
    (found,) = doubt_the_recording([Utterance(0.0, 3.0, "", "Thank you.", flags=("no_speech",))])
    assert found.flags == ("no_speech", "language_or_noise_doubtful")
