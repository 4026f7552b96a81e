"""Asking: patience, stops, resume, what lands on disk, and the command over a real server."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import typer
from hypothesis import given, strategies as st
from typer.testing import CliRunner

from emodiss.chat.ask import Answer, Patience, Unanswered, ask, request_hash
from emodiss.chat.model import ChatParams, Completion, Usage
from emodiss.cli import intervene
from emodiss.errors import ChatError, EmodissError, ModelError, RunError, SettingsError
from emodiss.interventions.redaction import read_names, redact
from emodiss.prompts import Prompt, build_all
from emodiss.runs.run import Run
from emodiss.study import Study
from emodiss.study.interventions import InterventionFile, totals
from tests.chat import chat_server as s

PARAMS = ChatParams(max_tokens=20)
ROWS = [
    ("Ada", "therapist", "How was your week, Bo?"),
    ("Bo", "patient", "It was fine. Ada, I slept badly every single night."),
    ("Ada", "therapist", "Tell me about the nights."),
    ("Bo", "patient", "My sister Carla calls at three."),
]


def table(*videos: str) -> pd.DataFrame:
    """Invented sessions with every column that the four conditions read."""
    rows = [
        {
            "video_id": video,
            "utterance_id": f"u{i:04d}",
            "start": 2.0 * i,
            "end": 2.0 * i + 1.5,
            "speaker": speaker,
            "role": role,
            "text": f"{text} ({video})",
            "speech_label": "sad",
            "face_label": "happy",
            "speech_valence": -0.5,
            "speech_arousal": 0.1,
            "face_valence": 0.6,
            "face_arousal": 0.2,
            "dissonant": role == "patient",
        }
        for video in videos
        for i, (speaker, role, text) in enumerate(ROWS)
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def prompts() -> list[Prompt]:
    return build_all(table("v1", "v2"))


class Scripted:
    """Answers, or raises what its script holds."""

    identity, name = "scripted m", "m"

    def __init__(self, *script):
        self.script = list(script)
        self.seen: list[tuple[str, ChatParams, int]] = []
        self.lock = threading.Lock()

    def generate(self, messages, params, *, sample=0):
        with self.lock:
            self.seen.append((messages[0]["content"], params, sample))
            step = self.script.pop(0) if self.script else None
        if isinstance(step, Exception):
            raise step
        text = s.REPLY if step is None else step
        return Completion(text, "m-served", "stop", Usage(5, 4), 0.1)


def again(**options):
    return ChatError("busy", code="http_429", retryable=True, **options)


def asked(prompts, model, **options):
    waits: list[float] = []
    out = list(ask(prompts, model, params=PARAMS, sleep=waits.append, **options))
    return out, waits


def test_every_prompt_and_sample_is_asked_once_and_parsed(prompts):
    model = Scripted()
    out, waits = asked(prompts, model, samples=2, concurrency=3)
    assert waits == []
    assert Counter(text for text, _, _ in model.seen) == {p.text: 2 for p in prompts}
    assert {(p.seed, k) for _, p, k in model.seen} == {(0, 0), (1, 1)}, "sample k: seed + k"
    found = [one.intervention for one in out]
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
        (one,), _ = asked([prompt], Scripted(f"[Reflection] Go on.\n{said}"))
        assert "echoed_turns" in one.intervention.reply.failures, prompt.condition


def test_patience_doubles_up_to_its_longest_wait():
    patience = Patience(first_wait_s=1, longest_wait_s=5)
    for tries, longest in [(1, 1), (2, 2), (3, 4), (4, 5), (5000, 5)]:
        for _ in range(20):
            assert longest / 2 <= patience.wait_s(tries, None) <= longest
    assert patience.wait_s(1, 77.0) == 77.0, "what the endpoint asks for counts"


def test_a_busy_endpoint_is_asked_again_after_the_wait_it_asks_for(prompts):
    model = Scripted(again(retry_after_s=7.0), again(retry_after_s=3.0))
    (one,), waits = asked(prompts[:1], model)
    assert isinstance(one, Answer) and one.requests == 3
    # Between them stand the waits of whoever comes while the endpoint's time runs.
    assert [w for w in waits if w in (7.0, 3.0)] == [7.0, 3.0]


def test_it_gives_up_after_its_tries_and_goes_on_with_the_next(prompts):
    model = Scripted(again(), again(), again())
    (first, second), waits = asked(prompts[:2], model, patience=Patience(tries=3))
    assert isinstance(first, Unanswered) and first.error.code == "http_429"
    assert "3 requests" in first.error.what and len(waits) == 2
    assert isinstance(second, Answer)


def test_the_waiting_budget_is_shared_and_ends_the_asking(prompts):
    model = Scripted(*[again(retry_after_s=4.0)] * 50)
    out, waits = asked(prompts, model, patience=Patience(budget_s=10))
    # Two waits of 4 s fit into 10 s; the third does not.
    assert waits.count(4.0) == 2
    assert len(out) == 1 and out[0].error.code == "retry_budget"
    assert len(model.seen) == 3


def test_a_wait_longer_than_the_budget_is_not_waited(prompts):
    out, waits = asked(prompts[:1], Scripted(again(retry_after_s=86400.0)))
    assert waits == [] and "86400.0 s" in out[0].error.what


def test_a_fault_of_one_prompt_is_not_retried(prompts):
    model = Scripted(ChatError("too long", code="http_400"))
    (first, second), waits = asked(prompts[:2], model)
    assert isinstance(first, Unanswered) and isinstance(second, Answer)
    assert waits == [] and len(model.seen) == 2


@pytest.mark.parametrize(
    "error", [ChatError("key", stops_all=True), ModelError("cache broken", code="chat_cache")]
)
def test_what_no_prompt_can_escape_stops_the_asking(prompts, error):
    model = Scripted(None, error)
    out, _ = asked(prompts, model)
    assert [type(one) for one in out] == [Answer, Unanswered]
    assert len(model.seen) == 2


def test_what_is_answered_already_is_not_asked(prompts):
    done = {request_hash(p, Scripted(), PARAMS, 0) for p in prompts[:5]}
    model = Scripted()
    out, _ = asked(prompts, model, done=done)
    assert [one.intervention.prompt_sha256 for one in out] == [p.sha256 for p in prompts[5:]]
    hot = dataclasses.replace(PARAMS, temperature=0.5)
    assert request_hash(prompts[0], model, hot, 0) not in done


def test_a_reader_who_leaves_ends_the_asking(prompts):
    model = Scripted()
    answers = ask(prompts, model, params=PARAMS, concurrency=2)
    next(answers)
    answers.close()
    time.sleep(0.1)
    assert len(model.seen) <= 4


def test_bad_numbers_are_refused_at_once(prompts):
    for options in ({"samples": 0}, {"concurrency": 0}):
        with pytest.raises(SettingsError):
            ask(prompts, Scripted(), params=PARAMS, **options)


# --- names ---------------------------------------------------------------------------------------


def texts(*lines, speaker="SPEAKER_00"):
    return pd.DataFrame({"speaker": speaker, "text": list(lines)})


def test_labels_and_listed_names_are_replaced_and_others_stay():
    people = read_names("# people\nCarla Diaz, Carla , Carlita\n\n")
    out, done = redact(table("v1"), people)
    assert out["text"].tolist() == [
        "How was your week, NAME3? (v1)",
        "It was fine. NAME2, I slept badly every single night. (v1)",
        "Tell me about the nights. (v1)",
        "My sister NAME1 calls at three. (v1)",
    ]
    assert out["speaker"].tolist() == ["NAME2", "NAME3"] * 2
    assert (done.n_people, done.n_replaced) == (3, 3)
    assert "Carla" not in json.dumps(done.to_dict()) + repr(done)


def test_the_parts_of_a_name_are_one_person():
    frame = texts(
        "Ada Novak, or ADA, or ms novak's; not Adam, not Canada.", speaker="Dr. Ada Novak"
    )
    out, _ = redact(frame)
    assert out["text"][0] == "NAME1, or NAME1, or ms NAME1's; not Adam, not Canada."


def test_labels_that_are_no_names_replace_nothing():
    for label in ("SPEAKER_00", "S1", "A", "Therapist", "patient 2", "voice", "", None, "7"):
        frame = texts("The therapist and the patient: a voice, a speaker.", speaker=label)
        out, done = redact(frame)
        assert done.n_people == 0 and out.equals(frame), label


@given(st.lists(st.text(min_size=1, max_size=8), max_size=4), st.text(max_size=60))
def test_no_listed_name_survives_as_a_word(names, text):
    # Lower-case Latin letters only: case folding of other letters is Unicode's affair.
    names = [n for n in names if n.isascii() and n.isalpha() and not n.lower().startswith("name")]
    out, _ = redact(texts(text), [(n,) for n in names])
    words = "".join(c if c.isalnum() or c == "_" else " " for c in out["text"][0]).split()
    assert not {w.lower() for w in words if w.isascii()} & {n.lower() for n in names}


# --- on disk -------------------------------------------------------------------------------------


def lines_of(out):
    return [one.to_dict() for one in out]


def test_the_file_is_in_one_order_whatever_the_order_of_arrival(prompts, tmp_path):
    answers = lines_of(asked(prompts, Scripted(), samples=2)[0])
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
    first, second = lines_of(asked(prompts[:2], Scripted("a\u2028b\u0085c"))[0])
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
    a, b, c = lines_of(asked(prompts[:3], Scripted("", "x"))[0])
    a["cost_usd"], b["cost_usd"], c["cost_usd"], c["from_cache"] = 0.25, 0.5, 4.0, True
    (total,) = totals([a, b, c]).values()
    assert total["cost_usd"] == 0.75 and total["from_cache"] == 1
    assert (total["answers"], total["prompt_tokens"], total["failures"]) == (3, 10, {"empty": 1})
    b["cost_usd"] = None
    (total,) = totals([a, b, c]).values()
    assert total["cost_usd"] is None and total["answers_of_unknown_cost"] == 1


# --- the command ---------------------------------------------------------------------------------

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
