"""Fetch weights from their publishers into EMODISS_HOME, checked before they are put in place.

Nothing else in emodiss fetches weights, and this does so only when asked by name.
"""

from __future__ import annotations

import os
import shutil
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

from emodiss.errors import ModelError
from emodiss.models import catalog
from emodiss.models.weight_files import WeightFile, difference

_BLOCK = 1 << 20
_TIMEOUT_S = 30
_TOKEN_HOST = "https://huggingface.co/"

Progress = Callable[[str, int, int], None]
"""Called with a file's name, bytes so far and bytes expected (0 when not known)."""


def pull(name: str, *, progress: Progress | None = None) -> list[Path]:
    """Fetch what a model still lacks.

    Parameters
    ----------
    name
        Catalog name.
    progress
        Called as bytes arrive.

    Returns
    -------
    list of Path
        The files that were put in place; empty when nothing was missing.

    Raises
    ------
    SettingsError
        If there is no such model.
    ModelError
        If emodiss knows no address for it, the server or the disk refuses, or what came is not
        what its publisher offers. Nothing is put in place then; a download that was cut goes on
        where it stopped.
    """
    entry = catalog.entry_of(name)
    missing = set(entry.missing())
    wanted = [file for file in entry.files if file.name in missing]
    if not wanted:
        return []
    sources = [entry.archive] if entry.archive else wanted
    if not all(file.url for file in sources):
        raise ModelError(
            f"emodiss knows no address from which to fetch '{name}'.",
            next_step=f"Put {', '.join(sorted(missing))} into {entry.folder}; see {entry.source}.",
        )
    entry.folder.mkdir(parents=True, exist_ok=True)
    fetched = [_fetch(file, entry.folder, name, progress) for file in sources]
    if entry.archive is None:
        for path in fetched:
            if path.suffix == ".zip":  # a library's data, which it looks for beside the zip
                with zipfile.ZipFile(path) as packed:
                    packed.extractall(path.parent)
        return fetched
    unpacked = _unpack(fetched[0], wanted, name)
    fetched[0].unlink()
    return unpacked


def _fetch(file: WeightFile, folder: Path, model: str, progress: Progress | None) -> Path:
    """Download one file, go on where an earlier try stopped, check it, put it in place."""
    unfinished = folder / f"{file.name}.part"
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    try:
        _download(file, unfinished, progress)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        if getattr(error, "code", None) in (401, 403):
            raise _gated(file, model) from error
        reason = getattr(error, "code", None) or getattr(error, "reason", type(error).__name__)
        raise ModelError(
            f"{file.name} of '{model}' cannot be fetched from {file.url} ({reason}).",
            next_step=f"Run again to go on where it stopped, or put the file into {folder}.",
            code="network",
        ) from error
    if found := difference(unfinished, file):
        unfinished.unlink()
        raise ModelError(
            f"What came from {file.url} is not the published {file.name}: {found}.",
            next_step="Run again; if it stays so, its publisher has changed it: report it.",
            code="model_hash",
        )
    return unfinished.replace(folder / file.name)


def _gated(file: WeightFile, model: str) -> ModelError:
    page = str(file.url).partition("/resolve/")[0]
    return ModelError(
        f"The publisher of '{model}' gives {file.name} only to people who accepted its terms.",
        next_step=f"Accept them on {page}, put a token with read access into the environment "
        f"variable HF_TOKEN, and run again: emodiss models pull {model}. Without: --preset lite.",
        code="gated",
    )


def _download(file: WeightFile, path: Path, progress: Progress | None) -> None:
    here = path.stat().st_size if path.exists() else 0
    if file.size is not None and here >= file.size:
        return  # whole already, or too long: the check that follows decides
    request = urllib.request.Request(str(file.url), headers={"User-Agent": "emodiss"})
    token = os.environ.get("HF_TOKEN")
    if token and str(file.url).startswith(_TOKEN_HOST):
        # Not sent on to the server that a redirection names.
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    if here:
        request.add_header("Range", f"bytes={here}-")
    try:
        answer = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == 416 and here:  # nothing lies beyond what is here
            return
        raise
    with answer:
        resumed = answer.status == 206
        so_far = here if resumed else 0
        length = answer.headers.get("Content-Length")
        expected = so_far + int(length) if length else file.size or 0
        with path.open("ab" if resumed else "wb") as out:
            while block := answer.read(_BLOCK):
                out.write(block)
                so_far += len(block)
                if progress is not None:
                    progress(file.name, so_far, expected)
        if length and so_far < expected:
            raise ConnectionError("the connection ended early")


def _unpack(archive: Path, wanted: list[WeightFile], model: str) -> list[Path]:
    """Take the wanted files out of a zip by name, wherever in it they lie."""
    placed: list[Path] = []
    with zipfile.ZipFile(archive) as packed:
        members = {Path(info.filename).name: info for info in packed.infolist()}
        for file in wanted:
            if file.name not in members:
                raise ModelError(
                    f"{archive.name} of '{model}' holds no {file.name}.",
                    next_step="Its publisher has changed it: report it.",
                )
            unfinished = archive.parent / f"{file.name}.part"
            with packed.open(members[file.name]) as source, unfinished.open("wb") as out:
                shutil.copyfileobj(source, out, _BLOCK)
            placed.append(unfinished.replace(archive.parent / file.name))
    return placed
