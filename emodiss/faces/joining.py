"""Joining: which fragments show one person, from place, size, time and looks.

Inside a shot a face comes back where it was; over a cut its place means something only when the
camera comes back to the same set-up, and looks carry the claim.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emodiss.faces.boxes import FaceSeries
from emodiss.faces.pictures import likeness
from emodiss.settings import TracksSettings
from emodiss.timebase import CLOCK_FPS

# Two fragments are one person's when the face comes back where it was and as large as it was.
# The scales are choices, not measurements: half a face of sway and a quarter of size change cost
# e^-0.5 each, and the claim fades with a time constant of ten seconds, about the time in which a
# seated person may have got up and another sat down.
_JOIN_DISTANCE = 0.5
# Who looks the same may have moved further: heads were seen to jump by 0.75 and 0.9 of their width
# between two looks. Two people side by side are 1.5 and more apart.
_JOIN_DISTANCE_ALIKE = 0.75
_JOIN_LOG_SIZE = 0.25
_JOIN_TIME_S = 10.0
# Likeness (`faces.likeness`) below which two faces are called different and above which they are
# called the same. Inside a shot, where place and time have spoken already, only who looks clearly
# different is held apart.
_LIKE_IN_SHOT = (0.75, 0.95)
# Over a cut looks alone may decide. Measured on two clips of two people each, a debate and a group
# picture (11 faces): head and chest of one person 0.92 and more from frame to frame, 0.87 to 0.92
# in the middle after a change of brightness by a quarter, of gamma by 1.3 or of warmth; of
# two people 0.60 in the middle, 0.75 in one of ten pairs and 0.87 at most.
_LIKE_OVER_CUT = (0.87, 0.95)
# Heads alone tell less: two people reached 0.92 in one of ten pairs and 0.955 at most.
_HEADS_OVER_CUT = (0.95, 0.99)
# Over a cut the place decides little: a set-up that comes back puts people where they were, and a
# new one puts them anywhere. Nobody takes another's seat there, so time fades the claim slowly.
_PLACE_OVER_CUT = 0.4
_CUT_TIME_S = 60.0
_END_DETECTIONS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """The detections of one fragment: which rows of a series, at which ticks.

    `shot` counts shots from 0; `look` is the mean appearance, (parts, bins), or None.
    """

    faces: FaceSeries
    rows: NDArray[np.int64]
    ticks: NDArray[np.int64]
    shot: int
    look: NDArray[np.float64] | None

    @classmethod
    def of(
        cls,
        faces: FaceSeries,
        rows: NDArray[np.int64],
        appearance: Mapping[int, ArrayLike],
        described: NDArray[np.bool_],
        shot: int,
    ) -> Piece:
        """Collect detections; `described` says at which of the series' ticks looks are known."""
        at = np.searchsorted(faces.edges, rows, side="right") - 1
        ticks = faces.ticks[at]
        total: NDArray[np.float64] | None = None
        looked = np.flatnonzero(described[at])
        for k in looked:
            index = rows[k] - faces.edges[at[k]]
            look = np.asarray(appearance[int(ticks[k])], np.float64)[index]
            total = look if total is None else total + look
        return cls(faces, rows, ticks, shot, None if total is None else total / len(looked))

    @property
    def first(self) -> int:
        """Tick of the first detection."""
        return int(self.ticks[0])

    @property
    def last(self) -> int:
        """Tick of the last detection."""
        return int(self.ticks[-1])

    @property
    def length(self) -> int:
        """Ticks from first to last, both counted."""
        return self.last - self.first + 1

    @property
    def begins_at(self) -> float:
        """Left border of the first box in pixels; tells fragments of one tick apart."""
        return float(self.faces.boxes[self.rows[0], 0])

    def place(self, part: slice) -> NDArray[np.float64]:
        """Centre and size of the median box over some detections."""
        box = np.median(self.faces.boxes[self.rows[part]].astype(np.float64), axis=0)
        return np.array(
            [
                (box[0] + box[2]) / 2,
                (box[1] + box[3]) / 2,
                np.sqrt((box[2] - box[0]) * (box[3] - box[1])),
            ]
        )


Chain = list[tuple[Piece, float]]


def join(pieces: Sequence[Piece], settings: TracksSettings) -> tuple[list[Chain], int]:
    """Put fragments of one person together, surest pairs first.

    Returns per person its fragments in order of time, each with the greatest confidence that ties
    it to another one (1 for the first; no two share a tick), and the number of joins.
    """
    max_gap, max_cut_gap = settings.max_gap_s * CLOCK_FPS, settings.max_cut_gap_s * CLOCK_FPS
    across_cuts = settings.across_cuts
    order = sorted(pieces, key=lambda p: (p.first, p.last, p.begins_at))
    claims: dict[tuple[int, int], float] = {}
    forth: dict[int, list[int]] = {}
    back: dict[int, list[int]] = {}
    reach = max(max_gap, max_cut_gap) if across_cuts else max_gap
    for i, before in enumerate(order):
        for j in range(i + 1, len(order)):
            after = order[j]
            gap = after.first - before.last
            if gap > reach:
                break
            allowed = max_gap if before.shot == after.shot else max_cut_gap
            if 0 < gap <= allowed and (before.shot == after.shot or across_cuts):
                claim = same_face(before, after)
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

    whose = list(range(len(order)))
    members = [[i] for i in range(len(order))]
    for (i, j), sure in sorted(confidence.items(), key=lambda item: (-item[1], item[0])):
        if sure < settings.min_join_confidence:
            break
        a, b = whose[i], whose[j]
        if a != b and not any(at_once(m, n) for m in members[a] for n in members[b]):
            members[a] += members[b]
            for n in members[b]:
                whose[n] = a
            members[b] = []
    chains: list[Chain] = []
    for found in members:
        own = sorted(found)
        if own:
            ties = [_tie(j, own, confidence) for j in own[1:]]
            chains.append([(order[j], c) for j, c in zip(own, [1.0, *ties], strict=True)])
    return chains, len(order) - len(chains)


def _tie(index: int, own: Sequence[int], confidence: Mapping[tuple[int, int], float]) -> float:
    """Greatest confidence that ties a fragment to another one of its chain."""
    pairs = ((min(index, other), max(index, other)) for other in own if other != index)
    return max(confidence.get(pair, 0.0) for pair in pairs)


def same_face(before: Piece, after: Piece) -> float:
    """How sure place, size, time and looks make it that two fragments show one face, in [0, 1].

    Inside a shot looks may be missing and then say nothing; over a cut there is no claim without.
    """
    end = before.place(slice(-_END_DETECTIONS, None))
    start = after.place(slice(None, _END_DETECTIONS))
    distance = np.hypot(*(end[:2] - start[:2])) / np.sqrt(end[2] * start[2])
    growth = np.log(start[2] / end[2])
    away = (after.first - before.last) / CLOCK_FPS

    def at_place(scale: float) -> float:
        sway, size = (distance / scale) ** 2, (growth / _JOIN_LOG_SIZE) ** 2
        return float(np.exp(-(sway + size) / 2))

    place = at_place(_JOIN_DISTANCE)
    if before.shot == after.shot:
        alike = _alike(before, after, _LIKE_IN_SHOT, _LIKE_IN_SHOT)
        if alike is None:
            return place * float(np.exp(-away / _JOIN_TIME_S))
        further = _JOIN_DISTANCE + alike * (_JOIN_DISTANCE_ALIKE - _JOIN_DISTANCE)
        return alike * at_place(further) * float(np.exp(-away / _JOIN_TIME_S))
    alike = _alike(before, after, _LIKE_OVER_CUT, _HEADS_OVER_CUT)
    if alike is None:
        return 0.0
    return alike * (1 - _PLACE_OVER_CUT * (1 - place)) * float(np.exp(-away / _CUT_TIME_S))


def _alike(
    before: Piece, after: Piece, whole: tuple[float, float], heads: tuple[float, float]
) -> float | None:
    """Likeness between two bounds, cut off to [0, 1]; None when there is nothing to compare."""
    if before.look is None or after.look is None:
        return None
    value, n_parts = likeness(before.look, after.look)
    if not n_parts:
        return None
    low, high = whole if n_parts == len(before.look) else heads
    return float(np.clip((value - low) / (high - low), 0, 1))
