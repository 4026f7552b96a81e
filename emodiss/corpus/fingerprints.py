"""Fingerprints of sound, and the duplicates they reveal.

A fingerprint is 32 bits per step of time: whether the energy difference of neighbouring bands rose
or fell (Haitsma and Kalker 2002, "A highly robust audio fingerprinting system", ISMIR). The bits
survive other codecs, rates and loudness. Equal words of bits propose pairs and offsets; the share
of wrong bits at the offset decides. The cost grows with the length of the corpus and not with its
square.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from emodiss.media import Audio

STEP_S = 0.032
"""Seconds from one word of bits to the next. The paper steps 11.6 ms; windows are twelve times as
long as this, so an offset of half a step costs a tenth of the bits and a third of the storage."""

MAX_BIT_ERRORS = 0.35
"""Largest share of wrong bits in a match (Haitsma and Kalker 2002, section 5.1)."""

MIN_MATCH_S = 3.0
"""Least length of common sound, what the paper needs to identify a recording (section 1)."""

MIN_SHARE = 0.5
"""Least share of the shorter recording; less is a quotation or a common opening."""

_RATE_DIVISOR = 3  # 16,000 to 5,333 Hz; nothing above 2 kHz is looked at
_WINDOW = 2048  # 0.384 s there; the paper has 0.37 s
_LOW_HZ, _HIGH_HZ, _BANDS = 300.0, 2000.0, 33

# Words that come up this often are silence or a hum and point nowhere.
_MAX_OCCURRENCES = 64
_MIN_VOTES = 3
# One second: long enough that chance cannot keep a third of 1,000 bits right.
_STRETCH = 32


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprint:
    """Bits of one recording."""

    # (n,) uint32, one per `STEP_S`.
    words: NDArray[np.uint32]
    # (n,) bool, False where the sound is too faint to say anything.
    audible: NDArray[np.bool_]
    # Of the file when known, with the stretch if it is not all of it, so that equal files are found
    # even without sound; else "".
    sha256: str = ""

    @property
    def usable(self) -> bool:
        """Whether enough can be heard for a match by sound."""
        return int(self.audible.sum()) * STEP_S >= MIN_MATCH_S


@dataclass(frozen=True, slots=True)
class DuplicatePair:
    """Two recordings with the same content."""

    # a, b: Names or paths, in the order given.
    a: str
    b: str
    # What happens at t in `a` happens at t + offset_s in `b`, seconds.
    offset_s: float
    # Seconds of common sound, or of common motion.
    matched_s: float
    # Of the audible or moving part of the shorter recording, in [0, 1].
    share: float
    # Share of wrong bits in the common part, in [0, 1]; 0 for equal files. For pictures what signs
    # with the same correlation r would have, (1 - r) / 2.
    bit_error_rate: float
    # What gave them away: `bytes`, `sound` or `picture`.
    by: Literal["bytes", "sound", "picture"]


def fingerprint(audio: Audio, *, sha256: str = "") -> Fingerprint:
    """Compute the fingerprint of a recording's sound, with the hash of its file."""
    from scipy.signal import decimate

    empty = Fingerprint(np.zeros(0, np.uint32), np.zeros(0, bool), sha256)
    if len(audio.signal) < (_WINDOW + 1) * _RATE_DIVISOR:
        return empty
    signal = np.asarray(decimate(audio.as_float(), _RATE_DIVISOR, ftype="fir"), np.float32)
    rate = audio.sample_rate / _RATE_DIVISOR
    starts = np.arange(int((len(signal) - _WINDOW) / (STEP_S * rate)) + 1) * STEP_S * rate
    energy = _band_energies(signal, starts.round().astype(np.int64), rate)
    slope = np.diff(energy, axis=1)
    rising = np.diff(slope, axis=0) < 0
    words = np.packbits(rising, axis=1, bitorder="little").view("<u4")[:, 0]
    level = 10 * np.log10(energy.sum(axis=1)[1:] + 1e-12)
    # 40 dB under the loud parts there is little but the noise of the codec.
    audible = level > np.quantile(level, 0.95) - 40 if len(level) else level > 0
    return Fingerprint(words.astype(np.uint32), audible & (level > -100), sha256)


def _band_energies(
    signal: NDArray[np.float32], starts: NDArray[np.int64], rate: float
) -> NDArray[np.float64]:
    """Energy in bands of equal width on a log scale, (n, 33)."""
    edges = np.geomspace(_LOW_HZ, _HIGH_HZ, _BANDS + 1) / rate * _WINDOW
    edges = edges.round().astype(int)
    window = np.hanning(_WINDOW).astype(np.float32)
    views = np.lib.stride_tricks.sliding_window_view(signal, _WINDOW)
    found = np.zeros((len(starts), _BANDS))
    for first in range(0, len(starts), 2048):  # an hour at once would take gigabytes
        part = views[starts[first : first + 2048]] * window
        power = np.abs(np.fft.rfft(part, axis=1)) ** 2
        found[first : first + 2048] = np.add.reduceat(power, edges, axis=1)[:, :-1]
    return found


def match(
    prints: Mapping[str, Fingerprint],
    *,
    max_bit_errors: float = MAX_BIT_ERRORS,
    min_match_s: float = MIN_MATCH_S,
    min_share: float = MIN_SHARE,
) -> list[DuplicatePair]:
    """Find pairs with common content among fingerprints."""
    names = list(prints)
    pairs: dict[tuple[int, int], DuplicatePair] = {}
    for (i, j), offset in _proposals([prints[name] for name in names]).items():
        a, b = prints[names[i]], prints[names[j]]
        found = max((_weigh(a, b, offset + nudge) for nudge in (-1, 0, 1)), key=lambda f: f[0])
        matched, share, errors = found[0] * STEP_S, found[1], found[2]
        if matched >= min_match_s and share >= min_share and errors <= max_bit_errors:
            at = round(offset * STEP_S, 3)
            pairs[i, j] = DuplicatePair(
                names[i], names[j], at, round(matched, 2), share, errors, "sound"
            )
    for i, name in enumerate(names):
        for j in range(i + 1, len(names)):
            if prints[name].sha256 and prints[name].sha256 == prints[names[j]].sha256:
                length = len(prints[name].words) * STEP_S
                pairs[i, j] = DuplicatePair(
                    name, names[j], 0.0, round(length, 2), 1.0, 0.0, "bytes"
                )
    return [pairs[key] for key in sorted(pairs)]


def _proposals(prints: Sequence[Fingerprint]) -> dict[tuple[int, int], int]:
    """Pairs of recordings with equal words, and the offset in steps that most of them agree on."""
    words = np.concatenate([p.words[p.audible] for p in prints] or [np.zeros(0, np.uint32)])
    where = np.concatenate(
        [np.flatnonzero(p.audible) for p in prints] or [np.zeros(0, np.int64)]
    ).astype(np.int64)
    whose = np.repeat(np.arange(len(prints)), [int(p.audible.sum()) for p in prints])
    order = np.argsort(words, kind="stable")
    words, where, whose = words[order], where[order], whose[order]
    # Neighbours at distance 1, 2, ... in the sorted list: every two equal words meet once.
    edges = np.flatnonzero(np.r_[True, words[1:] != words[:-1]]) if len(words) else np.zeros(0, int)
    size = np.repeat(np.diff(np.r_[edges, len(words)]), np.diff(np.r_[edges, len(words)]))
    keep = (size > 1) & (size <= _MAX_OCCURRENCES)
    words, where, whose = words[keep], where[keep], whose[keep]
    keys: list[NDArray[np.int64]] = []
    for distance in range(1, _MAX_OCCURRENCES):
        same = words[distance:] == words[:-distance]
        if not same.any():
            break
        a, b = np.flatnonzero(same), np.flatnonzero(same) + distance
        other = whose[a] != whose[b]
        keys.append(_keys(whose, where, a[other], b[other], len(prints)))
    if not keys:
        return {}
    found, votes = np.unique(np.concatenate(keys), return_counts=True)
    return _most_voted(found, votes, len(prints))


# An offset of up to 2**31 steps of 32 ms, either way, is more than two years.
_OFFSETS = np.int64(2**32)


def _keys(
    whose: NDArray[np.int64],
    where: NDArray[np.int64],
    a: NDArray[np.int64],
    b: NDArray[np.int64],
    n: int,
) -> NDArray[np.int64]:
    """One number for first recording, second recording and offset."""
    swap = whose[a] > whose[b]
    first, second = np.where(swap, b, a), np.where(swap, a, b)
    offset = where[second] - where[first] + _OFFSETS // 2
    return (whose[first] * n + whose[second]) * _OFFSETS + offset


def _most_voted(
    keys: NDArray[np.int64], votes: NDArray[np.int64], n: int
) -> dict[tuple[int, int], int]:
    pair, offset = keys // _OFFSETS, keys % _OFFSETS - _OFFSETS // 2
    # A vote may fall one step beside: neighbours count together.
    near = votes.astype(np.int64)
    together = (keys[1:] - keys[:-1] == 1) & (pair[1:] == pair[:-1])
    near[1:] += np.where(together, votes[:-1], 0)
    near[:-1] += np.where(together, votes[1:], 0)
    best: dict[tuple[int, int], tuple[int, int]] = {}
    for p, o, v in zip(pair, offset, near, strict=True):
        if v >= _MIN_VOTES:
            key = (int(p) // n, int(p) % n)
            best[key] = max(best.get(key, (0, 0)), (int(v), int(o)))
    return {key: offset for key, (_, offset) in best.items()}


def _weigh(a: Fingerprint, b: Fingerprint, offset: int) -> tuple[int, float, float]:
    """Return matching steps at an offset, their share of the shorter one, and their wrong bits."""
    first, last = max(0, -offset), min(len(a.words), len(b.words) - offset)
    if last - first < _STRETCH:
        return 0, 0.0, 1.0
    wrong = np.bitwise_count(a.words[first:last] ^ b.words[first + offset : last + offset])
    heard = a.audible[first:last] & b.audible[first + offset : last + offset]
    # Stretch by stretch, so that a foreign opening does not hide a common rest.
    window = np.ones(_STRETCH)
    n = np.convolve(heard, window, "same")
    rate = np.convolve(np.where(heard, wrong, 0), window, "same") / (32 * np.maximum(n, 1))
    good = heard & (rate <= MAX_BIT_ERRORS)
    matched = int(good.sum())
    shorter = min(int(a.audible.sum()), int(b.audible.sum()))
    errors = float(wrong[good].mean() / 32) if matched else 1.0
    return matched, min(1.0, matched / max(1, shorter)), errors
