"""Statistics against the paper's own arithmetic, published worked examples and other libraries."""

from __future__ import annotations

import math
import time
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from emodiss import ratings, statistics
from emodiss.errors import MissingExtra
from emodiss.statistics import Bootstrap, StatisticsError

NAN = float("nan")

# Shrout and Fleiss (1979), table 2: six targets, four judges.
SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
)

# Krippendorff (2011), Computing Krippendorff's alpha-reliability, example C: observers in rows.
KRIPPENDORFF = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
)

MEANS = pd.Series({"base": 0.0, "continuous": 0.391, "discrete": 0.437, "dissonance": 0.445})


def long_table(values, *, raters=None, criterion="empathy"):
    """Balanced long table from an array of videos x models x conditions x raters."""
    v, m, c, r = (axis.ravel() for axis in np.indices(values.shape))
    names = ["base", "continuous", "discrete", "dissonance"][: values.shape[2]]
    return pd.DataFrame(
        {
            "rater": [f"r{i}" for i in r],
            "rater_group": ["g1" if i < 3 else "g2" for i in r],
            "item": [f"i{a}-{b}-{d}" for a, b, d in zip(v, m, c, strict=True)],
            "video": [f"v{i}" for i in v],
            "model": [f"m{i}" for i in m],
            "condition": [names[i] for i in c],
            "criterion": criterion,
            "value": values.ravel().astype(float),
            "repeat": 0,
        }
    )


# --- ANOVA and Tukey ---------------------------------------------------------------------------


def test_paper_f_and_tukey_follow_from_its_own_summary():
    # Section 5.1: F(3, 6204) = 72.18, so N = 6,208 = 4 x 1,552. With the printed differences
    # that F means a residual variance of 0.980: between = 1552 * sum((m - mean(m))^2) = 212.22,
    # 212.22 / 3 / 72.18 = 0.980.
    sd = math.sqrt(212.2247 / 3 / 72.18)
    anova = statistics.anova_from_summary(MEANS, sd, 1552)
    assert (anova.df_between, anova.df_within) == (3, 6204)
    assert anova.statistic == pytest.approx(72.18, abs=0.005)
    assert anova.p_value < 0.001
    assert anova.eta_squared == pytest.approx(0.034, abs=0.0005)
    assert anova.n == (1552,) * 4
    tukey = statistics.tukey_from_summary(MEANS, sd, 1552).to_frame()
    printed = {
        "continuous": (0.391, 0.300, 0.482),
        "discrete": (0.437, 0.346, 0.528),
        "dissonance": (0.445, 0.354, 0.537),
    }
    for row in tukey.itertuples():
        if row.group_a == "base":
            assert (row.difference, row.low, row.high) == pytest.approx(
                printed[row.group_b], abs=0.001
            )
            assert row.p_value < 0.001
        else:
            assert not row.significant


def test_anova_by_hand():
    # groups 1,2,3 | 2,3,4 | 5,6,7: means 2,3,6, grand 11/3; between = 3*(25+4+49)/9 = 26;
    # within = 6; F = (26/2)/(6/6) = 13; eta squared 26/32; omega squared (26-2)/(32+1).
    found = statistics.anova_oneway([1, 2, 3, 2, 3, 4, 5, 6, 7], list("aaabbbccc"))
    assert found.statistic == pytest.approx(13)
    assert found.eta_squared == pytest.approx(26 / 32)
    assert found.omega_squared == pytest.approx(24 / 33)
    assert found.groups == ("a", "b", "c") and found.n == (3, 3, 3)
    assert found.to_frame()["ms"].tolist()[:2] == pytest.approx([13, 1])


@settings(max_examples=20, deadline=None)
@example(511)
@given(st.integers(0, 10_000))
def test_anova_agrees_with_scipy_and_summary_path_unbalanced(seed):
    from scipy.stats import f_oneway

    rng = np.random.default_rng(seed)
    groups = [rng.normal(size=n) + n / 10 for n in rng.integers(2, 12, size=4)]
    labels = np.repeat(np.arange(4), [len(g) for g in groups])
    raw = statistics.anova_oneway(np.concatenate(groups), labels)
    theirs = f_oneway(*groups)
    assert raw.statistic == pytest.approx(theirs.statistic, rel=1e-9)
    assert raw.p_value == pytest.approx(theirs.pvalue, rel=1e-6)
    summary = statistics.anova_from_summary(
        [g.mean() for g in groups], [g.std(ddof=1) for g in groups], [len(g) for g in groups]
    )
    assert summary.statistic == pytest.approx(raw.statistic, rel=1e-9)
    # The interval is about the unbiased share: with F near 0 (seed 511) it lies below eta squared.
    unbiased = max(raw.omega_squared, 0.0)
    assert raw.eta_squared_low <= unbiased <= raw.eta_squared_high


def test_tukey_kramer_agrees_with_scipy_and_statsmodels_unbalanced():
    from scipy.stats import tukey_hsd
    from statsmodels.stats.multicomp import pairwise_tukeyhsd

    rng = np.random.default_rng(3)
    groups = [rng.normal(loc, 1.0, n) for loc, n in ((0, 9), (0.5, 14), (1.4, 6))]
    values, labels = np.concatenate(groups), np.repeat(list("abc"), [9, 14, 6])
    ours = statistics.tukey_hsd(values, labels)
    theirs = tukey_hsd(*groups)
    limits = theirs.confidence_interval(0.95)
    others = pairwise_tukeyhsd(values, labels)
    for i, (a, b) in enumerate(((0, 1), (0, 2), (1, 2))):
        # scipy subtracts the other way round
        assert ours.differences[i] == pytest.approx(-theirs.statistic[a, b])
        assert ours.p_value[i] == pytest.approx(theirs.pvalue[a, b], abs=1e-6)
        assert ours.low[i] == pytest.approx(-limits.high[a, b], abs=1e-6)
        assert ours.high[i] == pytest.approx(-limits.low[a, b], abs=1e-6)
        assert others.confint[i] == pytest.approx([ours.low[i], ours.high[i]], abs=1e-3)
    assert ours.n == ((9, 14), (9, 6), (14, 6))


def test_two_groups_anova_is_t_squared():
    from scipy.stats import ttest_ind

    a, b = [1.0, 4, 2, 8], [3.0, 9, 7, 7, 8]
    found = statistics.anova_oneway(a + b, [0] * 4 + [1] * 5)
    t = ttest_ind(a, b)
    assert found.statistic == pytest.approx(t.statistic**2)
    # Tukey with two groups is the same test
    assert statistics.tukey_hsd(a + b, [0] * 4 + [1] * 5).p_value[0] == pytest.approx(
        t.pvalue, abs=1e-6
    )


def test_eta_limits_invert_the_noncentral_f():
    # Definition: at the limits, the observed F is the 97.5 % and 2.5 % point of the noncentral F.
    from scipy.stats import ncf

    found = statistics.anova_from_summary([0, 0.5, 1.0], 1.0, 20)
    for limit, probability in ((found.eta_squared_low, 0.975), (found.eta_squared_high, 0.025)):
        noncentrality = limit / (1 - limit) * 60
        assert ncf.cdf(found.statistic, 2, 57, noncentrality) == pytest.approx(
            probability, abs=1e-6
        )


@pytest.mark.parametrize(
    ("values", "groups", "reason"),
    [
        ([1, 2, 3], ["a", "a", "a"], "two or more"),
        ([1, 2], ["a", "b"], "one value per group"),
        ([3, 3, 3, 3], ["a", "a", "b", "b"], "equal"),
        ([2, 2, 3, 3], ["a", "a", "b", "b"], "equal"),
        ([NAN, NAN], ["a", "b"], "0 group"),
    ],
)
def test_anova_without_an_answer_says_why(values, groups, reason):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = statistics.anova_oneway(values, groups)
        tukey = statistics.tukey_hsd(values, groups)
    assert math.isnan(found.statistic) and math.isnan(found.p_value)
    assert reason in found.reason
    assert tukey.reason and all(math.isnan(p) for p in tukey.p_value)


def test_missing_values_are_dropped_and_counted():
    full = statistics.anova_oneway([1, 2, 4, 6.0], ["a", "a", "b", "b"])
    some = statistics.anova_oneway([1, 2, NAN, 4, 6, 9], ["a", "a", "a", "b", "b", None])
    assert some.statistic == full.statistic
    assert (full.n_dropped, some.n_dropped) == (0, 2)


@pytest.mark.parametrize(
    ("means", "sds", "ns"),
    [([1, 2], [1, 1, 1], 5), ([1, 2], -1, 5), ([1, 2], 1, 0), ([1, NAN], 1, 5), ([1, 2], 1, 2.5)],
)
def test_impossible_summaries_are_refused(means, sds, ns):
    with pytest.raises(StatisticsError):
        statistics.anova_from_summary(means, sds, ns)


# --- rank tests and Holm -----------------------------------------------------------------------


def test_friedman_agrees_with_scipy_with_ties():
    from scipy.stats import friedmanchisquare

    rng = np.random.default_rng(0)
    blocks = pd.DataFrame(rng.integers(1, 6, size=(30, 4)), columns=list("abcd"), dtype=float)
    ours = statistics.friedman(blocks)
    theirs = friedmanchisquare(*(blocks[c] for c in blocks))
    assert ours.statistic == pytest.approx(theirs.statistic)
    assert ours.p_value == pytest.approx(theirs.pvalue)
    blocks.iloc[3, 2] = NAN
    assert (statistics.friedman(blocks).n, statistics.friedman(blocks).n_dropped) == (29, 1)
    constant = statistics.friedman(blocks * 0)
    assert math.isnan(constant.statistic) and "tie" in constant.reason


def test_wilcoxon_by_hand():
    # differences 1, 2, 3, 4, 5, 6: all positive. Exact two-sided p = 2 / 2^6 = 0.03125.
    # Hodges-Lehmann: the median of the pairwise means is 3.5.
    blocks = pd.DataFrame({"base": [0.0] * 6, "new": [1.0, 2, 3, 4, 5, 6], "same": [0.0] * 6})
    found = statistics.wilcoxon(blocks, reference="base").set_index("treatment")
    assert found.loc["new", "p_value"] == pytest.approx(2 / 2**6)
    assert found.loc["new", "median_difference"] == 3.5
    assert found.loc["new", "rank_biserial"] == 1.0
    assert found.loc["new", "p_holm"] == pytest.approx(2 / 2**6)  # the other is no test
    assert found.loc["same", "reason"] == "all differences are zero"
    with pytest.raises(StatisticsError, match="Choices: base"):
        statistics.wilcoxon(blocks, reference="bass")


def test_holm_by_hand():
    # sorted .01 .02 .03 .04 -> x4, x3, x2, x1 = .04 .06 .06 .04 -> running maximum .04 .06 .06 .06
    assert statistics.holm([0.04, 0.01, 0.03, 0.02]).tolist() == pytest.approx(
        [0.06, 0.04, 0.06, 0.06]
    )
    with_nan = statistics.holm([0.5, NAN, 0.9])
    assert with_nan[0] == 1.0 and math.isnan(with_nan[1]) and with_nan[2] == 1.0
    with pytest.raises(StatisticsError):
        statistics.holm([1.2])


@settings(max_examples=25, deadline=None)
@given(hnp.arrays(float, st.integers(1, 12), elements=st.floats(0, 1)))
def test_holm_agrees_with_statsmodels(p):
    from statsmodels.stats.multitest import multipletests

    assert statistics.holm(p) == pytest.approx(multipletests(p, method="holm")[1])


# --- Cohen's kappa -----------------------------------------------------------------------------


def test_kappa_textbook():
    # Two readers, 50 grants: yes/yes 20, yes/no 5, no/yes 10, no/no 15 (a common worked example).
    # observed 35/50 = .7; expected .5*.6 + .5*.4 = .5; kappa .2/.5 = .4.
    a = ["y"] * 25 + ["n"] * 25
    b = ["y"] * 20 + ["n"] * 5 + ["y"] * 10 + ["n"] * 15
    found = statistics.cohen_kappa(a, b)
    assert (found.observed, found.expected, found.statistic) == pytest.approx((0.7, 0.5, 0.4))
    assert found.n == 50


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([None, "linear", "quadratic"]))
def test_kappa_agrees_with_statsmodels(seed, weights):
    from statsmodels.stats.inter_rater import cohens_kappa

    rng = np.random.default_rng(seed)
    a = np.concatenate([[1, 2, 3, 4, 5], rng.integers(1, 6, 60)])
    b = np.clip(a + rng.integers(-1, 2, len(a)), 1, 5)
    b[:5] = [5, 4, 3, 2, 1]
    counts = pd.crosstab(a, b).to_numpy()
    theirs = cohens_kappa(counts, wt=weights)
    ours = statistics.cohen_kappa(a, b, weights)
    assert ours.statistic == pytest.approx(theirs.kappa)
    assert ours.se == pytest.approx(theirs.std_kappa)
    assert ours.low == pytest.approx(theirs.kappa_low, abs=1e-9)
    assert ours.p_value == pytest.approx(theirs.pvalue_two_sided, abs=1e-9)


def test_one_point_stricter_is_severity_not_disagreement():
    # Research decision A15: on a roughly normal spread of items a rater one point lower has raw
    # kappa near zero and high quadratic kappa.
    a = np.repeat([2, 3, 4, 5], [10, 40, 40, 10])
    raw = statistics.cohen_kappa(a, a - 1).statistic
    # observed 0; expected p(2)p'(2) + p(3)p'(3) + p(4)p'(4) = .1*.4 + .4*.4 + .4*.1 = .24
    assert raw == pytest.approx(-0.24 / 0.76)
    # squared distance is 1 everywhere; by chance 1 + 2 var = 1 + 2 * .65 = 2.3
    assert statistics.cohen_kappa(a, a - 1, "quadratic").statistic == pytest.approx(1 - 1 / 2.3)


def test_unused_points_of_the_scale_still_count():
    # values 1, 2, 5: the step from 2 to 5 is three points, whether or not anybody used 3 and 4
    a, b = [1, 2, 5, 5, 2, 1], [1, 2, 5, 2, 2, 2]
    bare = statistics.cohen_kappa(a, b, "quadratic")
    full = statistics.cohen_kappa(a, b, "quadratic", categories=[1, 2, 3, 4, 5])
    assert bare.statistic == pytest.approx(full.statistic)


@settings(max_examples=25, deadline=None)
@given(
    hnp.arrays(np.int64, 40, elements=st.integers(1, 5)),
    hnp.arrays(np.int64, 40, elements=st.integers(1, 5)),
    st.integers(-3, 3),
    st.integers(1, 4),
    st.randoms(use_true_random=False),
)
def test_kappa_laws(a, b, shift, factor, random):
    for weights in (None, "linear", "quadratic"):
        kappa = statistics.cohen_kappa(a, b, weights)
        if kappa.reason:
            continue
        assert kappa.statistic <= 1
        swapped = statistics.cohen_kappa(b, a, weights).statistic
        moved = statistics.cohen_kappa(factor * a + shift, factor * b + shift, weights).statistic
        order = list(range(40))
        random.shuffle(order)
        shuffled = statistics.cohen_kappa(a[order], b[order], weights).statistic
        assert [swapped, moved, shuffled] == pytest.approx([kappa.statistic] * 3)


@pytest.mark.parametrize(
    ("a", "b", "reason"),
    [
        ([3, 3, 3], [3, 3, 3], "same value"),
        ([3, 3, 3], [4, 4, 4], "each rater gave one value"),
        ([3, 3, 3], [1, 2, 3], "first rater"),
        ([1, 2, 3], [3, 3, 3], "second rater"),
        ([1, NAN], [NAN, 2], "no item"),
        ([], [], "no item"),
    ],
)
def test_kappa_without_an_answer_says_why(a, b, reason):
    for weights in (None, "quadratic"):
        found = statistics.cohen_kappa(a, b, weights)
        assert math.isnan(found.statistic) and math.isnan(found.low) and reason in found.reason


def test_kappa_refuses_what_it_cannot_mean():
    with pytest.raises(StatisticsError, match="2 and 3"):
        statistics.cohen_kappa([1, 2], [1, 2, 3])
    with pytest.raises(StatisticsError, match="quadratic"):
        statistics.cohen_kappa([1, 2], [1, 2], "quadrattic")
    with pytest.raises(StatisticsError, match="order"):
        statistics.cohen_kappa(["low", "high"], ["low", "low"], "linear")
    with pytest.raises(StatisticsError, match="not among"):
        statistics.cohen_kappa([1, 9], [1, 2], categories=[1, 2, 3])


def test_kappa_cluster_interval_is_wider_when_clusters_repeat():
    rng = np.random.default_rng(5)
    a = rng.integers(1, 6, 40)
    b = np.clip(a + rng.integers(-1, 2, 40), 1, 5)
    # each item copied ten times: the information of 40 items in 400 rows
    many = [np.repeat(x, 10) for x in (a, b)]
    plain = statistics.cohen_kappa(*many)
    clustered = statistics.cohen_kappa(*many, clusters=np.repeat(np.arange(40), 10))
    single = statistics.cohen_kappa(a, b)
    assert clustered.statistic == pytest.approx(single.statistic)
    width = clustered.high - clustered.low
    assert width == pytest.approx(single.high - single.low, rel=0.2)
    assert width > 2 * (plain.high - plain.low)


# --- Krippendorff's alpha ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "expected"),
    [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)],
)
def test_alpha_published_example(level, expected):
    found = statistics.krippendorff_alpha(KRIPPENDORFF, level, raters="rows")
    assert found.statistic == pytest.approx(expected, abs=0.0005)
    assert (found.n_units, found.n_values, found.n_dropped) == (11, 40, 1)
    assert found.low < found.statistic <= found.high
    turned = statistics.krippendorff_alpha(KRIPPENDORFF.T, level)
    assert turned.statistic == found.statistic


def test_alpha_two_observers_by_hand():
    # Units (a,a) (b,b) (a,b): coincidences aa 2, bb 2, ab 1, ba 1; n = 6, n_a = n_b = 3.
    # alpha = 1 - (n - 1) * D / sum(n_c n_k) = 1 - 5 * 2 / (2 * 9) = 4/9.
    table = pd.DataFrame({"r1": ["a", "b", "a"], "r2": ["a", "b", "b"]})
    assert statistics.krippendorff_alpha(table, "nominal").statistic == pytest.approx(4 / 9)
    with pytest.raises(StatisticsError, match="nominal"):
        statistics.krippendorff_alpha(table, "ordinal")


@settings(max_examples=25, deadline=None)
@given(
    hnp.arrays(float, (8, 4), elements=st.sampled_from([1.0, 2.0, 3.0, 4.0, 5.0, NAN])),
    st.permutations(range(4)),
    st.permutations(range(8)),
)
def test_alpha_laws(cells, raters, units):
    for level in ("nominal", "ordinal", "interval"):
        found = statistics.krippendorff_alpha(cells, level, bootstrap=Bootstrap(resamples=0))
        if found.reason:
            assert math.isnan(found.statistic)
            continue
        assert found.statistic <= 1 + 1e-12
        permuted = statistics.krippendorff_alpha(
            cells[units][:, raters], level, bootstrap=Bootstrap(resamples=0)
        )
        moved = statistics.krippendorff_alpha(
            2 * cells + 7, level, bootstrap=Bootstrap(resamples=0)
        )
        assert [permuted.statistic, moved.statistic] == pytest.approx([found.statistic] * 2)


def test_alpha_is_one_only_when_raters_agree_and_nan_without_variation():
    agree = np.repeat(np.array([[1.0], [2.0], [5.0]]), 3, axis=1)
    assert statistics.krippendorff_alpha(agree).statistic == 1.0
    constant = statistics.krippendorff_alpha(np.full((5, 3), 4.0))
    assert math.isnan(constant.statistic) and "equal" in constant.reason
    alone = statistics.krippendorff_alpha(np.array([[1.0, NAN], [NAN, 2.0]]))
    assert math.isnan(alone.statistic) and alone.n_dropped == 2
    with pytest.raises(StatisticsError, match="ordinal"):
        statistics.krippendorff_alpha(agree, "ordnial")


# --- ICC ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "value", "low", "high"),
    [
        # Estimates: Shrout and Fleiss (1979), table 4. Limits: documentation of psych::ICC (R).
        ("ICC1,1", 0.17, -0.133, 0.72),
        ("ICC2,1", 0.29, 0.019, 0.76),
        ("ICC3,1", 0.71, 0.342, 0.95),
        ("ICC1,k", 0.44, -0.884, 0.91),
        ("ICC2,k", 0.62, 0.071, 0.93),
        ("ICC3,k", 0.91, 0.676, 0.99),
    ],
)
def test_icc_shrout_fleiss(form, value, low, high):
    found = statistics.icc(SHROUT_FLEISS, form)
    assert found.statistic == pytest.approx(value, abs=0.005)
    assert found.low == pytest.approx(low, abs=0.0006)
    assert found.high == pytest.approx(high, abs=0.005)
    assert statistics.icc(SHROUT_FLEISS, f"ICC({form[3]}, {form[5]})") == found


def test_icc_drops_incomplete_rows_and_says_how_many():
    table = np.vstack([SHROUT_FLEISS.astype(float), [[1, NAN, 2, 3], [NAN] * 4]])
    found = statistics.icc(table)
    assert (found.n_items, found.n_raters, found.n_dropped) == (6, 4, 2)
    assert found.statistic == statistics.icc(SHROUT_FLEISS).statistic


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(-20, 20), st.floats(0.1, 9), st.permutations(range(4)))
def test_icc_laws(seed, shift, factor, order):
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(9, 1)) + rng.normal(size=(9, 4)) + rng.normal(size=(1, 4))
    severe = table + np.array([0, -1, 2, 5])
    for form in statistics.ICC_FORMS:
        found = statistics.icc(table, form)
        same = [statistics.icc(table[:, order], form), statistics.icc(factor * table + shift, form)]
        for other in same:
            assert [other.statistic, other.low, other.high] == pytest.approx(
                [found.statistic, found.low, found.high], abs=1e-7
            )
        assert found.low <= found.statistic <= found.high
        if form[3] == "3":  # consistency: severity does not count
            assert statistics.icc(severe, form).statistic == pytest.approx(found.statistic)


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (np.full((5, 3), 4.0), "equal"),
        (np.arange(5.0)[:, None], "1 rater"),
        (np.array([[1.0, 2.0], [NAN, 3.0]]), "1 complete item"),
    ],
)
def test_icc_without_an_answer_says_why(table, reason):
    for form in statistics.ICC_FORMS:
        found = statistics.icc(table, form)
        assert math.isnan(found.statistic) and reason in found.reason


def test_icc_perfect_agreement_and_wrong_names():
    perfect = np.repeat(np.arange(5.0)[:, None], 3, axis=1)
    for form in statistics.ICC_FORMS:
        assert statistics.icc(perfect, form).statistic == pytest.approx(1.0)
    with pytest.raises(StatisticsError, match="ICC2,1"):
        statistics.icc(perfect, "ICC2.1")
    with pytest.raises(StatisticsError, match="dimension"):
        statistics.icc([1, 2, 3])


# --- gains -------------------------------------------------------------------------------------


@settings(max_examples=10, deadline=None)
@given(
    hnp.arrays(
        np.int64,
        st.tuples(st.integers(2, 5), st.integers(1, 4), st.just(4), st.integers(1, 3)),
        elements=st.integers(1, 5),
    )
)
def test_mean_of_model_gains_is_the_pooled_gain_when_balanced(values):
    # Algebra: with equal cell sizes the pooled mean is the mean of the models' means. This is the
    # identity that the paper's printed gains and differences break (research, 3.2 item 3).
    table = long_table(values)
    by_model = (
        statistics.gains(table, bootstrap=Bootstrap(resamples=10))
        .groupby("condition")["gain"]
        .mean()
    )
    pooled = statistics.gains(table, by=(), bootstrap=Bootstrap(resamples=10)).set_index(
        "condition"
    )["gain"]
    matched = statistics.gains(
        table, by=(), matched=True, bootstrap=Bootstrap(resamples=10)
    ).set_index("condition")
    by_hand = values.mean(axis=(0, 1, 3))
    for i, condition in enumerate(["continuous", "discrete", "dissonance"], start=1):
        expected = by_hand[i] - by_hand[0]
        assert by_model[condition] == pytest.approx(expected, abs=1e-9)
        assert pooled[condition] == pytest.approx(expected, abs=1e-9)
        assert matched.loc[condition, "gain"] == pytest.approx(expected, abs=1e-9)


def test_gains_by_hand_unbalanced():
    # m0: base 2, 4 (mean 3), new 5 -> 2.  m1: base 1, new 2, 4 (mean 3) -> 2.
    # pooled: base (2+4+1)/3 = 7/3, new (5+2+4)/3 = 11/3 -> 4/3.
    rows = [
        ("r0", "v0", "m0", "base", 2),
        ("r0", "v1", "m0", "base", 4),
        ("r0", "v0", "m0", "new", 5),
        ("r0", "v0", "m1", "base", 1),
        ("r0", "v0", "m1", "new", 2),
        ("r0", "v1", "m1", "new", 4),
    ]
    table = pd.DataFrame(rows, columns=["rater", "video", "model", "condition", "value"])
    table["criterion"] = "empathy"
    table["item"] = table["video"] + table["model"] + table["condition"]
    found = statistics.gains(table)
    assert found["gain"].tolist() == pytest.approx([2, 2])
    assert found["n_base"].tolist() == [2, 1] and found["n_condition"].tolist() == [1, 2]
    assert statistics.gains(table, by=())["gain"].tolist() == pytest.approx([4 / 3])
    # matched: (v0, m0) 5 - 2 = 3 and (v0, m1) 2 - 1 = 1
    assert statistics.gains(table, by=(), matched=True)["gain"].tolist() == pytest.approx([2])


def test_condition_missing_for_a_model_is_a_row_with_a_reason():
    table = long_table(np.random.default_rng(0).integers(1, 6, (6, 2, 4, 2)))
    table = table[~((table["model"] == "m1") & (table["condition"] == "discrete"))]
    for matched in (False, True):
        found = statistics.gains(table, matched=matched).set_index(["model", "condition"])
        gone = found.loc[("m1", "discrete")]
        assert math.isnan(gone["gain"]) and gone["n_condition"] == 0
        assert gone["reason"].startswith("no ratings under")
        assert math.isfinite(found.loc[("m0", "discrete"), "low"])
    means = statistics.condition_means(table).set_index(["model", "condition"])
    assert means.loc[("m1", "discrete"), "n"] == 0
    assert means.loc[("m1", "discrete"), "reason"] == "no ratings"
    with pytest.raises(StatisticsError, match="Choices: base"):
        statistics.gains(table, base="none")


def test_cluster_bootstrap_matches_explicit_resampling():
    table = long_table(np.random.default_rng(1).integers(1, 6, (12, 2, 2, 3)))
    table = table.sample(frac=0.8, random_state=0)
    found = statistics.gains(table, by=(), bootstrap=Bootstrap(resamples=200, seed=7)).iloc[0]
    videos = sorted(table["video"].unique())
    by_video = {name: part for name, part in table.groupby("video")}
    boot = []
    for counts in Bootstrap(resamples=200, seed=7).draw(len(videos)).astype(int):
        copies = [by_video[v] for v, n in zip(videos, counts, strict=True) for _ in range(n)]
        means = pd.concat(copies).groupby("condition")["value"].mean()
        boot.append(means["continuous"] - means["base"])
    assert (found["low"], found["high"]) == pytest.approx(tuple(np.quantile(boot, [0.025, 0.975])))


def test_one_video_gives_no_interval():
    table = long_table(np.random.default_rng(1).integers(1, 6, (1, 2, 4, 3)))
    found = statistics.gains(table)
    assert found["gain"].notna().all() and found["low"].isna().all()
    assert (found["reason"] != "").all()


def test_bootstrap_is_fast_at_the_size_of_the_paper():
    table = ratings.simulate(n_videos=97, missing=0.2, seed=3).table
    started = time.process_time()
    statistics.gains(table, bootstrap=Bootstrap(resamples=2000))
    assert time.process_time() - started < 2.0


def test_block_means_leave_out_models_without_every_condition():
    values = np.zeros((1, 2, 2, 1))
    values[0, 0, :, 0] = [1, 2]
    values[0, 1, :, 0] = [5, 9]
    table = long_table(values)
    assert statistics.block_means(table, "empathy").loc["v0"].tolist() == [3.0, 5.5]
    fewer = table[~((table["model"] == "m1") & (table["condition"] == "base"))]
    assert statistics.block_means(fewer, "empathy").loc["v0"].tolist() == [1.0, 2.0]


# --- mixed model -------------------------------------------------------------------------------


def test_mixed_model_equals_plain_differences_when_balanced():
    # In a balanced crossing GLS estimates of condition contrasts are the differences of means.
    simulated = ratings.simulate(n_videos=15, missing=0.0, seed=2)
    fit = statistics.mixed_model(simulated.table, "empathy")
    gains = statistics.gains(simulated.table, bootstrap=Bootstrap(resamples=10)).set_index(
        ["condition", "model"]
    )
    pooled = statistics.gains(simulated.table, by=(), bootstrap=Bootstrap(resamples=10)).set_index(
        "condition"
    )
    effects = fit.to_frame().set_index(["condition", "model"])
    for key, row in effects.iterrows():
        expected = pooled.loc[key[0], "gain"] if key[1] == "all" else gains.loc[key, "gain"]
        assert row["estimate"] == pytest.approx(expected, abs=1e-6)
    assert fit.converged and fit.interaction and fit.n == 15 * 16 * 5
    # Balanced, so the SE of a pooled difference follows from the printed components by hand:
    # var = 2 (item variance + residual variance / 5 raters) / (15 videos x 4 models).
    se = math.sqrt(2 * (fit.item_sd**2 + fit.residual_sd**2 / 5) / 60)
    assert effects.loc[("discrete", "all"), "se"] == pytest.approx(se, rel=1e-3)


def test_mixed_model_finds_what_was_put_in():
    simulated = ratings.simulate(
        n_videos=60, video_sd=0.5, item_sd=0.4, noise_sd=0.6, mean=3.0, seed=11,
        model_effects={"m": 0.0, "n": 0.0}, effects={"base": 0.0, "new": 0.4},
    )  # fmt: skip
    fit = statistics.mixed_model(simulated.table, "empathy")
    row = fit.effects.iloc[0]
    assert row["low"] < simulated.pooled_gain()["new"] < row["high"]
    assert fit.video_sd == pytest.approx(0.5, abs=0.15)
    assert fit.item_sd == pytest.approx(0.4, abs=0.1)
    # rounding to the scale adds about 1/12 of variance: sqrt(.36 + .083) = .67
    assert fit.residual_sd == pytest.approx(0.67, abs=0.06)


def test_mixed_model_states_what_it_cannot_do():
    table = long_table(np.random.default_rng(0).integers(1, 6, (8, 2, 4, 3)))
    gone = table[~((table["model"] == "m1") & (table["condition"] == "discrete"))]
    fit = statistics.mixed_model(gone, "empathy", random=("video",))
    assert not fit.interaction and "m1 under discrete" in fit.notes[0]
    assert set(fit.effects["model"]) == {"all"}
    constant = statistics.mixed_model(table.assign(value=3.0), "empathy")
    assert constant.reason == "all ratings are equal" and constant.effects["estimate"].isna().all()
    alone = statistics.mixed_model(table[table["video"] == "v0"], "empathy")
    assert "one video" in alone.reason
    with pytest.raises(StatisticsError, match="base condition"):
        statistics.mixed_model(table, "empathy", base="nothing")


def test_mixed_model_without_statsmodels_names_the_extra(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "statsmodels.regression.mixed_linear_model", None)
    table = long_table(np.random.default_rng(0).integers(1, 6, (4, 2, 2, 2)))
    with pytest.raises(MissingExtra, match=r"emodiss\[stats\]"):
        statistics.mixed_model(table, "empathy")
    evaluation = statistics.evaluate(table, bootstrap=Bootstrap(resamples=50))
    assert "mixed" not in evaluation.tables
    assert any("emodiss[stats]" in note for note in evaluation.notes)


# --- severity, kappa and repeats over a table --------------------------------------------------


def test_severity_by_hand_when_raters_saw_other_items():
    # Items worth 2 and 4. r0 rates both exactly; r1 gives one point less, but saw only the better
    # item: raw means are equal (3 and 3), the effects are +.5 and -.5.
    table = pd.DataFrame(
        {
            "rater": ["r0", "r0", "r1"],
            "rater_group": ["a", "a", "b"],
            "item": ["x", "y", "y"],
            "video": ["v0", "v1", "v1"],
            "criterion": "empathy",
            "value": [2.0, 4.0, 3.0],
        }
    )
    found = statistics.severity(table, bootstrap=Bootstrap(resamples=50)).set_index("rater")
    assert found["mean"].tolist() == [3.0, 3.0]
    assert found["effect"].tolist() == pytest.approx([0.5, -0.5])
    groups = statistics.severity(
        table, by="rater_group", bootstrap=Bootstrap(resamples=50)
    ).set_index("rater_group")
    assert groups["effect"].tolist() == pytest.approx([0.5, -0.5])
    apart = statistics.severity(
        table.assign(item=["x", "y", "z"]), bootstrap=Bootstrap(resamples=50)
    )
    assert apart["effect"].isna().all() and apart["reason"].str.contains("share too few").all()
    alone = statistics.severity(table[table["rater"] == "r0"], bootstrap=Bootstrap(resamples=50))
    assert "one rater" in alone["reason"].iloc[0]


def test_severity_is_least_squares():
    table = ratings.simulate(n_videos=8, missing=0.4, seed=4).table
    found = statistics.severity(table, bootstrap=Bootstrap(resamples=20))
    raters, items = pd.get_dummies(table["rater"]), pd.get_dummies(table["item"])
    solved = np.linalg.lstsq(np.hstack([raters, items]).astype(float), table["value"], rcond=None)
    effects = solved[0][: raters.shape[1]]
    assert found["effect"].to_numpy() == pytest.approx(effects - effects.mean())


def test_pairwise_kappa_gives_every_pair_once_on_common_items():
    table = ratings.simulate(n_videos=10, missing=0.3, seed=5).table
    found = statistics.pairwise_kappa(table, bootstrap=Bootstrap(resamples=100))
    assert len(found) == 10 * 2  # pairs of five raters, two weights
    row = found.iloc[1]
    wide = ratings.wide(table, "empathy")[[row["rater_a"], row["rater_b"]]].dropna()
    direct = statistics.cohen_kappa(wide.iloc[:, 0], wide.iloc[:, 1], "quadratic")
    assert (row["kappa"], row["n"]) == (pytest.approx(direct.statistic), len(wide))
    assert statistics.pairwise_kappa(table[table["rater"] == "r1"]).empty
    shuffled = statistics.pairwise_kappa(
        table.sample(frac=1, random_state=1), bootstrap=Bootstrap(resamples=100)
    )
    pd.testing.assert_frame_equal(found, shuffled)


def test_intra_rater_uses_repeats_only_here():
    table = long_table(np.arange(1, 5).reshape(4, 1, 1, 1))
    again = table.assign(repeat=1, value=[1.0, 2.0, 4.0, 4.0])
    both = pd.concat([table, again], ignore_index=True)
    found = statistics.intra_rater(both).iloc[0]
    assert (found["n"], found["exact"], found["mean_absolute_difference"]) == (4, 0.75, 0.25)
    assert statistics.intra_rater(table).empty
    # the second showing must not enter the means
    assert statistics.condition_means(both)["mean"].iloc[0] == 2.5


# --- judge -------------------------------------------------------------------------------------


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_clustered_correlations_match_explicit_resampling(seed, ties):
    rng = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(6), 5)
    x = rng.normal(size=30)
    y = x + rng.normal(size=30)
    if ties:
        x, y = np.round(x), np.round(y)
    counts = Bootstrap(resamples=40, seed=seed).draw(6).astype(int)
    for method, name in (("pearson", "pearson"), ("spearman", "spearman"), ("kendall", "kendall")):
        boot = []
        for row in counts:
            rows = np.concatenate(
                [np.flatnonzero(clusters == c).repeat(n) for c, n in enumerate(row)]
            )
            boot.append(pd.Series(x[rows]).corr(pd.Series(y[rows]), method=name))
        found = statistics.correlation(
            x, y, method, clusters=clusters, bootstrap=Bootstrap(resamples=40, seed=seed)
        )
        assert (found.low, found.high) == pytest.approx(tuple(np.quantile(boot, [0.025, 0.975])))


def test_correlation_analytic_limits():
    from scipy.stats import pearsonr

    rng = np.random.default_rng(0)
    x = rng.normal(size=50)
    y = x + rng.normal(size=50)
    ours = statistics.correlation(x, y)
    theirs = pearsonr(x, y).confidence_interval(0.95)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))
    for method in ("spearman", "kendall"):
        found = statistics.correlation(x, y, method)
        assert found.low < found.statistic < found.high
        # ranks do not change under a monotone map
        bent = statistics.correlation(np.exp(x), y**3, method)
        assert bent.statistic == pytest.approx(found.statistic)


def test_correlation_without_an_answer_says_why():
    found = statistics.correlation([1, 2, 3, NAN], [4, 4, 4, 4])
    assert math.isnan(found.statistic) and found.reason == "y is constant" and found.n_dropped == 1
    assert "0 pair" in statistics.correlation([], [], clusters=[]).reason
    one = statistics.correlation([1, 2, 3, 4], [1, 3, 2, 4], clusters=["v"] * 4)
    assert one.statistic == pytest.approx(0.8) and one.reason == "one cluster: no interval"


def test_judge_units():
    # Two videos; within each the judge orders perfectly, but between them the wrong way round.
    experts = [1.0, 2, 3, 3, 4, 5]
    scores = [3.0, 4, 5, 1, 2, 3]
    items = [f"i{k}" for k in range(6)]
    table = pd.DataFrame(
        {"rater": "r", "item": items, "video": ["v0"] * 3 + ["v1"] * 3, "model": "m",
         "condition": "base", "criterion": "empathy", "value": experts}
    )  # fmt: skip
    judge = pd.DataFrame({"item": items, "criterion": "empathy", "score": scores})
    within = statistics.judge_correlations(table, judge, unit="video")
    assert within["statistic"].tolist() == pytest.approx([1, 1, 1])
    pooled = statistics.judge_correlations(table, judge, methods=["pearson"]).iloc[0]
    # means 3 and 3: products (-2)0 + (-1)1 + 0*2 + 0*(-2) + 1*(-1) + 2*0 = -2, squares 10 and 10
    assert pooled["statistic"] == pytest.approx(-0.2)
    assert pooled["mean_difference"] == 0
    constant = judge.assign(score=[3, 3, 3, 1, 2, 3])
    skipped = statistics.judge_correlations(table, constant, unit="video").iloc[0]
    assert skipped["n_skipped"] == 1 and "one video" in skipped["reason"]
    with pytest.raises(StatisticsError, match="none of the rated"):
        statistics.judge_correlations(table, judge.assign(item="other" + judge["item"]))
    with pytest.raises(StatisticsError, match="duplicate"):
        statistics.judge_correlations(table, pd.concat([judge, judge]))


def test_judge_that_copies_the_experts_correlates_perfectly():
    simulated = ratings.simulate(n_videos=10, seed=1)
    means = ratings.item_means(simulated.table)
    judge = means[["item", "criterion"]].assign(score=means["mean"])
    found = statistics.judge_correlations(simulated.table, judge, bootstrap=Bootstrap(resamples=50))
    assert found["statistic"].tolist() == pytest.approx([1, 1, 1])
    assert found["low"].tolist() == pytest.approx([1, 1, 1])


def test_bland_altman_by_hand():
    # differences 1, 0, 2, 1: bias 1, SD sqrt(2/3); limits 1 -/+ 1.96 * .8165
    found = statistics.bland_altman([1, 2, 3, 4, NAN], [2, 2, 5, 5, 1])
    assert (found.bias, found.sd, found.n, found.n_dropped) == pytest.approx(
        (1.0, math.sqrt(2 / 3), 4, 1)
    )
    assert found.upper - found.lower == pytest.approx(2 * 1.96 * math.sqrt(2 / 3))
    # t(3) at .975 is 3.182446: half-width of the bias 3.182446 * SD / 2
    assert found.bias_high - found.bias == pytest.approx(3.182446 * math.sqrt(2 / 3) / 2, rel=1e-6)
    clustered = statistics.bland_altman([1, 2, 3, 4], [2, 2, 5, 5], clusters=list("aabb"))
    assert clustered.bias_low == pytest.approx(0.5) and clustered.bias_high == pytest.approx(1.5)
    assert "three are needed" in statistics.bland_altman([1], [2]).reason


# --- everything at once ------------------------------------------------------------------------


def test_evaluate_gives_every_table_and_survives_a_poor_study():
    simulated = ratings.simulate(n_videos=6, seed=8)
    found = statistics.evaluate(
        simulated.table, judge=simulated.judge, bootstrap=Bootstrap(resamples=50)
    )
    assert set(found.tables) == {
        "anova", "cells", "tukey", "friedman", "wilcoxon", "mixed", "alpha", "icc", "means",
        "gains", "gains_pooled", "kappa", "severity", "severity_groups", "intra_rater", "judge",
        "bland_altman", "judge_groups", "kappa_groups", "tests",
    }  # fmt: skip
    assert any("unbalanced" in note for note in found.notes)
    one = simulated.table[simulated.table["rater"] == "r1"].assign(value=3.0)
    poor = statistics.evaluate(one, bootstrap=Bootstrap(resamples=50))
    assert any("one rater only" in note for note in poor.notes)
    assert any("Rater r1 gave 3" in note for note in poor.notes)
    assert poor.tables["anova"]["f"].isna().all()
    assert poor.tables["gains"]["gain"].tolist() == [0.0] * len(poor.tables["gains"])


def test_results_do_not_depend_on_row_order():
    table = ratings.simulate(n_videos=6, seed=8).table
    other = table.sample(frac=1, random_state=3).reset_index(drop=True)
    for function in (statistics.gains, statistics.condition_means, statistics.severity):
        pd.testing.assert_frame_equal(
            function(table, bootstrap=Bootstrap(resamples=50)),
            function(other, bootstrap=Bootstrap(resamples=50)),
        )


def test_an_interval_that_too_few_resamples_have_is_missing_with_a_reason():
    # Three of four clusters agree in y: a resample without the fourth (probability (3/4)^4 = 0.32)
    # has a constant y and no correlation.
    found = statistics.correlation([1, 2, 3, 4], [1, 1, 1, 2], clusters=list("abcd"))
    assert found.statistic == pytest.approx(0.775, abs=0.001)  # 1.5 / sqrt(5 * 0.75)
    assert np.isnan(found.low) and found.reason == "too few resamples have a value: no interval"
    kappa = statistics.cohen_kappa([1, 1, 1, 2], [1, 1, 1, 2], clusters=list("abcd"))
    assert kappa.statistic == 1 and np.isnan(kappa.low) and "too few" in kappa.reason


def test_means_that_are_equal_tie_in_rank_tests_though_their_last_bits_differ():
    # Whole ratings of three models by five raters: sums, which are exact, tell what ties.
    rng = np.random.default_rng(1)
    places = pd.MultiIndex.from_product(
        [
            [f"v{i}" for i in range(24)],
            list("xyz"),
            ["base", "d", "e"],
            [f"r{i}" for i in range(5)],
        ],
        names=["video", "model", "condition", "rater"],
    )
    table = places.to_frame(index=False).assign(criterion="empathy")
    table["value"] = rng.integers(2, 5, len(table)).astype(float)
    means = statistics.block_means(table, "empathy")
    sums = table.groupby(["video", "condition"])["value"].sum().unstack()
    kept = ["statistic", "p_value", "n_zero", "rank_biserial"]
    of_means, of_sums = (statistics.wilcoxon(t, reference="base")[kept] for t in (means, sums))
    pd.testing.assert_frame_equal(of_means, of_sums)
    ranks = statistics.friedman(means)
    assert ranks.statistic == pytest.approx(statistics.friedman(sums).statistic)


def test_lengths_within_models_tie_as_they_do_in_each_model():
    lengths, scores = [3.2, 2.2, 4.2, 3.2, 3.2, 2.2, 5.2], [0.0, 1, 2, 0, 1, 2, 0]
    rows = [
        {"case": f"c{i}", "model": model, "arm": "text", "criterion": "focus"}
        | {"score": score + more, "length": length + 7.1 * more}
        for model, more in (("a", 0), ("b", 1))
        for i, (length, score) in enumerate(zip(lengths, scores, strict=True))
    ]
    found = statistics.length_correlation(pd.DataFrame(rows), bootstrap=Bootstrap(resamples=0))
    r = found.set_index(["scope", "method"])["r"]
    assert r["within", "spearman"] == pytest.approx(r["a", "spearman"])


def test_without_resamples_there_is_everything_but_intervals():
    simulated = ratings.simulate(n_videos=4, seed=8)
    found = statistics.evaluate(
        simulated.table, judge=simulated.judge, bootstrap=Bootstrap(resamples=0), mixed=False
    ).tables
    for name, column in (("gains", "gain"), ("judge", "statistic"), ("kappa", "kappa")):
        assert found[name][column].notna().all() and found[name]["low"].isna().all()


def test_gains_without_a_matched_rating_are_missing_with_a_reason():
    table = ratings.simulate(n_videos=3, seed=8, missing=0.0).table
    table.loc[table["condition"] != "base", "rater"] += "x"  # nobody rated both
    found = statistics.gains(table, matched=True, bootstrap=Bootstrap(resamples=20))
    assert len(found) == 12 and found["gain"].isna().all()
    assert (found["n_videos"] == 0).all() and (found["reason"].str.contains("no ratings")).all()
