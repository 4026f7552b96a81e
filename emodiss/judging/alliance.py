"""The Working Alliance Inventory: twelve items about a whole session, each 1 to 5.

Source: Kim et al. (2025), MIRROR, appendix K, after Li et al. (2024). Guidelines run straight: 5 is
a strong alliance. The paper says that it follows Li et al., whose items 1 and 3 are negative
statements with anchors that run the other way, and prints them as positive ones. If nothing was
turned round, Goal stays near the middle whatever the session is like; `as_printed` asks and counts
so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from emodiss.chat.model import Question
from emodiss.errors import as_path
from emodiss.judging.criteria import JudgeError
from emodiss.judging.scores import find_bracketed
from emodiss.judging.sessions import Lines, check_sessions, dialogue, template
from emodiss.prompts.wording import render
from emodiss.ratings import LIKERT

DIMENSIONS: Mapping[str, str] = {"goal": "Goal", "approach": "Approach", "bond": "Affective Bond"}
"""Dimensions and their titles."""

AS_PRINTED = "as_printed"

Polarity = Literal["straight", "reversed"]


@dataclass(frozen=True, slots=True)
class AllianceItem:
    """One item."""

    # `q1` to `q12`.
    name: str
    # A key of `DIMENSIONS`.
    dimension: str
    question: str
    # `straight` if the fifth guideline describes a strong alliance, else `reversed`.
    polarity: Polarity
    # Polarity of the anchors that the paper says it follows.
    printed: Polarity
    # What each score from 1 to 5 stands for.
    guidelines: tuple[str, ...]


def alliance_items(path: str | Path | None = None) -> tuple[AllianceItem, ...]:
    """Read the items: those that come along, or a researcher's own.

    Parameters
    ----------
    path
        JSON like `emodiss/data/alliance.json`, for example with the guidelines of Li et al.

    Raises
    ------
    JudgeError
        If the file is missing, is no such file, or a dimension has no item.
    """
    return _built_in() if path is None else _items(as_path(path, "a file of items"))


@lru_cache(maxsize=1)
def _built_in() -> tuple[AllianceItem, ...]:
    return _items(resources.files("emodiss") / "data" / "alliance.json")


def _items(path: Any) -> tuple[AllianceItem, ...]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))["items"]
        read: list[dict[str, Any]] = [
            {**one, "guidelines": tuple(one["guidelines"])} for one in said
        ]
        items = tuple(AllianceItem(**one) for one in read)
        good = all(
            len(one.guidelines) == len(LIKERT.points())
            and {one.polarity, one.printed} <= {"straight", "reversed"}
            for one in items
        )
        whole = {one.dimension for one in items} == set(DIMENSIONS)
        good &= whole and len({one.name for one in items}) == len(items)
    except (OSError, ValueError, TypeError, KeyError):
        good, items = False, ()
    if not good:
        raise JudgeError(
            f"'{path.name}' holds no items of the Working Alliance Inventory.",
            next_step="Expected was JSON with items, each with a name of its own, dimension (goal, "
            "approach or bond), question, polarity and printed (straight or reversed), and five "
            "guidelines.",
        )
    return items


def alliance_questions(
    sessions: Mapping[str, Lines],
    *,
    as_printed: bool = False,
    items: str | Path | None = None,
) -> list[Question]:
    """Write what a judge is asked about sessions, session by session and item by item.

    Parameters
    ----------
    sessions
        Id to (role, text) of each line.
    as_printed
        Ask with the paper's second paragraph, which tells the judge to consider that the session
        ended too briefly, and with the guidelines of items 1 and 3 running the other way.
    items
        File of items; those that come along if None.

    Returns
    -------
    list of Question
        `about` names item, instrument, criterion, wording and polarity.

    Raises
    ------
    JudgeError
        If the items cannot be read or a session cannot be judged.
    """
    asked = alliance_items(items)
    check_sessions(sessions)
    form = template("alliance_item")
    wording = AS_PRINTED if as_printed else "own" if items is None else Path(items).name
    found: list[Question] = []
    for session, lines in sessions.items():
        for one in asked:
            polarity = one.printed if as_printed else one.polarity
            anchors = one.guidelines if polarity == one.polarity else one.guidelines[::-1]
            guidelines = [f"Score {k}: {text}" for k, text in enumerate(anchors, start=1)]
            values = {
                "as_printed": as_printed,
                "conversation": dialogue(lines),
                "question": one.question,
                "guidelines": "\n".join(guidelines),
            }
            about = {"item": session, "instrument": "alliance", "criterion": one.name}
            about |= {"wording": wording, "polarity": polarity}
            found.append(Question(json.dumps(list(about.values())), render(form, values), about))
    return found


def alliance_score(text: str, *, cut: bool = False) -> float | None:
    """Read the rating in double brackets; None if the answer does not end in one of the scale."""
    return find_bracketed(text, scale=LIKERT, cut=cut)


def alliance_scores(judgements: pd.DataFrame, *, items: str | Path | None = None) -> pd.DataFrame:
    """Average the items of each dimension.

    Scores of reversed items are turned round (6 minus the score), unless they were asked as
    printed, where they count as they are. A missing item is left out of the mean and counted.

    Parameters
    ----------
    judgements
        From `session_table`; other instruments are passed over.
    items
        File of items that was asked with.

    Returns
    -------
    DataFrame
        One row per judge, wording, session and dimension: judge, wording, item, criterion (the
        dimension), score (1 to 5), n_items, reason (why there is no score).

    Raises
    ------
    JudgeError
        If a judgement is about an item that is not among the items.
    """
    dimension = {one.name: one.dimension for one in alliance_items(items)}
    table = judgements[judgements["instrument"] == "alliance"]
    strange = sorted(set(table["criterion"]) - set(dimension))
    if strange:
        raise JudgeError(
            f"A judgement is about '{strange[0]}', which is no item of the inventory.",
            next_step="Give the file of items that the judge was asked with.",
        )
    turned = (table["polarity"] == "reversed") & (table["wording"] != AS_PRINTED)
    straight = table["score"].where(~turned, LIKERT.low + LIKERT.high - table["score"])
    table = table.assign(criterion=table["criterion"].map(dimension), score=straight)
    keys = ["judge", "wording", "item", "criterion"]
    grouped = table.groupby(keys, sort=True)
    out = grouped["score"].agg(score="mean", n_items="count").reset_index()
    why = grouped["status"].agg(lambda seen: min(seen.mode())).reset_index(drop=True)
    out["reason"] = np.where(out["n_items"] > 0, "", why)
    return out
