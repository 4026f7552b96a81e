"""What is heard in each 10 ms of a voice: F0, voicing, level and band spectrum, in numpy.

Shared by the statistics of a voice (:mod:`emodiss.models.lite.voice_features`) and the rule-based
arousal (`scripts/arousal_rules.py`). Only 60 to 3800 Hz is looked at, so that a
telephone recording (8 kHz) and a studio recording (48 kHz) of the same voice give the same frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emodiss.models.speech_signal import SAMPLE_RATE

Floats = NDArray[np.float64]

HOP_S: Final = 0.010
"""Time between frames, seconds."""
WINDOW_S: Final = 0.040
"""Length of a frame, seconds: two and a half periods of the lowest F0."""

BAND_HZ: Final = (60.0, 3800.0)
F0_RANGE_HZ: Final = (60.0, 600.0)

_HOP: Final = round(HOP_S * SAMPLE_RATE)
_WINDOW: Final = round(WINDOW_S * SAMPLE_RATE)
# Zero padding beyond window + longest lag keeps the autocorrelation from wrapping around.
_FFT: Final = 1024
# Speech within 35 dB of the loud frames counts as active; pauses and room tone fall below.
_ACTIVE_RANGE_DB: Final = 35.0
# Below the last bit of 20-bit audio there is only rounding, e.g. of a constant offset.
_SILENCE_DB: Final = -120.0
# Boersma (1993), standard settings of the autocorrelation method: voicing threshold, silence
# threshold, and costs per octave, octave jump and voicing change (for 10 ms frames).
_VOICING_THRESHOLD: Final = 0.45
_SILENCE_THRESHOLD: Final = 0.03
_OCTAVE_COST: Final = 0.01
_OCTAVE_JUMP_COST: Final = 0.35
_VOICING_CHANGE_COST: Final = 0.14
_CANDIDATES: Final = 5

BIN_HZ: Final = SAMPLE_RATE / _FFT
"""Width of a bin of the spectrum, Hz."""
# Bins above the band are never kept: they hold the recorder, not the voice.
_N_BINS: Final = int(BAND_HZ[1] / BIN_HZ) + 1
BINS_HZ: Final = BIN_HZ * np.arange(_N_BINS, dtype=np.float64)
"""(244,) frequency of each bin."""
IN_BAND: Final = BAND_HZ[0] <= BINS_HZ
"""(244,) whether a bin is measured; the others are zero."""
# Spectra of this many frames at once (20 s), so that memory does not grow with an utterance.
_BLOCK: Final = 2000


@dataclass(frozen=True, slots=True, eq=False)
class VoiceFrames:
    """What is measured every 10 ms of a signal."""

    # Fundamental frequency; NaN where no voice was found.
    f0_hz: Floats
    # Height of the autocorrelation peak in [0, 1]; 0 where there is no peak.
    strength: Floats
    # Frame level in dB relative to full scale, within the analysis band.
    level_db: Floats
    # Whether the frame is within 35 dB of the signal's loud frames.
    active: NDArray[np.bool_]
    # Power spectrum in bins of 15.625 Hz from 0 to 3797 Hz; zero below 60 Hz.
    power: NDArray[np.float32]

    @property
    def voiced(self) -> NDArray[np.bool_]:
        """(n,) bool, where an F0 was found."""
        return np.isfinite(self.f0_hz)

    @property
    def voiced_s(self) -> float:
        """Seconds of voiced speech."""
        return float(self.voiced.sum()) * HOP_S

    def between(self, start: int, stop: int) -> VoiceFrames:
        """Frames `start` to `stop` (half-open, frame numbers)."""
        part = slice(start, stop)
        return VoiceFrames(
            self.f0_hz[part],
            self.strength[part],
            self.level_db[part],
            self.active[part],
            self.power[part],
        )


def analyse(signal: Floats) -> VoiceFrames:
    """Measure F0, voicing, level and spectrum every 10 ms."""
    if len(signal) < _WINDOW:
        raise ValueError(
            f"signal has {len(signal)} samples at 16 kHz; expected at least {_WINDOW} (40 ms)."
        )
    frames = np.lib.stride_tricks.sliding_window_view(signal, _WINDOW)[::_HOP]
    power = np.concatenate([_power(frames[i : i + _BLOCK]) for i in range(0, len(frames), _BLOCK)])
    # Parseval: mean square of the frame, corrected for the window.
    mean_square = 2.0 * power.sum(axis=1, dtype=np.float64) / (_FFT * np.sum(_hann() ** 2))
    with np.errstate(divide="ignore"):
        level_db = 10.0 * np.log10(mean_square)
    if level_db.max() < _SILENCE_DB:
        silent = np.full(len(frames), np.nan)
        return VoiceFrames(
            silent, np.zeros(len(frames)), level_db, np.zeros(len(frames), bool), power
        )
    loud_db = np.percentile(level_db, 95)
    f0_hz, strength = _track_f0(power, level_db - level_db.max())
    active = level_db > loud_db - _ACTIVE_RANGE_DB
    f0_hz[~active] = np.nan
    return VoiceFrames(f0_hz, strength, level_db, active, power)


@cache
def _hann() -> Floats:
    return np.hanning(_WINDOW)


def _power(frames: Floats) -> NDArray[np.float32]:
    """Band power spectra (n, 244) of frames (n, 640)."""
    from scipy.fft import rfft  # in single precision, which numpy's would widen

    centred = ((frames - frames.mean(axis=1, keepdims=True)) * _hann()).astype(np.float32)
    spectrum: NDArray[np.complex64] = np.asarray(rfft(centred, _FFT, axis=1))[:, :_N_BINS]
    power = spectrum.real**2 + spectrum.imag**2
    power[:, ~IN_BAND] = 0.0
    return power


def _autocorrelation(power: NDArray[np.float32], n_lags: int) -> Floats:
    """Autocorrelation (n, n_lags) of a frame over that of its window."""
    from scipy.fft import irfft

    lags = np.concatenate(
        [
            np.asarray(irfft(power[i : i + _BLOCK], _FFT, axis=1))[:, :n_lags]
            for i in range(0, len(power), _BLOCK)
        ]
    ).astype(np.float64)
    window_lags = np.fft.irfft(np.abs(np.fft.rfft(_hann(), _FFT)) ** 2)[:n_lags]
    return lags / np.maximum(lags[:, :1], 1e-30) / (window_lags / window_lags[0])


def _track_f0(power: NDArray[np.float32], relative_db: Floats) -> tuple[Floats, Floats]:
    """F0 (NaN where unvoiced) and peak height from power spectra (n, 244)."""
    n_frames = len(power)
    shortest = int(SAMPLE_RATE / F0_RANGE_HZ[1])
    longest = int(np.ceil(SAMPLE_RATE / F0_RANGE_HZ[0]))
    curve = _autocorrelation(power, longest + 2)
    left = curve[:, shortest - 1 : longest]
    mid = curve[:, shortest : longest + 1]
    right = curve[:, shortest + 1 : longest + 2]
    peak = (mid > left) & (mid >= right) & (mid > 0.2)
    lag = np.arange(shortest, longest + 1)
    ranked = np.where(peak, mid - _OCTAVE_COST * np.log2(F0_RANGE_HZ[0] * lag / SAMPLE_RATE), -1.0)
    best = np.argpartition(ranked, -_CANDIDATES, axis=1)[:, -_CANDIDATES:]
    rows = np.arange(n_frames)[:, None]
    a, b, c = left[rows, best], mid[rows, best], right[rows, best]
    bend = a - 2 * b + c
    # Only at a true peak is the parabola's top within half a lag.
    shift = np.where(peak[rows, best], 0.5 * (a - c) / np.where(bend < 0, bend, -1.0), 0.0)
    height = np.minimum(b - 0.25 * (a - c) * shift, 1.0)
    hz = SAMPLE_RATE / (shortest + best + shift)
    octave = np.log2(hz)
    score = np.where(
        peak[rows, best],
        height - _OCTAVE_COST * np.log2(F0_RANGE_HZ[0] / hz),
        -1e3,
    )

    quiet = 10 ** (relative_db / 20) * (1 + _VOICING_THRESHOLD) / _SILENCE_THRESHOLD
    unvoiced = _VOICING_THRESHOLD + np.maximum(0.0, 2.0 - quiet)
    path = _cheapest_path(score, octave, unvoiced)
    voiced = path < _CANDIDATES
    picked = np.minimum(path, _CANDIDATES - 1)
    f0_hz = np.where(voiced, hz[rows[:, 0], picked], np.nan)
    strength = np.clip(np.where(peak, mid, 0.0).max(axis=1), 0.0, 1.0)
    return f0_hz, strength


def _cheapest_path(score: Floats, octave: Floats, unvoiced: Floats) -> NDArray[np.int64]:
    """Viterbi over the candidates of each frame; the last state is "unvoiced"."""
    n_frames, k = score.shape
    states = np.concatenate([score, unvoiced[:, None]], axis=1)
    jumps = np.full((n_frames, k + 1, k + 1), _VOICING_CHANGE_COST)
    jumps[1:, :k, :k] = _OCTAVE_JUMP_COST * np.abs(octave[1:, None, :] - octave[:-1, :, None])
    jumps[:, k, k] = 0.0
    back = np.zeros((n_frames, k + 1), dtype=np.int64)
    total = states[0]
    columns = np.arange(k + 1)
    for t in range(1, n_frames):
        arriving = total[:, None] - jumps[t]
        back[t] = arriving.argmax(axis=0)
        total = arriving[back[t], columns] + states[t]
    path = np.empty(n_frames, dtype=np.int64)
    path[-1] = total.argmax()
    for t in range(n_frames - 1, 0, -1):
        path[t - 1] = back[t, path[t]]
    return path


def split(n_frames: int, longest_s: float) -> list[tuple[int, int]]:
    """Cut `n_frames` into equal stretches no longer than `longest_s` seconds."""
    n_parts = max(1, int(np.ceil(n_frames * HOP_S / longest_s - 1e-9)))
    edges = np.linspace(0, n_frames, n_parts + 1).round().astype(int)
    return [(int(a), int(b)) for a, b in pairwise(edges)]


def band(low: float, high: float) -> NDArray[np.bool_]:
    """Tell which of the 244 bins lie in `low` to `high` Hz, half-open."""
    return (low <= BINS_HZ) & (high > BINS_HZ)


def hf500_db(power: NDArray[np.floating]) -> Floats:
    """Energy above 500 Hz over energy from 80 to 500 Hz, dB; last axis is frequency."""
    high, low = power[..., band(500, BAND_HZ[1])].sum(-1), power[..., band(80, 500)].sum(-1)
    return 10.0 * np.log10(np.maximum(high, 1e-30) / np.maximum(low, 1e-30))
