"""Following faces between searches: nobody is missed, and few pictures are searched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings as budget, strategies as st
from numpy.typing import NDArray

from emodiss.faces import FaceBoxes, stages
from emodiss.faces.following import Following, joined
from emodiss.media import Frame, Media
from emodiss.settings import FacesSettings
from tests import make

SIDE = 20


def faces_at(xs: Sequence[float]) -> FaceBoxes:
    """Faces of 20 pixels whose left edges are these, the first one largest."""
    boxes = np.array([[x, 10, x + SIDE - 0.1 * k, 30] for k, x in enumerate(xs)], np.float32)
    n = len(boxes)
    return FaceBoxes(
        boxes.reshape(n, 4), np.full(n, 0.99, np.float32), np.zeros((n, 5, 2), np.float32)
    )


class Script:
    """Knows where the faces of each picture are; a picture's first pixel is its number."""

    def __init__(self, places: Sequence[Sequence[float]], blind: Sequence[int] = ()) -> None:
        self.places, self.blind, self.searched = places, blind, []

    def detect(self, frames: Sequence[NDArray[np.uint8]]) -> list[FaceBoxes]:
        numbers = [int(frame[0, 0, 0]) for frame in frames]
        self.searched += numbers
        return [faces_at([] if k in self.blind else self.places[k]) for k in numbers]

    def again(self, frame: NDArray[np.uint8], faces: FaceBoxes) -> FaceBoxes:
        """Find the face that moved by less than half its size."""
        here = faces_at(self.places[int(frame[0, 0, 0])])
        boxes = np.full((len(faces), 4), np.nan, np.float32)
        scores = np.zeros(len(faces), np.float32)
        for k, box in enumerate(faces.boxes):
            for own in here.boxes:
                if abs(own[0] - box[0]) < SIDE / 2:
                    boxes[k], scores[k] = own, 0.98
        return FaceBoxes(boxes, scores, np.zeros((len(faces), 5, 2), np.float32))


def walk(model: Script, every: int) -> list[FaceBoxes]:
    following = Following(model, every)
    out: list[tuple[Frame, FaceBoxes]] = []
    for k in range(len(model.places)):
        out += following.see(Frame(k, k / 30, np.full((40, 200, 3), k, np.uint8)))
    out += following.end()
    assert [frame.index for frame, _ in out] == list(range(len(model.places)))
    return [faces for _, faces in out]


def xs(found: list[FaceBoxes]) -> list[list[float]]:
    return [sorted(round(float(x)) for x in faces.boxes[:, 0]) for faces in found]


def test_a_face_that_stays_is_searched_once_per_stretch() -> None:
    model = Script([[50.0 + k] for k in range(31)])
    assert xs(walk(model, 10)) == [[50 + k] for k in range(31)]
    assert model.searched == [0, 10, 20, 30]


def test_who_comes_and_who_goes_is_seen_from_first_to_last_look() -> None:
    places = [[50.0] + [120.0] * (7 <= k < 24) for k in range(41)]
    model = Script(places)
    assert xs(walk(model, 15)) == [sorted(map(int, p)) for p in places]
    # Halved where somebody comes (before look 15) and goes (before 30), nowhere else.
    assert len(model.searched) < 14


def test_after_a_cut_everybody_is_new() -> None:
    places = [[20.0] if k < 13 else [90.0, 150.0] for k in range(31)]
    assert xs(walk(Script(places), 15)) == [sorted(map(int, p)) for p in places]


def test_a_search_that_misses_does_not_lose_a_face() -> None:
    model = Script([[50.0]] * 31, blind=[10])
    assert xs(walk(model, 10)) == [[50]] * 31


def test_a_jump_is_another_face_and_both_are_seen() -> None:
    places = [[20.0] if k < 8 else [140.0] for k in range(16)]
    assert xs(walk(Script(places), 15)) == [[int(p[0])] for p in places]


def test_nothing_there_and_one_look() -> None:
    assert xs(walk(Script([[]] * 12), 5)) == [[]] * 12
    assert xs(walk(Script([[30.0]]), 5)) == [[30]]
    assert list(Following(Script([]), 5).end()) == []


def test_large_pictures_are_searched_more_often_and_fewer_are_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("emodiss.faces.following._MOST_HELD", 3 * 40 * 200 * 3)
    model = Script([[50.0]] * 13)
    assert xs(walk(model, 10)) == [[50]] * 13
    assert model.searched == [0, 3, 6, 9, 12]


def test_of_two_that_overlap_the_first_stays() -> None:
    assert xs([joined([faces_at([50]), faces_at([52, 90])])]) == [[50, 90]]


@budget(max_examples=30, deadline=None)
@given(
    stays=st.lists(
        st.tuples(st.integers(0, 25), st.integers(6, 40), st.integers(-3, 3)), max_size=3
    ),
    every=st.integers(1, 16),
)
def test_faces_that_last_are_found_at_every_look(
    stays: list[tuple[int, int, int]], every: int
) -> None:
    """Whoever is there for as long as a stretch and moves as heads do is found throughout."""
    places: list[list[float]] = [[] for _ in range(40)]
    for lane, (first, length, step) in enumerate(stays):
        for k in range(first, min(40, first + max(length, every + 1))):
            places[k].append(10 + 60 * lane + step * np.sin(k))
    found = walk(Script(places), every)
    for k, (seen, there) in enumerate(zip(xs(found), places, strict=True)):
        assert seen == sorted(round(x) for x in there), k


class SearchOnly:
    def __init__(self) -> None:
        self.searched = 0

    def detect(self, frames: Sequence[NDArray[np.uint8]]) -> list[FaceBoxes]:
        self.searched += len(frames)
        return [faces_at([20.0]) for _ in frames]


def test_a_detector_that_can_only_search_searches_every_look(tmp_path: Path) -> None:
    path = make.write_media(tmp_path / "v.mp4", frames=[make.grey(90 + k) for k in range(9)])
    follow, model = FacesSettings(mode="follow"), SearchOnly()
    found = stages.detect(source=path, media=_probed(path), model=model, settings=follow)
    assert model.searched == 9 and (found.faces.counts == 1).all()


def _probed(path: Path) -> Media:
    from emodiss.media import probe
    from emodiss.settings import MediaSettings

    return probe(source=path, row=make.VIDEO, settings=MediaSettings())
