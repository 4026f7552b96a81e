"""The command that deals interventions out to raters: study."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from emodiss.cli import output
from emodiss.cli.options import RunFolder


def study(
    run: RunFolder,
    rater: Annotated[list[str], typer.Option(help="Code of a rater, or CODE=GROUP; repeatable.")],
    model: Annotated[
        list[str] | None,
        typer.Option(help="Model whose responses are rated; repeatable. All if not given."),
    ] = None,
    condition: Annotated[
        list[str] | None, typer.Option(help="Condition; repeatable. All if not given.")
    ] = None,
    windows: Annotated[
        int | None,
        typer.Option(help="Windows to draw; 100, or all where fewer qualify, if none.", min=1),
    ] = None,
    max_per_video: Annotated[int, typer.Option(help="Windows of one video.", min=1)] = 1,
    flagged_share: Annotated[
        float | None,
        typer.Option(
            help="Share of windows that hold dissonance; as common if none.", min=0, max=1
        ),
    ] = None,
    raters_per_window: Annotated[
        int | None, typer.Option(help="How many raters see a window; all if none.", min=1)
    ] = None,
    repeats: Annotated[
        float, typer.Option(help="Share of a rater's items shown twice.", min=0, max=0.5)
    ] = 0.05,
    order: Annotated[
        str, typer.Option(help="random, or window: all responses of a window together.")
    ] = "random",
    name: Annotated[str, typer.Option(help="Name of the study.")] = "study",
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="New folder; RUN/study by default.")
    ] = None,
) -> None:
    """Deal a run's interventions out to raters: blind sheets, and the hidden key apart."""
    from emodiss.errors import SettingsError
    from emodiss.ratings import write_study
    from emodiss.runs import layout
    from emodiss.runs.run import load
    from emodiss.study import rating_study

    loaded = load(run)
    groups = {code: group for code, _, group in (text.partition("=") for text in rater)}
    if len(groups) < len(rater):
        raise SettingsError("A rater is named twice.", next_step="Give each --rater once.")
    made = rating_study(
        loaded,
        groups,
        models=model,
        conditions=condition,
        n_windows=windows,
        announce=output.say,
        seed=seed,
        repeats=repeats,
        name=name,
        flagged_share=flagged_share,
        max_per_video=max_per_video,
        raters_per_window=raters_per_window,
        order=order,
    )
    paths = write_study(made, out or loaded.root / layout.STUDY, run=loaded.root)
    for note in made.notes:
        output.say(note)
    for path in paths:
        output.tell(str(path))
    folder = shlex.quote(str(out or loaded.root / layout.STUDY))
    output.say(
        f"Let raters answer in a browser: emodiss rate {folder}; or let each fill a sheet of "
        f"{folder}/sheets. Hand nobody the folder hidden."
    )
