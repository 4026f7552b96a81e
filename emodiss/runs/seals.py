"""Seals of the files that emodiss alone writes, so that damage is noticed when they are read.

`.seals/NAME` beside a file says how many of its bytes are known, and their CRC-32. What a process
added and was killed before it could say so lies after them, and is read. A file without a seal is
read as it is: it is of an earlier version, or its owner changed it and took the seal away. Files
that people may change have none, nor have those that emodiss never reads.
"""

from __future__ import annotations

import contextlib
import functools
import re
import zlib
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import IO, Any

from emodiss.errors import RunError
from emodiss.runs import files, layout
from emodiss.tabular import json_value

_BLOCK = 1 << 20


def whole(path: Path) -> bool:
    """Whether a file is as it was written, as far as anything is known of it."""
    while (seal := _stated(path)) is not None:
        try:
            status = path.stat()
        except FileNotFoundError:  # somebody moved it away
            return True
        if _fits(path, (status.st_size, status.st_mtime_ns, status.st_ino), seal):
            return True
        if _stated(path) == seal:  # or else it was written anew meanwhile
            return False
    return True


def read(path: Path) -> tuple[bytes, bool]:
    """Return the content of a file, and whether it is as it was written."""
    while (seal := _stated(path)) is not None:
        content, said = path.read_bytes(), _parsed(seal)
        known = b"" if said is None else content[: said[0]]
        if said == (len(known), zlib.crc32(known)):
            return content, True
        if _stated(path) == seal:
            return content, False
    return path.read_bytes(), True


def damaged(path: Path, next_step: str, *, where: str = "", why: str = "") -> RunError:
    """Return the error that names a damaged file and the way out."""
    seal = f"{layout.SEALS}/{path.name}"
    return RunError(
        f"{path.name}{where} is damaged: {why or 'not as emodiss wrote it'}.",
        next_step=f"{next_step} Where you changed it yourself, remove {seal}; it is then read as "
        "it is.",
        code="damaged",
    )


def require_whole(path: Path, next_step: str) -> None:
    """Refuse a file that is not as it was written."""
    if not whole(path):
        raise damaged(path, next_step)


def read_json(path: Path, next_step: str) -> Any:
    """Return plain values; RunError if they are not as they were written."""
    content, as_written = read(path)
    if not as_written:
        raise damaged(path, next_step)
    with files.sound(path, next_step):
        return json_value(content)


@contextlib.contextmanager
def replaced(path: Path) -> Generator[IO[bytes]]:
    """Open a file to be written whole or not at all, and seal it."""
    # Off first, so that a kill leaves a file without a seal, never one beside another's.
    with files.replaced(path, before=functools.partial(forget, path)) as file:
        yield file
    seal(path)


def write(path: Path, *pieces: bytes | memoryview) -> None:
    """Write a file whole or not at all, and seal it."""
    with replaced(path) as file:
        file.writelines(pieces)


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write plain values as `files.write_json` does, and seal them."""
    write(path, files.json_bytes(record))


def seal(path: Path) -> None:
    """Seal a file as it is."""
    _write(path, *_summed(path))


def extend(path: Path) -> None:
    """Seal what was added to a file; what was damaged before stays known as damaged."""
    stated = _stated(path)
    known = (0, 0) if stated is None else _parsed(stated)
    if known is not None and path.stat().st_size >= known[0]:
        _write(path, *_summed(path, *known))


def forget(path: Path) -> None:
    """Take the seal off a file that will be replaced, or is gone."""
    _seal_of(path).unlink(missing_ok=True)
    files.sync_folder(_seal_of(path).parent)


def _seal_of(path: Path) -> Path:
    return path.parent / layout.SEALS / path.name


def _stated(path: Path) -> bytes | None:
    """Return the seal of a file as it stands there, or None."""
    try:
        return _seal_of(path).read_bytes()
    except FileNotFoundError:
        return None


def _parsed(seal: bytes) -> tuple[int, int] | None:
    """Return number of bytes and checksum, or None when this is no seal."""
    found = re.fullmatch(rb"(\d{1,18}) ([0-9a-f]{8})\n", seal)
    return None if found is None else (int(found[1]), int(found[2], 16))


def _write(path: Path, n: int, crc: int) -> None:
    files.write_atomically(_seal_of(path), b"%d %08x\n" % (n, crc))


def _summed(path: Path, start: int = 0, crc: int = 0, end: int | None = None) -> tuple[int, int]:
    """Return where reading ended and the checksum up to there, going on from `start` and `crc`."""
    at = start
    with path.open("rb") as file:
        file.seek(start)
        while block := file.read(_BLOCK if end is None else min(_BLOCK, end - at)):
            at, crc = at + len(block), zlib.crc32(block, crc)
    return at, crc


@functools.lru_cache(maxsize=256)
def _fits(path: Path, _stamp: tuple[int, ...], seal: bytes) -> bool:
    """Whether a file is as its seal says; one that has not changed is not read again."""
    said = _parsed(seal)
    return said is not None and _summed(path, end=said[0]) == said
