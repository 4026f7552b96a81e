"""Commands for people who check a run: review set, add, undo, list, roles, sample, score, ..."""

from __future__ import annotations

import getpass
import json
import shlex
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from emodiss.cli import output
from emodiss.cli.options import AsCsv, AsJson, RunFolder
from emodiss.vocabulary import counted

if TYPE_CHECKING:
    from emodiss.reviews import Review
    from emodiss.reviews.audits import Unit

Video = Annotated[str | None, typer.Option(help="Only this video.")]
By = Annotated[
    str | None, typer.Option(help="Who says so; your login name by default.", envvar="EMODISS_BY")
]


def set_review(
    run: RunFolder,
    video: Annotated[str, typer.Option(help="Which video.")],
    voice: Annotated[str | None, typer.Option(help="Label of a voice, for --role.")] = None,
    role: Annotated[str | None, typer.Option(help="therapist, patient or other.")] = None,
    face: Annotated[
        str | None, typer.Option(help="Of a voice: face tracks such as 3,5; none if not shown.")
    ] = None,
    utterance: Annotated[str | None, typer.Option(help="Which utterance, such as u0007.")] = None,
    speaker: Annotated[str | None, typer.Option(help="Whose voice the utterance is.")] = None,
    text: Annotated[str | None, typer.Option(help="What is said in it.")] = None,
    start: Annotated[str | None, typer.Option(help="Where it starts: seconds or MM:SS.")] = None,
    end: Annotated[str | None, typer.Option(help="Where it ends: seconds or MM:SS.")] = None,
    split_at: Annotated[
        str | None, typer.Option(help="Cut the utterance in two there: seconds or MM:SS.")
    ] = None,
    words_before: Annotated[
        int | None, typer.Option(help="Words before that cut; by their times if not given.")
    ] = None,
    merge_with: Annotated[
        str | None, typer.Option(help="Make it one with this utterance of the same voice.")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the utterance out.")] = False,
    not_speech: Annotated[
        bool, typer.Option("--not-speech", help="Take it out, since nobody speaks there.")
    ] = False,
    right: Annotated[
        bool | None, typer.Option("--right/--wrong", help="Verdict on the role or utterance.")
    ] = None,
    take_back: Annotated[
        list[str] | None,
        typer.Option(help="Take back what you said: role, text, split, ...; repeatable."),
    ] = None,
    by: By = None,
    note: Annotated[str, typer.Option(help="For people; alone, a note on the utterance.")] = "",
    settle: Annotated[
        bool, typer.Option("--settle", help="Overrule what others said of the same.")
    ] = False,
) -> None:
    """Correct a voice or an utterance; it holds from the next resume on, in every export."""
    from emodiss.runs.run import load
    from emodiss.study import review

    edges = [None if edge is None else _seconds(edge) for edge in (start, end, split_at)]
    made = review(
        load(run),
        video,
        by=_who(by),
        voice=voice,
        utterance=utterance,
        role=role,
        faces=None if face is None else _tracks(face),
        speaker=speaker,
        text=text,
        start=edges[0],
        end=edges[1],
        split_at=edges[2],
        words_before=words_before,
        merge_with=merge_with,
        remove="not_speech" if not_speech else "removed" if remove else None,
        right=right,
        take_back=take_back or (),
        note=note,
        settle=settle,
    )
    _say_added(run, made)


def add(
    run: RunFolder,
    video: Annotated[str, typer.Option(help="Which video.")],
    start: Annotated[str, typer.Option(help="Where it starts: seconds or MM:SS.")],
    end: Annotated[str, typer.Option(help="Where it ends: seconds or MM:SS.")],
    speaker: Annotated[str, typer.Option(help="Whose voice it is.")],
    text: Annotated[str, typer.Option(help="What is said in it.")] = "",
    by: By = None,
    note: Annotated[str, typer.Option(help="For people; changes no result.")] = "",
) -> None:
    """Add an utterance that was not found."""
    from emodiss.runs.run import load
    from emodiss.study import add_utterance

    times = {"start": _seconds(start), "end": _seconds(end)}
    made = add_utterance(
        load(run), video, by=_who(by), speaker=speaker, text=text, note=note, **times
    )
    _say_added(run, [made])


def undo(
    run: RunFolder,
    video: Annotated[str, typer.Option(help="Which video.")],
    to: Annotated[
        str | None,
        typer.Option(help="Id of the review up to which things stand (see list); '' for none."),
    ] = None,
    by: By = None,
) -> None:
    """Take back your last review of a session, or all after some point; nothing is erased."""
    from emodiss.runs.run import load
    from emodiss.study import undo as take_back

    _say_added(run, [take_back(load(run), video, by=_who(by), to=to)])


def agreement(
    run: RunFolder,
    first: Annotated[str, typer.Option(help="Name of one reviewer.")],
    second: Annotated[str, typer.Option(help="Name of the other.")],
    video: Video = None,
    confidence: Annotated[float, typer.Option(help="Of the intervals.")] = 0.95,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Print how far two reviewers agree on what both judged: kappa, and ICC of times."""
    from emodiss.runs.run import load
    from emodiss.study import agreement as of_both

    found = of_both(load(run), first, second, video=video, confidence=confidence)
    output.show(output.records(found), as_json=as_json, as_csv=as_csv)


def list_reviews(
    run: RunFolder, video: Video = None, as_json: AsJson = False, as_csv: AsCsv = False
) -> None:
    """List every review ever made, and whether it holds."""
    from emodiss.runs.run import load
    from emodiss.study.reviewing import sessions

    rows = [row for session in sessions(load(run), video) for row in session.listing()]
    output.show(rows, as_json=as_json, as_csv=as_csv)


_WHY_OPEN = {
    "one_speaker": "one voice",
    "no_text": "no words",
    "too_close": "too close",
}


def roles(
    run: RunFolder, video: Video = None, as_json: AsJson = False, as_csv: AsCsv = False
) -> None:
    """Show who plays which part, who said so, and what the offline classifier goes by."""
    from emodiss.runs.run import load
    from emodiss.study import role_evidence

    loaded = load(run)
    rows = output.records(role_evidence(loaded, video, announce=output.say))
    if as_json or as_csv:
        output.show(rows, as_json=as_json, as_csv=as_csv)
        return
    output.show([row | {"reason": _WHY_OPEN.get(row["reason"], row["reason"])} for row in rows])
    if unknown := [row for row in rows if not row["role"]]:
        # To stdout: words belong in no log.
        said = loaded.utterances.groupby(["video_id", "speaker"])["text"]
        for row in unknown:
            where = (row["video_id"], row["speaker"])
            texts = said.get_group(where).dropna() if where in said.groups else ()
            longest = shorten(max(texts, key=len, default=""), 100, placeholder=" ...")
            output.tell(f"{' '.join(where)}: {longest or '(no words)'}")
        one = unknown[0]
        output.say(
            f"No role yet: {len(unknown)} of {counted(len(rows), 'voice')}; above is the longest "
            f"that each says. Say who is who: emodiss review set {shlex.quote(str(run))} "
            f"--video {one['video_id']} --voice {shlex.quote(one['speaker'])} --role therapist"
        )


def sample(
    run: RunFolder,
    share: Annotated[float, typer.Option(help="Share that is drawn, rounded up.")] = 0.1,
    seed: Annotated[int, typer.Option(help="The same seed draws the same sample.")] = 0,
    unit: Annotated[str, typer.Option(help="session (as the paper) or utterance.")] = "session",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="CSV or JSON file; CSV to stdout if none.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite a sheet that was changed, too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Draw a sheet to check by hand: fill in verdict (right, wrong) and correct_role."""
    from emodiss.reviews.audits import sample as draw
    from emodiss.runs.run import load
    from emodiss.runs.written import Written
    from emodiss.tabular import for_spreadsheets

    sheet = draw(load(run).utterances, share=share, seed=seed, unit=cast("Unit", unit))
    if as_json or (out is not None and out.suffix.lower() == ".json"):
        text = json.dumps(output.records(sheet), indent=2, ensure_ascii=False) + "\n"
    else:
        text = for_spreadsheets(sheet).to_csv(index=False, lineterminator="\n")
    if out is None:
        output.tell(text, end="")
        return
    with Written(run) as written:
        written.write(out, text.encode(), force=force)
    output.tell(str(out))


def score(
    run: RunFolder,
    sheet: Annotated[
        Path | None, typer.Argument(help="Filled sheet; without one, the verdicts of the run.")
    ] = None,
    confidence: Annotated[float, typer.Option(help="Of the interval.")] = 0.95,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Print the accuracy that an audit found, with its Wilson interval."""
    from emodiss.runs.run import load
    from emodiss.study import accuracy

    found = accuracy(load(run), sheet, confidence=confidence)
    output.show([one.to_dict() for one in found], as_json=as_json, as_csv=as_csv)


def import_file(
    run: RunFolder,
    file: Annotated[Path, typer.Argument(help="Corrected .eaf or .vtt, or a filled sheet.")],
    video: Annotated[
        str | None, typer.Option(help="For .eaf and .vtt: which video; by default the file's name.")
    ] = None,
    by: By = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Take over nothing when anything cannot be.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the changes and stop.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take over what a person changed in an exported file."""
    from emodiss.runs.run import load
    from emodiss.study import import_corrections, take_over

    loaded = load(run)
    found = import_corrections(loaded, file, by=_who(by), video=video)
    for problem in found.problems:
        output.say(f"{file.name}: {problem}")
    if as_json or dry_run:
        output.show([_shown(review) for review in found.reviews], as_json=as_json)
    if not dry_run and not (strict and found.problems):
        take_over(loaded, found.reviews)
        _say_added(run, found.reviews, quiet=as_json)
    if found.problems:
        raise typer.Exit(1)


def _shown(review: Review) -> dict[str, Any]:
    return {
        "video_id": review.video_id,
        "kind": review.kind,
        "speaker": review.of[0].speaker,
        "start": review.of[0].start,
        **{name: review.value.get(name) for name in ("role", "text", "right")},
        "new_speaker": review.value.get("speaker"),
        "new_times": [review.value.get("start"), review.value.get("end")]
        if review.kind == "times"
        else None,
    }


def _say_added(run: Path, made: list[Review], *, quiet: bool = False) -> None:
    from emodiss.runs import layout

    if not quiet:
        n = len(made)
        output.tell(f"{run / layout.REVIEWS}: {n} review{'s' * (n != 1)} added")
    if made:
        output.say(f"Bring them into tables and exports with: emodiss resume {run}")


def _seconds(text: str) -> float:
    from emodiss.errors import SettingsError
    from emodiss.timebase import parse_time

    try:
        return parse_time(text)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _tracks(text: str) -> list[int]:
    from emodiss.errors import SettingsError

    if text.strip().lower() == "none":
        return []
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise SettingsError(
            f"'{text}' names no face tracks.",
            next_step="Write numbers of tracks, such as 3,5, or none; see emodiss people.",
        ) from None


def _who(by: str | None) -> str:
    return by or getpass.getuser()
