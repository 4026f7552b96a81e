"""Boxes of faces: those of one frame, and of many ticks of the 30 FPS clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray


@dataclass(frozen=True, slots=True, eq=False)
class FaceBoxes:
    """All faces found in one frame.

    Parameters
    ----------
    boxes
        (n, 4) float32, x1, y1, x2, y2 in pixels of the upright frame; not clipped to it.
    scores
        (n,) float32 in [0, 1], the detector's probability that this is a face.
    landmarks
        (n, 5, 2) float32, x and y of left eye, right eye, nose, left and right mouth corner, as
        seen in the picture.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    landmarks: NDArray[np.float32]

    @classmethod
    def empty(cls) -> FaceBoxes:
        """No face."""
        return cls(
            boxes=np.zeros((0, 4), np.float32),
            scores=np.zeros(0, np.float32),
            landmarks=np.zeros((0, 5, 2), np.float32),
        )

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True, slots=True, eq=False)
class FaceSeries(Mapping[int, FaceBoxes]):
    """Faces at many ticks, as arrays that a file can hold; reads like a mapping.

    Parameters
    ----------
    ticks
        (t,) int64, strictly increasing: the ticks of the 30 FPS clock the detector looked at.
    counts
        (t,) int64, faces found at each; 0 is a finding, an absent tick is not.
    boxes, scores, landmarks
        As in `FaceBoxes`, all ticks' faces one after the other.

    Attributes
    ----------
    edges
        (t + 1,) int64: where the faces of each tick begin, and where the last one's end.

    Raises
    ------
    ValueError
        If ticks do not increase or the counts do not add up.
    """

    ticks: NDArray[np.int64]
    counts: NDArray[np.int64]
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    edges: NDArray[np.int64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "edges", np.append(0, np.cumsum(self.counts)).astype(np.int64))
        n = int(self.counts.sum())
        if len(self.counts) != len(self.ticks) or (np.diff(self.ticks) <= 0).any():
            raise ValueError("A face series needs strictly increasing ticks with one count each.")
        if {len(self.boxes), len(self.scores), len(self.landmarks)} != {n}:
            raise ValueError(
                f"The counts of a face series promise {n} faces; got {len(self.boxes)} boxes, "
                f"{len(self.scores)} scores and {len(self.landmarks)} landmarks."
            )

    @classmethod
    def of(cls, ticks: ArrayLike, faces: Sequence[FaceBoxes]) -> FaceSeries:
        """Put one record per tick together."""
        parts = [*faces, FaceBoxes.empty()]
        return cls(
            ticks=np.asarray(ticks, np.int64).reshape(-1),
            counts=np.array([len(f) for f in faces], np.int64),
            boxes=np.concatenate([f.boxes for f in parts]),
            scores=np.concatenate([f.scores for f in parts]),
            landmarks=np.concatenate([f.landmarks for f in parts]),
        )

    @classmethod
    def joined(cls, parts: Iterable[FaceSeries]) -> FaceSeries:
        """Put series of successive ticks one after the other; each part is let go at once."""
        empty = cls.of([], [])
        columns = {name: Growing.like(getattr(empty, name)) for name in _COLUMNS}
        for part in parts:
            for name, column in columns.items():
                column.extend(getattr(part, name))
        return cls(**{name: column.array() for name, column in columns.items()})

    def shown_at(self, ticks: ArrayLike, held: ArrayLike) -> FaceSeries:
        """Show at each of `ticks` what this series holds at the tick beside it in `held`.

        Parameters
        ----------
        ticks
            (m,) strictly increasing.
        held
            (m,) ticks of this series, in any order and repeated at will.
        """
        held = np.asarray(held, np.int64).reshape(-1)
        at = np.searchsorted(self.ticks, held)
        if (at == len(self.ticks)).any() or (self.ticks[at] != held).any():
            raise KeyError("The series has no entry for some of the ticks asked for.")
        rows = rows_of(self.edges, at)
        return FaceSeries(
            np.asarray(ticks, np.int64).reshape(-1),
            self.counts[at],
            self.boxes[rows],
            self.scores[rows],
            self.landmarks[rows],
        )

    def where(self, keep: NDArray[np.bool_]) -> FaceSeries:
        """Keep the faces, in the order of `boxes`, for which `keep` is true; every tick stays."""
        if keep.all():
            return self  # most often so, and an hour's faces are not held twice
        counts = np.diff(np.append(0, np.cumsum(keep))[self.edges])
        return FaceSeries(
            self.ticks, counts, self.boxes[keep], self.scores[keep], self.landmarks[keep]
        )

    def __getitem__(self, tick: int) -> FaceBoxes:
        index = int(np.searchsorted(self.ticks, tick))
        if index == len(self.ticks) or self.ticks[index] != tick:
            raise KeyError(tick)
        own = slice(int(self.edges[index]), int(self.edges[index + 1]))
        return FaceBoxes(self.boxes[own], self.scores[own], self.landmarks[own])

    def __iter__(self) -> Iterator[int]:
        return iter(self.ticks.tolist())

    def __len__(self) -> int:
        return len(self.ticks)


_COLUMNS = ("ticks", "counts", "boxes", "scores", "landmarks")


class Growing:
    """An array that grows at its end in one block of memory.

    A list of many small arrays that are put together at the end takes the memory twice, and
    leaves it in pieces that the system does not get back.
    """

    def __init__(self, dtype: DTypeLike, shape: tuple[int, ...] = ()) -> None:
        self._dtype, self._shape, self._block = np.dtype(dtype), shape, bytearray()

    @classmethod
    def like(cls, rows: NDArray[Any]) -> Growing:
        """Start empty, with the type and the row of another array."""
        return cls(rows.dtype, rows.shape[1:])

    def extend(self, rows: ArrayLike) -> None:
        """Add rows, (n, *shape)."""
        self._block += np.asarray(rows, self._dtype).tobytes()

    def array(self) -> NDArray[Any]:
        """Give all rows, (m, *shape), without a copy; no row can be added afterwards."""
        return np.frombuffer(self._block, self._dtype).reshape(-1, *self._shape)


def rows_of(edges: NDArray[np.int64], at: NDArray[np.int64]) -> NDArray[np.int64] | slice:
    """Rows of some groups of rows, one group after the other.

    Parameters
    ----------
    edges
        (t + 1,): where each group begins, and where the last one ends.
    at
        (m,) groups, in any order and repeated at will.

    Returns
    -------
    ndarray of int64 or slice
        An index; a slice, which copies nothing, when these are all groups in order.
    """
    if np.array_equal(at, np.arange(len(edges) - 1)):
        return slice(None)
    counts = edges[at + 1] - edges[at]
    within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(edges[at], counts) + within


def clip(boxes: ArrayLike, height: int, width: int) -> NDArray[np.float32]:
    """Cut boxes, (n, 4) or (4,), off at the frame's borders; one outside keeps no area."""
    limits = np.array([width, height, width, height], np.float32)
    return np.clip(np.asarray(boxes, np.float32), 0, limits)
