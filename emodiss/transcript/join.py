"""Join words and turns into utterances of one speaker each, and measure overlap.

Recognisers cut where the sound pauses, diarizers where the voice changes; neither alone gives
utterances of one person. WhisperX labels a whole segment with its loudest voice (whisperX
issues 316, 516), and cutting at every change of a word's label does harm of its own, since a
diarizer's edges miss the words' edges by a few hundred milliseconds (noScribe issue 341). So
the label of each word decides, except where a change is too short to be believed.
"""

from __future__ import annotations

import bisect
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from emodiss.timebase import Seconds, Span
from emodiss.transcript.records import Turn, Utterance, Word
from emodiss.transcript.timing import (
    SECONDS_PER_CHARACTER,
    longest_rising,
    on_grid,
    share_out,
    text_weight,
)

MAX_PAUSE_S = 1.0
"""A longer silence ends an utterance: in conversation, silences up to about one second are
treated as part of the talk and longer ones as a lapse (Jefferson 1989, "Preliminary notes on a
possible metric which provides for a 'standard maximum' silence of approximately one second in
conversation")."""

MIN_WORDS = 2
"""A change of voice inside a sentence needs at least this many words to be believed."""

MIN_DURATION_S = 0.4
"""... and at least this long; twice the usual 0.2 s error of a diarizer's edge (the collar that
diarization is scored with is 0.25 s a side)."""

BACKCHANNELS = frozenset(
    {
        *("mm", "mmm", "hm", "hmm", "mhm", "mmhm", "mmhmm", "mm-hm", "mm-hmm", "m-hm", "um-hum"),
        *("uh-huh", "uhhuh", "huh", "uh", "oh", "ah", "aha", "wow", "yeah", "yep", "yes", "yup"),
        *("okay", "ok", "right", "alright", "sure", "exactly", "really", "i see"),
    }
)
"""What a listener says in English while somebody else has the floor: words, or whole phrases."""

MAX_BACKCHANNEL_WORDS = 3

_SHORTEST_WORD_S = 1 / 64
"""Words closer than this cannot both be right: one frame of wav2vec2 or Whisper is 0.02 s. A
power of two keeps the arithmetic exact under a shift of time."""

_SENTENCE_END = re.compile(r"[.!?\u2026\u3002\uff01\uff1f\u061f\u0964]+[\"'\u201d\u2019)\]]*$")
_ABBREVIATION = re.compile(r"(?:[A-Za-z]\.)+|(?:Dr|Mr|Mrs|Ms|Prof|St|Jr|Sr|vs|etc|approx)\.", re.I)
_EDGE_PUNCTUATION = re.compile(r"^[^\w]+|[^\w]+$")


@dataclass(frozen=True, slots=True)
class _Said:
    """A word with settled times and voice, and what is doubtful about it."""

    word: Word
    speaker: str
    flags: frozenset[str] = frozenset()


def join(
    words: Sequence[Word],
    turns: Sequence[Turn],
    *,
    min_words: int = MIN_WORDS,
    min_duration_s: Seconds = MIN_DURATION_S,
    max_pause_s: Seconds = MAX_PAUSE_S,
    keep_sentences: bool = True,
    backchannels: frozenset[str] = BACKCHANNELS,
    speaker_default: str = "speaker",
) -> list[Utterance]:
    """Make utterances of one speaker each from recognised words and diarized turns.

    Parameters
    ----------
    words
        In the order spoken. A word that carries a speaker keeps it; one without gets the voice
        whose turns cover most of it, or, outside every turn, the nearest voice (flag
        `nearest_speaker`). Words without times, without length or out of order get times
        interpolated between their neighbours by text length, and `timing="interpolated"`.
    turns
        Any order; turns of different voices may overlap. With no words at all, they become
        utterances without text, same-speaker turns closer than `max_pause_s` merged.
    min_words, min_duration_s
        A change of voice inside a sentence that is shorter than either is not believed: the
        words go to the voice that speaks the rest of the sentence (flag `smoothed`). A whole
        sentence of one word ("Never.") stays its speaker's. `min_words=1, min_duration_s=0`
        believes every change.
    max_pause_s
        A longer silence between two words ends the utterance.
    keep_sentences
        End utterances at sentence ends too, as far as punctuation shows them; a sentence below
        `min_words` or `min_duration_s` stays with the next one of its speaker.
    backchannels
        Lower-case words or phrases; up to three of these words by one voice between two
        stretches of another are an utterance of their own, whatever its length, flagged
        `backchannel`.
    speaker_default
        Label where neither words nor turns name a voice.

    Returns
    -------
    list of Utterance
        In the order of the words. Every word is in exactly one of them; spans are half-open,
        positive, and do not overlap for one speaker. `overlap_s` counts the seconds in which
        other voices have turns or utterances.

    Raises
    ------
    TimeError
        If a turn is not a valid span.
    """
    for turn in turns:
        Span(turn.start, turn.end)
    turns = sorted(turns, key=lambda turn: (turn.start, turn.end, turn.speaker))
    if not words:
        return with_overlap(_without_words(turns, max_pause_s), turns=turns)
    timed = _with_times(words, turns)
    said = _with_voices(timed, words, turns, backchannels, speaker_default)
    said = _smoothed(said, min_words, min_duration_s, max_pause_s, backchannels)
    said = _trimmed(said)
    pieces = _pieces(said, min_words, min_duration_s, max_pause_s, keep_sentences)
    return with_overlap(list(_utterances(pieces, backchannels)), turns=turns)


def tell_apart(
    utterances: Sequence[Utterance], turns: Sequence[Turn], *, max_pause_s: Seconds = MAX_PAUSE_S
) -> list[Utterance]:
    """Give voices to the utterances of a transcript that names none.

    Parameters
    ----------
    utterances
        As read, all of one unknown voice.
    turns
        From a diarizer.
    max_pause_s
        As in `join`.

    Returns
    -------
    list of Utterance
        Where words have times, as captions of the web have, they are joined with the turns anew,
        since a line on the screen is no utterance. One without word times stays whole and gets
        the voice whose turns cover most of it; outside every turn the nearest one, flagged
        `nearest_speaker`.
    """
    ordered = sorted(turns, key=lambda turn: (turn.start, turn.end, turn.speaker))
    starts = [turn.start for turn in ordered]
    reach = list(np.maximum.accumulate([turn.end for turn in ordered])) if ordered else []
    found: list[Utterance] = []
    for timed, run in groupby(utterances, key=lambda u: bool(u.words)):
        if timed:
            words = [replace(word, speaker=None) for u in run for word in u.words]
            found += join(words, ordered, max_pause_s=max_pause_s)
            continue
        for u in run:
            span = Word(u.text, u.start, u.end)
            voice = _voice_of(span, ordered, None)
            flags = u.flags
            if voice is None and ordered:
                voice, flags = _nearest(span, ordered, starts, reach), (*flags, "nearest_speaker")
            found.append(replace(u, speaker=voice or u.speaker, flags=flags))
    return with_overlap(found, turns=ordered)


def with_overlap(utterances: Sequence[Utterance], *, turns: Sequence[Turn] = ()) -> list[Utterance]:
    """Measure how long somebody else speaks during each utterance.

    Parameters
    ----------
    utterances
        Any order.
    turns
        More speech to count, from a diarizer that uses the same labels.

    Returns
    -------
    list of Utterance
        Same order, `overlap_s` set: seconds inside the utterance that are covered by utterances
        or turns of at least one other speaker, each second counted once.
    """
    speech: dict[str, list[tuple[float, float]]] = {}
    for stretch in (*utterances, *turns):
        speech.setdefault(stretch.speaker, []).append((stretch.start, stretch.end))
    others: dict[str, _Cover] = {
        speaker: _Cover([s for other in speech if other != speaker for s in speech[other]])
        for speaker in {utterance.speaker for utterance in utterances}
    }
    return [
        replace(u, overlap_s=min(others[u.speaker].within(u.start, u.end), u.duration))
        for u in utterances
    ]


class _Cover:
    """A union of stretches of time that can be asked how much of a span it covers."""

    def __init__(self, stretches: Iterable[tuple[float, float]]) -> None:
        merged: list[list[float]] = []
        for start, end in sorted(stretches):
            if merged and start <= merged[-1][1]:
                merged[-1][1] = max(merged[-1][1], end)
            else:
                merged.append([start, end])
        self._stretches: NDArray[np.float64] = np.array(merged, dtype=np.float64).reshape(-1, 2)

    def within(self, start: float, end: float) -> float:
        starts, ends = self._stretches.T
        first = int(np.searchsorted(ends, start, side="right"))
        last = int(np.searchsorted(starts, end, side="left"))
        parts = np.minimum(ends[first:last], end) - np.maximum(starts[first:last], start)
        return float(parts.sum())


def _without_words(turns: Sequence[Turn], max_pause_s: Seconds) -> list[Utterance]:
    merged: list[Turn] = []
    last: dict[str, int] = {}
    for turn in turns:
        place = last.get(turn.speaker)
        if place is not None and turn.start - merged[place].end <= max_pause_s:
            merged[place] = replace(merged[place], end=max(merged[place].end, turn.end))
        else:
            last[turn.speaker] = len(merged)
            merged.append(turn)
    return [Utterance(t.start, t.end, t.speaker, timing="detected") for t in merged]


# -- times ---------------------------------------------------------------------------------


def _with_times(words: Sequence[Word], turns: Sequence[Turn]) -> list[Word]:
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
    best = max(turns, key=lambda turn: _shared(word, turn), default=None)
    if best is None or _shared(word, best) <= 0:
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


# -- voices --------------------------------------------------------------------------------


def _shared(word: Word, turn: Turn) -> float:
    return min(word.end, turn.end) - max(word.start, turn.start)


def _with_voices(
    timed: Sequence[Word],
    given: Sequence[Word],
    turns: Sequence[Turn],
    backchannels: frozenset[str],
    speaker_default: str,
) -> list[_Said]:
    starts = [turn.start for turn in turns]
    reach = list(np.maximum.accumulate([turn.end for turn in turns])) if turns else []
    voices: list[str | None] = []
    doubtful: list[bool] = []
    listening = _listening(timed, backchannels)
    for index, word in enumerate(timed):
        before = voices[-1] if voices else None
        # Turns that can touch the word: reach rises, so both ends are found by bisection.
        near = turns[bisect.bisect_right(reach, word.start) : bisect.bisect_left(starts, word.end)]
        voice, inside = word.speaker, True
        if voice is None and turns:
            voice, inside = _voice_of(word, near, None if index in listening else before), True
            if voice is None:
                voice, inside = _nearest(word, turns, starts, reach), False
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


def _voice_of(word: Word, near: Sequence[Turn], before: str | None) -> str | None:
    """Voice whose turns cover most of a word; None when none does."""
    shared: dict[str, float] = {}
    length: dict[str, float] = {}
    for turn in near:
        part = _shared(word, turn)
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


def _nearest(
    word: Word, turns: Sequence[Turn], starts: Sequence[float], reach: Sequence[float]
) -> str:
    place = bisect.bisect_left(starts, word.end)
    after = turns[place] if place < len(turns) else None
    # The latest end before the word belongs to the first turn that reaches it.
    before = turns[bisect.bisect_left(reach, reach[place - 1])] if place else None
    if before is None or after is None:
        chosen = before or after
        assert chosen is not None
        return chosen.speaker
    earlier = word.start - before.end <= after.start - word.end + 1e-9
    return (before if earlier else after).speaker


def _settled(
    timed: Sequence[Word],
    given: Sequence[Word],
    voices: Sequence[str | None],
    doubtful: Sequence[bool],
    speaker_default: str,
) -> list[_Said]:
    """Fill voices from the nearest labelled word and mark those that rest on nearness."""
    labelled = [i for i, voice in enumerate(voices) if voice is not None]
    measured = [
        i
        for i, (t, v) in enumerate(zip(timed, voices, strict=True))
        if v is not None and t.timing != "interpolated"
    ]
    said: list[_Said] = []
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
        said.append(_Said(replace(word, speaker=speaker), speaker, flags))
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


# -- guards --------------------------------------------------------------------------------


def _bare(text: str) -> str:
    return _EDGE_PUNCTUATION.sub("", text.lower())


def ends_sentence(text: str) -> bool:
    """Whether a word closes a sentence, as far as its punctuation shows.

    Parameters
    ----------
    text
        One word; "Dr." and initials close nothing.
    """
    return bool(_SENTENCE_END.search(text)) and not _ABBREVIATION.fullmatch(text)


def _is_backchannel(said: Sequence[_Said], backchannels: frozenset[str]) -> bool:
    texts = [_bare(part) for s in said for part in s.word.text.split()]
    return 0 < len(texts) <= MAX_BACKCHANNEL_WORDS and (
        " ".join(texts) in backchannels or all(text in backchannels for text in texts)
    )


def _length(said: Sequence[_Said]) -> float:
    return said[-1].word.end - said[0].word.start


def _smoothed(
    said: Sequence[_Said],
    min_words: int,
    min_duration_s: Seconds,
    max_pause_s: Seconds,
    backchannels: frozenset[str],
) -> list[_Said]:
    """Inside each sentence, give changes of voice that are too short to the voice beside them."""

    def short(piece: Sequence[_Said]) -> bool:
        too_short = len(piece) < min_words or _length(piece) < min_duration_s
        return too_short and not _is_backchannel(piece, backchannels)

    smoothed: list[_Said] = []
    for sentence in _sentences(said, max_pause_s):
        pieces = [list(run) for _, run in groupby(sentence, key=lambda s: s.speaker)]
        while len(pieces) > 1:
            doubtful = [i for i, piece in enumerate(pieces) if short(piece)]
            if not doubtful:
                break
            worst = min(doubtful, key=lambda i: (_length(pieces[i]), i))
            beside = [i for i in (worst - 1, worst + 1) if 0 <= i < len(pieces)]
            # A backchannel is no place to put the words of a sentence.
            beside = [i for i in beside if not _is_backchannel(pieces[i], backchannels)] or beside
            stronger = max(beside, key=lambda i: (_length(pieces[i]), -i))
            speaker = pieces[stronger][0].speaker
            pieces[worst] = [
                _Said(replace(s.word, speaker=speaker), speaker, s.flags | {"smoothed"})
                for s in pieces[worst]
            ]
            joined = (s for piece in pieces for s in piece)
            pieces = [list(run) for _, run in groupby(joined, key=lambda s: s.speaker)]
        smoothed += (s for piece in pieces for s in piece)
    return smoothed


def _sentences(said: Sequence[_Said], max_pause_s: Seconds) -> Iterator[list[_Said]]:
    sentence: list[_Said] = []
    for one in said:
        if sentence and one.word.start - sentence[-1].word.end > max_pause_s:
            yield sentence
            sentence = []
        sentence.append(one)
        if ends_sentence(one.word.text):
            yield sentence
            sentence = []
    if sentence:
        yield sentence


def _trimmed(said: Sequence[_Said]) -> list[_Said]:
    """End each word no later than the same voice's next word starts."""
    trimmed = list(said)
    following: dict[str, float] = {}
    for index in range(len(trimmed) - 1, -1, -1):
        one = trimmed[index]
        end = min(one.word.end, following.get(one.speaker, math.inf))
        if end < one.word.end:
            trimmed[index] = replace(one, word=replace(one.word, end=end))
        following[one.speaker] = one.word.start
    return trimmed


def _pieces(
    said: Sequence[_Said],
    min_words: int,
    min_duration_s: Seconds,
    max_pause_s: Seconds,
    keep_sentences: bool,
) -> list[list[_Said]]:
    """Cut at changes of voice, long pauses and, if wanted, sentence ends."""
    pieces: list[list[_Said]] = []
    for one in said:
        last = pieces[-1] if pieces else None
        if last is not None and last[-1].speaker == one.speaker:
            whole = len(last) >= min_words and _length(last) >= min_duration_s
            ended = keep_sentences and whole and ends_sentence(last[-1].word.text)
            if not ended and one.word.start - last[-1].word.end <= max_pause_s:
                last.append(one)
                continue
        pieces.append([one])
    return pieces


def _utterances(
    pieces: Sequence[Sequence[_Said]], backchannels: frozenset[str]
) -> Iterator[Utterance]:
    for index, piece in enumerate(pieces):
        words = tuple(s.word for s in piece)
        flags = set[str]().union(*(s.flags for s in piece))
        beside = [pieces[i] for i in (index - 1, index + 1) if 0 <= i < len(pieces)]
        between = len(beside) == 2 and all(p[0].speaker != piece[0].speaker for p in beside)
        if between and _is_backchannel(piece, backchannels):
            flags.add("backchannel")
        guessed = "interpolated" in (words[0].timing, words[-1].timing)
        yield Utterance(
            start=words[0].start,
            end=words[-1].end,
            speaker=piece[0].speaker,
            text=" ".join(word.text.strip() for word in words if word.text.strip()),
            words=words,
            timing="interpolated" if guessed else words[0].timing,
            flags=tuple(sorted(flags)),
        )
