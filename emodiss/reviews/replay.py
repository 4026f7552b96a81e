"""Replaying reviews of the talk: utterances split, merged, added, removed, moved and reworded.

Reviews are applied one after the other in the order in which they came to hold. Each finds its
utterance by the place where that came to be: in the transcript as found, or by a split, a merge or
an addition. One that does not fit any more changes nothing and is told with the reason.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from emodiss.reviews.places import SAME_PLACE, find_voice, shared
from emodiss.reviews.records import Place, Review
from emodiss.timebase import Seconds, utterance_id
from emodiss.transcript import Transcript, Utterance, Word, with_overlap
from emodiss.transcript.timing import share_out

SHORTEST_S = 0.01
"""Least length of the parts of a split."""

_ROUNDING_S = 1e-6


@dataclass(frozen=True, slots=True)
class Unit:
    """An utterance as it stands, with its id and the place by which reviews find it."""

    id: str
    anchor: Place
    utterance: Utterance


@dataclass
class Replay:
    """What reviews make of a transcript."""

    # In order of start.
    units: list[Unit]
    # What was applied, and the id of the utterance that each changed.
    applied: list[tuple[Review, str]] = field(default_factory=list)
    lost: list[tuple[Review, str]] = field(default_factory=list)
    # Removed utterances as they stood, by the review that removed them.
    removed: list[tuple[Review, Unit]] = field(default_factory=list)

    @property
    def utterances(self) -> tuple[Utterance, ...]:
        """The talk as it stands."""
        return tuple(unit.utterance for unit in self.units)


def replay(draft: Transcript, reviews: Iterable[Review]) -> Replay:
    """Apply reviews of the talk; other kinds are passed over."""
    talk = _Talk(draft)
    for review in reviews:
        if step := _STEPS.get(review.kind):
            try:
                talk.found.applied.append((review, step(talk, review)))
            except _Lost as lost:
                talk.found.lost.append((review, str(lost)))
    if not any(review.kind != "text" for review, _ in talk.found.applied):
        return talk.found
    units = sorted(talk.found.units, key=_order)
    marked = with_overlap([unit.utterance for unit in units], turns=draft.beside)
    talk.found.units = [replace(u, utterance=m) for u, m in zip(units, marked, strict=True)]
    return talk.found


def _order(unit: Unit) -> tuple[Seconds, Seconds, str, str]:
    u = unit.utterance
    return u.start, u.end, u.speaker, unit.id


class _Lost(Exception):
    """Why a review does not fit."""


class _Talk:
    def __init__(self, draft: Transcript) -> None:
        self.draft = draft.utterances
        units = [Unit(utterance_id(i), _place(u), u) for i, u in enumerate(self.draft)]
        self.found = Replay(units)
        self.gone: list[Place] = []
        self.ids = {unit.id for unit in units}

    def at(self, place: Place) -> int:
        """Position of the utterance that came to be at a place."""
        units = self.found.units
        exact = [i for i, unit in enumerate(units) if unit.anchor == place]
        if exact:
            return exact[-1]
        known = [*((unit.anchor, i) for i, unit in enumerate(units)), *((p, -1) for p in self.gone)]

        def fit(item: tuple[Place, int]) -> tuple[float, bool, bool]:
            anchor, index = item
            return shared(place, anchor), anchor.speaker == place.speaker, index >= 0

        best = max(known, key=fit, default=None)
        if best is None or fit(best)[0] < SAME_PLACE:
            raise _Lost("no utterance lies there any more")
        if best[1] < 0:
            raise _Lost("its utterance was split, merged or removed")
        return best[1]

    def fits(self, new: Utterance, but: Sequence[int] = (), was: Utterance | None = None) -> None:
        """Refuse what would let a voice talk over itself, unless it did so before."""
        for i, unit in enumerate(self.found.units):
            other = unit.utterance
            if i in but or other.speaker != new.speaker:
                continue
            before = _both(was, other) if was and was.speaker == other.speaker else 0.0
            if _both(new, other) > max(before, 0.0) + _ROUNDING_S:
                raise _Lost(f"it would overlap {unit.id} of the same voice")

    def put(self, index: int, utterance: Utterance) -> str:
        """Change an utterance in its place."""
        unit = self.found.units[index]
        self.found.units[index] = replace(unit, utterance=utterance)
        return unit.id

    def new_id(self, base: str) -> str:
        """Name an utterance after the one it follows: u0007-2, u0007-3, ..."""
        base = base.partition("-")[0]
        number = 2
        while f"{base}-{number}" in self.ids:
            number += 1
        self.ids.add(f"{base}-{number}")
        return f"{base}-{number}"

    def voice(self, review: Review) -> str:
        """Label of the voice that a review names."""
        known = find_voice(review.voice, self.draft) if review.voice else None
        return known or review.speaker or review.of[0].speaker


def _speaker(talk: _Talk, review: Review) -> str:
    index = talk.at(review.of[0])
    u = talk.found.units[index].utterance
    speaker = talk.voice(review)
    words = tuple(replace(word, speaker=speaker) for word in u.words)
    new = replace(u, speaker=speaker, words=words, flags=_flagged(u, "speaker"))
    talk.fits(new, [index], u)
    return talk.put(index, new)


def _times(talk: _Talk, review: Review) -> str:
    index = talk.at(review.of[0])
    u = talk.found.units[index].utterance
    assert review.start is not None and review.end is not None
    words = _moved(u.words, review.start, review.end)
    new = replace(u, start=review.start, end=review.end, words=words, timing="given")
    new = replace(new, flags=_flagged(u, "times"))
    talk.fits(new, [index], u)
    return talk.put(index, new)


def _text(talk: _Talk, review: Review) -> str:
    index = talk.at(review.of[0])
    u = talk.found.units[index].utterance
    assert review.text is not None
    words = reworded(u.words, review.text.split(), u)
    return talk.put(index, replace(u, text=review.text, words=words, flags=_flagged(u, "text")))


def _split(talk: _Talk, review: Review) -> str:
    index = talk.at(review.of[0])
    unit, cut = talk.found.units[index], review.cut
    assert cut is not None
    u = unit.utterance
    if not u.start + SHORTEST_S <= cut <= u.end - SHORTEST_S:
        raise _Lost(f"the cut does not lie inside {unit.id}")
    texts = u.text.split()
    n = _n_before(u, texts, cut) if review.n_words is None else min(review.n_words, len(texts))
    timed = u.words if len(u.words) == len(texts) else ()
    parts: list[Unit] = []
    for start, end, some in ((u.start, cut, slice(n)), (cut, u.end, slice(n, None))):
        words = _moved(_within(timed[some], start, end), start, end)
        own = replace(u, start=start, end=end, text=" ".join(texts[some]), words=words)
        own = replace(own, timing="given", flags=_flagged(u, "split"))
        parts.append(Unit(talk.new_id(unit.id) if parts else unit.id, _place(own), own))
    talk.gone.append(unit.anchor)
    talk.found.units[index : index + 1] = parts
    return unit.id


def _merge(talk: _Talk, review: Review) -> str:
    assert review.other is not None
    pair = sorted({talk.at(review.of[0]), talk.at(review.other)})
    if len(pair) < 2:
        raise _Lost("it is one utterance already")
    first, second = sorted((talk.found.units[i] for i in pair), key=_order)
    a, b = first.utterance, second.utterance
    if a.speaker != b.speaker:
        raise _Lost(f"{first.id} and {second.id} are of two voices")
    texts = [u.text for u in (a, b) if u.text]
    whole = all(len(u.words) == len(u.text.split()) for u in (a, b))
    new = replace(
        a,
        end=max(a.end, b.end),
        text=" ".join(texts),
        words=(*a.words, *b.words) if whole else (),
        timing="given",
        flags=tuple(dict.fromkeys((*a.flags, *b.flags, "reviewed_merge"))),
    )
    talk.fits(new, pair)
    talk.gone += [first.anchor, second.anchor]
    kept = [unit for i, unit in enumerate(talk.found.units) if i not in pair]
    talk.found.units = [*kept, Unit(first.id, _place(new), new)]
    return first.id


def _add(talk: _Talk, review: Review) -> str:
    place, text = review.of[0], review.text or ""
    speaker = talk.voice(review)
    new = Utterance(place.start, place.end, speaker, text, flags=("reviewed_add",))
    new = replace(new, words=_spread(text.split(), new))
    talk.fits(new)
    before = [utterance_id(i) for i, u in enumerate(talk.draft) if u.start <= place.start]
    unit = Unit(talk.new_id(before[-1] if before else "u0000"), place, new)
    talk.found.units.append(unit)
    return unit.id


def _remove(talk: _Talk, review: Review) -> str:
    unit = talk.found.units.pop(talk.at(review.of[0]))
    talk.gone.append(unit.anchor)
    talk.found.removed.append((review, unit))
    return unit.id


_STEPS = {
    "speaker": _speaker,
    "times": _times,
    "text": _text,
    "split": _split,
    "merge": _merge,
    "add": _add,
    "remove": _remove,
}


def _place(u: Utterance) -> Place:
    return Place(start=u.start, end=u.end, speaker=u.speaker)


def _both(a: Utterance, b: Utterance) -> Seconds:
    return min(a.end, b.end) - max(a.start, b.start)


def _flagged(u: Utterance, kind: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*u.flags, f"reviewed_{kind}")))


def _n_before(u: Utterance, texts: Sequence[str], cut: Seconds) -> int:
    """Count the words whose middle lies before a cut; by length of the text without word times."""
    timed = [(w.start, w.end) for w in u.words]
    if len(timed) != len(texts):
        timed = share_out(u.start, u.end, texts) if texts else []
    return sum((start + end) / 2 < cut for start, end in timed)


def _within(words: Sequence[Word], start: Seconds, end: Seconds) -> tuple[Word, ...]:
    """Clip the words at an edge; one that lies beyond it altogether is left as it is."""
    return tuple(
        replace(w, start=max(w.start, start), end=min(w.end, end))
        if max(w.start, start) < min(w.end, end)
        else w
        for w in words
    )


def _moved(words: Sequence[Word], start: Seconds, end: Seconds) -> tuple[Word, ...]:
    """Words of an utterance with new edges; all are spread anew when one lies outside them."""
    if all(start <= word.start and word.end <= end for word in words):
        return tuple(words)
    spans = share_out(start, end, [word.text for word in words])
    return tuple(
        replace(word, start=a, end=b, timing="interpolated")
        for word, (a, b) in zip(words, spans, strict=True)
    )


def reworded(words: Sequence[Word], texts: Sequence[str], u: Utterance) -> tuple[Word, ...]:
    """Words of a corrected text: those that stayed keep their times, others lie between them."""
    if not words or not texts:
        return ()
    matcher = difflib.SequenceMatcher(None, [w.text for w in words], texts, autojunk=False)
    found: list[Word] = []
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            found += words[a:b]
        elif c < d:
            # Where words were replaced their time is known; where some were added it is what
            # lies between the neighbours, and the neighbour's own time when nothing does.
            low = words[a].start if a < b else (words[a - 1].end if a else u.start)
            high = words[b - 1].end if a < b else (words[a].start if a < len(words) else u.end)
            if high <= low:
                return _spread(texts, u)
            spans = share_out(low, high, list(texts[c:d]))
            found += [
                Word(text, *span, speaker=u.speaker, timing="interpolated")
                for text, span in zip(texts[c:d], spans, strict=True)
            ]
    return tuple(found)


def _spread(texts: Sequence[str], u: Utterance) -> tuple[Word, ...]:
    """Words spread over an utterance by their length."""
    spans = share_out(u.start, u.end, list(texts))
    return tuple(
        Word(text, *span, speaker=u.speaker, timing="interpolated")
        for text, span in zip(texts, spans, strict=True)
    )
