"""Evidence: how well each face's series fit each voice, as likelihoods.

Two kinds, measured apart and added: **synchrony**, that a mouth follows the sound from syllable to
syllable, and **motion**, that it moves as much as talking mouths do while its voice is heard and
as little as resting ones do meanwhile. Synchrony alone can tell a talker from a mouth that moves
without being heard; motion needs less time.

Effects differ from face to face, and false ones occur as well: a listener nods, smiles, mouths
along. Such a difference does not average out over a session, so it is a spread of its own in both
models, and what minutes of one face can prove stays bounded. `scripts/measure_binding.py` measures
what becomes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emodiss.people.series import RATE

# Synchrony. Lags tried around none, and shortest shift that counts as chance, in values.
_LAGS = 2
_FAR = 20
_MIN_ALONE = 3 * RATE
# Windows of motion, in values, and the least share of one that must have been seen.
WINDOW = 12
_MIN_SEEN = 0.5


@dataclass(frozen=True, slots=True)
class SynchronyModel:
    """What the standard score of a pair looks like after some seconds."""

    # growth, spread: Of the score with the square root of the seconds, for a face and its own
    # voice: mean, and standard deviation between faces.
    growth: float
    spread: float
    # The same standard deviation for a face and somebody else's voice.
    false_spread: float
    # Standard deviation of one score.
    noise: float
    # Share of faces that follow their own voice no better than another's: profiles, beards, hands.
    lost: float
    # Share of faces that follow a voice as its own does and are not its own: mirrors, second
    # screens. It bounds what any score may prove.
    copies: float


SYNCHRONY = SynchronyModel(
    growth=0.85, spread=0.40, false_spread=0.15, noise=1.15, lost=0.05, copies=0.002
)


@dataclass(frozen=True, slots=True)
class MotionModel:
    """What windows of a mouth that talks, rests, or moves for other reasons look like."""

    # talks, rests: Mean and spread between faces.
    talks: tuple[float, float]
    rests: tuple[float, float]
    # Correlation of the two within one face.
    alike: float
    # Spread of a difference that comes with a voice that is not the face's own.
    drift: float
    # Spread of one window of one face.
    noise: float
    # Share of a window that counts, because neighbouring ones tell the same story.
    independent: float
    # Values beyond are cut off.
    limits: tuple[float, float]


# `series.level_of_motion`.
MOUTH = MotionModel(
    talks=(1.61, 0.17),
    rests=(1.17, 0.25),
    alike=0.4,
    drift=0.18,
    noise=0.22,
    independent=0.25,
    limits=(0.7, 2.2),
)
# Scores of LR-ASD in logits.
SCORES = MotionModel(
    talks=(5.0, 1.5),
    rests=(0.0, 1.5),
    alike=0.4,
    drift=1.0,
    noise=2.0,
    independent=0.35,
    limits=(-4.0, 8.0),
)

# Priors of a face: at rest, moving without a voice, a voice's, a voice's that moves otherwise too.
_AT_REST, _MOVING, _SPEAKING, _RESTLESS = 0.32, 0.08, 0.55, 0.05


def synchrony(
    mouth: Sequence[NDArray[np.float64]], sound: NDArray[np.float64], use: NDArray[np.bool_]
) -> tuple[float, float]:
    """How closely a mouth follows the sound."""
    known = use & np.isfinite(sound)
    for series in mouth:
        known = known & np.isfinite(series)
    n = int(known.sum())
    if n < _MIN_ALONE:
        return np.nan, n / RATE
    heard = _unit(sound[known])
    spectrum = np.fft.rfft(heard).conj()
    both = np.sum(
        [np.fft.irfft(np.fft.rfft(_unit(series[known])) * spectrum, n) for series in mouth], axis=0
    )
    best = np.max([np.roll(both, lag) for lag in range(-_LAGS, _LAGS + 1)], axis=0)
    chance = best[_FAR : n - _FAR]
    spread = float(chance.std())
    if not spread > 1e-9:  # a frozen picture or a constant tone tells nothing
        return np.nan, n / RATE
    return float((best[0] - chance.mean()) / spread), n / RATE


def _unit(values: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = values - values.mean()
    norm = float(np.sqrt(np.square(centred).sum()))
    return centred / norm if norm > 1e-9 else np.zeros_like(centred)


def log_synchrony(score: float, seconds: float) -> float:
    """Log likelihood ratio of a score if the face is the voice's, against that it is not."""
    if not np.isfinite(score):
        return 0.0
    model = SYNCHRONY
    noise = model.noise**2
    false = _log_normal(score, 0.0, noise + model.false_spread**2 * seconds)
    true = _log_normal(score, model.growth * seconds**0.5, noise + model.spread**2 * seconds)
    own = np.logaddexp(np.log1p(-model.lost) + true, np.log(model.lost) + false)
    other = np.logaddexp(np.log1p(-model.copies) + false, np.log(model.copies) + true)
    return float(own - other)


def _log_normal(value: float, mean: float, variance: float) -> float:
    return -0.5 * ((value - mean) ** 2 / variance + np.log(variance))


def windows(series: NDArray[np.floating]) -> NDArray[np.float64]:
    """Means over windows of 0.48 s; (..., n // 12), NaN where less than half was seen."""
    count = series.shape[-1] // WINDOW
    cut = series[..., : count * WINDOW].reshape(*series.shape[:-1], count, WINDOW)
    seen = np.isfinite(cut)
    n = seen.sum(axis=-1)
    total = np.where(seen, cut, 0.0).sum(axis=-1)
    return np.where(n >= _MIN_SEEN * WINDOW, total / np.maximum(n, 1), np.nan)


def motion_sums(
    moved: NDArray[np.float64], talk: NDArray[np.float64], model: MotionModel
) -> NDArray[np.float64]:
    """Sum up what `log_fits` needs of windows, (1 + v, 2 + v); sums of parts add up."""
    seen = np.isfinite(moved)
    design = np.vstack([np.ones(seen.sum()), talk[:, seen]])
    values = np.clip(moved[seen], *model.limits)
    weight = model.independent / model.noise**2
    return np.column_stack([weight * design @ design.T, weight * design @ values])


def log_fits(sums: NDArray[np.float64], model: MotionModel) -> NDArray[np.float64]:
    """Log likelihood of a face's motion, up to a constant, times prior, (2, 1 + v): by owner."""
    product, target, v = sums[:, :-1], sums[:, -1], len(sums) - 1
    (talks, talks_sd), (rests, rests_sd) = model.talks, model.rests
    both = model.alike * talks_sd * rests_sd
    # One row of means and one matrix of spreads per hypothesis, in the order of the result.
    mean = np.zeros((2, 1 + v, 1 + v))
    spread = np.zeros((2, 1 + v, 1 + v, 1 + v))
    spread[..., range(1, 1 + v), range(1, 1 + v)] = model.drift**2
    mean[0, :, 0], mean[1, :, 0] = rests, talks
    spread[0, :, 0, 0], spread[1, :, 0, 0] = rests_sd**2, talks_sd**2
    for owner in range(1, 1 + v):
        mean[0, owner, owner] = talks - rests
        spread[0, owner, owner, owner] = talks_sd**2 + rests_sd**2 - 2 * both
        spread[0, owner, 0, owner] = spread[0, owner, owner, 0] = both - rests_sd**2
    priors = np.array([[_AT_REST, _SPEAKING / max(v, 1)], [_MOVING, _RESTLESS / max(v, 1)]])
    return np.log(priors[:, np.minimum(range(1 + v), 1)]) + _log_evidence(
        product, target, mean, spread
    )


def log_prior_odds(n_voices: int) -> float:
    """Log prior odds that a face is a certain voice's, against nobody's."""
    return float(np.log((_SPEAKING + _RESTLESS) / max(n_voices, 1) / (_AT_REST + _MOVING)))


def _log_evidence(
    product: NDArray[np.float64],
    target: NDArray[np.float64],
    mean: NDArray[np.float64],
    spread: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Log of a Gaussian likelihood with its coefficients integrated out, up to a constant."""
    precision = np.linalg.inv(spread)
    after = precision + product
    given = (precision @ mean[..., None])[..., 0]
    pull = target + given
    best = np.linalg.solve(after, pull[..., None])[..., 0]
    fit = (mean * given).sum(axis=-1) - (pull * best).sum(axis=-1)
    return -0.5 * (fit + np.linalg.slogdet(after)[1] + np.linalg.slogdet(spread)[1])
