"""Which stretches of speech are one voice: Gaussians of cepstra under a conjugate prior.

A voice is one Gaussian over mel cepstra with full covariance. Mean and covariance have a
normal-inverse-Wishart prior centred on the whole recording, so that the evidence for "one voice"
against "two" is a ratio of closed-form marginal likelihoods (Murphy 2007, "Conjugate Bayesian
analysis of the Gaussian distribution", equation 266) and short stretches, which say little, weigh
little. Clusters are merged bottom-up, as with the Bayesian information criterion (Chen and
Gopalakrishnan 1998), which this replaces. Links between stretches, such as "the segmentation
network hears two voices here", enter as log odds on the same scale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

_TEMPER: Final = 0.15
"""Share of the frames that count. Cepstra 10 ms apart are far from independent; taken at face
value they make every pair of sentences two voices."""
_MEAN_WEIGHT: Final = 1.0
_COVARIANCE_WEIGHT: Final = 20.0
"""Prior weights in counted frames: weak for the mean, one frame per dimension for the covariance,
so that a second of speech has an invertible covariance."""
_BLOCK: Final = 300
"""Stretches that are compared all with all; longer recordings are merged block by block first."""
_BLOCK_CLUSTERS: Final = 16
_COMPARED: Final = 40.0
"""Counted frames to which clusters are scaled before their separation is measured."""


@dataclass(frozen=True, slots=True, eq=False)
class Stretches:
    """Tempered statistics of n stretches of speech in d dimensions, and what links them."""

    # (n,) counted frames.
    counts: Floats
    # (n, d) sums of counted frames.
    sums: Floats
    # (n, d, d) sums of their outer products.
    squares: Floats
    # For each stretch, other stretches to log odds of being the same voice; symmetric.
    links: Sequence[Mapping[int, float]]

    @classmethod
    def of(
        cls, frames: Sequence[NDArray[np.floating]], links: Sequence[Mapping[int, float]]
    ) -> Stretches:
        """Summarise the (frames, d) features of each stretch."""
        counts = np.array([_TEMPER * len(f) for f in frames], np.float64)
        sums = np.array([_TEMPER * f.sum(axis=0, dtype=np.float64) for f in frames])
        squares = np.array([_TEMPER * (f.T.astype(np.float64) @ f) for f in frames])
        return cls(counts, sums, squares, links)

    def __len__(self) -> int:
        return len(self.counts)


class _Prior:
    """The normal-inverse-Wishart prior of a recording and the marginal likelihood under it."""

    def __init__(self, stretches: Stretches) -> None:
        from scipy.special import gammaln

        self._gammaln = gammaln
        total = stretches.counts.sum()
        self.mean = stretches.sums.sum(axis=0) / total
        self.d = len(self.mean)
        covariance = stretches.squares.sum(axis=0) / total - np.outer(self.mean, self.mean)
        self.scatter = _COVARIANCE_WEIGHT * (covariance + 1e-3 * np.eye(self.d))
        self.freedom = self.d + 1 + _COVARIANCE_WEIGHT
        self.log_volume = self._log_gamma(np.array(self.freedom / 2)) - self.freedom / 2 * float(
            np.linalg.slogdet(self.scatter)[1]
        )

    def log_evidence(self, counts: Floats, sums: Floats, squares: Floats) -> Floats:
        """Log marginal likelihood of each of n sets of frames, (n,), up to a term per frame."""
        weight = _MEAN_WEIGHT + counts
        freedom = self.freedom + counts
        mean = (_MEAN_WEIGHT * self.mean + sums) / weight[..., None]
        scatter = self.scatter + squares + _MEAN_WEIGHT * np.outer(self.mean, self.mean)
        scatter = scatter - weight[..., None, None] * mean[..., :, None] * mean[..., None, :]
        volume = self._log_gamma(freedom / 2) - freedom / 2 * np.linalg.slogdet(scatter)[1]
        return volume - self.log_volume + self.d / 2 * np.log(_MEAN_WEIGHT / weight)

    def _log_gamma(self, a: Floats) -> Floats:
        """Multivariate log gamma up to a constant that cancels in every ratio."""
        return self._gammaln(a[..., None] - np.arange(self.d) / 2).sum(axis=-1)


def cluster(
    stretches: Stretches, n_clusters: int, *, seeds: NDArray[np.bool_], keep_all: bool = True
) -> Labels:
    """Group stretches into a given number of voices."""
    prior = _Prior(stretches)
    founders = np.flatnonzero(seeds)
    members: list[list[int]] = []
    for first in range(0, len(founders), _BLOCK):
        block = [[int(i)] for i in founders[first : first + _BLOCK]]
        alone = len(founders) <= _BLOCK
        members += _merged(stretches, prior, block, n_clusters if alone else _BLOCK_CLUSTERS)
    if len(members) > n_clusters:
        members = _merged(stretches, prior, members, n_clusters)
    labels = np.full(len(stretches), -1, np.int64)
    for label, group in enumerate(members):
        labels[group] = label
    fixed = np.flatnonzero(labels >= 0)
    moved = _reassigned(stretches, prior, labels, len(members), fixed=None)
    if len(np.unique(moved)) == len(members) or not keep_all:
        return np.unique(moved, return_inverse=True)[1]
    # Reassignment emptied a cluster, which the caller does not want.
    return _reassigned(stretches, prior, labels, len(members), fixed=fixed)


def separation(stretches: Stretches, labels: Labels) -> float:
    """How far apart the two nearest voices are: lost log evidence per counted frame."""
    prior = _Prior(stretches)
    groups: list[tuple[Floats, Floats, Floats]] = []
    for label in np.unique(labels):
        mine = labels == label
        groups.append(tuple(f[mine].sum(axis=0) for f in _fields(stretches)))  # pyright: ignore[reportArgumentType]
    nearest = float("inf")
    for i, one in enumerate(groups):
        for other in groups[:i]:
            n = min(_COMPARED, float(one[0]), float(other[0]))
            a, b = ([field * (n / group[0]) for field in group] for group in (one, other))
            both = [x + y for x, y in zip(a, b, strict=True)]
            half = [x / 2 for x in both]
            lost = 2 * prior.log_evidence(*half) - prior.log_evidence(*a) - prior.log_evidence(*b)
            nearest = min(nearest, -float(lost) / (2 * n))
    return nearest


def _fields(stretches: Stretches) -> tuple[Floats, Floats, Floats]:
    return stretches.counts, stretches.sums, stretches.squares


def _merged(
    stretches: Stretches, prior: _Prior, members: list[list[int]], n_clusters: int
) -> list[list[int]]:
    """Merge clusters bottom-up, always the pair that gains most, until so many are left."""
    members = [list(group) for group in members]
    n = len(members)
    counts, sums, squares = (
        np.array([field[group].sum(axis=0) for group in members]) for field in _fields(stretches)
    )
    alone = prior.log_evidence(counts, sums, squares)
    place = {i: g for g, group in enumerate(members) for i in group}
    links = np.zeros((n, n))
    for i, g in place.items():
        for j, odds in stretches.links[i].items():
            if j in place and place[j] != g:
                links[g, place[j]] += odds
    gains = np.full((n, n), -np.inf)

    def update(g: int, others: NDArray[np.int64]) -> None:
        both = prior.log_evidence(
            counts[g] + counts[others], sums[g] + sums[others], squares[g] + squares[others]
        )
        gains[g, others] = gains[others, g] = both - alone[g] - alone[others]
        gains[g, g] = -np.inf

    for g in range(1, n):
        update(g, np.arange(g))
    alive = np.ones(n, bool)
    for _ in range(n - n_clusters):
        flat = int(np.argmax(gains + links))
        keep, gone = divmod(flat, n)
        counts[keep] += counts[gone]
        sums[keep] += sums[gone]
        squares[keep] += squares[gone]
        alone[keep] = prior.log_evidence(counts[keep], sums[keep], squares[keep])
        links[keep] += links[gone]
        links[:, keep] = links[keep]
        members[keep] += members[gone]
        alive[gone] = False
        gains[gone] = gains[:, gone] = -np.inf
        update(keep, np.flatnonzero(alive))
    return [members[g] for g in np.flatnonzero(alive)]


def _reassigned(
    stretches: Stretches,
    prior: _Prior,
    labels: Labels,
    n_clusters: int,
    *,
    fixed: NDArray[np.int64] | None,
) -> Labels:
    """Let each stretch go where it fits best, given all others, until nothing moves."""
    labels = labels.copy()
    counts, sums, squares = (
        np.array([field[labels == c].sum(axis=0) for c in range(n_clusters)])
        for field in _fields(stretches)
    )
    stays = set() if fixed is None else {int(i) for i in fixed}
    for _ in range(10):
        moves = 0
        for i in range(len(stretches)):
            if i in stays:
                continue
            n, x, xx = (field[i] for field in _fields(stretches))
            old = int(labels[i])
            if old >= 0:
                counts[old], sums[old], squares[old] = (
                    max(counts[old] - n, 0.0),
                    sums[old] - x,
                    squares[old] - xx,
                )
            odds = np.zeros(n_clusters)
            for j, value in stretches.links[i].items():
                if labels[j] >= 0:
                    odds[labels[j]] += value
            fit = prior.log_evidence(counts + n, sums + x, squares + xx)
            new = int(np.argmax(fit - prior.log_evidence(counts, sums, squares) + odds))
            counts[new] += n
            sums[new] += x
            squares[new] += xx
            labels[i] = new
            moves += new != old
        if not moves:
            break
    return labels
