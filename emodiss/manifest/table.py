"""A manifest as a whole: read from a file or from memory, its faults listed by line and column."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from emodiss import tabular
from emodiss.errors import ManifestError, as_path, nearest
from emodiss.manifest.rows import METADATA_COLUMNS, VideoRow
from emodiss.manifest.rules import resolve_file
from emodiss.vocabulary import TRANSCRIPT_READERS, counted

TRANSCRIPT_SUFFIXES = tuple(TRANSCRIPT_READERS)
"""Endings of a given transcript, in the order they are looked for beside the media."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with one cell of a manifest.

    Parameters
    ----------
    line
        Line in the file, counted from 1; the header is line 1. 0 where there is no such file.
    column
        Name of the column, or `row` when the fault lies between columns.
    id
        Id of the row as written; may be empty.
    message
        What is wrong, with the value and what was expected.
    """

    line: int
    column: str
    id: str
    message: str

    def __str__(self) -> str:
        if not self.line:
            return self.message
        where = "" if self.column == "row" else f", column {self.column}"
        return f"line {self.line}{where}: {self.message}"

    def listed_under(self, videos: Collection[str]) -> str:
        """Name of the row in lists of outcomes: its id, or its line where the id is not its own.

        Parameters
        ----------
        videos
            Ids of the usable rows. A second row of the same id must not pass for the first.
        """
        return f"line {self.line}" if not self.id or self.id in videos else self.id


@dataclass(frozen=True, slots=True)
class Manifest:
    """The rows that can be used and the problems of those that cannot.

    Parameters
    ----------
    folder
        Folder that relative paths start from.
    rows
        Usable rows, in file order; ids are unique.
    problems
        One per fault, in file order.
    metadata
        Columns that change no result, by id.
    path
        The file it was read from; None for rows from memory.
    allow_local
        Whether files outside the folder may be opened.
    sources
        Absolute paths that were handed in: the CSV, or media files and folders; none for rows from
        memory.
    beside
        Files beside media handed in without a manifest that may be their transcripts, by id; the
        first of them stands in the row.
    """

    folder: Path
    rows: tuple[VideoRow, ...]
    problems: tuple[Problem, ...]
    metadata: dict[str, dict[str, str]]
    path: Path | None = None
    allow_local: bool = False
    sources: tuple[Path, ...] = ()
    beside: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)

    def resolve(self, path: str) -> Path:
        """Turn a path as written into one that can be opened.

        Raises
        ------
        ManifestError
            If it lies outside the folder and that is not allowed, or cannot be opened.
        """
        return resolve_file(path, self.folder, anywhere=self.allow_local)

    def transcript_of(self, row: VideoRow) -> Path | None:
        """Return the transcript that a row names, or one beside its local media as `<id>.<suffix>`.

        Raises
        ------
        ManifestError
            As in `resolve`; a link beside the media may lead elsewhere too.
        """
        if row.transcript is not None:
            return self.resolve(row.transcript)
        return next(iter(self.transcripts_beside(row)), None)

    def transcripts_beside(self, row: VideoRow) -> list[Path]:
        """List the files beside a row's media that may be its transcript, if it states none.

        Raises
        ------
        ManifestError
            As in `transcript_of`.
        """
        found: Iterable[Path] = self.beside.get(row.id, ())
        if row.transcript is None and row.path is not None:
            media = self.resolve(row.path)
            named = (media.parent / f"{row.id}.{suffix}" for suffix in TRANSCRIPT_SUFFIXES)
            # A manifest that is named after its only video is no transcript of it.
            found = [path for path in named if path.is_file() and path not in (media, self.path)]
        return [self.resolve(str(path)) for path in found]

    def raise_problems(self) -> None:
        """Raise one error that lists every problem; do nothing when there is none.

        Raises
        ------
        ManifestError
            If there is any problem.
        """
        if self.problems:
            where = "of what was named" if self.path is None else "in the manifest"
            raise ManifestError(
                f"{counted(len(self.problems), 'problem')} {where}:\n"
                + "\n".join(f"  {problem}" for problem in self.problems),
                next_step="Check the paths." if self.path is None else "Correct these lines.",
            )


class Files:
    """Looks for the files that rows name: at each name and each folder once, however many rows."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._found: dict[str, Path | ManifestError | None] = {}
        self._listed: dict[Path, tuple[frozenset[str], frozenset[str]]] = {}

    def faults(self, row: VideoRow) -> list[tuple[str, str]]:
        """List the columns of a row whose files may not or cannot be opened, each with the why."""
        found: list[tuple[str, str]] = []
        for column, written in (("path", row.path), ("transcript", row.transcript)):
            try:
                if written is not None:
                    self._look_for(written)
                elif column == "transcript" and not found and row.path is not None:
                    media = self._look_for(row.path)
                    folder = media.parent if media else self._manifest.folder
                    stems = self._names_in(folder)[1]
                    if row.id in self._manifest.beside or row.id.casefold() in stems:
                        self._manifest.transcript_of(row)
            except ManifestError as error:
                found.append((column, f"row '{row.id}': {error}"))
        return found

    def _look_for(self, written: str) -> Path | None:
        """Resolve a path as written; None where a glance tells that it is not there."""
        if written not in self._found:
            self._found[written] = None
            first = written.partition("/")[0]
            if (
                not _PLAIN_PATH.fullmatch(written)
                or _spelled_alike(first) in self._names_in(self._manifest.folder)[0]
            ):
                try:
                    self._found[written] = self._manifest.resolve(written)
                except ManifestError as error:
                    self._found[written] = error
        found = self._found[written]
        if isinstance(found, ManifestError):
            raise found
        return found

    def _names_in(self, folder: Path) -> tuple[frozenset[str], frozenset[str]]:
        """Names of what is in a folder, whole and without their endings, spelled alike."""
        if folder not in self._listed:
            try:
                names = frozenset(map(_spelled_alike, os.listdir(folder)))
            except OSError:
                names = frozenset[str]()
            stems = frozenset(name.rpartition(".")[0] for name in names)
            self._listed[folder] = names, stems
        return self._listed[folder]


# Nothing that leads out of a folder, and nothing too long for a name.
_PLAIN_PATH = re.compile(r"(?=.{1,60}\Z)\w[\w .()-]*(?:/\w[\w .()-]*)*")


def _spelled_alike(name: str) -> str:
    """Spell a name so that names which some file system takes for one are equal."""
    return unicodedata.normalize("NFC", name).casefold().rstrip(" .")


def read(path: Path | str, *, allow_local: bool = False) -> Manifest:
    """Read and check a manifest.

    Parameters
    ----------
    path
        CSV with a header, as `emodiss.tabular.parse` reads it.
    allow_local
        Whether rows may name files (media, transcripts) outside the manifest's folder, links
        followed. By default such a row is a problem, since a manifest from somebody else must not
        make this machine read or copy files elsewhere on it. The folder is the one that the CSV
        itself lies in, should `path` be a link. It changes no result and enters no key.

    Raises
    ------
    ManifestError
        If the file as a whole cannot be read: it does not exist, is no text, has no header, no
        `id`, neither `url` nor `path`, or a column that is not known. Faults of single rows are
        returned as `Manifest.problems`.
    """
    path = as_path(path, "a manifest")
    if not path.exists():
        raise ManifestError(
            f"There is no manifest at '{path}'.",
            next_step="Write a CSV with the columns id and path (or url), or try: emodiss demo.",
        )
    if path.is_dir():
        raise ManifestError(
            f"'{path}' is a folder, not a manifest.",
            next_step="Name the CSV in it that lists the videos.",
        )
    known = (*VideoRow.model_fields, *METADATA_COLUMNS)
    text = tabular.decoded(path, error=ManifestError, what="manifest")
    table = tabular.parse(text, path.name, known=known, short_rows=False, restore=True)
    unquoted = next((fault for fault in table.faults if fault.quotation), None)
    if unquoted:
        raise ManifestError(
            f"The manifest '{path.name}' is not CSV at line {unquoted.line}: {unquoted.message}.",
            next_step="Look for a quotation mark that is not closed.",
        )
    _check_header(list(table.header), path.name)
    path = path.resolve()
    empty = Manifest(path.parent, (), (), {}, path, allow_local=allow_local, sources=(path,))
    return _check_rows(table, empty)


def _check_header(header: list[str], name: str) -> None:
    known = (*VideoRow.model_fields, *METADATA_COLUMNS)
    if not any(header):
        raise ManifestError(
            f"The manifest '{name}' is empty.", next_step="Give it a header: id,path or id,url."
        )
    if "id" not in header or not {"url", "path"} & set(header):
        raise ManifestError(
            f"The manifest '{name}' needs the columns id and url or path; it has "
            f"{', '.join(filter(None, header))}.",
            next_step="The first line must name the columns.",
        )
    counts = Counter(header)
    for column in header:
        if counts[column] > 1:
            raise ManifestError(f"The manifest '{name}' has the column '{column}' twice.")
        if column not in known and not column.startswith("x_"):
            raise ManifestError(
                f"The manifest '{name}' has an unknown column '{column}'. {nearest(column, known)}",
                next_step="Columns of your own start with x_.",
            )


@tabular.many_records()
def _check_rows(table: tabular.Table, empty: Manifest) -> Manifest:
    rows: list[VideoRow] = []
    problems: list[Problem] = []
    metadata: dict[str, dict[str, str]] = {}
    first_line: dict[str, int] = {}
    files = Files(empty)
    fields, carried = frozenset(VideoRow.model_fields), frozenset(METADATA_COLUMNS)
    for entry in table.lines():
        line = entry.line
        if tabular.is_hopeless(len(problems), len(rows)):
            problems.append(Problem(line, "row", "", tabular.GIVEN_UP))
            break
        if isinstance(entry, tabular.Fault):
            # Roles hold semicolons, which spreadsheets in half of Europe put between cells.
            message = entry.message
            if entry.n_cells:
                message = f"expected {table.width} cells, got {entry.n_cells}"
                message += "; a text that holds the mark between cells needs quotes, as in "
                message += '"A=therapist;B=patient"'
            problems.append(Problem(line, "row", entry.cells.get("id", ""), message))
            continue
        values = {name: cell for name, cell in entry.cells.items() if cell}
        for name in VideoRow.model_fields.keys() - {"id"}:
            if values.get(name, "").casefold() in tabular.MISSING:  # "NA", as R writes it
                values.pop(name, None)
        row_id = values.get("id", "")
        typed: dict[str, Any] = {k: v for k, v in values.items() if k in fields}
        try:
            row = VideoRow.model_validate({"id": "", **typed})
        except ValidationError as error:
            problems.extend(
                Problem(
                    line,
                    str(fault["loc"][0]) if fault["loc"] else "row",
                    row_id,
                    fault["msg"].removeprefix("Value error, "),
                )
                for fault in error.errors(include_url=False, include_context=False)
            )
            continue
        # File systems of macOS and Windows take S1 and s1 for one folder.
        folded = row.id.casefold()
        if folded in first_line:
            problems.append(
                Problem(line, "id", row.id, f"'{row.id}' is already on line {first_line[folded]}")
            )
            continue
        if faults := files.faults(row):
            problems.extend(Problem(line, column, row.id, why) for column, why in faults)
            continue
        first_line[folded] = line
        rows.append(row)
        metadata[row.id] = {k: v for k, v in values.items() if k in carried or k.startswith("x_")}
    return replace(empty, rows=tuple(rows), problems=tuple(problems), metadata=metadata)


def from_rows(
    rows: Iterable[dict[str, Any]], *, folder: Path | str = ".", allow_local: bool = False
) -> Manifest:
    """Check rows that are already in memory, such as the records of a data frame.

    Parameters
    ----------
    rows
        Mappings with the columns of a manifest; None and NaN count as empty.
    folder
        Folder that relative paths start from, and that files must lie in; default is the one in
        which the program was started.
    allow_local
        As in `read`: rows in memory were often read from somebody's file.

    Raises
    ------
    ManifestError
        If any row cannot be used.
    """
    rows = [{k: v for k, v in row.items() if v is not None and v == v} for row in rows]
    header = list(dict.fromkeys(name for row in rows for name in row))
    _check_header(header, "rows")
    empty = Manifest(Path(folder).resolve(), (), (), {}, allow_local=allow_local)
    files = Files(empty)
    checked: list[VideoRow] = []
    for number, values in enumerate(rows, start=1):
        try:
            row = VideoRow(**{k: v for k, v in values.items() if k in VideoRow.model_fields})
        except ValidationError as error:
            fault = error.errors()[0]
            raise ManifestError(
                f"Row {number} ({values.get('id', 'no id')}): {fault['msg']}.",
                next_step="Correct this row.",
            ) from None
        for column, why in files.faults(row):
            raise ManifestError(f"Row {number}, column {column}: {why}")
        checked.append(row)
    ids = Counter(row.id.casefold() for row in checked)
    for row in checked:
        if ids[row.id.casefold()] > 1:
            raise ManifestError(f"The id '{row.id}' is given more than once.")
    return replace(empty, rows=tuple(checked))
