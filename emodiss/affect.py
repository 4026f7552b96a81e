"""Affect: the one scale, and what a voice or a face was measured to express.

One scale, the house scale: valence, arousal and dominance in [-1, 1]. Every model adapter
states its native scale, and `to_house_scale` is the only place where one becomes the other.
Raw values are kept beside the mapped ones. Missing is NaN with a reason, never 0, because 0
means neutral.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emodiss.errors import EmodissError, nearest

EXPRESSIONS = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt")
"""The eight expression classes, in EmoNet's order (Toisoul et al. 2021)."""

Scale = Literal["signed", "unit"]
"""Native scale of a model: `signed` is [-1, 1]; `unit` is about [0, 1]."""

SCALES: tuple[Scale, ...] = ("signed", "unit")


class ScaleError(EmodissError, ValueError):
    """Two numbers on different scales were about to be compared, or a scale is unknown."""

    code = "scale"


@dataclass(frozen=True, slots=True, eq=False)
class FaceAffect:
    """Expression and affect of n face crops.

    Parameters
    ----------
    valence, arousal
        (n,) float32 in [-1, 1], house scale; NaN where nothing could be measured.
    valence_raw, arousal_raw
        (n,) float32, as the model gave them, on its native scale.
    probabilities
        (n, 8) float32, columns in the order of `EXPRESSIONS`, rows sum to one.
    """

    valence: NDArray[np.float32]
    arousal: NDArray[np.float32]
    valence_raw: NDArray[np.float32]
    arousal_raw: NDArray[np.float32]
    probabilities: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.valence)


@dataclass(frozen=True, slots=True)
class SpeechAffect:
    """Affect of one stretch of one voice.

    Parameters
    ----------
    valence, arousal, dominance
        In [-1, 1], house scale; NaN when the signal holds nothing measurable.
    valence_raw, arousal_raw, dominance_raw
        As the model gave them, on its native scale.
    """

    valence: float
    arousal: float
    dominance: float
    valence_raw: float
    arousal_raw: float
    dominance_raw: float


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

    Returns
    -------
    Mapped
        The values, and the count of those that were clamped.

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
