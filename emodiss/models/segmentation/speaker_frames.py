"""The frames in which pyannote's segmentation networks speak, and the turns made of them.

Both networks (`segmentation_network` of 2021, `powerset_network`) have the same convolutions, and
so the same frames. Nothing here needs torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emodiss.media.records import Stretches
from emodiss.models.speech_signal import SAMPLE_RATE, Samples
from emodiss.transcript import Turn

N_VOICES: Final = 3
"""Voices a network tells apart inside a window."""

_HOP: Final = 270  # samples from frame to frame: stride 10 of the filters, three poolings by 3
_FIELD: Final = 991  # samples that one frame sees
FRAME_S: Final = _HOP / SAMPLE_RATE
"""Time from frame to frame, 16.875 ms."""

_FRAME: Final = 400  # samples whose level is taken
_AT_ONCE: Final = 2_400 * _FRAME
_LOUD_DB: Final = -28.0
_MOST_GAIN_DB: Final = 40.0
_SHORTEST_TURN_S: Final = 0.1
_SHORTEST_PAUSE_S: Final = 0.1


def frame_start(frame: NDArray[np.integer] | int) -> NDArray[np.float64]:
    """Seconds at which the stretch that a frame stands for begins: half a hop before its centre."""
    return np.asarray((np.asarray(frame) * _HOP + (_FIELD - _HOP) / 2) / SAMPLE_RATE, np.float64)


def levelled(samples: Samples) -> Samples:
    """Bring loud speech to one level; the networks' first layer does so only for loud input.

    Noise alone is not blown up to that level: the gain is bounded.
    """
    whole = len(samples) // _FRAME * _FRAME
    powers: list[NDArray[np.float32]] = []
    for start in range(0, whole, _AT_ONCE):
        frames = samples[start : min(start + _AT_ONCE, whole)].reshape(-1, _FRAME)
        powers.append(np.einsum("ij,ij->i", frames, frames))
    power = np.concatenate(powers) if powers else np.zeros(0, np.float32)
    if not power.any():
        return samples
    with np.errstate(divide="ignore"):
        level = 10 * np.log10(power / _FRAME)
    # The loud frames of the talk, however much silence surrounds it.
    level = level[level > np.percentile(level, 99.9) - 30.0]
    gain_db = min(_LOUD_DB - float(np.percentile(level, 95)), _MOST_GAIN_DB)
    gain = np.float32(10 ** (gain_db / 20))
    return Stretches(samples.pcm, float(gain)) if isinstance(samples, Stretches) else samples * gain


def turns_of(
    speaking: NDArray[np.bool_], duration: float, doubtful: NDArray[np.bool_] | None = None
) -> list[Turn]:
    """Make turns of each voice's frames; short pauses are filled, shorter turns dropped."""
    found = [
        (start, end, voice)
        for voice in range(speaking.shape[1])
        for start, end in _runs(speaking[:, voice], duration)
        if end - start >= _SHORTEST_TURN_S
    ]
    found.sort()
    names = {
        voice: f"SPEAKER_{n:02d}" for n, voice in enumerate(dict.fromkeys(v for *_, v in found))
    }
    doubts = {
        voice: [] if doubtful is None else list(_runs(doubtful[:, voice], duration))
        for voice in names
    }
    return [
        Turn(start, end, names[voice], tuple(within(doubts[voice], start, end)))
        for start, end, voice in found
    ]


def within(
    stretches: Iterable[tuple[float, float]], start: float, end: float
) -> Iterator[tuple[float, float]]:
    """Parts of stretches that lie between two times."""
    for low, high in stretches:
        if low < end and start < high:
            yield max(low, start), min(high, end)


def _runs(active: NDArray[np.bool_], duration: float) -> Iterator[tuple[float, float]]:
    edges = np.flatnonzero(np.diff(active, prepend=False, append=False)).reshape(-1, 2)
    times = np.clip(frame_start(edges), 0.0, duration)
    merged: list[list[float]] = []
    for start, end in times.tolist():
        if merged and start - merged[-1][1] < _SHORTEST_PAUSE_S:
            merged[-1][1] = end
        else:
            merged.append([start, end])
    return ((start, end) for start, end in merged)
