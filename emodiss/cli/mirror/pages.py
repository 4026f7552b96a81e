"""The command that writes a page for each simulated session."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emodiss.cli import output


def pages(
    out: Annotated[Path, typer.Argument(help="Folder of the experiment.")],
) -> None:
    """Write a page for each simulated session, with pictures, captions, plan and scores."""
    from emodiss import mirror

    output.tell(str(mirror.pages(mirror.load(out))))
