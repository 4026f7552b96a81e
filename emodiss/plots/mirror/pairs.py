"""Figure 5 of MIRROR: how often each of two models was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING

import pandas as pd

from emodiss.plots import style
from emodiss.plots.ratings.tables import nothing, require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WON, _TIED, _LOST = "#0072B2", "#D9DCE1", "#E69F00"


def plot_pairs(pairs: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw a bar per pair of models, of one criterion's `win_rates(...).pairs`: won, tied, lost."""
    models = list(dict.fromkeys(pairs["model"].astype("str")))
    rows = pairs.set_index(["model", "opponent"])
    meetings = [pair for pair in combinations(models, 2) if pair in rows.index]
    with style.house_style():
        ax = style.axes_or_new(ax, width=5.0, height=1.2 + 0.75 * len(meetings))
        for place, (one, two) in enumerate(meetings):
            row = rows.loc[(one, two)]
            counts = [int(row[name]) for name in ("wins", "ties", "losses")]
            total, left = sum(counts), 0.0
            y = place + 0.16
            if total == 0:
                ax.text(50, y, "not compared", ha="center", va="center", color=style.QUIET)
            for n, colour in zip(counts, (_WON, _TIED, _LOST), strict=True):
                width = 100 * n / total if total else 0.0
                ax.barh(y, width, 0.42, left=left, color=colour)
                if width >= 9:
                    ink = "white" if colour == _WON else style.INK
                    said = f"{width:.0f} %\nn = {n}" if width >= 12 else f"{n}"
                    ax.text(left + width / 2, y, said, ha="center", va="center", color=ink, size=6)
                left += width
            ax.text(0, place - 0.12, style.short(one, 30), ha="left", va="bottom", size=7.5)
            ax.text(100, place - 0.12, style.short(two, 30), ha="right", va="bottom", size=7.5)
        ax.axvline(50, color=style.INK, lw=0.6, ls=":")
        ax.set(xlim=(0, 100), ylim=(len(meetings) - 0.4, -0.5), yticks=[])
        ax.set_xticks([0, 25, 50, 75, 100])
        ax.tick_params(axis="x", labelsize=7)
        ax.set_xlabel("share of comparisons, %")
        ax.grid(visible=False)
        ax.spines["left"].set_visible(False)
    return ax


def figure_pairs(pairs: pd.DataFrame, *, titles: Mapping[str, str] | None = None) -> Figure:
    """Draw Figure 5: one panel per criterion, one bar per pair of models.

    Parameters
    ----------
    pairs
        From `statistics.win_rates(...).pairs`; ties are shown as they are, whatever was done with
        them in the rates.
    titles
        Criterion to the title of its panel, in order; names as they are if None.
    """
    import matplotlib.pyplot as plt
    from matplotlib.patches import Patch

    needed = ["criterion", "model", "opponent", "wins", "ties", "losses"]
    require(pairs, needed, "statistics.win_rates")
    with style.house_style():
        if pairs.empty:
            return nothing("no comparisons")
        seen = list(dict.fromkeys(pairs["criterion"].astype("str")))
        named = {name: name for name in seen} if titles is None else titles
        criteria = [name for name in named if name in seen]
        n_pairs = pairs["model"].nunique() * (pairs["model"].nunique() - 1) // 2
        figure, axes = plt.subplots(
            1, len(criteria), figsize=(3.7 * len(criteria), 1.2 + 0.75 * n_pairs), squeeze=False
        )
        for ax, criterion in zip(axes[0], criteria, strict=True):
            plot_pairs(pairs[pairs["criterion"] == criterion], ax=ax)
            ax.set_title(named[criterion])
        handles = [Patch(color=c) for c in (_WON, _TIED, _LOST)]
        figure.legend(
            handles, ["the left one was chosen", "tie", "the right one was chosen"],
            loc="outside lower center", ncols=3,
        )  # fmt: skip
    return figure
