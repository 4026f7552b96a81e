"""Captions as tools leave them: rolling, without blank lines, with odd clocks."""

from __future__ import annotations

from pathlib import Path

import pytest

from emodiss.transcript import read, read_report
from tests import make


def texts(tmp_path: Path, content: str, name="x.srt"):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    return [u.text for u in read(path)]


def clock(seconds: float, mark: str) -> str:
    whole, rest = divmod(round(seconds * 1000), 1000)
    return f"00:{whole // 60:02}:{whole % 60:02}{mark}{rest:03}"


def captions(cues, *, vtt: bool) -> str:
    mark = "." if vtt else ","
    blocks = [
        f"{i}\n{clock(start, mark)} --> {clock(end, mark)}\n{text}\n"
        for i, (start, end, text) in enumerate(cues, start=1)
    ]
    return "\n".join([*(["WEBVTT\n"] if vtt else []), *blocks])


ROLLING = {
    # What a conversion to SRT leaves of YouTube's captions: each line twice, a blink between.
    "blinks": (
        [(1, 2, "a b"), (2, 2.01, "a b"), (2.01, 3, "a b\nthree"), (3, 3.01, "three")],
        ["a b", "three"],
    ),
    "two lines that move up": (
        [(0, 1, "a a"), (1, 2, "a a\nb b"), (2, 3, "b b\nc c"), (3, 4, "c c\nd d")],
        ["a a", "b b", "c c", "d d"],
    ),
    "three lines that move up": (
        [(0, 1, "a\nb"), (1, 2, "a\nb\nc"), (2, 3, "b\nc\nd"), (3, 4, "c\nd\ne")],
        ["a b", "c", "d", "e"],
    ),
    "a line that grows": (
        [(0, 1, "one"), (1, 2, "one two"), (2, 3, "one two three"), (3, 4, "four")],
        ["one", "two", "three", "four"],
    ),
    "overlapping times": (
        [(0, 3, "a a"), (1, 4, "a a\nb b"), (2.5, 6, "b b\nc c"), (4, 8, "c c\nd d")],
        ["a a", "b b", "c c", "d d"],
    ),
    "a line said twice in a file that rolls": (
        [(0, 1, "a a"), (1, 2, "a a\nb b"), (2, 3, "b b\nb b"), (3, 4, "b b\nc c")],
        ["a a", "b b", "b b", "c c"],
    ),
    "said again after a pause": (
        [(0, 1, "a a"), (1, 2, "a a\nb b"), (2, 3, "b b\nc c"), (9, 10, "c c")],
        ["a a", "b b", "c c", "c c"],
    ),
}


@pytest.mark.parametrize("vtt", [False, True])
@pytest.mark.parametrize("name", ROLLING)
def test_rolling_captions_give_each_line_once(tmp_path, name, vtt):
    cues, expected = ROLLING[name]
    content = captions(cues, vtt=vtt)
    assert texts(tmp_path, content, "x.vtt" if vtt else "x.srt") == expected


@pytest.mark.parametrize(
    "cues",
    [
        [(0, 1, "No."), (1, 2, "No."), (2, 3, "No."), (3, 4, "I said no.")],
        [(0, 1, "Yes."), (1, 2, "Yes."), (2, 3, "Well."), (3, 4, "So."), (4, 5, "So.")],
        [(0, 1, "I am"), (1, 2, "I am tired."), (3, 4, "a"), (4, 5, "b"), (5, 6, "c"), (6, 7, "d")],
    ],
)
def test_what_is_said_twice_stays_twice_where_nothing_rolls(tmp_path, cues):
    assert texts(tmp_path, captions(cues, vtt=False)) == [text for *_, text in cues]


def test_rolled_captions_end_where_the_next_begins(tmp_path):
    path = tmp_path / "x.srt"
    path.write_text(captions(ROLLING["overlapping times"][0], vtt=False))
    found = read(path)
    assert [(u.start, u.end) for u in found] == [(0, 1), (1, 2.5), (2.5, 4), (4, 8)]


def test_srt_without_blank_lines(tmp_path):
    content = "1\n00:00:01,000 --> 00:00:02,000\nX one\n2\n00:00:02,500 --> 00:00:03,000\nY two\n"
    assert texts(tmp_path, content) == ["X one", "Y two"]
    without_numbers = content.replace("1\n00", "00").replace("2\n00", "00")
    assert texts(tmp_path, without_numbers) == ["X one", "Y two"]
    # A number that is said is not the number of a cue.
    said = "1\n00:00:01,000 --> 00:00:02,000\n7\n2\n00:00:02,500 --> 00:00:03,000\n8\n"
    assert texts(tmp_path, said) == ["7", "8"]
    vtt = "WEBVTT\n\n00:01.000 --> 00:02.000\nX\n00:02.500 --> 00:03.000\nY\n"
    assert texts(tmp_path, vtt, "x.vtt") == ["X", "Y"]


@pytest.mark.parametrize(
    "content",
    [
        "1\n00:00:01,000 --> 00:00:02,000\n\nHello\n\n2\n00:00:03,000 --> 00:00:04,000\nBye\n",
        "1\n00:00:01,000 --> 00:00:02,000\nHel\n\nlo\n\n2\n00:00:03,000 --> 00:00:04,000\nBye\n",
        "1\n\n00:00:01,000 --> 00:00:02,000\nHello\n\n2\n\n00:00:03,000 --> 00:00:04,000\nBye\n",
    ],
)
def test_blank_lines_where_none_belong(tmp_path, content):
    path = tmp_path / "x.srt"
    path.write_text(content)
    found, problems = read_report(path)
    assert [u.text.replace(" ", "") for u in found] == ["Hello", "Bye"]
    assert all("block without times" in p.message for p in problems)
    assert len(problems) == content.startswith("1\n\n")  # the first number, before any cue


def test_what_is_no_time_after_a_cue_is_still_a_fault(tmp_path):
    path = tmp_path / "x.srt"
    path.write_text("1\n00:00:01,000 --> 00:00:02,000\nA\n\n2\n00:00:3,000 -> 00:00:04,000\nB\n")
    found, problems = read_report(path)
    assert [u.text for u in found] == ["A"]
    assert [p.line for p in problems] == [5]


@pytest.mark.parametrize(
    ("head", "times"),
    [
        ("WEBVTT\n\n", "0:00:01.000 --> 0:00:02.000"),
        ("WEBVTT\n\n", "00:00:01,000 --> 00:00:02,000"),
        ("WEBVTT\n\n", "00:01.000-->00:02.000"),  # as the W3C's parser takes it
        ("1\n", "00:00:01.000-->00:00:02.000"),
        ("1\n", "00:01,000 --> 00:02,000"),
        ("1\n", "00:00:01 --> 00:00:02"),
    ],
)
def test_clocks_that_other_tools_write(tmp_path, head, times):
    path = tmp_path / f"x.{'vtt' if 'WEBVTT' in head else 'srt'}"
    path.write_text(f"{head}{times}\nX\n")
    [found] = read(path)
    assert (found.start, found.end) == (1, 2)


def test_a_time_inside_a_cue_that_is_none_costs_nothing_else(tmp_path):
    assert texts(
        tmp_path, "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nhi <00:61.000>there\n", "x.vtt"
    ) == ["hi there"]


TABLE = "start\tend\ttext\n"


@pytest.mark.parametrize(
    ("rows", "spans"),
    [
        ("1200\t3400\tHello there\n3400\t5000\tBye\n", [(1.2, 3.4), (3.4, 5.0)]),
        ("1\t3\tHello there, how are you?\n3\t5\tBye then.\n", [(1, 3), (3, 5)]),
        ("0\t4000\tMm.\n60000\t62000\tYes.\n", [(0, 4), (60, 62)]),
        ("0\t30\tA long silence, and then a word.\n", [(0, 30)]),
        ("1200.0\t3400.0\tHello there\n", [(1.2, 3.4)]),
    ],
)
def test_whole_numbers_are_milliseconds_where_nobody_talks_so_slowly(tmp_path, rows, spans):
    path = tmp_path / "w.tsv"
    path.write_text(TABLE + rows)
    assert [(u.start, u.end) for u in read(path)] == spans


def test_heads_are_read_in_a_table_without_a_column_of_voices(tmp_path):
    path = tmp_path / "w.csv"
    path.write_text("start,end,text\n0.0,1.0,Ana: Hi\n1.0,2.0,Bo: Hello\n2.0,3.0,Ana: So\n")
    assert [u.speaker for u in read(path)] == ["Ana", "Bo", "Ana"]


# --- where the media ends ---------------------------------------------------------------------


def assembled(tmp_path, content, *, duration, start=0.0, end=None, name="x.srt"):
    from emodiss.settings import TranscriptSettings
    from emodiss.transcript import stages as speech

    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    stretch = make.media(start=start, end=duration if end is None else end, duration=duration)
    return speech.assemble(
        media=stretch,
        recognition=None,
        words=None,
        turns=None,
        alignment=None,
        row=make.row(transcript=str(path)),
        settings=TranscriptSettings(),
    )


def test_a_caption_that_stays_beyond_the_end_is_cut_and_kept(tmp_path):
    cues = [(0.2, 0.7, "one"), (0.9, 4.5, "two"), (1.0, 3599.0, "three")]
    found = assembled(tmp_path, captions(cues, vtt=False), duration=2.5)
    assert [(u.start, u.end) for u in found.utterances] == [(0.2, 0.7), (0.9, 2.5), (1.0, 2.5)]
    assert found.notes == ()


def test_captions_after_the_end_are_left_out_and_no_manifest_is_blamed(tmp_path):
    cues = [(0.2, 0.7, "one"), (3.0, 4.0, "two")]
    found = assembled(tmp_path, captions(cues, vtt=False), duration=2.5)
    assert [u.text for u in found.utterances] == ["one"]
    assert found.notes == ("beyond_end",)
    assert (found.n_beyond, found.n_outside) == (1, 0)


def test_a_stretch_that_is_stated_still_chooses_by_the_middle(tmp_path):
    cues = [(0.0, 1.0, "one"), (1.2, 1.9, "two"), (1.9, 2.4, "three")]
    found = assembled(tmp_path, captions(cues, vtt=False), duration=2.5, start=1.0, end=2.0)
    assert [u.text for u in found.utterances] == ["two"]
    assert found.notes == ("outside_stretch",)


def test_a_voice_that_cannot_be_told_is_noted_and_fails_no_strict_reading(tmp_path):
    lines = ["Ana: One.", "Bo: Two.", "And on.", "Zed Q: I am new.", "Ana: So.", "Bo: Hi."]
    content = captions([(i, i + 0.9, text) for i, text in enumerate(lines)], vtt=False)
    found = assembled(tmp_path, content, duration=10.0)
    assert found.notes == ("speaker_unread",)
    assert found.problems == ()


def test_a_caption_that_shows_nothing_is_nobodys_speech(tmp_path):
    lines = ["Ana: Hello.", "", "Bo: Yes.", "Ana: So.", "Bo: No."]
    cues = [(i, i + 0.9, line) for i, line in enumerate(lines)]
    assert texts(tmp_path, captions(cues, vtt=False)) == ["Hello.", "Yes.", "So.", "No."]
    # Where no caption shows words, the file still says when somebody speaks.
    assert texts(tmp_path, captions([(0, 1, ""), (2, 3, "")], vtt=False)) == ["", ""]


def test_line_breaks_of_other_formats_end_a_line(tmp_path):
    path = tmp_path / "x.srt"
    cues = [(0, 2, "Ana: Hi<br>Bo: Ho<br/>ha"), (2, 4, "Bo: he\\Nhu"), (4, 6, "Ana: a")]
    path.write_text(captions(cues, vtt=False), encoding="utf-8")
    said = [(u.speaker, u.text) for u in read(path)]
    assert said == [("Ana", "Hi"), ("Bo", "Ho ha"), ("Bo", "he hu"), ("Ana", "a")]


TABLES = {
    "German": "Sprecher;Beginn;Ende;Text\nA;0:00:00,5;0:00:02,0;ja\n",  # codespell:ignore
    "French, NFD": "Locuteur;De\u0301but;Fin;Texte\nA;0,5;2,0;ja\n",
    "Japanese": "話者,開始,終了,テキスト\nA,0.5,2,ja\n",
    "Arabic": "المتحدث,البداية,النهاية,النص\nA,0.5,2.0,ja\n",
    "ELAN": "Tier\tBegin Time - ss.msec\tEnd Time - ss.msec\tDuration - ss.msec\tAnnotation\n"
    "A\t0.5\t2.0\t9\tja\n",
    "Praat": "tmin\ttier\ttext\ttmax\n0.5\tA\tja\t2.0\n",
    "a length instead of an end": "text,start,duration,speaker\nja,0.5,1.5,A\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_other_programs(tmp_path, name):
    path = tmp_path / "x.csv"
    path.write_text(TABLES[name], encoding="utf-8")
    found, problems = read_report(path)
    assert problems == []
    assert [(u.start, u.end, u.speaker, u.text) for u in found] == [(0.5, 2.0, "A", "ja")]
    assert found[0].timing == "given"


def test_a_list_of_turns_is_no_transcript(tmp_path):
    path = tmp_path / "x.stm"
    path.write_text("SPEAKER rec 1 0.50 1.50 <NA> <NA> A <NA> <NA>\n", encoding="utf-8")
    found, problems = read_report(path)
    assert found == []
    assert "RTTM" in problems[0].message


def test_a_file_of_which_hardly_a_row_fits_is_given_up(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("start,text\n" + "x,y\n" * 5000 + "1,z\n", encoding="utf-8")
    found, problems = read_report(path)
    assert found == []
    assert len(problems) == 1001
    assert "those after it were not read" in problems[-1].message
    path.write_text("start,text\n" + "x,y\n1,z\n" * 2000, encoding="utf-8")
    found, problems = read_report(path)
    assert len(found) == len(problems) == 2000
