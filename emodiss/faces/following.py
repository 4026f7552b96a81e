"""Following faces from one full search to the next, instead of searching every picture.

A detector's search is most of its cost, and a face is nearly where it was a tenth of a second
before. So only one look in several is a search of the whole picture; at the others the detector
searches around the places where faces were. A cut, or a face that is not found again, brings the
next search at once; while no face is known, searches come more often. Whom only a search finds came
in since the one before: the looks between them are held until then, and the newcomer is sought
there as well.
"""

from __future__ import annotations

from collections import deque
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
# A face that overlaps its last place less is another one.
_NEAR = 0.2
# Pictures held at a time, in bytes; of large ones fewer are held, and newcomers are seen later.
_MOST_HELD = 48 << 20


@dataclass(slots=True)
class Following:
    """The state of a walk from look to look."""

    model: FaceFollower
    # Looks from one search to the next.
    every: int
    # Faces of which the detector is less sure are not followed.
    min_score: float
    # Pictures that somebody holds for each look, which leaves room for fewer looks.
    held_per_look: int = 1
    # Looks since the last search, and the faces found at them.
    held: deque[tuple[Frame, FaceBoxes]] = field(default_factory=deque[tuple[Frame, FaceBoxes]])
    # How many looks ago that was; None before the first.
    since: int | None = None
    # (n, 4) where faces were, and how many looks ago.
    places: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    ages: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def see(self, frame: Frame, *, cut: bool = False) -> Iterator[tuple[Frame, FaceBoxes]]:
        """Take the next look; yield those whose faces are known now."""
        if cut or self.since is None:
            self.since, self.places, self.ages = self.every, self.places[:0], self.ages[:0]
        else:
            self.since += 1
        # Where nobody is known, looks cost nothing and newcomers are all there is to miss.
        turn = self.every if len(self.places) else max(1, self.every // 3)
        found = FaceBoxes.empty()
        if self.since < turn and len(self.places):
            found = self.model.near(frame.image, self.places)
        known = self.places[self.ages == 0]
        if self.since < turn and (overlaps(known, found.boxes) > _NEAR).all():
            self.held.append((frame, found))
            size = frame.image.nbytes * self.held_per_look
            while len(self.held) * size > _MOST_HELD:
                yield self.held.popleft()
        else:
            found = self.model.detect([frame.image])[0]
            if not cut:
                self._back(self._sure(found, overlaps(found.boxes, self.places) <= _NEAR))
            yield from self.end()
            yield frame, found
            self.since = 0
        self._remember(self._sure(found).boxes)

    def end(self) -> Iterator[tuple[Frame, FaceBoxes]]:
        """Yield what is left at the end of the video."""
        while self.held:
            yield self.held.popleft()

    def _sure(self, faces: FaceBoxes, which: NDArray[np.bool_] | bool = True) -> FaceBoxes:
        return rows(faces, np.flatnonzero((faces.scores >= self.min_score) & which))

    def _back(self, faces: FaceBoxes) -> None:
        """Look for newcomers at the looks that are held, from the last one back."""
        for at in reversed(range(len(self.held))):
            if not len(faces):
                break
            frame, known = self.held[at]
            found = self.model.near(frame.image, faces.boxes)
            same = overlaps(found.boxes, faces.boxes) > _NEAR
            faces = self._sure(found, same & (overlaps(found.boxes, known.boxes) <= _SAME))
            self.held[at] = frame, joined([known, faces])

    def _remember(self, boxes: NDArray[np.float32]) -> None:
        """Keep where faces are now, and where those that are not found were a while ago."""
        lost = (overlaps(self.places, boxes) <= _NEAR) & (self.ages + 1 < self.every)
        self.places = np.concatenate([boxes, self.places[lost]])
        self.ages = np.concatenate([np.zeros(len(boxes), np.int64), self.ages[lost] + 1])


def overlaps(boxes: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.floating]:
    """(n,) greatest overlap of each box with one of the others."""
    return iou(boxes, others).max(axis=1, initial=0)


def rows(faces: FaceBoxes, which: NDArray[np.integer]) -> FaceBoxes:
    """Take some of the faces of a look."""
    return FaceBoxes(faces.boxes[which], faces.scores[which], faces.landmarks[which])


def joined(parts: Sequence[FaceBoxes]) -> FaceBoxes:
    """Put faces of one look together, largest first."""
    every = FaceBoxes(
        np.concatenate([p.boxes for p in parts]),
        np.concatenate([p.scores for p in parts]),
        np.concatenate([p.landmarks for p in parts]),
    )
    size = every.boxes[:, 2:] - every.boxes[:, :2]
    return rows(every, np.argsort(-size.prod(axis=1), kind="stable"))
