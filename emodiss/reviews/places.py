"""Finding what a review is about by where it lies in time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from emodiss.reviews.records import Place
from emodiss.timebase import Seconds
from emodiss.transcript import Utterance

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
        return shared(place, u), u.speaker == place.speaker

    best = max(range(len(utterances)), key=fit, default=None)
    if best is None or fit(best)[0] < SAME_PLACE:
        return None
    return best


def shared(place: Place, other: Place | Utterance) -> float:
    """Intersection over union of two stretches."""
    inner = min(place.end, other.end) - max(place.start, other.start)
    outer = max(place.end, other.end) - min(place.start, other.start)
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
