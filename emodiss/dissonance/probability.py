"""How probable it is that voice and face truly differ by more than the threshold.

What is measured is the true difference plus an error whose covariance is known: the models' errors
against people's ratings, and the few frames of a face. How far true differences spread has to be
known too. Without it, large measured differences would be believed, though many of them are large
by error (regression to the mean). It is learned from the utterances at hand, on a grid over the
plane of both axes, by expectation maximisation (Laird 1978, JASA 73(364), 805-811) around a normal
distribution that is fitted first (Bovy, Hogg and Roweis 2011, Annals of Applied Statistics 5(2B),
1657-1677). So true differences may have heavy tails or more than one centre, where the utterances
say so, and few utterances change little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emodiss.dissonance.equation import THRESHOLD

Floats = NDArray[np.float64]

_SIDE = 41  # points of the grid per axis
_BLOCK = 1000  # utterances whose likelihoods are held at once
_BELIEF = 8.0  # utterances' worth of belief in the spread that is expected beforehand
_NORMAL = 30.0  # utterances' worth of belief that true differences are normal
_STEPS = 40
_MOST = 2000  # utterances that the spread is learned from; more change nothing one could see


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """How true differences spread over the plane of valence and arousal."""

    # valence, arousal: (m,) points of the grid, evenly spaced.
    valence: Floats
    arousal: Floats
    # (m, m) share of true differences around each pair of points; they sum to one.
    shares: Floats

    def past(self, threshold: float) -> Floats:
        """Share of each point's surroundings that lies past the threshold on any axis, (m, m)."""
        inside = [_within(points, threshold) for points in (self.valence, self.arousal)]
        return 1.0 - np.outer(*inside)


def _within(points: Floats, threshold: float) -> Floats:
    """Share of each point's cell that lies within +-T."""
    half = (points[1] - points[0]) / 2
    low, high = np.maximum(points - half, -threshold), np.minimum(points + half, threshold)
    return np.clip(high - low, 0, None) / (2 * half)


def learn_spread(delta: ArrayLike, error: ArrayLike, *, expected_sd: float = 0.4) -> Spread:
    """Learn how true differences spread from measured ones with known errors."""
    d, e = np.asarray(delta, np.float64), np.asarray(error, np.float64)
    if len(d) > _MOST:
        some = np.random.default_rng(0).choice(len(d), _MOST, replace=False)
        d, e = d[some], e[some]
    mean, covariance = _normal(d, e, expected_sd)
    sd = np.sqrt(np.diag(covariance))
    low = np.minimum(d.min(axis=0), mean - 3.5 * sd)
    high = np.maximum(d.max(axis=0), mean + 3.5 * sd)
    valence, arousal = (np.linspace(low[k], high[k], _SIDE) for k in (0, 1))
    x, y = np.meshgrid(valence - mean[0], arousal - mean[1], indexing="ij")
    inverse = np.linalg.inv(covariance)
    form = inverse[0, 0] * x**2 + 2 * inverse[0, 1] * x * y + inverse[1, 1] * y**2
    normal = np.exp(-0.5 * form)
    normal /= normal.sum()
    spread = Spread(valence, arousal, normal)
    likelihood = _likelihood(d, e, spread)
    weights = normal.ravel()
    for _ in range(_STEPS):
        share = likelihood.T @ (1.0 / (likelihood @ weights))
        weights = (weights * share + _NORMAL * normal.ravel()) / (len(d) + _NORMAL)
    return Spread(valence, arousal, weights.reshape(normal.shape))


def _normal(d: Floats, e: Floats, expected_sd: float) -> tuple[Floats, Floats]:
    """Mean and covariance of the normal distribution that true differences fit best."""
    n = len(d)
    expected = expected_sd**2 * np.eye(2)
    mean, covariance = d.sum(axis=0) / (n + 1), expected
    for _ in range(100):
        gain = covariance @ np.linalg.inv(covariance + e)
        centre = mean + np.einsum("nkl,nl->nk", gain, d - mean)
        off = centre - mean
        scatter = (covariance - gain @ covariance).sum(axis=0) + off.T @ off
        before = covariance
        covariance = (scatter + _BELIEF * expected) / (n + _BELIEF)
        mean = centre.sum(axis=0) / (n + 1)
        if np.abs(covariance - before).max() < 1e-5:
            break
    return mean, covariance


def _likelihood(d: Floats, e: Floats, spread: Spread) -> Floats:
    """Likelihood (n, m * m) of each point of the grid, to a factor per utterance."""
    # A point stands for its cell, whose width counts like an error of its own.
    steps = [points[1] - points[0] for points in (spread.valence, spread.arousal)]
    inverse = np.linalg.inv(e + np.diag(np.square(steps) / 12))
    x = spread.valence - d[:, :1]  # (n, m)
    y = spread.arousal - d[:, 1:]
    form = (
        (inverse[:, 0, 0, None] * x**2)[:, :, None]
        + 2 * (inverse[:, 0, 1, None] * x)[:, :, None] * y[:, None, :]
        + (inverse[:, 1, 1, None] * y**2)[:, None, :]
    ).reshape(len(d), -1)
    return np.exp(-0.5 * (form - form.min(axis=1, keepdims=True)))


def probability_past(
    delta: ArrayLike, error: ArrayLike, spread: Spread, *, threshold: float = THRESHOLD
) -> Floats:
    """Probability that the true difference is past the threshold on any axis."""
    d, e = np.asarray(delta, np.float64), np.asarray(error, np.float64)
    past = spread.past(threshold).ravel()
    weights = spread.shares.ravel()
    found = np.empty(len(d))
    for first in range(0, len(d), _BLOCK):
        some = slice(first, first + _BLOCK)
        likelihood = _likelihood(d[some], e[some], spread)
        found[some] = (likelihood @ (weights * past)) / (likelihood @ weights)
    return np.clip(found, 0.0, 1.0)


def errors_explain_more(delta: ArrayLike, error: ArrayLike) -> bool:
    """Whether the stated errors would spread differences more than they are spread.

    Then errors cannot have been added to the truth, as `learn_spread` takes it: the models' answers
    are drawn to the middle instead, and truth lies around what was measured.
    """
    d, e = np.asarray(delta, np.float64), np.asarray(error, np.float64)
    if len(d) < 3:
        return False
    seen = d.var(axis=0, ddof=1)
    stated = np.diagonal(e, axis1=1, axis2=2).mean(axis=0)
    # Two standard errors of a variance of normal values, so that chance seldom decides.
    return bool((seen * (1 + 2 * np.sqrt(2 / (len(d) - 1))) < stated).any())
