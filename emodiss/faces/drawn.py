"""Faces that are drawn, not filmed: what is asked of a program or model that draws them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

SIDE = 336
"""Width and height of a drawn face in pixels: what the vision encoder of LLaVA-1.5 takes."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A face as it was drawn.

    Parameters
    ----------
    pixels
        (336, 336, 3) uint8 RGB.
    prompt, negative
        What it was drawn from, in the words that the model read.
    details
        What else a reader of the picture should know; plain values.
    """

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


def drawing_seed(case: str, line: int, attempt: int) -> int:
    """Seed of one attempt at the picture of one line of one case, from 0 to 2^63 - 1."""
    text = f"{case}\n{line}\n{attempt}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1
