"""How long the videos of a corpus are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from emodiss.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_durations(minutes: pd.Series, *, ax: Axes | None = None) -> Axes:
    """Draw how long the videos are, from their minutes."""
    from matplotlib.ticker import MaxNLocator

    with style.house_style():
        ax = style.axes_or_new(ax)
        if len(minutes):
            top = float(minutes.max())
            bins = np.histogram_bin_edges(
                minutes, bins="auto" if len(minutes) > 20 else 10, range=(0, 1.05 * top)
            )
            ax.hist(minutes, bins=bins.tolist(), color=style.QUIET, edgecolor="white")
            median = float(minutes.median())
            if len(minutes) > 1:
                label = f"median {median:.1f} min (n = {len(minutes):,})"
                ax.axvline(median, color=style.INK, lw=1, ls="--", label=label)
                ax.legend(loc="upper left" if median > top / 2 else "upper right")
            else:
                ax.text(0.03, 0.97, f"1 video, {median:.1f} min", va="top", transform=ax.transAxes)
            ax.set_ylim(top=1.2 * ax.get_ylim()[1])
        else:
            style.empty_note(ax, "no video")
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set(xlabel="duration, min", ylabel="videos")
    return ax
