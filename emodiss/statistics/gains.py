"""What a prompt condition adds: means per cell and gains over the base condition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emodiss.ratings import usable
from emodiss.statistics.bootstrap import (
    DEFAULT,
    ONE_VIDEO,
    TOO_FEW,
    Bootstrap,
    StatisticsError,
    codes_of,
)

_NEEDS = ("video", "model", "condition", "criterion", "value")


def condition_means(
    table: pd.DataFrame,
    *,
    by: Sequence[str] = ("model",),
    bootstrap: Bootstrap = DEFAULT,
) -> pd.DataFrame:
    """Average ratings per model and condition (the bars of the paper's Figure 5).

    Parameters
    ----------
    by
        Columns to split by besides criterion and condition: ("model",), (), ("rater_group",) ...

    Returns
    -------
    DataFrame
        One row per criterion, split and condition: mean, low, high, sd, n, n_videos, reason.
        Combinations without ratings have n 0 and NaN.
    """
    rows = usable(table, needs=tuple(dict.fromkeys((*_NEEDS, *by))))
    parts = []
    for criterion, group in rows.groupby("criterion", sort=True):
        cells = _Cells(group, by)
        low, high = bootstrap.limits(cells.boot_means(bootstrap))
        part = cells.frame.assign(
            mean=cells.means, low=low, high=high, sd=cells.sds, n=cells.n, n_videos=cells.n_videos
        )
        part["reason"] = [
            "no ratings"
            if n == 0
            else ONE_VIDEO
            if videos < 2
            else TOO_FEW
            if np.isnan(limit)
            else ""
            for n, videos, limit in zip(cells.n, cells.n_videos, low, strict=True)
        ]
        part.insert(0, "criterion", criterion)
        parts.append(part)
    return _stacked(parts, ["criterion", *by, "condition"])


def gains(
    table: pd.DataFrame,
    *,
    base: str = "base",
    by: Sequence[str] = ("model",),
    matched: bool = False,
    bootstrap: Bootstrap = DEFAULT,
) -> pd.DataFrame:
    """Subtract the base condition's mean (section 5.1 of the paper; `by=()` pools models).

    In a balanced design the mean of the per-model gains equals the pooled gain. In an unbalanced
    one it need not, because severe raters or hard videos may weigh more in one condition;
    `matched=True` removes that by comparing only within the same rater, video and model.

    Parameters
    ----------
    by
        Columns to split by besides criterion.
    matched
        Use only ratings whose rater rated the same video and model under both conditions.

    Returns
    -------
    DataFrame
        One row per criterion, split and other condition: gain, low, high, n_base, n_condition,
        n_videos, matched, reason. A condition missing for a model is a row with NaN and a reason.

    Raises
    ------
    StatisticsError
        If no rating was made under the base condition.
    """
    needs = tuple(dict.fromkeys((*_NEEDS, *by, *(("rater",) if matched else ()))))
    rows = usable(table, needs=needs)
    if base not in set(rows["condition"]):
        seen = ", ".join(sorted(map(str, rows["condition"].unique())))
        raise StatisticsError(
            f"There are no ratings under the base condition '{base}'.",
            next_step=f"Choices: {seen or 'none'}.",
        )
    parts = []
    for criterion, group in rows.groupby("criterion", sort=True):
        others = [c for c in codes_of(group["condition"])[1] if c != base]
        if matched:
            pieces = [
                _gain_rows(_only_matched(group, base, other), [other], group, base, by, bootstrap)
                for other in others
            ]
            part = pd.concat(pieces or [pd.DataFrame()], ignore_index=True)
        else:
            part = _gain_rows(group, others, group, base, by, bootstrap)
        part.insert(0, "criterion", criterion)
        parts.append(part.assign(matched=matched))
    columns = ["criterion", *by, "condition", "gain", "low", "high", "n_base", "n_condition"]
    return _stacked(parts, columns).reindex(columns=[*columns, "n_videos", "matched", "reason"])


def _gain_rows(
    rows: pd.DataFrame,
    others: list[str],
    everything: pd.DataFrame,
    base: str,
    by: Sequence[str],
    bootstrap: Bootstrap,
) -> pd.DataFrame:
    """One row per split and condition, also for splits that `rows` no longer holds."""
    keys = [()]
    if by:
        splits = everything[list(by)].drop_duplicates().sort_values(list(by))
        keys = list(splits.itertuples(index=False, name=None))
    cells = _Cells(rows, by)
    means = cells.boot_means(bootstrap) if len(rows) else np.zeros((0, 0))
    out = []
    for key in keys:
        for other in others:
            a, b = cells.place.get((*key, base)), cells.place.get((*key, other))
            n = [0 if at is None else int(cells.n[at]) for at in (a, b)]
            present = [at for at in (a, b) if at is not None]
            record: dict[str, Any] = dict(zip(by, key, strict=True)) | {
                "condition": other,
                "gain": np.nan,
                "low": np.nan,
                "high": np.nan,
                "n_base": n[0],
                "n_condition": n[1],
                "n_videos": int((cells.counts[:, present] > 0).any(axis=1).sum()),
                "reason": "",
            }
            empty = [name for name, size in zip((base, other), n, strict=True) if size == 0]
            if empty:
                record["reason"] = f"no ratings under {' and '.join(empty)}"
            else:
                record["gain"] = float(cells.means[b] - cells.means[a])
                low, high = bootstrap.limits(means[:, b] - means[:, a])
                record |= {"low": low, "high": high}
                if np.isnan(low):
                    record["reason"] = "too few videos for an interval"
            out.append(record)
    return pd.DataFrame(out)


def _only_matched(rows: pd.DataFrame, base: str, other: str) -> pd.DataFrame:
    pair = rows[rows["condition"].isin([base, other])]
    keys = ["rater", "video", "model"]
    if pair.duplicated([*keys, "condition"]).any():
        raise StatisticsError(
            "Some rater rated several windows of one video under the same model and condition, "
            "so that matched pairs are ambiguous.",
            next_step="Use matched=False, or give every window a video id of its own.",
        )
    both = pair.groupby(keys)["condition"].transform("nunique") == 2
    return pair[both]


def block_means(
    table: pd.DataFrame, criterion: str, *, block: str = "video", treatment: str = "condition"
) -> pd.DataFrame:
    """Average to blocks by treatments, NaN where nothing is left, for `friedman` and `wilcoxon`.

    Ratings are averaged over raters per item, then over the models that have every treatment in
    that block, so that no treatment profits from a missing model.

    Parameters
    ----------
    block
        Column whose values are independent: video.
    treatment
        Column to compare.
    """
    rows = usable(table, criterion=criterion, needs=(block, "model", treatment, "value"))
    other = "model" if treatment != "model" else "condition"
    cells = rows.groupby([block, other, treatment])["value"].mean().unstack(treatment)
    complete = cells.dropna()
    means = complete.groupby(level=block).mean()
    return means.reindex(cells.index.unique(level=block))


class _Cells:
    """Sums and counts per video and cell: all that a bootstrap of means needs."""

    def __init__(self, rows: pd.DataFrame, by: Sequence[str]) -> None:
        levels = [codes_of(rows[name]) for name in (*by, "condition")]
        names = [level for _, level in levels]
        index = pd.MultiIndex.from_product(names, names=[*by, "condition"])
        shape = tuple(len(level) for level in names)
        cell = np.ravel_multi_index(tuple(codes for codes, _ in levels), shape)
        video, videos = codes_of(rows["video"])
        value = rows["value"].to_numpy(dtype=np.float64)
        # Centred sums: differences of large sums would lose digits.
        self.centre = float(value.mean()) if len(value) else 0.0
        flat = video * len(index) + cell
        size = len(videos) * len(index)
        grid = (len(videos), len(index))
        self.counts = np.bincount(flat, minlength=size).reshape(grid).astype(np.float64)
        self.sums = np.bincount(flat, value - self.centre, minlength=size).reshape(grid)
        self.frame = index.to_frame(index=False)
        self.place = {tuple(key): i for i, key in enumerate(index)}
        self.n = self.counts.sum(axis=0).astype(np.int64)
        self.n_videos = (self.counts > 0).sum(axis=0)
        # Means from the values themselves, not from centred sums, so that they match pandas.
        total = np.bincount(cell, value, minlength=len(index)).astype(np.float64)
        self.means = _divide(total, self.n.astype(np.float64))
        squares = np.bincount(cell, (value - self.means[cell]) ** 2, minlength=len(index))
        self.sds = np.where(self.n > 1, np.sqrt(squares / np.maximum(self.n - 1, 1)), np.nan)

    def boot_means(self, bootstrap: Bootstrap) -> NDArray[np.float64]:
        weights = bootstrap.draw(len(self.counts))
        boot = _divide(weights @ self.sums, weights @ self.counts) + self.centre
        return np.where(self.n_videos < 2, np.nan, boot)


def _divide(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(below > 0, above / below, np.nan)


def _stacked(parts: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    if not parts:
        return pd.DataFrame(columns=pd.Index(columns))
    return pd.concat(parts, ignore_index=True)
