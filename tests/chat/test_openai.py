"""The OpenAI-compatible adapter against a real server; what is sent, refused and understood."""

from __future__ import annotations

import json
import socket
import traceback

import pytest

from emodiss.chat.model import ChatError, ChatParams
from emodiss.chat.openai import OpenAICompatible, check_url, is_loopback, request_body
from emodiss.errors import ModelError, SettingsError
from tests.chat import chat_server as s
from tests.chat.contracts import PARAMS, QUESTION, check_chat_model

pytest.importorskip("openai", reason="needs the extra llm")

SECRET = "sk-test-5e1f"


@pytest.fixture
def server():
    with s.serving() as running:
        yield running


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)


def model(server, **options):
    return OpenAICompatible("tiny", base_url=server.url, timeout_s=1.0, **options)


def fault(server, act, **options) -> ChatError:
    server.script = [act]
    with pytest.raises(ChatError) as caught:
        model(server, **options).generate(QUESTION, PARAMS)
    shown = "".join(traceback.format_exception(caught.value))
    assert "slept badly" not in shown, "errors carry ids, not words"
    assert SECRET not in shown
    assert len(server.bodies) == 1, "the adapter asks once; retries are counted elsewhere"
    return caught.value


@pytest.mark.parametrize("stream", [False, True])
def test_it_keeps_the_contract(server, stream):
    answer = check_chat_model(model(server, stream=stream))
    assert answer.text == s.REPLY
    assert answer.model == "tiny-2026-01-01", "the id that was served, not the one asked for"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (11, 7)
    assert (answer.finish_reason, answer.raw_id) == ("stop", "answer-1")
    assert {bool(b.get("stream")) for b in server.bodies} == {stream}
    assert set(server.paths) == {"/v1/chat/completions"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_what_is_previewed_is_what_is_sent(server, stream, field):
    params = ChatParams(0.7, 3, 20, top_p=0.9, stop=("END",), top_logprobs=2)
    model(server, stream=stream, token_field=field).generate(QUESTION, params)
    sent = request_body("tiny", QUESTION, params, stream=stream, token_field=field)
    assert server.bodies == [json.loads(json.dumps(sent))]
    assert sent[field] == 20 and sent["seed"] == 3 and sent["temperature"] == 0.7


def test_parameters_that_are_none_are_not_sent(server):
    model(server).generate(QUESTION, ChatParams(None, None, None))
    assert set(server.bodies[0]) == {"model", "messages"}


def test_the_key_goes_into_its_header_and_nowhere_else(server, monkeypatch):
    monkeypatch.setenv("OTHER_KEY", "sk-other")
    asked = model(server, api_key_env="OTHER_KEY")
    asked.generate(QUESTION, PARAMS)
    assert server.headers[0]["authorization"] == "Bearer sk-other"
    assert "sk-other" not in json.dumps(server.bodies) + asked.identity + asked.name


def test_a_local_server_needs_no_key(server, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    assert model(server).generate(QUESTION, PARAMS).text == s.REPLY


def test_text_that_looks_like_control_characters_arrives_as_it_is(server):
    text = 'Patient: "]}, ignore all that\u2028 🙂 שלום \\u0000'
    model(server).generate([{"role": "user", "content": text}], PARAMS)
    assert server.bodies[0]["messages"] == [{"role": "user", "content": text}]


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:8000/v1", True),
        ("http://127.9.8.7/v1", True),
        ("http://[::1]:80/v1", True),
        ("http://localhost:11434/v1", True),
        ("http://LOCALHOST/v1", True),
        ("http://model.localhost/v1", True),
        ("https://api.example.org/v1", False),
        ("http://192.168.0.4/v1", False),
        ("http://0.0.0.0/v1", False),
        ("http://[::]/v1", False),
        ("http://localhost.example.org/v1", False),
        ("http://notlocalhost/v1", False),
        ("http://127.0.0.1.example.org/v1", False),
        ("http://127.0.0.1@example.org/v1", False),
        ("http://2130706433/v1", False),  # 127.0.0.1 as one number: read differently by programs
    ],
)
def test_only_loopback_addresses_are_this_machine(url, local):
    assert is_loopback(url) is local


@pytest.mark.parametrize("host", ["localhost", "model.localhost"])
def test_localhost_counts_unless_it_resolves_to_another_machine(host, monkeypatch):
    def no_resolver(*_args, **_kwargs):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_resolver)
    assert is_loopback(f"http://{host}:80/v1")
    elsewhere = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.7", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: elsewhere)
    assert not is_loopback(f"http://{host}:80/v1")


def test_another_machine_is_refused_before_anything_is_sent(monkeypatch):
    def connect(*_args, **_kwargs):
        raise AssertionError("a connection was made")

    monkeypatch.setattr(socket.socket, "connect", connect)
    with pytest.raises(ModelError, match=r"api\.example\.org is not this machine") as caught:
        OpenAICompatible("tiny", base_url="https://api.example.org/v1")
    assert caught.value.code == "remote_refused" and "--allow-remote" in caught.value.next_step
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ModelError, match="OPENAI_API_KEY") as caught:
        OpenAICompatible("tiny", base_url="https://api.example.org/v1", allow_remote=True)
    assert caught.value.code == "api_key"


def test_a_proxy_gets_nothing_that_is_meant_for_this_machine(server, monkeypatch):
    with s.serving() as proxy:
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url.removesuffix("/v1"))
        assert model(server).generate(QUESTION, PARAMS).text == s.REPLY
        assert (len(server.bodies), len(proxy.bodies)) == (1, 0)


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_redirects_are_refused(server, code):
    with s.serving() as other:
        error = fault(server, s.status(code, location=f"{other.url}/chat/completions"))
        assert error.stops_all and not error.retryable
        assert error.code == f"http_{code}"
        assert other.paths == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/v1",
        "127.0.0.1:8000",
        "http://",
        "http://me:secret@127.0.0.1/v1",
        "http://127.0.0.1/v1?key=secret",
        "http://127.0.0.1:99999/v1",
        "http://127.0.0.1/v1#secret",
    ],
)
def test_addresses_that_cannot_be_used_are_refused_and_not_repeated(url):
    with pytest.raises(SettingsError) as caught:
        check_url(url)
    assert "secret" not in str(caught.value)


def test_one_address_has_one_spelling():
    assert check_url("HTTP://LocalHost:80/v1/") == "http://localhost:80/v1"
    assert check_url("http://[::1]:8000/v1") == "http://[::1]:8000/v1"


@pytest.mark.parametrize(
    ("code", "retryable", "stops_all"),
    [
        (400, False, False),
        (401, False, True),
        (403, False, True),
        (404, False, True),
        (408, True, False),
        (413, False, False),
        (422, False, False),
        (429, True, False),
        (500, True, False),
        (503, True, False),
        (529, True, False),
    ],
)
def test_statuses(server, code, retryable, stops_all):
    words = {"message": "cannot read: Patient: I slept badly.", "code": "some_code"}
    error = fault(server, s.status(code, words))
    assert (error.retryable, error.stops_all) == (retryable, stops_all)
    assert error.code == f"http_{code}" and f"status {code}, code some_code" in error.what
    assert error.next_step


def test_an_error_code_with_words_in_it_is_not_repeated(server):
    fault(server, s.status(400, {"code": "I slept badly", "type": ["slept badly"]}))


def test_a_spent_quota_is_not_a_rate_limit(server):
    error = fault(server, s.status(429, {"code": "insufficient_quota"}))
    assert error.stops_all and not error.retryable


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        ("0.25", 0.25),
        ("-3", 0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("soon", None),
        ("nan", None),
        ("inf", None),
    ],
)
def test_retry_after_is_read(server, value, seconds):
    assert fault(server, s.status(429, retry_after=value)).retry_after_s == seconds


@pytest.mark.parametrize(
    "content",
    [
        b"<html>Patient: I slept badly.</html>",
        b"",
        b'{"choices": [',
        b"\xff\xfe",
        [],
        {"choices": []},
        {"choices": [{}]},
        {"choices": [{"message": None}]},
        {"choices": [{"message": {"content": ["slept badly"]}}]},
        {"choices": "slept badly"},
        {"error": {"message": "slept badly"}},
    ],
)
def test_malformed_answers(server, content):
    error = fault(server, s.body(content))
    assert error.code == "malformed" and error.retryable


def test_an_answer_without_words_is_an_answer(server):
    server.script = [s.answer(None), s.answer(None, refusal="I cannot help."), s.answer("")]
    texts = [model(server).generate(QUESTION, PARAMS).text for _ in range(3)]
    assert texts == ["", "I cannot help.", ""]


def test_usage_that_is_not_given_is_unknown(server):
    bare = {"choices": [{"message": {"content": "x"}}]}
    server.script = [s.body(bare)]
    answer = model(server).generate(QUESTION, PARAMS)
    assert answer.usage.prompt_tokens is None and answer.usage.completion_tokens is None
    assert answer.finish_reason is None and answer.model == "tiny"


def test_logprobs_are_read(server):
    entry = {"token": "4", "logprob": -0.5, "top_logprobs": [{"token": "5", "logprob": -0.4}]}
    whole = s.record("4")
    whole["choices"][0]["logprobs"] = {"content": [entry]}
    server.script = [s.body(whole)]
    (token,) = model(server).generate(QUESTION, PARAMS).logprobs
    assert (token.token, token.logprob, token.top) == ("4", -0.5, (("5", -0.4),))


@pytest.mark.parametrize(
    "act", [s.slow(1.6, s.answer("late")), s.dripping(3.0), s.dripping_headers(4.0)]
)
def test_slow_answers_time_out(server, act):
    error = fault(server, act)
    assert error.code == "timeout" and error.retryable and error.may_be_charged


@pytest.mark.parametrize("stream", [False, True])
def test_a_cut_connection(server, stream):
    error = fault(server, s.cut, stream=stream)
    assert error.code == "connection" and error.retryable and error.may_be_charged


def test_a_stream_that_ends_early_is_no_answer(server):
    events = [{"choices": [{"index": 0, "delta": {"content": "It sounds"}}]}]
    error = fault(server, lambda h: s.stream(h, events, done=False), stream=True)
    assert error.code == "malformed" and "cut off" in error.what


def test_a_stream_without_a_choice_is_no_answer(server):
    error = fault(server, lambda h: s.stream(h, [], done=True), stream=True)
    assert error.code == "malformed"


def test_nobody_listens(monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    asked = OpenAICompatible("tiny", base_url=f"http://127.0.0.1:{port}/v1")
    with pytest.raises(ChatError) as caught:
        asked.generate(QUESTION, PARAMS)
    assert caught.value.code == "connection"


@pytest.mark.parametrize(
    "params",
    [
        {"temperature": -1},
        {"temperature": float("nan")},
        {"max_tokens": 0},
        {"top_p": 1.5},
        {"frequency_penalty": 2.5},
        {"presence_penalty": float("nan")},
        {"top_logprobs": 21},
    ],
)
def test_parameters_out_of_range_are_refused(params):
    with pytest.raises(SettingsError, match=next(iter(params))):
        ChatParams(**params)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_in_parts_or_in_the_other_form_is_read(server, stream, streamed):
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Score: 2"}]}
    parts = [thought, {"type": "text", "text": "4"}]
    if streamed:
        event = {"choices": [{"index": 0, "delta": {"content": parts}}]}
        server.script = [lambda h: s.stream(h, [event], done=True)]
    else:
        whole = s.record("")
        whole["choices"][0]["message"]["content"] = parts
        server.script = [s.body(whole)]
    assert model(server, stream=stream).generate(QUESTION, PARAMS).text == "4"
