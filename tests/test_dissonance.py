"""Equation 1 of paper A, tri-state, and what chance would give."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from emodiss.dissonance import chance, exceedance_probability, flag, sweep

unit = st.floats(-1, 1)


def test_hand_worked_cases():
    # |0.6 - 0| on valence; |0 - 0.9| on arousal; both; neither; exactly T is not past it.
    flags = flag([0.6, 0, 0.9, 0.1, 0.5], [0, 0, 0.9, 0, 0], [0, 0.1, 0, 0, 0], [0, 0.9, 0, 0, 0])
    assert list(flags.dissonant) == [True, True, True, False, False]
    assert list(flags.axis) == ["valence", "arousal", "both", None, None]
    assert flags.score.tolist() == [0.6, 0.9, 0.9, 0.1, 0.5]
    assert flags.delta_arousal[1] == -0.9
    score, dissonant, axis = flags
    assert score is flags.score and dissonant is flags.dissonant and axis is flags.axis


@pytest.mark.parametrize("missing", range(4))
def test_any_missing_value_leaves_it_undetermined(missing):
    values = [[1.0], [1.0], [-1.0], [-1.0]]
    values[missing] = [math.nan]
    flags = flag(*values)
    assert flags.dissonant[0] is pd.NA
    assert flags.axis[0] is None and math.isnan(flags.score[0])


def test_every_way_to_write_missing_leaves_it_undetermined():
    for nothing in (None, pd.NA, math.nan, math.inf):
        flags = flag(pd.Series([0.9, nothing], dtype=object), [0, 0], [0, 0], [0, 0])
        assert flags.dissonant[0] and flags.dissonant[1] is pd.NA
        assert math.isnan(flags.score[1]) and flags.axis[1] is None
    assert flag(pd.array([0.9, None], "Float64"), [0, 0], [0, 0], [0, 0]).dissonant[1] is pd.NA


@pytest.mark.filterwarnings("error")
def test_infinities_that_cancel_are_undetermined_without_a_word():
    assert flag([math.inf], [0], [math.inf], [0]).dissonant[0] is pd.NA


def test_a_threshold_that_is_no_number_is_refused():
    # No difference is past it, so all would pass for consonant.
    with pytest.raises(ValueError, match="nan"):
        flag([0.9], [0], [0], [0], threshold=math.nan)


def test_unequal_lengths_and_negative_thresholds_are_refused():
    with pytest.raises(ValueError, match="equally long"):
        flag([0, 1], [0], [0], [0])
    with pytest.raises(ValueError, match="negative"):
        flag([0], [0], [0], [0], threshold=-0.1)


@given(unit, unit, unit, unit, st.floats(0, 2))
def test_exchanging_voice_and_face_changes_signs_only(sv, sa, fv, fa, threshold):
    one, other = flag(sv, sa, fv, fa, threshold), flag(fv, fa, sv, sa, threshold)
    assert one.score == other.score and one.dissonant[0] == other.dissonant[0]
    assert one.delta_valence == -other.delta_valence
    assert bool(one.dissonant[0]) == (max(abs(sv - fv), abs(sa - fa)) > threshold)


def test_a_higher_threshold_never_flags_more():
    table = sweep([0.1, 0.3, 0.5, 0.7, math.nan])
    assert table["n_determined"].unique().tolist() == [4]
    assert (table["rate"].diff().dropna() <= 0).all()
    at_half = table.loc[np.isclose(table["threshold"], 0.5), "n_flagged"].item()
    assert at_half == 1  # 0.7 only: 0.5 is not past 0.5
    assert sweep([math.nan])["rate"].isna().all()


def session(rng, n: int, *, tied: bool, video: str = "v") -> pd.DataFrame:
    voice = rng.uniform(-0.9, 0.9, (n, 2))
    face = voice + rng.normal(0, 0.05, (n, 2)) if tied else rng.uniform(-0.9, 0.9, (n, 2))
    return pd.DataFrame(
        {
            "video_id": video,
            "speaker": "Bo",
            "speech_valence": voice[:, 0],
            "speech_arousal": voice[:, 1],
            "face_valence": face[:, 0],
            "face_arousal": face[:, 1],
        }
    )


def test_channels_that_agree_lie_below_chance_and_strangers_on_it():
    rng = np.random.default_rng(0)
    tied = chance(session(rng, 200, tied=True), n_pairings=400)
    assert tied.rate == 0 and tied.rate < tied.low and tied.p_value < 0.01
    strangers = chance(session(rng, 200, tied=False), n_pairings=400)
    assert strangers.low <= strangers.rate <= strangers.high and strangers.p_value > 0.05


def test_re_pairing_stays_within_one_speaker_of_one_session():
    # Every face equals its voice within a session, and sessions differ: no pairing can part them.
    same = pd.concat(
        [session(np.random.default_rng(0), 9, tied=True, video=v).assign(
            speech_valence=x, face_valence=x, speech_arousal=x, face_arousal=x)
         for v, x in (("a", -0.9), ("b", 0.9))]
    )  # fmt: skip
    found = chance(same, n_pairings=50)
    assert (found.rate, found.null_rate, found.n) == (0, 0, 18)
    assert math.isnan(chance(same.head(1)).rate)
    assert chance(same, seed=3) == chance(same, seed=3)


def test_probability_of_being_past_the_threshold():
    # Difference on the threshold: half. Two errors below it: 1 - Phi(2) = 0.0228. Errors of 0:
    # all or nothing.
    p = exceedance_probability([[0.5, 0], [0.3, 0], [0.6, 0], [0.4, 0]],
                               [[0.1, 0], [0.1, 0], [0, 0], [0, 0]])  # fmt: skip
    assert p == pytest.approx([0.5, 0.0228, 1, 0], abs=1e-4)
    assert np.isnan(exceedance_probability([math.nan, 0], [0.1, 0.1]))
