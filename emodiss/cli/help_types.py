"""Kinds of values in `--help`, as people call them: TEXT, not `<list[str]>`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, get_args

_SPOKEN: Final = {str: "TEXT", Path: "PATH", int: "INTEGER", float: "NUMBER"}


def spoken(command: Any) -> Any:
    """Have `--help` of a command say what kind of value belongs to each option and argument.

    A list is told by its parts; that an option can be repeated, its help says.
    """
    for parameter in command.params:
        # Older versions of Typer say TEXT of their own.
        stated = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
        kind = next(iter(get_args(stated)), stated)
        if kind in _SPOKEN:
            vars(parameter)["display_type"] = lambda _, word=_SPOKEN[kind]: word
    return command
