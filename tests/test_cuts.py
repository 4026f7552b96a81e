"""Cuts between generated shots."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("scenedetect")

from emodiss.media.cuts import CUT_THRESHOLD, MIN_SHOT_S, ChangeFinder, cuts_of


def shot(colour: tuple[int, int, int], k: int = 0, width: int = 640) -> np.ndarray:
    """A plain wall with a box that moves."""
    frame = np.full((width * 9 // 16, width, 3), colour, np.uint8)
    frame[50:150, 40 + 2 * k : 140 + 2 * k] = 200
    return frame


class CutFinder:
    """Changes and cuts of frames given one by one."""

    def __init__(self) -> None:
        self._finder = ChangeFinder()
        self._seen: list[tuple[float, bool]] = []

    def add(self, frame: NDArray[np.uint8], time: float) -> None:
        self._seen.append((time, self._finder.changed(frame, time)))

    def cuts(self) -> list[float]:
        return cuts_of(*zip(*self._seen, strict=True)) if self._seen else []


SHOTS = ((90, 60, 30), (20, 120, 140), (200, 40, 90))


@pytest.mark.parametrize("rate", [24.0, 30000 / 1001, 12.5])
def test_cuts_are_the_times_of_first_frames(rate: float) -> None:
    finder = CutFinder()
    for k in range(90):
        finder.add(shot(SHOTS[k // 30], k % 30), k / rate)
    # Rounded down to microseconds, so that the frame's own tick lies behind the cut.
    np.testing.assert_allclose(finder.cuts(), [30 / rate, 60 / rate], atol=1e-6)
    assert all(
        cut <= truth for cut, truth in zip(finder.cuts(), (30 / rate, 60 / rate), strict=True)
    )


def test_changes_are_those_of_pyscenedetect_to_the_last_bit() -> None:
    from scenedetect import FrameTimecode
    from scenedetect.detectors import ContentDetector
    from scenedetect.stats_manager import StatsManager

    rng = np.random.default_rng(7)
    known = ContentDetector()
    known.stats_manager = StatsManager()
    before = rng.integers(0, 256, (91, 157, 3), dtype=np.uint8)
    known.process_frame(FrameTimecode(0, 25.0), before[:, :, ::-1].copy())
    for k in range(1, 20):
        now = np.roll(before, k, 1) // rng.integers(1, 4, dtype=np.uint8)
        time = FrameTimecode(k, 25.0)
        known.process_frame(time, now[:, :, ::-1].copy())
        (score,) = known.stats_manager.get_metrics(time, ["content_val"])
        for threshold in (score, np.nextafter(score, np.inf)):
            finder = ChangeFinder(threshold=threshold)
            assert not finder.changed(before, 0.0)
            assert finder.changed(now, 1.0) == (threshold == score)
        before = now


def test_variable_frame_rate() -> None:
    rng = np.random.default_rng(5)
    times = np.cumsum(rng.uniform(0.02, 0.09, 60))
    finder = CutFinder()
    for k, time in enumerate(times):
        finder.add(shot(SHOTS[k // 40]), float(time))
    np.testing.assert_allclose(finder.cuts(), [times[40]], atol=1e-6)


def test_motion_is_no_cut() -> None:
    finder = CutFinder()
    for k in range(90):
        finder.add(shot(SHOTS[0], k), k / 30)
    assert finder.cuts() == []


def test_score_on_both_sides_of_the_threshold() -> None:
    # Between two plain greys only brightness differs; hue and saturation are zero, so the score
    # is the difference over three channels.
    for difference, n_cuts in ((3 * CUT_THRESHOLD - 3, 0), (3 * CUT_THRESHOLD + 3, 1)):
        finder = CutFinder()
        for k in range(60):
            level = 50 if k < 30 else 50 + round(difference)
            finder.add(np.full((90, 160, 3), level, np.uint8), k / 30)
        assert len(finder.cuts()) == n_cuts


def test_a_flash_is_not_two_shots() -> None:
    finder = CutFinder()
    for k in range(120):
        finder.add(np.full((90, 160, 3), 250 if k == 60 else 40, np.uint8), k / 30)
    assert len(finder.cuts()) == 1


def test_nothing_one_frame_and_wrong_order() -> None:
    finder = CutFinder()
    assert finder.cuts() == []
    finder.add(shot(SHOTS[0]), 0.0)
    assert finder.cuts() == []
    with pytest.raises(ValueError, match="order of time"):
        finder.add(shot(SHOTS[0]), 0.0)


def test_debate_clip_has_its_cut(shared_data: Path) -> None:
    av = pytest.importorskip("av")
    finder = CutFinder()
    times, jumps, before = [], [], None
    with av.open(str(shared_data / "video" / "mexca_debate_5s.mp4")) as container:
        for frame in container.decode(video=0):
            picture = frame.to_ndarray(format="rgb24")
            finder.add(picture, frame.time)
            grey = picture.astype(float).mean(2)
            jumps.append(0.0 if before is None else float(np.abs(grey - before).mean()))
            times.append(frame.time)
            before = grey
    # A wipe of eight frames, counted once: the cut is where it sets in, at most half a second
    # before the greatest difference of plain grey levels.
    (cut,) = finder.cuts()
    assert 0 <= times[int(np.argmax(jumps))] - cut < MIN_SHOT_S
