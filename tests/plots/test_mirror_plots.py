"""Figures of MIRROR experiments: what is drawn is what the tables say."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from emodiss.errors import SettingsError
from emodiss.plots.mirror import figure_lengths, figure_pairs, with_and_without
from emodiss.statistics import Bootstrap, length_correlation, win_rates
from tests.test_paired import lengths
from tests.test_win_rates import MODELS, comparisons

FEW = Bootstrap(resamples=50)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def texts(figure):
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def test_bars_are_shares_of_won_tied_and_lost():
    wins = [("llama", "camel", "first")] * 6 + [("llama", "camel", "second")] * 3
    wins += [("llama", "camel", "Tie")]
    table = comparisons(wins)
    rates = win_rates(table, models=["llama", "camel"], bootstrap=FEW)
    figure = figure_pairs(rates.pairs, titles={"goal": "Goal", "bond": "Bond"})
    [ax] = figure.axes
    assert ax.get_title(loc="left") == "Goal"
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([60, 10, 30])
    assert [bar.get_x() for bar in ax.patches] == pytest.approx([0, 60, 70])
    assert {"60 %\nn = 6", "1", "30 %\nn = 3", "llama", "camel"} <= set(texts(figure))


def test_a_pair_that_was_not_compared_has_no_bar():
    rates = win_rates(comparisons([("llama", "camel", "first")]), models=MODELS, bootstrap=FEW)
    figure = figure_pairs(rates.pairs)
    assert texts(figure).count("not compared") == 2
    assert "no comparisons" in texts(figure_pairs(rates.pairs.head(0)))
    with pytest.raises(SettingsError, match="lacks the column"):
        figure_pairs(rates.pairs.drop(columns="ties"))


def test_each_session_is_a_point_and_both_correlations_are_told():
    table = lengths()
    table.loc[table.index[:5], "score"] = np.nan
    found = length_correlation(table, bootstrap=FEW)
    figure = figure_lengths(table, found, titles={"focus": "Focus", "strategy": "Strategy"})
    text, vision = figure.axes
    n_points = [sum(len(line.get_xdata()) for line in ax.lines) for ax in (text, vision)]
    assert n_points == [75, 40]
    title = text.get_title(loc="left")
    assert title.startswith("Focus\nr over all = -0.9")
    assert "\nr within models = " in title
    nothing = figure_lengths(table.assign(score=np.nan), found, titles={"focus": "Focus"})
    assert "no session has a score and a length" in texts(nothing)


def test_a_correlation_that_does_not_exist_says_why():
    table = lengths().assign(score=3.0)
    found = length_correlation(table, bootstrap=FEW)
    figure = figure_lengths(table, found, titles={"focus": "Focus"})
    assert "r over all: none (y is constant)" in figure.axes[0].get_title(loc="left")


def test_pictures_stand_beside_each_other(tmp_path):
    for name, value in (("plain", 0.2), ("with", 0.8)):
        plt.imsave(tmp_path / f"{name}.png", np.full((20, 20, 3), value))
    plain, directed = tmp_path / "plain.png", tmp_path / "with.png"
    figure = with_and_without([(plain, directed, "[sighs]"), (plain, None, "[nods]")])
    axes = [ax for part in figure.subfigs for ax in part.axes]
    shown = [float(ax.images[0].get_array()[0, 0, 0]) if ax.images else None for ax in axes]
    assert shown == pytest.approx([0.2, 0.8, 0.2, None], abs=0.01)
    assert axes[3].texts[0].get_text() == "no picture"
    titles = [ax.get_title() for ax in axes]
    assert titles == ["without stage direction", "with stage direction"] * 2
    assert [part.get_supxlabel() for part in figure.subfigs] == ["(a) [sighs]", "(b) [nods]"]
    assert "no line has a picture" in texts(with_and_without([]))[0]
    (tmp_path / "bad.png").write_text("no picture")
    with pytest.raises(SettingsError, match=r"'bad\.png' cannot be read"):
        with_and_without([(tmp_path / "bad.png", None, "")])
    with pytest.raises(SettingsError, match=r"'gone\.png' cannot be read"):
        with_and_without([(tmp_path / "gone.png", None, "")])


def test_frames_without_rows_are_no_fault():
    empty = pd.DataFrame(columns=["case", "model", "arm", "criterion", "score", "length"])
    assert length_correlation(empty, bootstrap=FEW).empty
