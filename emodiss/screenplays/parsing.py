"""From a model's text to lines: who speaks, what is a stage direction, what is said."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from emodiss.chat.answers import unwrapped
from emodiss.interventions.failures import find_failures
from emodiss.screenplays.records import Line, Speaker, Status

THERAPIST = r"Therapist|Counsell?or|Psychotherapist"
CLIENT = r"Client|Patient"

_DIRECTION = re.compile(  # blanks from the first on, so that no stretch of them is tried from each
    r"(?:(?<![ \t])[ \t]+)?[*_]{0,3}\[([^\[\]]*)\][*_]{0,3}[ \t]*(?P<mark>[,;:!?]|\.(?!\.))?"
)


@dataclass(frozen=True, slots=True)
class Parsed:
    """Lines of a dialogue, and what was odd about them."""

    lines: tuple[Line, ...]
    # `line: code`; codes are `no_direction` (a client's line without one), `no_words`,
    # `open_bracket` (the line is kept as words), `before_first_role` (text that nobody says).
    problems: tuple[str, ...]
    # `complete`, `empty`, `one_role` or `refusal`.
    status: Status


def parse_screenplay(text: str, client_name: str = "") -> Parsed:
    """Read a dialogue written as lines `Role: [direction] words`.

    Parameters
    ----------
    text
        The answer of a model. Roles may be bold, in a list, or the client's name; a line without a
        role goes on with the one before.
    client_name
        Full name; the first name alone is a role, too.

    Returns
    -------
    Parsed
        Never an error: what cannot be read says so.
    """
    label = _label(client_name)
    said: list[tuple[Speaker, list[str]]] = []
    problems: list[str] = []
    for row in unwrapped(text).splitlines():
        match = label.match(row)
        if match:
            role: Speaker = "therapist" if match["therapist"] else "client"
            cue = match["cue"].strip("()[] \t*_") if match["cue"] else ""
            said.append((role, [f"[{cue}] {match['rest']}" if cue else match["rest"]]))
        elif said:
            said[-1][1].append(row)
        elif row.strip():
            problems = ["0: before_first_role"]
    lines: list[Line] = []
    for index, (role, rows) in enumerate(said):
        content = "\n".join(filter(None, map(str.strip, rows)))
        directions, words, whole = split_directions(content)
        lines.append(Line(role, directions, words, index))
        found = {
            "open_bracket": not whole,
            "no_direction": role == "client" and whole and not directions,
            "no_words": not words,
        }
        problems += [f"{index}: {code}" for code, there in found.items() if there]
    return Parsed(tuple(lines), tuple(problems), _status(text, lines))


def split_directions(text: str) -> tuple[tuple[str, ...], str, bool]:
    """Part stage directions from words; False if a bracket is left open and all stays words."""
    directions = tuple(" ".join(found[1].split()) for found in _DIRECTION.finditer(text))
    # What stood on both sides of a direction keeps one blank between, or the mark that followed.
    words = _DIRECTION.sub(lambda found: found["mark"] or " ", text)
    if "[" in words or "]" in words:
        return (), text.strip(), False
    words = "\n".join(filter(None, (row.strip() for row in words.split("\n"))))
    return tuple(filter(None, directions)), words, True


def format_screenplay(lines: Sequence[Line], *, directions: bool = True) -> str:
    """Write lines as `parse_screenplay` reads them."""
    return "\n".join(
        f"{line.role.capitalize()}: {line.text if directions else line.words}".rstrip()
        for line in lines
    )


def _label(client_name: str) -> re.Pattern[str]:
    names = [re.escape(name) for name in (client_name.strip(), *client_name.split()[:1]) if name]
    clients = "|".join([CLIENT, *(name.replace(r"\ ", r"[ \t]+") for name in names)])
    return re.compile(
        r"[ \t>#]{0,40}(?:[-•*][ \t]+|\d{1,3}[.)][ \t]*)?[*_]{0,3}"
        rf"(?:(?P<therapist>{THERAPIST})|(?P<client>{clients}))[*_]{{0,3}}"
        r"(?:[ \t]*(?P<cue>[*_]{0,3}(?:\[[^\[\]]*\]|\([^()]*\))[*_]{0,3}))?"
        r"[ \t]*[*_]{0,3}:[*_]{0,3}[ \t]*(?P<rest>.*)",
        re.IGNORECASE,
    )


def _status(text: str, lines: Sequence[Line]) -> Status:
    if not text.strip():
        return "empty"
    if len({line.role for line in lines}) == 2:
        return "complete"
    if "refusal" in find_failures(text, text, ()):
        return "refusal"
    return "one_role" if lines else "empty"
