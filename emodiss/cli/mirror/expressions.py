"""The command that asks what the client's face shows with each line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from emodiss.cli import chat_options as chats, output
from emodiss.cli.option_groups import grouped
from emodiss.cli.options import AsCsv, AsJson, Quiet
from emodiss.vocabulary import counted


@grouped
def expressions(
    out: Annotated[Path, typer.Argument(help="Folder of the experiment.")],
    model_name: chats.Named = None,
    model: chats.Model = None,
    without_directions: Annotated[
        bool, typer.Option("--without-directions", help="Hide stage directions (Figure 14).")
    ] = False,
    temperature: Annotated[float, typer.Option(help="0 picks the likeliest words.")] = 0.7,
    top_p: Annotated[float, typer.Option(help="Share of probability to sample from.")] = 0.9,
    max_tokens: Annotated[int, typer.Option(help="Longest answer, tokens.", min=1)] = 128,
    *,
    place: chats.Answering,
    preview: chats.Preview = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    quiet: Quiet = False,
) -> None:
    """Ask a language model what the client's face shows with each line, and what contrasts."""
    from emodiss import mirror
    from emodiss.mirror.expressions import requests

    models = chats.with_models(place, model_name, model).only()
    experiment = mirror.load(out)
    asked: dict[str, Any] = {
        "without_directions": without_directions,
        "decoding": mirror.Decoding(temperature, top_p, None, max_tokens),
    }
    if preview:
        chats.preview(models, requests(experiment, models, **asked))
        return
    with output.progress_bars(quiet=quiet) as progress:
        done = mirror.expressions(experiment, models, **asked, say=output.say, progress=progress)
    if as_json or as_csv:
        rows = [each.to_dict() for each in done.expressions]
        output.show(rows, as_json=as_json, as_csv=as_csv)
    else:
        whole = sum(each.status == "complete" for each in done.expressions)
        output.tell(f"{counted(len(done.expressions), 'line')}: {whole} described")
    for name, fault in done.unanswered.items():
        output.say(f"{name}: no answer [{fault.code}]: {fault}")
    partial = sum(each.status == "partial" for each in done.expressions)
    if partial:
        output.say(f"{partial} answers lack one of the two descriptions; no picture is made there.")
    if not done.complete:
        raise typer.Exit(1)
