"""Expressions by warping one photograph: for demos and tests, without any generative model.

The face is found by MTCNN, set upright, and moved by smooth pulls at places that lie fixed in units
of the distance between the eyes. Strengths were set by eye on two public-domain portraits. It is
no likeness of how a person looks when they feel something.
"""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from emodiss.errors import ModelError
from emodiss.faces.drawn import SIDE, Drawn
from emodiss.faces.pictures import read_picture
from emodiss.models.drawn_faces.mouth import Mouth, ease
from emodiss.models.drawn_faces.wording import Pose, pose_of
from emodiss.models.mtcnn.detector import MtcnnDetector

Array = NDArray[np.float64]
Pixels = NDArray[np.uint8]

_VERSION = 1  # raised when the same words and seed would give another picture
_WORK = 2 * SIDE  # warped at twice the size, so that edges stay clean
_EYES = 0.24 * _WORK  # distance between the eyes
_EYE_LINE = 0.42 * _WORK  # y of the eyes
_TEETH = 0.35  # colour saturation below which the inside of a mouth is taken for teeth
_JITTER = 0.12  # how far a seed changes a movement, as a share


class WarpedFaces:
    """Draws expressions by warping the picture of a person, whose face the detector finds."""

    def __init__(self, detector: str) -> None:
        self._identity = f"warp@{_VERSION},{detector}"
        self._detector = MtcnnDetector(min_face_size=40)
        self._upright: dict[str, tuple[Pixels, Array]] = {}

    @property
    def identity(self) -> str:
        """Name, weights of the detector and version of the warping."""
        return self._identity

    def draw(
        self, reference: Path, positive: str, negative: str, *, gender: str, seed: int
    ) -> Drawn:
        """Move the face as the words of `positive` ask; `negative` and `gender` move nothing.

        Two texts never give the same picture, since head and strengths sway a little with both.
        """
        del gender
        still, landmarks = self._prepared(reference)
        pose, n_words = pose_of(positive)
        said = f"{seed}\n{positive}\n{negative}".encode()
        rng = np.random.default_rng(int.from_bytes(hashlib.sha256(said).digest()[:8], "big"))
        pixels = _move(still, landmarks, pose, rng)
        moved = {k: round(v, 3) for k, v in dataclasses.asdict(pose).items() if v}
        return Drawn(pixels, positive, negative, {"pose": moved, "n_words_known": n_words})

    def _prepared(self, reference: Path) -> tuple[Pixels, Array]:
        """Return the person upright at working size, BGR, and the landmarks there; kept."""
        content = _read(reference)
        key = hashlib.sha256(content).hexdigest()
        if key not in self._upright:
            picture = read_picture(content)
            if picture is None:
                raise ModelError(
                    f"{reference} is not a picture that can be read.",
                    next_step="Give a JPEG or PNG of at most 20 megapixels.",
                    code="picture",
                )
            faces = self._detector.detect([picture])[0]
            if not len(faces):
                raise ModelError(
                    f"No face was found in {reference}.",
                    next_step="Give a picture in which the face is seen from the front.",
                    code="no_face",
                )
            sizes = (faces.boxes[:, 2] - faces.boxes[:, 0]) * faces.scores
            self._upright[key] = _upright(
                np.ascontiguousarray(picture[:, :, ::-1]), faces.landmarks[int(np.argmax(sizes))]
            )
        return self._upright[key]


def _read(path: Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ModelError(
            f"The picture {path} cannot be read: {error.strerror}.", code="picture"
        ) from None


def _upright(picture: Pixels, landmarks: NDArray[np.float32]) -> tuple[Pixels, Array]:
    """Turn, scale and cut a picture so that the eyes lie level at a fixed place."""
    points = landmarks.astype(np.float64)
    (ax, ay), (bx, by) = points[0], points[1]
    factor = _EYES / max(np.hypot(bx - ax, by - ay), 1e-6)
    turn = np.arctan2(by - ay, bx - ax)
    c, s = factor * np.cos(turn), factor * np.sin(turn)
    matrix = np.array([[c, s, 0.0], [-s, c, 0.0]])
    middle = matrix[:, :2] @ ((points[0] + points[1]) / 2)
    matrix[:, 2] = [_WORK / 2 - middle[0], _EYE_LINE - middle[1]]
    interpolation = cv2.INTER_AREA if factor < 0.5 else cv2.INTER_CUBIC
    still = cv2.warpAffine(
        picture, matrix, (_WORK, _WORK), flags=interpolation, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(still, np.uint8), points @ matrix[:, :2].T + matrix[:, 2]


def _move(still: Pixels, landmarks: Array, pose: Pose, rng: np.random.Generator) -> Pixels:
    """Draw a pose; returns (336, 336, 3) RGB."""
    left, right, nose, corner_a, corner_b = landmarks
    strength = rng.uniform(1 - _JITTER, 1 + _JITTER, 6)
    side = rng.choice([-1.0, 1.0])
    sway = rng.uniform(-1, 1, 3)

    opening = float(np.clip(pose.opening * strength[0], 0, 1))
    mouth = _mouth(still, corner_a, corner_b)
    # A mouth that shows teeth smiles already; what nobody asked to smile has to come down.
    rest = 0.0 if mouth.teeth else -0.35
    smile = 0.8 * float(np.clip(pose.smile * strength[1] + rest, -1, 1))
    picture = mouth.draw(opening, smile)

    y, x = np.mgrid[0:_WORK, 0:_WORK].astype(np.float64)
    from_x, from_y = x.copy(), y.copy()
    d = _EYES

    def pull(at: Array, by: tuple[float, float], reach: float) -> None:
        """Move what lies at a place; everything in units of the distance between the eyes."""
        goal = at + np.array(by) * d
        near = np.exp(-((x - goal[0]) ** 2 + (y - goal[1]) ** 2) / (2 * (reach * d) ** 2))
        from_x[...] -= near * by[0] * d
        from_y[...] -= near * by[1] * d

    aside, down = side * pose.aside * strength[2], pose.down * strength[3]
    # The front of the head moves before its outline: a small turn.
    pull(nose, (0.10 * aside, 0.09 * down), 0.95)
    for eye, outward in ((left, -1.0), (right, 1.0)):
        brow = eye + np.array([0.0, -0.34 * d])
        inner = brow + np.array([-0.24 * outward * d, 0.0])
        outer = brow + np.array([0.2 * outward * d, 0.0])
        together = 0.05 * outward * min(pose.inner_brow, 0.0)
        pull(inner, (together, -0.11 * pose.inner_brow * strength[4]), 0.15)
        pull(outer, (0.0, -0.09 * pose.outer_brow * strength[4]), 0.17)
        pull(eye, (0.085 * aside, 0.05 * down), 0.11)
        lids = float(np.clip(pose.lids * strength[5] - 0.35 * max(down, 0.0), -1, 1))
        _lids(from_x, from_y, eye, lids)

    # The head: a tilt about the neck, and a nod; a seed sways both a little.
    turn = np.deg2rad(side * 9.0 * pose.tilt + 1.5 * sway[0])
    shift = d * np.array([0.05 * aside + 0.02 * sway[1], 0.10 * down + 0.02 * sway[2]])
    neck = np.array([_WORK / 2, 1.05 * _WORK])
    c, s = np.cos(turn), np.sin(turn)
    back_x = neck[0] + c * (x - shift[0] - neck[0]) + s * (y - shift[1] - neck[1])
    back_y = neck[1] - s * (x - shift[0] - neck[0]) + c * (y - shift[1] - neck[1])
    interpolation = cv2.INTER_LINEAR
    through = [
        cv2.remap(
            values.astype(np.float32),
            back_x.astype(np.float32),
            back_y.astype(np.float32),
            interpolation,
            borderMode=cv2.BORDER_REPLICATE,
        )
        for values in (from_x, from_y)
    ]
    moved = cv2.remap(
        picture, through[0], through[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    small = cv2.resize(moved, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(small[:, :, ::-1]).astype(np.uint8)


def _mouth(still: Pixels, left: Array, right: Array) -> Mouth:
    """Find the mouth between its corners; one that shows teeth opens below them."""
    middle, half, slope = (left + right) / 2, (right[0] - left[0]) / 2, (right[1] - left[1]) / 2
    x1, x2 = (round(float(middle[0] + k * half)) for k in (-0.3, 0.3))
    y1, y2 = (round(float(middle[1] + k * half)) for k in (0.1, 0.3))
    inside = still[max(y1, 0) : y2 + 1, max(x1, 0) : x2 + 1].astype(np.float64)
    grey = 1 - inside.min(axis=2) / np.maximum(inside.max(axis=2), 1)
    # Lips and skin are redder than teeth.
    teeth = bool(np.median(grey) < _TEETH) if grey.size else False
    x = np.linspace(-1, 1, 9)
    sag = (0.45 if teeth else 0.05) * half * (1 - x**2)
    lips = np.stack([middle[0] + x * half, middle[1] + x * slope + sag], axis=1)
    return Mouth(still, lips, float(middle[1] + 0.62 * _EYES), teeth=not teeth)


_CREASE, _UPPER, _LOWER = -0.26, -0.1, 0.08


def _lids(from_x: Array, from_y: Array, eye: Array, amount: float) -> None:
    """Lower the upper lid (amount below 0) or lift it: the skin above stretches, the eye shrinks.

    Changes where pixels come from, in place. Heights are in distances between the eyes, seen from
    the pupil: the crease, the upper lid and the lower one.
    """
    if not amount:
        return
    u, v = (from_x - eye[0]) / _EYES, (from_y - eye[1]) / _EYES
    reach = 0.15 if amount < 0 else 0.05
    inside = ease((0.34 - np.abs(u)) / 0.16)
    edge = _UPPER - amount * reach * inside
    above = _CREASE + (v - _CREASE) * (_UPPER - _CREASE) / (edge - _CREASE)
    below = _UPPER + (v - edge) * (_LOWER - _UPPER) / (_LOWER - edge)
    source = np.where(v < edge, above, below)
    changed = (v > _CREASE) & (v < _LOWER) & (inside > 0)
    from_y[changed] = eye[1] + source[changed] * _EYES
