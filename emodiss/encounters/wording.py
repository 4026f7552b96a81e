"""What the two models of a simulated session are asked, and how their answers are read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from emodiss.chat.answers import unwrapped
from emodiss.clients import Case, Profile
from emodiss.screenplays.parsing import CLIENT, THERAPIST, split_directions
from emodiss.screenplays.records import Line, Speaker
from emodiss.screenplays.wording import client_values, filled

END = "[/END]"
"""What the client says when it wants no more; nothing else ends a session."""

OPENING = "Hi {first_name}, it is good to meet you. What brings you here today?"
"""What every therapist begins with, in every arm. Own wording."""

IMAGE = "<image>"
"""Stands where the picture goes."""


def client_prompt(case: Case, lines: Sequence[Line], *, window: int | None = None) -> str:
    """Write what the model that plays the client is asked; its own directions are shown."""
    return filled(
        "mirror_client",
        client_information=case.profile.introduction(),
        personality_trait=case.trait,
        distorted_thoughts=case.profile.distorted_thought,
        reason_counseling=case.profile.reason,
        history=history(lines, "Counselor", directions=True, window=window),
    )


def client_system(case: Case) -> str:
    """Write the message of the system for the model that plays the client."""
    return filled("mirror_client_system", resists=case.resistance != "none")


def therapist_prompt(
    profile: Profile,
    lines: Sequence[Line],
    *,
    pictured: bool,
    caption: str | None = None,
    plan: str = "",
    window: int | None = None,
) -> str:
    """Write what a therapist is asked, in a simulated session and in training data alike."""
    told = client_values(profile)
    return reply_prompt(told, lines, pictured=pictured, caption=caption, plan=plan, window=window)


def reply_prompt(
    told: Mapping[str, str],
    lines: Sequence[Line],
    *,
    pictured: bool,
    caption: str | None = None,
    plan: str = "",
    window: int | None = None,
) -> str:
    """Write `therapist_prompt` of a client without a profile: with what is told instead."""
    return filled(
        "mirror_therapist",
        **told,
        pictured=pictured,
        emotional_caption=caption,
        cbt_tech_and_plan=plan,
        history=history(lines, "Therapist", directions=False, window=window),
    )


def caption_prompt() -> str:
    """Write what a model is asked about the client's picture: in a session and in training data."""
    return filled("mirror_caption")


def history(
    lines: Sequence[Line], therapist: str, *, directions: bool, window: int | None = None
) -> str:
    """Write what was said, one line after the other, under the names of the two roles."""
    told = lines if window is None else lines[-window:]
    return "\n".join(
        f"{therapist if line.role == 'therapist' else 'Client'}: "
        f"{line.text if directions else line.words}"
        for line in told
    )


@dataclass(frozen=True, slots=True)
class Spoken:
    """An answer as a line of a session."""

    # directions, words: As in `Line`; words hold no brackets, so that no direction reaches the
    # therapist.
    directions: tuple[str, ...]
    words: str
    # Whether the client wants no more.
    ends: bool
    # `several_turns` (it went on with the other's turn and was cut there), `other_role` (it began
    # under the other's label), `open_bracket`, `empty`.
    flags: tuple[str, ...]


def read_reply(text: str, role: Speaker, client_name: str) -> Spoken:
    """Read one reply; line breaks and quotation marks stay."""
    text = unwrapped(text).strip()
    own, other = _labels(role, client_name)
    flags: list[str] = []
    if match := own.match(text):
        text = text[match.end() :]
    elif match := other.match(text):
        text = text[match.end() :]
        flags.append("other_role")
    cuts = [m.start() for label in (own, other) for m in _inside(label).finditer(text)]
    if cuts:
        text = text[: min(cuts)]
        flags.append("several_turns")
    ends = role == "client" and END in text
    directions, words, whole = split_directions(text.replace(END, "").strip())
    if not whole:
        words = _without_brackets(words)
        flags.append("open_bracket")
    if not words:
        flags.append("empty")
    return Spoken(directions, words, ends, tuple(flags))


@lru_cache(maxsize=256)
def _labels(role: Speaker, client_name: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Labels of a role and of the other one at the start of a text."""
    names = "|".join(re.escape(n) for n in {client_name, *client_name.split()[:1]} if n)
    words = {"therapist": THERAPIST, "client": f"{CLIENT}|{names}" if names else CLIENT}
    other = "client" if role == "therapist" else "therapist"
    own, others = (
        re.compile(rf"[*_#> \t]{{0,6}}(?:{words[each]})[*_]{{0,3}}[ \t]*:[*_]{{0,3}}[ \t]*", re.I)
        for each in (role, other)
    )
    return own, others


@lru_cache(maxsize=512)
def _inside(label: re.Pattern[str]) -> re.Pattern[str]:
    """Find a label at the start of a line, or with a capital after the end of a sentence."""
    bare = label.pattern
    return re.compile(
        rf"\n[^\S\n]*(?i:{bare})|(?<=[.!?\"”*)\]])[ \t]+(?=[*_]{{0,3}}[A-Z])(?i:{bare})"
    )


def _without_brackets(text: str) -> str:
    """Take out what brackets hold, also nested ones; one never closed ends with its line."""
    rows: list[str] = []
    for row in text.split("\n"):
        depth, kept = 0, ""
        for char in row:
            depth += char == "["
            kept += char if not depth and char != "]" else ""
            depth -= char == "]" and depth > 0
        rows.append(" ".join(kept.split()))
    return "\n".join(filter(None, rows))
