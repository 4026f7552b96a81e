"""Cluster bootstrap: whole videos are drawn, because ratings of one video belong together.

A resample of V clusters is a row of V multinomial counts. Any statistic built from sums over
clusters (means, differences, contingency tables, pairs) is then a matrix product, which makes
2,000 resamples of thousands of ratings a matter of milliseconds.

Source: Davison and Hinkley (1997), Bootstrap Methods and their Application, sections 3.8 and 5.3
(resampling clusters; percentile intervals).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from emodiss.errors import EmodissError

ONE_CLUSTER = "one cluster: no interval"
"""Reason of an interval that does not exist because there is nothing to resample."""

ONE_VIDEO = "one video: no interval"
"""The same, where clusters are known to be videos."""

TOO_FEW = "too few resamples have a value: no interval"
"""Reason of an interval that does not exist because the statistic is undefined too often."""

_MAX_UNDEFINED = 0.05
_BLOCK = 4_000_000


Labels = ArrayLike | pd.Series
"""(n,) names or numbers."""


class StatisticsError(EmodissError, ValueError):
    """A statistic was asked for with input that cannot have one, or by an unknown name."""

    code = "statistics"


def check_confidence(confidence: float) -> None:
    """Refuse a confidence level outside (0, 1)."""
    if not 0.0 < confidence < 1.0:
        raise StatisticsError(f"confidence is {confidence}; between 0 and 1 was expected.")


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """How intervals are made: percentiles over resamples of whole clusters.

    Parameters
    ----------
    confidence
        Coverage aimed at, in (0, 1); also of intervals by a formula, where there are no clusters.
    resamples
        How many; with 2,000 the Monte Carlo error of a 95 % limit is below 0.05 SE.
    seed
        Statistics given the same clusters and seed see the same resamples.

    Raises
    ------
    StatisticsError
        If the confidence lies outside (0, 1) or resamples is negative.
    """

    confidence: float = 0.95
    resamples: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        check_confidence(self.confidence)
        if self.resamples < 0:
            raise StatisticsError(f"resamples is {self.resamples}; 0 or more was expected.")

    def draw(self, n_clusters: int) -> NDArray[np.float64]:
        """(resamples, n_clusters) counts: how often each cluster occurs in each resample."""
        rng = np.random.default_rng(self.seed)
        even = np.full(n_clusters, 1.0 / n_clusters)
        return rng.multinomial(n_clusters, even, size=self.resamples).astype(np.float64)

    def limits(self, samples: NDArray[np.float64]) -> tuple[Any, Any]:
        """Percentile limits of (resamples, ...) values: two floats, or arrays of the other axes.

        NaN where more than 5 % of the resamples are undefined, or there are none.
        """
        if not len(samples):
            samples = np.full((1, *samples.shape[1:]), np.nan)
        undefined = np.isnan(samples)
        unusable = undefined.mean(axis=0) > _MAX_UNDEFINED
        filled = np.where(unusable, 0.0, samples)
        tail = (1.0 - self.confidence) / 2.0
        quantile = np.nanquantile if undefined.any() else np.quantile
        both = np.where(unusable, np.nan, quantile(filled, [tail, 1.0 - tail], axis=0))
        low, high = both.tolist() if samples.ndim == 1 else both
        return low, high


DEFAULT = Bootstrap()


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number with its interval.

    Parameters
    ----------
    statistic
        The number; NaN with a reason when it does not exist.
    reason
        Why values are NaN; empty when they are not.
    """

    statistic: float = np.nan
    low: float = np.nan
    high: float = np.nan
    reason: str = ""

    def to_frame(self) -> pd.DataFrame:
        """One row, a column per field, the reason last."""
        row = {field.name: getattr(self, field.name) for field in fields(self)}
        return pd.DataFrame([row | {"reason": row.pop("reason")}])


def series_of(values: Labels, what: str) -> pd.Series:
    """Return values, or names, as a series; refuse a single one and tables."""
    if isinstance(values, pd.Series):
        return values
    shape = np.shape(flat := np.asarray(values))
    if len(shape) != 1:
        raise StatisticsError(f"{what} have shape {shape}; one row of values was expected.")
    return pd.Series(flat)


def settled(values: NDArray[np.float64], *, of: NDArray[np.float64] | None = None) -> Any:
    """Round to 12 digits of the largest of `of`: means that rounding alone tells apart are ties."""
    known = np.abs(values if of is None else of)
    top = float(np.max(known, where=np.isfinite(known), initial=0.0))
    return values if top == 0 else np.round(values, min(11 - math.floor(math.log10(top)), 300))


def codes_of(labels: Labels) -> tuple[NDArray[np.intp], list[Any]]:
    """Give (n,) codes (missing: -1) and their names, in a categorical's own order, else sorted."""
    series: Any = series_of(labels, "Labels")
    if isinstance(series.dtype, pd.CategoricalDtype):
        used = series.cat.remove_unused_categories()
        return used.cat.codes.to_numpy().astype(np.intp), list(used.cat.categories)
    codes, names = pd.factorize(series, sort=True)
    return codes.astype(np.intp), list(names)


def blocks(rows: NDArray[Any], floats: int) -> list[NDArray[Any]]:
    """Cut rows, each worked out with so many floats, into blocks whose work fits into 32 MB."""
    n = max(1, min(len(rows), -(-len(rows) * floats // _BLOCK)))
    return np.array_split(rows, n)


def cluster_sums(
    codes: NDArray[np.intp], n_clusters: int, columns: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sum (n, k) rows within clusters: (n_clusters, k)."""
    sums = np.zeros((n_clusters, columns.shape[1]))
    np.add.at(sums, codes, columns)
    return sums


def mean_limits(
    values: NDArray[np.float64], clusters: pd.Series, bootstrap: Bootstrap
) -> tuple[float, float]:
    """Limits of a mean by the bootstrap of whole clusters; NaN with one cluster."""
    codes, names = codes_of(clusters)
    if len(names) < 2:
        return np.nan, np.nan
    sums = cluster_sums(codes, len(names), np.column_stack([values, np.ones(len(values))]))
    total, n = (bootstrap.draw(len(names)) @ sums).T
    return bootstrap.limits(total / n)


def check_clusters(clusters: Any, n: int) -> NDArray[np.intp]:
    """Give the clusters of n rows codes; refuse missing ones and a wrong length."""
    codes, _ = codes_of(clusters)
    if len(codes) != n:
        raise StatisticsError(f"There are {len(codes)} cluster labels for {n} rows.")
    if (codes < 0).any():
        raise StatisticsError(f"{int((codes < 0).sum())} cluster labels are missing.")
    return codes


def kept_clusters(clusters: Any, keep: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Give the clusters of the kept rows codes; those of other rows may be missing."""
    labels = np.asarray(clusters)
    if len(labels) != len(keep):
        raise StatisticsError(f"There are {len(labels)} cluster labels for {len(keep)} rows.")
    return check_clusters(labels[keep], int(keep.sum()))
