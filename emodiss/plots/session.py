"""One session on one time axis: who speaks, voice and face, and where they part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emodiss.plots import style
from emodiss.series import begins
from emodiss.timebase import covered_stretches

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from emodiss.runs.run import Run


_CHANNELS = {"face": style.FACE, "speech": style.SPEECH}
_AXES = ("valence", "arousal")
_SHADE = 0.22
_DASHES = (0, (3, 2))
_LOOKS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "face, each frame": (("speaker",), {"lw": 0.6, "alpha": 0.45}),
    "listener's face, and faces in silence": (
        ("listener", "silence"),
        {"lw": 0.6, "alpha": 0.6, "ls": _DASHES},
    ),
    "face that may be the speaker's": (("unknown",), {"lw": 0.6, "alpha": 0.6, "ls": ":"}),
}
"""Which face frames are drawn how, by their words in the legend."""
_VOICE_LOOK: dict[str, Any] = {"lw": 0.9, "alpha": 0.6}
# A bar or a mark narrower than this cannot be told from its neighbour.
_INCHES_PER_UTTERANCE = 0.04
_WIDTH_IN = (11.0, 24.0)
_MANY = 150


def plot_session(
    table: pd.DataFrame,
    *,
    frames: pd.DataFrame | None = None,
    windows: pd.DataFrame | None = None,
    title: str = "",
    span: tuple[float, float] | None = None,
    figure: Figure | SubFigure | None = None,
) -> Figure | SubFigure:
    """Draw one session: speakers, valence and arousal of both channels, flags (Figure 4).

    Parameters
    ----------
    table
        Utterance table of one video.
    frames
        Face frames of the same video; the speaker's are drawn as a fine line behind the means,
        those of listeners and of faces while nobody speaks as a dashed one.
    windows
        Voice windows of the same video; drawn as a fine line through their middles.
    span
        Seconds that the time axis shows; by default those in which something is drawn.
    figure
        Where to draw; a new figure by default, wider for a session of many utterances.

    Returns
    -------
    Figure or SubFigure
        Three axes that share time as x axis: seconds, shown as clock time in long sessions.
    """
    import matplotlib.pyplot as plt

    lanes = 0.5 + 0.32 * max(2, table["speaker"].nunique())
    width = float(np.clip(_INCHES_PER_UTTERANCE * len(table), *_WIDTH_IN))
    with style.house_style():
        figure = figure if figure is not None else plt.figure(figsize=(width, lanes + 5.0))
        axes = figure.subplots(3, 1, sharex=True, height_ratios=[lanes, 2.2, 2.2])
        _draw_speakers(axes[0], table)
        for ax, axis in zip(axes[1:], _AXES, strict=True):
            _draw_axis(ax, table, frames, windows, axis)
        keys = _legend(table, frames, windows)
        axes[1].legend(
            handles=keys, loc="lower left", ncols=len(keys) if len(keys) <= 5 else 4, fontsize=8,
            bbox_to_anchor=(0, 1.0), borderaxespad=0.2,
        )  # fmt: skip
        if span is not None:
            axes[2].set_xlim(*span)
        elif len(shown := _shown_times(table, frames)):
            axes[2].set_xlim(max(0.0, shown.min() - 1), shown.max() + 1)
        style.time_axis(axes[2])
        if title:
            heading = style.short(title, 90)
            figure.suptitle(heading, x=0.01, ha="left", fontweight="bold", parse_math=False)
    return figure


def figure_session(run: Run, *, video: str | None = None) -> Figure:
    """Draw `plot_session` of one video of a run, the first one by default."""
    video = video or run.videos[0]
    media, rule = run.artifact(video, "media"), run.settings.dissonance
    table = run.session(video)
    n_flagged, n_known = int(table["dissonant"].sum()), int(table["dissonant"].notna().sum())
    told = f"{n_flagged} of {n_known} dissonant (T = {rule.threshold_words})"
    told = told if len(table) else "nobody speaks"
    drawn = plot_session(
        table,
        frames=run.session_frames(video),
        windows=run.session_windows(video),
        title=f"{style.short(video, 60)}: {told}",
        span=(float(media.start), float(media.end)),
    )
    return cast("Figure", drawn)


def _shown_times(table: pd.DataFrame, frames: pd.DataFrame | None) -> NDArray[np.float64]:
    """Return every time that something is drawn at."""
    times = [table["start"], table["end"]] + ([frames["time"]] if frames is not None else [])
    return np.concatenate([np.asarray(some, np.float64) for some in times])


def _draw_speakers(ax: Axes, table: pd.DataFrame) -> None:
    speakers = list(dict.fromkeys(table["speaker"]))
    if not speakers:
        style.empty_note(ax, "no speech was found")
    unknown = table["dissonant"].isna().to_numpy()
    dissonant = table["dissonant"].fillna(False).to_numpy(bool)
    names: list[str] = []
    colours = style.colours_of(table)
    for lane, speaker in enumerate(speakers):
        own = (table["speaker"] == speaker).to_numpy()
        role = next((r for r in table.loc[own, "role"] if isinstance(r, str)), None)
        names.append(style.short(str(speaker), 28) + (f" ({role})" if role else ""))
        colour = colours.get(speaker, style.QUIET)
        edge: dict[str, Any] = {
            "edgecolor": "white",
            "linewidth": 0.6 if len(table) <= _MANY else 0.0,
        }
        for chosen, alpha in ((own & ~unknown, 1.0), (own & unknown, 0.35)):
            spans = _spans(table[chosen])
            ax.broken_barh(spans, (lane - 0.25, 0.6), facecolor=colour, alpha=alpha, **edge)
        # Beside the bar and as wide as it: an outline would swallow the bars of a long session.
        marks = _spans(table[own & dissonant])
        ax.broken_barh(marks, (lane - 0.45, 0.17), facecolor=style.FLAG, linewidth=0)
    ax.set_yticks(range(len(speakers)), names, parse_math=False)
    ax.set_ylim(max(0.6, len(speakers) - 0.5), -0.8)
    ax.grid(visible=False, axis="y")
    ax.set_title("who speaks (bar above: dissonant; pale: undetermined)")


def _spans(table: pd.DataFrame) -> list[tuple[float, float]]:
    """Start and length of each utterance."""
    return [(float(a), float(b - a)) for a, b in zip(table["start"], table["end"], strict=True)]


def _draw_axis(
    ax: Axes,
    table: pd.DataFrame,
    frames: pd.DataFrame | None,
    windows: pd.DataFrame | None,
    axis: str,
) -> None:
    fired = table["dissonant"].fillna(False) & table["dissonance_axis"].isin([axis, "both"])
    flagged = table.loc[fired, ["start", "end"]].to_numpy(float).tolist()
    for start, end in covered_stretches(flagged):  # so that no ground is shaded twice
        ax.axvspan(start, end, color=style.FLAG, alpha=_SHADE, lw=0)
    for parts, look in _LOOKS.values():
        # A gap between frames, or a change to the other face, must stay a gap in the line.
        for _, own in _frames_of(frames, parts).groupby("track_id", sort=False):
            _draw_line(ax, own["time"], own[axis], own["utterance_id"], style.FACE, look)
    if windows is not None and len(windows):
        middle = (windows["start"] + windows["end"]) / 2
        whose = windows["utterance_id"]
        _draw_line(ax, middle, windows[axis], whose, style.SPEECH, _VOICE_LOOK)
    if "listener_valence" in table:
        heard = table.dropna(subset=[f"listener_{axis}"])
        ax.hlines(
            heard[f"listener_{axis}"], heard["start"], heard["end"], color=style.FACE, lw=1.2,
            linestyles=_DASHES,
        )  # fmt: skip
    for channel, colour in _CHANNELS.items():
        _draw_means(ax, table, channel, axis, colour)
    ax.axhline(0, color=style.QUIET, lw=0.7)
    ax.set_ylim(-1.05, 1.05)
    ax.set_ylabel(axis)


def _frames_of(frames: pd.DataFrame | None, parts: tuple[str, ...]) -> pd.DataFrame:
    """Frames of some parts, in the order of the table: by utterance, then time."""
    if frames is None:
        return pd.DataFrame({n: [] for n in ("time", "track_id", "utterance_id", *_AXES)})
    return frames[frames["part"].isin(parts)]


def _draw_line(
    ax: Axes,
    time: pd.Series,
    value: pd.Series,
    whose: pd.Series,
    colour: str,
    look: dict[str, Any],
) -> None:
    """Draw a curve that is broken at gaps in time and where the utterance changes."""
    at, values = time.to_numpy(np.float64), value.to_numpy(np.float64)
    owner = whose.astype(object).where(whose.notna(), None).to_numpy()
    breaks = np.flatnonzero(begins(at, owner)[1:]) + 1
    if len(at):
        ax.plot(
            np.insert(at, breaks, np.nan), np.insert(values, breaks, np.nan), color=colour, **look
        )


def _draw_means(ax: Axes, table: pd.DataFrame, channel: str, axis: str, colour: str) -> None:
    name = f"{channel}_{axis}"
    known = table.dropna(subset=[name])
    middle = (known["start"] + known["end"]) / 2
    ax.hlines(known[name], known["start"], known["end"], color=colour, lw=2.2)
    # The shape tells the channels apart without colour, and where a line is too short to see.
    small = len(table) > _MANY
    ax.plot(
        middle, known[name], style.MARKERS[channel], color=colour, ls="none",
        ms=3.0 if small else 5.0, mec="white", mew=0.3 if small else 0.7,
    )  # fmt: skip
    if f"{name}_se" in known:
        ax.errorbar(
            middle, known[name], yerr=2 * known[f"{name}_se"], fmt="none", ecolor=colour, lw=1
        )


def _legend(
    table: pd.DataFrame, frames: pd.DataFrame | None, windows: pd.DataFrame | None
) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    words = {"speech": "voice", "face": "face, mean \N{PLUS-MINUS SIGN} 2 SE"}
    line: dict[str, Any] = {"lw": 2.2, "ms": 5, "mec": "white"}
    keys: list[Any] = [
        Line2D([], [], color=colour, marker=style.MARKERS[c], label=words[c], **line)
        for c, colour in _CHANNELS.items()
    ]
    if windows is not None and len(windows) > len(table):
        keys.append(Line2D([], [], color=style.SPEECH, label="voice over time", **_VOICE_LOOK))
    for label, (parts, look) in _LOOKS.items():
        if len(_frames_of(frames, parts)):
            keys.append(Line2D([], [], color=style.FACE, label=label, **look))
    keys.append(Patch(color=style.FLAG, alpha=_SHADE, lw=0, label="dissonant on this axis"))
    return keys
