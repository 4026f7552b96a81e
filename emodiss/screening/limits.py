"""What the filters reject: one group of limits per filter."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from emodiss.errors import SettingsError, nearest
from emodiss.settings import Group, assigned

_Cosine = Annotated[float, Field(ge=-1, le=1)]
Drop = Literal["dialogue", "image", "more_than_k"]


class OfPictures(Group):
    """What a rejected picture takes with it."""

    drop: Drop = Field(
        default="dialogue",
        description="what goes with a rejected picture: the dialogue, the picture alone, or the "
        "dialogue if more than k of its pictures are rejected",
    )
    k: int = Field(default=0, ge=0, description="rejected pictures a dialogue may have")


class ImageText(OfPictures):
    """Picture and stage directions."""

    threshold: _Cosine = Field(
        default=0.2, description="least cosine of picture and directions (the paper's)"
    )


class Identity(OfPictures):
    """The face and that of the reference."""

    threshold: _Cosine = Field(
        default=0.3, description="least cosine of the face to the reference (the paper prints none)"
    )


class Gender(OfPictures):
    """Predicted gender and that of the profile."""


class Age(OfPictures):
    """Predicted age and that of the profile."""

    max_gap: float = Field(default=10.0, ge=0, description="most years between them")


class FaceFound(OfPictures):
    """Whether there is a face."""


class Nsfw(OfPictures):
    """Pictures that are not suitable."""


class Basic(Group):
    """The form of the dialogue."""

    max_words: int = Field(default=100, ge=1, description="most words of a line, directions apart")
    min_turns: float = Field(default=4, ge=0, description="least turns, two lines each")
    max_turns: float = Field(default=20, ge=0, description="most turns")
    max_run: int = Field(default=3, ge=1, description="most words of one part of speech in a row")


class CopyPaste(Group):
    """Sentences of the profile or the plan that are said as they stand."""

    min_words: int = Field(
        default=5, ge=1, description="words from which on a sentence counts (released code: 1)"
    )
    numbered: bool = Field(
        default=True,
        description="whether sentences that begin with a number count (released code: no)",
    )


class Alliance(Group):
    """Quality by the Working Alliance Inventory."""

    threshold: float = Field(
        default=3.0,
        description="least mean of the items, 1 to 5 (printed: 0.3, which rejects nothing)",
    )


class Safety(Group):
    """Levels of safety of both roles."""

    worst: Literal["probably_needs_caution", "needs_caution", "needs_intervention"] = Field(
        default="needs_caution", description="level from which on a line rejects the dialogue"
    )


class Limits(Group):
    """The limits of all filters."""

    image_text: ImageText = ImageText()
    identity: Identity = Identity()
    gender: Gender = Gender()
    basic: Basic = Basic()
    copy_paste: CopyPaste = CopyPaste()
    alliance: Alliance = Alliance()
    nsfw: Nsfw = Nsfw()
    safety: Safety = Safety()
    face_found: FaceFound = FaceFound()
    age: Age = Age()


AS_PRINTED = ("alliance.threshold=0.3",)
"""The paper's appendix to the letter: on a scale of 1 to 5 it rejects nothing."""


def limits_of(assignments: Iterable[str] = ()) -> Limits:
    """Read `filter.limit=value` texts.

    Raises
    ------
    SettingsError
        If a filter or a limit does not exist (the nearest one is named), or a value is out of
        range.
    """
    given: dict[str, dict[str, object]] = {}
    for dotted, value in assigned(assignments).items():
        name, _, limit = dotted.partition(".")
        if name not in Limits.model_fields:
            raise SettingsError(
                f"There is no filter '{name}'.", next_step=nearest(name, Limits.model_fields)
            )
        given.setdefault(name, {})[limit] = value
    defaults = Limits()
    return Limits(
        **{name: type(getattr(defaults, name)).checked(own, name) for name, own in given.items()}
    )
