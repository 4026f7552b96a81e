"""Differences between groups: one-way ANOVA and Tukey HSD, from ratings or from summaries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from emodiss.statistics.bootstrap import (
    Labels,
    StatisticsError,
    check_confidence,
    codes_of,
    series_of,
)


@dataclass(frozen=True, slots=True)
class Anova:
    """A one-way analysis of variance.

    Parameters
    ----------
    statistic, p_value
        F and its p; NaN with a reason when they do not exist.
    eta_squared, eta_squared_low, eta_squared_high
        Share of variance between groups, and its interval from the noncentral F. The share is
        biased upwards; where F is well below 1 the interval can lie below it, even be [0, 0].
    omega_squared
        The same share, nearly unbiased.
    groups, n, means, sds
        Per group: name, ratings, mean, standard deviation (n - 1).
    n_dropped
        Missing values left out.
    reason
        Why a value is NaN; empty when none is.
    """

    statistic: float
    p_value: float
    df_between: int
    df_within: int
    ss_between: float
    ss_within: float
    eta_squared: float
    eta_squared_low: float
    eta_squared_high: float
    omega_squared: float
    confidence: float
    groups: tuple[Any, ...]
    n: tuple[int, ...]
    means: tuple[float, ...]
    sds: tuple[float, ...]
    n_dropped: int = 0
    reason: str = ""

    @property
    def ms_within(self) -> float:
        """Residual mean square."""
        return self.ss_within / self.df_within if self.df_within > 0 else np.nan

    def to_frame(self) -> pd.DataFrame:
        """Give the ANOVA table: rows between, within, total."""
        df = [self.df_between, self.df_within, self.df_between + self.df_within]
        ss = [self.ss_between, self.ss_within, self.ss_between + self.ss_within]
        ms_between = self.ss_between / self.df_between if self.df_between > 0 else np.nan
        return pd.DataFrame(
            {
                "source": ["between", "within", "total"],
                "df": df,
                "ss": ss,
                "ms": [ms_between, self.ms_within, np.nan],
                "f": [self.statistic, np.nan, np.nan],
                "p_value": [self.p_value, np.nan, np.nan],
                "eta_squared": [self.eta_squared, np.nan, np.nan],
                "eta_squared_low": [self.eta_squared_low, np.nan, np.nan],
                "eta_squared_high": [self.eta_squared_high, np.nan, np.nan],
                "omega_squared": [self.omega_squared, np.nan, np.nan],
            }
        )

    def cells(self) -> pd.DataFrame:
        """Give n, mean and standard deviation per group."""
        columns = {"group": self.groups, "n": self.n, "mean": self.means, "sd": self.sds}
        return pd.DataFrame({name: list(values) for name, values in columns.items()})


@dataclass(frozen=True, slots=True)
class Tukey:
    """Tukey's honestly significant differences, Tukey-Kramer where groups differ in size.

    Parameters
    ----------
    pairs
        (a, b) names of groups, a before b in the order of groups.
    differences
        Mean of b minus mean of a.
    low, high
        Simultaneous limits.
    statistic
        Studentized range per pair.
    n
        (n of a, n of b) per pair.
    alpha
        Family-wise error.
    """

    pairs: tuple[tuple[Any, Any], ...]
    differences: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    statistic: tuple[float, ...]
    p_value: tuple[float, ...]
    n: tuple[tuple[int, int], ...]
    df: int
    alpha: float
    reason: str = ""

    def to_frame(self) -> pd.DataFrame:
        """One row per pair."""
        return pd.DataFrame(
            {
                "group_a": [a for a, _ in self.pairs],
                "group_b": [b for _, b in self.pairs],
                "difference": list(self.differences),
                "low": list(self.low),
                "high": list(self.high),
                "q": list(self.statistic),
                "p_value": list(self.p_value),
                "significant": [p < self.alpha for p in self.p_value],
                "n_a": [a for a, _ in self.n],
                "n_b": [b for _, b in self.n],
            }
        )


def anova_oneway(
    values: ArrayLike | pd.Series, groups: Labels, *, confidence: float = 0.95
) -> Anova:
    """Compare group means by one-way ANOVA (the paper's analysis).

    It treats every rating as independent. Ratings that share a video, a response or a rater are
    not, so read it beside `mixed_model` and the cluster bootstrap.

    Parameters
    ----------
    values
        (n,) numbers; missing ones are dropped and counted.
    groups
        (n,) group of each value. Groups are ordered as categories, else sorted.
    confidence
        Level of the interval of eta squared.

    Raises
    ------
    StatisticsError
        If the lengths differ.
    """
    numbers, codes, names, n_dropped = _grouped(values, groups)
    n = np.bincount(codes, minlength=len(names))
    means, sds = _moments(numbers, codes, n)
    return _anova(means, sds, n, names, n_dropped, confidence)


def anova_from_summary(
    means: ArrayLike | pd.Series,
    sds: ArrayLike,
    ns: ArrayLike,
    *,
    labels: Sequence[Any] | None = None,
    confidence: float = 0.95,
) -> Anova:
    """Run a one-way ANOVA from what papers print: mean, SD and n per group.

    Parameters
    ----------
    means
        (k,) group means; a Series lends its index as labels.
    sds
        (k,) standard deviations (n - 1 in the denominator), or one for all.
    ns
        (k,) group sizes, or one for all.
    labels
        Names of the groups; 0, 1, ... by default.
    confidence
        Level of the interval of eta squared.

    Raises
    ------
    StatisticsError
        If shapes differ, an SD is negative or an n is below 1.
    """
    m, s, n, names = _summary(means, sds, ns, labels)
    return _anova(m, s, n, names, 0, confidence)


def tukey_hsd(values: ArrayLike | pd.Series, groups: Labels, alpha: float = 0.05) -> Tukey:
    """Compare all pairs of groups with family-wise intervals.

    Parameters
    ----------
    alpha
        Family-wise error.
    """
    numbers, codes, names, _ = _grouped(values, groups)
    n = np.bincount(codes, minlength=len(names))
    means, sds = _moments(numbers, codes, n)
    return _tukey(means, sds, n, names, alpha)


def tukey_from_summary(
    means: ArrayLike | pd.Series,
    sds: ArrayLike,
    ns: ArrayLike,
    alpha: float = 0.05,
    *,
    labels: Sequence[Any] | None = None,
) -> Tukey:
    """Compare all pairs of groups from mean, SD and n per group.

    Parameters
    ----------
    alpha
        Family-wise error.
    """
    m, s, n, names = _summary(means, sds, ns, labels)
    return _tukey(m, s, n, names, alpha)


def _grouped(
    values: Any, groups: Any
) -> tuple[NDArray[np.float64], NDArray[np.intp], list[Any], int]:
    numbers, series = np.asarray(values, dtype=np.float64), series_of(groups, "Groups")
    if numbers.ndim != 1 or len(numbers) != len(series):
        raise StatisticsError(
            f"values have shape {numbers.shape} and groups {len(series)} entries; "
            "one group per value was expected."
        )
    keep = np.isfinite(numbers) & series.notna().to_numpy()
    codes, names = codes_of(series[keep])
    return numbers[keep], codes, names, int((~keep).sum())


def _moments(
    numbers: NDArray[np.float64], codes: NDArray[np.intp], n: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    means = np.bincount(codes, numbers, minlength=len(n)) / np.maximum(n, 1)
    squares = np.bincount(codes, (numbers - means[codes]) ** 2, minlength=len(n))
    return means, np.where(n > 1, np.sqrt(squares / np.maximum(n - 1, 1)), np.nan)


def _summary(
    means: Any, sds: Any, ns: Any, labels: Sequence[Any] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], list[Any]]:
    m = np.atleast_1d(np.asarray(means, dtype=np.float64))
    try:
        s = np.broadcast_to(np.asarray(sds, dtype=np.float64), m.shape)
        n = np.broadcast_to(np.asarray(ns, dtype=np.float64), m.shape)
    except ValueError:
        raise StatisticsError(
            f"means, sds and ns have shapes {m.shape}, {np.shape(sds)} and {np.shape(ns)}; "
            "one of each per group was expected."
        ) from None
    if m.ndim != 1 or not np.isfinite(m).all():
        raise StatisticsError("means must be one finite number per group.")
    if (n < 1).any() or (n != np.floor(n)).any():
        raise StatisticsError(f"ns are {n.tolist()}; whole numbers of 1 or more were expected.")
    if (np.isnan(s) & (n > 1)).any() or (s < 0).any():
        raise StatisticsError(f"sds are {s.tolist()}; numbers of 0 or more were expected.")
    if labels is None:
        labels = list(means.index) if isinstance(means, pd.Series) else list(range(len(m)))
    if len(labels) != len(m):
        raise StatisticsError(f"There are {len(labels)} labels for {len(m)} groups.")
    return m, s, n.astype(np.int64), list(labels)


def _within(sds: NDArray[np.float64], n: NDArray[np.int64]) -> float:
    return float(np.sum(np.where(n > 1, (n - 1) * np.nan_to_num(sds) ** 2, 0.0)))


def _anova(
    means: NDArray[np.float64],
    sds: NDArray[np.float64],
    n: NDArray[np.int64],
    names: list[Any],
    n_dropped: int,
    confidence: float,
) -> Anova:
    from scipy.special import fdtrc

    check_confidence(confidence)
    total, k = int(n.sum()), len(n)
    df_between, df_within = max(k - 1, 0), max(total - k, 0)
    grand = float(n @ means / total) if total else np.nan
    between = float(n @ (means - grand) ** 2) if total else np.nan
    within = _within(sds, n)
    # Rounding leaves crumbs where all values are equal; they are not variance.
    crumbs = 1e-24 * max(float(n @ means**2), 1e-300)
    reason = ""
    if k < 2:
        reason = f"{k} group(s): two or more are needed"
    elif df_within < 1:
        reason = "one value per group: no variance within groups can be estimated"
    elif within <= crumbs:
        reason = "all values within a group are equal: F does not exist"
    f = p = eta = low = high = omega = np.nan
    if not reason:
        ms = within / df_within
        f = between / df_between / ms
        p = float(fdtrc(df_between, df_within, f))
        eta = between / (between + within)
        omega = (between - df_between * ms) / (between + within + ms)
        low, high = _eta_limits(f, df_between, df_within, confidence)
    return Anova(
        statistic=f,
        p_value=p,
        df_between=df_between,
        df_within=df_within,
        ss_between=between,
        ss_within=within,
        eta_squared=eta,
        eta_squared_low=low,
        eta_squared_high=high,
        omega_squared=omega,
        confidence=confidence,
        groups=tuple(names),
        n=tuple(int(x) for x in n),
        means=tuple(float(x) for x in means),
        sds=tuple(float(x) for x in sds),
        n_dropped=n_dropped,
        reason=reason,
    )


def _eta_limits(f: float, df1: int, df2: int, confidence: float) -> tuple[float, float]:
    """Invert the noncentral F (Steiger 2004): lambda / (lambda + N) brackets eta squared."""
    from scipy.optimize import brentq
    from scipy.special import ncfdtr

    def noncentrality(probability: float) -> float:
        def gap(nc: float) -> float:
            return float(ncfdtr(df1, df2, nc, f)) - probability

        if gap(0.0) <= 0:
            return 0.0
        top = 10.0 + 4.0 * f * df1
        while gap(top) > 0 and top < 1e9:
            top *= 2.0
        return float(brentq(gap, 0.0, top))

    tail = (1.0 - confidence) / 2.0
    n_total = df1 + df2 + 1
    low, high = noncentrality(1.0 - tail), noncentrality(tail)
    return low / (low + n_total), high / (high + n_total)


def _tukey(
    means: NDArray[np.float64],
    sds: NDArray[np.float64],
    n: NDArray[np.int64],
    names: list[Any],
    alpha: float,
) -> Tukey:
    from scipy.stats import studentized_range

    check_confidence(1.0 - alpha)
    k, df = len(n), int(n.sum()) - len(n)
    within = _within(sds, n)
    index = list(combinations(range(k), 2))
    difference = np.array([means[b] - means[a] for a, b in index])
    reason = ""
    if k < 2:
        reason = f"{k} group(s): two or more are needed"
    elif df < 1:
        reason = "one value per group: no variance within groups can be estimated"
    elif within <= 1e-24 * max(float(n @ means**2), 1e-300):
        reason = "all values within a group are equal: intervals do not exist"
    if reason:
        q = p = low = high = np.full(len(index), np.nan)
    else:
        # Tukey-Kramer: SE of a pair with sizes n_a, n_b is sqrt(MS/2 (1/n_a + 1/n_b)).
        se = np.array([math.sqrt(within / df / 2 * (1 / n[a] + 1 / n[b])) for a, b in index])
        q = np.abs(difference) / se
        p = np.array([studentized_range.sf(value, k, df) for value in q])
        half = studentized_range.ppf(1.0 - alpha, k, df) * se
        low, high = difference - half, difference + half
    return Tukey(
        pairs=tuple((names[a], names[b]) for a, b in index),
        differences=tuple(map(float, difference)),
        low=tuple(map(float, low)),
        high=tuple(map(float, high)),
        statistic=tuple(map(float, q)),
        p_value=tuple(map(float, p)),
        n=tuple((int(n[a]), int(n[b])) for a, b in index),
        df=max(df, 0),
        alpha=alpha,
        reason=reason,
    )
