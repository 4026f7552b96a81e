"""audEERING's speech emotion model from its hub checkpoint, run by torch (Wagner et al. 2023).

The model of :mod:`emodiss.models.audeering.windows` (see there for the paper, the licence,
CC BY-NC-SA 4.0, and what its values mean: silence is not neutral), as
`audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim` on the Hugging Face hub. Use this one on a
GPU or for batches, the ONNX folder otherwise.

The checkpoint's head is not one that transformers knows, so it is written here from its
description: mean over time, dense layer, tanh, output layer. Nothing from the hub is executed:
the files lie in a local folder, `config.json` is read as data, and weights come from safetensors
or, for the older file, from `torch.load(weights_only=True)`. There is no network access here.

**Not run on the real weights** while this was written: they could not be obtained there. Tests use
small networks of the same architecture, check every tensor name and shape of the full one, and
keep the published outputs as a test that runs where the checkpoint is present.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from emodiss.errors import MissingExtra, ModelError
from emodiss.models.audeering import (
    AUDEERING_HUB,
    AUDEERING_HUB_OLDER,
    AUDEERING_REPOSITORY,
    AUDEERING_REVISION,
)
from emodiss.models.audeering.windows import Level, WindowedSpeech, label_order
from emodiss.models.torch_threads import torch_threads, without_tf32
from emodiss.models.weight_files import require, verify
from emodiss.tabular import json_value


class _RegressionHead(nn.Module):
    """Dense layer, tanh, output layer; dropout, which is off outside training, is left out."""

    def __init__(self, hidden_size: int, n_outputs: int) -> None:
        super().__init__()
        self.dense = nn.Linear(hidden_size, hidden_size)
        self.out_proj = nn.Linear(hidden_size, n_outputs)

    def forward(self, pooled: Tensor) -> Tensor:
        return self.out_proj(torch.tanh(self.dense(pooled)))


class SpeechRegressor(nn.Module):
    """wav2vec2 with the checkpoint's head and tensor names: 165,336,707 parameters, 661 MB."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        from transformers import Wav2Vec2Model

        self.wav2vec2 = Wav2Vec2Model(config)
        self.classifier = _RegressionHead(config.hidden_size, config.num_labels)
        self.eval()

    def forward(self, signal: Tensor, lengths: Tensor | None = None) -> dict[str, Tensor]:
        """Measure a batch."""
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


class Wav2Vec2Speech(WindowedSpeech):
    """The hub checkpoint (config.json, model.safetensors) as a speech affect model."""

    name: ClassVar[str] = "audeering-w2v2-hf"
    published_signal: ClassVar[Level] = "normalised"
    gpu_batch_size: ClassVar[int] = 16

    def _weights(self) -> tuple[Path, str]:
        """Find the weight file in the folder, safetensors first."""
        newer = self.folder / AUDEERING_HUB[1].name
        older = self.folder / AUDEERING_HUB_OLDER.name
        # Both published files hold the same tensors, so the commit names them.
        return (
            older if older.exists() and not newer.exists() else newer,
            f"hub-{AUDEERING_REVISION[:12]}",
        )

    def load(self) -> None:
        """Read and check the weights now rather than at the first measurement; see the base."""
        if self._network is not None:
            return
        config_file, newer = AUDEERING_HUB
        weights, description = self._weights()[0], self.folder / config_file.name
        for path, published in (
            (description, config_file),
            (weights, newer if weights.name == newer.name else AUDEERING_HUB_OLDER),
        ):
            if self.allow_unverified:
                require(path, model=self.name)
            else:
                verify(path, published, model=self.name)
        content = _read_config(description)
        state = _read_state(weights)
        network, labels = _built(content, description, len(state))
        self._order = label_order(labels, source=str(description))
        _fit(network, state, weights)
        self._network = network.requires_grad_(False).to(self.device)

    def raw(self, signals: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
        """Run the network once on a batch; see the base class.

        Signals of unequal length are padded, and the padding is masked in the attention and in
        the mean over time.
        """
        self.load()
        sizes = [len(signal) for signal in signals]
        batch = np.zeros((len(signals), max(sizes)), np.float32)
        for row, signal in zip(batch, signals, strict=True):
            row[: len(signal)] = signal
        lengths = None if min(sizes) == max(sizes) else torch.tensor(sizes, device=self.device)
        with torch_threads(self.threads), torch.inference_mode(), without_tf32():
            out = self._network(torch.from_numpy(batch).to(self.device), lengths)
            logits = out["logits"].double().cpu().numpy()
        return logits[:, self._order]


def _read_config(path: Path) -> dict[str, Any]:
    """Read `config.json`."""
    try:
        content = json_value(path.read_bytes())
    except ValueError as error:
        raise ModelError(
            f"{path} is not JSON ({error}).",
            next_step="Fetch it again with: emodiss models pull audeering-w2v2-hf.",
        ) from error
    if not isinstance(content, dict) or content.get("model_type") != "wav2vec2":
        raise ModelError(
            f"{path} does not describe a wav2vec2 model.",
            next_step=f"Use the published checkpoint, {AUDEERING_REPOSITORY}.",
        )
    if content.get("pooling_mode", "mean") != "mean":
        raise ModelError(
            f"{path} asks for pooling_mode '{content['pooling_mode']}'; expected 'mean'.",
            next_step=f"Use the published checkpoint, {AUDEERING_REPOSITORY}.",
        )
    return content


def _built(
    content: dict[str, Any], path: Path, n_tensors: int
) -> tuple[SpeechRegressor, list[str]]:
    """Build the network that `config.json` describes, without weights; give its labels, too."""
    try:
        # The model's module breaks when its first import happens under torch.device("meta").
        from transformers import Wav2Vec2Config, Wav2Vec2Model  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ModuleNotFoundError as error:
        raise MissingExtra.of("transformers", "models") from error
    try:
        config: Any = Wav2Vec2Config.from_dict(content)
        labels = [config.id2label[i] for i in range(config.num_labels)]
        if max(config.num_hidden_layers, config.num_adapter_layers) > n_tensors:
            raise ValueError  # building them could take for ever
        with torch.device("meta"):  # the file fills every tensor, so none is drawn at random first
            return SpeechRegressor(config), labels
    except Exception as error:  # of odd values: whatever comes first
        raise ModelError(
            f"{path} describes no network that can be built for these weights "
            f"({type(error).__name__}).",
            next_step=f"Use config.json and weights of one revision of {AUDEERING_REPOSITORY}.",
        ) from error


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
            next_step=f"Use config.json and weights of one revision of {AUDEERING_REPOSITORY}.",
        )
    network.load_state_dict(state, strict=True, assign=True)
