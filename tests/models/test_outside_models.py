"""Models that another installed package brings, without a line changed in emodiss."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import emodiss
from emodiss.cli import app
from emodiss.errors import SettingsError
from emodiss.exports.methods import methods
from emodiss.exports.provenance import trace
from emodiss.faces import FaceBoxes
from emodiss.models import catalog
from emodiss.settings import resolve
from tests import fakes, make

MODELS = """
import numpy as np
from pydantic import Field
from emodiss.affect import EXPRESSIONS, FaceAffect, SpeechAffect, StatedError
from emodiss.models.card import Card
from emodiss.settings import Group


class Options(Group):
    gain: float = Field(1.0, gt=0, description="factor of loudness")


class Speech:
    scale = "unit"
    min_duration_s = 0.1

    def __init__(self, gain):
        self.gain = gain

    def predict(self, signal, sample_rate):
        loud = float(np.clip(self.gain * np.abs(signal).max(), 0, 1))
        return SpeechAffect(0.5, loud, 0.5, self.scale)

    def predict_many(self, signals, sample_rate):
        return [self.predict(signal, sample_rate) for signal in signals]


class Face:
    scale = "signed"
    crop_margin = 0.0
    crop_square = False

    def predict(self, crops):
        some = np.full(len(crops), 0.25, np.float32)
        lots = np.full((len(crops), len(EXPRESSIONS)), 0.125, np.float32)
        return FaceAffect(some, some, lots, self.scale)


def card(name, task, loader, scale, **more):
    return Card(
        name=name, task=task, loader=f"acme_affect:{loader}", place="package",
        package="acme_affect",
        source="acme", revision="1", licence="MIT", noncommercial=False, size_mb=0.0,
        what="a model of another package", scale=scale, distributions=("acme-affect",), **more,
    )


class Nearest:
    # The one face of a look is the one before it, however far it has jumped.
    def track(self, detections):
        for boxes in detections:
            yield [(7, 0)] if len(boxes) else []


class Confused:
    def track(self, detections):
        for boxes in detections:
            yield [(1, 0), (2, 0)]


CARDS = (
    card("acme-ser", "speech_affect", "Speech", "unit", own_options=Options),
    card("acme-fer", "face_affect", "Face", "signed",
         error=StatedError(0.2, None, "acme's own")),
    card("acme-tracker", "tracker", "Nearest", None),
    card("acme-confused", "tracker", "Confused", None),
)
"""


def install(folder: Path, code: str, name: str = "acme-affect") -> None:
    """Lay a package out as an installer leaves it: its module and its metadata."""
    module = name.replace("-", "_")
    (folder / f"{module}.py").write_text(code)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[emodiss.models]\nacme = {module}\n")


@pytest.fixture
def site(tmp_path, monkeypatch):
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    catalog.refresh()
    yield folder
    catalog.refresh()
    sys.modules.pop("acme_affect", None)


def test_a_package_brings_a_voice_and_a_face_model(tmp_path, site, stand_ins):
    install(site, MODELS)
    make.write_media(
        tmp_path / "a.mp4", frames=[make.grey(100)] * 20, fps=10, sound=make.tone(2.0, level=0.2)
    )
    make.write_stm(tmp_path / "a.stm", [("Ada", 0.0, 2.0, "so it was")])
    own = {"models.speech_affect": "acme-ser", "models.face_affect": "acme-fer"}

    def run(**changes):
        return emodiss.annotate(
            tmp_path / "a.mp4", out=tmp_path / "run", workers=0,
            settings={**stand_ins, **own, **changes},
        )  # fmt: skip

    (quiet,) = run().utterances.itertuples()
    # A tone of amplitude 0.2 is 2 * 0.2 - 1 on the house scale; the codec adds a little.
    assert quiet.speech_arousal == pytest.approx(-0.6, abs=0.04)
    assert quiet.speech_arousal_raw == pytest.approx(0.2, abs=0.02)
    assert quiet.face_valence == pytest.approx(0.25)
    (loud,) = run(**{"options.acme-ser.gain": "2"}).utterances.itertuples()
    assert loud.speech_arousal_raw == pytest.approx(0.4, abs=0.04)
    stored = json.loads((tmp_path / "run" / "run.json").read_text())
    assert stored["settings"]["options"] == {"acme-ser": {"gain": "2"}}


@pytest.fixture
def jumping(tmp_path):
    """Folder of a video with one face that jumps from left to right after half its length."""
    left, right = (np.full((90, 160, 3), 60, np.uint8) for _ in range(2))
    left[20:60, 10:50] = right[20:60, 110:150] = 220
    make.write_media(
        tmp_path / "a.mp4", frames=[left] * 15 + [right] * 15, fps=10, sound=make.tone(3.0)
    )
    make.write_stm(tmp_path / "a.stm", [("Ada", 0.0, 3.0, "so it was")])
    return tmp_path


class Bright:
    """Finds the one bright square."""

    def detect(self, frames):
        found = []
        for frame in frames:
            rows, columns = (np.flatnonzero((frame.mean(2) > 140).any(a)) for a in (1, 0))
            box = [[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]]
            found.append(
                FaceBoxes(np.float32(box), np.float32([0.99]), np.zeros((1, 5, 2), np.float32))
            )
        return found


def tracked(folder, settings, **changes):
    """Run the video so that only the tracker tells which faces are one."""
    apart = {"faces.stride": 1, "faces.cut_threshold": 255, "tracks.min_join_confidence": 1}
    return emodiss.annotate(
        folder / "a.mp4", out=folder / "run", workers=0,
        settings={**settings, **apart, **changes},
    )  # fmt: skip


def test_a_package_brings_a_tracker(jumping, site, stand_ins, monkeypatch):
    install(site, MODELS)
    monkeypatch.setattr(fakes.Faces, "detect", Bright.detect)
    by_sort = tracked(jumping, stand_ins)
    assert [len(t) for t in by_sort.artifact("a", "tracks").tracks] == [45, 45]
    by_other = tracked(jumping, stand_ins, **{"models.tracker": "acme-tracker"})
    (track,) = by_other.artifact("a", "tracks").tracks
    assert len(track) == 90
    # What is tracked otherwise is found no second time.
    made = by_other.outcomes
    assert made["a", "faces"].status == "cached" and made["a", "tracks"].status == "done"
    named = {use.task: use.identity for use in trace(by_other).uses}
    assert named["tracker"] == catalog.entry_of("acme-tracker").identity
    assert "tracking of faces, acme-tracker@" in methods(by_other)


def test_a_tracker_that_gives_a_face_to_two_is_refused(jumping, site, stand_ins):
    install(site, MODELS)
    run = tracked(jumping, stand_ins, **{"models.tracker": "acme-confused"})
    (failed,) = [o for o in run.outcomes.values() if o.status == "failed"]
    assert failed.stage == "tracks" and failed.error["code"] == "model_output"
    assert "1 faces by [(1, 0), (2, 0)]" in failed.error["what"]


def test_the_catalog_lists_it_and_its_options_enter_its_identity(site):
    install(site, MODELS)
    listed = json.loads(CliRunner().invoke(app, ["models", "list", "--json"]).stdout)
    assert {"acme-ser", "acme-fer"} <= {model["name"] for model in listed}
    card = catalog.entry_of("acme-ser", task="speech_affect")
    plain, other = resolve({}), resolve({}, ["options.acme-ser.gain=2"])
    assert card.identity_with(plain) == card.identity
    assert card.identity_with(other) == f"{card.identity}(gain=2.0)"
    # The default, said aloud, is the same model.
    assert card.identity_with(resolve({}, ["options.acme-ser.gain=1"])) == card.identity


def test_its_card_says_how_far_it_is_off(site):
    install(site, MODELS)
    chosen = {"models.speech_affect": "acme-ser", "models.face_affect": "acme-fer"}
    rule = catalog.with_errors(resolve(chosen)).dissonance
    assert (rule.error_face_valence, rule.error_face_arousal) == (0.2, None)
    assert (rule.error_speech_valence, rule.error_speech_arousal) == (None, None)
    own = catalog.with_errors(resolve({**chosen, "dissonance.error_face_valence": 0.4})).dissonance
    assert own.error_face_valence == 0.4


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("options.acme-ser.gian=2", r"no setting 'options.acme-ser.gian'"),
        ("options.acme-ser.gain=0", r"options.acme-ser.gain cannot be '0'"),
    ],
)
def test_wrong_options_are_refused_by_name(site, assignment, message):
    install(site, MODELS)
    settings = resolve({"models.speech_affect": "acme-ser"}, [assignment])
    with pytest.raises(SettingsError, match=message):
        catalog.load("acme-ser", settings)


def test_a_name_that_is_taken_and_a_broken_package_cost_only_themselves(site):
    install(site, MODELS.replace('"acme-fer"', '"fer-lite"'))
    assert "acme-ser" in catalog.cards()
    assert catalog.cards()["fer-lite"] is catalog.CATALOG["fer-lite"]
    (problem,) = catalog.problems()
    assert "'acme-affect' are left out: there is a model 'fer-lite' already" in problem.what
    sys.modules.pop("acme_affect", None)
    (site / "acme_affect.py").write_text("raise RuntimeError('half done')")
    catalog.refresh()
    assert set(catalog.cards()) == set(catalog.CATALOG)
    with pytest.raises(SettingsError, match=r"'acme-ser'.*left out: RuntimeError: half done"):
        catalog.entry_of("acme-ser")
    result = CliRunner().invoke(app, ["models", "list"])
    assert result.exit_code == 0 and "half done" in result.stderr
