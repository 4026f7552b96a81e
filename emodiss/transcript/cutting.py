"""Cut utterances that are too long to be one row of a table."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from emodiss.timebase import Seconds
from emodiss.transcript.join import ends_sentence
from emodiss.transcript.records import Turn, Utterance, Word
from emodiss.transcript.timing import share_out

LONGEST_S = 30.0
"""Nobody has cut recognised words and voice activity; longer talk is no single utterance. Whisper
hears as much at once, and of AnnoMI's turns 19 in 20 are shorter."""

_SENTENCE_S, _CLAUSE_S = 1.0, 0.3
"""What the end of a sentence or clause is worth as a place to cut, in seconds of pause."""

_CLAUSE_END = re.compile(r"[,;:\u2013\u2014\u060c\u3001\uff0c]$")


def cut(
    utterances: Sequence[Utterance], max_utterance_s: Seconds, *, turns: Sequence[Turn] = ()
) -> list[Utterance]:
    """Cut long utterances at their best pauses and sentence ends.

    Parameters
    ----------
    utterances
        Any order.
    max_utterance_s
        Longer ones are cut, as often as needed.
    turns
        From a diarizer that uses the same labels: where utterances without text pause.

    Returns
    -------
    list of Utterance
        Same order; no text is lost. Parts are flagged `cut`. Each cut lies in the middle half of
        what is cut, where pause and punctuation speak for it most. Where words have no times of
        their own, they share the utterance by length and the parts are `interpolated`. A single
        word is never cut.
    """
    found: list[Utterance] = []
    for u in utterances:
        if u.duration <= max_utterance_s:
            found.append(u)
        else:
            found += _parts(u, max_utterance_s, turns)
    return found


def _parts(u: Utterance, longest: Seconds, turns: Sequence[Turn]) -> list[Utterance]:
    timed = bool(u.words) and all(math.isfinite(w.start) and w.start <= w.end for w in u.words)
    if timed:
        words = list(u.words)
    elif u.text.strip():
        texts = u.text.split()
        spans = share_out(u.start, u.end, texts)
        words = [Word(text, *span) for text, span in zip(texts, spans, strict=True)]
    else:
        words = _stretches(u, longest, turns)
    pieces = list(_pieces(words, longest))
    if len(pieces) == 1:
        return [u]
    guessed = not timed and bool(u.text.strip())
    parts: list[Utterance] = []
    for index, piece in enumerate(pieces):
        last = index == len(pieces) - 1
        parts.append(
            replace(
                u,
                start=piece[0].start if index else u.start,
                end=u.end if last else piece[-1].end,
                text=" ".join(w.text.strip() for w in piece if w.text.strip()),
                words=tuple(piece) if timed else (),
                timing="interpolated" if guessed else u.timing,
                flags=(*u.flags, "cut"),
            )
        )
    return parts


def _stretches(u: Utterance, longest: Seconds, turns: Sequence[Turn]) -> list[Word]:
    """Stretches of voice as words without text, none longer than allowed."""
    own = [t for t in turns if t.speaker == u.speaker and t.start < u.end and u.start < t.end]
    spans = [(max(t.start, u.start), min(t.end, u.end)) for t in own] or [(u.start, u.end)]
    found: list[Word] = []
    for start, end in sorted(spans):
        n = math.ceil((end - start) / longest)
        step = (end - start) / n
        found += [Word("", start + i * step, start + (i + 1) * step) for i in range(n)]
    return found


def _pieces(words: Sequence[Word], longest: Seconds) -> Iterator[Sequence[Word]]:
    start, end = words[0].start, words[-1].end
    if len(words) == 1 or end - start <= longest:
        yield words
        return
    low, high = start + (end - start) / 4, end - (end - start) / 4
    # Words without length at an edge make no part of their own.
    places = [i for i in range(1, len(words)) if start < words[i - 1].end and words[i].start < end]
    if not places:
        yield words
        return
    inside = [i for i in places if low <= words[i - 1].end and words[i].start <= high]

    def worth(place: int) -> tuple[float, float]:
        before, after = words[place - 1], words[place]
        value = after.start - before.end
        value += _SENTENCE_S if ends_sentence(before.text) else 0.0
        value += _CLAUSE_S if _CLAUSE_END.search(before.text) else 0.0
        middle = (before.end + after.start) / 2
        return round(value, 6), -abs(middle - (start + end) / 2)

    place = max(inside or places, key=worth)
    yield from _pieces(words[:place], longest)
    yield from _pieces(words[place:], longest)
