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
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from emodiss.faces import FaceBoxes
from emodiss.models.mtcnn.frames import DeviceFrames, Frames, Places

Array = Any
"""An array of numpy or a tensor of torch."""

# PNet looks at 12 x 12 pixels and moves by 2; fixed by the architecture.
_CELL, _STRIDE = 12, 2
_NMS_WITHIN_LEVEL, _NMS = 0.5, 0.7
# Boxes whose overlaps with all others are held at once while they are suppressed.
_ROWS = 256
# Of the square around a face, as medians over the faces of 12 people on video: its side in
# distances from eyes to mouth and from eye to eye (the larger counts: one shrinks as a head nods,
# the other as it turns), how far its centre lies above that of eyes and mouth, and away from the
# nose. On 11 other people the side is right to .85 to 1.11 of itself in nine faces of ten.
_OF_HEIGHT, _OF_WIDTH, _UP, _TURN = 2.7, 2.8, 0.077, 1.2


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

    def frames(self, frames: Sequence[NDArray[np.uint8]]) -> Frames | DeviceFrames:
        """Sum up frames of one size."""
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


def propose(
    images: Frames | DeviceFrames, nets: Nets, scales: Sequence[float], threshold: float
) -> tuple[Array, Array]:
    """Slide PNet over the pyramid; square boxes (n, 5) with scores, and the frame of each."""
    xp = nets.xp
    height, width = images.size
    n_images = len(images.sums)
    cells: list[Array] = []
    shapes: list[tuple[int, int]] = []
    for scale in scales:
        out_h, out_w = int(height * scale + 1), int(width * scale + 1)
        # Rows after the pooling of the first layer, and after the two 3 x 3 layers behind it.
        pooled = -(-(out_h - 2) // 2)
        rows, strip = pooled - 4, nets.strip_rows or pooled
        level = [
            nets.propose(
                images.level(
                    out_h, out_w, 2 * top, min(2 * (min(top + strip, rows) + 4) + 2, out_h)
                )
            )
            for top in range(0, rows, strip)
        ]
        shapes.append((rows, level[0].shape[2]))
        grid = level if n_images == 1 else [xp.concat(level, 1)]
        cells += [part.reshape(-1, 6) for part in grid]
    flat = xp.concat(cells)
    # Few cells pass: a generous cut on the difference of logits spares the others a softmax.
    odds = min(max(threshold, 1e-6) / max(1 - threshold, 1e-6), 1e6)
    hits = xp.where(flat[:, 1] - flat[:, 0] >= math.log(odds) - 0.01)[0]
    score = _probability(flat[hits, :2], xp)
    passed = xp.where(score >= threshold)[0]
    hits, score = hits[passed], score[passed]

    starts = np.cumsum([0] + [n_images * h * w for h, w in shapes[:-1]])
    level = xp.searchsorted(nets.put(starts), hits, side="right") - 1
    table = nets.put(np.column_stack([starts, np.array(shapes)]))[level]
    local = hits - table[:, 0]
    x, y = local % table[:, 2], local // table[:, 2] % table[:, 1]
    image = local // (table[:, 1] * table[:, 2])
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
    images: Frames | DeviceFrames | Places,
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
    images: Frames | DeviceFrames | Places,
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


def squares_of(landmarks: NDArray[np.floating]) -> NDArray[np.float32]:
    """Squares, (n, 4), in which ONet saw faces with these landmarks, (n, 5, 2), give or take.

    A box that is fed back to the network that made it drifts; landmarks stay where the face is.
    """
    points = np.asarray(landmarks, np.float64)
    eyes, mouth = points[:, :2].mean(1), points[:, 3:].mean(1)
    down = mouth - eyes
    height = np.hypot(*down.T)[:, None]
    across = np.column_stack([-down[:, 1], down[:, 0]]) / np.maximum(height, 1e-6)
    width = np.hypot(*(points[:, 1] - points[:, 0]).T)[:, None]
    side = np.maximum(_OF_HEIGHT * height, _OF_WIDTH * width)
    middle = (eyes + mouth) / 2
    turn = ((points[:, 2] - middle) * across).sum(1, keepdims=True)
    centre = middle - _UP * side * down / np.maximum(height, 1e-6) - _TURN * turn * across
    return np.concatenate([centre - side / 2, centre + side / 2], 1).astype(np.float32)


def again(
    places: Places, nets: Nets, squares: NDArray[np.float32], thresholds: Sequence[float]
) -> NDArray[np.float32]:
    """Look at one place per square with RNet and ONet, without a search; rows as of `output`."""
    # A place is a group of its own: places suppress nobody, and each keeps its number.
    number = nets.put(np.arange(len(squares)))
    boxes = nets.put(np.column_stack([squares, np.ones(len(squares), np.float32)]))
    boxes, number = refine(places, nets, boxes, number, thresholds[0])
    return output(places, nets, boxes, number, thresholds[1])


def _look(
    images: Frames | DeviceFrames | Places,
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
    order = np.argsort(groups, kind="stable")
    sizes = np.unique(groups, return_counts=True)[1]
    one = suppress if isinstance(boxes, np.ndarray) else suppress_by_torchvision
    parts = np.split(order, np.cumsum(sizes)[:-1])
    return np.concatenate([part[one(boxes[part, :5], iou)] for part in parts])


def suppress_by_torchvision(boxes: Array, iou: float) -> NDArray[np.int64]:
    """Let torchvision choose between its two algorithms as it does in the reference."""
    import torch
    from torchvision.ops import batched_nms

    group = torch.zeros(len(boxes), dtype=torch.int64)
    return batched_nms(boxes[:, :4], boxes[:, 4], group, iou).numpy()


def suppress(boxes: NDArray[np.float32], iou: float) -> NDArray[np.int64]:
    """Do the same in numpy."""
    order = np.argsort(-boxes[:, 4], kind="stable")
    x0, y0, x1, y1 = boxes[order, :4].T
    area, keep = (x1 - x0) * (y1 - y0), np.ones(len(order), np.bool_)
    for a in range(0, len(order), _ROWS):
        own = np.s_[a : a + _ROWS, None]
        wide = np.minimum(x1[own], x1[a:]) - np.maximum(x0[own], x0[a:])
        tall = np.minimum(y1[own], y1[a:]) - np.maximum(y0[own], y0[a:])
        shared = np.maximum(wide, 0) * np.maximum(tall, 0)
        with np.errstate(invalid="ignore"):  # of two boxes without an area
            apart = ~(shared / (area[own] + area[a:] - shared) > iou)
        for k, row in enumerate(apart):
            if keep[a + k]:
                keep[a + k + 1 :] &= row[k + 1 :]
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
