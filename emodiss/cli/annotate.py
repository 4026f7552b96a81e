"""The command that annotates, and how a run reports what it did."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emodiss.cli import output
from emodiss.cli.option_groups import grouped
from emodiss.cli.options import (
    AllowLocal,
    AsJson,
    Assign,
    Figures,
    Offline,
    OutOrBeside,
    PresetOrOwn,
    Quiet,
    Working,
)
from emodiss.cli.reporting import draw_figures, going_on, report_on

if TYPE_CHECKING:
    from emodiss.runs.annotate import PlannedJob


@grouped
def annotate(
    inputs: Annotated[
        list[str],
        typer.Argument(
            help="A CSV with the columns id and path or url; or media files; or a folder of them. "
            "A transcript beside a file, of the same name, is used."
        ),
    ],
    out: OutOrBeside = None,
    preset: PresetOrOwn = None,
    assign: Assign = None,
    *,
    working: Working,
    figures: Figures = True,
    offline: Offline = False,
    allow_local: AllowLocal = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Do nothing when the manifest has any problem; a malformed row of a transcript "
            "fails its video.",
        ),
    ] = False,
    add: Annotated[
        bool,
        typer.Option("--add", help="Keep the run's videos that are not handed in, as measured."),
    ] = False,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Take the run's videos that are not handed in out of it."),
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Annotate videos: words, faces, affect, dissonance, prompts, figures."""
    from emodiss import manifest as manifests
    from emodiss.runs.annotate import annotate as run_annotate, plan

    if add and replace:
        raise typer.BadParameter("--add keeps videos and --replace takes them out; give one.")
    absent = "keep" if add else "drop" if replace else "stop"
    changes = list(assign or [])
    read = manifests.opened(inputs, allow_local=allow_local)
    name = Path(inputs[0]).name if len(inputs) == 1 else "emodiss"
    if strict:
        read.raise_problems()
        changes.append("transcript.strict=true")
    if dry_run:
        for problem in read.problems:
            output.say(f"{name}: {problem}")
        planned = plan(read, out=out, preset=preset, settings=changes, absent=absent)
        output.show(
            [asdict(job) for job in planned] if as_json else _short(planned), as_json=as_json
        )
        if read.problems or any(job.status == "missing file" for job in planned):
            raise typer.Exit(1)  # as the work itself would end
        return
    root = out if out is not None else manifests.run_folder(read)
    with going_on(root), output.progress_bars(quiet=quiet) as progress:
        run = run_annotate(
            read,
            out=out,
            preset=preset,
            settings=changes,
            **asdict(working),
            offline=offline,
            absent=absent,
            progress=progress,
            announce=lambda line: output.say(f"{name}: {line}"),
        )
        draw_figures(run, figures)
    report_on(run, as_json=as_json, next_steps=not quiet)


def _short(planned: list[PlannedJob]) -> list[dict[str, str]]:
    """Put the stages of one video that fare alike into one row."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for job in planned:
        rows.setdefault((job.video, job.status, job.reason), []).append(job.stage)
    return [
        {"video": video, "status": status, "stages": ", ".join(stages), "reason": reason}
        for (video, status, reason), stages in rows.items()
    ]
