"""The run folder: where everything lies, and how it gets there whole or not at all.

A file is written under a temporary name, forced to the disk and renamed. An artifact's
`meta.json` is written last, so an artifact without one does not exist, whatever lies beside it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import typing
from collections.abc import Generator, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from emodiss.errors import RunError
from emodiss.manifest import check_id
from emodiss.runs import codecs, layout, seals
from emodiss.runs.files import (
    keep_private,
    remove_abandoned,
    replaced as replaced,
    sound,
    write_atomically as write_atomically,
    write_json as write_json,
)
from emodiss.runs.journal import Journal, Line
from emodiss.stages import STAGES

Status = Literal["done", "cached", "failed", "blocked", "skipped"]
"""What became of one stage of one video."""
DAMAGED_STEP: Final = "Run emodiss resume on this run folder: it makes the artifact again."


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one stage of one video; one line of `outcomes.jsonl`."""

    video: str
    stage: str
    # `done`, `cached` (found finished), `failed`, `blocked` (an input failed) or `skipped` (not
    # needed for this video).
    status: Status
    # Wall-clock seconds of the work, loading of models included.
    seconds: float = 0.0
    device: str = "cpu"
    key: str = ""
    # `code`, `what` and `next_step`, when failed; which stage failed, when blocked.
    error: dict[str, str] | None = None
    # Short names of what a reader should know, such as `no_audio`.
    notes: tuple[str, ...] = field(default=())


def _outcome(line: Line) -> Outcome:
    line["notes"] = tuple(line.get("notes", ()))
    outcome = Outcome(**line)
    texts = (outcome.video, outcome.stage, outcome.device, outcome.key, *outcome.notes)
    error = outcome.error
    if (
        not all(isinstance(text, str) for text in (*texts, *(error or {}).values()))
        or outcome.status not in typing.get_args(Status)
        or not isinstance(outcome.seconds, int | float)
        or (error is not None and "code" not in error)
    ):
        raise TypeError
    return outcome


_UNSEALED = frozenset(
    ("key", "stage", "video", "files", "version", "inputs", "settings", "row", "content", "reviews")
) | {"role_labels", "model", "notes", "software"}
"""What `meta.json` may say beside its seal."""


def _seal(meta: Mapping[str, Any]) -> str:
    """Hash of what `meta.json` says, the hash itself left out."""
    said = {name: value for name, value in meta.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _written(path: Path, content: Iterable[bytes | memoryview]) -> dict[str, int | str]:
    """Write a file; return what is known of it, found on the way."""
    digest, n = hashlib.sha256(), 0
    with replaced(path) as file:
        for piece in content:
            file.write(piece)
            digest.update(piece)
            n += len(piece)
    return {"bytes": n, "sha256": digest.hexdigest()}


def video_folder(video: str) -> str:
    """Return an id that comes from a run folder, once it is sure to name a folder there."""
    try:
        return check_id(video)
    except ValueError as error:
        raise RunError(
            f"This run names a video that no manifest can name: {error}.",
            next_step="Its folder was changed by hand; get it anew from where it was made.",
        ) from error


@dataclass(frozen=True, slots=True)
class Store:
    """Paths and artifacts of one run folder."""

    root: Path

    def artifact(self, video: str, name: str) -> Path:
        """Folder of one artifact of one video."""
        return self.root.joinpath(layout.VIDEOS, video_folder(video), name)

    def meta(self, video: str, name: str) -> dict[str, Any] | None:
        """Return what is known of an artifact, or None when it is not there whole."""
        folder = self.artifact(video, name)
        try:
            meta = json.loads((folder / layout.META).read_text(encoding="utf-8"))
            # Older ones have no seal. A seal whose name is damaged leaves a name that nobody wrote.
            sealed = meta["sha256"] == _seal(meta) if "sha256" in meta else set(meta) <= _UNSEALED
            whole = sealed and all(
                (folder / file).stat().st_size == facts["bytes"]
                for file, facts in meta["files"].items()
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        return meta if whole else None

    def has(self, video: str, name: str, key: str) -> bool:
        """Whether an artifact with this very key is there whole."""
        return self.found(video, name, key) is not None

    def found(self, video: str, name: str, key: str) -> dict[str, Any] | None:
        """Return what is known of the artifact with this very key, or None when it is not there."""
        meta = self.meta(video, name)
        return meta if meta is not None and meta.get("key") == key else None

    def standing(self, video: str) -> dict[str, str]:
        """Keys of a video's artifacts that are there whole and rest on each other, by stage."""
        keys: dict[str, str] = {}
        for stage in STAGES:  # what a stage reads comes before it
            meta = self.meta(video, stage.name)
            rests = meta is not None and all(
                # A stage that was skipped has no key.
                not key or keys.get(name) == key
                for name, key in meta.get("inputs", {}).items()
            )
            if meta is not None and rests:
                keys[stage.name] = meta["key"]
        return keys

    def damaged(self, video: str, name: str, meta: Mapping[str, Any]) -> str | None:
        """Return the first file of an artifact that is not as it was written, or None.

        Lengths tell of most damage; this reads the files. One without a hash passes.
        """
        folder = self.artifact(video, name)
        for file, facts in meta["files"].items():
            with (folder / file).open("rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
            if facts.get("sha256", digest) != digest:
                return file
        return None

    def discard(self, video: str, name: str) -> None:
        """Let an artifact stop existing."""
        (self.artifact(video, name) / layout.META).unlink(missing_ok=True)

    def forget_pieces(self, video: str, stage: str) -> None:
        """Remove what the pieces of a long video made, once it is joined."""
        for folder in self.artifact(video, stage).parent.glob(f"{stage}.[0-9]*"):
            shutil.rmtree(folder, ignore_errors=True)

    def write(self, video: str, name: str, value: Any, *, key: str, facts: dict[str, Any]) -> None:
        """Store an artifact, replacing what was there."""
        folder = self.artifact(video, name)
        files = codecs.encode(value)
        # Without its meta.json the old artifact stops existing before the new one comes to be.
        self.discard(video, name)
        if folder.is_dir():
            for stale in folder.iterdir():
                if stale.name not in files:
                    stale.unlink()
        described = {file: _written(folder / file, content) for file, content in files.items()}
        meta = {"key": key, "stage": name, "video": video, **facts, "files": described}
        write_json(folder / layout.META, {**meta, "sha256": _seal(meta)})

    def read(self, video: str, name: str, kind: Any, *, key: str | None = None) -> Any:
        """Read an artifact, once its files are known to be as they were written."""
        meta = self.meta(video, name)
        if meta is None or (key is not None and meta.get("key") != key):
            raise RunError(
                f"The artifact '{name}' of video '{video}' is not there as needed.",
                next_step=f"Make it again: emodiss resume {self.root}",
            )
        folder = self.artifact(video, name)
        if (file := self.damaged(video, name, meta)) is not None:
            raise RunError(
                f"The artifact '{name}' of video '{video}' is damaged: {file} has changed since "
                "it was written.",
                next_step=DAMAGED_STEP,
                code="damaged",
            )
        with sound(folder, f"It is the artifact '{name}' of video '{video}'. {DAMAGED_STEP}"):
            return codecs.decode(kind, folder)

    @property
    def journal(self) -> Journal[Outcome]:
        """Outcomes of all jobs; a bad line costs nothing but itself."""
        return Journal(
            self.root / layout.OUTCOMES,
            decode=_outcome,
            encode=asdict,
            dump=json.dumps,
            on_fault="skip",
            next_step="Make it anew: emodiss resume on this run folder. Only how long stages took "
            "is lost.",
        )

    def append(self, outcomes: list[Outcome]) -> None:
        """Add outcomes of jobs."""
        self.journal.append(outcomes)

    def outcomes(self) -> list[Outcome]:
        """Return the outcomes of all jobs, oldest first."""
        return self.journal.read()

    def renew_outcomes(self, videos: Iterable[str]) -> bool:
        """Make outcomes anew from the artifacts where their file is damaged; whether it was.

        What can still be read of a damaged file may be another value than was written.
        """
        if seals.whole(self.root / layout.OUTCOMES):
            return False
        outcomes: list[Outcome] = []
        for video in videos:
            for stage, key in self.standing(video).items():
                notes = tuple((self.meta(video, stage) or {}).get("notes", ()))
                outcomes.append(Outcome(video, stage, "cached", key=key, notes=notes))
        self.journal.write(outcomes)
        return True

    @contextlib.contextmanager
    def lock(self) -> Generator[None]:
        """Hold the run folder for this process alone."""
        import filelock

        self.root.parent.mkdir(parents=True, exist_ok=True)
        self.root.mkdir(mode=0o700, exist_ok=True)
        # The lock is the kernel's and dies with its process: kill -9 leaves no stale lock.
        lock = filelock.FileLock(self.root / layout.LOCK, timeout=0, mode=0o600)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise RunError(
                f"Another process is working on the run folder '{self.root.name}'.",
                next_step="Wait until it ends, or choose another folder with --out.",
                code="locked",
            ) from None
        try:
            self._sweep()
            keep_private(self.root)
            yield
        finally:
            keep_private(self.root)  # libraries that write files follow the umask
            lock.release()

    def _sweep(self) -> None:
        """Remove temporary files that a killed process left.

        Reviews, figures and exports are written by others while the run is locked.
        """
        for leftover in self.root.rglob(".*.tmp"):
            remove_abandoned(leftover)
