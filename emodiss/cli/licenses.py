"""The command that lists the terms of models: models licenses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emodiss.cli import output
from emodiss.cli.options import AsCsv, AsJson


def licenses(
    run: Annotated[Path | None, typer.Argument(help="Run folder; all models if none.")] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List the terms of every model that the utterances of a run rest on."""
    from emodiss.exports.provenance import trace
    from emodiss.exports.whole_run import model_terms
    from emodiss.models.catalog import cards
    from emodiss.runs.run import load

    if run is not None:
        loaded = load(run)
        rests = trace(loaded)
        rows = model_terms(loaded, rests)
        if rests.untraced:
            output.say(
                f"The models of {len(rests.untraced)} sessions cannot be named, because the "
                "stored results are not those of the tables; run emodiss annotate again."
            )
    else:
        rows = [
            {
                "name": entry.name,
                "task": entry.task,
                "identity": entry.identity,
                "licence": entry.licence,
                "noncommercial": entry.noncommercial,
                "source": entry.source,
            }
            for entry in cards().values()
        ]
    output.show(rows, as_json=as_json, as_csv=as_csv)
