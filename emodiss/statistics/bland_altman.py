"""Bias and limits of agreement of two ways to measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from emodiss.statistics.bootstrap import (
    DEFAULT,
    ONE_CLUSTER,
    Bootstrap,
    Labels,
    StatisticsError,
    cluster_sums,
    kept_clusters,
)


@dataclass(frozen=True, slots=True)
class BlandAltman:
    """Agreement of two ways to measure (Bland and Altman 1986, 1999).

    Parameters
    ----------
    bias, bias_low, bias_high
        Mean of second minus first, with interval.
    lower, lower_low, lower_high, upper, upper_low, upper_high
        Limits of agreement, bias -/+ 1.96 SD, each with interval.
    slope
        Least-squares slope of the difference on the mean of both: proportional bias.
    interval
        How the intervals were made.
    n, n_dropped
        Pairs used; pairs left out because a value is missing.
    """

    bias: float
    bias_low: float
    bias_high: float
    lower: float
    lower_low: float
    lower_high: float
    upper: float
    upper_low: float
    upper_high: float
    sd: float
    slope: float
    interval: str
    n: int
    n_dropped: int
    reason: str = ""


def bland_altman(
    first: ArrayLike | pd.Series,
    second: ArrayLike | pd.Series,
    *,
    clusters: Labels | None = None,
    bootstrap: Bootstrap = DEFAULT,
) -> BlandAltman:
    """Bias and limits of agreement, for example of expert means (first) and a judge (second).

    Parameters
    ----------
    first, second
        (n,) measurements of the same items on the same scale.
    clusters
        (n,) cluster of each item: intervals come from the cluster bootstrap. Without, they are
        exact for the bias (t) and approximate for the limits (Bland and Altman 1999, sec. 2.1).
    bootstrap
        Resamples, seed and level of the intervals (not of the limits, which are 1.96 SD).
    """
    from scipy.stats import t

    a, b = (np.asarray(v, dtype=np.float64) for v in (first, second))
    if a.ndim != 1 or a.shape != b.shape:
        raise StatisticsError(f"The shapes are {a.shape} and {b.shape}; equal was expected.")
    keep = np.isfinite(a) & np.isfinite(b)
    n, n_dropped = int(keep.sum()), int((~keep).sum())
    how = "analytic" if clusters is None else "cluster bootstrap"
    if n < 3:
        blank: list[Any] = [*[np.nan] * 11, how, n, n_dropped, f"{n} pair(s): three are needed"]
        return BlandAltman(*blank)
    d = b[keep] - a[keep]
    middle = (a[keep] + b[keep]) / 2.0
    bias, sd = float(d.mean()), float(d.std(ddof=1))
    spread = float(((middle - middle.mean()) ** 2).sum())
    slope = float(((middle - middle.mean()) * d).sum() / spread) if spread > 0 else np.nan
    limits = np.array([bias, bias - 1.96 * sd, bias + 1.96 * sd])
    reason = ""
    if clusters is None:
        se = sd * np.sqrt([1 / n, *[1 / n + 1.96**2 / (2 * (n - 1))] * 2])
        half = float(t.ppf(0.5 + bootstrap.confidence / 2, n - 1)) * se
        low, high = limits - half, limits + half
    else:
        codes = kept_clusters(clusters, keep)
        v = int(codes.max()) + 1
        low = high = np.full(3, np.nan)
        if v < 2:
            reason = ONE_CLUSTER
        else:
            columns = np.column_stack([np.ones(n), d - bias, (d - bias) ** 2])
            sums = cluster_sums(codes, v, columns)
            m, s1, s2 = (bootstrap.draw(v) @ sums).T
            mean = s1 / m
            spread_b = np.sqrt(np.maximum(s2 - m * mean**2, 0.0) / np.maximum(m - 1, 1))
            boot = bias + np.column_stack([mean, mean - 1.96 * spread_b, mean + 1.96 * spread_b])
            low, high = bootstrap.limits(boot)
    (bl, ll, ul), (bh, lh, uh) = ((float(z) for z in side) for side in (low, high))
    return BlandAltman(
        bias, bl, bh, float(limits[1]), ll, lh, float(limits[2]), ul, uh, sd, slope, how,
        n, n_dropped, reason,
    )  # fmt: skip
