"""Following faces from one full search to the next, instead of searching every picture.

A detector's search is most of its cost, and a face is nearly where it was a thirtieth of a second
before. So only one look in several is a search; between two searches each face is looked at again
where the look beside it had it, onwards from the earlier search and, for faces that only the later
one has, back from that. Where a face is lost or begins on the way, the stretch is halved by one
more search, down to a few looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from emodiss.faces.association import iou
from emodiss.faces.boxes import FaceBoxes
from emodiss.faces.protocols import FaceFollower
from emodiss.media import Frame

# Boxes of one look that overlap more than this show one face.
_SAME = 0.4
# A face that moved further than this from its last place is another one.
_NEAR = 0.2
# Stretches of so many looks or fewer are not halved again: nobody comes and goes in a sixth of a
# second, and the two ends tell of everybody else.
_LEAST = 4
# Pictures held at a time, in bytes; of large pictures fewer are held, and more searched.
_MOST_HELD = 192 << 20


@dataclass(slots=True)
class Following:
    """The state of a walk: the looks since the last search, that one first."""

    model: FaceFollower
    every: int
    # Pictures that somebody holds for each look, which leaves room for fewer looks.
    held_per_look: int = 1
    held: list[Frame] = field(default_factory=list[Frame])
    # What the search at the first of them found, with what was followed to there.
    begin: FaceBoxes | None = None

    def see(self, frame: Frame) -> Iterator[tuple[Frame, FaceBoxes]]:
        """Take the next look; yield those before it whose faces are known now."""
        if self.begin is None:
            self.held, self.begin = [frame], self._search(frame)
            return
        self.held.append(frame)
        room = max(1, _MOST_HELD // max(1, frame.image.nbytes * self.held_per_look))
        if len(self.held) > min(self.every, room):
            yield from self._close()

    def end(self) -> Iterator[tuple[Frame, FaceBoxes]]:
        """Yield what is left at the end of the video."""
        if self.begin is None:
            return
        if len(self.held) > 1:
            yield from self._close()
        yield self.held[0], self.begin
        self.held, self.begin = [], None

    def _close(self) -> Iterator[tuple[Frame, FaceBoxes]]:
        """Search the newest look, fill in those before it, and begin anew there."""
        assert self.begin is not None
        last = len(self.held) - 1
        known = {0: self.begin, last: self._search(self.held[last])}
        self._between(0, last, known)
        for at in range(last):
            yield self.held[at], known[at]
        self.held, self.begin = [self.held[last]], known[last]

    def _search(self, frame: Frame) -> FaceBoxes:
        return self.model.detect([frame.image])[0]

    def _between(self, a: int, b: int, known: dict[int, FaceBoxes]) -> None:
        """Fill in the looks between two that were searched."""
        onwards = self._walk(known[a], range(a + 1, b + 1))
        arrived = [path[b] for path in onwards if b in path]
        fresh = _apart(known[b], arrived)
        # A search may miss a face that was followed up to it.
        known[b] = joined([known[b], *arrived])
        back = self._walk(fresh, range(b - 1, a, -1))
        whole = len(arrived) == len(onwards) and all(a + 1 in path for path in back)
        if not whole and b - a > _LEAST:
            middle = (a + b) // 2
            known[middle] = self._search(self.held[middle])
            self._between(a, middle, known)
            self._between(middle, b, known)
            return
        for at in range(a + 1, b):
            known[at] = joined([path[at] for path in (*onwards, *back) if at in path])

    def _walk(self, faces: FaceBoxes, looks: Sequence[int]) -> list[dict[int, FaceBoxes]]:
        """Follow faces through looks, each until it is lost; per face its place at each look."""
        paths: list[dict[int, FaceBoxes]] = [{} for _ in range(len(faces))]
        alive = list(range(len(faces)))
        for at in looks:
            if not alive:
                break
            found = self.model.again(self.held[at].image, faces)
            near = (found.scores > 0) & (np.diag(iou(faces.boxes, found.boxes)) > _NEAR)
            for k in np.flatnonzero(near):
                paths[alive[k]][at] = rows(found, slice(int(k), int(k) + 1))
            alive = [path for path, on in zip(alive, near, strict=True) if on]
            faces = rows(found, np.flatnonzero(near))
        return paths


def rows(faces: FaceBoxes, which: slice | NDArray[np.integer]) -> FaceBoxes:
    """Take some of the faces of a look."""
    return FaceBoxes(faces.boxes[which], faces.scores[which], faces.landmarks[which])


def joined(parts: Sequence[FaceBoxes]) -> FaceBoxes:
    """Put faces of one look together, each once: of two that overlap the first; largest first."""
    parts = [*parts, FaceBoxes.empty()]
    every = FaceBoxes(
        np.concatenate([p.boxes for p in parts]),
        np.concatenate([p.scores for p in parts]),
        np.concatenate([p.landmarks for p in parts]),
    )
    kept: list[int] = []
    for k in range(len(every)):
        if not kept or iou(every.boxes[k : k + 1], every.boxes[kept]).max() <= _SAME:
            kept.append(k)
    size = every.boxes[kept, 2:] - every.boxes[kept, :2]
    order = np.argsort(-size.prod(axis=1), kind="stable")
    return rows(every, np.array(kept, np.int64)[order])


def _apart(faces: FaceBoxes, others: Sequence[FaceBoxes]) -> FaceBoxes:
    """Faces that overlap none of the others."""
    if not others or not len(faces):
        return faces
    overlap = iou(faces.boxes, np.concatenate([other.boxes for other in others])).max(axis=1)
    return rows(faces, np.flatnonzero(overlap <= _SAME))
