"""Likeness: how alike the faces of two tracks look, to pool fragments of one person.

Grey faces, aligned by their landmarks, without slow shading, compared by correlation. This ranks
the few faces of one recording; it is no identity model, nothing is learned, and no picture is kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emodiss import faces
from emodiss.faces import FaceTrack

_SIDE = 32
# Pictures per track, spread over its detections, and of all tracks together: the likest two of
# two tracks show a head in the same turn, which a mean face does not.
_PICTURES, _ALL_PICTURES = 5, 3000
# Shading wider than this many pixels is light, not face.
_SHADING = 4.0
# Landmarks of two tracks may differ by this many pixels in either direction.
_REACH = 1

# Correlation of one person's faces in two tracks and of two people's, as mean and spread. One
# person: halves of one track .96 (least .85), after a cut with another zoom .74 and .76. Two people
# of one recording: .43 (spread .11), .69 at most.
_SAME, _OTHER = (0.85, 0.12), (0.43, 0.12)
# What a likeness may say is bounded, as log odds.
_MOST = 3.0
# Fragments are linked to their nearest likes only: a few links pool as well as all would.
_LINKS, _WORTH = 3, 0.5


class FacePictures:
    """Collects a few pictures of each track of a video and compares the tracks."""

    def __init__(self, tracks: Sequence[FaceTrack]) -> None:
        self._tracks = tracks
        # Only tracks that are never in the picture together are compared.
        self._apart = np.zeros((len(tracks), len(tracks)), np.bool_)
        for k, a in enumerate(tracks):
            self._apart[k, :k] = [not together(a.ticks, b.ticks) for b in tracks[:k]]
        self._apart |= self._apart.T
        each = min(_PICTURES, _ALL_PICTURES // max(1, len(tracks)))
        self._wanted: list[frozenset[int]] = []
        for track, apart in zip(tracks, self._apart, strict=True):
            known = np.flatnonzero(track.measured) if apart.any() else np.zeros(0, np.int64)
            chosen = known[np.linspace(0, len(known) - 1, min(each, len(known))).astype(int)]
            self._wanted.append(frozenset(chosen.tolist()))
        self._seen: list[tuple[int, NDArray[np.float32]]] = []

    def wanted(self, number: int, length: int) -> NDArray[np.bool_]:
        """Rows of a track, (length,) bool, at which `see` keeps a picture."""
        rows = np.zeros(length, np.bool_)
        rows[list(self._wanted[number])] = True
        return rows

    def see(
        self, number: int, position: int, image: NDArray[np.uint8], landmarks: ArrayLike
    ) -> None:
        """Keep the face of a track's row if it is one of the chosen."""
        if position in self._wanted[number]:
            patch = faces.face_patch(image, landmarks, side=_SIDE)
            if np.isfinite(patch).all():
                self._seen.append((number, _without_shading(patch)))

    def likeness(self) -> NDArray[np.float32]:
        """Return (n, n) float32: correlations of tracks never seen together; NaN elsewhere."""
        n = len(self._tracks)
        best = np.full((n, n), -np.inf, np.float32)
        numbers = np.array([number for number, _ in self._seen], np.int64)
        middle = np.array([_inside(face, 0, 0) for _, face in self._seen])
        for down in range(-_REACH, _REACH + 1):
            for across in range(-_REACH, _REACH + 1):
                for number, face in self._seen:
                    found = middle @ _inside(face, down, across)
                    np.maximum.at(best[:, number], numbers, found)
        best = np.maximum(best, best.T)
        return np.where(self._apart & np.isfinite(best), best, np.float32(np.nan))


def _without_shading(face: NDArray[np.float32]) -> NDArray[np.float32]:
    from scipy import ndimage

    return face - ndimage.gaussian_filter(face, _SHADING)


def _inside(face: NDArray[np.float32], down: int, across: int) -> NDArray[np.float32]:
    """Part of a face, moved, as a vector of mean 0 and length 1."""
    rows = slice(_REACH + down, _SIDE - _REACH + down)
    part = face[rows, _REACH + across : _SIDE - _REACH + across].ravel()
    part = part - part.mean()
    norm = float(np.sqrt(np.square(part).sum()))
    return part / norm if norm > 0 else part


def links(likeness: NDArray[np.floating]) -> NDArray[np.float64]:
    """Log likelihood ratios that two tracks show one person, for the pairs worth linking."""
    value = np.asarray(likeness, np.float64)

    def log_normal(mean: float, spread: float) -> NDArray[np.float64]:
        return -0.5 * ((value - mean) / spread) ** 2 - np.log(spread)

    odds = np.nan_to_num(np.minimum(log_normal(*_SAME) - log_normal(*_OTHER), _MOST))
    out = np.zeros_like(odds)
    for j in range(1, len(odds)):
        nearest = np.argsort(-odds[j, :j], kind="stable")[:_LINKS]
        near = nearest[odds[j, nearest] > _WORTH]
        out[j, near] = out[near, j] = odds[j, near]
    return out


def together(a: NDArray[np.int64], b: NDArray[np.int64]) -> bool:
    """Whether two tracks, given by their ticks, are in the picture at the same time."""
    if not len(a) or not len(b) or a[-1] < b[0] or b[-1] < a[0]:
        return False
    return bool(np.isin(a, b, assume_unique=True).any())
