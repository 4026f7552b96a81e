"""A reader under fuzz."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Fuzzer:
    """A reader, a sound input or several, and where in a folder it looks for its file."""

    file: str
    # Text, or bytes of what is no text.
    seeds: tuple[str | bytes, ...]
    read: Callable[[Path], object]
    # Whether any input must give a result; others may end in an error of emodiss.
    never: bool = False
    # What must lie in the folder for the file to be read at all.
    beside: Mapping[str, str | bytes] = field(default_factory=dict)
