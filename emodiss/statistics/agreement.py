"""Agreement of raters on categories: Cohen's kappa, Krippendorff's alpha, repeats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from emodiss.errors import nearest
from emodiss.ratings.table import usable
from emodiss.statistics.bootstrap import (
    RESAMPLES,
    StatisticsError,
    check_clusters,
    check_confidence,
    draw,
    percentile,
)

Weights = Literal["linear", "quadratic"] | None
Level = Literal["nominal", "ordinal", "interval", "ratio"]
LEVELS: tuple[Level, ...] = ("nominal", "ordinal", "interval", "ratio")

_NAN = float("nan")
_CHUNK = 4_000_000  # floats per block of resampled tables: 32 MB


@dataclass(frozen=True, slots=True)
class Kappa:
    """Cohen's kappa of two raters.

    Parameters
    ----------
    statistic
        Kappa; NaN with a reason when it does not exist.
    low, high
        Interval.
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
    reason
        Why values are NaN; empty when they are not.
    """

    statistic: float
    low: float
    high: float
    se: float
    p_value: float
    observed: float
    expected: float
    weights: Weights
    method: str
    n: int
    n_dropped: int
    reason: str = ""


def cohen_kappa(
    a: ArrayLike | pd.Series,
    b: ArrayLike | pd.Series,
    weights: Weights = None,
    *,
    categories: Sequence[Any] | None = None,
    clusters: ArrayLike | pd.Series | None = None,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
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
    confidence
        Level of the interval.
    resamples, seed
        Of the bootstrap.

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
    check_confidence(confidence)
    if weights not in (None, "linear", "quadratic"):
        raise StatisticsError(
            f"Unknown weights '{weights}'.",
            next_step=nearest(str(weights), ["linear", "quadratic"]),
        )
    left, right = (pd.Series(np.asarray(x)) for x in (a, b))
    if len(left) != len(right):
        raise StatisticsError(f"The raters have {len(left)} and {len(right)} ratings.")
    keep = (left.notna() & right.notna()).to_numpy()
    n, n_dropped = int(keep.sum()), int((~keep).sum())
    method = "asymptotic" if clusters is None else "cluster bootstrap"
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
        same = float(np.mean(row == column)) if n and weights is None else _NAN
        return Kappa(
            _NAN, _NAN, _NAN, _NAN, _NAN, same, _NAN, weights, method, n, n_dropped, reason
        )
    k = len(similarity)
    counts = np.bincount(row * k + column, minlength=k * k).reshape(1, k, k).astype(np.float64)
    kappa, observed, expected = (float(x[0]) for x in _kappas(counts, similarity))
    se, se_null = _kappa_errors(counts[0] / n, similarity, kappa, expected, n)
    p_value = _NAN
    if clusters is None:
        from scipy.special import ndtr, ndtri

        half = float(ndtri(0.5 + confidence / 2)) * se
        low, high = max(kappa - half, -1.0), min(kappa + half, 1.0)
        if se_null > 0:
            p_value = float(2 * ndtr(-abs(kappa) / se_null))
    else:
        labels = np.asarray(clusters)
        codes = check_clusters(labels[keep] if len(labels) == len(keep) else labels, n)
        low, high = _kappa_limits(row * k + column, codes, similarity, confidence, resamples, seed)
        if codes.max() == 0:
            reason = "one cluster: no interval"
    return Kappa(
        kappa, low, high, se, p_value, observed, expected, weights, method, n, n_dropped, reason
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


def _kappa_limits(
    pair: NDArray[np.intp],
    codes: NDArray[np.intp],
    similarity: NDArray[np.float64],
    confidence: float,
    resamples: int,
    seed: int,
) -> tuple[float, float]:
    k, n_clusters = len(similarity), int(codes.max()) + 1
    if n_clusters < 2:
        return _NAN, _NAN
    per_cluster = np.bincount(codes * k * k + pair, minlength=n_clusters * k * k)
    per_cluster = per_cluster.reshape(n_clusters, k * k).astype(np.float64)
    weights = draw(n_clusters, resamples=resamples, seed=seed)
    boot = [
        _kappas((part @ per_cluster).reshape(-1, k, k), similarity)[0]
        for part in np.array_split(weights, _n_chunks(resamples, k))
    ]
    low, high = percentile(np.concatenate(boot), confidence=confidence)
    return float(low), float(high)


def _n_chunks(resamples: int, k: int) -> int:
    return max(1, min(resamples, -(-resamples * k * k // _CHUNK)))


@dataclass(frozen=True, slots=True)
class Alpha:
    """Krippendorff's alpha.

    Parameters
    ----------
    statistic
        Alpha; NaN with a reason when it does not exist.
    low, high
        Bootstrap interval over units (or clusters of units).
    level
        Level of measurement.
    n_units, n_values, n_raters
        Units with two or more ratings, ratings in them, raters who gave at least one of these.
    n_dropped
        Ratings left out because nobody else rated that unit.
    reason
        Why values are NaN; empty when they are not.
    """

    statistic: float
    low: float
    high: float
    level: Level
    n_units: int
    n_values: int
    n_raters: int
    n_dropped: int
    reason: str = ""


def krippendorff_alpha(
    table: ArrayLike | pd.DataFrame,
    level: Level = "ordinal",
    *,
    raters: Literal["columns", "rows"] = "columns",
    clusters: ArrayLike | pd.Series | None = None,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Alpha:
    """Agreement of any number of raters, with missing cells (Krippendorff 2011).

    alpha = 1 - D_observed / D_expected, from coincidences of pairs within units.

    Parameters
    ----------
    table
        Units in rows, raters in columns, as from `ratings.wide`; NaN where missing.
    level
        `nominal`, `ordinal`, `interval` or `ratio`: which distance counts.
    raters
        `rows` reads a table printed the other way round, as reliability data often are.
    clusters
        (units,) cluster of each unit, for example its video, resampled as a whole.
    confidence
        Level of the interval.
    resamples, seed
        Of the bootstrap; 0 resamples leaves the interval out.

    Returns
    -------
    Alpha

    Raises
    ------
    StatisticsError
        If the level is unknown, the table is not two-dimensional, or nominal labels are asked
        for another level.
    """
    if level not in LEVELS:
        raise StatisticsError(f"Unknown level '{level}'.", next_step=nearest(str(level), LEVELS))
    if raters not in ("columns", "rows"):
        raise StatisticsError(f"raters is '{raters}'; 'columns' or 'rows' was expected.")
    frame = pd.DataFrame(table) if np.ndim(table) == 2 else None
    if frame is None:
        raise StatisticsError(f"The table has {np.ndim(table)} dimension(s); 2 were expected.")
    cells = (frame if raters == "columns" else frame.T).to_numpy(dtype=object)
    present = pd.notna(cells)
    per_unit = present.sum(axis=1)
    used = present & (per_unit >= 2)[:, None]
    n_values, n_units = int(used.sum()), int((per_unit >= 2).sum())
    n_raters, n_dropped = int(used.any(axis=0).sum()), int(present.sum()) - n_values

    def result(value: float, low: float, high: float, reason: str) -> Alpha:
        return Alpha(value, low, high, level, n_units, n_values, n_raters, n_dropped, reason)

    if n_units == 0:
        return result(_NAN, _NAN, _NAN, "no unit was rated twice")
    values = cells[used]
    try:
        at = np.array(sorted(set(values.tolist())), dtype=np.float64)
    except (TypeError, ValueError):
        if level != "nominal":
            raise StatisticsError(
                f"Ratings are not numbers, which level '{level}' needs.",
                next_step="Use level='nominal' or code the labels as numbers.",
            ) from None
        names = sorted(set(values.tolist()), key=str)
        at = np.arange(len(names), dtype=np.float64)
        place = {name: i for i, name in enumerate(names)}
        codes = np.array([place[x] for x in values.tolist()], dtype=np.intp)
    else:
        codes = np.searchsorted(at, values.astype(np.float64))
    if level == "ratio" and (at < 0).any():
        raise StatisticsError("Level 'ratio' needs values of 0 or more.")
    unit = np.nonzero(used)[0]
    k = len(at)
    if k == 1:
        return result(_NAN, _NAN, _NAN, "all ratings are equal: there is no variation to agree on")
    coincidences = _unit_coincidences(unit, codes, per_unit, k)
    total = np.asarray(coincidences.sum(axis=0)).reshape(1, k, k)
    alpha = float(_alphas(total, at, level)[0])
    low = high = _NAN
    reason = ""
    if resamples:
        cluster = (
            np.arange(len(cells)) if clusters is None else check_clusters(clusters, len(cells))
        )
        held, cluster = np.unique(cluster[np.unique(unit)], return_inverse=True)
        if len(held) < 2:
            reason = "one unit or cluster: no interval"
        else:
            low, high = _alpha_limits(
                coincidences[np.unique(unit)], cluster, at, level, confidence, resamples, seed
            )
    return result(alpha, low, high, reason)


def _unit_coincidences(
    unit: NDArray[np.intp], codes: NDArray[np.intp], per_unit: NDArray[np.int64], k: int
) -> Any:
    """Sparse (units, k * k): ordered pairs of ratings within a unit, over its ratings - 1."""
    from scipy.sparse import csr_array

    n_units = len(per_unit)
    counts = np.bincount(unit * k + codes, minlength=n_units * k).reshape(n_units, k)
    where, first = np.nonzero(counts)
    # Pairs of the distinct values that occur in one unit; few, whatever k is.
    pairs = pd.DataFrame({"unit": where, "c": first, "n": counts[where, first]})
    both = pairs.merge(pairs, on="unit")
    same = (both["c_x"] == both["c_y"]).to_numpy()
    ordered = both["n_x"].to_numpy() * (both["n_y"].to_numpy() - same)
    share = ordered / (per_unit[both["unit"].to_numpy()] - 1)
    column = both["c_x"].to_numpy() * k + both["c_y"].to_numpy()
    return csr_array((share, (both["unit"].to_numpy(), column)), shape=(n_units, k * k))


def _alphas(
    coincidences: NDArray[np.float64], at: NDArray[np.float64], level: Level
) -> NDArray[np.float64]:
    """Alpha of (b, k, k) coincidence matrices; `at` are the k values."""
    of_value = coincidences.sum(axis=2)
    total = of_value.sum(axis=1)
    if level == "nominal":
        distance = 1.0 - np.eye(len(at))[None]
    elif level == "interval":
        distance = ((at[:, None] - at[None, :]) ** 2)[None]
    elif level == "ratio":
        with np.errstate(invalid="ignore"):
            distance = ((at[:, None] - at[None, :]) / (at[:, None] + at[None, :])) ** 2
        distance = np.nan_to_num(distance)[None]
    else:
        # Ratings between two values, half of each end included (Krippendorff 2011, section D).
        middle = np.cumsum(of_value, axis=1) - of_value / 2
        distance = (middle[:, :, None] - middle[:, None, :]) ** 2
    observed = (coincidences * distance).sum(axis=(1, 2))
    expected = np.einsum(
        "bi,bij,bj->b", of_value, np.broadcast_to(distance, coincidences.shape), of_value
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(expected > 0, 1.0 - (total - 1.0) * observed / expected, np.nan)


def _alpha_limits(
    coincidences: Any,
    cluster: NDArray[np.intp],
    at: NDArray[np.float64],
    level: Level,
    confidence: float,
    resamples: int,
    seed: int,
) -> tuple[float, float]:
    k = len(at)
    weights = draw(int(cluster.max()) + 1, resamples=resamples, seed=seed)
    boot = []
    for part in np.array_split(weights, _n_chunks(resamples, k)):
        summed = part[:, cluster] @ coincidences
        boot.append(_alphas(np.asarray(summed).reshape(-1, k, k), at, level))
    low, high = percentile(np.concatenate(boot), confidence=confidence)
    return float(low), float(high)


def pairwise_kappa(
    table: pd.DataFrame,
    *,
    weights: Sequence[Weights] = (None, "quadratic"),
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Kappa of every two raters on the items both rated (the paper's Figure 6).

    Parameters
    ----------
    table
        Long table of ratings.
    weights
        Which kappas; the paper does not say which it used (decision A15).
    confidence
        Level of the cluster-bootstrap intervals over videos.
    resamples, seed
        Of the bootstrap.

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
                    confidence=confidence,
                    resamples=resamples,
                    seed=seed,
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
                        "observed": float((both[a] == both[b]).mean()) if len(both) else _NAN,
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
                found = cohen_kappa(part[0], part[1], "quadratic", confidence=confidence)
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
