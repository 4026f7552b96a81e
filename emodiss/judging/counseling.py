"""CounselingEval: a whole session judged by criteria of the Cognitive Therapy Scale, 0 to 6.

Source: Lee et al. (2024), CACTUS, Findings of EMNLP; Kim et al. (2025), MIRROR, section 5.3, who
leave `strategy` out of their tables because it follows the length of the replies.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from emodiss.chat.model import Question
from emodiss.errors import nearest
from emodiss.judging.criteria import JudgeError
from emodiss.judging.scores import find_leading
from emodiss.judging.sessions import Lines, check_sessions, dialogue, template
from emodiss.prompts.wording import render
from emodiss.ratings import RatingScale

COUNSELING: Mapping[str, str] = {
    "understanding": "Understanding",
    "interpersonal_effectiveness": "Interpersonal Effectiveness",
    "collaboration": "Collaboration",
    "guided_discovery": "Guided Discovery",
    "focus": "Focus",
    "strategy": "Strategy",
}
"""Criteria and their titles; the first three are general skills, the rest are those of CBT."""

GENERAL = ("understanding", "interpersonal_effectiveness", "collaboration")
CBT = ("guided_discovery", "focus", "strategy")

COUNSELING_SCALE = RatingScale(0.0, 6.0, 1.0)

_PLACE = "{conversation}"
_MOST_PLACES = 4


def counseling_questions(
    sessions: Mapping[str, Lines],
    criteria: Iterable[str] = tuple(COUNSELING),
    *,
    prompts: str | Path | None = None,
) -> list[Question]:
    """Write what a judge is asked about sessions, session by session and criterion by criterion.

    Parameters
    ----------
    sessions
        Id to (role, text) of each line.
    criteria
        Names of `COUNSELING`.
    prompts
        Folder with the prompt files of CACTUS, which are under the GPL and do not come along: one
        text file per criterion, whose name ends in the criterion's, with `{conversation}` in it.
        Dialogue then stands in it as there: labelled, a line each, without a bar. Own wording if
        None.

    Returns
    -------
    list of Question
        `about` names item, instrument, criterion, wording and polarity.

    Raises
    ------
    JudgeError
        If a criterion or its file does not exist, or a session cannot be judged.
    """
    chosen = list(criteria)
    for name in chosen:
        if name not in COUNSELING:
            raise JudgeError(
                f"There is no criterion '{name}'.", next_step=nearest(name, COUNSELING)
            )
    check_sessions(sessions)
    texts = {} if prompts is None else {name: _own(Path(prompts), name) for name in chosen}
    wording = "own" if prompts is None else Path(prompts).resolve().name
    found: list[Question] = []
    for item, lines in sessions.items():
        for name in chosen:
            if prompts is None:
                described = render(template(f"counseling_{name}"), {})
                values = {"criterion": described, "dialogue": dialogue(lines)}
                text = render(template("counseling_form"), values)
            else:
                text = texts[name].replace(_PLACE, dialogue(lines, quoted=False))
            about = {"item": item, "instrument": "counseling", "criterion": name}
            about |= {"wording": wording, "polarity": "straight"}
            found.append(Question(json.dumps(list(about.values())), text, about))
    return found


def _own(folder: Path, criterion: str) -> str:
    """Read the prompt file of a criterion."""
    paths = sorted(folder.glob("*.txt")) if folder.is_dir() else []
    fitting = [path for path in paths if path.stem.casefold().endswith(criterion)]
    if len(fitting) != 1:
        raise JudgeError(
            f"'{folder.name}' holds {len(fitting) or 'no'} prompt files for {criterion}.",
            next_step=f"Exactly one was expected, named like 'general_1_{criterion}.txt'.",
        )
    try:
        text = fitting[0].read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as unread:
        raise JudgeError(
            f"The prompt file '{fitting[0].name}' cannot be read: {type(unread).__name__}.",
            next_step="Give a text file in UTF-8.",
        ) from None
    places = text.count(_PLACE)
    if not places:
        raise JudgeError(f"The prompt file '{fitting[0].name}' has no place for {_PLACE}.")
    if places > _MOST_PLACES:  # each takes a whole session
        raise JudgeError(
            f"The prompt file '{fitting[0].name}' has {places} places for {_PLACE}; at most "
            f"{_MOST_PLACES} were expected."
        )
    return text


def counseling_score(text: str) -> float | None:
    """Read `score, explanation`; None if the answer does not state one score of the scale."""
    return find_leading(text, scale=COUNSELING_SCALE, labels=tuple(COUNSELING))
