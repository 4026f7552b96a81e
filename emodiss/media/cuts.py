"""Cuts: where one shot ends and the next begins.

The rule is the content detector of PySceneDetect: the mean absolute difference of hue,
saturation and brightness between successive frames, against a threshold.
"""

from __future__ import annotations

import math
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


class CutFinder:
    """Finds cuts in frames given one by one, so that a video is decoded once for all stages.

    Parameters
    ----------
    threshold
        Least score of a cut; see `CUT_THRESHOLD`.
    min_shot_s
        Cuts closer than this to each other are merged, as PySceneDetect does (flashes).

    Raises
    ------
    MissingExtra
        If scenedetect is not installed.

    Notes
    -----
    Frames wider than 320 pixels are first reduced by area, which averages noise out and costs
    little; PySceneDetect's own reader skips pixels for the same reason.
    """

    def __init__(self, *, threshold: float = CUT_THRESHOLD, min_shot_s: float = MIN_SHOT_S) -> None:
        try:
            from scenedetect.detectors import ContentDetector
        except ImportError as error:
            raise MissingExtra.of("scenedetect", "media") from error
        # The detector counts whole frames; on a clock of microseconds that is the true time,
        # also where the frame rate varies.
        self._detector: Any = ContentDetector(
            threshold=threshold, min_scene_len=round(min_shot_s * _CLOCK_HZ)
        )
        self._cuts: list[float] = []
        self._last = -1.0

    def add(self, frame: NDArray[np.uint8], time: float) -> None:
        """Look at the next frame."""
        import cv2
        from scenedetect import FrameTimecode

        if time <= self._last:
            raise ValueError(f"Frames must come in order of time, got {time} after {self._last}.")
        self._last = time
        height, width = frame.shape[:2]
        if width > _WIDTH:
            size = (_WIDTH, max(1, round(height * _WIDTH / width)))
            frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        # Rounded down: a cut must not come to lie behind the tick that shows its frame.
        at = FrameTimecode(math.floor(time * _CLOCK_HZ), fps=float(_CLOCK_HZ))
        found = self._detector.process_frame(at, np.ascontiguousarray(frame[:, :, ::-1]))
        self._cuts += [code.frame_num / _CLOCK_HZ for code in found]

    def cuts(self) -> list[float]:
        """Return the times of the first frame after each cut so far, in seconds, increasing.

        A cut that may still merge with one within `min_shot_s` is not yet among them.
        """
        return list(self._cuts)
