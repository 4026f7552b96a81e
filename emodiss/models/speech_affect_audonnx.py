"""audEERING's speech emotion model from its published ONNX folder (Wagner et al. 2023).

Wagner, Triantafyllopoulos, Wierstorf, Schmitt, Burkhardt, Eyben and Schuller, "Dawn of the
transformer era in speech emotion recognition: closing the valence gap", IEEE TPAMI 45 (2023):
wav2vec2-large-robust, pruned to 12 layers, fine-tuned on MSP-Podcast 1.7 (English) for arousal,
dominance and valence. File: doi 10.5281/zenodo.6221127, version 1.1.0, read with audonnx.

**Licence of the weights**: Creative Commons BY-NC-SA 4.0; commercial use only through audEERING.
They are fetched from their publisher by the person who runs this; emodiss ships none of them.

**Not run on the real weights** while this was written: they could not be obtained there. The code
is tested with small networks in folders of the same form, and the values their authors print for
the real file are kept as tests that run where the file is present.

What a user should know:

* The three outputs are about 0..1 and unbounded (scale `unit`).
* *Silence is not neutral*: one second of zeros gives arousal 0.546, dominance 0.606, valence 0.404
  (in [-1, 1]: 0.09, 0.21, -0.19). A signal without any variation is therefore answered with NaN
  here and not shown to the model; quiet background noise is for the caller to recognise.
* Valence follows the words to some degree: with one flat synthetic voice "This is wonderful" gave
  0.90 and "This is stupid" -0.00. It is not independent of the transcript's sentiment.
* The graph is fed the signal as it is (`normalise=False`), as in all published examples. Whether
  it normalises inside is documented nowhere; the hub checkpoint
  (:mod:`emodiss.models.speech_affect_wav2vec2`) normalises each utterance first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emodiss.affect import Scale, SpeechAffect, to_house_scale
from emodiss.errors import MissingExtra, ModelError
from emodiss.models.voice_features import check_signal, resample
from emodiss.models.weight_files import WeightFile, require, sha256_of

__all__ = [
    "ARCHIVE",
    "DIMENSIONS",
    "MIN_SAMPLES",
    "SAMPLE_RATE",
    "AudonnxSpeech",
    "affect_of",
    "normalised",
    "prepare",
    "windows",
]

SAMPLE_RATE: Final = 16_000
"""Sampling rate of the model, Hz."""
MIN_SAMPLES: Final = 400
"""Shortest input the convolutions accept: 25 ms; 399 samples fail inside the network."""
MIN_DURATION_S: Final = 0.5
"""Default shortest signal. The training segments last 2.75 to 11 s (Lotfian and Busso 2019), so
that below half a second, a syllable or two, the model only extrapolates."""
WINDOW_S: Final = 15.0
"""Default longest signal given to the model at once: longer than any training segment, and the
attention's cost grows with the square of the length."""
DIMENSIONS: Final = ("valence", "arousal", "dominance")
"""Order of the values inside emodiss. The model's own order is read from its labels."""

ARCHIVE: Final = WeightFile(
    name="w2v2-L-robust-12.6bc4a7fd-1.1.0.zip",
    size=609_889_780,
    sha256="01813761eff4a74f9b809ca966224d26b3bd6064878bf4f6ade4918177b5e777",
)
"""The published archive, holding `model.onnx` and `model.yaml`. Size and sha256 are stated by one
third party that downloads it; another states md5 76fef8c090addd7fcee60c64e9536ced."""


_MODEL_CLASS: Final = re.compile(r"\$audonnx[.:](core\.model\.)?Model(==|$)")
_KNOWN_CLASS: Final = re.compile(rf"{_MODEL_CLASS.pattern}|\$audobject[.:]")


def prepare(signal: ArrayLike, sample_rate: int) -> NDArray[np.float32]:
    """Check a signal and bring it to 16 kHz.

    Parameters
    ----------
    signal
        (n,) float, one channel in [-1, 1]. Several channels are refused: audonnx would join them
        into one long signal without a word.
    sample_rate
        Samples per second, at least 8000.

    Returns
    -------
    ndarray
        (m,) float32 at 16 kHz.

    Raises
    ------
    ValueError
        If the signal is not one finite floating-point channel within full scale.
    """
    samples, rate = check_signal(signal, sample_rate)
    return resample(samples, rate).astype(np.float32)


def normalised(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring one utterance to zero mean and unit variance, as the hub checkpoint expects.

    Parameters
    ----------
    signal
        (n,) float32. The small constant under the root, 1e-7, is that of transformers'
        `Wav2Vec2FeatureExtractor`.
    """
    samples = signal.astype(np.float64)
    return ((samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)).astype(np.float32)


def windows(n_samples: int, window_samples: int) -> list[tuple[int, int]]:
    """Divide a long signal into equal windows, none longer than allowed and none left over.

    Parameters
    ----------
    n_samples
        Length of the signal.
    window_samples
        Longest window.

    Returns
    -------
    list
        Half-open (start, end) sample ranges that cover the signal once, in order; their lengths
        differ by at most one sample. A short last window, which would be measured badly, cannot
        occur.
    """
    n = max(1, -(-n_samples // window_samples))
    edges = [n_samples * i // n for i in range(n + 1)]
    return list(pairwise(edges))


def affect_of(raw: NDArray[np.floating]) -> SpeechAffect:
    """Turn one measured row into a record on both scales.

    Parameters
    ----------
    raw
        (3,) valence, arousal, dominance on the `unit` scale; NaN where nothing was measured.
    """
    house = to_house_scale(raw, "unit").values
    return SpeechAffect(
        valence=float(house[0]),
        arousal=float(house[1]),
        dominance=float(house[2]),
        valence_raw=float(raw[0]),
        arousal_raw=float(raw[1]),
        dominance_raw=float(raw[2]),
    )


def label_order(labels: Sequence[str], *, source: str) -> list[int]:
    """Find valence, arousal and dominance among a model's output labels.

    Parameters
    ----------
    labels
        Names of the outputs, in the model's order.
    source
        Where they were read, for the message.

    Raises
    ------
    ModelError
        If one of the three is not there.
    """
    names = [label.lower() for label in labels]
    absent = [dimension for dimension in DIMENSIONS if dimension not in names]
    if absent:
        raise ModelError(
            f"{source} labels its outputs {list(labels)}; expected {', '.join(DIMENSIONS)}, "
            f"of which {', '.join(absent)} is absent.",
            next_step="Use the published model, or put the labels into its description file.",
        )
    return [names.index(dimension) for dimension in DIMENSIONS]


class AudonnxSpeech:
    """The published ONNX folder as a speech affect model.

    The graph is read at the first `predict`; `identity` never reads it.

    Parameters
    ----------
    folder
        Folder with `model.yaml` and `model.onnx`, as unpacked from the archive.
    threads
        CPU threads of ONNX Runtime.
    normalise
        Bring each utterance to zero mean and unit variance first. Off, as in all published
        examples of this file.
    min_duration_s
        Shortest signal that is measured, at least 0.025 s.
    window_s
        Longer signals are divided into equal windows, whose values are averaged by duration.
    device
        `cpu`, `cuda` or `cuda:<n>` (needs the GPU build of ONNX Runtime).
    allow_unverified
        Take a folder of your own; the identity then carries the sha256 of its `model.onnx`.
        Otherwise the archive is verified when it is fetched, and the folder is taken as its
        content: no source states the hash of the unpacked file.

    Raises
    ------
    ValueError
        If an option is out of range.
    """

    name: Final = "audeering-w2v2"
    """Catalogue name."""

    def __init__(
        self,
        folder: Path | str,
        *,
        threads: int = 1,
        normalise: bool = False,
        min_duration_s: float = MIN_DURATION_S,
        window_s: float = WINDOW_S,
        device: str = "cpu",
        allow_unverified: bool = False,
    ) -> None:
        check_options(threads=threads, min_duration_s=min_duration_s, window_s=window_s)
        self.folder = Path(folder)
        self.threads = threads
        self.normalise = normalise
        self.window_s = window_s
        self.device = device
        self.allow_unverified = allow_unverified
        self._min_duration_s = min_duration_s
        self._model: Any = None
        self._order: list[int] = []

    @property
    def identity(self) -> str:
        """Name, weights and every option that changes results; readable without loading.

        Raises
        ------
        ModelMissing
            Only with `allow_unverified`, if there is no file to hash.
        """
        digest = ARCHIVE.digest
        if self.allow_unverified:
            require(self.folder / "model.onnx", model=self.name)
            digest = f"sha256-{sha256_of(self.folder / 'model.onnx')[:12]}"
        return ":".join(
            (self.name, digest, *options_of(normalise=self.normalise, window_s=self.window_s))
        )

    @property
    def scale(self) -> Scale:
        """Native scale: about [0, 1]."""
        return "unit"

    @property
    def min_duration_s(self) -> float:
        """Shortest signal that is measured, in seconds."""
        return self._min_duration_s

    def load(self) -> None:
        """Read the graph now rather than at the first `predict`.

        Raises
        ------
        ModelMissing
            If the folder or one of its two files is absent.
        ModelError
            If it is not a model of this kind.
        MissingExtra
            If audonnx is not installed.
        """
        if self._model is not None:
            return
        for file in ("model.yaml", "model.onnx"):
            require(self.folder / file, model=self.name)
        _check_description(self.folder / "model.yaml")
        try:
            import audonnx
        except ModuleNotFoundError as error:
            raise MissingExtra.of("audonnx", "models") from error
        try:
            model = audonnx.load(str(self.folder), device=self.device, num_workers=self.threads)
        except Exception as error:
            raise ModelError(
                f"{self.folder} cannot be read as an audonnx model ({type(error).__name__}).",
                next_step=f"Fetch it again with: emodiss models pull {self.name}.",
            ) from error
        if "logits" not in model.outputs or list(model.inputs) != ["signal"]:
            raise ModelError(
                f"{self.folder} has inputs {list(model.inputs)} and outputs "
                f"{list(model.outputs)}; expected input 'signal' and an output 'logits'.",
                next_step="Use the published model (doi 10.5281/zenodo.6221127).",
            )
        self._order = label_order(model.outputs["logits"].labels, source=str(self.folder))
        self._model = model

    def raw(self, signal: NDArray[np.floating]) -> NDArray[np.float64]:
        """Run the network once on one signal, without checks, windows or normalisation.

        Parameters
        ----------
        signal
            (n,) float at 16 kHz, at least 400 samples.

        Returns
        -------
        ndarray
            (3,) valence, arousal, dominance on the native scale.
        """
        self.load()
        samples = np.ascontiguousarray(signal, dtype=np.float32)
        logits = self._model(samples, SAMPLE_RATE, outputs="logits")
        return np.asarray(logits, dtype=np.float64).reshape(-1)[self._order]

    def predict(self, signal: NDArray[np.floating], sample_rate: int) -> SpeechAffect:
        """Measure one utterance.

        Parameters
        ----------
        signal
            (n,) float, one channel in [-1, 1].
        sample_rate
            Samples per second, at least 8000; other rates than 16 kHz are resampled.

        Returns
        -------
        SpeechAffect
            All NaN if the signal is shorter than `min_duration_s` or does not vary at all.

        Raises
        ------
        ValueError
            If the signal is not one finite floating-point channel within full scale.
        ModelMissing, ModelError, MissingExtra
            See `load`.
        """
        samples = prepare(signal, sample_rate)
        if not measurable(samples, self.min_duration_s):
            return affect_of(np.full(3, np.nan))
        if self.normalise:
            samples = normalised(samples)
        parts = windows(len(samples), round(self.window_s * SAMPLE_RATE))
        rows = np.stack([self.raw(samples[start:end]) for start, end in parts])
        return affect_of(np.average(rows, axis=0, weights=[end - start for start, end in parts]))


def measurable(samples: NDArray[np.float32], min_duration_s: float) -> bool:
    """Whether a 16 kHz signal is long enough and varies at all.

    Parameters
    ----------
    samples
        (n,) at 16 kHz.
    min_duration_s
        Shortest length, seconds.
    """
    # Half a sample of grace, so that a duration that was rounded once does not fall below.
    long_enough = len(samples) + 0.5 >= min_duration_s * SAMPLE_RATE
    return long_enough and bool(np.ptp(samples) > 0)


def options_of(*, normalise: bool, window_s: float) -> list[str]:
    """Name the options of a speech model that change its results.

    Parameters
    ----------
    normalise, window_s
        As in :class:`AudonnxSpeech`.
    """
    return ["normalised" if normalise else "raw", f"window={window_s:g}s"]


def check_options(*, threads: int, min_duration_s: float, window_s: float) -> None:
    """Refuse options no model can work with.

    Parameters
    ----------
    threads, min_duration_s, window_s
        As in :class:`AudonnxSpeech`.

    Raises
    ------
    ValueError
        Naming the value and what was expected.
    """
    if threads < 1:
        raise ValueError(f"threads is {threads}; expected at least 1.")
    if not min_duration_s * SAMPLE_RATE >= MIN_SAMPLES:
        raise ValueError(
            f"min_duration_s is {min_duration_s}; the network needs at least "
            f"{MIN_SAMPLES / SAMPLE_RATE} s."
        )
    # Equal windows are longer than half the longest one allowed.
    if not window_s >= 2 * min_duration_s:
        raise ValueError(
            f"window_s is {window_s}; expected at least twice min_duration_s ({min_duration_s})."
        )


def _check_description(path: Path) -> None:
    """Refuse a description that would make audonnx run anything but its own model class.

    audobject imports whatever class the file names, and audonnx's `Function` executes source text
    from it. The published file needs neither: it names audonnx's model and no transform.
    """
    import yaml

    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        content = None
    classes = list(_classes(content))
    strange = [name for name in classes if not _KNOWN_CLASS.match(name)]
    if strange or not any(_MODEL_CLASS.match(name) for name in classes):
        raise ModelError(
            f"{path} describes {strange or 'no model'}; expected '$audonnx.core.model.Model' "
            "without a transform.",
            next_step="Use the published model (doi 10.5281/zenodo.6221127).",
        )


def _classes(content: Any) -> list[str]:
    if isinstance(content, Mapping):
        own = [key for key in content if isinstance(key, str) and key.startswith("$")]
        return own + [name for value in content.values() for name in _classes(value)]
    if isinstance(content, list):
        return [name for value in content for name in _classes(value)]
    return []
