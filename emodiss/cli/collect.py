"""The command that searches for candidates: collect."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emodiss.cli import output
from emodiss.vocabulary import counted


def collect(
    queries: Annotated[list[str], typer.Argument(help='Searches, such as "CBT session roleplay".')],
    out: Annotated[Path, typer.Option("--out", "-o", help="Candidate manifest.")] = Path(
        "candidates.csv"
    ),
    limit: Annotated[int, typer.Option(help="Most videos per search.", min=1)] = 20,
    details: Annotated[
        bool, typer.Option(help="Look at each page: licence, date, language, captions.")
    ] = True,
) -> None:
    """Search YouTube for candidates, with yt-dlp; no media is fetched. Leaves this machine."""
    from emodiss.corpus import collection
    from emodiss.errors import ManifestError
    from emodiss.runs.store import write_atomically

    if out.exists():  # a person may have gone through it
        raise ManifestError(
            f"'{out}' is there already; a list of candidates is not overwritten.",
            next_step="Choose another --out, or move that file away.",
        )
    found = collection.collect(queries, limit=limit, details=details)
    for trouble in found.troubles:
        output.say(trouble)
    write_atomically(out, found.to_csv().encode())
    output.say(counted(len(found.rows), "candidate"))
    output.tell(str(out))
    if found.troubles and not found.rows:
        raise typer.Exit(1)
