"""The command that draws figures."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated

import typer

from emodiss.cli import output
from emodiss.cli.options import RunFolder
from emodiss.registry import FIGURES


def _short(option: str = "") -> str:
    """List the figures, or those that take an option, by their short names."""
    return ", ".join(row.short for row in FIGURES.values() if not option or option in row.options)


def plot(
    run: RunFolder,
    figure: Annotated[str, typer.Argument(help=f"One of {_short()}.")],
    video: Annotated[str | None, typer.Option(help=f"For {_short('video')}: which video.")] = None,
    blur: Annotated[
        bool, typer.Option("--blur", help=f"For {_short('blur')}: hide the faces.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite a picture that was changed, too.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="PNG, SVG or PDF; default in RUN/figures.")
    ] = None,
) -> None:
    """Draw one of the paper's figures, the timeline of a session, or its tracks on frames."""
    from emodiss.plots import registry
    from emodiss.runs.run import load
    from emodiss.runs.written import Written

    loaded = load(run)
    row = registry.find(figure)
    drawn = registry.draw(loaded, row.name, video=video, blur=blur)
    name = f"{row.name}_{video or loaded.videos[0]}" if row.named_after_video else row.name
    path = out or loaded.figures / f"{name}.png"
    with Written(run) as written:
        registry.save(drawn, path, write=functools.partial(written.write, force=force))
    output.tell(str(path))
