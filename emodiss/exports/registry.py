"""Exports by name of their format; the formats stand in `emodiss.registry`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from emodiss.errors import nearest
from emodiss.exports.items import ExportError, items
from emodiss.registry import FORMATS, Format, function
from emodiss.runs.run import AnyRun, load
from emodiss.runs.written import Written

if TYPE_CHECKING:
    import pandas as pd


def find(name: str, formats: Sequence[str] = tuple(FORMATS)) -> Format:
    """Find a format by its name or another one that people type, or raise an ExportError."""
    for row in FORMATS.values():
        if name.casefold() in (row.name, *row.also) and row.name in formats:
            return row
    raise ExportError(f"There is no format '{name}'.", next_step=nearest(name, formats))


def write(table: pd.DataFrame, kind: str, *, media: Path | None = None) -> str:
    """Write one session in one format: the content of the file, UTF-8.

    Parameters
    ----------
    table
        Utterance table of one video.
    kind
        One of `FORMATS` that is of videos.
    media
        The video, for EAF, so that ELAN finds it.

    Raises
    ------
    ExportError
        If there is no such format, or the table cannot be written.
    MissingExtra
        For `textgrid` without praatio.
    """
    row = find(kind, [row.name for row in FORMATS.values() if row.of_video])
    video = str(table["video_id"].iloc[0]) if len(table) else ""
    return function(row.of_video)(video, items(table), media)


def write_run(
    run: AnyRun, kind: str, out: Path, *, words: bool = False, force: bool = False
) -> Path:
    """Write a whole run in one format, and return the file or the dataset's card.

    Parameters
    ----------
    kind
        One of `FORMATS` that is of runs.
    words
        Put what people said and their names in too, where the format has a place for them.
    force
        Overwrite a file that somebody changed since this run wrote it.

    Raises
    ------
    ExportError
        If there is no such format.
    RunError
        If a file was changed since this run wrote it; none is written then.
    """
    run = load(run)
    row = find(kind, [row.name for row in FORMATS.values() if row.of_run])
    path = out / row.file
    given = {"path": path, "words": words}
    made = function(row.of_run)(run, **{option: given[option] for option in row.options})
    files = (
        {path: made.encode()}
        if isinstance(made, str)
        else {path / name: content for name, content in made.items()}
    )
    with Written(run.root) as written:
        written.write_all(files, force=force)
    return list(files)[-1]
