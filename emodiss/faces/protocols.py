"""What is asked of models that look at faces."""

from __future__ import annotations

from collections.abc import Sequence
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
class ActiveSpeaker(Protocol):
    """Tells whether a face is seen to say what is heard."""

    def score(self, faces: NDArray[np.uint8], sound: NDArray[np.int16]) -> NDArray[np.float32]:
        """Score (n, 112, 112) grey faces, 25 a second, and their sound at 16 kHz; (n,)."""
        ...
