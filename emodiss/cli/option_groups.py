"""Options that several commands share, stated once: a dataclass whose fields are the options."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, cast, get_args, get_origin


class Options(dict[str, Any]):
    """What the command line says of a dataclass' fields; others are no options."""


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take a dataclass's fields as options, where a parameter is annotated so."""
    signature = inspect.signature(command, eval_str=True)
    parameters: list[inspect.Parameter] = []
    groups: dict[str, tuple[type, list[str]]] = {}
    for name, stated in signature.parameters.items():
        group, declared = stated.annotation, None
        if get_origin(group) is Annotated:
            group, *said = get_args(group)
            declared = next((one for one in said if isinstance(one, Options)), None)
        if isinstance(group, type) and dataclasses.is_dataclass(group):
            options = list(inspect.signature(group, eval_str=True).parameters.values())
            if declared is not None:
                options = [
                    option.replace(annotation=Annotated[option.annotation, said])
                    for option in options
                    if (said := declared.get(option.name)) is not None
                ]
            groups[name] = group, [option.name for option in options]
            parameters += [option.replace(kind=stated.kind) for option in options]
        else:
            parameters.append(stated)

    @functools.wraps(command)
    def called(**given: Any) -> None:
        made = {
            name: group(**{option: given.pop(option) for option in options})
            for name, (group, options) in groups.items()
        }
        command(**made, **given)

    cast("Any", called).__signature__ = signature.replace(parameters=parameters)
    called.__annotations__ = {each.name: each.annotation for each in parameters}
    return called
