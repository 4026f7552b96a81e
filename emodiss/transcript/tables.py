"""Readers for transcripts with one row per utterance: STM, CSV, AnnoMI's table."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from emodiss.manifest.public import ANNOMI_TALK, each_once
from emodiss.tabular import GIVEN_UP, MISSING, Fault, Table, is_hopeless, parse
from emodiss.timebase import parse_time
from emodiss.transcript.cells import UNITS, Cells, cell_time, settled_unit
from emodiss.transcript.heads import name_voices
from emodiss.transcript.records import Problem, Row

_SPAN = re.compile(r"(\d[\d:.,]*)\s*[-–—]+>?\s*(\d[\d:.,]*)")
_STM_SKIPPED = "ignore_time_segment_in_scoring"
_STM_LABEL = re.compile(r"<[^<>]*>\s*")
_STM_CHOICE = re.compile(r"\{([^{}/]*)(?:/[^{}]*)?\}")

_TIMES = ("start", "end", "duration")

NAMES = {
    "speaker": (
        *("speaker", "speaker label", "speaker name", "role", "name", "voice", "interlocutor"),
        *("tier", "sprecher", "sprecherin", "locuteur", "intervenant", "hablante", "parlante"),
        *(
            "falante",
            "spreker",
            "mówca",
            "спикер",
            "говорящий",
            "話者",
            "说话人",
            "화자",
            "المتحدث",
        ),
    ),
    "start": (
        *("start time", "start", "begin", "begin time", "onset", "from", "timestamp", "time"),
        *("timespan", "time span", "time range", "zeitspanne"),
        *("tmin", "anfang", "début"),
        "beginn",  # codespell:ignore
        *("inicio", "inizio", "início", "początek", "начало", "開始", "开始", "시작", "البداية"),
    ),
    "end": (
        *("end time", "end", "stop", "offset", "to"),
        "ende",  # codespell:ignore
        *("tmax", "fin", "fine", "fim", "einde", "koniec", "конец", "終了", "结束", "끝"),
        "النهاية",
    ),
    "duration": ("duration", "dauer", "durée", "duración", "durata", "duração"),
    "text": (
        *("utterance", "text", "transcript", "utterance text", "sentence", "content"),
        *("annotation", "äußerung", "inhalt", "texte", "texto", "testo", "текст"),
        "tekst",  # codespell:ignore
        *("テキスト", "文本", "텍스트", "النص"),
    ),
}
"""Names of columns in the languages of common programs, without units."""


def span_of_cells(
    start: str,
    end: str | None,
    line: int,
    length: str | None = None,
    *,
    read: Callable[[str], float] = parse_time,
) -> tuple[float, float] | Problem:
    """Read a start and, where there is one, an end or else a length."""
    try:
        begun = read(start)
    except ValueError as error:
        return Problem(line, f"start: {error}")
    try:
        if end is not None and end.strip().casefold() not in MISSING:
            return begun, read(end)
    except ValueError as error:
        return Problem(line, f"end: {error}")
    try:
        if length is not None and length.strip().casefold() not in MISSING:
            return begun, begun + read(length)
    except ValueError as error:
        return Problem(line, f"duration: {error}")
    return begun, math.nan


def read_stm(text: str, *, name: str) -> Iterator[Row | Problem]:
    """Read NIST segment time marks (SCTK `doc/infmts.htm`)."""
    rows: list[tuple[str, str, Row]] = []
    for line, content in enumerate(text.split("\n"), start=1):
        content = content.strip()
        if not content or content.startswith(";;"):
            continue
        cells = content.split(maxsplit=5)
        if len(cells) < 5:
            yield Problem(
                line,
                f"{len(cells)} fields; expected at least 5: recording, channel, speaker, start, "
                "end, then the text",
            )
            continue
        if cells[0] == "SPEAKER" and "<NA>" in cells[-1].split():
            yield Problem(
                line, "a row of RTTM, which says who spoke when and holds no words; expected STM"
            )
            continue
        recording, channel, speaker, start, end = cells[:5]
        span = span_of_cells(start, end, line)
        if isinstance(span, Problem):
            yield span
            continue
        said = _STM_LABEL.sub("", cells[5]).strip() if len(cells) > 5 else ""
        if said.lower() == _STM_SKIPPED:
            continue
        said = " ".join(w for w in _STM_CHOICE.sub(r"\1", said).split() if w != "@")
        rows.append((recording, channel, Row(line, *span, speaker, said)))
    recordings = {recording for recording, _, _ in rows}
    if len(recordings) > 1:
        if name not in recordings:
            yield Problem(
                0,
                f"holds {len(recordings)} recordings, none of them named '{name}'; expected one "
                "recording, or one that bears the file's name",
            )
            return
        rows = [entry for entry in rows if entry[0] == name]
    channels: dict[str, set[str]] = {}
    for _, channel, row in rows:
        channels.setdefault(row.speaker or "", set()).add(channel)
    for _, channel, row in rows:
        several = len(channels[row.speaker or ""]) > 1
        speaker = f"{row.speaker}:{channel}" if several else row.speaker
        yield replace(row, speaker=speaker)


def read_csv(text: str) -> Iterator[Row | Problem]:
    """Read a table like paper A's Figure 2: Speaker, Start Time, End Time, Utterance."""
    table = _table(text)
    if not table.header:
        yield from (Problem(fault.line, fault.message) for fault in table.faults)
        return
    columns = _columns(table.header)
    missing = [kind for kind in ("start", "text") if kind not in columns]
    if missing:
        yield Problem(
            table.line,
            f"{len(table.header)} columns, without one for: {', '.join(missing)}; expected a "
            "header such as 'Speaker, Start Time, End Time, Utterance' on the first line",
        )
        return
    twice = [name for name in columns.values() if table.header.count(name) > 1]
    if twice:
        yield Problem(table.line, f"{len(twice)} column(s) named twice; expected each once")
        return
    rows: list[Row] = []
    cells = Cells()
    for n, entry in enumerate(table.lines()):
        line = entry.line
        if is_hopeless(n - len(rows), len(rows)):
            yield Problem(line, GIVEN_UP)
            break
        if isinstance(entry, Fault):
            yield Problem(line, entry.message)
            continue
        cell = entry.cells
        start, end = cell[columns["start"]], cell.get(columns.get("end", ""))
        if end is None and (both := _SPAN.fullmatch(start)):
            start, end = both.groups()
        length = cell.get(columns.get("duration", ""))
        span = span_of_cells(start, end, line, length, read=cell_time)
        if isinstance(span, Problem):
            yield span
            continue
        for each in (start, end, length):
            cells.saw(each)
        speaker = cell.get(columns.get("speaker", ""))
        rows.append(Row(line, *span, speaker or None, cell[columns["text"]]))
    rows, problem = _in_seconds(rows, columns, cells)
    if problem:
        yield replace(problem, line=table.line)
    yield from rows if "speaker" in columns else name_voices(rows)


def _in_seconds(
    rows: list[Row], columns: Mapping[str, str], cells: Cells
) -> tuple[list[Row], Problem | None]:
    units = {unit_of(columns[kind]) for kind in _TIMES if kind in columns}
    if not cells.numbers or units == {""}:
        return settled_unit(rows, cells)
    if len({UNITS[unit] for unit in units}) > 1:
        return [], Problem(0, "columns of times are in different units; expected the same")
    unit = UNITS[units.pop()]
    return [replace(row, start=row.start * unit, end=row.end * unit) for row in rows], None


def read_annomi_rows(text: str) -> Iterator[tuple[str, Row] | Problem]:
    """Read AnnoMI's table (Wu et al. 2022, github.com/uccollab/AnnoMI), simple or full."""
    table = _table(text)
    if any(column not in table.header for column in ANNOMI_TALK):
        yield Problem(1, f"expected AnnoMI's columns: {', '.join(ANNOMI_TALK)}")
        return
    for entry in each_once(table):
        line = entry.line
        if isinstance(entry, Fault):
            yield Problem(line, entry.message)
            continue
        transcript, _, speaker, start, said = (entry.cells[c] for c in ANNOMI_TALK)
        span = span_of_cells(start, None, line)
        if isinstance(span, Problem):
            yield span
        else:
            yield transcript, Row(line, *span, speaker or None, said)


def _table(text: str) -> Table:
    names = [choice for choices in COLUMNS.values() for choice in choices]
    return parse(text, "", known=(*names, *(n.replace(" ", "_") for n in names), *ANNOMI_TALK))


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", " ", unicodedata.normalize("NFKC", name)).strip().lower()


def unit_of(name: str) -> str:
    """Return the unit that the name of a column ends in, a key of `UNITS`; empty without one."""
    ends = f" {_plain(name)}"
    return next(
        (u for u in sorted(UNITS, key=len, reverse=True) if u and ends.endswith(f" {u}")), ""
    )


def _columns(names: Sequence[str]) -> dict[str, str]:
    """Name of each known column; of several names for one thing the most usual wins."""
    plain = {_plain(name): name for name in reversed(names)}
    return {
        kind: next(plain[choice] for choice in choices if choice in plain)
        for kind, choices in COLUMNS.items()
        if any(choice in plain for choice in choices)
    }


def _with_units(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{name} {unit}".strip() for unit in UNITS for name in names)


COLUMNS = {kind: _with_units(names) if kind in _TIMES else names for kind, names in NAMES.items()}
"""Names of columns, with the units that times may have."""
