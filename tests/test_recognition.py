"""Speech recognition in a run: segments to words, doubts to utterances, models one after another.

Whisper and the aligner have random weights (the words are nonsense); the voices are real.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

import emodiss
from emodiss.media import Audio, Media
from emodiss.reviews import Place, Review, place
from emodiss.settings import resolve
from emodiss.transcript import Recognition, Turn, Utterance, Word, stages as speech
from tests import make
from tests.models import tiny_speech

SETTINGS = resolve({}).transcript


def audio(seconds: float, offset: float = 0.0) -> Audio:
    return Audio(np.ones(round(seconds * 16_000), np.int16), 16_000, offset)


def media(end: float) -> Media:
    return Media(
        sha256="0" * 64, duration=end, start=0.0, end=end, audio_codec="aac", sample_rate=16_000,
        channels=1, video_codec=None, width=0, height=0, rotation=0, frame_times=np.zeros(0),
        video_end=0.0,
    )  # fmt: skip


class Halves:
    """Gives each word an equal part of its segment; knows no word that starts with x."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, float, str | None]] = []

    def align(self, signal, sample_rate, utterances, *, language=None):
        found = []
        for u in utterances:
            self.asked.append((u.start, u.end, language))
            words = u.text.split()
            step = u.duration / len(words)
            found.append(
                tuple(
                    Word(w, math.nan, math.nan, timing="interpolated")
                    if w.startswith("x")
                    else Word(w, u.start + i * step, u.start + (i + 1) * step)
                    for i, w in enumerate(words)
                )
            )
        return found


def assemble(recognition, words, turns) -> tuple[Utterance, ...]:
    made = speech.assemble(
        media=media(60.0), recognition=recognition, words=words, turns=turns, alignment=None,
        row=make.VIDEO, settings=SETTINGS,
    )  # fmt: skip
    return made.utterances


def test_what_sounds_like_another_voice_is_flagged():
    words = tuple(Word(f"w{i}", i, i + 0.9) for i in (0, 1, 2, 3))
    heard = Recognition((Utterance(0.0, 4.0, "", "w0 w1 w2 w3"),), "en")
    doubts = ((1.0, 1.4), (1.5, 1.7), (3.0, 3.4))
    turns = (
        Turn(0.0, 0.9, "A"), Turn(1.0, 1.9, "B", doubts[:2]), Turn(2.0, 3.9, "A", doubts[2:]),
    )  # fmt: skip
    settings = SETTINGS.model_copy(update={"max_pause_s": 0.05})
    made = speech.assemble(
        media=media(60.0), recognition=heard, words=words, turns=turns, alignment=None,
        row=make.VIDEO, settings=settings,
    )  # fmt: skip
    # Of w1 0.6 s of 0.9 are doubted, of w3 0.4 s; B's doubts say nothing of A.
    doubted = {u.text: "voice_doubtful" in u.flags for u in made.utterances if u.text}
    assert doubted == {"w0": False, "w1": True, "w2": False, "w3": False}
    # Where B speaks as well nothing is known: 0.4 s of 0.5 that A speaks alone are doubted.
    over = (*turns, Turn(3.5, 4.5, "B"))
    (last,) = [u for u in assemble(heard, words, over) if "w3" in u.text]
    assert last.speaker == "A" and "voice_doubtful" not in last.flags  # one row from w2 on
    made = speech.assemble(
        media=media(60.0), recognition=heard, words=words, turns=over, alignment=None,
        row=make.VIDEO, settings=settings,
    )  # fmt: skip
    assert {u.text for u in made.utterances if "voice_doubtful" in u.flags} == {"w1", "w3"}


def test_doubts_of_a_diarizer_are_told_in_media_time():
    class Doubting:
        def diarize(self, signal, sample_rate, num_speakers=None):
            return [Turn(1.0, 3.0, "A", ((1.5, 2.0),))]

    turns = speech.diarize(audio=audio(30, offset=10.0), model=Doubting(), settings=SETTINGS)
    assert turns == (Turn(11.0, 13.0, "A", ((11.5, 12.0),)),)


def test_words_are_sought_in_the_recording_and_told_in_media_time():
    model = Halves()
    heard = Recognition((Utterance(12.0, 14.0, "", "good week"),), "en")
    words = speech.time_words(
        audio=audio(30, offset=10.0), recognition=heard, model=model, settings=SETTINGS
    )
    assert model.asked == [(2.0, 4.0, "en")]
    assert [(w.text, w.start, w.end) for w in words] == [("good", 12.0, 13.0), ("week", 13.0, 14.0)]


def test_a_segment_that_cannot_be_aligned_keeps_its_place():
    heard = Recognition((Utterance(2.0, 4.0, "", "xa xb"), Utterance(5.0, 6.0, "", "c")), "en")
    words = speech.time_words(audio=audio(30), recognition=heard, model=Halves(), settings=SETTINGS)
    assert [(w.text, w.timing) for w in words] == [
        ("xa", "interpolated"), ("xb", "interpolated"), ("c", "aligned")
    ]  # fmt: skip
    assert words[0].start == 2.0 and words[0].end == words[1].start and words[1].end == 4.0


def test_without_an_aligner_words_share_their_segment():
    heard = Recognition((Utterance(2.0, 4.0, "", "a good week."),), "en")
    (utterance,) = assemble(heard, None, (Turn(1.0, 5.0, "A"),))
    assert (utterance.start, utterance.end, utterance.speaker) == (2.0, 4.0, "A")
    assert utterance.text == "a good week." and utterance.timing == "interpolated"


def test_doubts_reach_the_utterances_that_hold_the_words_and_no_others():
    doubted = Utterance(2.0, 4.0, "", "Thanks for watching.", flags=("no_speech",))
    heard = Recognition((doubted, Utterance(8.0, 9.0, "", "Well then.")), "en")
    found = assemble(heard, None, (Turn(1.0, 10.0, "A"),))
    assert ["no_speech" in u.flags for u in found if u.text] == [True, False]


def test_speech_without_words_is_a_row_without_text():
    heard = Recognition((Utterance(2.0, 4.0, "", "A good week."),), "en")
    turns = (
        Turn(1.5, 4.5, "A"),  # the words' own turn: its edges are no speech without words
        Turn(5.0, 5.8, "B"),
        Turn(6.0, 7.0, "B"),  # after a short pause of the same voice
        Turn(8.0, 8.9, "A"),  # a murmur
    )
    said, without = assemble(heard, None, turns)
    assert (said.speaker, said.start, said.end) == ("A", 2.0, 4.0)
    assert (without.speaker, without.start, without.end) == ("B", 5.0, 7.0)
    assert without.text == "" and without.words == () and without.timing == "detected"
    assert without.flags == ("not_recognised",)


def test_who_is_heard_under_words_of_another_talks_over_them(tmp_path):
    # By hand: B is heard for 5 of the 6 s in which only A's words are known.
    words = tuple(Word(f"w{k}", 0.5 * k, 0.5 * k + 0.5) for k in range(12))
    heard = Recognition((Utterance(0.0, 6.0, ""),), "en")
    (said,) = assemble(heard, words, (Turn(0.0, 6.0, "A"), Turn(0.5, 5.5, "B")))
    assert (said.speaker, said.overlap_s) == ("A", pytest.approx(5.0))
    # What is no longer than a pause may be an edge, or a pause that the diarizer bridged.
    (said,) = assemble(heard, words, (Turn(0.0, 6.0, "A"), Turn(3.0, 3.9, "B")))
    assert said.overlap_s == 0
    # Whoever is left out at the edge of the stretch is heard in it all the same: 4 to 12 s.
    rows = [("A", 2.0, 12.0, "hello there"), ("B", 4.0, 30.0, "so I said")]
    row = make.row(transcript=str(make.write_stm(tmp_path / "a.stm", rows)))
    made = speech.assemble(
        media=replace(media(60.0), end=15.0), recognition=None, words=None, turns=None,
        alignment=None, row=row, settings=SETTINGS,
    )  # fmt: skip
    assert [(u.speaker, u.overlap_s) for u in made.utterances] == [("A", 8.0)]
    # A correction counts it as well.
    moved = Review(
        kind="times", video_id="v", of=(Place(start=2.0, end=12.0, speaker="A"),), start=2.0,
        end=6.0, by="Sam", at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    assert [u.overlap_s for u in place(draft=made, reviews=[moved]).utterances] == [2.0]


def test_a_loop_stays_with_the_voice_that_speaks_longest_in_it():
    text = "and so on " * 30
    loop = Utterance(0.0, 12.0, "", text.strip(), flags=("repetition",))
    turns = (Turn(0.0, 4.0, "A"), Turn(4.2, 9.0, "B"), Turn(9.2, 12.0, "A"))
    found = assemble(Recognition((loop,), "en"), None, turns)
    assert [(u.speaker, u.start, u.end, bool(u.text)) for u in found] == [
        ("A", 0.0, 4.0, False), ("B", 4.2, 9.0, True), ("A", 9.2, 12.0, False)
    ]  # fmt: skip
    assert ["repetition" in u.flags for u in found] == [False, True, False]
    # One voice may repeat itself across its pauses.
    (alone,) = assemble(Recognition((loop,), "en"), None, (Turn(0, 4, "A"), Turn(6, 12, "A")))
    assert (alone.start, alone.end) == (0.0, 12.0)


def test_nobody_recognised_is_an_empty_transcript_and_not_voice_activity():
    made = speech.assemble(
        media=media(9.0), recognition=Recognition(()), words=(), turns=(), alignment=None,
        row=make.VIDEO, settings=SETTINGS,
    )  # fmt: skip
    assert made.utterances == () and made.source == "recognised" and made.notes == ("no_speech",)


@pytest.mark.slow
def test_a_run_recognises_aligns_and_tells_voices_apart(tmp_path, stand_ins):
    whisper = tiny_speech.write_whisper(tmp_path / "whisper")
    aligner = tiny_speech.write_wav2vec2(tmp_path / "aligner")
    tiny_speech.write_punkt(aligner / "nltk_data")
    make.write_media(tmp_path / "v.mp4", frames=[make.grey(90)] * 400, sound=make.talk(10.0, 26.0))
    (tmp_path / "m.csv").write_text("id,path\nv,v.mp4\n")
    changes = {
        **stand_ins,
        "models.asr": "whisperx-local",
        "models.aligner": "wav2vec2-local",
        "models.diarizer": "pyannote-segmentation",
        "whisper.local_folder": str(whisper),
        "whisper.compute_type": "int8",
        "whisper.beam_size": 1,
        "whisper.chunk_s": 5.0,
        "alignment.local_folder": str(aligner),
        "transcript.language": "en",
    }
    run = emodiss.annotate(
        tmp_path / "m.csv", out=tmp_path / "run", preset="lite", settings=changes, workers=0,
    )  # fmt: skip
    assert run.failures == []
    draft = run.artifact("v", "draft")
    assert draft.source == "recognised" and draft.utterances
    assert all(u.text and "low_probability" in u.flags for u in draft.utterances)
    heard = run.artifact("v", "recognition")
    assert sum(len(u.words) for u in draft.utterances) == sum(
        len(s.text.split()) for s in heard.segments
    ), "no word is lost"
    assert {u.speaker for u in draft.utterances} <= {"SPEAKER_00", "SPEAKER_01"}
    wrong = {**changes, "transcript.language": "de"}
    second = emodiss.annotate(
        tmp_path / "m.csv", out=tmp_path / "two", preset="lite", settings=wrong, workers=0,
    )  # fmt: skip
    (failure,) = [f for f in second.failures if f.stage == "words"]
    assert (
        failure.error["code"] == "language" and "models.aligner=none" in failure.error["next_step"]
    )
