"""Pairwise studies: blind, balanced, asked in the printed words, merged without a guess."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from emodiss import ratings, tabular
from emodiss.clients import RESISTANT
from emodiss.ratings import RatingsError, build_pairs, merge_pairs, pair_form

PAPER = Path(__file__).resolve().parents[1].parent / "shared" / "papers" / "mirror.txt"
MODELS = ("planner", "camel", "base")
CRITERIA = ("goal", "approach", "bond")


def sessions(n=12, models=MODELS, types=RESISTANT, failed=()):
    """n profiles by types by models, with a dialogue each but for those that failed."""
    rows = [
        {
            "case": f"p{p:03d}-{kind}",
            "profile": f"p{p:03d}",
            "resistance": kind,
            "model": model,
            "dialogue": f"Counselor: hello {p}\nClient: [sighs] {kind} {i}",
        }
        for p in range(n)
        for kind in types
        for i, model in enumerate(models)
    ]
    table = pd.DataFrame(rows)
    for case, model in failed:
        table.loc[(table["case"] == case) & (table["model"] == model), "dialogue"] = None
    return table


def filled(study, choose):
    """Sheets with a choice for every question: `choose(key row, criterion)`."""
    key = study.key.set_index("item")
    out = {}
    for rater, sheet in study.sheets.items():
        sheet = sheet.copy()
        for criterion in study.form.criteria:
            sheet[criterion] = [choose(key.loc[item], criterion) for item in sheet["item"]]
        out[rater] = sheet
    return out


def test_the_questions_are_the_printed_ones():
    form = pair_form()
    said = "\n".join(
        [
            form.instruction,
            *(t for q in form.questions for t in (q.question, q.objective, q.criteria)),
        ]
    )
    digest = hashlib.sha256(said.encode()).hexdigest()
    assert digest == "d28b24bf2039faa783a6c42b58136e91a8d12f7f843738ddf03f5f9188f29271"
    assert form.criteria == CRITERIA
    assert form.options == ("A", "Tie", "B")


@pytest.mark.skipif(not PAPER.is_file(), reason="the paper's text is not beside the repository")
def test_the_questions_stand_in_the_paper():
    text = PAPER.read_text(encoding="utf-8").replace("**", "")
    form = pair_form()
    assert form.instruction in text
    for question in form.questions:
        assert f"- {question.title}: {question.question}\nOptions: A / Tie / B" in text
        assert f"Objective: {question.objective}" in text
        assert f"Criteria: {question.criteria}" in text


def test_every_rater_sees_every_pair_once_and_sides_are_balanced():
    study = build_pairs(sessions(), MODELS, n_cases=30, seed=1, raters=["e1", "e2"])
    assert len(study.key) == 2 * 30 * 3
    assert study.key["item"].is_unique
    for _, own in study.key.groupby("rater"):
        meeting = own[["model_a", "model_b"]].apply(lambda r: "/".join(sorted(r)), axis=1)
        assert meeting.value_counts().to_list() == [30, 30, 30]
        for (_, _), part in own.assign(meeting=meeting).groupby(["meeting", "resistance"]):
            sides = part["model_a"].value_counts()
            assert sides.sum() == 10
            assert sides.max() == 5
    one, two = study.sheets.values()
    assert list(one["item"]) != list(two["item"])
    again = build_pairs(sessions(), MODELS, n_cases=30, seed=1, raters=["e1", "e2"])
    pd.testing.assert_frame_equal(study.key, again.key)
    other = build_pairs(sessions(), MODELS, n_cases=30, seed=2, raters=["e1", "e2"])
    assert set(other.key["case"]) != set(study.key["case"])


def test_nothing_shown_names_model_case_or_type():
    study = build_pairs(sessions(), MODELS, n_cases=6, seed=0)
    hidden = {"model_a", "model_b", "case", "profile", "resistance"}
    for sheet in study.sheets.values():
        assert not hidden & set(sheet.columns)
    assert set(study.pairs.columns) == {"item", "dialogue_a", "dialogue_b"}
    key = study.key.set_index("item")
    for row in study.pairs.itertuples():
        for side in "ab":
            ends = MODELS.index(key.loc[row.item, f"model_{side}"])
            assert getattr(row, f"dialogue_{side}").endswith(str(ends))


def test_200_cases_are_67_67_66_and_that_is_said():
    study = build_pairs(sessions(70), MODELS, n_cases=200, seed=3)
    counts = study.key.drop_duplicates("case")["resistance"].value_counts()
    assert sorted(counts) == [66, 67, 67]
    assert any("200 is no multiple of 3" in note for note in study.notes)
    assert not build_pairs(sessions(70), MODELS, n_cases=201, seed=3).notes


def test_a_failed_session_takes_its_case_out_and_is_counted():
    table = sessions(4, failed=[("p000-cognitive", "camel"), ("p001-emotional", "base")])
    study = build_pairs(table, MODELS, n_cases=10, seed=0)
    assert not {"p000-cognitive", "p001-emotional"} & set(study.key["case"])
    assert any(note.startswith("2 of 12 cases lack a session") for note in study.notes)
    # A row that is not there counts like one that failed.
    left_out = table.dropna(subset=["dialogue"])
    same = build_pairs(left_out, MODELS, n_cases=10, seed=0)
    pd.testing.assert_frame_equal(same.key, study.key)
    assert same.notes == study.notes
    with pytest.raises(RatingsError, match="only 10 have a session with every model"):
        build_pairs(table, MODELS, n_cases=11, seed=0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"models": ["planner"]}, "models must be a list of 2 or more"),
        ({"models": ["planner", "nobody"]}, "no session with the model 'nobody'"),
        ({"raters": ["e1", "e1"]}, "raters must be a list of 1 or more distinct"),
        ({"n_cases": 0}, "n_cases is 0"),
    ],
)
def test_impossible_studies_are_refused(change, said):
    given = {"models": MODELS, "n_cases": 3, "seed": 0} | change
    with pytest.raises(RatingsError, match=said):
        build_pairs(sessions(3), **given)


def test_a_session_twice_is_refused():
    table = sessions(3)
    with pytest.raises(RatingsError, match="2 session\\(s\\) are there twice"):
        build_pairs(pd.concat([table, table.head(2)]), MODELS, n_cases=3, seed=0)


def test_what_tells_models_apart_is_counted():
    table = sessions(4)
    table.loc[0, "dialogue"] = f"I am {table.loc[0, 'model'].upper()}"
    table.loc[[3, 4], "dialogue"] = "the same words"
    notes = " ".join(build_pairs(table, MODELS, n_cases=12, seed=0).notes)
    assert "Dialogues that name their own model: 1." in notes
    assert "In 1 pairs of sessions both dialogues are the same" in notes


def test_merging_gives_models_back_and_keeps_what_was_not_compared_missing():
    study = build_pairs(sessions(), MODELS, n_cases=6, seed=0)
    rank = {"planner": 2, "camel": 1, "base": 0}

    def choose(row, criterion):
        if criterion == "bond":
            return ""
        gap = rank[row["model_a"]] - rank[row["model_b"]]
        return "tie" if abs(gap) == 1 else "a" if gap > 0 else "B"

    table = merge_pairs(filled(study, choose), study.key)
    assert len(table) == 2 * 6 * 3 * 3
    assert table.loc[table["criterion"] == "bond", "choice"].isna().all()
    told = table[table["criterion"] != "bond"]
    assert set(told["choice"]) == {"A", "Tie", "B"}
    won = told["model_a"].where(told["choice"] == "A", told["model_b"])
    assert (won[told["choice"] != "Tie"] == "planner").all()


def test_every_fault_of_a_sheet_is_named_with_its_line():
    study = build_pairs(sessions(), MODELS, n_cases=3, seed=0)
    sheets = filled(study, lambda *_: "A")
    one = sheets["expert1"]
    one.loc[0, "goal"] = "both"
    one.loc[2] = one.loc[1]
    with pytest.raises(RatingsError) as caught:
        merge_pairs({"e1.csv": one, "e2.csv": sheets["expert2"]}, study.key)
    said = str(caught.value)
    assert "has 4 problems" in said
    assert "e1.csv, line 2, goal, choice: 'both' (expected one of A, Tie, B)" in said
    assert said.count("e1.csv, line 4") == 3
    assert "one comparison of a pair; the first is e1.csv, line 3, bond" in said


def test_codes_must_be_in_the_key_and_of_that_rater():
    study = build_pairs(sessions(), MODELS, n_cases=3, seed=0)
    sheets = filled(study, lambda *_: "A")
    sheets["expert1"].loc[0, "item"] = "NOSUCH"
    sheets["expert1"].loc[1, "item"] = sheets["expert2"].loc[0, "item"]
    with pytest.raises(RatingsError) as caught:
        merge_pairs(sheets, study.key)
    said = str(caught.value)
    assert "expert1, line 2, goal, item: 'NOSUCH' (expected a code of the key)" in said
    assert "expert1, line 3, bond, rater: 'expert1' (expected rater 'expert2'" in said


def test_a_study_is_written_read_and_never_over_another(tmp_path):
    table = sessions()
    table.loc[0, "dialogue"] = "=1+1"
    study = build_pairs(table, MODELS, n_cases=36, seed=0, raters={"e1": "g", "e2": "g"})
    paths = ratings.write_pairs(study, tmp_path)
    assert {p.relative_to(tmp_path).as_posix() for p in paths} == {
        *("pairs.csv", "form.json", "hidden/key.csv", "hidden/design.json"),
        *("sheets/e1.csv", "sheets/e2.csv", "hidden/SHA256SUMS"),
        *("instrument.toml", "instructions.md", "consent.md"),
    }
    design = json.loads((tmp_path / "hidden/design.json").read_text())
    assert design["kind"] == "pairs"
    redrawn = build_pairs(table, **design["design"])
    pd.testing.assert_frame_equal(redrawn.key, study.key)
    assert pair_form(tmp_path / "form.json") == study.form
    sheets = {}
    for rater in ("e1", "e2"):
        text = (tmp_path / f"sheets/{rater}.csv").read_text()
        assert ",=1+1" not in text
        assert "planner" not in text
        read = tabular.read(tmp_path / f"sheets/{rater}.csv", error=RatingsError, what="sheet")
        sheets[f"{rater}.csv"] = read.frame().assign(goal="A", approach="Tie", bond="B")
    key = pd.read_csv(tmp_path / "hidden/key.csv")
    merged = merge_pairs(sheets, key)
    merged.to_csv(tmp_path / "comparisons.csv", index=False)
    pd.testing.assert_frame_equal(ratings.read_pairs(tmp_path / "comparisons.csv"), merged)
    with pytest.raises(RatingsError, match="holds a study already"):
        ratings.write_pairs(study, tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", "holds no questions"),
        ('{"source": "s", "options": ["A", "B"], "instruction": "", "questions": []}', "cannot be"),
    ],
)
def test_own_questions_must_be_questions(tmp_path, content, said):
    (tmp_path / "form.json").write_text(content)
    with pytest.raises(RatingsError, match=said):
        pair_form(tmp_path / "form.json")


@settings(max_examples=25, deadline=None)
@given(
    n_cases=st.integers(1, 12),
    n_models=st.integers(2, 4),
    n_raters=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_sides_are_balanced_in_any_study(n_cases, n_models, n_raters, seed):
    models = [f"m{k}" for k in range(n_models)]
    raters = [f"r{k}" for k in range(n_raters)]
    study = build_pairs(sessions(4, models), models, n_cases=n_cases, seed=seed, raters=raters)
    for _, own in study.key.groupby("rater"):
        assert len(own) == n_cases * n_models * (n_models - 1) // 2
        first = own["model_a"] < own["model_b"]
        low, high = own[["model_a", "model_b"]].min(axis=1), own[["model_a", "model_b"]].max(axis=1)
        for _, part in own.assign(first=first).groupby([low, high]):
            assert abs(int(part["first"].sum()) * 2 - len(part)) <= 1
    kinds = study.key.drop_duplicates("case")["resistance"].value_counts()
    counts = np.array([kinds.get(kind, 0) for kind in RESISTANT])
    assert counts.max() - counts.min() <= 1
