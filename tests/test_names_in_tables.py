"""Names of columns, criteria, models and raters, as people spell them: one name, or named twice."""

from __future__ import annotations

import unicodedata

import pandas as pd
import pytest

from emodiss import ratings
from emodiss.judging import match_items
from emodiss.judging.checks import read_scores
from emodiss.manifest import read as read_manifest
from emodiss.ratings.pairs import read_pairs

HEADER = "rater,item,video,model,condition,criterion,value"
ROW = "r1,i{n},s1,{model},{condition},{criterion},4"


def table(tmp_path, *rows, header=HEADER):
    path = tmp_path / "ratings.csv"
    path.write_text("\n".join((header, *rows)), encoding="utf-8")
    return path


def row(n, *, model="ours", condition="base", criterion="empathy"):
    return ROW.format(n=n, model=model, condition=condition, criterion=criterion)


@pytest.mark.parametrize("said", ["Empathy", "EMPATHY ", " empathy", "ｅｍｐａｔｈｙ", "eMpathy"])
def test_known_criteria_are_one_however_spelled(tmp_path, said):
    path = table(tmp_path, row(1), row(2, criterion=said))
    assert ratings.read(path)["criterion"].tolist() == ["empathy", "empathy"]
    assert ratings.read(path, criteria=["empathy"])["criterion"].nunique() == 1


@pytest.mark.parametrize(
    "header",
    [
        "Rater,Item,Video,Model,Condition,Criterion,Value",
        "RATER ,item,video,model,condition, criterion,ｖａｌｕｅ",
    ],
)
def test_columns_are_known_however_spelled(tmp_path, header):
    assert len(ratings.read(table(tmp_path, row(1), header=header))) == 1


def test_two_spellings_of_one_column_are_refused(tmp_path):
    path = table(tmp_path, row(1) + ",5", header=HEADER + ",Value")
    with pytest.raises(ratings.RatingsError, match="line 1, names columns twice: value"):
        ratings.read(path)


@pytest.mark.parametrize(
    ("field", "first", "second"),
    [
        ("model", "GPT-x", "gpt-x"),
        ("model", "our model", "our_model"),
        ("criterion", "Wärme", "wärme"),
        ("criterion", "Wärme", unicodedata.normalize("NFD", "Wärme")),
        ("condition", "mine", "Mine"),
    ],
)
def test_two_spellings_of_an_own_name_are_named_both(tmp_path, field, first, second):
    path = table(tmp_path, row(1, **{field: first}), row(2, **{field: second}))
    with pytest.raises(ratings.RatingsError) as caught:
        ratings.read(path)
    assert f"line 3, {field}: '{second}' (expected '{first}' as in line 2" in str(caught.value)


def test_names_that_differ_stay_two(tmp_path):
    path = table(tmp_path, row(1, model="gpt-4"), row(2, model="gpt-4.1"), row(3, model="gpt-41"))
    assert ratings.read(path)["model"].nunique() == 3


def test_sheets_name_their_criteria_however_spelled():
    key = pd.DataFrame(
        [{"item": "i1", "video": "s1", "model": "m", "condition": "base", "repeat": 0}]
    ).assign(window="w", repeat_of="i1")
    sheet = pd.DataFrame([{"Rater": "r1", "ITEM": "i1", "Empathy ": "4"}])
    merged = ratings.merge([sheet], key, criteria=["empathy"])
    assert merged["value"].tolist() == [4]


def test_models_of_both_sides_are_one_column(tmp_path):
    path = table(
        tmp_path,
        "r1,i1,c1,empathy,Ours,other,A",
        "r1,i2,c2,empathy,other,ours,B",
        header="rater,item,case,criterion,model_a,model_b,choice",
    )
    with pytest.raises(
        ratings.RatingsError, match=r"line 3, model_b: 'ours' .*'Ours' as in line 2"
    ):
        read_pairs(path)


def test_scores_name_their_criterion_one_way(tmp_path):
    path = table(tmp_path, "i1,warmth,4", "i2,Warmth,4", header="Item,criterion,score")
    with pytest.raises(ratings.RatingsError, match=r"line 3, criterion: 'Warmth' .*line 2"):
        read_scores(path)


def test_judges_and_people_mean_one_criterion_and_one_model(tmp_path):
    own = table(tmp_path, row(1, model="Ours", criterion="Wärme"))
    rated = ratings.read(own)
    scores = pd.DataFrame(
        [{"item": "x", "video": "s1", "model": "ours", "condition": "BASE", "criterion": "wärme"}]
    ).assign(judge="j", score=4.0)
    matched, notes = match_items(scores, rated)
    assert matched[["item", "model", "condition", "criterion"]].to_numpy().tolist() == [
        ["i1", "Ours", "base", "Wärme"]
    ]
    assert notes == []


def test_a_manifest_may_shout(tmp_path):
    (tmp_path / "v.mp4").write_bytes(b"x")
    path = table(tmp_path, "s1,v.mp4", header="ID,Path")
    assert [each.id for each in read_manifest(path).rows] == ["s1"]
