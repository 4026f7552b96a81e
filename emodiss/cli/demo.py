"""The command that builds the demo session and annotates it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emodiss.cli import output
from emodiss.cli.options import AsJson, Assign, Out, Quiet, Workers
from emodiss.cli.reporting import draw_figures, going_on, report_on, show_utterances


def demo(
    out: Out = Path("demo-run"),
    untouched: Annotated[
        bool,
        typer.Option(
            "--untouched",
            help="Annotate the film a second time as if it came without transcript and roles.",
        ),
    ] = False,
    assign: Assign = None,
    workers: Workers = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Build the demo session (known truth, nothing downloaded) and annotate it with preset lite."""
    from emodiss import demo as demos
    from emodiss.runs import layout
    from emodiss.runs.annotate import annotate as run_annotate

    with going_on(out / "run"), output.progress_bars(quiet=quiet) as progress:
        step = (
            None if progress is None else (lambda done, total: progress("demo video", done, total))
        )
        session = demos.build(out / "demo", progress=step)
        manifests = {"given transcript": (session.manifest, "run")}
        if untouched:
            manifests["untouched"] = (demos.untouched_manifest(session), "untouched")
        runs = {
            name: run_annotate(
                manifest,
                out=out / folder,
                preset="lite",
                settings=assign or [],
                workers=workers,
                progress=progress,
                announce=output.say,
            )
            for name, (manifest, folder) in manifests.items()
        }
        for run in runs.values():
            draw_figures(run)
    if not as_json:
        for name, run in runs.items():
            output.say(
                f"The demo session, {name} (portraits with a painted mouth: its numbers show that "
                "the pipeline works, and nothing about feelings):"
            )
            show_utterances(run)
            n_kinds = len({prompt["condition"] for prompt in run.prompts})
            output.say(f"Prompts:  {run.root / layout.PROMPTS} ({n_kinds} kinds)")
            for path in sorted(run.figures.glob("*.png")):
                output.say(f"Figure:   {path}")
        done = {name: run for name, run in runs.items() if not run.failures}
        output.say("What was measured, beside what is true of the film:")
        output.show(demos.compare(session.truth, done))
        _say_what_is_next(out / "run")
    failed = False
    for run in runs.values():
        try:
            report_on(run, as_json=as_json)
        except typer.Exit:
            failed = True
    if failed:
        raise typer.Exit(1)


def _say_what_is_next(run: Path) -> None:
    """Name the commands that go on from the demo, and what to make of the toy's answers."""
    toy = "smollm2-135m"
    output.say(
        f"""Next, all on this machine:
  emodiss report {run}
  emodiss prompts {run} --kind dissonance --show
  emodiss intervene {run} --local {toy}
  emodiss judge {run} --local {toy}
{toy} is a toy language model that shows the path and nothing else. Its answers fail as the
study's appendix F describes: they explain instead of replying, repeat the dialogue, write turns of
both sides. Each answer is kept with its failures; a real model: --model NAME --base-url URL."""
    )
