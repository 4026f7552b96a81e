"""Every setting has a default, a range and a meaning; wrong names are met with the right ones."""

from __future__ import annotations

import pytest

from emodiss.errors import SettingsError
from emodiss.presets import PRESETS, changes_of
from emodiss.settings import NAMES, Settings, resolve


def test_presets_change_only_settings_that_exist():
    for name in PRESETS:
        resolve(changes_of(name))


def test_the_paper_is_the_default_and_its_threshold_is_the_papers():
    assert resolve({}) == Settings()
    assert Settings().dissonance.threshold == 0.5
    assert resolve(changes_of("paper-raw")).dissonance.scale == "raw"


def test_assignments_win_over_the_preset():
    assert resolve(changes_of("lite"), ["faces.stride=7"]).faces.stride == 7
    assert resolve(changes_of("lite"), {"models.asr": "whisperx-large-v3"}).models.asr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dissonance.treshold=0.4", r"Did you mean 'dissonance\.threshold'"),
        ("dissonance.threshold=4", "less than or equal to 2"),
        ("dissonance.threshold=high", "valid number"),
        ("dissonance.threshold", "has no '='"),
        ("faces.stride=0", "greater than or equal to 1"),
    ],
)
def test_wrong_settings_say_what_is_right(text, message):
    with pytest.raises(SettingsError, match=message):
        resolve({}, [text])


def test_an_unknown_preset_is_met_with_the_known_ones():
    with pytest.raises(SettingsError, match="Did you mean 'lite'"):
        changes_of("light")


def test_every_setting_says_what_it_means():
    assert all(NAMES.values())
