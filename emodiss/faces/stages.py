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
from emodiss.faces.mouths import MouthWalk
from emodiss.faces.pictures import appearance
from emodiss.faces.protocols import FaceDetector, FaceFollower, FaceTracker
from emodiss.faces.records import Appearances, DetectedPiece, Detections, Tracks
from emodiss.media import Frame, Media, Piece, in_pieces, iterate_frames
from emodiss.media.cuts import ChangeFinder, cuts_of
from emodiss.settings import FacesSettings, TracksSettings

# Frames held at a time when all are searched; bounds memory, changes no result.
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
    # Mouths are measured on all frames that are shown from the first look to the last.
    shown = media.clock().frame_at(np.arange(ticks[0], ticks[-1] + 1)) if len(ticks) else ticks
    mouths = MouthWalk(ticks, shown, stride=settings.stride, min_score=settings.min_score)
    looked_at = frozenset(np.concatenate([before, indices]).tolist())
    changes = ChangeFinder(threshold=settings.cut_threshold)
    times, changed = Growing(np.float64), Growing(np.bool_)
    looks = Growing(np.uint8, (2, 256))

    def shown_frames() -> Iterator[tuple[Frame, bool]]:
        for frame in iterate_frames(source, media, np.unique(np.concatenate([before, shown]))):
            if len(shown) and frame.index >= shown[0]:
                mouths.hold(frame)
            if frame.index not in looked_at:
                continue
            times.extend([frame.time])
            cut = changes.changed(frame.image, frame.time)
            changed.extend([cut])
            if frame.index >= indices[0]:
                yield frame, cut

    def look() -> Iterator[FaceSeries]:
        for frame, own in _faces(shown_frames(), model, settings):
            if described[frame.index]:
                looks.extend([appearance(frame.image, box) for box in own.boxes])
            mouths.see(frame.index, own)
            yield FaceSeries.of([frame.index], [own])

    found = FaceSeries.joined(look())  # by frame
    # A frame the decoder did not deliver was not looked at; that is no finding of no face.
    seen = np.isin(indices, found.ticks)
    kept, held = ticks[seen], indices[seen]
    looked = described[held]
    frames, counts = (c[described[found.ticks]] for c in (found.ticks, found.counts))
    of_tick = rows_of(np.append(0, np.cumsum(counts)), np.searchsorted(frames, held[looked]))
    same, steps = mouths.found()
    return DetectedPiece(
        found.shown_at(kept, held),
        looked=kept[looked],
        looks=looks.array()[of_tick],
        times=times.array(),
        changed=changed.array(),
        before=same,
        steps=steps,
    )


def join_pieces(
    *, media: Media, settings: FacesSettings, parts: Sequence[DetectedPiece]
) -> Detections:
    """Put the pieces of a video together."""
    # Of a frame that two pieces looked at, the earlier one knows the frame before.
    times, first = np.unique(np.concatenate([part.times for part in parts]), return_index=True)
    changed = np.concatenate([part.changed for part in parts])[first]
    rows = np.append(0, np.cumsum([len(part.before) for part in parts]))
    before = [
        np.where(p.before < 0, -1, p.before + row) for p, row in zip(parts, rows, strict=False)
    ]
    return Detections(
        FaceSeries.joined(part.faces for part in parts),
        np.asarray(cuts_of(times.tolist(), changed.tolist()), dtype=np.float64),
        settings.stride,
        looked=np.concatenate([part.looked for part in parts]),
        looks=np.concatenate([part.looks for part in parts]),
        before=np.concatenate(before),
        steps=np.concatenate([part.steps for part in parts]),
    )


def _faces(
    frames: Iterator[tuple[Frame, bool]], model: FaceDetector, settings: FacesSettings
) -> Iterator[tuple[Frame, FaceBoxes]]:
    """Yield each frame with its faces; of each is known whether it begins another shot."""
    if settings.mode == "scan" or not isinstance(model, FaceFollower):
        while batch := [frame for frame, _ in islice(frames, max(1, _BATCH // settings.stride))]:
            found = model.detect([frame.image for frame in batch])
            yield from zip(batch, found, strict=True)
        return
    every = max(1, settings.scan_every // settings.stride)
    walk = Following(model, every, settings.min_score, held_per_look=settings.stride)
    for frame, cut in frames:
        yield from walk.see(frame, cut=cut)
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
