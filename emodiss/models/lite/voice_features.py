"""A voice as one vector of named statistics, free of level, for the small speech model.

No statistic depends on the recording's gain (tested). Absolute level is kept only in
`VoiceFrames.level_db`, for the rule-based arousal, which compares utterances of one recording with
each other.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emodiss.models.lite.voice_frames import (
    BAND_HZ,
    BIN_HZ,
    BINS_HZ,
    HOP_S,
    IN_BAND,
    VoiceFrames,
    band,
    hf500_db,
)

Floats = NDArray[np.float64]

MIN_VOICED_FRAMES: Final = 10
"""Fewest voiced frames that can be summarised (0.1 s of voice)."""

_N_MELS: Final = 24
_N_MFCC: Final = 13
# A floor 55 dB under the loud frames: below it lies the room, which differs between recordings.
_FLOOR_DB: Final = 55.0
# The floor spread over the bins, for powers relative to the mean power of the active frames.
_FLOOR: Final = 10 ** (-_FLOOR_DB / 10) / float(IN_BAND.sum())


@cache
def _mel_bank() -> Floats:
    """(244, 24) triangular filters, equally spaced on the mel scale over the band."""

    def mel(hz: Floats) -> Floats:
        return 1127.0 * np.log1p(hz / 700.0)

    lowest, highest = mel(np.array(BAND_HZ))
    edges = np.linspace(lowest, highest, _N_MELS + 2)
    position = mel(BINS_HZ)[:, None]
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
    """Describe a stretch of speech by level-free statistics."""
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
    low = band(*BAND_HZ) & (BINS_HZ < 1000)
    below_2k = v[:, band(60, 2000)].max(axis=1)
    above_2k = v[:, band(2000, 3801)].max(axis=1)
    centroid = (v @ BINS_HZ) / total
    width = np.sqrt(np.maximum((v @ BINS_HZ**2) / total - centroid**2, 0.0))
    rolloff = BINS_HZ[(np.cumsum(v, axis=1) >= 0.85 * total[:, None]).argmax(axis=1)]
    h1h2, h1a3 = _harmonics_db(v, frames.f0_hz[frames.voiced])
    slopes = {}
    for start, stop in ((60, 500), (500, 1500), (1500, 3801)):
        chosen = band(start, stop)
        x = (BINS_HZ[chosen] - BINS_HZ[chosen].mean()) / 1000
        slopes[f"slope_from_{start}"] = v_db[:, chosen] @ x / (x @ x)
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
        bins = np.rint(hz / BIN_HZ).astype(int)[:, None] + np.arange(-1, 2)
        return _db(voiced[rows, bins].max(axis=1), _FLOOR)

    h1 = at(f0_hz)
    return h1 - at(2 * f0_hz), h1 - _db(voiced[:, band(2000, 3500)].max(axis=1), _FLOOR)


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
    power = np.where(IN_BAND, 1.0 + np.arange(len(BINS_HZ)), 0.0)[None].repeat(n, axis=0)
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
