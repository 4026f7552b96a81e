"""Judges of simulated sessions: blind, resumed, and never a score that was not given."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from emodiss import mirror
from emodiss.chat.endpoint import Endpoint
from emodiss.cli import app
from emodiss.clients import Case
from emodiss.errors import ChatError, RunError, SettingsError
from emodiss.mirror.judge import judged_sessions, read_scores, requests
from emodiss.screenplays import Screenplay
from tests.chat import chat_server
from tests.mirror.people import PROFILES
from tests.mirror.sessions import Judge, encounter, experiment, usual

FOCUS = mirror.Asking(instruments=["counseling"], criteria=["focus"])


def endpoint(judge, **more):
    return Endpoint(models=[judge], concurrency=1, **more)


def test_every_session_gets_every_criterion_and_item(tmp_path):
    made = experiment(tmp_path / "e", profiles=PROFILES[:1])
    judge = Judge(usual)
    done = mirror.judge(made, endpoint(judge))
    assert done.complete
    assert len(done.table) == 4 * 3 * (6 + 12)
    assert done.table["score"].between(3, 5).all()
    assert done.record["new"] == len(judge.asked) == len(done.table)
    counts = done.table.groupby("instrument")["criterion"].nunique().to_dict()
    assert counts == {"counseling": 6, "alliance": 12}
    said = read_scores(made)
    assert len(said) == len(done.table)
    assert said["dialogue_sha256"].nunique() == 12


def test_judges_are_blind(tmp_path):
    made = experiment(tmp_path / "e", profiles=PROFILES[:1])
    judge = Judge(usual)
    mirror.judge(made, endpoint(judge))
    for text in judge.asked:
        assert PROFILES[0].distorted_thought not in text
        for hidden in ("[sighs]", "p00", "/ours", "cognitive resistance", "test judge"):
            assert hidden not in text
    shown = mirror.Asking(instruments=["counseling"], criteria=["focus"], directions=True)
    mirror.judge(made, endpoint(judge), shown)
    assert "| Client: [sighs] I cannot sleep" in judge.asked[-1]


def test_nothing_is_asked_twice_and_a_stop_costs_nothing(tmp_path):
    made = experiment(tmp_path / "e")
    whole = mirror.judge(made, endpoint(Judge(usual)), FOCUS)
    reference = (made.root / "scores.jsonl").read_text()
    assert whole.record["new"] == 36

    other = experiment(tmp_path / "f")
    count = iter(range(100))

    def stops(text):
        if next(count) == 20:
            raise KeyboardInterrupt
        return usual(text)

    with pytest.raises(KeyboardInterrupt):
        mirror.judge(other, endpoint(Judge(stops), no_cache=True), FOCUS)
    n_kept = len((other.root / "scores.jsonl").read_text().splitlines())
    assert n_kept >= 19
    judge = Judge(usual)
    again = mirror.judge(other, endpoint(judge, no_cache=True), FOCUS)
    assert len(judge.asked) == 36 - n_kept
    assert again.complete
    assert (other.root / "scores.jsonl").read_text() == reference
    idle = Judge(lambda _: pytest.fail("asked again"))
    assert mirror.judge(other, endpoint(idle, no_cache=True), FOCUS).record["new"] == 0


def test_what_cannot_be_read_or_was_not_answered_is_missing(tmp_path):
    made = experiment(tmp_path / "e", profiles=PROFILES[:1])

    def say(text):
        if "emotional for me" in text:
            return ChatError("down", code="http_500")
        return "I would rather not." if "cognitive for me" in text else usual(text)

    done = mirror.judge(made, endpoint(Judge(say)), FOCUS)
    assert not done.complete
    assert done.record["unparsable"] == done.record["unanswered"] == 3
    assert done.record["errors"] == {"http_500": 3}
    assert done.table["status"].value_counts().to_dict() == {
        "ok": 6,
        "unparsable": 3,
        "unanswered": 3,
    }
    assert done.table.loc[done.table["status"] != "ok", "score"].isna().all()
    lines = (made.root / "scores.jsonl").read_text().splitlines()
    assert len(lines) == 9  # an answer that cannot be read is one; none is none
    assert sum(json.loads(line)["score"] is None for line in lines) == 3
    judge = Judge(usual)
    assert mirror.judge(made, endpoint(judge), FOCUS).complete
    assert len(judge.asked) == 3


def test_a_judge_that_cannot_be_asked_leaves_everything_unanswered(tmp_path):
    made = experiment(tmp_path / "e", profiles=PROFILES[:1])
    judge = Judge(lambda _: ChatError("no key", code="http_401", stops_all=True))
    done = mirror.judge(made, endpoint(judge), FOCUS)
    assert len(judge.asked) == 1
    assert done.record["unanswered"] == 12
    assert not done.complete


def test_a_session_that_changed_is_judged_anew(tmp_path):
    made = experiment(tmp_path / "e", profiles=PROFILES[:1])
    mirror.judge(made, endpoint(Judge(usual)), FOCUS)
    every = made.encounters.read()
    every[0] = encounter(PROFILES[0], "cognitive", "ours", "p+ec", more=["And then?", "Nothing."])
    made.encounters.write(every)
    judge = Judge(lambda _: "1, worse now")
    done = mirror.judge(made, endpoint(judge), FOCUS)
    assert len(judge.asked) == 1
    assert sorted(done.table["score"].unique()) == [1, 3, 4, 5]
    assert len(read_scores(made)) == 12


def test_sessions_with_the_same_words_each_have_a_score(tmp_path):
    made = experiment(tmp_path / "e", profiles=PROFILES[:1], therapists={"a": "base", "d": "base"})
    judge = Judge(usual)
    done = mirror.judge(made, endpoint(judge, no_cache=True), FOCUS)
    assert done.complete
    assert done.table["item"].nunique() == 8
    assert mirror.judge(made, endpoint(judge, no_cache=True), FOCUS).record["new"] == 0


def test_failed_sessions_are_counted_and_not_judged(tmp_path):
    broken = [("p00-none", "ours"), ("p00-emotional", "plain")]
    made = experiment(tmp_path / "e", profiles=PROFILES[:1], broken=broken)
    done = mirror.judge(made, endpoint(Judge(usual)), FOCUS)
    assert done.record["skipped"] == {"http_500": 2}
    assert set(done.skipped) == {"p00-none/ours", "p00-emotional/plain"}
    assert len(done.table) == 10
    everything = experiment(
        tmp_path / "f", profiles=PROFILES[:1], kinds=["none"], therapists={"ours": "p+ec"},
        broken=[("p00-none", "ours")],
    )  # fmt: skip
    with pytest.raises(RunError, match="None of 1 encounters of 'f' is complete"):
        mirror.judge(everything, endpoint(Judge(usual)))


def test_ways_of_asking_stand_beside_each_other(tmp_path):
    made = experiment(tmp_path / "e", profiles=PROFILES[:1], kinds=["none"])
    alliance = mirror.Asking(instruments=["alliance"])
    printed = mirror.Asking(instruments=["alliance"], as_printed=True)
    for asking in (alliance, printed):
        mirror.judge(made, endpoint(Judge(usual)), asking)
    mirror.judge(made, endpoint(Judge(usual, name="second")), alliance)
    found = read_scores(made).groupby(["judge", "wording"]).size()
    assert found.to_dict() == {
        ("judge", "own"): 36,
        ("judge", "as_printed"): 36,
        ("second", "own"): 36,
    }


def test_screenplays_can_be_judged_too(tmp_path):
    made = experiment(tmp_path / "e", profiles=PROFILES[:1])
    lines = made.encounters.read()[0].lines
    plays = [
        Screenplay(Case(PROFILES[0], "none"), lines, "m", "0"),
        Screenplay(Case(PROFILES[0], "cognitive"), (), "m", "1", status="refusal"),
    ]
    made.screenplays.write(plays)
    asking = mirror.Asking(of="screenplays", instruments=["alliance"])
    done = mirror.judge(made, endpoint(Judge(usual)), asking)
    assert set(done.table["item"]) == {"p00-none"}
    assert done.skipped == {"p00-cognitive": "refusal"}
    assert len(read_scores(made)) == 0
    assert len(read_scores(made, "screenplays")) == 12


def test_what_is_asked_for_must_exist(tmp_path):
    with pytest.raises(SettingsError, match="no instrument 'wai'"):
        mirror.Asking(instruments=["wai"])
    made = mirror.create(tmp_path / "e")
    with pytest.raises(RunError, match="emodiss mirror simulate"):
        judged_sessions(made)
        mirror.judge(made, endpoint(Judge(usual)))
    made = experiment(tmp_path / "f")
    with pytest.raises(SettingsError, match="No judge is named"):
        mirror.judge(made, Endpoint(base_url="http://127.0.0.1:1/v1"))


def test_a_preview_asks_nobody(tmp_path):
    made = experiment(tmp_path / "e", profiles=PROFILES[:1], kinds=["none"])
    judge = Judge(usual)
    shown = requests(made, endpoint(judge), FOCUS)
    assert len(shown) == 3
    assert not judge.asked
    mirror.judge(made, endpoint(judge), FOCUS)
    assert [one["messages"][0]["content"] for one in shown] == judge.asked


def test_what_a_judge_said_can_be_replayed_by_the_command(tmp_path):
    made = experiment(tmp_path / "e", profiles=PROFILES[:1], kinds=["none"])
    mirror.judge(made, endpoint(Judge(usual)))
    recorded = made.root / "scores.jsonl"
    other = experiment(tmp_path / "f", profiles=PROFILES[:1], kinds=["none"])
    command = ["mirror", "judge", str(other.root), "--replay", str(recorded), "--quiet"]
    said = CliRunner().invoke(app, [*command, "--json"])
    assert said.exit_code == 0, said.output
    rows = json.loads(said.stdout)
    assert len(rows) == 3 * 18
    one, two = (
        read_scores(each).set_index(["item", "criterion"])["score"] for each in (made, other)
    )
    assert two.to_dict() == one.to_dict()
    table = CliRunner().invoke(app, command)
    assert "0 judgements new; of 54: 0 unparsable, 0 unanswered" in table.output
    # A line that the recording lacks has no answer, and the command says so.
    lines = recorded.read_text().splitlines()
    short = tmp_path / "short.jsonl"
    short.write_text("\n".join(lines[:-1]) + "\n")
    third = experiment(tmp_path / "g", profiles=PROFILES[:1], kinds=["none"])
    said = CliRunner().invoke(
        app, ["mirror", "judge", str(third.root), "--replay", str(short), "--csv", "-q"]
    )
    assert said.exit_code == 1
    assert "1 questions without an answer [replay_missing]" in said.output


def test_the_command_asks_an_endpoint_and_only_on_this_machine(tmp_path):
    made = experiment(tmp_path / "e", profiles=PROFILES[:1], kinds=["none"])
    command = ["mirror", "judge", str(made.root), "m", "--criterion", "focus", "-q"]
    command += ["--instrument", "counseling"]
    with chat_server.serving() as server:
        server.otherwise = chat_server.answer("4, by the rule")
        shown = CliRunner().invoke(app, [*command, "--base-url", server.url, "--preview"])
        assert len(shown.stdout.splitlines()) == 3
        assert not server.bodies
        said = CliRunner().invoke(app, [*command, "--base-url", server.url])
    assert said.exit_code == 0, said.output
    assert len(server.bodies) == 3
    assert set(read_scores(made)["score"]) == {4.0}
    away = CliRunner().invoke(app, [*command, "--base-url", "https://example.org/v1"])
    assert away.exit_code != 0
