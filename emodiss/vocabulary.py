"""The words that all parts of emodiss share: roles, sides, reasons, notes, and what they mean.

A stage names a note by a short code (property `notes` of its record), which stays in the journal
and in the artifact. What it means and what to do about it is said here, once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, Literal, cast, get_args

from emodiss.errors import ArgumentError, nearest

Role = Literal["therapist", "patient", "other"]
"""Part a person plays in the conversation."""

ROLES: tuple[Role, ...] = get_args(Role)

Side = Literal["left", "right", "none"]
"""Half of the picture a face is in, as seen in the picture; `none` for a face never shown."""

FaceChoice = Side | tuple[int, ...]
"""Whose face is whose, as a person states it: a side, or numbers of face tracks."""

RoleSource = Literal["review", "manifest", "language_model", "classifier"]
"""Who said which part a voice plays; the first two are people."""

BindingSource = Literal["measured", "review", "manifest", "setting"]
"""Who said whose face is whose; all but the first are people."""

TRANSCRIPT_READERS: Final = {
    "stm": "emodiss.transcript.tables:read_stm",
    "vtt": "emodiss.transcript.captions:read_vtt",
    "srt": "emodiss.transcript.captions:read_srt",
    "json": "emodiss.transcript.json_files:read_json",
    "json3": "emodiss.transcript.json_files:read_json",
    "csv": "emodiss.transcript.tables:read_csv",
    "tsv": "emodiss.transcript.tables:read_csv",
}
"""Suffixes of transcript files and their readers, in the order they are looked for beside media:
to add a format, write its reader and a row here."""

CAPTION_SUFFIXES: Final = ("json3", "vtt", "srt")
"""Those of captions that come with a video: word by word, with some word times, without."""

_ROLE_SYNONYMS: dict[str, Role] = {
    "therapist": "therapist",
    "counselor": "therapist",
    "counsellor": "therapist",
    "clinician": "therapist",
    "patient": "patient",
    "client": "patient",
    "other": "other",
}

MEANINGS: Final[dict[str, str]] = {
    "no_audio": "The file has no sound, so nothing is known of voices; give a file with sound "
    "if there is one.",
    "no_video": "The file has no moving picture, so nothing is known of faces; give a file with "
    "picture if there is one.",
    "several_sound_tracks": "The file has several sound tracks; the one that it marks as its "
    "default, or else the first, is heard; give a file with the right one alone if it is not.",
    "high_dynamic_range": "The picture is stored for HDR screens (PQ or HLG) and was tone mapped "
    "to ordinary brightness and colours (ITU-R BT.2390), so very bright faces are measured less "
    "surely; export the recording as SDR if many are.",
    "other_sound_track": "The sound track that players play is silent, so the next one that is "
    "not was heard; listen to the file if you doubt it.",
    "sound_not_numbers": "Samples of the sound are no numbers (NaN or infinite), so they "
    "were made silent; look at what wrote the file.",
    "channels_cancel": "The channels of the sound cancel each other, as after a cable with "
    "turned polarity, so only the loudest one was heard.",
    "no_speech": "No utterance lies in the stretch that was worked on; check the sound, the "
    "transcript and the manifest's start and end.",
    "language_assumed": "Nobody states which language is spoken, and the recogniser knows one "
    "alone (English, in the preset lite), which is assumed; state it in the manifest's column "
    "language or with --set transcript.language=en, or choose a recogniser of many languages: "
    "--set models.asr=whisperx-small.",
    "language_or_noise_doubtful": "Most of the recognised words are doubtful (another language, "
    "noise, music, or several people at once), so trust none of them unheard; try a larger model, "
    "--set models.asr=whisperx-small or whisperx-large-v3 after emodiss models pull, or give a "
    "transcript.",
    "outside_stretch": "Utterances of the given transcript lie outside the stretch that was "
    "worked on and are left out; check the manifest's start and end if they should count.",
    "beyond_end": "Utterances of the given transcript begin after the media ends and are left "
    "out; check that the transcript belongs to this file and states seconds.",
    "time_unit_assumed": "The times of the given transcript were read as milliseconds or as "
    "fractions of a day, because as seconds nobody talks at such a pace; check them, or write "
    "seconds.",
    "speaker_unread": "Lines of the given transcript begin with what may be the name of a voice "
    "and cannot be told for one, so their voice is unknown; write [Name]: before them, or correct "
    "the voice with: emodiss review.",
    "no_transcript_beside": "A file named like the media lies beside it and does not read as a "
    "transcript, so it is left aside and speech is recognised; state it in the manifest's column "
    "transcript if it is one, to see what is wrong with it.",
    "malformed_rows": "Rows of the given transcript could not be read and are left out; correct "
    "them and run again, or fail such videos with annotate --strict.",
    "text_mismatch": "Some utterances of the given transcript do not seem to be what is said at "
    "their times (flag text_mismatch); check that it belongs to this video, its times, and that "
    "its language is the aligner's.",
    "lost_review": "A correction by a person belongs to an utterance or voice that is not there "
    "any more and has no effect; review that place again.",
    "unheard_role": "The manifest's column roles names a label that no voice of the video has, and "
    "has no effect there; see the labels with: emodiss review roles RUN, and correct the column.",
    "unknown_role": "The part of a voice, such as therapist or patient, is not known, and prompts "
    "need it; say who the therapist is: emodiss review set RUN --video ID --voice SPEAKER_00 "
    "--role therapist (voices and what they say: emodiss review roles RUN), then "
    "emodiss resume RUN; or state all in the manifest's column roles: "
    "SPEAKER_00=therapist;SPEAKER_01=patient.",
    "no_faces": "No face was found in the picture, so no face is measured; look at the video if "
    "people are to be seen in it.",
    "stated_faces": "A person stated in the manifest or in --set people.faces whose face is "
    "whose; nothing needs to be done.",
    "unbound_voice": "No face could be given to a voice, so its utterances have no face "
    "affect; see why with: emodiss people RUN, and state the face in the manifest's "
    "column faces.",
    "sound_offset": "Sound and picture of this file do not fit each other as they are: the mouths "
    "follow the sound better when it is moved; faces were found with that; check the file.",
    "clamped": "Measured values of affect lay past the ends of their model's scale and were set "
    "to the ends; compare with the columns ending in _raw before trusting extremes.",
    "no_prompts": "No prompt could be made of this session; see why with: emodiss prompts RUN.",
}
"""One sentence per code: what is so, and what to do about it."""

REASONS: Final[dict[str, str]] = {
    "speech:no_audio": "the video has no sound",
    "speech:too_short": "too short to judge the voice",
    "speech:silent": "the voice is not audible",
    "speech:overlap": "others speak at the same time",
    "face:no_video": "the video has no picture",
    "face:off_screen": "the face is out of the picture",
    "face:too_small": "the face is too small",
    "face:too_few_frames": "the face is in view too briefly",
    "face:unbound": "nobody knows whose face it is",
    "face:low_coverage": "the face is in view for too little of it",
    "listener:not_measured": "only speakers' faces are measured (face_affect.who=speaker)",
    "listener:no_video": "the video has no picture",
    "listener:off_screen": "nobody but the speaker is in the picture",
    "listener:unbound": "the other face in the picture may be the speaker's",
    "listener:talking": "the others in the picture speak too",
    "listener:too_small": "the listener's face is too small",
    "listener:too_few_frames": "the listener's face is in view too briefly",
    "words:no_recogniser": "no transcript is given and no model recognises speech",
    "words:none": "nothing was recognised",
    "role:unknown": "the part in the conversation is not known",
}
"""Why a measure is missing, `channel:status` as in the tables, in words."""


DOUBTS: Final[dict[str, str]] = {
    "language_or_noise_doubtful": "words doubtful: another language or noise",
    "low_probability": "the recogniser doubts its words",
    "no_speech": "perhaps nobody speaks",
    "repetition": "the recogniser repeats itself",
    "text_mismatch": "something else seems to be said",
    "voice_doubtful": "may be another voice",
}
"""Flags of an utterance whose words or voice are not to be trusted unheard, in words."""


IN_PROMPTS: Final[dict[str, str]] = {
    "speech:no_audio": "not recorded",
    "speech:too_short": "too short to tell",
    "speech:silent": "not audible",
    "speech:overlap": "covered by another voice",
    "face:no_video": "not recorded",
    "face:off_screen": "not visible",
    "face:too_small": "too small to tell",
    "face:too_few_frames": "visible too briefly to tell",
    "face:unbound": "not identified",
}
"""The same in few words, as a prompt says it of a channel."""


def statuses(channel: str) -> tuple[str, ...]:
    """Return what the status of a channel may be: `ok`, or why its measure is missing."""
    # Low coverage is no fault of a measure: it keeps one from being compared.
    codes = [code.partition(":") for code in REASONS if code != "face:low_coverage"]
    return ("ok", *(status for of, _, status in codes if of == channel))


def reason_words(reason: str) -> str:
    """Put reason codes, as in the column `dissonance_reason`, into words."""
    parts = [part for part in reason.split(";") if part]
    return "; ".join(REASONS.get(p, p.replace(":", ", ").replace("_", " ")) for p in parts)


def doubt_words(flags: Iterable[str]) -> str:
    """Put flags that cast doubt on words or voice into words; "" for none or after a review."""
    flags = set(flags)
    settled = {"voice_doubtful"} if "reviewed_speaker" in flags else set[str]()
    settled |= DOUBTS.keys() - {"voice_doubtful"} if "reviewed_text" in flags else set[str]()
    return "; ".join(words for flag, words in DOUBTS.items() if flag in flags - settled)


def meaning(code: str) -> str:
    """Return what a note means, or that it is unknown: other versions have other codes."""
    return MEANINGS.get(code, "A note of another version of emodiss, which knows its meaning.")


def parse_roles(text: str) -> dict[str, Role]:
    """Read `speaker=role;speaker=role`.

    Raises
    ------
    ValueError
        If a pair lacks its `=`, a speaker comes twice or a role is unknown.
    """
    roles: dict[str, Role] = {}
    for speaker, role in _per_speaker(text, "role"):
        roles[speaker] = parse_role(role)
    return roles


def parse_role(text: str) -> Role:
    """Read one role: `therapist`, `patient`, `other`, or a usual other word for one of them.

    Raises
    ------
    ValueError
        If there is no such role; the nearest one is named.
    """
    name = text.strip().lower()
    if name not in _ROLE_SYNONYMS:
        raise ArgumentError(f"unknown role '{text}'. {nearest(name, _ROLE_SYNONYMS)}")
    return _ROLE_SYNONYMS[name]


def parse_faces(text: str) -> dict[str, FaceChoice]:
    """Read `speaker=face;speaker=face`.

    Parameters
    ----------
    text
        A face is `left`, `right`, `none`, or numbers of face tracks with `+` between: `2+5`.

    Raises
    ------
    ValueError
        If a pair lacks its `=`, a speaker comes twice or a face is neither.
    """
    faces: dict[str, FaceChoice] = {}
    for speaker, face in _per_speaker(text, "face"):
        numbers = [part.strip() for part in face.split("+")]
        if face.lower() in get_args(Side):
            faces[speaker] = cast("Side", face.lower())
        elif all(re.fullmatch(r"[1-9][0-9]{0,8}", number) for number in numbers):
            faces[speaker] = tuple(sorted({int(number) for number in numbers}))
        else:
            raise ArgumentError(
                f"'{face}' is no face; expected left, right, none, or track numbers such as 2+5"
            )
    return faces


def _per_speaker(text: str, what: str) -> list[tuple[str, str]]:
    """Split `speaker=value;speaker=value`."""
    pairs: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(";"))):
        speaker, equals, value = (part.strip() for part in pair.partition("="))
        if not (speaker and equals and value):
            raise ArgumentError(f"expected 'speaker={what};speaker={what}', got '{pair}'")
        if speaker in pairs:
            raise ArgumentError(f"speaker '{speaker}' is given two {what}s")
        pairs[speaker] = value
    return list(pairs.items())


N_LOOKS: Final = 5
"""Looks of voices whose role is not known; a sixth voice has the first one's again."""


def looks_of(voices: Iterable[tuple[Any, Any]]) -> dict[str, str]:
    """Give each voice what pictures and pages tell it by: its role, or `voice0` to `voice4`.

    Takes pairs of voice and role, such as rows of the utterance table; any order of them that
    begins alike gives the same looks.
    """
    found: dict[str, str] = {}
    for voice, role in voices:
        if isinstance(voice, str) and role in ROLES:
            found[voice] = str(role)
        elif isinstance(voice, str):
            found.setdefault(voice, "")
    unknown = [voice for voice, look in found.items() if not look]
    return found | {voice: f"voice{k % N_LOOKS}" for k, voice in enumerate(unknown)}


def counted(n: int, thing: str, things: str | None = None) -> str:
    """Write a number with what it counts: `1 voice`, `2 voices`, `1,441 sessions`."""
    return f"{n:,} {thing if n == 1 else things or thing + 's'}"


def language_code(text: str | None) -> str:
    """Return the bare code of a language tag (`en-US`, `pt_BR`), or "" for what is none."""
    found = re.fullmatch(r"([a-z]{2,3})([-_][a-z0-9-_]+)?", (text or "").strip().lower())
    return found[1] if found and found[1] not in ("und", "mul", "zxx") else ""
