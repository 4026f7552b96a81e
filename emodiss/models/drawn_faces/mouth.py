"""A mouth in a still picture that opens, smiles and turns down."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Picture = NDArray[np.uint8]


def ease(x: Array | float) -> Array:
    """Go from 0 to 1 while x does, with no kink at either end."""
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3 - 2 * x)


class Mouth:
    """Opens and smiles: warps the lower face of a still and draws the inside of the mouth.

    All in pixels of the still, (h, w, 3) BGR: `lips` (n, 2) are points on the line along which the
    mouth opens, from corner to corner; `chin` is the y of its lower edge. No `teeth` where the
    closed mouth shows them.
    """

    def __init__(self, still: Picture, lips: Array, chin: float, *, teeth: bool) -> None:
        self.still = still
        self.canvas = still.copy()
        self.teeth = teeth
        self.drawn: dict[tuple[float, float], Picture] = {}
        self.half = (lips[-1, 0] - lips[0, 0]) / 2
        self.depth = 1.7 * (chin - lips[:, 1].mean())
        left, right = lips[0, 0] - self.half, lips[-1, 0] + self.half
        top, bottom = lips[:, 1].mean() - 2.2 * self.half, lips[:, 1].max() + self.depth + 8
        self.x1, self.y1, self.x2, self.y2 = (round(v) for v in (left, top, right, bottom))
        self.lips = lips - [self.x1, self.y1]

    def draw(self, opening: float, smile: float) -> Picture:
        """Return the still with its mouth opened and its smile on, both from 0 to 1.

        A smile below 0, down to -1, pulls the corners down.

        The picture returned is drawn over by the next call.
        """
        if (opening, smile) not in self.drawn:
            self.drawn[opening, smile] = self._patch(opening, smile)
        self.canvas[self.y1 : self.y2, self.x1 : self.x2] = self.drawn[opening, smile]
        return self.canvas

    @cached_property
    def _grid(self) -> tuple[Array, Array]:
        y, x = np.mgrid[0 : self.y2 - self.y1, 0 : self.x2 - self.x1].astype(np.float64)
        return x, y

    @cached_property
    def _keep(self) -> Array:
        """How much of the patch is kept: it fades into the still at the rim, with no seam."""
        x, y = self._grid
        rim = np.minimum.reduce([x, y, x.max() - x, y.max() - y])
        return ease(rim / 8)[..., None]

    def _pulls(self, smile: float) -> list[tuple[Array, Array, float]]:
        """Where a smile pulls the skin: place, pull in pixels, reach in pixels."""
        a, b = self.lips[0], self.lips[-1]
        h = self.half
        up, out, cheek = 0.36 * h * smile, 0.2 * h * smile, 0.17 * h * smile
        return [
            (a, np.array([-out, -up]), 0.52 * h),
            (b, np.array([out, -up]), 0.52 * h),
            (a + np.array([-0.35, -0.95]) * h, np.array([-0.3 * cheek, -cheek]), 0.5 * h),
            (b + np.array([0.35, -0.95]) * h, np.array([0.3 * cheek, -cheek]), 0.5 * h),
        ]

    def _smiled(self, x: Array, y: Array, smile: float) -> tuple[Array, Array]:
        """Where points of the smiling face come from in the still."""
        if smile == 0:
            return x, y
        from_x, from_y = x.copy(), y.copy()
        for place, pull, reach in self._pulls(smile):
            goal = place + pull
            near = np.exp(-((x - goal[0]) ** 2 + (y - goal[1]) ** 2) / (2 * reach**2))
            from_x -= near * pull[0]
            from_y -= near * pull[1]
        return from_x, from_y

    def _patch(self, opening: float, smile: float) -> Picture:
        import cv2

        still = self.still[self.y1 : self.y2, self.x1 : self.x2]
        if opening == 0 and smile == 0:
            return still
        x, y = self._grid
        lips = self.lips.copy()
        for _ in range(12):  # the smile is known backwards; this finds where it takes the lips
            back = np.stack(self._smiled(lips[:, 0], lips[:, 1], smile), axis=1)
            lips += self.lips - back
        centre, half = (lips[0, 0] + lips[-1, 0]) / 2, (lips[-1, 0] - lips[0, 0]) / 2
        across = x[:1]  # one row: what depends on x alone is the same in all
        line = np.interp(across, lips[:, 0], lips[:, 1])
        # The jaw drops by `drop` under the lips; below them less and wider, down to the neck.
        full = 0.45 * half * opening
        drop = full * np.clip(1 - ((across - centre) / half) ** 2, 0, 1) ** 0.7
        under = np.clip((y - line - drop) / self.depth, 0, 1)
        wide = np.clip(1 - ((x - centre) / (half * (1 + 1.2 * under))) ** 2, 0, 1)
        fall = full * wide ** (0.7 + under) * (1 - ease(under))
        below = y >= line + drop
        from_x, from_y = self._smiled(x, np.where(below, y - fall, np.minimum(y, line)), smile)
        patch = cv2.remap(
            still,
            from_x.astype(np.float32),
            from_y.astype(np.float32),
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        ).astype(np.float64)
        # Nothing is seen of the inside further than a pixel above the lips or below the jaw's drop.
        part = np.s_[max(int(line.min()) - 2, 0) : max(int(line.max() + full) + 3, 0)]
        inside, colour = self._inside((y - line)[part], drop, full)
        patch[part] += inside[..., None] * (colour - patch[part])
        return np.clip(np.rint(still + self._keep * (patch - still)), 0, 255).astype(np.uint8)

    def _inside(self, down: Array, drop: Array, full: float) -> tuple[Array, Array]:
        """Paint the open mouth: how much of it is seen per pixel, and its colour."""
        seen = ease(down / 2.0 + 0.5) * ease((drop - down) / 2.0 + 0.5) * ease(drop / 3.0)
        share = np.clip(down / np.maximum(drop, 1e-9), 0, 1)
        dark, tongue = np.array([24.0, 18.0, 46.0]), np.array([62.0, 58.0, 128.0])
        colour = dark + (0.55 * ease((share - 0.55) / 0.45))[..., None] * (tongue - dark)
        if self.teeth and full > 0:
            height = min(0.36 * full, 0.2 * self.half)
            shine = 0.75 * ease((height - down) / 2.0 + 0.5) * ease((drop - 4.0) / 9.0)
            colour = colour + shine[..., None] * (np.array([150.0, 182.0, 206.0]) - colour)
        return seen, colour
