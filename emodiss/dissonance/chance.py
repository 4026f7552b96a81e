"""What a flag rate means: at other thresholds, and against chance."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from emodiss.dissonance.rules import Rule, scores_of, sides, threshold_of

# Null rates are shares of n utterances; anything finer than this is rounding.
_TIE = 1e-12


def default_thresholds() -> NDArray[np.float64]:
    """Return 0.10 to 1.00 in steps of 0.05 (research decision A2)."""
    return np.arange(2, 21) / 20


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
    at = default_thresholds() if thresholds is None else np.asarray(thresholds, np.float64)
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
    table: pd.DataFrame,
    *,
    threshold: float | None = None,
    rule: Rule | None = None,
    n_pairings: int = 1000,
    seed: int = 0,
) -> Chance:
    """Flag rate against re-paired voices and faces of the same person in the same session.

    Each voice is given the face of another utterance of its speaker, many times (Monte Carlo
    permutation; the p-value counts the observed pairing, Phipson and Smyth 2010). What remains
    flagged is what the two models' habits alone produce; only the distance from it says something
    about moments.

    Parameters
    ----------
    table
        Utterance table: video_id, speaker, and the channels that the rule compares.
    threshold
        T; default is the rule's own.
    rule
        What is compared; default is Equation 1 with T = 0.5.
    n_pairings
        How many re-pairings.
    seed
        Of the random numbers.

    Returns
    -------
    Chance
        NaN figures when no speaker has two utterances with both channels.
    """
    rule = rule or Rule()
    if threshold is not None:
        rule = replace(rule, threshold=threshold, quantile=None)
    at = np.array([threshold_of(scores_of(sides(table, rule)), rule)])
    row = _against_null(table, rule, at, n_pairings, seed).iloc[0]
    names = ("paired_rate", "null_rate", "null_low", "null_high", "p_value")
    return Chance(*(float(row[name]) for name in names), n=int(row["n_paired"]))


def sweep_against_chance(
    table: pd.DataFrame,
    thresholds: ArrayLike | None = None,
    *,
    rule: Rule | None = None,
    n_pairings: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Flag rate at each threshold beside the rate that chance gives there.

    Parameters
    ----------
    table, rule, n_pairings, seed
        As in `chance`; the rule's own threshold plays no part.
    thresholds
        Default is 0.10 to 1.00 in steps of 0.05.

    Returns
    -------
    DataFrame
        The columns of `sweep`, then n_paired and paired_rate (of utterances whose speaker has
        another one to be paired with), null_rate, null_low and null_high (mean, 2.5 and 97.5 %
        points of the re-paired rates) and p_value.
    """
    rule = rule or Rule()
    at = default_thresholds() if thresholds is None else np.asarray(thresholds, np.float64)
    observed = sweep(scores_of(sides(table, rule)), at)
    null = _against_null(table, rule, at, n_pairings, seed)
    return pd.concat([observed, null], axis=1)


def _against_null(
    table: pd.DataFrame, rule: Rule, at: NDArray[np.float64], n_pairings: int, seed: int
) -> pd.DataFrame:
    """Observed and re-paired flag rates at each threshold."""
    found = sides(table, rule)
    known = np.flatnonzero(found.known)
    groups = [known[found.groups[known] == g] for g in np.unique(found.groups[known])]
    groups = [g for g in groups if len(g) > 1]
    names = ["n_paired", "paired_rate", "null_rate", "null_low", "null_high", "p_value"]
    if not groups:
        empty = pd.DataFrame(np.nan, index=range(len(at)), columns=names)
        return empty.assign(n_paired=0)
    rows = np.concatenate(groups)
    first, second = found.first[rows], found.second
    rng = np.random.default_rng(seed)

    def rates_with(partners: NDArray[np.int64]) -> NDArray[np.float64]:
        score = np.sort(np.abs(first - second[partners]).max(axis=1))
        return (len(rows) - np.searchsorted(score, at, side="right")) / len(rows)

    observed = rates_with(rows)
    null = np.array(
        [
            rates_with(np.concatenate([rng.permutation(g) for g in groups]))
            for _ in range(n_pairings)
        ]
    )  # (n_pairings, thresholds)
    middle = null.mean(axis=0)
    far = (np.abs(null - middle) >= np.abs(observed - middle) - _TIE).sum(axis=0)
    low, high = np.quantile(null, [0.025, 0.975], axis=0)
    columns = [
        np.full(len(at), len(rows)),
        observed,
        middle,
        low,
        high,
        (1 + far) / (1 + n_pairings),
    ]
    return pd.DataFrame(dict(zip(names, columns, strict=True)))
