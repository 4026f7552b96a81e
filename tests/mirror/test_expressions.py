"""What a face shows: asked word for word, read from whatever comes, drawn line by line."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from emodiss import mirror
from emodiss.chat.endpoint import Endpoint
from emodiss.chat.model import ChatError, Completion
from emodiss.clients import Case, Profile
from emodiss.errors import ModelError, RunError
from emodiss.faces.drawn import SIDE, Drawn, drawing_seed
from emodiss.mirror import layout
from emodiss.mirror.faces import Check
from emodiss.screening.records import Verdict
from emodiss.screenplays import Line, Screenplay
from emodiss.screenplays.expressions import expression_question, face_prompts, parse_expression

PAPER = Path(__file__).resolve().parents[2].parent / "shared" / "papers" / "mirror.txt"

LINES = (
    Line("therapist", (), "What brings you here?", 0),
    Line("client", ("looks down", "sighs"), "I don't know.", 1),
    Line("therapist", (), "Take your time.", 2),
    Line("client", (), "It is fine.", 3),
)
WHOLE = (
    "- Facial Expression Description: [eyes down, a faint frown]\n"
    "- Contrasting Facial Expression Description: [a broad smile]"
)


def squeezed(text: str) -> str:
    return " ".join(text.split())


# ------------------------------------------------------------------------------------- wording


def test_the_question_is_the_printed_one():
    text = expression_question("c", LINES[:1], LINES[1]).text
    blank = text.replace("Therapist: What brings you here?", "{history}").replace(
        "[looks down] [sighs] I don't know.", "{utterance}"
    )
    # Of the paper's text between "LLM Prompt for Refining Facial Expressions" and the next
    # heading, white space folded.
    digest = hashlib.sha256(squeezed(blank).encode()).hexdigest()
    assert digest[:16] == "f60f164ae60f8141"
    if PAPER.is_file():
        printed = PAPER.read_text(encoding="utf-8")
        begin = printed.index("LLM Prompt for Refining Facial Expressions")
        end = printed.index("PhotoMaker Prompts for Refining Facial Expressions")
        assert squeezed(blank) == squeezed(printed[begin:end].partition("\n")[2])


def test_the_prompts_for_pictures_are_the_printed_ones():
    prompt, negative = face_prompts(
        "{llama3 prompt}", "{llama3 negative prompt}", gender="{gender}", photomaker=True
    )
    assert prompt == (
        "portrait photo of a {gender} img, perfect face, natural skin, high detail, {llama3 prompt}"
    )
    assert hashlib.sha256(negative.encode()).hexdigest()[:16] == "b6fe3266db48ebfc"
    if PAPER.is_file():
        printed = PAPER.read_text(encoding="utf-8").splitlines()
        assert prompt in printed and negative in printed


def test_the_trigger_word_is_for_photomaker_alone():
    prompt, _ = face_prompts("sad", "glad", gender="female")
    assert prompt.startswith("portrait photo of a female, perfect face")


def test_without_directions_none_is_shown():
    text = expression_question("c", LINES[:3], LINES[1], directions=False).text
    tail = text.partition("Dialogue History ###")[2]
    assert "looks down" not in text and "[" not in tail
    assert tail.rstrip().endswith("I don't know.")


# -------------------------------------------------------------------------------------- answers


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (WHOLE, ("eyes down, a faint frown", "a broad smile")),
        ("Contrasting Facial Expression Description: b\nFacial Expression Description: a",
         ("a", "b")),  # either order; one label ends like the other
        ("1. **Facial Expression Description:** a\n2. **Contrasting Facial Expression "
         "Description:** b", ("a", "b")),
        ("- Facial Expression Description:\n  a,\n  then b\n\n"
         "- Contrasting Facial Expression Description:\n[c]", ("a, then b", "c")),
        ("Sure! Here it is:\n\n* Facial expression: a\n* Contrasting expression: b\n\n"
         "Let me know.", ("a", "b")),
        ('{"Facial Expression Description": "a: b",\n'
         ' "Contrasting Facial Expression Description": "c"}', ("a: b", "c")),
        ("<think>Facial Expression Description: x</think>\n" + WHOLE,
         ("eyes down, a faint frown", "a broad smile")),
        ("- Facial Expression Description: a", ("a", "")),
        ("- Contrasting Facial Expression Description: b", ("", "b")),
        ("- Facial Expression Description: [Facial expression that aligns with the client's "
         "statement]\n- Contrasting Facial Expression Description: b", ("", "b")),
        ("- Facial Expression Description: a\n- Contrasting Facial Expression Description: b\n"
         "- Facial Expression Description: c", ("a", "b")),
        ("I cannot help with that.", ("", "")),
        ("", ("", "")),
    ],
)  # fmt: skip
def test_answers_are_read(answer, expected):
    assert parse_expression(answer) == expected


PHRASES = (
    st.text("abcdefghij ,;'", min_size=1, max_size=40)
    .map(squeezed)
    .filter(lambda text: text.strip(" ,'") == text and text)
)


@given(PHRASES, PHRASES, st.booleans(), st.sampled_from(["", "- ", "* ", "2) "]), st.booleans())
def test_what_is_written_is_read(positive, negative, swapped, mark, below):
    gap = "\n" if below else " "
    rows = [
        f"{mark}Facial Expression Description:{gap}[{positive}]",
        f"{mark}Contrasting Facial Expression Description:{gap}[{negative}]",
    ]
    assert parse_expression("\n".join(rows[::-1] if swapped else rows)) == (positive, negative)


# ---------------------------------------------------------------------------------------- verbs


class Describer:
    """Answers in words that name the line; fails or answers half where told to."""

    name = "describer"
    identity = "scripted describer"

    def __init__(self, *, fails: str = "", half: str = "") -> None:
        self.fails, self.half = fails, half
        self.asked: list[str] = []

    def generate(self, messages, params, *, sample=0):
        text = messages[-1]["content"]
        self.asked.append(text)
        utterance = text.rpartition("###")[2].strip()
        if self.fails and self.fails in utterance:
            raise ChatError("No.", code="refused", retryable=False)
        answer = WHOLE if not (self.half and self.half in utterance) else WHOLE.splitlines()[0]
        return Completion(answer, self.name)


class Painter:
    """Draws one colour per seed; fails as told."""

    identity = "painter 1"

    def __init__(self, *, faults: tuple[str, ...] = (), size: int = SIDE) -> None:
        self.faults, self.size = list(faults), size
        self.seeds: list[int] = []

    def draw(self, reference, positive, negative, *, gender, seed):
        self.seeds.append(seed)
        if self.faults and (code := self.faults.pop(0)):
            raise ModelError("No picture.", code=code)
        pixels = np.full((self.size, self.size, 3), seed % 251, np.uint8)
        return Drawn(pixels, positive, negative)


@pytest.fixture
def experiment(tmp_path) -> mirror.Experiment:
    made = mirror.create(tmp_path / "out")
    person = Profile("p1", "Ada Example", 30, "female", "I fail at everything.", "Sad.", face="f")
    case = Case(person, "cognitive")
    made.cases.append([case])
    made.screenplays.append([Screenplay(case, LINES, "m", "0" * 64)])
    picture = tmp_path / "f.png"
    picture.write_bytes(b"a picture")
    pair = {"profile": "p1", "face": {"path": str(picture)}, "age_gap": 0}
    made.lines(layout.REFERENCES).append([pair])
    return made


def described(experiment, model, **options):
    return mirror.expressions(experiment, Endpoint((model,), no_cache=True), **options)


def test_each_line_of_the_client_is_described_once(experiment):
    model = Describer()
    done = described(experiment, model)
    assert done.complete and [each.line for each in done.expressions] == [1, 3]
    assert "It is fine." in model.asked[1] and "[looks down] [sighs]" in model.asked[1]
    again = described(experiment, model)
    assert len(model.asked) == 2 and again.expressions == done.expressions
    hidden = described(experiment, model, without_directions=True)
    assert len(model.asked) == 4 and "looks down" not in "".join(model.asked[2:])
    assert hidden.complete and len(experiment.expressions.read()) == 2


def test_a_line_without_an_answer_costs_itself_and_is_asked_again(experiment):
    done = described(experiment, Describer(fails="don't"))
    assert not done.complete and list(done.unanswered) == ["p1-cognitive/1"]
    assert [each.line for each in done.expressions] == [3]
    assert described(experiment, Describer()).complete


def test_nothing_is_described_before_there_are_screenplays(tmp_path):
    with pytest.raises(RunError, match="emodiss mirror screenplays"):
        described(mirror.create(tmp_path / "new"), Describer())


def test_pictures_lie_beside_what_they_were_made_from(experiment):
    described(experiment, Describer())
    done = mirror.faces(experiment, Painter())
    assert done.complete
    for each in done.pictures:
        assert each.path == f"faces/p1-cognitive/{each.line:03d}.png"
        png = (experiment.root / each.path).read_bytes()
        assert each.sha256 == hashlib.sha256(png).hexdigest()
        beside = json.loads((experiment.root / each.path).with_suffix(".json").read_text())
        assert beside["synthetic"] is True
        assert beside["prompt"] == "eyes down, a faint frown"
        assert beside["negative"] == "a broad smile"
        assert beside["seed"] == drawing_seed("p1-cognitive", each.line, 0)
        assert beside["model"] == "painter 1"


def test_pictures_that_are_there_are_not_drawn_again(experiment):
    described(experiment, Describer())
    first = mirror.faces(experiment, Painter())
    again = Painter()
    assert mirror.faces(experiment, again) == first and again.seeds == []
    (experiment.root / first.pictures[0].path).unlink()
    assert mirror.faces(experiment, again) == first and len(again.seeds) == 1
    other = Painter()
    other.identity = "painter 2"
    mirror.faces(experiment, other)
    assert len(other.seeds) == 2


def test_each_attempt_has_another_seed_and_the_next_line_goes_on(experiment):
    described(experiment, Describer())
    painter = Painter(faults=("program", "program"))
    done = mirror.faces(experiment, painter)
    assert [each.attempts for each in done.pictures] == [3, 1] and done.complete
    assert len(set(painter.seeds)) == 4
    hopeless = Painter(faults=("program",) * 10)
    hopeless.identity = "painter 2"
    done = mirror.faces(experiment, hopeless)
    assert [each.status for each in done.pictures] == ["failed", "drawn"]
    assert (done.pictures[0].reason, done.pictures[0].path) == ("program", None)
    assert mirror.faces(experiment, hopeless).complete  # failures are tried again


def test_a_reference_without_a_face_is_not_tried_ten_times(experiment):
    described(experiment, Describer())
    painter = Painter(faults=("no_face",))
    done = mirror.faces(experiment, painter)
    assert [each.status for each in done.pictures] == ["failed", "drawn"]
    assert len(painter.seeds) == 2


def test_a_picture_of_another_size_is_none(experiment):
    described(experiment, Describer())
    done = mirror.faces(experiment, Painter(size=512), attempts=2)
    assert {(each.status, each.reason) for each in done.pictures} == {("failed", "size")}


def test_a_check_that_says_no_rejects(experiment):
    """In the released code what a check returns is always true, so that it never rejects."""
    described(experiment, Describer())
    asked = []

    def third(pixels, reference, expression):
        asked.append((reference.name, expression.line))
        return Verdict(len(asked) >= 3, 0.1, "" if len(asked) >= 3 else "identity")

    done = mirror.faces(experiment, Painter(), check=Check("third", third))
    assert [each.attempts for each in done.pictures] == [3, 1] and done.complete
    no = mirror.faces(
        experiment, Painter(), check=Check("no", lambda *_: Verdict(False, 0.1, "identity"))
    )
    assert {(each.status, each.reason, each.attempts) for each in no.pictures} == {
        ("rejected", "identity", 10)
    }
    assert all((experiment.root / each.path).is_file() for each in no.pictures)
    unknown = Check("unknown", lambda *_: Verdict(None))
    assert mirror.faces(experiment, Painter(), check=unknown).complete


def test_half_an_answer_and_a_client_without_a_picture_are_not_drawn(experiment):
    described(experiment, Describer(half="fine"))
    done = mirror.faces(experiment, Painter())
    assert [each.status for each in done.pictures] == ["drawn", "partial"]
    experiment.lines(layout.REFERENCES).write([{"profile": "p1", "face": None, "age_gap": None}])
    (experiment.root / layout.FACE_RECORDS).unlink()
    done = mirror.faces(experiment, Painter())
    assert [each.status for each in done.pictures] == ["no_reference", "partial"]
    assert not done.complete
