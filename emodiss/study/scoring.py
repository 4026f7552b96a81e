"""Asking judges: evaluation steps once per criterion, and one score per item and criterion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from emodiss.chat.ask import Patience, ask
from emodiss.chat.model import Answered, ChatModel, ChatParams, Question, Unanswered
from emodiss.errors import nearest
from emodiss.judging.criteria import (
    Criterion,
    JudgeError,
    Steps,
    criterion,
    steps_of,
    steps_params,
    steps_question,
)
from emodiss.judging.questions import (
    CARRIED,
    COLUMNS,
    MODES,
    Mode,
    Order,
    mode_params,
    no_probabilities,
    questions,
    read_answers,
)
from emodiss.ratings import CRITERIA, LIKERT, RatingScale


def plan_steps(
    model: ChatModel,
    criteria: Iterable[Criterion | str] = CRITERIA,
    *,
    params: ChatParams,
    scale: RatingScale = LIKERT,
    patience: Patience | None = None,
) -> dict[str, Steps]:
    """Let a model write evaluation steps, once per criterion.

    Steps differ from call to call even at temperature 0, and scores with them. So write them once,
    keep them (`emodiss.judging.write_steps`) and give the same to all judgements that are to be
    compared.
    """
    out: dict[str, Steps] = {}
    for each in criteria:
        what = each if isinstance(each, Criterion) else criterion(each)
        question = steps_question(what, scale=scale)
        for found in ask([question], model, params=steps_params(params), patience=patience):
            if isinstance(found, Unanswered):
                raise found.error
            out[what.name] = steps_of(found)
    return out


def score(
    items: pd.DataFrame,
    model: ChatModel,
    *,
    steps: Mapping[str, Steps],
    params: ChatParams,
    criteria: Iterable[Criterion | str] = CRITERIA,
    mode: Mode = "logprob",
    fallback: Mode | None = "sample",
    samples: int = 20,
    max_tokens: int = 16,
    scale: RatingScale = LIKERT,
    scale_order: Order = "ascending",
    name: str | None = None,
    concurrency: int = 1,
    patience: Patience | None = None,
    sleep: Callable[[float], object] | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> pd.DataFrame:
    """Let a model rate items by G-Eval (Liu et al. 2023).

    `logprob` weighs the points of the scale by their probability. Some endpoints return no
    probabilities; then `fallback` is used instead, for the whole judge if its first answer has
    none, and `mode`, `asked_mode` and `fallback` of each row say so. `sample` takes the mean of 20
    answers at temperature 1 (the G-Eval paper; its code uses temperature 2 and counts what cannot
    be read as 0, which pulls means down). `single` is one answer at temperature 0.
    """
    for value in (mode, fallback):
        if value is not None and value not in MODES:
            raise JudgeError(f"Unknown: '{value}'.", next_step=nearest(value, MODES))
    if fallback == "logprob":
        raise JudgeError("A fallback must do without probabilities: 'sample' or 'single'.")
    if samples < 1:
        raise JudgeError(f"samples is {samples}; at least 1 was expected.")
    asking = questions(items, steps, criteria, scale=scale, scale_order=scale_order)
    ways = {way: mode_params(params, way, max_tokens) for way in MODES}
    more: dict[str, Any] = {"concurrency": concurrency, "patience": patience, "sleep": sleep}
    counts = [0, 0]

    def put(asked: Sequence[Question], way: Mode) -> dict[str, list[Answered | Unanswered]]:
        n = samples if way == "sample" else 1
        counts[1] += n * len(asked)
        got: dict[str, list[Answered | Unanswered]] = {}
        for found in ask(asked, model, params=ways[way], samples=n, **more):
            counts[0] += 1
            if progress is not None:
                progress(*counts)
            got.setdefault(found.question.id, []).append(found)
        return got

    reasons: dict[str, str] = {}
    answers: dict[str, list[Answered | Unanswered]] = {}
    if mode == "logprob" and asking:
        # One question first: an endpoint without probabilities need not be asked everything twice.
        answers = put(asking[:1], "logprob")
        why = no_probabilities(answers.get(asking[0].id, []))
        if why:
            reasons = {q.id: why for q in asking}
        else:
            answers |= put(asking[1:], "logprob")
            checked = ((q.id, no_probabilities(answers.get(q.id, []))) for q in asking)
            reasons = {key: why for key, why in checked if why}
        again = [q for q in asking if q.id in reasons]
        if again and fallback is not None:
            answers = {k: v for k, v in answers.items() if k not in reasons}
            answers |= put(again, fallback)
    elif asking:
        answers = put(asking, mode)
    label = name or model.name
    rows: list[dict[str, Any]] = []
    for question in asking:
        why = reasons.get(question.id, "")
        used = fallback if why and fallback is not None else mode
        row = {
            "item": question.about["item"],
            "criterion": question.about["criterion"],
            "judge": label,
            **read_answers(answers.get(question.id, []), used, scale=scale),
            "mode": used,
            "asked_mode": mode,
            "fallback": why,
            "scale_order": scale_order,
            "identity": model.identity,
            "steps_sha256": steps[question.about["criterion"]].sha256,
            "prompt_sha256": question.sha256,
        }
        rows.append(row)
    table = pd.DataFrame(rows, columns=pd.Index(list(COLUMNS)))
    carried = [c for c in CARRIED if c in items.columns]
    if carried:
        facts = items[["item", *carried]].assign(item=items["item"].astype("str"))
        table = table.merge(facts, on="item", how="left")
    return table
