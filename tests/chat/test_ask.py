"""Asking: patience, stops and resume, for questions of any kind."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from emodiss.chat import Answered, ChatParams, Patience, Question, Unanswered, ask
from emodiss.chat.ask import Asker
from emodiss.errors import ChatError, ModelError, SettingsError
from tests.chat import chat_server
from tests.chat.scripted import Scripted

PARAMS = ChatParams(max_tokens=20)


@pytest.fixture
def questions() -> list[Question]:
    return [Question(f"q{i}", f"What is {i}?", {"about": str(i)}) for i in range(8)]


def again(**options):
    return ChatError("busy", code="http_429", retryable=True, **options)


def asked(questions, model, **options):
    waits: list[float] = []
    out = list(ask(questions, model, params=PARAMS, sleep=waits.append, **options))
    return out, waits


def test_every_question_and_sample_is_asked_once_and_left_unread(questions):
    model = Scripted()
    out, waits = asked(questions, model, samples=2, concurrency=3)
    assert waits == []
    assert Counter(text for text, _, _ in model.seen) == {q.text: 2 for q in questions}
    assert {(p.seed, k) for _, p, k in model.seen} == {(0, 0), (1, 1)}, "sample k: seed + k"
    assert {(one.question.id, one.sample) for one in out} == {
        (q.id, k) for q in questions for k in (0, 1)
    }
    for one in out:
        assert one.completion.text == chat_server.REPLY and one.question.about == {
            "about": one.question.id[1]
        }
        assert one.parameters["seed"] == one.sample and one.parameters["max_tokens"] == 20


def test_patience_doubles_up_to_its_longest_wait():
    patience = Patience(first_wait_s=1, longest_wait_s=5)
    for tries, longest in [(1, 1), (2, 2), (3, 4), (4, 5), (5000, 5)]:
        for _ in range(20):
            assert longest / 2 <= patience.wait_s(tries, None) <= longest
    assert patience.wait_s(1, 77.0) == 77.0, "what the endpoint asks for counts"


def test_a_busy_endpoint_is_asked_again_after_the_wait_it_asks_for(questions):
    model = Scripted(again(retry_after_s=7.0), again(retry_after_s=3.0))
    (one,), waits = asked(questions[:1], model)
    assert isinstance(one, Answered) and one.requests == 3
    # Between them stand the waits of whoever comes while the endpoint's time runs.
    assert [w for w in waits if w in (7.0, 3.0)] == [7.0, 3.0]


def test_it_gives_up_after_its_tries_and_goes_on_with_the_next(questions):
    model = Scripted(again(), again(), again())
    (first, second), waits = asked(questions[:2], model, patience=Patience(tries=3))
    assert isinstance(first, Unanswered) and first.error.code == "http_429"
    assert "3 requests" in first.error.what and len(waits) == 2
    assert isinstance(second, Answered)


def test_the_waiting_budget_is_shared_and_ends_the_asking(questions):
    model = Scripted(*[again(retry_after_s=4.0)] * 50)
    out, waits = asked(questions, model, patience=Patience(budget_s=10))
    # Two waits of 4 s fit into 10 s; the third does not.
    assert waits.count(4.0) == 2
    assert len(out) == 1 and out[0].error.code == "retry_budget"
    assert len(model.seen) == 3


def test_a_wait_longer_than_the_budget_is_not_waited(questions):
    out, waits = asked(questions[:1], Scripted(again(retry_after_s=86400.0)))
    assert waits == [] and "86400.0 s" in out[0].error.what


def test_a_fault_of_one_question_is_not_retried(questions):
    model = Scripted(ChatError("too long", code="http_400"))
    (first, second), waits = asked(questions[:2], model)
    assert isinstance(first, Unanswered) and isinstance(second, Answered)
    assert waits == [] and len(model.seen) == 2


@pytest.mark.parametrize(
    "error", [ChatError("key", stops_all=True), ModelError("cache broken", code="chat_cache")]
)
def test_what_no_question_can_escape_stops_the_asking(questions, error):
    model = Scripted(None, error)
    out, _ = asked(questions, model)
    assert [type(one) for one in out] == [Answered, Unanswered]
    assert len(model.seen) == 2


def test_what_is_answered_already_is_not_asked(questions):
    out, _ = asked(questions, Scripted(), samples=2, done={("q0", 0), ("q0", 1), ("q1", 1)})
    assert [(one.question.id, one.sample) for one in out][:3] == [("q1", 0), ("q2", 0), ("q2", 1)]


def test_a_reader_who_leaves_ends_the_asking(questions):
    model = Scripted()
    answers = ask(questions, model, params=PARAMS, concurrency=2)
    next(answers)
    answers.close()
    time.sleep(0.1)
    assert len(model.seen) <= 4


def test_who_waits_when_the_asking_ends_asks_no_more(questions):
    model = Scripted(again())
    asker = Asker(model, PARAMS, Patience(), lambda _: asker.interrupt())
    found = asker.answer(questions[0])
    assert isinstance(found, Unanswered) and found.error.code == "stopped"
    assert len(model.seen) == 1, "an answer that nobody reads would be paid for"


def test_bad_numbers_are_refused_at_once(questions):
    for options in ({"samples": 0}, {"concurrency": 0}):
        with pytest.raises(SettingsError):
            ask(questions, Scripted(), params=PARAMS, **options)
