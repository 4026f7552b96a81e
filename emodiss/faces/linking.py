"""Tracks of a whole recording, from the detections of all its frames.

A recording is analysed as a whole, so `link` can do what an online tracker cannot: boxes between
two detections are interpolated, a track begins at its first detection, and fragments of one
person are joined afterwards.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emodiss.faces.association import associate
from emodiss.faces.boxes import FaceBoxes, FaceSeries
from emodiss.faces.joining import Chain, Piece, join
from emodiss.timebase import CLOCK_FPS, Span


@dataclass(frozen=True, slots=True)
class Fragment:
    """An unbroken stretch of a track.

    Parameters
    ----------
    first_tick, last_tick
        Both belong to the fragment.
    confidence
        In (0, 1]: that this is the same face as the rest of the track: the surest tie to another
        of its fragments; 1 for the first.
    """

    first_tick: int
    last_tick: int
    confidence: float


@dataclass(frozen=True, slots=True, eq=False)
class FaceTrack:
    """One face through time.

    Parameters
    ----------
    id
        Counts from 1 in the order in which faces appear.
    ticks
        (n,) int64, strictly increasing ticks of the 30 FPS clock at which the face is shown.
    times
        (n,) float64, seconds of these ticks.
    boxes
        (n, 4) float32, x1, y1, x2, y2 in pixels: the detector's box where measured, a linear
        interpolation between its neighbours where not.
    landmarks
        (n, 5, 2) float32, as in `FaceBoxes`, interpolated likewise.
    scores
        (n,) float32, the detector's probability; NaN where interpolated.
    measured
        (n,) bool, False where interpolated.
    fragments
        The unbroken stretches the track was joined from, in order.

    Raises
    ------
    ValueError
        If lengths differ or ticks do not increase.
    """

    id: int
    ticks: NDArray[np.int64]
    times: NDArray[np.float64]
    boxes: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    scores: NDArray[np.float32]
    measured: NDArray[np.bool_]
    fragments: tuple[Fragment, ...] = field(default=())

    def __post_init__(self) -> None:
        n = len(self.ticks)
        shapes = {
            "times": (self.times.shape, (n,)),
            "boxes": (self.boxes.shape, (n, 4)),
            "landmarks": (self.landmarks.shape, (n, 5, 2)),
            "scores": (self.scores.shape, (n,)),
            "measured": (self.measured.shape, (n,)),
        }
        for name, (seen, expected) in shapes.items():
            if seen != expected:
                raise ValueError(f"Track {self.id}: {name} must be {expected}, got {seen}.")
        if (np.diff(self.ticks) <= 0).any():
            raise ValueError(f"Track {self.id}: ticks must be strictly increasing.")

    def __len__(self) -> int:
        return len(self.ticks)

    @property
    def confidence(self) -> float:
        """Least confidence of its joins; 1 for a track of one piece."""
        return min((part.confidence for part in self.fragments), default=1.0)

    def within(self, span: Span) -> slice:
        """Rows whose time lies in a half-open span; an empty slice when none does."""
        first, last = np.searchsorted(self.times, [span.start - 1e-9, span.end - 1e-9])
        return slice(int(first), int(last))


@dataclass(frozen=True, slots=True)
class LinkCounts:
    """What became of the detections on the way to tracks.

    Parameters
    ----------
    fragments
        Unbroken stretches that SORT confirmed.
    unconfirmed
        Stretches with fewer than `min_hits` detections, thrown away.
    joins
        Pairs of fragments joined.
    short
        Tracks thrown away because they were shorter than `min_track_s`.
    """

    fragments: int
    unconfirmed: int
    joins: int
    short: int


def link(
    detections_by_tick: Mapping[int, FaceBoxes],
    *,
    stride: int = 1,
    cuts: Sequence[float] = (),
    max_gap_s: float = 8.0,
    min_track_s: float = 0.5,
    min_confidence: float = 0.3,
    max_age: int = 1,
    min_hits: int = 3,
    iou_threshold: float = 0.3,
    appearance: Mapping[int, ArrayLike] | None = None,
    across_cuts: bool = False,
    max_cut_gap_s: float = 60.0,
    fps: float = CLOCK_FPS,
) -> list[FaceTrack]:
    """Turn the detections of a recording into tracks.

    Parameters
    ----------
    detections_by_tick
        What the detector found at each tick it looked at; `FaceBoxes.empty()` where it found
        nothing. Ticks it did not look at are absent: SORT is clocked at detections.
    stride
        Ticks from one detection to the next. A hole of more than two strides (missing media)
        ends all fragments.
    cuts
        Times of the first frame after each cut, in seconds. Every fragment ends there.
    max_gap_s
        Longest absence after which a face at the same place is still taken for the same person.
        In a fixed picture of seated people a face is lost for seconds when someone turns away
        or bends down; the default covers that and stays short of a change of seats.
    min_track_s
        Shorter tracks are thrown away. False faces of MTCNN rarely last half a second.
    min_confidence
        Least confidence of a join.
    max_age, min_hits, iou_threshold
        Of SORT, in detections. A fragment needs `min_hits` detections in all; once confirmed it
        begins at its first, which an online tracker could not report.
    appearance
        One (n, parts, bins) array per tick, parallel to that tick's boxes, as from
        `faces.appearance`; ticks may be missing. Fragments that look different are not joined.
    across_cuts
        Join over cuts as well, by looks first and place second.
    max_cut_gap_s
        Longest absence over a cut.
    fps
        Rate of the clock in ticks per second.

    Returns
    -------
    list of FaceTrack
        In order of first tick, then from left to right. Boxes are interpolated between two
        detections of one fragment, never across a gap and never past a fragment's ends, so with
        a stride a track may miss up to `stride - 1` ticks at either end.

    Raises
    ------
    ValueError
        If an option is out of range, or `across_cuts` is asked for without `appearance`.

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
    return link_with_counts(
        detections_by_tick,
        stride=stride,
        cuts=cuts,
        max_gap_s=max_gap_s,
        min_track_s=min_track_s,
        min_confidence=min_confidence,
        max_age=max_age,
        min_hits=min_hits,
        iou_threshold=iou_threshold,
        appearance=appearance,
        across_cuts=across_cuts,
        max_cut_gap_s=max_cut_gap_s,
        fps=fps,
    )[0]


def link_with_counts(
    detections_by_tick: Mapping[int, FaceBoxes],
    *,
    stride: int = 1,
    cuts: Sequence[float] = (),
    max_gap_s: float = 8.0,
    min_track_s: float = 0.5,
    min_confidence: float = 0.3,
    max_age: int = 1,
    min_hits: int = 3,
    iou_threshold: float = 0.3,
    appearance: Mapping[int, ArrayLike] | None = None,
    across_cuts: bool = False,
    max_cut_gap_s: float = 60.0,
    fps: float = CLOCK_FPS,
) -> tuple[list[FaceTrack], LinkCounts]:
    """Do as `link` does, and count what was joined and thrown away."""
    if stride < 1:
        raise ValueError(f"stride must be at least 1 tick, got {stride}.")
    if across_cuts and appearance is None:
        raise ValueError(
            "Joining across cuts needs the appearance of each face; places mean little there."
        )
    faces = _series(detections_by_tick)
    described = np.isin(faces.ticks, list(appearance or ()))
    shots = np.searchsorted(
        np.sort(np.asarray(cuts, np.float64)), faces.ticks / fps + 1e-9, "right"
    )
    breaks = np.flatnonzero((np.diff(faces.ticks) > 2 * stride) | (np.diff(shots) > 0)) + 1
    pieces: list[Piece] = []
    unconfirmed = 0
    for rows, shot in _fragments(faces, shots, breaks, max_age, min_hits, iou_threshold):
        if len(rows) < min_hits:
            unconfirmed += 1
        else:
            pieces.append(Piece.of(faces, rows, appearance or {}, described, shot))
    chains, joins = join(
        pieces,
        max_gap=max_gap_s * fps,
        max_cut_gap=max_cut_gap_s * fps,
        min_confidence=min_confidence,
        across_cuts=across_cuts,
        fps=fps,
    )
    long = [c for c in chains if sum(p.length for p, _ in c) >= min_track_s * fps]
    long.sort(key=lambda c: (c[0][0].first, c[0][0].begins_at))
    tracks = [_track(number, chain, fps) for number, chain in enumerate(long, start=1)]
    return tracks, LinkCounts(len(pieces), unconfirmed, joins, len(chains) - len(long))


def _fragments(
    faces: FaceSeries,
    shots: NDArray[np.int64],
    breaks: NDArray[np.int64],
    max_age: int,
    min_hits: int,
    iou_threshold: float,
) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Run SORT anew after each break; of each of its tracks the rows of `faces`, and the shot."""
    trackable = _with_area(faces.boxes)
    detections = np.column_stack([faces.boxes, faces.scores])[trackable]
    first = np.searchsorted(trackable, faces.edges)
    for run in np.split(np.arange(len(faces)), breaks):
        # One tick at a time, and rows in arrays: an hour of lists would be hundreds of megabytes.
        boxes = (detections[first[i] : first[i + 1]] for i in run)
        hits: dict[int, array[int]] = {}
        for i, seen in zip(run, associate(boxes, max_age, min_hits, iou_threshold), strict=True):
            for s in seen:
                row = int(trackable[first[i] + s.detection])
                hits.setdefault(s.track.id, array("q")).append(row)
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


def _track(number: int, chain: Chain, fps: float) -> FaceTrack:
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
        _interpolate(at, piece.faces.boxes[piece.rows], out=boxes[own])
        _interpolate(at, piece.faces.landmarks[piece.rows], out=landmarks[own])
        scores[own][at] = piece.faces.scores[piece.rows]
        measured[own][at] = True
        start = own.stop
    return FaceTrack(
        id=number,
        ticks=ticks,
        times=ticks / fps,
        boxes=boxes,
        landmarks=landmarks,
        scores=scores,
        measured=measured,
        fragments=tuple(Fragment(p.first, p.last, sure) for p, sure in chain),
    )


def _interpolate(
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
