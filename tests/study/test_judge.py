"""Judges of a run in one call: steps once, scores kept, checks composed, names hidden."""

from __future__ import annotations

import json

import pytest

from emodiss import study
from emodiss.chat import Completion, Endpoint
from emodiss.errors import ChatError, RunError, SettingsError
from emodiss.runs.run import load
from emodiss.study.judge import PLACEHOLDER, requests
from tests.chat.scripted import Scripted, table


class Judge:
    """Writes steps when asked to, and gives one score to everything else."""

    def __init__(self, name: str, score: str | Exception = "4"):
        self.name, self.identity, self.score = name, f"test:{name}", score
        self.asked: list[str] = []

    def generate(self, messages, params, *, sample=0):
        text = messages[0]["content"]
        self.asked.append(text)
        if "Write the steps" in text:
            return Completion("1. Read it. 2. Rate it.", self.name)
        if isinstance(self.score, Exception):
            raise self.score
        return Completion(self.score, self.name, latency_s=0.5)


@pytest.fixture
def run(tmp_path):
    root = tmp_path / "run"
    root.mkdir()
    (root / "run.json").write_text('{"settings": {}, "problems": []}')
    (root / "manifest.jsonl").write_text('{"id": "v1"}\n{"id": "v2"}\n')
    table("v1", "v2").to_parquet(root / "utterances.parquet")
    made = load(root)
    study.intervene(made, study.prompts(made, "base"), Endpoint([Scripted()]))
    return made


SINGLE = {"mode": "single", "criteria": ["empathy"]}


def test_two_judges_go_by_the_same_steps_and_are_checked(run):
    first, second = Judge("m"), Judge("n", "2")
    seen: list[tuple[str, int, int]] = []
    done = study.judge(
        run,
        Endpoint([first, second]),
        scale_order="both",
        progress=lambda *facts: seen.append(facts),
        **SINGLE,
    )
    # Two videos, one criterion, two judges, both orders; one set of steps.
    assert len(done.table) == 8 and done.record["unanswered"] == 0
    assert sum("Write the steps" in text for text in first.asked + second.asked) == 1
    assert done.table.groupby("judge")["score"].mean().to_dict() == {"m": 4.0, "n": 2.0}
    assert set(done.checks) == {"missing", "order", "length", "self_preference"}
    # The answers are by "m": as a judge it gives them 2 more than the other, on every item.
    assert done.checks["order"]["difference"].tolist() == [0.0, 0.0]
    assert done.notes == [] and done.troubles == {}
    assert seen[-1] == ("n, descending", 2, 2)
    assert done.record == json.loads((run.root / "judge_ledger.json").read_text())
    kept = study.Study(run).judgements
    assert len(kept) == 8 and set(study.Study(run).answer_times["asked"]) == {
        "interventions",
        "judgements",
    }


def test_a_check_that_is_not_there_is_named(run):
    done = study.judge(run, Endpoint([Judge("n")]), **SINGLE)
    assert set(done.checks) == {"missing", "length"}
    assert ["order" in note.lower() for note in done.notes] == [True, False]
    assert "--own" in done.notes[1]
    done = study.judge(run, Endpoint([Judge("n")]), own={"n": ["m"]}, **SINGLE)
    assert "no other judge" in done.notes[1] and done.record["replaced"] == 2


def test_what_is_not_answered_is_missing_and_says_why(run):
    broken = Judge("n", ChatError("too long", code="http_400"))
    done = study.judge(run, Endpoint([broken]), **SINGLE)
    assert done.table["score"].isna().all() and done.record["unanswered"] == 2
    assert done.troubles == {"n": ("http_400", 2)}


def test_a_question_without_an_answer_takes_no_earlier_answer_away(run):
    study.judge(run, Endpoint([Judge("n")], no_cache=True), **SINGLE)
    broken = Judge("n", ChatError("busy", code="http_400"))
    done = study.judge(run, Endpoint([broken], no_cache=True), **SINGLE)
    assert done.record["unanswered"] == 2 and done.record["replaced"] == 0
    kept = study.Study(run).judgements
    assert kept["score"].notna().all() and set(kept["status"]) == {"ok"}


def test_what_a_judge_would_be_sent_has_a_place_for_steps_and_no_names(run):
    judge = Judge("n")
    steps, *scores = requests(run, Endpoint([judge]), people=[("Carla",)], **SINGLE)
    assert "Write the steps" in steps["text"] and len(scores) == 2 and judge.asked == []
    assert all(PLACEHOLDER in one["text"] for one in scores)
    assert "Carla" not in json.dumps(scores) and "NAME1" in json.dumps(scores)
    assert not (run.root / "judgements.csv").exists()


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"mode": "guess"}, SettingsError, "guess"),
        ({"fallback": "logprob"}, SettingsError, "logprob"),
        ({"scale_order": "upwards"}, SettingsError, "upwards"),
        ({"video": "v9"}, RunError, "v9"),
    ],
)
def test_wrong_use_is_refused_before_anybody_is_asked(run, options, error, said):
    judge = Judge("n")
    with pytest.raises(error, match=said):
        study.judge(run, Endpoint([judge]), **{**SINGLE, **options})
    with pytest.raises(SettingsError, match="No judge"):
        study.judge(run, Endpoint(local=True))
    assert judge.asked == []
