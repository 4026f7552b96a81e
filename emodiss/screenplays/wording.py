"""What a model is asked for a screenplay."""

from __future__ import annotations

from typing import Any

from emodiss.chat.model import Question
from emodiss.clients import Case, Profile
from emodiss.prompts.wording import built_in, render

UNSTATED = "not stated"


def filled(name: str, **values: Any) -> str:
    """Fill a template that comes with the package."""
    return render(built_in(name), values)


def plan_text(technique: str | None, plan: str | None) -> str:
    """Write technique and plan, in the form that the planning prompt asks for; empty if neither."""
    parts = [("CBT technique", technique), ("Counseling planning", plan)]
    return "\n".join(f"{label}:\n{text.strip()}" for label, text in parts if text)


def client_values(profile: Profile) -> dict[str, str]:
    """Give what prompts say of a client."""
    return {
        "client_information": profile.introduction(),
        "reason_counseling": profile.reason,
    }


def question(case: Case, *, few_shot: str | None = None) -> Question:
    """Write what a model is asked for the screenplay of a case.

    Parameters
    ----------
    few_shot
        Dialogues to go by, as they are to be written; they follow the message of the system. The
        paper prints none.
    """
    profile = case.profile
    text = filled(
        "mirror_screenplay",
        **client_values(profile),
        personality_trait=case.trait,
        intrusive_thoughts=profile.distorted_thought,
        cognitive_distortions=", ".join(profile.thinking_traps) or UNSTATED,
        cbt_tech_and_plan=plan_text(profile.plan_technique, profile.plan),
    )
    system = filled("mirror_screenplay_system")
    if few_shot:
        system += f"\n\nExamples\n\n{few_shot.strip()}"
    return Question(case.id, text, {"case": case.id}, system)
