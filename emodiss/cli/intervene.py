"""The command that asks language models for interventions: intervene."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from emodiss.cli import chat_options as chats, output, prompting
from emodiss.cli.option_groups import grouped
from emodiss.cli.options import AsJson, Quiet, RunFolder
from emodiss.vocabulary import counted


@grouped
def intervene(
    run: RunFolder,
    model_name: chats.Named = None,
    model: chats.Model = None,
    samples: Annotated[int, typer.Option(help="Answers per prompt.", min=1)] = 1,
    temperature: Annotated[float, typer.Option(help="0 picks the likeliest words.")] = 0.0,
    max_tokens: Annotated[int, typer.Option(help="Longest answer, tokens.", min=1)] = 300,
    *,
    choice: prompting.Choice,
    place: chats.Answering,
    redacted: prompting.Redacted,
    preview: chats.Preview = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Ask a language model what a therapist might say; answers go to RUN/interventions.jsonl."""
    from emodiss import study
    from emodiss.runs.run import load
    from emodiss.study.intervene import requests

    models = chats.with_models(place, model_name, model).only()
    asked: dict[str, Any] = {
        "samples": samples,
        "temperature": temperature,
        "max_tokens": max_tokens,
    }
    loaded = load(run)
    prompts = prompting.render(loaded, choice, redacted)
    if preview:
        chats.preview(models, requests(loaded, prompts, models, **asked, say=output.say))
        return
    with output.progress_bars(quiet=quiet) as progress:
        done = study.intervene(loaded, prompts, models, **asked, say=output.say, progress=progress)
    for prompt, fault in done.unanswered:
        output.say(
            f"{prompt.video_id}, {prompt.condition}, sample {fault.sample}: no answer "
            f"[{fault.error.code}]: {fault.error}"
        )
    last = done.record["last_command"]
    if as_json:
        output.show_json(done.record, sort_keys=True)
    else:
        n_not = last["not_asked"] + len(done.unanswered)
        shared = f"{last['shared_now']} taken from the same prompt, " if last["shared_now"] else ""
        output.tell(
            f"{done.path}: {counted(last['answered_now'], 'answer')} new, {shared}"
            f"{last['answered_before']} there before, {n_not} without; "
            f"{chats.bill_of(last, models)}"
        )
    if prompts.refused or not done.complete:
        raise typer.Exit(1)
