"""Tables, JSON, CSV and progress: how commands show what they have to say."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import re
import sys
import threading
import time
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any, Final

import typer

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from emodiss.errors import EmodissError
    from emodiss.runs.progress import Progress


# Tab and line feed stay; a carriage return would write over what stands there.
_ACTIVE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)


# How people write the unit that ends the name of a column.
_UNITS: Final = {
    **{"s": "s", "ms": "ms", "seconds": "s", "minutes": "min", "hours": "h"},
    **{"mb": "MB", "gb": "GB", "bytes": "bytes", "usd": "USD", "db": "dB", "hz": "Hz"},
}

# A count of this size among numbers with decimals is written without them.
_LARGE: Final = 100.0


def show(
    rows: Sequence[dict[str, Any]],
    *,
    as_json: bool = False,
    as_csv: bool = False,
    columns: Sequence[str] | None = None,
) -> None:
    """Write rows to stdout: a table for people, JSON or CSV for programs."""
    if as_json:
        show_json(list(rows))
        return
    names = list(rows[0]) if rows else list(columns or ())
    if as_csv:
        writer = csv.DictWriter(sys.stdout, names, lineterminator="\n")
        writer.writeheader()
        if sys.stdout.isatty():  # a file gets the text as it is
            rows = [{k: _shown(v) for k, v in row.items()} for row in rows]
        writer.writerows(rows)
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    cells = {name: _column([row.get(name) for row in rows]) for name in columns or names}
    # A column that says nothing in any row only takes room.
    told = {name: column for name, column in cells.items() if any(column) or not rows}
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in told:
        table.add_column(_heading(name), overflow="fold")
    for row in zip(*told.values(), strict=True):
        table.add_row(*row)
    # A pipe has no width; a table that is cut at 80 columns there would lose data.
    Console(width=None if sys.stdout.isatty() else 160, highlight=False).print(table)


def write_every_letter() -> None:
    """Write files and pipes in UTF-8; of what a terminal lacks, show the code.

    Windows gives output that is redirected the letters of one region alone.
    """
    for stream in (sys.stdout, sys.stderr):
        if not isinstance(stream, io.TextIOWrapper):
            continue
        if stream.isatty():
            stream.reconfigure(errors="backslashreplace")
        else:
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def tell(text: str, *, end: str = "\n") -> None:
    """Write text to stdout: as it is to a file or pipe, harmless to a terminal."""
    # Without `color`, click takes escapes out of what goes to a file.
    typer.echo((harmless(text) if sys.stdout.isatty() else text) + end, nl=False, color=True)


def tell_or_write(text: str, out: Path | None) -> None:
    """Write text to a file and tell its path, or to stdout where no file is named."""
    if out is None:
        tell(text, end="")
        return
    from emodiss.runs.files import write_atomically

    write_atomically(out, text.encode())
    tell(str(out))


def show_json(value: Any, *, sort_keys: bool = False) -> None:
    """Write a value to stdout as JSON in which nothing acts on a terminal."""
    text = json.dumps(value, indent=2, ensure_ascii=False, sort_keys=sort_keys, default=str)
    tell(_ACTIVE.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def harmless(text: str) -> str:
    """Return text that does nothing to a terminal but stand there.

    Control characters (C0, C1) and those that turn the direction of writing come as their codes;
    blanks, tabs and ends of lines stay.
    """
    return _ACTIVE.sub(lambda found: ascii(found[0])[1:-1], text)


def plain(value: Any) -> Any:
    """Give a value as JSON knows it: what is missing or infinite becomes null."""
    missing = getattr(sys.modules.get("pandas"), "NA", None)  # only who has it loaded can give it
    value = value.item() if hasattr(value, "item") else value
    if value is None or value is missing or value != value:
        return None
    if isinstance(value, float) and math.isinf(value):
        return None
    return value if isinstance(value, bool | int | float | str) else str(value)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Give the rows of a table as JSON knows them."""
    return [{str(k): plain(v) for k, v in row.items()} for row in frame.to_dict("records")]


def _shown(value: Any) -> Any:
    return harmless(value) if isinstance(value, str) else value


def _heading(name: str) -> str:
    """Name a column as people do: `size_mb` is "size, MB"."""
    what, _, unit = name.rpartition("_")
    if not what or unit not in _UNITS:
        return name.replace("_", " ")
    return f"{what.replace('_', ' ')}{'' if what.endswith('_per') else ','} {_UNITS[unit]}"


def _column(values: Sequence[Any]) -> list[str]:
    """Write the cells of a column; one of whole numbers has no decimals."""
    known = [v for v in values if isinstance(v, float) and math.isfinite(v)]
    return [_cell(value, whole=all(v.is_integer() for v in known)) for value in values]


def _cell(value: Any, *, whole: bool) -> str:
    if value is None or value != value:  # NaN
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        large = abs(value) >= _LARGE and value.is_integer()
        # z: a hair below zero is shown as 0.00, not as its negative.
        return f"{value:z.{0 if whole or large else 2}f}"
    return harmless(str(value)).replace("[", "\\[")


@contextlib.contextmanager
def progress_bars(*, quiet: bool) -> Generator[Progress | None]:
    """Show on stderr how far each stage is: bars in a terminal, now and then a line in a pipe."""
    if quiet:
        yield None
        return
    if not sys.stderr.isatty():
        with _lines() as told:
            yield told
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    with Progress(
        # One long video moves no bar for hours; what turns and counts shows that work goes on.
        SpinnerColumn(finished_text=" "),
        TextColumn("{task.description:14}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as bars:
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield report


@contextlib.contextmanager
def _lines() -> Generator[Progress]:
    """Write a line when a stage that took long ends, and one every half minute until then."""
    log = ProgressLog()
    over = threading.Event()

    def keep_telling() -> None:
        while not over.wait(1.0):
            if line := log.due(time.monotonic()):
                say(line)

    def report(stage: str, done: int, total: int) -> None:
        if line := log.moved(stage, done, total, time.monotonic()):
            say(line)

    teller = threading.Thread(target=keep_telling, daemon=True)
    teller.start()
    try:
        yield report
    finally:
        over.set()
        teller.join()


class ProgressLog:
    """Decides when a pipe or a log file is told how far the work is, and in which words."""

    EVERY_S: Final = 30.0
    """Seconds from one line to the next while a stage goes on."""
    LONG_S: Final = 10.0
    """A stage that took less than this ends without a line."""

    def __init__(self, now: float | None = None) -> None:
        self._told = time.monotonic() if now is None else now
        # Stages under way, the one that moved last at the end: done, total, when it began.
        self._stages: dict[str, tuple[int, int, float]] = {}
        # Two threads ask: the one that works and the one that keeps time.
        self._lock = threading.Lock()

    def moved(self, stage: str, done: int, total: int, now: float) -> str | None:
        """Take in how far a stage is; return a line if it has ended after long work."""
        with self._lock:
            _, _, begun = self._stages.pop(stage, (0, 0, now))
            if done < total:
                self._stages[stage] = done, total, begun
                return None
            if now - begun < self.LONG_S:
                return None
            self._told = now
            return f"{stage}: {done} of {total} done, {now - begun:.0f} s"

    def due(self, now: float) -> str | None:
        """Return a line if a stage is under way and none was written for `EVERY_S`."""
        with self._lock:
            if not self._stages or now - self._told < self.EVERY_S:
                return None
            stage, (done, total, begun) = next(reversed(self._stages.items()))
            self._told = now
            return f"{stage}: {done} of {total} so far, {now - begun:.0f} s"


def say(line: str) -> None:
    """Write a line for people to stderr."""
    typer.echo(harmless(line), err=True)


def explain(error: EmodissError) -> int:
    """Say what is wrong and what to do next; return the exit status."""
    say(f"emodiss: {error.what}")
    if error.next_step:
        say(f"         {error.next_step}")
    return 1 if error.code == "disk" else 2
