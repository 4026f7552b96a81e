"""Voices made from glottal pulses, with pitch, effort and length known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def glottal(
    f0_hz: float,
    *,
    end_hz: float | None = None,
    effort: float = 0.5,
    vibrato: float = 0.02,
    duration_s: float = 2.0,
    rate: int = 16_000,
    level: float = 0.1,
    syllables_per_s: float = 0.0,
) -> NDArray[np.float64]:
    """Synthesise a vowel: harmonics under a tilt, through three formants of an /a/.

    `effort` 0 is soft (harmonics fall 18 dB per octave), 1 is shouted (6 dB per octave); `vibrato`
    is a 5 Hz swing of F0 as a share; harmonics stop at 3.7 kHz, so that any rate can carry them.
    """
    n = round(duration_s * rate)
    t = np.arange(n) / rate
    end_hz = f0_hz if end_hz is None else end_hz
    contour = f0_hz * (end_hz / f0_hz) ** (t / duration_s)
    contour = contour * (1 + vibrato * np.sin(2 * np.pi * 5 * t))
    phase = 2 * np.pi * np.cumsum(contour) / rate
    tilt_db = 18 - 12 * effort
    out = np.zeros(n)
    for k in range(1, int(3700 / contour.min()) + 1):
        hz = k * contour
        gain = 10 ** (-tilt_db * np.log2(k) / 20) * np.ones(n)
        for formant, width in ((700, 130), (1200, 150), (2600, 250)):
            gain = gain * (1 + 4 / (1 + ((hz - formant) / width) ** 2))
        out += np.where(hz < 3700, gain, 0.0) * np.sin(k * phase)
    if syllables_per_s:
        out *= 0.15 + 0.85 * np.sin(np.pi * syllables_per_s * t) ** 2
    return level * out / np.sqrt(np.mean(out**2))
