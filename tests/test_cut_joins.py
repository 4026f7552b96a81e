"""Fragments joined over generated cuts, by place and by looks; nobody is taken for another."""

from __future__ import annotations

import numpy as np
import pytest

from emodiss.faces import FaceBoxes, appearance, likeness, link, stages as video
from emodiss.media import probe
from emodiss.models import catalog
from emodiss.settings import Settings
from tests import make

pytest.importorskip("filterpy")
pytest.importorskip("scenedetect")

# Skin, hair and clothes of three invented people.
ADA = ((224, 172, 140), (40, 30, 30), (200, 40, 60))
BO = ((198, 140, 110), (150, 120, 60), (40, 90, 190))
CY = ((150, 105, 80), (20, 20, 20), (70, 160, 80))


def person(picture: np.ndarray, who, x: int, y: int, size: int) -> None:
    """Paint somebody whose face is a square of this size around (x, y)."""
    skin, hair, clothes = who
    half = size // 2
    picture[y + half : y + 3 * half, max(0, x - size) : x + size] = clothes
    picture[y - half - size // 4 : y, max(0, x - half - 4) : x + half + 4] = hair
    picture[y - half : y + half, x - half : x + half] = skin


def shot(*people, background: int, size=(320, 180)) -> np.ndarray:
    picture = np.full((size[1], size[0], 3), background, np.uint8)
    for who, x, y, face in people:
        person(picture, who, x, y, face)
    return picture


class SkinFinder:
    """Finds squares of the three skin colours."""

    def detect(self, frames):
        found = []
        for frame in frames:
            boxes = []
            for skin, _, _ in (ADA, BO, CY):
                near = np.abs(frame.astype(int) - skin).max(axis=2) < 14
                if near.sum() < 100:
                    continue
                rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
                boxes.append([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
            n = len(boxes)
            found.append(
                FaceBoxes(
                    np.array(boxes, np.float32).reshape(n, 4),
                    np.full(n, 0.99, np.float32),
                    np.zeros((n, 5, 2), np.float32),
                )
            )
        return found


def filmed(tmp_path, *shots: np.ndarray, frames: int = 30, **changes):
    """Film each shot for 1.2 s and follow the faces; tracks as lists of shot numbers."""
    path = make.write_media(
        tmp_path / "cuts.mp4",
        frames=[picture for picture in shots for _ in range(frames)],
    )
    chosen = Settings()
    media = probe(source=path, row=make.VIDEO, settings=chosen.media)
    seen = video.detect(source=path, media=media, model=SkinFinder(), settings=chosen.faces)
    tracks = video.follow(
        faces=seen,
        model=catalog.load("sort", chosen),
        settings=chosen.tracks.changed(**changes),
        min_score=chosen.faces.min_score,
    )
    length = frames / 25
    return seen, [
        ([int((part.first_tick / 30 + 0.1) // length) for part in track.fragments], track)
        for track in tracks.tracks
    ]


WIDE = shot((ADA, 90, 70, 40), (BO, 230, 70, 40), background=120)
ADA_CLOSE = shot((ADA, 130, 80, 60), background=60)
BO_CLOSE = shot((BO, 190, 80, 60), background=210)


def test_shot_and_reverse_shot_make_one_track_per_person(tmp_path):
    seen, tracks = filmed(tmp_path, WIDE, ADA_CLOSE, BO_CLOSE, WIDE)
    assert seen.cuts == pytest.approx([1.2, 2.4, 3.6], abs=0.05)
    assert sorted(shots for shots, _ in tracks) == [[0, 1, 3], [0, 2, 3]]
    for _, track in tracks:
        assert 0.3 <= track.confidence < 1
        # Nothing is interpolated over a cut.
        for part, following in zip(track.fragments, track.fragments[1:], strict=False):
            between = (track.ticks > part.last_tick) & (track.ticks < following.first_tick)
            assert not between.any()


def test_a_stranger_in_the_same_seat_is_somebody_else(tmp_path):
    # Same place, same size, same set-up: only the looks differ.
    after = shot((CY, 90, 70, 40), (BO, 230, 70, 40), background=120)
    _, tracks = filmed(tmp_path, WIDE, BO_CLOSE, after)
    assert sorted(shots for shots, _ in tracks) == [[0], [0, 1, 2], [2]]


def test_without_joining_every_shot_stands_alone(tmp_path):
    _, tracks = filmed(tmp_path, WIDE, ADA_CLOSE, across_cuts=False)
    assert sorted(shots for shots, _ in tracks) == [[0], [0], [1]]


def face(x: float, size: float = 60.0) -> FaceBoxes:
    half = size / 2
    box = np.array([[x - half, 100 - half, x + half, 100 + half]], np.float32)
    return FaceBoxes(box, np.array([0.99], np.float32), np.zeros((1, 5, 2), np.float32))


def cut_to(x: float, *, mix: float = 0.0, away: int = 0) -> list:
    """One face for a second at 200, then after a cut (and ticks away) at x, its looks mixed."""
    ticks = [*range(30), *range(30 + away, 60 + away)]
    faces = {k: FaceBoxes.empty() for k in range(60 + away)}
    faces |= {k: face(200 if k < 30 else x) for k in ticks}
    one, other = np.array([[1.0, 0.0]] * 2), np.array([[1 - mix, mix]] * 2)
    looks = {k: (one if k < 30 else other)[None] for k in ticks}
    return list(link(faces, cuts=[1.0], appearance=looks).tracks)


def test_the_confidence_of_a_join_over_a_cut_by_hand():
    # Same looks and place, one tick later: exp(-(1/30) / 60). A set-up that puts the face three
    # sizes away costs 0.4 of it.
    (same,) = cut_to(200)
    assert same.confidence == pytest.approx(np.exp(-1 / 30 / 60))
    (moved,) = cut_to(380)
    assert moved.confidence == pytest.approx(0.6 * np.exp(-1 / 30 / 60), abs=1e-6)
    # Likeness sqrt(1 - mix) = 0.91 lies half way from 0.87 to 0.95.
    (alike,) = cut_to(200, mix=1 - 0.91**2)
    assert alike.confidence == pytest.approx(0.5 * np.exp(-1 / 30 / 60), abs=1e-6)
    # Elsewhere that leaves 0.3 less a bit, which is too little.
    assert len(cut_to(380, mix=1 - 0.91**2)) == 2
    assert len(cut_to(380, mix=1 - 0.92**2)) == 1
    assert len(cut_to(200, mix=1 - 0.87**2)) == 2


def test_after_a_minute_nobody_is_known_again():
    assert len(cut_to(200, away=59 * 30)) == 1
    assert len(cut_to(200, away=60 * 30 + 1)) == 2


def test_without_looks_a_cut_ends_it():
    faces = {k: face(200) for k in range(60)}
    found = link(faces, cuts=[1.0], appearance={})
    assert len(found.tracks) == 2 and found.counts.joins == 0


def test_looks_of_head_and_chest():
    picture = shot((ADA, 90, 70, 40), (BO, 230, 70, 40), background=120)
    ada = appearance(picture, (70, 50, 110, 90))
    assert ada.shape == (2, 256) and ada.dtype == np.uint8
    assert ada.sum(axis=1) == pytest.approx([255, 255], abs=3)
    assert likeness(ada, ada) == (pytest.approx(1.0), 2)
    bo = appearance(picture, (210, 50, 250, 90))
    assert likeness(ada, bo)[0] < 0.75
    # A close-up leaves no chest in the picture; heads are compared with heads.
    close = appearance(picture[:95], (70, 50, 110, 90))
    assert close[1].sum() == 0
    assert likeness(ada, close)[1] == 1 and likeness(ada, close)[0] > 0.95
    assert likeness(np.zeros((2, 256)), ada) == (0.0, 0)
    nowhere = appearance(picture, (-300, -300, -200, -200))
    assert nowhere.sum() == 0


def test_a_fragment_tied_to_a_later_one_only_keeps_that_tie():
    # A in shots 0 and 2 in one place; in shot 1 somewhere else, and alike enough for shot 2 only.
    plain, mixed = np.array([[1.0, 0.0]] * 2), np.array([[0.8, 0.2]] * 2)
    between = np.array([[0.95, 0.05]] * 2)
    ticks = {0: range(30), 1: range(30, 60), 2: range(60, 90)}
    faces = {k: face(380 if shot == 1 else 200) for shot, own in ticks.items() for k in own}
    looks = {k: (plain, mixed, between)[s][None] for s, own in ticks.items() for k in own}
    (track,) = link(faces, cuts=[1.0, 2.0], appearance=looks).tracks
    first, second, third = (part.confidence for part in track.fragments)
    assert first == 1.0 and 0.3 <= second < 0.6 < third < 1
