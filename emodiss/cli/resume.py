"""The command that goes on with a run."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from emodiss.cli import output
from emodiss.cli.option_groups import grouped
from emodiss.cli.options import AllowLocal, AsJson, Assign, Figures, Offline, Quiet, Working
from emodiss.cli.reporting import draw_figures, going_on, report_on


@grouped
def resume(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    assign: Assign = None,
    *,
    working: Working,
    figures: Figures = True,
    offline: Offline = False,
    allow_local: AllowLocal = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Go on with a run: its videos, preset and settings, as far as none is given anew."""
    from emodiss.runs.annotate import resume as run_resume

    with going_on(run), output.progress_bars(quiet=quiet) as progress:
        found = run_resume(
            run,
            settings=list(assign or []),
            **asdict(working),
            offline=offline,
            allow_local=allow_local,
            progress=progress,
            announce=lambda line: output.say(f"{run.name}: {line}"),
        )
        draw_figures(found, figures)
    report_on(found, as_json=as_json, next_steps=not quiet)
