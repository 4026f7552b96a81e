"""`emodiss.study.evaluate` and `rating_study`: from ratings to tables, notes and figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import emodiss
from emodiss import ratings, statistics
from emodiss.errors import EmodissError, SettingsError
from emodiss.runs.run import Run
from emodiss.study import evaluate

QUICK = {"resamples": 100, "mixed": False}


@pytest.fixture(scope="module")
def invented():
    return ratings.simulate(n_videos=8, seed=2)


def test_tables_in_hand_and_files_give_the_same(tmp_path, invented):
    table = ratings.check(invented.table)
    ratings.write(table, tmp_path / "ratings.csv")
    invented.judge.to_csv(tmp_path / "judge.csv", index=False)
    in_hand = evaluate(rated=table, judges=[invented.judge], **QUICK)
    files = evaluate(rated=[tmp_path / "ratings.csv"], judges=[tmp_path / "judge.csv"], **QUICK)
    assert in_hand.notes == files.notes and set(in_hand.tables) == set(files.tables)
    for name, frame in files.tables.items():
        pd.testing.assert_frame_equal(in_hand.tables[name], frame, check_dtype=False)
    expected = statistics.condition_means(
        invented.table, bootstrap=statistics.Bootstrap(resamples=100)
    )
    np.testing.assert_allclose(in_hand.tables["means"]["mean"], expected["mean"])
    assert "table3" in in_hand.tables


def test_what_the_run_folder_holds_is_taken_where_nothing_is_named(tmp_path, invented):
    ratings.write(ratings.check(invented.table), tmp_path / "ratings.csv")
    invented.judge.to_csv(tmp_path / "judgements.csv", index=False)
    found = evaluate(Run(tmp_path), **QUICK)
    assert "table3" in found.tables and not found.notes[-1].startswith("The run's judgements")
    # Named ones must fit, those of the run need not.
    invented.judge.assign(score=9.0).to_csv(tmp_path / "judgements.csv", index=False)
    found = evaluate(Run(tmp_path), **QUICK)
    assert "table3" not in found.tables
    assert "judgements do not fit these ratings" in found.notes[-1]
    with pytest.raises(EmodissError, match="from 1 to 5"):
        evaluate(Run(tmp_path), judges=[tmp_path / "judgements.csv"], **QUICK)


def test_figures_are_drawn_and_written_from_the_same_result(tmp_path, invented):
    replies = pd.DataFrame(
        {"model": "m", "condition": ["base", "other"], "technique": ["A", ""], "response": "Yes."}
    )
    people = pd.DataFrame({"rater": ["r1", "r2"], "degree": ["PhD", "None"]})
    found = evaluate(
        rated=ratings.check(invented.table), replies=replies, background=people, **QUICK
    )
    assert found.conditions == ("base", "other")
    names = ("figure5", "figure6", "figure7", "figure11")
    assert set(found.figures()) == set(names)
    written = found.write(tmp_path / "out")
    assert {p.relative_to(tmp_path / "out").as_posix() for p in written} == {
        *(f"{name}.csv" for name in found.tables),
        *(f"figures/{name}.png" for name in names),
        *("notes.txt", "figure7.html"),
    }
    assert all(path.stat().st_size for path in written)
    assert (tmp_path / "out" / "notes.txt").read_text().splitlines() == found.notes


def test_without_ratings_it_says_so(tmp_path, invented):
    for options in ({}, {"run": Run(tmp_path)}):
        with pytest.raises(SettingsError, match="No ratings were named"):
            evaluate(**options)
    with pytest.raises(SettingsError, match="every value is empty"):
        evaluate(rated=ratings.check(invented.table.assign(value=np.nan)))
    with pytest.raises(EmodissError, match="no ratings file"):
        evaluate(rated=tmp_path / "absent.csv")


def own_study():
    """One window, two conditions; two raters, who rate warmth and pacing from 1 to 7."""
    windows = pd.DataFrame({"video": ["v1"], "window": ["u0000-u0001"]})
    return ratings.build_study(
        windows, models=["m"], conditions=["base", "dissonance"], raters=["r1", "r2"], seed=3,
        criteria=("warmth", "pacing"), scale=ratings.RatingScale(1, 7, 1),
    )  # fmt: skip


def filled(study, rater):
    """Rate the base condition 2 and the other 7 for warmth, and all 4 for pacing."""
    sheet = study.sheets[rater]
    condition = sheet["item"].map(study.key.set_index("item")["condition"])
    return sheet.assign(warmth=condition.map({"base": 2, "dissonance": 7}), pacing=4)


def test_sheets_of_a_study_with_its_own_criteria_and_scale_are_read_with_its_key(tmp_path):
    study = own_study()
    ratings.write_study(study, tmp_path)
    paths = [tmp_path / "sheets" / f"{rater}.csv" for rater in study.sheets]
    for rater, path in zip(study.sheets, paths, strict=True):
        filled(study, rater).to_csv(path, index=False)
    found = [
        evaluate(None, paths, key=tmp_path / "hidden" / "key.csv", **QUICK),
        evaluate(
            None, [pd.read_csv(path) for path in paths], key=study.key, criteria=study.criteria,
            scale=study.scale, **QUICK,
        ),
    ]  # fmt: skip
    for one in found:
        means = one.tables["means"].set_index(["criterion", "condition"])["mean"].to_dict()
        assert means == {
            ("warmth", "base"): 2, ("warmth", "dissonance"): 7,
            ("pacing", "base"): 4, ("pacing", "dissonance"): 4,
        }  # fmt: skip
        assert one.scale == study.scale
    # A scale that is named counts more than that of the study.
    with pytest.raises(EmodissError, match="from 1 to 5"):
        evaluate(
            None, paths, key=tmp_path / "hidden" / "key.csv", scale=ratings.RatingScale(1, 5, 1)
        )


def test_the_key_of_a_study_of_pairs_is_refused(tmp_path):
    said = [{"case": "c", "model": m, "dialogue": f"Client: Hm, {m}."} for m in ("one", "two")]
    made = ratings.build_pairs(pd.DataFrame(said), ["one", "two"], n_cases=1, seed=0)
    ratings.write_pairs(made, tmp_path)
    sheet = tmp_path / "sheets" / "expert1.csv"
    with pytest.raises(SettingsError, match="'pairs' compares pairs"):
        evaluate(None, [sheet], key=tmp_path / "hidden" / "key.csv")


def test_it_is_a_name_of_the_library():
    assert emodiss.study.evaluate is evaluate
