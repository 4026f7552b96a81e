"""A moment of one session: who says what, what the camera shows, and what the models make of it.

Paper A's Figures 2 and 4. Both show words and, Figure 2, faces of people: look before you share.
"""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from emodiss.errors import RunError
from emodiss.media import iterate_frames
from emodiss.plots import style
from emodiss.plots.session import plot_session
from emodiss.runs.run import AnyRun, Run, load

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure


# So few cells across a face leave its outline and nothing to know a person by.
_BLUR_CELLS = 5
# Boxes end at brow and chin; hair, ears and beard tell people apart as well.
_BLUR_MARGIN = 0.35


def choose(run: Run, *, video: str | None = None, n: int = 6) -> pd.DataFrame:
    """Choose the n utterances around a run's, or a video's, clearest dissonance."""
    table = (
        run.session(video)
        if video is not None
        else run.columns("utterances", ["video_id", "start", "role", "dissonance_score"])
    )
    if not len(table):
        raise RunError(
            "There is no utterance to show.",
            next_step="Look at emodiss status for what went wrong, or choose another --video.",
        )
    score = table["dissonance_score"]
    patients = score.where(table["role"] == "patient")
    score = patients if patients.notna().any() else score
    at = table.loc[score.idxmax() if score.notna().any() else table.index[0]]
    session = run.session(at["video_id"]).sort_values("start", ignore_index=True)
    peak = int(np.flatnonzero(session["start"] == at["start"])[0])
    first = max(0, min(peak - n // 2, len(session) - n))
    return session.iloc[first : first + n].reset_index(drop=True)


def hide(image: NDArray[np.uint8], box: ArrayLike) -> None:
    """Make a face unrecognisable in place: a few flat cells over the box and its surroundings."""
    x1, y1, x2, y2 = np.asarray(box, np.float64)
    reach_x, reach_y = _BLUR_MARGIN * (x2 - x1), _BLUR_MARGIN * (y2 - y1)
    height, width = image.shape[:2]
    xs = np.linspace(x1 - reach_x, x2 + reach_x, _BLUR_CELLS + 1).round().clip(0, width)
    ys = np.linspace(y1 - reach_y, y2 + reach_y, _BLUR_CELLS + 1).round().clip(0, height)
    xs, ys = xs.astype(int), ys.astype(int)
    for top, bottom in itertools.pairwise(ys):
        for left, right in itertools.pairwise(xs):
            cell = image[top:bottom, left:right]
            if cell.size:
                cell[:] = cell.reshape(-1, 3).mean(axis=0)


@dataclass(frozen=True, slots=True)
class _Still:
    """One frame with the boxes on it: x1, y1, x2, y2, whose, colour."""

    time: float
    image: NDArray[np.uint8]
    boxes: tuple[tuple[tuple[float, float, float, float], str, str], ...]


def _stills(run: Run, video: str, times: Sequence[float], *, blur: bool) -> list[_Still]:
    """Decode the frames on display at some times, with the tracked faces; [] without the media."""
    source = run.media(video)
    if source is None:
        return []
    media, tracks, people = (run.artifact(video, n) for n in ("media", "tracks", "people"))
    if not media.has_video:
        return []
    clock = media.clock()
    ticks = np.clip(np.round(np.array(times) * clock.fps), clock.first_tick, clock.n_ticks - 1)
    ticks = ticks.astype(np.int64)
    frames = clock.frame_at(ticks)
    images = {
        f.index: f.image for index in sorted(set(frames.tolist()))
        for f in iterate_frames(source, media, np.array([index], dtype=np.int64))
    }  # fmt: skip
    owner = {t: person.speaker for person in people.persons for t in person.track_ids}
    session = run.session(video)
    colours = style.colours_of(session)
    said = session.drop_duplicates("speaker")
    role_of = {k: r for k, r in zip(said["speaker"], said["role"], strict=True) if r == r}
    found: list[_Still] = []
    for tick, frame in zip(ticks, frames, strict=True):
        if int(frame) not in images:
            continue
        image = images[int(frame)].copy()
        boxes: list[tuple[tuple[float, float, float, float], str, str]] = []
        for track in tracks.tracks:
            for at in np.flatnonzero(track.ticks == tick):
                x1, y1, x2, y2 = (float(v) for v in track.boxes[at])
                speaker = owner.get(track.id)
                role = role_of.get(speaker) if speaker is not None else None
                colour = style.QUIET if speaker is None else colours.get(speaker, style.QUIET)
                boxes.append(((x1, y1, x2, y2), role or speaker or "no voice", colour))
        if blur:
            hide_all(image, run.artifact(video, "faces"), tick, [b for b, _, _ in boxes])
        found.append(_Still(float(clock.time_of(tick)), image, tuple(boxes)))
    return found


def hide_all(
    image: NDArray[np.uint8], sightings: Any, tick: int, tracked: Sequence[ArrayLike]
) -> None:
    """Hide the tracked faces and whatever else the detector took for a face around this tick."""
    faces = sightings.faces
    near = np.abs(np.repeat(faces.ticks, faces.counts) - tick) <= sightings.stride
    for box in [*tracked, *faces.boxes[near]]:
        hide(image, box)


def figure2(
    run: AnyRun, *, video: str | None = None, n: int = 6, n_frames: int = 3, blur: bool = False
) -> Figure:
    """Draw paper A's Figure 2: frames with face boxes, and the transcript with tags and times.

    Parameters
    ----------
    video
        Which video; by default the one with the clearest dissonance of a patient.
    n_frames
        Frames shown, each from the middle of an utterance.
    blur
        Hide the faces that the detector found. A face it missed is not hidden.

    Returns
    -------
    Figure
        One axes per frame above one with the transcript. Where the media file is gone or has no
        picture, the first axes says so.
    """
    run = load(run)
    import matplotlib.pyplot as plt

    table = choose(run, video=video, n=n)
    name = str(table["video_id"].iloc[0])
    chosen = np.unique(np.linspace(0, len(table) - 1, n_frames).round().astype(int))
    middles = ((table["start"] + table["end"]) / 2).to_numpy(np.float64)
    stills = _stills(run, name, middles[chosen].tolist(), blur=blur)
    lines = [textwrap.wrap(_text_of(row), 84) or [""] for row in table.itertuples()]
    depth = sum(len(block) for block in lines) + 0.7 * len(lines) + 1.2
    with style.house_style():
        shape = stills[0].image.shape if stills else (9, 16)
        # No larger than twice its size: a small frame shows no more when it is blown up.
        largest = 2 * shape[0] / style.DPI
        tall = min(largest, 10.5 / len(stills) * shape[0] / shape[1]) if stills else 0.8
        figure = plt.figure(figsize=(10.5, tall + 0.35 + 0.19 * depth))
        top, bottom = _halves(figure, [tall + 0.35, 0.19 * depth])
        axes = np.atleast_1d(top.subplots(1, max(1, len(stills))))
        for ax, still in zip(axes, stills, strict=False):
            _draw_still(ax, still)
        if not stills:
            axes[0].set_axis_off()
            style.empty_note(axes[0], "the video file is not at hand, or has no picture")
        _write_transcript(
            bottom.subplots(), table, lines, depth, style.colours_of(run.session(name))
        )
    return figure


def _draw_still(ax: Axes, still: _Still) -> None:
    from matplotlib.patches import Rectangle

    ax.imshow(still.image)
    ax.set_axis_off()
    ax.set_title(clock_time(still.time), fontsize=9)
    for (x1, y1, x2, y2), name, colour in still.boxes:
        ax.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, ec=colour, lw=1.8))
        ax.text(
            x1, y1, style.short(name, 20), fontsize=7, color=style.ON_ROLE, va="bottom",
            clip_on=True, parse_math=False, bbox={"fc": colour, "ec": "none", "pad": 1.2},
        )  # fmt: skip


def _write_transcript(
    ax: Axes,
    table: pd.DataFrame,
    lines: Sequence[Sequence[str]],
    depth: float,
    colours: dict[str, str],
) -> None:
    ax.set_axis_off()
    ax.set(xlim=(0, 1), ylim=(depth, 0))
    columns = (0.0, 0.13, 0.215, 0.30, 0.83, 0.92)
    headings = ("speaker", "start", "end", "utterance", "voice V, A", "face V, A")
    for x, heading in zip(columns, headings, strict=True):
        ax.text(x, 0.7, heading, fontweight="bold", fontsize=8.5)
    y = 1.9
    for row, block in zip(table.itertuples(), lines, strict=True):
        role = row.role if isinstance(row.role, str) else None
        colour = colours.get(str(row.speaker), style.QUIET)
        ax.text(
            columns[0], y, role or style.short(str(row.speaker), 14), fontsize=8.5,
            color=style.ON_ROLE, parse_math=False, bbox={"fc": colour, "ec": "none", "pad": 1.6},
        )  # fmt: skip
        ax.text(columns[1], y, clock_time(row.start), fontsize=8.5)
        ax.text(columns[2], y, clock_time(row.end), fontsize=8.5)
        for k, line in enumerate(block):
            ax.text(columns[3], y + k, line, fontsize=8.5, parse_math=False)
        for x, channel, ink in zip(
            columns[4:], ("speech", "face"), (style.SPEECH, style.FACE), strict=True
        ):
            pair = (getattr(row, f"{channel}_{axis}") for axis in ("valence", "arousal"))
            ax.text(x, y, ", ".join(map(_signed, pair)), fontsize=8, color=ink)
        y += len(block) + 0.7


def _signed(value: float) -> str:
    """Write a value with its sign and two places; what is missing is a dash."""
    if value != value:
        return "\N{EN DASH}"
    return f"{value:+z.2f}".replace("-", "\N{MINUS SIGN}")


def _text_of(row: Any) -> str:
    """Return what is said, and a sign when it is dissonant or nobody can tell."""
    text = " ".join(str(row.text).split()) if isinstance(row.text, str) else ""
    text = text or "(not transcribed)"
    if row.dissonant is pd.NA:
        return f"{text}  [undetermined]"
    if not row.dissonant:
        return text
    axis = "valence and arousal" if row.dissonance_axis == "both" else row.dissonance_axis
    return f"{text}  [dissonant in {axis}]"


def _halves(figure: Figure, heights: list[float]) -> tuple[SubFigure, SubFigure]:
    """Divide a figure into an upper and a lower part."""
    parts: Any = figure.subfigures(2, 1, height_ratios=heights)
    return parts[0], parts[1]


def clock_time(seconds: float) -> str:
    """Return a time as HH:MM:SS.s, cut to tenths of a second."""
    tenths = int(round(seconds * 10, 6))  # 2.3 s is 2.3, though 10 times that is below 23
    whole = tenths // 10
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}.{tenths % 10}"


def figure4(run: AnyRun, *, video: str | None = None, n: int = 6) -> Figure:
    """Draw paper A's Figure 4: the curves of both channels around a dissonant stretch, shaded.

    Parameters
    ----------
    video
        Which video; by default the one with the clearest dissonance of a patient.
    n
        Utterances shown; their words stand below, numbered as on the bars.

    Returns
    -------
    Figure
        Three axes that share seconds as x axis, and one with the words.
    """
    run = load(run)
    import matplotlib.pyplot as plt

    table = choose(run, video=video, n=n)
    name = str(table["video_id"].iloc[0])
    frames, windows = (
        found[found["utterance_id"].isin(table["utterance_id"])]
        for found in (run.session_frames(name), run.session_windows(name))
    )
    blocks = [
        textwrap.wrap(f"{k}  {row.role if isinstance(row.role, str) else row.speaker}: "
                      f"{_text_of(row)}", 92, subsequent_indent="    ")
        for k, row in enumerate(table.itertuples(), start=1)
    ]  # fmt: skip
    half = -(-len(blocks) // 2)
    sides = [[line for block in part for line in block] for part in (blocks[:half], blocks[half:])]
    depth = max(map(len, sides)) + 1
    media = run.artifact(name, "media")
    begins, ends = float(table["start"].min()), float(table["end"].max())
    since = f" (from {clock_time(begins)})" if begins >= 60 else ""
    with style.house_style():
        figure = plt.figure(figsize=(11, 6.2 + 0.19 * depth))
        top, bottom = _halves(figure, [6.2, 0.19 * depth])
        plot_session(table, frames=frames, windows=windows, figure=top,
                     span=(max(media.start, begins - 1), min(media.end, ends + 1)),
                     title=f"{name}, {begins:.1f} to {ends:.1f} s{since}")  # fmt: skip
        lanes = {speaker: lane for lane, speaker in enumerate(dict.fromkeys(table["speaker"]))}
        for k, row in enumerate(table.itertuples(), start=1):
            top.axes[0].text(
                (row.start + row.end) / 2, lanes[row.speaker] + 0.05, str(k),
                ha="center", va="center", fontsize=8, color=style.ON_ROLE,
            )  # fmt: skip
        ax = bottom.subplots()
        ax.set_axis_off()
        ax.set(xlim=(0, 1), ylim=(depth, 0))
        for x, side in zip((0, 0.51), sides, strict=True):
            for k, line in enumerate(side):
                ax.text(x, k + 0.7, line, fontsize=8.5, parse_math=False)
    return figure
