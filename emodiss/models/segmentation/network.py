"""PyanNet, the speaker segmentation network, with the weights that whisperx carries.

Bredin and Laurent (2021), "End-to-end speaker segmentation for overlap-aware resegmentation",
Interspeech: for 5 s of sound it says when each of up to three voices speaks, overlaps included.
Which of its three outputs a voice gets is arbitrary in every window. The published file (MIT
licence) lies inside the whisperx package as `assets/pytorch_model.bin`.

The network is written out here, from pyannote.audio's description of its layers, because importing
pyannote.audio takes seconds; a test holds the two against each other. The file is a training
checkpoint whose pickle names classes of other packages. None of them is imported: their names are
mapped to a class that does nothing, and `weights_only` refuses everything else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from emodiss.models import weight_files
from emodiss.models.segmentation import SEGMENTATION_2021
from emodiss.models.segmentation.speaker_frames import FRAME_S, N_VOICES, SAMPLE_RATE, frame_start
from emodiss.models.torch_weights import fitted

__all__ = [
    "FRAME_S",
    "N_VOICES",
    "SAMPLE_RATE",
    "WINDOW_S",
    "SegmentationNetwork",
    "frame_start",
    "load",
    "renamed_tensors",
    "weights_path",
]

WINDOW_S: Final = 5.0
"""Length of a window, seconds: what the network was trained on."""

_WINDOW: Final = round(WINDOW_S * SAMPLE_RATE)
_FILTER: Final = 251


class SegmentationNetwork(nn.Module):
    """Waveforms (batch, samples) to voice activities (batch, frames, 3) in [0, 1]."""

    def __init__(self, n_classes: int = N_VOICES) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm1d(1, affine=True)
        self.convolutions = nn.ModuleList(
            [
                nn.Conv1d(1, 80, _FILTER, stride=10, bias=False),
                nn.Conv1d(80, 60, 5),
                nn.Conv1d(60, 60, 5),
            ]
        )
        self.norms = nn.ModuleList([nn.InstanceNorm1d(n, affine=True) for n in (80, 60, 60)])
        self.lstm = nn.LSTM(60, 128, num_layers=4, bidirectional=True, batch_first=True)
        self.linear = nn.ModuleList([nn.Linear(256, 128), nn.Linear(128, 128)])
        self.classifier = nn.Linear(128, n_classes)

    def forward(self, waveforms: Tensor) -> Tensor:
        """Return the activity of each voice in each frame."""
        return torch.sigmoid(self.logits(waveforms))

    def logits(self, waveforms: Tensor) -> Tensor:
        """Return what the last layer says, (batch, frames, classes)."""
        x = self.norm(waveforms.unsqueeze(1))
        for number, (convolution, norm) in enumerate(
            zip(self.convolutions, self.norms, strict=True)
        ):
            x = convolution(x)
            if number == 0:
                x = x.abs()
            x = F.leaky_relu(norm(F.max_pool1d(x, 3)))
        x, _ = self.lstm(x.transpose(1, 2))
        for layer in self.linear:
            x = F.leaky_relu(layer(x))
        return self.classifier(x)

    def windows(
        self, signal: NDArray[np.floating], step_s: float, *, batch: int = 32
    ) -> NDArray[np.float32]:
        """Run over a signal in overlapping windows."""
        step = round(step_s * SAMPLE_RATE)
        n_windows = max(1, -(-(len(signal) - _WINDOW) // step) + 1)
        found: list[NDArray[np.float32]] = []
        with torch.inference_mode():
            for first in range(0, n_windows, batch):
                starts = range(first * step, min(first + batch, n_windows) * step, step)
                stack = np.zeros((len(starts), _WINDOW), np.float32)
                for row, start in zip(stack, starts, strict=True):
                    part = signal[start : start + _WINDOW]
                    row[: len(part)] = part
                found.append(self(torch.from_numpy(stack)).numpy())
        return np.concatenate(found)


class _Ignored:
    """Stands in for every class that the checkpoint names beside its tensors; keeps nothing."""

    def __init__(self, *_arguments: object) -> None:
        pass

    def __setstate__(self, _state: object) -> None:
        pass


def weights_path() -> Path:
    """Where whisperx keeps the file, found without importing whisperx."""
    return weight_files.packaged("whisperx", [f"assets/{SEGMENTATION_2021.name}"])[0]


def load(path: Path | None = None) -> SegmentationNetwork:
    """Load the published weights."""
    path = path or weights_path()
    weight_files.verify(path, SEGMENTATION_2021, model="pyannote-segmentation")
    names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    with torch.serialization.safe_globals([(_Ignored, name) for name in names]):
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)

    def read() -> dict[str, Tensor]:
        return renamed_tensors(checkpoint["state_dict"])

    step = "Install whisperx again."
    return fitted(SegmentationNetwork(), read, path, of="the segmentation network", next_step=step)


def renamed_tensors(published: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return published tensors as named here; the first layer's filters are computed once."""
    from asteroid_filterbanks import ParamSincFB

    sinc = "sincnet.conv1d.0.filterbank."
    bank = ParamSincFB(
        80, _FILTER, stride=10, sample_rate=SAMPLE_RATE, min_low_hz=50, min_band_hz=50
    )
    bank.load_state_dict({k.removeprefix(sinc): v for k, v in published.items() if sinc in k})
    renamed = {"convolutions.0.weight": bank.filters().detach()}
    for name, tensor in published.items():
        if sinc in name:
            continue
        for old, new in (
            ("sincnet.wav_norm1d", "norm"),
            ("sincnet.conv1d", "convolutions"),
            ("sincnet.norm1d", "norms"),
        ):
            name = name.replace(old, new)
        renamed[name] = tensor
    return renamed
