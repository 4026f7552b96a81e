"""Records of what the pictures show: faces and cuts of one video, and tracks of its faces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from emodiss.faces.boxes import FaceSeries
from emodiss.faces.linking import FaceTrack, LinkCounts


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

    seen: Detections
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
