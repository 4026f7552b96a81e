"""What the pictures show: faces at the ticks of the 30 FPS clock, cuts, and tracks of faces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from emodiss.faces.boxes import FaceBoxes, FaceSeries, Growing, rows_of
from emodiss.faces.following import Following
from emodiss.faces.linking import link
from emodiss.faces.pictures import appearance
from emodiss.faces.protocols import FaceDetector, FaceFollower, FaceTracker
from emodiss.faces.records import Appearances, Detections, Tracks
from emodiss.media import Frame, Media, iterate_frames
from emodiss.media.cuts import CutFinder
from emodiss.settings import FacesSettings, TracksSettings

# Frames handed to the detector at once when all are searched; bounds memory, changes no result.
_BATCH = 16

# Looks hardly change from one detection to the next; an hour of them is a few MB this way.
_LOOK_EVERY = 5


def detect(
    *, source: Path, media: Media, model: FaceDetector, settings: FacesSettings
) -> Detections:
    """Detect the faces of a video."""
    stride = settings.stride
    ticks = media.ticks()
    ticks = ticks[ticks % stride == 0]
    indices = media.clock().frame_at(ticks)
    finder = CutFinder(threshold=settings.cut_threshold)
    described = np.zeros(len(media.frame_times), np.bool_)
    described[indices[::_LOOK_EVERY]] = True
    looks = Growing(np.uint8, (2, 256))

    def shown_frames() -> Iterator[Frame]:
        for frame in iterate_frames(source, media, np.unique(indices)):
            finder.add(frame.image, frame.time)
            yield frame

    def look() -> Iterator[FaceSeries]:
        for frame, own in _faces(shown_frames(), model, settings):
            if described[frame.index]:
                looks.extend([appearance(frame.image, box) for box in own.boxes])
            yield FaceSeries.of([frame.index], [own])

    found = FaceSeries.joined(look())  # by frame
    # A frame the decoder did not deliver was not looked at; that is no finding of no face.
    seen = np.isin(indices, found.ticks)
    kept, shown = ticks[seen], indices[seen]
    looked = described[shown]
    frames, counts = (c[described[found.ticks]] for c in (found.ticks, found.counts))
    of_tick = rows_of(np.append(0, np.cumsum(counts)), np.searchsorted(frames, shown[looked]))
    return Detections(
        found.shown_at(kept, shown),
        np.asarray(finder.cuts(), dtype=np.float64),
        stride,
        looked=kept[looked],
        looks=looks.array()[of_tick],
    )


def _faces(
    frames: Iterator[Frame], model: FaceDetector, settings: FacesSettings
) -> Iterator[tuple[Frame, FaceBoxes]]:
    """Yield each frame with its faces."""
    if settings.mode == "scan" or not isinstance(model, FaceFollower):
        while batch := list(islice(frames, _BATCH)):
            found = model.detect([frame.image for frame in batch])
            yield from zip(batch, found, strict=True)
        return
    walk = Following(model, max(1, settings.scan_every // settings.stride))
    for frame in frames:
        yield from walk.see(frame)
    yield from walk.end()


def follow(
    *, faces: Detections, model: FaceTracker, settings: TracksSettings, min_score: float
) -> Tracks:
    """Join the faces of a video into tracks."""
    keep = faces.faces.scores >= min_score
    found = link(
        faces.faces.where(keep),
        settings,
        tracker=model,
        stride=faces.stride,
        cuts=faces.cuts.tolist(),
        appearance=Appearances(faces, keep),
    )
    return replace(found, n_below_score=int((~keep).sum()))
