"""Judges beside experts: the pairs, and how they correlate (Table 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from emodiss.errors import nearest
from emodiss.ratings import item_means, usable
from emodiss.statistics.bootstrap import DEFAULT, ONE_VIDEO, Bootstrap, StatisticsError
from emodiss.statistics.correlation import METHODS, Method, correlation, plain

Unit = Literal["item", "rating", "video"]
UNITS: tuple[Unit, ...] = ("item", "rating", "video")


def judge_pairs(table: pd.DataFrame, judge: pd.DataFrame, *, unit: Unit = "item") -> pd.DataFrame:
    """Lay experts and judge side by side.

    Parameters
    ----------
    judge
        One row per item, criterion and judge: item, criterion, score, and optionally judge.
        Missing scores stay NaN.
    unit
        `item` (mean of the raters; also for `video`) or `rating` (every single rating).

    Returns
    -------
    DataFrame
        Columns judge, criterion, item, video, model, condition, expert, score.

    Raises
    ------
    StatisticsError
        If columns are missing, a judge scored an item twice, or no item was scored.
    """
    absent = [name for name in ("item", "criterion", "score") if name not in judge.columns]
    if absent:
        raise StatisticsError(f"The judge's scores lack the column(s) {', '.join(absent)}.")
    if unit not in UNITS:
        raise StatisticsError(f"Unknown unit '{unit}'.", next_step=nearest(str(unit), UNITS))
    scores = judge if "judge" in judge.columns else judge.assign(judge="judge")
    scores = scores[["judge", "item", "criterion", "score"]]
    twice = scores.duplicated(["judge", "item", "criterion"])
    if twice.any():
        row = scores.loc[twice].iloc[0]
        raise StatisticsError(
            f"{int(twice.sum())} duplicate score(s), for example judge '{row['judge']}' on item "
            f"'{row['item']}', {row['criterion']}; average several samples first."
        )
    if unit == "rating":
        needs = ("item", "video", "model", "condition", "criterion", "value")
        experts = usable(table, needs=needs)[list(needs)].rename(columns={"value": "expert"})
    else:
        experts = item_means(table).rename(columns={"mean": "expert"}).drop(columns="n_raters")
    pairs = experts.merge(scores, on=["item", "criterion"], how="inner")
    if pairs.empty:
        raise StatisticsError(
            "The judge scored none of the rated items.",
            next_step="Items and criteria must carry the same names in both tables.",
        )
    columns = ["judge", "criterion", "item", "video", "model", "condition", "expert", "score"]
    return pairs[columns].sort_values(columns[:3], ignore_index=True, kind="stable")


def judge_correlations(
    table: pd.DataFrame,
    judge: pd.DataFrame,
    *,
    unit: Unit = "item",
    methods: Sequence[Method] = METHODS,
    bootstrap: Bootstrap = DEFAULT,
) -> pd.DataFrame:
    """Correlate a judge with the experts (the paper's Table 3; decision A18).

    Parameters
    ----------
    table
        Long table of ratings; filter it by rater_group for one group's correlation.
    unit
        `item`: expert mean per response; `rating`: every rating on its own; `video`: correlation
        within each video, then averaged, as the G-Eval code does (constant videos are skipped
        and counted in `n_skipped`).
    bootstrap
        Resamples, seed and level of the cluster-bootstrap intervals over videos.

    Returns
    -------
    DataFrame
        One row per judge, criterion and method: statistic, low, high, n, n_videos, n_skipped,
        n_dropped (items without score), mean_difference (judge minus expert), unit, reason.
    """
    pairs = judge_pairs(table, judge, unit=unit)
    out = []
    for (name, criterion), part in pairs.groupby(["judge", "criterion"], sort=True):
        for method in methods:
            if unit == "video":
                row = _within_videos(part, method, bootstrap)
            else:
                found = correlation(
                    part["expert"],
                    part["score"],
                    method,
                    clusters=part["video"],
                    bootstrap=bootstrap,
                )
                row = {
                    "statistic": found.statistic,
                    "low": found.low,
                    "high": found.high,
                    "n": found.n,
                    "n_videos": found.n_clusters,
                    "n_skipped": 0,
                    "n_dropped": found.n_dropped,
                    "reason": found.reason,
                }
            difference = float((part["score"] - part["expert"]).mean())
            head = {"judge": name, "criterion": criterion, "method": method, "unit": unit}
            out.append(head | row | {"mean_difference": difference})
    columns = ["judge", "criterion", "method", "unit", "statistic", "low", "high", "n"]
    columns += ["n_videos", "n_skipped", "n_dropped", "mean_difference", "reason"]
    return pd.DataFrame(out)[columns]


def _within_videos(part: pd.DataFrame, method: Method, bootstrap: Bootstrap) -> dict[str, Any]:
    scored = part.dropna(subset=["expert", "score"])
    values, n = [], 0
    skipped = 0
    for _, video in scored.groupby("video", sort=True):
        x, y = video["expert"].to_numpy(), video["score"].to_numpy()
        if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
            skipped += 1
        else:
            values.append(plain(x, y, method)[0])
            n += len(x)
    low = high = value = np.nan
    reason = ""
    if not values:
        reason = "no video has three scored items that differ"
    else:
        value = float(np.mean(values))
        if len(values) < 2:
            reason = ONE_VIDEO
        else:
            weights = bootstrap.draw(len(values))
            low, high = bootstrap.limits(weights @ np.array(values) / len(values))
    return {
        "statistic": value,
        "low": low,
        "high": high,
        "n": n,
        "n_videos": len(values),
        "n_skipped": skipped,
        "n_dropped": len(part) - len(scored),
        "reason": reason,
    }
