"""Reviews: what a person corrects, laid over what models said and never written into it.

A review names its target by where it lies in time, not by its number or its label alone: a run
with other settings may number utterances anew and call the voices by each other's names. A review
whose target is gone is kept, counted and listed; it is never put upon something else.

Three kinds correct the talk (`speaker`, `times`, `text`), one the people (`role`), and `verdict`
says whether what stood there was right. A correction without a value takes an earlier one back.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from emodiss.manifest import Role
from emodiss.reviews.role_labels import RoleLabel
from emodiss.timebase import Span

KINDS = ("role", "speaker", "times", "text", "verdict")
"""What a review can be about."""


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


class Review(BaseModel):
    """One thing that one person said about one video; one line of `reviews.jsonl`.

    Parameters
    ----------
    by, at
        Who and when; with a time zone.
    video_id
        Of the manifest.
    kind
        One of `KINDS`.
    of
        What it is about: one utterance, or, for a voice, the utterances it was heard in.
    role
        For `role`: the part this voice plays; None takes an earlier review back.
    speaker
        For `speaker`: whose voice it is; None takes back.
    voice
        For `speaker`: where that voice is heard otherwise, so that it is known again under
        another label; empty for a voice that was not heard before.
    text
        For `text`: what is said; None takes back.
    start, end
        For `times`: seconds from media start; both None take back.
    right
        For `verdict`: whether what was judged is right; None takes back.
    judged
        For `verdict`: what was judged: `role`, or the whole utterance (`utterance`).
    shown
        For `verdict`: the role that stood there, None when there was none.
    note
        For people; changes no result.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
    at: AwareDatetime
    video_id: Annotated[str, Field(min_length=1)]
    kind: Literal["role", "speaker", "times", "text", "verdict"]
    of: Annotated[tuple[Place, ...], Field(min_length=1)]
    role: Role | None = None
    speaker: Annotated[str, Field(min_length=1)] | None = None
    voice: tuple[Place, ...] = ()
    text: str | None = None
    start: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    end: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    right: bool | None = None
    judged: Literal["role", "utterance"] | None = None
    shown: Role | None = None
    note: str = ""

    @model_validator(mode="after")
    def _holds_what_its_kind_says(self) -> Review:
        own = {"times": {"start", "end"}, "verdict": {"right", "judged", "shown"}}
        allowed = own.get(self.kind, {self.kind})
        values = ("role", "speaker", "text", "start", "end", "right", "judged", "shown")
        for name in values:
            if getattr(self, name) is not None and name not in allowed:
                raise ValueError(f"a review of kind '{self.kind}' has no '{name}'")
        if self.voice and self.kind != "speaker":
            raise ValueError(f"a review of kind '{self.kind}' has no 'voice'")
        if (self.start is None) != (self.end is None):
            raise ValueError("times need both a start and an end, or neither")
        if self.start is not None and self.end is not None:
            Span(self.start, self.end)
        if self.kind == "verdict" and self.judged is None:
            raise ValueError("a verdict needs 'judged': role or utterance")
        if len(self.of) > 1 and not self.of_voice:
            raise ValueError(f"a review of kind '{self.kind}' is about one utterance")
        if len({place.speaker for place in self.of}) > 1:
            raise ValueError("a review is about one voice")
        return self

    @property
    def of_voice(self) -> bool:
        """Whether it is about a voice and not about one utterance."""
        return self.kind == "role" or self.judged == "role"

    @property
    def target(self) -> str:
        """Text that two reviews share when the later one replaces the earlier one."""
        places = [place.model_dump() for place in self.of]
        return json.dumps([self.video_id, self.kind, self.judged, places], sort_keys=True)

    @property
    def value(self) -> dict[str, Any]:
        """What it states; empty when it takes an earlier review back."""
        names = {"times": ("start", "end"), "verdict": ("right", "shown")}.get(
            self.kind, (self.kind,)
        )
        if getattr(self, names[0]) is None:
            return {}
        return {name: getattr(self, name) for name in names}

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the fields that hold nothing."""
        return self.model_dump(mode="json", exclude_none=True, exclude_defaults=True)

    def facts(self) -> dict[str, Any]:
        """Leave out who, when and the note, which cannot change a result."""
        left_out = {"by", "at", "note", "video_id"}
        return {name: value for name, value in self.to_dict().items() if name not in left_out}


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


def in_force(reviews: Iterable[Review]) -> list[Review]:
    """Choose the reviews that count: of several on one target the last one, if it holds anything.

    Parameters
    ----------
    reviews
        In the order they were made.

    Returns
    -------
    list of Review
        In the order in which they came to hold. One that was taken back leaves no trace, and
        saying the same thing again changes nothing, so that neither changes a key.
    """
    latest: dict[str, Review] = {}
    for review in reviews:
        earlier = latest.get(review.target)
        if earlier is not None and earlier.facts() == review.facts():
            continue
        latest.pop(review.target, None)
        latest[review.target] = review
    return [review for review in latest.values() if review.value]
