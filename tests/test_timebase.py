"""Spans are half-open and the clock shows each frame from its own time on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from emodiss.timebase import FrameClock, Span, TimeError, parse_time

seconds = st.floats(0, 1e5, allow_nan=False)


@st.composite
def spans(draw):
    start = draw(seconds)
    return Span(start, start + draw(st.floats(0.001, 100)))


@given(spans(), spans())
def test_overlap_is_symmetric_and_bounded(a, b):
    assert a.overlap(b) == b.overlap(a)
    assert 0 <= a.overlap(b) <= min(a.duration, b.duration) + 1e-9


def test_neighbours_share_a_boundary_and_no_instant():
    first, second = Span(0, 1), Span(1, 2)
    assert first.overlap(second) == 0
    assert [first.contains(1.0), second.contains(1.0)] == [False, True]


@pytest.mark.parametrize("bounds", [(1, 1), (2, 1), (-1, 1), (0, float("nan")), (0, float("inf"))])
def test_impossible_spans_are_refused_with_their_values(bounds):
    with pytest.raises(TimeError, match=r"\["):
        Span(*bounds)


def test_25_fps_shows_every_fifth_frame_twice():
    # Ticks 0..5 are at 0, 33, 67, 100, 133, 167 ms; frames at 0, 40, 80, 120, 160 ms are on
    # display then: 0, 0, 1, 2, 3, 4.
    clock = FrameClock(np.arange(5) / 25, end=0.2)
    assert clock.frame_at(clock.ticks()).tolist() == [0, 0, 1, 2, 3, 4]


def test_60_fps_skips_every_second_frame():
    clock = FrameClock(np.arange(12) / 60, end=0.2)
    assert clock.frame_at(clock.ticks()).tolist() == [0, 2, 4, 6, 8, 10]


def test_variable_rate_follows_the_timestamps():
    # One frame stands for a whole second; index / fps would put the second frame at 1/30 s.
    clock = FrameClock(np.array([0.0, 1.0, 1.1]), end=1.2)
    shown = clock.frame_at(clock.ticks())
    assert np.bincount(shown).tolist() == [30, 3, 3]


def test_a_late_first_frame_leaves_its_ticks_empty():
    clock = FrameClock(np.array([0.5, 0.6]), end=0.7)
    assert clock.ticks()[0] == 15
    assert clock.frame_at(15) == 0


@given(st.lists(st.floats(0.001, 0.5), min_size=1, max_size=50), st.floats(0, 3))
def test_every_tick_shows_the_latest_frame_that_has_begun(steps, first):
    times = first + np.cumsum(steps)
    clock = FrameClock(times, end=float(times[-1]) + 0.04)
    ticks = clock.ticks()
    shown = clock.frame_at(ticks)
    assert (np.diff(shown) >= 0).all()
    at = clock.time_of(ticks) + 1e-9
    assert (times[shown] <= at).all()
    later = np.append(times, np.inf)[shown + 1]
    assert (later > at - 1e-8).all()


def test_times_that_go_back_are_refused():
    with pytest.raises(TimeError, match="increasing"):
        FrameClock(np.array([0.0, 0.0]), end=1)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("83.25", 83.25),
        ("83,25", 83.25),
        (" 7 ", 7.0),
        ("1:23", 83.0),
        ("75:30", 4530.0),  # minutes may pass 60 where no hours are written
        ("0:01:23.25", 83.25),
        ("00:01:23,250", 83.25),
        ("02:00:00", 7200.0),
    ],
)
def test_times_are_read_in_the_usual_notations(text, seconds):
    assert parse_time(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    ["", "00:09:025", "1:60", "0:61:00", "-1", "nan", "inf", "1e3", "1:2", "00:00:01:02"],
)
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match=r"expected seconds"):
        parse_time(text)


def test_a_shifted_column_is_not_quoted():
    with pytest.raises(ValueError, match="9 characters") as caught:
        parse_time("Anneliese")
    assert "Anneliese" not in str(caught.value)
