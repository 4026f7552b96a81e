"""Equation 1 on plain arrays, and how sure a flag is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emodiss.errors import ArgumentError
from emodiss.settings import DissonanceSettings

if TYPE_CHECKING:
    import pandas as pd

Axis = Literal["valence", "arousal", "both"]

THRESHOLD: float = DissonanceSettings().threshold
"""T of the paper."""


@dataclass(frozen=True, slots=True, eq=False)
class Flags:
    """Dissonance of n utterances; `score, dissonant, axis = flag(...)` takes it apart.

    Parameters
    ----------
    delta_valence, delta_arousal
        (n,) float64, speech minus face, signed; NaN where a channel is missing.
    score
        (n,) float64, the larger absolute difference; NaN unless all four values are known.
    dissonant
        (n,) nullable boolean; missing where undetermined.
    axis
        (n,) object: `valence`, `arousal` or `both` where dissonant, else None.
    """

    delta_valence: NDArray[np.float64]
    delta_arousal: NDArray[np.float64]
    score: NDArray[np.float64]
    dissonant: pd.arrays.BooleanArray
    axis: NDArray[np.object_]

    def __iter__(self) -> Iterator[Any]:
        return iter((self.score, self.dissonant, self.axis))


def flag(
    speech_v: ArrayLike,
    speech_a: ArrayLike,
    face_v: ArrayLike,
    face_a: ArrayLike,
    threshold: float = THRESHOLD,
) -> Flags:
    """Apply Equation 1 to arrays of utterances.

    Parameters
    ----------
    speech_v, speech_a
        (n,) valence and arousal of the voice, on one scale with the face.
    face_v, face_a
        (n,) valence and arousal of the face.
    threshold
        T; strictly greater counts. The default is the paper's, chosen by eye on its Figure 10.

    Returns
    -------
    Flags
        Undetermined wherever any of the four values is missing (NaN, None, NA) or infinite.

    Raises
    ------
    ArgumentError
        If the arrays differ in length, or the threshold is negative or NaN.
    """
    import pandas as pd

    arrays = [_measured(x) for x in (speech_v, speech_a, face_v, face_a)]
    if len({a.shape for a in arrays}) != 1 or arrays[0].ndim != 1:
        shapes = ", ".join(str(a.shape) for a in arrays)
        raise ArgumentError(f"The four series must be equally long and flat, got shapes {shapes}.")
    if not threshold >= 0:  # NaN too
        raise ArgumentError(f"The threshold must be a number and not negative, got {threshold}.")
    delta_v, delta_a = arrays[0] - arrays[2], arrays[1] - arrays[3]
    score = np.maximum(np.abs(delta_v), np.abs(delta_a))  # NaN if either is NaN
    unknown = np.isnan(score)
    on_v, on_a = np.abs(delta_v) > threshold, np.abs(delta_a) > threshold
    axis = np.full(len(score), None, dtype=object)
    axis[on_v & ~unknown] = "valence"
    axis[on_a & ~unknown] = "arousal"
    axis[on_v & on_a & ~unknown] = "both"
    dissonant = pd.arrays.BooleanArray((on_v | on_a) & ~unknown, unknown)
    return Flags(delta_v, delta_a, score, dissonant, axis)


def _measured(values: ArrayLike) -> NDArray[np.float64]:
    """Return values as a flat array, with NaN for whatever is no finite number."""
    import pandas as pd

    array = np.atleast_1d(np.asarray(values))
    if array.dtype == object:  # a list with None, or pandas' NA
        array = np.where(pd.isna(array), np.nan, array)
    array = array.astype(np.float64)
    return np.where(np.isfinite(array), array, np.nan)


def exceedance_probability(
    delta: ArrayLike,
    standard_error: ArrayLike,
    *,
    threshold: float = THRESHOLD,
    correlation: float = 0.0,
) -> NDArray[np.float64]:
    """Probability that the true difference is past the threshold on any axis, on a flat prior.

    Errors are taken as normal, and every true difference as equally likely beforehand. Where large
    true differences are rare, this is too high for large measured ones; `reflag` learns how rare.

    Parameters
    ----------
    delta
        (..., k) signed differences on one axis or two.
    standard_error
        (..., k) their standard errors.
    threshold
        T of Equation 1.
    correlation
        Of the errors on both axes, in (-1, 1).

    Returns
    -------
    ndarray
        (...,) in [0, 1]; NaN where a difference or its error is NaN. With an error of 0 it is 0
        or 1.
    """
    d, se = np.asarray(delta, np.float64), np.asarray(standard_error, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = (-threshold - d) / se, (threshold - d) / se
    certain = se == 0
    within = np.abs(d) <= threshold
    low = np.where(certain, np.where(within, -np.inf, np.inf), low)
    high = np.where(certain, np.inf, high)
    inside = _below(high) - _below(low)
    if correlation and d.shape[-1] == 2:
        from scipy.special import ndtr, ndtri

        # Over the first axis in steps of equal probability; given it, the second is normal.
        nodes, weights = np.polynomial.legendre.leggauss(64)
        first, last = ndtr(low[..., :1]), ndtr(high[..., :1])
        x = ndtri(np.clip((first + last + (last - first) * nodes) / 2, 1e-300, 1 - 1e-16))
        left = np.sqrt(1 - correlation**2)
        given = ndtr((high[..., 1:] - correlation * x) / left) - ndtr(
            (low[..., 1:] - correlation * x) / left
        )
        both = inside[..., 0] * (given @ weights) / 2
    else:
        both = inside.prod(axis=-1)
    unknown = (np.isnan(d) | np.isnan(se)).any(axis=-1)
    return np.where(unknown, np.nan, 1.0 - both)


def _below(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the standard normal distribution below each number.

    SciPy takes longer to import than this takes for a hundred thousand utterances.
    """
    shares = [math.erfc(-value / math.sqrt(2)) / 2 for value in x.ravel().tolist()]
    return np.array(shares, np.float64).reshape(x.shape)
