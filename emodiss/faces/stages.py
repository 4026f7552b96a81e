"""What the pictures show: faces at the ticks of the 30 FPS clock, cuts, and tracks of faces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emodiss.cuts import CutFinder
from emodiss.faces import FaceSeries, Growing, appearance, rows_of
from emodiss.media import Frame, Media, iterate_frames
from emodiss.tracks import FaceTrack, LinkCounts, link_with_counts

# Frames handed to the detector at once; bounds memory, changes no result.
_BATCH = 16

# Looks hardly change from one detection to the next; an hour of them is a few MB this way.
_LOOK_EVERY = 5


@dataclass(frozen=True, slots=True, eq=False)
class Sightings:
    """Faces and cuts of one video.

    Parameters
    ----------
    faces
        What the detector found at each tick it looked at, whatever its score.
    cuts
        (k,) float64, times of the first looked-at frame after each cut, in seconds.
    stride
        Ticks from one look to the next.
    looked
        (a,) int64, increasing: the ticks at which appearance was described, one in
        `_LOOK_EVERY` of those looked at.
    looks
        (b, 2, 256) uint8, `faces.appearance` of all faces at these ticks, one after the other.
    """

    faces: FaceSeries
    cuts: NDArray[np.float64]
    stride: int
    looked: NDArray[np.int64]
    looks: NDArray[np.uint8]

    @property
    def notes(self) -> tuple[str, ...]:
        """Short names of what a reader should know."""
        return () if len(self.faces.boxes) else ("no_faces",)


@dataclass(frozen=True, slots=True, eq=False)
class Appearances(Mapping[int, NDArray[np.uint8]]):
    """Looks of some of the faces by tick, cut out when asked for.

    Parameters
    ----------
    seen
        All faces and looks.
    keep
        (n,) bool, in the order of `seen.faces.boxes`: the faces that count.
    """

    seen: Sightings
    keep: NDArray[np.bool_]
    # Entries of `seen.faces` that are described, and where the looks of each begin and end.
    _at: NDArray[np.int64] = field(init=False, repr=False)
    _edges: NDArray[np.int64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        at = np.searchsorted(self.seen.faces.ticks, self.seen.looked)
        object.__setattr__(self, "_at", at)
        object.__setattr__(self, "_edges", np.append(0, np.cumsum(self.seen.faces.counts[at])))

    def __getitem__(self, tick: int) -> NDArray[np.uint8]:
        index = int(np.searchsorted(self.seen.looked, tick))
        if index == len(self.seen.looked) or self.seen.looked[index] != tick:
            raise KeyError(tick)
        first, end = self.seen.faces.edges[self._at[index] : self._at[index] + 2]
        looks = self.seen.looks[self._edges[index] : self._edges[index + 1]]
        return looks[self.keep[first:end]]

    def __iter__(self) -> Iterator[int]:
        return iter(self.seen.looked.tolist())

    def __len__(self) -> int:
        return len(self.seen.looked)


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """Face tracks of one video.

    Parameters
    ----------
    tracks
        In order of first appearance.
    counts
        What became of the detections on the way.
    n_below_score
        Detections left out because the detector was not sure enough.
    """

    tracks: tuple[FaceTrack, ...]
    counts: LinkCounts
    n_below_score: int

    def of(self, track_id: int) -> FaceTrack:
        """Return the track with this id."""
        return next(track for track in self.tracks if track.id == track_id)


def detect(*, source: Path, media: Media, model: Any, settings: Any) -> Sightings:
    """Detect the faces of a video.

    Parameters
    ----------
    source, media
        The video.
    model
        A `FaceDetector`.
    settings
        Group `faces`, by name.

    Returns
    -------
    Sightings
        Empty without moving pictures. A frame on display at several ticks is looked at once.
    """
    stride = settings["faces"].stride
    ticks = media.ticks()
    ticks = ticks[ticks % stride == 0]
    indices = media.clock().frame_at(ticks)
    finder = CutFinder(threshold=settings["faces"].cut_threshold)
    described = np.zeros(len(media.frame_times), np.bool_)
    described[indices[::_LOOK_EVERY]] = True
    looks = Growing(np.uint8, (2, 256))

    def look() -> Iterator[FaceSeries]:
        for frames in _batches(iterate_frames(source, media, np.unique(indices))):
            for frame in frames:
                finder.add(frame.image, frame.time)
            boxes = model.detect([frame.image for frame in frames])
            for frame, own in zip(frames, boxes, strict=True):
                if described[frame.index]:
                    looks.extend([appearance(frame.image, box) for box in own.boxes])
            yield FaceSeries.of([frame.index for frame in frames], boxes)

    found = FaceSeries.joined(look())  # by frame
    # A frame the decoder did not deliver was not looked at; that is no finding of no face.
    seen = np.isin(indices, found.ticks)
    kept, shown = ticks[seen], indices[seen]
    looked = described[shown]
    frames, counts = (c[described[found.ticks]] for c in (found.ticks, found.counts))
    of_tick = rows_of(np.append(0, np.cumsum(counts)), np.searchsorted(frames, shown[looked]))
    return Sightings(
        found.shown_at(kept, shown),
        np.asarray(finder.cuts(), dtype=np.float64),
        stride,
        looked=kept[looked],
        looks=looks.array()[of_tick],
    )


def _batches(frames: Iterator[Frame]) -> Iterator[list[Frame]]:
    batch: list[Frame] = []
    for frame in frames:
        batch.append(frame)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def follow(*, faces: Sightings, settings: Any) -> Tracks:
    """Join the faces of a video into tracks.

    Parameters
    ----------
    faces
        What `detect` found.
    settings
        Groups `tracks` and `faces`, by name.

    Returns
    -------
    Tracks
        Boxes between looks are interpolated.
    """
    rule, floor = settings["tracks"], settings["faces"].min_score
    keep = faces.faces.scores >= floor
    sure = faces.faces.where(keep)
    tracks, counts = link_with_counts(
        sure,
        stride=faces.stride,
        cuts=faces.cuts.tolist(),
        max_gap_s=rule.max_gap_s,
        min_track_s=rule.min_track_s,
        min_confidence=rule.min_join_confidence,
        max_age=rule.max_age,
        min_hits=rule.min_hits,
        iou_threshold=rule.iou_threshold,
        appearance=Appearances(faces, keep),
        across_cuts=rule.across_cuts,
        max_cut_gap_s=rule.max_cut_gap_s,
    )
    return Tracks(tuple(tracks), counts, int((~keep).sum()))
