"""Making reviews of a run: from what a person names to a review that can be found again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from emodiss.audits import Judged
from emodiss.errors import RunError, nearest
from emodiss.reviews import Place, Review, find_utterance, find_voice, in_force, now, voices
from emodiss.runs.reviews import ReviewFile, n_pending
from emodiss.runs.run import Run
from emodiss.speech import Transcript


@dataclass(frozen=True)
class Session:
    """One session of a run, as reviews see it.

    Parameters
    ----------
    run
        The run.
    video
        Id of the session.
    known
        Reviews of the whole run, when they are read already; many sessions then read them once.

    Raises
    ------
    RunError
        If there is no such video, or when it is used, if nobody has transcribed it yet.
    """

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
        """Return the position of an utterance.

        Raises
        ------
        RunError
            If there is none of this id.
        """
        ids = [f"u{n + 1:04d}" for n in range(len(self.draft.utterances))]
        if utterance_id not in ids:
            raise RunError(
                f"Video '{self.video}' has no utterance '{utterance_id}'.",
                next_step=nearest(utterance_id, ids[:20])
                if ids
                else "Nobody speaks in this session.",
            )
        return ids.index(utterance_id)

    def of_utterance(self, utterance_id: str, kind: str) -> tuple[Place, ...]:
        """Say where an utterance lies; an earlier review of it is continued.

        Parameters
        ----------
        utterance_id
            As in the table.
        kind
            Of the review.
        """
        index = self.index(utterance_id)
        for review in reversed(self.reviews):
            same = review.kind == kind and not review.of_voice
            if same and find_utterance(review.of[0], self.draft.utterances) == index:
                return review.of
        u = self.draft.utterances[index]
        return (Place(start=u.start, end=u.end, speaker=u.speaker),)

    def of_voice(self, speaker: str, kind: str) -> tuple[Place, ...]:
        """Say where a voice is heard; an earlier review of it is continued.

        Parameters
        ----------
        speaker
            Label in the table.
        kind
            Of the review.

        Raises
        ------
        RunError
            If there is no such voice.
        """
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
        """Make a review.

        Parameters
        ----------
        kind
            As in `emodiss.reviews.KINDS`.
        target
            Id of an utterance, or for `role`, and for a verdict on one, the label of a voice.
        by
            Who says so.
        note
            For people.
        **values
            Fields of `Review`; none of them takes an earlier review back.

        Raises
        ------
        RunError
            If the target does not exist, or the values make no review.
        """
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
        """Say of every review what it states and what became of it.

        Returns
        -------
        list of dict
            video_id, kind, target (a voice, or an utterance's id and old times), value, state, by,
            at, note. States: `in force`, `replaced`, `taken back`, `lost` (what it was about is
            not there any more).
        """
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
        return f"u{index + 1:04d}", True

    def verdicts(self) -> list[Judged]:
        """Return the verdicts in force, for `emodiss.audits.score`."""
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
        """Turn rows of a filled sheet into reviews.

        Parameters
        ----------
        judged
            Rows of this session.
        by
            Who filled it in.

        Returns
        -------
        reviews
            A verdict per judged row, and the role where another one was stated.
        problems
            What was not taken over.
        """
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
