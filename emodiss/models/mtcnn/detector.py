"""MTCNN face detection: facenet-pytorch's weights in a vectorised cascade.

The method is Zhang, Zhang, Li and Qiao, "Joint Face Detection and Alignment using Multitask
Cascaded Convolutional Networks" (IEEE SPL 23, 2016): a small network slides over an image
pyramid and proposes squares, a second and a third look at each proposal again. The weights are
the three files inside the `facenet-pytorch` package (MIT); the rounding rules, thresholds and
the order of the boxes are those of `facenet_pytorch.MTCNN(keep_all=True).detect`, so that both
give the same faces (`tests/models/test_faces_mtcnn.py`).

What costs time in the reference is not arithmetic but one resize and one device-to-host copy
per candidate box. Here one table of running sums per frame serves both the pyramid and all
candidates: a resize by area is a sum over a rectangle, sums of bytes are exact integers, so the
inputs of the networks are equal to the last bit and only the networks' rounding (about 1e-6)
differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emodiss.faces import FaceBoxes
from emodiss.models.mtcnn import cascade
from emodiss.models.mtcnn.networks import MtcnnNets, weights_identity
from emodiss.models.mtcnn.onnx_networks import OnnxNets
from emodiss.models.mtcnn.search import OPTIONS, FaceSearch

# Frames of one size that a GPU looks at together; no effect on results.
_GPU_FRAMES = 16


def check_frame(frame: NDArray[np.uint8]) -> None:
    """Refuse anything but one (H, W, 3) uint8 picture."""
    shape, dtype = getattr(frame, "shape", None), getattr(frame, "dtype", None)
    if shape is None or len(shape) != 3 or shape[2] != 3 or dtype != np.uint8:
        hint = (
            " It looks like channels first; use frame.transpose(1, 2, 0)."
            if shape is not None and len(shape) == 3 and shape[0] == 3
            else ""
        )
        raise ValueError(
            f"A frame must be RGB, shape (height, width, 3), dtype uint8; got shape {shape}, "
            f"dtype {dtype}. Pass a sequence of frames.{hint}"
        )


class MtcnnDetector(FaceSearch):
    """Finds faces with MTCNN.

    Parameters
    ----------
    min_face_size
        Smallest face to look for, in pixels of the frame. 20 is the reference's default.
    min_face_share
        The same as a share of the frame's height, so that one setting fits 360p and 1080p; takes
        the place of `min_face_size`.
    thresholds
        Least probability after each of the three networks.
    factor
        Step of the image pyramid.
    half_size
        Detect on the frame halved by area, for faces of the same size in the original.
    threads
        Frames worked on at once; each on one core. No effect on results.
    device
        "cpu" or "cuda". On a GPU frames of one size go through in batches with all candidates of
        a stage in one gather; the host waits a fixed number of times per stage, whatever the
        number of candidates, and inside torchvision's NMS. This path shares the stages with the
        CPU's and was not yet run on a GPU.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    MissingExtra
        If torch or facenet-pytorch is not installed.

    Notes
    -----
    What the approximations do, against exact detection at 20 pixels, on 90 tracked faces of about
    105 pixels in 1.5 s of a generated 720p clip (`scripts/bench_faces.py --accuracy`, which also
    takes a clip of yours). No face was missed and none was added in any of these. Overlap is the
    mean, and in brackets the 5th percentile, of intersection over union:

    - `min_face_size=40`: 2.2 times as fast, overlap 0.933 (0.869).
    - `min_face_size=60`: 2.9 times, 0.924 (0.847).
    - `min_face_share=0.1` (72 pixels): 3.1 times, 0.925 (0.850).
    - `half_size` at 20: no faster, 0.930 (0.856); the smallest face fixes the size of the largest
      pyramid level, so halving alone saves nothing.
    - `half_size` at 40: 2.3 times, 0.922 (0.855).

    A box of the same face moves because another set of scales is looked at, not because of
    rounding. For comparison: on a similar clip a box overlaps its own running median by 0.953.
    """

    def __init__(
        self,
        *arguments: float,
        half_size: bool = OPTIONS.half_size,
        threads: int = 1,
        device: str = "cpu",
        **options: Any,
    ) -> None:
        super().__init__(*arguments, device=device, **options)
        if threads < 1:
            raise ValueError(f"threads must be at least 1, got {threads}.")
        self.half_size = half_size
        self.threads = threads
        self._nets: cascade.Nets | None = None

    def detect(self, frames: Iterable[NDArray[np.uint8]]) -> list[FaceBoxes]:
        """Find all faces in each frame.

        Parameters
        ----------
        frames
            (H, W, 3) uint8 RGB each; sizes may differ. A generator is read as it is needed, so
            memory does not grow with the number of frames.

        Returns
        -------
        list of FaceBoxes
            One per frame, largest face first. A frame without a face, or smaller than the
            smallest face, gives an empty record.

        Raises
        ------
        ValueError
            If a frame is not (H, W, 3) uint8.
        """
        return list(self.stream(frames))

    def stream(self, frames: Iterable[NDArray[np.uint8]]) -> Iterator[FaceBoxes]:
        """Find faces frame by frame, holding only a few frames at a time.

        Same arguments, order and errors as `detect`.
        """
        nets = self._load()
        source = iter(frames)
        if self.device != "cpu":
            while batch := list(islice(source, _GPU_FRAMES)):
                with nets.running():
                    found = self._detect_mixed_sizes(batch, nets)
                yield from found
        elif self.threads == 1:
            for frame in source:
                with nets.running():
                    found = self._detect_same_size([frame], nets)
                yield found[0]
        else:
            with ThreadPoolExecutor(self.threads) as pool:
                while batch := list(islice(source, 4 * self.threads)):
                    with nets.running():
                        found = list(
                            pool.map(lambda f: self._detect_same_size([f], nets)[0], batch)
                        )
                    yield from found

    def near(self, frame: NDArray[np.uint8], places: NDArray[np.floating]) -> FaceBoxes:
        """Find the faces about places where faces are known to be, as `detect` would.

        Parameters
        ----------
        frame
            (H, W, 3) uint8 RGB.
        places
            (n, 4) boxes of faces of a frame shortly before or after.

        Returns
        -------
        FaceBoxes
            All faces found there, largest first: the same box and landmarks that a search of the
            whole frame gives, unless PNet proposes the face from further away or at another size.

        Raises
        ------
        ValueError
            If the frame is not (H, W, 3) uint8.
        """
        check_frame(frame)
        nets = self._load()
        with nets.running():
            return self._detect_same_size([frame], nets, np.asarray(places))[0]

    def _load(self) -> cascade.Nets:
        if self._nets is None:
            weights_identity()  # raises when facenet-pytorch or one of its files is missing
            self._nets = self._networks()
            # The C library gives memory back to the system above a limit that follows the
            # largest block freed so far, and fetching it again for every frame cost a tenth of
            # the time. Freeing one block of just under its maximum of 32 MiB lifts the limit.
            np.empty(31 << 20, np.uint8)
        return self._nets

    def _networks(self) -> cascade.Nets:
        return MtcnnNets.load(self.device)

    def _detect_mixed_sizes(
        self, frames: Sequence[NDArray[np.uint8]], nets: cascade.Nets
    ) -> list[FaceBoxes]:
        found: list[FaceBoxes] = [FaceBoxes.empty()] * len(frames)
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for index, frame in enumerate(frames):
            check_frame(frame)
            by_shape.setdefault(frame.shape, []).append(index)
        for indices in by_shape.values():
            faces = self._detect_same_size([frames[i] for i in indices], nets)
            for index, face in zip(indices, faces, strict=True):
                found[index] = face
        return found

    def _detect_same_size(
        self,
        frames: Sequence[NDArray[np.uint8]],
        nets: cascade.Nets,
        places: NDArray[np.floating] | None = None,
    ) -> list[FaceBoxes]:
        for frame in frames:
            check_frame(frame)
        height, width = frames[0].shape[:2]
        least = self.least(height)
        if self.half_size and min(height, width) >= 2:
            frames = [_halve(frame) for frame in frames]
            least /= 2
        h, w = frames[0].shape[:2]
        scales = cascade.pyramid_scales(h, w, least, self.factor)
        if not scales:
            return [FaceBoxes.empty() for _ in frames]
        zoom = np.array([width / w, height / h], np.float32)
        if places is None:
            parts = cascade.everywhere((h, w), scales)
        else:
            parts = cascade.around((h, w), scales, places / np.tile(zoom, 2))
        if not parts:
            return [FaceBoxes.empty() for _ in frames]
        images = nets.frames(frames, cascade.seen((h, w), scales, parts))
        boxes, groups = cascade.propose(images, nets, scales, self.thresholds[0], parts)
        boxes, groups = cascade.refine(images, nets, boxes, groups, self.thresholds[1])
        raw = cascade.output(images, nets, boxes, groups, self.thresholds[2])
        faces = cascade.per_image(raw, len(frames))
        if (h, w) == (height, width):
            return faces
        return [FaceBoxes(f.boxes * np.tile(zoom, 2), f.scores, f.landmarks * zoom) for f in faces]


class OnnxMtcnn(MtcnnDetector):
    """The same in ONNX Runtime, on the CPU whatever the device: no torch in the process.

    Parameters are those of `MtcnnDetector`. The first use on a machine exports the networks in a
    process of its own, which needs torch.
    """

    def __init__(self, *arguments: Any, threads: int = 1, **options: Any) -> None:
        super().__init__(*arguments, threads=threads, **options)

    def _networks(self) -> cascade.Nets:
        return OnnxNets()


def _halve(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import cv2

    height, width = frame.shape[:2]
    return cv2.resize(frame, (width // 2, height // 2), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]
