"""Times of words: those that recognisers left out or got wrong, filled in between the others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from emodiss.transcript.records import Turn, Word
from emodiss.transcript.timing import (
    SECONDS_PER_CHARACTER,
    longest_rising,
    on_grid,
    share_out,
    text_weight,
)

_SHORTEST_WORD_S = 1 / 64
"""Words closer than this cannot both be right: one frame of wav2vec2 or Whisper is 0.02 s. A
power of two keeps the arithmetic exact under a shift of time."""


def with_times(words: Sequence[Word], turns: Sequence[Turn]) -> list[Word]:
    """Give every word a positive length; starts rise by at least `_SHORTEST_WORD_S`."""
    usable = [i for i, w in enumerate(words) if 0 <= w.start < w.end and math.isfinite(w.start)]
    # Taking index * shortest off each start keeps room for the words in between.
    rising = longest_rising([words[i].start - i * _SHORTEST_WORD_S for i in usable])
    trusted = [usable[place] for place in rising]
    timed = [
        replace(w, end=w.start + 8 * _SHORTEST_WORD_S, timing="interpolated")
        if math.isinf(w.end)
        else w
        for w in words
    ]
    if not trusted:
        return _spread(words, turns)
    # Words before the first trusted one come last: where they share its time, its end must
    # already have made room for the words that follow it.
    for before, after in [*pairwise([*trusted, None]), (None, trusted[0])]:
        first = 0 if before is None else before + 1
        stop = len(words) if after is None else after
        if first < stop:
            _fill(timed, first, stop, before, after, turns)
    return timed


def _fill(
    timed: list[Word],
    first: int,
    stop: int,
    before: int | None,
    after: int | None,
    turns: Sequence[Turn],
) -> None:
    """Interpolate the words `first:stop` between two trusted neighbours, in place."""
    texts = [word.text for word in timed[first:stop]]
    wanted = on_grid(SECONDS_PER_CHARACTER * sum(map(text_weight, texts)))
    needed = len(texts) * _SHORTEST_WORD_S
    # At either end of the talk the room is what the turn around the nearest word leaves.
    if before is not None:
        low = timed[before].end
        high = timed[after].start if after is not None else _turn_around(timed[before], turns)[1]
    else:
        assert after is not None
        low, high = _turn_around(timed[after], turns)[0], timed[after].start
    if high - low >= needed:
        length = min(high - low, wanted)
        low, high = (low, low + length) if before is not None else (high - length, high)
    elif before is not None:
        # No room: share the time of the word before, up to the next trusted start.
        first, low = before, timed[before].start
        high = max(high, timed[before].end) if after is None else timed[after].start
    else:
        assert after is not None
        stop, low, high = after + 1, timed[after].start, timed[after].end
        if stop < len(timed):
            high = min(high, timed[stop].start)
    texts = [word.text for word in timed[first:stop]]
    for index, (start, end) in enumerate(share_out(low, high, texts), start=first):
        timed[index] = replace(timed[index], start=start, end=end, timing="interpolated")


def _turn_around(word: Word, turns: Sequence[Turn]) -> tuple[float, float]:
    """Edges of the turn that covers most of a word; the word's own edges if none does."""
    best = max(turns, key=lambda turn: shared_s(word, turn), default=None)
    if best is None or shared_s(word, best) <= 0:
        return word.start, word.end
    return min(best.start, word.start), max(best.end, word.end)


def _spread(words: Sequence[Word], turns: Sequence[Turn]) -> list[Word]:
    """Spread words over all turns where no word has usable times."""
    texts = [word.text for word in words]
    known = [w.start for w in words if math.isfinite(w.start)]
    wanted = on_grid(SECONDS_PER_CHARACTER * sum(map(text_weight, texts)))
    low = turns[0].start if turns else min(known, default=0.0)
    high = max((turn.end for turn in turns), default=low + wanted)
    return [
        replace(word, start=start, end=end, timing="interpolated")
        for word, (start, end) in zip(words, share_out(low, high, texts), strict=True)
    ]


def shared_s(word: Word, turn: Turn) -> float:
    """Seconds that a word and a turn share; below 0, how far apart they are."""
    return min(word.end, turn.end) - max(word.start, turn.start)
