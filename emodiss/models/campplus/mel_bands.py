"""Log mel bands as Kaldi computes them, in numpy: what speaker networks are trained on.

Kaldi's `compute-fbank-feats` with 80 bands from 20 Hz to half the sampling rate, frames of 25 ms
every 10 ms that lie wholly inside the signal, no dither, offset taken off each frame, pre-emphasis
of 0.97, Povey's window. A test holds it against torchaudio's port.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emodiss.models.speech_signal import SAMPLE_RATE

HOP: Final = SAMPLE_RATE // 100
"""Samples from frame to frame."""
WINDOW: Final = SAMPLE_RATE // 40
"""Samples of a frame."""

_FFT: Final = 512
_LOWEST_HZ: Final = 20.0
_PREEMPHASIS: Final = 0.97
_FLOOR: Final = float(np.finfo(np.float32).eps)
# Frames at once, so that memory does not grow with the signal.
_BLOCK: Final = 4096


@cache
def _povey() -> NDArray[np.float32]:
    return (np.hanning(WINDOW) ** 0.85).astype(np.float32)


@cache
def _bank(n_bands: int) -> NDArray[np.float32]:
    """(257, n_bands) triangles, equally spaced on the mel scale."""

    def mel(hz: NDArray[np.floating]) -> NDArray[np.floating]:
        return 1127.0 * np.log1p(hz / 700.0)

    lowest, highest = mel(np.array([_LOWEST_HZ, SAMPLE_RATE / 2]))
    edges = np.linspace(lowest, highest, n_bands + 2)
    bins = mel(SAMPLE_RATE / _FFT * np.arange(_FFT // 2 + 1))[:, None]
    rise = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.maximum(np.minimum(rise, fall), 0.0).astype(np.float32)


def log_mel_bands(samples: NDArray[np.float32], n_bands: int = 80) -> NDArray[np.float32]:
    """Compute log energies of mel bands."""
    from scipy.fft import rfft  # in single precision, which numpy's would widen

    if len(samples) < WINDOW:
        return np.zeros((0, n_bands), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    found = np.empty((len(frames), n_bands), np.float32)
    for first in range(0, len(frames), _BLOCK):
        block = frames[first : first + _BLOCK].astype(np.float32)
        block -= block.mean(axis=1, keepdims=True)
        before = np.concatenate([block[:, :1], block[:, :-1]], axis=1)
        block = (block - np.float32(_PREEMPHASIS) * before) * _povey()
        spectrum: NDArray[np.complex64] = np.asarray(rfft(block, _FFT, axis=1))
        power = spectrum.real**2 + spectrum.imag**2
        found[first : first + _BLOCK] = np.log(np.maximum(power @ _bank(n_bands), _FLOOR))
    return found
