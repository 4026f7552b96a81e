"""Stated: what a person says about whose face is whose, checked against the video."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from emodiss.faces import Tracks
from emodiss.manifest import FaceChoice
from emodiss.people.likeness import together
from emodiss.people.records import Binding, BindingSource, FaceMappingError


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
