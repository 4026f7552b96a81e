"""What judges of whole sessions are shown, and the record of what they said.

A session is a sequence of (role, text). Each line of a dialogue stands on one line of the prompt,
after its label, so that nothing said in it can pass for a part of the question.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import Any

import pandas as pd

from emodiss.chat.model import Answered, Completion, Unanswered
from emodiss.judging.criteria import JudgeError
from emodiss.prompts.wording import Template

Lines = Sequence[tuple[str, str]]
"""A dialogue: role (`therapist` or `client`) and what is shown of the line."""

LABELS = {"therapist": "Counselor", "client": "Client"}

SESSION_COLUMNS = {
    "item": "id of the session",
    "instrument": "counseling (CounselingEval) or alliance (Working Alliance Inventory)",
    "criterion": "criterion or item of the instrument",
    "wording": "own, as_printed, or the name of the folder or file that the wording came from",
    "polarity": "straight (a high score is good) or reversed",
    "judge": "name of the judge",
    "score": "the score as the judge gave it, missing if there is none",
    "status": "ok, unparsable (the answer states no score), unanswered (there is no answer)",
    "error": "code of the error, where status is unanswered",
    "model": "model that was asked, as a replay names it",
    "identity": "adapter, place and model of the judge",
    "directions": "whether stage directions were shown",
    "dialogue_sha256": "hash of the dialogue as it was shown",
    "prompt_sha256": "hash of what was asked",
    "raw": "the answer, untouched",
    "finish_reason": "why the judge stopped",
    "parameters": "decoding parameters",
    "prompt_tokens": "tokens asked, as counted by the endpoint",
    "completion_tokens": "tokens answered",
    "answered_at": "UTC time of the answer, ISO 8601",
    "from_cache": "whether nothing was asked because the cache had the answer",
    "cost_usd": "what the answer cost, US dollars",
}
"""Columns of a judgement of a session, and their meaning."""


def template(name: str) -> Template:
    """Load a template of the package by its name."""
    source = (resources.files("emodiss") / "templates" / f"{name}.jinja").read_text("utf-8")
    return Template(condition=name, name=f"{name}.jinja", source=source)


def check_sessions(sessions: Mapping[str, Lines]) -> None:
    """Refuse sessions in which one side says nothing, or somebody else speaks."""
    for name, lines in sessions.items():
        strange = sorted({role for role, _ in lines} - set(LABELS))
        if strange:
            raise JudgeError(
                f"Session '{name}' has lines of '{strange[0]}'; "
                f"{' and '.join(LABELS)} were expected."
            )
        silent = set(LABELS) - {role for role, text in lines if text.strip()}
        if silent:
            raise JudgeError(
                f"Session '{name}' has no words of the {min(silent)}.",
                next_step="Leave it out: there is nothing to judge.",
            )


def dialogue_sha256(lines: Lines) -> str:
    """Hash a dialogue: scores of one that has changed since are scores of another."""
    return hashlib.sha256(dialogue(lines).encode()).hexdigest()


def dialogue(lines: Lines, *, quoted: bool = True) -> str:
    """Write a dialogue, one line to a line, quoted by a bar or with its label alone."""
    bar = "| " if quoted else ""
    return "\n".join(f"{bar}{LABELS[role]}: {' '.join(text.split())}" for role, text in lines)


def is_cut(said: Completion) -> bool:
    """Whether an answer was cut off at the longest length."""
    return said.finish_reason in ("length", "max_tokens", "MAX_TOKENS")


def record(found: Answered | Unanswered, judge: str, score: float | None) -> dict[str, Any]:
    """Write down what a judge said about a session; the columns of `SESSION_COLUMNS`."""
    about = {name: found.question.about[name] for name in _ABOUT}
    out: dict[str, Any] = dict.fromkeys(SESSION_COLUMNS) | about | {"judge": judge, "error": ""}
    out |= {"model": found.model, "prompt_sha256": found.question.sha256}
    if isinstance(found, Unanswered):
        return out | {"status": "unanswered", "error": found.error.code, "raw": ""}
    said = found.completion
    return out | {
        "score": score,
        "status": "unparsable" if score is None else "ok",
        "identity": found.identity,
        "raw": said.text,
        "finish_reason": said.finish_reason,
        "parameters": found.parameters,
        "prompt_tokens": said.usage.prompt_tokens,
        "completion_tokens": said.usage.completion_tokens,
        "answered_at": said.answered_at,
        "from_cache": said.from_cache,
        "cost_usd": said.cost_usd,
    }


_ABOUT = ("item", "instrument", "criterion", "wording", "polarity")


def session_table(records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Lay records out as a table of `SESSION_COLUMNS`; score is NaN if there is none.

    Parameters
    ----------
    records
        From `record`, or lines of a file of them.
    """
    rows = [{name: one.get(name) for name in SESSION_COLUMNS} for one in records]
    table = pd.DataFrame(rows, columns=pd.Index(list(SESSION_COLUMNS)))
    scores = [math.nan if score is None else float(score) for score in table["score"]]
    return table.assign(score=pd.Series(scores, dtype="float64"))
