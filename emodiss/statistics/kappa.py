"""Agreement of two raters on categories: Cohen's kappa, of every pair and of repeats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emodiss.errors import nearest
from emodiss.ratings import usable
from emodiss.statistics.bootstrap import (
    DEFAULT,
    ONE_CLUSTER,
    TOO_FEW,
    Bootstrap,
    Estimate,
    Labels,
    StatisticsError,
    blocks,
    kept_clusters,
    series_of,
)

Weights = Literal["linear", "quadratic"] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kappa(Estimate):
    """Cohen's kappa of two raters.

    Parameters
    ----------
    se
        Asymptotic standard error (Fleiss, Cohen and Everitt 1969).
    p_value
        Two-sided, for kappa 0; NaN with clusters, because it assumes independent items.
    observed, expected
        (Weighted) agreement seen, and expected by chance.
    weights
        None, `linear` or `quadratic`.
    method
        How the interval was made: `asymptotic` or `cluster bootstrap`.
    n, n_dropped
        Items both rated; items left out because a rating is missing.
    """

    se: float = np.nan
    p_value: float = np.nan
    observed: float = np.nan
    expected: float = np.nan
    weights: Weights
    method: str
    n: int
    n_dropped: int


def cohen_kappa(
    a: Labels,
    b: Labels,
    weights: Weights = None,
    *,
    categories: Sequence[Any] | None = None,
    clusters: Labels | None = None,
    bootstrap: Bootstrap = DEFAULT,
) -> Kappa:
    """Agreement of two raters beyond chance (Cohen 1960; weighted: Cohen 1968).

    Unweighted kappa counts a neighbouring point as full disagreement: a rater exactly one point
    below another has kappa near 0. Quadratic weights forgive small distances (decision A15).

    Parameters
    ----------
    a, b
        (n,) ratings of the same items; items where either is missing are dropped and counted.
    weights
        None, `linear` (|distance|) or `quadratic` (distance squared). For numbers the distance
        is that of the values, so that an unused point of the scale still counts; for other
        labels it is that of their places in `categories`.
    categories
        All categories in order; needed for weights on labels that are not numbers.
    clusters
        (n,) cluster of each item, for example its video: the interval then comes from the
        cluster bootstrap. Without clusters it is asymptotic and assumes independent items.

    Returns
    -------
    Kappa
        NaN with a reason if nothing is shared or a rater used one category only: kappa is then
        0 / 0, or 0 whatever the other rater did.

    Raises
    ------
    StatisticsError
        If lengths differ, the weights are unknown, or a label is not among the categories.
    """
    if weights not in (None, "linear", "quadratic"):
        raise StatisticsError(
            f"Unknown weights '{weights}'.",
            next_step=nearest(str(weights), ["linear", "quadratic"]),
        )
    left, right = (series_of(np.asarray(x), "Ratings of one rater") for x in (a, b))
    if len(left) != len(right):
        raise StatisticsError(f"The raters have {len(left)} and {len(right)} ratings.")
    keep = (left.notna() & right.notna()).to_numpy()
    n, n_dropped = int(keep.sum()), int((~keep).sum())
    method = "asymptotic" if clusters is None else "cluster bootstrap"
    result = partial(Kappa, weights=weights, method=method, n=n, n_dropped=n_dropped)
    row, column, similarity = _categorised(left[keep], right[keep], weights, categories)
    reason = ""
    if n == 0:
        reason = "no item was rated by both"
    else:
        constant = [len(np.unique(codes)) == 1 for codes in (row, column)]
        if all(constant):
            reason = "both raters gave one and the same value to every item"
            if row[0] != column[0]:
                reason = "each rater gave one value to every item"
        elif any(constant):
            which = "first" if constant[0] else "second"
            reason = f"the {which} rater gave one value to every item"
    if reason:
        same = float(np.mean(row == column)) if n and weights is None else np.nan
        return result(observed=same, reason=reason)
    k = len(similarity)
    counts = np.bincount(row * k + column, minlength=k * k).reshape(1, k, k).astype(np.float64)
    kappa, observed, expected = (float(x[0]) for x in _kappas(counts, similarity))
    se, se_null = _kappa_errors(counts[0] / n, similarity, kappa, expected, n)
    p_value = np.nan
    if clusters is None:
        from scipy.special import ndtr, ndtri

        half = float(ndtri(0.5 + bootstrap.confidence / 2)) * se
        low, high = max(kappa - half, -1.0), min(kappa + half, 1.0)
        if se_null > 0:
            p_value = float(2 * ndtr(-abs(kappa) / se_null))
    else:
        codes = kept_clusters(clusters, keep)
        n_clusters = int(codes.max()) + 1
        low = high = np.nan
        if n_clusters < 2:
            reason = ONE_CLUSTER
        else:
            boot = _resampled(row * k + column, codes, similarity, n_clusters, bootstrap)
            low, high = bootstrap.limits(boot)
            reason = TOO_FEW if np.isnan(low) else ""
    return result(
        statistic=kappa,
        low=low,
        high=high,
        se=se,
        p_value=p_value,
        observed=observed,
        expected=expected,
        reason=reason,
    )


def _categorised(
    left: pd.Series, right: pd.Series, weights: Weights, categories: Sequence[Any] | None
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Assign numbers to categories and say how alike each two are, from 0 to 1."""
    seen = pd.unique(pd.concat([left, right], ignore_index=True))
    numeric = all(isinstance(x, int | float | np.number) for x in seen)
    if categories is None:
        if weights is not None and not numeric:
            raise StatisticsError(
                "Weighted kappa of labels needs their order.",
                next_step="Pass categories=[...] from lowest to highest.",
            )
        known = sorted(seen.tolist(), key=lambda x: x if numeric else str(x))
    else:
        known = list(categories)
        strange = [x for x in seen.tolist() if x not in known]
        if strange:
            raise StatisticsError(
                f"{strange[0]!r} is not among the categories {known}; every rating must be."
            )
    place = {name: i for i, name in enumerate(known)}
    row = np.array([place[x] for x in left.tolist()], dtype=np.intp)
    column = np.array([place[x] for x in right.tolist()], dtype=np.intp)
    k = len(known)
    if weights is None:
        return row, column, np.eye(k)
    at = np.array(known, dtype=np.float64) if numeric else np.arange(k, dtype=np.float64)
    distance = np.abs(at[:, None] - at[None, :])
    if weights == "quadratic":
        distance = distance**2
    return row, column, 1.0 - distance / distance.max() if k > 1 and distance.max() else np.eye(k)


def _kappas(
    counts: NDArray[np.float64], similarity: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Kappa, observed and expected agreement of (b, k, k) contingency tables."""
    total = counts.sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        observed = np.einsum("bij,ij->b", counts, similarity) / total
        rows, columns = counts.sum(axis=2), counts.sum(axis=1)
        expected = np.einsum("bi,ij,bj->b", rows, similarity, columns) / total**2
        kappa = (observed - expected) / (1.0 - expected)
    # Crumbs of rounding decide the sign of 0 / 0; such a table has no kappa.
    return np.where(1.0 - expected > 1e-12, kappa, np.nan), observed, expected


def _kappa_errors(
    p: NDArray[np.float64], w: NDArray[np.float64], kappa: float, expected: float, n: int
) -> tuple[float, float]:
    """Compute the standard errors of kappa, and under chance (Fleiss, Cohen, Everitt 1969)."""
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    mean_weight = (w @ columns)[:, None] + (rows @ w)[None, :]
    scale = n * (1.0 - expected) ** 2
    seen = (p * (w - mean_weight * (1.0 - kappa)) ** 2).sum() - (
        kappa - expected * (1 - kappa)
    ) ** 2
    null = (np.outer(rows, columns) * (w - mean_weight) ** 2).sum() - expected**2
    return float(np.sqrt(max(seen, 0.0) / scale)), float(np.sqrt(max(null, 0.0) / scale))


def _resampled(
    pair: NDArray[np.intp],
    codes: NDArray[np.intp],
    similarity: NDArray[np.float64],
    n_clusters: int,
    bootstrap: Bootstrap,
) -> NDArray[np.float64]:
    k = len(similarity)
    per_cluster = np.bincount(codes * k * k + pair, minlength=n_clusters * k * k)
    per_cluster = per_cluster.reshape(n_clusters, k * k).astype(np.float64)
    weights = bootstrap.draw(n_clusters)
    boot = [
        _kappas((part @ per_cluster).reshape(-1, k, k), similarity)[0]
        for part in blocks(weights, k * k)
    ]
    return np.concatenate(boot)


def bootstrap_kappa(
    a: pd.Series,
    b: pd.Series,
    weights: Weights,
    categories: Sequence[Any],
    codes: NDArray[np.intp],
    n_clusters: int,
    bootstrap: Bootstrap,
) -> NDArray[np.float64]:
    """Return (resamples,) kappas of two raters; equal clusters see the same resamples."""
    keep = (a.notna() & b.notna()).to_numpy()
    row, column, similarity = _categorised(a[keep], b[keep], weights, categories)
    pair = row * len(similarity) + column
    return _resampled(pair, codes[keep], similarity, n_clusters, bootstrap)


def pairwise_kappa(
    table: pd.DataFrame,
    *,
    weights: Sequence[Weights] = (None, "quadratic"),
    bootstrap: Bootstrap = DEFAULT,
) -> pd.DataFrame:
    """Kappa of every two raters on the items both rated (the paper's Figure 6).

    Parameters
    ----------
    weights
        Which kappas; the paper does not say which it used (decision A15).
    bootstrap
        Resamples, seed and level of the cluster-bootstrap intervals over videos.

    Returns
    -------
    DataFrame
        One row per criterion, pair and weights: criterion, rater_a, rater_b, group_a, group_b,
        weights (`none` or a name), kappa, low, high, observed, mean_difference (b minus a),
        n, reason. Empty with one rater.
    """
    rows = usable(table, needs=("rater", "item", "video", "criterion", "value"))
    groups = (
        rows.drop_duplicates("rater").set_index("rater")["rater_group"]
        if "rater_group" in rows.columns
        else pd.Series(dtype="str")
    )
    video = rows.drop_duplicates("item").set_index("item")["video"]
    out = []
    for criterion, part in rows.groupby("criterion", sort=True):
        spread = part.pivot(index="item", columns="rater", values="value")
        points = sorted(part["value"].unique())
        of_item = video.loc[spread.index]
        for a, b in combinations(spread.columns, 2):
            both = spread[[a, b]].dropna()
            for weight in weights:
                found = cohen_kappa(
                    both[a],
                    both[b],
                    weight,
                    categories=points,
                    clusters=of_item.loc[both.index] if len(both) else None,
                    bootstrap=bootstrap,
                )
                out.append(
                    {
                        "criterion": criterion,
                        "rater_a": a,
                        "rater_b": b,
                        "group_a": groups.get(a),
                        "group_b": groups.get(b),
                        "weights": weight or "none",
                        "kappa": found.statistic,
                        "low": found.low,
                        "high": found.high,
                        "observed": float((both[a] == both[b]).mean()) if len(both) else np.nan,
                        "mean_difference": float((both[b] - both[a]).mean()),
                        "n": found.n,
                        "reason": found.reason,
                    }
                )
    names = ["criterion", "rater_a", "rater_b", "group_a", "group_b", "weights", "kappa"]
    names += ["low", "high", "observed", "mean_difference", "n", "reason"]
    return pd.DataFrame(out, columns=pd.Index(names))


def intra_rater(table: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """Agreement of each rater with themselves on repeated items.

    Parameters
    ----------
    table
        Long table of ratings with a column repeat.
    confidence
        Level of the asymptotic intervals.

    Returns
    -------
    DataFrame
        One row per rater and criterion: n (repeated items), exact (share of equal ratings),
        mean_difference (second minus first), mean_absolute_difference, kappa (quadratic), low,
        high, reason. Empty when nothing was repeated.
    """
    names = ["rater", "criterion", "n", "exact", "mean_difference", "mean_absolute_difference"]
    names += ["kappa", "low", "high", "reason"]
    out = []
    if "repeat" in table.columns:
        rows = table[table["value"].notna()]
        spread = rows.pivot_table(
            index=["rater", "criterion", "item"], columns="repeat", values="value", aggfunc="first"
        )
        if {0, 1} <= set(spread.columns):
            both = spread[[0, 1]].dropna()
            for (rater, criterion), part in both.groupby(level=["rater", "criterion"]):
                change = part[1] - part[0]
                found = cohen_kappa(part[0], part[1], "quadratic", bootstrap=Bootstrap(confidence))
                out.append(
                    {
                        "rater": rater,
                        "criterion": criterion,
                        "n": len(part),
                        "exact": float((change == 0).mean()),
                        "mean_difference": float(change.mean()),
                        "mean_absolute_difference": float(change.abs().mean()),
                        "kappa": found.statistic,
                        "low": found.low,
                        "high": found.high,
                        "reason": found.reason,
                    }
                )
    return pd.DataFrame(out, columns=pd.Index(names))
