"""Letting language models rate a run's interventions, and keeping the scores in its folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import pandas as pd

from emodiss import judging
from emodiss.chat.endpoint import Endpoint
from emodiss.errors import RunError, SettingsError, must_be, nearest
from emodiss.judging import Criterion, Steps
from emodiss.judging.questions import Mode, Order
from emodiss.ratings import CRITERIA
from emodiss.runs.run import AnyRun, Run, load
from emodiss.study.judgements import JudgementFile
from emodiss.study.opening import catalogued, opened
from emodiss.study.prompting import People, redact_responses
from emodiss.study.scoring import plan_steps, score
from emodiss.study.study import Study
from emodiss.vocabulary import counted

PLACEHOLDER = "(the steps that the judge writes)"
"""Stands for steps that are still to be written, in what `requests` shows."""

Orders = Literal["ascending", "descending", "both"]


@dataclass(frozen=True, slots=True)
class Judged:
    """What judges said.

    Parameters
    ----------
    table
        The scores of this call; columns in `emodiss.judging.COLUMNS`.
    checks
        Tables by check: missing, order, length, self_preference, as far as there are data.
    notes
        Why a check is not there.
    record
        The bill, as in `judge_ledger.json`.
    """

    path: Path
    table: pd.DataFrame
    checks: dict[str, pd.DataFrame]
    notes: list[str]
    record: dict[str, Any]

    @property
    def troubles(self) -> dict[str, tuple[str, int]]:
        """Judge to the codes of its errors and the number of questions without an answer."""
        found = self.table[self.table["status"] == "unanswered"].groupby("judge")["error"]
        return {str(name): (", ".join(sorted(set(part))), len(part)) for name, part in found}


def judge(
    run: AnyRun,
    models: Endpoint,
    *,
    criteria: Sequence[str | Path] = CRITERIA,
    steps: Path | None = None,
    mode: Mode = "logprob",
    fallback: Mode | None = "sample",
    samples: int = 20,
    scale_order: Orders = "ascending",
    max_tokens: int = 16,
    video: str | None = None,
    people: People | None = None,
    max_requests: int | None = None,
    own: Mapping[str, Sequence[str]] | None = None,
    say: Callable[[str], object] | None = None,
    progress: Callable[[str, int, int], object] | None = None,
) -> Judged:
    """Let language models rate a run's interventions by G-Eval; scores go to `judgements.csv`.

    Judges see the dialogue and the reply, never the model or the condition behind it.

    Parameters
    ----------
    criteria
        Names, or text files.
    steps
        File of evaluation steps; the run's own if None. The first judge writes what is not there.
    mode, fallback, samples, max_tokens
        As in `emodiss.study.scoring.score`.
    scale_order
        How the points are listed; `both` asks twice, and each order is a judge of its own.
    max_requests
        Most requests that may be needed, repeated ones after faults aside; None for any number.

    Raises
    ------
    SettingsError
        If no judge is named, a mode or an order does not exist, or more than `max_requests` may
        be needed.
    JudgeError
        If a criterion or the steps cannot be used.
    RunError
        If there is nothing to judge, or the run's file is not one of ours.
    ModelError
        If a model or the cache cannot be opened.
    """
    run = load(run)
    must_be(models, Endpoint, what="a language model", how="Name one: emodiss.chat.Endpoint.")
    asking = _Asking.of(run, models, criteria, steps, mode, fallback, samples, scale_order)
    params = models.parameters(temperature=0.0, max_tokens=max_tokens)
    items = _items(run, video, people, say)
    least, most = asking.n_requests(len(items), models)
    if say is not None:
        say(asking.forecast(least, most, len(items)))
    if max_requests is not None and most > max_requests:
        raise SettingsError(
            f"Up to {counted(most, 'request')} may be needed; max_requests is {max_requests:,}.",
            next_step="Raise it, ask for fewer samples or orders, or take --fallback single.",
        )
    file = JudgementFile(run.root)
    file.read()  # what stands in the way of keeping the scores is said before they are asked for
    with run.store.lock(), opened(models, run, say) as ready:
        written = dict(asking.given)
        if asking.lacking:
            first = next(iter(ready.models.values()))
            written |= plan_steps(first, asking.lacking, params=params, patience=models.patience)
            if steps is None:
                file.write_steps(written)
            else:
                judging.write_steps(written, steps)
        parts: list[pd.DataFrame] = []
        for name, model in ready.models.items():
            for order in asking.orders:
                label = name if len(asking.orders) == 1 else f"{name}, {order}"
                parts.append(
                    score(
                        items,
                        model,
                        steps=written,
                        params=params,
                        criteria=asking.criteria,
                        mode=mode,
                        fallback=fallback,
                        samples=samples,
                        max_tokens=max_tokens,
                        scale_order=order,
                        concurrency=models.concurrency,
                        patience=models.patience,
                        progress=None
                        if progress is None
                        else lambda done, n, label=label: progress(label, done, n),
                    )
                )
        table = pd.concat(parts, ignore_index=True)
        record = {
            "run": run.root.name,
            "judges": list(ready.models),
            "judgements": len(table),
            "unanswered": int((table["status"] == "unanswered").sum()),
            "replaced": file.keep(table),
            "errors": table.loc[table["error"] != "", "error"].value_counts().to_dict(),
            **ready.ledger.to_dict(),
            "prices": ready.prices,
        }
        file.write_ledger(record)
    checks, notes = judging.examine(cast("pd.DataFrame", file.read()), ready.models, own)
    return Judged(file.path, table, checks, notes, record)


def requests(
    run: AnyRun,
    models: Endpoint,
    *,
    criteria: Sequence[str | Path] = CRITERIA,
    steps: Path | None = None,
    mode: Mode = "logprob",
    fallback: Mode | None = "sample",
    samples: int = 20,
    scale_order: Orders = "ascending",
    max_tokens: int = 16,
    video: str | None = None,
    people: People | None = None,
    say: Callable[[str], object] | None = None,
) -> Iterator[dict[str, Any]]:
    """Show what `judge` would send; `PLACEHOLDER` stands for steps that are still to be written."""
    run = load(run)
    asking = _Asking.of(run, models, criteria, steps, mode, fallback, samples, scale_order)
    params = models.parameters(temperature=0.0, max_tokens=max_tokens)
    items = _items(run, video, people, say)
    unwritten = {each.name: Steps(each.name, PLACEHOLDER, "", "") for each in asking.lacking}
    if unwritten and models.replay is None and say is not None:
        say(f"Steps are still to be written; they will stand in place of '{PLACEHOLDER}'.")
    lacking = [judging.steps_question(each) for each in asking.lacking]
    local = catalogued(say)
    yield from models.requests(lacking, judging.steps_params(params), catalogued=local)
    n_each = samples if mode == "sample" else 1
    way = judging.mode_params(params, mode, max_tokens)
    for model in models.models:
        for order in asking.orders:
            asked = judging.questions(
                items, {**asking.given, **unwritten}, asking.criteria, scale_order=order
            )
            yield from models.requests(asked, way, model=model, samples=n_each, catalogued=local)


@dataclass(frozen=True, slots=True)
class _Asking:
    """What `judge` and `requests` share: what is asked, how, and the steps that are there."""

    criteria: list[Criterion]
    orders: tuple[Order, ...]
    given: dict[str, Steps]
    mode: str
    fallback: str | None
    samples: int

    @property
    def lacking(self) -> list[Criterion]:
        return [each for each in self.criteria if each.name not in self.given]

    @classmethod
    def of(
        cls,
        run: Run,
        models: Endpoint,
        criteria: Sequence[str | Path],
        steps: Path | None,
        mode: str,
        fallback: str | None,
        samples: int,
        scale_order: str,
    ) -> _Asking:
        if not models.models and models.replay is None:
            raise SettingsError("No judge is named.", next_step="Give --model, once per judge.")
        for value, choices in (
            (mode, judging.MODES),
            (fallback or "none", ("sample", "single", "none")),
            (scale_order, (*judging.ORDERS, "both")),
        ):
            if value not in choices:
                raise SettingsError(f"Unknown: '{value}'.", next_step=nearest(value, choices))
        orders = judging.ORDERS if scale_order == "both" else (scale_order,)
        chosen = [judging.criterion(name) for name in criteria]
        if steps is None:
            given = JudgementFile(run.root).read_steps()
        else:
            given = judging.read_steps(steps) if steps.exists() else {}
        named = cast("tuple[Order, ...]", orders)
        return cls(chosen, named, given, mode, fallback, samples)

    def n_requests(self, n_items: int, models: Endpoint) -> tuple[int, int]:
        """Count requests where all goes as asked, and where no judge gives probabilities."""
        if models.replay is not None:
            return 0, 0
        n_judgements = n_items * len(self.criteria)
        rounds = len(models.models) * len(self.orders)
        n_steps = len(self.lacking)
        least = most = n_judgements * (self.samples if self.mode == "sample" else 1)
        if self.mode == "logprob" and self.fallback is not None:
            most += n_judgements * (self.samples if self.fallback == "sample" else 1)
        return n_steps + rounds * least, n_steps + rounds * most

    def forecast(self, least: int, most: int, n_items: int) -> str:
        """Say how many requests are to come, before the first."""
        orders = f" x {len(self.orders)} orders of the scale" if len(self.orders) > 1 else ""
        criteria = counted(len(self.criteria), "criterion", "criteria")
        said = (
            f"{counted(n_items, 'response')} x {criteria}{orders}: "
            f"{counted(least, 'request')} of judges, fewer where answers are kept"
        )
        if most > least:
            each = "one answer each"
            if self.fallback == "sample":
                each = f"{self.samples} answers to each question"
            said += f"; up to {most:,} where an endpoint gives no probabilities ({each})"
        return said + "."


def _items(
    run: Run, video: str | None, people: People | None, say: Callable[[str], object] | None
) -> pd.DataFrame:
    """Take what can be judged out of a run; what has no response cannot."""
    table = Study(run).responses
    if video is not None:
        run.session(video)  # refuses an unknown one
        table = table[table["video"] == video]
    said = table["response"].str.strip() != ""
    n_empty = int((~said).sum())
    if n_empty and say is not None:
        what = counted(n_empty, "intervention holds", "interventions hold")
        say(f"{what} no response and cannot be judged.")
    table = table[said].rename(columns={"transcript": "context"}).reset_index(drop=True)
    if table.empty:
        raise RunError("There is no response to judge.", next_step="See RUN/interventions.jsonl.")
    return table if people is None else redact_responses(table, run.utterances, people)
