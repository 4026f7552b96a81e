"""How well speech can be heard: level against noise, clipping, bandwidth, dropouts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emodiss.media import Audio

_FRAME_S = 0.032
# Less pause than this says nothing about the noise.
_MIN_PAUSE_S = 1.0
_FULL_SCALE = 32_700


@dataclass(frozen=True, slots=True)
class AudioQuality:
    """Measures of one recording; NaN where there is nothing to measure.

    Parameters
    ----------
    speech_dbfs
        Mean level of the speech, dB below full scale.
    snr_db
        Speech over noise, dB. Noise is the median level of the pauses between utterances, or,
        with less than a second of pauses, the 10th percentile of the levels, which errs to the
        low side. Infinite where the pauses are digital silence.
    clipped_share
        Share of speech samples in runs of three or more at the largest value that occurs, if that
        is full scale (but for 0.02 dB) or the runs show a flat top; in [0, 1].
    bandwidth_hz
        Frequency up to which the speech spectrum stays within 50 dB of its peak.
    dropout_share
        Share of the speech that is digital silence for at least 30 ms, in [0, 1].
    """

    speech_dbfs: float
    snr_db: float
    clipped_share: float
    bandwidth_hz: float
    dropout_share: float


def measure(audio: Audio, spans: Sequence[tuple[float, float]]) -> AudioQuality:
    """Measure how well the speech of a recording can be heard.

    Parameters
    ----------
    audio
        Mono, 16 kHz.
    spans
        Where somebody speaks, seconds from media start; the rest counts as pause.
    """
    rate, signal = audio.sample_rate, np.asarray(audio.signal)
    size = round(_FRAME_S * rate)
    n = len(signal) // size
    times = audio.offset + (np.arange(n) + 0.5) * _FRAME_S
    spoken = np.zeros(n, dtype=bool)
    for start, end in spans:
        spoken |= (times >= start) & (times < end)
    if not spoken.any():
        nan = float("nan")
        return AudioQuality(nan, nan, nan, nan, nan)
    frames = signal[: n * size].reshape(n, size)
    power = np.square(frames, dtype=np.float64).mean(axis=1) / 32768.0**2
    dead = _longest_zero_run(frames) >= min(size, round(0.03 * rate))
    speech = power[spoken & ~dead]
    level = float(10 * np.log10(speech.mean())) if len(speech) else float("-inf")
    return AudioQuality(
        speech_dbfs=level,
        snr_db=_snr(power, spoken, dead),
        clipped_share=_clipped(frames[spoken].ravel()),
        bandwidth_hz=_bandwidth(frames[spoken & ~dead], rate),
        dropout_share=float(dead[spoken].mean()),
    )


def _longest_zero_run(frames: NDArray[np.int16]) -> NDArray[np.int64]:
    """Length of a frame when it is all zero, else 0: dropouts are longer than a frame."""
    return np.where((frames == 0).all(axis=1), frames.shape[1], 0)


def _snr(power: NDArray[np.float64], spoken: NDArray[np.bool_], dead: NDArray[np.bool_]) -> float:
    heard = power[spoken & ~dead]
    if not len(heard):
        return float("nan")
    pauses = power[~spoken]
    if len(pauses) * _FRAME_S >= _MIN_PAUSE_S:
        noise = float(np.median(pauses))
    else:
        noise = float(np.quantile(heard, 0.1))
    # What is measured in speech holds the noise too.
    clean = float(heard.mean()) - noise
    if noise <= 0:
        return float("inf")
    return float(10 * np.log10(clean / noise)) if clean > 0 else float("-inf")


def _clipped(signal: NDArray[np.int16]) -> float:
    if not len(signal):
        return float("nan")
    size = np.abs(signal.astype(np.int32))
    top = int(size.max())
    at_top = size >= max(top - 1, 1)
    three = at_top[:-2] & at_top[1:-1] & at_top[2:]
    share = float((np.convolve(three, np.ones(3)) > 0).mean())  # all samples of such runs
    # A soft recording has few samples at its very maximum; a flat top below full scale has many.
    return share if top >= _FULL_SCALE or share > 1e-4 else 0.0


def _bandwidth(frames: NDArray[np.int16], rate: int) -> float:
    if not len(frames):
        return float("nan")
    window = np.hanning(frames.shape[1])
    power = np.zeros(frames.shape[1] // 2 + 1)
    for first in range(0, len(frames), 4096):
        part = frames[first : first + 4096].astype(np.float32) * window
        power += (np.abs(np.fft.rfft(part, axis=1)) ** 2).sum(axis=0)
    level = 10 * np.log10(power / len(frames) + 1e-12)
    strong = np.flatnonzero(level > level.max() - 50)
    return float(strong[-1] * rate / frames.shape[1])
