"""Versions of the software that results rest on."""

from __future__ import annotations

import importlib.metadata
import platform
from functools import cache
from typing import Final

from emodiss.models.catalog import cards

_ALWAYS: Final = (
    *("emodiss", "av", "numpy", "scipy", "opencv-python-headless", "scenedetect-headless"),
    *("filterpy", "vaderSentiment"),
)


def packages() -> tuple[str, ...]:
    """Name the packages whose version may change a number, those of the models among them."""
    return tuple(dict.fromkeys([*_ALWAYS, *(d for c in cards().values() for d in c.distributions)]))


@cache
def installed() -> dict[str, str]:
    """Versions of Python and of those `packages` that are installed, by name."""
    found = {"python": platform.python_version()}
    for package in packages():
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
