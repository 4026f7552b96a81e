"""What the commands that work on a run say: what was done, what went wrong, how to go on."""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from emodiss.cli import output

if TYPE_CHECKING:
    from emodiss.runs.run import Run
    from emodiss.runs.summary import Determined

# Videos that a summary names before it leaves the rest to `status`.
_NAMED = 5


# Reasons that a summary gives for what is missing; the table has them all.
_REASONS_SHOWN = 3


def draw_figures(run: Run, wanted: bool = True) -> None:
    """Draw the figures of a run, unless they are not wanted."""
    if wanted:
        from emodiss.plots import draw_all
        from emodiss.runs.files import room_needed

        with room_needed(), run.store.lock():
            draw_all(run)


def _say_what_is_next(run: Run) -> None:
    """Name the commands that look at a run, correct it and hand it on."""
    if len(run.utterances):
        root = shlex.quote(str(run.root))
        output.say(
            f"Look at it: emodiss report {root}; correct it: emodiss serve {root}; hand it on: "
            f"emodiss export {root}"
        )


def going_on(root: Path) -> contextlib.AbstractContextManager[None]:
    """Let a stop end with the command that goes on with a run."""
    from emodiss.cli.stopping import stoppable

    return stoppable(resume_command(root))


def resume_command(root: Path) -> str:
    """Write the command that goes on with a run."""
    return f"emodiss resume {shlex.quote(str(root))}"


def show_utterances(run: Any) -> None:
    """Print what was measured per utterance."""
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


def report_on(run: Any, *, as_json: bool, next_steps: bool = False) -> None:
    """Print the summary and leave with the right status."""
    from dataclasses import asdict

    from emodiss.runs.run import standing_failures
    from emodiss.runs.summary import determined, noted
    from emodiss.vocabulary import counted, meaning

    table = run.utterances
    outcomes, videos = run.outcomes, run.videos
    failures = standing_failures(run, outcomes)
    for video in videos:
        if "malformed_rows" in getattr(outcomes.get((video, "draft")), "notes", ()):
            problems = run.artifact(video, "draft").problems
            rows = f"{len(problems)} row{'s' * (len(problems) > 1)}"
            output.say(f"{video}: {rows} left out; first: {problems[0]}")
    voices_of: dict[str, set[str]] = {}
    for video, voice in table[["video_id", "speaker"]].drop_duplicates().itertuples(index=False):
        voices_of.setdefault(video, set()).add(voice)
    for row in run.manifest:
        named = set(row.get("roles") or {})
        voices = voices_of.get(row["id"], set())
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
    n_videos = len(set(videos) | failed)
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
        output.show_json(summary)
    else:
        for code, concerned in noted(outcomes).items():
            if here := [video for video in videos if video in concerned]:
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
        output.tell(
            f"{run.root}: {n_videos - len(failed)} of {counted(n_videos, 'video')} complete, "
            f"{counted(len(table), 'utterance')}, {n_flagged} of {determined} dissonant "
            f"(T = {rule.threshold_words}), {n_unknown} undetermined"
        )
        _show_determined(run, known)
        if next_steps:
            _say_what_is_next(run)
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
