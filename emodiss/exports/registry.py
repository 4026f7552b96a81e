"""Every export format by name: to add one, write its function and a row here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emodiss.corpus.sharing import shareable
from emodiss.errors import nearest
from emodiss.exports import elan, whole_run
from emodiss.exports.formats import rttm, textgrid, webvtt
from emodiss.exports.items import ExportError, Item, items
from emodiss.exports.methods import methods
from emodiss.exports.references import references
from emodiss.runs.run import AnyRun, Run, load
from emodiss.runs.written import Written

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Format:
    """An export format, of each video or of the whole run.

    Parameters
    ----------
    name
        Name on the command line.
    file
        Suffix of a video's file with its dot; name of the file or folder of a run.
    of_video
        (id of the video, its utterances, its media file) to the content of the file.
    of_run
        (run, path of the file or folder, whether words and names may leave) to the content of the
        file, or to the files of the folder: their paths in it to their contents, the one that
        tells of the others last.
    also
        Other names that people type.
    """

    name: str
    file: str
    of_video: Callable[[str, Sequence[Item], Path | None], str] | None = None
    of_run: Callable[[Run, Path, bool], str | Mapping[str, bytes]] | None = None
    also: tuple[str, ...] = ()


FORMATS = {
    row.name: row
    for row in (
        Format("rttm", ".rttm", rttm),
        Format("webvtt", ".vtt", webvtt, also=("vtt",)),
        Format("textgrid", ".TextGrid", textgrid),
        Format("eaf", ".eaf", elan.write),
        Format("huggingface", "huggingface", of_run=whole_run.huggingface),
        Format("audformat", "audformat.csv", of_run=whole_run.audformat_index),
        Format("methods", "methods.txt", of_run=lambda run, _path, _words: methods(run)),
        Format("bibtex", "references.bib", of_run=lambda run, _path, _words: references(run)),
        Format("urls", "urls.csv", of_run=lambda run, _path, _words: shareable(run.manifest)),
    )
}
"""Formats by name."""


def find(name: str, formats: Sequence[str] = tuple(FORMATS)) -> Format:
    """Find a format by its name or another one that people type, or raise an ExportError."""
    for row in FORMATS.values():
        if name.casefold() in (row.name, *row.also) and row.name in formats:
            return row
    raise ExportError(f"There is no format '{name}'.", next_step=nearest(name, formats))


def write(table: pd.DataFrame, kind: str, *, media: Path | None = None) -> str:
    """Write one session in one format.

    Parameters
    ----------
    table
        Utterance table of one video.
    kind
        A format of videos: `rttm`, `webvtt`, `textgrid` or `eaf`.
    media
        The video, for EAF, so that ELAN finds it.

    Returns
    -------
    str
        Content of the file, UTF-8.

    Raises
    ------
    ExportError
        If there is no such format, or the table cannot be written.
    MissingExtra
        For `textgrid` without praatio.
    """
    of_video = find(kind, [row.name for row in FORMATS.values() if row.of_video]).of_video
    assert of_video is not None
    video = str(table["video_id"].iloc[0]) if len(table) else ""
    return of_video(video, items(table), media)


def write_run(
    run: AnyRun, kind: str, out: Path, *, words: bool = False, force: bool = False
) -> Path:
    """Write a whole run in one format.

    Parameters
    ----------
    kind
        A format of runs: `huggingface`, `audformat`, `methods` or `urls`.
    out
        Folder for the file or folder.
    words
        Put what people said and their names in too, where the format has a place for them.
    force
        Overwrite a file that somebody changed since this run wrote it.

    Returns
    -------
    Path
        The file, or the dataset's card.

    Raises
    ------
    ExportError
        If there is no such format.
    RunError
        If a file was changed since this run wrote it; none is written then.
    """
    run = load(run)
    row = find(kind, [row.name for row in FORMATS.values() if row.of_run])
    assert row.of_run is not None
    path = out / row.file
    made = row.of_run(run, path, words)
    files = (
        {path: made.encode()}
        if isinstance(made, str)
        else {path / name: content for name, content in made.items()}
    )
    with Written(run.root) as written:
        written.write_all(files, force=force)
    return list(files)[-1]
