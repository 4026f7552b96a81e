"""What a flag rate means: at other thresholds, and against chance."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emodiss.dissonance.columns import Columns
from emodiss.dissonance.rules import (
    EQUATION_1,
    Sides,
    rows_by_group,
    scores_of,
    sides,
    threshold_of,
)
from emodiss.errors import SettingsError, nearest
from emodiss.settings import DissonanceSettings

if TYPE_CHECKING:
    import pandas as pd

Null = Literal["shift", "permutation"]
"""What voice and face are re-paired by: `shift` keeps the order in time of each, `permutation`
does not."""

NULL_WORDS = {
    "shift": "faces shifted in time against voices, within speaker and session",
    "permutation": "faces exchanged at random within speaker and session",
}
"""Each null in words."""

# Fewer different re-pairings cannot make p smaller than 1 in 20.
_ENOUGH = 20

# Differences that are laid out at once.
_BLOCK = 2**20

# Null rates are shares of n utterances; anything finer than this is rounding.
_TIE = 1e-12


def default_thresholds() -> NDArray[np.float64]:
    """Return 0.10 to 1.00 in steps of 0.05 (research decision A2)."""
    return np.arange(2, 21) / 20


def sweep(scores: ArrayLike | pd.DataFrame, thresholds: ArrayLike | None = None) -> pd.DataFrame:
    """Flag rate at each threshold.

    Parameters
    ----------
    scores
        (n,) dissonance scores; NaN is undetermined and left out. Or an utterance table, whose
        column `dissonance_score` is taken.
    thresholds
        Default is 0.10 to 1.00 in steps of 0.05.

    Returns
    -------
    DataFrame
        Columns threshold, n_flagged, n_determined, rate (NaN without any determined utterance).
    """
    import pandas as pd

    if isinstance(scores, pd.DataFrame) or hasattr(scores, "utterances"):
        scores = Columns.of(scores).numbers("dissonance_score")
    at = default_thresholds() if thresholds is None else np.asarray(thresholds, np.float64)
    return pd.DataFrame(_sweep(np.asarray(scores, np.float64), at))


def _sweep(scores: NDArray[np.float64], at: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    """Make the columns of `sweep`."""
    x = scores[np.isfinite(scores)]
    flagged = (x[None, :] > at[:, None]).sum(axis=1)
    rate = flagged / len(x) if len(x) else np.full(len(at), np.nan)
    determined = np.full(len(at), len(x))
    return {"threshold": at, "n_flagged": flagged, "n_determined": determined, "rate": rate}


@dataclass(frozen=True, slots=True)
class Chance:
    """How often voice and face would differ if they had nothing to do with each other.

    Parameters
    ----------
    rate
        Observed flag rate.
    null_rate
        Mean flag rate of all pairs of a voice and a face of different utterances of one speaker in
        one session.
    low, high
        2.5 and 97.5 % points of the re-paired rates.
    p_value
        Share of re-pairings with a rate at least as far from their mean as observed, counting
        the observed one (two-sided).
    n
        Utterances with both channels, of speakers with two or more in a session.
    null
        What they were re-paired by.
    note
        What a reader should know; empty when there is nothing.
    """

    rate: float
    null_rate: float
    low: float
    high: float
    p_value: float
    n: int
    null: Null
    note: str = ""


def chance(
    table: pd.DataFrame,
    *,
    threshold: float | None = None,
    rule: DissonanceSettings = EQUATION_1,
    null: Null = "shift",
    n_pairings: int = 1000,
    seed: int = 0,
) -> Chance:
    """Flag rate against re-paired voices and faces of the same person in the same session.

    Each voice is given the face of another utterance of its speaker, many times (Monte Carlo
    test; the p-value counts the observed pairing, Phipson and Smyth 2010). What remains
    flagged is what the two models' habits alone produce; only the distance from it says something
    about moments.

    With `shift`, the faces of a speaker in a session are moved against the voices by some number
    of utterances, around the end of the session. So both keep their order, and drift of either,
    which makes utterances in a row resemble each other, is in the null too. `permutation` takes
    utterances as exchangeable: where they drift, it calls chance significant too often
    (`scripts/simulate_flags.py`).

    Parameters
    ----------
    table
        Utterance table: video_id, speaker, and the channels that the rule compares; in order of
        `start` where that is given, else as the rows stand.
    null
        `shift` or `permutation`.
    n_pairings
        How many re-pairings; all different shifts if there are no more of them.

    Returns
    -------
    Chance
        NaN figures when no speaker has two utterances with both channels.

    Raises
    ------
    SettingsError
        If there is no such null.
    """
    if threshold is not None:
        rule = rule.changed(threshold=threshold, quantile=None)
    columns = Columns.of(table)
    compared = sides(columns, rule)
    at = threshold_of(scores_of(compared), rule)
    return chance_of(columns, compared, at, null=null, n_pairings=n_pairings, seed=seed)


def chance_of(
    table: Columns, compared: Sides, at: float, *, null: Null, n_pairings: int, seed: int
) -> Chance:
    """Hold the flag rate of sides that are laid out already against chance, as in `chance`."""
    found, note = _against_null(table, compared, np.array([at]), null, n_pairings, seed)
    names = ("paired_rate", "null_rate", "null_low", "null_high", "p_value")
    return Chance(
        *(float(found[name][0]) for name in names),
        n=int(found["n_paired"][0]),
        null=null,
        note=note,
    )


def sweep_against_chance(
    table: pd.DataFrame,
    thresholds: ArrayLike | None = None,
    *,
    rule: DissonanceSettings = EQUATION_1,
    null: Null = "shift",
    n_pairings: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Flag rate at each threshold beside the rate that chance gives there.

    Parameters
    ----------
    table, rule, null, n_pairings, seed
        As in `chance`; the rule's own threshold plays no part.
    thresholds
        Default is 0.10 to 1.00 in steps of 0.05.

    Returns
    -------
    DataFrame
        The columns of `sweep`, then n_paired and paired_rate (of utterances whose speaker has
        another one to be paired with), null_rate (mean of all pairs of different utterances),
        null_low and null_high (2.5 and 97.5 % points of the re-paired rates) and p_value.
    """
    import pandas as pd

    at = default_thresholds() if thresholds is None else np.asarray(thresholds, np.float64)
    columns = Columns.of(table)
    return pd.DataFrame(
        sweep_of(columns, at, rule=rule, null=null, n_pairings=n_pairings, seed=seed)
    )


def sweep_of(
    table: Columns,
    at: NDArray[np.float64],
    *,
    rule: DissonanceSettings,
    null: Null,
    n_pairings: int,
    seed: int,
) -> dict[str, NDArray[Any]]:
    """Make the columns of `sweep_against_chance`."""
    compared = sides(table, rule)
    found, _ = _against_null(table, compared, at, null, n_pairings, seed)
    return {**_sweep(scores_of(compared), at), **found}


def _against_null(
    table: Columns,
    found: Sides,
    at: NDArray[np.float64],
    null: Null,
    n_pairings: int,
    seed: int,
) -> tuple[dict[str, NDArray[Any]], str]:
    """Observed and re-paired flag rates at each threshold, and what a reader should know."""
    if null not in get_args(Null):
        raise SettingsError(f"There is no null '{null}'.", next_step=nearest(null, get_args(Null)))
    groups = _groups(table, found)
    names = ["n_paired", "paired_rate", "null_rate", "null_low", "null_high", "p_value"]
    if not groups:
        empty = {name: np.full(len(at), np.nan) for name in names}
        return {
            **empty,
            "n_paired": np.zeros(len(at), np.int64),
        }, "nobody has two utterances to pair"
    n = sum(len(group) for group in groups)
    # How many are flagged in each group, (shifts, thresholds); not shifted at all comes first.
    flagged = [_flagged_by_shift(found, group, at) for group in groups]
    observed = np.sum([f[0] for f in flagged], axis=0) / n
    # Each pair of different utterances occurs in one of the shifts.
    others = np.sum([f[1:].mean(axis=0) for f in flagged], axis=0) / n
    rng = np.random.default_rng(seed)
    if null == "shift":
        n_different = math.prod(len(group) for group in groups)
        rates = _shifted(flagged, n_different, n_pairings, rng) / n
        every = n_different <= n_pairings
    else:
        n_different = math.prod(math.factorial(min(len(group), 20)) for group in groups)
        rates = np.array(list(_permuted(found, groups, at, n_pairings, rng))) / n
        every = False
    middle = rates.mean(axis=0)
    far = (np.abs(rates - middle) >= np.abs(observed - middle) - _TIE).sum(axis=0)
    # Among all shifts is the observed one.
    p_value = far / len(rates) if every else (1 + far) / (1 + len(rates))
    low, high = np.quantile(rates, [0.025, 0.975], axis=0)
    columns = [np.full(len(at), n), observed, others, low, high, p_value]
    note = ""
    if n_different < _ENOUGH:
        note = (
            f"too few utterances: only {n_different} re-pairings differ, and p cannot be below "
            f"{1 / n_different:.2f}"
        )
    return dict(zip(names, columns, strict=True)), note


def _groups(table: Columns, found: Sides) -> list[NDArray[np.intp]]:
    """Rows of each speaker in a session with two or more utterances to pair, in order of time."""
    order = np.arange(table.n)
    if "start" in table:
        order = np.argsort(table.numbers("start"), kind="stable")
    known = order[found.known[order]]
    return [rows for rows in rows_by_group(known, found.groups) if len(rows) > 1]


def _flagged_by_shift(
    found: Sides, rows: NDArray[np.intp], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How many of a group are past each threshold after each shift, (shifts, thresholds)."""
    first, second = found.first[rows], found.second[rows]
    n = len(rows)
    twice = np.concatenate([second, second])
    shifted = np.lib.stride_tricks.sliding_window_view(twice, n, axis=0)[:n]  # (shifts, k, n)
    counts = np.empty((n, len(at)))
    step = max(1, _BLOCK // n)
    for begin in range(0, n, step):
        some = shifted[begin : begin + step]
        apart = (np.abs(first[:, k] - some[:, k]) for k in range(first.shape[1]))
        score = functools.reduce(np.maximum, apart)
        for k, threshold in enumerate(at):
            counts[begin : begin + step, k] = np.count_nonzero(score > threshold, axis=1)
    return counts


def _flagged(
    first: NDArray[np.float64], second: NDArray[np.float64], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How many are past each threshold."""
    score = np.sort(np.abs(first - second).max(axis=1))
    return (len(score) - np.searchsorted(score, at, side="right")).astype(np.float64)


def _shifted(
    flagged: list[NDArray[np.float64]],
    n_different: int,
    n_pairings: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """How many are flagged after each draw of shifts, one shift per group."""
    sizes = [len(f) for f in flagged]
    if n_different <= n_pairings:
        draws = np.indices(sizes).reshape(len(sizes), -1).T
    else:
        draws = rng.integers(0, sizes, size=(n_pairings, len(sizes)))
    counts = np.zeros((len(draws), flagged[0].shape[1]))
    for own, shifts in zip(flagged, draws.T, strict=True):
        counts += own[shifts]
    return counts


def _permuted(
    found: Sides,
    groups: list[NDArray[np.intp]],
    at: NDArray[np.float64],
    n_pairings: int,
    rng: np.random.Generator,
) -> Iterator[NDArray[np.float64]]:
    """How many are flagged after each permutation within all groups."""
    first = found.first[np.concatenate(groups)]
    for _ in range(n_pairings):
        partners = np.concatenate([rng.permutation(group) for group in groups])
        yield _flagged(first, found.second[partners], at)
