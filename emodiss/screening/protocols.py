"""What is asked of models that look at drawn faces or read dialogues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from emodiss.screenplays.records import Line


@runtime_checkable
class ImageTextModel(Protocol):
    """Says how well a text describes a picture."""

    @property
    def identity(self) -> str:
        """Name and all that can change a number."""
        ...

    def similarity(self, picture: NDArray[np.uint8], text: str) -> float:
        """Cosine in [-1, 1] of an (H, W, 3) uint8 RGB picture and a text."""
        ...


@runtime_checkable
class FaceEmbedder(Protocol):
    """Tells people apart by their faces."""

    @property
    def identity(self) -> str:
        """Name and all that can change a number."""
        ...

    def embed(self, picture: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """Describe the largest face of a picture by a vector; None if there is no face."""
        ...


@runtime_checkable
class FaceAttributes(Protocol):
    """Guesses gender and age from a face; off unless asked for."""

    @property
    def identity(self) -> str:
        """Name and all that can change an answer."""
        ...

    def predict(self, picture: NDArray[np.uint8]) -> tuple[str | None, float]:
        """Guess `female` or `male`, and the age in years; None and NaN where there is no guess."""
        ...


@runtime_checkable
class NsfwClassifier(Protocol):
    """Tells pictures that are not suitable."""

    @property
    def identity(self) -> str:
        """Name and all that can change a number."""
        ...

    def scores(self, picture: NDArray[np.uint8]) -> tuple[float, float]:
        """Score a picture as unsuitable and as normal, each in [0, 1]."""
        ...


@runtime_checkable
class SafetyClassifier(Protocol):
    """Tells lines of a dialogue that call for caution."""

    @property
    def identity(self) -> str:
        """Name and all that can change an answer."""
        ...

    def classify(self, lines: Sequence[Line]) -> Mapping[int, str | None]:
        """Give the level, one of `LEVELS`, of each line of either role; None for no answer."""
        ...


@runtime_checkable
class Tagger(Protocol):
    """Names the parts of speech."""

    def tags(self, words: str) -> Sequence[str]:
        """Tag each word of a text in its order."""
        ...


def cosine(one: NDArray[np.floating] | None, other: NDArray[np.floating] | None) -> float:
    """Cosine of two vectors, in [-1, 1]; NaN where one is missing or has no length."""
    if one is None or other is None:
        return float("nan")
    a, b = np.asarray(one, np.float64).ravel(), np.asarray(other, np.float64).ravel()
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.clip(a @ b / length, -1, 1)) if length > 0 else float("nan")
