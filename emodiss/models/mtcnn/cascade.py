"""The three stages of MTCNN's cascade, for any number of frames of one size.

Each stage takes squares from the one before, looks at them with its network and keeps what passes;
rounding, thresholds and order are those of `facenet_pytorch.MTCNN.detect`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emodiss.faces import FaceBoxes
from emodiss.models.mtcnn.frames import Frames, Places
from emodiss.models.mtcnn.networks import MtcnnNets, probability

if TYPE_CHECKING:
    import torch

# PNet looks at 12 x 12 pixels and moves by 2; fixed by the architecture.
_CELL, _STRIDE = 12, 2
_NMS_WITHIN_LEVEL, _NMS = 0.5, 0.7
# Sizes that keep the working set of one step inside a core's cache; no effect on results.
_STRIP_ROWS, _CROPS_AT_ONCE = 192, 192
_GPU_CROPS = 8192
# Of the square around a face, as medians over the faces of 12 people on video: its side in
# distances from eyes to mouth and from eye to eye (the larger counts: one shrinks as a head nods,
# the other as it turns), how far its centre lies above that of eyes and mouth, and away from the
# nose. On 11 other people the side is right to .85 to 1.11 of itself in nine faces of ten.
_OF_HEIGHT, _OF_WIDTH, _UP, _TURN = 2.7, 2.8, 0.077, 1.2


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


def refine(
    images: Frames | Places,
    nets: MtcnnNets,
    boxes: torch.Tensor,
    image: torch.Tensor,
    threshold: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Look at each proposal with RNet."""
    import torch

    boxes, image, out, score = _look(images, nets.refine, boxes, image, 24, threshold)
    boxes = torch.cat([boxes[:, :4], score[:, None], out[:, 2:]], 1)
    pick = _nms(boxes, image, _NMS)
    boxes, image = boxes[pick], image[pick]
    return torch.cat([_square(_move(boxes, boxes[:, 5:9])), boxes[:, 4:5]], 1), image


def output(
    images: Frames | Places,
    nets: MtcnnNets,
    boxes: torch.Tensor,
    image: torch.Tensor,
    threshold: float,
) -> NDArray[np.float32]:
    """Look at what is left with ONet; (n, 16) frame, box, score, five x, five y on the host."""
    import torch

    boxes, image, out, score = _look(images, nets.output, boxes, image, 48, threshold)
    size = boxes[:, 2:4] - boxes[:, :2] + 1
    px = size[:, :1] * out[:, 6:11] + boxes[:, :1] - 1
    py = size[:, 1:] * out[:, 11:16] + boxes[:, 1:2] - 1
    columns = [image[:, None].float(), _move(boxes, out[:, 2:6]), score[:, None], px, py]
    return torch.cat(columns, 1).cpu().numpy()


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
    places: Places, nets: MtcnnNets, squares: NDArray[np.float32], thresholds: Sequence[float]
) -> NDArray[np.float32]:
    """Look at one place per square with RNet and ONet, without a search; rows as of `output`."""
    import torch

    given = torch.from_numpy(squares).to(nets.device)
    # A place is a group of its own: places suppress nobody, and each keeps its number.
    number = torch.arange(len(given), device=nets.device)
    boxes = torch.cat([given, given.new_ones(len(given), 1)], 1)
    boxes, number = refine(places, nets, boxes, number, thresholds[0])
    return output(places, nets, boxes, number, thresholds[1])


def _look(
    images: Frames | Places,
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
