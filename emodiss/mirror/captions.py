"""What emodiss itself measures of a drawn face, as the caption of a turn."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from emodiss.affect import EXPRESSIONS
from emodiss.clients import Case
from emodiss.encounters.session import Caption, NoAnswer, Picture
from emodiss.faces.pictures import crop, read_picture
from emodiss.models import catalog
from emodiss.prompts import measured_caption
from emodiss.screenplays import Line
from emodiss.settings import resolve

DETECTOR, FACE_AFFECT = "mtcnn", "fer-lite"


@dataclass(frozen=True, slots=True)
class Measured:
    """Captions from the embedded face model: its likeliest label, valence and arousal."""

    detector: Any = field(default_factory=lambda: catalog.load(DETECTOR, resolve({})))
    model: Any = field(default_factory=lambda: catalog.load(FACE_AFFECT, resolve({})))
    # Models are asked one at a time; sessions run side by side.
    lock: threading.Lock = field(default_factory=threading.Lock)

    def caption(self, case: Case, lines: Sequence[Line], picture: Picture | None) -> Caption:
        """Measure the largest face of the picture; nothing is said where there is none."""
        if picture is None:
            return Caption(None)
        pixels = read_picture(_content(picture.file))
        if pixels is None:
            raise NoAnswer("picture")
        with self.lock:
            found = self.detector.detect([pixels])[0]
            if not len(found):
                return Caption(None)
            x1, y1, x2, y2 = found.boxes.T
            box = found.boxes[int(np.argmax((x2 - x1) * (y2 - y1)))]
            face = crop(pixels, box, margin=self.model.crop_margin, square=self.model.crop_square)
            affect = self.model.predict([face])
        label = EXPRESSIONS[int(np.argmax(affect.probabilities[0]))]
        said = measured_caption(label, float(affect.valence[0]), float(affect.arousal[0]))
        return Caption(said or None)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        raise NoAnswer("picture") from None
