"""SER-lite: arousal, dominance and valence of an utterance from the voice alone.

A small model trained by this project on acted speech; its card is ``weights/ser_lite.md``. Arousal
carries over between corpora to a useful degree; valence and dominance do not and are experimental.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emodiss.affect import Scale, SpeechAffect
from emodiss.errors import ModelError
from emodiss.models import speech_signal
from emodiss.models.lite import voice_features, voice_frames
from emodiss.models.onnx_session import cpu_session

if TYPE_CHECKING:
    import onnxruntime

NAME: Final = "ser_lite"
VERSION: Final = 1

MIN_DURATION_S: Final = 0.5
"""Shortest signal that is accepted. The shortest clip in training lasts 1.3 s."""
MIN_VOICED_S: Final = 0.2
"""Voiced speech a window needs; without one such window there is nothing to measure (NaN)."""
WINDOW_S: Final = 5.0
"""Longest window. The longest clip in training lasts 4.7 s; longer speech is averaged."""

_REINSTALL: Final = "Reinstall emodiss; the weights are part of the package."


class LiteSpeech:
    """Measures one utterance at a time, on the CPU; results do not depend on threads.

    An utterance is cut into equal windows of at most 5 s. Each window becomes one vector of
    level-free statistics (`emodiss.models.lite.voice_features`), the network maps the vectors, and
    the result is their mean weighted by voiced time. So 60 s of speech are measured on the same
    footing as the clips in training, and cost memory in proportion to their length only.
    """

    def __init__(self, *, threads: int = 1) -> None:
        if threads < 1:
            raise ValueError(f"threads is {threads}; expected at least 1.")
        self._threads = threads
        self._session: onnxruntime.InferenceSession | None = None

    @property
    def scale(self) -> Scale:
        """Native scale of the raw values: signed, [-1, 1]."""
        return "signed"

    @property
    def min_duration_s(self) -> float:
        """Shortest signal that can be measured, in seconds."""
        return MIN_DURATION_S

    def predict(self, signal: ArrayLike, sample_rate: int) -> SpeechAffect:
        """Measure one mono signal in [-1, 1] of 0.5 s or more, whose gain does not matter.

        All values are NaN when it holds no voice: digital silence, noise, or less than 0.2 s of
        voiced speech in every window.
        """
        samples, rate = speech_signal.check_signal(signal, sample_rate)
        duration_s = len(samples) / rate
        if duration_s < MIN_DURATION_S:
            raise ValueError(
                f"signal lasts {duration_s:.3f} s; expected at least {MIN_DURATION_S} s. "
                "Mark shorter utterances as too short instead of measuring them."
            )
        frames = voice_frames.analyse(speech_signal.resample(samples, rate))
        vectors, voiced_s = [], []
        for start, stop in voice_frames.split(len(frames.f0_hz), WINDOW_S):
            window = frames.between(start, stop)
            if window.voiced_s >= MIN_VOICED_S:
                vectors.append(voice_features.summarise(window))
                voiced_s.append(window.voiced_s)
        if not vectors:
            return SpeechAffect(math.nan, math.nan, math.nan, self.scale)
        affect = np.average(self._run(np.stack(vectors)), axis=0, weights=voiced_s)
        return SpeechAffect(*map(float, affect), scale=self.scale)

    def predict_many(
        self, signals: Sequence[NDArray[np.floating]], sample_rate: int
    ) -> list[SpeechAffect]:
        """Measure signals, each as in `predict`."""
        return [self.predict(signal, sample_rate) for signal in signals]

    def _run(self, vectors: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, Any]:
        """(n, d) statistics to (n, 3) valence, arousal, dominance."""
        session = self._session = self._session or cpu_session(_read_weights(), self._threads)
        return np.asarray(session.run(["affect"], {"features": vectors})[0])


@cache
def _facts() -> dict[str, Any]:
    """Figures and checksum that were written with the weights."""
    source = files("emodiss.models") / "weights" / f"{NAME}.json"
    try:
        return json.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{NAME}.json cannot be read: {error}.", next_step=_REINSTALL) from error


def _read_weights() -> bytes:
    """Weights, verified against the checksum written at training time."""
    source = files("emodiss.models") / "weights" / f"{NAME}.onnx"
    try:
        data = source.read_bytes()
    except OSError as error:
        raise ModelError(f"{NAME}.onnx cannot be read: {error}.", next_step=_REINSTALL) from error
    facts = _facts()
    found = hashlib.sha256(data).hexdigest()
    if found != facts["sha256"]:
        raise ModelError(
            f"{NAME}.onnx has sha256 {found[:12]}; expected {facts['sha256'][:12]}.",
            next_step=_REINSTALL,
        )
    if facts["features_sha256"] != voice_features.fingerprint():
        raise ModelError(
            f"{NAME}.onnx was trained on other voice features "
            f"({facts['features_sha256'][:12]}); this version computes "
            f"{voice_features.fingerprint()[:12]}.",
            next_step="Train again with scripts/train_lite_speech.py.",
        )
    return data
