"""The three networks of MTCNN as plain layers, and the weights they come from.

The architecture is that of the weight files inside the `facenet-pytorch` package (MIT), written
for pictures whose channels lie side by side in memory.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emodiss.models.mtcnn import WEIGHTS as MTCNN
from emodiss.models.mtcnn.frames import CHANNELS, DeviceFrames, Frames, Region
from emodiss.models.torch_threads import torch_threads, without_tf32
from emodiss.models.weight_files import packaged, packaged_digest

if TYPE_CHECKING:
    import torch


def weights_identity() -> str:
    """Version of facenet-pytorch and the first 12 hex digits of the SHA-256 of its weights."""
    digest = packaged_digest("facenet_pytorch", MTCNN)
    return f"facenet-pytorch-{importlib.metadata.version('facenet-pytorch')}-{digest}"


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A convolution or dense layer and the slopes of the PReLU that follows it.

    `slope_rows` keeps the slopes repeated for rows of a width met before.
    """

    weight: torch.Tensor
    bias: torch.Tensor
    slope: torch.Tensor
    slope_rows: dict[int, torch.Tensor] = field(default_factory=dict[int, "torch.Tensor"])

    def conv(self, x: torch.Tensor) -> torch.Tensor:
        """Convolve (n, c, h, w), then PReLU."""
        import torch.nn.functional as F

        y = F.conv2d(x, self.weight, self.bias)
        n, c, h, w = y.shape
        # PReLU over rows of (w * c) instead of pixels of (c): the same numbers, but the inner
        # loop is long enough to vectorise when pixels are stored channel by channel.
        rows = y.permute(0, 2, 3, 1).reshape(n * h, w * c)
        return F.prelu(rows, self._slope_row(w)).view(n, h, w, c).permute(0, 3, 1, 2)

    def _slope_row(self, width: int) -> torch.Tensor:
        if width not in self.slope_rows:
            if len(self.slope_rows) > 100:  # frames of many sizes
                self.slope_rows.clear()
            self.slope_rows[width] = self.slope.repeat(width)
        return self.slope_rows[width]

    def dense(self, x: torch.Tensor) -> torch.Tensor:
        """Multiply (n, c), then PReLU."""
        import torch.nn.functional as F

        return F.prelu(F.linear(x, self.weight, self.bias), self.slope)


@dataclass(frozen=True, slots=True, eq=False)
class MtcnnNets:
    """The three networks as layers; arrays are tensors, the input a colour level minus 127.5."""

    device: torch.device
    pnet: tuple[Layer, ...]
    rnet: tuple[Layer, ...]
    onet: tuple[Layer, ...]
    heads: tuple[tuple[torch.Tensor, torch.Tensor], ...]

    @classmethod
    def load(cls, device: str) -> MtcnnNets:
        """Read the three files; nothing in them is executed."""
        import torch

        states = [
            torch.load(path, map_location="cpu", weights_only=True)
            for path in packaged("facenet_pytorch", MTCNN)
        ]

        def layer(state: dict[str, Any], name: str, slope: str, first: bool = False) -> Layer:
            weight = state[f"{name}.weight"].float()
            if first:
                # The reference multiplies its input by 1/128, a power of two: moving it into
                # the weights changes no bit and saves a pass over the picture.
                weight = weight * 0.0078125
                idle = CHANNELS - weight.shape[1]
                weight = torch.nn.functional.pad(weight, (0, 0, 0, 0, 0, idle))
            if weight.dim() == 4:
                weight = weight.contiguous(memory_format=torch.channels_last)
            bias, slopes = state[f"{name}.bias"].float(), state[f"{slope}.weight"].float()
            return Layer(weight.to(device), bias.to(device), slopes.to(device))

        def flat(state: dict[str, Any], name: str, slope: str, side: int) -> Layer:
            # The reference flattens as (x, y, channel), channels-last memory is (y, x, channel).
            plain = layer(state, name, slope)
            n = len(plain.weight)
            weight = plain.weight.view(n, side, side, -1).transpose(1, 2).reshape(n, -1)
            return Layer(weight, plain.bias, plain.slope)

        def head(state: dict[str, Any], *names: str) -> tuple[torch.Tensor, torch.Tensor]:
            weight = torch.cat([state[f"{n}.weight"].float().flatten(1) for n in names])
            bias = torch.cat([state[f"{n}.bias"].float() for n in names])
            return weight.to(device), bias.to(device)

        p, r, o = states
        return cls(
            device=torch.device(device),
            pnet=tuple(layer(p, f"conv{i}", f"prelu{i}", i == 1) for i in (1, 2, 3)),
            rnet=(
                *(layer(r, f"conv{i}", f"prelu{i}", i == 1) for i in (1, 2, 3)),
                flat(r, "dense4", "prelu4", 3),
            ),
            onet=(
                *(layer(o, f"conv{i}", f"prelu{i}", i == 1) for i in (1, 2, 3, 4)),
                flat(o, "dense5", "prelu5", 3),
            ),
            heads=(
                head(p, "conv4_1", "conv4_2"),
                head(r, "dense5_1", "dense5_2"),
                head(o, "dense6_1", "dense6_2", "dense6_3"),
            ),
        )

    @property
    def xp(self) -> ModuleType:
        """Where the functions of arrays are."""
        import torch

        return torch

    # Sizes that keep the working set of one step inside a core's cache; no effect on results.
    @property
    def strip_rows(self) -> int | None:
        """Rows of a level that are looked at together; None for all."""
        return 192 if self.device.type == "cpu" else None

    @property
    def crops_at_once(self) -> int:
        """Crops that are looked at together."""
        return 192 if self.device.type == "cpu" else 8192

    def frames(self, frames: Sequence[NDArray[np.uint8]], region: Region) -> Frames | DeviceFrames:
        """Sum up frames of one size; on a GPU all of them."""
        if self.device.type == "cpu":
            return Frames.of(frames, region)
        return DeviceFrames.of(frames, self.device)

    def put(self, array: NDArray[np.generic]) -> torch.Tensor:
        """Hand an array over."""
        import torch

        return torch.as_tensor(array, device=self.device)

    def host(self, array: torch.Tensor) -> NDArray[np.float32]:
        """Take a tensor back."""
        return array.cpu().numpy()

    @contextmanager
    def running(self) -> Generator[None]:
        """Keep torch to one core, on which splitting these small steps costs more than it gains."""
        with torch_threads(1), without_tf32():
            yield

    def propose(self, x: torch.Tensor) -> torch.Tensor:
        """(B, H, W, 4) to (B, h, w, 6): two logits and four offsets per cell."""
        import torch.nn.functional as F

        x = _pool(self.pnet[0].conv(self._channels_first(x)), 2)
        x = self.pnet[2].conv(self.pnet[1].conv(x))
        return F.linear(x.permute(0, 2, 3, 1), *self.heads[0])

    def refine(self, x: torch.Tensor) -> torch.Tensor:
        """(n, 24, 24, 4) to (n, 6): two logits and four offsets."""
        import torch.nn.functional as F

        x = self._channels_first(x)
        for conv in self.rnet[:2]:
            x = _pool(conv.conv(x), 3)
        x = self.rnet[2].conv(x)
        return F.linear(self.rnet[3].dense(x.permute(0, 2, 3, 1).flatten(1)), *self.heads[1])

    def output(self, x: torch.Tensor) -> torch.Tensor:
        """(n, 48, 48, 4) to (n, 16): two logits, four offsets, five x, five y."""
        import torch.nn.functional as F

        x = self._channels_first(x)
        for conv, size in zip(self.onet[:3], (3, 3, 2), strict=True):
            x = _pool(conv.conv(x), size)
        x = self.onet[3].conv(x)
        return F.linear(self.onet[4].dense(x.permute(0, 2, 3, 1).flatten(1)), *self.heads[2])

    def _channels_first(self, x: Any) -> torch.Tensor:
        return self.put(x).permute(0, 3, 1, 2)


def _pool(x: torch.Tensor, size: int) -> torch.Tensor:
    """Max pooling with stride 2 that keeps a window cut off by the border (ceil mode)."""
    import torch

    for dim in (2, 3):
        n = x.shape[dim]
        out = -(-(n - size) // 2) + 1
        best = x.narrow(dim, 0, min(n, 2 * out - 1))
        best = best[:, :, ::2] if dim == 2 else best[:, :, :, ::2]
        fresh = False
        for offset in range(1, size):
            part = x.narrow(dim, offset, n - offset)
            part = part[:, :, ::2] if dim == 2 else part[:, :, :, ::2]
            count = min(part.shape[dim], out)
            part = part.narrow(dim, 0, count)
            if not fresh and count == out:
                best = torch.maximum(best, part)
            else:
                best = best if fresh else best.clone()
                seen = best.narrow(dim, 0, count)
                torch.maximum(seen, part, out=seen)
            fresh = True
        x = best
    return x
