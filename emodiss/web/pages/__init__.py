"""Templates of pages, with their style and scripts."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any, cast

from emodiss.vocabulary import counted

if TYPE_CHECKING:
    import jinja2


def resource(name: str) -> str:
    """Read a file of this folder."""
    return resources.files("emodiss.web").joinpath("pages", name).read_text(encoding="utf-8")


def environment() -> jinja2.Environment:
    """Make an environment for pages: what comes from a table is escaped, gaps are errors."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(resource),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["counted"] = cast("Any", counted)
    return made
