"""Simulated sessions without a simulation, and judges that answer by a rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from emodiss import mirror
from emodiss.chat.model import Completion, Usage
from emodiss.clients import RESISTANCES, Case, Profile
from emodiss.encounters import Encounter, Plan
from emodiss.errors import ChatError
from emodiss.screenplays.records import Line
from tests.mirror.people import PROFILES

THERAPISTS = {"ours": "p+ec", "plain": "base", "words": "text"}


def encounter(
    profile: Profile, kind: str, therapist: str, variant: str, *, more: Sequence[str] = ()
) -> Encounter:
    """A short session whose words tell case and therapist apart, as no real ones would."""
    case = Case(profile, kind)
    said = [
        ("therapist", (), f"Hello {profile.first_name}. What brings you here?"),
        ("client", ("sighs",), f"{profile.reason}. It is {kind} for me."),
        ("therapist", (), " ".join(["Tell me more."] * (1 + len(therapist) % 3)) + f" {variant}"),
        ("client", ("looks away",), "I will try."),
    ]
    said += [("therapist" if n % 2 == 0 else "client", (), text) for n, text in enumerate(more)]
    lines = tuple(
        Line(role, directions, words, n) for n, (role, directions, words) in enumerate(said)
    )
    return Encounter(
        case=case,
        therapist=therapist,
        variant=variant,
        lines=lines,
        captions=(None,) * len(lines),
        pictures=(None,) * len(lines),
        plan=Plan("Reality Testing", ("One",)) if "p" in variant.split("+") else None,
        ended_by="max_turns",
        settings={"therapist": {"max_tokens": 256}},
    )


def failed(profile: Profile, kind: str, therapist: str, variant: str) -> Encounter:
    """A session that broke off."""
    return Encounter(
        case=Case(profile, kind),
        therapist=therapist,
        variant=variant,
        lines=(),
        status="failed",
        reason="http_500",
    )


def experiment(
    root: Path,
    *,
    profiles: Sequence[Profile] = tuple(PROFILES[:3]),
    kinds: Sequence[str] = RESISTANCES,
    therapists: dict[str, str] | None = None,
    broken: Sequence[tuple[str, str]] = (),
) -> mirror.Experiment:
    """A folder with a session of every case and therapist; those of `broken` failed."""
    made = mirror.create(root)
    chosen = THERAPISTS if therapists is None else therapists
    cases = [Case(profile, kind) for profile in profiles for kind in kinds]
    made.cases.write(cases)
    made.encounters.write(
        [
            (failed if (case.id, name) in broken else encounter)(
                case.profile, case.resistance, name, variant
            )
            for case in cases
            for name, variant in chosen.items()
        ]
    )
    return made


class Judge:
    """A judge that answers by a function of the question's text."""

    identity = "test judge"

    def __init__(self, say: Callable[[str], str | ChatError], name: str = "judge") -> None:
        self.say = say
        self.name = name
        self.asked: list[str] = []

    def generate(self, messages, params, *, sample=0):
        text = messages[-1]["content"]
        self.asked.append(text)
        said = self.say(text)
        if isinstance(said, ChatError):
            raise said
        return Completion(said, self.name, "stop", Usage(100, 10), cost_usd=0.0)


def usual(text: str) -> str:
    """Better scores for the therapist with planning and captioning, worse for those who resist."""
    ours = "p+ec" in text
    resists = "none for me" not in text
    if "[[rating]]" in text:
        return f"So it seems. [[{4 if ours else 3 if resists else 4}]]"
    return f"{5 if ours else 3 if resists else 4}, by the rule"
