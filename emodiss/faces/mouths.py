"""Mouths: what they do from one picture to the next, measured while the pictures are looked at.

A video is decoded once: the walk that finds faces holds the pictures between two looks until it
knows where the faces are at both, and measures their mouths on the way. Who is whose is decided
later; what a track needs and the walk did not take, `emodiss.people.watch_mouths` decodes again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import ArrayLike, NDArray

from emodiss.faces.association import iou
from emodiss.faces.boxes import FaceBoxes, Growing
from emodiss.faces.linking import interpolate
from emodiss.faces.pictures import mouth_and_brow
from emodiss.media import Frame

MAX_STEP_S = 0.13
"""Two patches further apart than this differ by more than one movement."""

# Boxes between two detections are interpolated, so that a patch jitters by a pixel or two.
_REACH = 2
# Lips and what lies between them, in the mouth's patch of 24 x 32.
_INNER = (slice(4, 20), slice(5, 27))
# Contrast below which a patch holds nothing but noise.
_FLOOR = 0.02
# Faces of successive looks that overlap less are not taken for one.
_SAME = 0.3


class MouthLook(NamedTuple):
    """Mouth and brow of a face in one picture."""

    time: float
    mouth: NDArray[np.float32]
    brow: NDArray[np.float32]
    # Standard deviation of the mouth's patch.
    contrast: np.float32

    @classmethod
    def at(cls, frame: Frame, landmarks: ArrayLike) -> MouthLook:
        """Cut them out."""
        mouth, brow = mouth_and_brow(frame.image, landmarks)
        return cls(frame.time, mouth, brow, mouth.std())

    def since(self, before: MouthLook | None) -> tuple[float, float, float]:
        """Motion, opening and stir, as in `emodiss.people.MouthMotion`."""
        opened = opening(self.mouth, self.contrast)
        if before is None or not 0 < self.time - before.time <= MAX_STEP_S:
            return np.nan, opened, np.nan
        step = self.time - before.time
        # Divided by contrast, a moustache or a bright studio does not look like speech.
        contrast = float(self.contrast + before.contrast) / 2 + _FLOOR
        motion = change(self.mouth, before.mouth, _INNER) / contrast / step
        return motion, opened, change(self.brow, before.brow) / step


class MouthWalk:
    """Measures the mouths of a walk through the pictures, from each look to the next.

    Parameters
    ----------
    looks
        (k,) ticks at which faces are looked for, `stride` apart.
    shown
        Frame on display at each tick from the first look to the last.
    stride
        Ticks from one look to the next.
    min_score
        Faces of which the detector was less sure are left out.
    """

    def __init__(
        self, looks: NDArray[np.int64], shown: NDArray[np.int64], *, stride: int, min_score: float
    ) -> None:
        self._looks, self._shown, self._stride = looks, shown, stride
        self._min_score = min_score
        self._held: dict[int, Frame] = {}
        self._last: int | None = None  # tick of the look before, its faces, their rows and mouths
        self._faces, self._first_row, self._n_rows = FaceBoxes.empty(), 0, 0
        self._mouths: dict[int, MouthLook] = {}
        self._before, self._steps = Growing(np.int64), Growing(np.float32, (stride, 3))

    def hold(self, frame: Frame) -> None:
        """Take the next picture."""
        self._held[frame.index] = frame

    def see(self, index: int, faces: FaceBoxes) -> None:
        """Take the faces of the next picture that was looked at."""
        first = int(self._looks[0])
        at = np.searchsorted(self._shown[self._looks - first], [index, index + 1])
        for tick in self._looks[slice(*at)].tolist():
            self._look(tick, first, faces)
        self._held = {number: frame for number, frame in self._held.items() if number > index}

    def _look(self, tick: int, first: int, faces: FaceBoxes) -> None:
        linked = self._linked(tick, faces)
        before = np.full(len(faces), -1, np.int64)
        steps = np.full((len(faces), self._stride, 3), np.nan, np.float32)
        mouths: dict[int, MouthLook] = {}
        for k in np.flatnonzero(faces.scores >= self._min_score).tolist():
            if k not in linked:
                frame = self._held.get(int(self._shown[tick - first]))
                if frame is not None:
                    mouths[k] = MouthLook.at(frame, faces.landmarks[k])
                    steps[k, -1] = mouths[k].since(None)
                continue
            own = linked[k]
            before[k] = self._first_row + own
            ends = np.stack([self._faces.landmarks[own], faces.landmarks[k]])
            between = np.empty((self._stride + 1, 5, 2), np.float32)
            interpolate(np.array([0, self._stride]), ends, out=between)
            last = self._mouths.get(own)
            for step in range(1, self._stride + 1):
                at = tick - first - self._stride + step
                frame = self._held.get(int(self._shown[at]))
                if self._shown[at] != self._shown[at - 1] and frame is not None:
                    now = MouthLook.at(frame, between[step])
                    steps[k, step - 1] = now.since(last)
                    last = now
            if last is not None:
                mouths[k] = last
        self._before.extend(before)
        self._steps.extend(steps)
        self._last, self._faces, self._mouths = tick, faces, mouths
        self._first_row, self._n_rows = self._n_rows, self._n_rows + len(faces)

    def _linked(self, tick: int, faces: FaceBoxes) -> dict[int, int]:
        """Find for each face the one before that overlaps it most, if that is mutual."""
        if self._last != tick - self._stride or not len(faces) or not len(self._faces):
            return {}
        overlap = iou(self._faces.boxes, faces.boxes)
        sure = (self._faces.scores[:, None] >= self._min_score) & (faces.scores >= self._min_score)
        overlap = np.where(sure, np.nan_to_num(overlap), 0.0)
        best = overlap.argmax(axis=0)
        return {
            k: own
            for k, own in enumerate(best.tolist())
            if overlap[own, k] > _SAME and overlap[own].argmax() == k
        }

    def found(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return `before` and `steps` as in `Detections`."""
        return self._before.array(), self._steps.array()


def change(
    patch: NDArray[np.float32],
    before: NDArray[np.float32],
    inside: tuple[slice, slice] = (slice(None), slice(None)),
) -> float:
    """Mean absolute difference of two patches of one size after the best whole-pixel shift."""
    height, width = patch.shape
    core = patch[_REACH : height - _REACH, _REACH : width - _REACH]
    # All shifts, without what `sliding_window_view` costs to make sure of.
    shifts, strides = (2 * _REACH + 1,) * 2, before.strides * 2
    difference = as_strided(before, shifts + core.shape, strides, writeable=False) - core
    np.abs(difference, out=difference)
    total = np.add.reduce(difference, axis=(2, 3))
    total /= core.size
    best = difference.reshape(-1, *core.shape)[total.argmin()]
    rows, columns = (
        slice(max(own.start or 0, _REACH) - _REACH, min(own.stop or n, n - _REACH) - _REACH)
        for own, n in zip(inside, patch.shape, strict=True)
    )
    return float(best[rows, columns].ravel().mean())


def opening(patch: NDArray[np.float32], contrast: np.float32) -> float:
    """How much darker the darkest tenth of the inner mouth is than its mean, in contrasts."""
    inner = np.sort(patch[_INNER], axis=None)
    tenth = inner[: len(inner) // 10].mean()
    return float((inner.mean() - tenth) / (contrast + _FLOOR))
