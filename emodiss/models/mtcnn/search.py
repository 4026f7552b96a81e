"""What is looked for: the options that our cascade and facenet-pytorch's share."""

from __future__ import annotations

import math
from collections.abc import Sequence

from emodiss.settings import FacesSettings

OPTIONS = FacesSettings()


class FaceSearch:
    """The smallest face and the strictness of a search; defaults are facenet-pytorch's own."""

    def __init__(
        self,
        min_face_size: float = OPTIONS.min_face,
        *,
        min_face_share: float | None = None,
        thresholds: Sequence[float] = (0.6, 0.7, 0.7),
        factor: float = 0.709,
        device: str = "cpu",
    ) -> None:
        if not (math.isfinite(min_face_size) and min_face_size > 0):
            raise ValueError(f"min_face_size must be a positive number of pixels: {min_face_size}.")
        if min_face_share is not None and not 0 < min_face_share <= 1:
            raise ValueError(f"min_face_share must be in (0, 1], got {min_face_share}.")
        if len(thresholds) != 3 or not all(0 <= t <= 1 for t in thresholds):
            raise ValueError(f"thresholds must be three probabilities, got {tuple(thresholds)}.")
        if not 0 < factor < 1:
            raise ValueError(f"factor must be in (0, 1), got {factor}.")
        self.min_face_size = float(min_face_size)
        self.min_face_share = min_face_share
        self.thresholds = tuple(float(t) for t in thresholds)
        self.factor = float(factor)
        self.device = device

    def least(self, height: int) -> float:
        """Side of the smallest face in a frame of so many rows, pixels."""
        if self.min_face_share is None:
            return self.min_face_size
        return max(1.0, self.min_face_share * height)
