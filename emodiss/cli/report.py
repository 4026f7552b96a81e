"""The command that writes web pages of a run: report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emodiss.cli import output
from emodiss.cli.options import Quiet, RunFolder


def report(
    run: RunFolder,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder; default is RUN/report.")
    ] = None,
    video: Annotated[
        list[str] | None, typer.Option(help="Only this video; repeatable; default is all.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite pages that were changed, too.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Write one web page per session, and an index: video, transcript, curves, flags. No network.

    The pages hold what people said: keep them where the recordings may be kept.
    """
    from emodiss.runs.run import load
    from emodiss.web import report as reports

    loaded = load(run)
    with output.progress_bars(quiet=quiet) as progress:
        step = None if progress is None else (lambda done, n: progress("report", done, n))
        index = reports.write(loaded, out, videos=video, progress=step, force=force)
    output.tell(str(index))
