"""SER-lite: contract, what must not change its answer, what must, and its figures."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import resample_poly

from emodiss.affect import SpeechAffect
from emodiss.errors import ModelError
from emodiss.models.lite import speech as speech_affect_lite
from emodiss.models.lite.speech import MIN_DURATION_S, LiteSpeech
from tests.models.contracts import check_speech_affect_model
from tests.models.voices import glottal

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = files("emodiss.models") / "weights"


@pytest.fixture(scope="module")
def model() -> LiteSpeech:
    return LiteSpeech()


@pytest.fixture(scope="module")
def call() -> tuple[np.ndarray, int]:
    """The two-speaker call inside pyannote.audio: 30 s of real speech."""
    soundfile = pytest.importorskip("soundfile")
    try:  # the file, without importing the package, which takes seconds
        package = distribution("pyannote.audio")
        sample = Path(str(package.locate_file("pyannote/audio/sample/sample.wav")))
    except PackageNotFoundError:
        pytest.skip("needs pyannote.audio for its sample")
    if not sample.exists():
        pytest.skip("this pyannote.audio has no sample")
    return soundfile.read(sample, dtype="float64")


def _vad(affect: SpeechAffect) -> np.ndarray:
    return np.array(affect.raw)


def test_it_keeps_the_contract(model):
    check_speech_affect_model(model)


def test_gain_does_not_matter(model, call):
    signal, rate = call
    part = signal[8 * rate : 12 * rate]
    for gain in (0.1, 0.01, 1.8):
        np.testing.assert_allclose(
            _vad(model.predict(part * gain, rate)), _vad(model.predict(part, rate)), atol=1e-3
        )
    as_float32 = model.predict((part * 0.1).astype(np.float32), rate)
    np.testing.assert_allclose(_vad(as_float32), _vad(model.predict(part, rate)), atol=1e-3)


@pytest.mark.parametrize(("rate", "tolerance"), [(8_000, 0.05), (44_100, 0.02), (48_000, 0.02)])
def test_sampling_rate_does_not_matter(model, call, rate, tolerance):
    signal, _ = call
    for start in (8, 16, 22):
        part = signal[start * 16_000 : (start + 4) * 16_000]
        other = resample_poly(part, rate, 16_000)
        gap = np.abs(_vad(model.predict(other, rate)) - _vad(model.predict(part, 16_000)))
        assert gap.max() < tolerance, f"{rate} Hz from {start} s: {gap}"


@pytest.mark.parametrize("f0_hz", [110.0, 190.0])
def test_a_shouting_voice_is_more_aroused_than_a_soft_one(model, f0_hz):
    soft = glottal(f0_hz, effort=0.1, vibrato=0.01, syllables_per_s=3.0)
    shouted = glottal(2 * f0_hz, effort=0.9, vibrato=0.06, syllables_per_s=3.0)
    gap = model.predict(shouted, 16_000).arousal - model.predict(soft, 16_000).arousal
    assert gap > 0.3


def test_a_minute_is_measured_like_its_parts(model, call):
    signal, rate = call
    minute = np.concatenate([signal, signal])[: 60 * rate]
    assert len(minute) == 60 * rate
    parts = [_vad(model.predict(signal[a * rate : (a + 5) * rate], rate)) for a in range(0, 30, 5)]
    parts = [p for p in parts if np.isfinite(p).all()]
    whole = _vad(model.predict(minute, rate))
    # Windows of an utterance share one level reference, so they need not agree to the last digit.
    assert np.abs(whole - np.mean(parts, axis=0)).max() < 0.25
    assert (np.min(parts, axis=0) - 0.05 <= whole).all()
    assert (whole <= np.max(parts, axis=0) + 0.05).all()
    np.testing.assert_allclose(whole, _vad(model.predict(signal, rate)), atol=0.1)


def test_repeating_a_steady_voice_changes_little(model):
    short = glottal(150, duration_s=4.0, syllables_per_s=3.0)
    np.testing.assert_allclose(
        _vad(model.predict(np.tile(short, 15), 16_000)),
        _vad(model.predict(short, 16_000)),
        atol=0.1,
    )


def test_company_order_and_threads_do_not_matter(model):
    voices = [glottal(f, duration_s=1.5, effort=e) for f, e in ((100, 0.1), (160, 0.5), (240, 0.9))]
    forward = [model.predict(v, 16_000) for v in voices]
    backward = [model.predict(v, 16_000) for v in reversed(voices)]
    assert forward == backward[::-1]
    fresh = LiteSpeech(threads=2)
    for voice, affect in zip(voices, forward, strict=True):
        np.testing.assert_allclose(_vad(fresh.predict(voice, 16_000)), _vad(affect), atol=1e-6)


def test_nothing_to_hear_is_nan(model):
    noise = 0.05 * np.random.default_rng(0).standard_normal(32_000)
    for signal in (np.zeros(32_000), noise, np.full(32_000, 0.1)):
        assert all(math.isnan(v) for v in model.predict(signal, 16_000).raw)


def test_too_short_names_the_minimum(model):
    voice = glottal(150, duration_s=0.49)
    with pytest.raises(ValueError, match=str(MIN_DURATION_S)):
        model.predict(voice, 16_000)
    assert math.isfinite(model.predict(glottal(150, duration_s=0.5), 16_000).arousal)


def test_stereo_and_integers_are_refused(model):
    with pytest.raises(ValueError, match=r"shape \(16000, 2\)"):
        model.predict(np.zeros((16_000, 2)), 16_000)
    with pytest.raises(ValueError, match="int16"):
        model.predict(np.zeros(16_000, np.int16), 16_000)
    with pytest.raises(ValueError, match="threads"):
        LiteSpeech(threads=0)


def test_damaged_or_foreign_weights_are_refused(monkeypatch):
    facts = json.loads((WEIGHTS / "ser_lite.json").read_text())
    voice = glottal(150)
    for key, says in (("sha256", "sha256"), ("features_sha256", "other voice features")):
        wrong = facts | {key: "0" * 64}
        monkeypatch.setattr(speech_affect_lite, "_facts", lambda wrong=wrong: wrong)
        with pytest.raises(ModelError, match=says):
            LiteSpeech().predict(voice, 16_000)


def test_floors_hold_and_the_card_says_the_same():
    facts = json.loads((WEIGHTS / "ser_lite.json").read_text())
    card = (WEIGHTS / "ser_lite.md").read_text()
    assert facts["smoke"] is False
    # The floors of the project's issue 2: arousal, never the same voice in training and test.
    assert facts["within"]["emodb"]["arousal"]["ccc"] >= 0.80
    assert facts["within"]["ravdess"]["arousal"]["ccc"] >= 0.68
    assert facts["across"]["emodb"]["arousal"]["ccc"] >= 0.45
    assert facts["across"]["ravdess"]["arousal"]["ccc"] >= 0.45
    for kind in ("within", "pooled", "across"):
        for corpus in ("emodb", "ravdess"):
            for target in ("arousal", "valence", "dominance"):
                assert f"{facts[kind][corpus][target]['ccc']:.3f}" in card
    assert facts["sha256"] in card
    assert (WEIGHTS / "ser_lite.onnx").stat().st_size == facts["bytes"] < 2 * 2**20
    for word in ("experimental", "CC BY-NC-SA 4.0", "acted", "Not validated for therapy"):
        assert word in card


def test_real_time_factor(model, call, capsys):
    signal, rate = call
    model.predict(signal, rate)
    begin = time.process_time()
    model.predict(signal, rate)
    spent = time.process_time() - begin
    with capsys.disabled():
        print(f"\nSER-lite: {len(signal) / rate / spent:.0f}x real time (CPU seconds, one thread)")


@pytest.mark.slow
def test_training_script_runs(shared_data, tmp_path):
    data = shared_data / "lite"
    if not (data / "speech_labels.csv").exists():
        pytest.skip("needs lite/speech_labels.csv of the developers' data folder")
    script = ROOT / "scripts" / "train_lite_speech.py"
    done = subprocess.run(
        [sys.executable, str(script), "--smoke", "--data", str(data), "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    made = json.loads((tmp_path / "ser_lite.json").read_text())
    assert made["smoke"] is True
    assert made["n_clips"] >= 24
    assert (
        made["features_sha256"]
        == json.loads((WEIGHTS / "ser_lite.json").read_text())["features_sha256"]
    )
    card = (tmp_path / "ser_lite.md").read_text()
    assert f"{made['within']['emodb']['arousal']['ccc']:.3f}" in card
    assert (tmp_path / "ser_lite_reliability.png").stat().st_size > 10_000
    import onnxruntime

    session = onnxruntime.InferenceSession(
        str(tmp_path / "ser_lite.onnx"), providers=["CPUExecutionProvider"]
    )
    rows = np.zeros((3, made["n_features"]))
    assert session.run(["affect"], {"features": rows})[0].shape == (3, 3)
