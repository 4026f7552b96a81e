"""What judges are asked about items, and the table of scores that their answers are read into."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, cast

import numpy as np
import pandas as pd

from emodiss.chat.model import Answered, ChatParams, Question, Unanswered
from emodiss.errors import ArgumentError, must_be, nearest
from emodiss.judging.criteria import Criterion, JudgeError, Steps, built_in, criterion
from emodiss.judging.scores import find_score, weigh, why_no_score
from emodiss.judging.stated import REASONS
from emodiss.prompts.wording import render
from emodiss.ratings import CRITERIA, LIKERT, RatingScale

MODES = ("logprob", "sample", "single")
"""How a score is read: weighed by probability, averaged over samples, or one answer."""

ORDERS = ("ascending", "descending")

CARRIED = ("video", "window", "model", "condition", "sample", "n_words")
"""Columns of items that stay beside their scores."""

_OF_ASKING = "Answers come from emodiss.chat.ask."

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
    "why_none": "why answers state no score: " + "; ".join(f"{k}: {v}" for k, v in REASONS.items()),
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


def questions(
    items: pd.DataFrame,
    steps: Mapping[str, Steps],
    criteria: Iterable[Criterion | str] = CRITERIA,
    *,
    scale: RatingScale = LIKERT,
    scale_order: Order = "ascending",
) -> list[Question]:
    """Write what a judge is asked; `about` names item, criterion and scale_order.

    Parameters
    ----------
    items
        One row per item: item, context (the dialogue shown), response and, if known, technique.
    scale
        Points that may be given; it must have steps.
    scale_order
        Order in which the form lists the points; ask once in each and see `order_check`.

    Raises
    ------
    JudgeError
        If items lack columns or are named twice, or steps are missing.
    """
    _check(items)
    if scale_order not in ORDERS:
        raise JudgeError(f"Unknown: '{scale_order}'.", next_step=nearest(scale_order, ORDERS))
    if not scale.points():
        raise JudgeError("A judge needs a scale with steps.")
    chosen = [c if isinstance(c, Criterion) else criterion(c) for c in criteria]
    for each in chosen:
        if each.name not in steps:
            raise JudgeError(
                f"There are no evaluation steps for '{each.name}'.",
                next_step="Let a model write them once and keep them with write_steps.",
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
    about = {"item": str(row["item"]), "criterion": what.name, "scale_order": order}
    return Question(json.dumps(list(about.values())), render(built_in("score"), values), about)


def _check(items: pd.DataFrame) -> None:
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


def _quoted(value: Any) -> str:
    text = "(not named)" if value is None or value != value else str(value)  # NaN
    return "\n".join(f"| {line}".rstrip() for line in text.splitlines() or [""])


def no_probabilities(found: Sequence[Answered | Unanswered]) -> str:
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


def read_answers(
    found: Sequence[Answered | Unanswered], mode: Mode, *, scale: RatingScale = LIKERT
) -> dict[str, Any]:
    """Read the answers to one question: the columns of `COLUMNS` from score to raw.

    Parameters
    ----------
    found
        Answers, or why there is none.
    mode
        One of `MODES`.

    Raises
    ------
    ArgumentError
        If something else than answers is given, or no such mode exists.
    """
    for each in found:
        must_be(each, Answered, Unanswered, what="an answer of a judge", how=_OF_ASKING)
    if mode not in MODES:
        raise ArgumentError(f"There is no mode {mode!r}.", next_step=nearest(str(mode), MODES))
    order = sorted((a for a in found if isinstance(a, Answered)), key=lambda a: a.sample)
    texts = [a.completion.text for a in order]
    criteria = tuple(dict.fromkeys((*CRITERIA, *(a.question.about["criterion"] for a in order))))
    asked = order[0].question.about["criterion"] if order else None
    spread = mass = math.nan
    if mode == "logprob":
        # Without probabilities there is nothing to weigh: missing, not one answer in disguise.
        weighed = [
            weigh(a.completion.logprobs, scale=scale, criteria=criteria, asked=asked) for a in order
        ]
        values = [w.score for w in weighed if w is not None]
        mass = next((w.mass for w in weighed if w is not None), math.nan)
    else:
        scores = [find_score(text, scale=scale, criteria=criteria, asked=asked) for text in texts]
        values = [s.value for s in scores if s is not None]
        if mode == "sample" and len(values) > 1:
            spread = float(np.std(values, ddof=1))
    whys = (why_no_score(t, scale=scale, criteria=criteria, asked=asked) for t in texts)
    times = [a.completion.latency_s for a in order]
    known = [seconds for seconds in times if seconds is not None]
    errors = [u.error.code for u in found if isinstance(u, Unanswered)]
    status = "ok" if values else "unparsable" if texts else "unanswered"
    return {
        "score": float(np.mean(values)) if values else math.nan,
        "status": status,
        "n_answers": len(texts),
        "n_unparsable": len(texts) - len(values),
        "why_none": ", ".join(sorted(set(filter(None, whys)))),
        "spread": spread,
        "mass": mass,
        "latency_s": sum(known) if known and len(known) == len(times) else math.nan,
        "error": (errors[0] if errors else "" if texts else "not_asked"),
        "raw": json.dumps(texts, ensure_ascii=False),
    }
