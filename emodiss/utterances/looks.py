"""Look at faces: which ticks of which face are wanted, each frame decoded and measured once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emodiss import affect, faces
from emodiss.affect import EXPRESSIONS, FaceAffectModel, Scale
from emodiss.faces import FaceTrack, Growing
from emodiss.media import Media, Piece, iterate_frames
from emodiss.timebase import FrameClock

PARTS: Final = ("speaker", "listener", "silence", "unknown")
"""What the person behind a face does at a tick: speaks, is silent while somebody else speaks, is
seen while nobody speaks; or somebody speaks and nobody knows whether it is this face."""

BATCH: Final = 64
"""Crops or signals that wait for a model; bounds memory, changes no result."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceFrames:
    """Affect of faces, one entry per measured tick."""

    # utterance, track_id, tick, frame: (m,) int64: which utterance (-1 while nobody speaks), which
    # track, which tick of the clock, which frame of the video is on display then; one may last
    # several ticks.
    utterance: NDArray[np.int64]
    track_id: NDArray[np.int64]
    tick: NDArray[np.int64]
    frame: NDArray[np.int64]
    # (m,) float64 seconds.
    time: NDArray[np.float64]
    # (m, 4) float32 pixels.
    box: NDArray[np.float32]
    # valence, arousal, valence_raw, arousal_raw: (m,) float32.
    valence: NDArray[np.float32]
    arousal: NDArray[np.float32]
    valence_raw: NDArray[np.float32]
    arousal_raw: NDArray[np.float32]
    # (m, 8) float32.
    probabilities: NDArray[np.float32]
    # Measured values, two per face, that lay past the ends of the scale.
    n_clamped: int
    # Native scale of the model.
    scale: Scale

    @property
    def notes(self) -> tuple[str, ...]:
        """Short names of what a reader should know."""
        return ("clamped",) if self.n_clamped else ()


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """Ticks at which a face counts for an utterance; arrays, because an hour has 100,000."""

    # (n,) int64, index of the utterance; -1 while nobody speaks.
    utterance: NDArray[np.int64]
    # track_id, tick, frame: (n,) int64: which face, which tick of the clock, which source frame is
    # on display then.
    track_id: NDArray[np.int64]
    tick: NDArray[np.int64]
    frame: NDArray[np.int64]
    # (n, 4) float32 pixels.
    box: NDArray[np.float32]
    # (n,) int8, index into `PARTS`.
    part: NDArray[np.int8]

    @classmethod
    def of(
        cls,
        clock: FrameClock,
        track: FaceTrack,
        at: NDArray[np.int64],
        utterance: int,
        part: int | NDArray[np.integer],
    ) -> Looks:
        """Ask for some positions in a track's arrays, for one utterance."""
        return cls(
            utterance=np.full(len(at), utterance, np.int64),
            track_id=np.full(len(at), track.id, np.int64),
            tick=track.ticks[at],
            frame=clock.frame_at(track.ticks[at]),
            box=track.boxes[at],
            part=np.broadcast_to(part, len(at)).astype(np.int8),
        )

    @classmethod
    def joined(cls, parts: Sequence[Looks]) -> Looks:
        """Put all together, in order of frames."""
        none = np.zeros(0, np.int64)
        empty = cls(none, none, none, none, np.zeros((0, 4), np.float32), np.zeros(0, np.int8))
        parts = [*parts, empty]
        names = [field.name for field in fields(cls)]
        columns = {name: np.concatenate([getattr(p, name) for p in parts]) for name in names}
        order = np.argsort(columns["frame"], kind="stable")
        return cls(**{name: column[order] for name, column in columns.items()})

    def first_of_crop(self) -> NDArray[np.bool_]:
        """Whether an entry is the first of its frame, utterance and track: a crop to measure."""
        keys = np.stack([self.frame, self.utterance, self.track_id])
        return np.append(True, (np.diff(keys) != 0).any(axis=0))[: len(self.tick)]


def in_view(track: FaceTrack, ticks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions in a track's arrays that fall on the given ticks, which follow each other."""
    if not len(ticks):
        return np.zeros(0, np.int64)
    return np.arange(*np.searchsorted(track.ticks, [ticks[0], ticks[-1] + 1]))


@dataclass(frozen=True, slots=True, eq=False)
class CropAffect:
    """What a model said of the crops of a piece of a video."""

    # (m,) int64, which of the crops (`Looks.first_of_crop`) that begin in the piece; a frame the
    # decoder did not deliver has none.
    crop: NDArray[np.int64]
    # valence_raw, arousal_raw: (m,) float32.
    valence_raw: NDArray[np.float32]
    arousal_raw: NDArray[np.float32]
    # (m, 8) float32.
    probabilities: NDArray[np.float32]
    # Native scale of the model.
    scale: Scale
    piece: Piece


def measure(
    source: Path,
    media: Media,
    looks: Looks,
    model: FaceAffectModel,
    piece: Piece,
    earlier: FaceFrames | None = None,
) -> CropAffect:
    """Decode a piece once, crop, and measure in batches; take over crops that are in `earlier`."""
    first = np.flatnonzero(looks.first_of_crop())
    first = first[_begin_in(piece, looks.tick[first])]
    before = _seen_before(looks, first, earlier)
    known, numbers = np.flatnonzero(before >= 0), np.flatnonzero(before < 0)
    crops: list[int] = []
    found = {
        "valence_raw": Growing(np.float32),
        "arousal_raw": Growing(np.float32),
        "probabilities": Growing(np.float32, (len(EXPRESSIONS),)),
    }
    for batch in _batches(_crops(source, media, looks, first[numbers], model)):
        crops += [int(numbers[crop]) for crop, _ in batch]
        measured = model.predict([picture for _, picture in batch])
        for name, column in found.items():
            column.extend(getattr(measured, name))
    if earlier is not None:
        crops += known.tolist()
        for name, column in found.items():
            column.extend(getattr(earlier, name)[before[before >= 0]])
    columns = {name: column.array() for name, column in found.items()}
    return CropAffect(np.array(crops, np.int64), **columns, scale=model.scale, piece=piece)


def spread(
    media: Media, looks: Looks, parts: Sequence[CropAffect]
) -> tuple[dict[str, Any], NDArray[np.int8]]:
    """Spread what was measured over the ticks that show it."""
    first = looks.first_of_crop()
    ticks = looks.tick[first]
    crops = np.concatenate([np.flatnonzero(_begin_in(p.piece, ticks))[p.crop] for p in parts])
    scale = parts[0].scale
    raw = {
        name: np.concatenate([getattr(part, f"{name}_raw") for part in parts])
        for name in ("valence", "arousal")
    }
    # A crop in which the model could measure nothing counts as little as one it was not shown.
    measured = np.flatnonzero(np.isfinite(raw["valence"]) & np.isfinite(raw["arousal"]))
    result_of = np.full(int(first.sum()), -1, np.int64)
    result_of[crops[measured]] = measured
    result = result_of[np.cumsum(first) - 1]
    order = np.lexsort((looks.tick, looks.utterance))
    order = order[result[order] >= 0]
    take = result[order]
    # All ticks of a crop show one frame, whose box at the first of them was measured.
    boxes = looks.box[np.flatnonzero(first)[np.cumsum(first) - 1]]
    house = {name: affect.to_house_scale(values, scale) for name, values in raw.items()}
    columns = {
        "utterance": looks.utterance[order],
        "track_id": looks.track_id[order],
        "tick": looks.tick[order],
        "frame": looks.frame[order],
        "time": media.clock().time_of(looks.tick[order]),
        "box": boxes[order],
        "valence": house["valence"].values.astype(np.float32)[take],
        "arousal": house["arousal"].values.astype(np.float32)[take],
        "valence_raw": raw["valence"][take],
        "arousal_raw": raw["arousal"][take],
        "probabilities": np.concatenate([part.probabilities for part in parts])[take],
        "n_clamped": sum(mapped.n_clamped for mapped in house.values()),
        "scale": scale,
    }
    return columns, looks.part[order]


def _begin_in(piece: Piece, ticks: NDArray[np.int64]) -> NDArray[np.bool_]:
    return (ticks >= piece[0]) & (ticks < piece[1])


def _seen_before(
    looks: Looks, firsts: NDArray[np.int64], earlier: FaceFrames | None
) -> NDArray[np.int64]:
    """Find the row of an earlier result that shows each crop; -1 where none does."""
    before = np.full(len(firsts), -1, np.int64)
    if earlier is None:
        return before

    def named(frames: Any, tracks: Any, boxes: Any) -> Iterator[tuple[Any, ...]]:
        return zip(frames.tolist(), tracks.tolist(), map(tuple, boxes.tolist()), strict=True)

    rows = named(earlier.frame, earlier.track_id, earlier.box)
    known = {crop: row for row, crop in enumerate(rows)}
    for k, crop in enumerate(named(looks.frame[firsts], looks.track_id[firsts], looks.box[firsts])):
        before[k] = known.get(crop, -1)
    return before


def _crops(
    source: Path, media: Media, looks: Looks, firsts: NDArray[np.int64], model: FaceAffectModel
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield number and picture of each crop, in order."""
    frames = looks.frame[firsts]
    for frame in iterate_frames(source, media, np.unique(frames)):
        begin, end = np.searchsorted(frames, [frame.index, frame.index + 1])
        for crop in range(int(begin), int(end)):
            yield (
                crop,
                faces.crop(
                    frame.image,
                    looks.box[firsts[crop]],
                    margin=model.crop_margin,
                    square=model.crop_square,
                ),
            )


def _batches(items: Iterator[Any]) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for item in items:
        batch.append(item)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
