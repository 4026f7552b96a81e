"""Join words and turns into utterances of one speaker each, and measure overlap.

Recognisers cut where the sound pauses, diarizers where the voice changes; neither alone gives
utterances of one person. WhisperX labels a whole segment with its loudest voice (whisperX
issues 316, 516), and cutting at every change of a word's label does harm of its own, since a
diarizer's edges miss the words' edges by a few hundred milliseconds (noScribe issue 341). So
the label of each word decides, except where a change is too short to be believed.
"""

from __future__ import annotations

import heapq
import math
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, islice, pairwise

import numpy as np

from emodiss.settings import TranscriptSettings
from emodiss.timebase import Seconds, Span
from emodiss.transcript.records import Turn, Utterance, Word
from emodiss.transcript.voices import (
    BACKCHANNELS,
    MAX_BACKCHANNEL_WORDS,
    Said,
    Voices,
    are_backchannel,
    bare_texts,
    is_backchannel,
    with_voices,
)
from emodiss.transcript.word_times import with_times

MAX_PAUSE_S = TranscriptSettings().max_pause_s
"""A longer silence ends an utterance: in conversation, silences up to about one second are
treated as part of the talk and longer ones as a lapse (Jefferson 1989, "Preliminary notes on a
possible metric which provides for a 'standard maximum' silence of approximately one second in
conversation")."""

MIN_WORDS = 2
"""A change of voice inside a sentence needs at least this many words to be believed."""

MIN_DURATION_S = 0.4
"""... and at least this long; twice the usual 0.2 s error of a diarizer's edge (the collar that
diarization is scored with is 0.25 s a side)."""


_CLOSES = tuple(".!?\u2026\u3002\uff01\uff1f\u061f\u0964")
_BEHIND_IT = "\"'\u201d\u2019)]"
_ABBREVIATION = re.compile(r"(?:[A-Za-z]\.)+|(?:Dr|Mr|Mrs|Ms|Prof|St|Jr|Sr|vs|etc|approx)\.", re.I)


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
    timed = with_times(words, turns)
    said = with_voices(timed, words, turns, backchannels, speaker_default)
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
    max_pause_s
        As in `join`.

    Returns
    -------
    list of Utterance
        Where words have times, as captions of the web have, they are joined with the turns anew,
        since a line on the screen is no utterance. One without word times stays whole and gets
        the voice whose turns cover most of it; outside every turn the nearest one, flagged
        `nearest_speaker`. Flags of the lines stay.
    """
    ordered = sorted(turns, key=lambda turn: (turn.start, turn.end, turn.speaker))
    voices = Voices(ordered)
    found: list[Utterance] = []
    for timed, run in groupby(utterances, key=lambda u: bool(u.words)):
        if timed:
            said = [(u, replace(word, speaker=None)) for u in run for word in u.words]
            joined = join([word for _, word in said], ordered, max_pause_s=max_pause_s)
            flags = iter([u.flags for u, _ in said])
            found += [_doubted(u, list(islice(flags, len(u.words)))) for u in joined]
            continue
        for u in run:
            voice, inside = voices.of(Word(u.text, u.start, u.end))
            flags = u.flags if inside else (*u.flags, "nearest_speaker")
            found.append(replace(u, speaker=voice or u.speaker, flags=flags))
    return with_overlap(found, turns=ordered)


def _doubted(utterance: Utterance, lines: Sequence[tuple[str, ...]]) -> Utterance:
    """Hand the flags of the lines that its words come from on to an utterance."""
    flags = set(utterance.flags).union(*lines)
    if not all("no_words" in line for line in lines):
        flags.discard("no_words")
    return replace(utterance, flags=tuple(sorted(flags)))


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
    stretches = [*utterances, *turns]
    cover = _Cover((s.start, s.end, s.speaker) for s in stretches)
    return [
        replace(u, overlap_s=min(cover.by_others(u.speaker, u.start, u.end), u.duration))
        for u in utterances
    ]


class _Cover:
    """Who speaks when, asked how much of a span others than one voice cover.

    Time is divided where the answer to "nobody, one voice and which, or several" changes, once
    for all voices: a transcript may name as many voices as it has rows.
    """

    _NOBODY, _SEVERAL = -1, -2

    def __init__(self, stretches: Iterable[tuple[float, float, str]]) -> None:
        self._place: dict[str, int] = {}
        events: dict[float, list[int]] = {}
        for start, end, speaker in stretches:
            voice = self._place.setdefault(speaker, len(self._place))
            events.setdefault(start, []).append(voice + 1)
            events.setdefault(end, []).append(-voice - 1)
        talking: dict[int, int] = {}
        edges: list[float] = []
        who: list[int] = []
        for time in sorted(events):
            for event in events[time]:
                voice = abs(event) - 1
                talking[voice] = talking.get(voice, 0) + (1 if event > 0 else -1)
                if not talking[voice]:
                    del talking[voice]
            now = self._SEVERAL if len(talking) > 1 else next(iter(talking), self._NOBODY)
            if not who or who[-1] != now:
                edges.append(time)
                who.append(now)
        self._edges = np.array(edges, dtype=np.float64)
        self._who = np.array(who, dtype=np.int64)

    def by_others(self, speaker: str, start: float, end: float) -> float:
        """Seconds of a span in which at least one other voice speaks."""
        first = int(np.searchsorted(self._edges, start, side="right")) - 1
        last = int(np.searchsorted(self._edges, end, side="left"))
        who = self._who[max(first, 0) : last]
        edges = np.append(self._edges[max(first, 0) : last], end)
        spoken = (who != self._NOBODY) & (who != self._place[speaker])
        change = np.diff(np.concatenate(([0], spoken.astype(np.int8), [0])))
        begun, ended = edges[:-1][change[:-1] > 0], edges[1:][change[1:] < 0]
        parts = np.minimum(ended, end) - np.maximum(begun, start)
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


def ends_sentence(text: str) -> bool:
    """Whether a word closes a sentence, as far as its punctuation shows."""
    return text.rstrip(_BEHIND_IT).endswith(_CLOSES) and not _ABBREVIATION.fullmatch(text)


def _length(said: Sequence[Said]) -> float:
    return said[-1].word.end - said[0].word.start


class _Piece:
    """A stretch of a sentence by one voice, between its neighbours."""

    def __init__(self, speaker: str, place: int, said: Sequence[Said]) -> None:
        self.speaker, self.place, self.said = speaker, place, deque(said)
        self.texts = bare_texts(said)
        self.before: _Piece | None = None
        self.after: _Piece | None = None
        self.gone = False

    @property
    def length(self) -> float:
        return self.said[-1].word.end - self.said[0].word.start

    @staticmethod
    def joined(left: _Piece, right: _Piece) -> _Piece:
        """Put two neighbours of one voice together; what is longer is not copied."""
        piece = _Piece(left.speaker, left.place, ())
        if len(left.said) > len(right.said):
            left.said.extend(right.said)
            piece.said = left.said
        else:
            right.said.extendleft(reversed(left.said))
            piece.said = right.said
        piece.texts = [*left.texts, *right.texts][: MAX_BACKCHANNEL_WORDS + 1]
        piece.before, piece.after = left.before, right.after
        if piece.before is not None:
            piece.before.after = piece
        if piece.after is not None:
            piece.after.before = piece
        left.gone = right.gone = True
        return piece


def _smoothed(
    said: Sequence[Said],
    min_words: int,
    min_duration_s: Seconds,
    max_pause_s: Seconds,
    backchannels: frozenset[str],
) -> list[Said]:
    """Inside each sentence, give changes of voice that are too short to the voice beside them."""

    def is_listener(piece: _Piece) -> bool:
        return are_backchannel(piece.texts, backchannels)

    def short(piece: _Piece) -> bool:
        too_short = len(piece.said) < min_words or piece.length < min_duration_s
        return too_short and not is_listener(piece)

    smoothed: list[Said] = []
    for sentence in _sentences(said, max_pause_s):
        runs = groupby(sentence, key=lambda s: s.speaker)
        pieces = [_Piece(speaker, place, list(run)) for place, (speaker, run) in enumerate(runs)]
        for piece, following in pairwise(pieces):
            piece.after, following.before = following, piece
        # The shortest first, of equals the earliest; pieces that were joined drop out.
        doubtful = [(p.length, p.place, p) for p in pieces if short(p)]
        heapq.heapify(doubtful)
        first = pieces[0]
        while doubtful:
            *_, worst = heapq.heappop(doubtful)
            beside = [piece for piece in (worst.before, worst.after) if piece is not None]
            if worst.gone or not beside:
                continue
            # A backchannel is no place to put the words of a sentence.
            beside = [piece for piece in beside if not is_listener(piece)] or beside
            speaker = max(beside, key=lambda piece: piece.length).speaker
            worst.speaker = speaker
            worst.said = deque(
                Said(replace(s.word, speaker=speaker), speaker, s.flags | {"smoothed"})
                for s in worst.said
            )
            joined = worst
            if worst.before is not None and worst.before.speaker == speaker:
                joined = _Piece.joined(worst.before, worst)
            if worst.after is not None and worst.after.speaker == speaker:
                joined = _Piece.joined(joined, worst.after)
            if joined.before is None:
                first = joined
            if short(joined):
                heapq.heappush(doubtful, (joined.length, joined.place, joined))
        following: _Piece | None = first
        while following is not None:
            smoothed += following.said
            following = following.after
    return smoothed


def _sentences(said: Sequence[Said], max_pause_s: Seconds) -> Iterator[list[Said]]:
    sentence: list[Said] = []
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


def _trimmed(said: Sequence[Said]) -> list[Said]:
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
    said: Sequence[Said],
    min_words: int,
    min_duration_s: Seconds,
    max_pause_s: Seconds,
    keep_sentences: bool,
) -> list[list[Said]]:
    """Cut at changes of voice, long pauses and, if wanted, sentence ends."""
    pieces: list[list[Said]] = []
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
    pieces: Sequence[Sequence[Said]], backchannels: frozenset[str]
) -> Iterator[Utterance]:
    for index, piece in enumerate(pieces):
        words = tuple(s.word for s in piece)
        flags = set[str]().union(*(s.flags for s in piece))
        beside = [pieces[i] for i in (index - 1, index + 1) if 0 <= i < len(pieces)]
        between = len(beside) == 2 and all(p[0].speaker != piece[0].speaker for p in beside)
        if between and is_backchannel(piece, backchannels):
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
