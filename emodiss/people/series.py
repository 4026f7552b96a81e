"""Series: what mouths and sound do, on one grid of 25 values a second."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from emodiss.media import Audio
from emodiss.people.records import MouthMotion
from emodiss.timebase import CLOCK_FPS
from emodiss.transcript import Turn, Utterance

RATE = 25
"""Values per second: value k belongs to k / 25 s from media start."""

# The second formant's band, whose level goes with the opening of the mouth more closely than any
# other (Grant and Seitz 2000); syllables come and go at 1 to 8 Hz (Chandrasekaran et al. 2009).
_SOUND_HZ = (800.0, 2200.0)
_BAND_HZ = (1.0, 8.0)
# Quieter than this below the loud parts is silence, whatever it holds.
_RANGE_DB = 35.0
# Values further apart are not joined by a line, and shorter stretches are not filtered.
_MAX_GAP_S = 0.21
_MIN_STRETCH_S = 1.0
# A mouth goes back and forth, so its change per second is the smaller the further two pictures are
# apart. Over two and three pictures instead of one the level of 49 faces fell by 0.25 (0.24 to 0.26
# without any one group of people) times the logarithm of the step, in speech and at rest alike.
_BY_STEP = 0.25
_MAX_STEP_TICKS = 4
# Filtered at a time, so that hours of sound take little memory.
_PIECE_S = 60


def loudness(audio: Audio, n: int) -> NDArray[np.float64]:
    """Level of the sound between 800 and 2200 Hz."""
    from scipy import signal

    level = np.full(n, np.nan)
    per_value = audio.sample_rate // RATE
    # The first value whose 40 ms are there, and the sample at which they begin.
    begin = max(0, int(np.ceil(audio.offset * RATE + 0.5)))
    first = round(((begin - 0.5) / RATE - audio.offset) * audio.sample_rate)
    sos = signal.butter(4, _SOUND_HZ, "bandpass", fs=audio.sample_rate, output="sos")
    state = np.zeros((len(sos), 2))
    for at in range(begin, n, _PIECE_S * RATE):
        start = first + (at - begin) * per_value
        piece = audio.signal[start : start + _PIECE_S * RATE * per_value]
        if not len(piece):
            break
        heard, state = signal.sosfilt(sos, piece.astype(np.float64) / 32768, zi=state)
        whole = min(len(heard) // per_value, n - at)
        windows = heard[: whole * per_value].reshape(whole, per_value)
        level[at : at + whole] = 10 * np.log10(np.square(windows).mean(axis=1) + 1e-10)
    known = np.isfinite(level)
    if known.any():
        level[known] = np.maximum(level[known], np.percentile(level[known], 95) - _RANGE_DB)
    return level


def on_grid(ticks: NDArray[np.int64], values: NDArray[np.floating], n: int) -> NDArray[np.float64]:
    """Interpolate values at ticks of the 30 FPS clock; (n,), NaN in gaps and outside."""
    known = np.isfinite(values)
    if known.sum() < 2:
        return np.full(n, np.nan)
    times, seen = ticks[known] / CLOCK_FPS, values[known].astype(np.float64)
    # A face is seen for a small part of a long recording.
    begin = min(max(0, int(times[0] * RATE)), n)
    end = max(begin, min(int(times[-1] * RATE) + 2, n))
    grid = np.arange(begin, end) / RATE
    found = np.interp(grid, times, seen, left=np.nan, right=np.nan)
    after = np.clip(np.searchsorted(times, grid), 1, len(times) - 1)
    found[times[after] - times[after - 1] > _MAX_GAP_S] = np.nan
    out = np.full(n, np.nan)
    out[begin:end] = found
    return out


def syllables(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keep what comes and goes at 1 to 8 Hz, without delay; NaN in stretches below a second."""
    from scipy import signal

    sos = signal.butter(2, _BAND_HZ, "bandpass", fs=RATE, output="sos")
    out = np.full(len(values), np.nan)
    known = np.isfinite(values).astype(np.int8)
    edges = np.flatnonzero(np.diff(known, prepend=0, append=0))
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        if end - begin >= _MIN_STRETCH_S * RATE:
            pad = min(2 * RATE, int(end - begin) - 1)
            out[begin:end] = signal.sosfiltfilt(sos, values[begin:end], padlen=pad)
    return out


def log_motion(mouth: MouthMotion, n: int) -> NDArray[np.float64]:
    """Logarithm of a mouth's motion; a frozen picture is as still as a closed mouth gets."""
    return np.log(on_grid(mouth.ticks, mouth.motion, n) + 0.05)


def level_of_motion(mouth: MouthMotion, n: int) -> NDArray[np.float64]:
    """Logarithm of a mouth's motion, less half that of the face above it.

    Heads sway and pictures are noisy; what moves the brow moves the mouth's patch too. Taken off
    by half, it makes faces and recordings alike: between the faces of talkers and those of
    listeners lie 2.2 standard deviations, without it 1.8. All is put as if there were 25 pictures a
    second.
    """
    level = log_motion(mouth, n) - 0.5 * np.log(on_grid(mouth.ticks, mouth.stir, n) + 0.1)
    steps = np.diff(mouth.ticks[np.isfinite(mouth.motion)])
    steps = steps[steps <= _MAX_STEP_TICKS]
    apart = steps.mean() / CLOCK_FPS * RATE if len(steps) else 1.0
    return level + _BY_STEP * np.log(apart)


def talking(
    utterances: Sequence[Utterance],
    speakers: Sequence[str],
    n: int,
    late_s: float,
    turns: Sequence[Turn] = (),
) -> NDArray[np.bool_]:
    """Which voices are heard when, (v, n), were the sound brought forward by `late_s`.

    Turns of a diarizer know better than words when a voice begins and stops. Whose an utterance is
    stands where they contradict it: a person may have corrected it, or taken another out.
    """
    out = np.zeros((len(speakers), n), np.bool_)
    row = {speaker: k for k, speaker in enumerate(speakers)}

    def place(of: Utterance | Turn) -> slice:
        edges = (max(0, round((time - late_s) * RATE)) for time in (of.start, of.end))
        return slice(*edges)

    said = np.zeros(n, np.bool_)
    for utterance in utterances:
        said[place(utterance)] = True
    for turn in turns:
        if turn.speaker in row and said[place(turn)].any():
            out[row[turn.speaker], place(turn)] = True
    unheard = [u for u in utterances if not out[row[u.speaker], place(u)].any()]
    for utterance in unheard:
        out[:, place(utterance)] = False
    for utterance in unheard:
        out[row[utterance.speaker], place(utterance)] = True
    return out
