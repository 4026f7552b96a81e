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

import math
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emodiss.faces import FaceBoxes
from emodiss.models.mtcnn_frames import Frames
from emodiss.models.mtcnn_nets import MtcnnNets, probability, weights_identity

if TYPE_CHECKING:
    import torch

# PNet looks at 12 x 12 pixels and moves by 2; fixed by the architecture.
_CELL, _STRIDE = 12, 2
_NMS_WITHIN_LEVEL, _NMS = 0.5, 0.7
# Sizes that keep the working set of one step inside a core's cache; no effect on results.
_STRIP_ROWS, _CROPS_AT_ONCE = 192, 192
_GPU_FRAMES, _GPU_CROPS = 16, 8192


def check_frame(frame: NDArray[np.uint8]) -> None:
    """Refuse anything but one (H, W, 3) uint8 picture.

    Raises
    ------
    ValueError
        With the shape and type seen. Float pixels and channels-first pictures would otherwise
        find no face without a word.
    """
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


def pyramid_scales(height: int, width: int, min_face_size: float, factor: float) -> list[float]:
    """Scales at which PNet sees the picture; its 12 pixels then cover faces of growing size.

    Returns
    -------
    list of float
        From `12 / min_face_size` down by `factor` while the shorter side keeps 12 pixels; empty
        for a picture smaller than the smallest face.
    """
    scale = _CELL / min_face_size
    side = min(height, width) * scale
    scales = []
    while side >= _CELL:
        scales.append(scale)
        scale *= factor
        side *= factor
    return scales


def least_face(size: float, share: float | None) -> str:
    """Name the smallest face: `20px`, or `0.1h` for a share of the frame's height."""
    return f"{size:g}px" if share is None else f"{share:g}h"


class MtcnnDetector:
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
        min_face_size: float = 20,
        *,
        min_face_share: float | None = None,
        thresholds: Sequence[float] = (0.6, 0.7, 0.7),
        factor: float = 0.709,
        half_size: bool = False,
        threads: int = 1,
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
        if threads < 1:
            raise ValueError(f"threads must be at least 1, got {threads}.")
        self.min_face_size = float(min_face_size)
        self.min_face_share = min_face_share
        self.thresholds = tuple(float(t) for t in thresholds)
        self.factor = float(factor)
        self.half_size = half_size
        self.threads = threads
        self.device = device
        self._nets: MtcnnNets | None = None

    @property
    def identity(self) -> str:
        """Weights and every parameter that changes results; readable without loading."""
        least = least_face(self.min_face_size, self.min_face_share)
        thresholds = ",".join(f"{t:g}" for t in self.thresholds)
        half = "/half" if self.half_size else ""
        return f"mtcnn/{weights_identity()}/min={least}/p={thresholds}/f={self.factor:g}{half}"

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
                yield from self._detect_mixed_sizes(batch, nets)
        elif self.threads == 1:
            for frame in source:
                with _one_thread():
                    found = self._detect_same_size([frame], nets)
                yield found[0]
        else:
            with ThreadPoolExecutor(self.threads) as pool:
                while batch := list(islice(source, 4 * self.threads)):
                    with _one_thread():
                        found = list(
                            pool.map(lambda f: self._detect_same_size([f], nets)[0], batch)
                        )
                    yield from found

    def _load(self) -> MtcnnNets:
        if self._nets is None:
            weights_identity()  # raises when facenet-pytorch or one of its files is missing
            self._nets = MtcnnNets.load(self.device)
            # The C library gives memory back to the system above a limit that follows the
            # largest block freed so far, and fetching it again for every frame cost a tenth of
            # the time. Freeing one block of just under its maximum of 32 MiB lifts the limit.
            np.empty(31 << 20, np.uint8)
        return self._nets

    def _detect_mixed_sizes(
        self, frames: Sequence[NDArray[np.uint8]], nets: MtcnnNets
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
        self, frames: Sequence[NDArray[np.uint8]], nets: MtcnnNets
    ) -> list[FaceBoxes]:
        import torch

        for frame in frames:
            check_frame(frame)
        height, width = frames[0].shape[:2]
        least = self.min_face_size
        if self.min_face_share is not None:
            least = max(1.0, self.min_face_share * height)
        if self.half_size and min(height, width) >= 2:
            frames = [_halve(frame) for frame in frames]
            least /= 2
        h, w = frames[0].shape[:2]
        scales = pyramid_scales(h, w, least, self.factor)
        if not scales:
            return [FaceBoxes.empty() for _ in frames]
        with torch.inference_mode():
            images = Frames.of(frames, nets.device)
            boxes, groups = _propose(images, nets, scales, self.thresholds[0])
            boxes, groups = _refine(images, nets, boxes, groups, self.thresholds[1])
            raw = _output(images, nets, boxes, groups, self.thresholds[2])
        faces = _per_image(raw, len(frames))
        if (h, w) == (height, width):
            return faces
        zoom = np.array([width / w, height / h], np.float32)
        return [FaceBoxes(f.boxes * np.tile(zoom, 2), f.scores, f.landmarks * zoom) for f in faces]


# --- stages -----------------------------------------------------------------------------------


def _propose(
    images: Frames, nets: MtcnnNets, scales: Sequence[float], threshold: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Slide PNet over the pyramid; square boxes (n, 5) with scores, and the frame of each."""
    import torch

    height, width = images.size
    n_images = len(images.sums)
    cells: list[torch.Tensor] = []
    shapes: list[tuple[int, int]] = []
    for scale in scales:
        out_h, out_w = int(height * scale + 1), int(width * scale + 1)
        # Rows after the pooling of the first layer, and after the two 3 x 3 layers behind it.
        pooled = -(-(out_h - 2) // 2)
        rows, strip = pooled - 4, _STRIP_ROWS if images.pixels is None else pooled
        level = [
            nets.propose(
                images.level(
                    out_h, out_w, 2 * top, min(2 * (min(top + strip, rows) + 4) + 2, out_h)
                )
            )
            for top in range(0, rows, strip)
        ]
        shapes.append((rows, level[0].shape[2]))
        grid = level if n_images == 1 else [torch.cat(level, 1)]
        cells += [part.reshape(-1, 6) for part in grid]
    flat = torch.cat(cells)
    # Few cells pass: a generous cut on the difference of logits spares the others a softmax.
    odds = min(max(threshold, 1e-6) / max(1 - threshold, 1e-6), 1e6)
    hits = torch.nonzero(flat[:, 1] - flat[:, 0] >= math.log(odds) - 0.01)[:, 0]
    score = probability(flat[hits, :2])
    passed = torch.nonzero(score >= threshold)[:, 0]
    hits, score = hits[passed], score[passed]

    device = flat.device
    starts = np.cumsum([0] + [n_images * h * w for h, w in shapes[:-1]])
    level = torch.searchsorted(torch.as_tensor(starts, device=device), hits, right=True) - 1
    table = torch.as_tensor(np.column_stack([starts, np.array(shapes)]), device=device)[level]
    local = hits - table[:, 0]
    x, y = local % table[:, 2], local // table[:, 2] % table[:, 1]
    image = local // (table[:, 1] * table[:, 2])
    zoom = torch.as_tensor(np.array(scales, np.float32), device=device)[level][:, None]
    corner = torch.stack([x, y], 1).float() * _STRIDE
    start = torch.floor((corner + 1) / zoom)
    end = torch.floor((corner + _CELL) / zoom)
    boxes = torch.cat([start, end, score[:, None], flat[hits, 2:]], 1)

    pick = _nms(boxes, level * n_images + image, _NMS_WITHIN_LEVEL)
    boxes, image = boxes[pick], image[pick]
    pick = _nms(boxes, image, _NMS)
    boxes, image = boxes[pick], image[pick]
    size = boxes[:, 2:4] - boxes[:, :2]
    moved = boxes[:, :4] + boxes[:, 5:9] * torch.cat([size, size], 1)
    return torch.cat([_square(moved), boxes[:, 4:5]], 1), image


def _refine(
    images: Frames, nets: MtcnnNets, boxes: torch.Tensor, image: torch.Tensor, threshold: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Look at each proposal with RNet."""
    import torch

    boxes, image, out, score = _look(images, nets.refine, boxes, image, 24, threshold)
    boxes = torch.cat([boxes[:, :4], score[:, None], out[:, 2:]], 1)
    pick = _nms(boxes, image, _NMS)
    boxes, image = boxes[pick], image[pick]
    return torch.cat([_square(_move(boxes, boxes[:, 5:9])), boxes[:, 4:5]], 1), image


def _output(
    images: Frames, nets: MtcnnNets, boxes: torch.Tensor, image: torch.Tensor, threshold: float
) -> NDArray[np.float32]:
    """Look at what is left with ONet; (n, 16) frame, box, score, five x, five y on the host."""
    import torch

    boxes, image, out, score = _look(images, nets.output, boxes, image, 48, threshold)
    size = boxes[:, 2:4] - boxes[:, :2] + 1
    px = size[:, :1] * out[:, 6:11] + boxes[:, :1] - 1
    py = size[:, 1:] * out[:, 11:16] + boxes[:, 1:2] - 1
    columns = [image[:, None].float(), _move(boxes, out[:, 2:6]), score[:, None], px, py]
    return torch.cat(columns, 1).cpu().numpy()


def _look(
    images: Frames,
    net: Any,
    boxes: torch.Tensor,
    image: torch.Tensor,
    side: int,
    threshold: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Crop all boxes, run one network, keep what passes: boxes, frame, outputs, score."""
    import torch

    height, width = images.size
    # Corners are truncated and counted from 1, as in the original Matlab code.
    edges = boxes[:, :4].trunc().long()
    first = edges[:, :2].clamp(min=1) - 1
    last = torch.minimum(edges[:, 2:], torch.as_tensor([width, height], device=edges.device))
    inside = (last > first).all(1)
    # A box wholly outside the frame has no pixels. It looks at some pixel instead of being
    # removed here, which on a GPU would cost a wait, and is dropped with the low scores.
    limit = torch.as_tensor([width - 1, height - 1], device=edges.device)
    first = torch.minimum(first, limit)
    edges = torch.cat([first, torch.maximum(last, first + 1)], 1)
    step = _CROPS_AT_ONCE if images.pixels is None else _GPU_CROPS
    parts = [
        net(images.crops(edges[a : a + step], image[a : a + step], side))
        for a in range(0, len(edges), step)
    ]
    if not parts:
        out = boxes.new_zeros((0, 16 if side == 48 else 6))
        return boxes, image, out, boxes.new_zeros(0)
    out = torch.cat(parts)
    score = probability(out[:, :2])
    keep = torch.nonzero((score > threshold) & inside)[:, 0]
    return boxes[keep], image[keep], out[keep], score[keep]


def _move(boxes: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    """Shift each edge by its offset, in units of the box's size with both borders counted."""
    import torch

    size = boxes[:, 2:4] - boxes[:, :2] + 1
    return boxes[:, :4] + offsets * torch.cat([size, size], 1)


def _square(boxes: torch.Tensor) -> torch.Tensor:
    """Widen the shorter side around the centre."""
    import torch

    size = boxes[:, 2:4] - boxes[:, :2]
    longest = size.max(1, keepdim=True).values
    start = boxes[:, :2] + size * 0.5 - longest * 0.5
    return torch.cat([start, start + longest], 1)


def _nms(boxes: torch.Tensor, group: torch.Tensor, iou: float) -> torch.Tensor:
    """Suppress all but the best of overlapping boxes in each group; indices that survive.

    `boxes` is (n, >= 5), the fifth column the score.
    """
    return (_nms_in_turn if boxes.device.type == "cpu" else _nms_at_once)(boxes, group, iou)


def _nms_in_turn(boxes: torch.Tensor, group: torch.Tensor, iou: float) -> torch.Tensor:
    """One group after the other, each in order of falling score.

    Nothing is shifted, and torchvision chooses between its two algorithms, which differ in the
    order of equal scores, exactly as it does in the reference.
    """
    import torch
    from torchvision.ops import batched_nms

    order = torch.argsort(group, stable=True)
    parts = order.split(torch.unique_consecutive(group[order], return_counts=True)[1].tolist())
    picks = [
        part[batched_nms(boxes[part, :4], boxes[part, 4], torch.zeros_like(part), iou)]
        for part in parts
    ]
    return torch.cat(picks) if picks else order


def _nms_at_once(boxes: torch.Tensor, group: torch.Tensor, iou: float) -> torch.Tensor:
    """All groups in one call, moved apart; in float64, so that the shift rounds no box."""
    from torchvision.ops import nms

    if not len(boxes):
        return group
    corners = boxes[:, :4].double()
    shift = group.double() * (corners.abs().max() * 2 + 1)
    return nms(corners + shift[:, None], boxes[:, 4].double(), iou)


def _per_image(rows: NDArray[np.float32], n_images: int) -> list[FaceBoxes]:
    """Last suppression, by overlap over the smaller box, and order by area."""
    faces = []
    for index in range(n_images):
        own = rows[rows[:, 0] == index]
        own = own[_suppress_contained(own[:, 1:5], own[:, 5], _NMS)]
        boxes = own[:, 1:5]
        order = np.argsort((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))[::-1]
        points = np.stack([own[:, 6:11], own[:, 11:16]], -1)
        faces.append(
            FaceBoxes(
                boxes=np.ascontiguousarray(boxes[order]),
                scores=np.ascontiguousarray(own[order, 5]),
                landmarks=np.ascontiguousarray(points[order]),
            )
        )
    return faces


def _suppress_contained(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], limit: float
) -> list[int]:
    """Greedy suppression where overlap is the intersection over the smaller of two boxes."""
    start, end = boxes[:, :2], boxes[:, 2:]
    area = (end - start + 1).prod(1)
    left = np.argsort(scores)[::-1]
    keep: list[int] = []
    while len(left):
        best, rest = left[0], left[1:]
        keep.append(int(best))
        shared = np.minimum(end[best], end[rest]) - np.maximum(start[best], start[rest]) + 1
        overlap = np.maximum(shared, 0).prod(1) / np.minimum(area[best], area[rest])
        left = rest[overlap <= limit]
    return keep


def _halve(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import cv2

    height, width = frame.shape[:2]
    return cv2.resize(frame, (width // 2, height // 2), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


@contextmanager
def _one_thread() -> Generator[None]:
    """Keep torch to one core: splitting these small steps costs more than it gains."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
