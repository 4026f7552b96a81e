"""The manifest: which videos a run works on, checked line by line before anything runs.

A manifest is a CSV file with a header. Every row needs an `id` and either a `url` or a `path`;
the other columns are optional. Rows that cannot be used are reported with line and column, all
at once, and the rows that can be used are not held up by them.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from emodiss.errors import ManifestError, nearest
from emodiss.timebase import parse_time

Role = Literal["therapist", "patient", "other"]
"""Part a person plays in the conversation."""

ROLES: tuple[Role, ...] = get_args(Role)

Side = Literal["left", "right", "none"]
"""Half of the picture a face is in, as seen in the picture; `none` for a face never shown."""

FaceChoice = Side | tuple[int, ...]
"""Whose face is whose, as a person states it: a side, or numbers of face tracks."""

_ROLE_SYNONYMS: dict[str, Role] = {
    "therapist": "therapist",
    "counselor": "therapist",
    "counsellor": "therapist",
    "clinician": "therapist",
    "patient": "patient",
    "client": "patient",
    "other": "other",
}

# An id names a folder, so it can be neither a path nor a hidden file, on any file system.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

METADATA_COLUMNS = (
    "title",
    "topic",
    "quality",
    "duration_s",
    "uploader",
    "upload_date",
    "language",
    "captions",
    "query",
    "rank",
    "source",
)
"""Columns that are carried along for people and change no result. So are all `x_...` columns."""


class VideoRow(BaseModel):
    """One video of a study, as a person wrote it down.

    Parameters
    ----------
    id
        Letters, digits, `.`, `_` and `-`, not starting with a dot, at most 100 characters.
    url
        Where the video can be downloaded; http or https only.
    path
        A local file, absolute or relative to the manifest's folder.
    transcript
        A transcript file (STM, WebVTT, SRT, WhisperX JSON or CSV), relative to the manifest.
    roles
        Who is who: `Diane=therapist;Sheila=patient`. A stated role counts as said by a person.
    faces
        Whose face is whose: `Diane=left;Sheila=2+5`. It stands against whatever is measured.
    start, end
        Stretch of the video to work on, in seconds or as `HH:MM:SS`; default is all of it.
    license, notes
        Carried along.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    id: str
    url: str | None = None
    path: str | None = None
    transcript: str | None = None
    roles: dict[str, Role] | None = None
    faces: dict[str, FaceChoice] | None = None
    start: float | None = None
    end: float | None = None
    license: str | None = None
    notes: str | None = None

    @field_validator("id")
    @classmethod
    def _id_names_a_folder(cls, value: str) -> str:
        if not _ID.fullmatch(value) or ".." in value:
            raise ValueError(
                f"'{value}' cannot name a folder; use letters, digits, '.', '_' and '-', "
                "starting with a letter or digit, at most 100 characters"
            )
        return value

    @field_validator("url")
    @classmethod
    def _url_is_web(cls, value: str | None) -> str | None:
        if value is not None:
            parts = urlsplit(value)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(f"only http and https addresses are fetched, got '{value}'")
        return value

    @field_validator("start", "end", mode="before")
    @classmethod
    def _clock_or_seconds(cls, value: object) -> float | None:
        if value is None or isinstance(value, int | float):
            return value
        return parse_time(str(value))

    @field_validator("roles", mode="before")
    @classmethod
    def _pairs(cls, value: object) -> dict[str, Role] | None:
        if value is None or isinstance(value, dict):
            return value
        return parse_roles(str(value))

    @field_validator("faces", mode="before")
    @classmethod
    def _choices(cls, value: object) -> object:
        return parse_faces(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_source_and_a_stretch(self) -> VideoRow:
        if (self.url is None) == (self.path is None):
            got = "both" if self.url else "neither"
            raise ValueError(f"a row needs either a url or a path, got {got}")
        if self.start is not None and self.start < 0:
            raise ValueError(f"start must not be negative, got {self.start:g}")
        if self.end is not None and self.end <= (self.start or 0.0):
            raise ValueError(f"end must lie after start, got {self.start or 0.0:g} to {self.end:g}")
        return self


def parse_roles(text: str) -> dict[str, Role]:
    """Read `speaker=role;speaker=role`.

    Raises
    ------
    ValueError
        If a pair lacks its `=`, a speaker comes twice or a role is unknown.
    """
    roles: dict[str, Role] = {}
    for speaker, role in _per_speaker(text, "role"):
        roles[speaker] = parse_role(role)
    return roles


def parse_role(text: str) -> Role:
    """Read one role: `therapist`, `patient`, `other`, or a usual other word for one of them.

    Raises
    ------
    ValueError
        If there is no such role; the nearest one is named.
    """
    name = text.strip().lower()
    if name not in _ROLE_SYNONYMS:
        raise ValueError(f"unknown role '{text}'. {nearest(name, _ROLE_SYNONYMS)}")
    return _ROLE_SYNONYMS[name]


def parse_faces(text: str) -> dict[str, FaceChoice]:
    """Read `speaker=face;speaker=face`.

    Parameters
    ----------
    text
        A face is `left`, `right`, `none`, or numbers of face tracks with `+` between: `2+5`.

    Raises
    ------
    ValueError
        If a pair lacks its `=`, a speaker comes twice or a face is neither.
    """
    faces: dict[str, FaceChoice] = {}
    for speaker, face in _per_speaker(text, "face"):
        numbers = [part.strip() for part in face.split("+")]
        if face.lower() in get_args(Side):
            faces[speaker] = cast("Side", face.lower())
        elif all(re.fullmatch(r"[1-9][0-9]{0,8}", number) for number in numbers):
            faces[speaker] = tuple(sorted({int(number) for number in numbers}))
        else:
            raise ValueError(
                f"'{face}' is no face; expected left, right, none, or track numbers such as 2+5"
            )
    return faces


def _per_speaker(text: str, what: str) -> list[tuple[str, str]]:
    """Split `speaker=value;speaker=value`."""
    pairs: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(";"))):
        speaker, equals, value = (part.strip() for part in pair.partition("="))
        if not (speaker and equals and value):
            raise ValueError(f"expected 'speaker={what};speaker={what}', got '{pair}'")
        if speaker in pairs:
            raise ValueError(f"speaker '{speaker}' is given two {what}s")
        pairs[speaker] = value
    return list(pairs.items())


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with one cell of a manifest.

    Parameters
    ----------
    line
        Line in the file, counted from 1; the header is line 1.
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
        return f"line {self.line}, column {self.column}: {self.message}"

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
    """

    folder: Path
    rows: tuple[VideoRow, ...]
    problems: tuple[Problem, ...]
    metadata: dict[str, dict[str, str]]
    path: Path | None = None

    def resolve(self, path: str) -> Path:
        """Turn a path as written into one that can be opened."""
        return (self.folder / Path(path).expanduser()).resolve()

    def raise_problems(self) -> None:
        """Raise one error that lists every problem; do nothing when there is none.

        Raises
        ------
        ManifestError
            If there is any problem.
        """
        if self.problems:
            raise ManifestError(
                f"{len(self.problems)} problem(s) in the manifest:\n"
                + "\n".join(f"  {problem}" for problem in self.problems),
                next_step="Correct these lines.",
            )


def read(path: Path | str) -> Manifest:
    """Read and check a manifest.

    Parameters
    ----------
    path
        CSV in UTF-8 with a header; comma, semicolon or tab between the cells.

    Raises
    ------
    ManifestError
        If the file as a whole cannot be read: it does not exist, is not UTF-8, has no header, no
        `id`, neither `url` nor `path`, or a column that is not known. Faults of single rows are
        returned as `Manifest.problems`.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ManifestError(
            f"There is no manifest at '{path}'.",
            next_step="Write a CSV with the columns id and path (or url), or try: emodiss demo.",
        ) from None
    except (UnicodeDecodeError, IsADirectoryError, PermissionError) as error:
        raise ManifestError(
            f"The manifest '{path.name}' cannot be read as UTF-8 text ({type(error).__name__}).",
            next_step="Save it as CSV in UTF-8.",
        ) from error
    header_line = text.partition("\n")[0]
    delimiter = max(",;\t", key=header_line.count)
    lines = csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True)
    try:
        header = [cell.strip() for cell in next(lines, [])]
        _check_header(header, path.name)
        return _check_rows(header, lines, path=path.resolve())
    except csv.Error as error:
        raise ManifestError(
            f"The manifest '{path.name}' is not CSV at line {lines.line_num}: {error}.",
            next_step="Look for a quotation mark that is not closed.",
        ) from error


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
    for column in header:
        if header.count(column) > 1:
            raise ManifestError(f"The manifest '{name}' has the column '{column}' twice.")
        if column not in known and not column.startswith("x_"):
            raise ManifestError(
                f"The manifest '{name}' has an unknown column '{column}'. {nearest(column, known)}",
                next_step="Columns of your own start with x_.",
            )


def _check_rows(header: list[str], lines: Iterable[list[str]], *, path: Path) -> Manifest:
    rows: list[VideoRow] = []
    problems: list[Problem] = []
    metadata: dict[str, dict[str, str]] = {}
    first_line: dict[str, int] = {}
    for cells in lines:
        line: int = lines.line_num  # pyright: ignore[reportAttributeAccessIssue]
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            given = cells[header.index("id")] if header.index("id") < len(cells) else ""
            problems.append(
                Problem(line, "row", given, f"expected {len(header)} cells, got {len(cells)}")
            )
            continue
        values = {name: cell.strip() for name, cell in zip(header, cells, strict=True) if cell}
        row_id = values.get("id", "")
        typed: dict[str, Any] = {k: v for k, v in values.items() if k in VideoRow.model_fields}
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
                for fault in error.errors()
            )
            continue
        # File systems of macOS and Windows take S1 and s1 for one folder.
        folded = row.id.casefold()
        if folded in first_line:
            problems.append(
                Problem(line, "id", row.id, f"'{row.id}' is already on line {first_line[folded]}")
            )
            continue
        first_line[folded] = line
        rows.append(row)
        metadata[row.id] = {
            k: v for k, v in values.items() if k in METADATA_COLUMNS or k.startswith("x_")
        }
    return Manifest(path.parent, tuple(rows), tuple(problems), metadata, path)


def from_rows(rows: Iterable[dict[str, Any]], *, folder: Path | str = ".") -> Manifest:
    """Check rows that are already in memory, such as the records of a data frame.

    Parameters
    ----------
    rows
        Mappings with the columns of a manifest; None and NaN count as empty.
    folder
        Folder that relative paths start from.

    Raises
    ------
    ManifestError
        If any row cannot be used.
    """
    rows = [{k: v for k, v in row.items() if v is not None and v == v} for row in rows]
    header = list(dict.fromkeys(name for row in rows for name in row))
    _check_header(header, "rows")
    checked: list[VideoRow] = []
    for number, row in enumerate(rows, start=1):
        try:
            checked.append(VideoRow(**{k: v for k, v in row.items() if k in VideoRow.model_fields}))
        except ValidationError as error:
            fault = error.errors()[0]
            raise ManifestError(
                f"Row {number} ({row.get('id', 'no id')}): {fault['msg']}.",
                next_step="Correct this row.",
            ) from None
    ids = [row.id.casefold() for row in checked]
    for row in checked:
        if ids.count(row.id.casefold()) > 1:
            raise ManifestError(f"The id '{row.id}' is given more than once.")
    return Manifest(Path(folder).resolve(), tuple(checked), (), {})


COLUMN_HELP = {
    "id": "name of the session; names its folder (letters, digits, '.', '_', '-')",
    "url": "address to download from (http or https); either this or `path`",
    "path": "local file, relative to the manifest; either this or `url`",
    "transcript": "transcript file (stm, vtt, srt, json, csv), relative to the manifest",
    "roles": "`speaker=role;speaker=role`; roles are therapist, patient, other",
    "faces": "`speaker=face;speaker=face`, overrides what is measured; a face is left, right (of "
    "the picture), none (never shown) or numbers of face tracks such as 2+5",
    "start": "begin of the stretch to work on, seconds or HH:MM:SS",
    "end": "end of the stretch to work on, seconds or HH:MM:SS",
    "license": "terms of the video, carried along",
    "notes": "free text, carried along",
}
"""What each column means; the reference in `manifests/README.md` is made from it."""
