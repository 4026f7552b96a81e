"""What a cell of a table means as a time, and what spreadsheets make of times.

A cell is read at its face value first. Whether the file as a whole can mean that is told by the
pace of speech: numbers may be milliseconds or parts of a day, and minutes may have become hours.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from emodiss.errors import ArgumentError
from emodiss.timebase import parse_time
from emodiss.transcript.records import Problem, Row
from emodiss.transcript.timing import SECONDS_PER_CHARACTER

_ASSUMED = "time_unit_assumed"
DAY_S = 86_400
_LONGEST_S = 20_000  # of a session that is given in seconds with decimals: five hours and a half

UNITS = {
    **{"": 1.0, "ss msec": 1.0, "s": 1.0, "sec": 1.0, "secs": 1.0, "seconds": 1.0},
    **{"hh mm ss ms": 1.0, "hh mm ss": 1.0, "mm ss": 1.0},
    **{"ms": 0.001, "msec": 0.001, "milliseconds": 0.001, "min": 60.0, "minutes": 60.0},
}
"""What the name of a column may end in: the unit of its numbers in seconds, best first."""

_NUMBER = re.compile(r"\d+(?:[.,]\d*)?(?:[eE][+-]?\d{1,2})?|[.,]\d+(?:[eE][+-]?\d{1,2})?")
_WHOLE = re.compile(r"\d+")
_LENGTHS = re.compile(
    r"(?:(?P<h>\d{1,3})\s?(?:h|hrs?|hours?)\s?)?(?:(?P<m>\d{1,4})\s?(?:m|min|mins|minutes?|')\s?)?"
    r"(?:(?P<s>\d{1,6}(?:[.,]\d{1,9})?)\s?(?:s|secs?|seconds?|sek|\"|''))?"
    r"|(?P<ms>\d{1,10}(?:[.,]\d{1,6})?)\s?(?:ms|msecs?|milliseconds?)",
    re.IGNORECASE,
)
_ISO = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?", re.IGNORECASE)
# Day 0 of spreadsheets and of dates of programs, before a time of that day.
_DAY_0 = re.compile(
    r"(?:1900-01-00|0?[01]/0?[01]/1900|1900-01-01|1899-12-3[01]|3[01]\.12\.1899|3[01]/12/1899"
    r"|12/3[01]/1899|00\.01\.1900|0?1\.0?1\.1900|1970-01-01|0 days?,?)[T ]\s?",
    re.IGNORECASE,
)
_HALF_DAY = re.compile(
    r"(?P<h>\d{1,2}):(?P<rest>\d{2}(?::\d{2}(?:[.,]\d{1,6})?)?)\s?(?P<half>[ap])\.?\s?m\.?", re.I
)
_FRAMES = re.compile(r"\d{1,2}:\d{2}:\d{2}[:;]\d{2,3}|\d{1,2}:\d{2}:\d{2};\d{2}")
_WHOLE_MINUTES = re.compile(r"\d{1,3}:\d{2}:00(?:[.,]0+)?")
_MINUTES = re.compile(r"\d{1,3}:\d{2}(?:[.,]\d+)?")


def cell_time(text: str) -> float:
    """Read a cell at its face value, in seconds; numbers have no unit yet."""
    text = _DAY_0.sub("", text.strip().translate(_PRIMES), count=1).removesuffix("Z")
    if _NUMBER.fullmatch(text):
        return float(text.replace(",", "."))
    if _FRAMES.fullmatch(text):
        raise ArgumentError(
            f"'{text}' counts frames, and a table does not say how many there are in a second; "
            "expected seconds with decimals: export it with milliseconds"
        )
    if half := _HALF_DAY.fullmatch(text):
        hour, rest = int(half["h"]), half["rest"]
        if not 1 <= hour <= 12:
            raise ArgumentError(f"'{text}' is no time of a day")
        hour = hour % 12 + 12 * (half["half"] in "pP")
        return parse_time(f"{hour}:{rest}" if ":" in rest else f"{hour}:{rest}:00")
    if text[:1].isdecimal() and (lengths := _LENGTHS.fullmatch(text)):
        if lengths["ms"]:
            return _of(lengths["ms"]) / 1000
        return _of(lengths["h"]) * 3600 + _of(lengths["m"]) * 60 + _of(lengths["s"])
    if len(text) > 2 and (iso := _ISO.fullmatch(text)):
        return _of(iso[1]) * 3600 + _of(iso[2]) * 60 + _of(iso[3])
    return parse_time(text)


_PRIMES = str.maketrans({"′": "'", "″": '"', "\xa0": " ", "\u202f": " ", "\u2009": " "})


def _of(digits: str | None) -> float:
    return float((digits or "0").replace(",", "."))


@dataclass(slots=True)
class Cells:
    """What the cells of one file that hold times look like."""

    numbers: bool = True
    whole: bool = True
    whole_minutes: bool = True
    minutes: bool = True
    half_days: bool = False
    decimals: int = 0

    def saw(self, cell: str | None) -> None:
        """Take note of one cell."""
        cell = (cell or "").strip()
        if not cell:
            return
        number = _NUMBER.fullmatch(cell) is not None
        self.numbers = self.numbers and number
        self.whole = self.whole and _WHOLE.fullmatch(cell) is not None
        cell = _DAY_0.sub("", cell, count=1)
        half = _HALF_DAY.fullmatch(cell)
        self.half_days = self.half_days or half is not None
        plain = f"{half['h']}:{half['rest']}" if half else cell
        self.whole_minutes = self.whole_minutes and _WHOLE_MINUTES.fullmatch(plain) is not None
        self.minutes = self.minutes and _MINUTES.fullmatch(plain) is not None
        if number and float(cell.replace(",", ".")):
            digits, _, exponent = cell.lower().partition("e")
            decimals = len(re.split("[.,]", digits)[1]) if re.search("[.,]", digits) else 0
            self.decimals = max(self.decimals, decimals - int(exponent or 0))


def settled_unit(rows: Sequence[Row], cells: Cells) -> tuple[list[Row], Problem | None]:
    """Bring the times of a file to seconds, and say where it had to be found out.

    Told by the pace of speech: the wrong reading is a hundred times slower or faster than people
    talk, or more.

    Returns
    -------
    list of Row
        None of them where the file cannot be read as anything for certain.
    """
    pace = _pace(rows)  # 1 is the usual one
    if cells.numbers:
        last = max((max(r.start, r.start if math.isnan(r.end) else r.end) for r in rows), default=1)
        if pace > math.sqrt(DAY_S) and last < 1:
            return _from_days(rows, cells)
        # Few words in a long time are no rarity, so decimals take a time that no session has, too.
        if pace < 1 / math.sqrt(1000) and (cells.whole or last > _LONGEST_S):
            flags = () if cells.whole else (_ASSUMED,)
            scaled = [
                replace(r, start=r.start / 1000, end=r.end / 1000, flags=(*r.flags, *flags))
                for r in rows
            ]
            said = "times without a unit were read as milliseconds, because as seconds nobody talks"
            doubt = Problem(0, f"{said} so slowly; write 'start_ms' over the column", doubt=True)
            return scaled, None if cells.whole else doubt
    slow = pace < 1 / math.sqrt(60) and len(rows) > 2
    if slow and cells.whole_minutes:
        return [], Problem(
            0,
            "all times end in ':00' and as hours nobody talks so slowly: a spreadsheet seems to "
            "have taken minutes and seconds for hours and minutes; expected 0:MM:SS",
        )
    if cells.minutes and _falls_back(rows):
        return [], Problem(
            0,
            "times fall back to zero before 24:00 is reached: a spreadsheet seems to have taken "
            "minutes for hours of a day; expected 0:MM:SS",
        )
    if cells.half_days and rows and min(row.start for row in rows) >= 3600:
        return [], Problem(
            0, "times of a day (AM, PM), not from the start of the media; expected seconds from it"
        )
    return list(rows), None


def _pace(rows: Sequence[Row]) -> float:
    """Tell how many times faster than usual the words would be said; 1 where it cannot be told."""
    seconds = sum(max(0.0, row.end - row.start) for row in rows if not math.isnan(row.end))
    characters = sum(len(row.text) for row in rows if not math.isnan(row.end))
    if not seconds and len(rows) > 2:
        starts = [row.start for row in rows]
        seconds = max(starts) - min(starts)
        characters = sum(len(row.text) for row in rows[:-1])
    return characters * SECONDS_PER_CHARACTER / seconds if seconds > 0 and characters else 1.0


def _from_days(rows: Sequence[Row], cells: Cells) -> tuple[list[Row], Problem]:
    said = "times are fractions of a day, as spreadsheets keep them"
    if cells.decimals < 6:
        step = DAY_S * 10.0**-cells.decimals
        return [], Problem(
            0, f"{said}, rounded to {step:.1f} s; expected seconds: format the cells as [ss].000"
        )

    def seconds(days: float) -> float:
        return round(days * DAY_S, 3)

    scaled = [
        replace(row, start=seconds(row.start), end=seconds(row.end), flags=(*row.flags, _ASSUMED))
        for row in rows
    ]
    return scaled, Problem(0, f"{said}; they were read as such", doubt=True)


def _falls_back(rows: Sequence[Row]) -> bool:
    """Whether starts fall by most of 24 minutes, and none is later than that."""
    starts = [row.start for row in rows]
    if not starts or max(starts) >= 24 * 60:
        return False
    return any(before - after > 20 * 60 for before, after in pairwise(starts))
