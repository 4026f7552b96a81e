"""Asking a language model what a therapist might say, and keeping the answers in the run folder."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emodiss import chat
from emodiss.chat.endpoint import Endpoint
from emodiss.chat.model import ChatModel, ChatParams, Unanswered
from emodiss.errors import SettingsError, must_be
from emodiss.interventions import Answer, plan, questions, request_hash
from emodiss.interventions.answers import question, read, unanswered_line
from emodiss.prompts import Prompt, PromptError
from emodiss.runs.run import AnyRun, Run, load
from emodiss.study.interventions import InterventionFile, totals
from emodiss.study.opening import catalogued, opened
from emodiss.study.prompting import Rendered


@dataclass(frozen=True, slots=True)
class Intervened:
    """What came of asking for interventions.

    Parameters
    ----------
    record
        The bill: `models` (totals by identity) and `last_command`, as in `chat_ledger.json`.
    unanswered
        Prompts without an answer, and why.
    """

    path: Path
    record: dict[str, Any]
    unanswered: list[tuple[Prompt, Unanswered]]

    @property
    def complete(self) -> bool:
        """Whether every prompt has its answers."""
        return not self.unanswered and not self.record["last_command"]["not_asked"]


def ask(
    prompts: Iterable[Prompt],
    model: ChatModel,
    *,
    params: ChatParams,
    samples: int = 1,
    done: Collection[str] = frozenset(),
    **options: Any,
) -> Iterator[Answer | Unanswered]:
    """Ask a model for an intervention to each prompt, and read the answers."""
    asked = {question(prompt).id: prompt for prompt in prompts}
    hashes = {
        (name, sample): request_hash(prompt, model, params, sample)
        for name, prompt in asked.items()
        for sample in range(samples)
    }
    answers = chat.ask(
        map(question, asked.values()),
        model,
        params=params,
        samples=samples,
        done={place for place, key in hashes.items() if key in done},
        **options,
    )

    def each() -> Iterator[Answer | Unanswered]:
        for found in answers:
            if isinstance(found, Unanswered):
                yield found
            else:
                place = found.question.id, found.sample
                yield read(asked[found.question.id], found, hashes[place])

    return each()


def intervene(
    run: AnyRun,
    prompts: Rendered,
    models: Endpoint,
    *,
    samples: int = 1,
    temperature: float = 0.0,
    max_tokens: int = 300,
    say: Callable[[str], object] | None = None,
    progress: Callable[[str, int, int], object] | None = None,
) -> Intervened:
    """Ask a language model what a therapist might say; answers go to `interventions.jsonl`.

    Parameters
    ----------
    prompts
        From `emodiss.study.prompts`.
    models
        One model. What it answered before is not asked again.
    samples, temperature, max_tokens
        Answers per prompt, 0 for the likeliest words, and the longest answer.

    Raises
    ------
    SettingsError
        If not one model is named, or a run would replay its own answers.
    PromptError
        If there is nothing to ask.
    ModelError
        If the model or the cache cannot be opened.
    """
    run = load(run)
    must_be(prompts, Rendered, what="what to ask", how="Make it: emodiss.study.prompts(RUN).")
    must_be(models, Endpoint, what="a language model", how="Name one: emodiss.chat.Endpoint.")
    params = models.only().parameters(temperature=temperature, max_tokens=max_tokens)
    wanted = _wanted(run, prompts)
    if samples > 1 and not params.temperature and models.replay is None and say is not None:
        say("At temperature 0 the samples of a prompt will hardly differ.")
    file = InterventionFile(run.root)
    if models.replay and file.path.exists() and models.replay.resolve() == file.path.resolve():
        raise SettingsError(
            "These are this run's own answers: replayed here, each would count twice.",
            next_step="They are in the run already; name a recording of another run.",
        )
    by_question = {question(prompt).id: prompt for prompt in wanted}
    unanswered: list[tuple[Prompt, Unanswered]] = []
    n_jobs = len(wanted) * samples
    with opened(models, run, say) as ready, run.store.lock():
        ((name, model),) = ready.models.items()
        before = {line["request_sha256"]: line for line in file.read()}
        hashes = {
            request_hash(prompt, model, params, sample)
            for prompt in wanted
            for sample in range(samples)
        }
        n_before = len(hashes & before.keys())
        file.keep_prompts(prompt.to_dict() for prompt in wanted)
        asking = plan(wanted, model, params=params, samples=samples, done=before.keys())
        shared = [
            twin.line(before[key])
            for key, twins in asking.twins.items()
            for twin in twins
            if key in before
        ]
        for line in shared:
            file.append(line)
        n_new, n_shared = 0, len(shared)
        try:
            for found in ask(
                asking.prompts,
                model,
                params=params,
                samples=samples,
                concurrency=models.concurrency,
                patience=models.patience,
                done=asking.done,
            ):
                if isinstance(found, Unanswered):
                    unanswered.append((by_question[found.question.id], found))
                else:
                    redaction = prompts.redactions.get(found.intervention.video_id)
                    line = found.to_dict() | {"redaction": redaction and redaction.to_dict()}
                    file.append(line)
                    n_new += 1
                    for twin in asking.twins.get(found.request_sha256, ()):
                        file.append(twin.line(line))
                        n_shared += 1
                if progress is not None:
                    progress("answers", n_before + n_new + n_shared + len(unanswered), n_jobs)
        finally:
            file.sort(run.videos)
            record = {
                "run": run.root.name,
                "models": totals(file.read()),
                "last_command": {
                    **ready.ledger.to_dict(),
                    "prompts": len(wanted),
                    "samples": samples,
                    "answered_before": n_before,
                    "answered_now": n_new,
                    "shared_now": n_shared,
                    "not_asked": n_jobs - n_before - n_new - n_shared - len(unanswered),
                    "unanswered": [unanswered_line(*pair) for pair in unanswered],
                    "price": ready.prices[name],
                    "without_prompts": {v: e.code for v, e in prompts.refused.items()},
                },
            }
            file.write_ledger(record)
    return Intervened(file.path, record, unanswered)


def requests(
    run: AnyRun,
    prompts: Rendered,
    models: Endpoint,
    *,
    samples: int = 1,
    temperature: float = 0.0,
    max_tokens: int = 300,
    say: Callable[[str], object] | None = None,
) -> Iterator[dict[str, Any]]:
    """Show what `intervene` would send, once per prompt; nobody is asked."""
    run = load(run)
    params = models.only().parameters(temperature=temperature, max_tokens=max_tokens)
    asked = [question(same[0]) for same in questions(_wanted(run, prompts))]
    return models.requests(asked, params, samples=samples, catalogued=catalogued(say))


def _wanted(run: Run, prompts: Rendered) -> list[Prompt]:
    if not prompts.prompts:
        raise next(iter(prompts.refused.values()), None) or PromptError(
            f"The run '{run.root.name}' has no videos.", next_step="See emodiss status."
        )
    return prompts.prompts
