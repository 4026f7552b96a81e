"""Mouths: what is looked at in the pictures to find out who speaks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from emodiss import faces
from emodiss.faces import Tracks
from emodiss.media import Frame, Media, iterate_frames
from emodiss.people.likeness import FacePictures
from emodiss.people.records import MouthMotion, Mouths

# Two patches further apart than this differ by more than one movement.
_MAX_STEP_S = 0.13
# Boxes between two detections are interpolated, so that a patch jitters by a pixel or two.
_REACH = 2
# Lips and what lies between them, in the mouth's patch of 24 x 32.
_INNER = (slice(4, 20), slice(5, 27))
# Contrast below which a patch holds nothing but noise.
_FLOOR = 0.02


def watch_mouths(*, source: Path, media: Media, tracks: Tracks) -> Mouths:
    """Measure what each tracked mouth does, and compare the faces of different tracks.

    Parameters
    ----------
    source, media
        The video.
    tracks
        Face tracks with a box and landmarks at each tick.

    Returns
    -------
    Mouths
        One series per track; a frame shown at several ticks is measured once.
    """
    found = [np.full((3, len(track)), np.nan, np.float32) for track in tracks.tracks]
    pictures = FacePictures(tracks.tracks)
    previous: dict[int, tuple[float, NDArray[np.float32], NDArray[np.float32]]] = {}
    for frame, number, position in looks(source, media, tracks):
        landmarks = tracks.tracks[number].landmarks[position]
        mouth = faces.mouth_patch(frame.image, landmarks)
        brow = faces.brow_patch(frame.image, landmarks)
        pictures.see(number, position, frame.image, landmarks)
        before = previous.get(number)
        previous[number] = (frame.time, mouth, brow)
        found[number][1, position] = opening(mouth)
        if before is None or not 0 < frame.time - before[0] <= _MAX_STEP_S:
            continue
        step = frame.time - before[0]
        # Divided by contrast, a moustache or a bright studio does not look like speech.
        contrast = float(mouth.std() + before[1].std()) / 2 + _FLOOR
        found[number][0, position] = change(mouth, before[1], _INNER) / contrast / step
        found[number][2, position] = change(brow, before[2]) / step
    return Mouths(
        tuple(
            MouthMotion(track.id, track.ticks, *series)
            for track, series in zip(tracks.tracks, found, strict=True)
        ),
        pictures.likeness(),
    )


def looks(source: Path, media: Media, tracks: Tracks) -> Iterator[tuple[Frame, int, int]]:
    """Yield each source frame on which a track has a face, with number and row of the track."""
    clock = media.clock()
    # In columns, because an hour has hundreds of thousands.
    parts = [np.zeros((3, 0), np.int64)]
    for number, track in enumerate(tracks.tracks):
        shown = clock.frame_at(track.ticks)
        firsts = np.flatnonzero(np.diff(shown, prepend=-1))
        parts.append(np.stack([shown[firsts], np.full(len(firsts), number), firsts]))
    frames, numbers, positions = np.concatenate(parts, axis=1)
    order = np.argsort(frames, kind="stable")
    frames, numbers, positions = frames[order], numbers[order], positions[order]
    for frame in iterate_frames(source, media, np.unique(frames)):
        begin, end = np.searchsorted(frames, [frame.index, frame.index + 1])
        for number, position in zip(
            numbers[begin:end].tolist(), positions[begin:end].tolist(), strict=True
        ):
            yield frame, number, position


def change(
    patch: NDArray[np.float32],
    before: NDArray[np.float32],
    inside: tuple[slice, slice] = (slice(None), slice(None)),
) -> float:
    """Mean absolute difference of two patches of one size after the best whole-pixel shift."""
    height, width = patch.shape
    core = patch[_REACH : height - _REACH, _REACH : width - _REACH]
    difference = np.abs(sliding_window_view(before, core.shape) - core)
    total = difference.mean(axis=(2, 3))
    best = difference[np.unravel_index(int(total.argmin()), total.shape)]
    whole = np.zeros(patch.shape, np.bool_)
    whole[inside] = True
    return float(best[whole[_REACH : height - _REACH, _REACH : width - _REACH]].mean())


def opening(patch: NDArray[np.float32]) -> float:
    """How much darker the darkest tenth of the inner mouth is than its mean, in contrasts."""
    inner = np.sort(patch[_INNER], axis=None)
    tenth = inner[: len(inner) // 10].mean()
    return float((inner.mean() - tenth) / (patch.std() + _FLOOR))
