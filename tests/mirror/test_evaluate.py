"""An experiment's tables and figures: every missing session counted, nothing turned into a zero."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from emodiss import mirror
from emodiss.chat.endpoint import Endpoint
from emodiss.cli import app
from emodiss.errors import RunError, SettingsError
from emodiss.faces.drawn import FacePicture
from emodiss.mirror.faces import face_file
from emodiss.mirror.judge import read_scores
from emodiss.mirror.scores import chosen_judgements, score_grid
from emodiss.mirror.sets import counselling_sets
from emodiss.ratings import RatingsError
from emodiss.screenplays import Screenplay
from emodiss.statistics import Bootstrap
from tests.mirror.people import PROFILES
from tests.mirror.sessions import THERAPISTS, Judge, experiment, usual

FEW = Bootstrap(resamples=50)
BROKEN = [("p01-cognitive", "plain"), ("p02-none", "ours")]


def judged(root, say=usual, asking=None, name="judge", **more):
    """An experiment, and its sessions judged."""
    made = experiment(root, **more)
    endpoint = Endpoint(models=[Judge(say, name)], concurrency=1, no_cache=True)
    mirror.judge(made, endpoint, asking)
    return made


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Three profiles by four types by three therapists, two sessions broken; pairs compared."""
    made = judged(tmp_path_factory.mktemp("m") / "e", profiles=PROFILES[:3], broken=BROKEN)
    study, _ = mirror.pairs(made, n_cases=6, seed=1)
    key = study.key.set_index("item")
    rank = {"ours": 2, "plain": 1, "words": 0}
    paths = []
    for rater, sheet in study.sheets.items():
        sheet = sheet.copy()
        for k, item in enumerate(sheet["item"]):
            gap = rank[key.loc[item, "model_a"]] - rank[key.loc[item, "model_b"]]
            other = k % 5 == 0
            choice = "Tie" if k % 4 == 3 else "A" if (gap > 0) != other else "B"
            sheet.loc[k, ["goal", "approach", "bond"]] = ["" if k == 0 else choice, choice, choice]
        paths.append(made.root / f"{rater}.csv")
        sheet.to_csv(paths[-1], index=False)
    mirror.collect_pairs(made, paths)
    return made


@pytest.fixture(scope="module")
def found(whole):
    return mirror.evaluate(whole, bootstrap=FEW)


def test_every_table_is_there(found):
    assert {f"table{k}" for k in range(1, 7)} <= set(found.tables)
    shown = found.tables["table2"].set_index("Model")
    assert list(shown.index) == ["plain", "words", "ours"]
    assert list(shown.columns) == [
        *("Understanding", "Interpersonal Effectiveness", "Collaboration", "Guided Discovery"),
        *("Focus", "Response Length Avg.", "Response Length Max"),
    ]
    assert shown.loc["ours", "Focus"] == "5.000 +0.000"
    assert shown.loc["plain", "Focus"].startswith("3.000")
    assert shown.loc["plain", "Focus"].endswith("-1.000")
    alliance = found.tables["table3"].set_index("Model")
    assert alliance.loc["ours"].to_list() == ["4.000 +0.000"] * 3


def test_missing_sessions_drop_the_pair_and_are_counted(found):
    tests = found.tables["table2_tests"].set_index(["criterion", "model"])
    assert tests.loc[("focus", "plain"), ["n", "n_dropped"]].to_list() == [8, 1]
    assert tests.loc[("focus", "plain"), "dropped"] == "1 plain: session_failed"
    assert tests.loc[("focus", "words"), "n_dropped"] == 0
    change = found.tables["table2_change"].set_index(["criterion", "model", "resistance"])
    assert change.loc[("focus", "ours", "all"), ["n", "n_dropped"]].to_list() == [2, 1]
    assert change.loc[("focus", "plain", "emotional"), "n"] == 3
    grid = found.tables["scores"]
    assert len(grid) == 12 * 3 * (6 + 3)
    assert grid["score"].isna().sum() == 2 * 9
    assert set(grid.loc[grid["score"].isna(), "reason"]) == {"session_failed"}
    assert any("18 of 324 scores are missing (18 session_failed)" in note for note in found.notes)
    counts = found.tables["failure_counts"].set_index(["model", "failure"])
    assert counts.loc[("plain", "failed"), "n"] == 1


def test_pairs_of_the_broken_sessions_are_not_shown(whole, found):
    told = pd.read_csv(whole.root / "pair_ratings.csv")
    assert "p01-cognitive" not in set(told["case"])
    goal = found.tables["table4"].set_index("Model")
    rates = goal[["ours", "plain", "words"]].to_numpy()
    off = ~np.eye(3, dtype=bool)
    assert (rates + rates.T)[off] == pytest.approx(100)
    assert list(goal.index) == list(THERAPISTS)
    missing = found.tables["win_rates"].groupby("criterion")["n_missing"].sum()
    assert missing.to_dict() == {"goal": 4, "approach": 0, "bond": 0}  # each counts from both sides
    assert set(found.tables["pair_agreement"]["n_dropped"]) <= {0, 1, 2}


def test_unreadable_answers_are_missing_or_zero_if_asked(tmp_path):
    def say(text):
        return "Well." if "emotional for me" in text and "p+ec" in text else usual(text)

    made = judged(tmp_path / "e", say, profiles=PROFILES[:2])
    plain = mirror.evaluate(made, bootstrap=FEW)
    zero = mirror.evaluate(made, bootstrap=FEW, parse_failure="zero")
    shown = plain.tables["table2"].set_index("Model")
    assert shown.loc["ours", "Focus"].startswith("5.000")
    tests = plain.tables["table2_tests"].set_index(["criterion", "model"])
    assert tests.loc[("focus", "plain"), "dropped"] == "2 ours: unparsable"
    lowered = zero.tables["table2"].set_index("Model")
    assert lowered.loc["ours", "Focus"].startswith(f"{10 / 3:.3f}")
    assert any("count as 0, as in CACTUS" in note for note in zero.notes)
    # The alliance has no 0: there it stays missing.
    assert zero.tables["table3"].equals(plain.tables["table3"])
    unread = plain.tables["unread"].set_index("criterion")
    assert unread.loc["focus", ["n", "n_unparsable"]].to_list() == [24, 2]
    with pytest.raises(SettingsError, match="Unknown: 'nought'"):
        mirror.evaluate(made, parse_failure="nought")


def test_a_session_that_changed_since_has_no_score(tmp_path):
    made = judged(tmp_path / "e", profiles=PROFILES[:1])
    every = made.encounters.read()
    lines = (replace(every[0].lines[0], words="Good day."), *every[0].lines[1:])
    every[0] = replace(every[0], lines=lines)
    made.encounters.write(every)
    grid = mirror.evaluate(made, bootstrap=FEW).tables["scores"].set_index("item")
    assert set(grid.loc[every[0].id, "reason"]) == {"session_changed"}
    assert grid["score"].isna().sum() == 9


def test_a_case_that_was_not_simulated_with_everyone(tmp_path):
    made = judged(tmp_path / "e", profiles=PROFILES[:2])
    every = made.encounters.read()
    made.encounters.write([each for each in every if each.id != "p01-cognitive/words"])
    grid = mirror.evaluate(made, bootstrap=FEW).tables["scores"]
    gone = grid[grid["score"].isna()]
    assert set(gone["reason"]) == {"no_session"}
    assert set(gone["item"]) == {"p01-cognitive/words"}


def test_one_way_of_judging_counts(tmp_path):
    made = judged(tmp_path / "e", profiles=PROFILES[:1])
    again = Endpoint(models=[Judge(lambda _: "1, no [[1]]", "second")], concurrency=1)
    mirror.judge(made, again, mirror.Asking(instruments=["alliance"], as_printed=True))
    assert mirror.evaluate(made, bootstrap=FEW).tables["table3"].iloc[2, 1].startswith("4.000")
    printed = mirror.evaluate(made, wording=["as_printed"], bootstrap=FEW)
    assert printed.tables["table3"].iloc[2, 1].startswith("1.000")
    assert "table2" in printed.tables
    assert any("asked as printed" in note for note in printed.notes)
    mirror.judge(made, again, mirror.Asking(instruments=["alliance"]))
    with pytest.raises(SettingsError, match="was judged in several ways: judge judge"):
        mirror.evaluate(made)
    alone = mirror.evaluate(made, judge="second", bootstrap=FEW)
    assert "table2" not in alone.tables
    with pytest.raises(SettingsError, match="no judge 'third'"):
        mirror.evaluate(made, judge="third")
    with pytest.raises(SettingsError, match="in the wording 'loud'"):
        mirror.evaluate(made, wording=["loud"])


def test_the_reference_must_be_clear(tmp_path):
    made = experiment(tmp_path / "e", therapists={"a": "text", "b": "base"})
    with pytest.raises(SettingsError, match="No therapists plan and caption"):
        mirror.evaluate(made)
    with pytest.raises(SettingsError, match="no therapist 'c'"):
        mirror.evaluate(made, reference="c")
    notes = mirror.evaluate(made, reference="a").notes
    assert any("Nothing was judged yet" in note for note in notes)
    assert any("No pairs were compared" in note for note in notes)
    with pytest.raises(RunError, match="no encounters"):
        mirror.evaluate(mirror.create(tmp_path / "f"))


def test_replies_of_different_limits_are_not_compared_in_silence(tmp_path):
    made = experiment(tmp_path / "e")
    every = [
        replace(each, settings={"therapist": {"max_tokens": 1024}})
        if each.therapist == "plain"
        else each
        for each in made.encounters.read()
    ]
    assert not any("different limits" in n for n in mirror.evaluate(made).notes)
    made.encounters.write(every)
    assert any("1024: plain; 256: ours, words" in n for n in mirror.evaluate(made).notes)


def test_the_printed_sets_and_the_own_one(tmp_path):
    made = experiment(tmp_path / "e")
    table = counselling_sets(made).set_index("dataset")
    assert table["dialogues"].to_dict() == {
        "Psych8k": 8187,
        "HealMe": 1300,
        "CACTUS": 31577,
        "CPsyCounD": 3134,
        "M2CoSC": 429,
        "MEDIC": 771,
        "MIRROR": 3073,
    }
    assert table.loc["MIRROR", ["turns", "images", "aligned"]].to_list() == [10.3, 9.51, "yes"]
    assert table["images"].isna().sum() == 4
    each = made.encounters.read()[0]
    plays = [Screenplay(each.case, each.lines, "m", "0")]
    plays.append(Screenplay(made.cases.read()[1], (), "m", "1", status="empty"))
    made.screenplays.write(plays)
    for n, status in ((1, "drawn"), (3, "drawn"), (5, "failed")):
        face_file(made).append([FacePicture(each.case.id, n, status, path=f"{n}.png")])
    own = counselling_sets(made).set_index("dataset").loc["This experiment"]
    assert own[["dialogues", "turns", "images", "aligned"]].to_list() == [1, 2.0, 2.0, "yes"]


def test_figure_14_shows_lines_that_have_both_pictures(tmp_path):
    made = experiment(tmp_path / "e", profiles=PROFILES[:2], kinds=["none"])
    plays = [
        Screenplay(each.case, each.lines, "m", each.id) for each in made.encounters.read()[::3]
    ]
    made.screenplays.write(plays)
    for folder in ("faces", "faces_without_directions"):
        file = face_file(made, without_directions=folder != "faces")
        for play in plays:
            for n in (1, 3):
                # The first client's first line has no picture with directions.
                failed = folder == "faces" and play is plays[0] and n == 1
                path = f"{folder}/{play.case.id}/{n:03d}.png"
                status = "failed" if failed else "drawn"
                file.append([FacePicture(play.case.id, n, status, path=path)])
    found = mirror.evaluate(made, bootstrap=FEW).examples
    assert [one[2] for one in found] == ["[looks away]", "[sighs]"]
    places = [tuple(p.relative_to(made.root).as_posix() for p in one[:2]) for one in found]
    assert places[0] == (
        "faces_without_directions/p00-none/003.png",
        "faces/p00-none/003.png",
    )


def test_sheets_with_faults_are_refused_whole(whole, tmp_path):
    sheet = tmp_path / "e.csv"
    sheet.write_text("rater,item,goal,approach,bond\nexpert1,XXX,A,B,A\n")
    before = (whole.root / "pair_ratings.csv").read_bytes()
    with pytest.raises(RatingsError, match="'XXX' \\(expected a code of the key\\)"):
        mirror.collect_pairs(whole, [sheet])
    assert (whole.root / "pair_ratings.csv").read_bytes() == before
    with pytest.raises(SettingsError, match="No filled sheet"):
        mirror.collect_pairs(whole, [])
    with pytest.raises(RatingsError, match="holds no study"):
        mirror.collect_pairs(whole, [sheet], study=tmp_path)


def test_tables_notes_and_figures_are_written(found, tmp_path):
    paths = found.write(tmp_path / "out")
    names = {path.name for path in paths}
    assert {"table2.csv", "table4.csv", "notes.txt", "figure5.png", "figure7.png"} <= names
    assert all(path.stat().st_size > 0 for path in paths)
    read = pd.read_csv(tmp_path / "out" / "table2.csv")
    assert list(read["Model"]) == ["plain", "words", "ours"]
    again = found.write(tmp_path / "again")
    for one, two in zip(paths, again, strict=True):
        assert one.read_bytes() == two.read_bytes()
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="is a file"):
        found.write(tmp_path / "file")


def test_the_commands(whole, tmp_path):
    run = CliRunner().invoke
    said = run(app, ["mirror", "evaluate", str(whole.root), "--resamples", "50", "--no-figures"])
    assert said.exit_code == 0, said.output
    assert "Table 2" in said.output
    assert (whole.root / "evaluation" / "table3.csv").exists()
    options = ["--no-figures", "--resamples", "50"]
    shown = run(app, ["mirror", "evaluate", str(whole.root), "--json", *options])
    content = json.loads(shown.stdout)
    assert content["tables"]["table2"][2]["Model"] == "ours"
    csv = run(
        app, ["mirror", "evaluate", str(whole.root), "--csv", "--table", "side_bias", *options]
    )
    assert csv.stdout.startswith("criterion,rater,n_a")
    other = tmp_path / "study"
    dealt = run(
        app,
        ["mirror", "pairs", str(whole.root), "--cases", "3", "--study", str(other), "--rater", "a"],
    )
    assert dealt.exit_code == 0, dealt.output
    assert (other / "sheets" / "a.csv").exists()
    twice = run(app, ["mirror", "pairs", str(whole.root), "--rater", "a", "--rater", "a"])
    assert isinstance(twice.exception, SettingsError)
    filled = [str(whole.root / f"expert{k}.csv") for k in (1, 2)]
    joined = run(
        app, ["mirror", "pairs", str(whole.root), "--filled", filled[0], "--filled", filled[1]]
    )
    assert "108 comparisons, 2 not answered" in joined.output


def test_a_grid_of_chosen_judgements_is_whole(whole):
    chosen = chosen_judgements(read_scores(whole))
    grid = score_grid(whole.encounters.read(), chosen.table)
    assert not grid.duplicated(["case", "model", "criterion"]).any()
    assert not (grid["score"] == 0).any()
