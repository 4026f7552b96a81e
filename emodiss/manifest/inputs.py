"""What a person hands in: a manifest, media files, or a folder of them."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from emodiss.errors import ArgumentError, ManifestError, no_text
from emodiss.manifest.rows import VideoRow
from emodiss.manifest.rules import check_id
from emodiss.manifest.table import TRANSCRIPT_SUFFIXES, Files, Manifest, Problem, read

MEDIA_SUFFIXES = (
    *("mp4", "m4v", "mov", "mkv", "webm", "avi", "mpg", "mpeg", "mts", "m2ts", "ts", "wmv", "flv"),
    *("3gp", "ogv", "wav", "mp3", "m4a", "aac", "flac", "ogg", "opus", "wma"),
)
"""Endings by which media are found in a folder."""

_TABLE_SUFFIXES = ("csv", "tsv", "txt")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_ID_LENGTH = 80

Inputs = str | Path | Manifest | Iterable[str | Path]
"""A manifest (its path, or read already), a media file, a folder of media, or several of these."""


def opened(inputs: Inputs, *, allow_local: bool = False) -> Manifest:
    """Return the manifest of what is handed in.

    Parameters
    ----------
    inputs
        Path of a CSV; a manifest already read; a media file, a folder of media files, or several
        of the two (see `of_media`).
    allow_local
        As in `read`.

    Raises
    ------
    ManifestError
        As in `read` and `of_media`; if a manifest is handed in together with something else; or if
        files outside the folder are to be allowed in a manifest that was read without allowing
        them, so that its rows are gone already.
    """
    if isinstance(inputs, Manifest):
        if allow_local and not inputs.allow_local:
            raise ManifestError(
                "This manifest was read without allow_local.",
                next_step="Say it there: emodiss.manifest.read(..., allow_local=True).",
            )
        return inputs
    given: list[str | Path] = [inputs] if isinstance(inputs, str | Path) else list(_checked(inputs))
    for one in given:
        if _ADDRESS.match(str(one)):
            raise ManifestError(
                "A web address is annotated by way of a manifest.",
                next_step="Write a CSV with the columns id and url, and name that.",
            )
    paths = [Path(one) for one in given]
    tables = [path for path in paths if not _is_media(path)]
    if not tables:
        return of_media(paths, allow_local=allow_local)
    if len(paths) > 1:
        raise ManifestError(
            f"'{tables[0].name}' is read as a manifest, and a manifest stands alone.",
            next_step="Give one manifest, or media files and folders only.",
        )
    return read(tables[0], allow_local=allow_local)


def _checked(inputs: object) -> Iterator[str | Path]:
    """Refuse what is no path, or no collection of paths."""
    # The names of a table's columns are no paths.
    several = isinstance(inputs, Iterable) and not hasattr(inputs, "columns")
    for one in inputs if several and isinstance(inputs, Iterable) else [inputs]:
        if not isinstance(one, str | Path):
            inside = f" of {type(one).__name__}" if several else ""
            raise ArgumentError(
                f"Got {type(inputs).__name__}{inside} where the path of a manifest or of media "
                "belongs.",
                next_step="Give a path, a list of paths, or a manifest from emodiss.manifest.read; "
                "a run goes on with emodiss.resume(RUN).",
            )
        yield one


def _is_media(path: Path) -> bool:
    """Whether a path is a folder or a media file; by its ending, else by whether it is text."""
    suffix = path.suffix.lower().lstrip(".")
    if path.is_dir() or suffix in MEDIA_SUFFIXES:
        return True
    if suffix in _TABLE_SUFFIXES or not path.is_file():
        return False
    with path.open("rb") as file:
        return b"\0" in file.read(4096)


def of_media(paths: Iterable[str | Path], *, allow_local: bool = False) -> Manifest:
    """Make a manifest of media files.

    Parameters
    ----------
    paths
        Media files, and folders whose own media files (not those of folders inside) are taken in
        order of name. A file that is named twice counts once.
    allow_local
        Whether links in the folder may lead out of it, as in `read`.

    Returns
    -------
    Manifest
        Ids are `media_id` of the file names. A transcript beside a file, named like the file or
        like its id, belongs to it. A file that is not there is a problem of its own.

    Raises
    ------
    ManifestError
        If nothing is handed in, or a folder holds no media or a manifest.
    """
    given = [Path(path).absolute() for path in no_text(paths, "a list of paths")]
    if not given:
        raise ManifestError(
            "Nothing is handed in.", next_step="Name a manifest, media files or a folder of them."
        )
    files = dict.fromkeys(f for path in given for f in (_inside(path) if path.is_dir() else [path]))
    # A named file may be a link to anywhere: the user chose it. In a folder it may be another's.
    named = {path for path in given if not path.is_dir()}
    homes = [(f.resolve() if f in named else f.parent.resolve() / f.name).parent for f in files]
    folder = Path(os.path.commonpath(homes))
    empty = Manifest(folder, (), (), {}, allow_local=allow_local, sources=tuple(given))
    rows: list[VideoRow] = []
    problems: list[Problem] = []
    taken: set[str] = set()
    seen: set[Path] = set()
    beside: dict[str, tuple[Path, ...]] = {}
    looks = Files(empty)
    for file in files:
        real = file.resolve()
        if real in seen:
            continue
        seen.add(real)
        name = media_id(file, taken)
        taken.add(name.casefold())
        if not file.is_file():
            problems.append(Problem(0, "path", name, f"there is no file '{file.name}'"))
            continue
        beside[name] = _transcripts_beside(file, name)
        first = next(map(str, beside[name]), None)
        row = VideoRow(id=name, path=str(real), transcript=first)
        if faults := looks.faults(row):
            problems.extend(Problem(0, column, name, why) for column, why in faults)
        else:
            rows.append(row)
    return replace(empty, rows=tuple(rows), problems=tuple(problems), beside=beside)


def _inside(folder: Path) -> list[Path]:
    """Media files of a folder, in order of name."""
    files = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower().lstrip(".") in MEDIA_SUFFIXES
        and not path.name.startswith(".")
        and path.is_file()
    )
    if (folder / "manifest.csv").is_file():
        raise ManifestError(
            f"The folder '{folder.name}' holds a manifest, which may say more than file names do.",
            next_step=f"Name {folder.name}/manifest.csv, or the media files themselves.",
        )
    if not files:
        raise ManifestError(
            f"The folder '{folder.name}' holds no media file (folders inside it do not count).",
            next_step=f"Known endings: {', '.join(MEDIA_SUFFIXES)}. Name other files one by one.",
        )
    return files


def _transcripts_beside(file: Path, name: str) -> tuple[Path, ...]:
    """List what may be the transcript of a media file: beside it, under its name or its id."""
    stems = dict.fromkeys([file.stem, name])
    found = (file.with_name(f"{s}.{end}") for s in stems for end in TRANSCRIPT_SUFFIXES)
    return tuple(path for path in found if path.is_file() and path != file)


def media_id(file: Path, taken: Iterable[str] = ()) -> str:
    """Make an id of a file's name, as `emodiss.manifest.check_id` wants it.

    Parameters
    ----------
    file
        Its name counts without ending, composed (NFC) first: macOS stores accents apart, and one
        recording has one id everywhere. Accents fall away; other characters that no id may hold
        become `-`. Where letters are lost, six digits of a hash of the name keep names apart.
    taken
        Ids that are given already, in lower case; the hash sets this one apart from them.
    """
    stem = unicodedata.normalize("NFC", file.stem)
    letters = [unicodedata.normalize("NFKD", c).encode("ascii", "ignore").decode() for c in stem]
    lost = any(c.isalnum() and not plain for c, plain in zip(stem, letters, strict=True))
    plain = "".join(p if p else "-" for p in letters)
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", plain)
    plain = re.sub(r"-{2,}", "-", re.sub(r"\.{2,}", ".", plain))[:_ID_LENGTH].strip("._-")
    whole = unicodedata.normalize("NFC", f"{file.parent.name}/{file.name}")
    by_name = hashlib.sha256(unicodedata.normalize("NFC", file.name).encode()).hexdigest()[:6]
    by_place = hashlib.sha256(whole.encode()).hexdigest()[:6]
    base = plain or "video"
    first = f"{base}-{by_name}" if lost or not plain else base
    numbered = (f"{base}-{by_place}-{n}" for n in range(2, 1_000_000))
    known = set(taken)
    for name in (first, f"{base}-{by_name}", f"{base}-{by_place}"):
        if name.casefold() not in known and _fits(name):
            return name
    return next(name for name in numbered if name.casefold() not in known and _fits(name))


def _fits(name: str) -> bool:
    try:
        check_id(name)
    except ValueError:
        return False
    return True


def run_folder(manifest: Manifest) -> Path:
    """Return where the run of a manifest lies when nobody says so: beside what was handed in.

    Parameters
    ----------
    manifest
        Read from a file, or made of media.

    Returns
    -------
    Path
        For one file or folder `NAME-run` beside it, NAME without ending; for several, `NAME-run`
        in the folder that holds them all, NAME being that folder's.

    Raises
    ------
    ManifestError
        If the rows are from memory, and lie nowhere.
    """
    if not manifest.sources:
        raise ManifestError(
            "Rows from memory have no place where their run would lie.",
            next_step="Name a run folder: out=...",
        )
    source, *others = manifest.sources
    if others:
        common = Path(os.path.commonpath([path.parent for path in manifest.sources]))
        return common / f"{common.name or 'media'}-run"
    return source.with_name(f"{source.name if source.is_dir() else source.stem}-run")
