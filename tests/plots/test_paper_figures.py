"""What is drawn is what is in the table."""

from __future__ import annotations

import shutil

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle

import emodiss
from emodiss.plots import draw, figure2, figure4, plot_differences, plot_plane, plot_session, style
from emodiss.plots.durations import plot_durations
from emodiss.plots.moment import choose, hide
from emodiss.plots.registry import save
from emodiss.plots.sentiment import plot_sentiment
from emodiss.runs import seals
from emodiss.utterances import SCHEMA, conform

PINK = [0.8, 0.475, 0.655]
"""style.FLAG, #CC79A7, as shares of 255."""


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
    assert [t.get_text() for t in ax.get_legend().get_texts()] == [
        "voice (n = 2)",
        "face (n = 3)",
        "mean",
    ]


def test_differences_are_absolute_and_counted(table):
    ax = plot_differences(table, threshold=0.5)
    within, past = (c.get_offsets() for c in ax.collections)
    np.testing.assert_allclose(within, [[0.1, 0.1]])
    np.testing.assert_allclose(past, [[0.8, 0.1]])
    assert ax.get_title(loc="left") == "1 of 2 utterances dissonant (50%), 1 undetermined"


def test_few_differences_bear_their_names_and_the_title_what_chance_gives(table):
    named = table.assign(utterance_id=["u0001", "u0002", "u0003"])
    ax = plot_differences(named, chance=0.755)
    assert ax.get_title(loc="left").startswith("1 of 2 utterances dissonant (50%; chance 76%)")
    at = {text.get_text(): text.xy for text in ax.texts if text.get_text().startswith("u0")}
    assert set(at) == {"u0001", "u0002"}
    np.testing.assert_allclose(at["u0002"], [0.8, 0.1])
    many = pd.concat([named] * 20)
    assert not [t for t in plot_differences(many).texts if t.get_text().startswith("u0")]


def test_the_plane_joins_voice_and_face_of_an_utterance(table):
    joined = [line for line in plot_plane(table).lines if line.get_linewidth() == 0.6]
    found = [np.column_stack(line.get_data()).tolist() for line in joined]
    assert found == [[[0.2, 0.1], [0.1, 0.0]], [[0.8, 0.1], [0.0, 0.0]]]


def test_a_crowd_of_points_breaks_the_title_and_draws_the_plane_as_densities(table):
    rng = np.random.default_rng(0)
    some = pd.DataFrame(
        rng.uniform(-1, 1, (900, 4)),
        columns=["speech_valence", "speech_arousal", "face_valence", "face_arousal"],
    )
    some["delta_valence"] = some["speech_valence"] - some["face_valence"]
    some["delta_arousal"] = some["speech_arousal"] - some["face_arousal"]
    some.loc[:99, "delta_arousal"] = np.nan
    ax = plot_differences(some)
    assert sum(len(c.get_offsets()) for c in ax.collections) == 800
    ax.figure.canvas.draw()
    title = ax.get_title(loc="left")
    assert title.endswith(",\n100 undetermined")
    assert ax.title.get_window_extent().x1 <= ax.figure.bbox.x1
    assert "90 %" in plot_plane(some).texts[0].get_text()


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


def test_the_session_marks_dissonant_bars_and_pales_undetermined_ones(table):
    ax = plot_session(table).axes[0]
    spans = {
        (c.get_alpha(), c.get_facecolor()[0][:3].round(3).tolist() == PINK): [
            (path.vertices[:, 0].min(), path.vertices[:, 0].max()) for path in c.get_paths()
        ]
        for c in ax.collections
        if c.get_paths()
    }
    assert spans[0.35, False] == [(5, 6)]  # undetermined
    assert spans[None, True] == [(2, 5)]  # dissonant
    # Bo's determined bar is as long as it is; Ada's came first under the same key.
    assert (2, 5) in spans[1.0, False]


def test_listeners_are_dashed_and_never_in_the_speakers_line(table):
    frames = pd.DataFrame(
        {
            "time": [0.1, 0.2, 0.1, 0.2, 6.5, 6.6],
            "utterance_id": ["u1", "u1", "u1", "u1", None, None],
            "track_id": [1, 1, 2, 2, 2, 2],
            "part": ["speaker"] * 2 + ["listener"] * 2 + ["silence"] * 2,
            "valence": [0.5, 0.5, -0.5, -0.5, -0.3, -0.3],
            "arousal": 0.0,
        }
    )
    windows = pd.DataFrame(
        {
            "utterance_id": ["u1", "u1", "u2"], "start": [0.0, 1.0, 2.0], "end": [2.0, 3.0, 4.0],
            "valence": [0.9, 0.8, 0.7], "arousal": 0.0,
        }
    )  # fmt: skip
    figure = plot_session(table, frames=frames, windows=windows)
    valence = figure.axes[1]
    drawn = {
        (line.get_color(), line.get_linestyle()): line.get_ydata()
        for line in valence.lines
        if line.get_marker() == "None" and line.get_linewidth() in (0.6, 0.9)
    }
    speaker, others = drawn[style.FACE, "-"], drawn[style.FACE, "--"]
    assert set(speaker) == {0.5}
    assert {v for v in others if v == v} == {-0.5, -0.3} and np.isnan(others).sum() == 1
    voice = drawn[style.SPEECH, "-"]
    # From one utterance to the next the line is broken.
    np.testing.assert_array_equal(voice, [0.9, 0.8, np.nan, 0.7])
    assert figure.axes[0].get_xlim()[1] >= 6.6
    labels = [text.get_text() for text in valence.get_legend().get_texts()]
    assert "listener's face, and faces in silence" in labels


def test_what_overlaps_is_shaded_once(table):
    twice = pd.concat([table, table.assign(speaker="Cy", start=table["start"] + 1)])
    twice = twice.assign(end=twice["start"] + 3)
    valence = plot_session(twice).axes[1]
    shades = [p for p in valence.patches if p.get_alpha() == 0.22]
    assert [(p.get_x(), p.get_x() + p.get_width()) for p in shades] == [(2, 6)]


def test_long_names_leave_room_for_the_data_and_are_no_formulas(table):
    long = table.assign(speaker="Dr. $x$ " + "of a very long institute " * 8)
    figure = plot_session(long, title="session_" * 40)
    figure.canvas.draw()
    ax = figure.axes[1]
    assert ax.get_position().width > 0.6
    (label, *_) = figure.axes[0].get_yticklabels()
    assert "$x$" in label.get_text() and not label.get_parse_math()
    assert figure.get_suptitle() == style.short("session_" * 40, 90)
    assert len(figure.get_suptitle()) == 90


def test_a_long_session_has_clock_times_at_whole_steps(table):
    long = table.assign(start=table["start"] * 300, end=table["end"] * 300)
    ax = plot_session(long).axes[2]
    ax.figure.canvas.draw()
    assert ax.get_xlabel() == "time, min:s"
    shown = [t.get_text() for t in ax.get_xticklabels()]
    assert "5:00" in shown and "30:00" in shown
    assert plot_session(table).axes[2].get_xlabel() == "time, s"


def test_sentiment_is_split_by_role_and_shares_add_up(table):
    ax = plot_sentiment(table)
    heights = [p.get_height() for p in ax.patches if isinstance(p, Rectangle)]
    assert sum(heights) == pytest.approx(2)  # two roles, one each; outlines are no bars


def test_durations_are_counted_and_their_median_drawn():
    ax = plot_durations(pd.Series([1.0, 2.0, 30.0]))
    assert sum(p.get_height() for p in ax.patches) == 3
    assert ax.get_legend().get_texts()[0].get_text() == "median 2.0 min (n = 3)"


def test_nothing_to_show_is_said_and_not_drawn(table):
    empty = table.head(0)
    for plot in (plot_plane, plot_differences, plot_sentiment):
        ax = plot(empty)
        assert ax.texts and not [c for c in ax.collections if len(c.get_offsets())]
    figure = plot_session(empty)
    assert [text.get_text() for text in figure.axes[0].texts] == ["no speech was found"]


def test_figures_of_a_run_are_functions_of_its_tables(finished_run):
    run = emodiss.load(finished_run)
    emodiss.plots.draw_all(run)
    assert len(emodiss.plots.figure3(run).axes) == 3
    (ax,) = emodiss.plots.figure10(run).axes
    # Nobody has two utterances to pair, so chance is not known.
    assert ax.get_title(loc="left") == "2 of 2 utterances dissonant (100%), 2 undetermined"
    first = {p.name: p.read_bytes() for p in (run.root / "figures").glob("*.png")}
    assert set(first) == {"figure3.png", "figure10.png", "session_a.png", "session_b.png"}
    (run.root / "figures" / ".drawn").unlink()
    emodiss.plots.draw_all(run)
    assert {p.name: p.read_bytes() for p in (run.root / "figures").glob("*.png")} == first


def test_the_threshold_stays_above_a_crowd(table):
    rng = np.random.default_rng(0)
    many = pd.DataFrame(rng.uniform(-1, 1, (5000, 2)), columns=["delta_valence", "delta_arousal"])
    ax = plot_differences(many, threshold=0.4)
    edge = next(p for p in ax.patches if p.get_linestyle() == "--")
    assert (edge.get_width(), edge.get_height()) == (0.4, 0.4)
    assert edge.get_zorder() > ax.collections[0].get_zorder()


@pytest.fixture
def run(finished_run):
    return emodiss.load(finished_run)


def words_of(figure) -> str:
    return "\n".join(t.get_text() for ax in figure.axes for t in [*ax.texts, ax.title])


def test_figure_2_shows_frames_and_the_transcript_with_tags_and_times(run):
    figure = figure2(run, video="b", n_frames=2)
    stills = [ax.images[0].get_array() for ax in figure.axes if ax.images]
    assert len(stills) == 2
    # The frames of b.mp4 are flat grey around 200 (tests/conftest.py).
    assert all(abs(float(still.mean()) - 201) < 4 for still in stills)
    said = words_of(figure)
    for expected in (
        "therapist",
        "patient",
        "00:00:00",
        "00:00:02",
        "How have you been this week?",
    ):
        assert expected in said


def test_figure_2_says_so_when_the_video_is_gone(study, tmp_path, stand_ins):
    folder = tmp_path / "study"
    shutil.copytree(study, folder)
    run = emodiss.annotate(
        folder / "manifest.csv", out=tmp_path / "run", preset="lite", settings=stand_ins, workers=0
    )
    (folder / "a.mp4").unlink()
    figure = figure2(run, video="a")
    assert not any(ax.images for ax in figure.axes)
    assert "not at hand" in words_of(figure) and "How have you been" in words_of(figure)


def test_a_hidden_face_is_flat_cells_and_the_rest_is_untouched():
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (80, 100, 3), dtype=np.uint8)
    before = image.copy()
    hide(image, (40, 20, 60, 40))
    # 35 % on every side of a box of 20 pixels: 33 to 67 and 13 to 47.
    inside = np.zeros((80, 100), dtype=bool)
    inside[13:47, 33:67] = True
    assert (image[~inside] == before[~inside]).all()
    colours = np.unique(image[inside], axis=0)
    assert len(colours) <= 25
    hide(image, (90, 70, 130, 120))  # partly outside
    hide(image, (200, 200, 220, 220))  # wholly outside


def test_the_moment_is_the_patients_clearest_dissonance(run, tmp_path):
    table = run.utterances
    table["dissonance_score"] = [1.9, 0.2, 0.1, 0.7]  # therapist and patient of a, then of b
    table.to_parquet(run.root / "utterances.parquet")
    seals.forget(run.root / "utterances.parquet")
    assert choose(run)["video_id"].unique().tolist() == ["b"]
    assert choose(run, video="a")["video_id"].unique().tolist() == ["a"]
    one = choose(run, n=1)
    assert one["role"].tolist() == ["patient"]
    table.head(0).to_parquet(run.root / "utterances.parquet")
    seals.forget(run.root / "utterances.parquet")
    with pytest.raises(emodiss.EmodissError, match="no utterance"):
        choose(run)


def test_figure_4_numbers_the_bars_and_writes_the_words(run):
    figure = figure4(run, video="a")
    speakers, valence, arousal, words = figure.axes
    numbers = [t.get_text() for t in speakers.texts if t.get_text().isdigit()]
    assert numbers == ["1", "2"]
    assert valence.get_ylabel() == "valence" and arousal.get_ylabel() == "arousal"
    assert [t.get_text()[:12] for t in words.texts] == ["1  therapist", "2  patient: "]


def test_figures_have_short_names_and_strangers_are_refused(run):
    assert draw(run, "fig10").axes
    with pytest.raises(emodiss.EmodissError, match="There is no figure 'figure5'") as error:
        draw(run, "fig5")
    assert "emodiss evaluate" in error.value.next_step
    with pytest.raises(emodiss.EmodissError, match="There is no figure 'figure8' of a run alone"):
        draw(run, "fig8")
    with pytest.raises(emodiss.EmodissError) as error:
        draw(run, "fig9")
    assert "--figure9" in error.value.next_step
    with pytest.raises(emodiss.EmodissError) as error:
        draw(run, "sweep")
    assert "emodiss dissonance RUN --plot" in str(error.value.next_step)


def test_a_figure_is_written_as_png_svg_or_pdf_only(run, tmp_path):
    with pytest.raises(emodiss.EmodissError, match=r"'figure\.jpg'") as error:
        save(draw(run, "fig10"), tmp_path / "figure.jpg")
    assert ".svg" in error.value.next_step
    assert not (tmp_path / "figure.jpg").exists()


def test_voices_without_a_role_have_a_colour_each_and_a_role_has_its_own(table):
    unknown = table.assign(role=None)
    colours = style.colours_of(unknown)
    voices = set(table["speaker"])
    assert set(colours) == voices and len(set(colours.values())) == len(voices)
    taken = {*style.ROLE_COLOURS.values(), style.FACE, style.SPEECH, style.FLAG}
    assert not taken & set(colours.values())
    first = table["speaker"].iloc[0]
    known = style.colours_of(
        unknown.assign(role=(unknown["speaker"] == first).map({True: "patient"}))
    )
    assert known[first] == style.ROLE_COLOURS["patient"]
    for colour in style.VOICE_COLOURS:  # black text stands on them
        light = [(c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4)
                 for c in (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))]  # fmt: skip
        assert (np.dot(light, (0.2126, 0.7152, 0.0722)) + 0.05) / 0.05 >= 4.5
