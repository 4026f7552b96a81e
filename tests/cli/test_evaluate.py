"""`emodiss evaluate`: from a file of ratings to tables, notes and figures."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import typer
from typer.testing import CliRunner

from emodiss import ratings, statistics
from emodiss.cli.evaluate import evaluate
from emodiss.errors import EmodissError
from emodiss.statistics import Bootstrap

app = typer.Typer()
app.command("evaluate")(evaluate)


def run(*args):
    return CliRunner().invoke(app, [*map(str, args), "--resamples", "100", "--no-mixed"])


@pytest.fixture(scope="module")
def study():
    return ratings.simulate(n_videos=8, seed=2)


@pytest.fixture
def file(tmp_path, study):
    path = tmp_path / "ratings.csv"
    ratings.write(ratings.check(study.table), path)
    return path


def test_tables_notes_and_figures_are_written(tmp_path, file, study):
    judge = tmp_path / "judge.csv"
    study.judge.assign(score=study.judge["score"].where(study.judge.index != 0)).to_csv(
        judge, index=False
    )
    people = tmp_path / "people.csv"
    people.write_text("rater,degree\nr1,PhD\nr2,None\n")
    said = tmp_path / "replies.csv"
    said.write_text("model,condition,technique,response\nm,base,A,Yes.\nm,dissonance,,No.\n")
    out = tmp_path / "out"
    done = run(
        "--ratings", file, "--judge", judge, "--background", people, "--replies", said,
        "--out", out,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    figures = {p.name for p in (out / "figures").iterdir()}
    assert figures == {f"{n}.png" for n in ("figure5", "figure6", "figure7", "figure11", "table3")}
    means = pd.read_csv(out / "means.csv")
    expected = statistics.condition_means(study.table, bootstrap=Bootstrap(resamples=100))
    np.testing.assert_allclose(means["mean"], expected["mean"])
    assert list(pd.read_csv(out / "table3.csv")["criterion"]) == ["empathy"]
    answers = pd.read_csv(out / "background.csv", keep_default_na=False)
    assert set(answers["answer"]) == {"PhD", "None"}  # somebody without a degree did answer
    notes = (out / "notes.txt").read_text()
    assert "no score for 1 of 128 items" in notes and "missing, not 0" in notes
    assert "<table>" in (out / "figure7.html").read_text()


def test_json_is_strict_and_the_run_folder_is_the_default_place(tmp_path, file):
    done = run(tmp_path / "run", "--ratings", file, "--json")
    assert done.exit_code == 0, done.output

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    content = json.loads(done.stdout, parse_constant=refuse)
    assert {"means", "kappa", "gains"} <= set(content["tables"])
    assert (tmp_path / "run" / "evaluation" / "figures" / "figure5.png").is_file()


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda t: t[t["rater"] == "r1"], "one rater only"),
        (lambda t: t.assign(value=3.0), "F does not exist"),
        (lambda t: t[t["condition"] != "base"], "no gains"),
        (
            lambda t: t[~((t["model"] == "gemini") & (t["condition"] == "base"))],
            "Model gemini has no ratings under condition base",
        ),
        (lambda t: t[t["video"] == "v00000"], "one video only"),
        (lambda t: t[t["condition"] == "base"], "two or more are needed"),
    ],
)
def test_odd_designs_have_a_stated_outcome(tmp_path, study, change, note):
    path = tmp_path / "odd.csv"
    ratings.write(ratings.check(change(study.table)), path)
    done = run("--ratings", path, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert note in (tmp_path / "out" / "notes.txt").read_text()


def test_the_test_that_fits_the_design_comes_first_and_the_papers_is_marked(tmp_path, file):
    args = ["--ratings", file, "--resamples", 100, "--out", tmp_path / "out"]
    done = CliRunner().invoke(app, [*map(str, args)])
    assert done.exit_code == 0, done.output
    tests = pd.read_csv(tmp_path / "out" / "tests.csv")
    assert tests["test"].tolist() == ["mixed model", "Friedman", "one-way ANOVA"]
    assert tests["remark"].iloc[-1] == "as in the paper; ignores that raters and videos repeat"
    table = ratings.read(file)
    fit = statistics.mixed_model(table, "empathy")
    assert tests["p_value"].iloc[0] == pytest.approx(fit.p_value)
    groups = [x.dropna() for _, x in table.groupby("condition")["value"]]
    assert tests["statistic"].iloc[2] == pytest.approx(scipy.stats.f_oneway(*groups).statistic)
    means = statistics.block_means(table, "empathy").dropna()
    ranks = scipy.stats.friedmanchisquare(*means.to_numpy().T)
    assert tests["statistic"].iloc[1] == pytest.approx(ranks.statistic)
    printed = done.stdout.splitlines()
    place = [next(i for i, x in enumerate(printed) if word in x) for word in ("mixed", "ANOVA")]
    assert place[0] < place[1] < next(i for i, x in enumerate(printed) if "gain" in x)
    fast = run("--ratings", file, "--out", tmp_path / "fast")
    assert fast.stdout.index("Friedman") < fast.stdout.index("ANOVA")
    assert "mixed model" not in fast.stdout


def test_gains_are_also_given_among_flagged_windows(tmp_path, study):
    flagged = study.table["video"] < "v00003"
    table = study.table.assign(flagged=flagged)
    path = tmp_path / "flagged.csv"
    ratings.write(ratings.check(table), path)
    done = run("--ratings", path, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    found = pd.read_csv(tmp_path / "out" / "gains_pooled_flagged.csv").set_index("condition")
    means = table[flagged].groupby("condition")["value"].mean()
    for condition in ("discrete", "dissonance"):
        expected = means[condition] - means["base"]
        assert found.loc[condition, "gain"] == pytest.approx(expected)
    assert set(found["n_videos"]) == {3}
    assert "3 of 8 rated windows are flagged" in done.stderr
    assert "3 of 8" not in run("--ratings", path, "--base", "none", "--out", tmp_path / "o").stderr


def test_severity_is_taken_out_where_asked_for(tmp_path, file, study):
    done = run("--ratings", file, "--adjust-severity", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    found = pd.read_csv(tmp_path / "out" / "gains_pooled_adjusted.csv")
    expected = statistics.gains(
        statistics.adjust_severity(study.table), by=(), bootstrap=Bootstrap(resamples=100)
    )
    np.testing.assert_allclose(found["gain"], expected["gain"])
    assert not (tmp_path / "out" / "judge_adjusted.csv").exists()
    table = pd.read_csv(file)
    apart = table[(table["rater"] == "r1") == (table["video"] < "v00004")]
    apart.to_csv(tmp_path / "apart.csv", index=False)
    done = run("--ratings", tmp_path / "apart.csv", "--adjust-severity", "--out", tmp_path / "two")
    assert done.exit_code == 0 and "Nothing was adjusted for severity" in done.stderr


def test_agreement_and_table_3_by_rater_group_are_written(tmp_path, file, study):
    study.judge.to_csv(tmp_path / "judge.csv", index=False)
    done = run("--ratings", file, "--judge", tmp_path / "judge.csv", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    kappa = pd.read_csv(tmp_path / "out" / "kappa_groups.csv")
    assert set(kappa["pairs"]) == {"within", "across"}
    groups = pd.read_csv(tmp_path / "out" / "table3_groups.csv")
    assert groups["rater_group"].tolist() == ["group1", "group2"]


def test_judgements_of_a_run_are_used_if_they_fit_and_named_ones_must(tmp_path, file, study):
    root = tmp_path / "run"
    root.mkdir()
    judged = study.judge.assign(score=9.0)  # off the scale
    judged.to_csv(root / "judgements.csv", index=False)
    done = run(root, "--ratings", file)
    assert done.exit_code == 0, done.output
    assert "judgements do not fit these ratings and are left out" in done.stderr
    assert not (root / "evaluation" / "table3.csv").exists()
    done = run(root, "--ratings", file, "--judge", root / "judgements.csv")
    assert isinstance(done.exception, EmodissError)


def test_wrong_use_is_named(tmp_path, study, file):
    empty = tmp_path / "empty.csv"
    ratings.write(ratings.check(study.table.assign(value=np.nan)), empty)
    for args, said in (
        ([], "No ratings were named"),
        (["--ratings", tmp_path / "absent.csv"], "no ratings file"),
        (["--ratings", empty], "every value is empty"),
        (["--ratings", file, "--judge", file], "lacks the column"),
        (["--ratings", file, "--high", 3], "expected a number from 1 to 3"),
        (["--ratings", file, "--out", file], "is a file"),
    ):
        done = run(*args)
        assert isinstance(done.exception, EmodissError), (args, done.output)
        assert said in str(done.exception)


@pytest.mark.parametrize("own", [False, True])
def test_sheets_of_a_blind_study_are_joined_with_their_key(tmp_path, study, own):
    whole = study.table[study.table["rater"] == "r1"]
    key = whole[["item", "video", "model", "condition"]].assign(repeat=0, repeat_of=whole["item"])
    key.to_csv(tmp_path / "key.csv", index=False)
    sheet = whole[["rater", "item", "criterion", "value"]]
    if own:  # criteria and a scale that the study beside the key states
        sheet = sheet.assign(criterion="warmth", value=sheet["value"] + 2)
        design = {"raters": {"r1": ""}, "seed": 0}
        scale = {"low": 1, "high": 7, "step": 1}
        said = {"study": "s", "criteria": ["warmth"], "scale": scale, "design": design}
        (tmp_path / "design.json").write_text(json.dumps(said))
    sheet.to_csv(tmp_path / "r1.csv", index=False)
    done = run(
        "--ratings", tmp_path / "r1.csv", "--key", tmp_path / "key.csv", "--out", tmp_path / "out"
    )
    assert done.exit_code == 0, done.exception
    means = pd.read_csv(tmp_path / "out" / "means.csv")
    assert means["n"].sum() == len(whole)
    assert set(means["criterion"]) == {"warmth" if own else "empathy"}
