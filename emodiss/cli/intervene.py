"""The command that asks language models: intervene."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emodiss.cli import chat_options as chats, output, prompting
from emodiss.cli.option_groups import grouped
from emodiss.cli.run_commands import AsJson, Quiet
from emodiss.cli.show_commands import RunFolder

if TYPE_CHECKING:
    from emodiss.interventions import Unanswered


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
    place: chats.Place,
    redacted: prompting.Redacted,
    preview: chats.Preview = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Ask a language model what a therapist might say; answers go to RUN/interventions.jsonl."""
    from emodiss.errors import SettingsError
    from emodiss.interventions import Unanswered, ask, plan, questions, request_hash
    from emodiss.prompts import PromptError
    from emodiss.runs.run import load
    from emodiss.study.interventions import InterventionFile, totals

    model = chats.one_model(model_name, model, place)
    params = place.parameters(temperature=temperature, max_tokens=max_tokens)
    loaded = load(run)
    rendered = prompting.render(loaded, choice, redacted)
    rendered.report()
    prompts, redactions = rendered.prompts, rendered.redactions
    if not prompts:
        raise next(iter(rendered.refused.values()), None) or PromptError(
            f"The run '{loaded.root.name}' has no videos.", next_step="See emodiss status."
        )
    if preview:
        texts = (same[0].text for same in questions(prompts))
        place.say_previewed(place.preview(texts, model or "", params, samples=samples))
        return
    if samples > 1 and not params.temperature and place.replay is None:
        output.say("At temperature 0 the samples of a prompt will hardly differ.")
    file = InterventionFile(loaded.root)
    if place.replay and file.path.exists() and place.replay.resolve() == file.path.resolve():
        raise SettingsError(
            "These are this run's own answers: replayed here, each would count twice.",
            next_step="They are in the run already; name a recording of another run.",
        )
    unanswered: list[Unanswered] = []
    n_jobs = len(prompts) * samples
    with (
        place.ready([model], loaded.root) as ready,
        loaded.store.lock(),
        output.progress_bars(quiet=quiet) as progress,
    ):
        ((name, asked),) = ready.models.items()
        done = {line["request_sha256"]: line for line in file.read()}
        wanted = {
            request_hash(prompt, asked, params, sample)
            for prompt in prompts
            for sample in range(samples)
        }
        n_before = len(wanted & done.keys())
        file.keep_prompts(prompt.to_dict() for prompt in prompts)
        asking = plan(prompts, asked, params=params, samples=samples, done=done.keys())
        shared = [
            twin.line(done[key])
            for key, twins in asking.twins.items()
            for twin in twins
            if key in done
        ]
        for line in shared:
            file.append(line)
        answers = ask(
            asking.prompts,
            asked,
            params=params,
            samples=samples,
            concurrency=place.concurrency,
            patience=place.patience,
            done=asking.done,
        )
        n_new, n_shared = 0, len(shared)
        try:
            for answer in answers:
                if isinstance(answer, Unanswered):
                    unanswered.append(answer)
                else:
                    line = answer.to_dict()
                    redaction = redactions.get(answer.intervention.video_id)
                    line["redaction"] = redaction.to_dict() if redaction else None
                    file.append(line)
                    n_new += 1
                    for twin in asking.twins.get(answer.request_sha256, ()):
                        file.append(twin.line(line))
                        n_shared += 1
                if progress is not None:
                    n_done = n_before + n_new + n_shared + len(unanswered)
                    progress("answers", n_done, n_jobs)
        finally:
            file.sort(loaded.videos)
            record = {
                "run": str(loaded.root.name),
                "models": totals(file.read()),
                "last_command": {
                    **ready.ledger.to_dict(),
                    "prompts": len(prompts),
                    "samples": samples,
                    "answered_before": n_before,
                    "answered_now": n_new,
                    "shared_now": n_shared,
                    "not_asked": n_jobs - n_before - n_new - n_shared - len(unanswered),
                    "unanswered": [one.to_dict() for one in unanswered],
                    "price": ready.prices[name],
                    "without_prompts": {v: e.code for v, e in rendered.refused.items()},
                },
            }
            file.write_ledger(record)
    _report(file.path, record, unanswered, as_json=as_json)
    if rendered.refused:
        raise typer.Exit(1)


def _report(
    path: Path, record: dict[str, Any], unanswered: list[Unanswered], *, as_json: bool
) -> None:
    last = record["last_command"]
    for one in unanswered:
        output.say(
            f"{one.video_id}, {one.condition}, sample {one.sample}: no answer "
            f"[{one.error.code}]: {one.error}"
        )
    if as_json:
        typer.echo(json.dumps(record, indent=2, ensure_ascii=False, sort_keys=True))
    else:
        n_not = last["not_asked"] + len(unanswered)
        shared = f"{last['shared_now']} taken from the same prompt, " if last["shared_now"] else ""
        typer.echo(
            f"{path}: {last['answered_now']} answers new, {shared}{last['answered_before']} there "
            f"before, {n_not} without; {last['requests']} requests, {chats.cost_of(last)}"
        )
    if unanswered or last["not_asked"]:
        raise typer.Exit(1)
