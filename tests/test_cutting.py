"""Cutting utterances that are too long; the words are invented."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from emodiss.settings import resolve
from emodiss.transcript import Recognition, Turn, Utterance, Word, cut, stages as speech
from tests import make
from tests.test_recognition import audio, media


def said(*words: tuple[str, float, float], **more) -> Utterance:
    """Make an utterance of timed words."""
    timed = tuple(Word(text, start, end) for text, start, end in words)
    text = " ".join(word.text for word in timed)
    return Utterance(timed[0].start, timed[-1].end, "a", text, words=timed, **more)


def test_a_long_utterance_is_cut_at_its_sentence_end():
    # By hand: 12 s; the middle half is [3, 9]; the sentence ends at 5, without a pause.
    whole = said(("so,", 0, 2), ("well.", 2, 5), ("it", 5, 8), ("was", 8, 10), ("good", 10, 12))
    first, second = cut([whole], 7.0)
    assert (first.start, first.end, first.text) == (0, 5, "so, well.")
    assert (second.start, second.end, second.text) == (5, 12, "it was good")
    assert first.words + second.words == whole.words
    assert first.flags == second.flags == ("cut",) and first.timing == whole.timing


def test_a_long_pause_is_a_better_place_than_a_comma():
    whole = said(("a,", 0, 4), ("b", 4, 5), ("c", 5.8, 8), ("d", 8, 10))
    assert [(u.start, u.end) for u in cut([whole], 8.0)] == [(0, 5), (5.8, 10)]


def test_no_part_is_without_length_where_words_are():
    whole = said(("a", 0, 0), ("b", 39, 40), ("c", 80, 80))
    assert [(u.start, u.end) for u in cut([whole], 30.0)] == [(0, 80)]
    whole = said(("a", 0, 0), ("b", 5, 6), ("c", 39, 40), ("d", 40, 40))
    assert [(u.start, u.end, u.text) for u in cut([whole], 30.0)] == [
        (0, 6, "a b"),
        (39, 40, "c d"),
    ]


def test_without_word_times_parts_say_that_they_are_guessed():
    text = "one two. three four"
    parts = cut([Utterance(10.0, 30.0, "a", text, timing="given")], 12.0)
    assert " ".join(u.text for u in parts) == text
    assert all(u.timing == "interpolated" and u.words == () for u in parts)
    # 3 + 4 of 16 letters: the share of the first two words ends at 10 + 20 * 7 / 16.
    assert parts[0].end == parts[1].start == pytest.approx(18.75)
    assert (parts[0].start, parts[-1].end) == (10.0, 30.0)


def test_voice_without_words_is_cut_where_it_pauses_and_else_in_equal_parts():
    talk = Utterance(0.0, 20.0, "a", timing="detected")
    turns = [Turn(0.0, 9.0, "a"), Turn(9.5, 20.0, "a"), Turn(5.0, 6.0, "b")]
    parts = cut([talk], 15.0, turns=turns)
    assert [(u.start, u.end) for u in parts] == [(0.0, 9.0), (9.5, 20.0)]
    assert all(u.timing == "detected" and u.text == "" for u in parts)
    assert [(u.start, u.end) for u in cut([talk], 10.0)] == [(0.0, 10.0), (10.0, 20.0)]


def test_what_is_short_or_one_word_is_left():
    short, loop = said(("a", 0, 5)), said(("no, no, no, no", 0, 60))
    assert cut([short, loop], 5.0) == [short, loop]


@given(
    st.lists(st.tuples(st.sampled_from(["ah", "so,", "yes.", "perhaps"]), st.integers(1, 96),
                       st.integers(0, 48)), min_size=1, max_size=60),
    st.integers(1, 30),
)  # fmt: skip
def test_no_word_is_lost_and_no_part_is_too_long(pieces, longest):
    words, at = [], 0.0
    for text, length, pause in pieces:  # sixteenths of a second are exact
        words.append((text, at, at + length / 16))
        at += (length + pause) / 16
    whole = said(*words)
    parts = cut([whole], longest)
    assert tuple(w for u in parts for w in u.words) == whole.words
    assert (parts[0].start, parts[-1].end) == (whole.start, whole.end)
    assert all(len(u.words) == 1 or u.duration <= longest for u in parts)
    assert all(a.end <= b.start for a, b in itertools.pairwise(parts))
    if len(parts) > 1:
        assert all(u.flags == ("cut",) for u in parts) and whole.duration > longest


def assembled(tmp_path, *, given_text: str | None, longest: float | None) -> list[Utterance]:
    row = make.VIDEO
    words = tuple(Word(f"w{i}", float(i), i + 1.0) for i in range(50))
    if given_text is not None:
        path = make.write_stm(tmp_path / "v.stm", [("a", 0.0, 50.0, given_text)])
        row = make.row(transcript=str(path))
    made = speech.assemble(
        media=media(60.0),
        recognition=Recognition((Utterance(0.0, 50.0, "", "w"),), "en", words=words),
        words=None, turns=None, alignment=None, row=row,
        settings=replace_longest(longest),
    )  # fmt: skip
    return list(made.utterances)


def replace_longest(longest: float | None):
    changes = {} if longest is None else {"transcript.max_utterance_s": longest}
    return resolve(changes).transcript


def test_given_transcripts_are_cut_only_when_asked(tmp_path):
    text = " ".join(["word"] * 20)
    assert len(assembled(tmp_path, given_text=text, longest=None)) == 1
    assert len(assembled(tmp_path, given_text=text, longest=30.0)) == 2
    # Nobody has cut recognised words: no row of more than half a minute.
    found = assembled(tmp_path, given_text=None, longest=None)
    assert len(found) == 2 and all(u.duration <= 30 for u in found)
    assert len(assembled(tmp_path, given_text=None, longest=100.0)) == 1


class Loop:
    """Recognises a sentence and then loses the thread."""

    def transcribe(self, signal, sample_rate, *, language=None):
        self.language = language
        text = "Well then. " + "No. " * 80
        whole = Utterance(1.0, 29.0, "", text.strip(), flags=("repetition",))
        return Recognition((whole,), "en")


def test_a_loop_is_one_row_without_times_of_its_own():
    row = make.row(language="en-US")
    model = Loop()
    heard = speech.recognise(audio=audio(30), model=model, settings=resolve({}).transcript, row=row)
    assert model.language == "en", "what the manifest states of this video"
    turns = (Turn(0.0, 20.0, "A"), Turn(20.0, 30.0, "B"))
    made = speech.assemble(
        media=media(60.0), recognition=heard, words=None, turns=turns, alignment=None,
        row=make.VIDEO, settings=resolve({}).transcript,
    )  # fmt: skip
    loop, wordless = made.utterances
    assert loop.speaker == "A" and loop.timing == "interpolated"
    assert "repetition" in loop.flags and loop.text.count("No.") == 80
    # The loop ran on over the other voice, whose words nobody knows.
    assert (wordless.speaker, wordless.start, wordless.end) == ("B", 20.0, 30.0)
    assert wordless.text == "" and "not_recognised" in wordless.flags


@pytest.mark.parametrize(
    ("manifest", "setting", "asked"),
    [("de-AT", "en", "de"), (None, "en-US", "en"), ("English", None, None), (None, None, None),
     (None, "English", "English")],
)  # fmt: skip
def test_the_manifest_says_first_what_is_spoken(manifest, setting, asked):
    model = Loop()
    row = make.row(language=manifest)
    changes = {} if setting is None else {"transcript.language": setting}
    speech.recognise(audio=audio(30), model=model, settings=resolve(changes).transcript, row=row)
    assert model.language == asked


class Attention:
    """An aligner of the recogniser's own kind."""

    timing = "attention"

    def align(self, signal, sample_rate, utterances, *, language=None):
        self.windows = [(u.start, u.end) for u in utterances]
        return [
            tuple(Word(w, u.start, u.end, timing="attention", score=0.1) for w in u.text.split())
            for u in utterances
        ]


def test_times_of_the_recogniser_are_taken_where_they_are_of_the_same_kind():
    words = (Word("good", 1.0, 1.5, timing="attention"),)
    heard = Recognition((Utterance(1.0, 2.0, "", "good"),), "en", words=words)
    settings = resolve({}).transcript
    for model, timing in ((Attention(), "attention"), (Other(), "aligned")):
        (word,) = speech.time_words(
            audio=audio(9), recognition=heard, model=model, settings=settings
        )
        assert word.timing == timing


class Other(Attention):
    """An aligner by letters."""

    timing = "aligned"

    def align(self, signal, sample_rate, utterances, *, language=None):
        found = super().align(signal, sample_rate, utterances, language=language)
        return [tuple(replace(w, timing="aligned") for w in words) for words in found]


def test_attention_begins_at_the_stated_start_and_doubts_what_is_improbable(tmp_path):
    path = tmp_path / "v.csv"
    path.write_text("Start,Speaker,Utterance\n0:02,T,how are you today\n0:05,P,well\n")
    row = make.row(transcript=str(path))
    model = Attention()
    model.mismatch_below = 0.28
    made = speech.align(
        media=media(60.0), audio=audio(30), model=model, row=row, settings=resolve({}).transcript
    )
    # Up to a second beyond the next start, since that may be early by as much.
    assert model.windows[0] == (2.0, 6.0)
    doubted, short = made.utterances
    assert doubted.flags == ("text_mismatch",) and doubted.timing == "interpolated"
    assert doubted.words == (), "the times of what is not said are no times"
    assert short.flags == () and short.timing == "attention" and math.isfinite(short.end)
