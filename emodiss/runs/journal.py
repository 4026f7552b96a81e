"""Files of JSON lines that are only ever added to, whole after a kill."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from emodiss.errors import RunError
from emodiss.runs.store import write_atomically

Line = dict[str, Any]


def read(path: Path, *, next_step: str) -> list[Line]:
    """Return all lines; [] when there is no file. A last line torn by a kill is left out.

    Parameters
    ----------
    path
        The file.
    next_step
        What to do about a line that cannot be read.

    Raises
    ------
    RunError
        If a line before the last one cannot be read.
    """
    try:
        # Not splitlines(): a text may hold other characters that it takes for line ends.
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    found: list[Line] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found.append(json.loads(line))
        except ValueError:
            if number == len(lines):
                break
            raise RunError(f"{path.name}, line {number}: no JSON.", next_step=next_step) from None
    return found


def append(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Add lines in one write and force them to the disk.

    Parameters
    ----------
    path
        The file; made when it does not exist.
    lines
        Plain values.
    """
    text = "".join(json.dumps(line, ensure_ascii=False, sort_keys=True) + "\n" for line in lines)
    with path.open("ab") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def mend(path: Path) -> None:
    """Cut off a last line that was torn by a kill, so that the next one starts afresh.

    Parameters
    ----------
    path
        The file; nothing happens when it does not exist.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    whole, _, last = content.rpartition(b"\n")
    if not last:
        return
    try:
        json.loads(last)
    except ValueError:
        write_atomically(path, whole + b"\n" if whole else b"")
    else:
        write_atomically(path, content + b"\n")
