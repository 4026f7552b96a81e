"""The answer cache and the ledger: what counts as the same question, and what it costs."""

from __future__ import annotations

import dataclasses
import json
import re
import sqlite3
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest

from emodiss.chat.cache import Cached
from emodiss.chat.ledger import FREE, Ledger, Metered, Price, read_prices
from emodiss.chat.model import ChatError, ChatParams, Completion, TokenLogprob, Usage, request_key
from emodiss.errors import ModelError, SettingsError
from tests.chat.contracts import PARAMS, QUESTION

# 2 USD per million tokens sent, 10 USD per million received.
PRICE = Price(2.0, 10.0, "2026-01-01", "tests")
USED = Usage(90, 50)


class Counting:
    """Answers with the number of times it was asked."""

    def __init__(self, identity="counting here m", name="m", usage=USED, fails=()):
        self.identity, self.name, self.usage = identity, name, usage
        self.asked = 0
        self.fails = list(fails)
        self.gate = threading.Event()
        self.gate.set()

    def generate(self, messages, params, *, sample=0):
        self.gate.wait(10)
        self.asked += 1
        if self.fails:
            raise self.fails.pop(0)
        logprobs = (TokenLogprob("1", -0.5, (("1", -0.5), ("2", -1.0))),)
        text = f"answer {self.asked} \u2028 🙂"
        return Completion(text, f"{self.name}-served", "stop", self.usage, 0.5, logprobs=logprobs)


def test_nothing_is_asked_twice_even_by_another_process(tmp_path):
    path = tmp_path / "deep" / "cache.sqlite"
    model = Counting()
    first = Cached(model, path).generate(QUESTION, PARAMS)
    assert not first.from_cache
    again = Cached(model, path).generate(QUESTION, PARAMS)
    assert again == dataclasses.replace(first, from_cache=True)
    assert model.asked == 1


@pytest.mark.parametrize(
    "change",
    [
        {"params": dataclasses.replace(PARAMS, **{name: value})}
        for name, value in {
            "temperature": 0.5,
            "seed": 1,
            "max_tokens": 9,
            "top_p": 0.9,
            "stop": ("x",),
            "top_logprobs": 1,
        }.items()
    ]
    + [{"params": ChatParams(None, 0, 8)}, {"sample": 1}]
    + [{"messages": [{"role": "user", "content": QUESTION[0]["content"] + " "}]}]
    + [{"messages": [*QUESTION, *QUESTION]}, {"identity": "counting there m"}],
)
def test_whatever_can_change_the_answer_is_a_new_question(tmp_path, change):
    path = tmp_path / "cache.sqlite"
    model = Counting()
    Cached(model, path).generate(QUESTION, PARAMS)
    model.identity = change.get("identity", model.identity)
    Cached(model, path).generate(
        change.get("messages", QUESTION),
        change.get("params", PARAMS),
        sample=change.get("sample", 0),
    )
    assert model.asked == 2


def test_the_file_is_its_owners_and_holds_json_and_no_question(tmp_path):
    path = tmp_path / "cache.sqlite"
    cached = Cached(Counting(), path)
    cached.generate(QUESTION, PARAMS)
    cached.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with sqlite3.connect(path) as db:
        ((key, text),) = db.execute("SELECT key, completion FROM answers").fetchall()
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert key == request_key(Counting(), QUESTION, PARAMS, 0) and len(key) == 64
    said, checksum = text.rsplit("\n", 1)
    assert re.fullmatch("[0-9a-f]{8}", checksum)
    assert json.loads(said)["usage"] == {"prompt_tokens": 90, "completion_tokens": 50}
    assert b"slept badly" not in path.read_bytes()


def test_the_same_question_from_many_threads_is_asked_once(tmp_path):
    model = Counting()
    model.gate.clear()
    cached = Cached(model, tmp_path / "cache.sqlite")
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(cached.generate, QUESTION, PARAMS) for _ in range(4)]
        model.gate.set()
        texts = {answer.result().text for answer in answers}
    assert model.asked == 1 and len(texts) == 1


def test_errors_are_not_kept(tmp_path):
    model = Counting(fails=[ChatError("no", retryable=True)])
    cached = Cached(model, tmp_path / "cache.sqlite")
    with pytest.raises(ChatError):
        cached.generate(QUESTION, PARAMS)
    assert cached.generate(QUESTION, PARAMS).text.startswith("answer 2")


def test_an_entry_of_another_version_is_asked_again(tmp_path):
    path = tmp_path / "cache.sqlite"
    cached = Cached(Counting(), path)
    cached.generate(QUESTION, PARAMS)
    for text in ("{}", "no json", '{"text": "x"}'):
        with sqlite3.connect(path) as db:
            db.execute("UPDATE answers SET completion = ?", (text,))
        assert not cached.generate(QUESTION, PARAMS).from_cache
        assert cached.generate(QUESTION, PARAMS).from_cache


def test_a_file_that_is_no_cache_is_refused(tmp_path):
    path = tmp_path / "cache.sqlite"
    path.write_bytes(b"this is no database, " * 100)
    with pytest.raises(ModelError, match=r"cache\.sqlite") as caught:
        Cached(Counting(), path)
    assert caught.value.code == "chat_cache" and "--no-cache" in caught.value.next_step


def test_cost_by_hand():
    # 90 tokens at 2 USD and 50 at 10 USD per million: 0.00018 + 0.0005.
    ledger = Ledger()
    answer = Metered(Counting(), ledger, {"m": PRICE}).generate(QUESTION, PARAMS)
    assert answer.cost_usd == pytest.approx(0.00068)
    record = ledger.to_dict()
    assert record["cost_usd"] == pytest.approx(0.00068)
    assert (record["requests"], record["prompt_tokens"], record["completion_tokens"]) == (
        1,
        90,
        50,
    )


def test_the_served_model_has_a_price_too():
    answer = Metered(Counting(), Ledger(), {"m-served": PRICE}).generate(QUESTION, PARAMS)
    assert answer.cost_usd == pytest.approx(0.00068)


@pytest.mark.parametrize(
    ("prices", "usage"),
    [({}, Usage(90, 50)), ({"m": PRICE}, Usage()), ({"m": PRICE}, Usage(90, None))],
)
def test_an_unknown_cost_is_never_0(prices, usage):
    ledger = Ledger()
    model = Metered(Counting(usage=usage), ledger, prices)
    assert model.generate(QUESTION, PARAMS).cost_usd is None
    assert ledger.to_dict()["cost_usd"] is None
    assert ledger.to_dict()["answers_of_unknown_cost"] == 1


def test_what_runs_here_costs_nothing_even_without_token_counts():
    ledger = Ledger(0.0)
    model = Metered(Counting(usage=Usage()), ledger, {"m": FREE})
    assert model.generate(QUESTION, ChatParams(max_tokens=None)).cost_usd == 0.0
    assert ledger.to_dict()["cost_usd"] == 0.0


def test_the_limit_is_never_passed():
    # Worst case: 34 bytes of text are at most 34 tokens, 64 of overhead, 50 received:
    # (34 + 64) * 2e-6 + 50 * 1e-5 = 0.000696. Used: 90 * 2e-6 + 50 * 1e-5 = 0.00068.
    assert len(QUESTION[0]["content"].encode()) == 34
    params = ChatParams(max_tokens=50)
    ledger = Ledger(0.002)
    counting = Counting()
    model = Metered(counting, ledger, {"m": PRICE})
    assert model.worst_usd(QUESTION, params) == pytest.approx(0.000696)
    for _ in range(2):
        model.generate(QUESTION, params)
    with pytest.raises(ChatError, match=r"0\.001360 spent") as caught:
        model.generate(QUESTION, params)  # 0.00136 + 0.000696 > 0.002
    assert caught.value.code == "cost_limit" and caught.value.stops_all
    assert counting.asked == 2
    assert ledger.to_dict()["requests"] == 2


def test_requests_under_way_count_against_the_limit():
    params = ChatParams(max_tokens=50)
    counting = Counting()
    counting.gate.clear()
    model = Metered(counting, Ledger(0.002), {"m": PRICE})
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(model.generate, QUESTION, params) for _ in range(8)]
        refused = sum(isinstance(one.exception(), ChatError) for one in asked if one.done())
        counting.gate.set()
        refused = sum(isinstance(one.exception(), ChatError) for one in asked)
    assert counting.asked <= 2 and refused >= 6


def test_a_timeout_may_be_billed_and_a_refusal_is_not():
    params = ChatParams(max_tokens=50)
    ledger = Ledger(0.0015)
    fails = [ChatError("a"), ChatError("b"), ChatError("late", may_be_charged=True)]
    model = Metered(Counting(fails=fails), ledger, {"m": PRICE})
    for _ in range(3):
        with pytest.raises(ChatError, match=r"a|b|late"):
            model.generate(QUESTION, params)
    record = ledger.to_dict()
    assert record["failed_requests"] == 3 and record["failures_of_unknown_cost"] == 1
    assert record["cost_usd"] is None and record["known_cost_usd"] == 0
    model.generate(QUESTION, params)  # 0.000696 set aside + 0.000696
    with pytest.raises(ChatError, match="limit"):
        model.generate(QUESTION, params)


@pytest.mark.parametrize(("prices", "n"), [({}, 50), ({"m": PRICE}, None)])
def test_a_limit_that_cannot_be_kept_is_refused_before_asking(prices, n):
    counting = Counting()
    with pytest.raises(ChatError) as caught:
        Metered(counting, Ledger(1.0), prices).generate(QUESTION, ChatParams(max_tokens=n))
    assert caught.value.code == "cost_unknown" and caught.value.stops_all
    assert counting.asked == 0


def test_cached_answers_cost_nothing_and_need_no_limit(tmp_path):
    counting = Counting()
    path = tmp_path / "cache.sqlite"
    Cached(Metered(counting, Ledger(), {"m": PRICE}), path).generate(QUESTION, PARAMS)
    ledger = Ledger(0.0)
    answer = Cached(Metered(counting, ledger, {"m": PRICE}), path).generate(QUESTION, PARAMS)
    assert answer.from_cache and answer.cost_usd == pytest.approx(0.00068), "what it cost then"
    assert ledger.to_dict()["cost_usd"] == 0.0 and counting.asked == 1


def test_the_shipped_prices_are_dated_and_sourced():
    prices = read_prices()
    assert {"gpt-4o", "gpt-4.1", "gpt-5-mini"} <= set(prices)
    for price in prices.values():
        assert date(2025, 1, 1) < date.fromisoformat(price.as_of) < date(2027, 1, 1)
        assert price.source
        # Vendors charge four to eight times as much for a word they write as for one they read.
        assert 4 <= price.output_usd / price.input_usd <= 8
    for model in ("gpt-4o-2024-08-06", "gpt-4o-2024-11-20", "gpt-4.1-2025-04-14"):
        undated = prices[model[: model.index("-20")]]
        dated = prices[model]
        assert (dated.input_usd, dated.output_usd) == (undated.input_usd, undated.output_usd)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"as_of": "2026-01-01", "source": "x", "models": {"m": {"input": 1}}}',
        '{"as_of": "2026-01-01", "source": "x", "models": {"m": {"input": -1, "output": 1}}}',
        '{"as_of": "2026-01-01", "source": "x", "models": {"m": {"input": NaN, "output": 1}}}',
        '{"models": {"m": {"input": 1, "output": 1}}}',
    ],
)
def test_faulty_price_files_are_refused(tmp_path, text):
    (tmp_path / "mine.json").write_text(text)
    with pytest.raises(SettingsError, match=r"mine\.json"):
        read_prices(tmp_path / "mine.json")


def test_penalties_count_and_requests_without_them_keep_their_old_keys():
    plain = [{"role": "user", "content": "Hi"}]
    model = Counting("openai http://127.0.0.1:1/v1 m")
    # Computed before there were penalties.
    old = "0b3de17e78b49de6d099977aaa81b8c02ea79ad87e7809b6833998650349a5cf"
    assert request_key(model, plain, ChatParams(), 0) == old
    assert request_key(model, plain, ChatParams(presence_penalty=0.2), 0) != old
    assert request_key(model, plain, ChatParams(frequency_penalty=0.0), 0) != old
