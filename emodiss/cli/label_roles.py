"""The command that asks a language model who is therapist and who is patient: label-roles."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from emodiss.cli import chat_options as chats, output, prompting
from emodiss.cli.option_groups import grouped
from emodiss.cli.options import AsCsv, AsJson, Quiet, RunFolder


@grouped
def label_roles(
    run: RunFolder,
    model_name: chats.Named = None,
    model: chats.Model = None,
    video: Annotated[str | None, typer.Option(help="Only this video.")] = None,
    min_confidence: Annotated[
        float, typer.Option(help="A role the model is less sure of is not used.", min=0, max=1)
    ] = 0.8,
    max_words: Annotated[
        int, typer.Option(help="Words of a session that are shown, from its beginning.", min=1)
    ] = 8000,
    max_tokens: Annotated[
        int, typer.Option(help="Longest answer, tokens; models that reason need more.", min=1)
    ] = 600,
    *,
    place: chats.Answering,
    redacted: prompting.Redacted,
    preview: chats.Preview = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    quiet: Quiet = False,
) -> None:
    """Ask a language model which part each voice plays; quotations are checked, doubt abstains."""
    from emodiss import study
    from emodiss.runs.run import load
    from emodiss.study.label_roles import requests

    models = chats.with_models(place, model_name, model).only()
    loaded = load(run)
    asked: dict[str, Any] = {
        "video": video,
        "people": redacted.people(),
        "max_words": max_words,
        "max_tokens": max_tokens,
        "say": output.say,
    }
    if preview:
        chats.preview(models, requests(loaded, models, **asked))
        return
    with output.progress_bars(quiet=quiet) as progress:
        done = study.label_roles(
            loaded, models, **asked, min_confidence=min_confidence, progress=progress
        )
    rows = [{**row, "quotes": json.dumps(row["quotes"], ensure_ascii=False)} for row in done.rows()]
    output.show(rows, as_json=as_json, as_csv=as_csv)
    for name, fault in done.unanswered.items():
        output.say(f"{name}: no answer [{fault.code}]: {fault}")
    if rows:
        output.say(f"Bring the roles into the tables with: emodiss resume {run}")
    if not done.complete:
        raise typer.Exit(1)
