"""The registry: identities without loading, weights verified, absences explained."""

from __future__ import annotations

import subprocess
import sys

import pytest

from emodiss.errors import ModelMissing, SettingsError
from emodiss.models import catalog
from emodiss.models.catalog import CATALOG
from emodiss.presets import PRESETS, changes_of
from emodiss.settings import resolve


def test_every_preset_names_models_of_the_right_task():
    for preset in PRESETS:
        for task, entry in catalog.chosen(resolve(changes_of(preset))).items():
            assert entry.task == task


def test_the_lite_preset_needs_nothing_fetched():
    chosen = catalog.chosen(resolve(changes_of("lite")))
    assert [e.name for e in chosen.values() if e.missing()] == []
    catalog.require(chosen)


def test_shipped_weights_are_what_their_cards_say():
    shipped = [e for e in CATALOG.values() if e.place == "shipped"]
    assert {e.name for e in shipped} == {"ser-lite", "fer-lite"}
    total = 0
    for entry in shipped:
        assert catalog.verify(entry) == []
        for name in entry.files:
            total += (catalog.weights_folder() / name).stat().st_size
            assert (catalog.weights_folder() / name).with_suffix(".md").is_file()
    assert total < 8_000_000


def test_identities_are_read_without_loading_anything_heavy():
    code = (
        "import sys; from emodiss.models.catalog import CATALOG\n"
        "assert all('@' in e.identity for e in CATALOG.values())\n"
        "print([m for m in ('torch', 'onnxruntime', 'cv2', 'av') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_weights_that_are_not_here_are_named_with_place_source_terms_and_a_way_out(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("EMODISS_HOME", str(tmp_path))
    with pytest.raises(ModelMissing) as error:
        catalog.load("emonet-8", resolve({}))
    for part in ("emonet_8.pth", "emonet-8", str(tmp_path), "CC BY-NC-ND", "--preset lite"):
        assert part in str(error.value)


def test_damaged_weights_are_noticed(tmp_path, monkeypatch):
    monkeypatch.setenv("EMODISS_HOME", str(tmp_path))
    entry = CATALOG["emonet-8"]
    entry.folder.mkdir(parents=True)
    (entry.folder / "emonet_8.pth").write_bytes(b"not these")
    assert entry.missing() == []
    assert catalog.verify(entry) == ["emonet_8.pth"]


def test_unknown_models_are_met_with_the_known_ones():
    with pytest.raises(SettingsError, match="Did you mean 'emonet-8'"):
        catalog.entry_of("emonet8")
    with pytest.raises(SettingsError, match="for faces"):
        catalog.entry_of("emonet-8", task="faces")


def test_terms_are_stated_for_every_model():
    for entry in CATALOG.values():
        assert entry.licence and entry.source and entry.what
        if "NC" in entry.licence or "research" in entry.licence:
            assert entry.noncommercial
