"""Therapists compared case by case: Tables 2 and 3 of MIRROR (Kim et al. 2025).

Every function takes the long table of `SCORES`: one row per case, therapist and criterion. A
missing score, or a row that is not there, takes the case out of the pair and is counted with its
reason; it never counts as a number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from emodiss.clients import RESISTANT
from emodiss.errors import nearest
from emodiss.statistics.bootstrap import (
    DEFAULT,
    TOO_FEW,
    Bootstrap,
    StatisticsError,
    check_confidence,
    cluster_sums,
    codes_of,
    mean_limits,
)
from emodiss.statistics.ranks import holm, wilcoxon
from emodiss.tabular import a_table

SCORES = {
    "case": "id of the case: a profile and a type of resistance",
    "profile": "id of the profile; each has a case of every type",
    "resistance": "cognitive, emotional, behavioral or none",
    "model": "name of the therapist",
    "criterion": "what was scored",
    "score": "the score, NaN where there is none",
    "reason": "why there is none; the column is optional",
}
"""Columns of the table of scores."""

_SAME = 1e-12
NO_ROW = "no_row"


def paired(
    table: pd.DataFrame,
    *,
    reference: str,
    types: Sequence[str] = RESISTANT,
    confidence: float = DEFAULT.confidence,
) -> pd.DataFrame:
    """Compare each therapist with the reference on the same cases.

    Parameters
    ----------
    table
        Columns of `SCORES`.
    reference
        Therapist to compare with; the paper's is its model with planning and captioning.
    types
        Types of resistance that count; the paper's are the three that resist.
    confidence
        Level of the intervals, in (0, 1).

    Returns
    -------
    DataFrame
        One row per criterion and other therapist: criterion, model, reference, n (pairs),
        n_dropped (cases without both scores), dropped (their reasons), mean and reference_mean
        (over the pairs), difference (model minus reference) with low and high from Student's t,
        profile_low and profile_high (the same with an error that allows for cases of one profile
        being alike: cluster-robust, one less degree of freedom than profiles), t, df, p_value,
        p_holm, dz (Cohen's: mean difference over the standard deviation of the differences),
        wilcoxon (signed ranks, ties by Pratt's method), wilcoxon_p, wilcoxon_p_holm, reason.
        Holm's adjustment is over all rows.

    Raises
    ------
    StatisticsError
        If columns are absent, a case is scored twice, or the reference is not in the table.
    """
    check_confidence(confidence)
    rows = _checked(table)
    rows = rows[rows["resistance"].isin(list(types))]
    names = sorted(map(str, rows["model"].unique()))
    if reference not in names:
        raise StatisticsError(
            f"There is no therapist '{reference}'.", next_step=nearest(reference, names)
        )
    profiles = rows.drop_duplicates("case").set_index("case")["profile"]
    out: list[dict[str, Any]] = []
    for criterion in _in_order(rows["criterion"]):
        grid, why = _grid(rows, criterion, "case", rows["case"])
        grid = grid.reindex(columns=names)
        ranks = wilcoxon(grid, reference=reference).set_index("treatment")
        for model in names:
            if model != reference:
                both = grid[[model, reference]].dropna()
                row = {"criterion": criterion, "model": model, "reference": reference}
                row |= {"n": len(both), "n_dropped": len(grid) - len(both)}
                row["dropped"] = _reasons(grid, why, [reference, model])
                row |= _compared(both, profiles.loc[both.index], confidence)
                row |= {
                    "wilcoxon": ranks.loc[model, "statistic"],
                    "wilcoxon_p": ranks.loc[model, "p_value"],
                }
                out.append(row)
    found = pd.DataFrame(out, columns=pd.Index(_PAIRED))
    found["p_holm"] = holm(found["p_value"].astype("float64"))
    found["wilcoxon_p_holm"] = holm(found["wilcoxon_p"].astype("float64"))
    return found


_PAIRED = (
    *("criterion", "model", "reference", "n", "n_dropped", "dropped", "mean", "reference_mean"),
    *("difference", "low", "high", "profile_low", "profile_high", "t", "df", "p_value", "p_holm"),
    *("dz", "wilcoxon", "wilcoxon_p", "wilcoxon_p_holm", "reason"),
)


def _compared(both: pd.DataFrame, profiles: pd.Series, confidence: float) -> dict[str, Any]:
    """Compute means, difference, interval and t test of complete pairs."""
    from scipy.special import stdtr, stdtrit

    n = len(both)
    row: dict[str, Any] = dict.fromkeys(_PAIRED[6:-1], np.nan) | {"df": max(n - 1, 0), "reason": ""}
    if n == 0:
        return row | {"reason": "no complete pairs"}
    values = both.to_numpy(dtype=np.float64)
    difference = values[:, 0] - values[:, 1]
    row |= {"mean": values[:, 0].mean(), "reference_mean": values[:, 1].mean()}
    row["difference"] = mean = float(difference.mean())
    if n == 1:
        return row | {"reason": "one pair: no test"}
    tail = 0.5 + confidence / 2
    codes, names = codes_of(profiles)
    if len(names) > 1:
        apart = cluster_sums(codes, len(names), (difference - mean)[:, None])
        error = np.sqrt((apart**2).sum() * len(names) / (len(names) - 1)) / n
        half = float(stdtrit(len(names) - 1, tail)) * error
        row |= {"profile_low": mean - half, "profile_high": mean + half}
    spread = float(difference.std(ddof=1))
    if spread < _SAME:
        return row | {"low": mean, "high": mean, "reason": "all differences are equal: no test"}
    error = spread / np.sqrt(n)
    half = float(stdtrit(n - 1, tail)) * error
    t = mean / error
    row |= {"low": mean - half, "high": mean + half, "t": t, "dz": mean / spread}
    return row | {"p_value": float(2 * stdtr(n - 1, -abs(t)))}


def resistance_change(table: pd.DataFrame, *, bootstrap: Bootstrap = DEFAULT) -> pd.DataFrame:
    """Subtract the score with the client who does not resist from that with the one who does.

    Profiles are crossed with types of resistance, so that a profile is its own control.

    Parameters
    ----------
    table
        Columns of `SCORES`.
    bootstrap
        Resamples of profiles, seed and level of the intervals.

    Returns
    -------
    DataFrame
        One row per criterion, therapist and resistance: `all` (mean of the three types minus
        none, after the bar in the paper's tables) and each type alone. change, low, high, n
        (profiles), n_dropped, dropped (reasons), reason.

    Raises
    ------
    StatisticsError
        If columns are absent or a case is scored twice.
    """
    rows = _checked(table)
    rows = rows[rows["resistance"].isin([*RESISTANT, "none"])]
    out: list[dict[str, Any]] = []
    for criterion in _in_order(rows["criterion"]):
        for model in sorted(map(str, rows["model"].unique())):
            own = rows[rows["model"] == model].assign(model=rows["resistance"])
            grid, why = _grid(own, criterion, "profile", rows["profile"])
            grid = grid.reindex(columns=[*RESISTANT, "none"])
            for kind in ("all", *RESISTANT):
                needed = [*(RESISTANT if kind == "all" else [kind]), "none"]
                whole = grid[needed].dropna()
                change = (whole[needed[:-1]].mean(axis=1) - whole["none"]).to_numpy(np.float64)
                row = {"criterion": criterion, "model": model, "resistance": kind}
                row |= {"change": np.nan, "low": np.nan, "high": np.nan, "n": len(whole)}
                row |= {"n_dropped": len(grid) - len(whole)}
                row["dropped"] = _reasons(grid, why, needed)
                row["reason"] = "" if len(whole) else "no complete profiles"
                if len(whole):
                    row["change"] = float(change.mean())
                    low, high = mean_limits(change, whole.index.to_series(), bootstrap)
                    row |= {"low": low, "high": high}
                    if np.isnan(low):
                        row["reason"] = TOO_FEW if len(whole) > 1 else "one profile: no interval"
                out.append(row)
    columns = ["criterion", "model", "resistance", "change", "low", "high", "n", "n_dropped"]
    return pd.DataFrame(out, columns=pd.Index([*columns, "dropped", "reason"]))


def score_means(table: pd.DataFrame, *, types: Sequence[str] = RESISTANT) -> pd.DataFrame:
    """Average the scores of each therapist over all cases that have one.

    Parameters
    ----------
    table
        Columns of `SCORES`.
    types
        Types of resistance that count.

    Returns
    -------
    DataFrame
        One row per criterion and therapist: mean, sd, n, n_missing, missing (reasons).
    """
    rows = _checked(table)
    rows = rows[rows["resistance"].isin(list(types))]
    out: list[dict[str, Any]] = []
    for criterion in _in_order(rows["criterion"]):
        grid, why = _grid(rows, criterion, "case", rows["case"])
        for model in grid.columns:
            known = grid[model].dropna()
            row = {"criterion": criterion, "model": model, "n": len(known)}
            row |= {"mean": known.mean() if len(known) else np.nan, "sd": known.std(ddof=1)}
            row |= {"n_missing": len(grid) - len(known), "missing": _reasons(grid, why, [model])}
            out.append(row)
    columns = ["criterion", "model", "mean", "sd", "n", "n_missing", "missing"]
    return pd.DataFrame(out, columns=pd.Index(columns))


def score_table(
    table: pd.DataFrame,
    *,
    reference: str,
    titles: Mapping[str, str],
    bootstrap: Bootstrap = DEFAULT,
) -> pd.DataFrame:
    """Lay scores out as the paper prints them: Table 2, and with WAI dimensions Table 3.

    Parameters
    ----------
    table
        Columns of `SCORES`.
    reference
        Therapist to compare with.
    titles
        Criterion to the title of its column, in order; others are left out.

    Returns
    -------
    DataFrame
        One row per therapist, the reference last: Model, and one text per criterion, such as
        `3.811* -0.073`: the mean over resistant clients, `*` if the paired t test against the
        reference has p < .05 as printed, a dagger after it if Holm's adjustment agrees, and the
        change against clients who do not resist. Empty where there is no score.
    """
    chosen = table[table["criterion"].isin(list(titles))]
    tests = paired(chosen, reference=reference)
    change = resistance_change(chosen, bootstrap=bootstrap)
    return laid_out(score_means(chosen), tests, change, reference=reference, titles=titles)


def laid_out(
    score_means: pd.DataFrame,
    tests: pd.DataFrame,
    change: pd.DataFrame,
    *,
    reference: str,
    titles: Mapping[str, str],
) -> pd.DataFrame:
    """Lay out as `score_table` what `score_means`, `paired` and `resistance_change` gave."""
    means = score_means.set_index(["criterion", "model"])["mean"]
    tests = tests.set_index(["criterion", "model"])
    moves = change.set_index(["resistance", "criterion", "model"])["change"]
    names = set(map(str, score_means["model"]))
    models = sorted(names, key=lambda name: (name == reference, name))
    out: list[dict[str, str]] = []
    for model in models:
        row = {"Model": model}
        for criterion, title in titles.items():
            mean = float(means.get((criterion, model), np.nan))
            if np.isnan(mean):
                row[title] = ""
                continue
            mark = ""
            if model != reference:
                p, adjusted = tests.loc[(criterion, model), ["p_value", "p_holm"]]
                mark = "*†" if adjusted < 0.05 else "*" if p < 0.05 else ""
            moved = float(moves.get(("all", criterion, model), np.nan))
            row[title] = f"{mean:.3f}{mark}" + ("" if np.isnan(moved) else f" {moved:+z.3f}")
        out.append(row)
    return pd.DataFrame(out, columns=pd.Index(["Model", *titles.values()]))


def wai_table(
    table: pd.DataFrame, *, reference: str, bootstrap: Bootstrap = DEFAULT
) -> pd.DataFrame:
    """Lay the three dimensions of the working alliance out as Table 3; see `score_table`.

    Parameters
    ----------
    table
        Columns of `SCORES`, with the criteria goal, approach and bond.
    """
    titles = {"goal": "Goal", "approach": "Approach", "bond": "Affective Bond"}
    return score_table(table, reference=reference, titles=titles, bootstrap=bootstrap)


def _checked(table: pd.DataFrame) -> pd.DataFrame:
    table = a_table(table, "scores")
    needed = [name for name in SCORES if name != "reason"]
    absent = [name for name in needed if name not in table.columns]
    if absent:
        raise StatisticsError(f"The table of scores lacks the column(s) {', '.join(absent)}.")
    twice = table.duplicated(["case", "model", "criterion"])
    if twice.any():
        row = table.loc[twice].iloc[0]
        raise StatisticsError(
            f"{int(twice.sum())} score(s) are there twice, the first of case '{row['case']}', "
            f"therapist '{row['model']}', {row['criterion']}.",
            next_step="Keep the scores of one judge and one wording.",
        )
    score = table["score"].astype("float64")
    reason = table["reason"] if "reason" in table.columns else ""
    rows = table.assign(score=score.where(np.isfinite(score)), reason=reason)
    rows["reason"] = rows["reason"].fillna("").replace("", "no_score").astype("str")
    return rows


def _in_order(names: pd.Series) -> list[str]:
    return list(dict.fromkeys(map(str, names)))


def _grid(
    rows: pd.DataFrame, criterion: str, index: str, everyone: pd.Series
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Spread scores of a criterion, and the reasons of missing ones, over `everyone` by model."""
    own = rows[rows["criterion"] == criterion]
    all_of_them = sorted(map(str, everyone.unique()))
    grid = own.pivot(index=index, columns="model", values="score").reindex(all_of_them)
    why = own.pivot(index=index, columns="model", values="reason").reindex(all_of_them)
    return grid, why


def _reasons(grid: pd.DataFrame, why: pd.DataFrame, columns: Sequence[str]) -> str:
    """Say how often each reason leaves a row incomplete; a row counts once, by its first."""
    counts: dict[str, int] = {}
    for name in grid.index[grid[list(columns)].isna().any(axis=1)]:
        first = next(column for column in columns if pd.isna(grid.loc[name, column]))
        said = why.loc[name, first] if first in why.columns else None
        reason = said if isinstance(said, str) else NO_ROW
        label = f"{first}: {reason}"
        counts[label] = counts.get(label, 0) + 1
    return "; ".join(f"{n} {label}" for label, n in sorted(counts.items()))
