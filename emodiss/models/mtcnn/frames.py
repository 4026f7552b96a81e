"""Frames for MTCNN: exact resizing by area of whole pictures and of many crops at once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

_scratch = threading.local()

CHANNELS = 4
"""Red, green, blue and an idle one: blocks of 16 bytes are gathered twice as fast as of 12."""


def _windows(size: int, out: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and one past the last pixel under each of `out` cells over `size` pixels."""
    cell = np.arange(out, dtype=np.int64)
    return cell * size // out, -(-(cell + 1) * size // out)


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """Frames of one size, and their running sums.

    Attributes
    ----------
    sums
        (B, H + 1, W + 1, 4) int32; entry (y, x) is the sum of all pixels above and left of it.
        A sum over any rectangle is then four entries, exact even where int32 wraps around.
    pixels
        (B, 4, H, W) float32 on a GPU, else None.
    """

    sums: torch.Tensor
    pixels: torch.Tensor | None

    @classmethod
    def of(cls, frames: Sequence[NDArray[np.uint8]], device: torch.device) -> Frames:
        """Sum up frames of one size."""
        import torch

        if device.type == "cpu":
            import cv2

            # The table lives in this thread's scratch memory until the next call: fresh memory
            # for each frame costs as much as filling it.
            shape = (len(frames), frames[0].shape[0] + 1, frames[0].shape[1] + 1, CHANNELS)
            table = getattr(_scratch, "table", None)
            if table is None or table.shape != shape:
                table = _scratch.table = np.empty(shape, np.int32)
            for frame, own in zip(frames, table, strict=True):
                filled = cv2.integral(cv2.cvtColor(frame, cv2.COLOR_RGB2RGBA), own)
                if filled is not own:  # OpenCV may hand back memory of its own
                    own[:] = filled
            return cls(torch.from_numpy(table), None)
        x = torch.from_numpy(np.stack(frames)).to(device)
        x = torch.cat([x, torch.full_like(x[..., :1], 255)], -1)
        sums = x.cumsum(1, dtype=torch.int32).cumsum(2, dtype=torch.int32)
        sums = torch.nn.functional.pad(sums, (0, 0, 1, 0, 1, 0))
        return cls(sums, x.permute(0, 3, 1, 2).float())

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.sums.shape[1] - 1, self.sums.shape[2] - 1

    def level(self, out_h: int, out_w: int, top: int, bottom: int) -> torch.Tensor:
        """Rows `top` to `bottom` of the frames resized by area, minus 127.5, (B, 4, h, w)."""
        import torch

        height, width = self.size
        if self.pixels is not None:
            x = torch.nn.functional.interpolate(self.pixels, (out_h, out_w), mode="area")
            return (x[:, :, top:bottom] - 127.5).contiguous(memory_format=torch.channels_last)
        y0, y1 = (edge[top:bottom] for edge in _windows(height, out_h))
        x0, x1 = _windows(width, out_w)
        # The reference divides by the height, then by the width of a window.
        tall = torch.from_numpy((y1 - y0).astype(np.float32))[:, None]
        wide = torch.from_numpy(np.repeat((x1 - x0).astype(np.float32), CHANNELS))
        out = torch.empty((len(self.sums), bottom - top, out_w * CHANNELS))
        shift = torch.tensor(-127.5)
        step = 16  # rows whose sums fit the cache while they are gathered twice
        for image, sums in zip(out, self.sums.numpy(), strict=True):
            for a in range(0, bottom - top, step):
                above, below = y0[a : a + step].tolist(), y1[a : a + step].tolist()
                rows = np.empty((len(above), width + 1, CHANNELS), np.int32)
                for row, y, end in zip(rows, above, below, strict=True):
                    np.subtract(sums[end], sums[y], out=row)
                total = np.take(rows, x1, 1)
                total -= np.take(rows, x0, 1)
                part = image[a : a + step]
                part.copy_(torch.from_numpy(total).view(len(total), -1))
                part.div_(tall[a : a + step])
                torch.addcdiv(shift, part, wide, out=part)
        return out.view(len(out), bottom - top, out_w, CHANNELS).permute(0, 3, 1, 2)

    def crops(self, edges: torch.Tensor, image: torch.Tensor, side: int) -> torch.Tensor:
        """Resize n rectangles by area to (n, 4, side, side), minus 127.5.

        `edges` is (n, 4) int64 x0, y0, x1, y1 inside the frame, at least one pixel each way.
        """
        import torch

        height, width = self.size
        cell = torch.arange(side, device=edges.device)
        x0, y0, x1, y1 = (e[:, None] for e in edges.unbind(1))
        left, right = x0 + cell * (x1 - x0) // side, x0 - (-(cell + 1) * (x1 - x0) // side)
        up, down = y0 + cell * (y1 - y0) // side, y0 - (-(cell + 1) * (y1 - y0) // side)
        first = image[:, None] * (height + 1)
        flat = self.sums.view(-1, CHANNELS)

        def corner(y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
            index = ((first + y) * (width + 1))[:, :, None] + x[:, None, :]
            if flat.device.type == "cpu":  # numpy copies small blocks faster than torch
                return torch.from_numpy(np.take(flat.numpy(), index.numpy(), 0))
            return flat[index]

        total = corner(down, right)
        total -= corner(up, right)
        total -= corner(down, left)
        total += corner(up, left)
        mean = total.float()
        mean /= (down - up).float()[:, :, None, None]
        mean /= (right - left).float()[:, None, :, None]
        mean -= 127.5
        return mean.permute(0, 3, 1, 2)


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """One frame for each rectangle that is cut out, as `Frames` but summed up only where cut.

    Attributes
    ----------
    margin
        Pixels around each frame, which repeat its border; coordinates count from their corner.
        Without them a crop would end at the border and be squeezed into a square, and a face that
        is followed there would grow from look to look.
    """

    frames: Sequence[NDArray[np.uint8]]
    device: torch.device
    margin: int
    pixels: None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels, margins included."""
        height, width = self.frames[0].shape[:2]
        return height + 2 * self.margin, width + 2 * self.margin

    def crops(self, edges: torch.Tensor, image: torch.Tensor, side: int) -> torch.Tensor:
        """Resize rectangles by area as `Frames.crops` does."""
        import cv2
        import torch

        out = np.empty((len(edges), side, side, CHANNELS), np.float32)
        inner = (edges - self.margin).tolist()
        for own, number, (x0, y0, x1, y1) in zip(out, image.tolist(), inner, strict=True):
            frame = self.frames[number]
            height, width = frame.shape[:2]
            if x0 >= 0 and y0 >= 0 and x1 <= width and y1 <= height:
                part = frame[y0:y1, x0:x1]
            else:
                part = frame[np.clip(np.arange(y0, y1), 0, height - 1)]
                part = part[:, np.clip(np.arange(x0, x1), 0, width - 1)]
            part = cv2.cvtColor(part, cv2.COLOR_RGB2RGBA)
            sums = cv2.integral(part)
            (up, down), (left, right) = _windows(y1 - y0, side), _windows(x1 - x0, side)
            rows = np.take(sums, down, 0) - np.take(sums, up, 0)
            own[:] = np.take(rows, right, 1) - np.take(rows, left, 1)
            own /= (down - up).astype(np.float32)[:, None, None]
            own /= (right - left).astype(np.float32)[:, None]
        out -= 127.5
        return torch.from_numpy(out).permute(0, 3, 1, 2).to(self.device)
