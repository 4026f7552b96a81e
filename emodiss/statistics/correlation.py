"""Correlations with cluster-bootstrap intervals.

Resampling whole videos reweights items. Pearson's r is built from weighted moments, Spearman's
rho from mid-ranks under the counts c of distinct pairs (x, y), and Kendall's tau-b is a quadratic
form in them: with M the signs of their comparisons, concordant minus discordant is c'Mc / 2. All
three are exact, not approximations of a resampled calculation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from emodiss.errors import nearest
from emodiss.statistics.bootstrap import (
    DEFAULT,
    ONE_CLUSTER,
    TOO_FEW,
    Bootstrap,
    Estimate,
    Labels,
    StatisticsError,
    blocks,
    cluster_sums,
    kept_clusters,
    settled,
)

Method = Literal["pearson", "spearman", "kendall"]
METHODS: tuple[Method, ...] = ("pearson", "spearman", "kendall")


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation(Estimate):
    """A correlation of two columns.

    Parameters
    ----------
    method
        `pearson`, `spearman` or `kendall` (tau-b).
    p_value
        Two-sided p of scipy's test; NaN with clusters, because it assumes independent rows.
    interval
        How the interval was made.
    n, n_clusters, n_dropped
        Rows used; clusters (0 without); rows left out because a value is missing.
    """

    method: Method
    p_value: float = np.nan
    interval: str
    n: int
    n_clusters: int
    n_dropped: int


def correlation(
    x: ArrayLike | pd.Series,
    y: ArrayLike | pd.Series,
    method: Method = "pearson",
    *,
    clusters: Labels | None = None,
    bootstrap: Bootstrap = DEFAULT,
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

    Raises
    ------
    StatisticsError
        If the method is unknown or lengths differ.
    """
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
        codes = kept_clusters(clusters, keep)
    a, b = settled(a[keep]), settled(b[keep])
    n, n_clusters = len(a), int(codes.max()) + 1 if codes is not None and len(codes) else 0
    result = partial(
        Correlation, method=method, interval=how, n=n, n_clusters=n_clusters, n_dropped=n_dropped
    )
    reason = ""
    if n < 3:
        reason = f"{n} pair(s): three or more are needed"
    elif np.ptp(a) == 0 or np.ptp(b) == 0:
        both = np.ptp(a) == 0 and np.ptp(b) == 0
        reason = f"{'both are' if both else 'x is' if np.ptp(a) == 0 else 'y is'} constant"
    if reason:
        return result(reason=reason)
    value, p_value = plain(a, b, method)
    if codes is None:
        low, high = _analytic_limits(value, method, n, bootstrap.confidence)
        if math.isnan(low):
            reason = "five or more pairs are needed for an interval"
    else:
        p_value = low = high = np.nan
        if n_clusters < 2:
            reason = ONE_CLUSTER
        else:
            weights = bootstrap.draw(n_clusters)
            boot = _RESAMPLERS[method](a, b, codes, weights)
            low, high = bootstrap.limits(boot)
            reason = TOO_FEW if math.isnan(low) else ""
    return result(statistic=value, low=low, high=high, p_value=p_value, reason=reason)


def plain(a: NDArray[np.float64], b: NDArray[np.float64], method: Method) -> tuple[float, float]:
    """Return a coefficient and its two-sided p; both columns must vary."""
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
        return np.nan, np.nan
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
    n, sx, sy, sxx, syy, sxy = (weights @ cluster_sums(codes, weights.shape[1], columns)).T
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
    for part in blocks(weights, len(cells)):
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
    for rows in blocks(np.arange(len(cells)), len(cells)):
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
