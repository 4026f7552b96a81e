"""Figures by name: those of ratings, and how those of a run (`emodiss.registry`) are drawn."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from emodiss.errors import RunError, SettingsError, nearest
from emodiss.plots import ratings
from emodiss.ratings import LIKERT, RatingScale
from emodiss.registry import FIGURES, RunFigure, function
from emodiss.runs.run import AnyRun, load
from emodiss.runs.store import write_atomically
from emodiss.runs.written import Written

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class RatingFigure:
    """A figure of a rating study: its name, the tables that it needs, and how they are drawn."""

    name: str
    needs: tuple[str, ...]
    draw: Callable[..., Figure]
    """Function of these tables and of `Rated`."""


@dataclass(frozen=True, slots=True)
class Rated:
    """What the figures of a rating study state beside its tables."""

    scale: RatingScale = LIKERT
    note: str = ""
    """Below Figure 5."""
    conditions: tuple[str, ...] = ("base", "dissonance")
    """The two conditions of Figure 7."""
    context: str | None = None
    """The dialogue that is answered in Figure 7."""


RATING_FIGURES = (
    RatingFigure(
        "figure5", ("means",), lambda t, r: ratings.figure5(t, scale=r.scale, note=r.note)
    ),
    RatingFigure("figure6", ("kappa",), lambda t, _: ratings.figure6(t)),
    RatingFigure(
        "answers", ("failures", "techniques"), lambda f, t, _: ratings.figure_answers(f, t)
    ),
    RatingFigure("table3", ("judge",), lambda t, _: ratings.figure_correlations(t)),
    RatingFigure("figure11", ("background",), lambda t, _: ratings.figure11(t)),
    RatingFigure("figure8", ("countries",), lambda t, _: ratings.figure8(t)),
    RatingFigure(
        "figure7",
        ("replies",),
        lambda t, r: ratings.figure7(t, conditions=r.conditions, context=r.context),
    ),
)
"""Figures of a rating study."""

# A corpus of thousands would take an hour; these are drawn for studies one looks through.
_MAX_TIMELINES = 50


def draw(run: AnyRun, name: str, *, video: str | None = None, blur: bool = False) -> Figure:
    """Draw a figure of a run by name.

    Parameters
    ----------
    name
        One of `FIGURES`, or short, as `fig3`.
    video
        For figures of one session: which video.
    blur
        For `figure2` and `contact-sheet`: hide the faces.

    Raises
    ------
    SettingsError
        If there is no such figure.
    """
    run = load(run)
    row = find(name)
    given = {"video": video, "blur": blur}
    return function(row.draw)(run, **{option: given[option] for option in row.options})


def draw_ratings(tables: Mapping[str, pd.DataFrame], rated: Rated) -> dict[str, Figure]:
    """Draw every figure of a rating study whose tables are there, by name."""
    return {
        row.name: row.draw(*(tables[name] for name in row.needs), rated)
        for row in RATING_FIGURES
        if set(row.needs) <= set(tables)
    }


def find(name: str) -> RunFigure:
    """Find a figure of a run by its name, whole or short, or raise a SettingsError."""
    name = name.replace("fig", "figure", 1) if re.fullmatch(r"fig\d+", name) else name
    if name in FIGURES:
        return FIGURES[name]
    if name in {row.name for row in RATING_FIGURES}:
        raise SettingsError(
            f"There is no figure '{name}' of a run alone.",
            next_step="Figures 5 to 8 and 11 show ratings; they come with: emodiss evaluate.",
        )
    if name == "figure9":
        raise SettingsError(
            "Figure 9 is the page on which raters rate, not a figure of a run.",
            next_step="Photograph it: emodiss rate STUDY --figure9 FILE.",
        )
    if name in ("sweep", "groups"):
        raise SettingsError(
            f"The figure '{name}' belongs to a question about dissonance.",
            next_step="Draw it: emodiss dissonance RUN --plot FILE.png; groups with --by role.",
        )
    raise SettingsError(f"There is no figure '{name}'.", next_step=nearest(name, FIGURES))


def save(
    figure: Figure, path: Path, *, write: Callable[[Path, bytes], None] = write_atomically
) -> None:
    """Write a figure whole or not at all, and close it; PNG, SVG or PDF by the path's suffix."""
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
    write(path, buffer.getvalue())


def draw_all(run: AnyRun) -> None:
    """Draw the paper's figures and up to 50 timelines into the run folder, if anything changed."""
    run = load(run)
    import hashlib

    import matplotlib as mpl

    tables = ("utterances", "videos", "face_frames", "voice_windows")
    seen = hashlib.sha256()
    for name in tables:
        with (run.root / f"{name}.parquet").open("rb") as file:
            while block := file.read(1 << 20):
                seen.update(block)
    seen.update(run.settings.model_dump_json().encode() + mpl.__version__.encode())
    state = seen.hexdigest()
    marker = run.root / "figures" / ".drawn"
    # A session without speech has curves where all faces are measured.
    shown = set(run.columns("utterances", ["video_id"])["video_id"])
    shown |= set(run.columns("face_summary", ["video_id"])["video_id"])
    sessions = [video for video in run.videos if video in shown]
    sessions = sessions if len(sessions) <= _MAX_TIMELINES else []
    names = [row.name for row in FIGURES.values() if not row.options]
    names += [f"session_{video}" for video in sessions]
    paths = [run.root / "figures" / f"{name}.png" for name in names]
    if (
        marker.is_file()
        and marker.read_bytes() == state.encode()
        and all(p.is_file() for p in paths)
    ):
        return
    with Written(run.root) as written:
        for name, path in zip(names, paths, strict=True):
            video = name.removeprefix("session_") if name.startswith("session_") else None
            figure = draw(run, "session" if video else name, video=video)
            with contextlib.suppress(RunError):  # a person changed it: it stays
                save(figure, path, write=written.write)
    write_atomically(marker, state.encode())
