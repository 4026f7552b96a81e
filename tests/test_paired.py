"""Therapists compared case by case: against scipy, with missing sessions, against known truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from emodiss import statistics
from emodiss.clients import RESISTANT
from emodiss.statistics import (
    Bootstrap,
    StatisticsError,
    length_correlation,
    paired,
    resistance_change,
    score_means,
    score_table,
    wai_table,
)

TYPES = (*RESISTANT, "none")
FEW = Bootstrap(resamples=200)


def scores(
    n=30,
    effects=None,
    *,
    criteria=("focus",),
    change=0.0,
    spread=1.0,
    missing=0.0,
    seed=0,
):
    """Scores of n profiles of every type; `effects` adds to a therapist, `change` to resistance."""
    effects = {"ours": 0.0, "base": -0.5} if effects is None else effects
    rng = np.random.default_rng(seed)
    rows = []
    for criterion in criteria:
        profile = rng.normal(0, 0.5, n)
        for model, effect in effects.items():
            for kind in TYPES:
                drop = rng.random(n) < missing
                value = 3 + profile + effect + (kind != "none") * change
                value = value + rng.normal(0, spread, n)
                rows += [
                    {
                        "case": f"p{p:03d}-{kind}",
                        "profile": f"p{p:03d}",
                        "resistance": kind,
                        "model": model,
                        "criterion": criterion,
                        "score": np.nan if drop[p] else value[p],
                        "reason": "unparsable" if drop[p] else "",
                    }
                    for p in range(n)
                ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_tests_agree_with_scipy(seed, missing):
    table = scores(effects={"ours": 0, "base": -0.3, "worse": -0.6}, missing=missing, seed=seed)
    found = paired(table, reference="ours").set_index("model")
    resistant = table[table["resistance"] != "none"]
    wide = resistant.pivot(index="case", columns="model", values="score")
    p_values = {}
    for model in ("base", "worse"):
        both = wide[[model, "ours"]].dropna()
        row = found.loc[model]
        t = stats.ttest_rel(both[model], both["ours"])
        limits = t.confidence_interval(0.95)
        assert row["t"] == pytest.approx(t.statistic)
        assert row["p_value"] == pytest.approx(t.pvalue)
        assert (row["low"], row["high"]) == pytest.approx(tuple(limits))
        signed = stats.wilcoxon(both[model] - both["ours"], zero_method="pratt")
        assert row["wilcoxon_p"] == pytest.approx(signed.pvalue)
        difference = both[model] - both["ours"]
        assert row["dz"] == pytest.approx(difference.mean() / difference.std())
        assert row["n"] == len(both)
        assert row["n_dropped"] == 90 - len(both)
        p_values[model] = t.pvalue
    low, high = sorted(p_values, key=p_values.__getitem__)
    assert found.loc[low, "p_holm"] == pytest.approx(min(1, 2 * p_values[low]))
    assert found.loc[high, "p_holm"] == pytest.approx(
        min(1, max(p_values[high], 2 * p_values[low]))
    )


def test_holm_counts_all_models_and_criteria():
    table = scores(effects={"ours": 0, "a": 0, "b": -2}, criteria=("focus", "empathy"))
    found = paired(table, reference="ours")
    assert len(found) == 4
    assert found["p_holm"].to_numpy() == pytest.approx(statistics.holm(found["p_value"]))
    assert found["p_holm"].min() == pytest.approx(4 * found["p_value"].min())


def test_a_missing_session_drops_its_pair_shifts_nothing_and_is_counted():
    table = scores(n=10, seed=4)
    gone = (table["model"] == "base") & table["case"].isin(["p003-cognitive", "p004-emotional"])
    table.loc[gone, ["score", "reason"]] = [np.nan, "no session"]
    absent = (table["model"] == "ours") & (table["case"] == "p005-behavioral")
    row = paired(table[~absent], reference="ours").iloc[0]
    assert (row["n"], row["n_dropped"]) == (27, 3)
    assert row["dropped"] == "2 base: no session; 1 ours: no_row"
    left = table[~gone & (table["resistance"] != "none")]
    wide = left.pivot(index="case", columns="model", values="score").drop("p005-behavioral")
    expected = (wide["base"] - wide["ours"]).dropna().mean()
    assert row["difference"] == pytest.approx(expected)
    means = score_means(table[~absent]).set_index("model")
    assert (means.loc["base", "n"], means.loc["base", "n_missing"]) == (28, 2)
    assert means.loc["ours", "missing"] == "1 ours: no_row"


def test_pairs_that_allow_no_test_say_why():
    table = scores(n=3)
    same = table.assign(score=np.where(table["model"] == "ours", 4.0, 3.0))
    row = paired(same, reference="ours").iloc[0]
    assert row["reason"] == "all differences are equal: no test"
    assert (row["difference"], row["low"], row["high"]) == (-1, -1, -1)
    assert np.isnan(row["p_value"])
    nothing = table.assign(score=np.where(table["model"] == "ours", 4.0, np.nan))
    row = paired(nothing, reference="ours").iloc[0]
    assert (row["n"], row["reason"]) == (0, "no complete pairs")
    assert np.isnan(row[["mean", "difference", "t", "dz", "p_holm"]].astype(float)).all()
    one = table[table["case"] == "p000-cognitive"]
    assert paired(one, reference="ours").iloc[0]["reason"] == "one pair: no test"


def test_tables_that_cannot_be_compared_are_refused():
    table = scores(n=3)
    with pytest.raises(StatisticsError, match="no therapist 'our'") as caught:
        paired(table, reference="our")
    assert "ours" in str(caught.value.next_step)
    with pytest.raises(StatisticsError, match="1 score\\(s\\) are there twice"):
        paired(pd.concat([table, table.head(1)]), reference="ours")
    with pytest.raises(StatisticsError, match="lacks the column\\(s\\) profile"):
        paired(table.drop(columns="profile"), reference="ours")


def test_change_compares_a_profile_with_itself():
    table = scores(n=8, seed=1)
    wide = table[table["model"] == "base"].pivot(
        index="profile", columns="resistance", values="score"
    )
    found = resistance_change(table, bootstrap=FEW).set_index(["model", "resistance"])
    expected = (wide[list(RESISTANT)].mean(axis=1) - wide["none"]).mean()
    assert found.loc[("base", "all"), "change"] == pytest.approx(expected)
    for kind in RESISTANT:
        alone = (wide[kind] - wide["none"]).mean()
        assert found.loc[("base", kind), "change"] == pytest.approx(alone)
    assert (found["n"] == 8).all()
    assert (found["low"] < found["change"]).all()
    # A profile without one of its sessions drops out where that session counts, and only there.
    table.loc[(table["case"] == "p002-emotional") & (table["model"] == "base"), "score"] = np.nan
    found = resistance_change(table, bootstrap=FEW).set_index(["model", "resistance"])
    assert found.loc["base", "n"].to_dict() == {
        "all": 7,
        "cognitive": 8,
        "emotional": 7,
        "behavioral": 8,
    }
    assert found.loc[("base", "all"), "dropped"] == "1 emotional: no_score"
    left = wide.drop("p002")
    expected = (left[list(RESISTANT)].mean(axis=1) - left["none"]).mean()
    assert found.loc[("base", "all"), "change"] == pytest.approx(expected)


def test_no_client_without_resistance_no_change():
    table = scores(n=4)
    table = table[table["resistance"] != "none"]
    found = resistance_change(table, bootstrap=FEW)
    assert found["change"].isna().all()
    assert set(found["reason"]) == {"no complete profiles"}
    shown = score_table(table, reference="ours", titles={"focus": "Focus"}, bootstrap=FEW)
    assert all(" " not in text for text in shown["Focus"])


def test_the_table_is_laid_out_as_printed():
    effects = {"ours": 0.0, "far": -2.0, "near": -0.01, "between": -0.27}
    table = scores(
        n=40, effects=effects, criteria=("understanding", "focus"), change=-0.5, spread=0.8
    )
    titles = {"understanding": "Understanding", "focus": "Focus"}
    shown = score_table(table, reference="ours", titles=titles, bootstrap=FEW).set_index("Model")
    assert list(shown.index) == ["between", "far", "near", "ours"]
    tests = paired(table, reference="ours").set_index(["criterion", "model"])
    means = score_means(table).set_index(["criterion", "model"])["mean"]
    for (criterion, model), row in tests.iterrows():
        number, _, change = shown.loc[model, titles[criterion]].partition(" ")
        assert number.rstrip("*†") == f"{means[criterion, model]:.3f}"
        assert number.endswith("*†") == (row["p_holm"] < 0.05)
        assert ("*" in number) == (row["p_value"] < 0.05)
        assert -1.2 < float(change) < 0.2
    assert "*" not in "".join(shown.loc["ours"])
    assert shown.loc["far", "Focus"].split()[0].endswith("*†")


def test_the_alliance_has_its_own_table():
    table = scores(n=5, criteria=("goal", "approach", "bond"))
    table.loc[(table["criterion"] == "bond") & (table["model"] == "base"), "score"] = np.nan
    shown = wai_table(table, reference="ours", bootstrap=FEW)
    assert list(shown.columns) == ["Model", "Goal", "Approach", "Affective Bond"]
    assert list(shown["Model"]) == ["base", "ours"]
    assert shown.loc[0, "Affective Bond"] == ""


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), missing=st.floats(0, 0.6), shuffle=st.integers(0, 99))
def test_order_of_rows_does_not_matter_and_pairs_add_up(seed, missing, shuffle):
    table = scores(n=6, missing=missing, seed=seed)
    found = paired(table, reference="ours")
    mixed = table.sample(frac=1, random_state=shuffle)
    pd.testing.assert_frame_equal(paired(mixed, reference="ours"), found)
    # A row with a missing score and no row at all are the same but for their reason.
    bare = paired(table.dropna(subset=["score"]), reference="ours")
    n_cases = table.loc[table["resistance"] != "none", "case"].nunique()
    if set(bare.columns) and len(bare) and bare["n"].iloc[0] > 1:
        assert bare["difference"].iloc[0] == pytest.approx(found["difference"].iloc[0])
    row = found.iloc[0]
    assert row["n"] + row["n_dropped"] == n_cases
    counted = sum(int(part.split()[0]) for part in row["dropped"].split("; ") if part)
    assert counted == row["n_dropped"]
    assert not (found[["mean", "reference_mean"]] == 0).any().any()


def covered(intervals, truth):
    """Share of the studies whose interval holds the truth."""
    return float(np.mean([low <= truth <= high for low, high in intervals]))


@pytest.mark.slow
def test_intervals_of_a_difference_hold_the_truth_as_often_as_they_say():
    found = [
        paired(scores(n=25, missing=0.1, seed=seed), reference="ours").iloc[0]
        for seed in range(200)
    ]
    assert 0.93 <= covered([(row["low"], row["high"]) for row in found], -0.5) <= 0.97
    by_profile = [(row["profile_low"], row["profile_high"]) for row in found]
    assert 0.93 <= covered(by_profile, -0.5) <= 0.97


@pytest.mark.slow
def test_cases_of_one_profile_that_are_alike_need_the_wider_interval():
    narrow, wide = [], []
    for seed in range(200):
        table = scores(n=25, spread=0.3, seed=seed)
        rng = np.random.default_rng(seed + 1000)
        # How much better a therapist is differs from client to client.
        better = dict(zip(sorted(table["profile"].unique()), rng.normal(0, 1, 25), strict=True))
        table["score"] += table["profile"].map(better).where(table["model"] == "base", 0)
        row = paired(table, reference="ours").iloc[0]
        narrow.append((row["low"], row["high"]))
        wide.append((row["profile_low"], row["profile_high"]))
    assert covered(narrow, -0.5) < 0.85
    assert 0.93 <= covered(wide, -0.5) <= 0.97


@pytest.mark.slow
def test_intervals_of_a_change_hold_the_truth_as_often_as_they_say():
    found = [
        resistance_change(
            scores(n=40, effects={"ours": 0.0}, change=-0.3, missing=0.03, seed=seed),
            bootstrap=FEW,
        ).iloc[0]
        for seed in range(200)
    ]
    assert 0.93 <= covered([(row["low"], row["high"]) for row in found], -0.3) <= 0.97


# --- length ---------------------------------------------------------------------------------------


def lengths(slope=0.0, seed=0, n=40):
    """Sessions of three models; one talks much and scores low, whatever its single sessions do."""
    rng = np.random.default_rng(seed)
    rows = []
    for model, arm, mean, level in (
        ("short", "text", 20, 4.0),
        ("long", "text", 110, 2.5),
        ("vlm", "vision", 30, 4.0),
    ):
        for k in range(n):
            length = mean + rng.normal(0, 5)
            score = level + slope * (length - mean) + rng.normal(0, 0.3)
            rows.append((f"c{k}", model, arm, "focus", score, length))
    return pd.DataFrame(rows, columns=["case", "model", "arm", "criterion", "score", "length"])


def test_the_correlation_within_models_stands_beside_the_pooled_one():
    found = length_correlation(lengths(), bootstrap=FEW)
    text = found[(found["arm"] == "text") & (found["method"] == "pearson")].set_index("scope")
    assert list(text.index) == ["pooled", "within", "long", "short"]
    assert text.loc["pooled", "r"] < -0.9
    assert abs(text.loc["within", "r"]) < 0.3
    assert text.loc["within", "low"] < 0 < text.loc["within", "high"]
    assert (text.loc["pooled", "n"], text.loc["pooled", "n_models"]) == (80, 2)
    rising = length_correlation(lengths(slope=0.1), bootstrap=FEW).set_index(
        ["arm", "scope", "method"]
    )["r"]
    assert rising["text", "within", "pearson"] > 0.7
    assert rising["text", "pooled", "pearson"] < 0


def test_correlations_agree_with_scipy_and_count_what_is_missing():
    table = lengths()
    table.loc[table.index[:7], "score"] = np.nan
    found = length_correlation(table, bootstrap=FEW).set_index(["arm", "scope", "method"])
    part = table[table["arm"] == "text"].dropna()
    for method, test in (("pearson", stats.pearsonr), ("spearman", stats.spearmanr)):
        row = found.loc["text", "pooled", method]
        assert row["r"] == pytest.approx(test(part["length"], part["score"]).statistic)
        assert (row["n"], row["n_dropped"]) == (73, 7)
    assert found.loc["vision", "pooled", "pearson"]["n_dropped"] == 0
    alone = found.loc["text", "short", "pearson"]
    assert (alone["n"], alone["n_dropped"]) == (33, 7)
    with pytest.raises(StatisticsError, match="lacks the column\\(s\\) length"):
        length_correlation(table.drop(columns="length"))
