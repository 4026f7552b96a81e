"""The three networks of MTCNN in ONNX Runtime, without torch, on a CPU."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from emodiss.models.mtcnn import WEIGHTS
from emodiss.models.mtcnn.frames import CHANNELS, Frames, Region
from emodiss.models.onnx_export import Export, Runner
from emodiss.models.weight_files import packaged, sha256_of

_VERSION = 1
"""Of what `graphs` makes; part of the name of a kept file."""


class OnnxNets:
    """The three networks; arrays are of numpy.

    Exported once by torch in a process of its own (`onnx_export`), which needs the packages torch
    and onnx; from then on neither is imported.
    """

    xp: ModuleType = np
    # Sizes that keep the working set of one step inside a core's cache; no effect on results.
    strip_rows: int | None = 32
    crops_at_once = 192
    _refined_at_once, _output_at_once = 8, 2

    def __init__(self) -> None:
        shapes = {"pnet": (1, 36, 36), "rnet": (1, 24, 24), "onet": (1, 48, 48)}
        paths = packaged("facenet_pytorch", WEIGHTS)
        self._pnet, self._rnet, self._onet = (
            Runner(
                Export(
                    f"mtcnn-{name}-v{_VERSION}",
                    sha256_of(path),
                    ("emodiss.models.mtcnn.graphs:build", name),
                    (*shape, CHANNELS),
                    "pixels",
                    "numbers",
                    {1: "height", 2: "width"} if name == "pnet" else {0: "crops"},
                )
            )
            for path, (name, shape) in zip(paths, shapes.items(), strict=True)
        )

    def frames(self, frames: Sequence[NDArray[np.uint8]], region: Region) -> Frames:
        """Sum up a region of frames of one size."""
        return Frames.of(frames, region)

    def put(self, array: NDArray[np.generic]) -> NDArray[np.generic]:
        """Hand an array over."""
        return array

    def host(self, array: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take an array back."""
        return array

    @contextmanager
    def running(self) -> Generator[None]:
        """Nothing of the process needs another state."""
        yield

    def propose(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B, H, W, 4) to (B, h, w, 6): two logits and four offsets per cell."""
        parts = [self._pnet(x[k : k + 1]) for k in range(len(x))]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def refine(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, 24, 24, 4) to (n, 6): two logits and four offsets."""
        return _in_steps(self._rnet, x, self._refined_at_once)

    def output(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, 48, 48, 4) to (n, 16): two logits, four offsets, five x, five y."""
        return _in_steps(self._onet, x, self._output_at_once)


def _in_steps(net: Runner, x: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    return np.concatenate([net(x[k : k + step]) for k in range(0, len(x), step)])
