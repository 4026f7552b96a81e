"""The contact sheet: frames sampled over a session with tracks, people and who speaks drawn on.

It shows faces. It is drawn on request only, and is the quickest way to see whether detection,
tracking and the binding of voices to faces did what they should.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emodiss.errors import RunError
from emodiss.media import iterate_frames
from emodiss.plots import style
from emodiss.plots.moment import clock_time, hide_all
from emodiss.runs.run import AnyRun, load
from emodiss.vocabulary import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_COLUMNS = 4
# A face needs some 40 pixels on the sheet to be told from another one.
_WIDTH_IN, _WIDTH_PX = 3.4, 640


def contact_sheet(
    run: AnyRun, *, video: str | None = None, n_frames: int = 12, blur: bool = False
) -> Figure:
    """Draw frames of a session with everything that was found in them.

    Parameters
    ----------
    n_frames
        Frames at even distances. Up to as many again are added for tracks that none of these
        shows, each from the middle of its track.
    blur
        Hide the faces that the detector found. A face it missed is not hidden.

    Returns
    -------
    Figure
        One axes per frame, in order of time. Boxes carry the number of the track and its voice,
        in the colour of the role, or of the voice where the role is not known; grey without a
        voice, dashed where interpolated, thick while
        the voice speaks.

    Raises
    ------
    RunError
        If the media file is gone or has no picture, or tracks or people are not there yet.
    """
    run = load(run)
    import matplotlib.pyplot as plt

    video = video or run.videos[0]
    table = run.session(video)
    media, tracks, people, sightings = (
        run.artifact(video, name) for name in ("media", "tracks", "people", "faces")
    )
    source = run.media(video)
    if source is None or not media.has_video:
        raise RunError(
            f"The video file of '{video}' is not at hand, has changed, or has no picture.",
            next_step="Put the file back that the run was made from.",
        )
    # Ticks at which the detector looked, so that most boxes are its own.
    looked = sightings.faces.ticks
    shown_at = [np.intersect1d(track.ticks, looked) for track in tracks.tracks]
    ticks = chosen_ticks(looked, shown_at, n_frames)
    clock = media.clock()
    frames = clock.frame_at(ticks)
    # Frames are minutes apart in a long session; each is sought by itself.
    images = {
        f.index: f.image
        for index in np.unique(frames)
        for f in iterate_frames(source, media, np.array([index], dtype=np.int64))
    }
    owner = {number: p.speaker for p in people.persons for number in p.track_ids}
    colours = style.colours_of(table)
    n_rows = math.ceil(len(ticks) / _COLUMNS)
    shape = (media.height, media.width)
    with style.house_style():
        figure, grid = plt.subplots(
            n_rows,
            _COLUMNS,
            figsize=(_COLUMNS * _WIDTH_IN, n_rows * (_WIDTH_IN * shape[0] / shape[1] + 0.3) + 0.4),
            squeeze=False,
        )
        for ax in grid.flat:
            ax.set_axis_off()
        for ax, tick, frame in zip(grid.flat, ticks.tolist(), frames.tolist(), strict=False):
            time = float(clock.time_of(tick))
            talking = table[(table["start"] <= time) & (time < table["end"])]["speaker"].tolist()
            ax.set_title(
                f"{clock_time(time)}  "
                + (style.short(f"{', '.join(talking)} speaks", 40) if talking else "silence"),
                fontsize=8,
                parse_math=False,
            )
            if frame not in images:
                style.empty_note(ax, "frame cannot be decoded")
                continue
            image = images[frame].copy()
            shown = [(t, int(at)) for t in tracks.tracks for at in np.flatnonzero(t.ticks == tick)]
            if blur:
                hide_all(image, sightings, tick, [t.boxes[at] for t, at in shown])
            step = max(1, image.shape[1] // _WIDTH_PX)
            ax.imshow(
                image[::step, ::step],
                extent=(0, image.shape[1], image.shape[0], 0),
                interpolation="antialiased",
            )
            for track, at in shown:
                _draw_box(ax, track, at, owner.get(track.id), colours, talking)
        figure.suptitle(
            f"{style.short(video, 60)}: {counted(len(tracks.tracks), 'face track')}, "
            f"{counted(len(people.persons), 'voice')} "
            "(a colour per role or voice, grey: no voice; dashed: interpolated; thick: speaking)",
            x=0.01,
            ha="left",
            fontsize=10,
            fontweight="bold",
            parse_math=False,
        )
    return figure


def chosen_ticks(
    ticks: NDArray[np.int64], shown_at: list[NDArray[np.int64]], n_frames: int
) -> NDArray[np.int64]:
    """Choose ticks at even distances, and one for each track that none of them shows."""
    even = ticks[((np.arange(n_frames) + 0.5) / n_frames * len(ticks)).astype(np.int64)]
    chosen = set(even.tolist())
    missed = [own for own in shown_at if len(own) and not chosen & set(own.tolist())]
    missed.sort(key=len, reverse=True)
    for own in missed[:n_frames]:
        if not chosen & set(own.tolist()):
            chosen.add(int(own[len(own) // 2]))
    return np.array(sorted(chosen), np.int64)


def _draw_box(
    ax: Axes, track: Any, at: int, speaker: str | None, colours: dict[str, str], talking: list[str]
) -> None:
    from matplotlib.patches import Rectangle

    x1, y1, x2, y2 = (float(v) for v in track.boxes[at])
    colour = style.QUIET if speaker is None else colours.get(speaker, style.QUIET)
    ax.add_patch(
        Rectangle(
            (x1, y1),
            x2 - x1,
            y2 - y1,
            fill=False,
            ec=colour,
            ls="-" if track.measured[at] else "--",
            lw=3 if speaker in talking else 1.3,
            clip_on=True,
        )
    )
    ax.text(
        x1,
        y1,
        f"{track.id} {style.short(speaker, 20)}" if speaker is not None else f"{track.id}",
        fontsize=6.5,
        color=style.ON_ROLE,
        va="bottom",
        clip_on=True,
        parse_math=False,
        bbox={"fc": colour, "ec": "none", "pad": 1},
    )
