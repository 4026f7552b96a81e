"""What a person corrects in a run: reviews, corrected files taken over, the audit of a sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from emodiss import tabular, timebase
from emodiss.errors import RunError, SettingsError, nearest
from emodiss.manifest import parse_role
from emodiss.reviews import (
    KINDS,
    Place,
    Review,
    audits,
    find_utterance,
    find_voice,
    in_force,
    now,
    voices,
)
from emodiss.reviews.audits import AuditError, Judged, Score
from emodiss.runs.reviews import ReviewFile, n_pending
from emodiss.runs.run import Run
from emodiss.timebase import Seconds
from emodiss.transcript import Transcript

if TYPE_CHECKING:
    import pandas as pd

_FEATURES = ("talk_share", "question_mark", "second_person", "first_person", "reflection")


@dataclass(frozen=True)
class Session:
    """One session of a run, as reviews see it."""

    run: Run
    video: str
    known: tuple[Review, ...] | None = None

    def __post_init__(self) -> None:
        if self.video not in self.run.videos:
            raise RunError(
                f"There is no video '{self.video}'.", next_step=nearest(self.video, self.run.videos)
            )

    @cached_property
    def draft(self) -> Transcript:
        """The transcript before any review."""
        return self.run.artifact(self.video, "draft")

    @cached_property
    def wording(self) -> Transcript:
        """The transcript with the reviews that the last run took in."""
        return self.run.artifact(self.video, "wording")

    @cached_property
    def reviews(self) -> list[Review]:
        """Every review of this session, oldest first."""
        known = ReviewFile(self.run.root).read() if self.known is None else self.known
        return [review for review in known if review.video_id == self.video]

    @property
    def n_pending(self) -> int:
        """Reviews made or taken back since the tables were."""
        overlay = ReviewFile(self.run.root).overlays().get(self.video)
        return n_pending(self.run.store, self.video, *([overlay] if overlay else []))

    def index(self, utterance_id: str) -> int:
        """Return the position of an utterance."""
        ids = [timebase.utterance_id(n) for n in range(len(self.draft.utterances))]
        if utterance_id not in ids:
            raise RunError(
                f"Video '{self.video}' has no utterance '{utterance_id}'.",
                next_step=nearest(utterance_id, ids[:20])
                if ids
                else "Nobody speaks in this session.",
            )
        return ids.index(utterance_id)

    def of_utterance(self, utterance_id: str, kind: str) -> tuple[Place, ...]:
        """Say where an utterance lies; an earlier review of it is continued."""
        index = self.index(utterance_id)
        for review in reversed(self.reviews):
            same = review.kind == kind and not review.of_voice
            if same and find_utterance(review.of[0], self.draft.utterances) == index:
                return review.of
        u = self.draft.utterances[index]
        return (Place(start=u.start, end=u.end, speaker=u.speaker),)

    def of_voice(self, speaker: str, kind: str) -> tuple[Place, ...]:
        """Say where a voice is heard; an earlier review of it is continued."""
        known = voices(self.wording.utterances)
        if speaker not in known:
            raise RunError(
                f"Video '{self.video}' has no voice '{speaker}'.", next_step=nearest(speaker, known)
            )
        for review in reversed(self.reviews):
            same = review.kind == kind and review.of_voice
            if same and find_voice(review.of, self.wording.utterances) == speaker:
                return review.of
        return known[speaker]

    def review(self, kind: str, target: str, *, by: str, note: str = "", **values: Any) -> Review:
        """Make a review."""
        if kind == "role" or values.get("judged") == "role":
            of = self.of_voice(target, kind)
        else:
            of = self.of_utterance(target, kind)
        if kind == "speaker" and values.get("speaker") is not None:
            values["voice"] = voices(self.draft.utterances).get(values["speaker"], ())
        try:
            return Review(
                by=by,
                at=now(),
                video_id=self.video,
                kind=kind,  # type: ignore[arg-type]
                of=of,
                note=note,
                **values,
            )
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(str(part) for part in fault["loc"]) or kind
            said = fault["msg"].removeprefix("Value error, ")
            raise RunError(
                f"That is no review: {where}: {said}.",
                next_step="See: emodiss review set --help.",
                code="review",
            ) from None

    def listing(self) -> list[dict[str, Any]]:
        """Say of every review what it states and what became of it."""
        standing = in_force(self.reviews)
        rows: list[dict[str, Any]] = []
        for review in self.reviews:
            target, found = self._target(review)
            if not review.value:
                state = "taken back"
            elif not any(review is other for other in standing):
                state = "replaced"
            else:
                state = "in force" if found else "lost"
            rows.append(
                {
                    "video_id": self.video,
                    "kind": review.kind,
                    "target": target,
                    "value": "; ".join(f"{v}" for v in review.value.values() if v is not None),
                    "state": state,
                    "by": review.by,
                    "at": review.at.isoformat(),
                    "note": review.note,
                }
            )
        return rows

    def _target(self, review: Review) -> tuple[str, bool]:
        if review.of_voice:
            label = find_voice(review.of, self.wording.utterances)
            return label or review.of[0].speaker, label is not None
        index = find_utterance(review.of[0], self.draft.utterances)
        if index is None:
            return f"{review.of[0].start:.2f} s", False
        return timebase.utterance_id(index), True

    def verdicts(self) -> list[Judged]:
        """Return the verdicts in force, for `emodiss.reviews.audits.score`."""
        found: list[Judged] = []
        for review in in_force(self.reviews):
            if review.kind == "verdict":
                target, _ = self._target(review)
                found.append(
                    Judged(
                        video_id=self.video,
                        utterance_id=None if review.of_voice else target,
                        speaker=target if review.of_voice else review.of[0].speaker,
                        right=review.right,
                    )
                )
        return found

    def audited(self, judged: Sequence[Judged], *, by: str) -> tuple[list[Review], list[str]]:
        """Turn rows of a filled sheet into reviews."""
        made: list[Review] = []
        problems: list[str] = []
        shown = {v.speaker: v.role for v in self.run.artifact(self.video, "roles").voices}
        for one in judged:
            of_voice = one.utterance_id is None
            target = one.speaker if one.utterance_id is None else one.utterance_id
            if one.right is not None:
                made.append(
                    self.review(
                        "verdict",
                        target,
                        by=by,
                        note=one.note,
                        right=one.right,
                        judged="role" if of_voice else "utterance",
                        shown=shown.get(one.speaker),
                    )
                )
            if one.correct_role is None or one.right:
                continue
            if of_voice:
                made.append(self.review("role", target, by=by, role=one.correct_role))
            else:
                problems.append(
                    f"{one.video_id} {target}: a role belongs to a voice; if somebody else says "
                    "this, set its speaker"
                )
        return made, problems


def sessions(run: Run, video: str | None = None) -> list[Session]:
    """Sessions of a run, or the one of a video; reviews are read once."""
    known = tuple(ReviewFile(run.root).read())
    return [Session(run, name, known) for name in ([video] if video else run.videos)]


def review(
    run: Run,
    video: str,
    *,
    by: str,
    voice: str | None = None,
    utterance: str | None = None,
    role: str | None = None,
    speaker: str | None = None,
    text: str | None = None,
    start: Seconds | None = None,
    end: Seconds | None = None,
    right: bool | None = None,
    take_back: Sequence[str] = (),
    note: str = "",
) -> list[Review]:
    """Correct a role or an utterance; it holds from the next `annotate` on, in every export.

    Parameters
    ----------
    run
        The run.
    video
        Id of the session.
    by
        Who says so.
    voice, utterance
        What is corrected: the label of a voice, or the id of an utterance such as `u0007`.
    role
        Of a voice: `therapist`, `patient` or `other`.
    speaker, text, start, end
        Of an utterance: whose voice it is, what is said, seconds from media start. One edge alone
        keeps the other as it stands now.
    right
        Verdict on the voice's role, or on the whole utterance.
    take_back
        Kinds of review to take back: `role`, `speaker`, `text`, `times`, `verdict`.
    note
        For people; changes no result.

    Returns
    -------
    list of Review
        As they were added to `reviews.jsonl`.

    Raises
    ------
    SettingsError
        If nothing is corrected, or a correction does not belong to what was named.
    RunError
        If the video, voice or utterance does not exist, or the values make no review.
    """
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
    if start is not None or end is not None:
        changes["times"] = {"start": start, "end": end}
        if utterance is not None and None in (start, end):
            u = session.wording.utterances[session.index(utterance)]
            edges = (u.start if start is None else start, u.end if end is None else end)
            changes["times"] = dict(zip(("start", "end"), edges, strict=True))
    if speaker is not None:
        changes["speaker"] = {"speaker": speaker}
    if text is not None:
        changes["text"] = {"text": " ".join(text.split())}
    if right is not None:
        changes["verdict"] = {"right": right, "judged": judged}
    for kind in take_back:
        if kind not in KINDS:
            raise SettingsError(f"There is no kind '{kind}'.", next_step=nearest(kind, KINDS))
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
    target = utterance if voice is None else voice
    assert target is not None
    made = [session.review(k, target, by=by, note=note, **v) for k, v in changes.items()]
    ReviewFile(run.root).append(made)
    return made


def role_evidence(
    run: Run, video: str | None = None, *, announce: Callable[[str], None] | None = None
) -> pd.DataFrame:
    """Say who plays which part, who said so, and what the offline classifier goes by.

    Parameters
    ----------
    run
        The run.
    video
        Only this session.
    announce
        Called with a line for each session that is not transcribed yet.

    Returns
    -------
    DataFrame
        One row per voice: video_id, speaker, role, source, confidence, reason, utterances, opens
        (whether this voice speaks first), and shares in [0, 1]: talk_share, question_mark,
        second_person, first_person, reflection; missing for a voice that says nothing.
    """
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
    reviews
        What a person changed.
    problems
        What cannot be taken over, in words.
    """

    reviews: list[Review]
    problems: list[str]


def import_corrections(
    run: Run, file: str | Path, *, by: str, video: str | None = None
) -> Imported:
    """Read what a person changed in an exported file; `take_over` keeps it.

    Parameters
    ----------
    run
        The run.
    file
        Corrected `.eaf` or `.vtt`, or the filled sheet of an audit, `.csv` or `.json`.
    by
        Who changed it.
    video
        For `.eaf` and `.vtt`: of which session it is; that of the file's name if None.

    Raises
    ------
    ExportError
        If the file cannot be read, or reviews are newer than the table it is compared with.
    AuditError
        If the sheet cannot be read.
    """
    from emodiss.exports import ExportError, items, read_back

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
            next_step="Run emodiss annotate again, so that the file is compared with what "
            "stands now.",
        )
    reviewed = {(row["kind"], row["target"]) for row in session.listing()}
    changes, problems = read_back(file, items(run.session(session.video)), reviewed=reviewed)
    made = [session.review(c.kind, c.target, by=by, **c.values) for c in changes]
    return Imported(made, list(problems))


def take_over(run: Run, reviews: Sequence[Review]) -> None:
    """Add reviews to the run's; they hold from the next `annotate` on."""
    if reviews:
        ReviewFile(run.root).append(reviews)


def accuracy(run: Run, sheet: str | Path | None = None, *, confidence: float = 0.95) -> list[Score]:
    """Count what an audit found to be right, with its Wilson interval.

    Parameters
    ----------
    run
        The run.
    sheet
        Filled sheet of `emodiss.reviews.audits.sample`; the verdicts among reviews if None.
    confidence
        Of the interval, in (0, 1).

    Raises
    ------
    AuditError
        If nothing is judged, or the sheet cannot be read or is of another run.
    """
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
