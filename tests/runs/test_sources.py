"""What a run remembers of its sources, and when it looks again."""

import os

import pytest

from emodiss import manifest, transcript
from emodiss.runs import sources
from emodiss.runs.store import Store

NAMED = "s 1 Ana 0.0 1.0 <o> hello.\n"
NAMELESS = "WEBVTT\n\n00:00.000 --> 00:01.000\nhello, you.\n"


@pytest.fixture
def look(tmp_path, monkeypatch):
    """Find the sources of two rows anew, as a command does; list the transcripts read for it."""
    (tmp_path / "run").mkdir()
    for name, suffix, text in (("a", "stm", NAMED), ("b", "vtt", NAMELESS)):
        (tmp_path / f"{name}.mp4").write_text(name)
        (tmp_path / f"{name}.{suffix}").write_text(text)
    (tmp_path / "m.csv").write_text("id,path,transcript\na,a.mp4,a.stm\nb,b.mp4,\n")
    read, real = [], transcript.read_report
    monkeypatch.setattr(transcript, "read_report", lambda p: read.append(p.name) or real(p))

    def found():
        read.clear()
        store = Store(tmp_path / "run")
        hashes = sources.Hashes(store)
        opened = manifest.opened(tmp_path / "m.csv")
        known = [
            sources.local_source(row, opened, opened.resolve(row.path), hashes, {})
            for row in opened.rows
        ]
        hashes.save()
        return [source.voices for source in known], list(read)

    return found


def test_a_transcript_is_read_once_to_learn_whom_it_names(look):
    assert look() == ([True, False], ["a.stm", "b.vtt"])
    assert look() == ([True, False], [])


def test_a_transcript_that_changed_is_read_again(look, tmp_path):
    look()
    path = tmp_path / "b.vtt"
    before = path.stat()
    path.write_text(NAMELESS.replace("hello, you", "<v Ana>hey"))  # as long as it was
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert look() == ([True, True], ["b.vtt"])


def test_what_another_reader_made_of_a_transcript_does_not_count(look, monkeypatch):
    look()
    monkeypatch.setattr(sources, "_READER", sources._READER + 1)
    assert look() == ([True, False], ["a.stm", "b.vtt"])


def test_what_cannot_be_read_is_not_remembered(look, tmp_path):
    (tmp_path / "a.stm").write_text("no transcript\n")
    assert look()[0] == [True, False]
    (tmp_path / "a.stm").write_text(NAMED)
    assert look() == ([True, False], ["a.stm"])
