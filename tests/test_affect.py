"""One scale, and a standard error that knows that neighbouring frames are alike."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.signal import lfilter

from emodiss import affect
from emodiss.affect import (
    EXPRESSIONS,
    ScaleError,
    mean_of_series,
    means_of_series,
    nearest_label,
    to_house_scale,
)


def test_zero_to_one_maps_to_the_house_scale_and_clamps_are_counted():
    mapped = to_house_scale([0.0, 0.25, 0.5, 1.0, 1.2, -0.1, math.nan], "unit")
    np.testing.assert_allclose(mapped.values, [-1, -0.5, 0, 1, 1, -1, math.nan])
    assert mapped.n_clamped == 2


def test_signed_values_stay_and_unknown_scales_are_refused():
    assert to_house_scale(0.3, "signed").values == 0.3
    with pytest.raises(ScaleError, match="Did you mean 'unit'"):
        to_house_scale(0.3, "units")  # type: ignore[arg-type]


@given(st.floats(-5, 5), st.sampled_from(["unit", "signed"]))
def test_nothing_leaves_the_scale(value, scale):
    assert -1 <= float(to_house_scale(value, scale).values) <= 1


def test_prototypes_name_themselves_and_know_their_source():
    names, places = affect.prototypes()
    assert set(names) <= set(EXPRESSIONS)
    for name, (valence, arousal) in zip(names, places, strict=True):
        assert nearest_label(valence, arousal) == name
    text = affect.importlib.resources.files("emodiss.data").joinpath("affect_prototypes.json")
    assert "Russell" in json.loads(text.read_text())["source"]


UNPLEASANT = {"sad", "fear", "anger", "disgust"}


def test_no_voice_of_pleasant_or_even_valence_gets_an_unpleasant_word():
    grid = np.linspace(-1, 1, 81)
    for valence in grid[grid >= 0]:
        named = {nearest_label(valence, arousal) for arousal in grid}
        assert not named & UNPLEASANT
        calm = {nearest_label(valence, arousal) for arousal in grid[grid <= 0]}
        assert calm <= {"neutral", "happy"}


def test_calm_and_mildly_pleasant_is_neutral_and_low_and_unpleasant_stays_sad():
    for point in ((0.2, -0.3), (0.3, -0.5), (0, -0.3), (0.05, 0.25), (0, -1), (0.1, -0.1)):
        assert nearest_label(*point) == "neutral"
    assert nearest_label(-0.25, -0.86) == "sad"
    assert nearest_label(math.nan, 0.5) is None


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_a_word_is_that_of_the_nearest_prototype_it_may_have(valence, arousal):
    names, places = affect.prototypes()
    far = [math.dist(place, (valence, arousal)) for place in places]
    allowed = [d for d, place in zip(far, places, strict=True) if valence < 0 or place[0] >= 0]
    found = nearest_label(valence, arousal)
    assert far[names.index(found)] == pytest.approx(min(allowed))


def test_independent_frames_give_the_textbook_error():
    # sd 1, n 4000: 1 / sqrt(4000) = 0.0158.
    found = mean_of_series(np.random.default_rng(0).normal(size=4000))
    assert found.standard_error == pytest.approx(0.0158, rel=0.1)


def test_frames_that_follow_their_neighbours_count_for_less():
    # AR(1) with 0.9: n (1 - 0.9) / (1 + 0.9), one frame in nineteen.
    rng = np.random.default_rng(1)
    series = np.zeros(20_000)
    for i, noise in enumerate(rng.normal(size=len(series) - 1), start=1):
        series[i] = 0.9 * series[i - 1] + noise
    found = mean_of_series(series)
    assert found.n_effective == pytest.approx(20_000 / 19, rel=0.2)


def test_the_error_covers_the_truth_about_as_often_as_it_says():
    # 300 stretches of an AR(1) with mean 0: two errors should cover 0 in some 95 % of them.
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(300):
        series = np.zeros(300)
        series[0] = rng.normal() / math.sqrt(1 - 0.64)
        for i, noise in enumerate(rng.normal(size=299), start=1):
            series[i] = 0.8 * series[i - 1] + noise
        found = mean_of_series(series)
        hits += abs(found.mean) < 2 * found.standard_error
    assert hits / 300 >= 0.93


def test_few_frames_and_gaps_are_honest():
    assert math.isnan(mean_of_series([]).mean)
    one = mean_of_series([0.4])
    assert (one.mean, one.n) == (0.4, 1) and math.isnan(one.standard_error)
    assert mean_of_series([0.2, math.nan, 0.4]).n == 2
    # One frozen picture is one observation, however long it is shown.
    assert math.isnan(mean_of_series([0.5] * 9).standard_error)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=60), st.floats(-0.5, 0.5))
def test_a_shift_moves_the_mean_and_nothing_else(values, shift):
    before, after = mean_of_series(values), mean_of_series(np.array(values) + shift)
    assert after.mean == pytest.approx(before.mean + shift, abs=1e-9)
    assert after.standard_error == pytest.approx(before.standard_error, rel=1e-6, nan_ok=True)
    assert 1 <= before.n_effective <= before.n


@pytest.mark.parametrize(("lag1", "n"), [(0.8, 30), (0.9, 60), (0.95, 150), (0.98, 60)])
def test_both_ways_to_an_interval_cover_at_the_lengths_of_utterances(lag1, n):
    # 200 series; .93 true coverage misses .86 once in 10,000 times.
    rng = np.random.default_rng([n, int(100 * lag1)])
    noise = rng.normal(size=(200, n))
    noise[:, 1:] *= math.sqrt(1 - lag1**2)
    found = [mean_of_series(x) for x in lfilter([1], [1, -lag1], noise, axis=1)]
    assert np.mean([abs(m.mean) < 1.96 * m.standard_error for m in found]) >= 0.86
    assert np.mean([m.interval[0] < 0 < m.interval[1] for m in found]) >= 0.86


def test_the_mean_of_a_short_white_series_has_the_width_of_its_models():
    # Exact for two frames: one difference d tells of the variance, and under a model with
    # correlation r the t distribution with one degree of freedom has scale
    # sqrt((1 + r) / (1 - r)) |d| / 2. White noise alone would give 12.7 |d| / 2.
    narrow = 12.706 * 0.2 / 2 / 1.96
    wide = narrow * math.sqrt((2 - 0.0075) / 0.0075)
    assert narrow < mean_of_series([0.2, 0.4]).standard_error < wide


def test_looks_that_lie_further_apart_are_less_alike():
    # One process, seen at every tick and at every fifth: .9 and .9^5 = .59 between neighbours, so
    # 60 (1 - .9) / (1 + .9) = 3.2 and 12 (1 - .59) / (1 + .59) = 3.1; finite length adds a little.
    rng = np.random.default_rng(6)
    noise = rng.normal(size=(24, 60))
    noise[:, 1:] *= math.sqrt(1 - 0.9**2)
    series = lfilter([1], [1, -0.9], noise, axis=1)
    stretches = [*series[:12], *(x[2::5] for x in series[12:])]
    found = means_of_series(stretches, [1.0] * 12 + [5.0] * 12)
    for own in (found[:12], found[12:]):
        assert np.median([m.n_effective for m in own]) == pytest.approx(3.7, rel=0.35)
    assert [m.mean for m in found] == [m.mean for m in means_of_series(stretches)]


def test_stretches_of_one_track_tell_of_its_persistence_together():
    rng = np.random.default_rng(5)
    noise = rng.normal(size=(12, 60))
    noise[:, 1:] *= math.sqrt(1 - 0.9**2)
    series = lfilter([1], [1, -0.9], noise, axis=1)
    together = means_of_series(series)
    # 60 (1 - .9) / (1 + .9) is 3.2; finite length adds a little.
    assert np.median([m.n_effective for m in together]) == pytest.approx(3.7, rel=0.35)
    apart = [mean_of_series(x) for x in series]
    assert np.mean([m.standard_error for m in together]) < np.mean(
        [m.standard_error for m in apart]
    )
    assert [m.mean for m in together] == [m.mean for m in apart]
