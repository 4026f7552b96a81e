"""Files that grow: whole after a kill, mended when torn, read with the line that is at fault."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from collections.abc import Callable, Generator, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Generic, Literal, TypeVar

from pydantic import ValidationError

from emodiss.errors import RunError
from emodiss.runs import seals
from emodiss.runs.files import make_folder, mode_of, named, write_atomically
from emodiss.tabular import is_hopeless, json_value, many_records

T = TypeVar("T")
Line = dict[str, Any]
"""An entry as plain values."""


_BLOCK = 65536
# What reading and decoding of damaged lines raise: the numbers of deep or long JSON among them.
_FAULTS = (ValueError, TypeError, KeyError, AttributeError, RecursionError, ArithmeticError)


def _as_it_is(entry: Any) -> Any:
    return entry


def canonical(line: Mapping[str, Any]) -> str:
    """Plain values as one line of JSON, keys in order."""
    return json.dumps(line, ensure_ascii=False, sort_keys=True)


@dataclass(frozen=True)
class Journal(Generic[T]):
    """A file of entries, one JSON object per line or one row of a CSV."""

    path: Path
    # What to do about an entry that cannot be read.
    next_step: str = ""
    # decode, encode: From plain values to an entry and back; a fault is a ValueError, TypeError or
    # KeyError.
    decode: Callable[[Line], T] = _as_it_is
    encode: Callable[[T], Mapping[str, Any]] = _as_it_is
    # From plain values to a line.
    dump: Callable[[Mapping[str, Any]], str] = canonical
    # `raise`, or `skip` where a bad line costs nothing but itself.
    on_fault: Literal["raise", "skip"] = "raise"
    # Whether emodiss alone writes the file, so that damage is told from a change; see `seals`.
    sealed: bool = True
    # Lock file of those who write while the run folder is not theirs alone.
    lock: Path | None = None
    # Seconds to wait for it.
    patience_s: float = 10.0

    @many_records()
    def read(self) -> list[T]:
        """Return all entries, oldest first, but a last line torn by a kill; [] without a file."""
        try:
            content, whole = (
                seals.read(self.path) if self.sealed else (self.path.read_bytes(), True)
            )
        except FileNotFoundError:
            return []
        found, faults = self._read(content)
        first = next(iter(faults), None)
        if not whole:
            where = "" if first is None else f", line {first},"
            why = "" if first is None else faults[first]
            raise seals.damaged(self.path, self.next_step, where=where, why=why)
        if first is not None and self.on_fault == "raise":
            raise RunError(
                f"{self.path.name}, line {first}: {faults[first]}.",
                next_step=self.next_step,
                code="damaged",
            )
        return found

    def _read(self, content: bytes) -> tuple[list[T], dict[int, str]]:
        """Return the entries that can be read, and what is wrong in other lines, by number."""
        found: list[T] = []
        faults: dict[int, str] = {}
        parts = self._parts(content)
        for number, part in parts:
            try:
                found.append(self.decode(self._plain(part)))
            except _FAULTS as error:
                last = number == parts[-1][0] and not content.endswith(b"\n")
                if not (last and _is_torn(part)):
                    faults[number] = _fault(error)
                    if self.on_fault == "raise" or is_hopeless(len(faults), len(found)):
                        break  # one is enough to refuse a file
        return found, faults

    def append(self, entries: Iterable[T]) -> None:
        """Add entries in one write and force them to the disk; a torn last line goes."""
        text = "".join(self.dump(self.encode(entry)) + "\n" for entry in entries)
        with self._alone():
            if self.sealed and not self.path.exists():  # somebody moved it away
                seals.forget(self.path)
            with named(self.path), open(self.path, "ab+", opener=_opened) as file:
                _mend(file)
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
            if self.sealed:
                seals.extend(self.path)

    def upsert(
        self,
        entries: Iterable[T],
        *,
        key: Callable[[T], Hashable],
        order: Callable[[T], Any] | None = None,
    ) -> int:
        """Put entries in the place of those with the same key, add the rest; return how many went.

        The file is replaced whole. Without an order, what was there keeps its place.
        """
        with self._alone():
            known = {key(entry): entry for entry in self.read()}
            new = {key(entry): entry for entry in entries}
            n_replaced = len(known.keys() & new.keys())
            merged = list((known | new).values())
            self.write(merged if order is None else sorted(merged, key=order))
        return n_replaced

    def write(self, entries: Iterable[T]) -> None:
        """Replace the file whole."""
        write = seals.write if self.sealed else write_atomically
        write(self.path, self._content([self.encode(entry) for entry in entries]).encode())

    def _parts(self, content: bytes) -> list[tuple[int, Any]]:
        # Not splitlines(): a text may hold other characters that it takes for line ends.
        return [(n, line) for n, line in enumerate(content.split(b"\n"), 1) if line.strip()]

    def _plain(self, part: Any) -> Line:
        if not part.lstrip().startswith((b"{", b"[")):
            raise _NoValue
        line = json_value(part)
        if not isinstance(line, dict):
            raise TypeError
        return line

    def _content(self, lines: Sequence[Mapping[str, Any]]) -> str:
        return "".join(self.dump(line) + "\n" for line in lines)

    @contextlib.contextmanager
    def _alone(self) -> Generator[None]:
        """Let two writers write one after the other."""
        make_folder(self.path.parent)
        if self.lock is None:
            yield
            return
        import filelock

        lock = filelock.FileLock(self.lock, timeout=self.patience_s, mode=0o600)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise RunError(
                f"Another process is writing {self.path.name} of '{self.path.parent.name}'.",
                next_step="Try again in a moment.",
                code="locked",
            ) from None
        try:
            yield
        finally:
            lock.release()


@dataclass(frozen=True)
class TableJournal(Journal[T]):
    """The same as CSV: cells are text, the header is that of `columns` and of what is there."""

    columns: tuple[str, ...] = ()

    def append(self, entries: Iterable[T]) -> None:
        """Add rows; the file is replaced whole, since they may bring columns."""
        with self._alone():
            self.write([*self.read(), *entries])

    def _parts(self, content: bytes) -> list[tuple[int, Any]]:
        try:
            reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
            return [(reader.line_num, row) for row in reader]
        except (UnicodeDecodeError, csv.Error):
            raise RunError(
                f"{self.path.name} cannot be read as CSV in UTF-8.", next_step=self.next_step
            ) from None

    def _plain(self, part: Any) -> Line:
        if None in part or None in part.values():
            raise ValueError("cells and header differ in number")
        return part

    def _content(self, lines: Sequence[Mapping[str, Any]]) -> str:
        header = dict.fromkeys([*self.columns, *(name for line in lines for name in line)])
        out = io.StringIO()
        writer = csv.DictWriter(out, list(header), restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
        return out.getvalue()


class _NoValue(ValueError):
    """A line whose first character tells that it holds no JSON, or nothing but a word of it."""


def _fault(error: Exception) -> str:
    """Say what is wrong without a word of what the line holds."""
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError | _NoValue):
        return "no JSON"
    if isinstance(error, ValidationError):
        fault = error.errors()[0]
        return f"{'.'.join(str(part) for part in fault['loc'])} {fault['msg']}".strip()
    return "not what emodiss wrote"


def _opened(path: str, flags: int) -> int:
    return os.open(path, flags, mode_of(Path(path)))


def _mend(file: IO[bytes]) -> None:
    """Cut off a last line that was torn by a kill; one that only lacks its end gets it."""
    size = file.seek(0, os.SEEK_END)
    start, tail = size, b""
    while start and b"\n" not in tail:
        start = max(0, start - _BLOCK)
        file.seek(start)
        tail = file.read(size - start)
        if tail.endswith(b"\n"):
            return
    if not tail:
        return
    last = tail.rpartition(b"\n")[2]
    if _is_json(last):
        file.write(b"\n")
    else:
        file.truncate(size - len(last))


def _is_torn(part: Any) -> bool:
    """Whether a last line may be what a kill left; a table is never written in part."""
    return isinstance(part, bytes) and not _is_json(part)


def _is_json(text: str | bytes) -> bool:
    try:
        json_value(text)
    except ValueError:
        return False
    return True
