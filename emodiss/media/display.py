"""How a stored frame is shown: turned, mirrored, in square pixels and of one size.

A player follows the display matrix and the sample aspect ratio of a file; so does this module, and
nothing else in emodiss looks at either.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

    from emodiss.media.tone import Converter

_FLAT = (65536, 0, 0, 65536)  # of the display matrix, in 1/65536: right stays right, down down

# Widths of a pixel in heights that any camera or disc has; others are slips of a container.
_LEAST_ASPECT, _MOST_ASPECT = 0.25, 4.0


@dataclass(frozen=True, slots=True)
class Display:
    """What is done to the frames of a video before they are looked at."""

    # width, height: Of the picture that is shown, in square pixels.
    width: int
    height: int
    # Degrees (0, 90, 180 or 270) the stored picture is turned counter-clockwise.
    rotation: int
    # Whether the stored picture is flipped left to right before it is turned.
    mirrored: bool

    def picture(self, frame: VideoFrame, converter: Converter) -> NDArray[np.uint8]:
        """Return a frame as it is shown."""
        sideways = self.rotation in (90, 270)
        width, height = (self.height, self.width) if sideways else (self.width, self.height)
        image = converter.rgb(frame, width, height)
        if self.mirrored:
            image = image[:, ::-1]
        if self.rotation:
            image = np.rot90(image, self.rotation // 90)
        return np.ascontiguousarray(image)


def display_of(frame: VideoFrame, pixel_aspect: Fraction | None) -> Display:
    """Find out how a video is shown."""
    right_x, right_y, down_x, down_y = _matrix(frame)
    mirrored = right_x * down_y - right_y * down_x < 0
    if mirrored:
        right_x, right_y = -right_x, -right_y
    # Rows of a picture go down, so that a turn to the left takes right to -y.
    rotation = round(math.degrees(math.atan2(-right_y, right_x)) / 90) * 90 % 360
    aspect = float(pixel_aspect or 1)
    aspect = aspect if _LEAST_ASPECT <= aspect <= _MOST_ASPECT else 1.0
    width, height = max(1, round(frame.width * aspect)), int(frame.height)
    if rotation in (90, 270):
        width, height = height, width
    return Display(width, height, rotation, mirrored)


def _matrix(frame: VideoFrame) -> tuple[int, int, int, int]:
    """Where right and down of the stored picture go: right x, right y, down x, down y."""
    from av.sidedata.sidedata import Type

    found = cast("Mapping[Type, Any]", frame.side_data)
    if Type.DISPLAYMATRIX not in found:
        return _FLAT
    values = np.frombuffer(bytes(found[Type.DISPLAYMATRIX]), dtype=np.int32)
    if len(values) < 9 or int(values[0]) * int(values[4]) == int(values[1]) * int(values[3]):
        return _FLAT
    return int(values[0]), int(values[1]), int(values[3]), int(values[4])
