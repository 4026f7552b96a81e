"""Records of what the pictures show: faces and cuts of one video, and tracks of its faces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from emodiss.faces.boxes import FaceSeries


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
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
    before
        (n,) int64, for each face the row of the one that the walk took for the same at the look
        before; -1 without.
    steps
        (n, stride, 3) float32, what the mouth of each face did at the ticks since the look before:
        motion, opening and stir (`people.MouthMotion`). NaN at ticks that show no new frame, and
        of a first look all but its opening.
    """

    faces: FaceSeries
    cuts: NDArray[np.float64]
    stride: int
    looked: NDArray[np.int64]
    looks: NDArray[np.uint8]
    before: NDArray[np.int64]
    steps: NDArray[np.float32]

    @property
    def notes(self) -> tuple[str, ...]:
        """Short names of what a reader should know."""
        return () if len(self.faces.boxes) else ("no_faces",)


@dataclass(frozen=True, slots=True, eq=False)
class DetectedPiece:
    """Faces of a piece of a video, as in `Detections`, and which frames differ much."""

    faces: FaceSeries
    looked: NDArray[np.int64]
    looks: NDArray[np.uint8]
    # (n,) seconds of all frames looked at, and whether each differs from the one before. The first
    # ones may belong to the piece before.
    times: NDArray[np.float64]
    changed: NDArray[np.bool_]
    # As in `Detections`, rows counted within the piece.
    before: NDArray[np.int64]
    steps: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Appearances(Mapping[int, NDArray[np.uint8]]):
    """Looks of some of the faces by tick, cut out when asked for."""

    # All faces and looks.
    seen: Detections
    # (n,) bool, in the order of `seen.faces.boxes`: the faces that count.
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


@dataclass(frozen=True, slots=True)
class Fragment:
    """An unbroken stretch of a track, both ticks included, and how surely it is the same face."""

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


@dataclass(frozen=True, slots=True)
class LinkCounts:
    """What became of the detections on the way to tracks.

    Parameters
    ----------
    fragments
        Unbroken stretches that SORT confirmed.
    unconfirmed
        Stretches with fewer than `min_hits` detections, thrown away.
    short
        Tracks thrown away because they were shorter than `min_track_s`.
    """

    fragments: int
    unconfirmed: int
    joins: int
    short: int


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
    n_below_score: int = 0

    def of(self, track_id: int) -> FaceTrack:
        """Return the track with this id."""
        return next(track for track in self.tracks if track.id == track_id)
