"""LR-ASD in ONNX Runtime: which faces talk while speech is heard, frame by frame.

The weights (MIT) are the authors' fine-tuning on TalkSet, fetched by the person who runs this.
The score does not measure synchrony: moving the sound by a second leaves it as it is. It answers
"is this mouth talking, and is there speech", and so takes every silent talker for the speaker. It
is one term of the posterior in `emodiss.people` and never decides alone.
"""

from __future__ import annotations

import os
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emodiss.models.lr_asd import LR_ASD
from emodiss.models.onnx_session import cpu_session
from emodiss.models.weight_files import require, sha256_of, verify

SAMPLE_RATE = 16_000
FRAME_RATE = 25
# Rows of sound features: 25 ms every 10 ms, 13 coefficients of 26 mel filters up to 8 kHz.
_LENGTH, _STEP, _POINTS = 400, 160, 512
_FILTERS, _COEFFICIENTS, _LIFTER, _EMPHASIS = 26, 13, 22, 0.97

MIN_FRAMES = 5
"""Fewer pictures in one piece say nothing."""


class LrAsd:
    """Scores pieces of face pictures with their sound; the graph is kept beside the weights."""

    name = "lr-asd"

    def __init__(self, weights: Path, *, device: str = "cpu", threads: int = 1) -> None:
        require(weights, model=self.name)
        verify(weights, LR_ASD, model=self.name)
        self._weights, self._threads = weights, threads
        self._session: Any = None

    def score(self, faces: NDArray[np.uint8], sound: NDArray[np.int16]) -> NDArray[np.float32]:
        """Score each picture of one face."""
        if len(faces) < MIN_FRAMES:
            raise ValueError(f"LR-ASD needs {MIN_FRAMES} pictures or more, got {len(faces)}.")
        features = mfcc(sound, len(faces) * 4)
        pictures = faces.astype(np.float32)[None]
        if self._session is None:
            self._session = _session(self._weights, self._threads)
        (scores,) = self._session.run(None, {"sound": features[None], "faces": pictures})
        return np.asarray(scores, np.float32)


def mfcc(sound: NDArray[np.int16], n_rows: int) -> NDArray[np.float32]:
    """Sound features as `python_speech_features.mfcc` makes them with its defaults."""
    from scipy import fft

    needed = (n_rows - 1) * _STEP + _LENGTH
    signal = np.zeros(needed)
    signal[: min(needed, len(sound))] = sound[:needed]
    signal[1:] -= _EMPHASIS * signal[:-1].copy()
    frames = np.lib.stride_tricks.sliding_window_view(signal, _LENGTH)[::_STEP]
    power = np.square(np.abs(np.fft.rfft(frames, _POINTS))) / _POINTS
    tiny = np.finfo(float).eps
    energy = np.maximum(power.sum(axis=1), tiny)
    bands = np.log(np.maximum(power @ _mel_filters().T, tiny))
    rows = np.asarray(fft.dct(bands, type=2, axis=1, norm="ortho"))[:, :_COEFFICIENTS]
    rows *= 1 + _LIFTER / 2 * np.sin(np.pi * np.arange(_COEFFICIENTS) / _LIFTER)
    rows[:, 0] = np.log(energy)
    return rows.astype(np.float32)


def _mel_filters() -> NDArray[np.float64]:
    """Triangles, equally wide on the mel scale from 0 to 8 kHz; (26, 257)."""
    top = 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700)
    hertz = 700 * (10 ** (np.linspace(0, top, _FILTERS + 2) / 2595) - 1)
    edges = np.floor((_POINTS + 1) * hertz / SAMPLE_RATE)
    points = np.arange(_POINTS // 2 + 1)
    left, middle, right = (e[:, None] for e in (edges[:-2], edges[1:-1], edges[2:]))
    rising, falling = (points - left) / (middle - left), (right - points) / (right - middle)
    return np.where(
        (points >= left) & (points < middle),
        rising,
        np.where((points >= middle) & (points < right), falling, 0.0),
    )


def _session(weights: Path, threads: int) -> Any:
    """Open the graph, made once and kept beside the weights."""
    path = weights.with_name(f"{weights.stem}-{sha256_of(weights)[:12]}.onnx")
    graph = path.read_bytes() if path.exists() else export(weights)
    if not path.exists():
        unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            unfinished.write_bytes(graph)
            unfinished.replace(path)
        except OSError:
            pass  # a folder that cannot be written costs seconds on every start, and no more
    return cpu_session(graph, threads)


def export(weights: Path) -> bytes:
    """Convert the weights to an ONNX graph of any number of pictures."""
    import torch

    from emodiss.models.lr_asd.network import ROWS, SIDE, load

    network = load(weights)
    graph = BytesIO()
    with warnings.catch_warnings():
        # The tracing exporter is the one that needs no further package; torch says it will go.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(1, 8 * ROWS, _COEFFICIENTS), torch.zeros(1, 8, SIDE, SIDE)),
            graph,  # pyright: ignore[reportArgumentType]
            input_names=["sound", "faces"],
            output_names=["scores"],
            dynamic_axes={"sound": {1: "rows"}, "faces": {1: "t"}, "scores": {0: "t"}},
            opset_version=17,
            dynamo=False,
        )
    return graph.getvalue()
