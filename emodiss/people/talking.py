"""Talking: what an active-speaker model says of each face, where one was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emodiss import faces
from emodiss.faces import FaceTrack, Tracks
from emodiss.faces.protocols import ActiveSpeaker
from emodiss.media import Audio, Media, iterate_frames
from emodiss.people.records import TalkScores, TrackScores
from emodiss.people.series import RATE

# Pictures scored at once, 4 s; more take more memory and are no better.
_PIECE = 100
_MIN_PIECE = 5
_SIDE = 112
# The box is steadied over this many ticks.
_STEADY = 13
_TICK_TOLERANCE_S = 1e-9


def score_talking(
    *, source: Path, media: Media, audio: Audio, tracks: Tracks, model: ActiveSpeaker
) -> TalkScores:
    """Score every face with an active-speaker model.

    Parameters
    ----------
    audio
        Its sound at 16 kHz.
    tracks
        Face tracks with a box at each tick.
    model
        Takes (n, 112, 112) uint8 grey faces, 25 a second, and their int16 sound, and gives n
        scores (`emodiss.models.lr_asd.adapter`).

    Returns
    -------
    TalkScores
        Without tracks that are nowhere in view for a fifth of a second, and without any when there
        is no sound.
    """
    found: dict[int, list[tuple[int, NDArray[np.float32]]]] = {}
    if len(audio.signal):
        for number, first, pictures in _pieces(source, media, tracks):
            scores = model.score(pictures, _sound(audio, first, len(pictures)))
            found.setdefault(number, []).append((first, scores))
    return TalkScores(
        tuple(
            TrackScores(
                track.id,
                np.concatenate([np.arange(f, f + len(s)) for f, s in found[number]]),
                np.concatenate([s for _, s in found[number]]).astype(np.float32),
            )
            for number, track in enumerate(tracks.tracks)
            if number in found
        )
    )


def _pieces(
    source: Path, media: Media, tracks: Tracks
) -> Iterator[tuple[int, int, NDArray[np.uint8]]]:
    """Yield pieces of successive pictures: number of the track, first value, pictures."""
    wanted: dict[int, list[tuple[int, int, NDArray[np.float64]]]] = {}
    for number, track in enumerate(tracks.tracks):
        for value, frame, square in _squares(track, media):
            wanted.setdefault(frame, []).append((number, value, square))
    waiting: dict[int, tuple[int, list[NDArray[np.uint8]]]] = {}

    def take(number: int) -> Iterator[tuple[int, int, NDArray[np.uint8]]]:
        first, pictures = waiting.pop(number)
        if len(pictures) >= _MIN_PIECE:
            yield number, first, np.array(pictures)

    for frame in iterate_frames(source, media, np.array(sorted(wanted), np.int64)):
        for number, value, square in wanted.pop(frame.index):
            if number in waiting:
                first, pictures = waiting[number]
                if first + len(pictures) != value or len(pictures) == _PIECE:
                    yield from take(number)
            patch = faces.square_patch(frame.image, square, side=_SIDE)
            picture = np.rint(patch * 255).astype(np.uint8)
            waiting.setdefault(number, (value, []))[1].append(picture)
    for number in sorted(waiting):
        yield from take(number)


def _squares(track: FaceTrack, media: Media) -> Iterator[tuple[int, int, NDArray[np.float64]]]:
    """Yield value, source frame and centre and side of the square for each picture of a track."""
    from scipy import ndimage

    if not len(track):
        return
    boxes = track.boxes.astype(np.float64)
    side = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    # Over a gap or a cut the median may mix two places for a few pictures.
    steady = ndimage.median_filter(np.column_stack([middle, side]), (_STEADY, 1), mode="nearest")
    begin, end = track.times[0], track.times[-1]
    values = np.arange(int(np.ceil(begin * RATE - 1e-6)), int(end * RATE + 1e-6) + 1)
    row = np.searchsorted(track.times, values / RATE + _TICK_TOLERANCE_S, side="right") - 1
    shown = np.abs(values / RATE - track.times[row]) < 1.5 / RATE
    frames = media.clock().frame_at(track.ticks)[row]
    for value, frame, at in zip(values[shown], frames[shown], row[shown], strict=True):
        yield int(value), int(frame), steady[at]


def _sound(audio: Audio, first: int, n: int) -> NDArray[np.int16]:
    """Sound of n pictures from value `first` on, with silence where there is none."""
    per_value = audio.sample_rate // RATE
    begin = first * per_value - round(audio.offset * audio.sample_rate)
    length = n * per_value + per_value  # the last picture's features reach a little further
    out = np.zeros(length, np.int16)
    known = audio.signal[max(0, begin) : max(0, begin + length)]
    out[max(0, -begin) : max(0, -begin) + len(known)] = known
    return out
