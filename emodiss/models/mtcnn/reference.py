"""The reference: `facenet_pytorch.MTCNN.detect` behind the protocol of face detectors.

Slow on purpose. It is the yardstick for `faces_mtcnn.MtcnnDetector` and the way to check a
result against the package everybody else uses.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emodiss.faces import FaceBoxes
from emodiss.models.mtcnn.cascade import pyramid_scales
from emodiss.models.mtcnn.detector import check_frame
from emodiss.models.mtcnn.networks import weights_identity
from emodiss.models.mtcnn.search import FaceSearch
from emodiss.models.torch_threads import without_tf32


class ReferenceMtcnn(FaceSearch):
    """Finds faces with `facenet_pytorch.MTCNN` and its defaults, one frame at a time."""

    _model: Any = None

    def detect(self, frames: Iterable[NDArray[np.uint8]]) -> list[FaceBoxes]:
        """Find all faces in each (H, W, 3) uint8 RGB frame, largest first."""
        return [self._detect_one(frame) for frame in frames]

    def _detect_one(self, frame: NDArray[np.uint8]) -> FaceBoxes:
        check_frame(frame)
        height, width = frame.shape[:2]
        least = self.least(height)
        if not pyramid_scales(height, width, least, self.factor):
            # The package fails on a picture smaller than the smallest face.
            return FaceBoxes.empty()
        if self._model is None:
            weights_identity()
            from facenet_pytorch import MTCNN

            make: Any = MTCNN  # its defaults are typed narrower than what it takes
            self._model = make(
                keep_all=True,
                thresholds=list(self.thresholds),
                factor=self.factor,
                device=self.device,
            ).eval()
        self._model.min_face_size = least
        with without_tf32():
            boxes, scores, landmarks = self._model.detect(frame, landmarks=True)
        if boxes is None:
            return FaceBoxes.empty()
        # The package returns object arrays whose elements may be Python floats.
        return FaceBoxes(
            boxes=np.asarray(boxes, dtype=np.float32).reshape(-1, 4),
            scores=np.asarray(scores, dtype=np.float32).reshape(-1),
            landmarks=np.asarray(landmarks, dtype=np.float32).reshape(-1, 5, 2),
        )
