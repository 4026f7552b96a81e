"""Whom a session is about: a client's profile, how the client resists, and both together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from emodiss.errors import EmodissError, nearest

Resistance = Literal["cognitive", "emotional", "behavioral", "none"]
"""How a client resists; `none` does not."""

RESISTANCES: tuple[Resistance, ...] = get_args(Resistance)
RESISTANT: tuple[Resistance, ...] = tuple(kind for kind in RESISTANCES if kind != "none")
"""The types that resist: those of the paper's Tables 2 and 3."""

Split = Literal["evaluation", "training"]

TRAITS: Mapping[Resistance, str] = {
    "cognitive": (
        "Does not see own problems as such. Holds on to a negative image of the self and to the "
        "thought behind it, and turns advice down."
    ),
    "emotional": (
        "Avoids showing feelings. Finds it hard to be vulnerable or to speak of past wounds, and "
        "seems indifferent."
    ),
    "behavioral": (
        "Skips sessions and leaves tasks undone. Doubts that therapy helps, and fears change and "
        "new experiences."
    ),
    "none": (
        "Speaks openly, is curious about new ideas, takes feedback well and commits to what is "
        "agreed."
    ),
}
"""What a model that plays the client is told of each type. Own wording after Beal et al. (2013)."""


class ClientError(EmodissError):
    """Profiles, or faces for them, cannot be used as they are."""

    code = "client"


@dataclass(frozen=True, slots=True)
class Profile:
    """A client as an intake form tells of them.

    Parameters
    ----------
    id
        Tells profiles apart; what is split, is split by it.
    name, age, gender
        As the form says; age in years.
    distorted_thought
        What the client believes; no therapist gets to read it.
    reason
        Why the client seeks counselling.
    occupation, education, marital_status, family
        As the form says; empty where it does not.
    thinking_traps
        Patterns of the thought, such as `catastrophizing`.
    plan_technique, plan
        CBT technique and plan that come with the profile.
    face
        Id of the face that the profile is paired with.
    """

    id: str
    name: str
    age: int
    gender: str
    distorted_thought: str
    reason: str
    occupation: str = ""
    education: str = ""
    marital_status: str = ""
    family: str = ""
    thinking_traps: tuple[str, ...] = ()
    plan_technique: str | None = None
    plan: str | None = None
    face: str | None = None

    @property
    def first_name(self) -> str:
        """The name up to its first blank."""
        return self.name.split()[0]

    @property
    def person(self) -> tuple[str, int, str]:
        """Who it is, even under several profiles: name, age and gender."""
        return (self.name.casefold(), self.age, self.gender.casefold())

    def introduction(self) -> str:
        """Tell who the client is, in the sentence that the paper's samples show."""
        work = f" working as {_a(self.occupation)}" if self.occupation else ""
        parts = [f"{self.name} is {_a(f'{self.age}-year-old')} {self.gender}{work}."]
        if self.education:
            parts.append(f"With a background in {self.education}.")
        if self.marital_status:
            parts.append(f"{self.name} is currently {self.marital_status}.")
        if self.family:
            parts.append(self.family.rstrip(". ") + ".")
        return " ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "thinking_traps": list(self.thinking_traps)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Profile:
        """Read back what `to_dict` wrote; TypeError, KeyError or ValueError if it is no profile."""
        known = {field.name for field in fields(cls)}
        if not known >= set(record):
            raise TypeError
        traps = record.get("thinking_traps", ())
        if isinstance(traps, str):
            raise TypeError
        values: dict[str, Any] = {**record, "thinking_traps": tuple(traps)}
        made = cls(**values)
        texts = (made.id, made.name, made.gender, made.distorted_thought, made.reason)
        more = (made.occupation, made.education, made.marital_status, made.family)
        if not all(isinstance(text, str) for text in (*texts, *more, *made.thinking_traps)):
            raise TypeError
        if not all(text.strip() for text in texts) or isinstance(made.age, bool):
            raise ValueError
        if not isinstance(made.age, int) or not 0 < made.age < 130:
            raise ValueError
        return made


@dataclass(frozen=True, slots=True)
class Case:
    """A profile and the way it resists: what one session is about.

    Parameters
    ----------
    profile
        Who.
    resistance
        One of `RESISTANCES`.
    split
        `evaluation` or `training`; all cases of a profile are on one side.
    """

    profile: Profile
    resistance: Resistance
    split: Split = "evaluation"

    @property
    def id(self) -> str:
        """Profile and type: `p001-cognitive`."""
        return f"{self.profile.id}-{self.resistance}"

    @property
    def trait(self) -> str:
        """What a model that plays the client is told of the type."""
        return TRAITS[self.resistance]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "id": self.id,
            "profile": self.profile.to_dict(),
            "resistance": self.resistance,
            "split": self.split,
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Case:
        """Read back what `to_dict` wrote; TypeError, KeyError or ValueError if it is no case."""
        if record["split"] not in get_args(Split):
            raise ValueError
        return cls(
            Profile.from_dict(record["profile"]), resistance(record["resistance"]), record["split"]
        )


def resistance(name: str) -> Resistance:
    """Return a type of resistance by name.

    Raises
    ------
    ClientError
        If there is none of that name.
    """
    if name not in RESISTANCES:
        raise ClientError(
            f"There is no type of resistance '{name}'.", next_step=nearest(name, RESISTANCES)
        )
    return name


def _a(noun: str) -> str:
    """Put the article before a noun; numbers that are spoken with a vowel first take `an`."""
    an = noun[:1].casefold() in "aeiou" or noun.startswith(("8", "11-", "18-"))
    return f"{'an' if an else 'a'} {noun}"
