"""Times in tables as people, programs and spreadsheets leave them: right, or refused."""

from __future__ import annotations

import pytest

from emodiss.transcript import read_report
from tests.test_captions_as_they_are import assembled

SAID = ("How was your week then?", "It was fine, I think.", "You think so? Tell me more of it.")
RIGHT = [(50, 52), (53, 55), (56, 60)]


def read(tmp_path, rows, header="speaker;start;end;text"):
    path = tmp_path / "t.csv"
    lines = (";".join(("Ana", *cells, said)) for cells, said in zip(rows, SAID, strict=False))
    path.write_text("\n".join((header, *lines)), encoding="utf-8")
    utterances, problems = read_report(path)
    return [(round(u.start, 2), round(u.end, 2)) for u in utterances], problems


def pairs(text):
    cells = text.split("|")
    return list(zip(cells[::2], cells[1::2], strict=True))


@pytest.mark.parametrize(
    "cells",
    [
        "50|52|53|55|56|60",
        "0:50|0:52|0:53|0:55|0:56|1:00",
        "12:00:50 AM|12:00:52 AM|12:00:53 AM|12:00:55 AM|12:00:56 AM|12:01:00 AM",
        "1900-01-00 00:00:50|1/0/1900 0:00:52|0:00:53|1899-12-30 0:00:55|0:00:56|0:01:00",
        "0 days 00:00:50|0 days 00:00:52|0 days 00:00:53|0 days 00:00:55|0:56|1:00",
        "50s|52 s|53 sec|0m55s|0h 0m 56s|1min 0s",
        "0′50″|0′52″|PT53S|PT55S|56|PT1M",
        "50000ms|52000 ms|53000ms|55000ms|56000ms|60000ms",
        "50000|52000|53000|55000|56000|60000",
    ],
)
def test_times_in_any_usual_form_are_read(tmp_path, cells):
    assert read(tmp_path, pairs(cells)) == (RIGHT, [])


@pytest.mark.parametrize("shape", ["{:.15f}", "{:.9f}", "{:.14E}", "comma"])
def test_fractions_of_a_day_are_told_by_the_pace_and_reported(tmp_path, shape):
    cells = [
        [
            f"{t / 86400:.15f}".replace(".", ",") if shape == "comma" else shape.format(t / 86400)
            for t in pair
        ]
        for pair in RIGHT
    ]
    spans, problems = read(tmp_path, cells)
    assert spans == RIGHT
    assert [(p.line, p.doubt) for p in problems] == [(1, True)]
    assert "fractions of a day" in problems[0].message


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ("0.00058|0.0006|0.00061|0.00064|0.00065|0.00069", "rounded to 0.9 s"),
        ("00:50:00|00:52:00|00:53:00|00:55:00|00:56:00|01:00:00", "minutes and seconds for hours"),
        ("12:50:00 AM|12:52:00 AM|12:53:00 AM|12:55:00 AM|12:56:00 AM|1:00:00 AM", "for hours"),
        ("23:50|23:55|23:56|0:02|0:02|0:07", "fall back to zero"),
        ("2:31:05 PM|2:31:07 PM|2:31:08 PM|2:31:10 PM|2:31:11 PM|2:31:15 PM", "times of a day"),
    ],
)
def test_times_that_a_spreadsheet_spoilt_are_refused_whole(tmp_path, cells, said):
    spans, problems = read(tmp_path, pairs(cells))
    assert spans == []
    assert len(problems) == 1 and not problems[0].doubt
    assert said in problems[0].message


def test_frames_are_refused_row_by_row(tmp_path):
    spans, problems = read(tmp_path, pairs("00:00:50:12|00:00:52:00|53|55|56|60"))
    assert spans == RIGHT[1:]
    assert [p.line for p in problems] == [2]
    assert "counts frames" in problems[0].message


@pytest.mark.parametrize(
    ("header", "factor"),
    [
        ("speaker;start_ms;end_ms;text", 1000),
        ("Speaker;Start (ms);End (ms);Text", 1000),
        ("tier;Begin Time - msec;End Time - msec;annotation", 1000),
        ("tier;Begin Time - ss.msec;End Time - ss.msec;annotation", 1),
        ("speaker;start [s];end [s];text", 1),
        ("speaker;start (min);end (min);text", 1 / 60),
        ("ｓｐｅａｋｅｒ;ｓｔａｒｔ;ｅｎｄ;ｔｅｘｔ", 1),
    ],
)
def test_the_unit_over_a_column_counts(tmp_path, header, factor):
    cells = [[f"{t * factor:.6f}" for t in pair] for pair in RIGHT]
    assert read(tmp_path, cells, header) == (RIGHT, [])


def test_units_that_differ_are_refused(tmp_path):
    spans, problems = read(tmp_path, RIGHT_TEXT, "speaker;start_ms;end;text")
    assert spans == [] and "different units" in problems[0].message


RIGHT_TEXT = [[str(t) for t in pair] for pair in RIGHT]


@pytest.mark.parametrize("shape", ["{:.1f}", "{:.0f}.0", "{:.3f}"])
def test_milliseconds_with_decimals_are_reported(tmp_path, shape):
    spans, problems = read(tmp_path, [[shape.format(t * 1000) for t in pair] for pair in RIGHT])
    assert spans == RIGHT
    assert len(problems) == 1 and problems[0].doubt and "milliseconds" in problems[0].message


def test_a_unit_that_was_found_out_is_a_note_of_the_video(tmp_path):
    rows = [",".join((f"{a / 86400:.9f}", f"{b / 86400:.9f}", "Tell me.")) for a, b in RIGHT]
    content = "\n".join(("start,end,text", *rows))
    transcript = assembled(tmp_path, content, duration=70.0, name="t.csv")
    assert [round(u.start, 2) for u in transcript.utterances] == [50, 53, 56]
    assert "time_unit_assumed" in transcript.notes
    assert "malformed_rows" not in transcript.notes


def test_few_words_in_a_long_time_stay_seconds(tmp_path):
    cells = pairs("0.0|600.0|600.0|1200.5|1200.5|1800.0")
    assert read(tmp_path, cells) == ([(0, 600), (600, 1200.5), (1200.5, 1800)], [])


def test_a_short_talk_in_the_first_second_stays(tmp_path):
    cells = pairs("0.1|0.35|0.35|0.6|0.6|0.99")
    assert read(tmp_path, cells) == ([(0.1, 0.35), (0.35, 0.6), (0.6, 0.99)], [])
