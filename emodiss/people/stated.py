"""Stated: what a person says about whose face is whose, checked against the video."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from emodiss.faces import FaceTrack, Tracks
from emodiss.manifest import FaceChoice
from emodiss.media import Media
from emodiss.people.likeness import together
from emodiss.people.records import Binding, BindingSource, FaceMappingError
from emodiss.reviews import SAME_PLACE, FacePlace, Review, find_voice
from emodiss.transcript import Utterance

_NEAR_S = 0.2
"""A face that was seen at one moment is looked for within this; detectors skip frames."""


def sources_of(
    row: Mapping[str, FaceChoice], setting: Mapping[str, FaceChoice], speakers: Sequence[str]
) -> dict[str, BindingSource]:
    """Say which voices were given a face by a person, and where."""
    unknown = [speaker for speaker in row if speaker not in speakers]
    if unknown:
        raise FaceMappingError(
            f"The manifest gives a face to '{unknown[0]}', and no voice of that label speaks in "
            f"this video ({len(speakers)} voices do).",
            next_step="See the labels with: emodiss people RUN; then correct the column faces.",
        )
    sources: dict[str, BindingSource] = {s: "setting" for s in speakers if s in setting}
    return {**sources, **dict.fromkeys(row, "manifest")}


def stated_tracks(
    speaker: str,
    choice: FaceChoice,
    tracks: Tracks,
    evidence: Sequence[Binding],
    width: int,
) -> set[int]:
    """Turn what a person stated into track numbers.

    On a side that shows more than one face at a time (a mirror, a portrait on the wall, somebody
    walking past) the face with most evidence for this voice comes first, then the longest.
    """
    if choice == "none":
        return set()
    ticks = {track.id: track.ticks for track in tracks.tracks}
    if not isinstance(choice, str):
        for number in choice:
            if number not in ticks:
                raise FaceMappingError(
                    f"There is no face track {number}; tracks are numbered 1 to {len(ticks)}.",
                    next_step="Look at: emodiss plot RUN contact-sheet.",
                )
            if any(together(ticks[number], ticks[other]) for other in choice if other < number):
                raise FaceMappingError(
                    f"Track {number} is in the picture together with another track of the same "
                    "voice; one person has one face.",
                    next_step="Give the voice one of them.",
                )
        return set(choice)
    weight = {b.track_id: b.confidence for b in evidence if b.speaker == speaker}
    on_side = [
        track
        for track in tracks.tracks
        if (float(np.median(track.boxes[:, [0, 2]].mean(axis=1))) < width / 2) == (choice == "left")
    ]
    on_side.sort(key=lambda t: (-weight.get(t.id, -math.inf), -len(t), t.id))
    chosen: set[int] = set()
    for track in on_side:
        if not any(together(track.ticks, ticks[other]) for other in chosen):
            chosen.add(track.id)
    return chosen


def require_one_owner(stated: Mapping[str, set[int]]) -> None:
    """Refuse a face that was given to two voices."""
    owner: dict[int, str] = {}
    for speaker, numbers in stated.items():
        for number in numbers:
            if number in owner:
                raise FaceMappingError(
                    f"Face track {number} is given to two voices, '{owner[number]}' and "
                    f"'{speaker}'.",
                    next_step="Correct the faces in the manifest or in --set people.faces.",
                )
            owner[number] = speaker


def reviewed_faces(
    reviews: Iterable[Review], utterances: Sequence[Utterance], tracks: Tracks, media: Media
) -> tuple[dict[str, set[int]], int]:
    """Turn reviewed faces into track numbers by voice; a later review takes from an earlier one.

    Also returns how many reviews and faces are not there any more.
    """
    found: dict[str, set[int]] = {}
    n_lost = 0
    for review in reviews:
        speaker = find_voice(review.of, utterances)
        seen = [track_at(face, tracks, media) for face in review.faces or ()]
        n_lost += seen.count(None) + (speaker is None)
        own: list[FaceTrack] = []
        for track in dict.fromkeys(t for t in seen if t is not None):
            # One person has one face: of two that are seen at once the first one stands.
            if any(together(track.ticks, other.ticks) for other in own):
                n_lost += 1
            else:
                own.append(track)
        if speaker is None or (review.faces and not own):
            continue
        numbers = {track.id for track in own}
        for other in found.values():
            other -= numbers
        found[speaker] = numbers
    return found, n_lost


def track_at(face: FacePlace, tracks: Tracks, media: Media) -> FaceTrack | None:
    """Find the track that shows a face where a review saw it."""
    size = np.array([media.width, media.height] * 2, float)
    seen = np.array([face.x1, face.y1, face.x2, face.y2]) * size
    best: tuple[float, FaceTrack] | None = None
    clock = media.clock()
    for track in tracks.tracks:
        times = clock.time_of(track.ticks)
        near = int(np.abs(times - face.time).argmin())
        if abs(times[near] - face.time) > _NEAR_S:
            continue
        inner = np.minimum(seen[2:], track.boxes[near, 2:]) - np.maximum(
            seen[:2], track.boxes[near, :2]
        )
        both = float(np.prod(np.clip(inner, 0, None)))
        areas = [float(np.prod(box[2:] - box[:2])) for box in (seen, track.boxes[near])]
        shared = both / max(sum(areas) - both, 1e-9)
        if shared >= SAME_PLACE and (best is None or shared > best[0]):
            best = (shared, track)
    return None if best is None else best[1]


def face_of(track: FaceTrack, media: Media) -> FacePlace:
    """Say where a track is seen: in the middle of it."""
    k = len(track.ticks) // 2
    size = np.array([media.width, media.height] * 2, float)
    x1, y1, x2, y2 = (float(v) for v in np.clip(track.boxes[k] / size, 0, 1))
    time = float(media.clock().time_of(track.ticks[k]))
    return FacePlace(time=time, x1=x1, y1=y1, x2=x2, y2=y2)
