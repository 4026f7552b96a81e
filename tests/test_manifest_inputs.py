"""Media files and folders as what a run is made of: ids, transcripts, folders, refusals."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from emodiss.errors import ManifestError
from emodiss.manifest import check_id, from_rows, media_id, of_media, opened, run_folder

NAMES = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=150
).filter(lambda name: name not in (".", ".."))


@given(names=st.lists(NAMES, min_size=1, max_size=8))
def test_any_file_name_gives_an_id_that_names_one_folder(names):
    taken: set[str] = set()
    for name in names:
        found = media_id(Path("study") / f"{name}.mp4", taken)
        assert check_id(found) == found and found.casefold() not in taken
        taken.add(found.casefold())


@given(name=NAMES)
def test_an_id_does_not_depend_on_how_a_system_stores_accents(name):
    ids = {media_id(Path(unicodedata.normalize(form, f"{name}.mp4"))) for form in ("NFC", "NFD")}
    assert len(ids) == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("session_01.mp4", "session_01"),
        ("Sitzung 1 (Kopie).MOV", "Sitzung-1-Kopie"),
        ("\u00dcbung.mp4", "Ubung"),
        ("a..b.mp4", "a.b"),
        ("__x__.wav", "x"),
    ],
)
def test_ids_are_readable(name, expected):
    assert media_id(Path(name)) == expected


def test_where_letters_are_lost_a_hash_keeps_names_apart():
    one, two = media_id(Path("\u4f1a\u8bdd1.mp4")), media_id(Path("\u8c08\u8bdd1.mp4"))
    assert one != two and one.startswith("1-") and len(one) == 8
    assert media_id(Path("con.mp4")).startswith("con-")


def touch(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"\0")
    return folder


def test_a_folder_gives_its_media_in_order_with_the_transcripts_beside(tmp_path):
    media = ("b.mp4", "a 1.MOV", ".hidden.mp4", "c.wav")
    folder = touch(tmp_path / "study", *media, "a 1.stm", "b.tsv", "notes.txt")
    touch(folder / "inside", "d.mp4")
    found = opened(folder)
    assert [row.id for row in found.rows] == ["a-1", "b", "c"] and found.problems == ()
    beside = [Path(row.transcript).name if row.transcript else None for row in found.rows]
    assert beside == ["a 1.stm", "b.tsv", None]
    assert found.resolve(str(found.rows[0].path)) == (folder / "a 1.MOV").resolve()


def test_files_of_one_name_keep_their_ids_whatever_is_added(tmp_path):
    one, two = touch(tmp_path / "one", "s.mp4"), touch(tmp_path / "two", "s.mp4")
    first = opened([one / "s.mp4"]).rows[0].id
    both = [row.id for row in opened([one / "s.mp4", two / "s.mp4", one / "s.mp4"]).rows]
    assert both[0] == first == "s" and len(both) == 2 and both[1].startswith("s-")
    assert both == [row.id for row in opened([one / "s.mp4", two]).rows]


def test_a_missing_file_costs_itself_only(tmp_path):
    folder = touch(tmp_path / "study", "a.mp4")
    found = opened([folder / "a.mp4", folder / "gone.mp4"])
    assert [row.id for row in found.rows] == ["a"]
    (problem,) = found.problems
    assert str(problem) == "there is no file 'gone.mp4'" and problem.listed_under({"a"}) == "gone"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: [f / "m.csv", f / "a.mp4"], "a manifest stands alone"),
        (lambda f: f / "empty", "holds no media file"),
        (lambda f: f / "listed", "holds a manifest"),
        (lambda f: [], "Nothing is handed in"),
        (lambda f: "https://example.org/v.mp4", "by way of a manifest"),
        (lambda f: f / "none.csv", "There is no manifest"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_way_out(tmp_path, make, message):
    touch(tmp_path, "a.mp4")
    (tmp_path / "m.csv").write_text("id,path\na,a.mp4\n")
    touch(tmp_path / "empty", "x.pdf")
    touch(tmp_path / "listed", "manifest.csv", "a.mp4")
    with pytest.raises(ManifestError, match=message):
        opened(make(tmp_path))


def test_a_file_without_a_known_ending_is_media_unless_it_is_text(tmp_path):
    (tmp_path / "clip.xyz").write_bytes(b"\0\1\2")
    (tmp_path / "list").write_text("id,path\na,clip.xyz\n")
    assert [row.id for row in opened(tmp_path / "clip.xyz").rows] == ["clip"]
    assert [row.id for row in opened(tmp_path / "list").rows] == ["a"]


def test_a_link_is_followed_where_the_user_names_it_and_not_out_of_a_folder(tmp_path):
    away = touch(tmp_path / "away", "real.mp4", "secret.stm")
    folder = touch(tmp_path / "study", "a.mp4")
    (folder / "link.mp4").symlink_to(away / "real.mp4")
    (folder / "a.stm").symlink_to(away / "secret.stm")
    named = opened(folder / "link.mp4")
    assert [row.id for row in named.rows] == ["link"] and named.problems == ()
    found = opened(folder)
    assert not found.rows and {p.id for p in found.problems} == {"a", "link"}
    assert all("--allow-local" in str(problem) for problem in found.problems)
    assert len(opened(folder, allow_local=True).rows) == 2


def test_the_run_lies_beside_what_was_handed_in(tmp_path):
    folder = touch(tmp_path / "study", "a.b.mp4", "c.mp4")
    (folder / "m.csv").write_text("id,path\na,c.mp4\n")
    assert run_folder(opened(folder / "m.csv")) == folder / "m-run"
    assert run_folder(opened(folder / "a.b.mp4")) == folder / "a.b-run"
    (folder / "m.csv").unlink()
    assert run_folder(opened(folder)) == tmp_path / "study-run"
    assert run_folder(opened(sorted(folder.glob("*.mp4")))) == folder / "study-run"
    with pytest.raises(ManifestError, match="Name a run folder"):
        run_folder(from_rows([{"id": "a", "path": "c.mp4"}], folder=folder))


def test_ids_of_a_folder_are_those_of_its_files(tmp_path):
    folder = touch(tmp_path / "study", "A.mp4", "a.mkv")
    ids = [row.id for row in of_media([folder]).rows]
    assert ids[0] == "A" and ids[1].startswith("a-")
