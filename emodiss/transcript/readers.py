"""Read a given transcript: one door for all formats, faults reported with file and line."""

from __future__ import annotations

import functools
import importlib
import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from os import PathLike
from pathlib import Path

from emodiss.errors import TranscriptError, as_path, nearest
from emodiss.tabular import decoded, many_records
from emodiss.transcript import foreign
from emodiss.transcript.records import Problem, Row, Utterance
from emodiss.transcript.tables import read_annomi_rows, read_stm
from emodiss.transcript.timing import settle
from emodiss.vocabulary import TRANSCRIPT_READERS

_LOG = logging.getLogger(__name__)

FORMATS = tuple(TRANSCRIPT_READERS)
"""Formats by their file suffix."""

SPEAKER_DEFAULT = "speaker"
"""Label of the one unknown voice of a transcript that names nobody."""

_DESCRIPTION = re.compile(r"\[[^\[\]]*\]|\([^()]*\)|[\u266a\u266b][^\u266a\u266b]*")


def read(
    path: str | PathLike[str],
    *,
    strict: bool = True,
    format: str | None = None,
    speaker_default: str = SPEAKER_DEFAULT,
) -> list[Utterance]:
    """Read a transcript.

    Parameters
    ----------
    path
        A file whose suffix tells its format: `.stm`, `.vtt`, `.srt`, `.csv` (or `.tsv`),
        `.json` (WhisperX or YouTube json3).
    strict
        Stop at the first fault; a doubt about whose words a row holds is none. Otherwise the rows
        that can be read are returned and the number of faults is logged; `read_report` gives
        them. A file of which nothing can be read stops in any case.
    format
        One of `FORMATS`; overrides the suffix.
    speaker_default
        Label for utterances whose voice the file does not name.

    Returns
    -------
    list of Utterance
        Every one with `0 <= start < end`, in order of time; `overlap_s` is not measured here
        (`with_overlap` does). Times that the file states are `timing="given"`; ends that it does
        not state are interpolated and say so: see `emodiss.transcript.timing.settle`.

    Raises
    ------
    TranscriptError
        If the file cannot be opened or decoded, its format is unknown, it holds no utterance, or
        (strict) a row is malformed. The message names file and line.
    """
    path = as_path(path, "a transcript")
    utterances, problems = read_report(path, format=format, speaker_default=speaker_default)
    faults = [problem for problem in problems if not problem.doubt]
    if faults and (strict or not utterances):
        raise error_of(path, faults, n_read=len(utterances))
    if problems:
        _LOG.warning("%s: %d faults, first: %s", path.name, len(problems), problems[0].message)
    return utterances


@many_records()
def read_report(
    path: str | PathLike[str],
    *,
    format: str | None = None,
    speaker_default: str = SPEAKER_DEFAULT,
) -> tuple[list[Utterance], list[Problem]]:
    """Read what can be read of a transcript, and list what cannot.

    Parameters
    ----------
    path, format, speaker_default
        As in `read`.

    Returns
    -------
    utterances
        As in `read`. A row that ends before it starts is kept, with an interpolated end and the
        flag `no_length`; other malformed rows are left out.
    problems
        In order of line; empty when the file is sound.

    Raises
    ------
    TranscriptError
        If the file cannot be opened or decoded, or its format is unknown.
    """
    path = as_path(path, "a transcript")
    reader = _reader(path, format)
    text = _decoded(path)
    rows, problems = _sorted_out(reader(text))
    if not rows and (said := foreign.told(text, format or path.suffix.lower()[1:])):
        problems = [Problem(1, said)]
    if not rows and not problems:
        problems.append(Problem(0, "holds no utterance; expected at least one"))
    rows = [_flagged(row) for row in rows]
    return settle(rows, speaker_default=speaker_default), problems


@many_records()
def read_annomi(path: str | PathLike[str], *, strict: bool = True) -> dict[str, list[Utterance]]:
    """Read AnnoMI's table of counselling transcripts.

    Parameters
    ----------
    path
        `AnnoMI-simple.csv` or `AnnoMI-full.csv` (github.com/uccollab/AnnoMI).
    strict
        Stop at the first malformed row; the public file has one, a time of "00:09:025".
        Otherwise such rows are left out and their number is logged.

    Returns
    -------
    dict
        From `transcript_id` to utterances in the order of talk, speaker `therapist` or `client`.
        The table gives starts in whole seconds only; ends are interpolated and say so.

    Raises
    ------
    TranscriptError
        As in `read`.
    """
    path = as_path(path, "a transcript")
    transcripts: dict[str, list[Row]] = {}
    problems: list[Problem] = []
    for entry in read_annomi_rows(_decoded(path)):
        if isinstance(entry, Problem):
            problems.append(entry)
        else:
            transcripts.setdefault(entry[0], []).append(_flagged(entry[1]))
    if problems and strict:
        raise error_of(path, problems, n_read=len(transcripts))
    if problems:
        _LOG.warning("%s: %d faults, first: %s", path.name, len(problems), problems[0].message)
    return {
        name: settle(rows, speaker_default=SPEAKER_DEFAULT) for name, rows in transcripts.items()
    }


def _reader(path: Path, format: str | None) -> Callable[[str], Iterable[Row | Problem]]:
    kind = format or path.suffix.lower().removeprefix(".")
    if kind not in TRANSCRIPT_READERS:
        if format:
            raise TranscriptError(
                f"Unknown transcript format '{format}'.", next_step=nearest(format, FORMATS)
            )
        read = ", ".join(f".{suffix}" for suffix in FORMATS)
        if known := foreign.advice(kind, path.name):
            what, how = known
            raise TranscriptError(
                f"{path.name}: holds {what}; emodiss reads transcripts in {read}.", next_step=how
            )
        raise TranscriptError(
            f"{path.name}: the suffix '{path.suffix}' is no transcript format that emodiss reads.",
            next_step=f"Save it as one of: {read}.",
        )
    module, _, name = TRANSCRIPT_READERS[kind].partition(":")
    reader = getattr(importlib.import_module(module), name)
    return functools.partial(reader, name=path.stem) if reader is read_stm else reader


def told_by_name(path: Path) -> str:
    """Return what of a transcript's name decides what is read from it: the suffix, all of STM's."""
    suffix = path.suffix.lower()
    return path.name if suffix == ".stm" else suffix


def _decoded(path: Path) -> str:
    text = decoded(path, error=TranscriptError, what="transcript")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _sorted_out(entries: Iterable[Row | Problem]) -> tuple[list[Row], list[Problem]]:
    rows: list[Row] = []
    problems: list[Problem] = []
    for entry in entries:
        if isinstance(entry, Problem):
            problems.append(entry)
            continue
        rows.append(entry)
        if entry.end < entry.start:
            what = f"ends at {entry.end:g} s, before it starts at {entry.start:g} s"
            problems.append(Problem(entry.line, f"{what}; expected start <= end"))
    return rows, sorted(problems, key=lambda problem: problem.line)


def _flagged(row: Row) -> Row:
    described = row.text.lstrip()[:1] in ("[", "(", "\u266a", "\u266b")
    if described and not _DESCRIPTION.sub("", row.text).strip():
        return replace(row, flags=(*row.flags, "no_words"))
    return row


def error_of(path: Path, problems: list[Problem], *, n_read: int) -> TranscriptError:
    """Put a file's faults into one error; without one row read, less strict helps nobody."""
    first = problems[0]
    where = f"{path.name}, line {first.line}" if first.line else path.name
    n_more = len(problems) - 1
    more = f" ({n_more} more fault{'s' * (n_more > 1)} in this file.)" if n_more else ""
    return TranscriptError(
        f"{where}: {first.message}.{more}",
        next_step="Correct the row, or read without strict to go on without it."
        if n_read
        else "Check that the file is a transcript, and what its suffix says.",
    )
