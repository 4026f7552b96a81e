"""Reviews: what a person corrects, laid over what models said and never written into it.

A review names its target by where it lies in time, not by its number or its label alone: a run
with other settings may number utterances anew and call the voices by each other's names. A review
whose target is gone is kept, counted and listed; it is never put upon something else.

Some kinds correct the talk (`split`, `merge`, `add`, `remove`, `speaker`, `times`, `text`), two the
people (`role`, `face`), `verdict` says whether what stood there was right, and `note` is for
people. A correction without a value takes an earlier one of the same person back; `undo` takes
back whatever a person said after some point. Nothing is ever taken out of the file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from emodiss.manifest import Role
from emodiss.reviews.role_labels import RoleLabel
from emodiss.timebase import Span

Kind = Literal[
    "role",
    "face",
    "speaker",
    "times",
    "text",
    "split",
    "merge",
    "add",
    "remove",
    "verdict",
    "note",
    "undo",
]

KINDS: tuple[Kind, ...] = get_args(Kind)
"""What a review can be about."""

SHAPE = ("split", "merge", "remove")
"""Kinds after which an utterance is another one, or gone; one of them holds for each."""

GEOMETRY = ("speaker", "times", *SHAPE, "add")
"""Kinds that change who speaks when; after them something has to be measured."""

REASONS = ("not_speech", "removed")
"""Why an utterance is removed: nobody speaks there, or anything else."""

_VALUES: dict[str, tuple[str, ...]] = {
    "times": ("start", "end"),
    "verdict": ("right", "shown"),
    "face": ("faces",),
    "split": ("cut", "n_words"),
    "merge": ("other",),
    "add": ("text",),
    "remove": ("why",),
    "undo": ("to",),
}
"""Fields that a kind states; others have the one of their name. The first is never left out."""


class Place(BaseModel):
    """An utterance as it was found, before any review.

    Parameters
    ----------
    start, end
        Seconds from media start.
    speaker
        Label of the voice then.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    end: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    speaker: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _is_a_span(self) -> Place:
        Span(self.start, self.end)
        return self


class FacePlace(BaseModel):
    """A face as it was seen at one moment.

    Parameters
    ----------
    time
        Seconds from media start.
    x1, y1, x2, y2
        Its box, as shares of the picture's width and height, in [0, 1].
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    time: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    x1: Annotated[float, Field(ge=0, le=1)]
    y1: Annotated[float, Field(ge=0, le=1)]
    x2: Annotated[float, Field(ge=0, le=1)]
    y2: Annotated[float, Field(ge=0, le=1)]

    @model_validator(mode="after")
    def _is_a_box(self) -> FacePlace:
        if not (self.x1 < self.x2 and self.y1 < self.y2):
            raise ValueError("a face needs x1 < x2 and y1 < y2")
        return self


class Review(BaseModel):
    """One thing that one person said about one video; one line of `reviews.jsonl`.

    Parameters
    ----------
    by, at
        Who and when; with a time zone.
    of
        What it is about: one utterance, or, for a voice, the utterances it was heard in. For `add`
        the new utterance; none for `undo`.
    role
        For `role`: the part this voice plays; None takes an earlier review back.
    faces
        For `face`: where faces of this voice are seen; none if it is not shown. None takes back.
    speaker
        For `speaker`: whose voice it is; None takes back.
    voice
        For `speaker` and `add`: where that voice is heard otherwise, so that it is known again
        under another label; empty for a voice that was not heard before.
    text
        For `text` and `add`: what is said; None takes back.
    start, end
        For `times`: seconds from media start; both None take back.
    cut
        For `split`: seconds from media start, inside the utterance; None takes back.
    n_words
        For `split`: words before the cut; by their times if None.
    other
        For `merge`: the utterance that it becomes one with; None takes back.
    why
        For `remove`: one of `REASONS`; None takes back.
    right
        For `verdict`: whether what was judged is right; None takes back.
    judged
        For `verdict`: what was judged: `role`, or the whole utterance (`utterance`).
    shown
        For `verdict`: the role that stood there, None when there was none.
    to
        For `undo`: `ref` of the review after which this person's reviews count no more; "" for
        all of them.
    note
        For people; changes no result.
    settles
        Whether it overrules what others said of the same.
    before
        What stood there when it was made, for people.
    id
        Name of this review, see `ref`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
    at: AwareDatetime
    video_id: Annotated[str, Field(min_length=1)]
    kind: Kind
    of: tuple[Place, ...] = ()
    role: Role | None = None
    faces: tuple[FacePlace, ...] | None = None
    speaker: Annotated[str, Field(min_length=1)] | None = None
    voice: tuple[Place, ...] = ()
    text: str | None = None
    start: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    end: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    cut: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    n_words: Annotated[int, Field(ge=0)] | None = None
    other: Place | None = None
    why: Literal["not_speech", "removed"] | None = None
    right: bool | None = None
    judged: Literal["role", "utterance"] | None = None
    shown: Role | None = None
    to: str | None = None
    note: str = ""
    settles: bool = False
    before: dict[str, Any] = {}
    id: Annotated[str, Field(pattern=r"^[0-9a-f]{0,32}$")] = ""

    @model_validator(mode="after")
    def _holds_what_its_kind_says(self) -> Review:
        allowed = {*_VALUES.get(self.kind, (self.kind,))}
        allowed |= {"judged"} if self.kind == "verdict" else set()
        for name in _STATED:
            if getattr(self, name) is not None and name not in allowed:
                raise ValueError(f"a review of kind '{self.kind}' has no '{name}'")
        if self.voice and self.kind not in ("speaker", "add"):
            raise ValueError(f"a review of kind '{self.kind}' has no 'voice'")
        if (self.start is None) != (self.end is None):
            raise ValueError("times need both a start and an end, or neither")
        if self.start is not None and self.end is not None:
            Span(self.start, self.end)
        if self.n_words is not None and self.cut is None:
            raise ValueError("words before a cut need the cut")
        if self.kind == "verdict" and self.judged is None:
            raise ValueError("a verdict needs 'judged': role or utterance")
        if self.kind == "undo" and self.to is None:
            raise ValueError("an undo needs 'to'")
        if bool(self.of) == (self.kind == "undo"):
            raise ValueError(
                "an undo is about no place" if self.of else f"a {self.kind} is about some place"
            )
        if len(self.of) > 1 and not self.of_voice:
            raise ValueError(f"a review of kind '{self.kind}' is about one utterance")
        if len({place.speaker for place in self.of}) > 1:
            raise ValueError("a review is about one voice")
        return self

    @property
    def of_voice(self) -> bool:
        """Whether it is about a voice and not about one utterance."""
        return self.kind in ("role", "face") or self.judged == "role"

    @property
    def ref(self) -> str:
        """Its name in the file: `id`, or a digest of the line where an older one has none."""
        line = json.dumps(self.to_dict(), sort_keys=True)
        return self.id or hashlib.sha256(line.encode()).hexdigest()[:12]

    @property
    def target(self) -> str:
        """Text that two reviews share when one of them can hold."""
        places = [place.model_dump() for place in self.of]
        kind = "shape" if self.kind in SHAPE else self.kind
        named = [self.video_id, kind, self.judged, places]
        # Notes of two people stand side by side.
        return json.dumps([*named, self.by] if kind == "note" else named, sort_keys=True)

    @property
    def value(self) -> dict[str, Any]:
        """What it states; empty when it takes an earlier review back."""
        if self.kind == "note":
            return {"note": self.note} if self.note else {}
        names = _VALUES.get(self.kind, (self.kind,))
        if getattr(self, names[0]) is None:
            return {}
        return {name: getattr(self, name) for name in names}

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the fields that hold nothing."""
        return self.model_dump(mode="json", exclude_none=True, exclude_defaults=True)

    def facts(self) -> dict[str, Any]:
        """Leave out who, when and the note, which cannot change a result."""
        left_out = {"by", "at", "note", "video_id", "settles", "before", "id"}
        return {name: value for name, value in self.to_dict().items() if name not in left_out}


_STATED = (
    *("role", "faces", "speaker", "text", "start", "end", "cut", "n_words", "other", "why"),
    *("right", "judged", "shown", "to"),
)


@dataclass(frozen=True, slots=True)
class Overlay:
    """What lies over the machine's results of one video.

    Parameters
    ----------
    reviews
        In force, of all kinds.
    role_labels
        What a language model said about the voices; see `emodiss.study.label_roles`.
    """

    reviews: tuple[Review, ...] = ()
    role_labels: tuple[RoleLabel, ...] = ()

    def of_kinds(self, kinds: Collection[str]) -> tuple[Review, ...]:
        """Return the reviews of some kinds."""
        return tuple(review for review in self.reviews if review.kind in kinds)


NOTHING_SAID = Overlay()
"""The overlay of a video that nobody reviewed."""


def now() -> datetime:
    """Time for a review that is made now, UTC, whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


@dataclass(frozen=True, slots=True)
class Standing:
    """What became of the reviews of one video."""

    # In force, in the order in which they came to hold.
    held: tuple[Review, ...]
    # What holds, and what another person says of the same; nothing of it is overwritten.
    conflicts: tuple[tuple[Review, Review], ...]
    # Taken back by an undo.
    undone: tuple[Review, ...]


def standing(reviews: Iterable[Review]) -> Standing:
    """Choose the reviews that count.

    Of one person's on one target the last one counts, if it holds anything. Where two people
    differ, who spoke first is followed until somebody settles it.

    Parameters
    ----------
    reviews
        Of one video, in the order they were made.
    """
    made = list(reviews)
    kept = _without_undone(made)
    # By target and person, in the order in which they first spoke.
    said: dict[str, dict[str, tuple[int, Review]]] = {}
    for place, review in enumerate(kept):
        own = said.setdefault(review.target, {})
        if review.settles:
            own = said[review.target] = {k: v for k, v in own.items() if k == review.by}
        earlier = own.get(review.by)
        if not review.value:
            own.pop(review.by, None)
        elif earlier is None or earlier[1].facts() != review.facts():
            own[review.by] = (place, review)
    held: list[tuple[int, Review]] = []
    conflicts: list[tuple[Review, Review]] = []
    for own in said.values():
        if own:
            (place, first), *others = own.values()
            held.append((place, first))
            conflicts += [(first, o) for _, o in others if o.facts() != first.facts()]
    held.sort(key=lambda item: item[0])
    counted = {id(review) for review in kept}
    undone = tuple(r for r in made if r.kind != "undo" and id(r) not in counted)
    return Standing(tuple(review for _, review in held), tuple(conflicts), undone)


def _without_undone(reviews: Sequence[Review]) -> list[Review]:
    """Leave out what its author took back by an undo, and the undos themselves."""
    # What each person's reviews were after each line; an undo goes back to one of these states.
    states: dict[str, list[tuple[int, tuple[int, ...]]]] = {}
    lines: dict[str, int] = {}
    for line, review in enumerate(reviews):
        own = states.setdefault(review.by, [(-1, ())])
        now = own[-1][1]
        if review.kind != "undo":
            own.append((line, (*now, line)))
        elif review.to == "" or review.to in lines:
            until = lines.get(review.to, -1) if review.to else -1
            own.append((line, next(s for at, s in reversed(own) if at <= until)))
        lines[review.ref] = line
    counted = sorted(line for own in states.values() for line in own[-1][1])
    return [reviews[line] for line in counted]


def in_force(reviews: Iterable[Review]) -> list[Review]:
    """Choose the reviews that count; see `standing`.

    Parameters
    ----------
    reviews
        Of one video, in the order they were made.

    Returns
    -------
    list of Review
        In the order in which they came to hold. One that was taken back leaves no trace, and
        saying the same thing again changes nothing, so that neither changes a key.
    """
    return list(standing(reviews).held)
