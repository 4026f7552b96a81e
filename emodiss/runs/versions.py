"""Versions of the software that results rest on."""

from __future__ import annotations

import importlib.metadata
import platform
from functools import cache
from typing import Final

PACKAGES: Final = (
    *("emodiss", "av", "numpy", "scipy", "opencv-python-headless", "scenedetect-headless"),
    *("torch", "facenet-pytorch", "filterpy", "onnxruntime", "openvino", "audonnx"),
    *("transformers", "whisperx", "faster-whisper", "pyannote.audio", "vaderSentiment"),
)
"""Packages whose version may change a number."""


@cache
def installed() -> dict[str, str]:
    """Versions of Python and of those `PACKAGES` that are installed, by name."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
