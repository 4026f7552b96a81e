"""Affect: the one scale, and what a voice or a face was measured to express.

One scale, the house scale: valence, arousal and dominance in [-1, 1]. Every model adapter
states its native scale, and `to_house_scale` is the only place where one becomes the other.
Raw values are kept beside the mapped ones. Missing is NaN with a reason, never 0, because 0
means neutral.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emodiss.arguments import explain
from emodiss.errors import EmodissError, nearest
from emodiss.series import SeriesMean, mean_of_series, means_of_series

__all__ = [
    "EXPRESSIONS",
    "SCALES",
    "FaceAffect",
    "FaceAffectModel",
    "Mapped",
    "Scale",
    "ScaleError",
    "SeriesMean",
    "SpeechAffect",
    "SpeechAffectModel",
    "StatedError",
    "mean_of_series",
    "means_of_series",
    "nearest_label",
    "prototypes",
    "to_house_scale",
]

EXPRESSIONS = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt")
"""The eight expression classes, in EmoNet's order (Toisoul et al. 2021)."""

Scale = Literal["signed", "unit"]
"""Native scale of a model: `signed` is [-1, 1]; `unit` is about [0, 1]."""

SCALES: tuple[Scale, ...] = ("signed", "unit")


@dataclass(frozen=True, slots=True)
class StatedError:
    """How far an affect model is off, as its card says.

    Parameters
    ----------
    valence, arousal
        Root mean square error against people's ratings, house scale; None where nobody states it.
    source
        Where the numbers come from, or why there are none.
    """

    valence: float | None
    arousal: float | None
    source: str


class ScaleError(EmodissError, ValueError):
    """Two numbers on different scales were about to be compared, or a scale is unknown."""

    code = "scale"


@dataclass(frozen=True, slots=True, eq=False)
class FaceAffect:
    """Expression and affect of n face crops, as a model gave them.

    Parameters
    ----------
    valence_raw, arousal_raw
        (n,) float32, on the model's native scale.
    probabilities
        (n, 8) float32, columns in the order of `EXPRESSIONS`, rows sum to one.
    scale
        The native scale.
    """

    valence_raw: NDArray[np.float32]
    arousal_raw: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    scale: Scale

    def __len__(self) -> int:
        return len(self.valence_raw)

    @property
    def valence(self) -> NDArray[np.float32]:
        """(n,) in [-1, 1], house scale; NaN where nothing could be measured."""
        return to_house_scale(self.valence_raw, self.scale).values.astype(np.float32)

    @property
    def arousal(self) -> NDArray[np.float32]:
        """(n,) in [-1, 1], house scale; NaN where nothing could be measured."""
        return to_house_scale(self.arousal_raw, self.scale).values.astype(np.float32)


@dataclass(frozen=True, slots=True)
class SpeechAffect:
    """Affect of one stretch of one voice, as a model gave it.

    Parameters
    ----------
    valence_raw, arousal_raw, dominance_raw
        On the model's native scale; NaN when the signal holds nothing measurable.
    scale
        The native scale.
    """

    valence_raw: float
    arousal_raw: float
    dominance_raw: float
    scale: Scale

    @property
    def raw(self) -> tuple[float, float, float]:
        """Valence, arousal and dominance on the native scale."""
        return self.valence_raw, self.arousal_raw, self.dominance_raw

    @property
    def valence(self) -> float:
        """In [-1, 1], house scale; NaN when nothing was measured."""
        return float(to_house_scale(self.valence_raw, self.scale).values)

    @property
    def arousal(self) -> float:
        """In [-1, 1], house scale; NaN when nothing was measured."""
        return float(to_house_scale(self.arousal_raw, self.scale).values)

    @property
    def dominance(self) -> float:
        """In [-1, 1], house scale; NaN when nothing was measured."""
        return float(to_house_scale(self.dominance_raw, self.scale).values)


@dataclass(frozen=True, slots=True, eq=False)
class Mapped:
    """Values on the house scale and how many had to be clamped to stay on it.

    Parameters
    ----------
    values
        Float array in [-1, 1]; NaN stays NaN.
    n_clamped
        How many finite values lay past the ends.
    """

    values: NDArray[np.float64]
    n_clamped: int


def to_house_scale(raw: ArrayLike, scale: Scale) -> Mapped:
    """Map native model values to [-1, 1].

    Parameters
    ----------
    raw
        Native values, any shape.
    scale
        `unit` maps x to 2x - 1 (research decision A1); `signed` leaves x as it is. Both are then
        clamped to [-1, 1].

    Raises
    ------
    ScaleError
        If the scale is unknown.
    """
    values = np.asarray(raw, dtype=np.float64)
    if scale == "unit":
        values = 2.0 * values - 1.0
    elif scale != "signed":
        raise ScaleError(f"Unknown scale '{scale}'.", next_step=nearest(scale, SCALES))
    n_clamped = int(np.count_nonzero(np.abs(values) > 1.0))  # NaN compares False
    return Mapped(values=np.clip(values, -1.0, 1.0), n_clamped=n_clamped)


@functools.cache
def prototypes() -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Emotion names and their places in the valence-arousal plane.

    Returns
    -------
    names : tuple of str
        `EXPRESSIONS` without contempt.
    places : ndarray
        (k, 2), valence and arousal in [-1, 1]; Russell and Mehrabian (1977), neutral at the
        origin, where their semantic differentials have their middle.
    """
    text = importlib.resources.files("emodiss.data").joinpath("affect_prototypes.json").read_text()
    table = json.loads(text)["prototypes"]
    names = tuple(table)
    return names, np.array([[table[n]["valence"], table[n]["arousal"]] for n in names])


def nearest_label(valence: float, arousal: float) -> str | None:
    """Name a point of the valence-arousal plane; ties go to the first prototype.

    The speech models measure dimensions and know no classes, yet the discrete prompt wants a word
    (research decision A10): the nearest prototype gives it, neutral being one of them. The table
    has no word for calm pleasure, so distance alone would call a very calm voice sad however
    pleasant it is. Hence a word of unpleasant feeling (its prototype's valence is negative) is
    given to negative valence only.

    Parameters
    ----------
    valence, arousal
        House scale; NaN gives None.
    """
    if not (np.isfinite(valence) and np.isfinite(arousal)):
        return None
    names, places = prototypes()
    distances = np.hypot(*(places - [valence, arousal]).T)
    if valence >= 0:
        distances[places[:, 0] < 0] = np.inf
    return names[int(np.argmin(distances))]


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


explain(__name__)
