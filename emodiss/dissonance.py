"""Emotional dissonance: voice and face of one person tell apart (paper A, Equation 1).

    dissonance = 1 if max(|V_ser - V_fer|, |A_ser - A_fer|) > T

Both channels must be on one declared scale (`emodiss.affect`). The answer is true, false or
undetermined: a channel that was not measured makes it undetermined and never false.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Axis = Literal["valence", "arousal", "both"]


@dataclass(frozen=True, slots=True, eq=False)
class Flags:
    """Dissonance of n utterances.

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


def flag(
    speech_v: ArrayLike,
    speech_a: ArrayLike,
    face_v: ArrayLike,
    face_a: ArrayLike,
    threshold: float = 0.5,
) -> Flags:
    """Apply Equation 1 to arrays of utterances.

    Parameters
    ----------
    speech_v, speech_a
        (n,) valence and arousal of the voice, on one scale with the face.
    face_v, face_a
        (n,) valence and arousal of the face.
    threshold
        T; strictly greater counts. 0.5 is the paper's, chosen by eye on its Figure 10.

    Returns
    -------
    Flags
        Undetermined wherever any of the four values is NaN.

    Raises
    ------
    ValueError
        If the arrays differ in length or the threshold is negative.
    """
    arrays = [
        np.atleast_1d(np.asarray(x, np.float64)) for x in (speech_v, speech_a, face_v, face_a)
    ]
    if len({a.shape for a in arrays}) != 1 or arrays[0].ndim != 1:
        shapes = ", ".join(str(a.shape) for a in arrays)
        raise ValueError(f"The four series must be equally long and flat, got shapes {shapes}.")
    if threshold < 0:
        raise ValueError(f"The threshold must not be negative, got {threshold}.")
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


def sweep(scores: ArrayLike, thresholds: ArrayLike | None = None) -> pd.DataFrame:
    """Flag rate at each threshold.

    Parameters
    ----------
    scores
        (n,) dissonance scores; NaN is undetermined and left out.
    thresholds
        Default is 0.10 to 1.00 in steps of 0.05.

    Returns
    -------
    DataFrame
        Columns threshold, n_flagged, n_determined, rate (NaN without any determined utterance).
    """
    x = np.asarray(scores, np.float64)
    x = x[np.isfinite(x)]
    at = np.arange(2, 21) / 20 if thresholds is None else np.asarray(thresholds, np.float64)
    flagged = (x[None, :] > at[:, None]).sum(axis=1)
    rate = flagged / len(x) if len(x) else np.full(len(at), np.nan)
    return pd.DataFrame(
        {"threshold": at, "n_flagged": flagged, "n_determined": len(x), "rate": rate}
    )


@dataclass(frozen=True, slots=True)
class Chance:
    """How often voice and face would differ if they had nothing to do with each other.

    Parameters
    ----------
    rate
        Observed flag rate.
    null_rate
        Mean flag rate after re-pairing.
    low, high
        2.5 and 97.5 % points of the re-paired rates.
    p_value
        Share of re-pairings with a rate at least as far from the null mean as observed, counting
        the observed one (two-sided).
    n
        Utterances with both channels.
    """

    rate: float
    null_rate: float
    low: float
    high: float
    p_value: float
    n: int


def chance(
    table: pd.DataFrame, *, threshold: float = 0.5, n_pairings: int = 1000, seed: int = 0
) -> Chance:
    """Flag rate against re-paired voices and faces of the same person in the same session.

    Each voice is given the face of another utterance of its speaker, many times. What remains
    flagged is what the two models' habits alone produce; only the distance from it says something
    about moments.

    Parameters
    ----------
    table
        Utterance table: video_id, speaker, speech_valence, speech_arousal, face_valence,
        face_arousal.
    threshold
        T of Equation 1.
    n_pairings
        How many re-pairings.
    seed
        Of the random numbers.

    Returns
    -------
    Chance
        NaN figures when no speaker has two utterances with both channels.
    """
    columns = ["speech_valence", "speech_arousal", "face_valence", "face_arousal"]
    known = table.dropna(subset=columns)
    groups = [
        g.index.to_numpy()
        for _, g in known.reset_index(drop=True).groupby(["video_id", "speaker"], sort=True)
        if len(g) > 1
    ]
    if not groups:
        nan = float("nan")
        return Chance(nan, nan, nan, nan, nan, 0)
    rows = np.concatenate(groups)
    sv, sa, fv, fa = (known[c].to_numpy(np.float64) for c in columns)
    rng = np.random.default_rng(seed)

    def rate_with(faces: NDArray[np.int64]) -> float:
        gap = np.maximum(np.abs(sv[rows] - fv[faces]), np.abs(sa[rows] - fa[faces]))
        return float((gap > threshold).mean())

    observed = rate_with(rows)
    null = np.array(
        [rate_with(np.concatenate([rng.permutation(g) for g in groups])) for _ in range(n_pairings)]
    )
    far = np.abs(null - null.mean()) >= abs(observed - null.mean()) - 1e-12
    low, high = np.quantile(null, [0.025, 0.975])
    p_value = (1 + int(far.sum())) / (1 + n_pairings)
    return Chance(observed, float(null.mean()), float(low), float(high), p_value, len(rows))


def exceedance_probability(
    delta: ArrayLike, standard_error: ArrayLike, *, threshold: float = 0.5
) -> NDArray[np.float64]:
    """Probability that the true difference is past the threshold on any axis.

    Parameters
    ----------
    delta
        (..., k) signed differences on k axes.
    standard_error
        (..., k) their standard errors; errors are taken as normal and independent.
    threshold
        T of Equation 1.

    Returns
    -------
    ndarray
        (...,) in [0, 1]; NaN where a difference or its error is NaN. With an error of 0 it is 0
        or 1.
    """
    from scipy.stats import norm

    d, se = np.asarray(delta, np.float64), np.asarray(standard_error, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = norm.cdf((threshold - d) / se) - norm.cdf((-threshold - d) / se)
    inside = np.where(se == 0, (np.abs(d) <= threshold).astype(float), inside)
    inside = np.where(np.isnan(d) | np.isnan(se), np.nan, inside)
    return 1.0 - inside.prod(axis=-1)
