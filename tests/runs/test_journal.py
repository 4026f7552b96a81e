"""Files that grow: whole after a kill, mended when torn, and the same for JSON lines and CSV."""

from __future__ import annotations

import errno
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import filelock
import pytest
from hypothesis import given, strategies as st

from emodiss.errors import RunError
from emodiss.runs.journal import Journal, Line, TableJournal

REPOSITORY = Path(__file__).resolve().parents[2]


def lines(path, **options) -> Journal[Line]:
    return Journal(path / "said.jsonl", next_step="Take it out.", **options)


def table(path, **options) -> TableJournal[dict[str, str]]:
    return TableJournal(path / "said.csv", columns=("id", "word"), next_step="Mend it.", **options)


KINDS = pytest.mark.parametrize("kind", [lines, table])

# Line ends of other kinds, quotes, commas and what a spreadsheet would take for a formula.
WORDS = ("plain", 'a "b", c', "two\nlines", "other\u2028ends\u0085here", "=1+1", "", "äöü")


@KINDS
def test_what_was_added_is_read_back_in_its_order(kind, tmp_path):
    journal = kind(tmp_path / "made" / "on" / "the" / "way")
    assert journal.read() == []
    entries = [{"id": str(n), "word": word} for n, word in enumerate(WORDS)]
    journal.append(entries[:3])
    journal.append(entries[3:])
    assert journal.read() == entries


@KINDS
def test_an_entry_takes_the_place_of_the_one_with_its_key(kind, tmp_path):
    journal = kind(tmp_path)
    journal.append([{"id": "b", "word": "1"}, {"id": "a", "word": "1"}])
    new = [{"id": "b", "word": "2"}, {"id": "c", "word": "2"}]
    assert journal.upsert(new, key=lambda e: e["id"]) == 1
    assert [(e["id"], e["word"]) for e in journal.read()] == [("b", "2"), ("a", "1"), ("c", "2")]
    assert journal.upsert([], key=lambda e: e["id"], order=lambda e: e["id"]) == 0
    assert [e["id"] for e in journal.read()] == ["a", "b", "c"]


@given(
    words=st.lists(st.text(st.characters(codec="utf-8")), min_size=2, max_size=4), cut=st.integers()
)
def test_wherever_the_last_line_is_torn_the_others_stay_and_the_next_is_whole(
    tmp_path_factory, words, cut
):
    journal = lines(tmp_path_factory.mktemp("torn"))
    journal.append([{"word": word} for word in words[:-1]])
    seal = journal.path.parent / ".seals" / journal.path.name
    before = seal.read_bytes()
    journal.append([{"word": words[-1]}])
    seal.write_bytes(before)  # killed while it wrote, so before it could seal
    content = journal.path.read_bytes()
    start = content[:-1].rfind(b"\n") + 1
    journal.path.write_bytes(content[: start + cut % (len(content) - start)])
    kept = [{"word": word} for word in words]
    if journal.path.read_bytes() != content[:-1]:  # it lacks no more than its end
        kept.pop()
    assert journal.read() == kept
    journal.append([{"word": "next"}])
    assert journal.read() == [*kept, {"word": "next"}]


def test_a_torn_line_longer_than_a_block_is_cut_off(tmp_path):
    journal = lines(tmp_path)
    journal.append([{"word": "first"}])
    with journal.path.open("ab") as file:
        file.write(b'{"word": "' + b"x" * 200_000)
    journal.append([{"word": "next"}])
    assert [e["word"] for e in journal.read()] == ["first", "next"]


@pytest.mark.parametrize(
    ("bad", "said"),
    [(b"oops", "no JSON"), (b"[1]", "not what emodiss wrote"), (b"\xff\xfe{", "no JSON")],
)
def test_a_bad_line_is_named_by_its_number_and_never_quoted(tmp_path, bad, said):
    journal = lines(tmp_path)
    journal.path.write_bytes(b'{"word": "secret"}\n\n' + bad + b'\n{"word": "secret"}\n')
    with pytest.raises(RunError, match=rf"said\.jsonl, line 3: {said}") as caught:
        journal.read()
    assert "secret" not in str(caught.value) and caught.value.next_step == "Take it out."
    assert len(lines(tmp_path, on_fault="skip").read()) == 2


def test_a_table_with_ragged_rows_or_other_bytes_is_refused(tmp_path):
    journal = table(tmp_path)
    for row in ("a", "a,b,c"):
        journal.path.write_text(f"id,word\n{row}\n")
        with pytest.raises(RunError, match=r"said\.csv, line 2"):
            journal.read()
    journal.path.write_bytes(b"id,word\na,\xff\n")
    with pytest.raises(RunError, match=r"said\.csv cannot be read as CSV in UTF-8") as caught:
        journal.read()
    assert caught.value.next_step == "Mend it."


def test_a_table_keeps_columns_that_it_does_not_know(tmp_path):
    journal = table(tmp_path)
    journal.path.write_text("id,note,word\na,mine,x\n")
    journal.append([{"id": "b", "word": "y"}])
    assert journal.path.read_text() == "id,word,note\na,x,mine\nb,y,\n"


def test_a_rewrite_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    journal = lines(tmp_path)
    journal.append([{"word": "old"}])
    monkeypatch.setattr("os.fsync", lambda _h: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        journal.upsert([{"word": "new"}], key=lambda e: e["word"])
    assert journal.read() == [{"word": "old"}]
    assert {p.name for p in tmp_path.iterdir()} == {"said.jsonl", ".seals"}


WRITER = """
import sys
from pathlib import Path
from emodiss.runs.journal import Journal
folder, name, n = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
journal = Journal(folder / "said.jsonl", lock=folder / ".lock")
for k in range(n):
    journal.append([{"who": name, "n": k, "word": "x" * 5000}])
    if k % 10 == 9:
        journal.upsert([], key=lambda e: (e["who"], e["n"]))
"""


def writer(folder: Path, name: str, n: int):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), name, str(n)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )


def test_two_writers_lose_nothing(tmp_path):
    both = [writer(tmp_path, name, 40) for name in ("a", "b")]
    assert [process.wait(timeout=60) for process in both] == [0, 0]
    found = lines(tmp_path).read()
    for name in ("a", "b"):
        assert [e["n"] for e in found if e["who"] == name] == list(range(40))


def test_a_writer_that_waits_in_vain_says_so(tmp_path):
    lock = filelock.FileLock(tmp_path / ".lock")
    journal = lines(tmp_path, lock=tmp_path / ".lock", patience_s=0.1)
    with lock, pytest.raises(RunError, match="Another process is writing") as caught:
        journal.append([{"word": "x"}])
    assert caught.value.code == "locked"
    journal.append([{"word": "x"}])


def test_killed_at_random_moments_no_whole_line_is_lost(tmp_path):
    rng, path = random.Random(5), tmp_path / "said.jsonl"
    for name in ("a", "b", "c"):
        before = path.stat().st_size if path.exists() else 0
        process = writer(tmp_path, name, 100_000)
        while not path.exists() or path.stat().st_size < before + 20_000:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.wait()
        found = [e["n"] for e in lines(tmp_path).read() if e["who"] == name]
        assert found == list(range(len(found))) and len(found) >= 4
    assert len({json.dumps(e) for e in lines(tmp_path).read()}) == len(lines(tmp_path).read())


def test_only_a_torn_last_line_may_be_bad(tmp_path):
    journal = lines(tmp_path)
    journal.path.write_bytes(b'oops\n{"word": "x"}')  # the bad one is not the last
    with pytest.raises(RunError, match="line 1: no JSON"):
        journal.read()
    journal.path.write_bytes(b'{"word": "x"}\n[1]')  # whole, and no entry
    with pytest.raises(RunError, match="line 2: not what emodiss wrote"):
        journal.read()


@KINDS
def test_an_error_of_the_disk_names_the_file(kind, tmp_path, monkeypatch):
    journal = kind(tmp_path)
    journal.append([{"id": "a", "word": "one"}])
    before = journal.path.read_bytes()

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for write in (journal.append, journal.write):
        with pytest.raises(OSError, match="No space left") as caught:
            write([{"id": "b", "word": "two"}])
        assert caught.value.filename == str(journal.path)
    monkeypatch.undo()
    assert journal.path.read_bytes().startswith(before)
    assert {path.name for path in tmp_path.iterdir()} == {journal.path.name, ".seals"}
    monkeypatch.setattr(secrets, "token_hex", lambda _n: "x" * 300)
    with pytest.raises(OSError, match="too long") as caught:
        journal.write([])
    assert caught.value.filename == str(journal.path)
