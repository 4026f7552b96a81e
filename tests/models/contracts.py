"""What every model of a task must do, whatever its weights: called from each model's own tests."""

from __future__ import annotations

import math

import numpy as np
import pytest

from emodiss.affect import EXPRESSIONS, SCALES, FaceAffect, SpeechAffect, to_house_scale
from emodiss.errors import ModelError
from emodiss.models import (
    Aligner,
    Diarizer,
    FaceAffectModel,
    SpeechAffectModel,
    Transcriber,
)
from emodiss.transcript import Turn, Utterance
from tests import make

FACE_FIELDS = ("valence_raw", "arousal_raw", "probabilities")
REFUSED = (ValueError, ModelError)


def _faces(n: int, *, seed: int = 0) -> list[np.ndarray]:
    """Smooth coloured blobs of different sizes: every crop differs from every other."""
    rng = np.random.default_rng(seed)
    crops = []
    for index in range(n):
        height, width = 48 + 16 * (index % 3), 40 + 8 * index
        y, x = np.mgrid[:height, :width] / (height, width)[0]
        waves = [np.sin(rng.uniform(2, 9) * x + rng.uniform(2, 9) * y) for _ in range(3)]
        crops.append((127.5 + 100 * np.stack(waves, axis=2)).astype(np.uint8))
    return crops


def _rows(affect: FaceAffect, rows: list[int]) -> FaceAffect:
    return FaceAffect(*(getattr(affect, field)[rows] for field in FACE_FIELDS), affect.scale)


def _close(one: FaceAffect, other: FaceAffect, tolerance: float) -> None:
    for name in FACE_FIELDS:
        np.testing.assert_allclose(
            getattr(one, name), getattr(other, name), rtol=0, atol=tolerance, err_msg=name
        )


def check_face_affect_model(model: FaceAffectModel, *, tolerance: float = 1e-6) -> None:
    """Check shapes, types, ranges, empty input, order, batches and refusals of a face model.

    Parameters
    ----------
    model
        Ready to predict; trained or not.
    tolerance
        How far the same crop may move when it is measured in other company.
    """
    assert isinstance(model, FaceAffectModel)
    assert model.scale in SCALES
    assert model.crop_margin >= 0 and isinstance(model.crop_square, bool)

    crops = _faces(2)
    untouched = [crop.copy() for crop in crops]
    out = model.predict(crops)
    for crop, before in zip(crops, untouched, strict=True):
        np.testing.assert_array_equal(crop, before, err_msg="predict must not write into its input")
    assert isinstance(out, FaceAffect) and len(out) == 2
    for name in ("valence", "arousal", "valence_raw", "arousal_raw"):
        assert getattr(out, name).shape == (2,), name
        assert getattr(out, name).dtype == np.float32, name
    for value, raw in ((out.valence, out.valence_raw), (out.arousal, out.arousal_raw)):
        assert np.isfinite(value).all() and (np.abs(value) <= 1).all()
        np.testing.assert_allclose(value, to_house_scale(raw, model.scale).values, atol=1e-6)
    assert out.probabilities.shape == (2, len(EXPRESSIONS))
    assert out.probabilities.dtype == np.float32
    assert (out.probabilities >= 0).all()
    np.testing.assert_allclose(out.probabilities.sum(axis=1), 1, atol=1e-5)
    assert np.ptp(out.probabilities, axis=0).max() > 0, "different faces get different numbers"

    # Each row belongs to its crop: company and order make no difference, and an array of crops
    # is a list of crops.
    _close(_rows(model.predict(crops[::-1]), [1, 0]), out, tolerance)
    _close(model.predict(crops[1][np.newaxis]), _rows(out, [1]), tolerance)

    empty = model.predict([])
    assert len(empty) == 0 and empty.probabilities.shape == (0, len(EXPRESSIONS))

    assert len(model.predict([np.zeros((1, 1, 3), np.uint8)])) == 1, "a one-pixel crop is a crop"
    for wrong in (
        crops[0].astype(np.float32) / 255,
        crops[0][..., 0],
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((0, 8, 3), np.uint8),
    ):
        with pytest.raises(REFUSED):
            model.predict([wrong])


def voice(duration_s: float = 2.0, sample_rate: int = 16_000, *, seed: int = 0) -> np.ndarray:
    """Something like speech: harmonics of a gliding tone in syllables, with a little noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(duration_s * sample_rate)) / sample_rate
    f0 = rng.uniform(100, 220) + 40 * np.sin(2 * np.pi * 0.7 * t)
    phase = 2 * np.pi * np.cumsum(f0) / sample_rate
    tone = sum(np.sin(k * phase) / k for k in range(1, 12))
    syllables = 0.5 + 0.5 * np.sin(2 * np.pi * 4 * t)
    return (0.15 * tone * syllables + 0.002 * rng.normal(size=t.size)).astype(np.float32)


def check_speech_affect_model(model: SpeechAffectModel) -> None:
    """Check ranges, types, determinism, sampling rates and refusals of a speech model.

    Parameters
    ----------
    model
        Ready to predict; trained or not.
    """
    assert isinstance(model, SpeechAffectModel)
    assert model.scale in SCALES
    assert model.min_duration_s > 0

    signal = voice(max(2.0, 2 * model.min_duration_s))
    untouched = signal.copy()
    out = model.predict(signal, 16_000)
    np.testing.assert_array_equal(
        signal, untouched, err_msg="predict must not write into its input"
    )
    assert isinstance(out, SpeechAffect) and out.scale == model.scale
    assert model.predict_many([signal, signal], 16_000)[1].raw == pytest.approx(out.raw, abs=1e-5)
    assert model.predict_many([], 16_000) == []
    for name in ("valence", "arousal", "dominance"):
        value, raw = getattr(out, name), getattr(out, f"{name}_raw")
        assert type(value) is float and type(raw) is float, name
        assert -1 <= value <= 1, name
        assert value == pytest.approx(float(to_house_scale(raw, model.scale).values), abs=1e-6)

    assert model.predict(signal, 16_000) == out, "the same signal gives the same numbers"
    other = model.predict(voice(3.0, seed=1), 16_000)
    assert model.predict(signal, 16_000) == out != other, "no memory of the signal before"
    double = model.predict(signal.astype(np.float64), 16_000)
    np.testing.assert_allclose(double.raw, out.raw, atol=1e-5)
    at_48k = model.predict(voice(max(2.0, 2 * model.min_duration_s), 48_000), 48_000)
    assert all(math.isfinite(value) for value in at_48k.raw)

    # Missing is NaN or an error, never a number that could pass for a measurement.
    for nothing in (np.zeros(32_000, np.float32), signal[: int(0.5 * model.min_duration_s * 16e3)]):
        try:
            nan = model.predict(nothing, 16_000)
        except REFUSED:
            continue
        assert math.isnan(nan.valence) and math.isnan(nan.arousal) and math.isnan(nan.dominance)

    for wrong in (
        np.stack([signal, signal]),
        np.stack([signal, signal], axis=1),
        (signal * 32767).astype(np.int16),
        np.where(np.arange(signal.size) == 7, np.nan, signal),
    ):
        with pytest.raises(REFUSED):
            model.predict(wrong, 16_000)


def check_diarizer(diarizer: Diarizer, *, tells_voices_apart: bool = True) -> None:
    """Check order, bounds, types, determinism and empty input of a diarizer.

    Parameters
    ----------
    diarizer
        Ready to run; its weights may be random.
    tells_voices_apart
        Whether a number of speakers asked for bounds the number returned.
    """
    assert isinstance(diarizer, Diarizer)

    signal = np.concatenate([voice(4.0), np.zeros(16_000, np.float32), voice(3.0, seed=3)])
    untouched = signal.copy()
    turns = diarizer.diarize(signal, 16_000)
    np.testing.assert_array_equal(signal, untouched, err_msg="must not write into its input")
    assert turns == sorted(turns, key=lambda turn: turn.start)
    for turn in turns:
        assert isinstance(turn, Turn) and type(turn.start) is float and type(turn.end) is float
        assert 0 <= turn.start < turn.end <= len(signal) / 16_000 + 1e-6
        assert turn.speaker and isinstance(turn.speaker, str)
    assert diarizer.diarize(signal, 16_000) == turns, "the same signal gives the same turns"
    if tells_voices_apart:
        assert len({turn.speaker for turn in diarizer.diarize(signal, 16_000, 1)}) <= 1
    assert diarizer.diarize(np.zeros(0, np.float32), 16_000) == []
    assert diarizer.diarize(np.zeros(48_000, np.float32), 16_000) == [], "silence is nobody's"
    with pytest.raises(REFUSED):
        diarizer.diarize(np.stack([signal, signal]), 16_000)


def check_transcriber(transcriber: Transcriber) -> None:
    """Check order, bounds, types, determinism and empty input of a recogniser of English."""
    assert isinstance(transcriber, Transcriber)

    signal = make.talk(0.0, 30.0)
    untouched = signal.copy()
    heard = transcriber.transcribe(signal, 16_000, language="en")
    np.testing.assert_array_equal(signal, untouched, err_msg="must not write into its input")
    assert heard.segments and heard.language == "en"
    assert list(heard.segments) == sorted(heard.segments, key=lambda segment: segment.start)
    for segment in heard.segments:
        assert isinstance(segment, Utterance)
        assert 0 <= segment.start < segment.end <= 30.0
        assert segment.text and not segment.words and segment.speaker == ""
    assert transcriber.transcribe(signal, 16_000, language="en") == heard, "the same every time"
    for nothing in (np.zeros(0, np.float32), np.zeros(48_000, np.float32)):
        assert transcriber.transcribe(nothing, 16_000, language="en").segments == ()
    for wrong in (np.stack([signal, signal]), np.zeros(16_000, np.int16)):
        with pytest.raises(REFUSED):
            transcriber.transcribe(wrong, 16_000)


def check_aligner(aligner: Aligner) -> None:
    """Check that an aligner of English keeps every word, in order, inside its stretch."""
    assert isinstance(aligner, Aligner)

    signal = make.talk(0.0, 30.0)
    untouched = signal.copy()
    given = [
        Utterance(14.8, 17.9, "a", "well I think it was  a good week"),
        Utterance(21.9, 27.8, "b", "In 2014 we paid $13.60 for it. It was cheap!"),
        Utterance(18.0, 18.5, "c", ""),
    ]
    found = aligner.align(signal, 16_000, given, language="en")
    np.testing.assert_array_equal(signal, untouched, err_msg="must not write into its input")
    assert [[w.text for w in words] for words in found] == [u.text.split() for u in given]
    for utterance, words in zip(given, found, strict=True):
        assert isinstance(words, tuple)
        assert [w.start for w in words] == sorted(w.start for w in words)
        for word in words:
            assert type(word.start) is float and type(word.end) is float
            assert utterance.start <= word.start <= word.end <= utterance.end + 1e-6
            assert math.isnan(word.score) or 0 <= word.score <= 1
            assert word.timing in ("aligned", "attention", "interpolated")
    assert aligner.align(signal, 16_000, given, language="en") == found, "the same every time"
    assert aligner.align(signal, 16_000, [], language="en") == []
