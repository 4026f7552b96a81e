"""Reliability and severity: intraclass correlation, and how strict each rater is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from emodiss.errors import nearest
from emodiss.ratings import usable
from emodiss.statistics.bootstrap import (
    DEFAULT,
    ONE_VIDEO,
    Bootstrap,
    Estimate,
    StatisticsError,
    check_confidence,
    codes_of,
)

ICC_FORMS = ("ICC1,1", "ICC2,1", "ICC3,1", "ICC1,k", "ICC2,k", "ICC3,k")
"""The six forms of Shrout and Fleiss (1979)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Icc(Estimate):
    """An intraclass correlation, with an interval based on F.

    Parameters
    ----------
    form
        One of `ICC_FORMS`.
    f, df1, df2, p_value
        Test that items do not differ.
    n_items, n_raters
        Complete items used; raters.
    n_dropped
        Items left out because a rating is missing.
    """

    form: str
    f: float = np.nan
    df1: int = 0
    df2: int = 0
    p_value: float = np.nan
    n_items: int
    n_raters: int
    n_dropped: int
    confidence: float


def icc(table: ArrayLike | pd.DataFrame, form: str = "ICC2,1", *, confidence: float = 0.95) -> Icc:
    """Intraclass correlation in one of the six forms of Shrout and Fleiss (1979).

    1: each item has its own raters; 2: raters are a random sample, absolute agreement; 3: these
    raters only, consistency, so severity does not count. `,1`: one rater; `,k`: mean of all.
    Intervals after Shrout and Fleiss (1979) and McGraw and Wong (1996, table 7).

    Parameters
    ----------
    table
        Items in rows, raters in columns, as from `ratings.wide`. Rows with a missing rating are
        dropped and counted.
    form
        One of `ICC_FORMS`; brackets and spaces are allowed, as in "ICC(2, 1)".

    Raises
    ------
    StatisticsError
        If the form is unknown or the table is not two-dimensional numbers.
    """
    check_confidence(confidence)
    plain = form.replace("(", "").replace(")", "").replace(" ", "")
    if plain not in ICC_FORMS:
        raise StatisticsError(f"Unknown form '{form}'.", next_step=nearest(plain, ICC_FORMS))
    if np.ndim(table) != 2:
        raise StatisticsError(f"The table has {np.ndim(table)} dimension(s); 2 were expected.")
    cells = np.asarray(table, dtype=np.float64)
    complete = cells[~np.isnan(cells).any(axis=1)]
    n, k = complete.shape
    result = partial(
        Icc,
        form=plain,
        n_items=n,
        n_raters=k,
        n_dropped=len(cells) - n,
        confidence=confidence,
    )
    reason = ""
    if k < 2:
        reason = f"{k} rater(s): two or more are needed"
    elif n < 2:
        reason = f"{n} complete item(s): two or more are needed"
    elif np.ptp(complete) == 0:
        reason = "all ratings are equal: there is no variation to agree on"
    if reason:
        return result(reason=reason)
    squares = _mean_squares(complete)
    kind, average = plain[3], plain.endswith("k")
    df1 = n - 1
    df2 = n * (k - 1) if kind == "1" else (n - 1) * (k - 1)
    error = squares.within if kind == "1" else squares.error
    if kind == "2":
        value, low, high = _icc2(squares, n, k, confidence)
    else:
        value, low, high = _icc_ratio(squares.items, error, df1, df2, k, confidence)
    if average:
        value, low, high = (_stepped_up(x, k) for x in (value, low, high))
    from scipy.special import fdtrc

    f = squares.items / error if error > 0 else math.inf
    p_value = float(fdtrc(df1, df2, f)) if math.isfinite(f) else 0.0
    if math.isnan(value):
        reason = "the mean squares leave no variance to compare"
    elif error == 0:
        reason = "no error variance: the interval does not exist" if math.isnan(low) else ""
    return result(
        statistic=value, low=low, high=high, f=f, df1=df1, df2=df2, p_value=p_value, reason=reason
    )


def icc_forms(table: ArrayLike | pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """All six forms, one row each, columns as the fields of `Icc`."""
    rows = [icc(table, form, confidence=confidence).to_frame() for form in ICC_FORMS]
    forms = pd.concat(rows, ignore_index=True)
    forms.insert(0, "form", forms.pop("form"))
    return forms


@dataclass(frozen=True, slots=True)
class _MeanSquares:
    items: float
    raters: float
    error: float
    within: float


def _mean_squares(x: NDArray[np.float64]) -> _MeanSquares:
    n, k = x.shape
    # Sums of squares do not depend on the origin; near it they lose the fewest digits.
    x = x - x.mean()
    rows, columns = x.mean(axis=1), x.mean(axis=0)
    items = k * float(rows @ rows) / (n - 1)
    raters = n * float(columns @ columns) / (k - 1)
    rest = x - rows[:, None] - columns[None, :]
    error = float((rest**2).sum()) / ((n - 1) * (k - 1))
    within = float(((x - rows[:, None]) ** 2).sum()) / (n * (k - 1))
    crumbs = 1e-24 * float((x**2).sum())
    return _MeanSquares(items, raters, error if error > crumbs else 0.0, within)


def _icc_ratio(
    items: float, error: float, df1: int, df2: int, k: int, confidence: float
) -> tuple[float, float, float]:
    """Forms 1 and 3: (F - 1) / (F + k - 1), monotone in F, so limits of F are limits of it."""
    from scipy.stats import f as f_distribution

    if error == 0:
        return (1.0, np.nan, np.nan) if items > 0 else (np.nan, np.nan, np.nan)
    upper_tail = 0.5 + confidence / 2
    ratio = items / error
    low = ratio / float(f_distribution.ppf(upper_tail, df1, df2))
    high = ratio * float(f_distribution.ppf(upper_tail, df2, df1))
    value, below, above = ((x - 1.0) / (x + k - 1.0) for x in (ratio, low, high))
    return value, below, above


def _icc2(s: _MeanSquares, n: int, k: int, confidence: float) -> tuple[float, float, float]:
    from scipy.stats import f as f_distribution

    below = s.items + (k - 1) * s.error + k * (s.raters - s.error) / n
    if below <= 0:
        return np.nan, np.nan, np.nan
    value = (s.items - s.error) / below
    if s.error == 0:
        return value, np.nan, np.nan
    upper_tail = 0.5 + confidence / 2
    fj = s.raters / s.error
    # Satterthwaite degrees of freedom (Shrout and Fleiss 1979, p. 424).
    a = k * value * fj
    b = n * (1 + (k - 1) * value) - k * value
    v = (k - 1) * (n - 1) * (a + b) ** 2 / ((n - 1) * a**2 + b**2)
    f_low = float(f_distribution.ppf(upper_tail, n - 1, v))
    f_high = float(f_distribution.ppf(upper_tail, v, n - 1))
    mixed = k * s.raters + (k * n - k - n) * s.error
    low = n * (s.items - f_low * s.error) / (f_low * mixed + n * s.items)
    high = n * (f_high * s.items - s.error) / (mixed + n * f_high * s.items)
    return value, low, high


def _stepped_up(value: float, k: int) -> float:
    """Spearman-Brown: reliability of the mean of k raters."""
    below = 1.0 + (k - 1) * value
    return k * value / below if below > 0 else -math.inf


def severity(
    table: pd.DataFrame,
    *,
    by: Literal["rater", "rater_group"] = "rater",
    bootstrap: Bootstrap = DEFAULT,
) -> pd.DataFrame:
    """How strict raters or groups are: raw mean and SD, and the difference on the same items.

    The paper reports raw means (3.88 +/- 1.11 and 3.20 +/- 0.97 for its two groups). Raw means
    also differ when raters saw other items; `effect` does not: it is the rater's part in the
    additive model value = item + rater, by least squares, as a difference from the mean rater.

    Parameters
    ----------
    by
        `rater` or `rater_group`; a group's effect is the mean effect of its raters.
    bootstrap
        Resamples, seed and level of the cluster-bootstrap intervals over videos.

    Returns
    -------
    DataFrame
        One row per criterion (and `all` criteria together, where there are several) and rater or
        group: n, n_raters, mean, sd, effect (negative: stricter than average), low, high,
        reason.
    """
    needs = ("rater", "item", "video", "criterion", "value")
    rows = usable(table, needs=(*needs, *(("rater_group",) if by == "rater_group" else ())))
    if by not in ("rater", "rater_group"):
        raise StatisticsError(f"by is '{by}'; 'rater' or 'rater_group' was expected.")
    parts: list[tuple[Any, pd.DataFrame]] = list(rows.groupby("criterion", sort=True))
    if len(parts) > 1:
        parts.append(("all", rows))
    out = []
    for criterion, part in parts:
        effects, boot, names = _rater_effects(part, bootstrap)
        raters = pd.Series(names)
        groups = (
            raters
            if by == "rater"
            else raters.map(part.drop_duplicates("rater").set_index("rater")["rater_group"])
        )
        for name, group in part.groupby(by, sort=True):
            mine = (groups == name).to_numpy()
            effect = float(effects[mine].mean())
            low = high = np.nan
            reason = ""
            if len(names) < 2:
                reason = "one rater only: nobody to compare with"
            elif math.isnan(effect):
                reason = "raters share too few items to be compared"
            elif part["video"].nunique() < 2:
                reason = ONE_VIDEO
            else:
                low, high = bootstrap.limits(boot[:, mine].mean(axis=1))
            out.append(
                {
                    "criterion": criterion,
                    by: name,
                    "n": len(group),
                    "n_raters": group["rater"].nunique(),
                    "mean": float(group["value"].mean()),
                    "sd": float(group["value"].std(ddof=1)),
                    "effect": effect,
                    "low": low,
                    "high": high,
                    "reason": reason,
                }
            )
    return pd.DataFrame(out)


def adjust_severity(table: pd.DataFrame) -> pd.DataFrame:
    """Take the raters' severity out of their ratings.

    Where raters saw different items, a mean over raters also says who rated. Each rating loses
    its rater's effect (see `severity`), criterion by criterion, so that means compare items and
    not raters. Where everybody rated everything, no mean over raters changes.

    Parameters
    ----------
    table
        Long table of ratings. Effects are estimated without repeats, and taken off them too.

    Returns
    -------
    DataFrame
        A copy with changed values, which may leave the scale. Intervals computed from it take
        the effects as known.

    Raises
    ------
    StatisticsError
        If raters share too few items to be compared.
    """
    rows = usable(table, needs=("rater", "item", "video", "criterion", "value"))
    out = table.copy()
    for criterion, part in rows.groupby("criterion", sort=True):
        effects, _, names = _rater_effects(part, Bootstrap(resamples=0))
        if np.isnan(effects).any():
            raise StatisticsError(
                f"The raters share too few items of {criterion} to compare their severity.",
                next_step="Do without the adjustment, or have some items rated by everybody.",
            )
        mine = out["criterion"] == criterion
        effect = out.loc[mine, "rater"].map(dict(zip(names, effects, strict=True)))
        out.loc[mine, "value"] -= effect.fillna(0.0)
    return out


def _rater_effects(
    rows: pd.DataFrame, bootstrap: Bootstrap
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[Any]]:
    """Least-squares rater effects with items swept out; per video, so that videos resample."""
    rater, names = codes_of(rows["rater"])
    # The same response rated on two criteria is two things to agree on.
    item = pd.factorize(rows["item"].astype("str") + "\0" + rows["criterion"].astype("str"))[0]
    video, videos = codes_of(rows["video"])
    value = rows["value"].to_numpy(dtype=np.float64)
    r, n_items = len(names), int(item.max()) + 1
    seen = np.zeros((n_items, r))
    np.add.at(seen, (item, rater), 1.0)
    sums = np.zeros((n_items, r))
    np.add.at(sums, (item, rater), value - value.mean())
    size = seen.sum(axis=1)
    of_video = np.zeros(n_items, dtype=np.intp)
    of_video[item] = video
    # Normal equations after sweeping: A = diag(n_r) - N' D^-1 N, b = sum_r - N' D^-1 sum_item.
    a = -seen[:, :, None] * seen[:, None, :] / size[:, None, None]
    a[:, np.arange(r), np.arange(r)] += seen
    b = sums - seen * (sums.sum(axis=1) / size)[:, None]
    a_video = np.zeros((len(videos), r * r))
    np.add.at(a_video, of_video, a.reshape(n_items, -1))
    b_video = np.zeros((len(videos), r))
    np.add.at(b_video, of_video, b)
    weights = np.vstack([np.ones(len(videos)), bootstrap.draw(len(videos))])
    solved = _solve((weights @ a_video).reshape(-1, r, r), weights @ b_video)
    return solved[0], solved[1:], names


def _solve(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Effects that sum to zero; NaN where the raters fall into unconnected sets."""
    r = a.shape[1]
    scale = np.maximum(np.trace(a, axis1=1, axis2=2) / max(r, 1), 1e-300)
    anchored = a / scale[:, None, None] + np.full((r, r), 1.0 / r)
    singular = np.linalg.eigvalsh(anchored)[:, 0] < 1e-9
    anchored[singular] = np.eye(r)
    effects = np.linalg.solve(anchored, (b / scale[:, None])[:, :, None])[:, :, 0]
    effects -= effects.mean(axis=1, keepdims=True)
    effects[singular] = np.nan
    return effects
