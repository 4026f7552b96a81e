"""Files written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import stat
import sys
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import IO, Any

from emodiss.errors import DiskError, EmodissError, RunError
from emodiss.runs import layout

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)
_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)


@contextlib.contextmanager
def room_needed() -> Generator[None]:
    """Say what to do where the disk is full or may not be written to."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            # Of the network, it names no file.
            if isinstance(error, EmodissError) or error.filename is None:
                raise
            raise DiskError.of(error) from error
        raise DiskError(
            f"The run folder cannot be written ({error.strerror}).",
            next_step="Make room or choose another --out, and run again; finished work is kept.",
        ) from error


@contextlib.contextmanager
def sound(path: Path, next_step: str) -> Generator[None]:
    """Name the file whose content is no such thing, whatever the reader inside says of it."""
    try:
        yield
    except EmodissError:
        raise
    except Exception as error:
        # Of damaged bytes, Arrow says so without a number; zipfile seeks places that cannot be.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise RunError(
            f"{path.name} is damaged ({type(error).__name__}): not what emodiss wrote.",
            next_step=next_step,
            code="damaged",
        ) from error


def write_atomically(path: Path, *content: bytes | memoryview) -> None:
    """Write a file whole or not at all, from one piece or several; its folder is made."""
    with replaced(path) as file:
        file.writelines(content)


def _in_run(path: Path) -> bool:
    """Whether a path lies in a run folder, which holds what people said and how they looked.

    Folders of simulated sessions and of rating studies are kept alike: profiles and faces may be of
    real people, and raters' answers are.
    """
    marks = (layout.RUN, layout.EXPERIMENT, layout.STUDY_DESIGN)
    return path.name in marks or any(
        (folder / mark).exists() for folder in path.absolute().parents for mark in marks
    )


def mode_of(path: Path) -> int:
    """Mode of a new file: of a run for its owner alone; elsewhere as the user's umask has it."""
    return 0o600 if _in_run(path) else 0o666


def make_folder(folder: Path) -> None:
    """Make a folder and those above it: in a run for its owner alone."""
    with named(folder):
        if folder.is_dir():
            return
    make_folder(folder.parent)
    with named(folder):
        folder.mkdir(mode=0o700 if _in_run(folder) else 0o777, exist_ok=True)


def keep_private(root: Path) -> None:
    """Close a run folder and all that lies in it to others; what is open to its owner stays so."""
    if os.name != "posix":
        return
    for path in (root, *root.rglob("*")):
        with contextlib.suppress(OSError):  # gone meanwhile, or another's, who decides
            mode = path.lstat().st_mode
            if not stat.S_ISLNK(mode) and mode & 0o077:
                path.chmod(stat.S_IMODE(mode) & ~0o077)


@contextlib.contextmanager
def named(path: Path, temporary: Path | None = None) -> Generator[None]:
    """Let an error of the disk be ours and name the file that is written, not a temporary one."""
    try:
        yield
    except EmodissError:
        raise
    except OSError as error:
        if error.errno is None:
            raise
        if error.filename == str(temporary):
            error.filename = None
        raise DiskError.of(error, path) from error


@contextlib.contextmanager
def replaced(path: Path, *, before: Callable[[], None] | None = None) -> Generator[IO[bytes]]:
    """Open a file to be written whole or not at all: it takes its name when the block ends.

    `before` is called just before it does.
    """
    make_folder(path.parent)
    temporary = path.parent / f".{secrets.token_hex(6)}.tmp"
    with named(path, temporary):
        handle = os.open(temporary, _NEW, mode_of(path))
        try:
            with _in_use(handle):
                with os.fdopen(handle, "wb") as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                if before is not None:
                    before()
                temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):  # a disk that is gone keeps it
                temporary.unlink(missing_ok=True)
            raise
    sync_folder(path.parent)


@contextlib.contextmanager
def _in_use(handle: int) -> Generator[None]:
    """Mark a temporary file as written to, until the block ends or its process dies."""
    if sys.platform == "win32":  # which removes no file that is open
        yield
        return
    import fcntl

    mark = os.dup(handle)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(mark, fcntl.LOCK_EX)
        yield
    finally:
        os.close(mark)


def remove_abandoned(temporary: Path) -> None:
    """Remove a temporary file that a killed process left; one that is written to now stays."""
    if sys.platform == "win32":
        with contextlib.suppress(PermissionError):
            temporary.unlink(missing_ok=True)
        return
    import fcntl

    with contextlib.suppress(FileNotFoundError, BlockingIOError), temporary.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    # A rename is only safe from power loss once its folder has reached the disk.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write plain values for programs and people: indented, keys in order, whole or not at all."""
    write_atomically(path, json_bytes(record))


def json_bytes(record: Mapping[str, Any]) -> bytes:
    """Return plain values as they are written for programs and people."""
    return (json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
