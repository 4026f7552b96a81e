"""A speech signal as every model here takes it: one channel, checked, at 16 kHz."""

from __future__ import annotations

from math import gcd
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emodiss.media.records import Stretches

Floats = NDArray[np.float64]

Samples = NDArray[np.float32] | Stretches
"""A signal at 16 kHz, of which a model takes slices."""

SAMPLE_RATE: Final = 16_000
"""Sampling rate of the analysis, Hz."""
MIN_SAMPLE_RATE: Final = 8_000


def check_signal(signal: ArrayLike, sample_rate: float) -> tuple[Floats, int]:
    """Check that a signal is mono, floating point, finite, and within full scale."""
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


def in_stretches(signal: ArrayLike | Stretches, sample_rate: float) -> Samples:
    """Check a signal and bring it to 16 kHz; one that is read in stretches stays so."""
    if not isinstance(signal, Stretches):
        return at_16_khz(signal, sample_rate).astype(np.float32)
    if sample_rate == SAMPLE_RATE:
        return signal
    return at_16_khz(signal[:], sample_rate).astype(np.float32)


def resample(signal: Floats, sample_rate: int) -> Floats:
    """Bring a checked signal to 16 kHz (polyphase filter of scipy)."""
    if sample_rate == SAMPLE_RATE:
        return signal
    from scipy.signal import resample_poly

    divisor = gcd(sample_rate, SAMPLE_RATE)
    return resample_poly(signal, SAMPLE_RATE // divisor, sample_rate // divisor)


def at_16_khz(signal: ArrayLike, sample_rate: float) -> Floats:
    """Check a signal and bring it to 16 kHz."""
    return resample(*check_signal(signal, sample_rate))
