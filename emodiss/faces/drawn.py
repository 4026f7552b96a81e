"""Faces that are drawn, not filmed: what is asked of a program or model that draws them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, get_args, runtime_checkable

import numpy as np
from numpy.typing import NDArray

SIDE = 336
"""Width and height of a drawn face in pixels: what the vision encoder of LLaVA-1.5 takes."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A face as it was drawn, (336, 336, 3) uint8 RGB, from which words, and what else matters."""

    pixels: NDArray[np.uint8]
    prompt: str
    negative: str
    details: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class FaceSynthesizer(Protocol):
    """Draws one person with another expression."""

    @property
    def identity(self) -> str:
        """Name and all that can change a picture: weights, options, versions."""
        ...

    def draw(
        self, reference: Path, positive: str, negative: str, *, gender: str, seed: int
    ) -> Drawn:
        """Draw the person of a picture.

        Parameters
        ----------
        reference
            Picture of the person, as OpenCV reads it.
        positive, negative
            The expression that is wanted, in words, and one that is not.
        gender
            As the profile of the client says it.
        seed
            From 0 to 2^63 - 1. The same seed gives the same picture on the same machine; another
            seed another one.

        Raises
        ------
        ModelError
            If there is no picture; the code is the kind of reason.
        """
        ...


PictureStatus = Literal["drawn", "rejected", "failed", "partial", "no_reference"]
"""What became of a picture: `rejected` is there and passed no check; the last three are not."""


@dataclass(frozen=True, slots=True)
class FacePicture:
    """The picture of one line of a dialogue: where it lies, or why there is none."""

    # case_id, line: Which line.
    case_id: str
    line: int
    status: PictureStatus
    # Why it is not `drawn`: codes; empty if it is.
    reason: str = ""
    # Of the PNG, relative to the experiment; None if there is none.
    path: str | None = None
    sha256: str | None = None
    # attempts, seed: How often it was drawn, and from which seed at last.
    attempts: int = 0
    seed: int | None = None
    model: str = ""
    # prompt, negative: What it was drawn from, in the words that the model read.
    prompt: str = ""
    negative: str = ""
    # Hash of all that was asked for.
    request_sha256: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; they say that the picture is synthetic."""
        return {**asdict(self), "details": dict(self.details), "synthetic": True}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> FacePicture:
        """Read back what `to_dict` wrote; TypeError, KeyError or ValueError if it is none."""
        if record["status"] not in get_args(PictureStatus) or record["synthetic"] is not True:
            raise ValueError
        made = cls(**{name: record[name] for name in cls.__slots__})
        path = "" if made.path is None and made.status != "drawn" else made.path
        texts = (made.case_id, made.model, path)
        if not all(isinstance(text, str) for text in texts) or not isinstance(made.line, int):
            raise TypeError
        return made


def drawing_seed(case: str, line: int, attempt: int) -> int:
    """Seed of one attempt at the picture of one line of one case, from 0 to 2^63 - 1."""
    text = f"{case}\n{line}\n{attempt}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1
