"""audEERING's speech emotion model from its hub checkpoint, run by torch (Wagner et al. 2023).

The same model as :mod:`emodiss.models.speech_affect_audonnx` (see there for the paper, the
licence, CC BY-NC-SA 4.0, and what its values mean: silence is not neutral), as
`audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim` on the Hugging Face hub. Use this one on a
GPU or for batches, the ONNX folder otherwise.

The checkpoint's head is not one that transformers knows, so it is written here from its
description: mean over time, dense layer, tanh, output layer. Nothing from the hub is executed:
the files lie in a local folder, `config.json` is read as data, and weights come from safetensors
or, for the older file, from `torch.load(weights_only=True)`. There is no network access here.

**Signal level**: each utterance is brought to zero mean and unit variance (`normalise=True`), as
the checkpoint's own preprocessor does. The published examples of the ONNX file feed it the raw
signal. Choose one way for a study; the identity says which.

**Not run on the real weights** while this was written: they could not be obtained there. Tests use
small networks of the same architecture, check every tensor name and shape of the full one, and
keep the published outputs as a test that runs where the checkpoint is present.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from emodiss.affect import Scale, SpeechAffect
from emodiss.errors import MissingExtra, ModelError
from emodiss.models.speech_affect_audonnx import (
    MIN_DURATION_S,
    SAMPLE_RATE,
    WINDOW_S,
    affect_of,
    check_options,
    label_order,
    measurable,
    normalised,
    options_of,
    prepare,
    windows,
)
from emodiss.models.torch_threads import torch_threads
from emodiss.models.weight_files import WeightFile, require, sha256_of, verify

__all__ = ["FILES", "OLDER_WEIGHTS", "REPOSITORY", "REVISION", "SpeechRegressor", "Wav2Vec2Speech"]

REPOSITORY: Final = "audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim"
REVISION: Final = "6eba34a2485ea31cb03600241787c3a5edab8626"
"""The hub commit that several public projects pin; its files are `FILES`."""

FILES: Final = (
    WeightFile(
        name="config.json",
        size=2_344,
        sha256="c0962c3d1f065972bbebbba0bbffb8016ef4e9aae4a9b07e5fec22f770d2cddb",
    ),
    WeightFile(
        name="model.safetensors",
        size=661_375_508,
        sha256="efa5ac1a13b2d2f42182738e44794b1eb4c0cdd221a8b4ae11304c3a5f5fae95",
    ),
)
"""What the folder holds. Sizes and hashes as a public project recorded them at `REVISION`; the
length of its config.json agrees with a copy in another repository."""

OLDER_WEIGHTS: Final = WeightFile(
    name="pytorch_model.bin",
    sha256="176d9d1ce29a8bddbab44068b9c1c194c51624c7f1812905e01355da58b18816",
)
"""The pickled form of the weights, taken when there is no safetensors file."""


class _RegressionHead(nn.Module):
    """Dense layer, tanh, output layer; dropout, which is off outside training, is left out."""

    def __init__(self, hidden_size: int, n_outputs: int) -> None:
        super().__init__()
        self.dense = nn.Linear(hidden_size, hidden_size)
        self.out_proj = nn.Linear(hidden_size, n_outputs)

    def forward(self, pooled: Tensor) -> Tensor:
        return self.out_proj(torch.tanh(self.dense(pooled)))


class SpeechRegressor(nn.Module):
    """wav2vec2 with the checkpoint's head and tensor names; in evaluation mode once built.

    Parameters
    ----------
    config
        A transformers `Wav2Vec2Config`, whose `num_labels` is the number of outputs.

    Notes
    -----
    With the published configuration 234 tensors and 165,336,707 parameters (661 MB).
    """

    def __init__(self, config: Any) -> None:
        super().__init__()
        from transformers import Wav2Vec2Model

        self.wav2vec2 = Wav2Vec2Model(config)
        self.classifier = _RegressionHead(config.hidden_size, config.num_labels)
        self.eval()

    def forward(self, signal: Tensor, lengths: Tensor | None = None) -> dict[str, Tensor]:
        """Measure a batch.

        Parameters
        ----------
        signal
            (b, n) float at 16 kHz, padded with zeros at the end where signals differ in length.
        lengths
            (b,) samples of each signal before padding. With it, padding is kept out of the
            attention and out of the mean over time; without it, all n samples count.

        Returns
        -------
        dict
            `pooled` (b, hidden) mean state of the last layer; `logits` (b, outputs).
        """
        mask = None
        if lengths is not None:
            mask = torch.arange(signal.shape[1], device=signal.device)[None] < lengths[:, None]
        states = self.wav2vec2(signal, attention_mask=mask).last_hidden_state
        if lengths is None:
            pooled = states.mean(dim=1)
        else:
            frames = self._n_frames(lengths)
            kept = torch.arange(states.shape[1], device=signal.device)[None] < frames[:, None]
            # where, not a product: a padded state that is not finite would survive times zero.
            total = torch.where(kept[..., None], states, 0.0).sum(dim=1)
            pooled = total / frames[:, None].to(states.dtype)
        return {"pooled": pooled, "logits": self.classifier(pooled)}

    def _n_frames(self, lengths: Tensor) -> Tensor:
        """Count the frames that signals of these lengths have after the convolutions."""
        config = self.wav2vec2.config
        for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
            lengths = torch.div(lengths - kernel, stride, rounding_mode="floor") + 1
        return lengths


class Wav2Vec2Speech:
    """The hub checkpoint as a speech affect model.

    Weights are read at the first measurement; `identity` never reads the published files.

    Parameters
    ----------
    folder
        Folder with `config.json` and `model.safetensors` (or `pytorch_model.bin`).
    threads
        CPU threads during a call.
    normalise
        Bring each utterance to zero mean and unit variance first, before it is divided into
        windows. On, as in the checkpoint's preprocessor.
    min_duration_s
        Shortest signal that is measured, at least 0.025 s.
    window_s
        Longer signals are divided into equal windows, whose values are averaged by duration.
    device
        `cpu`, `cuda` or `cuda:<n>`.
    batch_size
        Signals per forward pass in `predict_many`; by default 1 on a CPU, where batches are
        slower, and 16 on a GPU. Changes results by less than 1e-5.
    allow_unverified
        Take a checkpoint of your own; the identity then carries the sha256 of its weights.

    Raises
    ------
    ValueError
        If an option is out of range.
    """

    name: Final = "audeering-w2v2-hf"
    """Catalogue name."""

    def __init__(
        self,
        folder: Path | str,
        *,
        threads: int = 1,
        normalise: bool = True,
        min_duration_s: float = MIN_DURATION_S,
        window_s: float = WINDOW_S,
        device: str = "cpu",
        batch_size: int | None = None,
        allow_unverified: bool = False,
    ) -> None:
        check_options(threads=threads, min_duration_s=min_duration_s, window_s=window_s)
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; expected at least 1.")
        self.folder = Path(folder)
        self.threads = threads
        self.normalise = normalise
        self.window_s = window_s
        self.device = device
        self.batch_size = batch_size or (1 if device == "cpu" else 16)
        self.allow_unverified = allow_unverified
        self._min_duration_s = min_duration_s
        self._network: SpeechRegressor | None = None
        self._order: list[int] = []

    def _weights(self) -> Path:
        """Find the weight file in the folder, safetensors first."""
        older = self.folder / OLDER_WEIGHTS.name
        newer = self.folder / FILES[1].name
        return older if older.exists() and not newer.exists() else newer

    @property
    def identity(self) -> str:
        """Name, weights and every option that changes results; readable without loading.

        Raises
        ------
        ModelMissing
            Only with `allow_unverified`, if there is no file to hash.
        """
        # Both published files hold the same tensors, so the commit names them.
        digest = f"hub-{REVISION[:12]}"
        if self.allow_unverified:
            require(self._weights(), model=self.name)
            digest = f"sha256-{sha256_of(self._weights())[:12]}"
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
        """Read and check the weights now rather than at the first measurement.

        Raises
        ------
        ModelMissing
            If the folder or one of its files is absent.
        ModelError
            If a file is not the published one, cannot be read or does not fit.
        MissingExtra
            If transformers is not installed.
        """
        if self._network is not None:
            return
        weights, description = self._weights(), self.folder / FILES[0].name
        for path, published in (
            (description, FILES[0]),
            (weights, FILES[1] if weights.name == FILES[1].name else OLDER_WEIGHTS),
        ):
            if self.allow_unverified:
                require(path, model=self.name)
            else:
                verify(path, published, model=self.name)
        config = _read_config(description)
        self._order = label_order(
            [config.id2label[i] for i in range(config.num_labels)], source=str(description)
        )
        with torch.device("meta"):  # the file fills every tensor, so none is drawn at random first
            network = SpeechRegressor(config)
        _fit(network, _read_state(weights), weights)
        self._network = network.requires_grad_(False).to(self.device)

    def raw(self, signals: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
        """Run the network once on a batch, without checks, windows or normalisation.

        Parameters
        ----------
        signals
            b signals, (n_i,) float at 16 kHz, each at least 400 samples. Those of unequal length
            are padded, and the padding is masked.

        Returns
        -------
        ndarray
            (b, 3) valence, arousal, dominance on the native scale.
        """
        self.load()
        assert self._network is not None
        sizes = [len(signal) for signal in signals]
        batch = np.zeros((len(signals), max(sizes)), np.float32)
        for row, signal in zip(batch, signals, strict=True):
            row[: len(signal)] = signal
        lengths = None if min(sizes) == max(sizes) else torch.tensor(sizes, device=self.device)
        # TF32 would cost three digits without saying so.
        with (
            torch_threads(self.threads),
            torch.inference_mode(),
            torch.backends.cudnn.flags(allow_tf32=False),
        ):
            out = self._network(torch.from_numpy(batch).to(self.device), lengths)
            logits = out["logits"].double().cpu().numpy()
        return logits[:, self._order]

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
        return self.predict_many([signal], sample_rate)[0]

    def predict_many(
        self, signals: Sequence[NDArray[np.floating]], sample_rate: int
    ) -> list[SpeechAffect]:
        """Measure many utterances, those of similar length together.

        Parameters
        ----------
        signals
            Each as in `predict`.
        sample_rate
            Of all of them.

        Returns
        -------
        list of SpeechAffect
            In the order of the signals.

        Raises
        ------
        ValueError, ModelMissing, ModelError, MissingExtra
            As `predict`.
        """
        pieces: list[tuple[int, NDArray[np.float32]]] = []
        for index, signal in enumerate(signals):
            samples = prepare(signal, sample_rate)
            if not measurable(samples, self.min_duration_s):
                continue
            if self.normalise:
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
            return [affect_of(row) for row in total / n_samples]


def _read_config(path: Path) -> Any:
    """Read `config.json` as a `Wav2Vec2Config`."""
    try:
        # The model's module breaks when its first import happens under torch.device("meta").
        from transformers import Wav2Vec2Config, Wav2Vec2Model  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ModuleNotFoundError as error:
        raise MissingExtra.of("transformers", "models") from error
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(
            f"{path} is not JSON ({error}).",
            next_step="Fetch it again with: emodiss models pull audeering-w2v2-hf.",
        ) from error
    if not isinstance(content, dict) or content.get("model_type") != "wav2vec2":
        raise ModelError(
            f"{path} does not describe a wav2vec2 model.",
            next_step=f"Use the published checkpoint, {REPOSITORY}.",
        )
    if content.get("pooling_mode", "mean") != "mean":
        raise ModelError(
            f"{path} asks for pooling_mode '{content['pooling_mode']}'; expected 'mean'.",
            next_step=f"Use the published checkpoint, {REPOSITORY}.",
        )
    return Wav2Vec2Config.from_dict(content)


# How torch names the two halves of a weight-normed convolution, older and newer.
_WEIGHT_NORM: Final = {
    "conv.weight_g": "conv.parametrizations.weight.original0",
    "conv.weight_v": "conv.parametrizations.weight.original1",
}


def _read_state(path: Path) -> dict[str, Tensor]:
    """Read named tensors, without executing anything in the file."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: Any = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ModelError(
            f"{path} cannot be read as weights ({type(error).__name__}).",
            next_step="Fetch it again with: emodiss models pull audeering-w2v2-hf.",
        ) from error
    renamed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        for older, newer in _WEIGHT_NORM.items():
            name = name.removesuffix(older) + newer if name.endswith(older) else name
        renamed[name] = tensor
    return renamed


def _fit(network: SpeechRegressor, state: dict[str, Tensor], path: Path) -> None:
    """Fill the network; transformers' own loader would fill gaps with random numbers."""
    own = network.state_dict()
    wrong = sorted(own.keys() ^ state.keys()) or sorted(
        name for name in own if own[name].shape != state[name].shape
    )
    if wrong:
        raise ModelError(
            f"{path} does not fit its config.json: {len(wrong)} tensors are missing, unknown or of "
            f"another shape (such as {', '.join(wrong[:3])}).",
            next_step=f"Use config.json and weights of one revision of {REPOSITORY}.",
        )
    network.load_state_dict(state, strict=True, assign=True)
