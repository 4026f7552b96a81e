"""Checksums of what a study rests on, in the form of `sha256sum`, so that damage is noticed.

A damaged key would give ratings to another condition without a word.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from emodiss.ratings.schema import RatingsError

NAME = "SHA256SUMS"
"""Beside the key. Sheets are left out: raters fill them."""


def write(folder: Path, paths: Iterable[Path]) -> Path:
    """State how files are now; `sha256sum -c SHA256SUMS` in that folder checks them."""
    named = ((os.path.relpath(path, folder).replace(os.sep, "/"), path) for path in paths)
    text = "".join(f"{_sum(path)}  {name}\n" for name, path in named)
    (folder / NAME).write_text(text, encoding="ascii", newline="\n")
    return folder / NAME


def require_as_written(folder: Path, path: Path) -> None:
    """Refuse a file that is not as the checksums in a folder state; without them, read it as is."""
    try:
        lines = (folder / NAME).read_bytes().split(b"\n")
    except FileNotFoundError:  # a study of an earlier version, or a key that lies elsewhere
        return
    name = os.path.relpath(path, folder).replace(os.sep, "/").encode()
    now = _sum(path)  # once, however often the file is named
    for line in filter(None, (line.strip() for line in lines)):
        found = re.fullmatch(rb"([0-9a-f]{64}) [ *](\S.*)", line)
        if found is None or (found[2] == name and found[1].decode() != now):
            raise RatingsError(
                f"'{path.name if found else NAME}' of this study is not as it was written.",
                next_step=f"Put the file back. Where you changed it yourself, take its line out of "
                f"{folder.name}/{NAME}.",
                code="damaged",
            )


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
