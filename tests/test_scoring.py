"""Errors of words and voices, with numbers worked out by hand and pyannote.metrics beside them."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from emodiss.transcript import Turn
from emodiss.transcript.scoring import plain_words, voice_errors, word_errors


def test_words_without_case_and_punctuation():
    assert plain_words("Oh, I'm - \u2018originally\u2019 from Chicago...") == (
        ["oh", "i'm", "originally", "from", "chicago"]
    )
    assert plain_words(" . , ") == []


def test_word_errors_by_hand():
    # "the cat sat on" against "a cat on on": the->a, sat->on are two substitutions.
    found = word_errors(["the", "cat", "sat", "on"], ["a", "cat", "on", "on"])
    assert (found.substitutions, found.deletions, found.insertions) == (2, 0, 0)
    assert found.rate == 0.5
    assert found.pairs == ((0, 0), (1, 1), (2, 2), (3, 3))
    shorter = word_errors(["we", "both", "know", "it"], ["both", "know", "it", "well"])
    assert (shorter.substitutions, shorter.deletions, shorter.insertions) == (0, 1, 1)
    assert shorter.pairs == ((1, 0), (2, 1), (3, 2))
    assert word_errors([], ["a"]).rate != word_errors([], ["a"]).rate  # NaN: nothing was said
    assert word_errors(["a", "b"], []).deletions == 2


@given(st.lists(st.sampled_from("abc"), max_size=5), st.lists(st.sampled_from("abc"), max_size=5))
def test_word_errors_are_the_edit_distance(a, b):
    def distance(x: str, y: str) -> int:  # by recursion, as it is defined
        if not x or not y:
            return len(x) + len(y)
        if x[0] == y[0]:
            return distance(x[1:], y[1:])
        return 1 + min(distance(x[1:], y[1:]), distance(x[1:], y), distance(x, y[1:]))

    found = word_errors(a, b)
    assert found.n_wrong == distance("".join(a), "".join(b))
    assert len(found.pairs) + found.deletions == len(a)
    assert len(found.pairs) + found.insertions == len(b)


SPOKEN = [Turn(0.0, 2.0, "Ada"), Turn(2.0, 4.0, "Bo"), Turn(3.0, 5.0, "Ada")]
FOUND = [Turn(0.5, 2.0, "S1"), Turn(2.0, 3.5, "S2"), Turn(3.5, 6.0, "S1")]


def test_voice_errors_by_hand():
    # Said: Ada 4 s, Bo 2 s. S1 is Ada, S2 Bo. Missed: 0 to .5 (Ada), 3 to 3.5 and 3.5 to 4 (one of
    # two). False alarm: 5 to 6. Nothing is confused.
    found = voice_errors(SPOKEN, FOUND)
    assert found.speech_s == pytest.approx(6.0)
    assert found.missed_s == pytest.approx(1.5)
    assert found.false_alarm_s == pytest.approx(1.0)
    assert found.confused_s == pytest.approx(0.0)
    assert dict(found.same) == {"S1": "Ada", "S2": "Bo"}
    one = voice_errors(SPOKEN, [Turn(0.0, 5.0, "S")])
    # One voice for all is Ada's; 2 to 3 is Bo's alone, and 3 to 4 lacks one of two.
    assert (one.missed_s, one.confused_s) == (pytest.approx(1.0), pytest.approx(1.0))
    nobody = voice_errors([], [Turn(0.0, 1.0, "S")])
    assert nobody.false_alarm_s == pytest.approx(1.0) and nobody.rate != nobody.rate


def test_the_rate_is_that_of_pyannote():
    metrics = pytest.importorskip("pyannote.metrics.diarization")
    core = pytest.importorskip("pyannote.core")

    def annotation(turns):
        made = core.Annotation()
        for number, turn in enumerate(turns):
            made[core.Segment(turn.start, turn.end), number] = turn.speaker
        return made

    for found in (FOUND, [Turn(0.0, 5.0, "S")], [Turn(1.0, 4.5, "S"), Turn(2.2, 2.9, "T")]):
        expected = metrics.DiarizationErrorRate()(annotation(SPOKEN), annotation(found))
        assert voice_errors(SPOKEN, found).rate == pytest.approx(expected, abs=0.01)
