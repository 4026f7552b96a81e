"""A simulated session: what was said, shown and noted, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from emodiss.clients import Case
from emodiss.screenplays.records import Line, lines_from

Variant = Literal["text", "text+p", "base", "p", "ec", "p+ec"]
"""What a therapist is given beside words: nothing (`text`) or the client's picture (all others), a
plan (`p`), a caption of the emotion (`ec`)."""

VARIANTS: tuple[Variant, ...] = get_args(Variant)

Status = Literal["complete", "failed"]

EndedBy = Literal["two_in_a_row", "first_end", "released_code", "max_turns"]


@dataclass(frozen=True, slots=True)
class Plan:
    """A therapist's plan for a session.

    Parameters
    ----------
    technique
        One of the twelve of the prompt, a name of the vocabulary, or as written; None if none.
    steps
        The plan, step by step; empty if none could be read.
    mode
        Where it comes from: `planned` by the model, `profile`, or `no_plan`.
    """

    technique: str | None
    steps: tuple[str, ...]
    mode: Literal["planned", "profile", "no_plan"] = "planned"
    raw: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "steps": list(self.steps)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Plan:
        """Read back what `to_dict` wrote; TypeError or KeyError if it is no plan."""
        return cls(record["technique"], tuple(record["steps"]), record["mode"], record["raw"])


@dataclass(frozen=True, slots=True)
class Reply:
    """How one line of an encounter came about.

    Parameters
    ----------
    line
        Which line.
    request_sha256
        Hash of all that can change it.
    finish_reason
        Why the model stopped, in its own word; None if unsaid.
    flags
        What was seen in the answer: `several_turns`, `truncated`, ...
    """

    line: int
    request_sha256: str
    raw: str
    finish_reason: str | None = None
    flags: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "flags": list(self.flags)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Reply:
        """Read back what `to_dict` wrote; TypeError or KeyError if it is no reply."""
        values: dict[str, Any] = {**record, "flags": tuple(record["flags"])}
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Encounter:
    """A simulated session of one case with one therapist.

    Parameters
    ----------
    therapist
        Name under which therapists are compared; unlike in one experiment.
    variant
        One of `VARIANTS`, as asked for; see `labelled` for what it came to.
    lines
        What was said, the opening included.
    captions
        For each line what was noted of the client's emotion, None where nothing was.
    pictures
        For each line the client's picture as a path in the experiment's folder, or None.
    plan
        The therapist's plan, if one was asked for.
    ended_by
        Rule that ended it; None if it failed.
    status
        `complete` or `failed`.
    reason
        Why it failed: code of the error.
    client_model, therapist_model
        Who spoke: adapter, place and name.
    replies
        How each line came about; none for the opening.
    settings
        Parameters of the simulation as plain values.
    """

    case: Case
    therapist: str
    variant: Variant
    lines: tuple[Line, ...]
    captions: tuple[str | None, ...] = ()
    pictures: tuple[str | None, ...] = ()
    plan: Plan | None = None
    ended_by: EndedBy | None = None
    status: Status = "complete"
    reason: str | None = None
    client_model: str = ""
    therapist_model: str = ""
    replies: tuple[Reply, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Case and therapist."""
        return f"{self.case.id}/{self.therapist}"

    @property
    def arm(self) -> Literal["text", "vision"]:
        """Whether the therapist saw pictures."""
        return "text" if self.variant.startswith("text") else "vision"

    @property
    def labelled(self) -> str:
        """The variant that it came to: without a readable plan, one without planning."""
        if self.plan is not None and self.plan.mode == "no_plan":
            bare = {"p": "base", "p+ec": "ec", "text+p": "text"}
            return bare.get(self.variant, self.variant)
        return self.variant

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "id": self.id,
            "case": self.case.to_dict(),
            "therapist": self.therapist,
            "variant": self.variant,
            "lines": [line.to_dict() for line in self.lines],
            "captions": list(self.captions),
            "pictures": list(self.pictures),
            "plan": None if self.plan is None else self.plan.to_dict(),
            "ended_by": self.ended_by,
            "status": self.status,
            "reason": self.reason,
            "client_model": self.client_model,
            "therapist_model": self.therapist_model,
            "replies": [reply.to_dict() for reply in self.replies],
            "settings": dict(self.settings),
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Encounter:
        """Read back what `to_dict` wrote; TypeError, KeyError or ValueError if it is none."""
        if record["variant"] not in VARIANTS or record["status"] not in get_args(Status):
            raise ValueError
        if record["ended_by"] not in (None, *get_args(EndedBy)):
            raise ValueError
        if not all(each is None or isinstance(each, str) for each in record["pictures"]):
            raise TypeError
        return cls(
            case=Case.from_dict(record["case"]),
            therapist=record["therapist"],
            variant=record["variant"],
            lines=lines_from(record["lines"]),
            captions=tuple(record["captions"]),
            pictures=tuple(record["pictures"]),
            plan=None if record["plan"] is None else Plan.from_dict(record["plan"]),
            ended_by=record["ended_by"],
            status=record["status"],
            reason=record["reason"],
            client_model=record["client_model"],
            therapist_model=record["therapist_model"],
            replies=tuple(map(Reply.from_dict, record["replies"])),
            settings=dict(record["settings"]),
        )
