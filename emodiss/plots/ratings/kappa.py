"""Figure 6: agreement of every two raters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from emodiss.errors import SettingsError, nearest
from emodiss.plots import style
from emodiss.plots.ratings.tables import in_order, nothing, one_criterion, require
from emodiss.ratings import CRITERIA

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CELL_IN = 0.6
# A title of more letters would run into the next one.
_LETTERS_PER_IN = 10.5
# Longer names would run into each other below the columns.
_LONG_NAME = 6
_WEIGHT_NAMES = {"none": "unweighted", "quadratic": "quadratic weights", "linear": "linear weights"}


def plot_kappa(
    kappa: pd.DataFrame, criterion: str, *, weights: str = "none", ax: Axes | None = None
) -> Axes:
    """Draw the kappa of every two raters as a matrix.

    Parameters
    ----------
    kappa
        From `statistics.pairwise_kappa`: criterion, rater_a, rater_b, weights, kappa, n and, if
        known, group_a and group_b (raters are then ordered by group, with a line between).
    weights
        `none`, `linear` or `quadratic`.

    Returns
    -------
    Axes
        One image of shape (raters, raters), NaN on the diagonal and where kappa does not exist.
    """
    import matplotlib as mpl
    from matplotlib.patches import Rectangle

    require(kappa, ["criterion", "rater_a", "rater_b", "weights", "kappa", "n"], "pairwise_kappa")
    part = one_criterion(kappa, criterion)
    part = part[part["weights"] == weights]
    if part.empty:
        raise SettingsError(
            f"The table has no kappa with weights '{weights}'.",
            next_step=nearest(weights, [str(name) for name in kappa["weights"].unique()]),
        )
    raters, groups = _raters(part)
    place = {rater: k for k, rater in enumerate(raters)}
    size = len(raters)
    values = np.full((size, size), np.nan)
    n = np.zeros((size, size), dtype=np.int64)
    for row in part.itertuples(index=False):
        a, b = place[str(row.rater_a)], place[str(row.rater_b)]
        values[a, b] = values[b, a] = row.kappa
        n[a, b] = n[b, a] = row.n
    with style.house_style():
        labels, numbers = _labels(raters, groups)
        ax = style.axes_or_new(
            ax, width=1.0 + _CELL_IN * size + _reach(labels), height=1.0 + _CELL_IN * size
        )
        colours = mpl.colormaps["RdBu"]
        image = ax.imshow(values, cmap=colours, vmin=-1, vmax=1)
        for a in range(size):
            for b in range(size):
                if a == b:
                    ax.add_patch(Rectangle((a - 0.5, a - 0.5), 1, 1, fc="#D9DDE2", ec="none"))
                    continue
                known = bool(np.isfinite(values[a, b]))
                if not known:
                    ax.add_patch(
                        Rectangle((b - 0.5, a - 0.5), 1, 1, fc="none", ec=style.QUIET, hatch="///",
                                  lw=0)
                    )  # fmt: skip
                text = _two_places(values[a, b]) if known else "none"
                dark = known and abs(values[a, b]) > 0.65
                ax.text(
                    b, a, f"{text}\nn = {n[a, b]}", ha="center", va="center", fontsize=6.5,
                    color="white" if dark else style.INK,
                    bbox=None if known else {"fc": "white", "ec": "none", "pad": 1},
                )  # fmt: skip
        for k in range(1, size):
            if groups[k] != groups[k - 1]:
                ax.axhline(k - 0.5, color=style.INK, lw=1.2)
                ax.axvline(k - 0.5, color=style.INK, lw=1.2)
        ax.set_xticks(range(size), numbers, parse_math=False)
        ax.set_yticks(range(size), labels, parse_math=False)
        ax.tick_params(length=0)
        ax.grid(visible=False)
        ax.spines[:].set_visible(False)
        ax.set_title(f"{criterion}, {_WEIGHT_NAMES.get(weights, weights)}")
        image.set_label("Cohen's kappa")
    return ax


def _labels(raters: Sequence[str], groups: Sequence[str]) -> tuple[list[str], list[str]]:
    """Labels of rows and of columns; long names stand at the rows, and columns have numbers."""
    rows = [f"{g}  {r}" if g else r for r, g in zip(raters, groups, strict=True)]
    if max(len(rater) for rater in raters) <= _LONG_NAME:
        return rows, list(raters)
    numbers = [str(k) for k in range(1, len(raters) + 1)]
    return [f"{style.wrap(row, 30)} ({k})" for row, k in zip(rows, numbers, strict=True)], numbers


def _reach(labels: Sequence[str]) -> float:
    """Inches that labels at the rows take."""
    return 0.075 * max(len(line) for label in labels for line in label.splitlines())


def _two_places(value: float) -> str:
    """Write a number with two places and no minus before 0.00."""
    return f"{value:z.2f}".replace("-", "\N{MINUS SIGN}")


def _raters(part: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Raters and their groups, sorted by group and name."""
    group: dict[str, str] = {}
    for side in ("a", "b"):
        named = f"group_{side}"
        for k, rater in enumerate(part[f"rater_{side}"].astype("str")):
            found = part[named].iloc[k] if named in part.columns else None
            group[rater] = "" if found is None or pd.isna(found) else str(found)
    raters = sorted(group, key=lambda rater: (group[rater], rater))
    return raters, [group[rater] for rater in raters]


def figure6(kappa: pd.DataFrame) -> Figure:
    """Draw paper A's Figure 6: kappa matrices, one column per criterion, one row per weighting.

    The paper does not say which kappa it used (research decision A15): a rater who is one point
    stricter on every item gives kappa near 0 unweighted and 0.8 with quadratic weights.

    Parameters
    ----------
    kappa
        From `statistics.pairwise_kappa`; empty with one rater, which the figure then says.
    """
    import matplotlib.pyplot as plt

    require(kappa, ["criterion", "weights"], "pairwise_kappa")
    with style.house_style():
        if kappa.empty:
            return nothing("one rater: there is no pair to compare")
        criteria = in_order(kappa["criterion"], CRITERIA)
        weights = in_order(kappa["weights"], tuple(_WEIGHT_NAMES))
        size = len(set(kappa["rater_a"]) | set(kappa["rater_b"]))
        raters = {c: _raters(kappa[kappa["criterion"] == c]) for c in criteria}
        alike = all(found == raters[criteria[0]] for found in raters.values())
        reach = [_reach(_labels(*raters[c])[0]) if c == criteria[0] or not alike else 0.0
                 for c in criteria]  # fmt: skip
        side = max(1.9, _CELL_IN * size)
        figure, axes = plt.subplots(
            len(weights), len(criteria), squeeze=False,
            figsize=(
                (side + 0.25) * len(criteria) + sum(reach) + 1.2, (side + 0.75) * len(weights)
            ),
        )  # fmt: skip
        for i, weight in enumerate(weights):
            for j, criterion in enumerate(criteria):
                ax = axes[i, j]
                here = (kappa["criterion"] == criterion) & (kappa["weights"] == weight)
                if here.any():
                    plot_kappa(kappa, criterion, weights=weight, ax=ax)
                    ax.set_title(style.wrap(ax.get_title("left"), int(_LETTERS_PER_IN * side)))
                    if j and alike:
                        ax.set_yticklabels([])
                else:
                    style.empty_note(ax, f"no pair rated {criterion}")
                    ax.set_axis_off()
        drawn = [ax.images[0] for ax in axes.flat if ax.images]
        figure.colorbar(
            drawn[0], ax=list(axes.flat), label="Cohen's kappa (1 agreement, 0 chance)",
            shrink=0.6, aspect=30,
        )  # fmt: skip
    return figure
