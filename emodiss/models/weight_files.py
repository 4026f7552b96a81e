"""Weight files: what a published file must be, and whether the one on disk is it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from emodiss.errors import ModelError, ModelMissing

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class WeightFile:
    r"""One published file, as its publisher names it and as it can be recognised.

    Parameters
    ----------
    name
        File name.
    size
        Bytes; None when no source states it.
    sha256
        Hex digest of the content; None when no source states it, or when sources disagree.
    git_blob
        Git's id of the content, `sha1("blob <size>\0" + content)`; None outside a git repository.
    """

    name: str
    size: int | None = None
    sha256: str | None = None
    git_blob: str | None = None

    @property
    def digest(self) -> str:
        """Short content id for an identity string, readable without the file."""
        if self.git_blob is not None:
            return f"git-{self.git_blob[:12]}"
        if self.sha256 is not None:
            return f"sha256-{self.sha256[:12]}"
        return "unpinned"


def sha256_of(path: Path) -> str:
    """Hash a file's content, in blocks.

    Parameters
    ----------
    path
        The file.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def git_blob_id(path: Path) -> str:
    """Compute the id that git gives a file's content, as `git hash-object` prints it.

    Parameters
    ----------
    path
        The file.
    """
    # Git ids are sha1 by definition; this recognises a file and protects nothing.
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def require(path: Path, *, model: str) -> None:
    """Insist that a file or folder of weights exists.

    Parameters
    ----------
    path
        Where it should be.
    model
        Catalogue name, for the command in the message.

    Raises
    ------
    ModelMissing
        If it does not, with the command that fetches it and the preset that does without.
    """
    if not path.exists():
        raise ModelMissing(
            f"The weights of model '{model}' are not on this machine: expected {path}.",
            next_step=(
                f"Fetch them with: emodiss models pull {model}. Or run without them: --preset lite."
            ),
        )


def verify(path: Path, published: WeightFile, *, model: str) -> None:
    """Insist that a file on disk is the published one.

    Parameters
    ----------
    path
        The file.
    published
        What it must be; each stated property is checked.
    model
        Catalogue name, for the message.

    Raises
    ------
    ModelMissing
        If there is no file.
    ModelError
        If a stated size or hash differs. A file much smaller than published is usually a
        download cut short, or a Git LFS pointer saved in place of the weights.
    """
    require(path, model=model)
    next_step = (
        f"Delete it and fetch it again with: emodiss models pull {model}. If this file is what you "
        "mean to use, say so with allow_unverified=True; the results then carry its own hash."
    )
    size = path.stat().st_size
    if published.size is not None and size != published.size:
        raise ModelError(
            f"{path} is not the published {published.name}: it has {size} bytes, "
            f"expected {published.size}.",
            next_step=next_step,
            code="model_hash",
        )
    for kind, expected, compute in (
        ("git blob id", published.git_blob, git_blob_id),
        ("sha256", published.sha256, sha256_of),
    ):
        if expected is not None and (seen := compute(path)) != expected:
            raise ModelError(
                f"{path} is not the published {published.name}: its {kind} is {seen}, "
                f"expected {expected}.",
                next_step=next_step,
                code="model_hash",
            )
