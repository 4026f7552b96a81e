"""What the pictures show: faces at the ticks of the 30 FPS clock, cuts, and tracks of faces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from emodiss.faces.boxes import FaceBoxes, FaceSeries, Growing, rows_of
from emodiss.faces.following import Following
from emodiss.faces.linking import link
from emodiss.faces.pictures import appearance
from emodiss.faces.protocols import FaceDetector, FaceFollower, FaceTracker
from emodiss.faces.records import Appearances, DetectedPiece, Detections, Tracks
from emodiss.media import Frame, Media, Piece, in_pieces, iterate_frames
from emodiss.media.cuts import ChangeFinder, cuts_of
from emodiss.settings import FacesSettings, TracksSettings

# Frames handed to the detector at once when all are searched; bounds memory, changes no result.
_BATCH = 16

# Looks hardly change from one detection to the next; an hour of them is a few MB this way.
_LOOK_EVERY = 5


def detect(
    *, source: Path, media: Media, model: FaceDetector, settings: FacesSettings
) -> Detections:
    """Detect the faces of a video."""
    return in_pieces(
        detect_piece, join_pieces, source=source, media=media, model=model, settings=settings
    )


def detect_piece(
    *, source: Path, media: Media, model: FaceDetector, settings: FacesSettings, piece: Piece
) -> DetectedPiece:
    """Detect the faces of a piece of a video."""
    ticks = media.ticks()
    ticks = ticks[ticks % settings.stride == 0]
    indices = media.clock().frame_at(ticks)
    described = np.zeros(len(media.frame_times), np.bool_)
    described[indices[::_LOOK_EVERY]] = True
    begin, end = np.searchsorted(ticks, piece)
    # Whether the first frame shows something else tells the last one of the piece before, or if
    # that is damaged, the one before it.
    before = indices[max(begin - 5, 0) : begin]
    ticks, indices = ticks[begin:end], indices[begin:end]
    if not len(indices):
        before = indices
    changes = ChangeFinder(threshold=settings.cut_threshold)
    times, changed = Growing(np.float64), Growing(np.bool_)
    looks = Growing(np.uint8, (2, 256))

    def shown_frames() -> Iterator[Frame]:
        for frame in iterate_frames(source, media, np.unique(np.concatenate([before, indices]))):
            times.extend([frame.time])
            changed.extend([changes.changed(frame.image, frame.time)])
            if frame.index >= indices[0]:
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
    return DetectedPiece(
        found.shown_at(kept, shown),
        looked=kept[looked],
        looks=looks.array()[of_tick],
        times=times.array(),
        changed=changed.array(),
    )


def join_pieces(
    *, media: Media, settings: FacesSettings, parts: Sequence[DetectedPiece]
) -> Detections:
    """Put the pieces of a video together."""
    # Of a frame that two pieces looked at, the earlier one knows the frame before.
    times, first = np.unique(np.concatenate([part.times for part in parts]), return_index=True)
    changed = np.concatenate([part.changed for part in parts])[first]
    return Detections(
        FaceSeries.joined(part.faces for part in parts),
        np.asarray(cuts_of(times.tolist(), changed.tolist()), dtype=np.float64),
        settings.stride,
        looked=np.concatenate([part.looked for part in parts]),
        looks=np.concatenate([part.looks for part in parts]),
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
