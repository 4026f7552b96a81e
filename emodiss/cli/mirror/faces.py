"""The command that draws the client's face for each line."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from emodiss.cli import output
from emodiss.cli.options import AsCsv, AsJson, Quiet
from emodiss.vocabulary import counted


def faces(
    out: Annotated[Path, typer.Argument(help="Folder of the experiment.")],
    draw: Annotated[
        str,
        typer.Option(help="warp (offline, for demos), command (a program of yours) or diffusers."),
    ] = "warp",
    assign: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="options.<draw>.<name>=value, such as options.command.program; repeatable.",
        ),
    ] = None,
    attempts: Annotated[
        int, typer.Option(help="Tries per line, each from another seed.", min=1, max=10)
    ] = 10,
    without_directions: Annotated[
        bool,
        typer.Option("--without-directions", help="Draw what was described without directions."),
    ] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    quiet: Quiet = False,
) -> None:
    """Draw the client's face for each line from its description and a picture of the person."""
    from emodiss import mirror
    from emodiss.mirror.faces import synthesizer

    experiment = mirror.load(out)
    chosen = synthesizer(draw, assign or ())
    with output.progress_bars(quiet=quiet) as progress:
        done = mirror.faces(
            experiment,
            chosen,
            attempts=attempts,
            without_directions=without_directions,
            progress=progress,
        )
    rows = [each.to_dict() for each in done.pictures]
    if as_json or as_csv:
        output.show(rows, as_json=as_json, as_csv=as_csv)
    else:
        counts = Counter(each.reason or each.status for each in done.pictures)
        said = ", ".join(f"{n} {what}" for what, n in sorted(counts.items()))
        output.tell(f"{counted(len(rows), 'line')}: {said or 'none to draw'}")
    if not done.complete:
        raise typer.Exit(1)
