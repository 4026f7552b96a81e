"""How much readers do: calls and cells are counted, so no clock decides."""

from __future__ import annotations

import contextlib
import hashlib
import sys

import pytest

from emodiss import judging, manifest, ratings, tabular
from emodiss.errors import EmodissError
from emodiss.judging import scores
from emodiss.manifest import table
from emodiss.ratings import RatingsError, sums
from emodiss.runs.journal import Journal
from emodiss.transcript import heads, read_report


def calls(read, path, text):
    """Count the functions, also those in C, that are called while a text is read."""
    path.write_text(text, encoding="utf-8")
    n = 0

    def count(_frame, event, _argument):
        nonlocal n
        n += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        read(path)
    except EmodissError:
        pass
    finally:
        sys.setprofile(None)
    return n


TEXTS = {
    "one cue, many heads": ("t.srt", "00:00:00,000 --> 00:50:00,000\n", lambda i: "A: b\n"),
    "one cue, one line": ("t.srt", "00:00:00,000 --> 00:50:00,000\n", lambda i: "A: b. "),
    "short rows": ("t.csv", "start,text\n", lambda i: f"{i},a\n"),
    "files that are not there": ("m.csv", "id,path\n", lambda i: f"v{i},v{i}.mp4\n"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_twice_the_text_takes_twice_the_calls(name, tmp_path):
    file, head, row = TEXTS[name]
    read = {"m": manifest.read, "t": read_report}[file[0]]
    # What is done once, whatever the length or for the first file, is taken off.
    sizes = (20, 20, 300, 600)
    _, *n = (calls(read, tmp_path / file, head + "".join(map(row, range(k)))) for k in sizes)
    assert 1.9 < (n[2] - n[0]) / (n[1] - n[0]) < 2.15


def test_columns_that_rows_do_not_have_fill_no_memory():
    text = ",".join(f"c{i}" for i in range(2000)) + "\n" + "a\n" * 2000
    found = tabular.parse(text, "t.csv")
    assert sum(len(row.cells) for row in found.rows) < 20 * len(text)
    assert found.faults[0].message == "1 cells; expected 2000, as in the header"
    assert found.faults[-1].message == tabular.GIVEN_UP
    assert len(found.rows) + len(found.faults) < 2000
    few = tabular.parse("a,b,c\n1\n", "t.csv")
    assert few.rows[0].cells == {"a": "1", "b": "", "c": ""}


def test_each_line_of_a_file_is_searched_for_a_head_once(monkeypatch, tmp_path):
    asked = []
    find = heads.find_head
    monkeypatch.setattr(heads, "find_head", lambda line: asked.append(line) or find(line))
    path = tmp_path / "t.srt"
    lines = [f"Ana: number {i % 40}" for i in range(200)]
    path.write_text("00:00:00,000 --> 00:50:00,000\n" + "\n".join(lines), encoding="utf-8")
    assert {u.speaker for u in read_report(path)[0]} == {"Ana"}
    assert len(asked) == 40


def test_files_that_are_not_there_are_not_looked_for_one_by_one(monkeypatch, tmp_path):
    (tmp_path / "there.mp4").touch()
    (tmp_path / "there.vtt").touch()
    asked = []
    resolve = table.resolve_file
    monkeypatch.setattr(
        table, "resolve_file", lambda path, *a, **k: asked.append(path) or resolve(path, *a, **k)
    )
    path = tmp_path / "m.csv"
    rows = [f"v{i},v{i}.mp4" for i in range(100)] + ["there,there.mp4", "x,../x.mp4", "y,../x.mp4"]
    path.write_text("id,path\n" + "\n".join(rows), encoding="utf-8")
    found = manifest.read(path)
    assert [row.id for row in found.rows] == [*(f"v{i}" for i in range(100)), "there"]
    assert [problem.id for problem in found.problems] == ["x", "y"]
    assert asked.count("there.mp4") <= 2
    assert asked.count("../x.mp4") == 1
    assert not [written for written in asked if str(written).startswith("v")]


@pytest.mark.parametrize(("on_fault", "most"), [("raise", 1), ("skip", tabular.MOST_FAULTS)])
def test_a_journal_of_which_nothing_fits_is_not_read_to_its_end(tmp_path, on_fault, most):
    asked = []

    def decode(line):
        asked.append(line)
        return line["id"]

    journal = Journal(tmp_path / "j.jsonl", decode=decode, on_fault=on_fault)
    journal.path.write_text("{}\n" * 3000)
    with contextlib.suppress(EmodissError):
        journal.read()
    assert len(asked) == most


def test_misfits_of_a_table_are_not_listed_without_end(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text("item,criterion,judge,score\n" + "a\n" * 5000, encoding="utf-8")
    with pytest.raises(EmodissError, match="problems or more"):
        judging.read_scores(path)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x = " + "[" * 50_000, "recursion"),
        ("a." * 300 + "b = 1\n", "line 1 has more than 200 dots"),
        ("# a\n" * 50_000, "200,000 characters"),
    ],
)
def test_an_instrument_that_would_be_read_for_minutes_is_refused(tmp_path, text, why):
    path = tmp_path / "instrument.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RatingsError, match=why):
        ratings.read_instrument(path)


def test_a_file_that_checksums_name_often_is_hashed_once(tmp_path, monkeypatch):
    (tmp_path / "key.csv").write_text("item\n")
    sums.write(tmp_path, [tmp_path / "key.csv"] * 500)
    hashed = []
    of = hashlib.sha256
    monkeypatch.setattr(hashlib, "sha256", lambda content: hashed.append(content) or of(content))
    sums.require_as_written(tmp_path, tmp_path / "key.csv")
    assert len(hashed) == 1


def test_ratings_that_are_off_the_scale_are_not_listed_without_end(tmp_path):
    path = tmp_path / "r.csv"
    rows = "".join(f"r,i{n},v,m,c,empathy,{n + 100}\n" for n in range(3000))
    path.write_text("rater,item,video,model,condition,criterion,value\n" + rows, encoding="utf-8")
    with pytest.raises(RatingsError, match="1,000 problems or more"):
        ratings.read(path)


def test_of_ratings_in_brackets_what_stands_near_is_looked_at():
    assert scores.find_bracketed("[[3]] " * 400) == 3
    assert scores.find_bracketed("a " * 200 + "such as [[2]], but [[4]]") == 4
    assert scores.find_bracketed("a\n" * 200 + "- [[2]]\n[[4]]") is None
