"""Cuts: where one shot ends and the next begins.

The rule is the content detector of PySceneDetect: the mean absolute difference of hue,
saturation and brightness between successive frames, against a threshold.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emodiss.errors import MissingExtra
from emodiss.settings import FacesSettings

CUT_THRESHOLD: float = FacesSettings().cut_threshold
"""Mean difference per channel in levels of 255; the default of PySceneDetect 0.7.2."""

MIN_SHOT_S = 0.5
"""Shortest shot in seconds: PySceneDetect's default of 15 frames, at 30 FPS."""

_WIDTH = 320
_CLOCK_HZ = 1_000_000


class ChangeFinder:
    """Tells of frames given one by one which differ much from the one before.

    Frames wider than 320 pixels are first reduced by area, which averages noise out and costs
    little; PySceneDetect's own reader skips pixels for the same reason.
    """

    def __init__(self, *, threshold: float = CUT_THRESHOLD) -> None:
        # `cuts_of` needs it, which comes when all pictures have been looked at.
        if importlib.util.find_spec("scenedetect") is None:
            raise MissingExtra.of("scenedetect", "media")
        self._threshold = threshold
        self._before: NDArray[np.uint8] | None = None
        self._last = -1.0

    def changed(self, frame: NDArray[np.uint8], time: float) -> bool:
        """Look at the next frame."""
        import cv2

        if time <= self._last:
            raise ValueError(f"Frames must come in order of time, got {time} after {self._last}.")
        self._last = time
        height, width = frame.shape[:2]
        if width > _WIDTH:
            size = (_WIDTH, max(1, round(height * _WIDTH / width)))
            frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        now: Any = cv2.cvtColor(frame, cv2.COLOR_RGB2HSV)
        before, self._before = self._before, now
        if before is None:
            return False
        # PySceneDetect's own arithmetic, to the last bit, without its copies in 32-bit integers.
        n_pixels = float(now.shape[0] * now.shape[1])
        hue, saturation, brightness, _ = cv2.sumElems(cv2.absdiff(now, before))
        score = hue / n_pixels + saturation / n_pixels + brightness / n_pixels
        return score / 3.0 >= self._threshold


def cuts_of(
    times: Iterable[float], changed: Iterable[bool], *, min_shot_s: float = MIN_SHOT_S
) -> list[float]:
    """Merge changes closer than `min_shot_s`, such as flashes, into cuts, as PySceneDetect does.

    Gives the times of the first frame after each cut, in seconds, increasing. One that may still
    merge with what comes within `min_shot_s` is not yet among them.
    """
    from scenedetect.detector import FlashFilter

    # The filter counts whole frames; on a clock of microseconds that is the true time, also where
    # the frame rate varies.
    merge = FlashFilter(FlashFilter.Mode.MERGE, round(min_shot_s * _CLOCK_HZ))
    return [
        code.frame_num / _CLOCK_HZ
        for time, above in zip(times, changed, strict=True)
        for code in merge.filter(_timecode(time), above)
    ]


def _timecode(time: float) -> Any:
    from scenedetect import FrameTimecode

    # Rounded down: a cut must not come to lie behind the tick that shows its frame.
    return FrameTimecode(math.floor(time * _CLOCK_HZ), fps=float(_CLOCK_HZ))
