"""A manifest from somebody else opens no file elsewhere and names no folder outside the run."""

from __future__ import annotations

import ntpath
import os
import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import example, given, strategies as st
from pydantic import ValidationError

from emodiss import manifest
from emodiss.errors import ManifestError, RunError
from emodiss.manifest.rules import resolve_file
from emodiss.runs.run import Run
from emodiss.runs.store import Store


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Folder `study`, with a secret beside it and links that stay inside and that lead out."""
    root = tmp_path_factory.mktemp("place").resolve()
    study, secret = root / "study", root / "secret"
    (study / "videos").mkdir(parents=True)
    secret.mkdir()
    for path in (study / "a.mp4", study / "videos" / "b.mp4", secret / "s.mp4", secret / "s.stm"):
        path.write_bytes(b"x")
    (study / "link_in").symlink_to(study / "videos")
    (study / "link_out").symlink_to(secret)
    (study / "link_file.mp4").symlink_to("../secret/s.mp4")
    (study / "link_twice.mp4").symlink_to("link_out/s.mp4")
    (study / "ring").symlink_to("ring")
    # A name that only begins like the folder's is not in it.
    (root / "study2").mkdir()
    return root


def read(folder: Path, rows: str, **options):
    path = folder / "m.csv"
    path.write_text("id,path,url,transcript\n" + rows, encoding="utf-8")
    return manifest.read(path, **options)


OUTSIDE = (
    "../secret/s.mp4",
    "videos/../../secret/s.mp4",
    "../study2/a.mp4",
    "..",
    "/",
    "/dev/zero",
    "~/s.mp4",
    "link_out/s.mp4",
    "link_file.mp4",
    "link_twice.mp4",
    "link_in/../../secret/s.mp4",
    "C:\\videos\\a.mp4",
    "c:a.mp4",
    "\\\\server\\share\\a.mp4",
    "//server/share/a.mp4",
    "\\\\?\\C:\\videos\\a.mp4",
)


@pytest.mark.parametrize("column", ["path", "transcript"])
@pytest.mark.parametrize("written", OUTSIDE)
def test_a_file_outside_costs_its_own_row_only(place, monkeypatch, column, written):
    monkeypatch.setenv("HOME", str(place / "secret"))
    cells = f"{written},," if column == "path" else f"a.mp4,,{written}"
    found = read(place / "study", f"good,a.mp4,,\nbad,{cells}\nweb,,https://example.org/v,\n")
    assert [row.id for row in found.rows] == ["good", "web"]
    (problem,) = found.problems
    assert (problem.line, problem.column, problem.id) == (3, column, "bad")
    assert f"row 'bad': '{written}' lies outside the manifest's folder" in problem.message
    assert "Move the file into that folder" in problem.message
    assert "--allow-local" in problem.message and "allow_local=True" in problem.message
    allowed = read(place / "study", f"bad,{cells}\n", allow_local=True)
    assert [row.id for row in allowed.rows] == ["bad"]


@pytest.mark.parametrize(
    ("written", "end"),
    [
        ("a.mp4", "a.mp4"),
        ("./videos/../a.mp4", "a.mp4"),
        ("../study/a.mp4", "a.mp4"),
        ("link_in/b.mp4", "videos/b.mp4"),
        ("~/a.mp4", "a.mp4"),
        ("videos/..mp4", "videos/..mp4"),
        ("not_there_yet.mp4", "not_there_yet.mp4"),
    ],
)
def test_a_path_that_ends_inside_is_followed_however_it_is_written(
    place, monkeypatch, written, end
):
    study = place / "study"
    monkeypatch.setenv("HOME", str(study))
    for text in (written, str(study / written) if written[0] != "~" else written):
        found = read(study, f"v,{text},,\n")
        assert found.problems == ()
        assert found.resolve(found.rows[0].path) == study / end


@pytest.mark.parametrize("written", ["~nobody-of-this-name/a.mp4", "a" * 5000, "ring/a.mp4"])
@pytest.mark.parametrize("allow_local", [False, True])
def test_a_path_that_cannot_be_followed_costs_its_own_row_only(place, written, allow_local):
    found = read(place / "study", f"good,a.mp4,,\nbad,{written},,\n", allow_local=allow_local)
    assert [row.id for row in found.rows] == ["good"]
    assert "cannot be followed" in found.problems[0].message


def test_a_file_that_may_not_be_read_costs_its_own_row_only(place, monkeypatch):
    # Root may read everything, so the answer of the system is given here.
    monkeypatch.setattr(os, "access", lambda path, _mode: not str(path).endswith("b.mp4"))
    found = read(place / "study", "good,a.mp4,,\nbad,videos/b.mp4,,\ngone,none.mp4,,\n")
    assert [row.id for row in found.rows] == ["good", "gone"]
    assert "may not be read by this user" in found.problems[0].message


@pytest.mark.parametrize(
    "written",
    ["file:///etc/passwd", "FILE:a.mp4", "https://example.org/a.mp4", "data:,a", "s3://b"],
)
@pytest.mark.parametrize("column", ["path", "transcript"])
def test_an_address_is_no_path(place, column, written):
    cells = f'"{written}",,' if column == "path" else f'a.mp4,,"{written}"'
    found = read(place / "study", f"bad,{cells}\n", allow_local=True)
    assert found.problems[0].column == column
    assert "expected a path, got an address that starts with" in found.problems[0].message


def test_both_files_of_a_row_are_reported(place):
    found = read(place / "study", "bad,../secret/s.mp4,,../secret/s.stm\n")
    assert [problem.column for problem in found.problems] == ["path", "transcript"]


def test_a_transcript_beside_the_media_may_not_be_a_link_to_elsewhere(place, tmp_path):
    (tmp_path / "v.mp4").write_bytes(b"x")
    (tmp_path / "v.stm").symlink_to(place / "secret" / "s.stm")
    (problem,) = read(tmp_path, "v,v.mp4,,\n").problems
    assert problem.column == "transcript" and "lies outside" in problem.message
    found = read(tmp_path, "v,v.mp4,,\n", allow_local=True)
    assert found.transcript_of(found.rows[0]) == place / "secret" / "s.stm"


def test_the_folder_is_that_of_the_file_itself(place, tmp_path):
    read(place / "study", "v,a.mp4,,\n")
    (tmp_path / "linked.csv").symlink_to(place / "study" / "m.csv")
    assert manifest.read(tmp_path / "linked.csv").problems == ()


def test_rows_in_memory_start_from_the_folder_given_or_the_working_one(place, monkeypatch):
    row = {"id": "v", "path": str(place / "study" / "a.mp4")}
    with pytest.raises(ManifestError, match=r"Row 1, column path: row 'v': .* lies outside"):
        manifest.from_rows([row])
    assert manifest.from_rows([row], allow_local=True).rows[0].id == "v"
    assert manifest.from_rows([row], folder=place / "study").rows[0].id == "v"
    monkeypatch.chdir(place / "study")
    assert manifest.from_rows([row]).rows[0].id == "v"
    with pytest.raises(ManifestError, match=r"Row 1, column transcript.*cannot be followed"):
        manifest.from_rows([{**row, "transcript": "a\0b"}])


def test_what_was_read_without_leave_cannot_be_given_it_later(place):
    found = read(place / "study", "bad,../secret/s.mp4,,\n")
    assert manifest.opened(found) is found
    with pytest.raises(ManifestError, match="read without allow_local"):
        manifest.opened(found, allow_local=True)
    # A manifest put together by hand is held to the rule when a file is asked for.
    with pytest.raises(ManifestError, match="lies outside"):
        found.resolve("../secret/s.mp4")


PARTS = st.sampled_from(
    ["..", ".", "", "a.mp4", "videos", "study", "secret", "link_in", "link_out", "ring", "...", "~"]
)


@given(parts=st.lists(PARTS, max_size=8), absolute=st.booleans())
@example(parts=[".", "~"], absolute=False)
def test_the_verdict_is_that_of_the_real_path(place, parts, absolute):
    # Independent: os.path.realpath and commonpath, as the standard library has them.
    folder = place / "study"
    written = "/".join(parts)
    if absolute:
        written = f"{folder}/{written}"
    if written.startswith(("//", "~")) or not written:
        return
    real = os.path.realpath(folder / written)
    inside = os.path.commonpath([real, folder]) == str(folder)
    try:
        assert resolve_file(written, folder) == Path(real)
    except ManifestError as error:
        assert not inside or "ring" in real, error
    else:
        assert inside


@given(st.text(min_size=1, max_size=40))
@example("\0")
@example("\ud800")
@example("~\ud800/x")
@example("NUL")
@example("a:b.mp4")
def test_whatever_is_written_a_path_ends_inside_or_is_refused(place, written):
    try:
        found = resolve_file(written, place / "study")
    except ManifestError:
        return
    assert found.is_relative_to(place / "study")


LOOK_ALIKES = "\u2044\u2215\u29f8\uff0f\uff3c\u2216\u2024\u2025\uff0e\u3002"  # / / / / \ \ . .. . .


@pytest.mark.parametrize(
    "bad",
    [
        *(
            "..",
            "../a",
            "/etc",
            "a/b",
            "a\\b",
            "C:",
            "C:a",
            "~",
            "~root",
            "a..b",
            "a.",
            "a...",
            ".",
        ),
        *(
            "con",
            "CON",
            "nul.txt",
            "Aux.a.b",
            "com1",
            "LPT9.x",
            "prn",
            "com0",
            "a\0b",
            "a\nb",
            "a b",
        ),
        *("a" * 101, "a" * 10_000, "ä", "a\u0301", "a:b", "a*", "a?", "<a>", "%2e%2e", "-a", "_a"),
        *(f"a{char}b" for char in LOOK_ALIKES),
    ],
)
def test_an_id_that_is_no_name_of_a_folder_everywhere_is_refused(bad):
    with pytest.raises(ValueError, match=r"cannot name a folder|names a device"):
        manifest.check_id(bad)
    with pytest.raises(RunError, match="no manifest can name"):
        Store(Path("run")).artifact(bad, "media")


@pytest.mark.parametrize(
    "good", ["a", "S01", "yt_-aB3.2", "2024-01-05_x", "console", "com10", "a.con"]
)
def test_usual_ids_are_fine(good):
    assert manifest.check_id(good) == good


def is_reserved(name: str) -> bool:
    """What the standard library knows of Windows' names."""
    if hasattr(ntpath, "isreserved"):  # Python 3.13
        return ntpath.isreserved(name)
    return PureWindowsPath(name).is_reserved()


@given(
    st.one_of(
        st.text(), st.from_regex(r"[A-Za-z0-9./\\:_-]{1,12}"), st.from_regex(r"(?i)(con|nul)\.?\w*")
    )
)
def test_an_accepted_id_is_one_folder_of_the_run_on_every_system(text):
    try:
        row = manifest.VideoRow(id=text, path="a.mp4")
    except ValidationError:
        return
    for kind in (PurePosixPath, PureWindowsPath):
        path = kind("run", "videos", row.id)
        assert path.parent == kind("run", "videos") and path.name == row.id
    assert os.path.normpath(f"run/videos/{row.id}") == f"run/videos/{row.id}"
    assert not is_reserved(row.id) and row.id.isascii()
    assert row.id == unicodedata.normalize("NFKC", row.id) == row.id.rstrip(". ")


@given(st.lists(st.from_regex(r"[abAB][1xX.]{0,2}", fullmatch=True), min_size=1, max_size=8))
def test_no_two_ids_of_a_manifest_share_a_folder_where_capitals_do_not_count(tmp_path_factory, ids):
    path = tmp_path_factory.mktemp("ids") / "m.csv"
    path.write_text("id,path\n" + "".join(f"{name},a.mp4\n" for name in ids))
    found = manifest.read(path)
    folders = [row.id.upper() for row in found.rows]
    assert len(set(folders)) == len(folders)
    assert len(found.rows) + len({problem.line for problem in found.problems}) == len(ids)


def test_a_run_folder_that_was_changed_by_hand_names_no_file_elsewhere(tmp_path):
    (tmp_path / "manifest.jsonl").write_text('{"id": "a"}\n{"id": "../../home"}\n')
    with pytest.raises(RunError, match=r"'\.\./\.\./home' cannot name a folder"):
        _ = Run(tmp_path).videos


@pytest.mark.parametrize(
    "good",
    [
        "https://example.org/v?x=1#t",
        "HTTP://EXAMPLE.ORG/V",
        "https://[::1]:8080/v",
        "http://ü.org/",
    ],
)
def test_web_addresses_are_taken_as_they_are(good):
    assert manifest.VideoRow(id="a", url=good).url == good


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("file:///etc/passwd", "got 'file:'"),
        ("FILE:///etc/passwd", "got 'file:'"),
        ("ftp://example.org/v", "got 'ftp:'"),
        ("data:video/mp4;base64,AAAA", "got 'data:'"),
        ("javascript:alert(1)", "got 'javascript:'"),
        ("java\nscript:alert(1)", "got 'javascript:'"),
        ("ytsearch5:therapy", "got 'ytsearch5:'"),
        ("example.org/v", "got no scheme"),
        ("//example.org/v", "got no scheme"),
        ("https:///v", "broken"),
        ("https:example.org", "broken"),
        ("https://example.org:99999/v", "broken"),
        ("https://example.org:x/v", "broken"),
        ("https://example.org/a b", "broken"),
        ("https://example.org/a\nb", "broken"),
        ("https://example.org\\@evil.example/", "user or a password"),
        ("https://ada:geheim@example.org/v", "user or a password"),
        ("https://token@example.org/v", "user or a password"),
        ("https://[::1/v", "IPv6"),
    ],
)
def test_other_addresses_are_refused_and_not_repeated(tmp_path, bad, why):
    path = tmp_path / "m.csv"
    path.write_text(f'id,url\ngood,https://example.org/v\nbad,"{bad}"\n', encoding="utf-8")
    found = manifest.read(path)
    assert [row.id for row in found.rows] == ["good"]
    (problem,) = found.problems
    assert problem.column == "url" and why in problem.message
    assert bad not in problem.message
    with pytest.raises(ValidationError) as error:
        manifest.VideoRow(id="bad", url=bad)
    assert "geheim" not in str(error.value)
