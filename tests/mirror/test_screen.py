"""Screening a whole experiment: measured once, paired by line, counted without loss."""

from __future__ import annotations

import dataclasses
import json

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from emodiss import mirror
from emodiss.chat.endpoint import Endpoint
from emodiss.chat.model import Completion
from emodiss.cli import app
from emodiss.clients import Case
from emodiss.errors import SettingsError
from emodiss.faces import FaceBoxes
from emodiss.faces.drawn import FacePicture
from emodiss.judging.sessions import dialogue_sha256
from emodiss.mirror import layout
from emodiss.mirror.faces import face_file
from emodiss.mirror.judge import spoken
from emodiss.mirror.screen import Instruments
from emodiss.screening import FILTERS, PRINTED, limits_of
from emodiss.screenplays import Line, Screenplay
from tests.mirror.people import PROFILES

CASES = [Case(profile, kind) for profile in PROFILES[:2] for kind in ("cognitive", "none")]


def grey(value: int) -> bytes:
    return cv2.imencode(".png", np.full((336, 336, 3), value, np.uint8))[1].tobytes()


class ByBrightness:
    """Measures nothing but brightness, so that every number is known from the picture."""

    identity = "brightness 1"

    def __init__(self) -> None:
        self.n = 0

    def similarity(self, picture, text):
        self.n += 1
        assert text == "A facial photo with looks away, sighs"
        return float(picture.mean()) / 255

    def embed(self, picture):
        self.n += 1
        if picture.mean() == 0:
            return None
        angle = np.arccos(picture.mean() / 255)  # the reference is white
        return np.array([np.cos(angle), np.sin(angle)], np.float32)

    def predict(self, picture):
        return "female", float(picture.mean())

    def scores(self, picture):
        return 1 - float(picture.mean()) / 255, float(picture.mean()) / 255

    def detect(self, frames):
        box = np.zeros((1, 4), np.float32)
        one = FaceBoxes(box, np.ones(1, np.float32), np.zeros((1, 5, 2), np.float32))
        return [one if frame.mean() > 0 else FaceBoxes.empty() for frame in frames]


@pytest.fixture
def experiment(tmp_path) -> mirror.Experiment:
    """Four dialogues; their pictures are grey: 200 everywhere but where a test says."""
    made = mirror.create(tmp_path / "out")
    made.cases.append(CASES)
    white = tmp_path / "reference.png"
    white.write_bytes(grey(255))
    made.lines(layout.REFERENCES).append(
        [{"profile": p.id, "face": {"path": str(white)}, "age_gap": 0} for p in PROFILES[:2]]
    )
    for case in CASES:
        lines = tuple(
            Line("client", ("Looks away", "sighs"), f"Yes {n}.", n)
            if n % 2
            else Line("therapist", (), f"And {n}?", n)
            for n in range(8)
        )
        made.screenplays.append([Screenplay(case, lines, "m", "0" * 64)])
        for n in (1, 3, 5, 7):
            put(made, case, n, grey(200))
    return made


def put(experiment, case, line, content: bytes) -> None:
    path = f"faces/{case.id}/{line:03d}.png"
    (experiment.root / path).parent.mkdir(parents=True, exist_ok=True)
    (experiment.root / path).write_bytes(content)
    face_file(experiment).append([FacePicture(case.id, line, "drawn", path=path)])


def tools(**more) -> Instruments:
    one = ByBrightness()
    named = ("image_text", "embedder", "attributes", "nsfw", "detector")
    return Instruments(**dict.fromkeys(named, one), **more)


def test_known_pictures_get_known_verdicts(experiment):
    # 0.2 of white is 51: just inside and just outside; .3 is 76.5 for identity.
    put(experiment, CASES[0], 3, grey(50))
    put(experiment, CASES[1], 5, grey(77))
    put(experiment, CASES[2], 7, b"no picture")
    put(experiment, CASES[3], 1, grey(0))
    done = mirror.screen(experiment, tools(), filters=["image_text", "identity", "face_found"])
    words = {
        case: {name: (each.keep, each.lines) for name, each in found.items()}
        for case, found in done.verdicts.items()
    }
    assert words == {
        "p00-cognitive": {
            "image_text": (False, (3,)),
            "identity": (False, (3,)),
            "face_found": (True, ()),
        },
        "p00-none": {"image_text": (True, ()), "identity": (True, ()), "face_found": (True, ())},
        "p01-cognitive": {
            "image_text": (None, ()),
            "identity": (None, ()),
            "face_found": (False, (7,)),  # a file that cannot be read has no face
        },
        "p01-none": {
            "image_text": (False, (1,)),
            "identity": (None, ()),  # a picture without a face is nobody's
            "face_found": (False, (1,)),
        },
    }
    assert done.kept == ("p00-none",)
    steps = done.waterfall()
    assert steps["step"].tolist() == ["candidates", "image_text", "identity", "face_found", "kept"]
    assert steps["taken"].tolist() == [0, 2, 0, 1, 0] and steps["left"].tolist()[-1] == 1
    assert len(CASES) - steps["taken"].sum() == len(done.kept)
    assert done.overlap().loc["image_text"].tolist() == [2, 1, 1]
    rates = done.rates().set_index("filter")
    assert rates.loc["image_text", ["measured", "rejected"]].tolist() == [3, 2]
    assert rates.loc["image_text", "rate"] == pytest.approx(2 / 3)
    assert rates.loc["identity", "printed"] == PRINTED["identity"] == 0.6605


def test_another_limit_measures_nothing_anew(experiment):
    first, again = tools(), tools()
    before = mirror.screen(experiment, first, filters=["identity"])
    assert first.embedder.n > 0 and len(before.kept) == 4
    strict = limits_of(["identity.threshold=0.8"])
    after = mirror.screen(experiment, again, limits=strict, filters=["identity"])
    assert len(after.kept) == 0 and again.embedder.n == 0
    said = [
        json.loads(row) for row in (experiment.root / layout.SCREENING).read_text().splitlines()
    ]
    assert [line["keep"] for line in said] == [False] * 4
    other = tools()
    other.embedder.identity = "brightness 2"
    mirror.screen(experiment, other, filters=["identity"])
    assert other.embedder.n > 0


class Judge:
    name, identity = "judge", "scripted judge"

    def __init__(self, answers) -> None:
        self.answers, self.asked = list(answers), []

    def generate(self, messages, params, *, sample=0):
        self.asked.append(messages[-1]["content"])
        return Completion(self.answers.pop(0), self.name)


def test_a_language_model_judges_both_roles(experiment):
    fine = {str(n): "casual" for n in range(8)}
    answers = [
        {"levels": fine},
        {"levels": {**fine, "2": "needs_intervention"}},  # a therapist's line
        {"levels": {**fine, "3": "needs_caution"}},
        {"levels": {n: level for n, level in fine.items() if n != "4"}},
    ]
    judge = Judge(json.dumps(answer) for answer in answers)
    endpoint = Endpoint((judge,), no_cache=True, concurrency=1)
    done = mirror.screen(experiment, Instruments(safety=endpoint), filters=["safety"])
    found = {case: each["safety"] for case, each in done.verdicts.items()}
    assert [each.keep for each in found.values()] == [True, False, False, None]
    assert [each.lines for each in found.values()] == [(), (2,), (3,), (4,)]
    assert all("therapist: And 2?" in text and "client: Yes 3." in text for text in judge.asked)


def test_scores_of_the_alliance_are_taken_where_a_judge_gave_them(experiment):
    plays = experiment.screenplays.read()
    lines = {play.case.id: play.lines for play in plays}

    def row(case, item, score):
        about = {"item": case, "instrument": "alliance", "criterion": item, "wording": "own"}
        about |= {"of": "screenplays", "directions": True, "error": "", "request_sha256": "x"}
        shown = spoken(lines.get(case, ()), directions=True)
        about["dialogue_sha256"] = dialogue_sha256(shown)
        status = "ok" if score is not None else "unparsable"
        return about | {"polarity": "straight", "judge": "j", "score": score, "status": status}

    rows = [row(CASES[0].id, f"q{n}", 2) for n in range(1, 13)]
    rows += [row(CASES[1].id, f"q{n}", 5 if n < 7 else None) for n in range(1, 13)]
    rows += [row(f"{CASES[2].id}/therapist", f"q{n}", 1) for n in range(1, 13)]  # of a session
    rows += [row(CASES[3].id, f"q{n}", None) for n in range(1, 13)]
    experiment.scores.append(rows)
    done = mirror.screen(experiment, filters=["alliance"])
    words = [each["alliance"].keep for each in done.verdicts.values()]
    assert words == [False, True, None, None]
    assert done.verdicts[CASES[1].id]["alliance"].score == 5
    # A screenplay that was written anew since is not the one that was scored.
    other = dataclasses.replace(plays[0], lines=plays[0].lines[:-1])
    experiment.screenplays.write([other, *plays[1:]])
    done = mirror.screen(experiment, filters=["alliance"])
    words = [each["alliance"].keep for each in done.verdicts.values()]
    assert words == [None, True, None, None]


def test_the_command_counts_and_names_the_nearest(experiment):
    put(experiment, CASES[0], 3, b"")
    run = CliRunner().invoke
    bare = ["mirror", "screen", str(experiment.root), "--faces", "none", "-q"]
    done = run(app, [*bare, "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert [row["filter"] for row in found["rates"]] == [n for n in FILTERS if n != "age"]
    assert found["waterfall"][-1] == {"step": "kept", "with_it": 3, "taken": 0, "left": 3}
    assert [row["reasons"] for row in found["dialogues"]] == ["face_found", "", "", ""]
    table = run(app, [*bare, "--csv"])
    assert table.stdout.splitlines()[0].startswith("id,verdict,measured,reasons,image_text")
    for wrong, said in (
        (["--set", "identiti.threshold=0.2"], "'identity'"),
        (["--only", "bsic"], "'basic'"),
        (["--image-text", "klip"], "'clip'"),
        (["--image-text", "clip"], "options.clip.model"),
    ):
        refused = run(app, [*bare, *wrong])
        assert isinstance(refused.exception, SettingsError) and said in str(refused.exception)
