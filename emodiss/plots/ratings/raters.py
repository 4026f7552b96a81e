"""Figure 11: who the raters are."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from emodiss.plots import style
from emodiss.plots.ratings.tables import in_order, nothing, require
from emodiss.ratings import QUESTIONS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_answers(counts: pd.DataFrame, question: str, *, ax: Axes | None = None) -> Axes:
    """Draw how many raters gave each answer to one question, from `ratings.background`."""
    from matplotlib.ticker import MaxNLocator

    require(counts, ["question", "title", "answer", "n", "n_raters"], "ratings.background")
    part = counts[counts["question"] == question]
    with style.house_style():
        ax = style.axes_or_new(ax, height=2.6)
        if part.empty:
            style.empty_note(ax, "nobody answered")
            ax.set_title(textwrap.fill(question.replace("_", " "), 40))
            return ax
        n = part["n"].to_numpy(dtype=np.int64)
        # Every panel reaches to all raters, so that lengths are shares wherever one looks.
        asked = int(part["n_raters"].iloc[0])
        labels = [textwrap.fill(str(a), 22) for a in part["answer"]]
        bars = ax.barh(range(len(n)), n, 0.62, color=style.SPEECH)
        ax.bar_label(bars, labels=[str(k) for k in n], padding=3, fontsize=8)
        ax.set_yticks(range(len(n)), labels)
        ax.set(ylim=(max(len(n), 2) - 0.4, -0.6), xlim=(0, 1.12 * max(asked, 1)))
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.grid(axis="y", visible=False)
        ax.tick_params(axis="y", length=0)
        several = int(n.sum()) > asked
        ax.set_xlabel(f"raters (of {asked}{', several answers each' if several else ''})")
        ax.set_title(textwrap.fill(str(part["title"].iloc[0]), 40))
    return ax


def figure11(counts: pd.DataFrame) -> Figure:
    """Draw paper A's Figure 11: the raters' background, one panel per question.

    Parameters
    ----------
    counts
        From `ratings.background`.
    """
    import matplotlib.pyplot as plt

    require(counts, ["question", "title", "answer", "n", "n_raters"], "ratings.background")
    with style.house_style():
        if counts.empty:
            return nothing("nobody answered the questionnaire")
        questions = in_order(counts["question"], tuple(QUESTIONS))
        n_columns = 2 if len(questions) == 4 else min(3, len(questions))
        n_rows = -(-len(questions) // n_columns)
        sizes = [max(2, int((counts["question"] == q).sum())) for q in questions]
        heights = [
            1.2 + 0.36 * max(sizes[row * n_columns : (row + 1) * n_columns])
            for row in range(n_rows)
        ]
        figure, axes = plt.subplots(
            n_rows, n_columns, squeeze=False, height_ratios=heights,
            figsize=(4.3 * n_columns, sum(heights)),
        )  # fmt: skip
        for ax, question in zip(axes.flat, questions, strict=False):
            plot_answers(counts, question, ax=ax)
        for ax in axes.flat[len(questions) :]:
            ax.set_axis_off()
    return figure
