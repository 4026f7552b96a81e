"""Figure 5: mean ratings per model and condition."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from emodiss.plots import style
from emodiss.plots.ratings.tables import in_order, largest_first, nothing, one_criterion, require
from emodiss.ratings import CRITERIA, LIKERT, RatingScale
from emodiss.vocabulary import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CONDITION_COLOURS = {
    "base": style.QUIET,
    "continuous": "#56B4E9",
    "discrete": "#009E73",
    "dissonance": style.FLAG,
}
"""Fill colour of the paper's conditions; others take the next hue of `_MORE_COLOURS`."""

_MORE_COLOURS = ("#E69F00", "#0072B2", "#D55E00", "#F0E442")
_HATCHES = ("", "//", "..", "xx", "\\\\", "++", "oo", "--")


def plot_means(
    means: pd.DataFrame, criterion: str, *, scale: RatingScale = LIKERT, ax: Axes | None = None
) -> Axes:
    """Draw the mean rating of each model under each condition, with intervals and n.

    Parameters
    ----------
    means
        From `statistics.condition_means`: criterion, model, condition, mean, low, high, n.
    scale
        Ends of the axis; bars start at the lowest rating, not at 0, which nobody could give.

    Returns
    -------
    Axes
        Models by their mean rating; per condition one container of bars, the paper's in its order,
        then others by their mean rating. Each bar says its n, unless all of the criterion have
        the same, which then stands beside the title. A cell without ratings has no bar, and n = 0.
    """
    require(
        means, ["criterion", "model", "condition", "mean", "low", "high", "n"], "condition_means"
    )
    part = one_criterion(means, criterion)
    # Over all criteria, so that the panels of Figure 5 are alike.
    rated = set(part["model"].astype("str"))
    models = [model for model in largest_first(means, "model", "mean") if model in rated]
    conditions = in_order(largest_first(means, "condition", "mean"), tuple(CONDITION_COLOURS))
    cell = part.assign(model=part["model"].astype("str"), condition=part["condition"].astype("str"))
    cell = cell.set_index(["model", "condition"])
    width = 0.84 / len(conditions)
    sizes = cell["n"].reindex(pd.MultiIndex.from_product([models, conditions])).fillna(0)
    n_alike = int(sizes.iloc[0]) if sizes.nunique() == 1 else None
    spare = iter(_MORE_COLOURS * len(conditions))
    with style.house_style():
        ax = style.axes_or_new(ax, width=1.2 + 1.1 * len(models), height=3.8)
        for k, condition in enumerate(conditions):
            at = np.arange(len(models)) - 0.42 + width * (k + 0.5)
            rows = cell.reindex(pd.MultiIndex.from_product([models, [condition]]))
            mean, low, high = (rows[c].to_numpy(dtype=np.float64) for c in ("mean", "low", "high"))
            n = rows["n"].fillna(0).to_numpy(dtype=np.int64)
            there = np.isfinite(mean)
            ax.bar(
                at[there],
                mean[there] - scale.low,
                0.92 * width,
                bottom=scale.low,
                color=CONDITION_COLOURS.get(condition) or next(spare),
                edgecolor="white",
                linewidth=0,
                hatch_linewidth=0.6,
                hatch=_HATCHES[k % len(_HATCHES)],
                label=condition,
            )
            # A mean at the end of the scale has a bar without height.
            half = 0.46 * width
            ax.hlines(
                mean[there], at[there] - half, at[there] + half,
                color=style.INK, lw=1.1, clip_on=False,
            )  # fmt: skip
            sure = there & np.isfinite(low) & np.isfinite(high)
            # A percentile interval need not be centred on the mean, but it holds it but for noise.
            reach = np.maximum(np.vstack([mean - low, high - mean])[:, sure], 0.0)
            ax.errorbar(at[sure], mean[sure], reach, fmt="none", ecolor=style.INK, elinewidth=1.1)
            for x, size in zip(at, n, strict=True):
                if n_alike is not None:
                    continue
                ax.annotate(
                    f"n = {size}",
                    (x, scale.low),
                    xytext=(0, 3),
                    textcoords="offset points",
                    rotation=90,
                    ha="center",
                    va="bottom",
                    fontsize=5.5,
                    bbox={"boxstyle": "square,pad=0.12", "fc": "white", "ec": "none"},
                )
        ax.set_xticks(range(len(models)), [style.wrap(m, 14) for m in models])
        ax.grid(axis="x", visible=False)
        ax.tick_params(axis="x", length=0)
        ax.set(ylim=(scale.low, scale.high), xlim=(-0.6, len(models) - 0.4))
        ax.set(ylabel=f"mean rating ({scale.low:g} to {scale.high:g})")
        ax.set_title(criterion if n_alike is None else f"{criterion} (n = {n_alike:,} each)")
    return ax


def figure5(means: pd.DataFrame, *, scale: RatingScale = LIKERT, note: str = "") -> Figure:
    """Draw paper A's Figure 5: mean ratings per model and condition, one panel per criterion.

    Parameters
    ----------
    means
        From `statistics.condition_means`; its intervals are cluster-bootstrap intervals over
        videos (research decision A16).
    note
        What a reader must know about the windows; stands below.
    """
    import matplotlib.pyplot as plt

    require(means, ["criterion", "model"], "condition_means")
    with style.house_style():
        if means.empty:
            return nothing("no ratings")
        criteria = in_order(means["criterion"], CRITERIA)
        models = means["model"].nunique()
        figure, axes = plt.subplots(
            1, len(criteria), figsize=(max(3.6, 0.9 + 0.85 * models) * len(criteria), 4.0),
            squeeze=False,
        )  # fmt: skip
        for ax, criterion in zip(axes[0], criteria, strict=True):
            plot_means(means, criterion, scale=scale, ax=ax)
        for ax in axes[0, 1:]:
            ax.set_ylabel("")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        known = dict(zip(labels, handles, strict=True))
        for ax in axes[0, 1:]:
            found = zip(*reversed(ax.get_legend_handles_labels()), strict=True)
            known |= {label: handle for label, handle in found if label not in known}
        figure.legend(
            list(known.values()),
            list(known),
            loc="outside lower center",
            ncols=min(len(known), 2 * len(criteria)),
            title="\n".join(_said(means, textwrap.fill(note, 60 * len(criteria)))),
            title_fontsize=7,
        )
    return figure


def _said(means: pd.DataFrame, note: str) -> list[str]:
    """Say what the lines are, if there are any, and the note."""
    lines = means[["low", "high"]].notna().all(axis=1).any()
    told = f"lines: intervals over {_videos(means)} (cluster bootstrap)" if lines else ""
    return [text for text in (told, note) if text]


def _videos(means: pd.DataFrame) -> str:
    """Say how many videos an interval rests on: few make it look surer than it is."""
    if "n_videos" not in means.columns:
        return "videos"
    counts = means.loc[means["n"] > 0, "n_videos"].astype("int64")
    low, high = int(counts.min()), int(counts.max())
    return counted(low, "video") if low == high else f"{low:,} to {high:,} videos"
