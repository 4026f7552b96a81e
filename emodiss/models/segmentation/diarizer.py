"""Who speaks when, without a token or a download: the segmentation network inside whisperx.

The network (`segmentation_network`) tells up to three voices apart inside 5 s. Here its windows
are stitched to the whole recording, and the voices of distant stretches are linked by the sound of
their solo speech (`voice_clusters`). Overlapping speech is given to every voice that takes part.

Good for conversations of two people, each of whom speaks for several seconds. Third voices are
found when they come within 5 s of the two others, or when the number is given. Not good for: more
than three people; two people whose voices and microphones are alike; one person whose voice
changes a great deal (acted rage and whispers come out as two voices). Figures stand in
`scripts/bench_diarization.py` and in the tests. With a Hugging Face token,
`diarizer_pyannote` is much better.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby, pairwise, permutations
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from emodiss.models import speech_signal
from emodiss.models.segmentation.speaker_frames import (
    FRAME_S,
    N_VOICES,
    SAMPLE_RATE,
    frame_start,
    levelled,
    turns_of,
)
from emodiss.models.torch_threads import torch_threads
from emodiss.transcript import Turn

if TYPE_CHECKING:
    from emodiss.models.segmentation.clusters import Stretches
    from emodiss.models.segmentation.network import SegmentationNetwork

STEP_S: Final = 0.5
"""Time from window to window, a tenth of the window as in pyannote's own pipelines."""
ACTIVE: Final = 0.5
"""Least mean activity of a voice that speaks; pyannote's default."""
LINK_ODDS: Final = 8.0
"""Log odds that stretches under one output of the network are one voice, and under two outputs
two. Strong enough to decide over a word or two, weak enough to be outvoted by seconds of sound:
the network mixes up voices of one sex in one room."""
LINK_S: Final = 4.0
"""Longest pause over which outputs are comparable: both ends lie in one window."""

# Stretches that are compared: at most a second, so that few hold two voices; below 0.3 s the sound
# says next to nothing, and the stretch only follows others.
_LONGEST_S: Final = 1.0
_SHORTEST_SEED_S: Final = 0.3
# A second voice needs this much solo speech and this distance from the first. One person's
# sentences differ too: below 3 s or 0.5 nats per frame two voices were wrong more often than right.
_SECOND_VOICE_S: Final = 3.0
_SECOND_VOICE_APART: Final = 0.5
# A voice that the network itself tells from the others inside one window needs less.
_HEARD_APART_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Solo speech under one output of the network; frames, half-open."""

    output: int
    first: int
    stop: int

    @property
    def seconds(self) -> float:
        return (self.stop - self.first) * FRAME_S


class SegmentationDiarizer:
    """Speaker turns from the segmentation network inside the whisperx package."""

    name = "pyannote-segmentation"

    def __init__(self, *, threads: int = 1) -> None:
        self._threads = threads
        self._network: SegmentationNetwork | None = None

    def diarize(
        self, signal: NDArray[np.floating], sample_rate: int, num_speakers: int | None = None
    ) -> list[Turn]:
        """Find who speaks when.

        Parameters
        ----------
        signal
            (n,) float mono in [-1, 1]. Its loudness does not matter, down to -68 dBFS.
        sample_rate
            Hz, at least 8,000.
        num_speakers
            Number of voices when known; estimated, from 1 to 3, when None. Fewer are returned
            when there are fewer stretches of speech than voices asked for.

        Returns
        -------
        list of Turn
            Sorted by start; turns of different voices overlap where they speak at once. Speakers
            are `SPEAKER_00`, `SPEAKER_01`, ... in order of first appearance. Empty when nobody
            speaks.

        Raises
        ------
        ValueError
            If the signal is not one finite channel, or `num_speakers` is below 1.
        ModelError
            If the weights are damaged.
        """
        if num_speakers is not None and num_speakers < 1:
            raise ValueError(f"num_speakers is {num_speakers}; expected at least 1, or None.")
        samples = levelled(speech_signal.at_16_khz(signal, sample_rate).astype(np.float32))[:]
        duration = len(samples) / speech_signal.SAMPLE_RATE
        activity = self._activity(samples)
        speaking = activity > ACTIVE
        stretches = _solo_stretches(speaking)
        if not stretches:
            return []
        labels = _voices(samples, speaking, stretches, num_speakers)
        return turns_of(_painted(speaking, stretches, labels), duration)

    def _activity(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Activity of the network's outputs over the whole recording, (frames, 3)."""
        from emodiss.models.segmentation import network as segmentation_network

        if not len(samples):
            return np.zeros((0, N_VOICES), np.float32)
        with torch_threads(self._threads):
            if self._network is None:
                self._network = segmentation_network.load()
            windows = self._network.windows(samples, STEP_S)
        n_frames = int(len(samples) / SAMPLE_RATE / FRAME_S)
        return stitched(windows)[:n_frames]


def stitched(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average windows after giving each the order of outputs that fits the ones before best."""
    n_windows, length, n_outputs = windows.shape
    starts = np.round(np.arange(n_windows) * STEP_S / FRAME_S).astype(int)
    total = np.zeros((starts[-1] + length, n_outputs), np.float32)
    count = np.zeros((len(total), 1), np.float32)
    orders = [list(order) for order in permutations(range(n_outputs))]
    for window, start in zip(windows, starts, strict=True):
        here = slice(start, start + length)
        seen = count[here, 0] > 0
        if seen.any():
            before = total[here][seen] / count[here][seen]
            differences = [np.abs(before - window[seen][:, order]).sum() for order in orders]
            window = window[:, orders[int(np.argmin(differences))]]
        total[here] += window
        count[here] += 1
    return (total / np.maximum(count, 1)).astype(np.float32)


def _solo_stretches(speaking: NDArray[np.bool_]) -> list[_Stretch]:
    """Stretches in which exactly one output is active, cut to at most a second."""
    solo = np.where(speaking.sum(axis=1) == 1, speaking.argmax(axis=1), -1)
    found: list[_Stretch] = []
    first = 0
    for output, run in groupby(solo.tolist()):
        stop = first + len(list(run))
        if output >= 0:
            n = max(1, round((stop - first) * FRAME_S / _LONGEST_S))
            cuts = np.linspace(first, stop, n + 1).astype(int).tolist()
            found += [_Stretch(int(output), a, b) for a, b in pairwise(cuts) if b > a]
        first = stop
    return found


def _voices(
    samples: NDArray[np.float32],
    speaking: NDArray[np.bool_],
    stretches: list[_Stretch],
    num_speakers: int | None,
) -> NDArray[np.int64]:
    """Give each stretch a voice, (n,) labels."""
    from emodiss.models.segmentation import clusters as voice_clusters

    summary = voice_clusters.Stretches.of(
        [_cepstra(samples, s) for s in stretches], _links(stretches)
    )
    seconds = np.array([s.seconds for s in stretches])
    seeds = seconds >= _SHORTEST_SEED_S
    if not seeds.any():
        seeds[:] = True
    if num_speakers is not None:
        return voice_clusters.cluster(summary, num_speakers, seeds=seeds)
    heard_apart = _heard_apart(speaking)
    if heard_apart > 2:
        labels = voice_clusters.cluster(summary, heard_apart, seeds=seeds)
        if _least_s(labels, seconds) >= _HEARD_APART_S:
            return labels
    labels = voice_clusters.cluster(summary, 2, seeds=seeds, keep_all=False)
    return labels if _are_two(summary, labels, seconds, heard_apart) else np.zeros_like(labels)


def _are_two(
    summary: Stretches, labels: NDArray[np.int64], seconds: NDArray[np.float64], heard_apart: int
) -> bool:
    from emodiss.models.segmentation.clusters import separation

    if len(np.unique(labels)) < 2:
        return False
    least = _HEARD_APART_S if heard_apart > 1 else _SECOND_VOICE_S
    return _least_s(labels, seconds) >= least and separation(summary, labels) >= _SECOND_VOICE_APART


def _least_s(labels: NDArray[np.int64], seconds: NDArray[np.float64]) -> float:
    return float(np.bincount(labels, weights=seconds).min())


def _heard_apart(speaking: NDArray[np.bool_]) -> int:
    """How many voices the network tells apart inside one window, each for a second or more."""
    from emodiss.models.segmentation.network import WINDOW_S

    window = round(WINDOW_S / FRAME_S)
    if not len(speaking):
        return 0
    running = np.cumsum(np.vstack([np.zeros((1, speaking.shape[1])), speaking]), axis=0)
    inside = running[window:] - running[:-window] if len(running) > window else running[-1:]
    return int((inside >= _HEARD_APART_S / FRAME_S).sum(axis=1).max())


def _links(stretches: list[_Stretch]) -> list[dict[int, float]]:
    """Link each stretch with the last one of every output not more than `LINK_S` before it."""
    links: list[dict[int, float]] = [{} for _ in stretches]
    last: dict[int, int] = {}
    for j, late in enumerate(stretches):
        for output, i in last.items():
            if (late.first - stretches[i].stop) * FRAME_S <= LINK_S:
                links[i][j] = links[j][i] = LINK_ODDS if output == late.output else -LINK_ODDS
        last[late.output] = j
    return links


def _cepstra(samples: NDArray[np.float32], stretch: _Stretch) -> NDArray[np.float32]:
    """Mel cepstra 1 to 19 of 25 ms frames every 10 ms, as Kaldi computes them, (frames, 19).

    Cepstrum 0, the loudness, is left out; no mean is taken off, since the colour of a microphone
    is part of what tells two people apart.
    """
    import torch
    import torchaudio.compliance.kaldi as kaldi

    first, stop = (
        round(float(frame_start(f)) * SAMPLE_RATE) for f in (stretch.first, stretch.stop)
    )
    part = samples[first : max(stop, first + SAMPLE_RATE // 40)]
    part = np.pad(part, (0, max(0, SAMPLE_RATE // 40 - len(part))))
    waveform = torch.from_numpy(np.ascontiguousarray(part)).unsqueeze(0) * 32768
    cepstra = kaldi.mfcc(
        waveform,
        num_ceps=20,
        num_mel_bins=30,
        low_freq=60.0,
        high_freq=7600.0,
        dither=0.0,
        use_energy=False,
        sample_frequency=SAMPLE_RATE,
    )
    return cepstra[:, 1:].numpy()


def _painted(
    speaking: NDArray[np.bool_], stretches: list[_Stretch], labels: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Frames in which each voice speaks, (frames, voices); overlap takes the nearest solo voice."""
    owner = np.full(speaking.shape, -1)
    for stretch, label in zip(stretches, labels, strict=True):
        owner[stretch.first : stretch.stop, stretch.output] = label
    painted = np.zeros((len(speaking), int(labels.max()) + 1), np.bool_)
    for output in range(speaking.shape[1]):
        known = np.flatnonzero(owner[:, output] >= 0)
        frames = np.flatnonzero(speaking[:, output])
        if not len(known):
            continue
        after = known[np.minimum(np.searchsorted(known, frames), len(known) - 1)]
        before = known[np.maximum(np.searchsorted(known, frames, side="right") - 1, 0)]
        nearest = np.where(np.abs(after - frames) < np.abs(frames - before), after, before)
        painted[frames, owner[nearest, output]] = True
    return painted
