"""Laying reviews over what models said: finding their targets, and the two stages of it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from emodiss.manifest import Role
from emodiss.reviews.records import Place, Review
from emodiss.timebase import Seconds
from emodiss.transcript import Transcript, Utterance, Word, with_overlap
from emodiss.transcript.captions import visible
from emodiss.transcript.timing import share_out

N_PLACES = 8
"""So many utterances, the longest, mark where a voice speaks."""

SAME_PLACE = 0.5
"""Least shared part (intersection over union) of two stretches that are one utterance; above one
half no stretch can match two that do not overlap."""


def voices(utterances: Iterable[Utterance]) -> dict[str, tuple[Place, ...]]:
    """Say where each voice speaks: its longest utterances.

    Parameters
    ----------
    utterances
        As found, before any review.
    """
    own: dict[str, list[Place]] = {}
    for u in utterances:
        own.setdefault(u.speaker, []).append(Place(start=u.start, end=u.end, speaker=u.speaker))
    longest = {
        speaker: sorted(places, key=lambda p: (p.start - p.end, p.start))[:N_PLACES]
        for speaker, places in own.items()
    }
    return {s: tuple(sorted(ps, key=lambda p: p.start)) for s, ps in longest.items()}


def find_utterance(place: Place, utterances: Sequence[Utterance]) -> int | None:
    """Find the utterance that lies where a review says.

    Parameters
    ----------
    place
        As the review was made.
    utterances
        As found now, before any review.

    Returns
    -------
    int or None
        Index of the one that shares most, at least `SAME_PLACE`; of equals the one of the same
        label.
    """

    def fit(index: int) -> tuple[float, bool]:
        u = utterances[index]
        return _shared(place, u), u.speaker == place.speaker

    best = max(range(len(utterances)), key=fit, default=None)
    if best is None or fit(best)[0] < SAME_PLACE:
        return None
    return best


def _shared(place: Place, utterance: Utterance) -> float:
    """Intersection over union."""
    inner = min(place.end, utterance.end) - max(place.start, utterance.start)
    outer = max(place.end, utterance.end) - min(place.start, utterance.start)
    return max(0.0, inner) / outer


def find_voice(places: Sequence[Place], utterances: Sequence[Utterance]) -> str | None:
    """Find the voice that speaks where a review says.

    Parameters
    ----------
    places
        Where the voice was heard.
    utterances
        As they stand now.

    Returns
    -------
    str or None
        The label that speaks longest there, if it does for more than half of that time; labels
        may have changed since.
    """
    total = sum(place.end - place.start for place in places)
    heard: dict[str, Seconds] = {}
    for place in places:
        for u in utterances:
            inner = min(place.end, u.end) - max(place.start, u.start)
            if inner > 0:
                heard[u.speaker] = heard.get(u.speaker, 0.0) + inner
    own = places[0].speaker
    best = max(heard, key=lambda label: (heard[label], label == own, label), default=None)
    return best if best is not None and heard[best] > total / 2 else None


def place(*, draft: Transcript, reviews: Sequence[Review]) -> Transcript:
    """Lay reviewed speakers and times over a transcript.

    Parameters
    ----------
    draft
        As recognised or given.
    reviews
        In force for this video, kinds `speaker` and `times`.

    Returns
    -------
    Transcript
        In the draft's order, so that a correction renames no utterance; corrected utterances
        carry the flags `reviewed_speaker` and `reviewed_times`. A review whose utterance is gone
        is counted.
    """
    if not reviews:
        return draft
    found = list(draft.utterances)
    placed, n_lost = _by_utterance(reviews, draft.utterances)
    for (index, kind), review in placed.items():
        u = found[index]
        flags = tuple(dict.fromkeys((*u.flags, f"reviewed_{kind}")))
        if kind == "speaker":
            assert review.speaker is not None
            known = find_voice(review.voice, draft.utterances) if review.voice else None
            speaker = known or review.speaker
            own = tuple(replace(word, speaker=speaker) for word in u.words)
            found[index] = replace(u, speaker=speaker, words=own, flags=flags)
        else:
            assert review.start is not None and review.end is not None
            words = _moved(u.words, review.start, review.end)
            found[index] = replace(
                u, start=review.start, end=review.end, words=words, timing="given", flags=flags
            )
    return replace(
        draft,
        utterances=tuple(with_overlap(found)),
        n_lost_reviews=draft.n_lost_reviews + n_lost,
    )


def reword(*, draft: Transcript, transcript: Transcript, reviews: Sequence[Review]) -> Transcript:
    """Lay reviewed texts over a transcript.

    Parameters
    ----------
    draft
        As recognised or given: what reviews refer to.
    transcript
        The same utterances with reviewed speakers and times.
    reviews
        In force for this video, kind `text`.

    Returns
    -------
    Transcript
        Corrected utterances carry the flag `reviewed_text`. Words that stayed keep their times,
        new ones get interpolated times between them.
    """
    if not reviews:
        return transcript
    found = list(transcript.utterances)
    placed, n_lost = _by_utterance(reviews, draft.utterances)
    for (index, _), review in placed.items():
        u = found[index]
        assert review.text is not None
        flags = tuple(dict.fromkeys((*u.flags, "reviewed_text")))
        words = _reworded(u.words, review.text.split(), u)
        found[index] = replace(u, text=review.text, words=words, flags=flags)
    return replace(
        transcript,
        utterances=tuple(found),
        n_lost_reviews=transcript.n_lost_reviews + n_lost,
    )


def reviewed_roles(
    utterances: Sequence[Utterance], reviews: Iterable[Review]
) -> tuple[dict[str, Role], int]:
    """Say which voices were given a role by a person.

    Parameters
    ----------
    utterances
        With reviewed speakers and times.
    reviews
        In force for this video; other kinds than `role` are passed over.

    Returns
    -------
    roles
        By label of the voice.
    n_lost
        Reviews whose voice is gone.
    """
    found: dict[str, Role] = {}
    n_lost = 0
    for review in reviews:
        if review.kind != "role" or review.role is None:
            continue
        label = find_voice(review.of, utterances)
        if label is None:
            n_lost += 1
        else:
            found[label] = review.role
    return found, n_lost


def _by_utterance(
    reviews: Sequence[Review], utterances: Sequence[Utterance]
) -> tuple[dict[tuple[int, str], Review], int]:
    """Give each review its utterance; where two claim one, the later one wins."""
    placed: dict[tuple[int, str], Review] = {}
    n_lost = 0
    for review in reviews:
        index = find_utterance(review.of[0], utterances)
        if index is None:
            n_lost += 1
            continue
        placed[index, review.kind] = review
    return placed, n_lost


def _moved(words: Sequence[Word], start: Seconds, end: Seconds) -> tuple[Word, ...]:
    """Words of an utterance with new edges; all are spread anew when one lies outside them."""
    if all(start <= word.start and word.end <= end for word in words):
        return tuple(words)
    spans = share_out(start, end, [word.text for word in words])
    return tuple(
        replace(word, start=a, end=b, timing="interpolated")
        for word, (a, b) in zip(words, spans, strict=True)
    )


def _reworded(words: Sequence[Word], texts: Sequence[str], u: Utterance) -> tuple[Word, ...]:
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
    spans = share_out(u.start, u.end, list(texts))
    return tuple(
        Word(text, *span, speaker=u.speaker, timing="interpolated")
        for text, span in zip(texts, spans, strict=True)
    )


def differences(
    found: Mapping[str, Any], corrected: Mapping[str, Any], *, tolerance_s: Seconds
) -> dict[str, dict[str, Any]]:
    """Say what a person changed in one utterance.

    Parameters
    ----------
    found, corrected
        `speaker`, `text`, `start` and `end`, as shown and as handed back. What `corrected` lacks
        was not changed.
    tolerance_s
        Times that differ by no more are the same: files round.

    Returns
    -------
    dict
        From the kind of review to its fields; empty when nothing was changed.
    """
    changed: dict[str, dict[str, Any]] = {}
    if corrected.get("speaker", found["speaker"]) != found["speaker"]:
        changed["speaker"] = {"speaker": corrected["speaker"]}
    text = corrected.get("text", found["text"])
    # A file of captions loses marks that nobody sees.
    if visible(text) != visible(found["text"]):
        changed["text"] = {"text": " ".join(text.split())}
    times = [(found[n], corrected.get(n, found[n])) for n in ("start", "end")]
    if any(abs(a - b) > tolerance_s for a, b in times):
        changed["times"] = {
            name: a if abs(a - b) <= tolerance_s else b
            for name, (a, b) in zip(("start", "end"), times, strict=True)
        }
    return changed
