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

import hashlib
import importlib.metadata
import importlib.util
import math
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emodiss.errors import MissingExtra, ModelError
from emodiss.faces import FaceBoxes

if TYPE_CHECKING:
    import torch

_WEIGHT_FILES = ("pnet.pt", "rnet.pt", "onet.pt")
# PNet looks at 12 x 12 pixels and moves by 2; fixed by the architecture.
_CELL, _STRIDE = 12, 2
_NMS_WITHIN_LEVEL, _NMS = 0.5, 0.7
# Sizes that keep the working set of one step inside a core's cache; no effect on results.
_STRIP_ROWS, _CROPS_AT_ONCE = 96, 48
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


def weights_folder() -> Path:
    """Folder of the three weight files, found without importing torch.

    Raises
    ------
    MissingExtra
        If facenet-pytorch is not installed.
    """
    spec = importlib.util.find_spec("facenet_pytorch")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra.of("facenet_pytorch", "models")
    return Path(next(iter(spec.submodule_search_locations))) / "data"


@cache
def weights_identity() -> str:
    """Version of facenet-pytorch and the first 12 hex digits of the SHA-256 of its weights."""
    digest = hashlib.sha256()
    folder = weights_folder()
    for name in _WEIGHT_FILES:
        path = folder / name
        if not path.is_file():
            raise ModelError(
                f"The weight file {name} is missing from the facenet-pytorch package.",
                next_step="Reinstall it: pip install --force-reinstall facenet-pytorch==2.5.3.",
            )
        digest.update(path.read_bytes())
    version = importlib.metadata.version("facenet-pytorch")
    return f"facenet-pytorch-{version}-{digest.hexdigest()[:12]}"


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
        a stage in one gather; the host waits once per stage and inside torchvision's NMS. That
        path follows the same code as the CPU's but was never run on a GPU by its authors.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    MissingExtra
        If torch or facenet-pytorch is not installed.

    Notes
    -----
    What the approximations do is written in `ACCURACY`, measured by `scripts/bench_faces.py`.
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
        self._nets: _Nets | None = None

    @property
    def identity(self) -> str:
        """Weights and every parameter that changes results; readable without loading."""
        least = (
            f"{self.min_face_size:g}px"
            if self.min_face_share is None
            else f"{self.min_face_share:g}h"
        )
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

    def _load(self) -> _Nets:
        if self._nets is None:
            weights_identity()  # raises when facenet-pytorch or one of its files is missing
            self._nets = _Nets.load(self.device)
        return self._nets

    def _detect_mixed_sizes(
        self, frames: Sequence[NDArray[np.uint8]], nets: _Nets
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
        self, frames: Sequence[NDArray[np.uint8]], nets: _Nets
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
            images = _Images.of(frames, nets.device)
            boxes, groups = _propose(images, nets, scales, self.thresholds[0])
            boxes, groups = _refine(images, nets, boxes, groups, self.thresholds[1])
            raw = _output(images, nets, boxes, groups, self.thresholds[2])
        faces = _per_image(raw, len(frames))
        if (h, w) == (height, width):
            return faces
        zoom = np.array([width / w, height / h], np.float32)
        return [FaceBoxes(f.boxes * np.tile(zoom, 2), f.scores, f.landmarks * zoom) for f in faces]


# --- networks ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    """A convolution or dense layer and the slopes of the PReLU that follows it."""

    weight: torch.Tensor
    bias: torch.Tensor
    slope: torch.Tensor

    def conv(self, x: torch.Tensor) -> torch.Tensor:
        import torch.nn.functional as F

        y = F.conv2d(x, self.weight, self.bias)
        n, c, h, w = y.shape
        # PReLU over rows of (w * c) instead of pixels of (c): the same numbers, but the inner
        # loop is long enough to vectorise when pixels are stored channel by channel.
        rows = y.permute(0, 2, 3, 1).reshape(n * h, w * c)
        return F.prelu(rows, self.slope.repeat(w)).view(n, h, w, c).permute(0, 3, 1, 2)

    def dense(self, x: torch.Tensor) -> torch.Tensor:
        import torch.nn.functional as F

        return F.prelu(F.linear(x, self.weight, self.bias), self.slope)


@dataclass(frozen=True, slots=True, eq=False)
class _Nets:
    """The three networks as layers; the input is a grey level minus 127.5."""

    device: torch.device
    pnet: tuple[_Layer, ...]
    rnet: tuple[_Layer, ...]
    onet: tuple[_Layer, ...]
    heads: tuple[tuple[torch.Tensor, torch.Tensor], ...]

    @classmethod
    def load(cls, device: str) -> _Nets:
        import torch

        states = [
            torch.load(weights_folder() / name, map_location="cpu", weights_only=True)
            for name in _WEIGHT_FILES
        ]

        def layer(state: dict[str, Any], name: str, slope: str, first: bool = False) -> _Layer:
            weight = state[f"{name}.weight"].float()
            if first:
                # The reference multiplies its input by 1/128, a power of two: moving it into
                # the weights changes no bit and saves a pass over the picture.
                weight = weight * 0.0078125
            if weight.dim() == 4:
                weight = weight.contiguous(memory_format=torch.channels_last)
            bias, slopes = state[f"{name}.bias"].float(), state[f"{slope}.weight"].float()
            return _Layer(weight.to(device), bias.to(device), slopes.to(device))

        def flat(state: dict[str, Any], name: str, slope: str, side: int) -> _Layer:
            # The reference flattens as (x, y, channel), channels-last memory is (y, x, channel).
            plain = layer(state, name, slope)
            n = len(plain.weight)
            weight = plain.weight.view(n, side, side, -1).transpose(1, 2).reshape(n, -1)
            return _Layer(weight, plain.bias, plain.slope)

        def head(state: dict[str, Any], *names: str) -> tuple[torch.Tensor, torch.Tensor]:
            weight = torch.cat([state[f"{n}.weight"].float().flatten(1) for n in names])
            bias = torch.cat([state[f"{n}.bias"].float() for n in names])
            return weight.to(device), bias.to(device)

        p, r, o = states
        return cls(
            device=torch.device(device),
            pnet=tuple(layer(p, f"conv{i}", f"prelu{i}", i == 1) for i in (1, 2, 3)),
            rnet=(
                *(layer(r, f"conv{i}", f"prelu{i}", i == 1) for i in (1, 2, 3)),
                flat(r, "dense4", "prelu4", 3),
            ),
            onet=(
                *(layer(o, f"conv{i}", f"prelu{i}", i == 1) for i in (1, 2, 3, 4)),
                flat(o, "dense5", "prelu5", 3),
            ),
            heads=(
                head(p, "conv4_1", "conv4_2"),
                head(r, "dense5_1", "dense5_2"),
                head(o, "dense6_1", "dense6_2", "dense6_3"),
            ),
        )

    def propose(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) to (B, h, w, 6): two logits and four offsets per cell."""
        import torch.nn.functional as F

        x = _pool(self.pnet[0].conv(x), 2)
        x = self.pnet[2].conv(self.pnet[1].conv(x))
        return F.linear(x.permute(0, 2, 3, 1), *self.heads[0])

    def refine(self, x: torch.Tensor) -> torch.Tensor:
        """(n, 3, 24, 24) to (n, 6): two logits and four offsets."""
        import torch.nn.functional as F

        for conv in self.rnet[:2]:
            x = _pool(conv.conv(x), 3)
        x = self.rnet[2].conv(x)
        return F.linear(self.rnet[3].dense(x.permute(0, 2, 3, 1).flatten(1)), *self.heads[1])

    def output(self, x: torch.Tensor) -> torch.Tensor:
        """(n, 3, 48, 48) to (n, 16): two logits, four offsets, five x, five y."""
        import torch.nn.functional as F

        for conv, size in zip(self.onet[:3], (3, 3, 2), strict=True):
            x = _pool(conv.conv(x), size)
        x = self.onet[3].conv(x)
        return F.linear(self.onet[4].dense(x.permute(0, 2, 3, 1).flatten(1)), *self.heads[2])


def _pool(x: torch.Tensor, size: int) -> torch.Tensor:
    """Max pooling with stride 2 that keeps a window cut off by the border (ceil mode)."""
    import torch

    for dim in (2, 3):
        n = x.shape[dim]
        out = -(-(n - size) // 2) + 1
        best = x.narrow(dim, 0, min(n, 2 * out - 1))
        best = best[:, :, ::2] if dim == 2 else best[:, :, :, ::2]
        fresh = False
        for offset in range(1, size):
            part = x.narrow(dim, offset, n - offset)
            part = part[:, :, ::2] if dim == 2 else part[:, :, :, ::2]
            count = min(part.shape[dim], out)
            part = part.narrow(dim, 0, count)
            if not fresh and count == out:
                best = torch.maximum(best, part)
            else:
                best = best if fresh else best.clone()
                seen = best.narrow(dim, 0, count)
                torch.maximum(seen, part, out=seen)
            fresh = True
        x = best
    return x


def _probability(logits: torch.Tensor) -> torch.Tensor:
    """Second of two softmax outputs, in the form that keeps the reference's last bits."""
    low, high = logits[..., 0], logits[..., 1]
    import torch

    top = torch.maximum(low, high)
    e0, e1 = torch.exp(low - top), torch.exp(high - top)
    return e1 / (e0 + e1)


# --- pictures ---------------------------------------------------------------------------------


def _windows(size: int, out: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and one past the last pixel under each of `out` cells over `size` pixels."""
    cell = np.arange(out, dtype=np.int64)
    return cell * size // out, -(-(cell + 1) * size // out)


@dataclass(frozen=True, slots=True, eq=False)
class _Images:
    """Frames of one size, and their running sums.

    Attributes
    ----------
    sums
        (B, H + 1, W + 1, 3) int32; entry (y, x) is the sum of all pixels above and left of it.
        A sum over any rectangle is then four entries, exact even where int32 wraps around.
    pixels
        (B, 3, H, W) float32 on a GPU, else None.
    """

    sums: torch.Tensor
    pixels: torch.Tensor | None

    @classmethod
    def of(cls, frames: Sequence[NDArray[np.uint8]], device: torch.device) -> _Images:
        import torch

        if device.type == "cpu":
            import cv2

            return cls(torch.from_numpy(np.stack([cv2.integral(f) for f in frames])), None)
        x = torch.from_numpy(np.stack(frames)).to(device)
        sums = x.cumsum(1, dtype=torch.int32).cumsum(2, dtype=torch.int32)
        sums = torch.nn.functional.pad(sums, (0, 0, 1, 0, 1, 0))
        return cls(sums, x.permute(0, 3, 1, 2).float())

    @property
    def size(self) -> tuple[int, int]:
        return self.sums.shape[1] - 1, self.sums.shape[2] - 1

    def level(self, out_h: int, out_w: int, top: int, bottom: int) -> torch.Tensor:
        """Rows `top` to `bottom` of the frames resized by area, minus 127.5, (B, 3, h, w)."""
        import torch

        height, width = self.size
        if self.pixels is not None:
            x = torch.nn.functional.interpolate(self.pixels, (out_h, out_w), mode="area")
            return (x[:, :, top:bottom] - 127.5).contiguous(memory_format=torch.channels_last)
        y0, y1 = (edge[top:bottom] for edge in _windows(height, out_h))
        x0, x1 = _windows(width, out_w)
        # The reference divides by the height, then by the width of a window.
        tall = torch.from_numpy((y1 - y0).astype(np.float32))[:, None]
        wide = torch.from_numpy(np.repeat((x1 - x0).astype(np.float32), 3))
        out = torch.empty((len(self.sums), bottom - top, out_w * 3))
        step = 16  # rows whose sums fit the cache while they are gathered twice
        for image, sums in zip(out, self.sums.numpy(), strict=True):
            for a in range(0, bottom - top, step):
                rows = np.take(sums, y1[a : a + step], 0)
                rows -= np.take(sums, y0[a : a + step], 0)
                total = np.take(rows, x1, 1)
                total -= np.take(rows, x0, 1)
                part = image[a : a + step]
                part.copy_(torch.from_numpy(total).view(len(total), -1))
                part.div_(tall[a : a + step]).div_(wide).sub_(127.5)
        return out.view(len(out), bottom - top, out_w, 3).permute(0, 3, 1, 2)

    def crops(self, edges: torch.Tensor, image: torch.Tensor, side: int) -> torch.Tensor:
        """Resize n rectangles by area to (n, 3, side, side), minus 127.5.

        `edges` is (n, 4) int64 x0, y0, x1, y1 inside the frame, at least one pixel each way.
        """
        import torch

        height, width = self.size
        cell = torch.arange(side, device=edges.device)
        x0, y0, x1, y1 = (e[:, None] for e in edges.unbind(1))
        left, right = x0 + cell * (x1 - x0) // side, x0 - (-(cell + 1) * (x1 - x0) // side)
        up, down = y0 + cell * (y1 - y0) // side, y0 - (-(cell + 1) * (y1 - y0) // side)
        first = image[:, None] * (height + 1)
        flat = self.sums.view(-1, 3)

        def corner(y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
            index = ((first + y) * (width + 1))[:, :, None] + x[:, None, :]
            if flat.device.type == "cpu":  # numpy copies pixels of three faster than torch
                return torch.from_numpy(np.take(flat.numpy(), index.numpy(), 0))
            return flat[index]

        total = corner(down, right)
        total -= corner(up, right)
        total -= corner(down, left)
        total += corner(up, left)
        mean = total.float()
        mean /= (down - up).float()[:, :, None, None]
        mean /= (right - left).float()[:, None, :, None]
        mean -= 127.5
        return mean.permute(0, 3, 1, 2)


# --- stages -----------------------------------------------------------------------------------


def _propose(
    images: _Images, nets: _Nets, scales: Sequence[float], threshold: float
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
                images.level(out_h, out_w, 2 * top, min(2 * (min(top + strip, rows) + 4) + 2, out_h))
            )
            for top in range(0, rows, strip)
        ]
        grid = torch.cat(level, 1)
        shapes.append((grid.shape[1], grid.shape[2]))
        cells.append(grid.reshape(-1, 6))
    flat = torch.cat(cells)
    probability = _probability(flat[:, :2])
    hits = torch.nonzero(probability >= threshold)[:, 0]

    device = flat.device
    starts = np.cumsum([0] + [len(c) for c in cells[:-1]])
    level = torch.searchsorted(torch.as_tensor(starts, device=device), hits, right=True) - 1
    table = torch.as_tensor(np.column_stack([starts, np.array(shapes)]), device=device)[level]
    local = hits - table[:, 0]
    x, y = local % table[:, 2], local // table[:, 2] % table[:, 1]
    image = local // (table[:, 1] * table[:, 2])
    zoom = torch.as_tensor(np.array(scales, np.float32), device=device)[level][:, None]
    corner = torch.stack([x, y], 1).float() * _STRIDE
    start = torch.floor((corner + 1) / zoom)
    end = torch.floor((corner + _CELL) / zoom)
    boxes = torch.cat([start, end, probability[hits][:, None], flat[hits, 2:]], 1)

    pick = _nms(boxes, level * n_images + image, _NMS_WITHIN_LEVEL)
    boxes, image = boxes[pick], image[pick]
    pick = _nms(boxes, image, _NMS)
    boxes, image = boxes[pick], image[pick]
    size = boxes[:, 2:4] - boxes[:, :2]
    moved = boxes[:, :4] + boxes[:, 5:9] * torch.cat([size, size], 1)
    return torch.cat([_square(moved), boxes[:, 4:5]], 1), image


def _refine(
    images: _Images, nets: _Nets, boxes: torch.Tensor, image: torch.Tensor, threshold: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Look at each proposal with RNet."""
    import torch

    boxes, image, out, score = _look(images, nets.refine, boxes, image, 24, threshold)
    boxes = torch.cat([boxes[:, :4], score[:, None], out[:, 2:]], 1)
    pick = _nms(boxes, image, _NMS)
    boxes, image = boxes[pick], image[pick]
    return torch.cat([_square(_move(boxes, boxes[:, 5:9])), boxes[:, 4:5]], 1), image


def _output(
    images: _Images, nets: _Nets, boxes: torch.Tensor, image: torch.Tensor, threshold: float
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
    images: _Images,
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
    score = _probability(out[:, :2])
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
    """Indices that survive non-maximum suppression inside each group of boxes.

    `boxes` is (n, >= 5), the fifth column the score. `group` is sorted on the CPU.
    """
    import torch
    from torchvision.ops import batched_nms, nms

    if boxes.device.type != "cpu":
        # Groups are moved apart; in float64 so that the shift does not round the boxes.
        corners = boxes[:, :4].double()
        shift = group.double() * (corners.abs().max() * 2 + 1) if len(boxes) else group.double()
        return nms(corners + shift[:, None], boxes[:, 4].double(), iou)
    picks = []
    values, counts = torch.unique_consecutive(group, return_counts=True)
    start = 0
    for count in counts.tolist():
        part = boxes[start : start + count]
        # One group at a time: nothing is shifted, and torchvision chooses between its two
        # algorithms, which differ in the order of equal scores, exactly as in the reference.
        zeros = torch.zeros(count, dtype=torch.int64)
        picks.append(batched_nms(part[:, :4], part[:, 4], zeros, iou) + start)
        start += count
    return torch.cat(picks) if picks else torch.zeros(0, dtype=torch.int64)


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
def _one_thread() -> Iterator[None]:
    """Keep torch to one core: splitting these small steps costs more than it gains."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
