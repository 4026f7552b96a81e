"""The commands of MIRROR experiments: each file here holds the command of its own name."""

from __future__ import annotations

import importlib
import pkgutil

import typer
from typer.core import TyperGroup

ORDER = (
    *("profiles", "screenplays", "expressions", "faces", "screen", "simulate", "judge", "pairs"),
    *("evaluate", "pages", "annomi", "training_data", "demo"),
)
"""Files in the order of an experiment."""


def group(kind: type[TyperGroup]) -> typer.Typer:
    """Make the group, of a kind that lists its commands, from the files that are there."""
    made = typer.Typer(
        cls=kind,
        help="Simulated sessions with resistant clients, after Kim et al. (2025): one experiment "
        "in one folder. For research; no simulated therapist is fit to treat anyone.",
        no_args_is_help=True,
    )
    there = {module.name for module in pkgutil.iter_modules(__path__)}
    for name in (each for each in ORDER if each in there):
        command = getattr(importlib.import_module(f"{__name__}.{name}"), name)
        made.command(name.replace("_", "-"))(command)
    return made
