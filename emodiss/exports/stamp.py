"""What a file said when it was exported, so that an import can tell what a person changed in it.

A correction is what differs from the export, not from the table as it stands when the file comes
back: others may have reviewed the session in between. The stamp holds times and roles as they were
and of names and texts a digest, which is all that a comparison needs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from emodiss.exports.items import Item, edges
from emodiss.manifest import Role
from emodiss.timebase import Seconds

NAME = "emodiss exported"
"""Name of the stamp: of a property in EAF, first line of a note in WebVTT."""

_DIGITS = 12


class Line(Protocol):
    """An utterance as the table or a file shows it."""

    @property
    def start(self) -> Seconds:
        """From media start."""
        ...

    @property
    def end(self) -> Seconds:
        """From media start."""
        ...

    @property
    def speaker(self) -> str:
        """Label of the voice."""
        ...

    @property
    def role(self) -> Role | None:
        """None when not known."""
        ...

    @property
    def text(self) -> str:
        """What is said."""
        ...


@dataclass(frozen=True, slots=True)
class Exported:
    """One utterance at export, comparable with what became of it."""

    # Start and end, in milliseconds as files write them.
    times: str
    # speaker, role, text: Digest of the label, the role or `-`, digest of the text.
    speaker: str
    role: str
    text: str

    @classmethod
    def of(cls, line: Line) -> Exported:
        """Take down an utterance."""
        return cls(
            times="-".join(map(str, edges(line.start, line.end))),
            speaker=_digest(line.speaker),
            role=line.role or "-",
            text=_digest(line.text),
        )


def entries(found: Sequence[Item]) -> list[str]:
    """Write the stamp: an entry per utterance, without blanks."""
    return [
        f"{item.utterance_id}:{one.times}:{one.speaker}:{one.role}:{one.text}"
        for item, one in ((item, Exported.of(item)) for item in found)
    ]


def read(stamp: str) -> Mapping[str, Exported]:
    """Read a stamp."""
    parts = (entry.rsplit(":", 4) for entry in stamp.split())
    return {one[0]: Exported(*one[1:]) for one in parts if len(one) == 5}


def _digest(text: str) -> str:
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()[:_DIGITS]
