"""Face records, crops and the region of the mouth."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from emodiss.faces import (
    FaceBoxes,
    FaceSeries,
    clip,
    colour_histogram,
    crop,
    mouth_box,
    mouth_patch,
)
from emodiss.faces.pictures import read_picture
from tests.make import huge_png

# An upright face: eyes 100 px above the mouth, 86 px apart; nose half way; mouth 72 px wide.
UPRIGHT = np.array([[157, 100], [243, 100], [200, 150], [164, 200], [236, 200]], float)


def boxes(n: int, *, seed: int = 0) -> FaceBoxes:
    rng = np.random.default_rng([n, seed])
    return FaceBoxes(
        rng.random((n, 4)).astype(np.float32),
        rng.random(n).astype(np.float32),
        rng.random((n, 5, 2)).astype(np.float32),
    )


class TestCrop:
    def test_inside_outside_and_half(self) -> None:
        frame = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
        np.testing.assert_array_equal(crop(frame, [1, 1, 3, 4]), frame[1:4, 1:3])
        # Sides are rounded outwards: 0.5..2.5 covers pixels 0, 1, 2.
        np.testing.assert_array_equal(crop(frame, [0.5, 0.5, 2.5, 2.5]), frame[:3, :3])
        half = crop(frame, [-1, -1, 2, 2])
        assert (half[0] == 0).all() and (half[:, 0] == 0).all()
        np.testing.assert_array_equal(half[1:, 1:], frame[:2, :2])
        assert (crop(frame, [50, 50, 60, 60]) == 0).all()

    def test_margin_and_square(self) -> None:
        frame = np.zeros((100, 100, 3), np.uint8)
        assert crop(frame, [20, 20, 40, 60], margin=0.5).shape == (80, 40, 3)
        assert crop(frame, [20, 20, 40, 60], square=True).shape == (40, 40, 3)

    @pytest.mark.parametrize("box", [[1, 1, 1, 5], [5, 1, 2, 5], [0, 0, np.nan, 1]])
    def test_box_without_area_is_refused(self, box: list[float]) -> None:
        with pytest.raises(ValueError, match="finite box with area"):
            crop(np.zeros((9, 9, 3), np.uint8), box)


class TestSeries:
    def test_reads_like_a_mapping(self) -> None:
        parts = [boxes(2), FaceBoxes.empty(), boxes(1)]
        series = FaceSeries.of([3, 5, 9], parts)
        assert list(series) == [3, 5, 9] and len(series) == 3 and 5 in series and 4 not in series
        for tick, part in zip([3, 5, 9], parts, strict=True):
            np.testing.assert_array_equal(series[tick].boxes, part.boxes)
            np.testing.assert_array_equal(series[tick].landmarks, part.landmarks)
        with pytest.raises(KeyError):
            series[4]

    def test_empty(self) -> None:
        assert len(FaceSeries.of([], [])) == 0

    @given(st.lists(st.integers(0, 3), max_size=8), st.data())
    def test_joins_repeats_and_leaves_out_as_a_dictionary_would(
        self, counts: list[int], data: st.DataObject
    ) -> None:
        found = {3 * k: boxes(n, seed=k) for k, n in enumerate(counts)}
        cut = data.draw(st.integers(0, len(counts)))
        ticks = list(found)
        halves = [
            FaceSeries.of(part, [found[t] for t in part]) for part in (ticks[:cut], ticks[cut:])
        ]
        whole = FaceSeries.joined(halves)
        assert list(whole) == ticks
        held = data.draw(st.lists(st.sampled_from(ticks), max_size=9)) if ticks else []
        shown = whole.shown_at(range(len(held)), held)
        keep = np.array(
            data.draw(st.lists(st.booleans(), min_size=sum(counts), max_size=sum(counts)))
        )
        kept = whole.where(keep.astype(bool))
        for k, tick in enumerate(held):
            np.testing.assert_array_equal(shown[k].boxes, found[tick].boxes)
            np.testing.assert_array_equal(shown[k].landmarks, found[tick].landmarks)
        left = list(keep)
        for tick in ticks:
            own = np.array([left.pop(0) for _ in range(len(found[tick]))], bool)
            np.testing.assert_array_equal(kept[tick].scores, found[tick].scores[own])
        with pytest.raises(KeyError, match="no entry"):
            whole.shown_at([0], [1])

    def test_joining_an_hour_holds_it_once(self) -> None:
        part = FaceSeries.of([0], [boxes(500)])
        parts = (replace(part, ticks=np.array([k])) for k in range(200))
        tracemalloc.start()
        try:
            whole = FaceSeries.joined(parts)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        held = whole.boxes.nbytes + whole.scores.nbytes + whole.landmarks.nbytes
        # A block grows by an eighth at a time, and is not copied together from parts.
        assert held == 200 * 500 * 60 and peak < 1.3 * held

    def test_checks_itself(self) -> None:
        with pytest.raises(ValueError, match="increasing"):
            FaceSeries.of([3, 3], [boxes(1), boxes(1)])
        good = FaceSeries.of([3], [boxes(2)])
        with pytest.raises(ValueError, match="promise 2"):
            FaceSeries(good.ticks, good.counts, good.boxes[:1], good.scores, good.landmarks)


def test_clip_to_the_frame() -> None:
    got = clip([[-5, 3, 20, 30], [50, 50, 60, 60]], height=24, width=16)
    np.testing.assert_array_equal(got, [[0, 3, 16, 24], [16, 24, 16, 24]])


class TestColour:
    def test_one_colour_is_one_bin_at_any_brightness(self) -> None:
        frame = np.zeros((20, 40, 3), np.uint8)
        frame[:, :20], frame[:, 20:] = (160, 100, 80), (176, 110, 88)
        a, b = colour_histogram(frame, [0, 0, 20, 20]), colour_histogram(frame, [20, 0, 40, 20])
        assert a.max() == 1.0 and a.sum() == 1.0
        np.testing.assert_array_equal(a, b)

    def test_other_colour_other_bin_and_nothing_outside(self) -> None:
        frame = np.full((20, 20, 3), (60, 100, 160), np.uint8)
        other = np.full((20, 20, 3), (160, 100, 60), np.uint8)
        assert colour_histogram(frame, [0, 0, 9, 9]) @ colour_histogram(other, [0, 0, 9, 9]) == 0
        assert colour_histogram(frame, [30, 30, 40, 40]).sum() == 0
        assert colour_histogram(frame * 0, [0, 0, 9, 9]).sum() == 1.0


class TestMouth:
    def test_region_by_hand(self) -> None:
        # Unit 100 px, mouth at (200, 200): from -60 to 60 px across, -30 to 60 px down.
        want = [[140, 170], [260, 170], [260, 260], [140, 260]]
        np.testing.assert_allclose(mouth_box(UPRIGHT), want, atol=1e-9)

    def test_many_at_once(self) -> None:
        both = mouth_box(np.stack([UPRIGHT, UPRIGHT + 10]))
        np.testing.assert_allclose(both[1] - both[0], 10)

    @settings(max_examples=50, deadline=None)
    @given(st.floats(-3, 3), st.floats(0.2, 4), st.floats(-500, 500), st.floats(-500, 500))
    def test_turns_grows_and_moves_with_the_head(
        self, angle: float, zoom: float, dx: float, dy: float
    ) -> None:
        turn = zoom * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        moved = mouth_box(UPRIGHT @ turn + (dx, dy))
        np.testing.assert_allclose(moved, mouth_box(UPRIGHT) @ turn + (dx, dy), atol=1e-6)

    def test_one_landmark_that_jitters_moves_it_little(self) -> None:
        jitter = UPRIGHT.copy()
        jitter[4] += (0, 5)
        assert np.abs(mouth_box(jitter) - mouth_box(UPRIGHT)).max() < 5

    def test_sway_of_the_head_is_not_motion_of_the_mouth(self) -> None:
        data = pytest.importorskip("skimage.data")
        cv2 = pytest.importorskip("cv2")
        picture = data.astronaut()
        # Read off the enlarged picture by eye.
        points = np.array([[203, 101], [246, 104], [226, 127], [205, 141], [243, 141]], float)
        turn = cv2.getRotationMatrix2D((225.0, 130.0), 7.0, 1.05)
        turn[:, 2] += (6.4, -3.7)
        swayed = cv2.warpAffine(picture, turn, (512, 512), flags=cv2.INTER_LINEAR)
        moved = points @ turn[:, :2].T + turn[:, 2]
        opened = picture.copy()
        opened[141:152, 212:236] = 30  # a dark, open mouth
        still = mouth_patch(picture, points)
        sway = np.abs(mouth_patch(swayed, moved) - still).mean()
        fixed = np.abs(mouth_patch(swayed, points) - still).mean()
        speech = np.abs(mouth_patch(opened, points) - still).mean()
        assert sway < 0.25 * fixed
        assert sway < 0.35 * speech

    def test_patch_is_upright_grey_and_sized(self) -> None:
        frame = np.zeros((300, 400, 3), np.uint8)
        frame[:200] = 255  # white above the line of the mouth, black below
        patch = mouth_patch(frame, UPRIGHT)
        assert patch.shape == (24, 32) and patch.dtype == np.float32
        # The line lies 30 of 90 px down, a third of 24 rows.
        np.testing.assert_allclose(patch[:7], 1.0, atol=1e-6)
        np.testing.assert_allclose(patch[9:], 0.0, atol=1e-6)
        assert mouth_patch(frame, UPRIGHT, width=8, height=6).shape == (6, 8)

    def test_places_are_exact_below_a_pixel(self) -> None:
        # Grey level = column, so level i lies at i + 0.5. The region begins at 130 and a pixel
        # of the patch covers 120 / 32 = 3.75 columns: its middle is 131.875, its level 131.375.
        frame = np.zeros((300, 256, 3), np.uint8) + np.arange(256, dtype=np.uint8)[:, None]
        patch = mouth_patch(frame, UPRIGHT - (10, 0))
        np.testing.assert_allclose(patch[:, 0] * 255, 131.375, atol=1e-3)

    def test_luma_by_hand(self) -> None:
        frame = np.full((300, 400, 3), (255, 0, 0), np.uint8)
        np.testing.assert_allclose(mouth_patch(frame, UPRIGHT), 0.299, atol=1e-6)

    @pytest.mark.parametrize("scale", [0.2, 0.6, 1.0, 2.0, 3.0])
    def test_a_patch_is_what_plain_sampling_gives(self, scale: float) -> None:
        rng = np.random.default_rng(3)
        frame = rng.integers(0, 256, (300, 400, 3), dtype=np.uint8)
        grey = frame.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32) / 255
        for middle in ((200, 150), (5, 290), (398, 3)):
            points = scale * (UPRIGHT - UPRIGHT.mean(0)) + middle + rng.normal(0, 3, (5, 2))
            corner, right, _, below = mouth_box(points)
            fine = int(np.clip(np.ceil(np.hypot(*(right - corner)) / 32), 1, 8))
            i, j = np.mgrid[: 24 * fine, : 32 * fine] + 0.5
            across, down = j / (32 * fine), i / (24 * fine)
            x, y = (
                np.clip(corner[k] + across * (right - corner)[k] + down * (below - corner)[k] - 0.5,
                        0, frame.shape[1 - k] - 1)
                for k in (0, 1)
            )  # fmt: skip
            x0, y0 = x.astype(int), y.astype(int)
            x1, y1 = np.minimum(x0 + 1, 399), np.minimum(y0 + 1, 299)
            u, v = x - x0, y - y0
            upper = (1 - u) * grey[y0, x0] + u * grey[y0, x1]
            lower = (1 - u) * grey[y1, x0] + u * grey[y1, x1]
            want = ((1 - v) * upper + v * lower).reshape(24, fine, 32, fine).mean((1, 3))
            got = mouth_patch(frame, points)
            np.testing.assert_allclose(got, want, atol=1e-6)  # grey of a part may round otherwise
            assert (got == want.astype(np.float32)).mean() > 0.9

    @pytest.mark.parametrize("shift", [(-180, 0), (0, 120), (-1000, -1000), (5000, 0)])
    def test_outside_the_frame_repeats_its_border(self, shift: tuple[int, int]) -> None:
        frame = np.full((300, 400, 3), 77, np.uint8)
        np.testing.assert_allclose(mouth_patch(frame, UPRIGHT + shift), 77 / 255, atol=1e-6)

    def test_no_landmarks_no_patch(self) -> None:
        frame = np.zeros((30, 40, 3), np.uint8)
        assert np.isnan(mouth_patch(frame, np.full((5, 2), np.nan))).all()
        assert np.isnan(mouth_patch(frame, np.full((5, 2), 7.0))).all()


def test_pictures_are_read_or_told_to_be_none(monkeypatch):
    import cv2

    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (8, 6, 3), np.uint8)
    png = cv2.imencode(".png", pixels[:, :, ::-1])[1].tobytes()
    assert np.array_equal(read_picture(png), pixels)
    # A head of some bytes that asks for 3 GB, one that OpenCV raises at, and no pictures at all.
    for content in (huge_png(32_000, 32_000), huge_png(90_000, 90_000), b"", b"x", png[:40]):
        assert read_picture(content) is None
    decoded = []
    monkeypatch.setattr(cv2, "imdecode", lambda *given: decoded.append(given))
    # A chunk that says it has 2 GB, for which OpenCV would take the memory and two seconds.
    assert png[37:41] == b"IDAT"
    assert read_picture(png[:33] + b"\x7f\xff\xff\xff" + png[37:]) is None
    assert not decoded
