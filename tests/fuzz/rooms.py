"""Readers of simulated sessions and of rating studies: screenplays, clients, experiments, answers."""

# ruff: noqa: E501 -- lists of odd text are read better in few lines
from __future__ import annotations

import contextlib
import json
import sqlite3
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from emodiss import mirror
from emodiss.clients import RESISTANCES, pairing, readers
from emodiss.encounters import wording
from emodiss.faces.drawn import FacePicture
from emodiss.mirror import layout
from emodiss.mirror.faces import face_file, reference_pictures
from emodiss.mirror.judge import read_scores
from emodiss.ratings import sums
from emodiss.ratings.handout import DESIGN, open_study
from emodiss.ratings.instrument import FILE, read_instrument, shipped
from emodiss.ratings.pairs import merge_pairs, pair_form, read_pairs
from emodiss.screening.safety import parse_levels
from emodiss.screenplays.expressions import parse_expression
from emodiss.screenplays.parsing import parse_screenplay
from emodiss.screenplays.records import Line, Screenplay
from emodiss.study import answers
from emodiss.study.evaluate import words_of
from tests.fuzz.fuzzer import Fuzzer
from tests.mirror.people import PROFILES
from tests.mirror.sessions import encounter
from tests.web import studies

PLAYS = (
    "Therapist: How are you?\nClient: [looks away] I do not know.\n\n**Nora Holt** (sighs): [cries] Well...\n"
    "Counselor: [nods] Go on.\n- Patient: fine [smiles], I think.\n",
    "Here is the dialogue:\n1. Therapist: Hello.\n2. Client [quietly]: Hi [shrugs.\n",
    "I'm sorry, but I can't write that.",
)
EXPRESSIONS = (
    "- Facial expression: [tired eyes]\n- Contrast facial expression: a bright smile\n",
    "**Expression description**: *calm*\n\nContrasting expression:\n'angry'\n",
)
SAID = (
    "Nora: [looks down] I do not know. [END]\n",
    "I see.\nTherapist: And then?\nClient: Nothing [left open",
    "<think>hm</think> [[nested] words] yes.",
)
LEVELS = ('```json\n{"levels": {"0": "safe", "1": "Needs caution"}}\n```', '["safe", "unsafe", 1]')
CACTUS = json.dumps(
    [
        {
            "intake_form": "Name: Nora Holt\nAge: 34\nGender: female\nOccupation: baker\n2. Reason for seeking counseling: I cannot sleep\n3. Past\n",
            "thought": "I ruin everything",
            "patterns": ["labeling"],
            "cbt_plan": ["One", "Two"],
            "cbt_technique": "Reality Testing",
        },
        {
            "id": 7,
            "intake_form": {"Name": "Timo", "Age": 52, "Gender": "male", "Reason": "work"},
            "thought": "One mistake",
        },
    ]
)
FACES = ("path,identity,gender,age,source,licence\na.png,n1,female,34,x,CC0\nb.png,n2,M,51.5,,\n",)
COMPARED = (
    "rater,item,case,criterion,model_a,model_b,choice\nr1,i1,c1,empathy,m,n,A\nr1,i2,c2,empathy,n,m,Tie\n",
)
PAIRED = "rater,item,position,empathy\nr1,i1,1,A\nr1,i2,2,Tie\n"
_DEALT = pd.DataFrame(
    {"item": ["i1", "i2"], "case": ["c1", "c2"], "model_a": "m", "model_b": "n", "rater": "r1"}
)
_LINES = (Line("therapist", (), "Hello.", 0), Line("client", ("sighs",), "Hm.", 1))


def _merged_pairs(path: Path) -> object:
    return merge_pairs({path.name: words_of(path)}, _DEALT, criteria=["empathy"])


def _lines(*records: Mapping[str, Any]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def _experiment(path: Path) -> mirror.Experiment:
    return mirror.load(path.parent)


def _play() -> dict[str, Any]:
    met = encounter(PROFILES[0], RESISTANCES[0], "t", "base")
    return Screenplay(met.case, met.lines, "m", "x").to_dict()


_MARK = {layout.EXPERIMENT: '{"version": 1}'}


@cache
def _study() -> dict[str, str]:
    """Files of a small rating study, by name."""
    with tempfile.TemporaryDirectory() as folder:
        root = studies.write(Path(folder) / "study")
        sealed = sums.NAME  # left out of what lies beside, as it refuses every other change
        texts = (
            p for p in root.rglob("*") if p.suffix in (".csv", ".json", ".toml") or p.name == sealed
        )
        return {p.relative_to(root).as_posix(): p.read_text(encoding="utf-8") for p in texts}


def _of_study(name: str) -> Fuzzer:
    def read(path: Path) -> object:
        root = path
        for _ in Path(name).parts:
            root = root.parent
        return open_study(root)

    beside = {file: text for file, text in _study().items() if Path(file).name != sums.NAME}
    return Fuzzer(name, (_study()[name],), read, beside=beside)


_opened = cache(open_study)  # its files stay as they are


def _answered(path: Path) -> object:
    """Lay out answers of which one row says what the file holds."""
    study = _opened(path.parent)
    rater, walk = next(iter(study.walks.items()))
    step = next(step.name for step in walk if step.kind == "item")
    content = path.read_bytes().decode("utf-8", "replace")
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.row_factory = sqlite3.Row
        connection.executescript(answers.SCHEMA)
        answers.prepare(connection, list(study.raters))
        connection.execute(
            "INSERT INTO answer (rater, step, form, saved_at, seconds, choices, reason, comment)"
            " VALUES (?, ?, 'f', '', 1, ?, '', '')",
            (rater, step, content),
        )
        connection.execute("INSERT INTO draft VALUES (?, ?, ?)", (rater, step, content))
        connection.execute(
            "INSERT INTO about (rater, part, saved_at, answers) VALUES (?, 'before', '', ?)",
            (rater, content),
        )
        return answers.tables(connection, study), answers.draft(connection, rater, step)


def fuzzers() -> dict[str, Fuzzer]:
    """Readers by name."""
    people = [profile.to_dict() for profile in PROFILES[:2]]
    met = encounter(PROFILES[0], RESISTANCES[0], "t", "p+ec").to_dict()
    score = {
        "of": "encounters",
        "item": "i",
        "instrument": "counseling",
        "criterion": "empathy",
        "wording": "own",
        "directions": True,
        "judge": "j",
        "score": 4,
        "status": "ok",
        "error": "",
        "request_sha256": "x",
    }
    return {
        "screenplay": Fuzzer(
            "a.txt", PLAYS, lambda p: parse_screenplay(_text(p), "Nora Holt"), never=True
        ),
        "expression": Fuzzer(
            "a.txt", EXPRESSIONS, lambda p: parse_expression(_text(p)), never=True
        ),
        "client_said": Fuzzer(
            "a.txt", SAID, lambda p: wording.read_reply(_text(p), "client", "Nora Holt"), never=True
        ),
        "therapist_said": Fuzzer(
            "a.txt", SAID, lambda p: wording.read_reply(_text(p), "therapist", "Nora Holt"), True
        ),
        "safety": Fuzzer("a.txt", LEVELS, lambda p: parse_levels(_text(p), _LINES), never=True),
        "profiles": Fuzzer("p.jsonl", (_lines(*people), CACTUS), readers.read_profiles),
        "profiles_csv": Fuzzer(
            "p.csv",
            (
                "id,name,age,gender,occupation,distorted_thought,reason,thinking_traps\n"
                "p1,Nora,34,female,baker,I ruin,no sleep,a;b\n",
            ),
            readers.read_profiles,
        ),
        "cactus": Fuzzer("c.json", (CACTUS,), readers.read_cactus),
        "reference_faces": Fuzzer("f.csv", FACES, pairing.read_faces),
        "experiment": Fuzzer(
            layout.EXPERIMENT, tuple(_MARK.values()), lambda p: mirror.load(p.parent)
        ),
        "cases": _journal("cases.jsonl", _lines(met["case"]), lambda e: e.cases.read()),
        "screenplays": _journal(
            "screenplays.jsonl", _lines(_play()), lambda e: e.screenplays.read()
        ),
        "expressions": _journal(
            "expressions.jsonl",
            _lines(
                {
                    "case_id": "c",
                    "line": 1,
                    "positive": "a",
                    "negative": "b",
                    "model": "m",
                    "request_sha256": "x",
                }
            ),
            lambda e: e.expressions.read(),
        ),
        "encounters": _journal("encounters.jsonl", _lines(met), lambda e: e.encounters.read()),
        "session_scores": _journal("scores.jsonl", _lines(score), read_scores),
        "references": _journal(
            "references.jsonl",
            _lines(
                {"profile": "p", "face": {"path": "a.png", "age": 34}},
                {"profile": "q", "face": None},
            ),
            reference_pictures,
        ),
        "face_records": _journal(
            "faces.jsonl",
            _lines(FacePicture("c", 1, "drawn", path="faces/c/1.png", sha256="x").to_dict()),
            lambda e: face_file(e).read(),
        ),
        "instrument": Fuzzer(FILE, (shipped(FILE),), read_instrument),
        "pair_form": Fuzzer("form.json", (_printed(),), pair_form),
        "comparisons": Fuzzer("c.csv", COMPARED, read_pairs),
        "study_design": _of_study(DESIGN.as_posix()),
        "study_items": _of_study("items.csv"),
        "study_key": _of_study("hidden/key.csv"),
        "study_sheet": _of_study("sheets/r1.csv"),
        "study_sums": _of_study("hidden/SHA256SUMS"),
        "pair_sheet": Fuzzer("e1.csv", (PAIRED,), _merged_pairs),
        "browser_answers": Fuzzer(
            "answer.json",
            ('{"empathy": "4", "applicability": "3", "comprehensiveness": "5"}',),
            _answered,
            beside=_study(),
        ),
    }


def _journal(name: str, seed: str, read: Callable[[mirror.Experiment], object]) -> Fuzzer:
    return Fuzzer(name, (seed,), lambda path: read(_experiment(path)), beside=_MARK)


def _printed() -> str:
    import emodiss

    return (Path(emodiss.__file__).parent / "data" / "pair_questions.json").read_text("utf-8")


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")
