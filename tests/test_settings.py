"""Every setting has a default, a range and a meaning; wrong names are met with the right ones."""

from __future__ import annotations

import json

import pytest

from emodiss.errors import SettingsError
from emodiss.presets import DEFAULT, PRESETS, changes_of
from emodiss.prompts import with_templates
from emodiss.settings import NAMES, Settings, resolve


def test_presets_change_only_settings_that_exist():
    for name in PRESETS:
        resolve(changes_of(name))


def test_settings_are_the_papers_and_a_run_takes_the_embedded_models():
    assert resolve({}) == Settings() == resolve(changes_of("paper"))
    assert DEFAULT == "lite"
    assert Settings().dissonance.threshold == 0.5
    assert resolve(changes_of("paper")).faces.mode == "scan"
    assert resolve(changes_of("fast")).emonet.precision == "bfloat16"
    assert Settings().face_affect.looks_per_utterance is None
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
        ("face_affect.looks_per_utterance=4", r"\(4\) is less than min_frames \(5\)"),
    ],
)
def test_wrong_settings_say_what_is_right(text, message):
    with pytest.raises(SettingsError, match=message):
        resolve({}, [text])


def test_of_many_settings_only_the_nearest_are_named():
    with pytest.raises(SettingsError) as error:
        resolve({}, ["treshold=0.4"])
    assert "'dissonance.threshold'" in error.value.next_step
    assert error.value.next_step.endswith("All are listed by: emodiss settings.")
    assert sum(name in error.value.next_step for name in NAMES) <= 3
    with pytest.raises(SettingsError, match=r"There is no setting 'qqq'\. All are listed by"):
        resolve({}, ["qqq=1"])


def test_an_unknown_preset_is_met_with_the_known_ones():
    with pytest.raises(SettingsError, match="Did you mean 'lite'"):
        changes_of("light")


def test_every_setting_says_what_it_means():
    assert all(NAMES.values())


def test_a_changed_group_is_checked_again_and_its_first_form_stays():
    chosen = Settings().prompts
    changed = chosen.changed(channels="face", decimals=3, window=None)
    assert changed == resolve({}, ["prompts.channels=face", "prompts.decimals=3",
                                   "prompts.window=none"]).prompts  # fmt: skip
    assert chosen == Settings().prompts
    with pytest.raises(SettingsError, match=r"no_flag cannot be 'maybe'"):
        chosen.changed(no_flag="maybe")
    with pytest.raises(SettingsError, match="Did you mean 'no_flag'"):
        chosen.changed(no_flags="keep")
    with pytest.raises(SettingsError, match=r"do not go together: windows of 0\.5 s are shorter"):
        Settings().speech_affect.changed(window_s=0.5)


def test_a_folder_of_templates_becomes_its_texts(tmp_path):
    (tmp_path / "own.jinja").write_text("{% for t in turns %}{{ t.text }}{% endfor %}")
    (tmp_path / "notes.txt").write_text("not a template")
    chosen = resolve({}, with_templates([f"prompts.templates={tmp_path}"]))
    assert list(chosen.prompts.templates) == ["own.jinja"]
    stored = json.loads(chosen.model_dump_json())
    assert Settings.model_validate(stored) == chosen
    (tmp_path / "own.j2").write_text("x")
    with pytest.raises(SettingsError, match="two templates for the condition 'own'"):
        resolve({}, with_templates([f"prompts.templates={tmp_path}"]))
    with pytest.raises(SettingsError, match="holds no template"):
        with_templates([f"prompts.templates={tmp_path / 'nothing'}"])


def test_one_switch_gives_the_papers_wording_and_single_options_still_win():
    literal = resolve({}, ["prompts.literal=true"])
    asked = literal.prompts
    assert not asked.scale_line and asked.context_marker
    assert (asked.no_flag, asked.same_role) == ("keep", "merge")
    assert Settings.model_validate(literal.model_dump(mode="json")) == literal
    assert resolve({}, ["prompts.literal=false"]).prompts == Settings().prompts
    kept = resolve({}, ["prompts.literal=true", "prompts.same_role=number"]).prompts
    assert (kept.no_flag, kept.same_role) == ("keep", "number")
    with pytest.raises(SettingsError, match=r"prompts\.literal"):
        resolve({}, ["prompts.literal=perhaps"])
