"""A manifest is checked cell by cell before anything runs."""

from __future__ import annotations

import math

import pytest

from emodiss import manifest
from emodiss.errors import ManifestError


def write(tmp_path, text, name="videos.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def test_good_rows_are_read_and_bad_cells_named_by_line_and_column(tmp_path):
    path = write(
        tmp_path,
        "id,path,url,roles,start,end,faces\n"
        "good,a.mp4,,Ada=therapist;Bo=client,0:10,20,Ada=Left;Bo=5+2\n"
        "good,b.mp4,,,,,\n"
        "../../x,c.mp4,,,,,\n"
        "ftp,,ftp://example.org/d.mp4,,,,\n"
        "both,e.mp4,https://example.org/e.mp4,,,,\n"
        "role,f.mp4,,Ada=thrapist,,,\n"
        "back,g.mp4,,,5,2,\n"
        "short,h.mp4\n"
        "web,,https://example.org/i.mp4,,,,\n"
        "face,j.mp4,,,,,Ada=middle\n",
    )
    found = manifest.read(path)
    assert [row.id for row in found.rows] == ["good", "web"]
    assert found.rows[0].roles == {"Ada": "therapist", "Bo": "patient"}
    assert (found.rows[0].start, found.rows[0].end) == (10.0, 20.0)
    assert found.rows[0].faces == {"Ada": "left", "Bo": (2, 5)}
    assert found.rows[1].faces is None
    assert [(p.line, p.column) for p in found.problems] == [
        (3, "id"),
        (4, "id"),
        (5, "url"),
        (6, "row"),
        (7, "roles"),
        (8, "row"),
        (9, "row"),
        (11, "faces"),
    ]
    assert str(found.problems[0]).startswith("line 3, column id: ")
    assert str(found.problems[-2]).startswith("line 9: expected 7 cells")  # no column is called row
    assert "left, right, none, or track numbers" in found.problems[-1].message
    assert "already on line 2" in found.problems[0].message
    assert "Did you mean 'therapist'?" in found.problems[4].message


@pytest.mark.parametrize("text", ["Ada", "Ada=", "=1", "Ada=0", "Ada=1+", "Ada=1;Ada=2", "Ada=-1"])
def test_faces_that_cannot_be_read_are_refused(text):
    with pytest.raises(ValueError, match="face"):
        manifest.parse_faces(text)


def test_ids_that_differ_in_case_only_collide(tmp_path):
    # macOS and Windows would put both into one folder.
    found = manifest.read(write(tmp_path, "id,path\nS1,a.mp4\ns1,b.mp4\n"))
    assert [p.line for p in found.problems] == [3]


@pytest.mark.parametrize("bad", [".hidden", "a/b", "a b", "", "a" * 101, "..", "a..b", "-x", "ü"])
def test_ids_that_cannot_name_a_folder_are_refused(tmp_path, bad):
    found = manifest.read(write(tmp_path, f"id,path\n{bad},a.mp4\n"))
    assert not found.rows
    assert found.problems[0].column == "id"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("path\na.mp4\n", "needs the columns"),
        ("id,path,trancript\na,b,c\n", "Did you mean 'transcript'"),
        ("id,path,path\na,b,c\n", "twice"),
        ('id,path\na,"b\n', "not CSV at line 2"),
    ],
)
def test_a_file_that_cannot_be_used_at_all_says_why(tmp_path, text, message):
    with pytest.raises(ManifestError, match=message):
        manifest.read(write(tmp_path, text))


def test_a_missing_file_and_a_wrong_encoding_say_what_to_do(tmp_path):
    with pytest.raises(ManifestError, match="emodiss demo"):
        manifest.read(tmp_path / "none.csv")
    with pytest.raises(ManifestError, match="UTF-8"):
        manifest.read(write(tmp_path, "id,path,notes\na,b,é\n", encoding="cp1252"))
    with pytest.raises(ManifestError, match="is a folder, not a manifest"):
        manifest.read(tmp_path)


def test_semicolons_a_byte_order_mark_and_own_columns_are_fine(tmp_path):
    path = write(tmp_path, "\ufeffid;path;x_site;topic\na;a.mp4;Basel;grief\n\n")
    found = manifest.read(path)
    assert found.rows[0].path == "a.mp4"
    assert found.metadata == {"a": {"x_site": "Basel", "topic": "grief"}}


def test_a_time_that_is_none_is_named_and_a_shifted_cell_is_not_quoted(tmp_path):
    found = manifest.read(write(tmp_path, "id,path,start\na,a.mp4,0:75\nb,b.mp4,Anna\n"))
    assert [p.column for p in found.problems] == ["start", "start"]
    assert "'0:75' where a time belongs" in found.problems[0].message
    assert "Anna" not in found.problems[1].message


@pytest.mark.parametrize("text", ["Ada", "Ada=", "Ada=therapist;Ada=patient"])
def test_roles_that_cannot_be_read_are_refused(text):
    with pytest.raises(ValueError, match=r"Ada|speaker="):
        manifest.parse_roles(text)


@pytest.mark.parametrize("stretch", [{"start": math.nan}, {"end": math.nan}, {"end": math.inf}])
def test_an_empty_cell_of_a_data_frame_is_no_time(stretch):
    # pandas writes NaN there. No moment lies after it, so the whole video would be left out.
    with pytest.raises(ValueError, match="finite"):
        manifest.VideoRow(id="a", path="a.mp4", **stretch)


def test_rows_in_memory_are_checked_alike(tmp_path):
    rows = [{"id": "a", "path": "a.mp4", "notes": float("nan")}]
    assert manifest.from_rows(rows, folder=tmp_path).rows[0].notes is None
    with pytest.raises(ManifestError, match="Row 1"):
        manifest.from_rows([{"id": "../a", "path": "a.mp4"}])
    with pytest.raises(ManifestError, match="more than once"):
        manifest.from_rows([*rows, *rows])


def test_problems_are_raised_together_when_asked(tmp_path):
    found = manifest.read(write(tmp_path, "id,path\na,a.mp4\na,b.mp4\n.b,c.mp4\n"))
    with pytest.raises(ManifestError, match="2 problems in the manifest") as error:
        found.raise_problems()
    assert "line 3" in str(error.value) and "line 4" in str(error.value)


def test_the_column_reference_covers_every_column():
    assert set(manifest.COLUMN_HELP) == set(manifest.VideoRow.model_fields)
