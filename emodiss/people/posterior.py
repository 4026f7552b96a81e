"""The posterior: one sum over everything that all faces may be, and from it every pair's share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# States that are kept from face to face, times what is remembered of each. Sums over up to six
# faces and three voices need fewer and are exact; beyond, the least likely states are left out.
_MEMORY = 1_000_000
_LEAST_STATES, _MOST_STATES = 300, 20_000
# Faces whose shares are handed on at a time; hours of cuts have a thousand.
_FACES = 100
# States less likely than the likeliest by more than this factor's logarithm are left out at once.
_NEGLIGIBLE = 40.0


def marginals(
    scores: NDArray[np.float64],
    together: NDArray[np.bool_],
    alike: NDArray[np.float64],
    log_shown: tuple[float, float],
) -> tuple[NDArray[np.float64], float]:
    """Sum over all assignments of voices to faces."""
    from scipy import sparse

    n, width = scores.shape
    limit = max(_LEAST_STATES, min(_MOST_STATES, _MEMORY // max(1, n * width)))
    related = together | (alike != 0)
    np.fill_diagonal(related, False)
    # A state: voices of the faces that later ones still depend on, and which voices were shown.
    kept: list[int] = []
    states = np.zeros((1, width), np.int16)
    weights = np.zeros(1)
    shares = np.zeros((1, 0, width), np.float32)  # of the faces so far
    for j in range(n):
        grown = weights[:, None] + scores[j]
        for column, i in enumerate(kept):
            voice = states[:, column]
            spoken = np.flatnonzero(voice)
            grown[spoken, voice[spoken]] += -np.inf if together[i, j] else alike[i, j]
        order = np.argsort(-grown, axis=None, kind="stable")[:limit]
        flat = grown.ravel()[order]
        order = order[flat > flat[0] - _NEGLIGIBLE]
        parents, voices = order // width, order % width
        shown = states[parents, len(kept) :].copy()
        shown[np.arange(len(order)), voices] = 1
        shown[:, 0] = 0
        wanted = [i for i in (*kept, j) if related[i, j + 1 :].any()]
        columns = [voices if i == j else states[parents, kept.index(i)] for i in wanted]
        merged = np.column_stack([*columns, shown]).astype(np.int16)
        states, group = np.unique(merged, axis=0, return_inverse=True)
        group = group.ravel()
        sums = grown.ravel()[order]
        highest = np.full(len(states), -np.inf)
        np.maximum.at(highest, group, sums)
        share = np.exp(sums - highest[group])
        total = np.bincount(group, share)
        share = (share / total[group]).astype(np.float32)
        # Of each new state, which old ones it comes from and with what share.
        origin = sparse.csr_matrix((share, (group, parents)), (len(states), len(shares)))
        pooled = np.empty((len(states), j + 1, width), np.float32)
        for first in range(0, j, _FACES):
            some = np.s_[:, first : first + _FACES]
            part = origin @ shares[some].reshape(len(shares), -1)
            pooled[:, :j][some] = part.reshape(len(states), -1, width)
        own = np.bincount(group * width + voices, share, len(states) * width)
        pooled[:, j] = own.reshape(-1, width)
        shares, weights, kept = pooled, highest + np.log(total), wanted
    final = weights + np.where(states[:, 1:] > 0, log_shown[1], log_shown[0]).sum(axis=1)
    peak = final.max()
    probability = np.exp(final - peak)
    evidence = float(peak + np.log(probability.sum()))
    return np.tensordot(probability / probability.sum(), shares, 1).astype(np.float64), evidence
