"""EmoNet's network, written from a description of its layers (Toisoul et al. 2021).

The published weight files fit it tensor by tensor; no upstream code is used. What upstream calls
InstanceNorm is BatchNorm throughout: its module replaces the one by the other for the whole
process, which this one does not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIDE: Final = 256
"""Height and width of the input, pixels."""
N_LANDMARKS: Final = 68
CLASS_COUNTS: Final = (8, 5)
"""How many expression classes the published files have."""


class _Block(nn.Module):
    """Three 3x3 convolutions whose outputs are concatenated, plus a residual."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        half, quarter = n_out // 2, n_out // 4
        self.bn1 = nn.BatchNorm2d(n_in)
        self.conv1 = nn.Conv2d(n_in, half, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(half)
        self.conv2 = nn.Conv2d(half, quarter, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(quarter)
        self.conv3 = nn.Conv2d(quarter, quarter, 3, padding=1, bias=False)
        self.downsample = (
            nn.Sequential(
                nn.BatchNorm2d(n_in), nn.ReLU(), nn.Conv2d(n_in, n_out, kernel_size=1, bias=False)
            )
            if n_in != n_out
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        first = self.conv1(F.relu(self.bn1(x)))
        second = self.conv2(F.relu(self.bn2(first)))
        third = self.conv3(F.relu(self.bn3(second)))
        residual = x if self.downsample is None else self.downsample(x)
        return torch.cat((first, second, third), dim=1) + residual


class _Hourglass(nn.Module):
    """Encoder and decoder of one stack; level 4 is the outermost."""

    def __init__(self, depth: int, channels: int) -> None:
        super().__init__()
        self.depth = depth
        for level in range(depth, 0, -1):
            self.add_module(f"b1_{level}", _Block(channels, channels))
            self.add_module(f"b2_{level}", _Block(channels, channels))
        self.b2_plus_1 = _Block(channels, channels)
        for level in range(1, depth + 1):
            self.add_module(f"b3_{level}", _Block(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return self._at(self.depth, x)

    def _at(self, level: int, x: Tensor) -> Tensor:
        kept = self.get_submodule(f"b1_{level}")(x)
        low = self.get_submodule(f"b2_{level}")(F.max_pool2d(x, 2))
        inner = self._at(level - 1, low) if level > 1 else self.b2_plus_1(low)
        up = F.interpolate(self.get_submodule(f"b3_{level}")(inner), scale_factor=2, mode="nearest")
        return kept + up


class EmoNet(nn.Module):
    """The network, with the published tensor names; in evaluation mode once built.

    A landmark network of two hourglasses finds 68 heatmaps; its features, weighted by the summed
    heatmaps, feed a small convolutional head.

    Parameters
    ----------
    n_classes
        8 or 5 expression classes.

    Raises
    ------
    ValueError
        If it is another number.

    Notes
    -----
    682 tensors; 13,963,410 parameters with 8 classes, 13,963,023 with 5; 33.9 GFLOP per face.
    """

    def __init__(self, n_classes: int = 8) -> None:
        super().__init__()
        if n_classes not in CLASS_COUNTS:
            raise ValueError(f"EmoNet has 8 or 5 classes, got {n_classes}.")
        self.n_classes = n_classes
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = _Block(64, 128)
        self.conv3 = _Block(128, 128)
        self.conv4 = _Block(128, 256)
        for stack in (0, 1):
            self.add_module(f"m{stack}", _Hourglass(4, 256))
            self.add_module(f"top_m_{stack}", _Block(256, 256))
            self.add_module(f"conv_last{stack}", nn.Conv2d(256, 256, kernel_size=1))
            self.add_module(f"bn_end{stack}", nn.BatchNorm2d(256))
            self.add_module(f"l{stack}", nn.Conv2d(256, N_LANDMARKS, kernel_size=1))
        self.bl0 = nn.Conv2d(256, 256, kernel_size=1)
        self.al0 = nn.Conv2d(N_LANDMARKS, 256, kernel_size=1)
        self.conv1x1_input_emo_2 = nn.Conv2d(768, 256, kernel_size=1)
        self.emo_net_2 = nn.Sequential(
            *(layer for _ in range(4) for layer in (_Block(256, 256), nn.MaxPool2d(2)))
        )
        self.emo_fc_2 = nn.Sequential(
            nn.Linear(256, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Linear(128, n_classes + 2)
        )
        # emodiss never trains this network; with batch statistics a single face would be nonsense.
        self.eval()

    def _stack(self, index: int, x: Tensor) -> tuple[Tensor, Tensor]:
        """Run one hourglass; returns features (n, 256, 64, 64), heatmaps (n, 68, 64, 64)."""
        part: Callable[[str], nn.Module] = self.get_submodule
        x = part(f"top_m_{index}")(part(f"m{index}")(x))
        features = F.relu(part(f"bn_end{index}")(part(f"conv_last{index}")(x)))
        return features, part(f"l{index}")(features)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Measure n faces."""
        if image.ndim != 4 or tuple(image.shape[1:]) != (3, SIDE, SIDE):
            raise ValueError(
                f"EmoNet takes (n, 3, {SIDE}, {SIDE}), got {tuple(image.shape)}; resize first."
            )
        x = F.relu(self.bn1(self.conv1(image)))
        x = self.conv3(F.max_pool2d(self.conv2(x), 2))
        stem = self.conv4(x)
        features, heatmap = self._stack(0, stem)
        first = self.bl0(features)  # the kept feature of this stack is the one after bl0
        second, heatmap = self._stack(1, stem + first + self.al0(heatmap))
        mask = heatmap.sum(dim=1, keepdim=True)
        x = torch.cat((stem, torch.cat((first, second), dim=1) * mask), dim=1)
        x = self.emo_net_2(self.conv1x1_input_emo_2(x))
        out = self.emo_fc_2(F.avg_pool2d(x, 4).flatten(1))
        return {
            "expression": out[:, :-2],
            "valence": out[:, -2],
            "arousal": out[:, -1],
            "heatmap": heatmap,
        }
