"""What a run wrote for people outside its tables: a file that was changed since is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from emodiss.errors import RunError
from emodiss.runs import layout, seals
from emodiss.runs.files import write_atomically


class Written:
    """Hashes of files that a run wrote, by their absolute path; kept in the run folder.

    A context: what was written is remembered at its end, however it ends.
    """

    def __init__(self, root: Path) -> None:
        self._path = root / layout.WRITTEN
        self._own = [(root / name).resolve() for name in (layout.REPORT, layout.FIGURES)]
        self._hashes = self._remembered()
        self._new: dict[str, str] = {}

    def _remembered(self) -> dict[str, str]:
        try:
            content, whole = seals.read(self._path)
            read = json.loads(content) if whole else {}
        except (FileNotFoundError, ValueError, RecursionError):
            read = {}  # what is not known counts as changed, so nothing is lost
        return read if isinstance(read, dict) else {}

    def write(self, path: Path, content: bytes, *, force: bool = False) -> None:
        """Write a file, unless another content than what this run wrote lies there."""
        self.write_all({path: content}, force=force)

    def write_all(self, files: Mapping[Path, bytes], *, force: bool = False) -> None:
        """Write files that belong together: all, or none where one of them was changed."""
        hashes = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
        for path, new in hashes.items() if not force else ():
            self._refuse_changed(path, new)
        for path, content in files.items():
            write_atomically(path, content)
            self._hashes[str(path.resolve())] = self._new[str(path.resolve())] = hashes[path]

    def _refuse_changed(self, path: Path, new: str) -> None:
        if not path.exists():
            return
        now, name = hashlib.sha256(path.read_bytes()).hexdigest(), str(path.resolve())
        # In its own folders, what is not known is of an earlier version of emodiss.
        own = any(path.resolve().is_relative_to(folder) for folder in self._own)
        earlier = own and name not in self._hashes
        if now not in (new, self._hashes.get(name)) and not earlier:
            raise RunError(
                f"'{path}' was changed since this run wrote it, or is of something else.",
                next_step="Bring corrections in with emodiss review import, choose another "
                "--out, or overwrite it with --force.",
            )

    def __enter__(self) -> Written:
        return self

    def __exit__(self, *_: object) -> None:
        # Another process may have written other files meanwhile.
        seals.write_json(self._path, self._remembered() | self._new)
