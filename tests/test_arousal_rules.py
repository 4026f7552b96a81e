"""Rule-based arousal, against examples worked by hand and voices of known effort."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays

from tests.models.voices import glottal

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from arousal_rules import MIN_BASELINE, RuleArousal, agreement, measure


def _phi(z: float) -> float:
    return 0.5 * (1 + math.erf(z / math.sqrt(2)))


def test_one_feature_by_hand():
    # Baseline 0, 1, 2, 3, 4 (neutral); one more utterance at 6. The other two features are
    # constant, so their scores are 0 throughout and their weights 0: the rating is the first score.
    #   sd = sqrt(10 / 4) = 1.58114, IQR / 1.34 = 2 / 1.34 = 1.49254 (the smaller),
    #   width = 0.9 * 1.49254 * 5 ** -0.2 = 0.97358.
    # Score of x: mean over b of 2 Phi((x - b) / width) - 1.
    features = np.zeros((6, 3))
    features[:, 0] = [0, 1, 2, 3, 4, 6]
    neutral = np.array([True] * 5 + [False])
    width = 0.9 * (2 / 1.34) * 5**-0.2
    assert width == pytest.approx(0.97358, abs=1e-5)
    expected = [
        sum(2 * _phi((x - b) / width) - 1 for b in range(5)) / 5 for x in (0, 1, 2, 3, 4, 6)
    ]
    rated = RuleArousal().rate(features, neutral=neutral)
    np.testing.assert_allclose(rated, expected, atol=1e-12)
    assert rated[2] == pytest.approx(0.0, abs=1e-12)  # the middle of the baseline
    assert rated[0] == pytest.approx(-rated[4])
    assert rated[5] > 0.98


def test_fusion_by_hand():
    # Equal baselines make the step score: sign(x - b). Four utterances at b = 0 are neutral.
    #   scores of f1: 0 0 0 0 +1 +1 -1;  f2: 0 0 0 0 +1 +1 +1;  f3: 0 0 0 0 +1 -1 -1
    #   mean:         0 0 0 0  1 1/3 -1/3
    # Ranks with ties averaged, n = 7, each less the mean rank 4:
    #   mean: -1 -> 1, 0 -> (2+3+4+5)/4 = 3.5, 1/3 -> 6, 1 -> 7
    #         d = (-.5 x4, 3, 2, -3), squares 4*.25 + 9 + 4 + 9 = 23
    #   f1:   -1 -> 1, 0 -> 3.5, +1 -> 6.5: d = (-.5 x4, 2.5, 2.5, -3), squares 22.5
    #         products 4*.25 + 7.5 + 5 + 9 = 22.5;  rho = 22.5 / sqrt(22.5 * 23) = .98907
    #   f2:   0 -> 2.5, +1 -> 6: d = (-1.5 x4, 2, 2, 2), squares 21
    #         products 4*.75 + 6 + 4 - 6 = 7;       rho = 7 / sqrt(21 * 23) = .31851
    #   f3:   -1 -> 1.5, 0 -> 4.5, +1 -> 7: d = (.5 x4, 3, -2.5, -2.5), squares 22.5
    #         products -4*.25 + 9 - 5 + 7.5 = 10.5; rho = 10.5 / sqrt(22.5 * 23) = .46157
    f1, f2, f3 = [0, 0, 0, 0, 1, 1, -1], [0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 1, -1, -1]
    neutral = np.array([True] * 4 + [False] * 3)
    rated = RuleArousal().rate(np.column_stack([f1, f2, f3]), neutral=neutral)
    w1, w2, w3 = 22.5 / math.sqrt(517.5), 7 / math.sqrt(483), 10.5 / math.sqrt(517.5)
    total = w1 + w2 + w3
    expected = [0, 0, 0, 0, 1, (w1 + w2 - w3) / total, (-w1 + w2 - w3) / total]
    np.testing.assert_allclose(rated, expected, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    values=arrays(np.float64, (9, 3), elements=st.floats(-50, 50).map(lambda v: round(v, 2))),
    shift=st.floats(-20, 20),
    order=st.permutations(range(9)),
)
def test_ratings_are_bounded_ignore_the_recorder_and_the_order(values, shift, order):
    rated = RuleArousal().rate(values)
    assert (np.abs(rated) <= 1 + 1e-12).all()
    # Another gain adds a constant to the level of every utterance, and the baseline moves with it.
    moved = RuleArousal().rate(np.round(values + np.array([0, shift, 0]), 9))
    if all(len(np.unique(c)) == len(c) for c in values.T):
        np.testing.assert_allclose(moved, rated, atol=1e-5)
    shuffled = RuleArousal().rate(values[list(order)])
    np.testing.assert_allclose(shuffled, rated[list(order)], atol=1e-9)


def test_missing_stays_missing_and_does_not_move_the_others():
    features = np.random.default_rng(0).normal(size=(8, 3))
    with_gap = np.insert(features, 3, [np.nan, 0, 0], axis=0)
    rated = RuleArousal().rate(with_gap)
    assert np.isnan(rated[3])
    np.testing.assert_allclose(np.delete(rated, 3), RuleArousal().rate(features))


def test_too_small_a_baseline_is_nan():
    few = np.random.default_rng(0).normal(size=(MIN_BASELINE - 1, 3))
    assert np.isnan(RuleArousal().rate(few)).all()
    assert RuleArousal().rate(np.empty((0, 3))).shape == (0,)
    many = np.random.default_rng(0).normal(size=(9, 3))
    assert np.isnan(RuleArousal().rate(many, neutral=np.arange(9) < 1)).all()


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"shape \(4, 2\)"):
        RuleArousal().rate(np.zeros((4, 2)))
    with pytest.raises(ValueError, match="bool"):
        RuleArousal().rate(np.zeros((4, 3)), neutral=[0, 1, 1, 1])
    with pytest.raises(ValueError, match="same"):
        agreement([0.1, 0.2], [0.1])


def test_signals_of_rising_effort_are_rated_in_order():
    effort = np.linspace(0, 1, 6)
    signals = [
        glottal(110 + 80 * e, effort=e, level=0.02 + 0.1 * e, duration_s=1.0) for e in effort
    ]
    signals.append(np.zeros(16_000))
    rated = RuleArousal().rate_signals(signals, 16_000)
    assert np.isnan(rated[-1])
    assert (np.diff(rated[:-1]) > 0).all()
    assert rated[0] < -0.5 < 0.5 < rated[-2]


def test_measure_gives_known_numbers():
    f0, level_db, _ = measure(glottal(200, vibrato=0.0, level=0.1), 16_000)
    assert f0 == pytest.approx(math.log(200), abs=0.01)
    # Root mean square 0.1 is -20 dB; a formant near 60 Hz or over 3.8 kHz would lower it.
    assert level_db == pytest.approx(-20.0, abs=0.5)
    assert np.isnan(measure(np.zeros(100), 16_000)).all()


def test_agreement_by_hand():
    # Ranks 1 2 3 4 against 1 3 2 4: d = 0 1 1 0, rho = 1 - 6 * 2 / (4 * 15) = 0.8.
    got = agreement([0.1, 0.2, 0.3, 0.4, np.nan], [1, 3, 2, 4, 9])
    assert got.rho == pytest.approx(0.8)
    assert got.n == 4
    assert math.isnan(agreement([1, 1, 1, 1], [1, 2, 3, 4]).rho)
    assert agreement([np.nan], [1.0]).n == 0
