"""Tracks of a whole recording, from the detections of all its frames.

A recording is analysed as a whole, so `link` can do what an online tracker cannot: boxes between
two detections are interpolated, a track begins at its first detection, and fragments of one
person are joined afterwards.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emodiss.errors import ArgumentError, ModelError
from emodiss.faces.association import Sort
from emodiss.faces.boxes import FaceBoxes, FaceSeries
from emodiss.faces.joining import Chain, Piece, join
from emodiss.faces.protocols import FaceTracker
from emodiss.faces.records import FaceTrack, Fragment, LinkCounts, Tracks
from emodiss.settings import FacesSettings, TracksSettings
from emodiss.timebase import CLOCK_FPS

DEFAULTS = TracksSettings()


def link(
    detections_by_tick: Mapping[int, FaceBoxes],
    settings: TracksSettings = DEFAULTS,
    *,
    tracker: FaceTracker | None = None,
    stride: int = FacesSettings().stride,
    cuts: Sequence[float] = (),
    appearance: Mapping[int, ArrayLike] | None = None,
) -> Tracks:
    """Turn the detections of a recording into tracks.

    Parameters
    ----------
    detections_by_tick
        What the detector found at each tick it looked at; `FaceBoxes.empty()` where it found
        nothing. Ticks it did not look at are absent: a tracker is clocked at detections.
    settings
        Settings group `tracks`. A fragment needs `min_hits` detections in all; once confirmed it
        begins at its first, which an online tracker could not report. In a fixed picture of seated
        people a face is lost for seconds when someone turns away or bends down; the default of
        `max_gap_s` covers that and stays short of a change of seats. False faces of MTCNN rarely
        last as long as `min_track_s`.
    tracker
        What tells which faces of successive looks are the same; by default SORT with the
        settings' `max_age` and `iou_threshold`.
    stride
        Ticks from one detection to the next. A hole of more than two strides (missing media)
        ends all fragments.
    cuts
        Times of the first frame after each cut, in seconds. Every fragment ends there.
    appearance
        One (n, parts, bins) array per tick, parallel to that tick's boxes, as from
        `faces.appearance`; ticks may be missing. Fragments that look different are not joined, and
        over a cut only those that look alike are.

    Returns
    -------
    Tracks
        In order of first tick, then from left to right. Boxes are interpolated between two
        detections of one fragment, never across a gap and never past a fragment's ends, so with
        a stride a track may miss up to `stride - 1` ticks at either end.

    Raises
    ------
    ValueError
        If the stride is less than a tick.
    ModelError
        If the tracker names a face that it was not given, or gives one to two tracks.

    Notes
    -----
    A join needs: the second fragment begins after the first ended, within `max_gap_s` in one
    shot, or `max_cut_gap_s` over a cut. With d the distance of the face centres in face sizes and
    l the log ratio of face sizes, both between medians of the last and first five detections,

        place = exp(-d^2 / (2 * 0.5^2)) * exp(-l^2 / (2 * 0.25^2))

    the claim is `looks * place * exp(-gap / 10 s)` in one shot, where 0.5 grows to 0.75 as looks
    grow to 1, and over a cut
    `looks * (0.6 + 0.4 * place) * exp(-gap / 60 s)`: a set-up of the camera that comes back puts
    people where they were, a new one puts them anywhere. `looks` is the likeness of appearance
    between two bounds (`tracks.joining`). A claim counts for its share among rivals, that is
    claims on one of the two fragments by someone who is in the picture at the same time.
    """
    if stride < 1:
        raise ArgumentError(f"stride must be at least 1 tick, got {stride}.")
    faces = _series(detections_by_tick)
    described = np.isin(faces.ticks, list(appearance or ()))
    shots = np.searchsorted(
        np.sort(np.asarray(cuts, np.float64)), faces.ticks / CLOCK_FPS + 1e-9, "right"
    )
    breaks = np.flatnonzero((np.diff(faces.ticks) > 2 * stride) | (np.diff(shots) > 0)) + 1
    pieces: list[Piece] = []
    unconfirmed = 0
    tracker = tracker or Sort(settings.max_age, settings.iou_threshold)
    for rows, shot in _fragments(faces, shots, breaks, tracker):
        if len(rows) < settings.min_hits:
            unconfirmed += 1
        else:
            pieces.append(Piece.of(faces, rows, appearance or {}, described, shot))
    chains, joins = join(pieces, settings)
    long = [c for c in chains if sum(p.length for p, _ in c) >= settings.min_track_s * CLOCK_FPS]
    long.sort(key=lambda c: (c[0][0].first, c[0][0].begins_at))
    tracks = tuple(_track(number, chain) for number, chain in enumerate(long, start=1))
    counts = LinkCounts(len(pieces), unconfirmed, joins, len(chains) - len(long))
    return Tracks(tracks, counts)


def _fragments(
    faces: FaceSeries,
    shots: NDArray[np.int64],
    breaks: NDArray[np.int64],
    tracker: FaceTracker,
) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Track anew after each break; of each track the rows of `faces`, and the shot."""
    trackable = _with_area(faces.boxes)
    detections = np.column_stack([faces.boxes, faces.scores])[trackable]
    first = np.searchsorted(trackable, faces.edges)
    for run in np.split(np.arange(len(faces)), breaks):
        # One tick at a time, and rows in arrays: an hour of lists would be hundreds of megabytes.
        boxes = (detections[first[i] : first[i + 1]] for i in run)
        hits: dict[int, array[int]] = {}
        for i, seen in zip(run, tracker.track(boxes), strict=True):
            given = range(first[i + 1] - first[i])
            if (
                not len(seen)
                == len(dict(seen))
                == len({row for _, row in seen}.intersection(given))
            ):
                raise ModelError(
                    f"The tracker answered a look with {len(given)} faces by {seen}; expected "
                    "(track, face) pairs with faces counted from 0, and each track and face once.",
                    next_step="Choose another: --set models.tracker=sort.",
                    code="model_output",
                )
            for number, detection in seen:
                row = int(trackable[first[i] + detection])
                hits.setdefault(number, array("q")).append(row)
        for found in hits.values():
            yield np.frombuffer(found, np.int64), int(shots[run[0]])


def _series(detections_by_tick: Mapping[int, FaceBoxes]) -> FaceSeries:
    """Lay detections out in arrays, unless they are so already."""
    if isinstance(detections_by_tick, FaceSeries):
        return detections_by_tick
    ticks = sorted(detections_by_tick)
    return FaceSeries.of(ticks, [detections_by_tick[tick] for tick in ticks])


def _with_area(boxes: NDArray[np.float32]) -> NDArray[np.int64]:
    """List the boxes that can be tracked."""
    return np.flatnonzero(np.isfinite(boxes).all(1) & (boxes[:, 2:] > boxes[:, :2]).all(1))


def _track(number: int, chain: Chain) -> FaceTrack:
    """Interpolate each fragment and put them together."""
    n = sum(piece.length for piece, _ in chain)
    ticks = np.empty(n, np.int64)
    boxes = np.empty((n, 4), np.float32)
    landmarks = np.empty((n, 5, 2), np.float32)
    scores = np.full(n, np.nan, np.float32)
    measured = np.zeros(n, np.bool_)
    start = 0
    for piece, _ in chain:
        own = slice(start, start + piece.length)
        at = piece.ticks - piece.first
        ticks[own] = np.arange(piece.first, piece.last + 1)
        interpolate(at, piece.faces.boxes[piece.rows], out=boxes[own])
        interpolate(at, piece.faces.landmarks[piece.rows], out=landmarks[own])
        scores[own][at] = piece.faces.scores[piece.rows]
        measured[own][at] = True
        start = own.stop
    return FaceTrack(
        id=number,
        ticks=ticks,
        times=ticks / CLOCK_FPS,
        boxes=boxes,
        landmarks=landmarks,
        scores=scores,
        measured=measured,
        fragments=tuple(Fragment(p.first, p.last, sure) for p, sure in chain),
    )


def interpolate(
    at: NDArray[np.int64], values: NDArray[np.float32], *, out: NDArray[np.float32]
) -> None:
    """Fill the rows between those at `at` linearly; measured rows keep their bits."""
    if len(at) < len(out):
        every = np.arange(len(out))
        before = np.searchsorted(at, every, side="right") - 1
        before = np.minimum(before, len(at) - 2)
        share = (every - at[before]) / (at[before + 1] - at[before])
        known, filled = values.reshape(len(at), -1), out.reshape(len(out), -1)
        for k in range(known.shape[1]):  # one number at a time: they are float64 on the way
            filled[:, k] = (1 - share) * known[before, k] + share * known[before + 1, k]
    out[at] = values
