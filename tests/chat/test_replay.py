"""Recorded answers: the contract, and every way a recording can be wrong."""

from __future__ import annotations

import hashlib
import json

import pytest

from emodiss.chat.model import ChatError, ChatParams
from emodiss.chat.replay import Replay
from emodiss.errors import ModelError
from tests.chat.contracts import PARAMS, QUESTION, check_chat_model

DIGEST = hashlib.sha256(QUESTION[0]["content"].encode()).hexdigest()


def line(**changes):
    fields = {"prompt_sha256": DIGEST, "raw": "[Reflection] Tell me more.", "model": "m", **changes}
    return {name: value for name, value in fields.items() if value is not None}


def write(path, *lines):
    path.write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")
    return path


@pytest.fixture
def recording(tmp_path):
    other = line(sample=1, raw="[CBT] What else?\u2028 ", finish_reason="length")
    first = line(
        prompt_tokens=5,
        completion_tokens=4,
        parameters={"temperature": 0.7},
        served_model="m-2026",
        answered_at="2026-01-02T03:04:05+00:00",
    )
    return write(tmp_path / "recorded.jsonl", first, other, line(model="n", raw="other"))


def test_it_keeps_the_contract(recording):
    answer = check_chat_model(Replay(recording, "m"))
    assert answer.text == "[Reflection] Tell me more."
    assert (answer.model, answer.answered_at) == ("m-2026", "2026-01-02T03:04:05+00:00")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (5, 4)
    assert answer.recorded_params == {"temperature": 0.7}, "what it was recorded with, not PARAMS"
    assert answer.latency_s is None


def test_samples_are_told_apart(recording):
    answer = Replay(recording, "m").generate(QUESTION, PARAMS, sample=1)
    assert (answer.text, answer.finish_reason) == ("[CBT] What else?\u2028 ", "length")
    assert answer.usage.prompt_tokens is None


def test_what_was_not_recorded_is_not_made_up(recording):
    model = Replay(recording, "m")
    with pytest.raises(ChatError) as caught:
        model.generate([{"role": "user", "content": "I was never asked"}], ChatParams())
    assert caught.value.code == "replay_missing" and not caught.value.retryable
    assert "never asked" not in str(caught.value)
    with pytest.raises(ChatError):
        model.generate(QUESTION, PARAMS, sample=2)


def test_one_model_needs_no_name_and_several_do(recording, tmp_path):
    assert Replay(write(tmp_path / "one.jsonl", line())).name == "m"
    with pytest.raises(ModelError, match="Several models") as caught:
        Replay(recording)
    assert "m, n" in caught.value.next_step
    with pytest.raises(ModelError, match="'mm' is not"):
        Replay(recording, "mm")


def test_the_identity_is_the_content(recording, tmp_path):
    same = tmp_path / "copy.jsonl"
    same.write_bytes(recording.read_bytes())
    assert Replay(same, "m").identity == Replay(recording, "m").identity
    write(same, line(raw="changed"))
    assert Replay(same, "m").identity != Replay(recording, "m").identity


def test_two_answers_to_one_question_are_refused(tmp_path):
    write(tmp_path / "r.jsonl", line(), line())
    assert Replay(tmp_path / "r.jsonl").generate(QUESTION, PARAMS).text
    write(tmp_path / "r.jsonl", line(), line(raw="I slept badly"))
    with pytest.raises(ModelError, match="line 2") as caught:
        Replay(tmp_path / "r.jsonl")
    assert "slept" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"\n\n", b"{", b"[1]\n", b'"text"\n', b"\xff\n"]
    + [json.dumps(line(**{name: None})).encode() for name in ("prompt_sha256", "raw", "model")]
    + [json.dumps(line(raw=3)).encode(), json.dumps(line(sample="0")).encode()],
)
def test_faulty_recordings_are_refused(tmp_path, content):
    path = tmp_path / "r.jsonl"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"r\.jsonl") as caught:
        Replay(path)
    assert caught.value.code == "replay"


def test_a_recording_that_is_not_there(tmp_path):
    with pytest.raises(ModelError, match="cannot be read"):
        Replay(tmp_path / "no.jsonl")
