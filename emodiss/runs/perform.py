"""Do one job: read the inputs, keep one model resident, call the stage, write the artifact.

The same function runs in this process, in a worker process and in a Ray actor, which is why
every engine gives the same bytes.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import gc
import importlib
import sys
import time
import traceback
import typing
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emodiss.errors import EmodissError, OutOfMemory, RunError, is_out_of_memory
from emodiss.manifest import VideoRow
from emodiss.media import Piece
from emodiss.reviews import Overlay
from emodiss.runs.keys import digest
from emodiss.runs.store import Outcome, Store, write_atomically
from emodiss.runs.versions import installed
from emodiss.settings import Settings
from emodiss.stages import BY_NAME


@dataclass(frozen=True, slots=True)
class Job:
    """One stage of one video, with everything a worker needs to know."""

    root: Path
    # Manifest row; paths are absolute.
    row: VideoRow
    # The media file, or None when it could not be had.
    source: Path | None
    stage: str
    key: str
    # Keys of the artifacts to read, by name; empty for a stage that was skipped.
    inputs: dict[str, str]
    # What the key was computed from, for `meta.json`.
    facts: dict[str, Any]
    settings: Settings
    # What people corrected in this video and language models said about it.
    overlay: Overlay
    model: str | None
    # device, threads: Where and with how many CPU threads the model runs.
    device: str
    threads: int
    # Of a long video, done piece by piece (`emodiss.runs.agenda`): which this is, and its number;
    # or the keys of all, which are to be joined.
    piece: Piece | None = None
    number: int = 0
    parts: tuple[str, ...] = ()

    @property
    def artifact(self) -> str:
        """Name of what it makes."""
        return self.stage if self.piece is None else piece_name(self.stage, self.number)


def piece_name(stage: str, number: int) -> str:
    """Name the artifact of a piece; it goes when the pieces are joined."""
    return f"{stage}.{number:04d}"


def died(job: Job) -> Outcome:
    """Make the outcome of a job that none of its workers survived."""
    return Outcome(
        video=job.row.id,
        stage=job.stage,
        status="failed",
        device=job.device,
        key=job.key,
        error={
            "code": "worker_died",
            "what": f"The worker process died each time in stage {job.stage}.",
            "next_step": "Most often memory ran out: use fewer --workers, or a shorter stretch.",
        },
    )


# One slot, not a collection: the next stage's model replaces this one, so that a worker never
# holds two heavy models at a time.
_resident: tuple[str, Any] | None = None


def perform(job: Job) -> Outcome:
    """Do one job; a fault becomes an outcome and never leaves this function."""
    started = time.perf_counter()
    store = Store(job.root)
    try:
        with linear_algebra_threads(job.threads):
            notes = _make(job, store)
    except Exception as error:
        return Outcome(
            video=job.row.id,
            stage=job.stage,
            status="failed",
            seconds=round(time.perf_counter() - started, 3),
            device=job.device,
            key=job.key,
            error=_described(error, job, store),
        )
    finally:
        give_back_memory()
    return Outcome(
        video=job.row.id,
        stage=job.stage,
        status="done",
        seconds=round(time.perf_counter() - started, 3),
        device=job.device if job.model else "cpu",
        key=job.key,
        notes=notes,
    )


@functools.cache
def result_type(stage_name: str, *, piece: bool = False) -> Any:
    """Return the record type a stage makes: the return annotation of its function."""
    stage = BY_NAME[stage_name]
    return typing.get_type_hints(stage.load(stage.piece if piece else None))["return"]


def _make(job: Job, store: Store) -> tuple[str, ...]:
    """Call the stage and write what it gives; return its notes."""
    value = _call(job, store)
    notes = tuple(getattr(value, "notes", ()))
    facts = {**job.facts, "notes": list(notes), "software": installed()}
    store.write(job.row.id, job.artifact, value, key=job.key, facts=facts)
    return notes


@contextlib.contextmanager
def linear_algebra_threads(n: int) -> Generator[None]:
    """Let NumPy and SciPy multiply matrices on n threads inside a `with`.

    They would take every core, get in the way of the other workers, and give other last bits on a
    machine with more cores.
    """
    from threadpoolctl import threadpool_limits

    importlib.import_module("scipy.linalg")  # only libraries that are loaded are held back
    with threadpool_limits(n, user_api="blas"):
        yield


def give_back_memory() -> None:
    """Give memory that is no longer used back to the system.

    The C library of Linux and Arrow keep what was freed for later; after the stages of an hour of
    video that would be a hundred megabytes.
    """
    if "pyarrow" in sys.modules:
        sys.modules["pyarrow"].default_memory_pool().release_unused()
    if sys.platform == "linux":
        # Absent from other C libraries than GNU's, which do not need it.
        with contextlib.suppress(AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def _call(job: Job, store: Store) -> Any:
    stage = BY_NAME[job.stage]
    arguments: dict[str, Any] = {}
    for name in stage.reads:
        key = job.inputs[name]
        arguments[name] = store.read(job.row.id, name, result_type(name), key=key) if key else None
    if stage.source and not job.parts:
        arguments["source"] = job.source
    if stage.row:
        arguments["row"] = job.row
    if stage.reviews:
        arguments["reviews"] = job.overlay.of_kinds(stage.reviews)
    if stage.role_labels:
        arguments["role_labels"] = job.overlay.role_labels
    if stage.settings:
        arguments["settings"] = getattr(job.settings, stage.settings)
    for dotted in stage.also:
        group, _, name = dotted.partition(".")
        arguments[name] = getattr(getattr(job.settings, group), name)
    if job.parts:
        kind = result_type(job.stage, piece=True)
        arguments["parts"] = [
            store.read(job.row.id, piece_name(job.stage, number), kind, key=key)
            for number, key in enumerate(job.parts)
        ]
        return stage.load(stage.join)(**arguments)
    if stage.mends:
        arguments["earlier"] = _earlier(job, store)
    if job.model is not None:
        arguments["model"] = _model(job)
    if job.piece is not None:
        return stage.load(stage.piece)(**arguments, piece=job.piece)
    return stage.load()(**arguments)


def _earlier(job: Job, store: Store) -> Any:
    """Read the result of this stage that is there, where no more differs than it may mend."""
    meta = store.meta(job.row.id, job.stage)
    if meta is None or meta.get("software") != installed():
        return None
    may = BY_NAME[job.stage].mends

    def decisive(facts: Mapping[str, Any]) -> Any:
        inputs = {name: key for name, key in facts["inputs"].items() if name not in may}
        return {**{name: facts.get(name) for name in job.facts}, "inputs": inputs}

    # As plain JSON on both sides: what was read back knows no tuples.
    if digest(decisive(meta)) != digest(decisive(job.facts)):
        return None
    try:
        return store.read(job.row.id, job.stage, result_type(job.stage), key=meta["key"])
    except RunError:
        return None


def _model(job: Job) -> Any:
    global _resident
    assert job.model is not None
    slot = digest([job.model, job.settings.model_dump(mode="json"), job.device, job.threads])
    if _resident is None or _resident[0] != slot:
        release_model()
        from emodiss.models import catalog

        model = catalog.load(job.model, job.settings, device=job.device, threads=job.threads)
        _resident = (slot, model)
    return _resident[1]


def release_model() -> None:
    """Forget the resident model and give its memory back."""
    global _resident
    if _resident is not None:
        _resident = None
        # What ONNX Runtime and CTranslate2 hold goes with its last name; modules of torch refer to
        # one another in circles, and to look for these takes 0.05 s in a worker.
        torch = sys.modules.get("torch")
        if torch is not None:
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()


def _described(error: Exception, job: Job, store: Store) -> dict[str, str]:
    """Put a fault into words that name the video and never quote its people."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        described = {
            "code": "disk_full",
            "what": "The disk is full, or a limit on file size was met.",
            "next_step": "Make room and run again; what is finished is kept.",
        }
    elif isinstance(error, EmodissError) or is_out_of_memory(error):
        said = error if isinstance(error, EmodissError) else OutOfMemory.of_this_process()
        described = {"code": said.code, "what": said.what, "next_step": said.next_step}
    else:
        described = {
            "code": "unexpected",
            "what": f"{type(error).__name__} in stage {job.stage}.",
            "next_step": f"See errors/{job.row.id}.{job.stage}.txt in the run folder; report it.",
        }
    text = "".join(traceback.format_exception(error))
    path = store.root / "errors" / f"{job.row.id}.{job.stage}.txt"
    try:
        write_atomically(path, text.encode())
    except OSError:
        described["next_step"] += " (The traceback could not be written.)"
    return described
