"""The safety of each line of a dialogue, asked of a language model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from emodiss.chat.answers import json_of, unwrapped
from emodiss.chat.model import Question
from emodiss.screening.records import LEVELS
from emodiss.screenplays.records import Line
from emodiss.screenplays.wording import filled


def safety_question(case_id: str, lines: Sequence[Line]) -> Question:
    """Ask for the level of every line of both roles, as the released code does."""
    shown = [
        {"index": line.index, "role": line.role, "words": " ".join(line.words.split())}
        for line in lines
    ]
    return Question(case_id, filled("mirror_safety", lines=shown), {"case": case_id})


def parse_levels(answer: str, lines: Sequence[Line]) -> dict[int, str | None]:
    """Read the level of each line from an answer; None for a line that has none or another."""
    found = json_of(unwrapped(answer))
    levels: Any = found.get("levels", found) if isinstance(found, Mapping) else None
    if isinstance(levels, Sequence) and not isinstance(levels, str):
        levels = dict(enumerate(levels))
    said = {str(n): level for n, level in levels.items()} if isinstance(levels, Mapping) else {}
    return {line.index: _level(said.get(str(line.index))) for line in lines}


def _level(said: object) -> str | None:
    if not isinstance(said, str):
        return None
    plain = re.sub(r"[^a-z]+", "_", said.casefold()).strip("_")
    return plain if plain in LEVELS else None
