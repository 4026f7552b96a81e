"""One reader of tables: what spreadsheets, R and editors do to a CSV, in every kind of table."""

from __future__ import annotations

import math
import unicodedata

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from emodiss import manifest, tabular
from emodiss.errors import ManifestError
from emodiss.tabular import Column
from emodiss.transcript import read_report

ROWS = [("s1", "a.mp4", "Part, one"), ("s2", "b.mp4", 'He said "so"')]


def written(delimiter=",", *, newline="\n", extra="", sep=False):
    def cell(text):
        special = delimiter in text or '"' in text
        return '"' + text.replace('"', '""') + '"' if special else text

    lines = [delimiter.join(map(cell, row)) + extra for row in (("id", "path", "title"), *ROWS)]
    lines = [f"sep={delimiter}", *lines] if sep else lines
    return newline.join(lines) + newline


def read(path, **rest):
    return tabular.read(path, error=ManifestError, what="manifest", **rest)


VARIANTS = {
    "comma": written().encode(),
    "semicolon": written(";").encode(),
    "tab": written("\t").encode(),
    "bar": written("|").encode(),
    "byte order mark": b"\xef\xbb\xbf" + written().encode(),
    "UTF-16": written("\t").encode("utf-16"),
    "UTF-16 from the other side": b"\xfe\xff" + written(";").encode("utf-16-be"),
    "Windows": written(newline="\r\n").encode(),
    "old Macintosh": written(newline="\r").encode(),
    "sep=;": written(";", sep=True).encode(),
    "sep= and Windows": written("\t", sep=True, newline="\r\n").encode(),
    "sep= in UTF-16": written(";", sep=True).encode("utf-16"),
    "empty columns": written(extra=",,").encode(),
    "blank rows": ("\n,,\n" + written() + "\n , ,\n").encode(),
    "rows numbered by R": "\n".join(
        (f'"{i}"' if i else '""') + f",{line}" for i, line in enumerate(written().splitlines())
    ).encode(),
    "no line end": written().rstrip("\n").encode(),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_the_same_rows_come_out_however_they_were_saved(tmp_path, name):
    path = tmp_path / "m.csv"
    path.write_bytes(VARIANTS[name])
    table = read(path, known=("id", "path"))
    assert [tuple(row.cells.values()) for row in table.rows] == ROWS
    found = manifest.read(path)
    assert [row.id for row in found.rows] == ["s1", "s2"]
    assert found.problems == ()


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_only_line_ends_end_lines(tmp_path, mark):
    path = tmp_path / "m.csv"
    path.write_text(f"id,path,title,notes\ns1,v.mp4,Part one{mark}Part two,x\ns2,v.mp4,ok,y\n")
    found = manifest.read(path)
    assert found.metadata["s1"]["title"] == f"Part one{mark}Part two"
    assert [row.notes for row in found.rows] == ["x", "y"]


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("id,path\ns1,a.mp4,x\n", r"'m\.csv', line 2: 3 cells; expected 2"),
        ("id,path,\ns1,a.mp4,x\n", r"'m\.csv', line 2: text in column 3, which has no name"),
        ('id,path\ns1,"a.mp4\n', r"'m\.csv', line 2: a quote that is not closed"),
        ("id,path,id\ns1,a.mp4,x\n", "line 1, names columns twice: id"),
        ("\n , \n", "is empty"),
        ("id,path\ns1,\0\n", "zero bytes"),
    ],
)
def test_faults_name_file_and_line(tmp_path, content, match):
    path = tmp_path / "m.csv"
    path.write_text(content)
    with pytest.raises(ManifestError, match=match):
        read(path)


@pytest.mark.parametrize("encoding", ["windows-1252", "gb18030", "utf-16-le"])
def test_other_encodings_are_refused_with_line_and_byte(tmp_path, encoding):
    path = tmp_path / "m.csv"
    path.write_bytes("id,path\ns1,a.mp4\ns2,séance\n".encode(encoding))
    with pytest.raises(ManifestError, match=r"line 3: byte 0x|zero bytes"):
        read(path)


def test_lines_are_those_of_the_file(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text('sep=;\n\nid;path;title\ns1;a;"two\nlines"\n\ns2;b;c\n')
    assert [row.line for row in read(path).rows] == [4, 7]


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), (" 3,5 ", 3.5), ("-.5", -0.5), ("1e-3", 0.001), ("4.", 4), ("NA", math.nan)]
    + [(text, math.nan) for text in ("", "nan", "N/A", "-", "–", "NULL", "#N/A", "<NA>", ".")],
)
def test_numbers_as_people_write_them(text, value):
    assert tabular.number(text) == pytest.approx(value, nan_ok=True)


@pytest.mark.parametrize("text", ["x", "1.000,5", "3 4", "1/2", "٤x", "inf", "0x10", "1_0"])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(ValueError, match="number"):
        tabular.number(text)


@settings(deadline=None)
@given(st.lists(st.text(st.sampled_from("=+-@'\t ab1"), max_size=5), min_size=1, max_size=4))
def test_formulas_are_quoted_for_spreadsheets_and_come_back(texts):
    texts = [text.strip() for text in texts]
    table = pd.DataFrame({"a": texts, "n": range(len(texts))})
    safe = tabular.for_spreadsheets(table)
    assert not any(str(text).startswith(("=", "+", "-", "@", "\t")) for text in safe["a"])
    back = tabular.parse(safe.to_csv(index=False), "x", restore=True)
    assert [row.cells["a"] for row in back.rows] == texts


def test_numbers_and_missing_cells_are_not_quoted():
    table = pd.DataFrame({"n": [-1.5, math.nan], "a": ["=x", None]})
    safe = tabular.for_spreadsheets(table)
    assert safe["n"].equals(table["n"])
    assert list(safe["a"].fillna("-")) == ["'=x", "-"]


@pytest.mark.parametrize("written_as", ["NFC", "NFD"])
def test_names_with_accents_are_found_however_they_are_spelt(tmp_path, written_as):
    other = "NFD" if written_as == "NFC" else "NFC"
    folder = tmp_path / unicodedata.normalize(other, "été")
    folder.mkdir()
    (folder / unicodedata.normalize(other, "séance.mp4")).write_bytes(b"x")
    path = tmp_path / "m.csv"
    path.write_text(unicodedata.normalize(written_as, "id,path\ns1,été/séance.mp4\n"))
    found = manifest.read(path)
    assert found.resolve(found.rows[0].path).read_bytes() == b"x"


def test_windows_separators_are_taken(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "v.mp4").write_bytes(b"x")
    path = tmp_path / "m.csv"
    path.write_text("id,path\ns1,sub\\v.mp4\ns2,..\\v.mp4\n")
    found = manifest.read(path)
    assert found.resolve(found.rows[0].path) == (tmp_path / "sub" / "v.mp4").resolve()
    (tmp_path.parent / "v.mp4").write_bytes(b"y")
    assert [row.id for row in manifest.read(path).rows] == ["s1"]  # still no way out of the folder


def test_labels_with_accents_are_one_voice(tmp_path):
    path = tmp_path / "t.csv"
    text = "speaker,start,end,text\nRené,0,1,a\n"
    path.write_text(unicodedata.normalize("NFD", text))
    [found], _ = read_report(path)
    rows = manifest.from_rows(
        [{"id": "s1", "path": "v.mp4", "roles": unicodedata.normalize("NFC", "René=patient")}]
    )
    assert found.speaker in (rows.rows[0].roles or {})


def test_roles_without_quotes_between_semicolons_say_so(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("id;path;roles\ns1;v.mp4;A=therapist;B=patient\n")
    [problem] = manifest.read(path).problems
    assert "needs quotes" in problem.message


@pytest.mark.parametrize("extra", [",", ",,"])
def test_a_transcript_with_empty_cells_at_the_end_of_its_rows(tmp_path, extra):
    path = tmp_path / "t.csv"
    path.write_text(f"Speaker,Start Time,End Time,Utterance\nA,0.5,1.5,Hello{extra}\n")
    found, problems = read_report(path)
    assert [u.text for u in found] == ["Hello"]
    assert problems == []
    path.write_text("Start Time,Utterance,Speaker,Note\n0.5,Hello\n2.0,Bye,A\n")
    found, problems = read_report(path)
    assert [(u.text, u.speaker) for u in found] == [("Hello", "speaker"), ("Bye", "A")]
    assert problems == []


def test_cells_that_r_writes_for_nothing_are_empty(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("id,path,transcript,start,title\ns1,v.mp4,NA,NA,NA\n")
    [row] = manifest.read(path).rows
    assert (row.transcript, row.start) == (None, None)
    path.write_text("start,end,text\n1,NA,one\n3,4,NA\n")
    assert [u.text for u in read_report(path)[0]] == ["one", "NA"]


def test_a_workbook_says_that_it_is_none_of_text(tmp_path):
    path = tmp_path / "m.csv"
    path.write_bytes(b"PK\x03\x04\x14\x00")
    with pytest.raises(ManifestError, match="save it as 'CSV UTF-8'"):
        read(path)


# --- the same in every table that people fill ----------------------------------------------------

LONG = ("rater", "item", "video", "model", "condition", "criterion", "value")
RATED = [
    ("r1", "i1", "v1", "m", "base", "empathy", "4"),
    ("r1", "i2", "v1", "m", "x", "empathy", ""),
]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("missing", ["", "NA", "nan", "-"])
def test_ratings_as_spreadsheets_and_r_save_them(tmp_path, delimiter, encoding, missing):
    from emodiss import ratings

    rows = [LONG, RATED[0], (*RATED[1][:-1], missing), ("",) * 7]
    path = tmp_path / "r.csv"
    path.write_bytes("\r\n".join(map(delimiter.join, rows)).encode(encoding))
    table = ratings.read(path)
    assert list(table["value"].fillna(-1)) == [4, -1]


def test_decimal_commas_in_ratings(tmp_path):
    from emodiss import ratings
    from emodiss.ratings import RatingScale

    path = tmp_path / "r.csv"
    path.write_text("\n".join(map(";".join, [LONG, (*RATED[0][:-1], "3,5")])))
    assert list(ratings.read(path, scale=RatingScale(1, 5, 0.5))["value"]) == [3.5]


def test_scores_of_judges_with_one_comma_too_many_stay_in_their_columns(tmp_path):
    from emodiss.judging import read_scores

    path = tmp_path / "s.csv"
    path.write_text("item,criterion,judge,score\ni1,empathy,j,4,\ni2,empathy,j,NA,\n")
    table = read_scores(path)
    assert list(table["item"]) == ["i1", "i2"]
    assert list(table["score"].fillna(-1)) == [4, -1]


KEY = pd.DataFrame(
    {
        **{"item": ["a", "b"], "repeat_of": ["a", "b"], "repeat": [0, 0], "video": "v"},
        **{"window": "w", "model": "m", "condition": ["base", "x"]},
    }
)


def test_errors_in_filled_sheets_name_file_line_and_item(tmp_path):
    from emodiss import ratings
    from emodiss.ratings import RatingsError

    sheets = {}
    for rater, second in (("r1", "x"), ("r2", "45")):
        path = tmp_path / f"{rater}.csv"
        rows = f"rater;item;empathy\n{rater};a;3\n\n{rater};b;{second}\n;;\n"
        path.write_text(f"sep=;\n{rows}")
        read_back = tabular.read(path, error=RatingsError, what="sheet").frame()
        sheets[str(path)] = read_back
    with pytest.raises(RatingsError) as caught:
        ratings.merge(sheets, KEY, criteria=["empathy"])
    said = str(caught.value)
    assert "r1.csv, line 5, item b, empathy, value: 'x'" in said
    assert "r2.csv, line 5, item b, empathy, value: '45'" in said


def test_an_unknown_item_names_its_sheet_and_line(tmp_path):
    from emodiss import ratings
    from emodiss.ratings import RatingsError

    path = tmp_path / "r1.csv"
    path.write_text("rater,item,empathy\nr1,a,3\nr1,zz,3\n")
    sheet = tabular.read(path, error=RatingsError, what="sheet").frame()
    with pytest.raises(RatingsError, match=r"'zz' \(r1\.csv, line 3\)"):
        ratings.merge({"r1.csv": sheet}, KEY, criteria=["empathy"])


@pytest.mark.parametrize(
    ("column", "cells", "values", "bad"),
    [
        (
            Column("n", "count", "", 0),
            ["3", " ", "2.5", "-1", "1e30"],  # no whole number of a table is as large as the last
            [3, *[math.nan] * 4],
            [2, 3, 4],
        ),
        (
            Column("x", "number", "", -1, 1),
            ["0,5", "NA", "1.5", "inf"],
            [0.5, *[math.nan] * 3],
            [2, 3],
        ),
        (Column("t", "time", ""), ["2026-01-02T03:04", "", "today"], None, [2]),
        (Column("c", "text", "", choices=("a", "b")), ["a", "", "z"], None, [2]),
    ],
)
def test_cells_that_do_not_fit_their_column_are_told(column, cells, values, bad):
    typed, misfits = column.typed(tabular.cells_of(pd.Series(cells, dtype="str")))
    assert misfits == bad
    found = column.series(typed)
    assert found.dtype == column.dtype
    if values is not None:
        np.testing.assert_array_equal(found.astype("float64"), values)
    else:
        assert list(found.isna()) == [not cell for cell in cells]


def test_a_schema_holds_missing_whole_numbers():
    values = pd.Series([1, None, -1], dtype="Int64")
    assert list(Column("n", "count", "", 0).misfits(values)) == [False, False, True]
