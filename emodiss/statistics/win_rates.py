"""Pairwise comparisons: win rates, leaning to a side, agreement, and Bradley and Terry's model.

Tables 4 to 6 and Figure 5 of MIRROR (Kim et al. 2025). The paper does not say what it does with
ties; its rates of a pair sum to 100, so that they are split in halves or dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emodiss.errors import nearest
from emodiss.statistics.bootstrap import (
    DEFAULT,
    ONE_CLUSTER,
    TOO_FEW,
    Bootstrap,
    StatisticsError,
    cluster_sums,
    codes_of,
)
from emodiss.statistics.kappa import cohen_kappa
from emodiss.tabular import a_table

Ties = Literal["half", "drop", "three_way"]
TIES: tuple[Ties, ...] = ("half", "drop", "three_way")

_NEEDS = ("rater", "case", "model_a", "model_b", "criterion", "choice")
_STEPS = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class WinRates:
    """How often each model wins.

    Parameters
    ----------
    pairs
        One row per criterion, model and opponent: wins, ties, losses, n (comparisons that count),
        n_missing (not answered), rate (per cent) with low and high, reason.
    means
        One row per criterion and model: rate (plain mean of its rates over opponents, per cent)
        with low and high, n, reason.
    ties
        What was done with ties.
    """

    pairs: pd.DataFrame
    means: pd.DataFrame
    ties: Ties

    def matrix(self, criterion: str) -> pd.DataFrame:
        """Lay one criterion out as Tables 4 to 6: rates against each opponent, then the mean.

        Parameters
        ----------
        criterion
            One of the table's.

        Raises
        ------
        StatisticsError
            If it has none of that name.
        """
        rows = self.pairs[self.pairs["criterion"] == criterion]
        if rows.empty:
            raise StatisticsError(
                f"Nothing was compared by '{criterion}'.",
                next_step=nearest(criterion, list(map(str, self.pairs["criterion"].unique()))),
            )
        order = list(dict.fromkeys(rows["model"]))
        wide = rows.pivot(index="model", columns="opponent", values="rate")
        own = self.means[self.means["criterion"] == criterion].set_index("model")["rate"]
        return wide.reindex(index=order, columns=order).assign(win_rate=own)


def win_rates(
    table: pd.DataFrame,
    *,
    ties: Ties = "half",
    models: Sequence[str] | None = None,
    bootstrap: Bootstrap = DEFAULT,
) -> WinRates:
    """Count wins of every two models.

    Parameters
    ----------
    table
        Comparisons, as from `ratings.merge_pairs`; those without a choice are counted and left
        out.
    ties
        `half`: a tie is half a win for each. `drop`: it does not count. `three_way`: it counts as
        neither, so that the rates of a pair and its ties sum to 100.
    models
        Order of the models; sorted if None.
    bootstrap
        Resamples of cases, seed and level of the intervals.

    Raises
    ------
    StatisticsError
        If columns are absent, `ties` is unknown, or a model is not among `models`.
    """
    if ties not in TIES:
        raise StatisticsError(f"Unknown: '{ties}'.", next_step=nearest(ties, TIES))
    rows = _needed(table)
    seen = sorted({*rows["model_a"].astype("str"), *rows["model_b"].astype("str")})
    order = list(models) if models is not None else seen
    if strange := [name for name in seen if name not in order]:
        raise StatisticsError(
            f"'{strange[0]}' was compared, but is not among the models {', '.join(order)}."
        )
    pairs: list[dict[str, Any]] = []
    means: list[dict[str, Any]] = []
    for criterion in dict.fromkeys(map(str, rows["criterion"])):
        own = rows[rows["criterion"] == criterion]
        codes, cases = codes_of(own["case"])
        weights = bootstrap.draw(len(cases)) if len(cases) > 1 else np.zeros((0, len(cases)))
        resampled: dict[tuple[str, str], NDArray[np.float64]] = {}
        rates: dict[tuple[str, str], float] = {}
        counts: dict[tuple[str, str], int] = {}
        for one in order:
            for two in (name for name in order if name != one):
                won, tied, lost, missing = _outcomes(own, one, two)
                sums = cluster_sums(
                    codes, len(cases), np.column_stack([won, tied, lost]).astype(np.float64)
                )
                n_won, n_tied, n_lost = (int(x) for x in sums.sum(axis=0))
                row: dict[str, Any] = {"criterion": criterion, "model": one, "opponent": two}
                row |= {"wins": n_won, "ties": n_tied, "losses": n_lost}
                row["n"] = n_won + n_lost + (0 if ties == "drop" else n_tied)
                row["n_missing"] = int(missing.sum())
                rates[one, two] = float(_rate(sums.sum(axis=0)[None], ties)[0])
                resampled[one, two] = _rate(weights @ sums, ties)
                counts[one, two] = row["n"]
                pairs.append(row | _interval(rates[one, two], resampled[one, two], bootstrap))
        for one in order:
            against = [(one, two) for two in order if two != one and counts[one, two]]
            row = {"criterion": criterion, "model": one, "n": sum(counts[pair] for pair in against)}
            rate = float(np.mean([rates[pair] for pair in against])) if against else np.nan
            boot = np.mean([resampled[pair] for pair in against], axis=0) if against else weights
            means.append(row | _interval(rate, np.asarray(boot), bootstrap))
    columns = ["criterion", "model", "opponent", "wins", "ties", "losses", "n", "n_missing"]
    interval = ["rate", "low", "high", "reason"]
    return WinRates(
        pd.DataFrame(pairs, columns=pd.Index([*columns, *interval])),
        pd.DataFrame(means, columns=pd.Index(["criterion", "model", "n", *interval])),
        ties,
    )


def _needed(table: pd.DataFrame) -> pd.DataFrame:
    table = a_table(table, "comparisons")
    absent = [name for name in _NEEDS if name not in table.columns]
    if absent:
        raise StatisticsError(
            f"The comparisons lack the column(s) {', '.join(absent)}; "
            f"they have {', '.join(map(str, table.columns)) or 'none'}."
        )
    return table.reset_index(drop=True)


def _outcomes(rows: pd.DataFrame, one: str, two: str) -> tuple[NDArray[np.bool_], ...]:
    """Tell of each row whether `one` won against `two`, tied, lost, or nothing was chosen."""
    straight = ((rows["model_a"] == one) & (rows["model_b"] == two)).to_numpy()
    flipped = ((rows["model_a"] == two) & (rows["model_b"] == one)).to_numpy()
    choice = rows["choice"].astype("object").where(rows["choice"].notna(), None)
    a, b, tie = ((choice == option).to_numpy() for option in ("A", "B", "Tie"))
    met = straight | flipped
    won, lost = (straight & a) | (flipped & b), (straight & b) | (flipped & a)
    return won, met & tie, lost, met & choice.isna().to_numpy()


def _rate(sums: NDArray[np.float64], ties: Ties) -> NDArray[np.float64]:
    """Per cent of wins from (k, 3) wins, ties and losses."""
    won, tied, lost = sums.T
    above = won + tied / 2 if ties == "half" else won
    below = won + lost + (0 if ties == "drop" else tied)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(below > 0, 100 * above / below, np.nan)


def _interval(rate: float, resampled: NDArray[np.float64], bootstrap: Bootstrap) -> dict[str, Any]:
    if np.isnan(rate):
        return {"rate": np.nan, "low": np.nan, "high": np.nan, "reason": "nothing was compared"}
    if len(resampled) == 0:
        return {"rate": rate, "low": np.nan, "high": np.nan, "reason": ONE_CLUSTER}
    low, high = bootstrap.limits(resampled)
    return {"rate": rate, "low": low, "high": high, "reason": TOO_FEW if np.isnan(low) else ""}


def side_bias(table: pd.DataFrame, *, bootstrap: Bootstrap = DEFAULT) -> pd.DataFrame:
    """Count how often side A was chosen; sides are balanced, so that half of the wins is fair.

    Parameters
    ----------
    bootstrap
        Resamples of cases, seed and level of the intervals.

    Returns
    -------
    DataFrame
        One row per criterion and rater, and per criterion for `all`: n_a, n_tie, n_b, n_missing,
        share_a (of A among A and B) with low and high, reason.
    """
    rows = _needed(table)
    out: list[dict[str, Any]] = []
    for criterion in dict.fromkeys(map(str, rows["criterion"])):
        own = rows[rows["criterion"] == criterion]
        for rater in (*sorted(map(str, own["rater"].unique())), "all"):
            part = own if rater == "all" else own[own["rater"] == rater]
            codes, cases = codes_of(part["case"])
            choice = part["choice"]
            marks = [choice.eq(option).fillna(False) for option in ("A", "Tie", "B")]
            sums = cluster_sums(codes, len(cases), np.column_stack(marks).astype(np.float64))
            n_a, n_tie, n_b = (int(x) for x in sums.sum(axis=0))
            row: dict[str, Any] = {"criterion": criterion, "rater": rater, "n_a": n_a}
            row |= {"n_tie": n_tie, "n_b": n_b, "n_missing": int(choice.isna().sum())}
            weights = bootstrap.draw(len(cases)) if len(cases) > 1 else np.zeros((0, len(cases)))
            share = _rate(sums.sum(axis=0)[None], "drop")[0] / 100
            found = _interval(float(share), _rate(weights @ sums, "drop") / 100, bootstrap)
            out.append(row | {"share_a" if k == "rate" else k: v for k, v in found.items()})
    return pd.DataFrame(out)


def pair_agreement(table: pd.DataFrame, *, bootstrap: Bootstrap = DEFAULT) -> pd.DataFrame:
    """Measure agreement of every two raters on which model won, by Cohen's kappa.

    Choices are turned from sides to models first, so that a rater who sees a pair the other way
    round agrees by choosing the other side.

    Parameters
    ----------
    bootstrap
        Resamples of cases, seed and level of the intervals.

    Returns
    -------
    DataFrame
        One row per criterion and pair of raters: rater_1, rater_2, n (pairs both compared),
        n_dropped, agreement (share), kappa with low and high, reason.
    """
    rows = _needed(table)
    first = rows[["model_a", "model_b"]].astype("str").min(axis=1)
    second = rows[["model_a", "model_b"]].astype("str").max(axis=1)
    won = rows["choice"].astype("object").where(rows["choice"].notna(), None)
    turned = rows["model_a"].astype("str") != first
    won = won.where(~turned | ~won.isin(["A", "B"]), won.map({"A": "B", "B": "A"}))
    rows = rows.assign(first=first, second=second, won=won)
    out: list[dict[str, Any]] = []
    for criterion in dict.fromkeys(map(str, rows["criterion"])):
        own = rows[rows["criterion"] == criterion]
        wide = own.pivot(index=["case", "first", "second"], columns="rater", values="won")
        for one, two in combinations(sorted(map(str, wide.columns)), 2):
            found = cohen_kappa(
                wide[one],
                wide[two],
                categories=["A", "Tie", "B"],
                clusters=wide.index.get_level_values("case"),
                bootstrap=bootstrap,
            )
            row = {"criterion": criterion, "rater_1": one, "rater_2": two, "n": found.n}
            row |= {"n_dropped": found.n_dropped, "agreement": found.observed}
            row |= {"kappa": found.statistic, "low": found.low, "high": found.high}
            out.append(row | {"reason": found.reason})
    return pd.DataFrame(out)


def bradley_terry(table: pd.DataFrame) -> pd.DataFrame:
    """Fit one strength to each model (Bradley and Terry 1952), as a check of the win rates.

    The chance that i wins against j is s_i / (s_i + s_j); a tie is half a win for each. Fitted by
    Hunter's (2004) MM algorithm.

    Returns
    -------
    DataFrame
        One row per criterion and model: strength (natural logarithm, mean 0), rate (mean win rate
        that the strengths imply, per cent), observed (the one counted), misfit (largest distance of
        an implied rate of its pairs from the counted one, percentage points), reason. A model
        that, with others, never wins or never loses against the rest has no finite strength.
    """
    rows = _needed(table)
    out: list[dict[str, Any]] = []
    for criterion in dict.fromkeys(map(str, rows["criterion"])):
        own = rows[rows["criterion"] == criterion]
        models = sorted({*own["model_a"].astype("str"), *own["model_b"].astype("str")})
        wins = np.zeros((len(models), len(models)))
        for i, one in enumerate(models):
            for j, two in enumerate(models):
                if i != j:
                    won, tied, _, _ = _outcomes(own, one, two)
                    wins[i, j] = won.sum() + tied.sum() / 2
        strength = _strengths(wins)
        met = wins + wins.T
        with np.errstate(invalid="ignore", divide="ignore"):
            seen = np.where(met > 0, 100 * wins / met, np.nan)
            s = np.exp(strength)
            fitted = np.where(met > 0, 100 * s[:, None] / (s[:, None] + s[None, :]), np.nan)
        for i, model in enumerate(models):
            there = np.flatnonzero(met[i] > 0)
            known = len(there) > 0 and not np.isnan(strength[i])
            row: dict[str, Any] = {"criterion": criterion, "model": model, "strength": strength[i]}
            row["rate"] = float(fitted[i, there].mean()) if known else np.nan
            row["observed"] = float(seen[i, there].mean()) if len(there) else np.nan
            gaps = np.abs(fitted[i, there] - seen[i, there])
            row["misfit"] = float(gaps.max()) if known else np.nan
            row["reason"] = (
                "" if known else "some models never win or never lose: no finite strength"
            )
            out.append(row)
    return pd.DataFrame(out)


def _strengths(wins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithms of the strengths, all NaN where they have no finite maximum (Ford 1957)."""
    from scipy.sparse.csgraph import connected_components

    n = len(wins)
    parts, _ = connected_components(wins > 0, directed=True, connection="strong")
    if n == 0 or parts > 1:
        return np.full(n, np.nan)
    total, met = wins.sum(axis=1), wins + wins.T
    s = np.ones(n)
    for _ in range(_STEPS):
        new = total / (met / (s[:, None] + s[None, :])).sum(axis=1)
        new /= np.exp(np.log(new).mean())
        done = np.abs(np.log(new / s)).max() < 1e-12
        s = new
        if done:
            break
    return np.log(s)
