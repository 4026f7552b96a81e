"""The command that computes the paper's tables and figures from an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from emodiss.cli import output
from emodiss.cli.options import AsCsv, AsJson

_TITLES = {
    "table2": "Table 2: therapist skills with resistant clients, 0 to 6 (change against none)",
    "table3": "Table 3: client alliance, 1 to 5 (change against none)",
    "lengths": "Length of the replies",
    "table4": "Table 4: win rates, goal (per cent, row against column)",
    "table5": "Table 5: win rates, approach",
    "table6": "Table 6: win rates, affective bond",
}


def evaluate(
    out: Annotated[Path, typer.Argument(help="Folder of the experiment.")],
    reference: Annotated[
        str | None,
        typer.Option(help="Therapist to compare with; the one with planning and captioning."),
    ] = None,
    judge: Annotated[
        str | None, typer.Option(help="Whose scores count, where several were asked.")
    ] = None,
    wording: Annotated[
        list[str] | None,
        typer.Option(help="Wording that counts: own, as_printed, ...; repeatable."),
    ] = None,
    items: Annotated[
        Path | None, typer.Option(help="WAI items that were asked with, if your own.")
    ] = None,
    parse_failure: Annotated[
        str,
        typer.Option(help="missing, or zero: CounselingEval's unreadable scores as in CACTUS."),
    ] = "missing",
    comparisons: Annotated[
        Path | None, typer.Option(help="CSV of comparisons; OUT/pair_ratings.csv by default.")
    ] = None,
    ties: Annotated[str, typer.Option(help="half, drop or three_way.")] = "half",
    tokenizer: Annotated[
        str, typer.Option(help="words, a tokenizer.json, or with tiktoken o200k_base.")
    ] = "words",
    table: Annotated[
        str | None, typer.Option(help="Print this table alone, such as table2_tests.")
    ] = None,
    confidence: Annotated[float, typer.Option(help="Coverage of intervals.")] = 0.95,
    resamples: Annotated[int, typer.Option(help="Bootstrap resamples.", min=0)] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    figures: Annotated[bool, typer.Option(help="Draw Figures 5, 7, 8 and 14.")] = True,
    to: Annotated[
        Path | None, typer.Option(help="Folder for the files; OUT/evaluation by default.")
    ] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Compute the paper's tables and figures; all go to OUT/evaluation.

    A session or a score that is missing drops its pair and is counted; it is never a zero.
    """
    from emodiss import mirror
    from emodiss.errors import SettingsError, nearest
    from emodiss.mirror import layout
    from emodiss.statistics import Bootstrap

    experiment = mirror.load(out)
    found = mirror.evaluate(
        experiment,
        reference=reference,
        judge=judge,
        wording=wording or (),
        items=items,
        parse_failure=cast("Any", parse_failure),
        comparisons=comparisons,
        ties=cast("Any", ties),
        tokenizer=tokenizer,
        bootstrap=Bootstrap(confidence, resamples, seed),
    )
    if table is not None and table not in found.tables:
        raise SettingsError(f"There is no table '{table}'.", next_step=nearest(table, found.tables))
    written = found.write(to or experiment.root / layout.EVALUATION, figures=figures)
    if as_csv:
        name = table or "table2"
        frame = found.tables.get(name)
        if frame is None:
            raise SettingsError("There is no Table 2 yet.", next_step="Name a --table.")
        output.tell(frame.to_csv(index=False, lineterminator="\n"), end="")
    elif as_json:
        tables = found.tables if table is None else {table: found.tables[table]}
        content = {
            "notes": found.notes,
            "files": [str(path) for path in written],
            "tables": {name: output.records(frame) for name, frame in sorted(tables.items())},
        }
        output.show_json(content)
    else:
        for note in found.notes:
            output.say(note)
        titles = _TITLES if table is None else {table: table}
        for name, title in titles.items():
            if name in found.tables:
                output.say(f"{title}:")
                output.show(output.records(found.tables[name]))
        for path in written:
            output.tell(str(path))
