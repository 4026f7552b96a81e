"""What the pictures show: faces at the ticks of the 30 FPS clock, cuts, and tracks of faces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emodiss.cuts import CutFinder
from emodiss.faces import FaceSeries, appearance
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

    def appearances(self) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Go through the ticks with described faces; each with (n, 2, 256), in order of boxes."""
        start = 0
        for tick in self.looked.tolist():
            n = len(self.faces[tick])
            yield tick, self.looks[start : start + n]
            start += n


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
    described = set(indices[::_LOOK_EVERY].tolist())
    parts: list[FaceSeries] = []  # by frame; arrays, because an hour has 108,000 frames
    looks: dict[int, list[NDArray[np.uint8]]] = {}
    for frames in _batches(iterate_frames(source, media, np.unique(indices))):
        for frame in frames:
            finder.add(frame.image, frame.time)
        boxes = model.detect([frame.image for frame in frames])
        parts.append(FaceSeries.of([frame.index for frame in frames], boxes))
        for frame, own in zip(frames, boxes, strict=True):
            if frame.index in described:
                looks[frame.index] = [appearance(frame.image, box) for box in own.boxes]
    found = FaceSeries.joined(parts)
    # A frame the decoder did not deliver was not looked at; that is no finding of no face.
    seen = np.isin(indices, found.ticks)
    kept, shown = ticks[seen], indices[seen]
    series = found.shown_at(kept, shown)
    looked = np.array([i for i in shown if int(i) in looks], dtype=np.int64)
    rows = [look for index in looked for look in looks[int(index)]]
    return Sightings(
        series,
        np.asarray(finder.cuts(), dtype=np.float64),
        stride,
        looked=kept[np.isin(shown, looked)],
        looks=np.array(rows, np.uint8).reshape(-1, 2, 256),
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
    seen = {tick: looks[faces.faces[tick].scores >= floor] for tick, looks in faces.appearances()}
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
        appearance=seen,
        across_cuts=rule.across_cuts,
        max_cut_gap_s=rule.max_cut_gap_s,
    )
    return Tracks(tuple(tracks), counts, int((~keep).sum()))
