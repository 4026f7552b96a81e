"""Voice features, against voices that are synthesised so that the truth is known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from emodiss.media.records import Stretches
from emodiss.models import speech_signal
from emodiss.models.lite import voice_features, voice_frames
from emodiss.models.segmentation.speaker_frames import levelled
from tests.models.voices import glottal

INDEX = {name: i for i, name in enumerate(voice_features.FEATURE_NAMES)}


def test_names_are_unique_and_match_the_vector():
    vector = voice_features.summarise(voice_frames.analyse(glottal(150)))
    assert (
        len(set(voice_features.FEATURE_NAMES)) == len(voice_features.FEATURE_NAMES) == len(vector)
    )
    assert np.isfinite(vector).all()


@pytest.mark.parametrize("f0_hz", [75.0, 110.0, 180.0, 260.0, 400.0])
def test_f0_of_a_pulse_train_is_its_pulse_rate(f0_hz):
    frames = voice_frames.analyse(glottal(f0_hz, vibrato=0.0))
    voiced = frames.f0_hz[frames.voiced]
    assert frames.voiced.mean() > 0.9
    # 1 % is a sixth of a semitone; an octave error would be 50 or 100 %.
    assert np.median(voiced) == pytest.approx(f0_hz, rel=0.01)
    assert np.mean(np.abs(voiced / f0_hz - 1) < 0.03) > 0.97


def test_noise_and_silence_have_no_pitch():
    noise = 0.1 * np.random.default_rng(0).standard_normal(16_000)
    assert voice_frames.analyse(noise).voiced.mean() < 0.05
    silent = voice_frames.analyse(np.zeros(16_000))
    assert not silent.voiced.any()
    assert not silent.active.any()


def test_level_is_that_of_the_sine():
    # A sine of amplitude a has mean square a^2 / 2: 0.2 gives 10 log10(0.02) = -16.99 dB.
    sine = 0.2 * np.sin(2 * np.pi * 220 * np.arange(16_000) / 16_000)
    assert np.median(voice_frames.analyse(sine).level_db) == pytest.approx(-16.99, abs=0.05)


def test_hf500_of_two_sines_is_their_power_ratio():
    # 0.3 at 250 Hz under 500 Hz, 0.1 at 1500 Hz above it: 20 log10(0.1 / 0.3) = -9.54 dB.
    t = np.arange(16_000) / 16_000
    both = 0.3 * np.sin(2 * np.pi * 250 * t) + 0.1 * np.sin(2 * np.pi * 1500 * t)
    power = voice_frames.analyse(both).power.mean(axis=0)
    assert float(voice_frames.hf500_db(power)) == pytest.approx(-9.54, abs=0.05)


def test_rising_glide_has_its_slope():
    # One octave (12 semitones) in 2 s: 6 semitones per second.
    vector = voice_features.summarise(
        voice_frames.analyse(glottal(120, end_hz=240, vibrato=0.0, duration_s=2.0))
    )
    assert vector[INDEX["pitch_slope"]] == pytest.approx(6.0, abs=0.4)
    assert vector[INDEX["pitch_fall"]] < 0.5


@settings(max_examples=15, deadline=None)
@given(gain_db=st.floats(-60, 6), f0_hz=st.floats(80, 350))
def test_gain_does_not_matter(gain_db, f0_hz):
    voice = glottal(f0_hz, duration_s=1.0)
    loud, soft = (
        voice_features.summarise(voice_frames.analyse(voice * g))
        for g in (1.0, 10 ** (gain_db / 20))
    )
    np.testing.assert_allclose(soft, loud, atol=2e-3, rtol=2e-3)


def test_silence_around_an_utterance_does_not_matter():
    voice = glottal(160, duration_s=1.5)
    # 480 samples are three hops, so that the same frames fall on the same samples.
    padded = np.concatenate([np.zeros(4800), voice, np.zeros(9600)])
    a, b = (
        voice_features.summarise(voice_frames.analyse(voice)),
        voice_features.summarise(voice_frames.analyse(padded)),
    )
    for name in ("pitch_mean", "pitch_sd", "hf500_ltas", "alpha_mean", "voiced_of_active"):
        assert b[INDEX[name]] == pytest.approx(a[INDEX[name]], rel=0.05, abs=0.3), name
    assert b[INDEX["active_share"]] > 0.95


def test_frames_do_not_depend_on_the_block_size(monkeypatch):
    voice = glottal(140, duration_s=3.0)
    whole = voice_frames.analyse(voice)
    monkeypatch.setattr(voice_frames, "_BLOCK", 37)
    parts = voice_frames.analyse(voice)
    np.testing.assert_allclose(parts.power, whole.power, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(parts.f0_hz, whole.f0_hz, rtol=1e-4)


@given(n=st.integers(1, 20_000), longest_s=st.floats(0.5, 30))
def test_split_covers_all_frames_once(n, longest_s):
    parts = voice_frames.split(n, longest_s)
    assert parts[0][0] == 0
    assert parts[-1][1] == n
    assert all(a[1] == b[0] for a, b in itertools.pairwise(parts))
    assert max(b - a for a, b in parts) <= longest_s / voice_frames.HOP_S + 1


@pytest.mark.parametrize(
    ("signal", "rate", "says"),
    [
        (np.zeros((2, 8000)), 16_000, r"shape \(2, 8000\)"),
        (np.zeros(8000, dtype=np.int16), 16_000, "int16"),
        (np.full(8000, np.nan), 16_000, "8000 samples that are NaN"),
        (np.full(8000, 3000.0), 16_000, "3000"),
        (np.zeros(8000), 4000, "4000 Hz"),
        (np.zeros(8000), 16_000.5, "16000.5"),
    ],
)
def test_wrong_signals_are_named(signal, rate, says):
    with pytest.raises(ValueError, match=says):
        speech_signal.check_signal(signal, rate)


def test_too_little_voice_is_an_error():
    frames = voice_frames.analyse(0.1 * np.random.default_rng(0).standard_normal(16_000))
    with pytest.raises(ValueError, match="voiced frames"):
        voice_features.summarise(frames)
    with pytest.raises(ValueError, match="at least 640"):
        voice_frames.analyse(np.zeros(639))


def test_sound_in_stretches_is_the_same_sound():
    pcm = np.random.default_rng(5).normal(0, 3000, 1_000_000).astype(np.int16)
    whole = speech_signal.in_stretches(pcm.astype(np.float32) / 32768, 16_000)
    stretches = speech_signal.in_stretches(Stretches(pcm), 16_000)
    assert isinstance(stretches, Stretches) and len(stretches) == len(pcm)
    np.testing.assert_array_equal(stretches[1000:2000], whole[1000:2000])
    np.testing.assert_array_equal(levelled(stretches)[:], levelled(whole))
    assert stretches.any() and not Stretches(np.zeros(9, np.int16)).any()
    # Another rate: brought to 16 kHz as a whole.
    np.testing.assert_array_equal(
        speech_signal.in_stretches(Stretches(pcm[:800]), 8_000),
        speech_signal.in_stretches(whole[:800], 8_000),
    )
