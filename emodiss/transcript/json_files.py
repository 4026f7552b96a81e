"""Readers for transcripts in JSON: WhisperX (and Whisper) segments, YouTube's json3 captions."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from emodiss.tabular import JSON, is_text, json_value
from emodiss.transcript.foreign import json_of
from emodiss.transcript.join import join
from emodiss.transcript.records import Problem, Row, Turn, Word

_LATEST = 1e12
"""No time of any media, in seconds or milliseconds, is greater."""

_SPEAKER_CHANGE = re.compile(r"(?:^|\s)(?:>>|&gt;&gt;)\s*")


def read_json(text: str) -> Iterator[Row | Problem]:
    """Read WhisperX output (`segments`) or YouTube captions (`events`)."""
    try:
        data = json_value(text, halves=True)  # a row with one is left out
    except json.JSONDecodeError as error:
        yield Problem(error.lineno, f"is not JSON at column {error.colno}; expected JSON")
        return
    except ValueError as error:
        yield Problem(0, f"{error}; expected a transcript")
        return
    if isinstance(data, list):
        first = data[0] if data else None
        strange = isinstance(first, dict) and not {"text", "words"} & first.keys()
        data = data if strange and json_of(data) else {"segments": data}
    if isinstance(data, dict) and isinstance(data.get("segments"), list):
        yield from _whisperx(data["segments"], _element_lines(text, "segments"))
    elif isinstance(data, dict) and isinstance(data.get("events"), list):
        yield from _json3(data["events"], _element_lines(text, "events"))
    else:
        said = (
            "has neither 'segments' (WhisperX) nor 'events' (YouTube json3); expected one of them"
        )
        other = json_of(data)
        yield Problem(1, f"{said}; it {other}" if other else said)


def _element_lines(text: str, key: str) -> list[int]:
    """Line on which each element of a list starts, as far as it can be told."""
    match = re.search(rf'"{key}"\s*:\s*\[|\A\s*\[', text)
    lines: list[int] = []
    if not match:
        return lines
    place = match.end()
    line, counted = 1, 0
    while True:
        gap = re.compile(r"[\s,]*").match(text, place)
        place = gap.end() if gap else place
        line, counted = line + text.count("\n", counted, place), place
        try:
            _, place = JSON.raw_decode(text, place)
        except (ValueError, RecursionError):
            return lines
        lines.append(line)


def _line(lines: Sequence[int], index: int) -> int:
    return lines[index] if index < len(lines) else 0


def _number(record: Mapping[str, Any], key: str) -> float:
    """Take a finite number of at least 0, or NaN when there is none under this key."""
    value = record.get(key)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return math.nan
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"'{key}' is {type(value).__name__}; expected a number")
    if not 0 <= value <= _LATEST:
        raise ValueError(f"'{key}' is {value}; expected a finite number of at least 0")
    return float(value)


def _text(record: Mapping[str, Any], key: str) -> str | None:
    value = record.get(key)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"'{key}' is {type(value).__name__}; expected text")
    if value is not None and not is_text(value):
        raise ValueError(f"'{key}' holds half a character; expected Unicode text")
    return value


def _whisperx(segments: Sequence[Any], lines: Sequence[int]) -> Iterator[Row | Problem]:
    for index, segment in enumerate(segments):
        line = _line(lines, index)
        try:
            yield from list(_segment_rows(segment, line))
        except ValueError as error:
            yield Problem(line, f"segment {index + 1}: {error}")


def _segment_rows(segment: Any, line: int) -> Iterator[Row]:
    if not isinstance(segment, dict):
        raise ValueError("is not an object; expected start, end and text")
    start, end = _number(segment, "start"), _number(segment, "end")
    text, speaker = (_text(segment, "text") or "").strip(), _text(segment, "speaker")
    listed = segment.get("words") or []
    if not isinstance(listed, list):
        raise ValueError("'words' is not a list")
    if not listed and "text" not in segment:
        raise ValueError("has neither text nor words")
    words = [_word(word) for word in listed]
    timed = [time for word in words for time in (word.start, word.end) if math.isfinite(time)]
    if math.isnan(start):
        if not timed:
            raise ValueError("has no start; expected seconds under 'start'")
        start = min(timed)
    if math.isnan(end) and timed:
        end = max(timed)
    if not words or not end > start:
        yield Row(line, start, end, speaker, text)
        return
    # A segment may hold two voices (whisperX issue 316): the words know better than it does.
    voices = {word.speaker for word in words if word.speaker is not None}
    own = Turn(start, end, speaker or min(voices, default=""))
    parts = join(words, [own], keep_sentences=False, max_pause_s=math.inf)
    if len({part.speaker for part in parts}) == 1:
        yield Row(
            line,
            start,
            end,
            own.speaker if not voices else parts[0].speaker,
            text,
            tuple(word for part in parts for word in part.words),
        )
        return
    for part in parts:
        yield Row(
            line, part.start, part.end, part.speaker, part.text, part.words, part.timing, part.flags
        )


def _word(word: Any) -> Word:
    if not isinstance(word, dict):
        raise ValueError("a word is not an object; expected word, start and end")
    text = _text(word, "word") if "word" in word else _text(word, "text")
    if text is None:
        raise ValueError("a word without text; expected it under 'word'")
    start, end = _number(word, "start"), _number(word, "end")
    score = word.get("score", word.get("probability"))
    return Word(
        text=text.strip(),
        start=start,
        end=end,
        speaker=_text(word, "speaker"),
        score=float(score) if isinstance(score, (int, float)) else math.nan,
    )


def _json3(events: Sequence[Any], lines: Sequence[int]) -> Iterator[Row | Problem]:
    shown: list[tuple[int, float, float, list[tuple[float, str]]]] = []
    for index, event in enumerate(events):
        line = _line(lines, index)
        try:
            if not isinstance(event, dict):
                raise ValueError("is not an object")
            segments = event.get("segs")
            if not segments:
                continue  # a window on the screen, no text
            if not isinstance(segments, list) or not all(isinstance(s, dict) for s in segments):
                raise ValueError("'segs' is not a list of objects")
            start = _number(event, "tStartMs") / 1000
            length = _number(event, "dDurationMs") / 1000
            if math.isnan(start):
                raise ValueError("has no 'tStartMs'")
            pieces = [
                (start + (0.0 if math.isnan(offset) else offset / 1000), _text(piece, "utf8") or "")
                for piece in segments
                for offset in (_number(piece, "tOffsetMs"),)
            ]
        except ValueError as error:
            yield Problem(line, f"event {index + 1}: {error}")
            continue
        if any(text.strip() for _, text in pieces):
            shown.append((line, start, start + length, pieces))
    shown.sort(key=lambda event: event[1])
    for event, following in zip_longest(shown, shown[1:]):
        line, start, end, pieces = event
        if following and following[1] > start:
            # Captions stay on the screen while the next line is already being spoken.
            end = min(end, following[1]) if math.isfinite(end) else following[1]
        yield from _event_rows(line, start, end, pieces)


def _event_rows(
    line: int, start: float, end: float, pieces: Sequence[tuple[float, str]]
) -> Iterator[Row]:
    """One row per voice of an event: `>>` is how captions say that the voice changes."""
    with_times = sum(bool(text.strip()) for _, text in pieces) > 1
    runs: list[tuple[bool, list[tuple[float, str]]]] = [(False, [])]
    for time, text in pieces:
        first, *others = _SPEAKER_CHANGE.split(text)
        runs[-1][1].append((time, first))
        runs += [(True, [(time, other)]) for other in others]
    runs = [(changed, run) for changed, run in runs if any(text.strip() for _, text in run)]
    edges = [start, *(run[0][0] for _, run in runs[1:]), end]
    for (changed, run), begun, ended in zip(runs, edges, edges[1:], strict=False):
        run = [(time, " ".join(text.split())) for time, text in run if text.strip()]
        times = [*(time for time, _ in run[1:]), ended]
        words = tuple(
            # Only where a word starts is stated; that it lasts until the next one is a guess.
            Word(text, time, until, timing="interpolated")
            for (time, text), until in zip(run, times, strict=True)
            if until > time
        )
        yield Row(
            line,
            begun,
            ended,
            None,
            " ".join(text for _, text in run),
            words if with_times and len(words) == len(run) else (),
            "given" if len(runs) == 1 else "interpolated",
            ("speaker_change",) if changed else (),
        )
