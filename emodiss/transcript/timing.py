"""Times in transcript files: making spans where a file gives no length."""

from __future__ import annotations

import bisect
import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from emodiss.transcript.records import Row, Timing, Utterance, Word

SECONDS_PER_CHARACTER = 0.065
"""Pace assumed where only text is known: English conversation runs at about 210 words a minute
with 4.4 characters and a space to a word (Tauroza and Allison 1990, Applied Linguistics 11), so
a character takes 60 / (210 * 5.4) = 0.053 s; a little slower here, since talk in counselling is."""

SHORTEST_S = 0.3
"""Least length given to an utterance of which only the start is known; a spoken syllable with
its edges."""


def text_weight(text: str) -> int:
    """Share of time a text asks for when a stretch is divided: its characters, at least one."""
    return max(1, len(text))


def on_grid(seconds: float) -> float:
    """Round to a 2**-20th of a second, so that a shift of time is exact and decides no tie."""
    return round(seconds * 2**20) / 2**20


def share_out(start: float, end: float, texts: Sequence[str]) -> list[tuple[float, float]]:
    """Divide a stretch of time among texts that follow each other, by their length."""
    weights = [text_weight(text) for text in texts]
    total = sum(weights)
    coarse = (end - start) * min(weights, default=1) * 2**18 > total  # four steps of the grid
    edges, done = [start], 0
    for weight in weights[:-1]:
        done += weight
        offset = (end - start) * done / total
        edges.append(start + (on_grid(offset) if coarse else offset))
    edges.append(end)
    return list(pairwise(edges))


def shared_out(segment: Utterance) -> list[Word]:
    """Words of a recognised segment, placed in it by the length of their text.

    Text that repeats itself is one word: no part of a loop has a time of its own, and nothing
    may cut it into rows.
    """
    texts = [segment.text] if "repetition" in segment.flags else segment.text.split()
    spans = share_out(segment.start, segment.end, texts)
    return [
        Word(text, start, end, timing="interpolated")
        for text, (start, end) in zip(texts, spans, strict=True)
    ]


def longest_rising(values: Sequence[float]) -> list[int]:
    """Choose the longest non-decreasing series; what is left out contradicts it."""
    tails: list[float] = []
    tail_index: list[int] = []
    before: list[int] = []
    for index, value in enumerate(values):
        place = bisect.bisect_right(tails, value)
        before.append(tail_index[place - 1] if place else -1)
        if place == len(tails):
            tails.append(value)
            tail_index.append(index)
        else:
            tails[place] = value
            tail_index[place] = index
    chosen: list[int] = []
    index = tail_index[-1] if tail_index else -1
    while index >= 0:
        chosen.append(index)
        index = before[index]
    return chosen[::-1]


def settle(rows: Sequence[Row], *, speaker_default: str) -> list[Utterance]:
    """Turn rows into utterances with valid spans."""
    if not rows:
        return []
    spans = _spans_from_starts if all(math.isnan(row.end) for row in rows) else _spans_as_given
    return [_utterance(*settled, speaker_default) for settled in spans(rows)]


_Settled = tuple[Row, float, float, Timing, tuple[str, ...]]
"""A row, its start and end, how they were obtained, and its flags."""


def _utterance(
    row: Row,
    start: float,
    end: float,
    timing: Timing,
    flags: tuple[str, ...],
    speaker_default: str,
) -> Utterance:
    # One spelling of accents, so that a manifest written elsewhere names the same voice.
    speaker = unicodedata.normalize("NFC", row.speaker or speaker_default)
    words = row.words and tuple(  # `replace` takes three times as long, for every word
        Word(word.text, word.start, word.end, speaker, word.timing, word.score)
        for word in row.words
    )
    return Utterance(start, end, speaker, row.text, words, 0.0, timing, flags)


def _spans_as_given(rows: Sequence[Row]) -> Iterator[_Settled]:
    ordered = sorted(rows, key=lambda row: row.start)
    starts = [row.start for row in ordered]
    for row in ordered:
        if row.end > row.start:
            yield row, row.start, row.end, row.timing, row.flags
            continue
        place = bisect.bisect_right(starts, row.start)
        end = starts[place] if place < len(starts) else math.inf
        if math.isnan(row.end) and math.isfinite(end):
            yield row, row.start, end, "interpolated", row.flags
            continue
        flags = row.flags if math.isnan(row.end) else (*row.flags, "no_length")
        end = min(end, row.start + _assumed_length(row.text))
        yield row, row.start, end, "interpolated", flags


def _spans_from_starts(rows: Sequence[Row]) -> Iterator[_Settled]:
    trusted = set(longest_rising([row.start for row in rows]))
    groups: list[list[Row]] = []
    begins: list[float] = []
    for index, row in enumerate(rows):
        if index in trusted and (not groups or row.start > begins[-1]):
            groups.append([row])
            begins.append(row.start)
            continue
        if index not in trusted:
            row = replace(row, flags=(*row.flags, "out_of_order"))
        if groups:
            groups[-1].append(row)
        else:
            # Rows before the first believable start begin with it.
            groups.append([row])
            begins.append(rows[min(trusted)].start)
    for group, start, following in zip(groups, begins, [*begins[1:], None], strict=True):
        texts = [row.text for row in group]
        end = start + sum(map(_assumed_length, texts)) if following is None else following
        for row, (own_start, own_end) in zip(group, share_out(start, end, texts), strict=True):
            flags = (*row.flags, "no_length") if len(group) > 1 else row.flags
            yield row, own_start, own_end, "interpolated", flags


def _assumed_length(text: str) -> float:
    return max(SHORTEST_S, len(text) * SECONDS_PER_CHARACTER)
