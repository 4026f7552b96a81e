"""Laying reviews over what models said: the two stages of it, and roles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from emodiss.manifest import Role
from emodiss.reviews.places import find_voice
from emodiss.reviews.records import GEOMETRY, Review
from emodiss.reviews.replay import replay
from emodiss.timebase import Seconds, utterance_id
from emodiss.transcript import Transcript, Utterance
from emodiss.transcript.captions import visible
from emodiss.transcript.records import Wording


def place(*, draft: Transcript, reviews: Sequence[Review]) -> Transcript:
    """Lay reviewed speakers, times, splits, merges, additions and removals over a transcript.

    Parameters
    ----------
    reviews
        In force for this video, kinds `GEOMETRY`.

    Returns
    -------
    Transcript
        In order of start; corrected utterances carry flags such as `reviewed_times`. A review
        that does not fit any more is counted and changes nothing.
    """
    if not reviews:
        return draft
    found = replay(draft, [review for review in reviews if review.kind in GEOMETRY])
    return replace(
        draft, utterances=found.utterances, n_lost_reviews=draft.n_lost_reviews + len(found.lost)
    )


def reword(*, draft: Transcript, transcript: Transcript, reviews: Sequence[Review]) -> Wording:
    """Lay reviewed texts over a transcript, and name its utterances.

    Parameters
    ----------
    draft
        As recognised or given: what reviews refer to.
    transcript
        What `place` made of it.
    reviews
        In force for this video, kinds `GEOMETRY` and `text`.

    Returns
    -------
    Wording
        Corrected utterances carry the flag `reviewed_text`. Words that stayed keep their times,
        new ones get interpolated times between them. A correction renames no other utterance.
    """
    if not reviews:
        ids = tuple(utterance_id(i) for i in range(len(transcript.utterances)))
        return Wording.of(transcript, ids)
    # Texts go along with splits and merges, so that both are replayed together; edges and voices
    # do not depend on texts, and come out as they did for `transcript`.
    found = replay(draft, reviews)
    n_lost = draft.n_lost_reviews + len(found.lost)
    said = replace(transcript, utterances=found.utterances, n_lost_reviews=n_lost)
    return Wording.of(said, tuple(unit.id for unit in found.units))


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


def differences(
    found: Mapping[str, Any], corrected: Mapping[str, Any], *, tolerance_s: Seconds
) -> dict[str, dict[str, Any]]:
    """Say what a person changed in one utterance: fields by kind of review.

    Parameters
    ----------
    found, corrected
        `speaker`, `text`, `start` and `end`, as shown and as handed back. What `corrected` lacks
        was not changed.
    tolerance_s
        Times that differ by no more are the same: files round.
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
