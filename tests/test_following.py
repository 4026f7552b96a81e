"""Following faces between searches: nobody is missed, and few pictures are searched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings as budget, strategies as st
from numpy.typing import NDArray

from emodiss.faces import FaceBoxes, stages
from emodiss.faces.following import Following, joined, rows
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
        self.places, self.blind = places, blind
        self.searched: list[int] = []
        self.looked: list[tuple[int, int]] = []

    def detect(self, frames: Sequence[NDArray[np.uint8]]) -> list[FaceBoxes]:
        numbers = [int(frame[0, 0, 0]) for frame in frames]
        self.searched += numbers
        return [faces_at([] if k in self.blind else self.places[k]) for k in numbers]

    def near(self, frame: NDArray[np.uint8], places: NDArray[np.floating]) -> FaceBoxes:
        """Find the faces that moved by less than half their size."""
        number = int(frame[0, 0, 0])
        self.looked.append((number, len(places)))
        here = [] if number in self.blind else self.places[number]
        return faces_at([x for x in here if (abs(places[:, 0] - x) < SIDE / 2).any()])


def walk(model: Script, every: int, cuts: Sequence[int] = ()) -> list[FaceBoxes]:
    following = Following(model, every, min_score=0.9)
    out: list[tuple[Frame, FaceBoxes]] = []
    for k in range(len(model.places)):
        frame = Frame(k, k / 30, np.full((40, 200, 3), k, np.uint8))
        out += following.see(frame, cut=k in cuts)
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
    # By turns, and where somebody is lost, which begins the turns anew.
    assert model.searched == [0, 15, 24, 39]


def test_after_a_cut_everybody_is_searched_and_nobody_sought_before_it() -> None:
    places = [[20.0] if k < 13 else [20.0, 150.0] for k in range(20)]
    model = Script(places)
    assert xs(walk(model, 15, cuts=[13])) == [sorted(map(int, p)) for p in places]
    assert model.searched == [0, 13]
    assert [k for k, _ in model.looked] == [*range(1, 13), *range(14, 20)]


def test_a_cut_that_nobody_saw_loses_everybody_and_so_brings_a_search() -> None:
    places = [[20.0] if k < 8 else [140.0] for k in range(16)]
    model = Script(places)
    assert xs(walk(model, 15)) == [[int(p[0])] for p in places]
    assert model.searched == [0, 8]


def test_who_is_lost_for_a_moment_is_found_where_he_was() -> None:
    model = Script([[50.0]] * 20, blind=[4, 5, 6])
    assert xs(walk(model, 15)) == [[] if k in (4, 5, 6) else [50] for k in range(20)]
    assert model.searched == [0, 4, 19]


def test_who_is_gone_for_as_long_as_a_stretch_is_not_sought_there_any_more() -> None:
    model = Script([[50.0] if k < 4 else [] for k in range(30)])
    walk(model, 10)
    assert [k for k, _ in model.looked] == [*range(1, 5), *range(5, 14)]


def test_a_face_of_which_the_detector_is_unsure_is_not_followed() -> None:
    class Unsure(Script):
        def detect(self, frames: Sequence[NDArray[np.uint8]]) -> list[FaceBoxes]:
            return [
                FaceBoxes(f.boxes, np.full(len(f), 0.8, np.float32), f.landmarks)
                for f in super().detect(frames)
            ]

    model = Unsure([[50.0]] * 11)
    assert xs(walk(model, 9)) == [[50] if k % 3 == 0 else [] for k in range(11)]
    assert model.searched == [0, 3, 6, 9] and not model.looked


def test_nothing_there_and_one_look() -> None:
    model = Script([[]] * 12)
    assert xs(walk(model, 9)) == [[]] * 12
    assert model.searched == [0, 3, 6, 9] and not model.looked
    assert xs(walk(Script([[30.0]]), 5)) == [[30]]
    assert list(Following(Script([]), 5, 0.9).end()) == []


def test_of_large_pictures_fewer_are_held_and_newcomers_are_sought_in_these(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("emodiss.faces.following._MOST_HELD", 3 * 40 * 200 * 3)
    model = Script([[50.0] + [120.0] * (k > 2) for k in range(13)])
    found = xs(walk(model, 10))
    assert found == [[50] if k < 7 else [50, 120] for k in range(13)]
    assert model.searched == [0, 10]


def test_faces_of_a_look_are_joined_largest_first() -> None:
    small = faces_at([90.0, 120.0])
    assert joined([rows(small, np.array([1])), faces_at([50.0])]).boxes[:, 0].tolist() == [50, 120]


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
