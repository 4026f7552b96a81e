"""Time: seconds from media start, half-open spans and the 30 FPS clock.

A time is a float64 number of seconds from the start of the media. A span is half-open,
`[start, end)`, so that neighbours share a boundary and no instant belongs to two of them.
Frame times are presentation timestamps, never `index / fps`: phones and meeting recorders
write variable frame rates, and a rounded rate puts the last frame of a long session seconds
away from its sound.

"30 FPS" is a virtual clock. Tick `k` is time `k / 30` and shows the source frame that is on
display then. A frame that is on display at two ticks is computed once and counted twice, which
gives the numbers of a transcode to 30 FPS without its cost or its losses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emodiss.errors import ArgumentError, EmodissError

Seconds = float
"""Seconds from media start."""

CLOCK_FPS = 30.0
"""Rate of the virtual clock in ticks per second; paper A, appendix B ("30 FPS")."""

# A tick that falls within a nanosecond of a timestamp belongs to it: k/30 and a PTS that means
# the same instant differ in the last bits, and a clip's first frame would be lost without this.
_TICK_TOLERANCE_S = 1e-9

_CLOCK = re.compile(
    r"(?:(?P<hours>\d{1,3}):(?=\d{1,2}:))?(?P<minutes>\d{1,4}):(?P<seconds>\d{2}(?:[.,]\d{1,9})?)"
)
_PLAIN = re.compile(r"\d{1,7}(?:[.,]\d{1,9})?")
_LOOKS_LIKE_TIME = re.compile(r"[-+\d:.,; ]{1,24}")

_EXPECTED_TIME = "expected seconds (83.25) or [HH:]MM:SS[.fff] (00:01:23.25)"


class TimeError(EmodissError, ValueError):
    """A time or a span that cannot be: negative, not finite, or ending before it starts."""

    code = "time"


def utterance_id(index: int) -> str:
    """Name the utterance at a position, counted from 0: `u0001` is the first."""
    return f"u{index + 1:04d}"


def parse_time(text: str) -> float:
    """Read seconds (`83.25`) or a clock time (`1:23`, `00:01:23.250`, `00:01:23,250`), from 0 on.

    The ValueError shows the text only when it is made of digits and separators, since a
    shifted column can put a person's name or words there.
    """
    text = text.strip()
    if _PLAIN.fullmatch(text):
        return float(text.replace(",", "."))
    match = _CLOCK.fullmatch(text)
    if match:
        hours = match["hours"]
        minutes, seconds = int(match["minutes"]), float(match["seconds"].replace(",", "."))
        if seconds < 60 and (hours is None or minutes < 60):
            return int(hours or 0) * 3600 + minutes * 60 + seconds
    if not text:
        seen = "nothing"
    elif _LOOKS_LIKE_TIME.fullmatch(text):
        seen = f"'{text}'"
    else:
        seen = f"{len(text)} characters that are not a time"
    raise ArgumentError(f"{seen} where a time belongs; {_EXPECTED_TIME}")


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open stretch of time, `[start, end)`, in finite seconds from 0 on (TimeError else)."""

    start: Seconds
    end: Seconds

    def __post_init__(self) -> None:
        if not (np.isfinite(self.start) and np.isfinite(self.end)):
            raise TimeError(f"A span needs finite bounds, got [{self.start}, {self.end}).")
        if self.start < 0 or self.end <= self.start:
            raise TimeError(
                f"A span needs 0 <= start < end in seconds, got [{self.start:g}, {self.end:g})."
            )

    @property
    def duration(self) -> Seconds:
        """Length in seconds."""
        return self.end - self.start

    def contains(self, time: Seconds) -> bool:
        """Whether an instant lies in the span; the end does not."""
        return self.start <= time < self.end

    def overlap(self, other: Span) -> Seconds:
        """Shared length with another span in seconds; 0 when they only touch."""
        return max(0.0, min(self.end, other.end) - max(self.start, other.start))


def covered_stretches(spans: Iterable[tuple[Seconds, Seconds]]) -> list[tuple[Seconds, Seconds]]:
    """Join spans that overlap or touch; the stretches come in order."""
    joined: list[tuple[Seconds, Seconds]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


@dataclass(frozen=True, slots=True, eq=False)
class FrameClock:
    """Which source frame the clock of `fps` ticks a second shows at each tick.

    `frame_times` (n,) are the presentation times of the source frames in seconds, increasing; `end`
    is when the last frame leaves the display (TimeError where it does not come after them).
    """

    frame_times: NDArray[np.float64]
    end: Seconds
    fps: float = CLOCK_FPS

    def __post_init__(self) -> None:
        times = np.asarray(self.frame_times, dtype=np.float64)
        object.__setattr__(self, "frame_times", times)
        if times.ndim != 1 or (np.diff(times) <= 0).any():
            raise TimeError("Frame times must be one increasing series of seconds.")
        if len(times) and self.end <= times[-1]:
            raise TimeError(
                f"The last frame is shown at {times[-1]:g} s, so the end must lie after it; "
                f"got {self.end:g} s."
            )

    @property
    def first_tick(self) -> int:
        """First tick at which a frame is on display; 0 for an empty series."""
        if not len(self.frame_times):
            return 0
        return max(0, int(np.ceil((self.frame_times[0] - _TICK_TOLERANCE_S) * self.fps)))

    @property
    def n_ticks(self) -> int:
        """One past the last tick at which a frame is on display."""
        if not len(self.frame_times):
            return 0
        return int(np.ceil((self.end - _TICK_TOLERANCE_S) * self.fps))

    def ticks(self) -> NDArray[np.int64]:
        """All ticks with a frame on display, (m,) int64, increasing by one."""
        return np.arange(self.first_tick, max(self.first_tick, self.n_ticks), dtype=np.int64)

    def time_of(self, tick: ArrayLike) -> NDArray[np.float64]:
        """Seconds of one tick or of many."""
        return np.asarray(tick, dtype=np.float64) / self.fps

    def frame_at(self, tick: ArrayLike) -> NDArray[np.int64]:
        """Index into `frame_times` of the frame on display at each tick, of any shape."""
        times = self.time_of(tick) + _TICK_TOLERANCE_S
        return np.searchsorted(self.frame_times, times, side="right") - 1
