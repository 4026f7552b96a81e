"""Means of series of frames that resemble their neighbours, with errors that cover.

Neighbouring frames of a face are nearly equal, so `sd / sqrt(n)` claims far too much, and with
the 30 to 150 frames of an utterance nobody can say exactly how alike neighbours are: a series of
150 that drifts slowly looks steadier than it is. So no single autocorrelation is put in. Many are
weighed by how well they explain the series, and the interval comes from all of them together:

- The series' cosine transform is used, at its slowest frequencies (a fifth of them, 24 to 256):
  these are what the error of a mean depends on, and nothing needs to be known of quick changes
  (Mueller 2014, Journal of Business and Economic Statistics 32(3), 311-322).
- The spectrum is that of an autoregression of first order, or of one that explains half of the
  variance beside white noise. Persistence is weighed evenly on a logarithmic scale, up to a
  correlation of neighbours of .9925. Variances of the transform are exact for every length.
- The mean then follows a mixture of Student's t distributions.

`scripts/simulate_flags.py` shows how often the interval covers the truth.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_SLOWEST = (24, 256)
_QUICKEST = 0.2  # share of the frequencies, between those two numbers
# Correlation of neighbours of the autoregressive part, and its share of the variance.
_LAG1 = 1.0 - np.concatenate([[1.0], np.geomspace(0.6, 0.0075, 12)])
_SHARES = (1.0, 0.5)
_BELIEF = (1.0, 0.3)
_MODELS = [
    (rho, share, belief)
    for share, belief in zip(_SHARES, _BELIEF, strict=True)
    for rho in _LAG1
    if rho > 0 or share == 1.0  # white noise beside white noise is white noise
]
_RHO, _SHARE, _WEIGHT = (np.array(column) for column in zip(*_MODELS, strict=True))
_NORMAL = 1.959963984540054  # 97.5 % point of the normal distribution


_GAP_S = 0.25  # more breaks a curve, unless looks lie that far apart anyway


def begins(time: Floats, whose: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Whether a curve has a gap before each of its points, or is another's from there on, (n,)."""
    apart, same = np.diff(time), whose[1:] == whose[:-1]
    gap = apart > _GAP_S
    doubted = set(whose[1:][gap & same])
    places: dict[object, list[int]] = {}
    # Gone through once: hours have thousands of owners.
    for place in np.flatnonzero(same).tolist():
        if whose[place + 1] in doubted:
            places.setdefault(whose[place + 1], []).append(place)
    for own in places.values():
        gap[own] &= apart[own] > 1.5 * np.median(apart[own])
    return np.r_[True, gap | ~same][: len(time)]


@dataclass(frozen=True, slots=True)
class SeriesMean:
    """Mean of a series of frames that resemble their neighbours."""

    # Arithmetic mean; NaN without frames.
    mean: float
    # Of the mean: half of the 95 % interval over 1.96, so that mean +- 1.96 of it covers as often
    # as `interval` does; NaN below two frames, or if all are equal.
    standard_error: float
    n: int
    # How many independent frames would tell as much.
    n_effective: float
    # Ends of the 95 % interval; NaN like the error.
    interval: tuple[float, float]


def mean_of_series(values: ArrayLike) -> SeriesMean:
    """Average frames in temporal order, with an error that respects autocorrelation."""
    return means_of_series([values])[0]


def means_of_series(
    stretches: Iterable[ArrayLike], spacings: Sequence[float] | None = None
) -> list[SeriesMean]:
    """Average several stretches of one process, such as a face during several utterances.

    How alike neighbours are is learned from all stretches together; how far values spread, from
    each for itself. Neighbours may lie further apart in one stretch than in another: `spacings`
    says how far, in any unit.
    """
    series = [x[np.isfinite(x)] for x in (np.asarray(s, np.float64) for s in stretches)]
    shortest = min(spacings, default=1.0) if spacings is not None else 1.0
    steps = [s / shortest for s in spacings] if spacings is not None else [1.0] * len(series)
    varies = [len(x) > 1 and float(np.ptp(x)) > 1e-12 for x in series]
    parts = [
        _explained(x, step) if moves else None
        for x, step, moves in zip(series, steps, varies, strict=True)
    ]
    belief = np.log(_WEIGHT)
    for part in parts:
        if part is not None:
            belief = belief + part[0]
    weights = np.exp(belief - belief.max())
    weights /= weights.sum()
    return [_mean(*one, weights) for one in zip(series, steps, parts, strict=True)]


def _explained(x: Floats, step: float) -> tuple[Floats, Floats, int]:
    """Log likelihood and scale of the mean's t distribution under each model, and its df."""
    from scipy.fft import dct

    variances = _variances(len(x), step)
    df = len(variances) - 1
    energy = np.square(dct(x - x.mean(), norm="ortho")[1 : df + 1])
    # Rounding keeps no slow change at exactly zero.
    scaled = energy @ (1.0 / variances[1:]) + 1e-18 * len(x)
    likely = -0.5 * np.log(variances[1:]).sum(axis=0) - 0.5 * df * np.log(scaled)
    return likely, np.sqrt(scaled / df * variances[0] / len(x)), df


@functools.lru_cache(maxsize=1024)
def _variances(n: int, step: float) -> Floats:
    """Variance of each cosine coefficient of n values of unit variance under each model."""
    k = np.arange(n)
    rows = min(n, 1 + int(np.clip(_QUICKEST * n, *_SLOWEST)))
    lagged = np.empty((rows, n))
    for j in range(rows):
        basis = np.cos(np.pi * j * (2 * k + 1) / (2 * n)) * np.sqrt((2 if j else 1) / n)
        lagged[j] = np.fft.irfft(np.abs(np.fft.rfft(basis, 2 * n)) ** 2, 2 * n)[:n]
    lagged[:, 1:] *= 2
    correlation = _SHARE * _RHO ** (step * k[:, None])
    correlation[0] = 1.0
    return lagged @ correlation


def _mean(
    x: Floats, step: float, part: tuple[Floats, Floats, int] | None, weights: Floats
) -> SeriesMean:
    n = len(x)
    nan = float("nan")
    mean = float(x.mean()) if n else nan
    if part is None:
        return SeriesMean(mean, nan, n, float(min(n, 1)), (nan, nan))
    _, scale, df = part
    half = _half_width(scale, df, weights)
    n_effective = float(n / (weights @ _variances(n, step)[0]))
    return SeriesMean(
        mean, half / _NORMAL, n, min(max(n_effective, 1.0), float(n)), (mean - half, mean + half)
    )


def _half_width(scale: Floats, df: int, weights: Floats) -> float:
    """Half of the central 95 % interval of a mixture of t distributions around one mean."""
    from scipy.optimize import brentq
    from scipy.special import stdtr, stdtrit

    widths = scale * stdtrit(df, 0.975)
    low, high = float(widths.min()), float(widths.max())
    if high - low < 1e-12:
        return high
    return float(brentq(lambda h: weights @ stdtr(df, h / scale) - 0.975, low, high, xtol=1e-9))
