"""SORT against published outputs of the reference tracker; linking by hand and by laws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

pytest.importorskip("filterpy")

from emodiss.faces import (
    FaceBoxes,
    FaceSeries,
    FaceTrack,
    iou,
    link as link_all,
    sort,
)
from emodiss.faces.association import Sort
from emodiss.settings import TracksSettings

SEQUENCES = (
    "ADL-Rundle-6",
    "ADL-Rundle-8",
    "ETH-Bahnhof",
    "ETH-Pedcross2",
    "KITTI-17",
    "TUD-Stadtmitte",
)


def face(x: float, y: float = 100.0, size: float = 60.0, score: float = 0.99) -> FaceBoxes:
    """One face with its box around (x, y)."""
    half = size / 2
    points = np.array([[-0.2, -0.1], [0.2, -0.1], [0, 0.1], [-0.15, 0.3], [0.15, 0.3]])
    return FaceBoxes(
        boxes=np.array([[x - half, y - half, x + half, y + half]], np.float32),
        scores=np.array([score], np.float32),
        landmarks=(points * size + (x, y)).astype(np.float32)[None],
    )


def link(faces, *, cuts=(), appearance=None, stride=1, **changes) -> list[FaceTrack]:
    """Tracks by the default settings and these changes."""
    rule = TracksSettings(**changes)
    found = link_all(faces, rule, stride=stride, cuts=cuts, appearance=appearance)
    return list(found.tracks)


def both(a: FaceBoxes, b: FaceBoxes) -> FaceBoxes:
    return FaceBoxes(
        np.concatenate([a.boxes, b.boxes]),
        np.concatenate([a.scores, b.scores]),
        np.concatenate([a.landmarks, b.landmarks]),
    )


class TestSort:
    @pytest.mark.parametrize("name", SEQUENCES)
    def test_rows_of_the_reference_tracker(self, shared_data: Path, name: str) -> None:
        given_rows = np.loadtxt(shared_data / "sort" / "det" / f"{name}.txt", delimiter=",")
        expected = np.loadtxt(shared_data / "sort" / "expected" / f"{name}.txt", delimiter=",")
        last = int(max(given_rows[:, 0].max(), expected[:, 0].max()))
        detections = []
        for frame in range(1, last + 1):
            rows = given_rows[given_rows[:, 0] == frame][:, 2:7].copy()
            rows[:, 2:4] += rows[:, :2]
            detections.append(rows)
        names: dict[float, float] = {}
        for frame, ours in enumerate(sort(detections), start=1):
            theirs = expected[expected[:, 0] == frame]
            assert len(ours) == len(theirs)
            size = np.column_stack([ours[:, :2], ours[:, 2:4] - ours[:, :2]])
            # Within a frame the order follows the numbering, which is free.
            mine = np.lexsort(np.round(size, 1).T)
            for row, want in zip(mine, np.lexsort(np.round(theirs[:, 2:6], 1).T), strict=True):
                np.testing.assert_allclose(size[row], theirs[want, 2:6], atol=0.00501, rtol=0)
                assert names.setdefault(ours[row, 4], theirs[want, 1]) == theirs[want, 1]
        assert len(set(names.values())) == len(names)

    def test_ids_restart_with_each_call(self) -> None:
        still = [np.array([[0, 0, 10, 10, 1.0]])] * 5
        assert [row[0, 4] for row in sort(still)] == [1.0] * 5
        assert [row[0, 4] for row in sort(still)] == [1.0] * 5

    def test_later_faces_are_reported_after_min_hits(self) -> None:
        # A face from frame 4 on: it starts there with no hit, and has three at frame 7.
        frames = [np.zeros((0, 5))] * 4 + [np.array([[0, 0, 10, 10, 1.0]])] * 5
        assert [len(rows) for rows in sort(frames)] == [0, 0, 0, 0, 0, 0, 0, 1, 1]

    def test_a_track_outlives_max_age_misses_only(self) -> None:
        seen, nothing = np.array([[0, 0, 10, 10, 1.0]]), np.zeros((0, 5))
        one_miss = sort([seen] * 6 + [nothing] + [seen] * 6)
        two_misses = sort([seen] * 6 + [nothing] * 2 + [seen] * 6)
        assert one_miss[-1][0, 4] == 1
        assert two_misses[-1][0, 4] == 2

    def test_matches_name_the_detection(self) -> None:
        left, right = [0, 0, 10, 10, 0.9], [50, 0, 60, 10, 0.8]
        frames = [np.array([left, right]), np.array([right, left]), np.array([left])]
        seen = list(Sort(max_age=1, iou_threshold=0.3).track(frames))
        # The first frame numbers them as they come; the newest stands first.
        assert seen == [[(2, 1), (1, 0)], [(2, 0), (1, 1)], [(1, 0)]]

    @pytest.mark.parametrize(
        "bad", [np.zeros((2, 4)), np.array([[0, 0, 0, 5, 1.0]]), np.array([[0, 0, np.nan, 5, 1]])]
    )
    def test_what_is_no_box_is_refused(self, bad: np.ndarray) -> None:
        with pytest.raises(ValueError, match="frame 1"):
            sort([np.zeros((0, 5)), bad])

    def test_nothing_in_nothing_out(self) -> None:
        assert sort([]) == []
        assert [rows.shape for rows in sort([np.zeros((0, 5)), []])] == [(0, 5), (0, 5)]

    def test_overlap_by_hand(self) -> None:
        # 10 x 10 squares shifted by (5, 0): shared 50, union 150; by (10, 0): nothing.
        a = np.array([[0, 0, 10, 10]])
        b = np.array([[5, 0, 15, 10], [10, 0, 20, 10], [0, 0, 10, 10]])
        np.testing.assert_allclose(iou(a, b), [[1 / 3, 0, 1]])


class TestLink:
    def test_one_still_face_is_one_measured_track(self) -> None:
        (track,) = link({k: face(200) for k in range(30)})
        assert track.id == 1
        assert track.ticks.tolist() == list(range(30))
        np.testing.assert_allclose(track.times, np.arange(30) / 30)
        np.testing.assert_array_equal(track.boxes[7], face(200).boxes[0])
        assert track.measured.all() and track.confidence == 1.0

    def test_begins_at_its_first_detection(self) -> None:
        # Online SORT would report this face only from tick 13 on.
        faces = {k: face(200) if k >= 10 else FaceBoxes.empty() for k in range(60)}
        (track,) = link(faces)
        assert track.ticks[0] == 10

    def test_stride_interpolates_between_detections(self) -> None:
        (track,) = link({k: face(100 + 2 * k) for k in range(0, 61, 5)}, stride=5)
        assert track.ticks.tolist() == list(range(61))
        assert track.measured.tolist() == [k % 5 == 0 for k in range(61)]
        # Linear motion of 2 px per tick: centre 100 + 2 * 13 at tick 13.
        np.testing.assert_allclose(track.boxes[13, [0, 2]].mean(), 126, atol=1e-3)
        np.testing.assert_allclose(track.landmarks[13], face(126).landmarks[0], atol=1e-3)
        assert np.isnan(track.scores[13]) and track.scores[15] == np.float32(0.99)

    def test_missing_detections_are_filled_only_inside_a_fragment(self) -> None:
        faces = {k: face(200) for k in range(60)} | {30: FaceBoxes.empty()}
        (track,) = link(faces)
        assert not track.measured[30] and len(track) == 60
        faces |= {k: FaceBoxes.empty() for k in range(28, 36)}
        (track,) = link(faces)
        assert track.ticks.tolist() == [*range(28), *range(36, 60)]
        assert len(track.fragments) == 2

    def test_return_to_the_same_place_is_joined_with_less_confidence(self) -> None:
        def away(seconds: int) -> list[FaceTrack]:
            back = 60 + 30 * seconds
            faces = {k: FaceBoxes.empty() for k in range(back + 60)}
            faces |= {k: face(200) for k in [*range(60), *range(back, back + 60)]}
            return link(faces)

        (short,), (long,) = away(1), away(5)
        # The gap runs from the last tick seen to the first: 31 and 151 ticks; exp(-gap / 10 s).
        assert short.confidence == pytest.approx(np.exp(-31 / 300))
        assert long.confidence == pytest.approx(np.exp(-151 / 300))
        assert len(away(9)) == 2

    @pytest.mark.parametrize("other", [face(400), face(200, size=130)])
    def test_another_place_or_size_is_another_person(self, other: FaceBoxes) -> None:
        faces = {k: FaceBoxes.empty() for k in range(150)}
        faces |= {k: face(200) for k in range(60)} | {k: other for k in range(90, 150)}
        assert [t.id for t in link(faces)] == [1, 2]

    def test_fragments_at_one_time_are_never_one_person(self) -> None:
        faces = {k: both(face(200), face(300)) for k in range(90)}
        assert len(link(faces)) == 2

    def test_a_rival_lowers_the_confidence(self) -> None:
        # Two people sit close, both vanish, one comes back in the middle between them.
        faces = {k: both(face(170), face(230)) for k in range(60)}
        faces |= {k: FaceBoxes.empty() for k in range(60, 90)}
        faces |= {k: face(200) for k in range(90, 150)}
        # Distance half a face: exp(-0.5) * exp(-31 / 300) = 0.547 each, shared by two: 0.27.
        assert len(link(faces)) == 3
        tracks = link(faces, min_join_confidence=0.2)
        assert len(tracks) == 2
        joined = next(t for t in tracks if len(t.fragments) == 2)
        assert joined.confidence == pytest.approx(np.exp(-0.5 - 31 / 300) / 2, abs=1e-6)

    def test_tracks_end_at_cuts(self) -> None:
        faces = {k: face(200) for k in range(90)}
        tracks = link(faces, cuts=[1.0])
        # Tick 30 is second 1.0 and shows the first frame after the cut.
        assert [(t.ticks[0], t.ticks[-1]) for t in tracks] == [(0, 29), (30, 89)]
        colour = {k: np.array([[[0.25, 0.75]]]) for k in range(90)}
        assert len(link(faces, cuts=[1.0], appearance=colour, across_cuts=False)) == 2
        assert len(link(faces, cuts=[1.0], appearance=colour)) == 1

    def test_who_looks_different_is_not_joined(self) -> None:
        faces = {k: face(200) for k in range(90)}
        faces |= {k: FaceBoxes.empty() for k in range(40, 50)}
        red, blue = np.array([[[1.0, 0.0]]]), np.array([[[0.0, 1.0]]])
        colour = {k: red if k < 45 else blue for k in range(90)}
        assert len(link(faces)) == 1
        assert len(link(faces, appearance=colour)) == 2
        assert len(link(faces, appearance={k: red for k in range(90)})) == 1

    def test_a_head_that_jumps_is_joined_if_it_looks_the_same(self) -> None:
        # 0.9 of a face of 60 pixels in 0.1 s: the boxes overlap too little for SORT.
        faces = {k: face(200) for k in range(60)} | {k: face(254) for k in range(63, 120)}
        faces |= {k: FaceBoxes.empty() for k in range(60, 63)}
        red = np.array([[[1.0, 0.0]]])
        (joined,) = link(faces, appearance={k: red for k in faces if len(faces[k])})
        # exp(-(0.9 / 0.75)^2 / 2) * exp(-4 ticks / 10 s), with looks known to be alike.
        assert joined.confidence == pytest.approx(np.exp(-0.72 - 4 / 300), abs=1e-6)
        assert len(link(faces)) == 2
        # Nor is it joined across to a neighbour's seat, alike or not.
        apart = {k: face(200) for k in range(60)} | {k: face(300) for k in range(63, 120)}
        assert len(link(apart, appearance={k: red for k in apart})) == 2

    def test_a_hole_in_the_media_ends_fragments(self) -> None:
        ticks = [*range(30), *range(40, 70)]
        (track,) = link({k: face(200) for k in ticks})
        assert track.ticks.tolist() == ticks
        assert len(track.fragments) == 2

    def test_flickers_are_thrown_away_and_counted(self) -> None:
        faces = {k: face(200) for k in range(90)}
        faces |= {k: both(face(200), face(500)) for k in [10, 11, 30, 31, 32, 33]}
        found = link_all(faces)
        counts = found.counts
        assert len(found.tracks) == 1
        # Two ticks are no fragment; four are one, but too short for a track.
        assert (counts.fragments, counts.unconfirmed, counts.short) == (2, 1, 1)

    @pytest.mark.parametrize(
        "faces", [{}, {0: FaceBoxes.empty()}, {0: face(200)}, {7: face(200), 8: face(200)}]
    )
    def test_too_little_gives_no_track(self, faces: dict[int, FaceBoxes]) -> None:
        assert link(faces) == []

    def test_a_box_without_area_is_left_out(self) -> None:
        broken = FaceBoxes(
            np.array([[5, 5, 5, 9]], np.float32),
            np.array([0.8], np.float32),
            np.zeros((1, 5, 2), np.float32),
        )
        (track,) = link({k: both(broken, face(200)) for k in range(30)})
        np.testing.assert_array_equal(track.boxes[3], face(200).boxes[0])

    def test_reads_a_series(self) -> None:
        faces = [face(200) for _ in range(30)]
        (track,) = link(FaceSeries.of(range(30), faces))
        assert len(track) == 30


@st.composite
def recordings(draw: st.DrawFn) -> dict[int, FaceBoxes]:
    """Up to two people far apart who sway, with random absences."""
    n = draw(st.integers(1, 80))
    faces = {k: FaceBoxes.empty() for k in range(n)}
    for seat in draw(st.lists(st.sampled_from([150, 600]), unique=True, max_size=2)):
        gone = draw(st.lists(st.tuples(st.integers(0, 79), st.integers(1, 30)), max_size=2))
        sway = draw(st.integers(0, 12))
        for k in range(n):
            if not any(start <= k < start + length for start, length in gone):
                faces[k] = both(faces[k], face(seat + round(sway * np.sin(k / 9))))
    return faces


@settings(max_examples=30, deadline=None)
@given(recordings())
def test_laws_of_tracks(faces: dict[int, FaceBoxes]) -> None:
    tracks = link(faces, min_track_s=0.0)
    assert [t.id for t in tracks] == list(range(1, len(tracks) + 1))
    for track in tracks:
        assert (np.diff(track.ticks) > 0).all()
        assert track.ticks[0] in faces and track.ticks[-1] in faces
        for k in np.flatnonzero(track.measured):
            assert (faces[int(track.ticks[k])].boxes == track.boxes[k]).all(1).any()
        assert np.isnan(track.scores[~track.measured]).all()
        covered = sum(f.last_tick - f.first_tick + 1 for f in track.fragments)
        assert covered == len(track)


@settings(max_examples=20, deadline=None)
@given(recordings(), st.integers(1, 5000))
def test_later_is_the_same_later(faces: dict[int, FaceBoxes], by: int) -> None:
    now = link(faces, cuts=[1.0])
    later = link({k + by: f for k, f in faces.items()}, cuts=[1.0 + by / 30])
    assert len(now) == len(later)
    for a, b in zip(now, later, strict=True):
        assert (b.ticks - a.ticks == by).all()
        np.testing.assert_array_equal(a.boxes, b.boxes)
        assert a.confidence == pytest.approx(b.confidence)


@settings(max_examples=20, deadline=None)
@given(recordings(), st.integers(-100, 100), st.integers(-100, 100))
def test_elsewhere_is_the_same_elsewhere(faces: dict[int, FaceBoxes], dx: int, dy: int) -> None:
    moved = {
        k: FaceBoxes(
            f.boxes + np.float32([dx, dy, dx, dy]), f.scores, f.landmarks + np.float32([dx, dy])
        )
        for k, f in faces.items()
    }
    here, there = link(faces), link(moved)
    assert len(here) == len(there)
    for a, b in zip(here, there, strict=True):
        np.testing.assert_array_equal(a.ticks, b.ticks)
        np.testing.assert_allclose(b.boxes - a.boxes, [[dx, dy, dx, dy]] * len(a), atol=1e-3)


def test_a_track_checks_itself() -> None:
    (good,) = link({k: face(200) for k in range(30)})
    parts = {name: getattr(good, name) for name in good.__slots__}
    with pytest.raises(ValueError, match="strictly increasing"):
        FaceTrack(**parts | {"ticks": good.ticks[::-1]})
    with pytest.raises(ValueError, match="boxes"):
        FaceTrack(**parts | {"boxes": good.boxes[:-1]})
