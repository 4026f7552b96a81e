"""One session on one time axis: who speaks, voice and face, and where they part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from emodiss.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure


def plot_session(
    table: pd.DataFrame,
    *,
    frames: pd.DataFrame | None = None,
    title: str = "",
    figure: Figure | SubFigure | None = None,
) -> Figure | SubFigure:
    """Draw one session: speakers, valence and arousal of both channels, flags (Figure 4).

    Parameters
    ----------
    table
        Utterance table of one video.
    frames
        Face frames of the same video; drawn as a fine line behind the means.
    title
        Heading of the figure.
    figure
        Where to draw; a new figure by default.

    Returns
    -------
    Figure or SubFigure
        Three axes that share seconds as x axis.
    """
    import matplotlib.pyplot as plt

    with style.house_style():
        figure = figure if figure is not None else plt.figure(figsize=(11, 6.2))
        axes = figure.subplots(3, 1, sharex=True, height_ratios=[1.1, 2.2, 2.2])
        _draw_speakers(axes[0], table)
        for ax, axis in zip(axes[1:], ("valence", "arousal"), strict=True):
            _draw_axis(ax, table, frames, axis)
        axes[2].set_xlabel("time, s")
        axes[1].legend(loc="upper left", ncols=5, bbox_to_anchor=(0, 1.16), fontsize=8)
        if len(table):
            axes[2].set_xlim(max(0.0, table["start"].min() - 1), table["end"].max() + 1)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return figure


def _draw_speakers(ax: Axes, table: pd.DataFrame) -> None:
    speakers = list(dict.fromkeys(table["speaker"]))
    for row in table.itertuples():
        lane = speakers.index(row.speaker)
        role = row.role if isinstance(row.role, str) else None
        dissonant = row.dissonant is not pd.NA and bool(row.dissonant)
        ax.barh(
            lane,
            row.end - row.start,
            left=row.start,
            height=0.62,
            color=style.ROLE_COLOURS[role],
            edgecolor=style.FLAG if dissonant else "white",
            linewidth=2.2 if dissonant else 0.6,
        )
        if row.dissonant is pd.NA:
            ax.text((row.start + row.end) / 2, lane, "?", ha="center", va="center", fontsize=7)
    named = [
        f"{s} ({r})" if isinstance(r, str) else s
        for s, r in table.drop_duplicates("speaker").set_index("speaker")["role"].items()
    ]
    ax.set_yticks(range(len(speakers)), named)
    ax.set_ylim(max(0.6, len(speakers) - 0.4), -0.6)
    ax.grid(visible=False, axis="y")
    ax.set_title("who speaks (outlined: dissonant, ?: undetermined)")


def _draw_axis(ax: Axes, table: pd.DataFrame, frames: pd.DataFrame | None, axis: str) -> None:
    if frames is not None and len(frames):
        # A gap between frames, or a change to the other face, must stay a gap in the line.
        time, value = frames["time"].to_numpy(float), frames[axis].to_numpy(float)
        whose = frames["utterance_id"].to_numpy()
        breaks = np.flatnonzero((np.diff(time) > 0.25) | (whose[1:] != whose[:-1])) + 1
        time, value = np.insert(time, breaks, np.nan), np.insert(value, breaks, np.nan)
        ax.plot(time, value, color=style.FACE, lw=0.6, alpha=0.45, label="face, each frame")
    _draw_means(ax, table, "face", axis, style.FACE)
    _draw_means(ax, table, "speech", axis, style.SPEECH)
    shaded = False
    for row in table[table["dissonant"].fillna(False)].itertuples():
        if row.dissonance_axis in (axis, "both"):
            label = None if shaded else "dissonant on this axis"
            ax.axvspan(row.start, row.end, color=style.FLAG, alpha=0.22, lw=0, label=label)
            shaded = True
    ax.axhline(0, color=style.QUIET, lw=0.7)
    ax.set_ylim(-1.05, 1.05)
    ax.set_ylabel(axis)


def _draw_means(ax: Axes, table: pd.DataFrame, channel: str, axis: str, colour: str) -> None:
    name = f"{channel}_{axis}"
    known = table.dropna(subset=[name])
    label = "voice, utterance" if channel == "speech" else "face, mean of utterance"
    ax.hlines(known[name], known["start"], known["end"], color=colour, lw=2.4, label=label)
    if f"{name}_se" in known:
        middle = (known["start"] + known["end"]) / 2
        ax.errorbar(
            middle, known[name], yerr=2 * known[f"{name}_se"], fmt="none", ecolor=colour, lw=1
        )
