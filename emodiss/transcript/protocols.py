"""What the stages of speech ask of models.

A signal is float32 in [-1, 1]. A model with an attribute `takes_stretches` that is true is given
`emodiss.media.records.Stretches` instead, which it takes slices of: hours of sound then take no
memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from emodiss.transcript.records import Recognition, Turn, Utterance, Word


@runtime_checkable
class Diarizer(Protocol):
    """Finds who speaks when."""

    def diarize(
        self, signal: NDArray[np.floating], sample_rate: int, num_speakers: int | None = None
    ) -> list[Turn]:
        """Return speaker turns of one mono signal, sorted by start; turns may overlap."""
        ...


@runtime_checkable
class Transcriber(Protocol):
    """Finds what is said."""

    def transcribe(
        self, signal: NDArray[np.floating], sample_rate: int, *, language: str | None = None
    ) -> Recognition:
        """Return what is said in one mono signal, in segments; None finds the language too."""
        ...


@runtime_checkable
class Aligner(Protocol):
    """Finds when given words are said (forced alignment)."""

    def align(
        self,
        signal: NDArray[np.floating],
        sample_rate: int,
        utterances: Sequence[Utterance],
        *,
        language: str | None = None,
    ) -> list[tuple[Word, ...]]:
        """Return the words of each utterance, in order, with times in seconds of one mono signal.

        Each utterance's `start` and `end` are where its words are to be sought; a word that is not
        found there has NaN for times.
        """
        ...
