"""One session as reviews see it: what stands now, and reviews made and checked against it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from emodiss.errors import RunError, nearest
from emodiss.manifest import Role
from emodiss.people.likeness import together
from emodiss.people.stated import face_of, reviewed_faces
from emodiss.reviews import (
    SAME_PLACE,
    FacePlace,
    Overlay,
    Place,
    Replay,
    Review,
    Standing,
    Unit,
    find_voice,
    now,
    replay,
    reviewed_roles,
    shared,
    standing,
    voices,
)
from emodiss.reviews.audits import Judged
from emodiss.reviews.records import GEOMETRY, SHAPE
from emodiss.runs.reviews import ReviewFile, n_pending, pending_facts
from emodiss.runs.run import Run
from emodiss.transcript import Transcript, Wording


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
    def wording(self) -> Wording:
        """The transcript with the reviews that the last run took in."""
        return self.run.artifact(self.video, "wording")

    @cached_property
    def reviews(self) -> list[Review]:
        """Every review of this session, oldest first."""
        known = ReviewFile(self.run.root).read() if self.known is None else self.known
        return [review for review in known if review.video_id == self.video]

    @cached_property
    def standing(self) -> Standing:
        """What became of them."""
        return standing(self.reviews)

    @cached_property
    def talk(self) -> Replay:
        """Who says what when, as it stands now, also where no table has it yet."""
        return replay(self.draft, self.standing.held)

    @property
    def n_pending(self) -> int:
        """Reviews made or taken back since the tables were."""
        overlay = ReviewFile(self.run.root).overlays().get(self.video)
        return n_pending(self.run.store, self.video, *([overlay] if overlay else []))

    def of_people(self, people: Sequence[str]) -> Session:
        """Return the session as some people left it, without what others say."""
        return Session(self.run, self.video, tuple(r for r in self.reviews if r.by in people))

    def after(self, made: Sequence[Review]) -> Session:
        """Return the session with more reviews than there are on disk."""
        return Session(self.run, self.video, (*self.reviews, *made))

    # --- what is there ---

    def unit(self, utterance_id: str) -> Unit:
        """Return an utterance as it stands."""
        by_id = {unit.id: unit for unit in self.talk.units}
        if utterance_id not in by_id:
            gone = {unit.id: review for review, unit in self.talk.removed}
            if review := gone.get(utterance_id):
                raise RunError(
                    f"'{utterance_id}' of '{self.video}' was removed by {review.by}.",
                    next_step=f"Bring it back: emodiss review set --utterance {utterance_id} "
                    "--take-back remove.",
                )
            raise RunError(
                f"Video '{self.video}' has no utterance '{utterance_id}'.",
                next_step=nearest(utterance_id, list(by_id)[:20])
                if by_id
                else "Nobody speaks in this session.",
            )
        return by_id[utterance_id]

    def roles(self) -> dict[str, Role | None]:
        """Return the role of each voice as it stands now."""
        measured = {v.speaker: v.role for v in self.run.artifact(self.video, "roles").voices}
        reviewed, _ = reviewed_roles(self.talk.utterances, self.standing.held)
        labels = sorted({u.speaker for u in self.talk.utterances})
        return {label: reviewed.get(label, measured.get(label)) for label in labels}

    def faces(self, numbers: Sequence[int]) -> tuple[FacePlace, ...]:
        """Say where face tracks are seen."""
        tracks = {t.id: t for t in self.run.artifact(self.video, "tracks").tracks}
        media = self.run.artifact(self.video, "media")
        for number in numbers:
            if number not in tracks:
                raise RunError(
                    f"Video '{self.video}' has no face track {number}.",
                    next_step="See them with: emodiss people RUN, and in emodiss plot contact.",
                )
        return tuple(face_of(tracks[number], media) for number in numbers)

    def of_utterance(self, utterance_id: str, kind: str, back: bool = False) -> tuple[Place, ...]:
        """Say where an utterance came to be; an earlier review of it is continued."""
        # A part of a split may be split again, which is another place.
        anew = kind in (*SHAPE, "add")
        for review, changed in reversed(self.talk.applied):
            if review.kind == kind and changed == utterance_id and (back or not anew):
                return review.of
        if back and anew:
            raise RunError(
                f"No {kind} of '{utterance_id}' is in force.",
                next_step="See: emodiss review list.",
            )
        anchor = self.unit(utterance_id).anchor
        if kind in ("verdict", "note"):
            told = [r.of for r in self.reviews if r.kind == kind and not r.of_voice]
            told = [of for of in told if (u := self.at(of[0])) and u.id == utterance_id]
            return told[-1] if told else (anchor,)
        return (anchor,)

    def at(self, place: Place) -> Unit | None:
        """Return the utterance that came to be at a place."""

        def fit(unit: Unit) -> tuple[float, bool]:
            return shared(place, unit.anchor), unit.anchor.speaker == place.speaker

        best = max(self.talk.units, key=fit, default=None)
        return best if best is not None and fit(best)[0] >= SAME_PLACE else None

    def of_voice(self, speaker: str, kind: str) -> tuple[Place, ...]:
        """Say where a voice is heard; an earlier review of it is continued."""
        known = voices(self.talk.utterances)
        if speaker not in known:
            raise RunError(
                f"Video '{self.video}' has no voice '{speaker}'.", next_step=nearest(speaker, known)
            )
        for review in reversed(self.reviews):
            same = review.kind == kind and review.of_voice
            if same and find_voice(review.of, self.talk.utterances) == speaker:
                return review.of
        return known[speaker]

    # --- reviews made ---

    def review(
        self,
        kind: str,
        target: str,
        *,
        by: str,
        note: str = "",
        settles: bool = False,
        **values: Any,
    ) -> Review:
        """Make a review; one that would change nothing is refused with the reason."""
        back = not any(v is not None for n, v in values.items() if n != "judged")
        before: dict[str, Any] = {}
        if kind == "role" or kind == "face" or values.get("judged") == "role":
            of = self.of_voice(target, kind)
            before = {"role": self.roles().get(target)} if kind == "role" else {}
            before = {"faces": self.tracks_of(target)} if kind == "face" else before
        else:
            of = self.of_utterance(target, kind, back=back and kind != "note")
            if kind not in ("verdict", "note") and not back:
                u = self.unit(target).utterance
                before = {"start": u.start, "end": u.end, "speaker": u.speaker, "text": u.text}
        if kind == "speaker" and values.get("speaker") is not None:
            values["voice"] = self._voice(values["speaker"])
        if kind == "merge" and values.get("other") is not None:
            values["other"] = self.unit(values["other"]).anchor
        made = self._made(kind, of, by, note, settles, before, values=values)
        self._require_effect(made)
        return made

    def addition(
        self, start: float, end: float, speaker: str, text: str, *, by: str, note: str = ""
    ) -> Review:
        """Make a review that adds an utterance."""
        place = {"start": start, "end": end, "speaker": speaker}
        values = {"text": " ".join(text.split()), "voice": self._voice(speaker)}
        made = self._made("add", (place,), by, note, values=values)
        self._require_effect(made)
        return made

    def undo(self, *, by: str, to: str | None = None, note: str = "") -> Review:
        """Take back what a person said after a review; the last thing that counts if None."""
        if to is None:
            to = _before_last([r for r in self.reviews if r.by == by], self.standing.undone)
        elif to and to not in {review.ref for review in self.reviews}:
            raise RunError(
                f"There is no review '{to}' of '{self.video}'.",
                next_step="See: emodiss review list.",
            )
        made = self._made("undo", (), by, note, values={"to": to})
        if self.after([made]).standing.undone == self.standing.undone:
            raise RunError(
                f"There is nothing of {by}'s to undo there.",
                next_step="See: emodiss review list.",
                code="review",
            )
        return made

    def settle(self, ref: str, *, by: str) -> Review:
        """Follow one of those that differ, and overrule the others."""
        disputed = [review for pair in self.standing.conflicts for review in pair]
        followed = next((review for review in disputed if review.ref == ref), None)
        if followed is None:
            raise RunError(
                "This conflict is settled already, or was never one.",
                next_step="See: emodiss review list.",
                code="review",
            )
        new = {"by": by, "at": now(), "id": secrets.token_hex(6), "settles": True}
        said_before = {r.by: _in_words(r) for r in disputed if r.target == followed.target}
        made = followed.model_copy(update={**new, "before": said_before})
        self._require_effect(made)
        return made

    def _voice(self, speaker: str) -> tuple[Place, ...]:
        return voices(self.draft.utterances).get(speaker, ())

    def _made(
        self,
        kind: str,
        of: Sequence[Any],
        by: str,
        note: str,
        settles: bool = False,
        before: dict[str, Any] | None = None,
        *,
        values: dict[str, Any],
    ) -> Review:
        try:
            made = Review(
                by=by,
                at=now(),
                video_id=self.video,
                kind=kind,  # type: ignore[arg-type]
                of=of,  # type: ignore[arg-type]
                note=note,
                settles=settles,
                before=before or {},
                id=secrets.token_hex(6),
                **values,
            )
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(str(part) for part in fault["loc"]) or kind
            said = fault["msg"].removeprefix("Value error, ")
            raise _refused(f"{where}: {said}") from None
        last = max((p.end for p in made.of), default=0.0) if kind == "add" else made.end or 0.0
        duration = self.run.artifact(self.video, "media").duration
        if last > duration + 0.001:
            raise _refused(f"end: {last:g} s lies after the media, which ends at {duration:.3f} s")
        return made

    def _require_effect(self, made: Review) -> None:
        then = standing([*self.reviews, made])
        if not made.value and not made.settles:
            others = [r for r in self.standing.held if r.target == made.target and r.by != made.by]
            if others:
                raise RunError(
                    f"This was said by {others[0].by}, and {made.by} cannot take it back unseen.",
                    next_step="Say something else, which is kept beside it, or overrule it with "
                    "--settle.",
                    code="review",
                )
        if made.kind not in (*GEOMETRY, "text") or any(made is o for _, o in then.conflicts):
            return
        talk = replay(self.draft, then.held)
        known = {id(review) for review, _ in self.talk.lost}
        for review, why in talk.lost:
            if review is made:
                raise _refused(why)
            if id(review) not in known:
                what = f"the {review.kind} of {review.by} at {review.of[0].start:.2f} s"
                raise _refused(f"{what} would not fit any more: {why}")

    def tracks_of(self, speaker: str) -> list[int]:
        """Face tracks of a voice as they stand now."""
        tracks = self.run.artifact(self.video, "tracks")
        media = self.run.artifact(self.video, "media")
        faces = [r for r in self.standing.held if r.kind == "face"]
        reviewed, _ = reviewed_faces(faces, self.talk.utterances, tracks, media)
        if speaker in reviewed:
            return sorted(reviewed[speaker])
        taken = set[int]().union(*reviewed.values())
        people = self.run.artifact(self.video, "people").persons
        own = next((p.track_ids for p in people if p.speaker == speaker), ())
        return sorted(set(own) - taken)

    def with_face(self, speaker: str, track: int) -> tuple[FacePlace, ...]:
        """Faces of a voice with one more; what is seen together with that is left out."""
        new = self.faces([track])
        ticks = {t.id: t.ticks for t in self.run.artifact(self.video, "tracks").tracks}
        own = [n for n in self.tracks_of(speaker) if n != track]
        return (*new, *self.faces([n for n in own if not together(ticks[n], ticks[track])]))

    # --- what became of them ---

    def listing(self) -> list[dict[str, Any]]:
        """Say of every review what it states and what became of it."""
        held = {id(review) for review in self.standing.held}
        disputed = {id(other): first for first, other in self.standing.conflicts}
        disputed |= {id(first): other for first, other in self.standing.conflicts}
        undone = {id(review) for review in self.standing.undone}
        changed = {id(review): target for review, target in self.talk.applied}
        lost = {id(review): why for review, why in self.talk.lost}
        pending = pending_facts(self.run.store, self.video, Overlay(self.standing.held))
        rows: list[dict[str, Any]] = []
        for review in self.reviews:
            target, found = self._target(review, changed)
            against = disputed.get(id(review))
            if review.kind == "undo":
                state = "undo"
            elif id(review) in undone:
                state = "undone"
            elif not review.value:
                state = "taken back"
            elif id(review) in held:
                state = "pending" if review.facts() in pending else "in force"
                state = state if found and id(review) not in lost else "lost"
            else:
                state = "in conflict" if against is not None else "replaced"
            rows.append(
                {
                    "video_id": self.video,
                    "kind": review.kind,
                    "target": target,
                    "value": _in_words(review),
                    "state": state,
                    "by": review.by,
                    "at": review.at.isoformat(),
                    "note": review.note,
                    "before": "; ".join(
                        f"{k} {'none' if v is None else v}" for k, v in review.before.items()
                    ),
                    "conflict": f"{against.by}: {_in_words(against)}" if against else "",
                    "reason": lost.get(id(review), ""),
                    "id": review.ref,
                }
            )
        return rows

    def _target(self, review: Review, changed: dict[int, str]) -> tuple[str, bool]:
        if review.kind == "undo":
            return "", True
        if review.of_voice:
            label = find_voice(review.of, self.talk.utterances)
            return label or review.of[0].speaker, label is not None
        unit = self.at(review.of[0])
        found = changed.get(id(review)) or (unit.id if unit else None)
        return found or f"{review.of[0].start:.2f} s", found is not None

    def verdicts(self) -> list[Judged]:
        """Return the verdicts in force, for `emodiss.reviews.audits.score`."""
        found: list[Judged] = []
        for review in self.standing.held:
            if review.kind == "verdict":
                target, _ = self._target(review, {})
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


def _refused(why: str) -> RunError:
    return RunError(
        f"That is no review: {why}.",
        next_step="See: emodiss review set --help.",
        code="review",
    )


def _before_last(own: Sequence[Review], undone: Sequence[Review]) -> str:
    """Find the point before the last thing of a person's that counts."""
    counted = [r for r in own if r.kind != "undo" and not any(r is u for u in undone)]
    return counted[-2].ref if len(counted) > 1 else ""


def _in_words(review: Review) -> str:
    if review.kind == "face" and review.faces is not None:
        return f"{len(review.faces)} faces" if review.faces else "not shown"
    if review.kind == "merge" and review.other is not None:
        return f"with {review.other.start:.2f} s"
    return "; ".join(f"{v}" for v in review.value.values() if v is not None)
