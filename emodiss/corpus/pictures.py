"""Fingerprints of moving pictures: what moves where and when, not what it looks like.

Two sessions of one therapist before one bookshelf look alike all hour long, and hashes of single
frames, as image libraries make them, take them for copies. So only change over time counts, as in
Oostveen, Kalker and Haitsma 2002, "Feature extraction and a database strategy for video
fingerprinting" (VISUAL): differences in time of the brightness of large areas. The areas here are
the lowest waves of a cosine transform in place of blocks, since a slightly cropped picture shifts
these little. The offset between two recordings is the peak of their cross-correlation.

Survives on four real clips of 5 to 16 s: other codecs, rates, sizes and contrast, black bars, trims
and intros, logos, captions, and crops to 92 % of either side (85 % from 8 s on). Missed: mirrored
copies, another speed (from 2 % on, in recordings of a minute), larger crops, picture in picture.
Stills and slides hold no motion and are compared by their bytes alone. Decoding takes about a
fifteenth of the playing time at 720p on one core; comparing grows with the square of the number of
recordings, about a millisecond for two of seven minutes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emodiss.corpus.fingerprints import MIN_MATCH_S, MIN_SHARE, DuplicatePair

if TYPE_CHECKING:
    from emodiss.media import Media

STEP_S = 0.1
"""Seconds from one step to the next. Changes are taken over 0.4 s, so that half a step beside costs
little."""

MIN_CORRELATION = 0.5
"""Least correlation of two stretches of motion in a match."""

_WAVES = 5  # per direction; the first of them, in both directions, is the mean and left out
_SIDE = 64  # pixels of the picture that is looked at
_BLACK = 24  # of 255: bars are darker all the time, with the ringing of the codec
_STRETCH = 20  # two seconds
# Grey levels in a weighted mean over the picture; the grain of a small camera stays under 0.05,
# a talking head half the picture high moves most waves by 0.2 to 0.7.
_MIN_CHANGE = 0.15
# Share of the largest possible motion under which a step says nothing.
_MIN_MOTION = 0.35
_BLOCK = 32  # recordings held in memory at a time, transformed


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """What moves in one recording."""

    # (n, 24) float32 in [-1, 1], one row per `STEP_S`.
    moves: NDArray[np.float32]
    # (n,) bool, False where too little moves to say anything.
    moving: NDArray[np.bool_]


def motion(source: Path, media: Media) -> Motion:
    """Compute the fingerprint of a recording's picture; this decodes all of it."""
    pictures = _small_pictures(source, media)
    if len(pictures) < 4:
        return Motion(np.zeros((0, _WAVES**2 - 1), np.float32), np.zeros(0, bool))
    waves = _waves(without_bars(pictures))
    half = (waves[1:] + waves[:-1]) / 2
    change = half[2:] - half[:-2]
    # Each wave by its own size, or the largest would speak alone; a cut is no louder than a nod.
    size = np.maximum(_MIN_CHANGE, np.median(np.abs(change), axis=0))
    moves = np.tanh(change / size).astype(np.float32)
    return Motion(moves, np.abs(moves).mean(axis=1) >= _MIN_MOTION)


def _small_pictures(source: Path, media: Media) -> NDArray[np.uint8]:
    """Return the grey picture on display at each step, (n, 64, 64)."""
    import cv2

    from emodiss.media import iterate_frames

    end = min(media.end, media.video_end)
    times = media.start + np.arange(max(0, int((end - media.start) / STEP_S))) * STEP_S
    shown = np.maximum(np.searchsorted(media.frame_times, times + 1e-6, side="right") - 1, 0)
    found = np.zeros((len(times), _SIDE, _SIDE), np.uint8)
    done = 0
    if not len(times) or not media.has_video:
        return found[:0]
    for frame in iterate_frames(source, media, np.unique(shown)):
        grey = cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY)
        last = int(np.searchsorted(shown, frame.index, side="right"))
        # From the last one on: a frame that the decoder left out stays on display.
        found[done:last] = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
        done = last
    return found[:done]


def without_bars(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut off the rows and columns at the edges that are black from beginning to end."""
    lit = pictures.max(axis=0) > _BLACK
    rows, columns = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
    if len(rows) < _WAVES or len(columns) < _WAVES:
        return pictures
    return pictures[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _waves(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the lowest waves of each picture, (n, 24), grey levels."""
    down, across = (_cosines(size) for size in pictures.shape[1:])
    found = np.empty((len(pictures), _WAVES**2 - 1), np.float32)
    for first in range(0, len(pictures), 4096):  # an hour as floating point takes gigabytes
        part = pictures[first : first + 4096].astype(np.float32)
        both = down.T @ (part @ across)
        found[first : first + 4096] = both.reshape(len(part), -1)[:, 1:]
    return found


def _cosines(size: int) -> NDArray[np.float32]:
    """Return the first columns of a cosine transform (DCT-II) as weighted means, (size, 5)."""
    middle = (np.arange(size) + 0.5) / size
    return (2 * np.cos(np.pi * np.outer(middle, np.arange(_WAVES))) / size).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Alignment:
    """How two recordings lie to each other."""

    # What happens at step t in the first happens at t + offset in the second.
    offset: int
    # Steps of common motion.
    matched: int
    # Of the moving part of the shorter recording, in [0, 1].
    share: float
    # Of the common motion.
    correlation: float


def match(
    prints: Mapping[str, Motion],
    *,
    min_match_s: float = MIN_MATCH_S,
    min_share: float = MIN_SHARE,
) -> list[DuplicatePair]:
    """Find pairs with common motion among fingerprints."""
    pairs: list[DuplicatePair] = []
    for a, b, best in align(prints, min_overlap=round(min_match_s / STEP_S)):
        matched = best.matched * STEP_S
        if matched >= min_match_s and best.share >= min_share:
            at, errors = round(best.offset * STEP_S, 3), (1 - best.correlation) / 2
            pairs.append(DuplicatePair(a, b, at, round(matched, 2), best.share, errors, "picture"))
    position = {name: i for i, name in enumerate(prints)}
    return sorted(pairs, key=lambda pair: (position[pair.a], position[pair.b]))


def align(
    prints: Mapping[str, Motion], *, min_overlap: int
) -> Iterator[tuple[str, str, Alignment]]:
    """Find for every two recordings the offset at which they move most alike."""
    from scipy import fft

    names = [n for n, p in prints.items() if p.moving.sum() >= min_overlap]
    longest = max((len(prints[n].moves) for n in names), default=0)
    size: int = fft.next_fast_len(2 * longest, real=True) if longest else 0

    def transformed(part: list[str]) -> list[NDArray[Any]]:
        return [fft.rfft(prints[n].moves, size, axis=0) for n in part]

    for i in range(0, len(names), _BLOCK):
        first = names[i : i + _BLOCK]
        left = transformed(first)
        for j in range(i, len(names), _BLOCK):
            second = names[j : j + _BLOCK]
            right = left if i == j else transformed(second)
            for k, (a, fa) in enumerate(zip(first, left, strict=True)):
                for b, fb in list(zip(second, right, strict=True))[k + 1 if i == j else 0 :]:
                    # At [offset], counted from the end if negative, the sum of all products.
                    common = fft.irfft((fa.conj() * fb).sum(axis=1), size)
                    n, m = len(prints[a].moves), len(prints[b].moves)
                    offsets = np.arange(min_overlap - n, m - min_overlap + 1)
                    offset = int(offsets[np.argmax(common[offsets])])
                    yield a, b, _weigh(prints[a], prints[b], offset)


def _weigh(a: Motion, b: Motion, offset: int) -> Alignment:
    """Measure stretch by stretch, so that a foreign opening does not hide a common rest."""
    first, last = max(0, -offset), min(len(a.moves), len(b.moves) - offset)
    one, two = a.moves[first:last], b.moves[first + offset : last + offset]
    window = np.ones(min(_STRETCH, last - first))
    product, power_a, power_b = (
        np.convolve((x * y).sum(axis=1), window, "same")
        for x, y in ((one, two), (one, one), (two, two))
    )
    alike = product >= MIN_CORRELATION * np.sqrt(power_a * power_b)
    good = alike & a.moving[first:last] & b.moving[first + offset : last + offset]
    matched = int(good.sum())
    power = float(np.square(one[good]).sum() * np.square(two[good]).sum())
    return Alignment(
        offset,
        matched,
        min(1.0, matched / max(1, min(int(a.moving.sum()), int(b.moving.sum())))),
        float((one[good] * two[good]).sum() / np.sqrt(power)) if power else 0.0,
    )
