"""What a client's face shows with a line: asked for in words, read, and put into prompts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from emodiss.chat.answers import unwrapped
from emodiss.chat.model import Question
from emodiss.screenplays.parsing import format_screenplay
from emodiss.screenplays.records import Line
from emodiss.screenplays.wording import filled


def expression_question(
    case_id: str, history: Sequence[Line], line: Line, *, directions: bool = True
) -> Question:
    """Ask what the client's face shows with a line, with or without directions (Figure 14)."""
    text = filled(
        "mirror_expression",
        history=format_screenplay(history, directions=directions),
        utterance=line.text if directions else line.words,
    )
    about = {"case": case_id, "line": str(line.index)}
    return Question(f"{case_id}/{line.index}", text, about)


_LABEL: Final = re.compile(
    r"^[ \t>\-*•#_\"'{(\d.)]*"
    r"(?P<contrast>contrast\w*[ \t]+)?(?:facial[ \t]+)?expression(?:[ \t]+description)?"
    r"[ \t*_\"']*:(?P<value>.*)$",
    re.IGNORECASE,
)
_PLACEHOLDER: Final = re.compile(
    r"facial expression that (?:aligns|contrasts) with the client's statement", re.IGNORECASE
)


def parse_expression(answer: str) -> tuple[str, str]:
    """Read both descriptions, each on one line; the labels may come in any order and dress."""
    found: dict[bool, list[str]] = {}
    current: list[str] | None = None
    for row in unwrapped(answer).splitlines():
        label = _LABEL.match(row)
        if label is not None:
            contrast = label["contrast"] is not None
            # A second answer to the same question is not what was asked for.
            current = [label["value"]] if not _text(found.get(contrast, [])) else None
            if current is not None:
                found[contrast] = current
        elif current is not None:
            if not row.strip() and _text(current):
                current = None  # what follows a blank line is not the description
            else:
                current.append(row)
    return _text(found.get(False, [])), _text(found.get(True, []))


def face_prompts(
    positive: str, negative: str, *, gender: str, photomaker: bool = False
) -> tuple[str, str]:
    """Put descriptions into prompt and negative prompt; PhotoMaker wants its trigger word `img`."""
    prompt = filled("mirror_face_prompt", gender=gender, photomaker=photomaker, positive=positive)
    return prompt, filled("mirror_face_negative", negative=negative)


def _text(rows: Sequence[str]) -> str:
    """One line, without brackets, quotation marks and emphasis around it; no placeholder."""
    joined = " ".join(" ".join(rows).split())
    joined = re.sub(r"[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}", "", joined)
    while (bare := joined.strip(" \t\"'“”,{}").removeprefix("[").removesuffix("]")) != joined:
        joined = bare
    return "" if _PLACEHOLDER.search(joined) else joined
