"""`emodiss judge` over a real server, and its scores as the judge's side of `emodiss evaluate`."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from emodiss import ratings
from emodiss.cli import app
from emodiss.errors import ChatError, EmodissError
from emodiss.runs import seals
from emodiss.runs.run import Run
from emodiss.study import Study, rating_study
from emodiss.study.judgements import JudgementFile
from tests.chat import chat_server as s
from tests.chat.scripted import table

KINDS = ("base", "continuous", "discrete", "dissonance")


def respond(handler: s.Handler) -> None:
    """Answer as the question asks: an intervention, steps, or a score with probabilities."""
    text = handler.body["messages"][0]["content"]
    model = handler.body["model"]
    if "Write the steps" in text:
        s.answer("1. Read. 2. Rate.")(handler)
    elif "Evaluation form" not in text:
        extra = " Bo, how do you sleep?" if "dissonance" in text else ""
        said = f"You sound worn out, says {model} in {len(text)} words.{extra}"
        s.answer(f"[Reflection] {said}")(handler)
    elif "mute" in model:
        s.answer("4" if handler.body.get("seed", 0) % 2 else "I cannot say.")(handler)
    else:
        whole = s.record("4")
        # 4 with probability 0.75 and 5 with 0.25: a weighed score of 4.25.
        top = [{"token": t, "logprob": math.log(p)} for t, p in (("4", 0.75), ("5", 0.25))]
        entry = {"token": "4", "logprob": math.log(0.75), "top_logprobs": top}
        whole["choices"][0]["logprobs"] = {"content": [entry]}
        whole["usage"]["prompt_tokens"] = len(text)
        handler.send(200, whole)


@pytest.fixture
def server():
    with s.serving() as running:
        running.otherwise = respond
        yield running


@pytest.fixture(scope="module")
def answered(tmp_path_factory) -> Path:
    """A run of two videos with the answers of two models under four conditions; for reading."""
    root = tmp_path_factory.mktemp("answered") / "run"
    root.mkdir()
    (root / "run.json").write_text('{"settings": {}, "problems": []}')
    (root / "manifest.jsonl").write_text('{"id": "v1"}\n{"id": "v2"}\n')
    table("v1", "v2").to_parquet(root / "utterances.parquet")
    with s.serving() as running:
        running.otherwise = respond
        for model in ("one", "two"):
            assert call("intervene", root, *at(running, model)).exit_code == 0
    return root


@pytest.fixture
def run(answered, tmp_path) -> Path:
    return shutil.copytree(answered, tmp_path / "run")


def at(server, *models: str) -> list[str]:
    named = [part for model in models for part in ("--model", model)]
    return [*named, "--base-url", server.url]


def call(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def judge(run, *arguments: object):
    return call("judge", run, *arguments)


def questions(server) -> list[str]:
    return [body["messages"][0]["content"] for body in server.bodies]


def test_scores_are_weighed_kept_and_not_asked_for_twice(run, server):
    done = judge(run, *at(server, "rater"), "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    # 2 videos x 2 models x 4 conditions, by three criteria; steps once per criterion.
    assert found["judgements"] == 48 and found["requests"] == 51
    kept = JudgementFile(run).read()
    assert kept is not None and len(kept) == 48
    assert kept["score"].round(9).eq(4.25).all() and set(kept["mode"]) == {"logprob"}
    assert set(kept["item"]) == set(Study(Run(run)).responses["item"])
    assert [row["rate"] for row in found["missing"]] == [0.0] * 3
    assert json.loads((run / "judge_ledger.json").read_text())["requests"] == 51

    again = judge(run, *at(server, "rater"), "--json")
    assert json.loads(again.stdout)["requests"] == 0
    assert json.loads(again.stdout)["replaced"] == 48
    pd.testing.assert_frame_equal(JudgementFile(run).read(), kept)


def test_judges_see_the_words_and_not_who_wrote_them_or_why(run, server):
    judge(run, *at(server, "rater"), "--criterion", "empathy")
    scored = [text for text in questions(server) if "Evaluation form" in text]
    assert len(scored) == 16
    for text in scored:
        assert "| Patient: My sister Carla calls at three. (v" in text
        for hidden in ("emotional dissonance", "valence", "speech:", "happy", "continuous", "base"):
            assert hidden not in text


def test_several_judges_share_steps_and_what_cannot_be_read_is_counted(run, server):
    arguments = ("--criterion", "empathy", "--samples", 4, "--video", "v1", "--json")
    done = judge(run, *at(server, "rater", "mute"), *arguments)
    found = json.loads(done.stdout)
    assert sum("Write the steps" in text for text in questions(server)) == 1
    rows = {row["judge"]: row for row in found["missing"]}
    # The endpoint of "mute" gives no probabilities; seeds 0 to 3 give two numbers of four.
    assert rows["mute"]["n_fallback"] == 8 and rows["mute"]["unparsable_rate"] == 0.5
    assert rows["rater"]["n_fallback"] == 0 and rows["rater"]["unparsable_rate"] == 0
    kept = JudgementFile(run).read()
    assert kept is not None and kept["steps_sha256"].nunique() == 1
    scores = dict(zip(kept["judge"], kept["score"].round(9), strict=True))
    assert scores == {"rater": 4.25, "mute": 4.0}
    plain = judge(run, *at(server, "mute"), *arguments[:-1])
    assert "0.50" in plain.stdout and "unparsable rate" in plain.stdout


def test_order_length_and_own_models_are_checked_where_they_can_be(run, server):
    done = judge(run, *at(server, "one"), "--criterion", "empathy", "--json")
    found = json.loads(done.stdout)
    assert "order" not in found and "self_preference" not in found
    assert any("--scale-order both" in note for note in found["notes"])
    assert any("no other judge" in note for note in found["notes"])

    both = ("--criterion", "empathy", "--scale-order", "both", "--json")
    found = json.loads(judge(run, *at(server, "one", "rater"), *both).stdout)
    assert [row["difference"] for row in found["order"]] == [0.0, 0.0]
    (row,) = found["self_preference"]
    assert (row["judge"], row["n_own"], row["n_other"]) == ("one", 8, 8)
    assert row["preference"] == 0.0 and row["reference"] == "other judges"
    assert {row["reason"] for row in found["length"]} == {"scores are constant"}
    found = json.loads(judge(run, *at(server, "rater"), *both, "--own", "rater=two").stdout)
    assert [row["judge"] for row in found["self_preference"]] == ["rater"]


def test_what_is_previewed_is_what_is_sent(run, server):
    arguments = (*at(server, "rater"), "--criterion", "empathy", "--concurrency", 1)
    first = judge(run, *arguments, "--preview")
    assert first.exit_code == 0 and server.bodies == []
    assert "17 requests would go to this machine" in first.stderr
    assert "(the steps that the judge writes)" in first.stdout
    judge(run, *arguments)
    sent = [json.dumps(body, sort_keys=True) for body in server.bodies[1:]]
    shown = [json.loads(line) for line in judge(run, *arguments, "--preview").stdout.splitlines()]
    assert [json.dumps(one["body"], sort_keys=True) for one in shown] == sent
    assert not any("rater" in json.dumps(one["body"]["messages"]) for one in shown)


def test_nothing_leaves_the_machine_unless_allowed(run):
    far = ("--model", "rater", "--base-url", "https://judge.example/v1")
    done = judge(run, *far)
    assert isinstance(done.exception, EmodissError) and "--allow-remote" in str(done.exception)
    assert "ANOTHER MACHINE" in judge(run, *far, "--preview").stderr
    assert not JudgementFile(run).path.exists()


def test_the_budget_stops_it_and_the_next_command_goes_on(run, server, tmp_path):
    prices = tmp_path / "prices.json"
    models = {"rater": {"input": 1, "output": 1}}
    prices.write_text(json.dumps({"as_of": "2026-11-21", "source": "test", "models": models}))
    arguments = (*at(server, "rater"), "--criterion", "empathy", "--prices", prices)
    # At 1 USD per million tokens and some 1,700 tokens a question, a cent pays a few of sixteen.
    done = judge(run, *arguments, "--max-cost", 0.01, "--json")
    assert done.exit_code == 1, done.output
    found = json.loads(done.stdout)
    assert 0 < found["unanswered"] < 16 and found["known_cost_usd"] <= 0.01
    kept = JudgementFile(run).read()
    assert kept is not None and kept["score"].isna().sum() == found["unanswered"]
    assert set(kept.loc[kept["score"].isna(), "status"]) == {"unanswered"}
    done = judge(run, *arguments, "--max-cost", 1, "--json")
    assert done.exit_code == 0 and json.loads(done.stdout)["unanswered"] == 0


def test_an_endpoint_that_fails_leaves_unanswered_rows(run, server):
    judge(run, *at(server, "rater"), "--criterion", "empathy")
    server.otherwise = s.status(401)
    done = judge(run, *at(server, "other"), "--criterion", "empathy")
    assert done.exit_code == 1
    assert "other: 16 questions without an answer [http_401, not_asked]" in done.stderr
    kept = JudgementFile(run).read()
    assert kept is not None
    assert kept.groupby("judge")["score"].count().to_dict() == {"other": 0, "rater": 16}


def test_a_judge_that_writes_no_steps_says_why(run, server):
    server.otherwise = s.status(404)
    done = judge(run, *at(server, "rater"))
    assert isinstance(done.exception, ChatError) and not JudgementFile(run).path.exists()


def test_recorded_answers_can_be_replayed(run, server, tmp_path):
    arguments = ("--criterion", "empathy", "--mode", "single", "--json")
    judge(run, *at(server, "rater"), *arguments)
    kept = JudgementFile(run).read()
    assert kept is not None
    recorded = tmp_path / "recorded.jsonl"
    lines = [
        {"prompt_sha256": sha256, "raw": "2", "model": "second"}
        for sha256 in kept["prompt_sha256"].unique()
    ]
    recorded.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = judge(run, "--replay", recorded, *arguments)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["cost_usd"] == 0
    kept = JudgementFile(run).read()
    assert kept is not None
    assert kept.groupby("judge")["score"].unique().map(list).to_dict() == {
        "rater": [4.0],
        "second": [2.0],
    }


def test_names_are_taken_out_of_dialogue_and_response(run, server):
    judge(run, *at(server, "rater"), "--criterion", "empathy", "--redact-names")
    scored = [text for text in questions(server) if "Evaluation form" in text]
    assert not any("Bo" in text.split() or "Ada" in text for text in scored)
    assert any("NAME2, how do you sleep?" in text for text in scored)  # Ada spoke first
    assert any("your week, NAME2?" in text for text in scored)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--base-url", "http://127.0.0.1/v1"), "No judge is named"),
        (("--model", "m"), "who answers"),
        (("--model", "m", "--local", "--mode", "lgprob"), "Did you mean 'logprob'"),
        (("--model", "m", "--local", "--scale-order", "up"), "both"),
        (("--model", "m", "--local", "--criterion", "empaty"), "Did you mean 'empathy'"),
        (("--model", "m", "--local", "--video", "v3"), "no video 'v3'"),
        (("--model", "m", "--local", "--own", "gpt"), "JUDGE=MODEL"),
        (("--model", "m", "--local", "--names", "n.txt"), "--redact-names"),
    ],
)
def test_wrong_use_says_what_to_do(run, arguments, message):
    done = judge(run, *arguments)
    assert isinstance(done.exception, EmodissError), done.output
    assert message in str(done.exception)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("item,criterion\nx", "lacks the column"),
        ("item,criterion,score\na,empathy,3\n", "was not written by 'emodiss judge'"),
        ("item,criterion,score\na,empathy,9\n", "a number from 1 to 5"),
    ],
)
def test_a_spoilt_file_is_noticed_before_anybody_is_asked(run, server, text, message):
    JudgementFile(run).path.write_text(text)
    seals.forget(JudgementFile(run).path)
    done = judge(run, *at(server, "rater"))
    assert isinstance(done.exception, EmodissError) and message in str(done.exception)
    assert server.bodies == []


def test_a_run_without_interventions_says_how_to_get_them(run, server):
    (run / "interventions.jsonl").unlink()
    done = judge(run, *at(server, "rater"))
    assert "emodiss intervene" in str(done.exception)


# --- the judge's side of Table 3 -----------------------------------------------------------


def rated(run: Path) -> pd.DataFrame:
    """Two experts rate every response under the codes of a blind study."""
    source = Study(Run(run)).responses
    study = ratings.build_study(
        source, models=["one", "two"], conditions=KINDS, raters=["a", "b"], n_windows=2, seed=1
    )
    sheets = {}
    for number, (rater, sheet) in enumerate(study.sheets.items()):
        points = [1 + (k + number) % 5 for k in range(len(sheet))]
        sheets[rater] = sheet.assign(**dict.fromkeys(ratings.CRITERIA, points))
    return ratings.merge(sheets, study.key)


def test_judgements_of_the_run_meet_the_experts_ratings(run, server):
    table3 = run / "evaluation" / "table3.csv"
    judge(run, *at(server, "rater", "one"))
    ratings.write(rated(run), run / "ratings.csv")
    done = call("evaluate", run, "--resamples", 100, "--no-mixed")
    assert done.exit_code == 0, done.output
    found = pd.read_csv(table3)
    assert found.groupby("judge")["n"].unique().map(list).to_dict() == {"one": [16], "rater": [16]}
    assert set(found["reason"]) == {"the judge is constant"}
    own = pd.read_csv(run / "evaluation" / "judge_self_preference.csv")
    assert set(own["judge"]) == {"one"} and set(own["reference"]) == {"experts"}
    assert (run / "evaluation" / "figures" / "figure7.png").is_file()
    html = (run / "evaluation" / "figure7.html").read_text()
    assert "says two in" in html and "Carla calls at three. (v1)" in html


def test_a_study_goes_out_blind_and_its_sheets_come_back(run, server, tmp_path):
    out = tmp_path / "study"
    raters = ("--rater", "a=experts", "--rater", "b")
    asked = ("study", run, *raters, "--windows", 2, "--repeats", 0, "-o", out)
    done = call(*asked)
    assert done.exit_code == 0, done.output
    names = ["items.csv", "hidden/key.csv", "hidden/design.json", "sheets/a.csv", "sheets/b.csv"]
    names += ["hidden/SHA256SUMS"]
    names += ["instrument.toml", "instructions.md", "consent.md"]  # for the pages of raters
    assert done.stdout.split() == [str(out / name) for name in names]
    # Two windows, two models, four conditions; the sheet names no model and no condition.
    sheet = pd.read_csv(out / "sheets" / "a.csv")
    assert len(sheet) == 16 and not {"model", "condition"} & set(sheet)
    assert set(sheet["rater_group"]) == {"experts"}
    assert (
        pd.read_csv(out / "hidden" / "key.csv").groupby(["model", "condition"]).size().eq(2).all()
    )
    # From Python, with the same seed by default.
    same = rating_study(run, {"a": "experts", "b": ""}, n_windows=2, repeats=0)
    assert list(same.sheets["a"]["item"]) == list(sheet["item"])
    for rater in "ab":
        path = out / "sheets" / f"{rater}.csv"
        filled = pd.read_csv(path).assign(**dict.fromkeys(ratings.CRITERIA, 4))
        filled.to_csv(path, index=False)
    sheets = [x for rater in "ab" for x in ("--ratings", out / "sheets" / f"{rater}.csv")]
    key = ("--key", out / "hidden" / "key.csv")
    done = call("evaluate", run, *sheets, *key, "--resamples", 100, "--no-mixed")
    assert done.exit_code == 0, done.output
    means = pd.read_csv(run / "evaluation" / "means.csv")
    assert set(means["mean"]) == {4.0} and set(means["condition"]) == set(KINDS)

    assert "holds a study already" in str(call(*asked).exception)
    one = call("study", run, *raters, "--windows", 2, "--model", "one", "-o", tmp_path / "one")
    assert one.exit_code == 0 and len(pd.read_csv(tmp_path / "one" / "items.csv")) == 8
    wrong = call("study", run, *raters, "--model", "ome")
    assert "Did you mean 'one'?" in str(wrong.exception)
    assert "named twice" in str(call("study", run, *raters, "--rater", "a").exception)


def test_what_a_model_was_asked_twice_is_named_and_not_dealt(run):
    path = run / "interventions.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    again = {**lines[0], "request_sha256": "0" * 64, "identity": "the same model elsewhere"}
    path.write_text("".join(json.dumps(line) + "\n" for line in [*lines, again]))
    done = call("study", run, "--rater", "a", "--windows", 1)
    assert f"'{again['model']}' was asked more than once" in str(done.exception)
    assert again["condition"] in str(done.exception) and not (run / "study").exists()


def test_a_window_without_all_responses_is_not_drawn(run):
    path = run / "interventions.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[0]["response"] = " "
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    seals.forget(path)
    done = call("study", run, "--rater", "a", "--windows", 2)
    assert "only 1 qualify" in str(done.exception) and "1 windows lack" in done.stderr
    done = call("study", run, "--rater", "a", "--windows", 1)
    assert done.exit_code == 0, done.output
    other = ({"v1", "v2"} - {lines[0]["video_id"]}).pop()
    assert set(pd.read_csv(run / "study" / "items.csv")["video"]) == {other}


def test_replies_in_scripts_that_the_font_lacks_are_noted(run, server):
    words = table("v1", "v2")
    words.loc[words["role"] == "patient", "text"] = "أنا حزين 😢 <b>"
    words.to_parquet(run / "utterances.parquet")
    (run / "interventions.jsonl").unlink()
    assert call("intervene", run, *at(server, "one"), "--kind", "all").exit_code == 0
    ratings.write(ratings.check(ratings.simulate(n_videos=2, seed=1).table), run / "ratings.csv")
    done = call("evaluate", run, "--resamples", 100, "--no-mixed")
    assert done.exit_code == 0, done.output
    assert "figure7.png shows" in done.stderr and "figure7.html shows them" in done.stderr
    assert "Glyph" not in done.stderr
    html = (run / "evaluation" / "figure7.html").read_text()
    assert '<div dir="auto">Patient: أنا حزين 😢 &lt;b&gt;</div>' in html


def test_figure_7_may_be_of_any_window_or_missing_with_a_reason(run, server):
    ratings.write(ratings.check(ratings.simulate(n_videos=2, seed=1).table), run / "ratings.csv")
    arguments = (run, "--resamples", 100, "--no-mixed")
    assert call("evaluate", *arguments, "--video", "v2").exit_code == 0
    assert "calls at three. (v2)" in (run / "evaluation" / "figure7.html").read_text()
    done = call("evaluate", *arguments, "--video", "v3")
    assert isinstance(done.exception, EmodissError) and "v2" in str(done.exception)
    (run / "asked_prompts.jsonl").unlink()
    done = call("evaluate", *arguments, "--out", run / "again")
    assert done.exit_code == 0 and "There is no Figure 7" in done.stderr
    assert not (run / "again" / "figure7.html").exists()


def test_judgements_of_what_nobody_rated_are_left_out_and_counted(run, server):
    judge(run, *at(server, "rater"), "--criterion", "empathy")
    some = rated(run)
    ratings.write(some[some["condition"] != "dissonance"], run / "ratings.csv")
    call("evaluate", run, "--resamples", 100, "--no-mixed")
    notes = (run / "evaluation" / "notes.txt").read_text()
    assert "4 of 16 judgements are of responses that nobody rated" in notes
    ratings.write(some.assign(model=some["model"] + "x"), run / "ratings.csv")
    done = call("evaluate", run, "--resamples", 100, "--no-mixed")
    assert done.exit_code == 0 and "there is no Table 3" in done.stderr


def test_failures_techniques_and_flags_of_the_run_stand_beside_the_ratings(run, server):
    some = rated(run)
    ratings.write(some, run / "ratings.csv")
    done = call("evaluate", run, "--resamples", 100, "--no-mixed")
    assert done.exit_code == 0, done.output
    failures = pd.read_csv(run / "evaluation" / "failures.csv")
    assert set(failures["failure"]) >= {"any", "refusal"} and set(failures["n"]) == {2}
    techniques = pd.read_csv(run / "evaluation" / "techniques.csv")
    assert techniques.groupby(["model", "condition"])["share"].sum().to_numpy() == pytest.approx(1)
    assert (run / "evaluation" / "figures" / "answers.png").is_file()
    assert "Answers with any failure" in done.stderr
    assert not (run / "evaluation" / "gains_flagged.csv").exists(), "all windows are flagged"
    assert some["flagged"].all(), "the study's key says so"
    ratings.write(some.drop(columns="flagged"), run / "ratings.csv")
    prompts = [json.loads(x) for x in (run / "asked_prompts.jsonl").read_text().splitlines()]
    for prompt in prompts:
        # Of v2 an utterance is flagged that the options do not mark: its prompts are all alike.
        prompt["dissonance_present"] = prompt["video_id"] == "v1"
    (run / "asked_prompts.jsonl").write_text("".join(json.dumps(x) + "\n" for x in prompts))
    seals.forget(run / "asked_prompts.jsonl")
    done = call("evaluate", run, "--resamples", 100, "--no-mixed")
    assert done.exit_code == 0 and "1 of 2 rated windows are flagged" in done.stderr
    assert set(pd.read_csv(run / "evaluation" / "gains_flagged.csv")["n_videos"]) == {1}


def test_requests_are_forecast_and_may_be_limited_before_the_first_is_sent(run, server):
    asked = ("--criterion", "empathy", "--samples", 4, "--scale-order", "both")
    limited = judge(run, *at(server, "mute"), *asked, "--max-requests", 100)
    # 16 responses in 2 orders and one question for the steps; without probabilities 4 more each.
    assert isinstance(limited.exception, EmodissError)
    assert "161 requests may be needed" in str(limited.exception)
    assert not server.bodies
    done = judge(run, *at(server, "mute"), *asked, "--max-requests", 161)
    said = "16 responses x 1 criterion x 2 orders of the scale: 33 requests of judges"
    assert said in done.stderr and "up to 161 where" in done.stderr
    assert "cost" not in done.stdout  # of a server on this machine
    assert 33 < len(server.bodies) <= 161
