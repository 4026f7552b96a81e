"""A judge beside experts: correlations with cluster-bootstrap intervals, Bland-Altman limits.

Resampling whole videos reweights items. Pearson's r is built from weighted moments, Spearman's
rho from mid-ranks under the counts c of distinct pairs (x, y), and Kendall's tau-b is a quadratic
form in them: with M the signs of their comparisons, concordant minus discordant is c'Mc / 2. All
three are exact, not approximations of a resampled calculation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from emodiss.errors import nearest
from emodiss.ratings.table import item_means, usable
from emodiss.statistics.bootstrap import (
    RESAMPLES,
    StatisticsError,
    check_clusters,
    check_confidence,
    draw,
    percentile,
)

Method = Literal["pearson", "spearman", "kendall"]
METHODS: tuple[Method, ...] = ("pearson", "spearman", "kendall")

Unit = Literal["item", "rating", "video"]
UNITS: tuple[Unit, ...] = ("item", "rating", "video")

_NAN = float("nan")
_CHUNK = 4_000_000


@dataclass(frozen=True, slots=True)
class Correlation:
    """A correlation of two columns.

    Parameters
    ----------
    method
        `pearson`, `spearman` or `kendall` (tau-b).
    statistic
        The coefficient; NaN with a reason when it does not exist.
    low, high
        Interval.
    p_value
        Two-sided p of scipy's test; NaN with clusters, because it assumes independent rows.
    interval
        How the interval was made.
    n, n_clusters, n_dropped
        Rows used; clusters (0 without); rows left out because a value is missing.
    reason
        Why values are NaN; empty when they are not.
    """

    method: Method
    statistic: float
    low: float
    high: float
    p_value: float
    interval: str
    n: int
    n_clusters: int
    n_dropped: int
    reason: str = ""


def correlation(
    x: ArrayLike | pd.Series,
    y: ArrayLike | pd.Series,
    method: Method = "pearson",
    *,
    clusters: ArrayLike | pd.Series | None = None,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Correlation:
    """Correlate two columns.

    Parameters
    ----------
    x, y
        (n,) numbers; rows where either is missing are dropped and counted.
    method
        `pearson`, `spearman` or `kendall` (tau-b).
    clusters
        (n,) cluster of each row: the interval comes from the cluster bootstrap. Without, it is
        Fisher's z (Spearman: Bonett and Wright 2000; Kendall: Fieller et al. 1957), which
        assumes independent rows.
    confidence
        Level of the interval.
    resamples, seed
        Of the bootstrap.

    Returns
    -------
    Correlation

    Raises
    ------
    StatisticsError
        If the method is unknown or lengths differ.
    """
    check_confidence(confidence)
    if method not in METHODS:
        raise StatisticsError(f"Unknown method '{method}'.", next_step=nearest(method, METHODS))
    a, b = (np.asarray(v, dtype=np.float64) for v in (x, y))
    if a.ndim != 1 or a.shape != b.shape:
        raise StatisticsError(f"x and y have shapes {a.shape} and {b.shape}; equal was expected.")
    keep = np.isfinite(a) & np.isfinite(b)
    n_dropped = int((~keep).sum())
    how = "analytic" if clusters is None else "cluster bootstrap"
    codes = None
    if clusters is not None:
        labels = np.asarray(clusters)
        if len(labels) != len(keep):
            raise StatisticsError(f"There are {len(labels)} cluster labels for {len(keep)} rows.")
        codes = check_clusters(labels[keep], int(keep.sum()))
    a, b = a[keep], b[keep]
    n, n_clusters = len(a), int(codes.max()) + 1 if codes is not None and len(codes) else 0
    reason = ""
    if n < 3:
        reason = f"{n} pair(s): three or more are needed"
    elif np.ptp(a) == 0 or np.ptp(b) == 0:
        both = np.ptp(a) == 0 and np.ptp(b) == 0
        reason = f"{'both are' if both else 'x is' if np.ptp(a) == 0 else 'y is'} constant"
    if reason:
        return Correlation(method, _NAN, _NAN, _NAN, _NAN, how, n, n_clusters, n_dropped, reason)
    value, p_value = _plain(a, b, method)
    if codes is None:
        low, high = _analytic_limits(value, method, n, confidence)
        if math.isnan(low):
            reason = "five or more pairs are needed for an interval"
    else:
        p_value = low = high = _NAN
        if n_clusters < 2:
            reason = "one cluster: no interval"
        else:
            weights = draw(n_clusters, resamples=resamples, seed=seed)
            boot = _RESAMPLERS[method](a, b, codes, weights)
            low, high = (float(v) for v in percentile(boot, confidence=confidence))
    return Correlation(method, value, low, high, p_value, how, n, n_clusters, n_dropped, reason)


def _plain(a: NDArray[np.float64], b: NDArray[np.float64], method: Method) -> tuple[float, float]:
    from scipy import stats

    if method == "pearson":
        found: Any = stats.pearsonr(a, b)
    elif method == "spearman":
        found = stats.spearmanr(a, b)
    else:
        found = stats.kendalltau(a, b)
    return float(found.statistic), float(found.pvalue)


def _analytic_limits(
    value: float, method: Method, n: int, confidence: float
) -> tuple[float, float]:
    from scipy.special import ndtri

    if n < 5:
        return _NAN, _NAN
    if abs(value) >= 1.0:
        return value, value
    variance = {
        "pearson": 1.0 / (n - 3),
        "spearman": (1.0 + value**2 / 2.0) / (n - 3),
        "kendall": 0.437 / (n - 4),
    }[method]
    half = float(ndtri(0.5 + confidence / 2)) * math.sqrt(variance)
    return math.tanh(math.atanh(value) - half), math.tanh(math.atanh(value) + half)


def _weighted_r(
    x: NDArray[np.float64], y: NDArray[np.float64], w: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Pearson's r per row of (b, n) values under (b, n) weights."""
    total = w.sum(axis=1, keepdims=True)
    dx = x - (w * x).sum(axis=1, keepdims=True) / total
    dy = y - (w * y).sum(axis=1, keepdims=True) / total
    wx = w * dx
    xx, yy, xy = (wx * dx).sum(axis=1), (w * dy * dy).sum(axis=1), (wx * dy).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where((xx > 1e-9) & (yy > 1e-9), xy / np.sqrt(xx * yy), np.nan)


def _boot_pearson(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    codes: NDArray[np.intp],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    x = (x - x.mean()) / x.std()
    y = (y - y.mean()) / y.std()
    columns = np.column_stack([np.ones_like(x), x, y, x * x, y * y, x * y])
    sums = np.zeros((weights.shape[1], 6))
    np.add.at(sums, codes, columns)
    n, sx, sy, sxx, syy, sxy = (weights @ sums).T
    with np.errstate(invalid="ignore", divide="ignore"):
        vx, vy = sxx - sx**2 / n, syy - sy**2 / n
        r = (sxy - sx * sy / n) / np.sqrt(vx * vy)
    return np.where((vx > 1e-9) & (vy > 1e-9), np.clip(r, -1.0, 1.0), np.nan)


def _boot_spearman(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    codes: NDArray[np.intp],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    cells, per_cluster = _cells(x, y, codes, weights.shape[1])
    sides = [np.unique(cells[:, side], return_inverse=True)[1] for side in (0, 1)]
    starts = []
    for level in sides:
        order = np.argsort(level, kind="stable")
        starts.append((order, np.flatnonzero(np.diff(level[order], prepend=-1))))
    out = []
    for part in np.array_split(weights, max(1, -(-len(weights) * len(cells) // _CHUNK))):
        counts = part @ per_cluster
        ranks = []
        for level, (order, first) in zip(sides, starts, strict=True):
            in_level = np.add.reduceat(counts[:, order], first, axis=1)
            middle = np.cumsum(in_level, axis=1) - in_level / 2.0 + 0.5
            ranks.append(middle[:, level])
        out.append(_weighted_r(ranks[0], ranks[1], counts))
    return np.concatenate(out)


def _boot_kendall(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    codes: NDArray[np.intp],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    cells, per_cluster = _cells(x, y, codes, weights.shape[1])
    counts = weights @ per_cluster
    net = np.zeros(len(weights))
    for rows in np.array_split(np.arange(len(cells)), max(1, -(-(len(cells) ** 2) // _CHUNK))):
        dx = np.sign(cells[rows, None, 0] - cells[None, :, 0])
        dy = np.sign(cells[rows, None, 1] - cells[None, :, 1])
        net += np.einsum("bi,bi->b", counts @ (dx * dy).T, counts[:, rows])
    n = counts.sum(axis=1)
    pairs = n * (n - 1.0) / 2.0
    free = []
    for side in (0, 1):
        levels, level = np.unique(cells[:, side], return_inverse=True)
        of_level = np.zeros((len(counts), len(levels)))
        np.add.at(of_level, (slice(None), level), counts)  # pyright: ignore[reportArgumentType]
        free.append(pairs - (of_level * (of_level - 1.0)).sum(axis=1) / 2.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        tau = net / 2.0 / np.sqrt(free[0] * free[1])
    return np.where((free[0] > 0) & (free[1] > 0), tau, np.nan)


def _cells(
    x: NDArray[np.float64], y: NDArray[np.float64], codes: NDArray[np.intp], n_clusters: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Count equal (x, y) per cluster; rows that agree in both are interchangeable."""
    cells, cell = np.unique(np.column_stack([x, y]), axis=0, return_inverse=True)
    k = len(cells)
    counts = np.bincount(codes * k + cell.ravel(), minlength=n_clusters * k)
    return cells, counts.reshape(n_clusters, k).astype(np.float64)


_RESAMPLERS = {"pearson": _boot_pearson, "spearman": _boot_spearman, "kendall": _boot_kendall}


@dataclass(frozen=True, slots=True)
class BlandAltman:
    """Agreement of two ways to measure (Bland and Altman 1986, 1999).

    Parameters
    ----------
    bias, bias_low, bias_high
        Mean of second minus first, with interval.
    lower, lower_low, lower_high, upper, upper_low, upper_high
        Limits of agreement, bias -/+ 1.96 SD, each with interval.
    sd
        Standard deviation of the differences.
    slope
        Least-squares slope of the difference on the mean of both: proportional bias.
    interval
        How the intervals were made.
    n, n_dropped
        Pairs used; pairs left out because a value is missing.
    reason
        Why values are NaN; empty when they are not.
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
    clusters: ArrayLike | pd.Series | None = None,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> BlandAltman:
    """Bias and limits of agreement, for example of expert means (first) and a judge (second).

    Parameters
    ----------
    first, second
        (n,) measurements of the same items on the same scale.
    clusters
        (n,) cluster of each item: intervals come from the cluster bootstrap. Without, they are
        exact for the bias (t) and approximate for the limits (Bland and Altman 1999, sec. 2.1).
    confidence
        Level of the intervals (not of the limits, which are 1.96 SD).
    resamples, seed
        Of the bootstrap.

    Returns
    -------
    BlandAltman
    """
    from scipy.stats import t

    check_confidence(confidence)
    a, b = (np.asarray(v, dtype=np.float64) for v in (first, second))
    if a.ndim != 1 or a.shape != b.shape:
        raise StatisticsError(f"The shapes are {a.shape} and {b.shape}; equal was expected.")
    keep = np.isfinite(a) & np.isfinite(b)
    n, n_dropped = int(keep.sum()), int((~keep).sum())
    how = "analytic" if clusters is None else "cluster bootstrap"
    if n < 3:
        blank: list[Any] = [*[_NAN] * 11, how, n, n_dropped, f"{n} pair(s): three are needed"]
        return BlandAltman(*blank)
    d = b[keep] - a[keep]
    middle = (a[keep] + b[keep]) / 2.0
    bias, sd = float(d.mean()), float(d.std(ddof=1))
    spread = float(((middle - middle.mean()) ** 2).sum())
    slope = float(((middle - middle.mean()) * d).sum() / spread) if spread > 0 else _NAN
    limits = np.array([bias, bias - 1.96 * sd, bias + 1.96 * sd])
    reason = ""
    if clusters is None:
        se = sd * np.sqrt([1 / n, *[1 / n + 1.96**2 / (2 * (n - 1))] * 2])
        half = float(t.ppf(0.5 + confidence / 2, n - 1)) * se
        low, high = limits - half, limits + half
    else:
        labels = np.asarray(clusters)
        if len(labels) != len(keep):
            raise StatisticsError(f"There are {len(labels)} cluster labels for {len(keep)} rows.")
        codes = check_clusters(labels[keep], n)
        v = int(codes.max()) + 1
        low = high = np.full(3, _NAN)
        if v < 2:
            reason = "one cluster: no interval"
        else:
            sums = np.zeros((v, 3))
            np.add.at(sums, codes, np.column_stack([np.ones(n), d - bias, (d - bias) ** 2]))
            m, s1, s2 = (draw(v, resamples=resamples, seed=seed) @ sums).T
            mean = s1 / m
            spread_b = np.sqrt(np.maximum(s2 - m * mean**2, 0.0) / np.maximum(m - 1, 1))
            boot = bias + np.column_stack([mean, mean - 1.96 * spread_b, mean + 1.96 * spread_b])
            low, high = percentile(boot, confidence=confidence)
    (bl, ll, ul), (bh, lh, uh) = ((float(z) for z in side) for side in (low, high))
    return BlandAltman(
        bias, bl, bh, float(limits[1]), ll, lh, float(limits[2]), ul, uh, sd, slope, how,
        n, n_dropped, reason,
    )  # fmt: skip


def judge_pairs(table: pd.DataFrame, judge: pd.DataFrame, *, unit: Unit = "item") -> pd.DataFrame:
    """Lay experts and judge side by side.

    Parameters
    ----------
    table
        Long table of ratings.
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
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Correlate a judge with the experts (the paper's Table 3; decision A18).

    Parameters
    ----------
    table
        Long table of ratings; filter it by rater_group for one group's correlation.
    judge
        As for `judge_pairs`.
    unit
        `item`: expert mean per response; `rating`: every rating on its own; `video`: correlation
        within each video, then averaged, as the G-Eval code does (constant videos are skipped
        and counted in `n_skipped`).
    methods
        Which coefficients.
    confidence
        Level of the cluster-bootstrap intervals over videos.
    resamples, seed
        Of the bootstrap.

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
                row = _within_videos(part, method, confidence, resamples, seed)
            else:
                found = correlation(
                    part["expert"],
                    part["score"],
                    method,
                    clusters=part["video"],
                    confidence=confidence,
                    resamples=resamples,
                    seed=seed,
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


def _within_videos(
    part: pd.DataFrame, method: Method, confidence: float, resamples: int, seed: int
) -> dict[str, Any]:
    scored = part.dropna(subset=["expert", "score"])
    values, n = [], 0
    skipped = 0
    for _, video in scored.groupby("video", sort=True):
        x, y = video["expert"].to_numpy(), video["score"].to_numpy()
        if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
            skipped += 1
        else:
            values.append(_plain(x, y, method)[0])
            n += len(x)
    low = high = value = _NAN
    reason = ""
    if not values:
        reason = "no video has three scored items that differ"
    else:
        value = float(np.mean(values))
        if len(values) < 2:
            reason = "one video: no interval"
        else:
            weights = draw(len(values), resamples=resamples, seed=seed)
            boot = weights @ np.array(values) / len(values)
            low, high = (float(v) for v in percentile(boot, confidence=confidence))
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
