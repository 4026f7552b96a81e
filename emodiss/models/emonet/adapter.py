"""EmoNet: expression, valence and arousal of a face (Toisoul et al. 2021).

Toisoul, Kossaifi, Bulat, Tzimiropoulos and Pantic, "Estimation of continuous valence and arousal
levels from faces in naturalistic conditions", Nature Machine Intelligence 3 (2021). The network
itself is in :mod:`emodiss.models.emonet.network`; here are its files, its crops and its outputs.

**Licence of the weights**: Creative Commons BY-NC-ND 4.0. They are fetched from their authors by
the person who runs this, for research; emodiss ships neither them nor anything converted from
them, and a conversion made here (:mod:`emodiss.models.emonet.runtimes`) lives in memory only.

**Not run on the real weights** while this was written: they could not be obtained there. The
architecture is checked with synthetic weights against recorded outputs of the reference network
(to 1e-5). The file formats are inferred from the published sizes, so both of torch's formats are
read. Reduced precision and the landmark crop have no accuracy figures yet.

What a user should know:

* 8 classes are preferred. In the 5-class model the fifth class is fear by the README and anger by
  the authors' data loader; `fifth_class` says which column it goes to.
* Published accuracy (cleaned AffectNet test set, landmark crop, V/A averaged with the mirror
  image): 8 classes, valence CCC 0.82 RMSE 0.29, arousal CCC 0.75 RMSE 0.27. The paper's pipeline
  feeds the detector's tight box instead, which is the default here.
* Valence and arousal leave the network without a squashing function: raw values are unbounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emodiss.affect import EXPRESSIONS, FaceAffect, Scale
from emodiss.errors import ModelError
from emodiss.models.emonet import EMONET_5, EMONET_8, emonet_backend
from emodiss.models.emonet.network import SIDE, EmoNet
from emodiss.models.emonet.runtimes import Run, in_onnxruntime, in_openvino, in_torch
from emodiss.models.weight_files import require, verify
from emodiss.settings import EmoNetSettings

__all__ = [
    "PUBLISHED",
    "SIDE",
    "EmoNet",
    "EmoNetFace",
    "landmark_square",
    "landmarks_of",
    "read_weights",
    "warp_square",
]

PUBLISHED: Final = {8: EMONET_8, 5: EMONET_5}
"""The authors' files by number of classes."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a state dict in either of torch's file formats, without executing anything in it."""
    advice = "Fetch the file again with: emodiss models pull emonet-8 (or emonet-5)."
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ModelError(
            f"{path} cannot be read as torch weights ({type(error).__name__}).", next_step=advice
        ) from error
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise ModelError(f"{path} holds no dictionary of named tensors.", next_step=advice)
    prefix = "module."
    if state and all(name.startswith(prefix) for name in state):
        state = {name.removeprefix(prefix): value for name, value in state.items()}
    return dict(state)


def _fit(network: EmoNet, state: dict[str, Tensor], path: Path) -> None:
    """Fill the network; every name and shape must match, or a silent skip would go unseen."""
    own = network.state_dict()
    missing, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    shapes = [k for k in own.keys() & state.keys() if own[k].shape != state[k].shape]
    if missing or extra or shapes:
        found = [
            f"{len(names)} {what} (such as {', '.join(sorted(names)[:3])})"
            for what, names in (
                ("missing", missing),
                ("unknown", extra),
                ("of another shape", shapes),
            )
            if names
        ]
        raise ModelError(
            f"{path} does not fit EmoNet with {network.n_classes} classes: tensors "
            f"{'; '.join(found)}; expected {len(own)} named and shaped as published.",
            next_step="Check that the file and n_classes belong together (8 or 5).",
        )
    broken = [k for k, v in state.items() if v.is_floating_point() and not v.isfinite().all()]
    if broken:
        raise ModelError(
            f"{path} holds values that are not finite, such as in {broken[0]}.",
            next_step="The file is damaged: fetch it again with: emodiss models pull emonet-8 "
            "(or emonet-5).",
        )
    network.load_state_dict(state, strict=True, assign=True)


def landmarks_of(heatmap: NDArray[np.floating]) -> NDArray[np.float64]:
    """Read landmark positions off heatmaps: the centre of the highest cell."""
    n, height, width = heatmap.shape
    best = heatmap.reshape(n, -1).argmax(axis=1)
    return np.stack(
        ((best % width + 0.5) / width, (best // width + 0.5) / height), axis=1, dtype=np.float64
    )


def landmark_square(landmarks: NDArray[np.floating]) -> tuple[float, float, float, float]:
    """Find the square crop of the published evaluation."""
    (left, top), (right, bottom) = landmarks.min(axis=0), landmarks.max(axis=0)
    side = 200.0 * ((right - left) + (bottom - top)) / 220.0
    if not np.isfinite(side) or side <= 0:
        raise ValueError("Landmarks must be finite and span an area.")
    cx, cy = (left + right) / 2, (top + bottom) / 2
    return float(cx - side / 2), float(cy - side / 2), float(cx + side / 2), float(cy + side / 2)


def warp_square(
    image: NDArray[np.uint8], box: tuple[float, float, float, float]
) -> NDArray[np.uint8]:
    """Cut a box out at subpixel position and bring it to 256 x 256, black outside the picture."""
    import cv2

    x1, y1, x2, y2 = box
    sx, sy = (x2 - x1) / SIDE, (y2 - y1) / SIDE
    # Output pixel centre u + 0.5 lies at x1 + (u + 0.5) sx in the source.
    matrix = np.array([[sx, 0, x1 + 0.5 * sx - 0.5], [0, sy, y1 + 0.5 * sy - 0.5]])
    return np.asarray(
        cv2.warpAffine(
            image,
            matrix,
            (SIDE, SIDE),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
        ),
        dtype=np.uint8,
    )


def _resize(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import cv2

    resized = cv2.resize(np.ascontiguousarray(crop), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized, dtype=np.uint8)


def _check_crop(crop: NDArray[np.uint8], index: int) -> None:
    if crop.dtype != np.uint8 or crop.ndim != 3 or crop.shape[2] != 3 or 0 in crop.shape:
        raise ValueError(
            f"Crop {index} has shape {crop.shape} and dtype {crop.dtype}; expected (H, W, 3) uint8 "
            "RGB with at least one pixel."
        )


class EmoNetFace:
    """EmoNet as a face affect model; options as in `EmoNetSettings`.

    Weights are read at the first `predict`; `identity` never reads the published files. The five
    classes of `n_classes=5` fill five of the eight columns of `FaceAffect.probabilities`. The crop
    `landmark_square` reads the 68 landmarks from the network's own heatmaps in a first pass (the
    authors' came from a separate network), at twice the cost.

    CPU time for one face on one thread, as a share of that of the network as its authors run it
    (`scripts/bench_video.py` measures it): channels-last layout, used here, 0.8 to 0.9; ONNX
    Runtime 0.6; bfloat16 with AVX-512 alone 0.4 in torch and 0.3 in OpenVINO, with AMX (measured
    earlier on another machine) 0.25 and 0.1. With random weights bfloat16 moved the means of
    utterances by up to 0.02 in OpenVINO and 0.004 in torch, where single frames of one face
    deviate by 0.12.
    """

    def __init__(
        self,
        weights: Path | str,
        n_classes: int = 8,
        *,
        device: str = "cpu",
        threads: int = 1,
        **options: Any,
    ) -> None:
        if n_classes not in PUBLISHED:
            raise ValueError(f"EmoNet has 8 or 5 classes, got {n_classes}.")
        chosen = EmoNetSettings(**options)
        if chosen.backend in ("onnxruntime", "openvino") and device != "cpu":
            raise ValueError(f"backend='{chosen.backend}' runs on the CPU, got device '{device}'.")
        if threads < 1:
            raise ValueError(f"threads must be at least 1, got {threads}.")
        self.weights = Path(weights)
        self.n_classes = n_classes
        self.crop = chosen.crop
        # A first pass needs the surroundings: the landmarks' square is wider than a tight box.
        self.crop_margin: float = 0.0 if self.crop == "box" else 0.4
        self.crop_square: bool = self.crop != "box"
        self.mirror = chosen.mirror
        self.device = device
        self.threads = threads
        self.batch_size = chosen.batch_size or (1 if device == "cpu" else 64)
        self.backend = emonet_backend(chosen.backend, chosen.precision, device)
        self.precision = chosen.precision
        self.allow_unverified = chosen.allow_unverified
        last = EXPRESSIONS.index(chosen.fifth_class)
        self._columns = list(range(8)) if n_classes == 8 else [0, 1, 2, 3, last]
        self._run: Run | None = None

    @property
    def name(self) -> str:
        """Catalogue name."""
        return f"emonet-{self.n_classes}"

    @property
    def scale(self) -> Scale:
        """Native scale: [-1, 1], before clamping."""
        return "signed"

    def load(self) -> None:
        """Read and check the weights now rather than at the first `predict`."""
        if self._run is not None:
            return
        if self.allow_unverified:
            require(self.weights, model=self.name)
        else:
            verify(self.weights, PUBLISHED[self.n_classes], model=self.name)
        with torch.device("meta"):  # the file fills every tensor, so none is drawn at random first
            network = EmoNet(self.n_classes)
        _fit(network, read_weights(self.weights), self.weights)
        network.requires_grad_(False)
        if self.backend == "torch":
            self._run = in_torch(
                network, device=self.device, precision=self.precision, threads=self.threads
            )
        elif self.backend == "onnxruntime":
            self._run = in_onnxruntime(network, threads=self.threads)
        else:
            self._run = in_openvino(network, precision=self.precision, threads=self.threads)

    def _measure(self, images: Sequence[NDArray[np.uint8]]) -> dict[str, NDArray[np.float32]]:
        """Run n images of 256 x 256 x 3 uint8 through the network, n at least 1."""
        assert self._run is not None
        rows: list[dict[str, NDArray[np.float32]]] = []
        for start in range(0, len(images), self.batch_size):
            batch = np.stack(images[start : start + self.batch_size]).transpose(0, 3, 1, 2)
            rows.append(self._run(np.ascontiguousarray(batch, dtype=np.float32) / np.float32(255)))
        return {key: np.concatenate([row[key] for row in rows]) for key in rows[0]}

    def _align(self, crops: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
        heatmaps = self._measure([_resize(crop) for crop in crops])["heatmap"]
        aligned = []
        for crop, heatmap in zip(crops, heatmaps, strict=True):
            landmarks = landmarks_of(heatmap) * (crop.shape[1], crop.shape[0])
            aligned.append(warp_square(crop, landmark_square(landmarks)))
        return aligned

    def predict(self, crops: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]) -> FaceAffect:
        """Measure n crops, each (H, W, 3) uint8 RGB, cut with `crop_margin` and `crop_square`."""
        for index, crop in enumerate(crops):
            _check_crop(crop, index)
        if len(crops) == 0:
            none = np.zeros(0, np.float32)
            lots = np.zeros((0, len(EXPRESSIONS)), np.float32)
            return FaceAffect(none, none, lots, self.scale)
        self.load()
        # In chunks, so that a long session's crops are never all held at 256 x 256 at once.
        chunk = max(self.batch_size, 64)
        parts = [
            self._predict_chunk(crops[start : start + chunk])
            for start in range(0, len(crops), chunk)
        ]
        valence_raw, arousal_raw, probabilities = (
            np.concatenate(column) for column in zip(*parts, strict=True)
        )
        return FaceAffect(valence_raw, arousal_raw, probabilities, self.scale)

    def _predict_chunk(
        self, crops: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        crops = list(crops)
        images = [_resize(crop) for crop in crops] if self.crop == "box" else self._align(crops)
        out = self._measure(images)
        valence, arousal = out["valence"], out["arousal"]
        if self.mirror:
            other = self._measure([image[:, ::-1] for image in images])
            valence = np.float32(0.5) * (valence + other["valence"])
            arousal = np.float32(0.5) * (arousal + other["arousal"])
        logits = out["expression"].astype(np.float64)
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = np.zeros((len(crops), len(EXPRESSIONS)), np.float32)
        probabilities[:, self._columns] = weights / weights.sum(axis=1, keepdims=True)
        return valence, arousal, probabilities
