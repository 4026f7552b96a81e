"""The three networks of MTCNN as torch writes them to ONNX files; imported for that alone.

They take (n, height, width, 4) and give what those of `networks` give, up to rounding. ONNX Runtime
is slow at PReLU, so it is taken apart: where no slope is above 1, it is the larger of x and of
slope times x. In front of a pooling, one convolution gives both, and the larger of the two is taken
of what is left after it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emodiss.models.mtcnn.networks import Layer, MtcnnNets

_BLOCK = 16
"""Channels that ONNX Runtime keeps together; fewer are filled up with idle ones."""


class _First(nn.Module):
    """A convolution of colours, PReLU, and pooling with stride 2; idle channels are 0."""

    def __init__(self, layer: Layer, pool: int) -> None:
        super().__init__()
        idle = -len(layer.bias) % _BLOCK
        weight = F.pad(layer.weight[:, :3], (0, 0, 0, 0, 0, 0, 0, idle))
        bias, slope = (F.pad(x, (0, idle)) for x in (layer.bias, layer.slope))
        # A slope above 1 is left to a PReLU of its own; what is pooled there only grows with x.
        scale = torch.where(slope > 1, 1, slope)
        self.n = len(bias)
        self.conv = _conv(
            torch.cat([weight, weight * scale[:, None, None, None]]),
            torch.cat([bias, bias * scale]),
        )
        self.pool = nn.MaxPool2d(pool, 2, ceil_mode=True)
        self.steep = _prelu(torch.where(slope > 1, slope, 1)) if (slope > 1).any() else None

    def forward(self, x: Tensor) -> Tensor:
        one, other = self.pool(self.conv(x.permute(0, 3, 1, 2)[:, :3])).split(self.n, 1)
        larger = torch.maximum(one, other)
        return larger if self.steep is None else self.steep(larger)


class _Larger(nn.Module):
    """PReLU whose slopes are all 1 or less."""

    def __init__(self, slope: Tensor) -> None:
        super().__init__()
        self.slope = nn.Parameter(slope[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        return torch.maximum(x, x * self.slope)


class Network(nn.Module):
    """One of the three: convolutions, then dense layers over the whole of what is left.

    Parameters
    ----------
    convs
        Convolutions, each followed by its PReLU.
    pools
        After each, the side of the windows that are pooled with stride 2, or 0.
    dense
        A layer over all that is left, with its PReLU; None where the head is slid over it.
    head
        Weights and bias of the numbers that are given out.
    """

    def __init__(
        self,
        convs: tuple[Layer, ...],
        pools: tuple[int, ...],
        dense: Layer | None,
        head: tuple[Tensor, Tensor],
    ) -> None:
        super().__init__()
        parts: list[nn.Module] = [_First(convs[0], pools[0])]
        for layer, pool in zip(convs[1:], pools[1:], strict=True):
            idle = (-layer.weight.shape[1] % _BLOCK) if len(parts) == 1 else 0
            weight = F.pad(layer.weight, (0, 0, 0, 0, 0, idle))
            steep = bool((layer.slope > 1).any())
            parts += [_conv(weight, layer.bias)]
            parts += [_prelu(layer.slope) if steep else _Larger(layer.slope)]
            parts += [nn.MaxPool2d(pool, 2, ceil_mode=True)] if pool else []
        self.convs = nn.Sequential(*parts)
        self.dense = None
        if dense is not None:
            self.dense = nn.Sequential(_linear(dense.weight, dense.bias), _prelu(dense.slope))
        self.head = _linear(*head) if dense else _conv(head[0][:, :, None, None], head[1])

    def forward(self, x: Tensor) -> Tensor:
        """Give the numbers of the head, the last of the axes."""
        x = self.convs(x)
        if self.dense is None:
            return self.head(x).permute(0, 2, 3, 1)
        return self.head(self.dense(x.permute(0, 2, 3, 1).flatten(1)))


def build(name: str) -> nn.Module:
    """Make `pnet`, `rnet` or `onet` with the weights inside facenet-pytorch."""
    nets = MtcnnNets.load("cpu")
    p, r, o = nets.heads
    made = {
        "pnet": lambda: Network(nets.pnet, (2, 0, 0), None, p),
        "rnet": lambda: Network(nets.rnet[:-1], (3, 3, 0), nets.rnet[-1], r),
        "onet": lambda: Network(nets.onet[:-1], (3, 3, 2, 0), nets.onet[-1], o),
    }
    return made[name]().eval()


def _conv(weight: Tensor, bias: Tensor) -> nn.Conv2d:
    out, inside, height, width = weight.shape
    conv = nn.Conv2d(inside, out, (height, width))
    assert conv.bias is not None
    conv.weight.data, conv.bias.data = weight.contiguous(), bias
    return conv


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    linear = nn.Linear(weight.shape[1], weight.shape[0])
    linear.weight.data, linear.bias.data = weight, bias
    return linear


def _prelu(slope: Tensor) -> nn.PReLU:
    prelu = nn.PReLU(len(slope))
    prelu.weight.data = slope
    return prelu
