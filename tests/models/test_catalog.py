"""The registry: identities without loading, weights verified, absences explained."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import importlib.util
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from emodiss.errors import MissingExtra, ModelMissing, SettingsError
from emodiss.manifest import VideoRow
from emodiss.models import catalog
from emodiss.models.catalog import CATALOG
from emodiss.models.weight_files import WeightFile
from emodiss.presets import PRESETS, changes_of
from emodiss.runs.keys import recipes
from emodiss.settings import resolve
from emodiss.stages import STAGES


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
        for file in entry.files:
            path = catalog.weights_folder() / file.name
            total += path.stat().st_size
            assert path.with_suffix(".md").is_file()
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


def test_a_published_file_is_known_by_any_hash_its_publisher_gives(tmp_path, monkeypatch):
    monkeypatch.setenv("EMODISS_HOME", str(tmp_path))
    entry = CATALOG["emonet-5"]  # pinned by git's id alone
    entry.folder.mkdir(parents=True)
    path = entry.folder / "emonet_5.pth"
    path.write_bytes(b"what is up, doc?")
    assert catalog.verify(entry) == ["emonet_5.pth"]
    # The worked example of "Pro Git", section 10.2 (Git Objects).
    as_published = dataclasses.replace(
        entry, files=(WeightFile(path.name, git_blob="bd9dbf5aae1a3862dd1526723246b20206e5fc37"),)
    )
    assert catalog.verify(as_published) == []


@pytest.mark.parametrize(
    ("name", "assignment", "attribute", "value"),
    [
        ("emonet-8", "emonet.crop=landmark_square", "crop", "landmark_square"),
        ("emonet-8", "emonet.mirror=true", "mirror", True),
        ("emonet-8", "emonet.precision=bfloat16", "precision", "bfloat16"),
        ("emonet-8", "emonet.backend=torch", "backend", "torch"),
        ("emonet-8", "emonet.batch_size=3", "batch_size", 3),
        ("emonet-5", "emonet.fifth_class=anger", "_columns", [0, 1, 2, 3, 6]),
        ("audeering-w2v2", "audeering.signal=normalised", "signal", "normalised"),
        ("audeering-w2v2", "audeering.window_s=20", "window_s", 20.0),
        ("audeering-w2v2-hf", "audeering.signal=raw", "signal", "raw"),
        ("audeering-w2v2-hf", "audeering.batch_size=4", "batch_size", 4),
        ("mtcnn", "faces.min_face=0.1", "min_face_share", 0.1),
        ("mtcnn", "faces.min_face=33", "min_face_size", 33.0),
        ("mtcnn", "faces.half_size=true", "half_size", True),
        ("mtcnn-onnx", "faces.min_face=33", "min_face_size", 33.0),
        ("mtcnn-reference", "faces.min_face=0.1", "min_face_share", 0.1),
        ("sort", "tracks.max_age=3", "max_age", 3),
        ("sort", "tracks.iou_threshold=0.5", "iou_threshold", 0.5),
    ],
)
def test_settings_reach_the_model_and_the_key_of_its_stage(
    tmp_path, monkeypatch, name, assignment, attribute, value
):
    monkeypatch.setenv("EMODISS_HOME", str(tmp_path))
    monkeypatch.setattr(catalog, "require", lambda entries: None)
    entry = CATALOG[name]
    plain = resolve({f"models.{entry.task}": name})
    changed = resolve({f"models.{entry.task}": name}, [assignment])
    assert getattr(catalog.load(name, changed), attribute) == value
    assert getattr(catalog.load(name, plain), attribute) != value
    stage = next(stage.name for stage in STAGES if stage.model == entry.task)
    one, other = (
        recipes(
            VideoRow(id="a", path="a.mp4"),
            content="",
            transcript=None,
            settings=settings.model_dump(mode="json"),
            identities={e.name: e.identity_with(settings) for e in CATALOG.values()},
        )[stage].key
        for settings in (plain, changed)
    )
    assert one != other


def test_a_models_options_leave_other_models_keys_alone():
    plain, changed = resolve({}), resolve({}, ["emonet.mirror=true", "audeering.window_s=20"])
    for name in ("fer-lite", "ser-lite", "mtcnn", "mtcnn-onnx", "silero-vad"):
        assert CATALOG[name].identity_with(plain) == CATALOG[name].identity_with(changed)


def test_weights_of_ones_own_are_known_by_their_hash(tmp_path, monkeypatch):
    monkeypatch.setenv("EMODISS_HOME", str(tmp_path))
    own, entry = resolve({}, ["emonet.allow_unverified=true"]), CATALOG["emonet-8"]
    entry.folder.mkdir(parents=True)
    seen = set()
    for content in (b"one", b"other"):
        (entry.folder / "emonet_8.pth").write_bytes(content)
        seen.add(entry.identity_with(own))
        assert hashlib.sha256(content).hexdigest()[:12] in entry.identity_with(own)
    assert len(seen) == 2


def test_options_that_do_not_go_together_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("EMODISS_HOME", str(tmp_path))
    monkeypatch.setattr(catalog, "require", lambda entries: None)
    with pytest.raises(SettingsError, match="runs in float32"):
        resolve({}, ["emonet.backend=onnxruntime", "emonet.precision=bfloat16"])
    with pytest.raises(SettingsError, match=r"audeering-w2v2 takes 1.*audeering-w2v2-hf"):
        catalog.load("audeering-w2v2", resolve({}, ["audeering.batch_size=2"]))
    with pytest.raises(SettingsError, match="cannot halve"):
        catalog.load("mtcnn-reference", resolve({}, ["faces.half_size=true"]))
    onnxruntime = resolve({}, ["emonet.backend=onnxruntime"])
    with pytest.raises(SettingsError, match="runs on the CPU"):
        catalog.load("emonet-8", onnxruntime, device="cuda")


def test_weights_inside_a_package_are_named_by_version_and_hash():
    # Independent of the code: what whisperx's own wheel states, and hashlib.
    path = next(p for p in metadata.files("whisperx") if p.name == "pytorch_model.bin").locate()
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]
    version = metadata.version("whisperx")
    stated = f"pyannote-segmentation@whisperx {version},sha256:{digest}"
    assert catalog.entry_of("pyannote-segmentation").identity == stated
    for entry in CATALOG.values():
        # A tracker has no weights.
        if entry.place == "package" and entry.revision != "local" and entry.task != "tracker":
            assert re.search(r",sha256:[0-9a-f]{12}$", entry.identity), entry.name


@pytest.mark.parametrize(
    ("changes", "device", "package"),
    [
        ([], "cpu", None),
        (["emonet.precision=bfloat16"], "cpu", "openvino"),
        (["emonet.precision=bfloat16"], "cuda", None),
        (["emonet.precision=bfloat16", "emonet.backend=torch"], "cpu", None),
        (["emonet.backend=openvino"], "cpu", "openvino"),
    ],
)
def test_missing_packages_are_named_before_any_work(changes, device, package, monkeypatch):
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "openvino" else there(name)
    )
    entry, settings = catalog.entry_of("emonet-8"), resolve({}, changes)
    from emodiss.models.emonet.adapter import EmoNetFace

    chosen = settings.emonet
    model = EmoNetFace("w", precision=chosen.precision, backend=chosen.backend, device=device)
    assert (model.backend == "openvino") == (package is not None)
    if package is None:
        catalog.require_packages([entry], settings, device)
        return
    with pytest.raises(MissingExtra, match=rf"'{package}'.*emodiss\[{package}\]"):
        catalog.require_packages([entry], settings, device)


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


def test_a_changed_default_raises_the_version_of_its_card():
    """Identities name only options that are not defaults, so a default is part of the version."""
    found = {}
    for card in CATALOG.values():
        options = card.chosen(resolve({}))
        said = "" if options is None else options.model_dump_json()
        found[card.name, card.version] = hashlib.sha256(said.encode()).hexdigest()[:8]
    groups = {
        (entry.group, entry.version): found[entry.name, entry.version]
        for entry in CATALOG.values()
        if entry.group
    }
    # When this fails because a default changed: raise `version` on the cards of that group, and
    # write the new digest here.
    assert groups == {
        ("alignment", 1): "25ea33f0",
        ("audeering", 1): "31d5d347",
        ("emonet", 1): "cf46f2ec",
        ("pyannote", 1): "2f460417",
        ("whisper", 1): "d2d70c9b",
    }


def test_every_folder_of_models_brings_its_cards():
    families = [path.parent.name for path in Path(catalog.__file__).parent.glob("*/__init__.py")]
    assert len(families) > 9
    for family in families:
        own = importlib.import_module(f"emodiss.models.{family}").CARDS
        assert own, family
        assert all(CATALOG[card.name] is card for card in own), family
