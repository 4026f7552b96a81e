"""What is drawn is what is in the table."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import emodiss
from emodiss.plots import plot_differences, plot_plane, plot_session
from emodiss.plots.figures import plot_durations, plot_sentiment
from emodiss.utterances import SCHEMA, conform


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture
def table() -> pd.DataFrame:
    rows = [
        dict(role="therapist", start=0, end=2, sentiment=0.5, sv=0.2, sa=0.1, fv=0.1, fa=0.0),
        dict(role="patient", start=2, end=5, sentiment=-0.5, sv=0.8, sa=0.1, fv=0.0, fa=0.0),
        dict(role="patient", start=5, end=6, sentiment=-0.1, sv=np.nan, sa=np.nan, fv=0.3, fa=0.2),
    ]
    frame = pd.DataFrame(rows)
    names = {"sv": "speech_valence", "sa": "speech_arousal", "fv": "face_valence"}
    frame = frame.rename(columns={**names, "fa": "face_arousal"})
    frame["speaker"] = frame["role"].map({"therapist": "Ada", "patient": "Bo"})
    frame["delta_valence"] = frame["speech_valence"] - frame["face_valence"]
    frame["delta_arousal"] = frame["speech_arousal"] - frame["face_arousal"]
    frame["dissonant"] = pd.array([False, True, None], dtype="boolean")
    frame["dissonance_axis"] = [None, "valence", None]
    return conform(frame.assign(video_id="v"), SCHEMA)


def test_the_plane_shows_each_channels_points(table):
    ax = plot_plane(table)
    voice, face = (c.get_offsets() for c in ax.collections)
    np.testing.assert_allclose(voice, [[0.2, 0.1], [0.8, 0.1]])
    assert len(face) == 3
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["voice (n = 2)", "face (n = 3)"]


def test_differences_are_absolute_and_counted(table):
    ax = plot_differences(table, threshold=0.5)
    within, past = (c.get_offsets() for c in ax.collections)
    np.testing.assert_allclose(within, [[0.1, 0.1]])
    np.testing.assert_allclose(past, [[0.8, 0.1]])
    assert ax.get_title(loc="left") == "1 of 2 utterances dissonant (50%), 1 undetermined"


def test_many_points_become_densities_in_reasonable_time(table):
    rng = np.random.default_rng(0)
    many = pd.DataFrame(
        rng.uniform(-1, 1, (500_000, 4)),
        columns=["speech_valence", "speech_arousal", "face_valence", "face_arousal"],
    )
    many["delta_valence"] = many["speech_valence"] - many["face_valence"]
    many["delta_arousal"] = many["speech_arousal"] - many["face_arousal"]
    assert len(plot_plane(many).collections) == 2
    assert plot_differences(many).collections[0].get_array().sum() == 500_000


def test_the_session_shades_the_dissonant_stretch_on_its_axis_only(table):
    figure = plot_session(table)
    _, valence, arousal = figure.axes
    shades = [p for p in valence.patches if p.get_alpha() == 0.22]
    assert [(p.get_x(), p.get_x() + p.get_width()) for p in shades] == [(2, 5)]
    assert not [p for p in arousal.patches if p.get_alpha() == 0.22]
    assert "?" in [t.get_text() for t in figure.axes[0].texts]


def test_sentiment_is_split_by_role_and_shares_add_up(table):
    ax = plot_sentiment(table)
    heights = [p.get_height() for p in ax.patches]
    assert sum(heights) == pytest.approx(2)  # two roles, one each


def test_durations_are_counted_and_their_median_drawn():
    ax = plot_durations(pd.Series([1.0, 2.0, 30.0]))
    assert sum(p.get_height() for p in ax.patches) == 3
    assert ax.get_legend().get_texts()[0].get_text() == "median 2.0 min"


def test_nothing_to_show_is_said_and_not_drawn(table):
    empty = table.head(0)
    for draw in (plot_plane, plot_differences, plot_sentiment):
        ax = draw(empty)
        assert ax.texts and not [c for c in ax.collections if len(c.get_offsets())]
    plot_session(empty)


def test_figures_of_a_run_are_functions_of_its_tables(study, tmp_path, stand_ins):
    run = emodiss.annotate(
        study / "manifest.csv", out=tmp_path / "run", preset="lite", settings=stand_ins, workers=0
    )
    assert len(emodiss.plots.figure3(run).axes) == 3
    assert len(emodiss.plots.figure10(run).axes) == 1
    first = {p.name: p.read_bytes() for p in (run.root / "figures").glob("*.png")}
    assert set(first) == {"figure3.png", "figure10.png", "session_a.png", "session_b.png"}
    (run.root / "figures" / ".drawn").unlink()
    emodiss.annotate(
        study / "manifest.csv", out=run.root, preset="lite", settings=stand_ins, workers=0
    )
    assert {p.name: p.read_bytes() for p in (run.root / "figures").glob("*.png")} == first
