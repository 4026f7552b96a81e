"""The contact sheet shows every track, names who speaks, and hides faces when asked."""

from __future__ import annotations

import numpy as np
import pytest

import emodiss
from emodiss.errors import RunError
from emodiss.plots import contact_sheet
from emodiss.plots.contact import chosen_ticks


@pytest.fixture(scope="module")
def run(study_run):
    return emodiss.load(study_run)


def boxes(ax) -> list:
    from matplotlib.patches import Rectangle

    return [patch for patch in ax.patches if isinstance(patch, Rectangle)]


def test_boxes_numbers_and_voices_stand_where_they_were_measured(run):
    figure = contact_sheet(run, video="a", n_frames=5)
    shown = [ax for ax in figure.axes if ax.images]
    assert len(shown) == 5
    # Ticks 9, 27, 45, 63 and 81 of 90: Ada until 1.2 s, Bo from 1.3 to 2.8 s.
    assert [ax.get_title(loc="left").split("  ")[1] for ax in shown] == [
        *["Ada speaks"] * 2,
        *["Bo speaks"] * 3,
    ]
    owner = run.artifact("a", "people").of("Ada").track_ids
    for k, ax in enumerate(shown):
        (box,) = boxes(ax)
        # The stand-in's face: a quarter to three quarters of 96, a fifth to four fifths of 64.
        assert box.get_xy() == pytest.approx((24, 12.8), abs=0.01)
        assert (box.get_width(), box.get_height()) == pytest.approx((48, 38.4), abs=0.01)
        assert ax.texts[0].get_text() == ("1 Ada" if owner else "1 Bo")
        speaking = (k < 2) == bool(owner)
        assert box.get_linewidth() == (3 if speaking else 1.3)


def test_hidden_faces_are_flat_and_the_rest_is_as_it_was(run):
    from emodiss.plots.moment import hide

    image = np.random.default_rng(0).integers(0, 255, (64, 96, 3)).astype(np.uint8)
    before = image.copy()
    hide(image, (40, 24, 56, 40))
    assert len(np.unique(image[26:38, 42:54].reshape(-1, 3), axis=0)) <= 16
    assert (image[:10] == before[:10]).all()
    plain, hidden = (contact_sheet(run, video="a", n_frames=1, blur=b) for b in (False, True))
    one, other = (f.axes[0].images[0].get_array() for f in (plain, hidden))
    assert one.shape == other.shape


def test_a_track_between_the_frames_gets_its_own():
    ticks = np.arange(300)
    long, short, gone = np.arange(300), np.arange(31, 40), np.arange(200, 204)
    # Evenly: 50, 150 and 250; then the middles of the two that none of these shows.
    assert chosen_ticks(ticks, [long, short, gone], 3).tolist() == [35, 50, 150, 202, 250]
    assert chosen_ticks(ticks, [long, short, gone], 1).tolist() == [35, 150]
    assert chosen_ticks(np.arange(2), [], 5).tolist() == [0, 1]


def test_without_the_file_it_says_so(run, monkeypatch):
    monkeypatch.setattr(type(run), "media", lambda self, video: None)
    with pytest.raises(RunError, match="not at hand"):
        contact_sheet(run, video="a")
    with pytest.raises(RunError, match="no video"):
        contact_sheet(run, video="z")
