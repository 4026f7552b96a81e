"""The command that runs the whole experiment with scripted models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emodiss.cli import output
from emodiss.cli.options import AsJson, Quiet


def demo(
    out: Annotated[Path, typer.Argument(help="New folder.")] = Path("mirror-demo"),
    resamples: Annotated[int, typer.Option(help="Bootstrap resamples.", min=0)] = 1000,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Run the whole experiment with scripted models and drawn faces; asks nobody."""
    from emodiss import mirror

    with output.progress_bars(quiet=quiet) as progress:
        made = mirror.demo(out, resamples=resamples, progress=progress)
    if as_json:
        files = {"paper": str(made.paper), "report": str(made.report)}
        tables = {n: output.records(frame) for n, frame in sorted(made.evaluation.tables.items())}
        output.show([{**files, "notes": made.evaluation.notes, "tables": tables}], as_json=True)
        return
    output.tell(made.paper.read_text(encoding="utf-8"))
    output.say(f"This text: {made.paper}. Pages: {made.report}.")
