"""The command that lets a therapist's model reply to clients of AnnoMI."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from emodiss.cli import chat_options as chats, output
from emodiss.cli.option_groups import grouped
from emodiss.cli.options import AsCsv, AsJson, Quiet, RunFolder


@grouped
def annomi(
    run: RunFolder,
    model_name: chats.Named = None,
    model: chats.Model = None,
    talk: Annotated[str, typer.Option(help="sustain, change or neutral.")] = "sustain",
    every: Annotated[
        bool,
        typer.Option(
            "--every", help="Each such utterance, not the first of each session that has a face."
        ),
    ] = False,
    variant: Annotated[str, typer.Option(help="base, or ec with a caption.")] = "ec",
    table: Annotated[
        Path | None,
        typer.Option(help="AnnoMI's table; the transcripts of the manifest if not given."),
    ] = None,
    history: Annotated[int, typer.Option(help="Last lines that are told.", min=1)] = 6,
    temperature: Annotated[float, typer.Option(help="0 picks the likeliest words.")] = 0.7,
    reply_tokens: Annotated[int, typer.Option(help="Longest reply.", min=1)] = 256,
    *,
    place: chats.Answering,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    quiet: Quiet = False,
) -> None:
    """Let a therapist's model see clients of AnnoMI when they speak against change, and reply."""
    from emodiss import mirror
    from emodiss.runs.run import load

    with output.progress_bars(quiet=quiet) as progress:
        done = mirror.annomi(
            load(run),
            chats.with_models(place, model_name, model),
            talk=talk,
            every=every,
            variant=variant,
            table=table,
            history=history,
            decoding=mirror.Decoding(temperature=temperature, max_tokens=reply_tokens),
            say=output.say,
            progress=progress,
        )
    for note in done.notes:
        output.say(note)
    columns = ["video_id", "utterance_id", "time", "status", "reason", "binding_confidence"]
    rows = [asdict(each) for each in done.moments]
    output.show(rows, as_json=as_json, as_csv=as_csv, columns=columns)
    if not (as_json or as_csv):
        typer.echo(str(done.page))
    if not done.complete:
        raise typer.Exit(1)
