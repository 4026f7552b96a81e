"""Commands for people who check a run: review set, list, roles, sample, score, import."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from emodiss.cli import output
from emodiss.cli.run_commands import AsCsv, AsJson
from emodiss.cli.show_commands import RunFolder

if TYPE_CHECKING:
    from emodiss.reviews import Review
    from emodiss.reviews.audits import Judged, Unit
    from emodiss.runs.reviewing import Session
    from emodiss.runs.run import Run

Video = Annotated[str | None, typer.Option(help="Only this video.")]
By = Annotated[
    str | None, typer.Option(help="Who says so; your login name by default.", envvar="EMODISS_BY")
]


def set_review(
    run: RunFolder,
    video: Annotated[str, typer.Option(help="Which video.")],
    voice: Annotated[str | None, typer.Option(help="Label of a voice, for --role.")] = None,
    role: Annotated[str | None, typer.Option(help="therapist, patient or other.")] = None,
    utterance: Annotated[str | None, typer.Option(help="Which utterance, such as u0007.")] = None,
    speaker: Annotated[str | None, typer.Option(help="Whose voice the utterance is.")] = None,
    text: Annotated[str | None, typer.Option(help="What is said in it.")] = None,
    start: Annotated[str | None, typer.Option(help="Where it starts: seconds or MM:SS.")] = None,
    end: Annotated[str | None, typer.Option(help="Where it ends: seconds or MM:SS.")] = None,
    right: Annotated[
        bool | None, typer.Option("--right/--wrong", help="Verdict on the role or utterance.")
    ] = None,
    take_back: Annotated[
        list[str] | None,
        typer.Option(help="Take back role, speaker, text, times or verdict; repeatable."),
    ] = None,
    by: By = None,
    note: Annotated[str, typer.Option(help="For people; changes no result.")] = "",
) -> None:
    """Correct a role or an utterance; it holds from the next annotate on, in every export."""
    from emodiss.errors import SettingsError, nearest
    from emodiss.reviews import KINDS
    from emodiss.runs.reviewing import Session
    from emodiss.runs.run import load

    if (voice is None) == (utterance is None):
        raise SettingsError(
            "It must be said what is corrected.",
            next_step="Give --voice (a label in the table) or --utterance (such as u0007).",
        )
    session = Session(load(run), video)
    changes = _changes(session, utterance, role, speaker, text, start, end)
    target = cast("str", voice if utterance is None else utterance)
    if right is not None:
        judged = "role" if voice is not None else "utterance"
        changes["verdict"] = {"right": right, "judged": judged}
    for kind in take_back or ():
        if kind not in KINDS:
            raise SettingsError(f"There is no kind '{kind}'.", next_step=nearest(kind, KINDS))
        judged = "role" if voice is not None else "utterance"
        changes[kind] = {"judged": judged} if kind == "verdict" else {}
    if not changes:
        raise SettingsError(
            "Nothing is corrected.",
            next_step="Give --role, --speaker, --text, --start and --end, --right or --take-back.",
        )
    for kind in changes:
        about = "voice" if kind == "role" else "utterance"
        if kind != "verdict" and (voice is None) != (about == "utterance"):
            raise SettingsError(
                f"A {kind} belongs to a{'n' * (about[0] == 'u')} {about}.",
                next_step=f"Give --{about}.",
            )
    made = [session.review(k, target, by=_who(by), note=note, **v) for k, v in changes.items()]
    _append(session.run, made)


def _changes(
    session: Session,
    utterance: str | None,
    role: str | None,
    speaker: str | None,
    text: str | None,
    start: str | None,
    end: str | None,
) -> dict[str, dict[str, Any]]:
    """Fields of the reviews that options ask for, by kind."""
    from emodiss.errors import SettingsError
    from emodiss.manifest import parse_role
    from emodiss.timebase import parse_time

    changes: dict[str, dict[str, Any]] = {}
    try:
        if role is not None:
            changes["role"] = {"role": parse_role(role)}
        if start is not None or end is not None:
            # One edge alone keeps the other as it stands now.
            u = session.wording.utterances[session.index(utterance or "")]
            changes["times"] = {
                "start": u.start if start is None else parse_time(start),
                "end": u.end if end is None else parse_time(end),
            }
    except ValueError as error:
        raise SettingsError(str(error)) from None
    if speaker is not None:
        changes["speaker"] = {"speaker": speaker}
    if text is not None:
        changes["text"] = {"text": " ".join(text.split())}
    return changes


def list_reviews(
    run: RunFolder, video: Video = None, as_json: AsJson = False, as_csv: AsCsv = False
) -> None:
    """List every review ever made, and whether it holds."""
    rows = [row for session in _sessions(run, video) for row in session.listing()]
    output.show(rows, as_json=as_json, as_csv=as_csv)


def roles(
    run: RunFolder, video: Video = None, as_json: AsJson = False, as_csv: AsCsv = False
) -> None:
    """Show who plays which part, who said so, and what the offline classifier goes by."""
    from emodiss.errors import RunError
    from emodiss.people.roles import classify_roles

    rows: list[dict[str, Any]] = []
    for session in _sessions(run, video):
        try:
            utterances = session.wording.utterances
            found = session.run.artifact(session.video, "roles")
        except RunError:
            output.say(f"{session.video}: no transcript yet; see emodiss status.")
            continue
        evidence = classify_roles(utterances)
        for voice in found.voices:
            counted = evidence[voice.speaker].evidence
            heard = counted["n_utterances"] > 0  # no words are no share of words
            rows.append(
                {
                    "video_id": session.video,
                    "speaker": voice.speaker,
                    "role": voice.role,
                    "source": voice.source,
                    "confidence": None
                    if voice.confidence != voice.confidence
                    else voice.confidence,
                    "reason": voice.reason,
                    "utterances": int(counted["n_utterances"]),
                    "opens": bool(counted["opens"]) if heard else None,
                    **{
                        name: round(counted[name], 3) if heard else None
                        for name in (
                            *("talk_share", "question_mark", "second_person"),
                            *("first_person", "reflection"),
                        )
                    },
                }
            )
    output.show(rows, as_json=as_json, as_csv=as_csv)


def sample(
    run: RunFolder,
    share: Annotated[float, typer.Option(help="Share that is drawn, rounded up.")] = 0.1,
    seed: Annotated[int, typer.Option(help="The same seed draws the same sample.")] = 0,
    unit: Annotated[str, typer.Option(help="session (as the paper) or utterance.")] = "session",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="CSV or JSON file; CSV to stdout if none.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Draw a sheet to check by hand: fill in verdict (right, wrong) and correct_role."""
    from emodiss.reviews.audits import sample
    from emodiss.runs.run import load
    from emodiss.runs.store import write_atomically
    from emodiss.tabular import for_spreadsheets

    sheet = sample(load(run).utterances, share=share, seed=seed, unit=cast("Unit", unit))
    if as_json or (out is not None and out.suffix.lower() == ".json"):
        text = json.dumps(output.records(sheet), indent=2, ensure_ascii=False) + "\n"
    else:
        text = for_spreadsheets(sheet).to_csv(index=False, lineterminator="\n")
    if out is None:
        typer.echo(text, nl=False)
        return
    write_atomically(out, text.encode())
    typer.echo(str(out))


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
    from emodiss.reviews.audits import AuditError, score as count

    if sheet is not None:
        judged = _read_sheet(sheet)
        ids = {session.video for session in _sessions(run, None)}
        if strange := sorted({one.video_id for one in judged} - ids):
            raise AuditError(
                f"The sheet names the video '{strange[0]}', which is not in this run.",
                next_step="Give the run that the sample was drawn from.",
            )
    else:
        judged = [one for session in _sessions(run, None) for one in session.verdicts()]
    found = count(judged, confidence=confidence)
    if not any(one.n for one in found):
        raise AuditError(
            "Nothing is judged yet.",
            next_step="Fill in the sheet of 'emodiss review sample', or use "
            "'emodiss review set --right'.",
        )
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
    from emodiss.exports import ExportError, items, read_back
    from emodiss.runs.reviewing import Session
    from emodiss.runs.run import load

    loaded, who = load(run), _who(by)
    problems: list[str]
    made: list[Review] = []
    if file.suffix.lower() in (".csv", ".json"):
        judged, problems = _read_sheet(file), []
        for name in dict.fromkeys(one.video_id for one in judged):
            own = [one for one in judged if one.video_id == name]
            more, faults = Session(loaded, name).audited(own, by=who)
            made += more
            problems += faults
    else:
        session = Session(loaded, video or file.stem)
        if session.n_pending:
            raise ExportError(
                f"{_reviews(session.n_pending)} of '{session.video}' newer than its table.",
                next_step="Run emodiss annotate again, so that the file is compared with what "
                "stands now.",
            )
        shown = items(loaded.session(session.video))
        reviewed = {(row["kind"], row["target"]) for row in session.listing()}
        changes, problems = read_back(file, shown, reviewed=reviewed)
        made = [session.review(c.kind, c.target, by=who, **c.values) for c in changes]
    for problem in problems:
        output.say(f"{file.name}: {problem}")
    refused = strict and bool(problems)
    if as_json or dry_run:
        output.show([_shown(review) for review in made], as_json=as_json)
    if not dry_run and not refused:
        _append(loaded, made, quiet=as_json)
    if problems:
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


def _append(run: Run, made: list[Review], *, quiet: bool = False) -> None:
    from emodiss.runs.reviews import ReviewFile

    file = ReviewFile(run.root)
    if made:
        file.append(made)
    if not quiet:
        typer.echo(f"{file.path}: {_reviews(len(made))} added")
    if made:
        output.say("Run the same 'emodiss annotate' again to bring them into tables and exports.")


def _reviews(number: int) -> str:
    return f"{number} review{'s' * (number != 1)}"


def _who(by: str | None) -> str:
    return by or getpass.getuser()


def _sessions(run: Path, video: str | None) -> list[Session]:
    from emodiss.runs.reviewing import Session
    from emodiss.runs.reviews import ReviewFile
    from emodiss.runs.run import load

    loaded = load(run)
    known = tuple(ReviewFile(run).read())
    return [Session(loaded, name, known) for name in ([video] if video else loaded.videos)]


def _read_sheet(path: Path) -> list[Judged]:
    from emodiss import tabular
    from emodiss.reviews.audits import COLUMNS, AuditError, read_sheet

    if not path.exists():
        raise AuditError(
            f"There is no sheet '{path}'.",
            next_step="Name the file that 'emodiss review sample -o' wrote, with its folder.",
        )
    if path.suffix.lower() != ".json":
        table = tabular.read(path, error=AuditError, what="sheet", known=COLUMNS, restore=True)
        return read_sheet(
            [row.cells for row in table.rows],
            name=path.name,
            lines=[row.line for row in table.rows],
        )
    try:
        rows = json.loads(tabular.decoded(path, error=AuditError, what="sheet"))
    except (ValueError, RecursionError) as error:
        raise AuditError(
            f"The sheet {path.name} cannot be read: {type(error).__name__}.",
            next_step="Save it as JSON, or as CSV in UTF-8.",
        ) from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise AuditError(f"The sheet {path.name} is not a list of rows.")
    return read_sheet(rows, name=path.name)
