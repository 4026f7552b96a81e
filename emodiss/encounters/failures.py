"""What goes wrong in simulated sessions, as far as a program can see it (MIRROR, appendix F)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from emodiss.encounters.records import Encounter
from emodiss.interventions.techniques import count_words
from emodiss.screenplays.records import Line

FAILURES = {
    "role_label": "a line that holds the label of the other role",
    "role_thought": "a therapist who says the client's thought as an own one",
    "after_end": "a reply after the client has ended the session",
    "several_turns": "an answer that went on with the other's turn; it was cut there",
    "truncated": "an answer that was cut off at the longest length",
    "too_long": "more than 100 words spoken in one line",
    "failed": "a session that broke off",
}
"""Kinds of failure and what they mean."""

MOST_WORDS = 100
_LEAST_WORDS = 5
"""A thought in fewer words may be said by chance."""

_END = re.compile(r"\[?/END\]?")
_QUOTED = re.compile(r"\"[^\"]*\"|“[^“”]*”|„[^„“”]*[“”]|‘[^‘’]{8,}’(?!\w)|(?<!\w)'[^']{8,}'(?!\w)")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def failures(encounters: Iterable[Encounter]) -> pd.DataFrame:
    """Find failures, line by line.

    Made-up facts, help that comes too early and sympathy without challenge are questions for a
    judge; they are not looked for here.

    Parameters
    ----------
    encounters
        Simulated sessions.

    Returns
    -------
    DataFrame
        One row per failure: item, case, model (the therapist), line (missing for a whole session),
        role, failure (a key of `FAILURES`), detail.
    """
    rows: list[dict[str, Any]] = []
    for each in encounters:
        where = {"item": each.id, "case": each.case.id, "model": each.therapist}
        if each.status != "complete":
            rows.append(where | {"failure": "failed", "detail": each.reason or ""})
        for line, failure, detail in _found(each):
            place = {"line": line.index, "role": line.role, "failure": failure, "detail": detail}
            rows.append(where | place)
    columns = ["item", "case", "model", "line", "role", "failure", "detail"]
    table = pd.DataFrame(rows, columns=pd.Index(columns))
    return table.assign(line=table["line"].astype("Int64"))


def failure_counts(encounters: Iterable[Encounter]) -> pd.DataFrame:
    """Count failures of each therapist.

    Parameters
    ----------
    encounters
        Simulated sessions.

    Returns
    -------
    DataFrame
        One row per therapist and kind of failure: model, failure, n (how often), n_sessions
        (sessions with one or more), of (sessions in all), share.
    """
    every = list(encounters)
    table = failures(every)
    rows: list[dict[str, Any]] = []
    for model in sorted({each.therapist for each in every}):
        of = sum(each.therapist == model for each in every)
        for failure in FAILURES:
            own = table[(table["model"] == model) & (table["failure"] == failure)]
            row: dict[str, Any] = {"model": model, "failure": failure, "n": len(own)}
            row |= {"n_sessions": own["item"].nunique(), "of": of}
            rows.append(row | {"share": row["n_sessions"] / of})
    columns = ["model", "failure", "n", "n_sessions", "of", "share"]
    return pd.DataFrame(rows, columns=pd.Index(columns))


def _found(each: Encounter) -> Iterator[tuple[Line, str, str]]:
    thought = _WORD.findall(each.case.profile.distorted_thought.casefold())
    labels = _labels(each)
    # A caption of a client's line is kept under the same number and is no line.
    spoken = {reply.line: reply for reply in each.replies if "caption" not in reply.flags}
    ended = False
    for line in each.lines:
        if match := labels[line.role].search(line.words):
            yield line, "role_label", match[1]
        if line.role == "therapist":
            own_words = _WORD.findall(_QUOTED.sub(" ", line.words).casefold())
            if len(thought) >= _LEAST_WORDS and _holds(own_words, thought):
                yield line, "role_thought", ""
            if ended:
                yield line, "after_end", ""
        reply = spoken.get(line.index)
        said = [line.words, *line.directions, reply.raw if reply else ""]
        ended |= line.role == "client" and any(map(_END.search, said))
        if reply and "other_role" in reply.flags:
            yield line, "role_label", "at the beginning"
        for flag in reply.flags if reply else ():
            if flag in ("several_turns", "truncated"):
                yield line, flag, ""
        if (n := count_words(line.words)) > MOST_WORDS:
            yield line, "too_long", str(n)


def _labels(each: Encounter) -> dict[str, re.Pattern[str]]:
    """For each role, what marks a turn of the other inside one of its lines."""
    profile = each.case.profile
    names = "|".join(re.escape(name) for name in {profile.name, profile.first_name})
    others = {
        "therapist": rf"Client|Patient|{names}",
        "client": "Therapist|Counsell?or|Psychotherapist",
    }
    return {
        role: re.compile(rf"(?:^|[\s*_(\[])({other})[*_]{{0,3}}:", re.MULTILINE)
        for role, other in others.items()
    }


def _holds(words: list[str], sought: list[str]) -> bool:
    n = len(sought)
    return any(words[i : i + n] == sought for i in range(len(words) - n + 1))
