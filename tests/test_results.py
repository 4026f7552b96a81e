"""Failures, techniques, groups of raters, severity: each number against another source."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, strategies as st
from scipy.stats import t
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.proportion import proportion_confint

from emodiss import ratings, statistics
from emodiss.errors import EmodissError
from emodiss.statistics import Bootstrap, proportion


@pytest.fixture(scope="module")
def study():
    return ratings.simulate(n_videos=12, seed=5)


# --- shares ---------------------------------------------------------------------------------------


@given(st.integers(2, 60), st.data(), st.sampled_from([0.8, 0.95]))
def test_one_trial_per_video_gives_wilsons_interval(n, data, confidence):
    k = data.draw(st.integers(0, n))
    found = proportion(np.arange(n) < k, np.arange(n), confidence=confidence)
    low, high = proportion_confint(k, n, alpha=1 - confidence, method="wilson")
    assert (found.statistic, found.n, found.n_clusters) == (k / n, n, n)
    assert found.low == pytest.approx(max(low, 0), abs=1e-12)
    assert found.high == pytest.approx(min(high, 1), abs=1e-12)


def test_the_effective_size_is_that_of_a_cluster_robust_regression():
    rng = np.random.default_rng(1)
    video = np.repeat(np.arange(20), 6)
    hit = rng.random(120) < np.repeat(rng.beta(1, 2, 20), 6)
    found = proportion(hit, video)
    fit = sm.OLS(hit.astype(float), np.ones(120)).fit(
        cov_type="cluster", cov_kwds={"groups": video, "use_correction": False}
    )
    variance = fit.cov_params()[0, 0] * 20 / 19
    share = hit.mean()
    few = (t.ppf(0.975, 119) / t.ppf(0.975, 19)) ** 2
    assert found.n_effective == pytest.approx(few * 120 * (share * (1 - share) / 119) / variance)
    assert found.n_effective < 100
    wide = proportion_confint(found.n_effective * share, found.n_effective, method="wilson")
    assert (found.low, found.high) == pytest.approx(wide)


def test_where_all_trials_agree_a_video_counts_once():
    video = np.repeat(np.arange(5), 4)
    found = proportion(np.zeros(20), video)
    assert found.low == 0
    assert found.high == pytest.approx(proportion_confint(0, 5, method="wilson")[1])


def test_shares_without_interval_say_why():
    assert proportion([], []).reason == "no responses"
    found = proportion([True, False], ["v", "v"])
    assert found.statistic == 0.5 and np.isnan(found.low) and "one video" in found.reason


def test_clustered_intervals_cover():
    rng = np.random.default_rng(2)
    video = np.repeat(np.arange(25), 4)
    covered = []
    for _ in range(400):
        hit = rng.random(100) < np.repeat(rng.beta(0.6, 2.4, 25), 4)  # mean 0.2, alike in a video
        found = proportion(hit, video)
        covered.append(found.low <= 0.2 <= found.high)
    # 0.95 would show as 0.95 +/- 0.022; the plain Wilson interval covers 0.84 here.
    assert np.mean(covered) > 0.92


def responses() -> pd.DataFrame:
    rows = [
        ("v1", True, "m", "base", "Reflective listening", "listening", ""),
        ("v1", True, "m", "dissonance", "Juggling", None, "empty;refusal"),
        ("v2", False, "m", "base", "Socratic questioning", "cognitive_behavioural", "refusal"),
        ("v2", False, "m", "dissonance", None, None, ""),
    ]
    names = ["video", "flagged", "model", "condition", "technique", "technique_group", "failures"]
    return pd.DataFrame(rows, columns=names)


def test_failures_are_counted_by_model_and_condition_and_among_flagged_windows():
    found = statistics.failure_rates(responses())
    cell = found.set_index(["windows", "model", "condition", "failure"])
    assert cell.loc[("all", "m", "base", "any"), ["n_failed", "n", "share"]].tolist() == [1, 2, 0.5]
    assert cell.loc[("all", "m", "dissonance", "empty"), "n_failed"] == 1
    assert cell.loc[("all", "m", "dissonance", "any"), "n_failed"] == 1, "two flags, one response"
    assert cell.loc[("flagged", "m", "dissonance", "refusal"), ["n_failed", "n"]].tolist() == [1, 1]
    assert cell.loc[("flagged", "m", "base", "any"), "share"] == 0
    whole = statistics.failure_rates(responses(), by=()).set_index(["windows", "failure"])
    assert whole.loc[("all", "any"), ["n_failed", "n"]].tolist() == [2, 4]
    with pytest.raises(EmodissError, match="condition"):
        statistics.failure_rates(responses().drop(columns="condition"))


def test_techniques_add_up_and_a_name_unknown_is_not_a_name_missing():
    found = statistics.technique_shares(responses())
    groups = ["cognitive_behavioural", "listening", "unknown", "none"]
    part = found[found["windows"] == "all"]
    assert list(dict.fromkeys(part["technique_group"])) == groups
    assert part.groupby("condition")["share"].sum().tolist() == [1, 1]
    marked = part[part["condition"] == "dissonance"].set_index("technique_group")["n_named"]
    assert marked.to_dict() == {"cognitive_behavioural": 0, "listening": 0, "unknown": 1, "none": 1}


# --- groups of raters -----------------------------------------------------------------------------


def test_kappa_within_and_across_groups_is_the_mean_over_pairs(study):
    found = statistics.kappa_by_group(study.table, bootstrap=Bootstrap(resamples=200))
    spread = ratings.wide(study.table, "empathy")
    group = study.table.drop_duplicates("rater").set_index("rater")["rater_group"]
    for name, weights in (("none", None), ("quadratic", "quadratic")):
        means: dict[str, list[float]] = {"within": [], "across": []}
        for a, b in itertools.combinations(spread.columns, 2):
            both = spread[[a, b]].dropna()
            kappa = cohen_kappa_score(both[a], both[b], weights=weights, labels=[1, 2, 3, 4, 5])
            means["within" if group[a] == group[b] else "across"].append(kappa)
        rows = found[(found["weights"] == name) & (found["group_a"] == "all")]
        rows = rows.set_index("pairs")
        for kind, kappas in means.items():
            assert rows.loc[kind, "kappa"] == pytest.approx(np.mean(kappas), abs=1e-12)
            assert rows.loc[kind, "n_pairs"] == len(kappas)
            assert rows.loc[kind, "low"] < rows.loc[kind, "kappa"] < rows.loc[kind, "high"]
    one = found[(found["weights"] == "none") & (found["group_a"] == "group2")]
    assert one["pairs"].tolist() == ["within"] and one["n_pairs"].tolist() == [1]


def test_one_pair_has_the_interval_that_pairwise_kappa_gives(study):
    two = study.table[study.table["rater"].isin(["r4", "r5"])]
    mine = statistics.kappa_by_group(two, bootstrap=Bootstrap(resamples=300)).query(
        "group_a == 'all'"
    )
    theirs = statistics.pairwise_kappa(two, bootstrap=Bootstrap(resamples=300))
    for column in ("kappa", "low", "high"):
        np.testing.assert_allclose(mine[column], theirs[column], rtol=0, atol=1e-12)


def test_pairs_without_kappa_are_counted_and_not_averaged(study):
    table = study.table.copy()
    table.loc[table["rater"] == "r1", "value"] = 3.0
    found = statistics.kappa_by_group(table, weights=(None,), bootstrap=Bootstrap(resamples=100))
    within = found[(found["pairs"] == "within") & (found["group_a"] == "group1")].iloc[0]
    assert (within["n_pairs"], within["n_missing"]) == (1, 2)
    assert np.isfinite(within["kappa"])


def test_table_3_by_group_is_table_3_of_that_groups_ratings(study):
    found = statistics.judge_by_group(study.table, study.judge, bootstrap=Bootstrap(resamples=100))
    for name in ("group1", "group2"):
        part = study.table[study.table["rater_group"] == name]
        own = found[found["rater_group"] == name].set_index("method")
        expert = part.dropna(subset=["value"]).groupby("item")["value"].mean()
        score = study.judge.set_index("item")["score"].loc[expert.index]
        assert own.loc["pearson", "statistic"] == pytest.approx(np.corrcoef(expert, score)[0, 1])
    with pytest.raises(EmodissError, match="nothing"):
        statistics.judge_by_group(study.table, study.judge.assign(item="x"))


# --- severity -------------------------------------------------------------------------------------


def test_severity_is_taken_off_as_a_regression_on_items_and_raters_does(study):
    table = study.table
    adjusted = statistics.adjust_severity(table)
    rows = table.dropna(subset=["value"])
    dummies = pd.get_dummies(rows[["item", "rater"]].astype(str), dtype=float)
    fitted = np.linalg.lstsq(dummies.to_numpy(), rows["value"].to_numpy(), rcond=None)[0]
    effect = pd.Series(fitted, dummies.columns).filter(like="rater_")
    effect -= effect.mean()
    expected = rows["value"] - rows["rater"].map(effect.rename(lambda name: name[6:]))
    np.testing.assert_allclose(adjusted.loc[rows.index, "value"], expected, atol=1e-10)
    assert adjusted["value"].isna().sum() == table["value"].isna().sum()


def test_an_adjusted_mean_does_not_say_who_rated():
    # Two lenient raters rate the responses of one condition, two strict ones of the other, and
    # all of them a few of both: the true means are equal.
    sim = ratings.simulate(
        n_videos=60, effects={"base": 0.0, "dissonance": 0.0}, missing=0.0, noise_sd=0.3, seed=3
    )
    lenient = sim.table["rater"].isin(["r1", "r3"])
    strict = sim.table["rater"].isin(["r4", "r5"])
    anchor = sim.table["video"] < "v00010"
    base = sim.table["condition"] == "base"
    kept = sim.table[anchor | (lenient & base) | (strict & ~base)]
    raw = statistics.gains(kept, by=(), bootstrap=Bootstrap(resamples=100))["gain"].iloc[0]
    fair = statistics.gains(
        statistics.adjust_severity(kept), by=(), bootstrap=Bootstrap(resamples=100)
    )["gain"].iloc[0]
    assert raw < -0.4 and abs(fair) < 0.08


def test_raters_without_a_common_item_cannot_be_adjusted(study):
    one = study.table["rater"] == "r1"
    apart = study.table[one == (study.table["video"] < "v00006")]
    with pytest.raises(EmodissError, match="too few items of empathy"):
        statistics.adjust_severity(apart)
