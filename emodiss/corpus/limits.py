"""From what on a video is left out of a corpus: limits on what was measured of it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated

from pydantic import Field, ValidationError, field_validator

from emodiss.errors import SettingsError, nearest
from emodiss.settings import Group, in_words
from emodiss.vocabulary import language_code

_Limit = Annotated[float, Field(ge=-math.inf)]
"""A number; not NaN, because nothing is past a limit of NaN and nobody would be told."""


class Curation(Group):
    """From what on `emodiss curate` leaves a video out; no setting of a run."""

    min_duration_s: _Limit = Field(
        default=30.0,
        description="length of the video, s; a prompt of six utterances takes about half a minute",
    )
    min_speech_s: _Limit = Field(default=10.0, description="speech, s")
    min_snr_db: _Limit = Field(
        default=10.0, description="speech over noise, dB; below 10 word error rates rise steeply"
    )
    max_clipped: _Limit = Field(
        default=0.005, description="share of the speech samples that are clipped"
    )
    min_bandwidth_hz: _Limit = Field(
        default=3000.0, description="bandwidth, Hz; a telephone reaches 3,400"
    )
    max_dropouts: _Limit = Field(default=0.05, description="share of the speech that is missing")
    min_talk_share: _Limit = Field(
        default=0.05,
        description="share of the talk below which a voice does not count as a speaker",
    )
    max_crowded: _Limit = Field(
        default=0.2, description="share of the looked-at frames with three or more faces"
    )
    language: str = Field(
        default="en",
        description="code of the wanted language, ISO 639 with two letters where there are two; "
        "text alone tells only English",
    )
    min_function_words: _Limit = Field(
        default=0.15,
        description="share of frequent English words from which a transcript is English",
    )

    @field_validator("language")
    @classmethod
    def _code(cls, value: str) -> str:
        if not (code := language_code(value)):
            raise ValueError("expected a code as in ISO 639: en, de, zh")
        return code


def limits_of(assignments: Iterable[str] = ()) -> Curation:
    """Read `name=value` texts as limits of `Curation`, or raise a SettingsError."""
    given: dict[str, str] = {}
    for text in assignments:
        name, _, given[name] = text.partition("=")
        if name not in Curation.model_fields:
            raise SettingsError(
                f"There is no limit '{name}'.", next_step=nearest(name, Curation.model_fields)
            )
    try:
        return Curation.model_validate(given)
    except ValidationError as error:
        raise in_words(error, "limit", "See: emodiss curate --help.") from None
