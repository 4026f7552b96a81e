"""Times in transcript files: making spans where a file gives no length."""

from __future__ import annotations

import bisect
import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from emodiss.transcript.records import Row, Utterance, Word

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
    # One spelling of accents, so that a manifest written elsewhere names the same voice.
    return [
        _utterance(row, unicodedata.normalize("NFC", row.speaker or speaker_default))
        for row in spans(rows)
    ]


def _utterance(row: Row, speaker: str) -> Utterance:
    return Utterance(
        start=row.start,
        end=row.end,
        speaker=speaker,
        text=row.text,
        words=tuple(replace(word, speaker=speaker) for word in row.words),
        timing=row.timing,
        flags=row.flags,
    )


def _spans_as_given(rows: Sequence[Row]) -> Iterator[Row]:
    ordered = sorted(rows, key=lambda row: row.start)
    starts = [row.start for row in ordered]
    for row in ordered:
        if row.end > row.start:
            yield row
            continue
        place = bisect.bisect_right(starts, row.start)
        end = starts[place] if place < len(starts) else math.inf
        if math.isnan(row.end) and math.isfinite(end):
            yield replace(row, end=end, timing="interpolated")
            continue
        flags = row.flags if math.isnan(row.end) else (*row.flags, "no_length")
        end = min(end, row.start + _assumed_length(row.text))
        yield replace(row, end=end, timing="interpolated", flags=flags)


def _spans_from_starts(rows: Sequence[Row]) -> Iterator[Row]:
    trusted = set(longest_rising([row.start for row in rows]))
    groups: list[list[Row]] = []
    for index, row in enumerate(rows):
        if index in trusted and (not groups or row.start > groups[-1][0].start):
            groups.append([row])
        elif not groups:
            # Rows before the first believable start begin with it.
            groups.append([replace(row, start=rows[min(trusted)].start)])
            groups[-1][0] = replace(groups[-1][0], flags=(*row.flags, "out_of_order"))
        else:
            flags = row.flags if index in trusted else (*row.flags, "out_of_order")
            groups[-1].append(replace(row, flags=flags))
    for group, following in zip(groups, [*groups[1:], None], strict=True):
        start = group[0].start
        texts = [row.text for row in group]
        end = following[0].start if following else start + sum(map(_assumed_length, texts))
        for row, (own_start, own_end) in zip(group, share_out(start, end, texts), strict=True):
            flags = (*row.flags, "no_length") if len(group) > 1 else row.flags
            yield replace(row, start=own_start, end=own_end, timing="interpolated", flags=flags)


def _assumed_length(text: str) -> float:
    return max(SHORTEST_S, len(text) * SECONDS_PER_CHARACTER)
