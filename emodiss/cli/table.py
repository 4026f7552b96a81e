"""The command that prints the paper's tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emodiss.cli import output
from emodiss.cli.options import AsCsv, AsJson, RunFolder

if TYPE_CHECKING:
    import pandas as pd


def table(
    run: RunFolder,
    which: Annotated[
        str,
        typer.Argument(
            metavar="TABLE",
            help="1, 2 or 4, as in the study; licences of the videos; failures or techniques of "
            "the responses.",
        ),
    ],
    name: Annotated[str | None, typer.Option(help="For table 2: what to call this corpus.")] = None,
    all_work: Annotated[
        bool, typer.Option("--all-work", help="For table 4: failed and repeated work too.")
    ] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Print one of the study's tables: the corpus in numbers, hours of work, counts of answers."""
    from emodiss import corpus, statistics
    from emodiss.corpus.licences import summary
    from emodiss.corpus.tables import COUNTS
    from emodiss.errors import SettingsError, nearest
    from emodiss.runs.run import load
    from emodiss.study import Study

    makers: dict[str, tuple[Callable[..., pd.DataFrame], dict[str, Any]]] = {
        "1": (corpus.table1, {}),
        "2": (corpus.table2, {} if name is None else {"name": name}),
        "4": (corpus.table4, {"all_work": all_work}),
        "licences": (corpus.licences, {}),
        "failures": (lambda run: statistics.failure_rates(Study(run).responses), {}),
        "techniques": (lambda run: statistics.technique_shares(Study(run).responses), {}),
    }
    asked = which.removeprefix("table").replace("licenses", "licences")
    if asked not in makers:
        raise SettingsError(
            f"There is no table '{which}'; {', '.join(makers)} were expected.",
            next_step="Table 3 comes with the figures of: emodiss evaluate."
            if asked == "3"
            else nearest(asked, makers),
        )
    make, options = makers[asked]
    made = make(load(run), **options)
    rows = output.records(made)
    if asked == "1":  # counts and measures share a column
        rows = [_whole(row) if row["statistic"] in COUNTS else row for row in rows]
    output.show(rows, as_json=as_json, as_csv=as_csv)
    if asked == "licences":
        output.say(summary(made))


def _whole(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in row.items()
    }
