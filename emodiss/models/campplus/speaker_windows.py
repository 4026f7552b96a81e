"""Who is heard in overlapping windows of a recording, and how many speak at once.

Two segmentation networks listen: segmentation-3.0 in windows of 10 s and the network of 2021 in
windows of 5 s, each a second after the one before. Both say when each of up to three local voices
speaks; which of its outputs a voice gets is arbitrary in every window. Their mean number of voices
errs less than either: the newer one takes soft talk in the background for a voice, the older one
misses the ends of turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emodiss.models.segmentation.speaker_frames import FRAME_S, SAMPLE_RATE
from emodiss.models.speech_signal import Samples

STEP_S: Final = 1.0
"""Time from window to window, seconds."""

SETS: Final = np.array(
    [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]], np.bool_
)
"""(7, 3) which voices each class of segmentation-3.0 stands for."""
# Windows that are heard together: two share the reading of a network's weights, and more no longer
# fit the cache. The numbers are the same.
_TOGETHER: Final = 2
_ACTIVE: Final = 0.5  # least activity of a voice that speaks, in the network of 2021

Decode = Callable[[NDArray[np.float32]], NDArray[np.bool_]]


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """What one network heard."""

    # (windows,) first frame of each, counted from the start of the recording.
    firsts: NDArray[np.int64]
    # (windows, frames, 3) bool, whether each local voice speaks.
    active: NDArray[np.bool_]

    def __iter__(self) -> Iterator[tuple[int, NDArray[np.bool_]]]:
        return zip(self.firsts.tolist(), self.active, strict=True)


def of_sets(log_probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Turn (..., 7) log-probabilities of sets of voices into (..., 3) voices that speak."""
    return SETS[log_probabilities.argmax(axis=-1)]


def of_activities(activity: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Turn (..., 3) activities in [0, 1] into voices that speak."""
    return activity > _ACTIVE


def listen(
    samples: Samples,
    network: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    decode: Decode,
    window_s: float,
) -> Windows:
    """Run a network over a recording; where it is muted, once for all windows."""
    length, step = round(window_s * SAMPLE_RATE), round(STEP_S * SAMPLE_RATE)
    n_windows = max(1, -(-(len(samples) - length) // step) + 1)
    found: dict[int, NDArray[np.bool_]] = {}
    muted: list[int] = []
    waiting: list[int] = []
    windows = np.zeros((_TOGETHER, length), np.float32)
    for number in range(n_windows):
        part = samples[number * step : number * step + length]
        if not part.any():
            muted.append(number)
        if part.any() or muted == [number]:
            windows[len(waiting), : len(part)] = part
            windows[len(waiting), len(part) :] = 0.0
            waiting.append(number)
        if len(waiting) == _TOGETHER or (waiting and number == n_windows - 1):
            heard = decode(network(windows[: len(waiting)]))
            found.update(zip(waiting, heard, strict=True))
            waiting.clear()
    found.update(dict.fromkeys(muted, found[muted[0]]) if muted else {})
    firsts = np.round(np.arange(n_windows) * STEP_S / FRAME_S).astype(np.int64)
    return Windows(firsts, np.stack([found[number] for number in range(n_windows)]))


def mean_voices(heard: Sequence[Windows], n_frames: int) -> NDArray[np.float64]:
    """Count the voices that speak at once in each frame, (n_frames,)."""
    means: list[NDArray[np.float64]] = []
    for windows in heard:
        length = windows.active.shape[1]
        total = np.zeros(max(n_frames, int(windows.firsts[-1]) + length))
        seen = np.zeros_like(total)
        for first, active in windows:
            total[first : first + length] += active.sum(axis=1)
            seen[first : first + length] += 1
        means.append((total / np.maximum(seen, 1))[:n_frames])
    return np.mean(means, axis=0)
