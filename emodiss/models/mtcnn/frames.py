"""Frames for MTCNN: exact resizing by area of whole pictures and of many crops at once.

`level` and `crops` give (n, height, width, 4) float32, colour levels minus 127.5: arrays of numpy
on a CPU, whatever runs the networks there, and tensors on a GPU.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

_scratch = threading.local()

CHANNELS = 4
"""Red, green, blue and an idle one: blocks of 16 bytes are gathered twice as fast as of 12."""

# Pixels whose sums, 16 bytes each, stay in a core's cache; no effect on results.
_CACHED = 1 << 14


class Region(NamedTuple):
    """A rectangle of pixels, half-open."""

    top: int
    bottom: int
    left: int
    right: int

    def union(self, other: Region) -> Region:
        """Return the least rectangle that holds both."""
        return Region(
            min(self.top, other.top),
            max(self.bottom, other.bottom),
            min(self.left, other.left),
            max(self.right, other.right),
        )


@lru_cache(maxsize=128)
def _windows(size: int, out: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and one past the last pixel under each of `out` cells over `size` pixels."""
    cell = np.arange(out, dtype=np.int64)
    first, end = cell * size // out, -(-(cell + 1) * size // out)
    first.flags.writeable = end.flags.writeable = False
    return first, end


def _sums(
    edges: Any, image: Any, cell: Any, size: tuple[int, int], gather: Callable[[Any], Any]
) -> tuple[Any, Any, Any]:
    """Sum the pixels under each cell of n rectangles; also heights (n, k) and widths of the cells.

    `gather` takes rows out of the table of running sums.
    """
    x0, y0, x1, y1 = (edges[:, k : k + 1] for k in range(4))
    left, right = x0 + cell * (x1 - x0) // len(cell), x0 - (-(cell + 1) * (x1 - x0) // len(cell))
    up, down = y0 + cell * (y1 - y0) // len(cell), y0 - (-(cell + 1) * (y1 - y0) // len(cell))
    first = image[:, None] * (size[0] + 1)

    def corner(y: Any, x: Any) -> Any:
        return gather(((first + y) * (size[1] + 1))[:, :, None] + x[:, None, :])

    total = corner(down, right)
    total -= corner(up, right)
    total -= corner(down, left)
    total += corner(up, left)
    return total, down - up, right - left


@dataclass(slots=True, eq=False)
class Frames:
    """Frames of one size, and the running sums of what is looked at of them.

    Attributes
    ----------
    pictures
        (H, W, 3) uint8 each.
    sums
        (B, h + 1, w + 1, 4) int32; entry (y, x) is the sum of all pixels above and left of it in
        the region. A sum over any rectangle is then four entries, exact even where int32 wraps
        around.
    region
        What is summed up. All of the frames, as soon as anything outside it is asked for.
    """

    pictures: Sequence[NDArray[np.uint8]]
    sums: NDArray[np.int32]
    region: Region

    @classmethod
    def of(cls, frames: Sequence[NDArray[np.uint8]], region: Region | None = None) -> Frames:
        """Sum up frames of one size, or a region of them."""
        region = region or Region(0, frames[0].shape[0], 0, frames[0].shape[1])
        return cls(frames, _summed(frames, region), region)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.pictures[0].shape[:2]
        return height, width

    def level(self, shape: tuple[int, int], rows: slice, columns: slice) -> NDArray[np.float32]:
        """Rows and columns of the frames resized by area to a shape."""
        height, width = self.size
        y0, y1 = (edge[rows] for edge in _windows(height, shape[0]))
        x0, x1 = (edge[columns] for edge in _windows(width, shape[1]))
        # The reference divides by the height, then by the width of a window.
        tall = (y1 - y0).astype(np.float32)[:, None]
        wide = np.repeat((x1 - x0).astype(np.float32), CHANNELS)
        self._reach(Region(int(y0[0]), int(y1[-1]), int(x0[0]), int(x1[-1])))
        first, last = int(x0[0]), int(x1[-1])
        x0, x1 = x0 - first, x1 - first
        y0, y1 = y0 - self.region.top, y1 - self.region.top
        seen = slice(first - self.region.left, last + 1 - self.region.left)
        out = np.empty((len(self.sums), len(y0), len(x0) * CHANNELS), np.float32)
        # Rows whose sums fit the cache while they are gathered twice.
        step = max(16, _CACHED // (last - first))
        for image, sums in zip(out, self.sums[:, :, seen], strict=True):
            for a in range(0, len(y0), step):
                bands = sums[y1[a : a + step]]
                bands -= sums[y0[a : a + step]]
                total = np.take(bands, x1, 1)
                total -= np.take(bands, x0, 1)
                part = image[a : a + step]
                part[:] = total.reshape(part.shape)
                part /= tall[a : a + step]
                part /= wide
                part -= 127.5
        return out.reshape(len(out), len(y0), len(x0), CHANNELS)

    def crops(self, edges: Any, image: Any, side: int) -> NDArray[np.float32]:
        """Resize n rectangles by area to squares.

        `edges` is (n, 4) int64 x0, y0, x1, y1 inside the frame, at least one pixel each way.
        """
        edges = np.asarray(edges)
        (left, top), (right, bottom) = edges[:, :2].min(0).tolist(), edges[:, 2:].max(0).tolist()
        self._reach(Region(top, bottom, left, right))
        flat = self.sums.reshape(-1, CHANNELS)
        total, tall, wide = _sums(
            edges - np.tile((self.region.left, self.region.top), 2),
            np.asarray(image),
            np.arange(side),
            (self.sums.shape[1] - 1, self.sums.shape[2] - 1),
            lambda index: np.take(flat, index, 0),
        )
        mean = total.astype(np.float32)
        mean /= tall.astype(np.float32)[:, :, None, None]
        mean /= wide.astype(np.float32)[:, None, :, None]
        mean -= 127.5
        return mean

    def _reach(self, asked: Region) -> None:
        """Sum up all there is if the region does not hold what is asked for."""
        if self.region.union(asked) != self.region:
            self.region = Region(0, self.size[0], 0, self.size[1])
            self.sums = _summed(self.pictures, self.region)


def _summed(frames: Sequence[NDArray[np.uint8]], region: Region) -> NDArray[np.int32]:
    """Sum up a region, in this thread's scratch memory until the next call.

    Fresh memory for each frame costs as much as filling it.
    """
    import cv2

    top, bottom, left, right = region
    shape = (len(frames), bottom - top + 1, right - left + 1, CHANNELS)
    scratch = getattr(_scratch, "table", None)
    if scratch is None or len(scratch) < math.prod(shape):
        scratch = _scratch.table = np.empty(math.prod(shape), np.int32)
    table = scratch[: math.prod(shape)].reshape(shape)
    for frame, own in zip(frames, table, strict=True):
        seen = cv2.cvtColor(frame[top:bottom, left:right], cv2.COLOR_RGB2RGBA)
        filled = cv2.integral(seen, own)
        if filled is not own:  # OpenCV may hand back memory of its own
            own[:] = filled
    return table


@dataclass(frozen=True, slots=True, eq=False)
class DeviceFrames:
    """The same on a GPU; `pixels` is (B, 4, H, W) float32."""

    sums: torch.Tensor
    pixels: torch.Tensor

    @classmethod
    def of(cls, frames: Sequence[NDArray[np.uint8]], device: torch.device) -> DeviceFrames:
        """Sum up frames of one size."""
        import torch

        x = torch.from_numpy(np.stack(frames)).to(device)
        x = torch.cat([x, torch.full_like(x[..., :1], 255)], -1)
        sums = x.cumsum(1, dtype=torch.int32).cumsum(2, dtype=torch.int32)
        sums = torch.nn.functional.pad(sums, (0, 0, 1, 0, 1, 0))
        return cls(sums, x.permute(0, 3, 1, 2).float())

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.sums.shape[1] - 1, self.sums.shape[2] - 1

    def level(self, shape: tuple[int, int], rows: slice, columns: slice) -> torch.Tensor:
        """Rows and columns of the frames resized by area to a shape."""
        import torch

        x = torch.nn.functional.interpolate(self.pixels, shape, mode="area")
        x = x[:, :, rows, columns] - 127.5
        return x.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1)

    def crops(self, edges: torch.Tensor, image: torch.Tensor, side: int) -> torch.Tensor:
        """Resize rectangles by area as `Frames.crops` does."""
        import torch

        cell, flat = torch.arange(side, device=edges.device), self.sums.view(-1, CHANNELS)
        total, tall, wide = _sums(edges, image, cell, self.size, lambda index: flat[index])
        mean = total.float()
        mean /= tall.float()[:, :, None, None]
        mean /= wide.float()[:, None, :, None]
        mean -= 127.5
        return mean
