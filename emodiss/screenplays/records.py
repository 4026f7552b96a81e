"""A counselling dialogue that a model wrote, with stage directions, line by line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from emodiss.clients import Case

Speaker = Literal["therapist", "client"]

Status = Literal["complete", "empty", "one_role", "refusal"]
"""What became of a screenplay: whole, or why it cannot be used."""


@dataclass(frozen=True, slots=True)
class Line:
    """What one of the two says before the other answers.

    Parameters
    ----------
    role
        `therapist` or `client`.
    directions
        Stage directions in their order, without brackets.
    words
        What is spoken: no directions; line breaks kept.
    index
        Place in the dialogue, from 0.
    """

    role: Speaker
    directions: tuple[str, ...]
    words: str
    index: int

    @property
    def text(self) -> str:
        """Directions in brackets, then the words."""
        return " ".join([*(f"[{direction}]" for direction in self.directions), self.words]).strip()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "directions": list(self.directions)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Line:
        """Read back what `to_dict` wrote; TypeError, KeyError or ValueError if it is no line."""
        line = cls(record["role"], tuple(record["directions"]), record["words"], record["index"])
        if line.role not in get_args(Speaker):
            raise ValueError
        if not all(isinstance(text, str) for text in (line.words, *line.directions)):
            raise TypeError
        if isinstance(record["directions"], str) or not isinstance(line.index, int):
            raise TypeError
        return line


@dataclass(frozen=True, slots=True)
class Screenplay:
    """A dialogue between therapist and client, written by one model in one answer.

    Parameters
    ----------
    request_sha256
        Hash of all that can change the answer.
    problems
        What the parser noted, as `line: code`.
    status
        `complete`, or why it cannot be used.
    """

    case: Case
    lines: tuple[Line, ...]
    model: str
    request_sha256: str
    problems: tuple[str, ...] = ()
    status: Status = "complete"
    raw: str = ""

    @property
    def n_turns(self) -> float:
        """Turns: half the lines, as the paper counts them."""
        return len(self.lines) / 2

    @property
    def n_blocks(self) -> int:
        """Stretches of one role; neighbouring lines of one role are one stretch."""
        roles = [line.role for line in self.lines]
        return sum(a != b for a, b in zip(roles, [None, *roles], strict=False))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "case": self.case.to_dict(),
            "lines": [line.to_dict() for line in self.lines],
            "model": self.model,
            "request_sha256": self.request_sha256,
            "problems": list(self.problems),
            "status": self.status,
            "raw": self.raw,
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Screenplay:
        """Read back what `to_dict` wrote; TypeError, KeyError or ValueError if it is none."""
        if record["status"] not in get_args(Status):
            raise ValueError
        return cls(
            case=Case.from_dict(record["case"]),
            lines=lines_from(record["lines"]),
            model=record["model"],
            request_sha256=record["request_sha256"],
            problems=tuple(record["problems"]),
            status=record["status"],
            raw=record["raw"],
        )


@dataclass(frozen=True, slots=True)
class Expression:
    """What a client's face shows with one line, in words.

    Parameters
    ----------
    case_id, line
        Which line of which screenplay.
    positive
        The expression that goes with the line; empty if the answer had none.
    negative
        The one that contrasts with it; empty if the answer had none.
    model
        Who described it.
    request_sha256
        Hash of all that can change the answer.
    """

    case_id: str
    line: int
    positive: str
    negative: str
    model: str = ""
    request_sha256: str = ""

    @property
    def status(self) -> Literal["complete", "partial"]:
        """`partial` if one of the two is missing; then no picture is made."""
        return "complete" if self.positive and self.negative else "partial"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "status": self.status}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Expression:
        """Read back what `to_dict` wrote; TypeError or KeyError if it is no expression."""
        made = cls(**{name: record[name] for name in cls.__slots__})
        texts = (made.case_id, made.positive, made.negative, made.model, made.request_sha256)
        if not all(isinstance(text, str) for text in texts) or not isinstance(made.line, int):
            raise TypeError
        return made


def lines_from(records: Sequence[Mapping[str, Any]]) -> tuple[Line, ...]:
    """Read lines back; ValueError if their numbers are not 0, 1, 2, ..."""
    lines = tuple(map(Line.from_dict, records))
    if [line.index for line in lines] != list(range(len(lines))):
        raise ValueError
    return lines
