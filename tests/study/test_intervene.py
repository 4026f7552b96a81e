"""Interventions: prompts asked and read, what lands on disk, and the whole call."""

from __future__ import annotations

import dataclasses
import json

import pytest

from emodiss import study
from emodiss.chat import ChatParams, Endpoint, Unanswered
from emodiss.errors import ChatError, RunError, SettingsError
from emodiss.interventions import request_hash
from emodiss.prompts import Prompt, build_all
from emodiss.runs.run import load
from emodiss.study.intervene import ask, requests
from emodiss.study.interventions import InterventionFile, totals
from tests.chat import chat_server as s
from tests.chat.scripted import Scripted, table

PARAMS = ChatParams(max_tokens=20)


@pytest.fixture
def prompts() -> list[Prompt]:
    return build_all(table("v1", "v2"))


def asked(prompts, model, **options):
    return list(ask(prompts, model, params=PARAMS, **options))


def test_every_prompt_and_sample_is_asked_once_and_parsed(prompts):
    found = [one.intervention for one in asked(prompts, Scripted(), samples=2, concurrency=3)]
    assert {(i.prompt_sha256, i.sample) for i in found} == {
        (p.sha256, k) for p in prompts for k in (0, 1)
    }
    for one in found:
        assert (one.reply.technique, one.reply.parse_mode) == ("Reflection", "bracketed")
        assert one.reply.raw == s.REPLY and one.reply.failures == ()
        assert one.parameters["seed"] == one.sample and one.parameters["max_tokens"] == 20


def test_an_utterance_of_the_prompt_given_back_is_seen_as_an_echo(prompts):
    # The line in the discrete prompt reads "Patient (speech: sad; face: happy): It was fine. ..."
    said = "It was fine. Ada, I slept badly every single night. (v1)"
    for prompt in prompts[:4]:
        assert said in prompt.text
        (one,) = asked([prompt], Scripted(f"[Reflection] Go on.\n{said}"))
        assert "echoed_turns" in one.intervention.reply.failures, prompt.condition


def test_what_is_answered_already_is_not_asked(prompts):
    done = {request_hash(p, Scripted(), PARAMS, 0) for p in prompts[:5]}
    out = asked(prompts, Scripted(), done=done)
    assert [one.intervention.prompt_sha256 for one in out] == [p.sha256 for p in prompts[5:]]
    hot = dataclasses.replace(PARAMS, temperature=0.5)
    assert request_hash(prompts[0], Scripted(), hot, 0) not in done


def test_a_prompt_without_an_answer_is_named(prompts):
    (one,) = asked(prompts[:1], Scripted(ChatError("too long", code="http_400")))
    assert isinstance(one, Unanswered)
    assert one.question.about == {
        "video": "v1",
        "condition": prompts[0].condition,
        "window": "-".join(map(str, prompts[0].window)),
    }


# --- on disk -------------------------------------------------------------------------------------


def lines_of(out):
    return [one.to_dict() for one in out]


def test_the_file_is_in_one_order_whatever_the_order_of_arrival(prompts, tmp_path):
    answers = lines_of(asked(prompts, Scripted(), samples=2))
    contents = set()
    for order in (answers, answers[::-1], answers[::2] + answers[1::2] + answers[:3]):
        file = InterventionFile(tmp_path)
        file.path.unlink(missing_ok=True)
        for line in order:
            file.append(line)
        file.sort(["v2", "v1"])
        contents.add(file.path.read_bytes())
        assert [one["video_id"] for one in file.read()] == ["v2"] * 8 + ["v1"] * 8
    assert len(contents) == 1


def test_a_torn_last_line_is_cut_off_and_a_torn_middle_is_an_error(prompts, tmp_path):
    file = InterventionFile(tmp_path)
    first, second = lines_of(asked(prompts[:2], Scripted("a\u2028b\u0085c")))
    file.append(first)
    whole = file.path.read_bytes()
    for torn in (whole + whole[:50], whole[:-1]):
        file.path.write_bytes(torn)
        file.append(second)
        assert [one["raw"] for one in file.read()] == ["a\u2028b\u0085c", s.REPLY]
    file.path.write_bytes(whole[:50] + b"\n" + whole)
    with pytest.raises(RunError, match="line 1"):
        file.read()


def test_totals_leave_cached_answers_out_of_the_bill(prompts):
    a, b, c = lines_of(asked(prompts[:3], Scripted("", "x")))
    a["cost_usd"], b["cost_usd"], c["cost_usd"], c["from_cache"] = 0.25, 0.5, 4.0, True
    (total,) = totals([a, b, c]).values()
    assert total["cost_usd"] == 0.75 and total["from_cache"] == 1
    assert (total["answers"], total["prompt_tokens"], total["failures"]) == (3, 10, {"empty": 1})
    b["cost_usd"] = None
    (total,) = totals([a, b, c]).values()
    assert total["cost_usd"] is None and total["answers_of_unknown_cost"] == 1


# --- the whole call ------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path):
    root = tmp_path / "run"
    root.mkdir()
    (root / "run.json").write_text('{"settings": {}, "problems": []}')
    (root / "manifest.jsonl").write_text('{"id": "v1"}\n{"id": "v2"}\n')
    table("v1", "v2").to_parquet(root / "utterances.parquet")
    return load(root)


def test_a_run_is_asked_in_one_call_and_answers_are_never_asked_twice(run):
    prompts = study.prompts(run)
    model = Scripted()
    seen: list[tuple[str, int, int]] = []
    done = study.intervene(
        run, prompts, Endpoint([model]), progress=lambda *facts: seen.append(facts)
    )
    # Two videos, four conditions, and every window is flagged: nothing is shared.
    assert done.complete and len(model.seen) == 8 and seen[-1] == ("answers", 8, 8)
    assert done.record["last_command"]["answered_now"] == 8
    assert done.record == json.loads((run.root / "chat_ledger.json").read_text())
    responses = study.Study(run).responses
    assert len(responses) == 8 and set(responses["technique"]) == {"Reflection"}
    again = study.intervene(run, prompts, Endpoint([model]))
    assert len(model.seen) == 8 and again.record["last_command"]["answered_before"] == 8
    replayed = study.intervene(run, study.prompts(run, "base"), Endpoint(replay=_copy(done.path)))
    assert replayed.complete and replayed.record["last_command"]["answered_now"] == 2


def _copy(path):
    other = path.with_name("recorded.jsonl")
    other.write_bytes(path.read_bytes())
    return other


def test_names_are_replaced_before_anything_is_sent(run):
    model = Scripted()
    prompts = study.prompts(run, "base", people=[("Carla",)])
    study.intervene(run, prompts, Endpoint([model]))
    sent = " ".join(text for text, _, _ in model.seen)
    assert "Carla" not in sent and "NAME1" in sent and "Ada" not in sent


def test_what_would_be_sent_can_be_seen_and_nobody_is_asked(run):
    model = Scripted()
    prompts = study.prompts(run, "base", video="v1")
    (one,) = requests(run, prompts, Endpoint([model]), max_tokens=7)
    assert one["text"] == prompts.prompts[0].text and one["params"]["max_tokens"] == 7
    assert model.seen == [] and not (run.root / "interventions.jsonl").exists()


def test_what_fails_is_returned_and_the_rest_is_kept(run):
    broken = Scripted(ChatError("too long", code="http_400"))
    endpoint = Endpoint([broken], concurrency=1, no_cache=True)
    done = study.intervene(run, study.prompts(run, "base"), endpoint)
    assert not done.complete and len(study.Study(run).responses) == 1
    ((prompt, fault),) = done.unanswered
    assert prompt.video_id == "v1" and fault.error.code == "http_400"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: Endpoint(), "in one way"),
        (lambda: Endpoint(["m"]), "in one way"),
        (lambda: Endpoint([Scripted()], local=True), "in one way"),
        (lambda: Endpoint(["a", Scripted()], local=True), "in one way"),
        (lambda: Endpoint(["a", "b"], local=True).only(), "one was expected"),
        (lambda: Endpoint(local=True).only(), "No model"),
        (lambda: Endpoint(local=True, token_field="tokens"), "token-field"),
    ],
)
def test_who_answers_is_said_in_one_way(wrong, said):
    with pytest.raises(SettingsError, match=said):
        wrong()
