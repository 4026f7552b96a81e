"""The paper's figures by name: each a function of a run."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd

from emodiss.dissonance import Rule, reflag
from emodiss.errors import SettingsError, nearest
from emodiss.plots import style
from emodiss.plots.contact import contact_sheet
from emodiss.plots.moment import figure2, figure4
from emodiss.plots.plane import plot_differences, plot_plane
from emodiss.plots.session import plot_session
from emodiss.runs.run import Run
from emodiss.runs.store import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_durations(minutes: pd.Series, *, ax: Axes | None = None) -> Axes:
    """Draw how long the videos are.

    Parameters
    ----------
    minutes
        Durations in minutes.
    ax
        Where to draw; a new figure by default.
    """
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
            label = f"median {median:.1f} min (n = {len(minutes):,})"
            ax.axvline(median, color=style.INK, lw=1, ls="--", label=label)
            ax.legend(loc="upper left" if median > top / 2 else "upper right")
            ax.set_ylim(top=1.2 * ax.get_ylim()[1])
        else:
            style.empty_note(ax, "no video")
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set(xlabel="duration, min", ylabel="videos")
    return ax


def plot_sentiment(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the sentiment of what therapists and patients say.

    Parameters
    ----------
    table
        Utterance table; columns role, sentiment.
    ax
        Where to draw; a new figure by default.
    """
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
            mean = f"{values.mean():+.2f}".replace("-", "\N{MINUS SIGN}")
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


def figure3(run: Run, *, roles: tuple[str, ...] = ("patient",)) -> Figure:
    """Draw paper A's Figure 3: durations, sentiment by role, both channels in the plane.

    Parameters
    ----------
    run
        A run.
    roles
        Whose utterances go into the plane (research decision A23); everybody's when no utterance
        has one of these roles.

    Returns
    -------
    Figure
        Three axes, left to right.
    """
    import matplotlib.pyplot as plt

    affect = [f"{c}_{a}" for c in ("speech", "face") for a in ("valence", "arousal")]
    table = run.columns("utterances", ["role", "sentiment", *affect])
    with style.house_style():
        figure, axes = plt.subplots(1, 3, figsize=(13, 4.3), width_ratios=[1, 1, 1.05])
        plot_durations(run.videos_table["duration"] / 60, ax=axes[0])
        axes[0].set_title("Duration")
        plot_sentiment(table, ax=axes[1])
        axes[1].set_title("Sentiment")
        chosen = table[table["role"].isin(roles)]
        whose = " and ".join(roles)
        if not len(chosen):
            chosen, whose = table, "everybody"
        plot_plane(chosen, ax=axes[2])
        axes[2].set_title(f"Voice and face ({whose})")
    return figure


def figure10(run: Run) -> Figure:
    """Draw paper A's Figure 10: absolute differences between voice and face, with the threshold.

    Parameters
    ----------
    run
        A run; its threshold is drawn, and its least coverage, scale and baseline count.
    """
    import matplotlib.pyplot as plt

    # The figure is about voice and face, whatever the run compares.
    rule = replace(Rule.of(run.settings.dissonance), compare="voice_vs_face")
    affect = [f"{c}_{a}" for c in ("speech", "face") for a in ("valence", "arousal")]
    columns = ["video_id", "speaker", "speech_status", "face_status", "face_coverage", *affect]
    raw = [f"{name}_raw" for name in affect]
    table = reflag(run.columns("utterances", [*columns, *raw]), rule)
    threshold = float(table["dissonance_threshold"].max()) if len(table) else rule.threshold
    with style.house_style():
        figure, ax = plt.subplots(figsize=(5.4, 5.2))
        plot_differences(table, threshold=threshold, ax=ax)
    return figure


FIGURES: dict[str, Callable[[Run], Figure]] = {"figure3": figure3, "figure10": figure10}
"""Figures of paper A about a whole run; `annotate` draws them."""

MOMENTS: dict[str, Callable[..., Figure]] = {"figure2": figure2, "figure4": figure4}
"""Figures of paper A about a moment of one session: words and faces, so only on request."""

SESSION_FIGURES = ("session", "contact-sheet")
"""Figures of one session that are not in the paper; the contact sheet shows faces, on request."""

# A corpus of thousands would take an hour; these are drawn for studies one looks through.
_MAX_TIMELINES = 50


def draw(run: Run, name: str, *, video: str | None = None, blur: bool = False) -> Figure:
    """Draw a figure by name.

    Parameters
    ----------
    run
        A run.
    name
        `figure2`, `figure3`, `figure4`, `figure10` (or `fig2`, ...), `session` or
        `contact-sheet`.
    video
        For figures of one session: which video.
    blur
        For `figure2` and `contact-sheet`: hide the faces.

    Raises
    ------
    SettingsError
        If there is no such figure.
    """
    name = full_name(name)
    if name == "session":
        video = video or run.videos[0]
        figure = plot_session(
            run.session(video),
            frames=run.session_frames(video),
            windows=run.session_windows(video),
            title=video,
        )
        return cast("Figure", figure)
    if name == "contact-sheet":
        return contact_sheet(run, video=video, blur=blur)
    if name == "figure2":
        return figure2(run, video=video, blur=blur)
    return MOMENTS[name](run, video=video) if name in MOMENTS else FIGURES[name](run)


def full_name(name: str) -> str:
    """Return a figure's whole name: `figure3` for `fig3`.

    Raises
    ------
    SettingsError
        If there is no such figure.
    """
    name = name.replace("fig", "figure", 1) if re.fullmatch(r"fig\d+", name) else name
    known = [*FIGURES, *MOMENTS, *SESSION_FIGURES]
    if name in ("figure5", "figure6", "figure7", "figure11"):
        raise SettingsError(
            f"There is no figure '{name}' of a run alone.",
            next_step="Figures 5, 6, 7 and 11 show ratings; they come with: emodiss evaluate.",
        )
    if name == "figure8":
        raise SettingsError(
            "There is no figure 'figure8': it is a map of the countries that the raters come from, "
            "and no file of a run or a study states them.",
            next_step="Who the raters are otherwise is Figure 11: emodiss evaluate --background.",
        )
    if name not in known:
        raise SettingsError(f"There is no figure '{name}'.", next_step=nearest(name, known))
    return name


def save(figure: Figure, path: Path) -> None:
    """Write a figure whole or not at all, and close it; PNG, SVG or PDF by the path's suffix.

    Raises
    ------
    SettingsError
        If the suffix is another one.
    """
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    suffix = path.suffix.lstrip(".").lower() or "png"
    if suffix not in ("png", "svg", "pdf"):
        raise SettingsError(
            f"A figure cannot be written as '{path.name}'.",
            next_step="Give a name that ends in .png, .svg or .pdf.",
        )
    # Nothing that changes from write to write: same table, same bytes.
    metadata = {"Software": None} if suffix == "png" else {"Date": None}
    if suffix == "pdf":
        metadata = {"CreationDate": None}
    figure.savefig(buffer, format=suffix, metadata=metadata)
    plt.close(figure)
    write_atomically(path, buffer.getvalue())


def draw_all(run: Run) -> None:
    """Draw the paper's figures and one timeline per session into the run folder.

    Figures whose tables have not changed are left as they are. With more than 50 sessions the
    timelines are left to `emodiss plot RUN session --video ID`.
    """
    import hashlib

    import matplotlib as mpl

    tables = ("utterances", "videos", "face_frames", "voice_windows")
    content = b"".join((run.root / f"{name}.parquet").read_bytes() for name in tables)
    content += run.settings.model_dump_json().encode()
    state = hashlib.sha256(content + mpl.__version__.encode()).hexdigest()
    marker = run.figures / ".drawn"
    # A session without speech has curves where all faces are measured.
    shown = set(run.columns("utterances", ["video_id"])["video_id"])
    shown |= set(run.columns("face_summary", ["video_id"])["video_id"])
    sessions = [video for video in run.videos if video in shown]
    sessions = sessions if len(sessions) <= _MAX_TIMELINES else []
    names = [*FIGURES, *(f"session_{video}" for video in sessions)]
    paths = [run.figures / f"{name}.png" for name in names]
    if marker.is_file() and marker.read_text() == state and all(p.is_file() for p in paths):
        return
    for name, path in zip(names, paths, strict=True):
        video = name.removeprefix("session_") if name.startswith("session_") else None
        save(draw(run, "session" if video else name, video=video), path)
    write_atomically(marker, state.encode())
