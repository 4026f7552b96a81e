"""Tables, JSON, CSV and progress: how commands show what they have to say."""

from __future__ import annotations

import contextlib
import csv
import json
import math
import sys
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    import pandas as pd

    from emodiss.runs.annotate import Progress


def show(
    rows: Sequence[dict[str, Any]],
    *,
    as_json: bool = False,
    as_csv: bool = False,
    columns: Sequence[str] | None = None,
) -> None:
    """Write rows to stdout: a table for people, JSON or CSV for programs.

    Parameters
    ----------
    rows
        Mappings with the same keys.
    as_json, as_csv
        Which form; a table by default.
    columns
        Columns of the table for people; all by default.
    """
    if as_json:
        typer.echo(json.dumps(list(rows), indent=2, ensure_ascii=False, default=str))
        return
    names = list(rows[0]) if rows else list(columns or ())
    if as_csv:
        writer = csv.DictWriter(sys.stdout, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in columns or names:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in columns or names))
    # A pipe has no width; a table that is cut at 80 columns there would lose data.
    Console(width=None if sys.stdout.isatty() else 160, highlight=False).print(table)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Plain values for JSON: NaN and infinity, which JSON does not know, become null.

    Parameters
    ----------
    frame
        Any table.

    Returns
    -------
    list of dict
        One per row.
    """

    def plain(value: Any) -> Any:
        value = value.item() if hasattr(value, "item") else value
        if value is None or value != value or (isinstance(value, float) and math.isinf(value)):
            return None
        return value if isinstance(value, bool | int | float | str) else str(value)

    return [{str(k): plain(v) for k, v in row.items()} for row in frame.to_dict("records")]


def _cell(value: Any) -> str:
    if value is None or value != value:  # NaN
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.2f}"
    return str(value).replace("[", "\\[")


@contextlib.contextmanager
def progress_bars(*, quiet: bool) -> Generator[Progress | None]:
    """Show one bar per stage on stderr, when stderr is a terminal; nothing in a pipe.

    Parameters
    ----------
    quiet
        Show nothing in any case.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn("{task.description:14}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    ) as bars:
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done)

        yield report


def say(line: str) -> None:
    """Write a line for people to stderr."""
    typer.echo(line, err=True)
