"""Asking judges: one score per item, criterion and judge, with how it came about."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import pandas as pd

from emodiss.chat.ask import Answer, Patience, Unanswered, ask
from emodiss.errors import nearest
from emodiss.judging.criteria import Criterion, JudgeError, Question, Steps, built_in, criterion
from emodiss.judging.scores import find_score, weigh
from emodiss.prompts.wording import render
from emodiss.ratings import CRITERIA, LIKERT, RatingScale

if TYPE_CHECKING:
    from emodiss.chat.model import ChatModel, ChatParams

MODES = ("logprob", "sample", "single")
"""How a score is read: weighed by probability, averaged over samples, or one answer."""

ORDERS = ("ascending", "descending")

_CARRIED = ("video", "window", "model", "condition", "sample", "n_words")
_REFUSED = ("http_400", "http_422")

Mode = Literal["logprob", "sample", "single"]
Order = Literal["ascending", "descending"]

COLUMNS = {
    "item": "what was judged",
    "criterion": "by what",
    "judge": "name of the judge",
    "score": "the score, NaN if there is none",
    "status": "ok, unparsable (no answer states a score), unanswered (the judge gave no answer)",
    "mode": "how the score was read: logprob, sample, single",
    "asked_mode": "how it was meant to be read",
    "fallback": "why there are no probabilities where asked for, so that mode is not asked_mode",
    "n_answers": "answers received",
    "n_unparsable": "answers that state no score; they are left out of the score, never 0",
    "spread": "standard deviation of the answers in mode sample",
    "mass": "probability of the scale's points before renormalising, in mode logprob",
    "latency_s": "seconds from request to answer, summed over the answers; NaN if one is silent",
    "scale_order": "order in which the points were listed: ascending or descending",
    "identity": "adapter, place and model of the judge",
    "steps_sha256": "hash of the evaluation steps",
    "prompt_sha256": "hash of what was asked",
    "error": "code of the error, where status is unanswered",
    "raw": "the answers, as a JSON list",
}
"""Columns of a judgement table and their meaning."""


def judge(
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

    Parameters
    ----------
    items
        One row per item: item, context (the dialogue shown), response and, if known, technique.
        video, window, model, condition, sample and n_words are carried over where present.
    model
        The judge.
    steps
        Evaluation steps per criterion, from `plan_steps` or `read_steps`.
    params
        Decoding parameters; temperature, max_tokens and top_logprobs are set by the mode, except
        that temperature or max_tokens None stays None, for models that refuse it.
    criteria
        Criteria or their names.
    mode, fallback
        As above; a fallback of None leaves scores without probabilities missing.
    samples
        Answers per score in mode `sample`.
    max_tokens
        Longest answer. Reasoning models spend tokens before they answer and need more.
    scale
        Points that may be given; it must have steps.
    scale_order
        Order in which the form lists the points; judge once in each and see `order_check`.
    name
        Name of the judge in the table; the model's name by default.
    concurrency, patience, sleep
        As in `interventions.asking.ask`.
    progress
        Called after each answer with answers so far and answers asked for so far.

    Returns
    -------
    DataFrame
        One row per item and criterion with the columns `COLUMNS`. Items that the judge did not
        get to, because it stopped answering, are rows with status `unanswered`.

    Raises
    ------
    JudgeError
        If items lack columns or are named twice, steps are missing, or a mode is unknown.
    """
    _check(items, mode, fallback, samples, scale, scale_order)
    asking = questions(items, steps, criteria, scale=scale, scale_order=scale_order)
    ways = {way: mode_params(params, way, max_tokens) for way in MODES}
    more: dict[str, Any] = {"concurrency": concurrency, "patience": patience, "sleep": sleep}
    counts = [0, 0]

    def put(asked: Sequence[Question], way: Mode) -> dict[tuple[str, str], list[Any]]:
        n = samples if way == "sample" else 1
        counts[1] += n * len(asked)
        got: dict[tuple[str, str], list[Any]] = {}
        stream = ask(cast("Any", asked), model, params=ways[way], samples=n, **more)
        for found in stream:
            counts[0] += 1
            if progress is not None:
                progress(*counts)
            about = found.intervention if isinstance(found, Answer) else found
            got.setdefault((about.video_id, about.condition), []).append(found)
        return got

    reasons: dict[tuple[str, str], str] = {}
    answers: dict[tuple[str, str], list[Any]] = {}
    if mode == "logprob" and asking:
        # One question first: an endpoint without probabilities need not be asked everything twice.
        answers = put(asking[:1], "logprob")
        why = _no_probabilities(answers.get(_key(asking[0]), []))
        if why:
            reasons = {_key(q): why for q in asking}
        else:
            answers |= put(asking[1:], "logprob")
            checked = ((_key(q), _no_probabilities(answers.get(_key(q), []))) for q in asking)
            reasons = {key: why for key, why in checked if why}
        again = [q for q in asking if _key(q) in reasons]
        if again and fallback is not None:
            answers = {k: v for k, v in answers.items() if k not in reasons}
            answers |= put(again, fallback)
    elif asking:
        answers = put(asking, mode)
    label = name or model.name
    rows: list[dict[str, Any]] = []
    for question in asking:
        why = reasons.get(_key(question), "")
        used = fallback if why and fallback is not None else mode
        row = {
            "item": question.video_id,
            "criterion": question.condition,
            "judge": label,
            **_read(answers.get(_key(question), []), used, scale),
            "mode": used,
            "asked_mode": mode,
            "fallback": why,
            "scale_order": scale_order,
            "identity": model.identity,
            "steps_sha256": steps[question.condition].sha256,
            "prompt_sha256": question.sha256,
        }
        rows.append(row)
    table = pd.DataFrame(rows, columns=pd.Index(list(COLUMNS)))
    carried = [c for c in _CARRIED if c in items.columns]
    if carried:
        facts = items[["item", *carried]].assign(item=items["item"].astype("str"))
        table = table.merge(facts, on="item", how="left")
    return table


def judge_all(items: pd.DataFrame, models: Mapping[str, ChatModel], **options: Any) -> pd.DataFrame:
    """Let several judges rate the same items by the same steps.

    Parameters
    ----------
    items
        As for `judge`.
    models
        Name to judge.
    **options
        As for `judge`.

    Returns
    -------
    DataFrame
        The judgement tables, one below the other.
    """
    if not models:
        raise JudgeError("There is no judge.")
    parts = [judge(items, model, name=name, **options) for name, model in models.items()]
    return pd.concat(parts, ignore_index=True)


def _check(
    items: pd.DataFrame,
    mode: str,
    fallback: str | None,
    samples: int,
    scale: RatingScale,
    scale_order: str,
) -> None:
    absent = [c for c in ("item", "context", "response") if c not in items.columns]
    if absent:
        raise JudgeError(
            f"The items lack the column(s) {', '.join(absent)}; "
            f"they have {', '.join(map(str, items.columns)) or 'none'}."
        )
    twice = items["item"].astype("str").duplicated()
    if twice.any():
        raise JudgeError(f"The item '{items.loc[twice, 'item'].iloc[0]}' is there twice.")
    empty = items["response"].fillna("").astype("str").str.strip() == ""
    if empty.any():
        raise JudgeError(
            f"{int(empty.sum())} item(s) have no response, the first is "
            f"'{items.loc[empty, 'item'].iloc[0]}'.",
            next_step="Leave them out: there is nothing to rate.",
        )
    for value, choices in ((mode, MODES), (fallback, MODES), (scale_order, ORDERS)):
        if value is not None and value not in choices:
            raise JudgeError(f"Unknown: '{value}'.", next_step=nearest(value, choices))
    if fallback == "logprob":
        raise JudgeError("A fallback must do without probabilities: 'sample' or 'single'.")
    if samples < 1:
        raise JudgeError(f"samples is {samples}; at least 1 was expected.")
    if not scale.points():
        raise JudgeError("A judge needs a scale with steps.")


def _key(question: Question) -> tuple[str, str]:
    return question.video_id, question.condition


def questions(
    items: pd.DataFrame,
    steps: Mapping[str, Steps],
    criteria: Iterable[Criterion | str] = CRITERIA,
    *,
    scale: RatingScale = LIKERT,
    scale_order: Order = "ascending",
) -> list[Question]:
    """Write what a judge is asked, item by item and criterion by criterion.

    Parameters
    ----------
    items, steps, criteria, scale, scale_order
        As for `judge`.

    Raises
    ------
    JudgeError
        If steps are missing.
    """
    chosen = [c if isinstance(c, Criterion) else criterion(c) for c in criteria]
    for each in chosen:
        if each.name not in steps:
            raise JudgeError(
                f"There are no evaluation steps for '{each.name}'.",
                next_step="Write them once with plan_steps and keep them with write_steps.",
            )
    return [
        _question(row, each, steps[each.name], scale, scale_order)
        for row in cast("list[dict[str, Any]]", items.to_dict("records"))
        for each in chosen
    ]


def mode_params(params: ChatParams, mode: str, max_tokens: int) -> ChatParams:
    """Return the decoding parameters that a mode asks with.

    Parameters
    ----------
    params
        Those that the mode does not set.
    mode
        One of `MODES`.
    max_tokens
        Longest answer.
    """
    heat = 1.0 if mode == "sample" else 0.0
    return dataclasses.replace(
        params,
        temperature=None if params.temperature is None else heat,
        max_tokens=None if params.max_tokens is None else max_tokens,
        top_logprobs=20 if mode == "logprob" else None,
    )


def _question(
    row: Mapping[str, Any], what: Criterion, steps: Steps, scale: RatingScale, order: Order
) -> Question:
    points = [f"{p:g}" for p in scale.points()]
    technique = row.get("technique")
    values = {
        "definition": what.definition,
        "steps": steps.text,
        "context": _quoted(row["context"]),
        "technique": _quoted("(not named)" if technique is None else technique),
        "response": _quoted(row["response"]),
        "points": points if order == "ascending" else points[::-1],
        "low": points[0],
        "high": points[-1],
    }
    return Question(str(row["item"]), what.name, render(built_in("score"), values), (order,))


def _quoted(value: Any) -> str:
    text = "(not named)" if value is None or value != value else str(value)  # NaN
    return "\n".join(f"| {line}".rstrip() for line in text.splitlines() or [""])


def _no_probabilities(found: Sequence[Any]) -> str:
    """Say why a question asked for probabilities has none; empty if it has, or has no hope."""
    if not found:
        return ""
    [first] = found
    if isinstance(first, Unanswered):
        # Only a refused request may be about the probabilities; limits and faults are not.
        code = first.error.code
        return f"asking for log-probabilities failed ({code})" if code in _REFUSED else ""
    tokens = first.completion.logprobs
    if first.completion.text.strip() and not any(token.top for token in tokens):
        return "the endpoint returned no log-probabilities"
    return ""


def _read(found: Sequence[Any], mode: Mode, scale: RatingScale) -> dict[str, Any]:
    """Read the score out of the answers to one question."""
    order = sorted((a for a in found if isinstance(a, Answer)), key=lambda a: a.intervention.sample)
    texts = [a.completion.text for a in order]
    spread = mass = math.nan
    if mode == "logprob":
        # Without probabilities there is nothing to weigh: missing, not one answer in disguise.
        weighed = [weigh(a.completion.logprobs, scale=scale) for a in order]
        values = [w.score for w in weighed if w is not None]
        mass = next((w.mass for w in weighed if w is not None), math.nan)
    else:
        scores = [find_score(text, scale=scale) for text in texts]
        values = [s.value for s in scores if s is not None]
        if mode == "sample" and len(values) > 1:
            spread = float(np.std(values, ddof=1))
    times = [a.completion.latency_s for a in order]
    known = [seconds for seconds in times if seconds is not None]
    errors = [u.error.code for u in found if isinstance(u, Unanswered)]
    status = "ok" if values else "unparsable" if texts else "unanswered"
    return {
        "score": float(np.mean(values)) if values else math.nan,
        "status": status,
        "n_answers": len(texts),
        "n_unparsable": len(texts) - len(values),
        "spread": spread,
        "mass": mass,
        "latency_s": sum(known) if known and len(known) == len(times) else math.nan,
        "error": (errors[0] if errors else "" if texts else "not_asked"),
        "raw": json.dumps(texts, ensure_ascii=False),
    }
