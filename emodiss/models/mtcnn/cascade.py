"""The three stages of MTCNN's cascade, for any number of frames of one size.

Each stage takes squares from the one before, looks at them with its network and keeps what passes;
rounding, thresholds and order are those of `facenet_pytorch.MTCNN.detect`. Arrays are of whatever
runs the networks: `nets.xp` is numpy or torch, and what both have under one name does the rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from emodiss.faces import FaceBoxes
from emodiss.models.mtcnn.frames import DeviceFrames, Frames, Region

Array = Any
"""An array of numpy or a tensor of torch."""

# PNet looks at 12 x 12 pixels and moves by 2; fixed by the architecture.
_CELL, _STRIDE = 12, 2
_NMS_WITHIN_LEVEL, _NMS = 0.5, 0.7
# Boxes whose overlaps with all others are held at once while they are suppressed.
_ROWS = 256
# Around a known face, cells of these sizes in sizes of the face, and middles of cells as far from
# its own, in whichever of the two is larger. Of 267 faces of 14 clips a tenth of a second later,
# 97 % then had the same bits as in a search, with a least size of 1 / 2.2; all were found.
_SIZES, _REACH = (1 / 2.6, 2.0), 0.6


class Nets(Protocol):
    """The three networks, and what their arrays are made of."""

    @property
    def xp(self) -> ModuleType:
        """Return the functions of their arrays: numpy, or torch."""
        ...

    @property
    def strip_rows(self) -> int | None:
        """Rows of a level that are looked at together; None for all."""
        ...

    @property
    def crops_at_once(self) -> int:
        """Crops that are cut out and looked at together."""
        ...

    def frames(self, frames: Sequence[NDArray[np.uint8]], region: Region) -> Frames | DeviceFrames:
        """Sum up frames of one size; what lies in a region is looked at first."""
        ...

    def put(self, array: NDArray[Any]) -> Array:
        """Make an array of theirs."""
        ...

    def host(self, array: Array) -> NDArray[np.float32]:
        """Take one back."""
        ...

    def running(self) -> AbstractContextManager[None]:
        """Keep the process, for a while, as they are best run."""
        ...

    def propose(self, x: Array) -> Array:
        """(B, H, W, 4) to (B, h, w, 6): two logits and four offsets per cell."""
        ...

    def refine(self, x: Array) -> Array:
        """(n, 24, 24, 4) to (n, 6): two logits and four offsets."""
        ...

    def output(self, x: Array) -> Array:
        """(n, 48, 48, 4) to (n, 16): two logits, four offsets, five x, five y."""
        ...


def pyramid_scales(height: int, width: int, min_face_size: float, factor: float) -> list[float]:
    """Scales at which PNet sees the picture; its 12 pixels then cover faces of growing size."""
    scale = _CELL / min_face_size
    side = min(height, width) * scale
    scales = []
    while side >= _CELL:
        scales.append(scale)
        scale *= factor
        side *= factor
    return scales


class Part(NamedTuple):
    """Cells of one level of the pyramid, half-open, at which PNet looks."""

    level: int
    top: int
    bottom: int
    left: int
    right: int


def level_shape(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """Height and width of a level."""
    return int(size[0] * scale + 1), int(size[1] * scale + 1)


def cells(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """Rows and columns of cells of a level."""
    # Behind the pooling of the first layer come two of 3 x 3.
    rows, columns = (-(-(side - 2) // 2) - 4 for side in level_shape(size, scale))
    return rows, columns


def everywhere(size: tuple[int, int], scales: Sequence[float]) -> list[Part]:
    """All cells of all levels, for a search of the whole picture."""
    return [
        Part(level, 0, rows, 0, columns)
        for level, (rows, columns) in enumerate(cells(size, scale) for scale in scales)
    ]


def seen(size: tuple[int, int], scales: Sequence[float], parts: Sequence[Part]) -> Region:
    """Return the region of a picture that PNet sees of parts of its levels."""
    ends: list[list[int]] = []
    for part in parts:
        own: list[int] = []
        across = (part.top, part.bottom), (part.left, part.right)
        shape = level_shape(size, scales[part.level])
        for side, n, (first, last) in zip(size, shape, across, strict=True):
            end = min(_STRIDE * last + _CELL - _STRIDE, n)
            own += [_STRIDE * first * side // n, -(-end * side // n)]
        ends.append(own)
    tops, bottoms, lefts, rights = zip(*ends, strict=True)
    return Region(min(tops), max(bottoms), min(lefts), max(rights))


def around(
    size: tuple[int, int], scales: Sequence[float], boxes: NDArray[np.floating]
) -> list[Part]:
    """Cells of about the size of each box, (n, 4), with their middles near its own."""
    parts: list[Part] = []
    middles, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).max(1)
    for level, scale in enumerate(scales):
        windows: list[Part] = []
        for (x, y), side in zip(middles.tolist(), sides.tolist(), strict=True):
            cell = _CELL / scale
            if not _SIZES[0] <= cell / side <= _SIZES[1]:
                continue
            reach, own = _REACH * max(side, cell), [level]
            for middle, n in zip((y, x), cells(size, scale), strict=True):
                ends = ((middle - reach) * scale, (middle + reach) * scale)
                first, last = ((end - (_CELL + 1) / 2) / _STRIDE for end in ends)
                own += [max(0, math.ceil(first)), min(n, math.floor(last) + 1)]
            window = Part(*own)
            if window.top < window.bottom and window.left < window.right:
                windows.append(window)
        parts += _merged(windows)
    return parts


def _merged(parts: list[Part]) -> list[Part]:
    """Make one of parts that overlap, so that no cell is looked at twice."""
    apart: list[Part] = []
    for own in parts:
        while True:
            met = [
                other for other in apart
                if own.top < other.bottom and other.top < own.bottom
                and own.left < other.right and other.left < own.right
            ]  # fmt: skip
            if not met:
                break
            apart = [other for other in apart if other not in met]
            tops, bottoms, lefts, rights = zip(*(p[1:] for p in (own, *met)), strict=True)
            own = Part(own.level, min(tops), max(bottoms), min(lefts), max(rights))
        apart.append(own)
    return apart


def propose(
    images: Frames | DeviceFrames,
    nets: Nets,
    scales: Sequence[float],
    threshold: float,
    parts: Sequence[Part],
) -> tuple[Array, Array]:
    """Slide PNet over parts of the pyramid; square boxes (n, 5) with scores, each one's frame."""
    xp = nets.xp
    height, width = images.size
    n_images = len(images.sums)
    seen: list[Array] = []
    for part in parts:
        shape = level_shape((height, width), scales[part.level])
        columns = slice(2 * part.left, min(2 * (part.right + 4) + 2, shape[1]))
        strip = nets.strip_rows or part.bottom
        grid = [
            nets.propose(
                images.level(
                    shape,
                    slice(2 * top, min(2 * (min(top + strip, part.bottom) + 4) + 2, shape[0])),
                    columns,
                )
            )
            for top in range(part.top, part.bottom, strip)
        ]
        grid = grid if n_images == 1 else [xp.concat(grid, 1)]
        seen += [strip.reshape(-1, 6) for strip in grid]
    flat = xp.concat(seen)
    # Few cells pass: a generous cut on the difference of logits spares the others a softmax.
    odds = min(max(threshold, 1e-6) / max(1 - threshold, 1e-6), 1e6)
    hits = xp.where(flat[:, 1] - flat[:, 0] >= math.log(odds) - 0.01)[0]
    score = _probability(flat[hits, :2], xp)
    passed = xp.where(score >= threshold)[0]
    hits, score = hits[passed], score[passed]

    # Of each part: its first cell, rows, columns, and where in its level it begins.
    table = np.array(
        [(0, p.bottom - p.top, p.right - p.left, p.top, p.left, p.level) for p in parts]
    )
    table[1:, 0] = np.cumsum(n_images * table[:-1, 1] * table[:-1, 2])
    own = xp.searchsorted(nets.put(table[:, 0].copy()), hits, side="right") - 1
    own = nets.put(table)[own]
    local, level = hits - own[:, 0], own[:, 5]
    x, y = local % own[:, 2] + own[:, 4], local // own[:, 2] % own[:, 1] + own[:, 3]
    image = local // (own[:, 1] * own[:, 2])
    zoom = nets.put(np.array(scales, np.float32))[level][:, None]
    corner = xp.asarray(xp.stack([x, y], 1), dtype=xp.float32) * _STRIDE
    start = xp.floor((corner + 1) / zoom)
    end = xp.floor((corner + _CELL) / zoom)
    boxes = xp.concat([start, end, score[:, None], flat[hits, 2:]], 1)

    pick = _nms(boxes, level * n_images + image, _NMS_WITHIN_LEVEL)
    boxes, image = boxes[pick], image[pick]
    pick = _nms(boxes, image, _NMS)
    boxes, image = boxes[pick], image[pick]
    size = boxes[:, 2:4] - boxes[:, :2]
    moved = boxes[:, :4] + boxes[:, 5:9] * xp.concat([size, size], 1)
    return xp.concat([_square(moved, xp), boxes[:, 4:5]], 1), image


def refine(
    images: Frames | DeviceFrames,
    nets: Nets,
    boxes: Array,
    image: Array,
    threshold: float,
) -> tuple[Array, Array]:
    """Look at each proposal with RNet."""
    xp = nets.xp
    boxes, image, out, score = _look(images, nets, nets.refine, boxes, image, 24, threshold)
    boxes = xp.concat([boxes[:, :4], score[:, None], out[:, 2:]], 1)
    pick = _nms(boxes, image, _NMS)
    boxes, image = boxes[pick], image[pick]
    return xp.concat([_square(_move(boxes, boxes[:, 5:9], xp), xp), boxes[:, 4:5]], 1), image


def output(
    images: Frames | DeviceFrames,
    nets: Nets,
    boxes: Array,
    image: Array,
    threshold: float,
) -> NDArray[np.float32]:
    """Look at what is left with ONet; (n, 16) frame, box, score, five x, five y on the host."""
    xp = nets.xp
    boxes, image, out, score = _look(images, nets, nets.output, boxes, image, 48, threshold)
    size = boxes[:, 2:4] - boxes[:, :2] + 1
    px = size[:, :1] * out[:, 6:11] + boxes[:, :1] - 1
    py = size[:, 1:] * out[:, 11:16] + boxes[:, 1:2] - 1
    number = xp.asarray(image[:, None], dtype=xp.float32)
    columns = [number, _move(boxes, out[:, 2:6], xp), score[:, None], px, py]
    return nets.host(xp.concat(columns, 1))


def _look(
    images: Frames | DeviceFrames,
    nets: Nets,
    net: Callable[[Array], Array],
    boxes: Array,
    image: Array,
    side: int,
    threshold: float,
) -> tuple[Array, Array, Array, Array]:
    """Crop all boxes, run one network, keep what passes: boxes, frame, outputs, score."""
    xp = nets.xp
    height, width = images.size
    # Corners are truncated and counted from 1, as in the original Matlab code.
    edges = xp.asarray(xp.trunc(boxes[:, :4]), dtype=xp.int64)
    first = xp.clip(edges[:, :2], 1, None) - 1
    last = xp.minimum(edges[:, 2:], nets.put(np.array([width, height])))
    inside = (last > first).all(1)
    # A box wholly outside the frame has no pixels. It looks at some pixel instead of being
    # removed here, which on a GPU would cost a wait, and is dropped with the low scores.
    first = xp.minimum(first, nets.put(np.array([width - 1, height - 1])))
    edges = xp.concat([first, xp.maximum(last, first + 1)], 1)
    step = nets.crops_at_once
    parts = [
        net(images.crops(edges[a : a + step], image[a : a + step], side))
        for a in range(0, len(edges), step)
    ] or [nets.put(np.zeros((0, 16 if side == 48 else 6), np.float32))]
    out = xp.concat(parts)
    score = _probability(out[:, :2], xp)
    keep = xp.where((score > threshold) & inside)[0]
    return boxes[keep], image[keep], out[keep], score[keep]


def _probability(logits: Array, xp: Any) -> Array:
    """Second of two softmax outputs, in the form that keeps the reference's last bits."""
    low, high = logits[..., 0], logits[..., 1]
    top = xp.maximum(low, high)
    e0, e1 = xp.exp(low - top), xp.exp(high - top)
    return e1 / (e0 + e1)


def _move(boxes: Array, offsets: Array, xp: Any) -> Array:
    """Shift each edge by its offset, in units of the box's size with both borders counted."""
    size = boxes[:, 2:4] - boxes[:, :2] + 1
    return boxes[:, :4] + offsets * xp.concat([size, size], 1)


def _square(boxes: Array, xp: Any) -> Array:
    """Widen the shorter side around the centre."""
    size = boxes[:, 2:4] - boxes[:, :2]
    longest = xp.maximum(size[:, :1], size[:, 1:])
    start = boxes[:, :2] + size * 0.5 - longest * 0.5
    return xp.concat([start, start + longest], 1)


def _nms(boxes: Array, group: Array, iou: float) -> Array:
    """Suppress all but the best of overlapping boxes in each group; indices that survive.

    `boxes` is (n, >= 5), the fifth column the score.
    """
    on_host = isinstance(boxes, np.ndarray) or boxes.device.type == "cpu"
    return (suppress_in_turn if on_host else suppress_at_once)(boxes, group, iou)


def suppress_in_turn(boxes: Array, group: Array, iou: float) -> NDArray[np.int64]:
    """One group after the other, each in order of falling score; nothing is shifted."""
    groups = np.asarray(group)
    if isinstance(boxes, np.ndarray):
        return suppress(boxes, groups, iou)
    order = np.argsort(groups, kind="stable")
    sizes = np.unique(groups, return_counts=True)[1]
    parts = np.split(order, np.cumsum(sizes)[:-1])
    return np.concatenate([part[suppress_by_torchvision(boxes[part, :5], iou)] for part in parts])


def suppress_by_torchvision(boxes: Array, iou: float) -> NDArray[np.int64]:
    """Let torchvision choose between its two algorithms as it does in the reference."""
    import torch
    from torchvision.ops import batched_nms

    group = torch.zeros(len(boxes), dtype=torch.int64)
    return batched_nms(boxes[:, :4], boxes[:, 4], group, iou).numpy()


def suppress(
    boxes: NDArray[np.float32], group: NDArray[np.integer], iou: float
) -> NDArray[np.int64]:
    """Do the same in numpy."""
    order = np.lexsort((-boxes[:, 4], group))
    own, keep = group[order], np.ones(len(order), np.bool_)
    x0, y0, x1, y1 = boxes[order, :4].T
    area = (x1 - x0) * (y1 - y0)
    for a in range(0, len(order), _ROWS):
        # Up to the end of the group of the last of these rows.
        rows = np.s_[a : a + _ROWS, None]
        others = np.s_[a : int(np.searchsorted(own, own[a : a + _ROWS][-1], "right"))]
        wide = np.minimum(x1[rows], x1[others]) - np.maximum(x0[rows], x0[others])
        tall = np.minimum(y1[rows], y1[others]) - np.maximum(y0[rows], y0[others])
        shared = np.maximum(wide, 0) * np.maximum(tall, 0)
        with np.errstate(invalid="ignore"):  # of two boxes without an area
            near = shared / (area[rows] + area[others] - shared) > iou
        near &= own[rows] == own[others]
        near = np.triu(near, 1)
        for k in np.flatnonzero(near.any(1)).tolist():
            if keep[a + k]:
                keep[others] &= ~near[k]
    return order[keep]


def suppress_at_once(boxes: Array, group: Array, iou: float) -> Array:
    """All groups in one call, moved apart; in float64, so that the shift rounds no box."""
    from torchvision.ops import nms

    if not len(boxes):
        return group
    corners = boxes[:, :4].double()
    shift = group.double() * (corners.abs().max() * 2 + 1)
    return nms(corners + shift[:, None], boxes[:, 4].double(), iou)


def per_image(rows: NDArray[np.float32], n_images: int) -> list[FaceBoxes]:
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
