"""Where each row's media and transcript lie, and what their contents are.

The content of a file decides everything measured on it, so files are named in keys by their
hash. Hashing an hour of video takes seconds; the result is remembered by path, size and time of
change, next to the run.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from emodiss import transcript as transcripts
from emodiss.manifest import Manifest, VideoRow
from emodiss.media import hash_file
from emodiss.reviews import NOTHING_SAID, Overlay
from emodiss.runs import layout, seals
from emodiss.runs.store import Store
from emodiss.stages import BY_NAME
from emodiss.tabular import json_value
from emodiss.vocabulary import CAPTION_SUFFIXES

MISSING = "missing"
"""Stands for the content of a file that is named and not there."""

Voices = Literal["named", "nameless", "nothing"]
"""Whom a transcript names: somebody, nobody, or it holds nothing that can be read."""

# What another reader made of a transcript does not count.
_READER = BY_NAME["draft"].version


@dataclass(frozen=True, slots=True)
class Source:
    """What belongs to one row."""

    # The row; `transcript` is an absolute path or None.
    row: VideoRow
    # The media file, or None when it could not be fetched.
    media: Path | None
    # SHA-256 of the media file; `MISSING` when it is not there.
    content: str
    # SHA-256 of the transcript, `MISSING` when it is not there, or None without one.
    transcript: str | None
    # Whether that transcript names its voices; captions of the web do not.
    voices: bool = True
    # Whether files that were found, and not stated, are left aside since none is a transcript.
    left_aside: bool = False
    # What people corrected in this video and language models said about it.
    overlay: Overlay = NOTHING_SAID

    @property
    def notes(self) -> tuple[str, ...]:
        """Short names of what a reader should know of the choice of a transcript."""
        return ("no_transcript_beside",) if self.left_aside else ()


class Hashes:
    """Hashes of files, and whom transcripts name, remembered by path, size and time of change."""

    def __init__(self, store: Store) -> None:
        self._path = store.root / layout.HASHES
        self._known = _remembered(self._path)
        self._by_digest: dict[str, list[tuple[str, list[Any]]]] | None = None

    def of(self, path: Path) -> str:
        """Return the SHA-256 of a file's content."""
        status = path.stat()
        stamp = [status.st_size, status.st_mtime_ns, status.st_ino]
        known = self._known.get(str(path))
        if known is not None and known[:3] == stamp:
            return str(known[3])
        digest = hash_file(path)
        self._known[str(path)] = [*stamp, digest]
        self._by_digest = None
        return digest

    def voices_of(self, path: Path) -> Voices:
        """Say whom a transcript names; nobody reads thousands of them to plan a run again."""
        try:
            self.of(path)  # first, so that a change while it is read is seen next time
            entry = self._known[str(path)]
            if entry[4:5] != [_READER]:
                entry[4:] = [_READER, _voices(path)]
        except Exception:
            # A row must never stop the others, and this runs before any row is worked on. What is
            # wrong is said by the stage that reads the file again, for its video alone.
            return "nothing"
        return entry[5]

    def path_of(self, digest: str) -> Path | None:
        """Return a file with this content that has not changed since it was hashed, or None."""
        if self._by_digest is None:
            self._by_digest = {}
            for name, entry in self._known.items():
                self._by_digest.setdefault(str(entry[3]), []).append((name, entry[:3]))
        for name, stamp in self._by_digest.get(digest, ()):
            with contextlib.suppress(OSError, ValueError):  # a name that no file can have
                status = Path(name).stat()
                if [status.st_size, status.st_mtime_ns, status.st_ino] == stamp:
                    return Path(name)
        return None

    def save(self) -> None:
        """Write what is known."""
        seals.write(self._path, json.dumps(self._known, sort_keys=True).encode())


def _remembered(path: Path) -> dict[str, list[Any]]:
    """Read what is known; damaged entries are no loss, since files are hashed again."""
    try:
        content, whole = seals.read(path)
        known = json_value(content, halves=True) if whole else {}
    except (OSError, ValueError):
        return {}
    if not isinstance(known, dict):
        return {}
    return {
        name: entry
        for name, entry in known.items()
        if isinstance(entry, list)
        and (len(entry) == 4 or (len(entry) == 6 and entry[5] in get_args(Voices)))
        and re.fullmatch("[0-9a-f]{64}", str(entry[3]))
    }


def find_transcript(
    row: VideoRow, manifest: Manifest, media: Path | None, *, captions: bool = False
) -> Path | None:
    """Return the transcript that a row names, or where wanted the captions fetched with it."""
    if row.transcript is not None:
        return manifest.transcript_of(row)
    return next(iter(_unstated(row, manifest, media, captions=captions)), None)


def _unstated(
    row: VideoRow, manifest: Manifest, media: Path | None, *, captions: bool
) -> list[Path]:
    """List files that may be a row's transcript though nobody says so."""
    if row.path is not None:
        return manifest.transcripts_beside(row)
    if media is None or not captions:
        return []
    # Of several languages the first by name, of several formats the one with most to say.
    return [
        path
        for suffix in CAPTION_SUFFIXES
        for path in sorted(media.parent.glob(f"{media.stem}.*.{suffix}"))
    ]


def local_source(
    row: VideoRow,
    manifest: Manifest,
    media: Path | None,
    hashes: Hashes,
    overlays: Mapping[str, Overlay],
    *,
    captions: bool = False,
) -> Source:
    """Describe what belongs to a row, given where its media lies."""
    unstated = _unstated(row, manifest, media, captions=captions)
    if unstated:
        path = next((path for path in unstated if hashes.voices_of(path) != "nothing"), None)
    else:
        path = find_transcript(row, manifest, media, captions=captions)
    return Source(
        row=row.model_copy(update={"transcript": str(path) if path else None}),
        media=media,
        content=MISSING if media is None else _content(media, hashes),
        transcript=None if path is None else _content(path, hashes),
        voices=path is None or hashes.voices_of(path) != "nameless",
        left_aside=bool(unstated) and path is None,
        overlay=overlays.get(row.id, NOTHING_SAID),
    )


def _content(path: Path, hashes: Hashes) -> str:
    """Hash a file; one that cannot be read is left to the stage that opens it."""
    try:
        return hashes.of(path) if path.is_file() else MISSING
    except OSError:
        return MISSING


def _voices(path: Path) -> Voices:
    """Read a transcript, and say whom it names."""
    said = transcripts.read_report(path)[0]
    if not said:
        return "nothing"
    return "named" if any(u.speaker != transcripts.SPEAKER_DEFAULT for u in said) else "nameless"
