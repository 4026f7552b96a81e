"""Rules on tables: every comparison by hand, every gap with its reason, laws of baselines."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from emodiss.dissonance import EQUATION_1, chance, flag, overview, reflag, sweep_against_chance
from emodiss.dissonance.columns import Columns
from emodiss.dissonance.rules import flags_of
from emodiss.errors import SettingsError
from emodiss.settings import DissonanceSettings as Rule


def utterances(*rows: dict, **everywhere) -> pd.DataFrame:
    """A table of measured utterances; a row says what differs from nothing felt, nothing said."""
    plain = {
        "video_id": "v", "speaker": "Ada", "sentiment": 0.0, "face_coverage": 1.0,
        "speech_status": "ok", "face_status": "ok",
        "speech_valence": 0.0, "speech_arousal": 0.0, "face_valence": 0.0, "face_arousal": 0.0,
        "speech_valence_raw": 0.5, "speech_arousal_raw": 0.5,
        "face_valence_raw": 0.0, "face_arousal_raw": 0.0,
        "face_valence_se": 0.1, "face_arousal_se": 0.1,
    }  # fmt: skip
    return pd.DataFrame([{**plain, **everywhere, **row} for row in rows])


def test_the_default_rule_is_equation_1_on_the_table():
    rng = np.random.default_rng(0)
    v = rng.uniform(-1, 1, (4, 50))
    names = ("speech_valence", "speech_arousal", "face_valence", "face_arousal")
    table = utterances(*[dict(zip(names, column, strict=True)) for column in v.T])
    expected, found = flag(*v), reflag(table)
    np.testing.assert_array_equal(found["dissonance_score"], expected.score)
    assert list(found["dissonant"]) == list(expected.dissonant)
    assert [a if isinstance(a, str) else None for a in found["dissonance_axis"]] == list(
        expected.axis
    )
    assert found["dissonance_reason"].isna().all()
    assert set(found["dissonance_threshold"]) == {0.5}


def test_words_against_voice_and_face_together():
    # Mean of voice and face 0.2 and -0.4: -0.1; "wonderful" at 0.6 lies 0.7 above, arousal is not
    # asked. The error of a mean of two, one of them sure, is half the other's: 0.7 lies 4 errors
    # of 0.05 past 0.5.
    table = utterances(
        {"sentiment": 0.6, "speech_valence": 0.2, "face_valence": -0.4, "face_arousal": 0.9},
        {"sentiment": -0.1, "speech_valence": 0.2, "face_valence": -0.4},
        {"sentiment": math.nan},
        {"sentiment": 0.9, "face_valence": math.nan, "face_status": "off_screen"},
    )
    found = reflag(table, Rule(compare="text_vs_nonverbal"))
    assert found["dissonance_score"].tolist()[:2] == pytest.approx([0.7, 0.0])
    assert list(found["dissonant"]) == [True, False, pd.NA, pd.NA]
    assert found["dissonance_axis"][0] == "valence" and found["delta_arousal"].isna().all()
    assert list(found["dissonance_reason"][2:]) == ["text:none", "face:off_screen"]
    # Nobody states an error of the sentiment.
    assert found["dissonance_probability"].isna().all()
    assert found["dissonance_probability_basis"].tolist()[:2] == ["no_error:text"] * 2


def test_raw_values_are_compared_as_they_are():
    # 0.5 on a scale from 0 to 1 is neutral and yet lies half a scale from a neutral face.
    table = utterances({"speech_arousal_raw": 0.51}, {})
    found = reflag(table, Rule(scale="raw"))
    assert list(found["dissonant"]) == [True, False]
    assert found["dissonance_score"].tolist() == pytest.approx([0.51, 0.5])
    # Errors are known on the house scale only.
    assert found["dissonance_probability"].isna().all()


def test_a_shift_takes_out_what_a_model_always_says_about_a_speaker():
    # Ada's voice always measures 0.8 above her face; one utterance differs from that by 0.9.
    # Voice 0.8, 0.8, 0.8, -0.1 (mean 0.575), face 0: 0.225 thrice, then -0.675.
    table = utterances(*[{"speech_valence": v} for v in (0.8, 0.8, 0.8, -0.1)])
    assert list(reflag(table)["dissonant"]) == [True, True, True, False]
    found = reflag(table, Rule(baseline="shift"))
    assert found["delta_valence"].tolist() == pytest.approx([0.225, 0.225, 0.225, -0.675])
    assert list(found["dissonant"]) == [False, False, False, True]


def test_standard_scores_count_each_sides_own_spread():
    # Voice -1, 0, 1 has mean 0 and deviation 1; face 0.3, 0.2, 0.1 has 0.2 and 0.1. In scores:
    # -1, 0, 1 against 1, 0, -1. The face's error of 0.05 is half a deviation.
    table = utterances(
        *[
            {"speech_valence": s, "face_valence": f, "speech_arousal": s, "face_arousal": f,
             "face_valence_se": 0.05, "face_arousal_se": 0.05}
            for s, f in ((-1, 0.3), (0, 0.2), (1, 0.1))
        ]
    )  # fmt: skip
    found = reflag(table, Rule(baseline="z", threshold=1.5))
    assert found["delta_valence"].tolist() == pytest.approx([-2, 0, 2])
    assert list(found["dissonant"]) == [True, False, True]
    # In deviations: voice 0.3 / 1, face 0.2 / 0.1; frames 0.05 / 0.1.
    errors = Rule(baseline="z", threshold=1.5, error_speech_valence=0.3, error_speech_arousal=0.3,
                  error_face_valence=0.2, error_face_arousal=0.2)  # fmt: skip
    known = reflag(table, errors)
    assert known["score_error_models"][0] == pytest.approx(math.hypot(0.3, 2))
    assert known["score_error_sampling"][0] == pytest.approx(0.5)
    still = utterances(*[{"speech_valence": s} for s in (-1, 0, 1)])
    assert set(reflag(still, Rule(baseline="z"))["dissonance_reason"]) == {"baseline:no_spread"}


def test_a_baseline_of_two_utterances_is_none():
    table = utterances({"speaker": "Bo"}, {"speaker": "Bo"}, {}, {}, {})
    for baseline in ("shift", "z"):
        found = reflag(table, Rule(baseline=baseline))
        assert found["dissonant"][:2].isna().all()
        assert set(found["dissonance_reason"][:2]) == {"baseline:too_few"}


def test_speakers_of_other_sessions_lend_no_baseline():
    low = utterances(*[{"speech_valence": -0.9}] * 3, video_id="a")
    high = utterances(*[{"speech_valence": 0.9}] * 3, video_id="b")
    found = reflag(pd.concat([low, high], ignore_index=True), Rule(baseline="shift"))
    assert found["delta_valence"].tolist() == pytest.approx([0.0] * 6)


def test_a_quantile_flags_the_top_share():
    # Scores 0.0, 0.1, ..., 1.0: their 0.9 quantile is 0.9, and 1.0 alone lies past it.
    table = utterances(*[{"speech_valence": v / 10} for v in range(11)])
    found = reflag(table, Rule(quantile=0.9))
    assert set(found["dissonance_threshold"]) == {0.9}
    assert found["dissonant"].tolist() == [False] * 10 + [True]
    nothing = reflag(utterances({"face_valence": math.nan, "face_status": "unbound"}),
                     Rule(quantile=0.9))  # fmt: skip
    assert nothing["dissonant"].isna().all() and nothing["dissonance_threshold"].isna().all()


def test_a_face_seen_too_little_leaves_it_open():
    table = utterances(
        *[{"face_coverage": c, "speech_valence": 0.9} for c in (0.2, 0.5, 1.0, math.nan)]
    )
    assert reflag(table)["dissonant"].tolist() == [True] * 4
    found = reflag(table, Rule(min_coverage=0.5))
    assert list(found["dissonant"]) == [pd.NA, True, True, True]
    assert found["dissonance_reason"][0] == "face:low_coverage"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"speech_valence": math.nan, "speech_status": "too_short"}, "speech:too_short"),
        ({"face_arousal": math.nan, "face_status": "off_screen"}, "face:off_screen"),
        (
            {"speech_valence": math.nan, "speech_status": "silent",
             "face_valence": math.nan, "face_status": "no_video"},
            "speech:silent;face:no_video",
        ),
        ({"face_valence": math.nan}, "not_measured"),
    ],
)  # fmt: skip
def test_every_gap_says_why(row, reason):
    found = reflag(utterances(row))
    assert found["dissonant"][0] is pd.NA and found["dissonance_reason"][0] == reason


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"compare": "voice_vs_text"}, "compare cannot be 'voice_vs_text'"),
        ({"baseline": "zscore"}, "baseline cannot be 'zscore'"),
        ({"threshold": 2.5}, "less than or equal to 2 unless baseline is z"),
        ({"threshold": 0.0}, "greater than 0"),
        ({"threshold": math.nan}, "threshold cannot be nan"),
        ({"error_face_valence": 0.0}, "greater than 0"),
        ({"error_correlation": 1.0}, "correlation"),
        ({"expected_spread": 0.0}, "spread"),
        ({"quantile": 1.0}, "quantile"),
        ({"min_coverage": 1.1}, "coverage"),
        ({"compare": "text_vs_nonverbal", "scale": "raw"}, "raw"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(wrong, message):
    with pytest.raises(SettingsError, match=message):
        EQUATION_1.changed(**wrong)


def test_a_table_without_what_is_compared_is_refused():
    with pytest.raises(ValueError, match="sentiment"):
        reflag(utterances({}).drop(columns="sentiment"), Rule(compare="text_vs_nonverbal"))
    with pytest.raises(ValueError, match="face_coverage"):
        reflag(utterances({}).drop(columns="face_coverage"), Rule(min_coverage=0.1))


numbers = st.floats(-1, 1).map(lambda x: round(x, 3))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(numbers, numbers, st.sampled_from(["Ada", "Bo"])), max_size=12))
def test_differences_from_a_baseline_cancel_out_per_speaker(rows):
    table = utterances(
        *[{"speech_valence": s, "face_valence": f, "speaker": who} for s, f, who in rows],
        *[{}] * 3,
    )
    found = reflag(table, Rule(baseline="shift"))
    means = found.groupby("speaker")["delta_valence"].mean().dropna()
    assert np.abs(means).max() < 1e-9
    # A constant added to one side of one speaker changes nothing.
    other = reflag(table.assign(face_valence=table["face_valence"] + 0.3), Rule(baseline="shift"))
    np.testing.assert_allclose(found["dissonance_score"], other["dissonance_score"], atol=1e-9)


@pytest.mark.parametrize(
    "rule",
    [EQUATION_1, Rule(scale="raw"), Rule(compare="text_vs_nonverbal"), Rule(baseline="shift"),
     Rule(quantile=0.5, min_coverage=0.6), Rule(error_correlation=0.3)],
)  # fmt: skip
def test_lists_with_none_tell_the_same_as_a_table_with_missing_values(rule):
    rng = np.random.default_rng(3)
    table = utterances(*[{"speaker": name, "start": 1.0} for name in "ABABABABA"])
    for name in ("speech_valence", "speech_arousal", "face_valence", "face_coverage"):
        table[name] = pd.array(rng.uniform(-1, 1, len(table)), dtype="Float64")
        table.loc[rng.integers(len(table)), name] = pd.NA
    table.loc[4, ["video_id", "face_status"]] = None
    lists = {n: [None if v is pd.NA else v for v in table[n].to_list()] for n in table}
    expected = reflag(table, rule)
    for name, values in flags_of(Columns.of_lists(lists), rule).items():
        found = pd.Series(values, index=table.index).astype(expected[name].dtype)
        pd.testing.assert_series_equal(found, expected[name], check_names=False)
    columns = Columns.of_lists(lists)
    # As text, in which NaN equals NaN.
    assert str(overview(columns, rule)) == str(overview(table, rule))
    mine = columns.where("speaker", "A")
    assert mine.n == 5 and mine.numbers("face_arousal").tolist() == [0.0] * 5


def test_an_empty_table_stays_empty():
    found = reflag(utterances({}).head(0), Rule(baseline="z", quantile=0.5))
    assert len(found) == 0
    assert "dissonance_reason" in found


def test_the_sweep_and_chance_tell_the_same_at_one_threshold():
    rng = np.random.default_rng(1)
    table = utterances(
        *[
            {"speech_valence": s, "face_valence": f, "speech_arousal": s, "face_arousal": f,
             "speaker": who}
            for s, f, who in zip(rng.uniform(-1, 1, 60), rng.uniform(-1, 1, 60),
                                 ["Ada", "Bo"] * 29 + ["Cy", "Di"], strict=True)
        ]
    )  # fmt: skip
    swept = sweep_against_chance(table, n_pairings=200, seed=4)
    assert swept["threshold"].tolist() == pytest.approx(np.arange(0.1, 1.01, 0.05))
    row = swept.iloc[8]
    one = chance(table, threshold=0.5, n_pairings=200, seed=4)
    assert row["threshold"] == 0.5 and (row["n_determined"], row["n_paired"]) == (60, 58)
    same = row[["paired_rate", "null_rate", "null_low", "null_high", "p_value"]].tolist()
    assert [one.rate, one.null_rate, one.low, one.high, one.p_value] == pytest.approx(same)
    assert (swept["null_low"] <= swept["null_rate"]).all()
    assert (swept["null_rate"].diff().dropna() <= 0).all()


def test_chance_by_hand_of_two_utterances():
    # Two pairings exist: as they were (gaps 0 and 0) and exchanged (gaps 1 and 1). Only the second
    # pairs different utterances, so the null rate is 1; both are as far from their mean.
    table = utterances({"speech_valence": 0.5, "face_valence": 0.5},
                       {"speech_valence": -0.5, "face_valence": -0.5})  # fmt: skip
    for null in ("shift", "permutation"):
        found = chance(table, null=null, n_pairings=2000)
        assert (found.rate, found.null_rate, found.null) == (0, 1, null)
        assert found.p_value > 0.4 and "only 2 re-pairings differ" in found.note
    assert (found.low, found.high) == (0, 1)


def test_chance_knows_the_rule():
    # Always 0.8 apart: without a baseline all is flagged whatever the pairing, with one nothing.
    table = utterances(*[{"speech_valence": 0.8, "sentiment": 0.1 * k} for k in range(5)])
    assert chance(table).null_rate == 1
    assert chance(table, rule=Rule(baseline="shift")).null_rate == 0
    text = chance(table, rule=Rule(compare="text_vs_nonverbal", threshold=0.2))
    assert text.n == 5 and text.rate == pytest.approx(2 / 5)  # |s - 0.4| > 0.2 at 0 and 0.1
