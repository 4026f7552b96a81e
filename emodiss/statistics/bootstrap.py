"""Cluster bootstrap: whole videos are drawn, because ratings of one video belong together.

A resample of V clusters is a row of V multinomial counts. Any statistic built from sums over
clusters (means, differences, contingency tables, pairs) is then a matrix product, which makes
2,000 resamples of thousands of ratings a matter of milliseconds.

Source: Davison and Hinkley (1997), Bootstrap Methods and their Application, sections 3.8 and 5.3
(resampling clusters; percentile intervals).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from emodiss.errors import EmodissError

RESAMPLES = 2000
"""Default number of resamples: Monte Carlo error of a 95 % limit is then below 0.05 SE."""

ONE_CLUSTER = "one cluster: no interval"
"""Reason of an interval that does not exist because there is nothing to resample."""

TOO_FEW = "too few resamples have a value: no interval"
"""Reason of an interval that does not exist because the statistic is undefined too often."""

_MAX_UNDEFINED = 0.05
_BLOCK = 4_000_000


class StatisticsError(EmodissError, ValueError):
    """A statistic was asked for with input that cannot have one, or by an unknown name."""

    code = "statistics"


def codes_of(labels: ArrayLike | pd.Series) -> tuple[NDArray[np.intp], list[Any]]:
    """Turn labels into numbers in order: a categorical's own order, else sorted.

    Parameters
    ----------
    labels
        (n,) labels; missing ones get code -1.

    Returns
    -------
    codes, names
        (n,) integers and the names they stand for.
    """
    series: Any = labels if isinstance(labels, pd.Series) else pd.Series(np.asarray(labels))
    if isinstance(series.dtype, pd.CategoricalDtype):
        used = series.cat.remove_unused_categories()
        return used.cat.codes.to_numpy().astype(np.intp), list(used.cat.categories)
    codes, names = pd.factorize(series, sort=True)
    return codes.astype(np.intp), list(names)


def draw(n_clusters: int, *, resamples: int = RESAMPLES, seed: int = 0) -> NDArray[np.float64]:
    """Draw how often each cluster occurs in each resample.

    Parameters
    ----------
    n_clusters
        Number of clusters.
    resamples
        Number of resamples.
    seed
        Seed.

    Returns
    -------
    (resamples, n_clusters) float array
        Counts; each row sums to `n_clusters`.
    """
    rng = np.random.default_rng(seed)
    even = np.full(n_clusters, 1.0 / n_clusters)
    return rng.multinomial(n_clusters, even, size=resamples).astype(np.float64)


def percentile(
    samples: NDArray[np.float64], *, confidence: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Take percentile limits along the first axis.

    Parameters
    ----------
    samples
        (resamples, ...) bootstrap values; NaN where a resample has none.
    confidence
        Coverage aimed at, in (0, 1).

    Returns
    -------
    low, high
        Arrays of the remaining shape; NaN where more than 5 % of the resamples are undefined.
    """
    check_confidence(confidence)
    undefined = np.isnan(samples)
    unusable = undefined.mean(axis=0) > _MAX_UNDEFINED
    filled = np.where(unusable, 0.0, samples)
    tail = (1.0 - confidence) / 2.0
    quantile = np.nanquantile if undefined.any() else np.quantile
    low, high = quantile(filled, [tail, 1.0 - tail], axis=0)
    return np.where(unusable, np.nan, low), np.where(unusable, np.nan, high)


def limits(samples: NDArray[np.float64], *, confidence: float = 0.95) -> tuple[float, float]:
    """Take the percentile limits of one statistic.

    Parameters
    ----------
    samples
        (resamples,) bootstrap values.
    confidence
        As for `percentile`.

    Returns
    -------
    low, high
        NaN where more than 5 % of the resamples are undefined.
    """
    low, high = percentile(samples, confidence=confidence)
    return float(low), float(high)


def blocks(rows: NDArray[Any], floats: int) -> list[NDArray[Any]]:
    """Cut rows into blocks whose work fits into 32 MB.

    Parameters
    ----------
    rows
        (n, ...) what is worked through, such as resamples from `draw`.
    floats
        Numbers that one row is worked out with.

    Returns
    -------
    list of array
        The rows in order.
    """
    n = max(1, min(len(rows), -(-len(rows) * floats // _BLOCK)))
    return np.array_split(rows, n)


def cluster_sums(
    codes: NDArray[np.intp], n_clusters: int, columns: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sum rows within clusters.

    Parameters
    ----------
    codes
        (n,) cluster of each row.
    n_clusters
        Number of clusters.
    columns
        (n, k) values.

    Returns
    -------
    (n_clusters, k) array
    """
    sums = np.zeros((n_clusters, columns.shape[1]))
    np.add.at(sums, codes, columns)
    return sums


def check_confidence(confidence: float) -> None:
    """Refuse a confidence level outside (0, 1)."""
    if not 0.0 < confidence < 1.0:
        raise StatisticsError(f"confidence is {confidence}; between 0 and 1 was expected.")


def check_clusters(clusters: Any, n: int) -> NDArray[np.intp]:
    """Turn clusters into numbers, refusing missing ones and a wrong length.

    Parameters
    ----------
    clusters
        (n,) labels.
    n
        Number of rows they must match.

    Returns
    -------
    (n,) integer array
    """
    codes, _ = codes_of(clusters)
    if len(codes) != n:
        raise StatisticsError(f"There are {len(codes)} cluster labels for {n} rows.")
    if (codes < 0).any():
        raise StatisticsError(f"{int((codes < 0).sum())} cluster labels are missing.")
    return codes


def kept_clusters(clusters: Any, keep: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Give numbers to the clusters of the rows that are used.

    Parameters
    ----------
    clusters
        (n,) labels; those of rows that are not used may be missing.
    keep
        (n,) which rows are used.

    Returns
    -------
    (used rows,) integer array
    """
    labels = np.asarray(clusters)
    if len(labels) != len(keep):
        raise StatisticsError(f"There are {len(labels)} cluster labels for {len(keep)} rows.")
    return check_clusters(labels[keep], int(keep.sum()))
