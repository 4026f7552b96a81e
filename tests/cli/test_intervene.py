"""The command over a real server: what is asked, kept, shared, replayed, and what it may cost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from emodiss.cli import intervene
from emodiss.errors import EmodissError, ModelError, RunError
from emodiss.runs import seals
from emodiss.runs.run import Run
from emodiss.study import Study
from emodiss.study.interventions import InterventionFile
from tests.chat import chat_server as s
from tests.chat.scripted import table

app = typer.Typer()
app.command("intervene")(intervene.intervene)


@pytest.fixture
def run(tmp_path) -> Path:
    root = tmp_path / "run"
    root.mkdir()
    (root / "run.json").write_text('{"settings": {}, "problems": []}')
    (root / "manifest.jsonl").write_text('{"id": "v1"}\n{"id": "v2"}\n')
    table("v1", "v2").to_parquet(root / "utterances.parquet")
    return root


@pytest.fixture
def server():
    with s.serving() as running:
        yield running


def intervene(run, *arguments):
    return CliRunner().invoke(app, [str(run), *map(str, arguments)])


def remote(server, *more):
    return ("--model", "tiny", "--base-url", server.url, *more)


def test_the_command_asks_keeps_and_asks_nothing_twice(run, server):
    server.script = [s.status(429, retry_after="0.05"), s.status(500)]
    done = intervene(run, *remote(server, "--json"))
    assert done.exit_code == 0, done.output
    lines = InterventionFile(run).read()
    assert [(x["video_id"], x["condition"]) for x in lines] == [
        (video, kind)
        for video in ("v1", "v2")
        for kind in ("base", "continuous", "discrete", "dissonance")
    ]
    assert {x["served_model"] for x in lines} == {"tiny-2026-01-01"}
    assert len(server.bodies) == 8 + 2
    record = json.loads((run / "chat_ledger.json").read_text())
    assert record == json.loads(done.stdout)
    last = record["last_command"]
    assert (last["requests"], last["failed_requests"], last["answered_now"]) == (10, 2, 8)
    assert last["cost_usd"] is None, "a model without a price has an unknown cost"
    asked_for = {x["sha256"] for x in map(json.loads, _lines(run / "asked_prompts.jsonl"))}
    assert asked_for == {x["prompt_sha256"] for x in lines}

    before = (run / "interventions.jsonl").read_bytes()
    assert intervene(run, *remote(server)).exit_code == 0
    (run / "interventions.jsonl").unlink()
    assert intervene(run, *remote(server)).exit_code == 0
    assert len(server.bodies) == 10, "recorded first, then cached"
    assert all(x["from_cache"] for x in InterventionFile(run).read())
    assert len(before.splitlines()) == len(InterventionFile(run).read())


def without_flags(run, *videos):
    """Let nothing be dissonant in these videos: their dissonance prompt is their base prompt."""
    path = run / "utterances.parquet"
    frame = pd.read_parquet(path)
    frame["dissonant"] &= ~frame["video_id"].isin(videos)
    frame.to_parquet(path)


def kinds(lines, video="v2"):
    return {x["condition"]: x for x in lines if x["video_id"] == video}


def test_a_window_without_a_flag_is_asked_once_and_its_answer_stands_for_both(run, server):
    without_flags(run, "v2")
    done = intervene(run, *remote(server, "--no-cache", "--json"))
    assert done.exit_code == 0, done.output
    assert len(server.bodies) == 7 and len(InterventionFile(run).read()) == 8
    base, marked = (kinds(InterventionFile(run).read())[k] for k in ("base", "dissonance"))
    assert marked["same_answer_as"] == base["request_sha256"] != marked["request_sha256"]
    assert base["same_answer_as"] is None and marked["raw"] == base["raw"]
    assert kinds(InterventionFile(run).read(), "v1")["dissonance"]["same_answer_as"] is None
    record = json.loads(done.stdout)
    last, (total,) = record["last_command"], record["models"].values()
    assert (last["requests"], last["answered_now"], last["shared_now"]) == (7, 7, 1)
    assert last["not_asked"] == 0
    assert (total["answers"], total["shared"]) == (7, 1)
    assert total["prompt_tokens"] == last["prompt_tokens"]
    assert len(Study(Run(run)).answer_times) == 7
    text = intervene(run, *remote(server, "--no-cache")).stdout
    assert "0 answers new, 8 there before" in text and len(server.bodies) == 7


def test_an_answer_is_taken_over_whenever_the_other_condition_is_asked(run, server):
    without_flags(run, "v1", "v2")
    once = remote(server, "--no-cache")
    for k, kind in enumerate(("dissonance", "base", "all")):
        # After the dissonance prompts, base costs nothing; then discrete and continuous are left.
        assert intervene(run, *once, "--kind", kind, "--samples", 2).exit_code == 0
        assert len(server.bodies) == (4, 4, 12)[k]
    for video in ("v1", "v2"):
        found = [x for x in InterventionFile(run).read() if x["video_id"] == video]
        assert len(found) == 8
        own = {x["sample"]: x for x in found if x["condition"] == "dissonance"}
        for line in (x for x in found if x["condition"] == "base"):
            assert line["same_answer_as"] == own[line["sample"]]["request_sha256"]


def test_after_a_kill_between_an_answer_and_its_twin_nothing_is_asked_again(run, server):
    without_flags(run, "v2")
    intervene(run, *remote(server, "--no-cache"))
    file = InterventionFile(run)
    whole = file.path.read_bytes()
    file.path.write_bytes(
        b"".join(x for x in whole.splitlines(keepends=True) if not json.loads(x)["same_answer_as"])
    )
    seals.forget(file.path)
    done = intervene(run, *remote(server, "--no-cache"))
    assert "0 answers new, 1 taken from the same prompt, 7 there before" in done.stdout
    assert len(server.bodies) == 7 and file.path.read_bytes() == whole


def test_a_replay_takes_answers_over_too_and_a_preview_shows_each_question_once(
    run, server, tmp_path
):
    without_flags(run, "v2")
    intervene(run, *remote(server))
    recorded = tmp_path / "recorded.jsonl"
    (run / "interventions.jsonl").rename(recorded)
    assert intervene(run, "--replay", recorded).exit_code == 0
    assert sum(bool(x["same_answer_as"]) for x in InterventionFile(run).read()) == 1
    shown = intervene(run, *remote(server, "--preview")).stdout
    assert len(shown.splitlines()) == 7


def _lines(path):
    return path.read_text().split("\n")[:-1]


def test_a_run_does_not_replay_its_own_answers(run, server):
    assert intervene(run, *remote(server)).exit_code == 0
    own = run / "interventions.jsonl"
    before = own.read_bytes()
    refused = intervene(run, "--replay", own)
    assert refused.exit_code != 0 and "would count twice" in str(refused.exception)
    assert own.read_bytes() == before


def test_a_replay_of_the_answers_gives_the_answers(run, server, tmp_path):
    intervene(run, *remote(server))
    recorded = tmp_path / "recorded.jsonl"
    (run / "interventions.jsonl").rename(recorded)
    first = [json.loads(x) for x in _lines(recorded)]
    assert intervene(run, "--replay", recorded).exit_code == 0
    second = InterventionFile(run).read()
    for name in ("raw", "technique", "response", "prompt_sha256", "parameters", "answered_at"):
        assert [x[name] for x in first] == [x[name] for x in second], name
    assert len(server.bodies) == 8
    assert intervene(run, "--replay", recorded, "--samples", 2).exit_code == 1


def test_what_is_previewed_is_what_is_sent_and_nothing_else(run, server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-77")
    options = remote(server, "--redact-names", "--samples", 2, "--concurrency", 1)
    done = intervene(run, *options, "--preview")
    assert done.exit_code == 0 and server.bodies == [] and "nothing was sent" in done.stderr
    assert "sk-test-77" not in done.output
    shown = [json.loads(x)["body"] for x in done.stdout.splitlines()]
    intervene(run, *options)
    assert server.bodies == shown and len(shown) == 16
    sent = json.dumps(server.bodies)
    assert "Ada" not in sent and "NAME1" in sent
    assert {x["redaction"]["n_replaced"] for x in InterventionFile(run).read()} == {2}
    for path in run.rglob("*"):
        assert path.is_dir() or b"sk-test-77" not in path.read_bytes(), path.name


def test_another_machine_is_previewed_but_not_asked(run):
    options = ("--model", "tiny", "--base-url", "https://api.example.org/v1")
    done = intervene(run, *options, "--preview")
    assert done.exit_code == 0 and "ANOTHER MACHINE" in done.stderr
    done = intervene(run, *options)
    assert isinstance(done.exception, ModelError) and done.exception.code == "remote_refused"
    assert not (run / "interventions.jsonl").exists()


def test_the_cost_limit_stops_cleanly_and_the_next_command_goes_on(run, server, tmp_path):
    price = {
        "as_of": "2026-01-01",
        "source": "tests",
        "models": {"tiny": {"input": 0, "output": 10}},
    }
    (tmp_path / "p.json").write_text(json.dumps(price))
    # At most 20 tokens, 0.0002 USD a request; used are 7 tokens, 0.00007.
    options = remote(server, "--prices", tmp_path / "p.json", "--max-tokens", 20, "--json")
    done = intervene(run, *options, "--max-cost", 0.0004, "--concurrency", 1)
    # Spent 0, 0.00007, 0.00014; at 0.00021 another 0.0002 could pass 0.0004.
    assert done.exit_code == 1 and len(server.bodies) == 3
    last = json.loads(done.stdout)["last_command"]
    assert last["cost_usd"] == pytest.approx(0.00021)
    assert [x["code"] for x in last["unanswered"]] == ["cost_limit"] and last["not_asked"] == 4
    done = intervene(run, *options, "--max-cost", 1)
    assert done.exit_code == 0 and len(server.bodies) == 8
    (total,) = json.loads(done.stdout)["models"].values()
    assert total["cost_usd"] == pytest.approx(8 * 0.00007)


def test_an_endpoint_that_stays_broken(run, server):
    server.otherwise = s.status(500, {"message": "Patient: I slept badly"})
    done = intervene(run, *remote(server, "--tries", 2, "--kind", "base"))
    assert done.exit_code == 1 and "http_500" in done.stderr
    assert "slept" not in done.output and len(server.bodies) == 4
    server.otherwise = s.status(401)
    done = intervene(run, *remote(server, "--concurrency", 1))
    assert done.exit_code == 1 and len(server.bodies) == 5, "a wrong key is tried once"


def test_no_more_requests_at_once_than_allowed(run, server):
    server.otherwise = s.slow(0.1, s.answer(s.REPLY))
    intervene(run, *remote(server, "--concurrency", 3))
    assert server.most_at_once == 3


def test_a_killed_command_keeps_its_answers(run, server):
    server.otherwise = s.slow(0.4, s.answer(s.REPLY))
    code = (
        "import typer; from emodiss.cli import intervene as a; app = typer.Typer();"
        "app.command('intervene')(a.intervene); app()"
    )
    command = [sys.executable, "-c", code, str(run), *remote(server, "--concurrency", "1")]
    process = subprocess.Popen(command, env={**os.environ, "OPENAI_API_KEY": ""})
    path = run / "interventions.jsonl"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (
        path.exists() and path.read_bytes().count(b"\n") > 1
    ):
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = InterventionFile(run).read()
    assert 2 <= len(kept) < 8
    server.otherwise = s.answer(s.REPLY)
    server.bodies.clear()
    assert intervene(run, *remote(server)).exit_code == 0
    assert len(InterventionFile(run).read()) == 8
    assert len(server.bodies) <= 8 - len(kept)


def test_two_commands_on_one_run(run, server):
    from emodiss.runs.store import Store

    with Store(run).lock():
        done = intervene(run, *remote(server))
    assert isinstance(done.exception, RunError) and done.exception.code == "locked"
    assert server.bodies == []


def test_a_session_without_prompts_is_named_and_the_others_are_asked(run, server):
    both = table("v1", "v2")
    both.loc[both["video_id"] == "v1", "role"] = "therapist"
    both.to_parquet(run / "utterances.parquet")
    done = intervene(run, *remote(server))
    assert done.exit_code == 1 and "v1: no prompts [prompt_no_patient]" in done.stderr
    assert {x["video_id"] for x in InterventionFile(run).read()} == {"v2"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("--model", "m"),
        ("--local", "--model", "m", "--base-url", "http://127.0.0.1/v1"),
        ("--base-url", "http://127.0.0.1/v1"),
        ("--model", "m", "--base-url", "http://127.0.0.1/v1", "--omit", "temprature"),
        ("--model", "m", "--base-url", "http://127.0.0.1/v1", "--token-field", "tokens"),
        ("--model", "m", "--base-url", "http://127.0.0.1/v1", "--names", "x.txt"),
        ("--model", "m", "--base-url", "http://127.0.0.1/v1", "--video", "v3"),
        ("--model", "m", "--base-url", "http://127.0.0.1/v1", "--temperature", "3"),
    ],
)
def test_wrong_use_says_what_to_do(run, arguments):
    done = intervene(run, *arguments)
    assert isinstance(done.exception, EmodissError), done.output


def test_omitted_parameters_are_not_sent_and_recorded_as_such(run, server):
    intervene(run, *remote(server, "--omit", "seed", "--omit", "temperature", "--kind", "base"))
    assert set(server.bodies[0]) == {"model", "messages", "max_tokens"}
    line = InterventionFile(run).read()[0]
    assert line["parameters"]["seed"] is None and line["parameters"]["temperature"] is None
