"""What the guide tells a reader to type works, against an endpoint on this machine."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import emodiss
from emodiss.cli import app
from emodiss.demo import actors
from tests.chat import chat_server

GUIDE = Path(emodiss.__file__).parent / "guides" / "mirror.md"


def blocks(kind: str, section: str) -> list[str]:
    text = GUIDE.read_text(encoding="utf-8").partition(f"## {section}\n")[2].partition("\n## ")[0]
    return re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)


def act(handler: chat_server.Handler) -> None:
    """Play all parts, told apart by what each is asked."""
    messages = handler.body["messages"]
    text = messages[-1]["content"]
    if "Counseling Dialogue History" in text:
        model = actors.client()
    elif "CBT Plan" in text or "Thinking Trap" in text:
        model = actors.writer()
    elif "respond as a psychotherapist" in text.casefold() or "Types of CBT" in text:
        model = actors.therapist("listener")
    else:
        model = actors.judge()
    said = model.generate([{"role": "user", "content": text}], None)  # type: ignore[arg-type]
    handler.send(200, chat_server.record(said.text))


@pytest.mark.slow
def test_a_reader_of_the_guide_alone_gets_the_tables(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (line,) = blocks("json", "The text-only experiment against your own endpoint")
    more = [json.dumps(p.to_dict()) for p in actors.PROFILES[1:]]
    Path("profiles.jsonl").write_text("\n".join([line.strip(), *more]), encoding="utf-8")
    (commands,) = blocks("sh", "The text-only experiment against your own endpoint")
    with chat_server.serving() as server:
        server.otherwise = act
        for command in commands.strip().splitlines():
            words = command.replace("URL", server.url).replace("MODEL", "tiny").split()
            assert words[0] == "emodiss"
            done = CliRunner().invoke(app, words[1:], catch_exceptions=False)
            assert done.exit_code == 0, (command, done.output)
        n_asked = len(server.bodies)
        again = CliRunner().invoke(
            app,
            ["mirror", "simulate", "study", "--model", "tiny", "--base-url", server.url,
             "--name", "plain", "--json"],
        )  # fmt: skip
        assert again.exit_code == 0
        assert len(server.bodies) == n_asked
    rows = json.loads(again.stdout)
    assert len(rows) == 12
    assert {row["status"] for row in rows} == {"complete"}
    table = pd.read_csv("study/evaluation/table2.csv")
    assert set(table["Model"]) == {"plain", "planning"}
    assert Path("study/report/index.html").is_file()
    systems = {m["content"] for b in server.bodies for m in b["messages"] if m["role"] == "system"}
    assert len(systems) == 2  # of clients who resist and who do not


def test_screenplays_are_written_shown_and_resumed(tmp_path):
    source = tmp_path / "p.jsonl"
    source.write_text("\n".join(json.dumps(p.to_dict()) for p in actors.PROFILES))
    out = str(tmp_path / "x")
    run = CliRunner().invoke
    assert run(app, ["mirror", "profiles", out, str(source), "--n", "1"]).exit_code == 0
    with chat_server.serving() as server:
        server.otherwise = act
        where = ["--model", "tiny", "--base-url", server.url]
        shown = run(app, ["mirror", "screenplays", out, *where, "--preview"])
        lines = [json.loads(line) for line in shown.stdout.splitlines() if line.startswith("{")]
        assert len(lines) == 8  # the training side
        assert lines[0]["messages"][0]["role"] == "system"
        assert server.bodies == []
        done = run(app, ["mirror", "screenplays", out, *where, "--csv"])
        assert done.exit_code == 0, done.output
        assert done.stdout.count("complete") == 8
        assert server.bodies[0]["frequency_penalty"] == server.bodies[0]["presence_penalty"] == 0.2
        assert (server.bodies[0]["temperature"], server.bodies[0]["top_p"]) == (0.7, 0.9)
        again = run(app, ["mirror", "screenplays", out, *where])
        assert "0 screenplays new" in again.stdout
        assert len(server.bodies) == 8
        server.otherwise = chat_server.status(400)
        shots = tmp_path / "shots.txt"
        shots.write_text("Therapist: Hello.")
        failed = run(app, ["mirror", "screenplays", out, *where, "--few-shot", str(shots)])
        assert failed.exit_code == 0  # each case still has one
        assert "no answer [http_400]" in failed.output
    wrong = run(app, ["mirror", "profiles", out, str(source), "--n", "2"])
    assert "would change or go" in str(wrong.exception)


def test_profiles_tell_what_they_left_out(tmp_path):
    source = tmp_path / "p.jsonl"
    rows = [p.to_dict() for p in actors.PROFILES]
    source.write_text("\n".join(json.dumps(row) for row in [*rows, {"id": "x", "age": 3}]))
    run = CliRunner().invoke
    done = run(app, ["mirror", "profiles", str(tmp_path / "x"), str(source)])
    assert done.exit_code == 1
    assert "line 4: left out, no name" in done.output
    assert "12 cases: 12 to evaluate" in done.output
    few = run(
        app,
        ["mirror", "profiles", str(tmp_path / "y"), str(source), "--types", "none", "--json"],
    )
    assert [row["resistance"] for row in json.loads(few.stdout)] == ["none"] * 3
