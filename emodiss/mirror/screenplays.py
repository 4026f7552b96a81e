"""Whole sessions written by a language model in one answer each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

from emodiss.chat.endpoint import Endpoint
from emodiss.chat.model import Question, Unanswered
from emodiss.clients import Case
from emodiss.errors import RunError
from emodiss.mirror.experiment import (
    Decoding,
    Experiment,
    Progress,
    Say,
    asked,
    request_hash,
    shown,
)
from emodiss.screenplays import Screenplay, parse_screenplay, question

Side = Literal["training", "evaluation", "all"]

DECODING = Decoding(temperature=0.7, top_p=0.9, penalty=0.2, max_tokens=1024)
"""Of the released code."""


@dataclass(frozen=True, slots=True)
class Written:
    """What came of asking for screenplays.

    Parameters
    ----------
    screenplays
        All of the cases asked for, those of earlier commands included.
    unanswered
        Cases without an answer, and why.
    record
        What the command did and cost.
    """

    screenplays: tuple[Screenplay, ...]
    unanswered: tuple[Unanswered, ...]
    record: dict[str, Any]

    @property
    def complete(self) -> bool:
        """Whether every case has its screenplay."""
        return not self.record["missing"]


def screenplays(
    experiment: Experiment,
    models: Endpoint,
    *,
    side: Side = "training",
    few_shot: str | None = None,
    decoding: Decoding = DECODING,
    say: Say = None,
    progress: Progress = None,
) -> Written:
    """Ask a model for the screenplay of each case; they go to `screenplays.jsonl`.

    Parameters
    ----------
    experiment
        Where the cases are.
    models
        One model. What it answered before is not asked again; a case keeps its newest screenplay.
    side
        Of which cases. Screenplays are there to train with; the sessions to evaluate are simulated.
    few_shot
        Dialogues to go by; None for none.
    decoding
        How the model decodes; the default is that of the released code.
    say, progress
        Are told what a user should know, and how far it is.

    Raises
    ------
    RunError
        If there are no such cases.
    """
    cases, questions = _asked(experiment, side, few_shot)
    params = decoding.params(models.only())
    unanswered: list[Unanswered] = []
    n_new = 0
    with experiment.alone(), experiment.opened(models, say) as ready:
        ((name, model),) = ready.models.items()
        known = {(each.case.id, each.request_sha256) for each in experiment.screenplays.read()}
        new = [q for q in questions if (q.id, request_hash(q, model, params)) not in known]
        for digest, found in asked(new, model, params, models):
            if isinstance(found, Unanswered):
                unanswered.append(found)
            else:
                case = cases[found.question.id]
                read = parse_screenplay(found.completion.text, case.profile.name)
                made = Screenplay(
                    case=case,
                    lines=read.lines,
                    model=name,
                    request_sha256=digest,
                    problems=read.problems,
                    status=read.status,
                    raw=found.completion.text,
                )
                experiment.screenplays.append([made])
                n_new += 1
            if progress is not None:
                progress("screenplays", n_new + len(unanswered), len(new))
        place = {case.id: n for n, case in enumerate(experiment.cases.read())}
        experiment.screenplays.upsert(
            [], key=lambda each: each.case.id, order=lambda each: place[each.case.id]
        )
        written = [each for each in experiment.screenplays.read() if each.case.id in cases]
        record = {
            **ready.ledger.to_dict(),
            "model": name,
            "parameters": params.to_dict(),
            "few_shot": few_shot is not None,
            "cases": len(cases),
            "new": n_new,
            "status": dict(Counter(each.status for each in written)),
            "missing": len(cases) - len(written),
        }
        experiment.book("screenplays", record)
    return Written(tuple(written), tuple(unanswered), record)


def requests(
    experiment: Experiment,
    models: Endpoint,
    *,
    side: Side = "training",
    few_shot: str | None = None,
    decoding: Decoding = DECODING,
) -> list[dict[str, Any]]:
    """Show what `screenplays` would send, given the same; nobody is asked."""
    return shown(models, _asked(experiment, side, few_shot)[1], decoding.params(models.only()))


def _asked(
    experiment: Experiment, side: Side, few_shot: str | None
) -> tuple[dict[str, Case], list[Question]]:
    every = experiment.need(experiment.cases, "profiles")
    cases = {case.id: case for case in every if side in ("all", case.split)}
    if not cases:
        raise RunError(
            f"The experiment '{experiment.root.name}' has no cases for {side}.",
            next_step="Name another --side, or leave profiles over: emodiss mirror profiles --n.",
            code="missing",
        )
    return cases, [question(case, few_shot=few_shot) for case in cases.values()]
