"""Mouths: what is looked at in the pictures to find out who speaks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emodiss.faces import Detections, FaceTrack, Tracks
from emodiss.faces.mouths import MAX_STEP_S, MouthLook
from emodiss.media import Frame, Media, iterate_frames
from emodiss.people.likeness import FacePictures
from emodiss.people.records import MouthMotion, Mouths
from emodiss.timebase import FrameClock

# Frames of a track that may lie within `MAX_STEP_S` before another: ticks of the clock.
_BACK = 4


def watch_mouths(*, source: Path, media: Media, faces: Detections, tracks: Tracks) -> Mouths:
    """Measure what each tracked mouth does, and compare the faces of different tracks.

    Parameters
    ----------
    faces
        What was measured when the faces were looked for is taken over; the rest, and all where
        `before` links no faces and `steps` are of other tracks, is decoded again. Results do not
        depend on which.
    tracks
        Face tracks with a box and landmarks at each tick.

    Returns
    -------
    Mouths
        One series per track; a frame shown at several ticks is measured once.
    """
    clock = media.clock()
    pictures = FacePictures(tracks.tracks)
    found: list[NDArray[np.float32]] = []
    missing: list[NDArray[np.bool_]] = []
    again: list[NDArray[np.bool_]] = []
    for number, track in enumerate(tracks.tracks):
        firsts = np.diff(clock.frame_at(track.ticks), prepend=-1) != 0
        values, taken = _taken(track, firsts, faces, media, clock)
        lacks = firsts & ~taken
        # What lies shortly before is needed to compare with.
        rows = np.flatnonzero(firsts)
        shortly = np.flatnonzero(lacks[rows])[:, None] - np.arange(_BACK + 1)
        needed = pictures.wanted(number, len(track)) & firsts
        needed[rows[shortly[shortly >= 0]]] = True
        found.append(np.where(taken, values, np.float32(np.nan)))
        missing.append(lacks)
        again.append(needed)
    previous: dict[int, MouthLook] = {}
    for frame, number, position in looks(source, media, tracks, again):
        landmarks = tracks.tracks[number].landmarks[position]
        pictures.see(number, position, frame.image, landmarks)
        now = MouthLook.at(frame, landmarks)
        if missing[number][position]:
            found[number][:, position] = now.since(previous.get(number))
        previous[number] = now
    return Mouths(
        tuple(
            MouthMotion(track.id, track.ticks, *series)
            for track, series in zip(tracks.tracks, found, strict=True)
        ),
        pictures.likeness(),
    )


def _taken(
    track: FaceTrack,
    firsts: NDArray[np.bool_],
    faces: Detections,
    media: Media,
    clock: FrameClock,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Find what the walk measured at the places of a track: (3, n), and where it did, (n,).

    A step from one detection to the next is the same for walk and track if both join these two
    and the frame before it was measured at the same place.
    """
    values = np.full((3, len(track)), np.nan, np.float32)
    taken = np.zeros(len(track), np.bool_)
    at = np.flatnonzero(track.measured)
    row = _rows_of(track, at, faces)
    known = row >= 0
    if not known.any():
        return values, taken
    before = np.where(known, faces.before[row], -1)
    first_tick = clock.first_tick
    shown = clock.frame_at(track.ticks)

    def lasted(ticks: int) -> NDArray[np.bool_]:
        """Whether the frame at each detection was already shown so many ticks before."""
        earlier = track.ticks[at] - ticks
        same = clock.frame_at(np.maximum(earlier, first_tick)) == shown[at]
        return same & (earlier >= first_tick)

    new, recent = ~lasted(1), ~lasted(faces.stride)
    joined = np.diff(at, prepend=-1) == faces.stride
    joined &= np.diff(track.ticks[at], prepend=track.ticks[at[0]]) == faces.stride
    linked = joined & known & (before >= 0) & (before == np.roll(row, 1))
    alone = known & ~joined & (before < 0) & firsts[at]
    # Where the frame shown at a detection was measured just as the track does.
    sure = new | (linked & recent) | alone
    steps = linked & np.roll(sure, 1)
    for k in range(faces.stride):
        position = at[steps] - (faces.stride - 1 - k)
        values[:, position] = faces.steps[row[steps], k].T
        taken[position] = True
    # A track begins, or goes on after a gap, with nothing to compare with.
    times = media.frame_times[shown]
    gap = np.diff(times[at], prepend=-np.inf)
    gap[1:] = times[at[1:]] - times[at[1:] - 1]
    begins = known & ~joined & (new | (before < 0)) & (gap > MAX_STEP_S)
    values[1, at[begins]] = faces.steps[row[begins], -1, 1]
    taken[at[begins]] = True
    return values, taken & firsts


def _rows_of(track: FaceTrack, at: NDArray[np.int64], faces: Detections) -> NDArray[np.int64]:
    """Rows of a track's detections among all faces; -1 where it is none of them."""
    row = np.full(len(at), -1, np.int64)
    series = faces.faces
    if not len(series.ticks) or not len(faces.before):
        return row
    look = np.minimum(np.searchsorted(series.ticks, track.ticks[at]), len(series.ticks) - 1)
    right = series.ticks[look] == track.ticks[at]
    for k in range(int(series.counts.max())):
        own = np.flatnonzero(right & (k < series.counts[look]) & (row < 0))
        face = series.edges[look[own]] + k
        same = (series.boxes[face] == track.boxes[at[own]]).all(axis=1)
        same &= (series.landmarks[face] == track.landmarks[at[own]]).all(axis=(1, 2))
        row[own[same]] = face[same]
    return row


def looks(
    source: Path, media: Media, tracks: Tracks, wanted: list[NDArray[np.bool_]]
) -> Iterator[tuple[Frame, int, int]]:
    """Yield the frames at the wanted rows of each track, with number and row of the track."""
    clock = media.clock()
    # In columns, because an hour has hundreds of thousands.
    parts = [np.zeros((3, 0), np.int64)]
    for number, (track, rows) in enumerate(zip(tracks.tracks, wanted, strict=True)):
        at = np.flatnonzero(rows)
        shown = clock.frame_at(track.ticks[at])
        parts.append(np.stack([shown, np.full(len(at), number), at]))
    frames, numbers, positions = np.concatenate(parts, axis=1)
    order = np.argsort(frames, kind="stable")
    frames, numbers, positions = frames[order], numbers[order], positions[order]
    for frame in iterate_frames(source, media, np.unique(frames)):
        begin, end = np.searchsorted(frames, [frame.index, frame.index + 1])
        for number, position in zip(
            numbers[begin:end].tolist(), positions[begin:end].tolist(), strict=True
        ):
            yield frame, number, position
