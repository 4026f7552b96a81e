"""Times that a decoder's attention gives to words, made fit to be used.

The attention has no blank: a word before a pause takes the pause with it, and so does the first
word of a stretch. It also jumps, so that some words get no time at all beside their neighbour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emodiss.models.speech_signal import Samples
from emodiss.transcript import Word
from emodiss.transcript.timing import share_out

STEP_S: Final = 0.02
"""One step of Whisper's attention, seconds."""
_RATE: Final = 16_000
_STEP: Final = round(STEP_S * _RATE)
_QUIET_DB: Final = 30.0
"""Sound so far below the loudest of the stretch is a pause."""


def drawn_in(words: Sequence[Word], audio: Samples) -> list[Word]:
    """Shorten words to where the sound is loud, and part words that have one time."""
    found = [index for index, word in enumerate(words) if math.isfinite(word.start)]
    if not found:
        return list(words)
    timed = list(words)
    first = max(0, math.floor(words[found[0]].start / STEP_S))
    last = math.ceil(words[found[-1]].end / STEP_S)
    loud = _loud(audio[first * _STEP : last * _STEP])
    for index in found:
        word = timed[index]
        low = max(0, math.floor(word.start / STEP_S) - first)
        inside = first + low + np.flatnonzero(loud[low : math.ceil(word.end / STEP_S) - first])
        if len(inside):
            start = max(word.start, float(inside[0]) * STEP_S)
            end = min(word.end, float(inside[-1] + 1) * STEP_S)
            timed[index] = replace(word, start=start, end=max(start, end))
    return _parted(timed, found)


def _loud(audio: NDArray[np.float32]) -> NDArray[np.bool_]:
    steps = audio[: len(audio) // _STEP * _STEP].reshape(-1, _STEP)
    power = np.square(steps, dtype=np.float64).mean(axis=1)
    return power > power.max(initial=0.0) * 10 ** (-_QUIET_DB / 10)


def _parted(timed: list[Word], found: Sequence[int]) -> list[Word]:
    """Let words without length share a neighbour's time, by the length of their text."""
    group: list[int] = []
    groups: list[list[int]] = []
    for index in found:
        group.append(index)
        if timed[index].end - timed[index].start >= STEP_S / 2:
            groups.append(group)
            group = []
    if group and groups:
        groups[-1] += group
    for group in groups:
        if len(group) > 1:
            start = timed[group[0]].start
            end = max(timed[index].end for index in group)
            spans = share_out(start, end, [timed[index].text for index in group])
            for index, (low, high) in zip(group, spans, strict=True):
                timed[index] = replace(timed[index], start=low, end=high)
    return timed
