"""Commands that make or inspect a run: annotate, resume, demo, status, doctor."""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emodiss import presets
from emodiss.cli import output

if TYPE_CHECKING:
    from emodiss.runs.run import Run
    from emodiss.runs.summary import Determined

Out = Annotated[Path, typer.Option("--out", "-o", help="Run folder; continued when it exists.")]
OutOrBeside = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="Run folder; continued when it exists. By default NAME-run beside what is named.",
    ),
]
Preset = Annotated[str, typer.Option(help="lite (embedded models), paper or paper-raw.")]
PresetOrOwn = Annotated[
    str | None,
    typer.Option(
        help="lite (embedded models; for a new run the default), paper or paper-raw. Without it "
        "a run that exists goes on with its own preset and settings."
    ),
]
Assign = Annotated[
    list[str] | None, typer.Option("--set", help="Change a setting: group.name=value; repeatable.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
AllowLocal = Annotated[
    bool,
    typer.Option(
        "--allow-local",
        help="Open files outside the manifest's folder too; only for a manifest that you trust.",
    ),
]
Workers = Annotated[
    int | None, typer.Option(help="Worker processes; 0 works in this process.", min=0)
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress shown.")]

# Videos that a summary names before it leaves the rest to `status`.
_NAMED = 5
# Reasons that a summary gives for what is missing; the table has them all.
_REASONS_SHOWN = 3


Engine = Annotated[str, typer.Option(help="local or ray.")]
Device = Annotated[str, typer.Option(help="cpu or cuda.")]
Threads = Annotated[int, typer.Option(help="CPU threads per model.", min=1)]
Figures = Annotated[bool, typer.Option(help="Draw the figures at the end.")]
Offline = Annotated[
    bool, typer.Option("--offline", help="Fetch no video; those never fetched fail.")
]


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
    workers: Workers = None,
    engine: Engine = "local",
    device: Device = "cpu",
    threads: Threads = 1,
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
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Annotate videos: words, faces, affect, dissonance, prompts, figures."""
    from emodiss import manifest as manifests
    from emodiss.runs.annotate import annotate as run_annotate, plan

    changes = list(assign or [])
    read = manifests.opened(inputs, allow_local=allow_local)
    name = Path(inputs[0]).name if len(inputs) == 1 else "emodiss"
    if strict:
        read.raise_problems()
        changes.append("transcript.strict=true")
    if dry_run:
        for problem in read.problems:
            output.say(f"{name}: {problem}")
        planned = plan(read, out=out, preset=preset, settings=changes)
        output.show([_fields(job) for job in planned], as_json=as_json)
        if read.problems or any(job.status == "missing file" for job in planned):
            raise typer.Exit(1)  # as the work itself would end
        return
    root = out if out is not None else manifests.run_folder(read)
    with _going_on(root), output.progress_bars(quiet=quiet) as progress:
        run = run_annotate(
            read,
            out=out,
            preset=preset,
            settings=changes,
            workers=workers,
            engine=engine,
            device=device,
            threads=threads,
            offline=offline,
            progress=progress,
            announce=lambda line: output.say(f"{name}: {line}"),
        )
        _draw(run, figures)
    _report(run, as_json=as_json)


def resume(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    assign: Assign = None,
    workers: Workers = None,
    engine: Engine = "local",
    device: Device = "cpu",
    threads: Threads = 1,
    figures: Figures = True,
    offline: Offline = False,
    allow_local: AllowLocal = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Go on with a run: its videos, preset and settings, as far as none is given anew."""
    from emodiss.runs.annotate import resume as run_resume

    with _going_on(run), output.progress_bars(quiet=quiet) as progress:
        found = run_resume(
            run,
            settings=list(assign or []),
            workers=workers,
            engine=engine,
            device=device,
            threads=threads,
            offline=offline,
            allow_local=allow_local,
            progress=progress,
            announce=lambda line: output.say(f"{run.name}: {line}"),
        )
        _draw(found, figures)
    _report(found, as_json=as_json)


def _draw(run: Run, wanted: bool = True) -> None:
    if wanted:
        from emodiss.plots import draw_all
        from emodiss.runs.files import room_needed

        with room_needed(), run.store.lock():
            draw_all(run)


def _going_on(root: Path) -> contextlib.AbstractContextManager[None]:
    """Let a stop end with the command that goes on with a run."""
    from emodiss.cli.stopping import stoppable

    return stoppable(_resume_command(root))


def _resume_command(root: Path) -> str:
    return f"emodiss resume {shlex.quote(str(root))}"


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

    with _going_on(out / "run"), output.progress_bars(quiet=quiet) as progress:
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
            _draw(run)
    if not as_json:
        for name, run in runs.items():
            output.say(f"The demo session, {name}:")
            _show_utterances(run)
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
            _report(run, as_json=as_json)
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


def status(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show what is done, what failed and what to do about it."""
    from emodiss.runs.run import load
    from emodiss.vocabulary import meaning

    loaded = load(run)
    found = _noted(loaded)
    failures = {failure.video: failure for failure in reversed(loaded.failures)}
    rows: list[dict[str, Any]] = []
    outcomes, next_stages = loaded.outcomes, _next_stages(loaded)
    for video in dict.fromkeys([*loaded.videos, *failures]):
        mine = {stage: o for (v, stage), o in outcomes.items() if v == video}
        failure = failures.get(video)
        waiting = "" if failure else next_stages.get(video, "")
        notes = [code for code, videos in found.items() if video in videos]
        rows.append(
            {
                "video": video,
                "state": "failed" if failure else "unfinished" if waiting else "complete",
                "stage": failure.stage if failure else waiting,
                "error": failure.error["code"] if failure and failure.error else "",
                "what": failure.error["what"] if failure and failure.error else "",
                "next_step": failure.error["next_step"]
                if failure and failure.error
                else _resume_command(run)
                if waiting
                else "",
                "notes": ", ".join(notes),
                # A table for people has them below, once for all videos.
                **({"meanings": {code: meaning(code) for code in notes}} if as_json else {}),
                "seconds": round(sum(o.seconds for o in mine.values()), 1),
            }
        )
    output.show(rows, as_json=as_json, as_csv=as_csv)
    if not (as_json or as_csv):
        for code in found:
            typer.echo(f"{code}: {meaning(code)}")
    raise typer.Exit(1 if failures else 0)


def _noted(run: Run) -> dict[str, set[str]]:
    """Return the videos by what stages noted on them, the notes in order of their codes."""
    found: dict[str, set[str]] = {}
    for (video, _), outcome in run.outcomes.items():
        # What a skipped stage says is why it was not needed.
        for code in () if outcome.status == "skipped" else outcome.notes:
            found.setdefault(code, set()).add(video)
    return dict(sorted(found.items()))


def _next_stages(run: Run) -> dict[str, str]:
    """Name the stage at which work on each video goes on; empty when all is done.

    A run puts its stages into the journal in their order, so a stage that was last told of before
    the one ahead of it has not been reached since.
    """
    from emodiss.stages import STAGES

    told: dict[tuple[str, str], tuple[int, str]] = {}
    for place, outcome in enumerate(run.store.outcomes()):
        told[outcome.video, outcome.stage] = place, outcome.status
    found: dict[str, str] = {}
    for video in run.videos:
        found[video], last = "", -1
        for stage in STAGES:
            place, state = told.get((video, stage.name), (-1, ""))
            if place < last or state not in ("done", "cached", "skipped"):
                found[video] = stage.name
                break
            last = place
    return found


def doctor(
    preset: Preset = presets.DEFAULT,
    out: Annotated[Path, typer.Option(help="Where runs will be written.")] = Path(),
    as_json: AsJson = False,
) -> None:
    """Check ffmpeg, memory, GPU, token, weights and disk before hours are spent."""
    from emodiss.cli.checks import examine

    findings = examine(preset=preset, folder=out)
    output.show([_fields(finding) for finding in findings], as_json=as_json)
    raise typer.Exit(1 if any(f.state == "missing" for f in findings) else 0)


def _fields(record: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(record)


def _show_utterances(run: Any) -> None:
    table = run.utterances
    columns = {
        "start": "start",
        "end": "end",
        "speaker": "speaker",
        "role": "role",
        "text": "text",
        "speech_valence": "voice V",
        "speech_arousal": "voice A",
        "face_valence": "face V",
        "face_arousal": "face A",
        "dissonant": "dissonant",
        "dissonance_reason": "reason",
    }
    output.show(output.records(table[list(columns)].rename(columns=columns)))


def _report(run: Any, *, as_json: bool) -> None:
    """Print the summary and leave with the right status."""
    from dataclasses import asdict

    from emodiss.runs.summary import determined
    from emodiss.vocabulary import meaning

    table = run.utterances
    failures = run.failures
    for video in run.videos:
        if "malformed_rows" in getattr(run.outcomes.get((video, "draft")), "notes", ()):
            problems = run.artifact(video, "draft").problems
            rows = f"{len(problems)} row{'s' * (len(problems) > 1)}"
            output.say(f"{video}: {rows} left out; first: {problems[0]}")
    for row in run.manifest:
        named = set(row.get("roles") or {})
        voices = set(table.loc[table["video_id"] == row["id"], "speaker"])
        # Labels are people's names, and stay out of what is logged.
        if voices and (n_strange := len(named - voices)):
            output.say(
                f"{row['id']}: {n_strange} of {len(named)} labels in the manifest's roles "
                f"are those of no voice; compare: emodiss review roles {run.root}"
            )
    n_flagged = int(table["dissonant"].fillna(False).sum())
    n_unknown = int(table["dissonant"].isna().sum())
    failed = {f.video for f in failures}
    rule = run.settings.dissonance
    known = determined(run)
    n_videos = len(set(run.videos) | failed)
    summary = {
        "run": str(run.root),
        "videos": n_videos,
        "failed": len(failed),
        "utterances": len(table),
        "dissonant": n_flagged,
        "undetermined": n_unknown,
        "threshold": rule.threshold if rule.quantile is None else None,
        "quantile": rule.quantile,
        "determined": [asdict(part) for part in known],
        "failures": [{"video": f.video, "stage": f.stage, **(f.error or {})} for f in failures],
    }
    if as_json:
        import json

        typer.echo(json.dumps(summary, indent=2, ensure_ascii=False))
    else:
        for code, videos in _noted(run).items():
            if here := [video for video in run.videos if video in videos]:
                named = ", ".join(here[:_NAMED]) + (", ..." if len(here) > _NAMED else "")
                output.say(f"{named}: {code}: {meaning(code)}")
        for failure in failures:
            if failure.stage == "manifest":
                continue  # said before work began
            error = failure.error or {}
            what = str(error.get("what", "")).rstrip(".")
            output.say(
                f"{failure.video or '(no id)'}: failed in {failure.stage} "
                f"[{error.get('code')}]: {what}. {error.get('next_step')}"
            )
        determined = len(table) - n_unknown
        typer.echo(
            f"{run.root}: {n_videos - len(failed)} of {n_videos} videos complete, "
            f"{len(table)} utterances, {n_flagged} of {determined} dissonant "
            f"(T = {rule.threshold_words}), {n_unknown} undetermined"
        )
        _show_determined(run, known)
    if failures:
        raise typer.Exit(1)


def _show_determined(run: Run, known: list[Determined]) -> None:
    """Print how much is known of what, and the main reasons and next steps where it is not."""
    voices = run.utterances.drop_duplicates(["video_id", "speaker"])
    for part in known if len(voices) else ():
        line = f"{part.what:10} in {part.n} of {part.of}"
        for reason in part.reasons[:_REASONS_SHOWN]:
            n: Any = reason.n
            if reason.code == "role:unknown":
                n_voices = int(voices["role"].isna().sum())
                n = f"{n} by {n_voices} voice{'s' * (n_voices != 1)}"
            step = f" ({reason.next_step})" if reason.next_step else ""
            line += f"; {n}: {reason.what}{step}"
        output.say(line)
