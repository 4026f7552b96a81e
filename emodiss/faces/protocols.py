"""What is asked of models that look at faces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from emodiss.faces.boxes import FaceBoxes


@runtime_checkable
class FaceDetector(Protocol):
    """Finds faces in upright RGB frames."""

    def detect(self, frames: Sequence[NDArray[np.uint8]]) -> list[FaceBoxes]:
        """Find all faces in each (H, W, 3) uint8 RGB frame; frames may differ in size."""
        ...


@runtime_checkable
class FaceFollower(FaceDetector, Protocol):
    """A detector that can also search around known places only, which costs far less."""

    def near(self, frame: NDArray[np.uint8], places: NDArray[np.floating]) -> FaceBoxes:
        """Find the faces about (n, 4) boxes of faces of a frame nearby in time."""
        ...


@runtime_checkable
class FaceTracker(Protocol):
    """Tells which faces of successive looks at one shot are the same."""

    def track(self, detections: Iterable[NDArray[np.floating]]) -> Iterator[list[tuple[int, int]]]:
        """Give per look the number of each track seen there and its row.

        A look is (n, 5): x1, y1, x2, y2, score. Looks come one by one and are answered in turn,
        those without faces too; numbers mean nothing outside a call.
        """
        ...


@runtime_checkable
class ActiveSpeaker(Protocol):
    """Tells whether a face is seen to say what is heard."""

    def score(self, faces: NDArray[np.uint8], sound: NDArray[np.int16]) -> NDArray[np.float32]:
        """Score (n, 112, 112) grey faces, 25 a second, and their sound at 16 kHz; (n,)."""
        ...
