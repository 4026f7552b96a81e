"""Roles by a language model in one call: kept in the run, taken in by the next annotate."""

from __future__ import annotations

import json

import pytest

import emodiss
from emodiss.chat import Completion, Endpoint
from emodiss.errors import ChatError, RunError
from emodiss.study import Study, label_roles
from emodiss.study.label_roles import requests


class Tagger:
    """Says of every voice that it is who it is asked to say, with its own words as proof."""

    name, identity = "tagger", "test:tagger"

    def __init__(self, fault: Exception | None = None):
        self.fault = fault
        self.asked: list[str] = []

    def generate(self, messages, params, *, sample=0):
        text = messages[0]["content"]
        self.asked.append(text)
        if self.fault is not None:
            raise self.fault
        said: dict[str, str] = {}
        for line in text.splitlines():
            if line.startswith("| "):
                speaker, _, words = line[2:].partition(": ")
                said.setdefault(speaker, words)
        entries = [
            {"speaker": name, "role": role, "confidence": 0.9, "quotes": [said[name]]}
            for name, role in zip(said, ("therapist", "patient"), strict=False)
        ]
        return Completion(json.dumps({"speakers": entries}), "tagger")


@pytest.fixture
def again(study, tmp_path, stand_ins, finished_run):
    def annotate():
        return emodiss.annotate(
            study / "manifest.csv",
            out=tmp_path / "run",
            preset="lite",
            settings=stand_ins,
            workers=0,
        )

    return annotate


def test_labels_are_kept_once(again):
    run, model = again(), Tagger()
    done = label_roles(run, Endpoint([model]), video="a")
    assert done.complete and [row["role"] for row in done.rows()] == ["therapist", "patient"]
    table = Study(run).role_labels
    assert list(table["speaker"]) == [row["speaker"] for row in done.rows()]
    assert set(table["video_id"]) == {"a"} and len(model.asked) == 1
    whole = (run.root / "role_labels.jsonl").read_bytes()
    label_roles(run, Endpoint([model]), video="a")
    assert len(model.asked) == 1, "the cache has it"
    assert (run.root / "role_labels.jsonl").read_bytes() == whole


def test_a_session_without_an_answer_is_named_and_has_no_label(again):
    run = again()
    endpoint = Endpoint([Tagger(ChatError("too long", code="http_400"))])
    done = label_roles(run, endpoint, video="a")
    assert not done.complete and done.unanswered["a"].code == "http_400"
    assert Study(run).role_labels.empty


def test_names_are_hidden_from_the_model_and_stand_in_the_labels(again):
    run, model = again(), Tagger()
    (shown,) = requests(run, Endpoint([model]), video="a", people=[])
    assert model.asked == []
    done = label_roles(run, Endpoint([model]), video="a", people=[])
    assert model.asked == [shown["text"]]
    assert "Bo" in {row["speaker"] for row in done.rows()}
    assert "| Bo:" not in shown["text"] and "NAME" in shown["text"]


def test_an_unknown_video_is_refused(again):
    with pytest.raises(RunError, match="zz"):
        label_roles(again(), Endpoint([Tagger()]), video="zz")
