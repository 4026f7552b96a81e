"""Faces for the simulated clients of the demo: two portraits, and a third mixed from both.

The portraits are those of the demo session. They are real people's, in the public domain; what the
clients say and feel is invented, and nothing in the demo says anything about these people.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Final

import numpy as np

from emodiss.demo.portraits import COLLINS, HOPPER, Portrait, find_sample, read_portrait
from emodiss.models.drawn_faces.mouth import Picture, ease
from emodiss.runs.store import write_atomically

SIDE: Final = 512
"""Width and height of a written picture in pixels."""

EYES: Final = {
    COLLINS: ((205.4, 101.5), (246.9, 103.1), (223.2, 140.4)),
    HOPPER: ((220.3, 189.9), (308.5, 187.1), (268.6, 281.1)),
}
"""Left eye, right eye and middle of the mouth corners, in pixels of the portrait, as MTCNN finds
them; a test holds them against the detector."""

_GOAL: Final = ((0.39, 0.42), (0.61, 0.42), (0.50, 0.64))  # of the same points, in sides

FACES: Final = (
    ("collins", "NASA; inside scikit-image", "public domain", "38"),
    ("hopper", "James S. Davis, United States Navy; inside matplotlib", "public domain", "78"),
    ("mixed", "mixed from the other two: nobody", "public domain", "50"),
)
"""Identity, source, licence and rough age of each; all are women."""


def write_faces(folder: Path) -> Path:
    """Write three pictures of faces (512 x 512 pixels), and return the table that names them."""
    for portrait in (COLLINS, HOPPER):  # before OpenCV is missed: the extra demo brings both
        find_sample(portrait.package, portrait.path)
    import cv2

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    one, other = _aligned(COLLINS), _aligned(HOPPER)
    pictures = {"collins": one, "hopper": other, "mixed": _mixed(one, other)}
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["path", "identity", "gender", "age", "source", "licence"])
    for identity, source, licence, age in FACES:
        write_atomically(
            folder / f"{identity}.png", cv2.imencode(".png", pictures[identity])[1].tobytes()
        )
        writer.writerow([f"{identity}.png", identity, "female", age, source, licence])
    path = folder / "faces.csv"
    write_atomically(path, table.getvalue().encode())
    return path


def _aligned(portrait: Portrait) -> Picture:
    """Cut a portrait out so that eyes and mouth lie at fixed places; (512, 512, 3) BGR."""
    import cv2

    picture = read_portrait(find_sample(portrait.package, portrait.path), portrait)
    places = np.array(EYES[portrait], np.float32) * portrait.sharpness
    goal = np.array(_GOAL, np.float32) * SIDE
    # A turn, a scale and a shift, by least squares: the face keeps its proportions.
    a, b = places - places.mean(0), goal - goal.mean(0)
    at, to = a[:, 0] + 1j * a[:, 1], b[:, 0] + 1j * b[:, 1]
    factor = (to * at.conj()).sum() / (np.abs(at) ** 2).sum()
    matrix = np.array([[factor.real, -factor.imag, 0], [factor.imag, factor.real, 0]])
    matrix[:, 2] = goal.mean(0) - matrix[:, :2] @ places.mean(0)
    flags = cv2.INTER_AREA if abs(factor) < 0.5 else cv2.INTER_CUBIC
    cut = cv2.warpAffine(
        picture, matrix, (SIDE, SIDE), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(cut, np.uint8)


def _mixed(one: Picture, other: Picture) -> Picture:
    """Mix a second face into a first, mirror it and darken its hair."""
    import cv2

    y, x = (np.mgrid[0:SIDE, 0:SIDE] / SIDE).astype(np.float64)
    from_middle = np.hypot((x - 0.5) / 0.19, (y - 0.54) / 0.25)
    lab_one = cv2.cvtColor(one, cv2.COLOR_BGR2LAB).astype(np.float64)
    lab = cv2.cvtColor(other, cv2.COLOR_BGR2LAB).astype(np.float64)
    skin = from_middle < 0.7
    lab = (lab - lab[skin].mean(0)) / lab[skin].std(0) * lab_one[skin].std(0)
    lab += lab_one[skin].mean(0)
    share = 0.4 * ease((1.1 - from_middle) / 0.4)[..., None]
    mixed = lab_one + share * (lab - lab_one)
    mixed[..., 0] *= 1 - 0.45 * ease((from_middle - 1.15) / 0.35)
    bgr = cv2.cvtColor(np.clip(np.rint(mixed), 0, 255).astype(np.uint8), cv2.COLOR_LAB2BGR)
    return np.ascontiguousarray(np.asarray(bgr, np.uint8)[:, ::-1])
