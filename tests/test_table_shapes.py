"""Tables in odd shapes: read right, or refused with file, line, column and what to do."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from emodiss import ratings
from emodiss.corpus.curation import read_overrules
from emodiss.errors import EmodissError
from emodiss.judging.checks import read_scores
from emodiss.manifest import read as read_manifest

HEADER = "rater,item,video,model,condition,criterion,value"
ROW = "r1,i1,s1,m,base,empathy,4"
ROW_5 = "r1,i2,s1,m,base,empathy,5"
PLAIN = f"{HEADER}\n{ROW}\n{ROW_5}\n"


def save(folder, content):
    path = folder / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


READ = {
    "semicolons and decimal commas": PLAIN.replace(",", ";").replace(";4\n", ";4,0\n"),
    "tabs in UTF-16": PLAIN.replace(",", "\t").encode("utf-16"),
    "bars": PLAIN.replace(",", "|"),
    "all quoted": "\n".join(f'"{line}"'.replace(",", '","') for line in PLAIN.split("\n")[:3]),
    "sep= with its mark": "\ufeffsep=;\r\n" + PLAIN.replace(",", ";").replace("\n", "\r\n"),
    "carriage returns": PLAIN.replace("\n", "\r"),
    "blank rows and columns": f",{HEADER},,\n,,,,,,,,,\n,{ROW},,\n,{ROW_5},,\n,,\n",
    "numbered rows": f",{HEADER}\n0,{ROW}\n1,{ROW_5}\n",
    "a title": f"Ratings of our study\n{PLAIN}",
    "a title, tabs": f"Ratings\n\n{PLAIN}".replace(",", "\t"),
    "a title as wide as the table": f"Ratings of our study,,,,,,\n,,,,,,\n{PLAIN}",
    "a remark": f"# exported by hand\n{PLAIN}",
    "full-width and Arabic digits": f"{HEADER}\n{ROW[:-1]}４\n{ROW_5[:-1]}٥\n",
    "blanks around": PLAIN.replace(",", " ,\xa0"),
    "the end as DOS wrote it": f"{PLAIN}\x1a",
    "capitals": f"{HEADER.upper()}\n{ROW}\n{ROW_5.replace('empathy', 'Empathy')}\n",
    "lines in a cell": f'{HEADER},comment\n{ROW},"a\nb"\n{ROW_5},a\u2028b\n',
    "semicolons in a cell": f"{HEADER},comment\n{ROW},a; b; c; d; e; f; g; h\n{ROW_5},\n",
    "repeats as decimals": f"{HEADER},repeat\n{ROW},0.0\n{ROW_5},0.0\n",
}


@pytest.mark.parametrize("name", READ)
def test_ratings_in_odd_shapes_are_read(tmp_path, name):
    table = ratings.read(save(tmp_path, READ[name]))
    assert table[["item", "criterion", "value"]].to_numpy().tolist() == [
        ["i1", "empathy", 4.0],
        ["i2", "empathy", 5.0],
    ]


@pytest.mark.parametrize("cell", ["", "NA", "n/a", "NaN", "-", "–", "null", "#N/A", "."])
def test_what_stands_for_nothing_is_missing(tmp_path, cell):
    table = ratings.read(save(tmp_path, f"{HEADER}\n{ROW[:-1]}{cell}\n"))
    assert math.isnan(table["value"].iloc[0])


@pytest.mark.parametrize(
    "cell", ["four", "4/5", "4-May", "04.Jan", "80%", "inf", "99", "4.5", "1-5", "#NAME?", "k.A."]
)
def test_what_is_no_rating_is_named_with_its_line_and_column(tmp_path, cell):
    with pytest.raises(EmodissError, match=r"'t\.csv' has 1 problem:\s+line 3, value: ") as caught:
        ratings.read(save(tmp_path, f"Our ratings\n{HEADER}\n{ROW[:-1]}{cell}\n"))
    assert f"'{cell}' (expected a number" in str(caught.value)


REFUSED = {
    "Windows-1252": (f"{HEADER},comment\n{ROW},schön\n".encode("cp1252"), "line 2: byte 0xf6"),
    "UTF-16 without mark": (PLAIN.encode("utf-16-le"), "UTF-16 without a byte order mark"),
    "zero bytes": (f"{PLAIN}\0", "zero bytes"),
    "nothing": ("\n\n , ,\n", "is empty"),
    "twice the same": (f"{PLAIN}{ROW}\n", "line 4, (row)"),
    "a row of means": (f"{PLAIN},,,,,mean,4\n", "line 4, rater: '' (expected something)"),
    "a note below": (f"{PLAIN}\nThe second rater was ill\n", "line 5, (row): '1 cells'"),
    "the header again": (f"{PLAIN}{HEADER}\n", "line 4, value: 'value'"),
    "Markdown": (PLAIN.replace(",", " | ").replace("\n", "\n---|\n", 1), "line 2"),
    "blanks between": (PLAIN.replace(",", " "), "lacks the column(s) rater"),
    "JSON": ('[{"rater": "r1"}]', "lacks the column(s) rater"),
    "one column per criterion": (
        f"{HEADER.replace('criterion,value', 'empathy')}\nr1,i1,s1,m,base,4\n",
        "lacks the column(s) criterion, value",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_ratings_that_cannot_be_read_are_refused_by_place(tmp_path, name):
    content, said = REFUSED[name]
    with pytest.raises(ratings.RatingsError) as caught:
        ratings.read(save(tmp_path, content))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ("v.mp4,0.000578704,0.00833333", "would be 50.0 and 720.0 s"),
        ("v.mp4,0.000578704,", "would be 50.0 s"),
        ("v.mp4,30,12", "end must lie after start"),
        ("v.mp4,12:00:30 AM,", "column start: 11 characters that are not a time"),
    ],
)
def test_times_of_a_manifest_are_never_silently_wrong(tmp_path, cells, said):
    (tmp_path / "v.mp4").write_bytes(b"x")
    found = read_manifest(save(tmp_path, f"id,path,start,end\ns1,{cells}\n"))
    assert found.rows == ()
    assert [problem.line for problem in found.problems][:1] == [2]
    assert said in str(found.problems[0])


def test_short_stretches_and_exact_times_of_a_manifest_stay(tmp_path):
    (tmp_path / "v.mp4").write_bytes(b"x")
    rows = "s1,v.mp4,0.5333333,30\ns2,v.mp4,0.25,0.75\ns3,v.mp4,0:30,12:00\ns4,v.mp4,0.0000000,\n"
    found = read_manifest(save(tmp_path, f"List of videos\nid,path,start,end\n{rows}"))
    assert [row.start for row in found.rows] == [0.5333333, 0.25, 30, 0]


def test_decisions_are_read_whatever_their_case(tmp_path):
    found = read_overrules(save(tmp_path, "ID;Verdict;Why\ns1;Keep;gut, sehr\ns2; exclude ;b\n"))
    assert found == {"s1": ("keep", "gut, sehr"), "s2": ("exclude", "b")}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("s1,keep,good\ns1,exclude,bad\n", "line 3: 's1' is decided on before"),
        (",keep,good\n", "line 2: `id` is empty"),
        ("s1,keep\n", "line 2: a decision needs a reason"),
        ("s1,yes,good\n", "line 2: the verdict 'yes' is neither"),
    ],
)
def test_decisions_that_decide_nothing_are_refused(tmp_path, rows, said):
    with pytest.raises(EmodissError, match=said):
        read_overrules(save(tmp_path, f"id,verdict,why\n{rows}"))


def test_scores_bear_the_names_of_the_built_in_criteria(tmp_path):
    table = read_scores(save(tmp_path, "Item;Criterion;Score\ni1;EMPATHY;4,5\n"))
    assert table[["criterion", "score"]].to_numpy().tolist() == [["empathy", 4.5]]


def test_nobody_answers_the_questionnaire_twice():
    answers = pd.DataFrame({"rater": ["r1", "R1 "], "degree": ["Master", "Doctorate"]})
    with pytest.raises(ratings.RatingsError, match="two rows of the rater 'R1 '"):
        ratings.background(answers)
