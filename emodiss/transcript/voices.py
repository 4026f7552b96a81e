"""Voices of words: whose turns cover them, and what a listener says while another speaks."""

from __future__ import annotations

import bisect
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from emodiss.transcript.records import Turn, Word
from emodiss.transcript.word_times import shared_s

BACKCHANNELS = frozenset(
    {
        *("mm", "mmm", "hm", "hmm", "mhm", "mmhm", "mmhmm", "mm-hm", "mm-hmm", "m-hm", "um-hum"),
        *("uh-huh", "uhhuh", "huh", "uh", "oh", "ah", "aha", "wow", "yeah", "yep", "yes", "yup"),
        *("okay", "ok", "right", "alright", "sure", "exactly", "really", "i see"),
    }
)
"""What a listener says in English while somebody else has the floor: words, or whole phrases."""

MAX_BACKCHANNEL_WORDS = 3

_EDGE_PUNCTUATION = re.compile(r"^[^\w]+|[^\w]+$")


@dataclass(frozen=True, slots=True)
class Said:
    """A word with settled times and voice, and what is doubtful about it."""

    word: Word
    speaker: str
    flags: frozenset[str] = frozenset()


class Voices:
    """Turns, by start, that can be asked whose a word is."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._turns = turns
        self._starts = [turn.start for turn in turns]
        self._reach = list(np.maximum.accumulate([turn.end for turn in turns])) if turns else []

    def of(self, word: Word, *, before: str | None = None) -> tuple[str | None, bool]:
        """Say whose a word is, and whether that voice has a turn there."""
        if not self._turns:
            return None, True
        # Turns that can touch the word: reach rises, so both ends are found by bisection.
        first = bisect.bisect_right(self._reach, word.start)
        last = bisect.bisect_left(self._starts, word.end)
        voice = _most_of(word, self._turns[first:last], before)
        return (self._nearest(word), False) if voice is None else (voice, True)

    def _nearest(self, word: Word) -> str:
        place = bisect.bisect_left(self._starts, word.end)
        after = self._turns[place] if place < len(self._turns) else None
        # The latest end before the word belongs to the first turn that reaches it.
        latest = bisect.bisect_left(self._reach, self._reach[place - 1])
        before = self._turns[latest] if place else None
        if before is None or after is None:
            chosen = before or after
            assert chosen is not None
            return chosen.speaker
        earlier = word.start - before.end <= after.start - word.end + 1e-9
        return (before if earlier else after).speaker


def with_voices(
    timed: Sequence[Word],
    given: Sequence[Word],
    turns: Sequence[Turn],
    backchannels: frozenset[str],
    speaker_default: str,
) -> list[Said]:
    """Give every word a voice."""
    known = Voices(turns)
    voices: list[str | None] = []
    doubtful: list[bool] = []
    listening = _listening(timed, backchannels)
    for index, word in enumerate(timed):
        voice, inside = word.speaker, True
        if voice is None:
            before = voices[-1] if voices and index not in listening else None
            voice, inside = known.of(word, before=before)
        voices.append(voice)
        doubtful.append(not inside)
    return _settled(timed, given, voices, doubtful, speaker_default)


def _listening(timed: Sequence[Word], backchannels: frozenset[str]) -> set[int]:
    """Find the words that are, or are part of, what a listener says: "mm-hmm", "I see"."""
    bare = [_bare(word.text) for word in timed]
    return {
        index
        for first in range(len(bare))
        for n in range(1, MAX_BACKCHANNEL_WORDS + 1)
        if " ".join(bare[first : first + n]) in backchannels
        for index in range(first, min(first + n, len(bare)))
    }


def _most_of(word: Word, near: Sequence[Turn], before: str | None) -> str | None:
    """Voice whose turns cover most of a word; None when none does."""
    shared: dict[str, float] = {}
    length: dict[str, float] = {}
    for turn in near:
        part = shared_s(word, turn)
        if part > 0:
            shared[turn.speaker] = shared.get(turn.speaker, 0.0) + part
            length[turn.speaker] = min(length.get(turn.speaker, math.inf), turn.end - turn.start)
    if not shared:
        return None
    most = max(shared.values())
    tied = [voice for voice, part in shared.items() if part >= most - 1e-9]
    if len(tied) == 1:
        return tied[0]
    # Two voices at once: the words belong to whoever was speaking; where that is not known, or
    # they are a listener's ("mm-hmm"), to the shorter turn.
    if before in tied:
        return before
    return min(tied, key=lambda voice: (length[voice], voice))


def _settled(
    timed: Sequence[Word],
    given: Sequence[Word],
    voices: Sequence[str | None],
    doubtful: Sequence[bool],
    speaker_default: str,
) -> list[Said]:
    """Fill voices from the nearest labelled word and mark those that rest on nearness."""
    labelled = [i for i, voice in enumerate(voices) if voice is not None]
    measured = [
        i
        for i, (t, v) in enumerate(zip(timed, voices, strict=True))
        if v is not None and t.timing != "interpolated"
    ]
    said: list[Said] = []
    for index, (word, voice) in enumerate(zip(timed, voices, strict=True)):
        near = doubtful[index]
        if voice is None and labelled:
            voice, near = _closest_label(timed, voices, labelled, index), True
        elif given[index].speaker is None and word.timing == "interpolated" and voice is not None:
            # Where it was said is a guess; no doubt if the words around agree on the voice.
            place = bisect.bisect_left(measured, index)
            around = {voices[i] for i in measured[max(0, place - 1) : place + 1] if i != index}
            near = near or around != {voice}
        speaker = voice if voice is not None else speaker_default
        flags = frozenset({"nearest_speaker"}) if near else frozenset[str]()
        said.append(Said(replace(word, speaker=speaker), speaker, flags))
    return said


def _closest_label(
    timed: Sequence[Word], voices: Sequence[str | None], labelled: Sequence[int], index: int
) -> str | None:
    place = bisect.bisect_left(labelled, index)
    around = labelled[max(0, place - 1) : place + 1]
    word = timed[index]

    def gap(index: int) -> float:
        # Rounded, so that the last bits, which change with a shift of time, decide no tie.
        return round(max(word.start - timed[index].end, timed[index].start - word.end), 6)

    return voices[min(around, key=gap)]


def bare_texts(said: Sequence[Said]) -> list[str]:
    """Give the first words of a stretch, as many as tell whether it is what a listener says."""
    texts = (_bare(part) for s in said for part in s.word.text.split())
    return list(islice(texts, MAX_BACKCHANNEL_WORDS + 1))


def are_backchannel(texts: Sequence[str], backchannels: frozenset[str]) -> bool:
    """Whether `bare_texts` are no more than what a listener says."""
    return 0 < len(texts) <= MAX_BACKCHANNEL_WORDS and (
        " ".join(texts) in backchannels or all(text in backchannels for text in texts)
    )


def is_backchannel(said: Sequence[Said], backchannels: frozenset[str]) -> bool:
    """Whether a stretch is no more than what a listener says."""
    return are_backchannel(bare_texts(said), backchannels)


def _bare(text: str) -> str:
    return _EDGE_PUNCTUATION.sub("", text.lower())
