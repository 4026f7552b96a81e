"""Tracks of a whole recording, from the detections of all its frames.

A recording is analysed as a whole, so `link` can do what an online tracker cannot: boxes between
two detections are interpolated, a track begins at its first detection, and fragments of one
person are joined afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emodiss.faces import FaceBoxes
from emodiss.timebase import CLOCK_FPS, Span
from emodiss.tracks.association import associate

# Two fragments are one person's when the face comes back where it was and as large as it was.
# The scales are choices, not measurements: half a face of sway and a quarter of size change cost
# e^-0.5 each, and the claim fades with a time constant of ten seconds, about the time in which a
# seated person may have got up and another sat down.
_JOIN_DISTANCE = 0.5
_JOIN_LOG_SIZE = 0.25
_JOIN_TIME_S = 10.0
# Bhattacharyya coefficients of two colour histograms, below which two faces are called
# different and above which they are called the same. Single frames of one person gave 0.94 and
# more on two clips, of two people 0.81 and 0.66 in the middle and 0.88 at most.
_DIFFERENT, _SAME = 0.75, 0.95
_END_DETECTIONS = 5


@dataclass(frozen=True, slots=True)
class Fragment:
    """An unbroken stretch of a track.

    Parameters
    ----------
    first_tick, last_tick
        Both belong to the fragment.
    confidence
        In (0, 1]: that this is the same face as the fragment before it; 1 for the first.
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
        One (n, d) array per tick, parallel to that tick's boxes: non-negative histograms, for
        instance `faces.colour_histogram`. Fragments that look different are then not joined.
    across_cuts
        Join across cuts as well, by appearance alone, since places mean nothing there.
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
    A join needs: the second fragment begins after the first ended, within `max_gap_s`, and no
    cut lies between (unless `across_cuts`). Its confidence is

        exp(-d^2 / (2 * 0.5^2)) * exp(-l^2 / (2 * 0.25^2)) * exp(-gap / 10 s)

    with d the distance of the face centres in face sizes and l the log ratio of face sizes,
    both between medians of the last and first five detections; times the similarity of
    appearance when given; times its share among rivals, that is joins that would claim one of
    the two fragments for someone who is in the picture at the same time.
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
    fps: float = CLOCK_FPS,
) -> tuple[list[FaceTrack], LinkCounts]:
    """Do as `link` does, and count what was joined and thrown away."""
    if stride < 1:
        raise ValueError(f"stride must be at least 1 tick, got {stride}.")
    if across_cuts and appearance is None:
        raise ValueError(
            "Joining across cuts needs the appearance of each face; places mean nothing there."
        )
    ticks = np.array(sorted(detections_by_tick), np.int64)
    shots = np.searchsorted(np.sort(np.asarray(cuts, np.float64)), ticks / fps + 1e-9, "right")
    breaks = np.flatnonzero((np.diff(ticks) > 2 * stride) | (np.diff(shots) > 0)) + 1
    pieces: list[_Piece] = []
    unconfirmed = 0
    for run in np.split(np.arange(len(ticks)), breaks):
        if not len(run):
            continue
        faces = [detections_by_tick[int(tick)] for tick in ticks[run]]
        usable = [_with_area(f) for f in faces]
        series = [
            np.column_stack([f.boxes[u], f.scores[u]]) for f, u in zip(faces, usable, strict=True)
        ]
        hits: dict[int, list[tuple[int, int]]] = {}
        for step, seen in enumerate(associate(series, max_age, min_hits, iou_threshold)):
            for s in seen:
                hits.setdefault(s.track.id, []).append((step, int(usable[step][s.detection])))
        for found in hits.values():
            if len(found) < min_hits:
                unconfirmed += 1
                continue
            pieces.append(_Piece.of(found, ticks[run], faces, appearance, int(shots[run[0]])))
    chains, joins = _join(pieces, max_gap_s * fps, min_confidence, across_cuts, fps)
    long = [c for c in chains if sum(p.length for p, _ in c) >= min_track_s * fps]
    long.sort(key=lambda c: (c[0][0].first, float(c[0][0].boxes[0, 0])))
    tracks = [_track(number, chain, fps) for number, chain in enumerate(long, start=1)]
    return tracks, LinkCounts(len(pieces), unconfirmed, joins, len(chains) - len(long))


def _with_area(faces: FaceBoxes) -> NDArray[np.int64]:
    """List the boxes that can be tracked."""
    boxes = faces.boxes
    fine = np.isfinite(boxes).all(1) & (boxes[:, 2:] > boxes[:, :2]).all(1)
    return np.flatnonzero(fine)


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """The detections of one fragment."""

    ticks: NDArray[np.int64]
    boxes: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    scores: NDArray[np.float32]
    shot: int
    look: NDArray[np.float64] | None

    @classmethod
    def of(
        cls,
        found: Sequence[tuple[int, int]],
        ticks: NDArray[np.int64],
        faces: Sequence[FaceBoxes],
        appearance: Mapping[int, ArrayLike] | None,
        shot: int,
    ) -> _Piece:
        own = np.array([ticks[step] for step, _ in found], np.int64)
        look = None
        if appearance is not None:
            rows = [
                np.asarray(appearance[int(ticks[step])], np.float64)[index] for step, index in found
            ]
            look = np.mean(rows, axis=0)
        return cls(
            ticks=own,
            boxes=np.array([faces[step].boxes[i] for step, i in found], np.float32),
            landmarks=np.array([faces[step].landmarks[i] for step, i in found], np.float32),
            scores=np.array([faces[step].scores[i] for step, i in found], np.float32),
            shot=shot,
            look=look,
        )

    @property
    def first(self) -> int:
        return int(self.ticks[0])

    @property
    def last(self) -> int:
        return int(self.ticks[-1])

    @property
    def length(self) -> int:
        """Ticks from first to last, both counted."""
        return self.last - self.first + 1

    def place(self, part: slice) -> NDArray[np.float64]:
        """Centre and size of the median box over some detections."""
        box = np.median(self.boxes[part].astype(np.float64), axis=0)
        return np.array(
            [
                (box[0] + box[2]) / 2,
                (box[1] + box[3]) / 2,
                np.sqrt((box[2] - box[0]) * (box[3] - box[1])),
            ]
        )


_Chain = list[tuple[_Piece, float]]


def _join(
    pieces: Sequence[_Piece],
    max_gap: float,
    min_confidence: float,
    across_cuts: bool,
    fps: float,
) -> tuple[list[_Chain], int]:
    """Chain fragments of one person, surest joins first; chains and the number of joins."""
    order = sorted(pieces, key=lambda p: (p.first, p.last, float(p.boxes[0, 0])))
    claims: dict[tuple[int, int], float] = {}
    forth: dict[int, list[int]] = {}
    back: dict[int, list[int]] = {}
    for i, before in enumerate(order):
        for j in range(i + 1, len(order)):
            after = order[j]
            if after.first > before.last + max_gap:
                break
            if after.first > before.last:
                claim = _same_face(before, after, across_cuts, fps)
                if claim > 0:
                    claims[i, j] = claim
                    forth.setdefault(i, []).append(j)
                    back.setdefault(j, []).append(i)

    def at_once(i: int, j: int) -> bool:
        return order[i].first <= order[j].last and order[j].first <= order[i].last

    confidence: dict[tuple[int, int], float] = {}
    for (i, j), claim in claims.items():
        rivals = sum(claims[a, j] for a in back[j] if a != i and at_once(a, i))
        rivals += sum(claims[i, b] for b in forth[i] if b != j and at_once(b, j))
        confidence[i, j] = claim * claim / (claim + rivals)

    following: dict[int, tuple[int, float]] = {}
    preceded: set[int] = set()
    for (i, j), sure in sorted(confidence.items(), key=lambda item: (-item[1], item[0])):
        if sure >= min_confidence and i not in following and j not in preceded:
            following[i] = (j, sure)
            preceded.add(j)
    chains: list[_Chain] = []
    for start in range(len(order)):
        if start in preceded:
            continue
        chain: _Chain = [(order[start], 1.0)]
        index = start
        while index in following:
            index, sure = following[index]
            chain.append((order[index], sure))
        chains.append(chain)
    return chains, len(preceded)


def _same_face(before: _Piece, after: _Piece, across_cuts: bool, fps: float) -> float:
    """How sure it is that two fragments show one face, in [0, 1]."""
    if before.shot != after.shot and not across_cuts:
        return 0.0
    sure = float(np.exp(-(after.first - before.last) / fps / _JOIN_TIME_S))
    if before.shot == after.shot:
        end = before.place(slice(-_END_DETECTIONS, None))
        start = after.place(slice(None, _END_DETECTIONS))
        distance = np.hypot(*(end[:2] - start[:2])) / np.sqrt(end[2] * start[2])
        growth = np.log(start[2] / end[2])
        sure *= float(
            np.exp(-((distance / _JOIN_DISTANCE) ** 2) / 2)
            * np.exp(-((growth / _JOIN_LOG_SIZE) ** 2) / 2)
        )
    if before.look is not None and after.look is not None:
        shared = np.sqrt(before.look * after.look).sum()
        total = np.sqrt(before.look.sum() * after.look.sum())
        alike = float(shared / total) if total > 0 else 0.0
        sure *= float(np.clip((alike - _DIFFERENT) / (_SAME - _DIFFERENT), 0, 1))
    return sure


def _track(number: int, chain: _Chain, fps: float) -> FaceTrack:
    """Interpolate each fragment and put them together."""
    ticks = np.concatenate([np.arange(p.first, p.last + 1) for p, _ in chain])
    boxes = np.concatenate([_interpolated(p.ticks, p.boxes) for p, _ in chain])
    landmarks = np.concatenate([_interpolated(p.ticks, p.landmarks) for p, _ in chain])
    measured = np.isin(ticks, np.concatenate([p.ticks for p, _ in chain]))
    scores = np.full(len(ticks), np.nan, np.float32)
    scores[measured] = np.concatenate([p.scores for p, _ in chain])
    return FaceTrack(
        id=number,
        ticks=ticks.astype(np.int64),
        times=ticks / fps,
        boxes=boxes,
        landmarks=landmarks,
        scores=scores,
        measured=measured,
        fragments=tuple(Fragment(p.first, p.last, sure) for p, sure in chain),
    )


def _interpolated(ticks: NDArray[np.int64], values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fill the ticks between the first and the last linearly; measured rows keep their bits."""
    every = np.arange(ticks[0], ticks[-1] + 1)
    at = np.clip(np.searchsorted(ticks, every, side="right") - 1, 0, max(len(ticks) - 2, 0))
    if len(ticks) == 1:
        return values.copy()
    share = (every - ticks[at]) / (ticks[at + 1] - ticks[at])
    share = share.reshape(-1, *[1] * (values.ndim - 1))
    filled = ((1 - share) * values[at] + share * values[at + 1]).astype(np.float32)
    filled[ticks - ticks[0]] = values
    return filled
