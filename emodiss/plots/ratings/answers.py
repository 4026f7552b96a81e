"""Failures and techniques of the models' answers, by model and condition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from emodiss.interventions import vocabulary
from emodiss.plots import style
from emodiss.plots.ratings.means import CONDITION_COLOURS
from emodiss.plots.ratings.tables import in_order, nothing, require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS = "osD^vP*X"
_MORE_COLOURS = ("#E69F00", "#0072B2", "#D55E00", "#F0E442")
_SPOKEN = {"any": "any failure", "unknown": "not in the vocabulary", "none": "none named"}


def plot_shares(
    shares: pd.DataFrame, what: str, *, conditions: Sequence[str], ax: Axes | None = None
) -> Axes:
    """Draw shares of one model's answers with intervals, a row each, conditions side by side."""
    rows = [str(name) for name in dict.fromkeys(shares[what])]
    place = {name: k for k, name in enumerate(rows)}
    spare = iter(_MORE_COLOURS * len(conditions))
    with style.house_style():
        ax = style.axes_or_new(ax, width=4.4, height=1.2 + 0.34 * len(rows))
        step = 0.7 / max(len(conditions), 1)
        for k, condition in enumerate(conditions):
            part = shares[shares["condition"] == condition]
            colour = CONDITION_COLOURS.get(condition) or next(spare)
            at = part[what].map(place).to_numpy(dtype=np.float64)
            at += (k - (len(conditions) - 1) / 2) * step
            low, high, share = (part[c].to_numpy(np.float64) for c in ("low", "high", "share"))
            ax.hlines(at, low, high, color=colour, lw=1.3)
            marker = _MARKERS[k % len(_MARKERS)]
            ax.plot(share, at, marker, color=colour, ms=4, label=condition)
        spoken: dict[str, str] = {**vocabulary().groups, **_SPOKEN}
        names = [style.wrap(spoken.get(name, name.replace("_", " ")), 26) for name in rows]
        ax.set_yticks(range(len(rows)), names, fontsize=8)
        ax.set(ylim=(len(rows) - 0.5, -0.5), xlim=(-0.02, 1.02))
        ax.grid(axis="y", visible=False)
        ax.tick_params(axis="y", length=0)
    return ax


def figure_answers(failures: pd.DataFrame, techniques: pd.DataFrame) -> Figure:
    """Draw per model how often answers fail, and below it the schools of their techniques.

    Parameters
    ----------
    failures
        From `statistics.failure_rates`.
    techniques
        From `statistics.technique_shares`.
    """
    import matplotlib.pyplot as plt

    needed = ["windows", "model", "condition", "n", "share", "low", "high"]
    require(failures, [*needed, "failure"], "statistics.failure_rates")
    require(techniques, [*needed, "technique_group"], "statistics.technique_shares")
    failures = failures[failures["windows"] == "all"]
    techniques = techniques[techniques["windows"] == "all"]
    with style.house_style():
        if failures.empty:
            return nothing("no answers")
        models = sorted(failures["model"].astype("str").unique())
        conditions = in_order(failures["condition"], tuple(CONDITION_COLOURS))
        heights = [
            0.9 + (0.07 * len(conditions) + 0.14) * table[what].nunique()
            for table, what in ((failures, "failure"), (techniques, "technique_group"))
        ]
        figure, axes = plt.subplots(
            2, len(models), squeeze=False, sharey="row", height_ratios=heights,
            figsize=(2.4 + max(2.7 * len(models), 3.6), 0.6 + sum(heights)),
        )  # fmt: skip
        for column, model in enumerate(models):
            for ax, table, what in (
                (axes[0, column], failures, "failure"),
                (axes[1, column], techniques, "technique_group"),
            ):
                own = table[table["model"].astype("str") == model]
                plot_shares(own, what, conditions=conditions, ax=ax)
            n = failures.loc[failures["model"].astype("str") == model, "n"]
            axes[0, column].set_title(style.wrap(style.short(model, 60), 26))
            span = f"{n.min():,}" if n.min() == n.max() else f"{n.min():,} to {n.max():,}"
            axes[1, column].set_xlabel(f"share of answers (n = {span} per condition)", fontsize=8)
        axes[0, 0].set_ylabel("failures")
        axes[1, 0].set_ylabel("techniques")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        lines = any(t[["low", "high"]].notna().any(axis=None) for t in (failures, techniques))
        said = "lines: Wilson intervals, wider where answers to one video are alike"
        figure.legend(
            handles, labels, loc="outside lower center", ncols=len(conditions),
            title=said if lines else "", title_fontsize=7,
        )  # fmt: skip
    return figure
