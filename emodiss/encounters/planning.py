"""A therapist's plan before the session: asked for, and read."""

from __future__ import annotations

import re

from emodiss.chat.answers import unwrapped
from emodiss.clients import Profile
from emodiss.encounters.records import Plan
from emodiss.interventions.techniques import normalise_technique, tidy_name
from emodiss.screenplays.wording import client_values, filled, plan_text

PLAN_TOKENS = 512
"""Least room for a plan; the released code asked for 128 and used 1,024."""

_TECHNIQUE = re.compile(
    r"^[ \t\-*•#_>\d.)]*(?:chosen[ \t]+)?CBT[ \t]+techniques?"
    r"[ \t*_]*(?::[ \t*_]*|$)(?P<rest>.*)$",
    re.IGNORECASE,
)
_PLAN = re.compile(
    r"^[ \t\-*•#_>\d.)]*(?:detailed[ \t]+)?(?:counsell?ing[ \t]+plan(?:ning)?|CBT[ \t]+plan)"
    r"[ \t*_]*(?::[ \t*_]*|$)(?P<rest>.*)$",
    re.IGNORECASE,
)
_BRACES = " \t{}"

TECHNIQUES = (
    *("Efficiency Evaluation", "Pie Chart Technique", "Alternative Perspective"),
    *("Decatastrophizing", "Pros and Cons Analysis", "Evidence-Based Questioning"),
    *("Reality Testing", "Continuum Technique", "Changing Rules to Wishes", "Behavior Experiment"),
    *("Problem-Solving Skills Training", "Systematic Exposure"),
)
"""Those that the prompt offers; the vocabulary has each, some of them under a wider name."""


def plan_prompt(profile: Profile, *, pictured: bool, literal: bool = False) -> str:
    """Write what a therapist is asked before a session."""
    return filled("mirror_plan", **client_values(profile), pictured=pictured, literal=literal)


def parse_plan(answer: str) -> Plan:
    """Read technique and plan; labels may be plain, bold or dashed. `no_plan` without steps."""
    technique: list[str] = []
    steps: list[str] = []
    current: list[str] | None = None
    for row in unwrapped(answer).splitlines():
        # Only the first of each label is one: later ones are words of the plan.
        label = None if technique else _TECHNIQUE.match(row)
        if label is not None:
            current = technique
        elif not steps and (label := _PLAN.match(row)) is not None:
            current = steps
        if current is not None:
            current.append(row if label is None else label["rest"])
    plan = tuple(filter(None, (row.strip().strip("{}").strip() for row in steps)))
    name = next(filter(None, (tidy_name(row.strip(_BRACES)) for row in technique)), None)
    return Plan(
        None if name is None else _technique(name), plan, "planned" if plan else "no_plan", answer
    )


def _technique(name: str) -> str:
    """Bring a technique to the prompt's spelling, or to the vocabulary's; else as written."""
    plain = {each.casefold().removesuffix(" technique"): each for each in TECHNIQUES}
    offered = plain.get(name.casefold().removesuffix(" technique"))
    known = normalise_technique(name)
    return offered or (known.name if known.known else name)


def planned_text(plan: Plan | None) -> str:
    """Write a plan as the therapist's prompt holds it; empty without one."""
    if plan is None or plan.mode == "no_plan":
        return ""
    return plan_text(plan.technique, "\n".join(plan.steps))
