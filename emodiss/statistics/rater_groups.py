"""Groups of raters apart: agreement within and across them, and a judge beside each."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emodiss.ratings import usable
from emodiss.statistics.bootstrap import (
    DEFAULT,
    ONE_CLUSTER,
    TOO_FEW,
    Bootstrap,
    StatisticsError,
    codes_of,
)
from emodiss.statistics.judges import Unit, judge_correlations
from emodiss.statistics.kappa import Weights, bootstrap_kappa, cohen_kappa

ALL_GROUPS = "all"


def kappa_by_group(
    table: pd.DataFrame,
    *,
    weights: Sequence[Weights] = (None, "quadratic"),
    bootstrap: Bootstrap = DEFAULT,
) -> pd.DataFrame:
    """Average the kappa of pairs of raters, within groups and across them (section 5.1).

    Parameters
    ----------
    table
        Long table of ratings with rater_group.
    weights
        Which kappas.
    bootstrap
        Resamples of videos (the same for all pairs), seed and level of the intervals.

    Returns
    -------
    DataFrame
        One row per criterion, weights and kind of pair: criterion, weights, pairs (`within` or
        `across`), group_a, group_b (both `all` in the row over all groups), kappa (mean over the
        pairs that have one), low, high, n_pairs, n_missing (pairs without kappa), reason. A group
        of one rater has no row within.
    """
    rows = usable(table, needs=("rater", "rater_group", "item", "video", "criterion", "value"))
    rows = rows[rows["rater_group"].notna()]
    group = rows.drop_duplicates("rater").set_index("rater")["rater_group"].astype("str")
    out: list[dict[str, Any]] = []
    for criterion, part in rows.groupby("criterion", sort=True):
        spread = part.pivot(index="item", columns="rater", values="value")
        video = part.drop_duplicates("item").set_index("item")["video"].loc[spread.index]
        codes, videos = codes_of(video)
        points = sorted(part["value"].unique())
        for weight in weights:
            kappas: dict[tuple[str, str], list[tuple[float, NDArray[np.float64]]]] = {}
            for a, b in combinations(spread.columns, 2):
                found = cohen_kappa(spread[a], spread[b], weight, categories=points)
                boot = bootstrap_kappa(
                    spread[a], spread[b], weight, points, codes, len(videos), bootstrap
                )
                pair = sorted((group[a], group[b]))
                kappas.setdefault((pair[0], pair[1]), []).append((found.statistic, boot))
            within = {pair: x for pair, x in kappas.items() if pair[0] == pair[1]}
            across = {pair: x for pair, x in kappas.items() if pair[0] != pair[1]}
            for kind, found in (("within", within), ("across", across)):
                everything = [x for several in found.values() for x in several]
                for pair, several in [((ALL_GROUPS, ALL_GROUPS), everything), *found.items()]:
                    if several:
                        head = {"criterion": criterion, "weights": weight or "none", "pairs": kind}
                        head |= {"group_a": pair[0], "group_b": pair[1]}
                        out.append(head | _mean_kappa(several, len(videos), bootstrap))
    names = ["criterion", "weights", "pairs", "group_a", "group_b", "kappa", "low", "high"]
    return pd.DataFrame(out, columns=pd.Index([*names, "n_pairs", "n_missing", "reason"]))


def _mean_kappa(
    several: list[tuple[float, NDArray[np.float64]]], n_videos: int, bootstrap: Bootstrap
) -> dict[str, Any]:
    known = [(kappa, boot) for kappa, boot in several if not np.isnan(kappa)]
    row: dict[str, Any] = {"kappa": np.nan, "low": np.nan, "high": np.nan}
    row |= {"n_pairs": len(known), "n_missing": len(several) - len(known), "reason": ""}
    if not known:
        return row | {"reason": "no pair has a kappa"}
    row["kappa"] = float(np.mean([kappa for kappa, _ in known]))
    if n_videos < 2:
        return row | {"reason": ONE_CLUSTER}
    low, high = bootstrap.limits(np.mean([boot for _, boot in known], axis=0))
    return row | {"low": low, "high": high, "reason": TOO_FEW if np.isnan(low) else ""}


def judge_by_group(
    table: pd.DataFrame, judge: pd.DataFrame, *, unit: Unit = "item", **options: Any
) -> pd.DataFrame:
    """Correlate a judge with each group of raters: the paper's Table 3 by rater group.

    Parameters
    ----------
    table
        Long table of ratings with rater_group.
    **options
        Its further arguments.

    Returns
    -------
    DataFrame
        As from `judge_correlations`, with a first column rater_group. A group that rated nothing
        the judge scored has no row.
    """
    if "rater_group" not in table.columns:
        raise StatisticsError("The ratings have no column rater_group.")
    parts = []
    for name, part in table.groupby("rater_group", sort=True):
        if part.loc[part["value"].notna(), "item"].isin(set(judge["item"])).any():
            found = judge_correlations(part, judge, unit=unit, **options)
            found.insert(0, "rater_group", name)
            parts.append(found)
    if not parts:
        raise StatisticsError("The judge scored nothing that a group of raters rated.")
    return pd.concat(parts, ignore_index=True)
