"""Rate and mean signed difference of groups, with intervals that know sessions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from emodiss.statistics import Bootstrap, StatisticsError, dissonance_by


def sessions(n: int, *, patient: float = 0.0, seed: int = 0, each: int = 12) -> pd.DataFrame:
    """n sessions of two roles in turn; patients' valence differs by `patient` more."""
    rng = np.random.default_rng(seed)
    rows = []
    for s in range(n):
        of_session = rng.normal(0, 0.1)
        for u in range(each):
            role = ("therapist", "patient")[u % 2]
            delta = of_session + patient * (role == "patient") + rng.normal(0, 0.2)
            rows.append(
                (f"s{s}", f"{role}{s}", role, float(u), u + 0.9, delta, 0.1 * u, delta > 0.3)
            )
    names = ["video_id", "speaker", "role", "start", "end", "delta_valence", "delta_arousal",
             "dissonant"]  # fmt: skip
    return pd.DataFrame(rows, columns=names).astype({"dissonant": "boolean"})


def test_means_and_counts_by_hand():
    found = dissonance_by(sessions(6), ["phase"])
    groups = found.groups.set_index("phase")
    # Twelve utterances a session, four in each third; arousal is .1 times the utterance's number.
    assert groups["n_determined"].tolist() == [24, 24, 24]
    assert groups["delta_arousal"].tolist() == pytest.approx([0.15, 0.55, 0.95])
    table = sessions(6)
    rate = float(table["dissonant"].mean())
    assert (groups["rate"] * groups["n_determined"]).sum() / 72 == pytest.approx(rate)
    assert (groups["rate_low"] <= groups["rate"]).all() and found.n_sessions == 6
    assert "rough" in found.notes[0]


def test_intervals_cover_the_truth_over_sessions():
    # Mean of patients .3, sessions of SD .1: 60 studies of 12 sessions; .95 misses 51 once in 300.
    hits = 0
    for seed in range(60):
        table = sessions(12, patient=0.3, seed=seed)
        found = dissonance_by(table, ["role"], compare=False, bootstrap=Bootstrap(resamples=300))
        row = found.groups.set_index("role").loc["patient"]
        hits += row["delta_valence_low"] < 0.3 < row["delta_valence_high"]
    assert hits >= 51


def test_the_mixed_model_finds_what_differs_and_names_what_it_is_against():
    pytest.importorskip("statsmodels")
    found = dissonance_by(sessions(12, patient=0.3), ["role", "phase"])
    effects = found.effects.set_index(["outcome", "level"])
    row = effects.loc[("delta_valence", "therapist")]
    assert row["against"] == "patient" and row["low"] < -0.3 < row["high"] < 0
    assert effects.loc[("delta_arousal", "end"), "estimate"] == pytest.approx(0.8, abs=0.01)
    assert abs(effects.loc[("delta_valence", "middle"), "estimate"]) < 0.1
    # Half the confidence is a narrower interval: .6745 standard errors on each side.
    half = dissonance_by(
        sessions(12, patient=0.3), ["role"], bootstrap=Bootstrap(0.5, 20)
    ).effects.iloc[1]
    assert half["high"] - half["estimate"] == pytest.approx(0.67449 * half["se"], rel=1e-4)


def test_too_few_sessions_are_called_that():
    found = dissonance_by(sessions(3), ["role"])
    assert found.groups["rate_low"].isna().all() and found.effects.empty
    assert "too few" in found.notes[0] and found.groups["rate"].notna().all()
    alone = dissonance_by(sessions(6), ["session"])
    assert alone.groups["delta_valence_low"].isna().all() and alone.effects.empty


def test_undetermined_utterances_are_counted_and_left_out():
    table = sessions(5)
    table.loc[::2, ["dissonant", "delta_valence", "delta_arousal"]] = pd.NA
    found = dissonance_by(table, ["role"]).groups.set_index("role")
    assert found.loc["therapist", ["n_utterances", "n_determined"]].tolist() == [30, 0]
    assert np.isnan(found.loc["therapist", "rate"]) and found.loc["patient", "n_determined"] == 30


@pytest.mark.parametrize("wrong", [["rolle"], [], ["role", "role"]])
def test_wrong_groupings_are_refused(wrong):
    with pytest.raises(StatisticsError, match=r"role|group"):
        dissonance_by(sessions(2), wrong)
