"""What a person corrects in a run: reviews, corrected files taken over, the audit of a sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from emodiss import tabular
from emodiss.errors import RunError, SettingsError, must_be, nearest
from emodiss.manifest import parse_role
from emodiss.reviews import KINDS, Review, audits
from emodiss.reviews.audits import AuditError, Judged, Score
from emodiss.runs.reviews import ReviewFile
from emodiss.runs.run import AnyRun, Run, load
from emodiss.study.review_session import Session
from emodiss.timebase import Seconds

if TYPE_CHECKING:
    import pandas as pd

_FEATURES = ("talk_share", "question_mark", "second_person", "first_person", "reflection")


def sessions(run: Run, video: str | None = None) -> list[Session]:
    """Sessions of a run, or the one of a video; reviews are read once."""
    known = tuple(ReviewFile(run.root).read())
    return [Session(run, name, known) for name in ([video] if video else run.videos)]


def review(
    run: AnyRun,
    video: str,
    *,
    by: str,
    voice: str | None = None,
    utterance: str | None = None,
    role: str | None = None,
    faces: Sequence[int] | None = None,
    speaker: str | None = None,
    text: str | None = None,
    start: Seconds | None = None,
    end: Seconds | None = None,
    split_at: Seconds | None = None,
    words_before: int | None = None,
    merge_with: str | None = None,
    remove: Literal["not_speech", "removed"] | None = None,
    right: bool | None = None,
    take_back: Sequence[str] = (),
    note: str = "",
    settle: bool = False,
) -> list[Review]:
    """Correct a voice or an utterance; it holds from the next `annotate` on, in every export.

    Parameters
    ----------
    voice, utterance
        What is corrected: the label of a voice, or the id of an utterance such as `u0007`.
    role
        Of a voice: `therapist`, `patient` or `other`.
    faces
        Of a voice: numbers of its face tracks; none if it is not shown.
    speaker, text, start, end
        Of an utterance: whose voice it is, what is said, seconds from media start. One edge alone
        keeps the other as it stands now.
    split_at, words_before
        Where an utterance is cut in two, in seconds, and how many words lie before; by their
        times if None.
    merge_with
        Id of the utterance of the same voice that it becomes one with.
    remove
        Take the utterance out: `not_speech`, or `removed` for any other reason.
    right
        Verdict on the voice's role, or on the whole utterance.
    take_back
        Kinds of review to take back, of `emodiss.reviews.KINDS`.
    note
        For people; changes no result. Alone it is a note on the utterance.
    settle
        Overrule what others said of the same. Without it, what differs is kept as a conflict, and
        who spoke first is followed.

    Returns
    -------
    list of Review
        As they were added to `reviews.jsonl`.

    Raises
    ------
    SettingsError
        If nothing is corrected, or a correction does not belong to what was named.
    RunError
        If the video, voice or utterance does not exist, the values make no review, or it would
        not fit: two utterances of one voice cannot overlap.
    """
    run = load(run)
    if (voice is None) == (utterance is None):
        raise SettingsError(
            "It must be said what is corrected.",
            next_step="Give --voice (a label in the table) or --utterance (such as u0007).",
        )
    session = Session(run, video)
    judged = "role" if utterance is None else "utterance"
    changes: dict[str, dict[str, Any]] = {}
    if role is not None:
        try:
            changes["role"] = {"role": parse_role(role)}
        except ValueError as error:
            raise SettingsError(str(error)) from None
    if faces is not None:
        changes["face"] = {"faces": session.faces(faces)}
    if speaker is not None:
        changes["speaker"] = {"speaker": speaker}
    if start is not None or end is not None:
        changes["times"] = {"start": start, "end": end}
        if utterance is not None and None in (start, end):
            u = session.unit(utterance).utterance
            edges = (u.start if start is None else start, u.end if end is None else end)
            changes["times"] = dict(zip(("start", "end"), edges, strict=True))
    if text is not None:
        changes["text"] = {"text": " ".join(text.split())}
    if split_at is not None or words_before is not None:
        changes["split"] = {"cut": split_at, "n_words": words_before}
    if merge_with is not None:
        changes["merge"] = {"other": merge_with}
    if remove is not None:
        changes["remove"] = {"why": remove}
    if right is not None:
        changes["verdict"] = {"right": right, "judged": judged}
    for kind in take_back:
        if kind not in KINDS or kind == "undo":
            raise SettingsError(f"There is no kind '{kind}'.", next_step=nearest(kind, KINDS))
        changes[kind] = {"judged": judged} if kind == "verdict" else {}
    if note and not changes and utterance is not None:
        changes["note"] = {}
    if not changes:
        raise SettingsError(
            "Nothing is corrected.",
            next_step="Give --role, --face, --speaker, --text, --start and --end, --split-at, "
            "--merge-with, --not-speech, --remove, --right, --note or --take-back.",
        )
    for kind in changes:
        about = "voice" if kind in ("role", "face") else "utterance"
        if kind != "verdict" and (voice is None) != (about == "utterance"):
            raise SettingsError(
                f"A {kind} belongs to a{'n' * (about[0] == 'u')} {about}.",
                next_step=f"Give --{about}.",
            )
    target = utterance if voice is None else voice
    assert target is not None
    made: list[Review] = []
    for kind, values in changes.items():
        made.append(session.review(kind, target, by=by, note=note, settles=settle, **values))
        session = session.after(made[-1:])
    take_over(run, made)
    return made


def add_utterance(
    run: AnyRun,
    video: str,
    *,
    by: str,
    start: Seconds,
    end: Seconds,
    speaker: str,
    text: str = "",
    note: str = "",
) -> Review:
    """Add an utterance that was not found; it holds from the next `annotate` on.

    Parameters
    ----------
    start, end
        Seconds from media start.
    speaker
        Label of the voice, one that is known or a new one.
    text
        What is said.

    Raises
    ------
    RunError
        If the video does not exist, the times are none, or the voice already speaks then.
    """
    run = load(run)
    made = Session(run, video).addition(start, end, speaker, text, by=by, note=note)
    take_over(run, [made])
    return made


def undo(run: AnyRun, video: str, *, by: str, to: str | None = None, note: str = "") -> Review:
    """Take back what a person said of a session after some point; what others said stays.

    Parameters
    ----------
    to
        Id of the review, as `listing` tells it, up to which things stand; "" for none at all, None
        for all but the last. An undo is undone by going to a later one.

    Raises
    ------
    RunError
        If there is no such review, or nothing to undo.
    """
    run = load(run)
    made = Session(run, video).undo(by=by, to=to, note=note)
    take_over(run, [made])
    return made


def role_evidence(
    run: AnyRun, video: str | None = None, *, announce: Callable[[str], None] | None = None
) -> pd.DataFrame:
    """Say who plays which part, who said so, and what the offline classifier goes by.

    Parameters
    ----------
    announce
        Called with a line for each session that is not transcribed yet.

    Returns
    -------
    DataFrame
        One row per voice: video_id, speaker, role, source, confidence, reason, utterances, opens
        (whether this voice speaks first), and shares in [0, 1]: talk_share, question_mark,
        second_person, first_person, reflection; missing for a voice that says nothing.
    """
    run = load(run)
    import pandas as pd

    from emodiss.people.roles import classify_roles

    rows: list[dict[str, Any]] = []
    for session in sessions(run, video):
        try:
            utterances = session.wording.utterances
            found = run.artifact(session.video, "roles")
        except RunError:
            if announce is not None:
                announce(f"{session.video}: no transcript yet; see emodiss status.")
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
                    "confidence": voice.confidence,
                    "reason": voice.reason,
                    "utterances": int(counted["n_utterances"]),
                    "opens": bool(counted["opens"]) if heard else None,
                    **{name: round(counted[name], 3) if heard else None for name in _FEATURES},
                }
            )
    columns = ("video_id", "speaker", "role", "source", "confidence", "reason", "utterances")
    return pd.DataFrame(rows, columns=[*columns, "opens", *_FEATURES])


@dataclass(frozen=True, slots=True)
class Imported:
    """What a corrected file says; nothing is written before `take_over`.

    Parameters
    ----------
    problems
        What cannot be taken over, in words.
    """

    reviews: list[Review]
    problems: list[str]


def import_corrections(
    run: AnyRun, file: str | Path, *, by: str, video: str | None = None
) -> Imported:
    """Read what a person changed in an exported file; `take_over` keeps it.

    Parameters
    ----------
    file
        Corrected `.eaf` or `.vtt`, or the filled sheet of an audit, `.csv` or `.json`.
    video
        For `.eaf` and `.vtt`: of which session it is; that of the file's name if None.

    Raises
    ------
    ExportError
        If the file cannot be read, or reviews are newer than the table it is compared with.
    AuditError
        If the sheet cannot be read.
    """
    run = load(run)
    from emodiss.exports import Change, ExportError, items, read_back

    must_be(file, str, Path, what="the path of a corrected file", how="Name the file.")
    file = Path(file)
    made: list[Review] = []
    if file.suffix.lower() in (".csv", ".json"):
        judged, problems = read_sheet(file), list[str]()
        for name in dict.fromkeys(one.video_id for one in judged):
            own = [one for one in judged if one.video_id == name]
            more, faults = Session(run, name).audited(own, by=by)
            made += more
            problems += faults
        return Imported(made, problems)
    session = Session(run, video or file.stem)
    if n := session.n_pending:
        raise ExportError(
            f"{n} review{'s' * (n != 1)} of '{session.video}' newer than its table.",
            next_step="Bring them into the table first, so that the file is compared with what "
            f"stands now: emodiss resume {run.root}",
        )
    reviewed = {(row["kind"], row["target"]) for row in session.listing()}
    changes, problems = read_back(file, items(run.session(session.video)), reviewed=reviewed)
    # An edge may be moved into a neighbour that was itself moved away in the same file: what does
    # not fit yet is tried again after the others.
    left = list(changes)
    while left:
        refused: list[tuple[Change, str]] = []
        for change in left:
            try:
                one = session.review(change.kind, change.target, by=by, **change.values)
            except RunError as error:
                refused.append((change, error.what))
                continue
            made.append(one)
            session = session.after([one])
        if len(refused) == len(left):
            problems += [f"{c.target}, {c.kind}: {why} Not taken over." for c, why in refused]
            break
        left = [change for change, _ in refused]
    return Imported(made, list(problems))


def take_over(run: AnyRun, reviews: Sequence[Review]) -> None:
    """Add reviews to the run's; they hold from the next `annotate` on."""
    run = load(run)
    how = "Hand in a list, such as emodiss.study.import_corrections(RUN, FILE).reviews."
    must_be(reviews, list, tuple, what="a list of reviews", how=how)
    for one in reviews:
        must_be(one, Review, what="a review", how=how)
    if reviews:
        ReviewFile(run.root).append(reviews)


def accuracy(
    run: AnyRun, sheet: str | Path | None = None, *, confidence: float = 0.95
) -> list[Score]:
    """Count what an audit found to be right, with its Wilson interval.

    Parameters
    ----------
    sheet
        Filled sheet of `emodiss.reviews.audits.sample`; the verdicts among reviews if None.
    confidence
        Of the interval, in (0, 1).

    Raises
    ------
    AuditError
        If nothing is judged, or the sheet cannot be read or is of another run.
    """
    run = load(run)
    if sheet is not None:
        judged = read_sheet(Path(sheet))
        if strange := sorted({one.video_id for one in judged} - set(run.videos)):
            raise AuditError(
                f"The sheet names the video '{strange[0]}', which is not in this run.",
                next_step="Give the run that the sample was drawn from.",
            )
    else:
        judged = [one for session in sessions(run) for one in session.verdicts()]
    found = audits.score(judged, confidence=confidence)
    if not any(one.n for one in found):
        raise AuditError(
            "Nothing is judged yet.",
            next_step="Fill in the sheet of 'emodiss review sample', or use "
            "'emodiss review set --right'.",
        )
    return found


def read_sheet(path: Path) -> list[Judged]:
    """Read a filled sheet, CSV or JSON."""
    if not path.exists():
        raise AuditError(
            f"There is no sheet '{path}'.",
            next_step="Name the file that 'emodiss review sample -o' wrote, with its folder.",
        )
    if path.suffix.lower() != ".json":
        table = tabular.read(
            path, error=AuditError, what="sheet", known=audits.COLUMNS, restore=True
        )
        return audits.read_sheet(
            [row.cells for row in table.rows],
            name=path.name,
            lines=[row.line for row in table.rows],
        )
    try:
        rows = tabular.json_value(tabular.decoded(path, error=AuditError, what="sheet"))
    except ValueError as error:
        raise AuditError(
            f"The sheet {path.name} cannot be read: {type(error).__name__}.",
            next_step="Save it as JSON, or as CSV in UTF-8.",
        ) from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise AuditError(f"The sheet {path.name} is not a list of rows.")
    return audits.read_sheet(rows, name=path.name)
