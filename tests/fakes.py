"""Small deterministic stand-ins for every model, so that runs are tested without torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from emodiss.affect import EXPRESSIONS, FaceAffect, SpeechAffect
from emodiss.faces import FaceBoxes
from emodiss.models.catalog import Card
from emodiss.transcript import Recognition, Turn, Utterance, Word

LOADED: list[str] = []
"""Names of the models loaded in this process, in order."""


class Faces:
    """Finds one face of fixed place in every picture that is not black."""

    identity = "fake-faces"

    def __init__(self) -> None:
        LOADED.append(self.identity)

    def detect(self, frames: Sequence[NDArray[np.uint8]]) -> list[FaceBoxes]:
        found = []
        for frame in frames:
            if frame.mean() < 20:
                found.append(FaceBoxes.empty())
                continue
            h, w = frame.shape[:2]
            box = np.array([[w * 0.25, h * 0.2, w * 0.75, h * 0.8]], np.float32)
            points = np.array(
                [[0.4, 0.4], [0.6, 0.4], [0.5, 0.5], [0.42, 0.65], [0.58, 0.65]], np.float32
            ) * np.array([w, h], np.float32)
            found.append(FaceBoxes(box, np.array([0.99], np.float32), points[None]))
        return found


class TwoFaces(Faces):
    """Finds a face in the left half and one in the right half of every picture."""

    identity = "fake-two-faces"

    def detect(self, frames: Sequence[NDArray[np.uint8]]) -> list[FaceBoxes]:
        h, w = frames[0].shape[:2]
        box = np.array([[0.05, 0.2, 0.45, 0.8], [0.55, 0.2, 0.95, 0.8]]) * [w, h, w, h]
        points = np.array([[0.4, 0.4], [0.6, 0.4], [0.5, 0.5], [0.42, 0.65], [0.58, 0.65]])
        points = np.stack([points * [0.5 * w, h], points * [0.5 * w, h] + [0.5 * w, 0]])
        both = FaceBoxes(
            box.astype(np.float32), np.full(2, 0.99, np.float32), points.astype(np.float32)
        )
        return [both] * len(frames)


class Face:
    """Valence is brightness; arousal is 0."""

    identity = "fake-face"
    scale = "signed"
    crop_margin = 0.0
    crop_square = False

    def __init__(self) -> None:
        LOADED.append(self.identity)

    def predict(self, crops: Sequence[NDArray[np.uint8]]) -> FaceAffect:
        n = len(crops)
        valence = np.array([c.mean() / 127.5 - 1 for c in crops], np.float32).reshape(n)
        arousal = np.zeros(n, np.float32)
        probabilities = np.zeros((n, len(EXPRESSIONS)), np.float32)
        probabilities[:, 1] = 1
        return FaceAffect(valence, arousal, probabilities, self.scale)


class Speech:
    """Arousal is loudness; valence is -0.5 on a scale of 0 to 1 mapped to the house scale."""

    identity = "fake-speech"
    scale = "unit"
    min_duration_s = 0.2

    def __init__(self) -> None:
        LOADED.append(self.identity)

    def predict(self, signal: NDArray[np.floating], sample_rate: int) -> SpeechAffect:
        raw = float(np.clip(np.sqrt(np.square(signal).mean()), 0, 1))
        return SpeechAffect(0.25, raw, 0.5, self.scale)

    def predict_many(
        self, signals: Sequence[NDArray[np.floating]], sample_rate: int
    ) -> list[SpeechAffect]:
        return [self.predict(signal, sample_rate) for signal in signals]


class Voices:
    """One turn over the whole recording."""

    identity = "fake-voices"

    def __init__(self) -> None:
        LOADED.append(self.identity)

    def diarize(
        self, signal: NDArray[np.floating], sample_rate: int, num_speakers: int | None = None
    ) -> list[Turn]:
        return [Turn(0.0, len(signal) / sample_rate, "voice")]


class Words:
    """One sentence over the whole recording."""

    identity = "fake-words"

    def __init__(self) -> None:
        LOADED.append(self.identity)

    def transcribe(
        self, signal: NDArray[np.floating], sample_rate: int, *, language: str | None = None
    ) -> Recognition:
        return Recognition((Utterance(0.0, len(signal) / sample_rate, "", "I am fine."),), "en")


class NoWords(Words):
    """Fails on every input."""

    identity = "fake-no-words"

    def transcribe(
        self, signal: NDArray[np.floating], sample_rate: int, *, language: str | None = None
    ) -> Recognition:
        raise RuntimeError("the patient said: this must not reach a log")


class Aligner:
    """Words are spread evenly over the first loud stretch between the edges, if there is one."""

    identity = "fake-aligner"

    def __init__(self) -> None:
        LOADED.append(self.identity)

    def align(
        self,
        signal: NDArray[np.floating],
        sample_rate: int,
        utterances: Sequence[Utterance],
        *,
        language: str | None = None,
    ) -> list[tuple[Word, ...]]:
        found: list[tuple[Word, ...]] = []
        for u in utterances:
            first = round(u.start * sample_rate)
            loud = np.flatnonzero(np.abs(signal[first : round(u.end * sample_rate)]) > 0.05)
            pauses = np.flatnonzero(np.diff(loud) > 0.25 * sample_rate)
            edges = np.full(len(u.text.split()) + 1, np.nan)
            if len(loud):
                stop = loud[pauses[0]] if len(pauses) else loud[-1]
                edges = np.linspace(loud[0], stop + 1, len(edges))
            times = (first + edges) / sample_rate
            found.append(
                tuple(
                    Word(text, float(a), float(b), score=0.9)
                    for text, a, b in zip(u.text.split(), times[:-1], times[1:], strict=True)
                )
            )
        return found


class Broken(Speech):
    """A model that fails on every input."""

    identity = "fake-broken"
    scale = "signed"

    def predict(self, signal: NDArray[np.floating], sample_rate: int) -> SpeechAffect:
        raise RuntimeError("the patient said: this must not reach a log")


class Deadly(Broken):
    """A model that takes its process down, as a crash in native code does."""

    def predict(self, signal: NDArray[np.floating], sample_rate: int) -> SpeechAffect:
        import os

        os._exit(139)


def _entry(name: str, task: str, attribute: str, scale: str | None = None) -> Card:
    return Card(
        name=name,
        task=task,  # type: ignore[arg-type]
        loader=f"tests.fakes:{attribute}",
        place="package",
        package="numpy",
        extra="models",
        source="tests",
        revision="1",
        licence="none",
        noncommercial=False,
        size_mb=0.0,
        what="stand-in",
        scale=scale,  # type: ignore[arg-type]
    )


ENTRIES = {
    e.name: e
    for e in (
        _entry("fake-faces", "faces", "Faces"),
        _entry("fake-two-faces", "faces", "TwoFaces"),
        _entry("fake-face", "face_affect", "Face", "signed"),
        _entry("fake-speech", "speech_affect", "Speech", "unit"),
        _entry("fake-broken", "speech_affect", "Broken", "signed"),
        _entry("fake-deadly", "speech_affect", "Deadly", "signed"),
        _entry("fake-voices", "diarizer", "Voices"),
        _entry("fake-aligner", "aligner", "Aligner"),
        _entry("fake-words", "asr", "Words"),
        _entry("fake-no-words", "asr", "NoWords"),
    )
}

SETTINGS = {
    "models.asr": None,
    "models.aligner": None,
    "models.faces": "fake-faces",
    "models.face_affect": "fake-face",
    "models.speech_affect": "fake-speech",
    "models.diarizer": "fake-voices",
    "tracks.min_track_s": 0.1,
    "people.min_confidence": 0.0,
}
"""Changes on top of preset lite that put every stand-in to work."""
