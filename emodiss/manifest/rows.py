"""One row of a manifest: a video as a person wrote it down, every cell checked."""

from __future__ import annotations

import re
import unicodedata

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from emodiss.manifest.rules import check_id, check_url
from emodiss.timebase import parse_time
from emodiss.vocabulary import FaceChoice, Role, parse_faces, parse_roles

# `file:` and its like where a path belongs; one letter before the colon is a drive.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|(file|data):", re.IGNORECASE)

METADATA_COLUMNS = (
    "title",
    "topic",
    "quality",
    "duration_s",
    "uploader",
    "upload_date",
    "captions",
    "query",
    "rank",
    "source",
)
"""Columns that are carried along for people and change no result. So are all `x_...` columns."""


class VideoRow(BaseModel):
    """One video of a study, as a person wrote it down.

    Parameters
    ----------
    id
        As `check_id` has it.
    url
        Where the video can be downloaded; http or https only, without user and password.
    path
        A local file, relative to the manifest's folder and inside it (see `read`).
    transcript
        A transcript file (STM, WebVTT, SRT, WhisperX JSON or CSV); as for `path`.
    roles
        Who is who: `Diane=therapist;Sheila=patient`. A stated role counts as said by a person.
    faces
        Whose face is whose: `Diane=left;Sheila=2+5`. It stands against whatever is measured.
    start, end
        Stretch of the video to work on, in seconds or as `HH:MM:SS`; default is all of it.
    language
        What is spoken, as an ISO 639 code or tag (`en`, `en-US`); other text counts for nothing.
    license, notes
        Carried along.
    """

    # What was written is not repeated in errors: an address may hold a password.
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        str_strip_whitespace=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )

    id: str
    url: str | None = None
    path: str | None = None
    transcript: str | None = None
    roles: dict[str, Role] | None = None
    faces: dict[str, FaceChoice] | None = None
    start: float | None = None
    end: float | None = None
    language: str | None = None
    license: str | None = None
    notes: str | None = None

    @field_validator("id")
    @classmethod
    def _id_names_a_folder(cls, value: str) -> str:
        return check_id(value)

    @field_validator("url")
    @classmethod
    def _url_is_web(cls, value: str | None) -> str | None:
        return value if value is None else check_url(value)

    @field_validator("path", "transcript")
    @classmethod
    def _path_is_no_address(cls, value: str | None) -> str | None:
        if value is not None and (scheme := _SCHEME.match(value)):
            raise ValueError(
                f"expected a path, got an address that starts with '{scheme[0]}'; write the path "
                "of the file, and web addresses in the column url"
            )
        return value

    @field_validator("start", "end", mode="before")
    @classmethod
    def _clock_or_seconds(cls, value: object) -> float | None:
        if value is None or isinstance(value, int | float):
            return value
        return parse_time(str(value))

    @field_validator("roles", mode="before")
    @classmethod
    def _pairs(cls, value: object) -> dict[str, Role] | None:
        if value is None or isinstance(value, dict):
            return value
        return parse_roles(unicodedata.normalize("NFC", str(value)))

    @field_validator("faces", mode="before")
    @classmethod
    def _choices(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return parse_faces(unicodedata.normalize("NFC", value))

    @model_validator(mode="after")
    def _one_source_and_a_stretch(self) -> VideoRow:
        if (self.url is None) == (self.path is None):
            got = "both" if self.url else "neither"
            raise ValueError(f"a row needs either a url or a path, got {got}")
        if self.start is not None and self.start < 0:
            raise ValueError(f"start must not be negative, got {self.start:g}")
        stated = [time for time in (self.start, self.end) if time]
        if stated and all(0 < time < 1 and round(time, 5) != time for time in stated):
            meant = " and ".join(f"{time * 86_400:.1f}" for time in stated)
            raise ValueError(
                f"times below 1 s with more than five decimals; as fractions of a day, which "
                f"spreadsheets keep, they would be {meant} s; write the seconds that are meant"
            )
        if self.end is not None and self.end <= (self.start or 0.0):
            raise ValueError(f"end must lie after start, got {self.start or 0.0:g} to {self.end:g}")
        return self


COLUMN_HELP = {
    "id": "name of the session; names its folder (letters, digits, '.', '_', '-')",
    "url": "address to download from (http or https); either this or `path`",
    "path": "local file in the manifest's folder, relative to it; either this or `url`",
    "transcript": "transcript file (stm, vtt, srt, json, csv), as for `path`",
    "roles": "`speaker=role;speaker=role`; roles are therapist, patient, other",
    "faces": "`speaker=face;speaker=face`, overrides what is measured; a face is left, right (of "
    "the picture), none (never shown) or numbers of face tracks such as 2+5",
    "start": "begin of the stretch to work on, seconds or HH:MM:SS",
    "end": "end of the stretch to work on, seconds or HH:MM:SS",
    "language": "what is spoken, such as en or en-US; a recogniser that does not know it refuses "
    "the video",
    "license": "terms of the video, carried along",
    "notes": "free text, carried along",
}
"""What each column means; the reference in `manifests/README.md` is made from it."""
