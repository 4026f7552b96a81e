"""Which stretches of speech are one voice: from vectors of voices and what windows heard.

A segmentation network tells voices apart inside one window; a speaker network (CAM++) says how
alike two stretches sound, however far apart they lie. Neither is enough: the first mixes up voices
of one sex in one room, the second takes a shout and a whisper of one person for two, and strangers
on the telephone for one. Here both are weighed in one score per pair of clusters.

Vectors of short stretches are noisy, which makes clusters of them look less alike than the voices
are. So a cosine is divided by what it could be at most between clusters of that length: Spearman's
correction for attenuation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emodiss.models.campplus.speaker_windows import Windows
from emodiss.models.segmentation.speaker_frames import FRAME_S, frame_start

Floats = NDArray[np.float64]

PIECE_S: Final = 1.5
"""Length of a piece whose voice is described. Shorter ones say too little about a voice, longer
ones hold two more often."""
PIECE_STEP_S: Final = 0.5

SAME: Final = 0.62
"""Least score of two clusters that are one voice. This and the three numbers below were chosen on
105 recordings: pyannote's sample, two of AMI's, 18 scenes, and compositions of 12 actors of RAVDESS
and 5 of EMO-DB; the others were kept back. They are a compromise: lower, and strangers on one
telephone line are one voice; higher, and a person who shouts and whispers is two."""
HEARD_TOGETHER: Final = 0.08
"""How much the windows' verdict moves a score, at most: up where they hear one voice, down where
two."""
RELIABLE_S: Final = 2.0
"""Solo speech at which half of a vector is the voice and half is noise, seconds."""
LEAST_RELIABLE: Final = 0.4
"""Bound of the correction, so that noise between two words is not blown up to a likeness."""

CLEAR: Final = 0.2
"""Lead in cosine over the next voice from which a stretch is surely a voice's. Chosen on half the
actors; in the other half's compositions what leads by less is right in 79 % of the time and what
leads by more in 97 % (in real recordings 73 and 99 %)."""

# Pieces that found a cluster; shorter ones only follow.
_SEED_S: Final = 0.8
# Mean cosine inside a first cluster.
_FIRST: Final = 0.5
# Share of a piece's frames under one output of the network that makes it that output's.
_PURE: Final = 0.9
# Pieces that are compared all with all (5 minutes of speech); longer recordings go block by block.
_BLOCK: Final = 600
# Frames that are given to voices at a time (ten minutes), so that hours and many voices fit.
_FRAMES: Final = 36_000
_PAUSE_S: Final = 0.25
_ROUNDS: Final = 2


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Stretches of speech and whose voice they sound like."""

    # (n, 2) start and end, seconds, in order of start.
    spans: Floats
    # (n,) seconds in which one person speaks.
    solo_s: Floats
    # (n, d), of length 1.
    vectors: Floats

    def __len__(self) -> int:
        return len(self.spans)


def without(vectors: Floats, changes: Floats) -> Floats:
    """Take directions, (n, d) and orthonormal, off vectors, (pieces, d), and make them unit."""
    unit = _unit(vectors)
    return _unit(unit - unit @ changes.T @ changes)


def cut(n_voices: NDArray[np.int64]) -> Floats:
    """Cut speech into pieces that overlap by two thirds."""
    spans: list[tuple[float, float]] = []
    edges = np.flatnonzero(np.diff(n_voices > 0, prepend=False, append=False)).reshape(-1, 2)
    joined: list[list[float]] = []
    for start, end in frame_start(edges).tolist():
        if joined and start - joined[-1][1] < _PAUSE_S:
            joined[-1][1] = end
        else:
            joined.append([start, end])
    for start, end in joined:
        if end - start <= PIECE_S:
            spans.append((start, end))
            continue
        n = int(np.ceil((end - start - PIECE_S) / PIECE_STEP_S - 1e-6)) + 1
        spans += [(s, s + PIECE_S) for s in np.linspace(start, end - PIECE_S, n).tolist()]
    return np.array(spans, np.float64).reshape(-1, 2)


def centroids(
    pieces: Pieces, heard: Sequence[Windows], *, least: int = 1, most: int | None = None
) -> Floats:
    """Find the voices of a recording."""
    seeds = pieces.solo_s >= _SEED_S
    if not seeds.any():
        seeds = pieces.solo_s >= pieces.solo_s.max()
    chosen = np.flatnonzero(seeds)
    labels = _first_clusters(pieces, chosen, least)
    found = merged(pieces, heard, labels, least, most)
    vectors = pieces.vectors[chosen]
    for _ in range(_ROUNDS):
        nearest = (vectors @ found.T).argmax(axis=1)
        sums = _sums(vectors, nearest, len(found))
        filled = np.bincount(nearest, minlength=len(found)) > 0
        found = np.where(filled[:, None], _unit(sums), found)
    return found


def _first_clusters(pieces: Pieces, chosen: NDArray[np.int64], least: int) -> NDArray[np.int64]:
    """Group pieces by average linkage, block by block; -1 for pieces not chosen."""
    from scipy.cluster.hierarchy import fcluster, linkage

    labels = np.full(len(pieces), -1)
    for first in range(0, len(chosen), _BLOCK):
        block = chosen[first : first + _BLOCK]
        found = np.zeros(len(block), np.int64)
        if len(block) > 1:
            tree = linkage(pieces.vectors[block], "average", metric="cosine")
            found = fcluster(tree, 1 - _FIRST, "distance") - 1
            if found.max() + 1 < least:
                found = fcluster(tree, least, "maxclust") - 1
        labels[block] = found + labels.max() + 1
    return labels


def merged(
    pieces: Pieces,
    heard: Sequence[Windows],
    labels: NDArray[np.int64],
    least: int,
    most: int | None,
) -> Floats:
    """Merge the two clusters that score highest until no score says "one voice"."""
    n = int(labels.max()) + 1
    member = labels >= 0
    sums = _sums(pieces.vectors[member], labels[member], n)
    # Pieces overlap: each stands for one step.
    seconds = np.bincount(
        labels[member], np.minimum(pieces.solo_s[member], PIECE_STEP_S), minlength=n
    )
    same, apart = _together(pieces, heard, labels, n)
    unit, reliable = _unit(sums), np.sqrt(seconds / (seconds + RELIABLE_S))

    def scored(alike: Floats, rows: NDArray[np.int64]) -> Floats:
        """Score clusters with all others, by how alike their vectors are."""
        alike = alike / np.maximum(np.outer(reliable[rows], reliable), LEAST_RELIABLE)
        together = same[rows] + apart[rows]
        return alike + HEARD_TOGETHER * (same[rows] - apart[rows]) / np.maximum(together, 1e-9)

    scores = scored(unit @ unit.T, np.arange(n))
    np.fill_diagonal(scores, -np.inf)
    kept = np.ones(n, np.bool_)
    while (left := int(kept.sum())) > least:
        one, other = sorted(divmod(int(scores.argmax()), n))
        if scores[one, other] < SAME and (most is None or left <= most):
            break
        for table in (sums, seconds, same, apart):
            table[one] += table[other]
        for table in (same, apart):
            table[:, one] += table[:, other]
        kept[other] = False
        unit[one] = _unit(sums[[one]])[0]
        reliable[one] = np.sqrt(seconds[one] / (seconds[one] + RELIABLE_S))
        # Only this cluster's scores change: all of them anew would take the cube of the length.
        (row,) = scored((unit @ unit[one])[None], np.array([one]))
        row[~kept] = row[one] = -np.inf
        scores[one] = scores[:, one] = row
        scores[other] = scores[:, other] = -np.inf
    return _unit(sums[kept])


def _together(
    pieces: Pieces, heard: Sequence[Windows], labels: NDArray[np.int64], n: int
) -> tuple[Floats, Floats]:
    """Count pairs of pieces in one window under one output and under two, by cluster, (n, n)."""
    same, apart = np.zeros((n, n)), np.zeros((n, n))
    edges = np.round((pieces.spans - frame_start(0)) / FRAME_S).astype(int)
    slack = 3  # frames by which a piece may stick out of a window
    for windows in heard:
        for first, active in windows:
            low, high = np.searchsorted(edges[:, 0], (first - slack, first + len(active)))
            inside = np.arange(low, high)
            fits = edges[inside, 1] <= first + len(active) + slack
            inside = inside[fits & (labels[inside] >= 0)]
            if not len(inside):
                continue
            solo = active & (active.sum(axis=1, keepdims=True) == 1)
            running = np.concatenate([np.zeros((1, solo.shape[1])), np.cumsum(solo, axis=0)])
            starts, stops = np.clip(edges[inside] - first, 0, len(active)).T
            frames = running[stops] - running[starts]
            total = frames.sum(axis=1)
            pure = (total > 0) & (frames.max(axis=1) >= _PURE * total)
            found, place = np.unique(labels[inside[pure]], return_inverse=True)
            under = np.zeros((len(found), solo.shape[1]))
            np.add.at(under, (place, frames[pure].argmax(axis=1)), 1.0)
            alike = under @ under.T
            pairs = np.outer(under.sum(axis=1), under.sum(axis=1))
            same[np.ix_(found, found)] += alike
            apart[np.ix_(found, found)] += pairs - alike
    return same, apart


def assign(
    pieces: Pieces, voices: Floats, heard: Sequence[Windows], n_voices: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Say which voice speaks in each frame."""
    found = np.zeros((len(n_voices), len(voices)), np.bool_)
    middles, likeness = _likeness(pieces, voices)
    for first in range(0, len(n_voices), _FRAMES):
        own = slice(first, min(first + _FRAMES, len(n_voices)))
        order = _ranked(own, middles, likeness, heard)
        for rank in range(min(int(n_voices[own].max(initial=0)), len(voices))):
            speaking = np.flatnonzero(n_voices[own] > rank)
            found[first + speaking, order[speaking, rank]] = True
    return found


def _ranked(
    own: slice, middles: Floats, likeness: Floats, heard: Sequence[Windows]
) -> NDArray[np.int64]:
    """Order the voices in each of some frames by how many windows give it to them."""
    near = [
        (first, active)
        for windows in heard
        for first, active in windows
        if first < own.stop and first + len(active) > own.start
    ]
    begin = min([own.start, *(first for first, _ in near)])
    end = max([own.stop, *(first + len(active) for first, active in near)])
    alike = _between(begin, end, middles, likeness)
    votes = np.zeros_like(alike)
    for first, active in near:
        solo = active.sum(axis=1) == 1
        at = first - begin
        here = alike[at : at + len(active)]
        for local in active.T:
            alone, over = np.flatnonzero(local & solo), np.flatnonzero(local & ~solo)
            if len(alone):
                whole = here[alone].mean(axis=0)
                votes[at + alone, (here[alone] + whole).argmax(axis=1)] += 1
                votes[at + over, whole.argmax()] += 1
            else:
                votes[at + over, here[over].argmax(axis=1)] += 1
    # Ties, and frames for which no window votes, go to the voice that sounds most alike.
    return np.argsort(-(votes + 1e-4 * alike), axis=1)[own.start - begin : own.stop - begin]


def doubtful(pieces: Pieces, voices: Floats, speaking: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Say where a voice that speaks alone sounds nearly as much like another."""
    found = np.zeros_like(speaking)
    if len(voices) < 2:
        return found
    middles, likeness = _likeness(pieces, voices)
    for first in range(0, len(speaking), _FRAMES):
        here = speaking[first : first + _FRAMES]
        alike = _between(first, first + len(here), middles, likeness)
        mine = np.where(here, alike, -np.inf).max(axis=1)
        others = np.where(here, -np.inf, alike).max(axis=1)
        alone = here.sum(axis=1) == 1
        close = np.zeros(len(here), np.bool_)
        close[alone] = mine[alone] - others[alone] < CLEAR
        found[first : first + len(here)] = here & close[:, None]
    return found


def _likeness(pieces: Pieces, voices: Floats) -> tuple[Floats, Floats]:
    """Middles of pieces, seconds, and the cosine of each to each voice, (voices, pieces)."""
    return pieces.spans.mean(axis=1), (pieces.vectors @ voices.T).T


def _between(begin: int, end: int, middles: Floats, likeness: Floats) -> Floats:
    """Cosine to each voice in each of some frames, (frames, voices), between middles of pieces."""
    times = frame_start(np.arange(begin, end))
    return np.stack([np.interp(times, middles, column) for column in likeness], axis=1)


def _sums(vectors: Floats, labels: NDArray[np.int64], n: int) -> Floats:
    total = np.zeros((n, vectors.shape[1]))
    np.add.at(total, labels, vectors)
    return total


def _unit(vectors: Floats) -> Floats:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
