"""FER-lite: eight expressions, valence and arousal of a face crop, on one CPU core.

The weights are shipped (`weights/fer_lite.onnx`); data, method, held-out figures and limits stand
on the card beside them, `weights/fer_lite.md`. Research use only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib import resources
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from emodiss.affect import EXPRESSIONS, FaceAffect, Scale
from emodiss.errors import ModelError
from emodiss.models.onnx_session import cpu_session

SHA256 = "c106c733c25721d5eab50cc1276e099d430ec8633f05dcde69148055996a86de"
"""Checksum of the shipped weights; pinned here so that a swapped file is not run."""

_SIDE = 48
_BATCH = 64


class LiteFace:
    """The face model of the `lite` preset; results do not depend on threads beyond rounding."""

    identity: ClassVar[str] = f"fer-lite-1@{SHA256[:12]}"
    """Name, version and first digits of the checksum; readable without loading anything."""

    scale: ClassVar[Scale] = "signed"
    """Native scale of valence and arousal."""

    crop_margin: ClassVar[float] = 0.0
    """Margin around a square crop of the detector's box, as a share of its side, on every side."""

    crop_square: ClassVar[bool] = True
    """FER2013's faces are square, so a crop is widened rather than squeezed."""

    def __init__(self, *, threads: int = 1) -> None:
        if threads < 1:
            raise ValueError(f"threads must be at least 1, got {threads}.")
        self._session: Any = cpu_session(_verified_weights(), threads, spinning=False)

    def predict(self, crops: NDArray[np.uint8] | Sequence[NDArray[np.uint8]]) -> FaceAffect:
        """Measure expression, valence and arousal of face crops.

        Best on square, upright crops around the detector's box with `crop_margin`; every crop is
        made grey (ITU-R BT.601) and 48 x 48 (mean of the area it covers). Each crop is judged by
        itself, so order and company do not matter. The model does not ask whether a crop shows a
        face; that is the detector's part.

        `probabilities` are calibrated to how often the majority of FER+ raters agrees. Valence and
        arousal come from the estimated shares of votes through the AffectNet-C25 vote map: derived,
        and not validated against rated valence and arousal.
        """
        grey = np.empty((len(crops), _SIDE, _SIDE), np.float32)
        if isinstance(crops, np.ndarray) and crops.ndim != 4 and crops.size:
            raise ValueError(
                f"Expected crops of shape (n, H, W, 3), got {crops.shape}; "
                "for one crop pass crop[np.newaxis]."
            )
        for k, crop in enumerate(crops):
            grey[k] = _grey_square(np.asarray(crop), k)
        probabilities = np.zeros((len(grey), len(EXPRESSIONS)), np.float32)
        valence, arousal = np.zeros((2, len(grey)), np.float32)
        for start in range(0, len(grey), _BATCH):
            rows = slice(start, start + _BATCH)
            probabilities[rows], valence[rows], arousal[rows] = self._session.run(
                ["probabilities", "valence", "arousal"], {"crops": grey[rows]}
            )
        return FaceAffect(valence, arousal, probabilities, self.scale)


def _verified_weights() -> bytes:
    """Read the shipped weights; refuse them if they are not the ones named by `SHA256`."""
    path = resources.files("emodiss").joinpath("models", "weights", "fer_lite.onnx")
    advice = "Install emodiss again; in a checkout, restore emodiss/models/weights/fer_lite.onnx."
    try:
        weights = path.read_bytes()
    except FileNotFoundError as error:
        raise ModelError("The weights of FER-lite are missing.", next_step=advice) from error
    found = hashlib.sha256(weights).hexdigest()
    if found != SHA256:
        raise ModelError(
            f"The weights of FER-lite have sha256 {found[:12]}..., expected {SHA256[:12]}...",
            next_step=advice,
        )
    return weights


def _grey_square(crop: NDArray[Any], k: int) -> NDArray[np.uint8]:
    """Return crop `k` as (48, 48) uint8 grey, the form FER2013 was published in."""
    if crop.dtype != np.uint8 or crop.ndim != 3 or crop.shape[2] != 3 or 0 in crop.shape:
        raise ValueError(
            f"Crop {k} has dtype {crop.dtype} and shape {crop.shape}; "
            "expected uint8 RGB of shape (H, W, 3)."
        )
    from PIL import Image

    grey = Image.fromarray(np.ascontiguousarray(crop)).convert("L")  # BT.601 luma, Pillow's "L"
    # BOX is the mean over the covered area; it would leave blocks when it enlarges
    smaller = min(crop.shape[:2]) >= _SIDE
    how = Image.Resampling.BOX if smaller else Image.Resampling.BILINEAR
    return np.asarray(grey.resize((_SIDE, _SIDE), how))
