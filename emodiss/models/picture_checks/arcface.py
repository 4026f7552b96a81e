"""Faces as vectors: a network of the ArcFace kind (Deng et al. 2019, CVPR) as an ONNX file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emodiss.errors import ModelMissing, SettingsError
from emodiss.models import weight_files
from emodiss.models.mtcnn.detector import MtcnnDetector

_SIDE = 112
# Where InsightFace puts eyes, nose and mouth corners in 112 x 112 pixels.
_TEMPLATE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)


class ArcFace:
    """Describes the largest face of a picture by an ONNX file: (n, 3, 112, 112) RGB in [-1, 1]."""

    def __init__(self, file: str, *, threads: int = 1) -> None:
        if not file:
            raise SettingsError(
                "The model 'arcface' needs a network.",
                next_step="Give --set options.arcface.file=NETWORK.onnx.",
            )
        import onnxruntime

        path = Path(file)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        try:
            self._network = onnxruntime.InferenceSession(
                path.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as fault:  # the runtime has errors of its own for each kind of damage
            raise ModelMissing(
                f"The network '{path.name}' cannot be loaded: {type(fault).__name__}.",
                next_step="It must be an ONNX file for aligned faces of 112 x 112 pixels.",
            ) from fault
        self._identity = f"arcface {path.name} sha256-{weight_files.sha256_of(path)[:12]}"
        self._input = self._network.get_inputs()[0].name
        self._detector = MtcnnDetector(min_face_size=40, threads=threads)

    @property
    def identity(self) -> str:
        """Name and hash of the network."""
        return self._identity

    def embed(self, picture: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """Vector of the largest face; None if there is none."""
        found = self._detector.detect([picture])[0]
        if not len(found):
            return None
        widths = found.boxes[:, 2] - found.boxes[:, 0]
        face = _aligned(picture, found.landmarks[int(np.argmax(widths))])
        given = (face.astype(np.float32) - 127.5) / 127.5
        out = self._network.run(None, {self._input: given.transpose(2, 0, 1)[None]})[0]
        return np.asarray(out, np.float32).reshape(-1)


def _aligned(picture: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Turn, scale and cut a face to the template, by least squares."""
    import cv2

    seen = landmarks.astype(np.float64) @ np.array([1, 1j])
    goal = _TEMPLATE @ np.array([1, 1j])
    a, b = seen - seen.mean(), goal - goal.mean()
    factor = (b * a.conj()).sum() / (np.abs(a) ** 2).sum()
    shift = goal.mean() - factor * seen.mean()
    matrix = np.array(
        [[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]]
    )
    return np.asarray(cv2.warpAffine(picture, matrix, (_SIDE, _SIDE)), np.uint8)
