"""Training data: the prompts of sessions, no client of the evaluation, no reference face."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from emodiss import mirror
from emodiss.chat.model import Answered, ChatParams, Completion
from emodiss.cli import app
from emodiss.clients import Case
from emodiss.encounters.session import Given, Picture, Rules, Vlm, simulate
from emodiss.errors import RunError
from emodiss.exports import llava
from emodiss.exports.items import ExportError
from emodiss.faces.drawn import FacePicture
from emodiss.mirror import layout
from emodiss.mirror.faces import face_file
from emodiss.screenplays import Line, Screenplay
from tests.chat import tiny_llava
from tests.mirror.people import PROFILES

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
import train_therapist_lora as script

CASE = Case(PROFILES[1], "cognitive", "training")
LINES = (
    Line("therapist", (), "Hello.", 0),
    Line("client", ("Looks away", "sighs"), "I am alone.", 1),
    Line("therapist", ("Nods",), "Since when?", 2),
    Line("client", ("Shrugs",), "Always.", 3),
    Line("therapist", (), "Who was there?", 4),
    Line("client", ("Smiles",), "My brother.", 5),
)
PLAY = Screenplay(CASE, LINES, "writer", "0" * 64)
SHOWN = {(CASE.id, n): f"faces/{CASE.id}/{n:03d}.png" for n in (1, 3, 5)}


@dataclass
class Agent:
    """Says what it was given, in turn."""

    said: list[str]
    asked: list = field(default_factory=list)
    identity: str = "scripted"

    def key(self, question):
        return "0"

    def answer(self, question):
        self.asked.append(question)
        completion = Completion(self.said.pop(0), "m", "stop")
        return Answered(question, 0, completion, "m", "scripted", ChatParams(), 1)


@pytest.mark.parametrize("variant", ["text", "text+p", "base", "p", "ec", "p+ec"])
@pytest.mark.parametrize("window", [None, 2])
def test_a_prompt_to_train_with_is_the_one_of_a_session(tmp_path, variant, window):
    grey = tmp_path / "grey.png"
    cv2.imwrite(str(grey), np.full((8, 8, 3), 90, np.uint8))
    plan = f"CBT technique: {CASE.profile.plan_technique}\nCounseling planning:\n"
    planner = Agent([plan + str(CASE.profile.plan)])
    therapist = Agent([line.text for line in LINES[2::2]])
    captioner = Agent([])
    simulate(
        CASE,
        Agent([line.text for line in LINES[1::2]]),
        therapist,
        name="x",
        variant=variant,
        rules=Rules(max_turns=3, history=window, opening=LINES[0].words),
        camera=None if "text" in variant else lambda *_: Picture("grey.png", grey),
        captioner=Given() if "ec" in variant else None,
        planner=planner if "p" in variant.split("+") else None,
    )
    made, left_out = llava.examples([PLAY], SHOWN, variant, window=window)
    assert not left_out
    replies = [each for each in made if "caption" not in each.id]
    assert [each.answer for each in replies] == ["Hello.", "Since when?", "Who was there?"]
    # The adapter puts the picture where the export writes <image>.
    asked = [("<image>\n" if q.pictures else "") + q.text for q in therapist.asked]
    assert [each.prompt for each in replies[1:]] == asked
    assert all(CASE.profile.distorted_thought not in each.prompt for each in made)
    assert "Reality Testing" in replies[0].prompt or "p" not in variant.split("+")
    assert "conversation" not in replies[0].prompt
    assert replies[0].picture is None

    captions = [each for each in made if "caption" in each.id]
    if "ec" in variant:
        assert [c.answer for c in captions] == ["Looks away, sighs", "Shrugs", "Smiles"]
        captioner.said.append("sad")
        Vlm(captioner).caption(CASE, LINES[:2], Picture("grey.png", grey))
        assert {c.prompt for c in captions} == {f"<image>\n{captioner.asked[0].text}"}
        assert "Client Emotional State: Shrugs" in replies[2].prompt
    else:
        assert captions == []


def test_lines_without_picture_words_or_direction_are_counted():
    lines = (*LINES[:2], replace(LINES[2], words=""), replace(LINES[3], directions=()), *LINES[4:])
    shown = {key: path for key, path in SHOWN.items() if key[1] != 5}
    made, left_out = llava.examples([replace(PLAY, lines=lines)], shown, "ec")
    assert [each.id.removeprefix(CASE.id) for each in made] == ["-0", "-1-caption", "-4"]
    assert left_out == {"no_words": 1, "no_direction": 1, "no_picture": 1}
    assert "Emotional State" not in made[2].prompt
    made, left_out = llava.examples([PLAY], {}, "base")
    assert [each.id for each in made] == [f"{CASE.id}-0"]
    assert left_out == {"no_picture": 2}
    unplanned = replace(PLAY, case=Case(PROFILES[0], "none", "training"))
    assert llava.examples([unplanned], {}, "text+p") == ([], {"no_plan": 3})


def test_nothing_is_made_of_a_client_to_evaluate_with():
    with pytest.raises(ExportError, match="evaluate") as fault:
        llava.examples([replace(PLAY, case=Case(PROFILES[1], "none"))], SHOWN, "base")
    assert fault.value.code == "evaluation"


@pytest.fixture
def experiment(tmp_path) -> mirror.Experiment:
    """Two dialogues of the training side with faces, and a client to evaluate with."""
    made = mirror.create(tmp_path / "study")
    other = Case(PROFILES[3], "none", "training")
    made.cases.append([CASE, other, Case(PROFILES[4], "none")])
    reference = tmp_path / "ada-of-celeba.png"
    reference.write_bytes(_png(255))
    face = {"path": str(reference), "source": "CelebA", "licence": "non-commercial"}
    made.lines(layout.REFERENCES).append([{"profile": CASE.profile.id, "face": face}])
    for case in (CASE, other):
        made.screenplays.append([replace(PLAY, case=case)])
        for n in (1, 3, 5):
            path = f"faces/{case.id}/{n:03d}.png"
            (made.root / path).parent.mkdir(parents=True, exist_ok=True)
            (made.root / path).write_bytes(_png(40 * n))
            face_file(made).append([FacePicture(case.id, n, "drawn", path=path, model="warp")])
    return made


def _png(value: int) -> bytes:
    return cv2.imencode(".png", np.full((28, 28, 3), value, np.uint8))[1].tobytes()


def test_the_command_writes_both_forms_and_the_licences(experiment):
    out = str(experiment.root)
    done = CliRunner().invoke(app, ["mirror", "training-data", out])
    assert done.exit_code == 0, done.output
    assert "not screened" in done.output
    assert "12 examples of 2 dialogues, 6 of them captions" in done.stdout
    folder = experiment.root / layout.TRAINING
    records = json.loads((folder / "p+ec.json").read_text(encoding="utf-8"))
    assert records[1]["image"] == f"faces/{CASE.id}/001.png"
    assert [part["from"] for part in records[1]["conversations"]] == ["human", "gpt"]
    assert all(r["conversations"][0]["value"].startswith("<image>\n") == ("image" in r)
               for r in records)  # fmt: skip
    told = CliRunner().invoke(
        app, ["mirror", "training-data", out, "--format", "trl", "--history", "0", "--json"]
    )
    assert json.loads(told.stdout)[0]["without_picture"] == 2
    # Both forms are the same examples to whoever trains with them, but for the history.
    assert script.read_examples(folder / "p+ec.json", experiment.root) == script.read_examples(
        folder / "p+ec.jsonl", experiment.root
    )
    said = (folder / "LICENCES.md").read_text()
    assert "| CelebA | non-commercial | 1 |" in said
    assert "- dialogues: writer" in said
    assert "ada-of-celeba" not in said + (folder / "p+ec.json").read_text()
    assert {path.suffix for path in folder.iterdir()} == {".json", ".jsonl", ".md"}


def test_reference_faces_and_failed_pictures_stay_out(experiment):
    (experiment.root / f"faces/{CASE.id}/001.png").write_bytes(_png(255))  # the reference itself
    (experiment.root / f"faces/{CASE.id}/003.png").unlink()
    face_file(experiment).append([FacePicture(CASE.id, 5, "rejected", path="faces/x.png")])
    record = mirror.training_data(experiment, "base").record
    assert record["pictures_refused"] == 1
    assert record["left_out"] == {"no_picture": 2}
    assert record["examples"] == 4  # two first lines, and two replies of the other client


def test_screening_decides_and_evaluation_is_an_error(experiment):
    screening = experiment.lines(layout.SCREENING)
    screening.write([{"case_id": CASE.id, "keep": False, "verdicts": {}}])
    with pytest.raises(RunError, match="1 not_screened, 1 screened_out"):
        mirror.training_data(experiment)
    assert mirror.training_data(experiment, unscreened=True).record["dialogues"] == 2
    screening.write([])
    # The same person under another profile.
    twin = replace(PROFILES[4], id="twin", reason="Other")
    experiment.screenplays.append([replace(PLAY, case=Case(twin, "none", "training"))])
    with pytest.raises(RunError, match=r"1 of 3 dialogues.*twin-none") as fault:
        mirror.training_data(experiment)
    assert fault.value.code == "evaluation"
    left = mirror.training_data(experiment, training_only=True).record
    assert left["dialogues_left_out"] == {"evaluation": 1}
    assert left["dialogues"] == 2


@pytest.mark.slow
def test_a_tiny_llava_learns_from_exported_data(experiment, tmp_path):
    pytest.importorskip("trl")
    pytest.importorskip("peft")
    from safetensors.torch import load_file

    path = mirror.training_data(experiment, "ec").path
    texts = [part["value"] for record in json.loads(path.read_text()) for part in
             record["conversations"]]  # fmt: skip
    model = tiny_llava.build(tmp_path / "model", texts, room=512)
    recipe = script.Recipe(
        max_steps=2, batch=12, accumulate=1, rate=2e-2, projector_rate=2e-3, dropout=0.0, rank=8,
        alpha=16, schedule="constant", warmup=0.0,
    )  # fmt: skip
    losses = script.train(
        path, model, tmp_path / "out", images=experiment.root, recipe=recipe, cpu=True
    )
    assert len(losses) == 2
    assert losses[1] < losses[0]
    weights = load_file(tmp_path / "out" / "adapter_model.safetensors")
    assert any("multi_modal_projector" in name for name in weights)
    assert any("language_model" in name and "lora_B" in name for name in weights)
    assert not any("vision" in name for name in weights)


def test_the_script_names_a_picture_that_is_not_there(experiment):
    path = mirror.training_data(experiment, "base").path
    with pytest.raises(SystemExit, match=r"no picture 001\.png"):
        script.read_examples(path, experiment.root / "elsewhere")
    assert script.Recipe() == script.Recipe(5, -1, 32, 4, 2e-4, 2e-5, "cosine", 0.03, 0, 128, 256)
