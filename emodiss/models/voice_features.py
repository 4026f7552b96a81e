"""Level-free acoustic features of a voice, in numpy.

Shared by the small speech model (:mod:`emodiss.models.speech_affect_lite`) and the rule-based
arousal (:mod:`emodiss.models.speech_arousal_rules`). A signal becomes frames (F0, voicing, level,
band spectrum every 10 ms), and frames become one vector of named statistics.

Two properties are built in and tested:

* *Level-free*: no statistic in :func:`summarise` depends on the recording's gain. Absolute level is
  kept only in :attr:`VoiceFrames.level_db`, for the rule-based arousal, which compares utterances
  of one recording with each other.
* *Band-limited*: only 60 to 3800 Hz is looked at, so that a telephone recording (8 kHz) and a
  studio recording (48 kHz) of the same voice give the same vector.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import gcd
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "FEATURE_NAMES",
    "HOP_S",
    "MIN_VOICED_FRAMES",
    "SAMPLE_RATE",
    "WINDOW_S",
    "VoiceFrames",
    "analyse",
    "at_16_khz",
    "check_signal",
    "fingerprint",
    "hf500_db",
    "resample",
    "split",
    "summarise",
]

Floats = NDArray[np.float64]

SAMPLE_RATE: Final = 16_000
"""Sampling rate of the analysis, Hz."""
MIN_SAMPLE_RATE: Final = 8_000
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
_N_MELS: Final = 24
_N_MFCC: Final = 13
# Speech within 35 dB of the loud frames counts as active; pauses and room tone fall below.
_ACTIVE_RANGE_DB: Final = 35.0
# A floor 55 dB under the loud frames: below it lies the room, which differs between recordings.
_FLOOR_DB: Final = 55.0
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
MIN_VOICED_FRAMES: Final = 10
"""Fewest voiced frames that can be summarised (0.1 s of voice)."""

# Bins above the band are never kept: they hold the recorder, not the voice.
_N_BINS: Final = int(BAND_HZ[1] * _FFT / SAMPLE_RATE) + 1
_HZ: Final = np.arange(_N_BINS) * SAMPLE_RATE / _FFT
_IN_BAND: Final = BAND_HZ[0] <= _HZ
# Spectra of this many frames at once (20 s), so that memory does not grow with an utterance.
_BLOCK: Final = 2000
# The floor spread over the bins, for powers relative to the mean power of the active frames.
_FLOOR: Final = 10 ** (-_FLOOR_DB / 10) / float(_IN_BAND.sum())


@dataclass(frozen=True, slots=True, eq=False)
class VoiceFrames:
    """What is measured every 10 ms of a signal.

    Attributes
    ----------
    f0_hz : (n,) float64
        Fundamental frequency; NaN where no voice was found.
    strength : (n,) float64
        Height of the autocorrelation peak in [0, 1]; 0 where there is no peak.
    level_db : (n,) float64
        Frame level in dB relative to full scale, within the analysis band.
    active : (n,) bool
        Whether the frame is within 35 dB of the signal's loud frames.
    power : (n, 244) float32
        Power spectrum in bins of 15.625 Hz from 0 to 3797 Hz; zero below 60 Hz.
    """

    f0_hz: Floats
    strength: Floats
    level_db: Floats
    active: NDArray[np.bool_]
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


def check_signal(signal: ArrayLike, sample_rate: float) -> tuple[Floats, int]:
    """Check that a signal is mono, floating point, finite, and within full scale.

    Parameters
    ----------
    signal : (n,) float32 or float64
        One channel in [-1, 1].
    sample_rate : int
        Samples per second, at least 8000.

    Returns
    -------
    (n,) float64, int

    Raises
    ------
    ValueError
        Says which of these does not hold, what was given and what to do.
    """
    samples = np.asarray(signal)
    if samples.ndim != 1:
        raise ValueError(
            f"signal has shape {samples.shape}; expected one channel, shape (n,). "
            "Pick a channel or average them first, e.g. signal.mean(axis=0)."
        )
    if samples.dtype.name not in ("float32", "float64"):
        raise ValueError(
            f"signal has dtype {samples.dtype}; expected float32 or float64 in [-1, 1]. "
            "Divide integer samples by their full scale first, e.g. signal / 32768."
        )
    if isinstance(sample_rate, bool) or sample_rate != int(sample_rate):
        raise ValueError(f"sample_rate is {sample_rate!r}; expected a whole number of Hz.")
    if sample_rate < MIN_SAMPLE_RATE:
        raise ValueError(
            f"sample_rate is {sample_rate} Hz; expected at least {MIN_SAMPLE_RATE} Hz, because the "
            "features reach up to 3800 Hz."
        )
    if not np.isfinite(samples).all():
        n_bad = int((~np.isfinite(samples)).sum())
        raise ValueError(f"signal has {n_bad} samples that are NaN or infinite; expected none.")
    peak = float(np.abs(samples).max(initial=0.0))
    # Resampling and lossy decoding overshoot full scale a little; integers cast to float do not.
    if peak > 4.0:
        raise ValueError(
            f"signal reaches {peak:.4g}; expected samples in [-1, 1]. "
            "Divide by the full scale of the source format, e.g. 32768."
        )
    return samples.astype(np.float64, copy=False), int(sample_rate)


def resample(signal: Floats, sample_rate: int) -> Floats:
    """Bring a checked signal to 16 kHz (polyphase filter of scipy)."""
    if sample_rate == SAMPLE_RATE:
        return signal
    from scipy.signal import resample_poly

    divisor = gcd(sample_rate, SAMPLE_RATE)
    return resample_poly(signal, SAMPLE_RATE // divisor, sample_rate // divisor)


def at_16_khz(signal: ArrayLike, sample_rate: float) -> Floats:
    """Check a signal and bring it to 16 kHz.

    Parameters
    ----------
    signal : (n,) float32 or float64
        One channel in [-1, 1]. Several are refused: what follows would take them for one long one.
    sample_rate : int
        Samples per second, at least 8000.

    Returns
    -------
    (m,) float64

    Raises
    ------
    ValueError
        As :func:`check_signal` does.
    """
    return resample(*check_signal(signal, sample_rate))


def analyse(signal: Floats) -> VoiceFrames:
    """Measure F0, voicing, level and spectrum every 10 ms.

    Parameters
    ----------
    signal : (n,) float64
        Checked signal at 16 kHz (:func:`check_signal`, :func:`resample`), at least one frame
        (40 ms).

    Returns
    -------
    VoiceFrames
        ``1 + (n - 640) // 160`` frames.

    Raises
    ------
    ValueError
        If the signal is shorter than one frame.

    Notes
    -----
    F0 follows Boersma (1993): autocorrelation of the windowed frame over the autocorrelation of the
    window, a few candidates per frame, and the cheapest path through them.
    """
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
    power[:, ~_IN_BAND] = 0.0
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
    """Cut `n_frames` into equal stretches no longer than `longest_s` seconds.

    Returns
    -------
    list of (start, stop)
        Half-open frame numbers; together they cover all frames once.
    """
    n_parts = max(1, int(np.ceil(n_frames * HOP_S / longest_s - 1e-9)))
    edges = np.linspace(0, n_frames, n_parts + 1).round().astype(int)
    return [(int(a), int(b)) for a, b in pairwise(edges)]


@cache
def _mel_bank() -> Floats:
    """(244, 24) triangular filters, equally spaced on the mel scale over the band."""

    def mel(hz: Floats) -> Floats:
        return 1127.0 * np.log1p(hz / 700.0)

    lowest, highest = mel(np.array(BAND_HZ))
    edges = np.linspace(lowest, highest, _N_MELS + 2)
    position = mel(_HZ)[:, None]
    rise = (position - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - position) / (edges[2:] - edges[1:-1])
    bank = np.clip(np.minimum(rise, fall), 0.0, None)
    return bank / bank.sum(axis=0)


@cache
def _cosines() -> Floats:
    """(24, 13) orthonormal DCT-II."""
    k = np.arange(_N_MFCC)
    basis = np.cos(np.pi * (np.arange(_N_MELS)[:, None] + 0.5) * k / _N_MELS)
    return basis * np.sqrt(np.where(k == 0, 1.0, 2.0) / _N_MELS)


def _db(power: NDArray[np.floating], floor: float) -> Floats:
    return 10.0 * np.log10(np.maximum(power, floor))


def _band(low: float, high: float) -> NDArray[np.bool_]:
    return (low <= _HZ) & (high > _HZ)


def hf500_db(power: NDArray[np.floating]) -> Floats:
    """Energy above 500 Hz over energy from 80 to 500 Hz, dB; last axis is frequency."""
    high, low = power[..., _band(500, BAND_HZ[1])].sum(-1), power[..., _band(80, 500)].sum(-1)
    return 10.0 * np.log10(np.maximum(high, 1e-30) / np.maximum(low, 1e-30))


class _Vector:
    """Named numbers, in the order they were added."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.values: list[float] = []

    def add(self, name: str, value: float) -> None:
        self.names.append(name)
        self.values.append(float(value))

    def spread(self, tracks: dict[str, Floats]) -> None:
        """Centre, spread and lean of tracks of one length: robust, stable for any length."""
        stacked = np.stack(list(tracks.values()))
        p10, p25, p50, p75, p90 = np.percentile(stacked, [10, 25, 50, 75, 90], axis=1)
        columns = {
            "mean": stacked.mean(axis=1),
            "sd": stacked.std(axis=1),
            "p10": p10,
            "p50": p50,
            "p90": p90,
            "iqr": p75 - p25,
            "lean": (p90 + p10 - 2 * p50) / np.maximum(p90 - p10, 1e-9),
        }
        for i, name in enumerate(tracks):
            for statistic, values in columns.items():
                self.add(f"{name}_{statistic}", values[i])


def _runs(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Lengths of the stretches where `mask` is true, in frames."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return edges[1::2] - edges[::2]


def summarise(frames: VoiceFrames) -> Floats:
    """Describe a stretch of speech by level-free statistics.

    Parameters
    ----------
    frames : VoiceFrames
        At least 10 voiced frames (0.1 s).

    Returns
    -------
    (d,) float64
        In the order of :data:`FEATURE_NAMES`. Pitch is in semitones over 55 Hz, levels are in dB
        relative to the stretch's own mean power, durations in seconds, rates per second.

    Raises
    ------
    ValueError
        If fewer than 10 frames are voiced.
    """
    return np.array(_describe(frames).values)


def _describe(frames: VoiceFrames) -> _Vector:
    spoken = np.flatnonzero(frames.active)
    if frames.voiced.sum() < MIN_VOICED_FRAMES:
        raise ValueError(
            f"{int(frames.voiced.sum())} voiced frames; expected at least {MIN_VOICED_FRAMES} "
            f"({MIN_VOICED_FRAMES * HOP_S:.1f} s of voiced speech)."
        )
    # How much silence stands around an utterance is the transcript's doing, not the speaker's.
    frames = frames.between(int(spoken[0]), int(spoken[-1]) + 1)
    reference = float(frames.power[frames.active].mean(axis=0).sum())
    power = frames.power / reference
    level = _db(power.sum(axis=1), 10 ** (-_FLOOR_DB / 10))
    pitch = 12 * np.log2(frames.f0_hz / 55.0)
    mel_db = _db(power @ _mel_bank(), _FLOOR)
    out = _Vector()
    _describe_pitch(out, frames, pitch)
    _describe_timing(out, frames)
    _describe_level(out, frames, level, pitch)
    _describe_balance(out, frames, power, level, pitch)
    _describe_bands(out, frames, mel_db)
    _describe_modulation(out, mel_db)
    return out


def _describe_pitch(out: _Vector, frames: VoiceFrames, pitch: Floats) -> None:
    voiced = frames.voiced
    step = np.diff(pitch)[voiced[1:] & voiced[:-1]] / HOP_S
    step = step if len(step) else np.zeros(1)
    out.add("pitch_step_mean_abs", np.abs(step).mean())
    out.add("pitch_step_p50_abs", np.median(np.abs(step)))
    out.add("pitch_rise", np.clip(step, 0, None).mean())
    out.add("pitch_fall", np.clip(-step, 0, None).mean())
    at_s = np.flatnonzero(voiced) * HOP_S
    centred_s = at_s - at_s.mean()
    out.add("pitch_slope", centred_s @ pitch[voiced] / (centred_s @ centred_s))


def _describe_timing(out: _Vector, frames: VoiceFrames) -> None:
    """Shares, rates and mean run lengths: nothing that grows with the length."""
    voiced, active = frames.voiced, frames.active
    runs_s = _runs(voiced) * HOP_S
    gaps_s = _runs(~voiced) * HOP_S
    out.add("voiced_share", voiced.mean())
    out.add("voiced_of_active", voiced.sum() / active.sum())
    out.add("active_share", active.mean())
    out.add("voiced_runs_per_s", len(runs_s) / (len(voiced) * HOP_S))
    out.add("voiced_run_mean_s", runs_s.mean())
    out.add("voiced_run_sd_s", runs_s.std())
    out.add("unvoiced_run_mean_s", gaps_s.mean() if len(gaps_s) else 0.0)


def _describe_level(out: _Vector, frames: VoiceFrames, level: Floats, pitch: Floats) -> None:
    """Level contour in dB relative to the mean power of the active frames."""
    voiced, active = frames.voiced, frames.active
    out.spread({"level": level[active]})
    change = np.diff(level)[active[1:] & active[:-1]] / HOP_S
    change = change if len(change) else np.zeros(1)
    out.add("level_rise", np.clip(change, 0, None).mean())
    out.add("level_fall", np.clip(-change, 0, None).mean())
    bell = np.hanning(9)[1:-1]
    smooth = np.convolve(level, bell / bell.sum(), mode="same")
    bumps = (smooth[1:-1] > smooth[:-2]) & (smooth[1:-1] >= smooth[2:]) & active[1:-1]
    out.add("level_peaks_per_s", bumps.sum() / (len(level) * HOP_S))
    out.add("pitch_level_corr", _correlation(pitch[voiced], level[voiced]))


def _describe_balance(
    out: _Vector, frames: VoiceFrames, power: NDArray[np.floating], level: Floats, pitch: Floats
) -> None:
    """Spectral balance of the voiced frames: vocal effort flattens the tilt."""
    v = power[frames.voiced]
    total = v.sum(axis=1)
    v_db = _db(v, _FLOOR)
    low = _band(*BAND_HZ) & (_HZ < 1000)
    below_2k = v[:, _band(60, 2000)].max(axis=1)
    above_2k = v[:, _band(2000, 3801)].max(axis=1)
    centroid = (v @ _HZ) / total
    width = np.sqrt(np.maximum((v @ _HZ**2) / total - centroid**2, 0.0))
    rolloff = _HZ[(np.cumsum(v, axis=1) >= 0.85 * total[:, None]).argmax(axis=1)]
    h1h2, h1a3 = _harmonics_db(v, frames.f0_hz[frames.voiced])
    slopes = {}
    for start, stop in ((60, 500), (500, 1500), (1500, 3801)):
        band = _band(start, stop)
        x = (_HZ[band] - _HZ[band].mean()) / 1000
        slopes[f"slope_from_{start}"] = v_db[:, band] @ x / (x @ x)
    out.spread(
        {
            "pitch": pitch[frames.voiced],
            "strength": frames.strength[frames.voiced],
            "level_voiced": level[frames.voiced],
            "hf500": hf500_db(v),
            "alpha": _db(v[:, ~low].sum(axis=1), _FLOOR) - _db(v[:, low].sum(axis=1), _FLOOR),
            "hammarberg": _db(below_2k, _FLOOR) - _db(above_2k, _FLOOR),
            "centroid": centroid / 1000,
            "width": width / 1000,
            "rolloff": rolloff / 1000,
            "h1h2": h1h2,
            "h1a3": h1a3,
            **slopes,
        }
    )
    out.add("hf500_ltas", float(hf500_db(v.mean(axis=0))))


def _harmonics_db(voiced: NDArray[np.floating], f0_hz: Floats) -> tuple[Floats, Floats]:
    """H1-H2 and H1-A3 (strongest bin from 2 to 3.5 kHz) of voiced frames, dB."""
    rows = np.arange(len(f0_hz))[:, None]

    def at(hz: Floats) -> Floats:
        bins = np.rint(hz * _FFT / SAMPLE_RATE).astype(int)[:, None] + np.arange(-1, 2)
        return _db(voiced[rows, bins].max(axis=1), _FLOOR)

    h1 = at(f0_hz)
    return h1 - at(2 * f0_hz), h1 - _db(voiced[:, _band(2000, 3500)].max(axis=1), _FLOOR)


def _describe_bands(out: _Vector, frames: VoiceFrames, mel_db: Floats) -> None:
    """Log-mel spectrum relative to its own mean, cepstra, and how fast they move."""
    voiced, active = frames.voiced, frames.active
    speaking = active[1:] & active[:-1]
    mean = mel_db[voiced].mean(axis=0)
    for i, value in enumerate(mean - mean.mean()):
        out.add(f"mel{i:02d}_mean", value)
    for i, value in enumerate(mel_db[active].std(axis=0)):
        out.add(f"mel{i:02d}_sd", value)
    cepstra = mel_db @ _cosines() / 10.0
    steps = np.diff(cepstra, axis=0)[speaking] if speaking.any() else np.zeros((1, _N_MFCC))
    columns = {
        "mean": cepstra[voiced].mean(axis=0),
        "sd": cepstra[voiced].std(axis=0),
        "p20": np.percentile(cepstra[active], 20, axis=0),
        "p80": np.percentile(cepstra[active], 80, axis=0),
        "step": np.abs(steps).mean(axis=0),
    }
    # The zeroth coefficient is the level, which belongs to the recording.
    for k in range(1, _N_MFCC):
        for statistic, values in columns.items():
            out.add(f"mfcc{k:02d}_{statistic}", values[k])
    moves = np.diff(mel_db, axis=0)[speaking] if speaking.any() else np.zeros((1, _N_MELS))
    out.add("flux", np.sqrt((moves**2).mean(axis=1)).mean())


def _describe_modulation(out: _Vector, mel_db: Floats) -> None:
    """How strongly four broad bands move at syllable and phone rates."""
    broad = mel_db.reshape(len(mel_db), 4, -1).mean(axis=2)
    n_fft = max(1024, 1 << (len(broad) - 1).bit_length())
    movement = np.abs(np.fft.rfft(broad - broad.mean(axis=0), n_fft, axis=0)) ** 2 / len(broad)
    rate_hz = np.fft.rfftfreq(n_fft, HOP_S)
    for low, high in ((1, 2), (2, 4), (4, 8), (8, 16)):
        chosen = movement[(rate_hz >= low) & (rate_hz < high)].mean(axis=0)
        for i, value in enumerate(chosen):
            out.add(f"modulation_{low}_{high}_band{i}", 10 * np.log10(value + 1e-6))


def _correlation(a: Floats, b: Floats) -> float:
    if a.std() < 1e-9 or b.std() < 1e-9:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _names() -> tuple[str, ...]:
    """Names of the statistics, read off the one function that computes them."""
    n = 30
    power = np.where(_IN_BAND, 1.0 + np.arange(_N_BINS), 0.0)[None].repeat(n, axis=0)
    frames = VoiceFrames(
        f0_hz=np.linspace(100, 120, n),
        strength=np.ones(n),
        level_db=np.linspace(-20, -10, n),
        active=np.ones(n, bool),
        power=power.astype(np.float32),
    )
    return tuple(_describe(frames).names)


FEATURE_NAMES: Final = _names()
"""Names of the numbers that :func:`summarise` returns, in order."""

# Raise whenever a number's meaning changes under the same name: trained weights check it.
_FEATURES_VERSION: Final = 1


def fingerprint() -> str:
    """Checksum of the names and version of the statistics, to tie weights to them."""
    text = f"{_FEATURES_VERSION} {' '.join(FEATURE_NAMES)}"
    return hashlib.sha256(text.encode()).hexdigest()
