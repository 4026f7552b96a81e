"""What a function was handed by mistake, named once it fails.

Functions that people call trust their arguments: looking at every one of a million calls would cost
more than the work. Where one ends in an error of Python's, its arguments are held against its
annotations; the first that does not fit is named, with what belongs there.
"""

from __future__ import annotations

import collections.abc as abc
import functools
import inspect
import numbers
import sys
import traceback
import types
import typing
from collections.abc import Callable, Generator
from typing import Any

from emodiss.errors import ArgumentError, EmodissError

_PYTHONS_OWN = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)


def explain(room: str) -> None:
    """Have the functions that a module exports name what they were handed by mistake."""
    module = sys.modules[room]
    for name in module.__all__:
        value = vars(module).get(name)
        if inspect.isfunction(value):
            setattr(module, name, explaining(value, room))


@functools.cache
def explaining(function: Callable[..., Any], room: str) -> Callable[..., Any]:
    """Return a function that names what it was handed by mistake, as `room` exports it."""

    @functools.wraps(function)
    def explained(*given: Any, **named: Any) -> Any:
        __tracebackhide__ = True
        try:
            result = function(*given, **named)
        except _PYTHONS_OWN as error:
            _explain(error, explained, given, named)
            raise
        is_generator = type(result) is types.GeneratorType
        return going_on(result, given, named) if is_generator else result

    def going_on(result: Generator[Any], given: Any, named: Any) -> Generator[Any]:
        __tracebackhide__ = True
        try:
            return (yield from result)
        except _PYTHONS_OWN as error:
            _explain(error, explained, given, named)
            raise

    explained.__module__ = room  # what people import, so that it can be found and pickled
    return explained


def _explain(error: Exception, function: Callable[..., Any], given: Any, named: Any) -> None:
    """Raise what is wrong with the arguments of a call, if anything is."""
    if isinstance(error, EmodissError):
        return
    signature = inspect.signature(function)
    try:
        bound = signature.bind(*given, **named).arguments
    except TypeError:  # too many or too few, as Python says
        return
    hints, path = _hints(inspect.unwrap(function)), f"{function.__module__}.{function.__name__}"
    lacks = error.args[0] if isinstance(error, KeyError) and _is_of(error, "pandas") else None
    for name, value in bound.items():
        parameter = signature.parameters[name]
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        for one in value if parameter.kind is parameter.VAR_POSITIONAL else (value,):
            what = f"'{name}' of {path}"
            if not _fits(one, hints.get(name, Any)):
                raise ArgumentError(
                    f"Got {_kind(one)} for {what}, where {parameter.annotation} belongs.",
                    next_step=f"See help({path}).",
                ) from error
            if lacks is not None and hasattr(one, "columns"):
                raise ArgumentError(
                    f"The table for {what} lacks {lacks}.", next_step=f"See help({path})."
                ) from error


def _is_of(error: Exception, package: str) -> bool:
    """Whether an error was raised inside a package."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return frame.f_globals["__name__"].partition(".")[0] == package


@functools.cache
def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations of a function; where a kind cannot be found, it may be any."""
    import pandas as pd

    known: dict[str, Any] = {"pd": pd, "ArrayLike": _Numeric}
    while True:
        try:
            return typing.get_type_hints(function, localns=known)
        except NameError as error:  # imported for a type checker only
            name = str(error.name)
            known[name] = _found(name)


def _found(name: str) -> Any:
    """Return the class of this name in what of emodiss is loaded; where it is none, any."""
    found = {
        kind
        for path, module in list(sys.modules.items())
        if path.partition(".")[0] == "emodiss" and isinstance(kind := vars(module).get(name), type)
    }
    return found.pop() if len(found) == 1 else Any


class _Numbers(type):
    """The kind of whatever NumPy reads as numbers."""

    def __instancecheck__(cls, value: object) -> bool:
        import numpy as np

        try:
            np.asarray(value, dtype=float)
        except (TypeError, ValueError):
            return False
        return value is not None and not isinstance(value, str | bytes)


class _Numeric(metaclass=_Numbers):
    """Numbers in any form."""


_NUMBERS: dict[Any, Any] = {float: numbers.Real, int: numbers.Integral}
"""What numbers of NumPy are, too."""


def _fits(value: object, hint: Any) -> bool:
    """Whether a value is of a kind; what cannot be told fits."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is typing.Literal:
        return isinstance(value, str | int) and value in parts
    try:
        if not isinstance(value, _NUMBERS.get(hint, origin or hint)):
            return False
    except TypeError:  # Any, or a protocol that cannot be looked for
        return True
    if not parts or origin.__module__ not in ("builtins", "collections.abc"):
        return True
    if isinstance(value, str | bytes):  # a text is no collection of texts
        return False
    if origin is tuple and parts[-1] is not Ellipsis:
        return (
            isinstance(value, tuple) and len(value) == len(parts) and all(map(_fits, value, parts))
        )
    if isinstance(value, abc.Mapping) and len(parts) == 2:
        return all(_fits(k, parts[0]) and _fits(v, parts[1]) for k, v in value.items())
    return not isinstance(value, abc.Collection) or all(_fits(one, parts[0]) for one in value)


def _kind(value: object) -> str:
    """Name the kind of a value, and of what it holds; never what it says."""
    name = type(value).__name__
    if not isinstance(value, list | tuple | set | frozenset | dict) or not value:
        return name
    held = sorted({type(one).__name__ for one in value})
    return f"{name} of {', '.join(held[:3])}"
