"""LR-ASD, a network that says whether a face talks and speech is heard, written from its layers.

Liao, Duan, Feng, Zhao, Yang, Chen and Chen, "LR-ASD: Lightweight and Robust Network for Active
Speaker Detection" (IJCV 2025). 0.84 million parameters. Two encoders of three blocks each, one for
25 grey faces a second and one for 100 rows of MFCC; both are gated together, go through one GRU in
each direction and are gated again. Names of layers are those of the published weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from emodiss.errors import ModelError

SIDE = 112
"""Pixels of a face picture."""
ROWS = 4
"""Rows of sound features per picture."""

# What the faces' grey values are normalised by, out of 255.
_MEAN, _SPREAD = 0.4161, 0.1688
_EPS = 1e-3
# Heads that were needed for training alone.
_TRAINING_ONLY = ("lossV.",)


class _Block(nn.Module):
    """Two convolutions across a picture or a row, then two along time, each normalised."""

    def __init__(self, first: str, into: int, out: int, *, picture: bool, stride: int = 1) -> None:
        super().__init__()
        convolution: Any = nn.Conv3d if picture else nn.Conv2d
        norm: Any = nn.BatchNorm3d if picture else nn.BatchNorm2d
        self._steps: list[tuple[str, str]] = []
        for axis in (first, "t"):
            for number, width in ((1, 5), (2, 3)):
                a = into if axis == first and number == 1 else out
                b = out // 2 if axis == first and number == 1 else out
                a = out // 2 if axis == first and number == 2 else a
                half = width // 2
                if picture:
                    kernel = (1, width, width) if axis == first else (width, 1, 1)
                    padding = (0, half, half) if axis == first else (half, 0, 0)
                    steps: Any = (1, stride, stride) if (axis, number) == (first, 1) else 1
                else:
                    kernel = (width, 1) if axis == first else (1, width)
                    padding = (half, 0) if axis == first else (0, half)
                    steps = 1
                names = (f"{axis}_{number}", f"{axis}_norm_{number}")
                self.add_module(
                    names[0], convolution(a, b, kernel, stride=steps, padding=padding, bias=False)
                )
                self.add_module(names[1], norm(b, eps=_EPS))
                self._steps.append(names)

    def forward(self, x: Tensor) -> Tensor:
        for convolution, norm in self._steps:
            x = torch.relu(getattr(self, norm)(getattr(self, convolution)(x)))
        return x


class _Encoder(nn.Module):
    """Three blocks with a pooling between; channels 32, 64, 128."""

    def __init__(self, *, picture: bool) -> None:
        super().__init__()
        first = "s" if picture else "m"
        self.block1 = _Block(first, 1, 32, picture=picture, stride=2)
        self.block2 = _Block(first, 32, 64, picture=picture)
        self.block3 = _Block(first, 64, 128, picture=picture)
        if picture:
            self._pool: nn.Module = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))
        else:
            # Along time. The authors' MaxPool3d over four dimensions computes the same, and
            # cannot be exported.
            self._pool = nn.MaxPool2d((1, 3), (1, 2), (0, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.block3(self._pool(self.block2(self._pool(self.block1(x)))))


class _Gate(nn.Module):
    """Weighs each channel of two series, put together, at each time."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention = nn.Conv1d(channels, channels, 1, bias=False)
        self.bn = nn.BatchNorm1d(channels, eps=_EPS)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        x = torch.cat((a, b), dim=2).transpose(1, 2)
        return (x * torch.sigmoid(self.bn(self.attention(x)))).transpose(1, 2)


class _Detector(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru_forward = nn.GRU(256, 64, batch_first=True)
        self.gru_backward = nn.GRU(256, 64, batch_first=True)
        self.attention = _Gate(128)

    def forward(self, x: Tensor) -> Tensor:
        forth, _ = self.gru_forward(x)
        back, _ = self.gru_backward(torch.flip(x, dims=[1]))
        return self.attention(forth, torch.flip(back, dims=[1]))


class LrAsdNetwork(nn.Module):
    """The network from pictures and sound features to one score per picture.

    `forward` takes (1, 4 t, 13) float32 MFCC and (1, t, 112, 112) float32 grey values in [0, 255],
    and returns (t,) the difference of both logits: above 0 the face talks.
    """

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Module()
        self.model.visualEncoder = _Encoder(picture=True)
        self.model.audioEncoder = _Encoder(picture=False)
        self.model.fusion = _Gate(256)
        self.model.detector = _Detector()
        self.lossAV = nn.Module()
        self.lossAV.FC = nn.Linear(128, 2)

    def forward(self, sound: Tensor, faces: Tensor) -> Tensor:
        """Score each picture."""
        model = cast("Any", self.model)
        heard = model.audioEncoder(sound.unsqueeze(1).transpose(2, 3)).mean(dim=2).transpose(1, 2)
        seen = model.visualEncoder((faces.unsqueeze(1) / 255 - _MEAN) / _SPREAD)
        seen = seen.amax(dim=(3, 4)).transpose(1, 2)
        logits = cast("Any", self.lossAV).FC(model.detector(model.fusion(heard, seen)))[0]
        return logits[:, 1] - logits[:, 0]


def load(path: Path) -> LrAsdNetwork:
    """Read the published weights."""
    network = LrAsdNetwork()
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        kept = {k: v for k, v in found.items() if not k.startswith(_TRAINING_ONLY)}
        network.load_state_dict(kept)
    except (RuntimeError, AttributeError, OSError, ValueError) as error:
        raise ModelError(
            f"{path.name} does not hold the layers of LR-ASD.",
            next_step="Fetch it again: emodiss models pull lr-asd.",
        ) from error
    return network.eval()
