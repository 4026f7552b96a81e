"""Win rates: the paper's tables with their misprints mended, ties, sides, agreement."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from emodiss.statistics import (
    Bootstrap,
    StatisticsError,
    bradley_terry,
    pair_agreement,
    side_bias,
    win_rates,
)

FEW = Bootstrap(resamples=200)
MODELS = ("llama", "camel", "mirror")

PRINTED = {
    # Rates of llama against camel, llama against mirror, camel against mirror; then row means.
    # Table 4 prints 36.34 for 34.05; Table 6 prints 40.19 and 49.35 in each other's place.
    "goal": ((42.13, 34.05, 43.43), (38.09, 50.65, 61.26)),
    "approach": ((44.72, 34.77, 43.97), (39.75, 49.62, 60.63)),
    "bond": ((49.35, 40.19, 42.46), (44.77, 46.55, 58.67)),
}
BELOW = {
    # What the tables print below the diagonal.
    "goal": (57.87, 65.95, 56.57),
    "approach": (55.28, 65.23, 56.03),
    "bond": (50.65, 59.81, 57.54),
}
PAIRS = (("llama", "camel"), ("llama", "mirror"), ("camel", "mirror"))


def comparisons(wins, rater="e1", criterion="goal"):
    """Rows from (winner's model, other model, choice in words of the first) triples."""
    rows = []
    for k, (one, two, said) in enumerate(wins):
        a, b = (one, two) if k % 2 else (two, one)
        choice = {"first": "A" if k % 2 else "B", "second": "B" if k % 2 else "A"}.get(said, said)
        rows.append((rater, f"c{k:03d}", a, b, criterion, choice))
    columns = ["rater", "case", "model_a", "model_b", "criterion", "choice"]
    return pd.DataFrame(rows, columns=columns)


def fraction(rate, most=400):
    """Smallest (wins, n) whose rate rounds to the printed one."""
    for n in range(1, most + 1):
        won = round(rate * n / 100)
        if abs(100 * won / n - rate) < 0.005:
            return won, n
    raise AssertionError(rate)


def paper(criterion, ties=0):
    """Comparisons with the rates of a printed table, and ties on top."""
    wins = []
    for (one, two), rate in zip(PAIRS, PRINTED[criterion][0], strict=True):
        won, n = fraction(rate)
        wins += [(one, two, "first")] * won + [(one, two, "second")] * (n - won)
        wins += [(one, two, "Tie")] * ties
    return comparisons(wins, criterion=criterion)


@pytest.mark.parametrize("criterion", PRINTED)
@pytest.mark.parametrize("how", ["half", "drop"])
def test_tables_4_to_6(criterion, how):
    table = paper(criterion, ties=30 if how == "drop" else 0)
    found = win_rates(table, ties=how, models=MODELS, bootstrap=FEW).matrix(criterion)
    rates = found[list(MODELS)].to_numpy()
    for (one, two), above, below in zip(
        PAIRS, PRINTED[criterion][0], BELOW[criterion], strict=True
    ):
        assert found.loc[one, two] == pytest.approx(above, abs=0.01)
        assert found.loc[two, one] == pytest.approx(below, abs=0.01)
    off = ~np.eye(3, dtype=bool)
    assert (rates + rates.T)[off] == pytest.approx(100)
    assert np.isnan(np.diag(rates)).all()
    assert found["win_rate"].to_list() == pytest.approx(list(PRINTED[criterion][1]), abs=0.01)


def test_what_is_done_with_ties():
    table = comparisons(
        [("m", "n", "first")] * 3 + [("m", "n", "second")] + [("m", "n", "Tie")] * 4
    )
    rates = {
        ties: win_rates(table, ties=ties, bootstrap=FEW).matrix("goal").loc["m", "n"]
        for ties in ("half", "drop", "three_way")
    }
    assert rates == {"half": 62.5, "drop": 75.0, "three_way": 37.5}
    row = win_rates(table, ties="drop", bootstrap=FEW).pairs.iloc[0]
    assert row[["wins", "ties", "losses", "n"]].to_list() == [3, 4, 1, 4]
    with pytest.raises(StatisticsError, match="Unknown: 'halve'"):
        win_rates(table, ties="halve")


def test_what_was_not_compared_is_counted_and_is_no_loss():
    table = comparisons([("m", "n", "first")] * 3 + [("m", "n", None)] * 5)
    row = win_rates(table, bootstrap=FEW).pairs.iloc[0]
    assert row[["wins", "losses", "n", "n_missing", "rate"]].to_list() == [3, 0, 3, 5, 100]
    nothing = table.assign(choice=None)
    found = win_rates(nothing, bootstrap=FEW)
    assert found.pairs["rate"].isna().all()
    assert found.means["rate"].isna().all()
    assert set(found.means["reason"]) == {"nothing was compared"}


def test_only_ties_dropped_leave_nothing():
    table = comparisons([("m", "n", "Tie")] * 3)
    assert win_rates(table, ties="drop", bootstrap=FEW).pairs["rate"].isna().all()
    assert set(win_rates(table, ties="half", bootstrap=FEW).pairs["rate"]) == {50.0}


def test_intervals_come_from_cases():
    table = paper("goal")
    found = win_rates(table, models=MODELS, bootstrap=FEW)
    assert (found.pairs["low"] < found.pairs["rate"]).all()
    assert (found.pairs["rate"] < found.pairs["high"]).all()
    # Everything of one case: nothing to resample.
    one = win_rates(table.assign(case="c"), models=MODELS, bootstrap=FEW)
    assert one.pairs["low"].isna().all()
    assert (one.pairs["reason"] == "one cluster: no interval").all()
    # Two raters who always agree know no more than one.
    twice = pd.concat([table, table.assign(rater="e2")])
    same = win_rates(twice, models=MODELS, bootstrap=FEW).pairs
    assert same["low"].to_numpy() == pytest.approx(found.pairs["low"].to_numpy())


def test_strange_models_and_criteria_are_refused():
    table = paper("goal")
    with pytest.raises(StatisticsError, match="'mirror' was compared, but is not among"):
        win_rates(table, models=["llama", "camel"])
    with pytest.raises(StatisticsError, match="Nothing was compared by 'gaol'"):
        win_rates(table, bootstrap=FEW).matrix("gaol")
    with pytest.raises(StatisticsError, match="lack the column\\(s\\) choice"):
        win_rates(table.drop(columns="choice"))


choices = st.lists(
    st.tuples(st.sampled_from(PAIRS), st.sampled_from(["first", "second", "Tie", None])),
    min_size=1,
    max_size=60,
)


@settings(max_examples=40, deadline=None)
@given(choices)
def test_rates_of_a_pair_sum_to_100(drawn):
    table = comparisons([(*pair, said) for pair, said in drawn])
    few = Bootstrap(resamples=20)
    for ties in ("half", "drop", "three_way"):
        pairs = win_rates(table, ties=ties, bootstrap=few).pairs.set_index(["model", "opponent"])
        for one, two in PAIRS:
            if (one, two) not in pairs.index:
                continue
            a, b = pairs.loc[(one, two)], pairs.loc[(two, one)]
            n = a["wins"] + a["losses"] + a["ties"]
            assert n + a["n_missing"] == sum(pair == (one, two) for pair, _ in drawn)
            if a["n"] == 0:
                assert np.isnan(a["rate"])
                continue
            tied = 100 * a["ties"] / n if ties == "three_way" else 0
            assert a["rate"] + b["rate"] == pytest.approx(100 - tied)


def test_sides_are_counted():
    rows = [("e1", f"c{k}", "m", "n", "goal", "A") for k in range(8)]
    rows += [("e1", f"d{k}", "n", "m", "goal", "B" if k < 2 else "Tie") for k in range(4)]
    rows += [("e2", "c0", "m", "n", "goal", None)]
    table = pd.DataFrame(
        rows, columns=["rater", "case", "model_a", "model_b", "criterion", "choice"]
    )
    found = side_bias(table, bootstrap=FEW).set_index("rater")
    assert found.loc["e1", ["n_a", "n_tie", "n_b", "n_missing"]].to_list() == [8, 2, 2, 0]
    assert found.loc["e1", "share_a"] == pytest.approx(0.8)
    assert found.loc["all", "n_missing"] == 1
    assert np.isnan(found.loc["e2", "share_a"])
    assert found.loc["e1", "low"] < 0.8 < found.loc["e1", "high"]


def test_raters_agree_on_models_not_on_sides():
    table = comparisons([("m", "n", ["first", "second", "Tie"][k % 3]) for k in range(30)])
    other = table.assign(rater="e2")
    turned = other.rename(columns={"model_a": "model_b", "model_b": "model_a"})
    turned["choice"] = turned["choice"].map({"A": "B", "B": "A", "Tie": "Tie"})
    found = pair_agreement(pd.concat([table, turned]), bootstrap=FEW).iloc[0]
    assert (found["kappa"], found["agreement"], found["n"]) == (1.0, 1.0, 30)
    # The same sides, seen the other way round, are disagreement but for ties.
    sides = other.rename(columns={"model_a": "model_b", "model_b": "model_a"})
    found = pair_agreement(pd.concat([table, sides]), bootstrap=FEW).iloc[0]
    assert found["agreement"] == pytest.approx(1 / 3)
    # A choice that is not there counts for nothing.
    other.loc[:4, "choice"] = None
    found = pair_agreement(pd.concat([table, other]), bootstrap=FEW).iloc[0]
    assert (found["n"], found["n_dropped"], found["kappa"]) == (25, 5, 1.0)


def test_strengths_give_back_what_made_them():
    rng = np.random.default_rng(0)
    strength = {"llama": -0.6, "camel": 0.0, "mirror": 0.6}
    wins = []
    for one, two in PAIRS:
        chance = 1 / (1 + np.exp(strength[two] - strength[one]))
        wins += [(one, two, "first" if rng.random() < chance else "second") for _ in range(3000)]
    found = bradley_terry(comparisons(wins)).set_index("model")
    for model, value in strength.items():
        assert found.loc[model, "strength"] == pytest.approx(value, abs=0.06)
    assert found["strength"].sum() == pytest.approx(0, abs=1e-9)
    assert (found["rate"] - found["observed"]).abs().max() < 2
    # At the maximum every model wins as often as expected (the likelihood equation).
    assert found["misfit"].max() < 4


def test_the_papers_tables_fit_strengths_in_the_printed_order():
    for criterion in PRINTED:
        found = bradley_terry(paper(criterion)).set_index("model")["strength"]
        assert found["llama"] < found["camel"] < found["mirror"]


def test_a_model_that_never_loses_has_no_finite_strength():
    wins = [("llama", "camel", "first"), ("camel", "llama", "first"), ("mirror", "camel", "first")]
    found = bradley_terry(comparisons(wins))
    assert found["strength"].isna().all()
    assert found["reason"].str.contains("no finite strength").all()
    assert found.set_index("model").loc["mirror", "observed"] == 100
