"""Agreement of any number of raters: Krippendorff's alpha."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from emodiss.errors import nearest
from emodiss.statistics.bootstrap import (
    DEFAULT,
    TOO_FEW,
    Bootstrap,
    Estimate,
    Labels,
    StatisticsError,
    blocks,
    check_clusters,
)

Level = Literal["nominal", "ordinal", "interval", "ratio"]
LEVELS: tuple[Level, ...] = ("nominal", "ordinal", "interval", "ratio")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alpha(Estimate):
    """Krippendorff's alpha, with a bootstrap interval over units or clusters of units.

    Parameters
    ----------
    n_units, n_values, n_raters
        Units with two or more ratings, ratings in them, raters who gave at least one of these.
    n_dropped
        Ratings left out because nobody else rated that unit.
    """

    level: Level
    n_units: int
    n_values: int
    n_raters: int
    n_dropped: int


def krippendorff_alpha(
    table: ArrayLike | pd.DataFrame,
    level: Level = "ordinal",
    *,
    raters: Literal["columns", "rows"] = "columns",
    clusters: Labels | None = None,
    bootstrap: Bootstrap = DEFAULT,
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
    bootstrap
        Resamples (0 leaves the interval out), seed and level of the interval.

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

    result = partial(
        Alpha,
        level=level,
        n_units=n_units,
        n_values=n_values,
        n_raters=n_raters,
        n_dropped=n_dropped,
    )
    if n_units == 0:
        return result(reason="no unit was rated twice")
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
        return result(reason="all ratings are equal: there is no variation to agree on")
    coincidences = _unit_coincidences(unit, codes, per_unit, k)
    total = np.asarray(coincidences.sum(axis=0)).reshape(1, k, k)
    alpha = float(_alphas(total, at, level)[0])
    low = high = np.nan
    reason = ""
    if bootstrap.resamples:
        cluster = (
            np.arange(len(cells)) if clusters is None else check_clusters(clusters, len(cells))
        )
        held, cluster = np.unique(cluster[np.unique(unit)], return_inverse=True)
        if len(held) < 2:
            reason = "one unit or cluster: no interval"
        else:
            low, high = _alpha_limits(coincidences[np.unique(unit)], cluster, at, level, bootstrap)
            reason = TOO_FEW if np.isnan(low) else ""
    return result(statistic=alpha, low=low, high=high, reason=reason)


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
    bootstrap: Bootstrap,
) -> tuple[float, float]:
    k = len(at)
    weights = bootstrap.draw(int(cluster.max()) + 1)
    boot = []
    for part in blocks(weights, k * k):
        summed = part[:, cluster] @ coincidences
        boot.append(_alphas(np.asarray(summed).reshape(-1, k, k), at, level))
    return bootstrap.limits(np.concatenate(boot))
