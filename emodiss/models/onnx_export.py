"""Networks written in torch, run by ONNX Runtime: exported once, kept, and found again.

ONNX Runtime starts in a fraction of the time that importing torch takes, holds less memory and runs
the speaker networks here up to twice as fast on one thread. What needs torch is done in a process
of its own, for a process that has imported torch keeps half a gigabyte. The exported file is kept
in `EMODISS_HOME`. Its name carries the hash of the weights, the version of the exporter and the
hash of its own content, so that neither other weights nor a damaged file can pass for it.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import json
import logging
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from emodiss.errors import MissingExtra, ModelError
from emodiss.models import catalog
from emodiss.models.onnx_session import cpu_session

if TYPE_CHECKING:
    import onnxruntime

_VERSION: Final = 1
"""Of what this module does to a network; part of the name of a kept file."""
_OPSET: Final = 17

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Export:
    """How one network becomes an ONNX file."""

    name: str
    sha256: str
    # `module:function` that makes the network in evaluation mode, and the texts that it is given;
    # called only when there is no kept file.
    build: tuple[str, ...]
    # Of an example input.
    shape: Sequence[int]
    # input, output: Names in the file.
    input: str
    output: str
    # Axes of the input that may have any length, to their names. The first axis of the output is
    # free when that of the input is.
    free: Mapping[int, str] = field(default_factory=dict)

    @property
    def _stem(self) -> str:
        try:
            torch = importlib.metadata.version("torch").partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            torch = "*"  # nothing can be exported here, and what is kept will do
        return f"{self.name}-{self.sha256[:16]}-torch{torch}-opset{_OPSET}-v{_VERSION}"

    def content(self) -> bytes:
        """Return the ONNX file, kept or exported now."""
        folder = catalog.home() / "exported"
        for path in sorted(folder.glob(f"{self._stem}-*.onnx")):
            try:
                content = path.read_bytes()
            except OSError:
                continue
            if path.stem.endswith(hashlib.sha256(content).hexdigest()[:16]):
                return content
        content = self._exported()
        name = f"{self._stem}-{hashlib.sha256(content).hexdigest()[:16]}.onnx"
        try:
            _write(folder / name, content)
        except OSError as error:
            _log.info("Cannot keep %s in %s (%s); it stays in memory.", name, folder, error)
        return content

    def _exported(self) -> bytes:
        for package in ("torch", "onnx"):  # torch imports onnx while it exports
            if importlib.util.find_spec(package) is None:
                raise MissingExtra.of(package, "models")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.onnx"
            if "torch" in sys.modules or not sys.executable:
                _export(self, path)
            else:
                self._exported_elsewhere(path)
            return path.read_bytes()

    def _exported_elsewhere(self, path: Path) -> None:
        done = subprocess.run(
            [sys.executable, "-c", f"from {__name__} import main; main()"],
            input=json.dumps([asdict(self), str(path)]),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            errors="replace",
        )
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise ModelError(
                f"The network {self.name} could not be exported to ONNX: {said}",
                next_step="See what is amiss with: emodiss doctor.",
            )


def main() -> None:
    """Export what a process that has no torch asks for."""
    asked, path = json.load(sys.stdin)
    asked["free"] = {int(axis): name for axis, name in asked["free"].items()}
    _export(Export(**asked), Path(path))


def _export(asked: Export, path: Path) -> None:
    """Build a network and write it."""
    module, _, name = asked.build[0].partition(":")
    build = getattr(importlib.import_module(module), name)
    import torch

    free = {asked.input: dict(asked.free)}
    if 0 in asked.free:
        free[asked.output] = {0: asked.free[0]}
    with warnings.catch_warnings():
        # torch recommends its newer exporter, which needs one more package.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            build(*asked.build[1:]),
            (torch.zeros(*asked.shape),),
            str(path),
            dynamo=False,
            opset_version=_OPSET,
            input_names=[asked.input],
            output_names=[asked.output],
            dynamic_axes=free,
        )


class Runner:
    """One exported network on the CPU, loaded at its first use."""

    def __init__(self, export: Export, *, threads: int = 1) -> None:
        if threads < 1:
            raise ValueError(f"threads is {threads}; expected at least 1.")
        self._export = export
        self._threads = threads
        self._session: onnxruntime.InferenceSession | None = None

    def __call__(self, array: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network on one array."""
        session = self._session = self._session or cpu_session(
            self._export.content(), self._threads
        )
        found: Any = session.run(None, {self._export.input: array})
        return found[0]


def _write(path: Path, content: bytes) -> None:
    """Put a file in place whole, or leave nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
