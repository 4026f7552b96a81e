"""The seams to trained models: one small protocol per task, one file per model.

Adapters give raw values; `emodiss.affect` brings them to the house scale. What a model is (name,
weights, options) stands on its card in `catalog`, so that nothing is loaded to learn it. Heavy
libraries are imported inside the adapters only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from emodiss.affect import FaceAffect, Scale, SpeechAffect
from emodiss.faces import FaceBoxes
from emodiss.transcript import Recognition, Turn, Utterance, Word


@runtime_checkable
class FaceDetector(Protocol):
    """Finds faces in upright RGB frames."""

    def detect(self, frames: Sequence[NDArray[np.uint8]]) -> list[FaceBoxes]:
        """Find all faces in each (H, W, 3) uint8 RGB frame; frames may differ in size."""
        ...


@runtime_checkable
class FaceAffectModel(Protocol):
    """Measures expression, valence and arousal of face crops."""

    crop_margin: float
    """Margin around the detector's box this model was trained with, as a share of its side."""
    crop_square: bool
    """Whether the crop is widened to a square before the model resizes it."""

    @property
    def scale(self) -> Scale:
        """Native scale of the raw values."""
        ...

    def predict(self, crops: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]) -> FaceAffect:
        """Measure n crops, each (H, W, 3) uint8 RGB."""
        ...


@runtime_checkable
class SpeechAffectModel(Protocol):
    """Measures valence, arousal and dominance of one utterance."""

    @property
    def scale(self) -> Scale:
        """Native scale of the raw values."""
        ...

    @property
    def min_duration_s(self) -> float:
        """Shortest signal that can be measured, in seconds."""
        ...

    def predict(self, signal: NDArray[np.floating], sample_rate: int) -> SpeechAffect:
        """Measure one mono signal, (n,) float in [-1, 1]."""
        ...

    def predict_many(
        self, signals: Sequence[NDArray[np.floating]], sample_rate: int
    ) -> list[SpeechAffect]:
        """Measure several signals, together where that is faster."""
        ...


@runtime_checkable
class Diarizer(Protocol):
    """Finds who speaks when."""

    def diarize(
        self, signal: NDArray[np.floating], sample_rate: int, num_speakers: int | None = None
    ) -> list[Turn]:
        """Return speaker turns of one mono signal, sorted by start; turns may overlap."""
        ...


@runtime_checkable
class Transcriber(Protocol):
    """Finds what is said."""

    def transcribe(
        self, signal: NDArray[np.floating], sample_rate: int, *, language: str | None = None
    ) -> Recognition:
        """Return what is said in one mono signal, in segments; None finds the language too."""
        ...


@runtime_checkable
class Aligner(Protocol):
    """Finds when given words are said (forced alignment)."""

    def align(
        self,
        signal: NDArray[np.floating],
        sample_rate: int,
        utterances: Sequence[Utterance],
        *,
        language: str | None = None,
    ) -> list[tuple[Word, ...]]:
        """Return the words of each utterance, in order, with times in seconds of one mono signal.

        Each utterance's `start` and `end` are where its words are to be sought; a word that is not
        found there has NaN for times.
        """
        ...
