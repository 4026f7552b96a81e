"""Faces: boxes per frame, and the crop that a face model looks at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True, eq=False)
class FaceBoxes:
    """All faces found in one frame.

    Parameters
    ----------
    boxes
        (n, 4) float32, x1, y1, x2, y2 in pixels of the upright frame; not clipped to it.
    scores
        (n,) float32 in [0, 1], the detector's probability that this is a face.
    landmarks
        (n, 5, 2) float32, x and y of left eye, right eye, nose, left and right mouth corner, as
        seen in the picture.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    landmarks: NDArray[np.float32]

    @classmethod
    def empty(cls) -> FaceBoxes:
        """No face."""
        return cls(
            boxes=np.zeros((0, 4), np.float32),
            scores=np.zeros(0, np.float32),
            landmarks=np.zeros((0, 5, 2), np.float32),
        )

    def __len__(self) -> int:
        return len(self.boxes)


def crop(
    frame: NDArray[np.uint8], box: ArrayLike, *, margin: float = 0.0, square: bool = False
) -> NDArray[np.uint8]:
    """Cut a face out of a frame, black where the box leaves the picture.

    Parameters
    ----------
    frame
        (H, W, 3) uint8.
    box
        x1, y1, x2, y2 in pixels; may lie partly outside the frame.
    margin
        Added on every side, as a share of the box's width and height.
    square
        Widen the shorter side around the centre, so that a later resize keeps the aspect ratio.

    Returns
    -------
    ndarray of uint8
        (h, w, 3), at least 1 x 1. Sides are the box's, rounded outwards to whole pixels.

    Raises
    ------
    ValueError
        If the box is not finite or has no area.
    """
    x1, y1, x2, y2 = (float(v) for v in np.asarray(box, dtype=np.float64))
    width, height = x2 - x1, y2 - y1
    if not np.isfinite([x1, y1, x2, y2]).all() or width <= 0 or height <= 0:
        raise ValueError(f"A crop needs a finite box with area, got ({x1}, {y1}, {x2}, {y2}).")
    half_w, half_h = width * (0.5 + margin), height * (0.5 + margin)
    if square:
        half_w = half_h = max(half_w, half_h)
    cx, cy = (x1 + x2) / 2, (y1 + y2) / 2
    left, top = int(np.floor(cx - half_w)), int(np.floor(cy - half_h))
    right, bottom = int(np.ceil(cx + half_w)), int(np.ceil(cy + half_h))
    if 0 <= left and 0 <= top and right <= frame.shape[1] and bottom <= frame.shape[0]:
        return frame[top:bottom, left:right]
    out = np.zeros((bottom - top, right - left, 3), np.uint8)
    seen_x1, seen_y1 = max(left, 0), max(top, 0)
    seen_x2, seen_y2 = min(right, frame.shape[1]), min(bottom, frame.shape[0])
    if seen_x2 > seen_x1 and seen_y2 > seen_y1:
        out[seen_y1 - top : seen_y2 - top, seen_x1 - left : seen_x2 - left] = frame[
            seen_y1:seen_y2, seen_x1:seen_x2
        ]
    return out
