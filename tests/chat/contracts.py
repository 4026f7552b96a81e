"""What every chat model must do, whatever stands behind it: called from each adapter's tests."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from emodiss.chat.model import ChatModel, ChatParams, Completion, Message, request_key

QUESTION: list[Message] = [{"role": "user", "content": "Dialogue:\nPatient: I slept badly.\n"}]
PARAMS = ChatParams(max_tokens=8)


def check_chat_model(model: ChatModel) -> Completion:
    """Check identity, types, repeatability, threads and JSON round trip; return an answer.

    Parameters
    ----------
    model
        Able to answer `QUESTION`, samples 0 and 1.
    """
    assert isinstance(model, ChatModel)
    assert model.identity and isinstance(model.identity, str) and model.identity == model.identity
    assert model.name and isinstance(model.name, str)

    before = json.dumps(QUESTION)
    answer = model.generate(QUESTION, PARAMS)
    assert json.dumps(QUESTION) == before, "generate must not write into its input"
    assert isinstance(answer, Completion) and isinstance(answer.text, str)
    assert answer.model and isinstance(answer.model, str)
    for count in (answer.usage.prompt_tokens, answer.usage.completion_tokens):
        assert count is None or (isinstance(count, int) and count >= 0)
    assert answer.latency_s is None or answer.latency_s >= 0
    assert not answer.from_cache and answer.cost_usd is None

    assert model.generate(QUESTION, PARAMS).text == answer.text, "temperature 0 repeats itself"
    assert isinstance(model.generate(QUESTION, PARAMS, sample=1).text, str)
    with ThreadPoolExecutor(4) as pool:
        texts = {a.text for a in pool.map(lambda _: model.generate(QUESTION, PARAMS), range(4))}
    assert texts == {answer.text}, "threads do not disturb each other"

    assert Completion.from_dict(json.loads(json.dumps(answer.to_dict()))) == answer
    key = request_key(model, QUESTION, PARAMS, 0)
    assert key == request_key(model, [{**QUESTION[0]}], ChatParams(max_tokens=8), 0)
    others = [
        request_key(model, [{"role": "system", "content": QUESTION[0]["content"]}], PARAMS, 0),
        request_key(model, QUESTION, ChatParams(max_tokens=9), 0),
        request_key(model, QUESTION, PARAMS, 1),
    ]
    assert len({key, *others}) == 4
    with pytest.raises(AttributeError):
        answer.text = "changed"  # type: ignore[misc]
    return answer
