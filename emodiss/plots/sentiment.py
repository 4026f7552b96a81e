"""The sentiment of what therapists and patients say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from emodiss.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_sentiment(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the sentiment of therapists' and patients' utterances of an utterance table."""
    with style.house_style():
        ax = style.axes_or_new(ax)
        # Centred on 0, where VADER puts every text without a word it knows.
        edges = np.linspace(-1.05, 1.05, 22).tolist()
        drawn = False
        for role in ("therapist", "patient"):
            values = table.loc[table["role"] == role, "sentiment"].dropna()
            if not len(values):
                continue
            drawn = True
            colour = style.ROLE_COLOURS[role]
            share = np.full(len(values), 1 / len(values))
            mean = f"{values.mean():+z.2f}".replace("-", "\N{MINUS SIGN}")
            label = f"{role} (n = {len(values):,}, mean {mean})"
            line = "-" if role == "therapist" else "--"
            ax.hist(values, edges, weights=share, color=colour, alpha=0.3)
            ax.hist(values, edges, weights=share, histtype="step", color=colour, ls=line, lw=1.3)
            # The mean, in the line of the outline: roles differ in more than colour.
            ax.axvline(values.mean(), ymax=0.76, color=colour, lw=1.8, ls=line, label=label)
        if drawn:
            ax.legend(loc="upper left", fontsize=8)
            ax.set_ylim(top=1.3 * ax.get_ylim()[1])
        else:
            style.empty_note(ax, "no text by a known role")
        ax.set(xlabel="sentiment of the words (VADER compound)", ylabel="share of utterances")
    return ax
