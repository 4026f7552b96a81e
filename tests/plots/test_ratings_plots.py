"""Figures about ratings show the numbers of their tables, and say where there are none."""

from __future__ import annotations

import itertools
import re

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

mpl.use("Agg")
import matplotlib.pyplot as plt

from emodiss import ratings, statistics
from emodiss.errors import SettingsError
from emodiss.plots import ratings as drawings, style
from emodiss.statistics import Bootstrap


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def study():
    return ratings.simulate(n_videos=12, seed=3)


def texts(ax):
    return [t.get_text() for t in ax.texts]


def test_bars_intervals_and_n_are_those_of_the_table(study):
    table = study.table
    table = table[~((table["model"] == "gemini") & (table["condition"] == "discrete"))]
    means = statistics.condition_means(table, bootstrap=Bootstrap(resamples=100))
    ax = drawings.plot_means(means, "empathy")
    bars = [c for c in ax.containers if hasattr(c, "patches")]
    drawn = {}
    models = [label.get_text() for label in ax.get_xticklabels()]
    for group in bars:
        for bar in group.patches:
            model = models[round(bar.get_x() + bar.get_width() / 2)]
            drawn[model, group.get_label()] = bar.get_y() + bar.get_height()
            assert bar.get_y() == 1.0  # bars start where the scale does
    there = means.dropna(subset=["mean"]).set_index(["model", "condition"])["mean"]
    assert drawn == pytest.approx(there.to_dict())
    assert ("gemini", "discrete") not in drawn and texts(ax).count("n = 0") == 1
    assert sorted(texts(ax)) == sorted(f"n = {n}" for n in means["n"])


def test_figure5_has_the_papers_conditions_in_its_order_and_what_else_there_is_by_its_mean():
    rows = [
        {"criterion": criterion, "model": model, "condition": condition, "mean": mean + worse}
        for criterion, worse in (("empathy", 0.0), ("zeal", -1.0))
        for model, mean in (("a", 3.0), ("b", 4.5), ("c", 4.0))
        for condition in ("dissonance", "base")
    ]
    rows += [
        {"criterion": "zeal", "model": "a", "condition": "mine", "mean": 1.5},
        {"criterion": "zeal", "model": "a", "condition": "yours", "mean": 2.5},
    ]
    means = pd.DataFrame(rows).assign(low=np.nan, high=np.nan, n=4)
    figure = drawings.figure5(means)
    for ax in figure.axes:
        assert [label.get_text() for label in ax.get_xticklabels()] == ["b", "c", "a"]
    labels = [t.get_text() for t in figure.legends[0].get_texts()]
    assert labels == ["base", "dissonance", "yours", "mine"]


def test_figure5_has_one_panel_per_criterion_in_the_papers_order(study):
    parts = [study.table.assign(criterion=name) for name in ("zeal", *ratings.CRITERIA)]
    means = statistics.condition_means(pd.concat(parts), bootstrap=Bootstrap(resamples=100))
    figure = drawings.figure5(means)
    assert [ax.get_title(loc="left") for ax in figure.axes] == [*ratings.CRITERIA, "zeal"]
    labels = [t.get_text() for t in figure.legends[0].get_texts()]
    assert labels == ["base", "continuous", "discrete", "dissonance"]
    assert figure.axes[0].get_ylim() == (1.0, 5.0)
    assert "no ratings" in texts(drawings.figure5(means.iloc[:0]).axes[0])


def test_kappa_matrix_is_symmetric_and_says_where_there_is_none(study):
    kappa = statistics.pairwise_kappa(study.table, bootstrap=Bootstrap(resamples=100))
    pair = (kappa["rater_a"] == "r1") & (kappa["rater_b"] == "r4")
    kappa.loc[pair, "kappa"] = np.nan
    kappa.loc[pair, "n"] = 0
    ax = drawings.plot_kappa(kappa, "empathy", weights="quadratic")
    values = np.ma.filled(ax.images[0].get_array().astype(float), np.nan)
    np.testing.assert_allclose(values, values.T)
    row = kappa[(kappa["weights"] == "quadratic") & (kappa["rater_a"] == "r2")]
    assert values[1, 2] == row.loc[row["rater_b"] == "r3", "kappa"].item()
    assert np.isnan(values[0, 3]) and np.isnan(np.diag(values)).all()
    assert texts(ax).count("none\nn = 0") == 2
    figure = drawings.figure6(kappa)
    assert sum(bool(ax.images) for ax in figure.axes) == 2  # one criterion, two weightings
    with pytest.raises(SettingsError, match="no kappa"):
        drawings.plot_kappa(kappa, "empathy", weights="linear")


def test_long_names_of_raters_stand_at_the_rows_and_do_not_run_into_each_other(study):
    long = study.table.assign(rater="Dr. " + study.table["rater"] + " of the first department")
    kappa = statistics.pairwise_kappa(long, bootstrap=Bootstrap(resamples=100))
    ax = drawings.plot_kappa(kappa, "empathy")
    assert [t.get_text() for t in ax.get_xticklabels()] == ["1", "2", "3", "4", "5"]
    rows = [t.get_text() for t in ax.get_yticklabels()]
    assert rows[0].replace("\n", " ") == "group1  Dr. r1 of the first department (1)"
    ax.figure.canvas.draw()
    boxes = [t.get_window_extent() for t in ax.get_yticklabels()]
    assert all(below.y1 <= above.y0 for above, below in itertools.pairwise(boxes))


def test_a_hair_below_zero_is_written_as_zero(study):
    kappa = statistics.pairwise_kappa(study.table, bootstrap=Bootstrap(resamples=100)).assign(
        kappa=-0.001
    )
    said = {t.split("\n")[0] for t in texts(drawings.plot_kappa(kappa, "empathy"))}
    assert said == {"0.00"}


def test_figure5_says_how_many_videos_its_intervals_rest_on(study):
    means = statistics.condition_means(study.table, bootstrap=Bootstrap(resamples=100))
    title = drawings.figure5(means).legends[0].get_title().get_text()
    low, high = means["n_videos"].min(), means["n_videos"].max()
    assert title == (
        f"lines: intervals over {low} to {high} videos (cluster bootstrap)"
        if low != high
        else f"lines: intervals over {low} videos (cluster bootstrap)"
    )


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("gpt-4o", ["gpt-4o"]),
        ("gpt-4o-2024-08-06", ["gpt-4o-2024-", "08-06"]),
        ("meta-llama/Meta-Llama-3-70B", ["meta-llama/", "Meta-Llama-3-", "70B"]),
        ("abcdefghijklmnopqrstuvwxyz", ["abcdefghijklmn", "opqrstuvwxyz"]),
        ("", [""]),
    ],
)
def test_names_of_models_are_broken_where_their_parts_end(name, lines):
    assert style.wrap(name, 14).split("\n") == lines


def test_one_rater_gives_a_figure_that_says_so(study):
    alone = study.table[study.table["rater"] == "r1"]
    figure = drawings.figure6(statistics.pairwise_kappa(alone))
    assert texts(figure.axes[0]) == ["one rater: there is no pair to compare"]


def test_constant_ratings_and_one_video_can_be_drawn(study):
    flat = study.table.assign(value=3.0)
    assert drawings.figure5(
        statistics.condition_means(flat, bootstrap=Bootstrap(resamples=100))
    ).axes
    assert drawings.figure6(
        statistics.pairwise_kappa(flat, bootstrap=Bootstrap(resamples=100))
    ).axes
    one = study.table[study.table["video"] == "v00000"]
    means = statistics.condition_means(one, bootstrap=Bootstrap(resamples=100))
    assert means["low"].isna().all()
    ax = drawings.plot_means(means, "empathy")
    lines = [seg for c in ax.collections for seg in c.get_segments()]
    upright = [(start, end) for start, end in lines if start[0] == end[0]]
    assert lines and upright == []  # means are drawn, and no interval where none can be had


def replies():
    rows = [
        ("a", "base", "Socratic questioning", "What would it cost, $5 or $10?"),
        ("a", "dissonance", None, "I sense <b>worry</b>."),
        ("b", "base", "", "Tell me more."),
    ]
    return pd.DataFrame(rows, columns=["model", "condition", "technique", "response"])


def test_replies_side_by_side():
    table = drawings.side_by_side(replies())
    assert table.loc["a", "base"] == "Socratic questioning: What would it cost, $5 or $10?"
    assert table.loc["b", "base"] == "Tell me more." and pd.isna(table.loc["b", "dissonance"])
    figure = drawings.figure7(replies(), context="Patient: Fine.")
    said = texts(figure.axes[0])
    assert "I sense <b>worry</b>." in said and "(no reply)" in said and "Patient: Fine." in said
    figure.canvas.draw()  # '$' in a reply must not be read as a formula
    html = drawings.replies_html(replies(), context="<script>")
    assert "&lt;b&gt;worry" in html and "<script>" not in html and "(no reply)" in html
    page = drawings.replies_page(replies(), context="100 %s <script>")
    assert page.startswith("<!doctype html>") and "100 %s &lt;script&gt;" in page
    # The figure names what it leaves out; the page has everything, in the paper's order.
    more = pd.concat([replies(), replies().head(1).assign(condition="discrete", response="More.")])
    assert "Not shown here: discrete." in texts(drawings.figure7(more).axes[0])
    assert not any(text.startswith("Not shown") for text in said)
    heads = re.findall(r'<th scope="col">(\w+)</th>', drawings.replies_page(more))
    assert heads == ["model", "base", "discrete", "dissonance"]
    with pytest.raises(SettingsError, match="several replies"):
        drawings.side_by_side(pd.concat([replies(), replies()]))
    with pytest.raises(SettingsError, match="no reply"):
        drawings.side_by_side(replies(), conditions=("other",))


def test_countries_without_tiles_are_bars_alone():
    answers = pd.DataFrame({"rater": ["a", "b"], "country": ["Kazakhstan", "Ghana"]})
    counts = ratings.background(answers, questions={"country": "Country"})
    (bars,) = drawings.figure8(counts).axes
    assert [tick.get_text() for tick in bars.get_yticklabels()] == ["Kazakhstan", "Ghana"]
    assert bars.get_title("left") == "Countries of 2 raters"


def test_background_charts_count_answers():
    answers = pd.DataFrame(
        {"degree": ["PhD", "PhD", "Master"], "orientation": ["CBT; humanistic", "CBT", None]}
    )
    figure = drawings.figure11(ratings.background(answers))
    degree, orientation = figure.axes[:2]
    assert [bar.get_width() for bar in degree.patches] == [1, 2], "in the order of degrees"
    assert [t.get_text() for t in degree.get_yticklabels()] == ["Master", "PhD"]
    assert [bar.get_width() for bar in orientation.patches] == [2, 1]
    assert orientation.get_xlabel() == "raters (of 2, several answers each)"
    # A full axis is all who answered: 3 and 2, with room for the number at the end.
    assert degree.get_xlim()[1] == pytest.approx(1.12 * 3)
    assert orientation.get_xlim()[1] == pytest.approx(1.12 * 2)


def test_table3_and_its_figure(study):
    constant = study.judge.assign(judge="flat", score=3.0)
    judges = pd.concat([study.judge, constant])
    found = statistics.judge_correlations(study.table, judges, bootstrap=Bootstrap(resamples=100))
    table = drawings.table3(found).set_index("judge")
    long = found[found["judge"] == "judge"].set_index("method")["statistic"]
    got = table.loc["judge", ["r", "rho", "tau"]].astype(float).tolist()
    assert got == pytest.approx(long[["pearson", "spearman", "kendall"]].tolist())
    assert np.isnan(table.loc["flat", "r"])
    assert table.loc["flat", "reason"] == "the judge is constant"
    ax = drawings.plot_correlations(found)
    points = {line.get_label(): line.get_xdata() for line in ax.lines}
    assert points["Pearson r"][1] == pytest.approx(long["pearson"])
    assert "the judge is constant" in texts(ax)


def test_a_wrong_table_is_named(study):
    with pytest.raises(SettingsError, match="condition_means"):
        drawings.figure5(study.table.drop(columns="criterion"))
    with pytest.raises(SettingsError, match="no criterion 'warmth'"):
        drawings.plot_means(
            statistics.condition_means(study.table, bootstrap=Bootstrap(resamples=100)), "warmth"
        )


def test_failures_and_techniques_are_drawn_where_they_are():
    rows = [
        (f"v{k}", k < 2, "m", condition, "Reflective listening", "listening", flag)
        for condition, flag in (("base", ""), ("dissonance", "refusal"))
        for k in range(4)
    ]
    names = ["video", "flagged", "model", "condition", "technique", "technique_group", "failures"]
    answers = pd.DataFrame(rows, columns=names)
    failures = statistics.failure_rates(answers)
    figure = drawings.figure_answers(failures, statistics.technique_shares(answers))
    above, below = figure.axes
    places = [t.get_text() for t in above.get_yticklabels()]
    drawn = {line.get_label(): line for line in above.lines}
    for condition, share in (("base", 0.0), ("dissonance", 1.0)):
        line = drawn[condition]
        assert line.get_xdata()[places.index("any failure")] == share
        assert line.get_xdata()[places.index("refusal")] == share
        assert line.get_xdata()[places.index("empty")] == 0
    assert [t.get_text() for t in below.get_yticklabels()] == ["Listening and exploration\nskills"]
    assert "n = 4" in below.get_xlabel()
    empty = drawings.figure_answers(failures.iloc[:0], statistics.technique_shares(answers))
    assert "no answers" in [t.get_text() for t in empty.axes[0].texts]


def test_dollars_in_a_models_name_start_no_formula():
    means = pd.DataFrame({"model": [r"$\frac{$"], "condition": ["base"], "criterion": ["empathy"]})
    means = means.assign(mean=3.0, low=2.5, high=3.5, n=7, n_videos=3)
    figure = drawings.figure5(means)
    figure.canvas.draw()
    (label,) = figure.axes[0].get_xticklabels()
    assert not label.get_parse_math()


def test_figure5_says_n_once_where_all_are_alike():
    cells = [("a", "base"), ("a", "discrete"), ("b", "base"), ("b", "discrete")]
    means = pd.DataFrame(cells, columns=["model", "condition"]).assign(
        criterion="empathy", mean=3.0, low=2.5, high=3.5, n=7, n_videos=3
    )
    ax = drawings.plot_means(means, "empathy")
    assert ax.get_title(loc="left") == "empathy (n = 7 each)" and not texts(ax)
    ax = drawings.plot_means(means.iloc[1:], "empathy")  # one cell is empty
    assert ax.get_title(loc="left") == "empathy"
    assert sorted(texts(ax)) == ["n = 0", "n = 7", "n = 7", "n = 7"]


def test_figure_5_says_what_windows_it_is_of():
    means = statistics.condition_means(ratings.simulate(n_videos=3, seed=1).table)
    figure = drawings.figure5(means, note="1 of 3 rated windows are flagged.")
    assert "1 of 3 rated windows" in figure.legends[0].get_title().get_text()


def test_figure6_of_two_raters_keeps_its_titles_apart(study):
    two = study.table[study.table["rater"].isin(sorted(study.table["rater"].unique())[:2])]
    two = pd.concat([two.assign(criterion=name) for name in ratings.CRITERIA])
    kappa = statistics.pairwise_kappa(two, bootstrap=Bootstrap(resamples=100))
    figure = drawings.figure6(kappa)
    figure.canvas.draw()
    titles = [ax._left_title for ax in figure.axes if ax.images and ax.get_title(loc="left")]
    assert len(titles) == 6
    boxes = [title.get_window_extent() for title in titles]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_figure5_shows_a_mean_at_the_floor_and_tells_of_lines_only_where_there_are_some(study):
    means = statistics.condition_means(study.table, bootstrap=Bootstrap(resamples=100))
    told = drawings.figure5(means).legends[0].get_title().get_text()
    assert "intervals over 11 to 12 videos" in told
    bare = means.assign(mean=1.0, low=np.nan, high=np.nan)
    figure = drawings.figure5(bare, note="A note.")
    assert figure.legends[0].get_title().get_text() == "A note."
    lines = [seg for c in figure.axes[0].collections for seg in c.get_segments() if len(seg)]
    assert len(lines) == len(means)
    assert all(seg[0][1] == seg[1][1] == 1.0 and seg[0][0] < seg[1][0] for seg in lines)
