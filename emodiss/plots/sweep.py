"""Flag rate over thresholds, beside what chance gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from emodiss.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_sweep(
    table: pd.DataFrame, *, threshold: float | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the flag rate of decided utterances at each threshold, and the band of re-paired sides.

    Parameters
    ----------
    table
        As from `emodiss.dissonance.sweep_against_chance`.
    """
    with style.house_style():
        ax = style.axes_or_new(ax, width=5.6, height=4.2)
        x = table["threshold"].to_numpy(float)
        n = int(table["n_determined"].max()) if len(table) else 0
        ax.set(xlabel="threshold T", ylabel="share of utterances past T", ylim=(-0.02, 1.02))
        if not n:
            style.empty_note(ax, "no utterance with both sides")
            return ax
        if table["null_rate"].notna().any():
            low, high = table["null_low"].to_numpy(float), table["null_high"].to_numpy(float)
            label = "re-paired: mean and 95 %"
            ax.fill_between(x, low, high, color=style.QUIET, alpha=0.3, lw=0, label=label)
            ax.plot(x, table["null_rate"], color=style.QUIET, lw=1, ls="--")
        ax.plot(
            x, table["rate"], color=style.FLAG, marker="o", ms=3.5, label=f"observed, n = {n:,}"
        )
        if threshold is not None and threshold == threshold:
            ax.axvline(threshold, color=style.INK, lw=0.8, ls=":", label=f"T = {threshold:.3g}")
        ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, fontsize=8)
    return ax
