"""The portraits of the demo session, and how they open their mouths and smile."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from emodiss.errors import MediaError, MissingExtra
from emodiss.models.drawn_faces.mouth import Mouth, Picture


@dataclass(frozen=True, slots=True)
class Portrait:
    """A still picture of a face, and where its parts lie; all in pixels of the picture.

    The boxes and mouth corners are what MTCNN (facenet-pytorch) finds in the two pictures, the
    lines were read off by eye. A test holds them against the detector.
    """

    # package, path: Import name of the package that carries the picture, and the file inside it.
    package: str
    path: str
    size: tuple[int, int]
    # x1, y1, x2, y2.
    face: tuple[float, float, float, float]
    # Points (x, y) on the line along which the mouth opens, from corner to corner: where the lips
    # meet, or where the lower lip meets the teeth.
    lips: tuple[tuple[float, float], ...]
    # y of the chin's lower edge.
    chin: float
    # Half the width of head, hair and hat.
    head_half_width: float
    # y of the upper edge of the part that is shown.
    top: float
    # Factor of enlargement before warping, so that both faces are warped at the same size.
    sharpness: float
    # Whether teeth are seen in the closed mouth; they are drawn into the open one otherwise.
    shows_teeth: bool


COLLINS = Portrait(
    package="skimage",
    path="data/astronaut.png",
    size=(512, 512),
    face=(180.3, 60.7, 268.4, 172.2),
    lips=((203, 140), (210, 146), (217, 149), (224, 150), (232, 149), (238, 145.5), (244, 141)),
    chin=178,
    head_half_width=75,
    top=4,
    sharpness=2.0,
    shows_teeth=True,
)

HOPPER = Portrait(
    package="matplotlib",
    path="mpl-data/sample_data/grace_hopper.jpg",
    size=(512, 600),
    face=(163.7, 105.8, 347.6, 344.0),
    lips=((228, 281), (250, 278.5), (265, 279.5), (275, 278.5), (290, 277), (308, 279)),
    chin=328,
    head_half_width=118,
    top=0,
    sharpness=1.0,
    shows_teeth=False,
)


def find_sample(package: str, path: str) -> Path:
    """Find a file inside an installed package without importing the package, which is slow."""
    try:
        spec = find_spec(package)
    except ModuleNotFoundError:
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra.of(package, "demo")
    found = Path(next(iter(spec.submodule_search_locations))) / path
    if not found.is_file():
        raise MediaError(
            f"The installed package '{package}' has no file '{path}', which the demo is made from.",
            next_step=f"Reinstall it from its wheel: pip install --force-reinstall {package}.",
        )
    return found


def read_portrait(path: Path, portrait: Portrait) -> Picture:
    """Read a portrait, enlarged for warping; (h, w, 3) BGR."""
    import cv2

    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None or picture.shape[1::-1] != portrait.size:
        got = "nothing readable" if picture is None else f"{picture.shape[1]} x {picture.shape[0]}"
        raise MediaError(
            f"The demo knows {path.name} as {portrait.size[0]} x {portrait.size[1]} pixels, "
            f"got {got}.",
            next_step=f"Install the version of {portrait.package} named in the lock file.",
        )
    k = portrait.sharpness
    if k == 1:
        return np.asarray(picture, np.uint8)
    # Pixel centres, not corners, keep their places under resize; half a pixel here is harmless.
    enlarged = cv2.resize(picture, None, fx=k, fy=k, interpolation=cv2.INTER_CUBIC)
    return np.asarray(enlarged, np.uint8)


def mouth_of(still: Picture, portrait: Portrait) -> Mouth:
    """Find the mouth of a portrait that was read by `read_portrait`."""
    k = portrait.sharpness
    lips = np.array(portrait.lips, np.float64) * k
    return Mouth(still, lips, portrait.chin * k, teeth=not portrait.shows_teeth)
