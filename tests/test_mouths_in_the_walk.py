"""Mouths measured in the walk that finds faces: the same numbers, and the video decoded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from emodiss import people
from emodiss.faces import Detections, FaceBoxes, Tracks, stages
from emodiss.media import Media, probe
from emodiss.settings import FacesSettings, MediaSettings, TracksSettings
from tests import make

SECONDS = 3
UPRIGHT = np.array([[-11, -26], [11, -26], [0, -13], [-9, 0], [9, 0]], np.float32)


class Wandering:
    """Finds two faces that sway, which no picture need show; a picture's brightness is its time."""

    def __init__(self, steady: bool) -> None:
        self.steady = steady

    def detect(self, frames: Sequence[NDArray[np.uint8]]) -> list[FaceBoxes]:
        return [self._faces(float(frame[:4].mean()) / 200 * SECONDS) for frame in frames]

    def _faces(self, time: float) -> FaceBoxes:
        rng = np.random.default_rng(round(time * 100))
        middle = np.array([[50, 60], [140, 66]]) + 4 * np.sin(5 * time) + rng.normal(0, 0.6, (2, 2))
        # One leaves for a while, one is overlooked now and then, one is doubtful now and then.
        there = np.array([not 1.2 < time < 1.6, rng.random() > 0.08]) | self.steady
        scores = np.where((rng.random(2) > 0.1) | self.steady, 0.99, 0.5)
        boxes = np.hstack([middle - 30, middle + 26])
        landmarks = (UPRIGHT + middle[:, None]).astype(np.float32)
        return FaceBoxes(
            boxes[there].astype(np.float32), scores[there].astype(np.float32), landmarks[there]
        )


def film(path: Path, fps: int) -> Path:
    """Moving noise, its upper rows as bright as it is late."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (120, 240, 3), np.uint8)
    frames = []
    for k in range(SECONDS * fps):
        frame = np.ascontiguousarray(np.roll(noise, 3 * k, axis=1)[:, :200])
        frame[:8] = round(200 * k / fps / SECONDS)
        frames.append(frame)
    return make.write_media(path, frames=frames, fps=fps, options={"crf": "10", "g": "20"})


def walked(path: Path, stride: int, steady: bool) -> tuple[Media, Detections, Tracks]:
    found = probe(source=path, row=make.VIDEO, settings=MediaSettings())
    faces = stages.detect(
        source=path, media=found, model=Wandering(steady), settings=FacesSettings(stride=stride)
    )
    tracks = stages.follow(
        faces=faces,
        model=None,  # type: ignore[arg-type]
        settings=TracksSettings(min_track_s=0.2),
        min_score=0.9,
    )
    return found, faces, tracks


@pytest.mark.parametrize(
    ("fps", "stride", "steady"),
    [(30, 3, True), (25, 3, True), (30, 1, False), (25, 3, False), (12, 3, False), (8, 2, False)],
)
def test_what_the_walk_took_is_what_a_second_look_finds(
    fps: int, stride: int, steady: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = film(tmp_path / "v.mp4", fps)
    monkeypatch.setattr("emodiss.media.records.PIECE_TICKS", 50)  # a seam inside
    found, faces, tracks = walked(path, stride, steady)
    assert len(found.pieces()) == 2 and len(tracks.tracks) >= 2
    decoded: list[int] = []
    looks = people.mouths.looks
    monkeypatch.setattr(
        "emodiss.people.mouths.looks",
        lambda *given: (decoded.append(look[0].index) or look for look in looks(*given)),
    )

    def watched(faces: Detections) -> tuple[people.Mouths, int]:
        decoded.clear()
        mouths = people.watch_mouths(source=path, media=found, faces=faces, tracks=tracks)
        return mouths, len(decoded)

    once, few = watched(faces)
    alone, every = watched(replace(faces, before=faces.before[:0], steps=faces.steps[:0]))
    for a, b in zip(once.series, alone.series, strict=True):
        for name in ("motion", "opening", "stir"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
        assert np.isfinite(b.motion).sum() > 10
    np.testing.assert_array_equal(once.likeness, alone.likeness)
    assert few <= every
    if steady:  # only where the pieces meet, with what lies shortly before
        assert few <= len(tracks.tracks) * (stride + 4)
