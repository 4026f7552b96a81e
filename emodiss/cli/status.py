"""The command that says how far a run is, and what went wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emodiss.cli import output
from emodiss.cli.options import AsCsv, AsJson
from emodiss.cli.reporting import resume_command
from emodiss.vocabulary import counted

if TYPE_CHECKING:
    from emodiss.runs.store import Outcome
    from emodiss.stages import Stage


def status(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show what is done, what failed and what to do about it."""
    from emodiss.runs.reviews import ReviewFile, n_pending
    from emodiss.runs.run import latest, load, standing_failures
    from emodiss.runs.summary import noted
    from emodiss.vocabulary import meaning

    loaded = load(run)
    told = loaded.store.outcomes()
    videos = loaded.videos
    last = latest(told, videos)
    found = noted(last)
    failures = {failure.video: failure for failure in reversed(standing_failures(loaded, last))}
    next_stages = _next_stages(videos, told)
    seconds: defaultdict[str, float] = defaultdict(float)
    for (video, _), outcome in last.items():
        seconds[video] += outcome.seconds
    reviewed = ReviewFile(run).overlays()
    newer = {video: n_pending(loaded.store, video, said) for video, said in reviewed.items()}
    pending = {video: n for video, n in newer.items() if n}
    rows: list[dict[str, Any]] = []
    for video in dict.fromkeys([*videos, *failures]):
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
                else resume_command(run)
                if waiting
                else "",
                "pending_reviews": pending.get(video, 0 if as_json else ""),
                "notes": ", ".join(notes),
                # A table for people has them below, once for all videos.
                **({"meanings": {code: meaning(code) for code in notes}} if as_json else {}),
                "seconds": round(seconds[video], 1),
            }
        )
    output.show(rows, as_json=as_json, as_csv=as_csv)
    if not (as_json or as_csv):
        for code in found:
            output.tell(f"{code}: {meaning(code)}")
        if pending:
            output.tell(
                f"Reviews of {counted(len(pending), 'video')} are newer than the tables; take them "
                f"in with: {resume_command(run)}"
            )
    raise typer.Exit(1 if failures else 0)


def _next_stages(videos: Sequence[str], told: Sequence[Outcome]) -> dict[str, str]:
    """Name the stage at which work on each video goes on; empty when all is done.

    A run puts a stage into the journal after all that it reads, so one that was last told of before
    something it reads has not been reached since.
    """
    from emodiss.stages import STAGES

    latest = {(one.video, one.stage): (place, one.status) for place, one in enumerate(told)}

    def reached(video: str, stage: Stage) -> bool:
        place, state = latest.get((video, stage.name), (-1, ""))
        read = (latest.get((video, name), (-1, ""))[0] for name in stage.reads)
        return place >= max(read, default=-1) and state in ("done", "cached", "skipped")

    return {
        video: next((stage.name for stage in STAGES if not reached(video, stage)), "")
        for video in videos
    }
