"""The few kinds of trouble, each saying what is wrong and what to do next.

Every message follows one pattern: what is wrong, the value seen, what was expected. The
advice lives in `next_step`, so that a table can show the fault in one column and the way out
in another. Messages name videos by id and never quote what a person said.
"""

from __future__ import annotations

import difflib
import errno
import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

Many = TypeVar("Many", bound=Iterable[object])


class EmodissError(Exception):
    """Base of all errors that emodiss raises on purpose.

    Parameters
    ----------
    what
        What is wrong, with the value seen and what was expected.
    next_step
        What the user can do about it.
    code
        Stable short name of this fault, written to `outcomes.jsonl` so that failures can be
        counted. Defaults to the class's own `code`.
    """

    code = "error"

    def __init__(self, what: str, *, next_step: str = "", code: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.next_step = next_step
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return f"{self.what} {self.next_step}".strip()

    def __reduce__(self) -> tuple[object, ...]:
        # Worker processes hand errors back through a pipe; keyword-only fields would be lost.
        return (_rebuild, (type(self), self.what, self.next_step, self.code))


def _rebuild(kind: type[EmodissError], what: str, next_step: str, code: str) -> EmodissError:
    return kind(what, next_step=next_step, code=code)


class ArgumentError(EmodissError, ValueError):
    """A function was handed something else than it takes."""

    code = "argument"

    @classmethod
    def of(cls, value: object, what: str, how: str) -> ArgumentError:
        """Name the kind of what was handed over, what belongs there, and how to get it."""
        return cls(f"Got {type(value).__name__} where {what} belongs.", next_step=how)


class ManifestError(EmodissError):
    """The manifest cannot be used as it is; every problem is listed with line and column."""

    code = "manifest"


class SettingsError(EmodissError):
    """A preset, a `--set` or an option has a name or a value that does not exist."""

    code = "settings"


class MediaError(EmodissError):
    """A media file cannot be fetched, opened or decoded."""

    code = "media"


class TranscriptError(EmodissError):
    """A transcript file cannot be read; the message names file and line."""

    code = "transcript"


class ModelError(EmodissError):
    """A model cannot be found, verified or run."""

    code = "model"


class ModelMissing(ModelError):
    """The weights of a model are not on this machine."""

    code = "model_missing"


class ChatError(ModelError):
    """A language model gave no answer. The message names ids and statuses, never words.

    Parameters
    ----------
    retryable
        Whether asking again may help.
    retry_after_s
        How long the endpoint says to wait, in seconds.
    stops_all
        Whether no other prompt can do better: wrong key, unknown model, cost limit.
    may_be_charged
        Whether the endpoint may have done the work and may bill it.
    """

    code = "chat"

    def __init__(
        self,
        what: str,
        *,
        next_step: str = "",
        code: str | None = None,
        retryable: bool = False,
        retry_after_s: float | None = None,
        stops_all: bool = False,
        may_be_charged: bool = False,
    ) -> None:
        super().__init__(what, next_step=next_step, code=code)
        self.retryable = retryable
        self.retry_after_s = retry_after_s
        self.stops_all = stops_all
        self.may_be_charged = may_be_charged


class RunError(EmodissError):
    """A run folder is locked, damaged or not a run folder."""

    code = "run"


class DiskError(RunError, OSError):
    """A file or folder cannot be written: full, read-only, closed, too long, of another kind."""

    code = "disk"

    @classmethod
    def of(cls, error: OSError, path: str | Path | None = None) -> DiskError:
        """Name the file that an error of the disk is about; that of a full disk names none."""
        name: str | bytes | Path | None = error.filename if error.filename is not None else path
        place = "A file" if name is None else f"'{os.fsdecode(name)}'"
        fault = cls(
            f"{place} cannot be used: {error.strerror or type(error).__name__}.",
            next_step="Check that path, its permissions and the room on its disk.",
        )
        fault.errno, fault.strerror = error.errno, error.strerror
        fault.filename = None if name is None else os.fsdecode(name)
        return fault

    def __reduce__(self) -> tuple[object, ...]:
        facts = {name: getattr(self, name) for name in ("errno", "strerror", "filename")}
        return (*super().__reduce__(), facts)

    def __setstate__(self, facts: dict[str, object] | None, /) -> None:
        for name, value in (facts or {}).items():
            setattr(self, name, value)


class OutOfMemory(EmodissError):
    """There is not enough memory for what is asked."""

    code = "out_of_memory"

    @classmethod
    def of_this_process(cls) -> OutOfMemory:
        """Say so, and what helps."""
        return cls(
            "There is not enough memory.",
            next_step="Use fewer workers or a machine with more memory, and run again; what is "
            "finished is kept.",
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that there was no memory left; libraries say it in many ways."""
    return (
        isinstance(error, MemoryError)
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        or _NO_MEMORY.search(str(error)) is not None
    )


_NO_MEMORY = re.compile(
    r"cannot allocate memory|failed to (?:allocate memory|map segment)|bad_alloc|out of memory"
    r"|can't allocate memory|not enough memory",
    re.IGNORECASE,
)
"""Words of the loader of shared libraries, ONNX Runtime, PyTorch, OpenCV and their like."""


class MissingExtra(EmodissError):
    """An optional dependency is not installed."""

    code = "missing_extra"

    @classmethod
    def of(cls, package: str, extra: str) -> MissingExtra:
        """Name the package that is missing, by its import name, and the extra that brings it."""
        return cls(
            f"This needs the package '{package}', which is not installed.",
            next_step=f'Install it with: pip install "emodiss[{extra}]".',
        )


def as_path(given: object, what: str) -> Path:
    """Return a path that was handed over, or say what was handed over instead."""
    if not isinstance(given, str | os.PathLike):
        raise ArgumentError.of(given, f"the path of {what}", "Give a path.")
    return Path(given)


def no_text(values: Many, what: str) -> Many:
    """Return several values, or refuse the single text that was handed over instead."""
    if isinstance(values, str | bytes):
        raise ArgumentError.of(values, what, "Give a list.")
    return values


def must_be(value: object, *kinds: type, what: str, how: str) -> None:
    """Refuse what is of another kind than a function takes; `how` says where to get the right."""
    if not isinstance(value, kinds):
        raise ArgumentError.of(value, what, how)


def nearest(name: str, choices: Iterable[str], *, listed_by: str = "") -> str:
    """Name the choices for the end of a message, the nearest match first when there is one.

    `listed_by` is the command that lists them, where they are too many for a message.
    """
    known = sorted(choices)
    if listed_by:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(repr(one) for one in near)}? " if near else ""
        return f"{hint}All are listed by: {listed_by}."
    match = difflib.get_close_matches(str(name), known, n=1)
    hint = f"Did you mean '{match[0]}'? " if match else ""
    return f"{hint}Choices: {', '.join(known)}."


def folded(name: str) -> str:
    """Return what spellings of a name share: width, form of accents, case, blanks do not count."""
    return " ".join(re.sub(r"[_\-]", " ", unicodedata.normalize("NFKC", name)).casefold().split())


def spellings(known: Iterable[str]) -> dict[str, str]:
    """Return known names by themselves and by what their spellings share; the first one wins."""
    names = list(known)
    return {**dict(reversed([(folded(name), name) for name in names])), **{n: n for n in names}}


def as_known(name: str, known: Mapping[str, str]) -> str:
    """Spell a name as one of `spellings` does, or leave it."""
    return known.get(name) or known.get(folded(name)) or name
