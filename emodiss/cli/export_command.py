"""The command that writes a run in the formats of other programs: export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emodiss.cli import output
from emodiss.cli.show_commands import RunFolder


def export(
    run: RunFolder,
    kinds: Annotated[
        list[str] | None,
        typer.Option("--format", help="rttm, webvtt, textgrid, eaf or all; repeatable."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder.")] = Path("exports"),
    video: Annotated[str | None, typer.Option(help="Only this video.")] = None,
) -> None:
    """Write the sessions of a run for Praat, ELAN, players and scoring: one file per video."""
    from emodiss.exports import FORMATS, ExportError, suffix_of, write
    from emodiss.runs.reviewing import Session
    from emodiss.runs.run import load
    from emodiss.runs.store import write_atomically

    loaded = load(run)
    chosen = list(dict.fromkeys(kinds or ["all"]))
    chosen = list(FORMATS) if "all" in chosen else chosen
    failed = False
    for name in [video] if video else loaded.videos:
        table = loaded.session(name)
        if pending := Session(loaded, name).n_pending:
            output.say(
                f"{name}: {pending} reviews are newer than the table and not in the file; run "
                "emodiss annotate again first."
            )
        for kind in chosen:
            try:
                text = write(table, kind, media=loaded.media(name))
            except ExportError as error:
                if kind not in FORMATS:
                    raise
                failed = True
                output.say(f"{name}: no {kind}: {error}")
                continue
            path = out / f"{name}{suffix_of(kind)}"
            write_atomically(path, text.encode())
            typer.echo(str(path))
    if failed:
        raise typer.Exit(1)
