"""Pictures of faces: the crop that a face model looks at, how a face looks, and its regions."""

from __future__ import annotations

import io
import math
from functools import cache, reduce
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emodiss.chat.pictures import MOST_PIXELS
from emodiss.faces.boxes import clip


def read_picture(content: bytes) -> NDArray[np.uint8] | None:
    """Read a still picture as OpenCV does, (H, W, 3) RGB; None if it is none or too large."""
    import cv2
    from PIL import Image

    try:
        # OpenCV takes memory for what the head says, and has an error of its own above 2^30.
        with Image.open(io.BytesIO(content)) as head:
            if head.width * head.height > MOST_PIXELS:
                return None
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except Exception:  # what decoders raise on damaged files: OSError, SyntaxError, cv2.error ...
        return None
    if picture is None:
        return None
    return np.ascontiguousarray(np.asarray(picture, np.uint8)[:, :, ::-1])


def crop(
    frame: NDArray[np.uint8], box: ArrayLike, *, margin: float = 0.0, square: bool = False
) -> NDArray[np.uint8]:
    """Cut a face out of a frame, black where the box leaves the picture.

    Parameters
    ----------
    frame
        (H, W, 3) uint8.
    box
        x1, y1, x2, y2 in pixels; may lie partly outside the frame.
    margin
        Added on every side, as a share of the box's width and height.
    square
        Widen the shorter side around the centre, so that a later resize keeps the aspect ratio.

    Returns
    -------
    ndarray of uint8
        (h, w, 3), at least 1 x 1. Sides are the box's, rounded outwards to whole pixels.

    Raises
    ------
    ValueError
        If the box is not finite or has no area.
    """
    x1, y1, x2, y2 = (float(v) for v in np.asarray(box, dtype=np.float64))
    width, height = x2 - x1, y2 - y1
    if not np.isfinite([x1, y1, x2, y2]).all() or width <= 0 or height <= 0:
        raise ValueError(f"A crop needs a finite box with area, got ({x1}, {y1}, {x2}, {y2}).")
    half_w, half_h = width * (0.5 + margin), height * (0.5 + margin)
    if square:
        half_w = half_h = max(half_w, half_h)
    cx, cy = (x1 + x2) / 2, (y1 + y2) / 2
    left, top = int(np.floor(cx - half_w)), int(np.floor(cy - half_h))
    right, bottom = int(np.ceil(cx + half_w)), int(np.ceil(cy + half_h))
    if left >= 0 and top >= 0 and right <= frame.shape[1] and bottom <= frame.shape[0]:
        return frame[top:bottom, left:right].copy()  # a view would hold the whole frame
    out = np.zeros((bottom - top, right - left, 3), np.uint8)
    seen_x1, seen_y1 = max(left, 0), max(top, 0)
    seen_x2, seen_y2 = min(right, frame.shape[1]), min(bottom, frame.shape[0])
    if seen_x2 > seen_x1 and seen_y2 > seen_y1:
        out[seen_y1 - top : seen_y2 - top, seen_x1 - left : seen_x2 - left] = frame[
            seen_y1:seen_y2, seen_x1:seen_x2
        ]
    return out


def colour_histogram(
    frame: NDArray[np.uint8], box: ArrayLike, *, bins: int = 8
) -> NDArray[np.float64]:
    """Share of a face's pixels per colour, to tell people apart within one recording.

    Parameters
    ----------
    frame
        (H, W, 3) uint8 RGB.
    box
        x1, y1, x2, y2 in pixels. Pixels outside the frame are left out.
    bins
        Bins per axis of chromaticity, r = R / (R + G + B) and g likewise, which a change of
        brightness leaves alone, and four bins of brightness.

    Returns
    -------
    ndarray of float64
        (bins * bins * 4,), sums to 1; all 0 when no pixel is inside the frame.
    """
    x1, y1, x2, y2 = clip(box, frame.shape[0], frame.shape[1]).round().astype(int)
    pixels = frame[y1:y2, x1:x2].reshape(-1, 3).astype(np.float64)
    if not len(pixels):
        return np.zeros(bins * bins * 4)
    total = pixels.sum(1)
    share = np.divide(
        pixels[:, :2],
        total[:, None],
        where=total[:, None] > 0,
        out=np.full((len(pixels), 2), 1 / 3),
    )
    # Skin and hair lie between 0.2 and 0.6; bins outside would stay empty.
    chroma = np.clip((share - 0.2) / 0.4 * bins, 0, bins - 1).astype(int)
    bright = np.minimum(total / (3 * 256) * 4, 3).astype(int)
    index = (chroma[:, 0] * bins + chroma[:, 1]) * 4 + bright
    return np.bincount(index, minlength=bins * bins * 4) / len(pixels)


# Head with hair, and chest below the chin, in widths and heights of the face box; narrow, since
# what stands behind people changes with the camera.
_HEAD = (0.0, -0.2, 1.0, 1.0)
_CHEST = (-0.2, 1.15, 1.2, 2.0)
# More pixels make a histogram no better.
_MAX_SIDE = 64


def appearance(frame: NDArray[np.uint8], box: ArrayLike) -> NDArray[np.uint8]:
    """Describe head and chest of a person by their colours, to know them again after a cut.

    Clothes tell people of one recording apart better than faces do in colour alone (Everingham,
    Sivic and Zisserman 2006, "Hello! My name is... Buffy", use both for this). It needs no model
    and says nothing about who somebody is.

    Parameters
    ----------
    frame
        (H, W, 3) uint8 RGB.
    box
        Face box, x1, y1, x2, y2 in pixels.

    Returns
    -------
    ndarray of uint8
        (2, 256), `colour_histogram` of head and chest in units of 1/255; a part that lies outside
        the frame by more than half is all 0.
    """
    x1, y1, x2, y2 = np.asarray(box, np.float64)
    size = np.array([x2 - x1, y2 - y1, x2 - x1, y2 - y1])
    parts: list[NDArray[np.uint8]] = []
    for place in (_HEAD, _CHEST):
        where = np.array([x1, y1, x1, y1]) + np.array(place) * size
        inside = clip(where, frame.shape[0], frame.shape[1])
        whole = float((where[2:] - where[:2]).prod())
        if float((inside[2:] - inside[:2]).prod()) < 0.5 * whole or not whole >= 4:
            parts.append(np.zeros(256, np.uint8))
            continue
        step = max(1, int((inside[2:] - inside[:2]).max() / _MAX_SIDE))
        left, top, right, bottom = inside.round().astype(int)
        small = frame[top:bottom:step, left:right:step]
        share = colour_histogram(small, (0, 0, small.shape[1], small.shape[0]))
        parts.append((share * 255).round().astype(np.uint8))
    return np.array(parts)


def likeness(a: ArrayLike, b: ArrayLike) -> tuple[float, int]:
    """Compare two appearances.

    Parameters
    ----------
    a, b
        (parts, bins), non-negative.

    Returns
    -------
    value
        In [0, 1], mean over the parts that both have of the Bhattacharyya coefficient of their
        histograms; 0 without such a part.
    n_parts
        How many parts both have.
    """
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    total = np.sqrt(first.sum(axis=1) * second.sum(axis=1))
    both = total > 0
    if not both.any():
        return 0.0, 0
    shared = np.sqrt(first * second).sum(axis=1)
    return float((shared[both] / total[both]).mean()), int(both.sum())


# Where the five landmarks of an upright face lie on average, seen from the middle of the mouth
# corners, in units of the distance from there to the middle of the eyes: InsightFace's alignment
# template for 112 x 112 faces, made symmetric and scaled.
_TEMPLATE = np.array([[-0.43, -1.0], [0.43, -1.0], [0.0, -0.5], [-0.36, 0.0], [0.36, 0.0]])
_PLANE = _TEMPLATE[:, 0] + 1j * _TEMPLATE[:, 1]
_MIDDLE = _PLANE.mean()
_CENTRED = _PLANE - _MIDDLE
_SPREAD = (np.abs(_CENTRED) ** 2).sum()
# The mouth's region in the same units: from below the nose tip to the chin of an open mouth.
_MOUTH = (-0.6, -0.3, 0.6, 0.6)

# Eyes and brow: what moves here moves with the head, or is noise of the picture.
_BROW = (-0.7, -1.6, 0.7, -0.75)
# Points per pixel of a patch and axis, at most.
_FINEST = 8
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
# The whole face, square: from the hair line to the chin of an open mouth.
_FACE = (-1.15, -1.6, 1.15, 0.7)


def mouth_box(landmarks: ArrayLike) -> NDArray[np.float64]:
    """Corners of the region around the mouth, turning and growing with the head.

    All five landmarks are fitted to an upright template by a turn, a scale and a shift (least
    squares), so that the jitter of one landmark, or a mouth corner that moves in speech, hardly
    moves the region.

    Parameters
    ----------
    landmarks
        (5, 2) as in `FaceBoxes`, or (n, 5, 2).

    Returns
    -------
    ndarray of float64
        (4, 2) or (n, 4, 2): upper left, upper right, lower right, lower left as on an upright
        face, in pixels. Width and height are as 4 to 3. NaN where landmarks are not finite or
        all coincide.
    """
    return _upright_box(_fitted(landmarks), _MOUTH)


def _fitted(landmarks: ArrayLike) -> tuple[Any, Any]:
    """Turn with scale, and place, that bring the template onto landmarks, in the complex plane."""
    points = np.asarray(landmarks, np.float64)
    seen = points[..., 0] + 1j * points[..., 1]
    # In the plane of complex numbers a turn with a scale is one factor.
    middle = seen.mean(-1)
    factor = ((seen - middle[..., None]) * _CENTRED.conj()).sum(-1) / _SPREAD
    return np.where(np.abs(factor) > 0, factor, np.nan), middle


def _upright_box(
    fit: tuple[Any, Any], region: tuple[float, float, float, float]
) -> NDArray[np.float64]:
    """Corners of a region of the template, left, top, right, bottom, as in `mouth_box`."""
    factor, middle = fit
    left, top, right, bottom = region
    corners = np.array([left + 1j * top, right + 1j * top, right + 1j * bottom, left + 1j * bottom])
    where = factor[..., None] * (corners - _MIDDLE) + middle[..., None]
    return np.stack([where.real, where.imag], -1)


def mouth_patch(
    frame: NDArray[np.uint8], landmarks: ArrayLike, *, width: int = 32, height: int = 24
) -> NDArray[np.float32]:
    """Grey picture of the mouth, upright and of fixed size.

    The mean absolute difference between the patches of two successive frames measures how the
    mouth moves, without the sway of the head.

    Parameters
    ----------
    frame
        (H, W, 3) uint8 RGB.
    landmarks
        (5, 2) as in `FaceBoxes`.
    width, height
        Size of the patch in pixels.

    Returns
    -------
    ndarray of float32
        (height, width) in [0, 1], luma by ITU-R BT.601, sampled bilinearly and averaged over as
        many points per pixel as the region has pixels of the frame; pixels outside the frame
        repeat its border. All NaN when the landmarks give no region.
    """
    return _upright_patch(frame, mouth_box(landmarks), width, height)


def mouth_and_brow(
    frame: NDArray[np.uint8], landmarks: ArrayLike
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Grey pictures of the mouth, as `mouth_patch` gives it, and of eyes and brow, (20, 32)."""
    fit = _fitted(landmarks)
    return (
        _upright_patch(frame, _upright_box(fit, _MOUTH), 32, 24),
        _upright_patch(frame, _upright_box(fit, _BROW), 32, 20),
    )


def face_patch(
    frame: NDArray[np.uint8], landmarks: ArrayLike, *, side: int = 48
) -> NDArray[np.float32]:
    """Grey picture of the whole face, upright and of fixed size, as `mouth_patch` of the mouth."""
    return _upright_patch(frame, _upright_box(_fitted(landmarks), _FACE), side, side)


def square_patch(frame: NDArray[np.uint8], square: ArrayLike, *, side: int) -> NDArray[np.float32]:
    """Grey picture, (side, side) in [0, 1], of the square with centre x, centre y and side."""
    x, y, size = np.asarray(square, np.float64)
    half = size / 2
    corners = [
        [x - half, y - half],
        [x + half, y - half],
        [x + half, y + half],
        [x - half, y + half],
    ]
    return _upright_patch(frame, np.array(corners), side, side)


def _upright_patch(
    frame: NDArray[np.uint8], corners: NDArray[np.float64], width: int, height: int
) -> NDArray[np.float32]:
    """Sample a region of a frame, as in `mouth_patch`."""
    if not np.isfinite(corners).all():
        return np.full((height, width), np.nan, np.float32)
    origin, along, down = corners[0], corners[1] - corners[0], corners[3] - corners[0]
    # A frame finer than the patch would alias, and every sway would look like motion.
    fine = min(max(math.ceil(np.hypot(*along) / width), 1), _FINEST)
    across, downwards = _middles(width * fine), _middles(height * fine)
    last_y, last_x = frame.shape[0] - 1, frame.shape[1] - 1
    column, u, left, right = _sampled(across, downwards, origin[0], along[0], down[0], last_x)
    place, v, top, bottom = _sampled(across, downwards, origin[1], along[1], down[1], last_y)
    part = frame[top : bottom + 2, left : right + 2].astype(np.float32)
    grey = part @ _LUMA / 255
    # The last column and the last row of the frame are neighbours of themselves.
    if right == last_x:
        grey = np.concatenate([grey, grey[:, -1:]], axis=1)
    if bottom == last_y:
        grey = np.concatenate([grey, grey[-1:]])
    # Whole numbers as float64, and grey too: mixed arithmetic takes three times as long.
    row = grey.shape[1]
    place -= top
    place *= row
    column -= left
    place += column
    at = place.astype(np.intp)
    flat = grey.ravel().astype(np.float64)
    rest = 1 - u
    upper, lower = rest * flat.take(at), rest * flat[row:].take(at)
    upper += u * flat[1:].take(at)
    lower += u * flat[row + 1 :].take(at)
    upper *= 1 - v
    lower *= v
    upper += lower
    points = upper.reshape(height, fine, width, fine)
    # In the order in which `mean` adds up over both axes, ten times as fast as that.
    if fine < _FINEST:
        rows = reduce(np.add, [points[:, :, :, k] for k in range(fine)])
    else:
        rows = points.sum(3)
    return (reduce(np.add, [rows[:, k] for k in range(fine)]) / fine**2).astype(np.float32)


def _sampled(
    across: NDArray[np.float64],
    downwards: NDArray[np.float64],
    origin: float,
    along: float,
    down: float,
    last: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], int, int]:
    """One coordinate of every point: its pixel, how far beyond it, least and greatest pixel."""
    # Pixel i covers [i, i + 1), so its centre lies at i + 0.5.
    where = (origin + across * along) + (downwards * down)[:, None]
    where -= 0.5
    # Nothing lies beyond a corner.
    ends = [float(where[k, j]) for k in (0, -1) for j in (0, -1)]
    low, high = (min(max(end, 0.0), last) for end in (min(ends), max(ends)))
    if low != min(ends) or high != max(ends):
        where.clip(0, last, out=where)
    pixel = np.floor(where)
    where -= pixel
    return pixel, where, int(low), int(high)


@cache
def _middles(n: int) -> NDArray[np.float64]:
    """Middles of n equal parts of 1."""
    return (np.arange(n) + 0.5) / n
