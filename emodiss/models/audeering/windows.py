"""What audEERING's speech model needs whatever runs it: signal, windows, batches, scale.

Wagner, Triantafyllopoulos, Wierstorf, Schmitt, Burkhardt, Eyben and Schuller, "Dawn of the
transformer era in speech emotion recognition: closing the valence gap", IEEE TPAMI 45 (2023):
wav2vec2-large-robust, pruned to 12 layers, fine-tuned on MSP-Podcast 1.7 (English) for arousal,
dominance and valence. It is published twice, as an ONNX folder
(:mod:`emodiss.models.audeering.onnx_folder`) and as a checkpoint on the Hugging Face hub
(:mod:`emodiss.models.audeering.checkpoint`).

**Licence of the weights**: Creative Commons BY-NC-SA 4.0; commercial use only through audEERING.
They are fetched from their publisher by the person who runs this; emodiss ships none of them.

What a user should know:

* The three outputs are about 0..1 and unbounded (scale `unit`).
* *Silence is not neutral*: one second of zeros gives arousal 0.546, dominance 0.606, valence 0.404
  (in [-1, 1]: 0.09, 0.21, -0.19). A signal without any variation is therefore answered with NaN
  here and not shown to the model; quiet background noise is for the caller to recognise.
* Valence follows the words to some degree: with one flat synthetic voice "This is wonderful" gave
  0.90 and "This is stupid" -0.00. It is not independent of the transcript's sentiment.
* The published examples feed the ONNX file the raw signal, and the hub checkpoint one brought to
  zero mean and unit variance. Whether the graph normalises inside is documented nowhere. Choose
  one way for a study; the identity says which.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from emodiss.affect import Scale, SpeechAffect
from emodiss.errors import ModelError
from emodiss.models.speech_signal import at_16_khz
from emodiss.settings import AudeeringSettings

SAMPLE_RATE: Final = 16_000
"""Sampling rate of the model, Hz."""
MIN_SAMPLES: Final = 400
"""Shortest input the convolutions accept: 25 ms; 399 samples fail inside the network."""
MIN_DURATION_S: Final = 0.5
"""Default shortest signal. The training segments last 2.75 to 11 s (Lotfian and Busso 2019), so
that below half a second, a syllable or two, the model only extrapolates."""
DIMENSIONS: Final = ("valence", "arousal", "dominance")
"""Order of the values inside emodiss. The model's own order is read from its labels."""

Level = Literal["raw", "normalised"]


def normalised(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring one utterance to zero mean and unit variance, as the hub checkpoint expects."""
    samples = signal.astype(np.float64)
    return ((samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)).astype(np.float32)


def windows(n_samples: int, window_samples: int) -> list[tuple[int, int]]:
    """Divide a long signal into equal windows, none longer than allowed and none left over."""
    n = max(1, -(-n_samples // window_samples))
    edges = [n_samples * i // n for i in range(n + 1)]
    return list(pairwise(edges))


def label_order(labels: Sequence[str], *, source: str) -> list[int]:
    """Find valence, arousal and dominance among a model's output labels."""
    names = [str(label).lower() for label in labels]
    absent = [dimension for dimension in DIMENSIONS if dimension not in names]
    if absent:
        raise ModelError(
            f"{source} labels its outputs {list(labels)}; expected {', '.join(DIMENSIONS)}, "
            f"of which {', '.join(absent)} is absent.",
            next_step="Use the published model, or put the labels into its description file.",
        )
    return [names.index(dimension) for dimension in DIMENSIONS]


def measurable(samples: NDArray[np.float32], min_duration_s: float) -> bool:
    """Whether a 16 kHz signal is long enough and varies at all."""
    # Half a sample of grace, so that a duration that was rounded once does not fall below.
    long_enough = len(samples) + 0.5 >= min_duration_s * SAMPLE_RATE
    return long_enough and bool(np.ptp(samples) > 0)


class WindowedSpeech(ABC):
    """audEERING's model: an adapter brings `load`, `raw` and file. See `AudeeringSettings`."""

    name: ClassVar[str]
    """Catalogue name."""
    published_signal: ClassVar[Level]
    """Level of the signal in the published examples of this file."""
    gpu_batch_size: ClassVar[int] = 1
    max_batch_size: ClassVar[int | None] = None

    def __init__(
        self,
        folder: Path | str,
        *,
        threads: int = 1,
        min_duration_s: float = MIN_DURATION_S,
        device: str = "cpu",
        **options: Any,
    ) -> None:
        chosen = AudeeringSettings(**options)
        if threads < 1:
            raise ValueError(f"threads is {threads}; expected at least 1.")
        if self.max_batch_size is not None and (chosen.batch_size or 1) > self.max_batch_size:
            raise ValueError(
                f"batch_size is {chosen.batch_size}; {self.name} takes {self.max_batch_size} at "
                "most. Use audeering-w2v2-hf for batches."
            )
        if not min_duration_s * SAMPLE_RATE >= MIN_SAMPLES:
            raise ValueError(
                f"min_duration_s is {min_duration_s}; the network needs at least "
                f"{MIN_SAMPLES / SAMPLE_RATE} s."
            )
        # Equal windows are longer than half the longest one allowed.
        if not chosen.window_s >= 2 * min_duration_s:
            raise ValueError(
                f"window_s is {chosen.window_s}; expected at least twice min_duration_s "
                f"({min_duration_s})."
            )
        self.folder = Path(folder)
        self.threads = threads
        self.signal: Level = (
            self.published_signal if chosen.signal == "published" else chosen.signal
        )
        self.window_s = chosen.window_s
        self.batch_size = chosen.batch_size or (1 if device == "cpu" else self.gpu_batch_size)
        self.device = device
        self.allow_unverified = chosen.allow_unverified
        self._min_duration_s = min_duration_s
        self._network: Any = None
        self._order: list[int] = []

    @abstractmethod
    def _weights(self) -> tuple[Path, str]:
        """Path of the weights, and the content id of what their publisher offers."""

    @abstractmethod
    def load(self) -> None:
        """Read and check the weights now rather than at the first measurement."""

    @abstractmethod
    def raw(self, signals: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
        """Run the network once, without checks, windows or normalisation."""

    @property
    def scale(self) -> Scale:
        """Native scale: about [0, 1]."""
        return "unit"

    @property
    def min_duration_s(self) -> float:
        """Shortest signal that is measured, in seconds."""
        return self._min_duration_s

    def predict(self, signal: NDArray[np.floating], sample_rate: int) -> SpeechAffect:
        """Measure one utterance."""
        return self.predict_many([signal], sample_rate)[0]

    def predict_many(
        self, signals: Sequence[NDArray[np.floating]], sample_rate: int
    ) -> list[SpeechAffect]:
        """Measure many utterances, windows of similar length together."""
        pieces: list[tuple[int, NDArray[np.float32]]] = []
        for index, signal in enumerate(signals):
            samples = at_16_khz(signal, sample_rate).astype(np.float32)
            if not measurable(samples, self.min_duration_s):
                continue
            if self.signal == "normalised":
                samples = normalised(samples)
            parts = windows(len(samples), round(self.window_s * SAMPLE_RATE))
            pieces += [(index, samples[start:end]) for start, end in parts]
        # Similar lengths share a batch, so that little of it is padding.
        pieces.sort(key=lambda piece: len(piece[1]))
        total, n_samples = np.zeros((len(signals), 3)), np.zeros((len(signals), 1))
        for start in range(0, len(pieces), self.batch_size):
            batch = pieces[start : start + self.batch_size]
            for (index, piece), row in zip(batch, self.raw([p for _, p in batch]), strict=True):
                total[index] += row * len(piece)
                n_samples[index] += len(piece)
        with np.errstate(invalid="ignore"):  # 0 / 0 is NaN: nothing was measured
            return [SpeechAffect(*map(float, row), scale="unit") for row in total / n_samples]
