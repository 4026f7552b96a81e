"""What the notes mean that stages leave on a video: facts a reader should know, no failures.

A stage names a note by a short code (property `notes` of its record), which stays in the journal
and in the artifact. What it means and what to do about it is said here, once.
"""

from __future__ import annotations

from typing import Final

MEANINGS: Final[dict[str, str]] = {
    "no_audio": "The file has no sound, so nothing is known of voices; give a file with sound "
    "if there is one.",
    "no_video": "The file has no moving picture, so nothing is known of faces; give a file with "
    "picture if there is one.",
    "several_sound_tracks": "The file has several sound tracks; the one that it marks as its "
    "default, or else the first, is heard; give a file with the right one alone if it is not.",
    "other_sound_track": "The sound track that players play is silent, so the next one that is "
    "not was heard; listen to the file if you doubt it.",
    "channels_cancel": "The two channels of the sound cancel each other, as after a cable with "
    "turned polarity, so only the louder one was heard.",
    "no_speech": "No utterance lies in the stretch that was worked on; check the sound, the "
    "transcript and the manifest's start and end.",
    "language_assumed": "Nobody states which language is spoken, and the recogniser knows one "
    "alone, which is assumed; state it in the manifest's column language or with --set "
    "transcript.language=en, or choose a recogniser of many languages: --set "
    "models.asr=whisperx-small.",
    "language_or_noise_doubtful": "Most of the recognised words are doubtful (another language, "
    "noise, music, or several people at once), so trust none of them unheard; try a larger model, "
    "--set models.asr=whisperx-small or whisperx-large-v3 after emodiss models pull, or give a "
    "transcript.",
    "outside_stretch": "Utterances of the given transcript lie outside the stretch that was "
    "worked on and are left out; check the manifest's start and end if they should count.",
    "beyond_end": "Utterances of the given transcript begin after the media ends and are left "
    "out; check that the transcript belongs to this file and states seconds.",
    "speaker_unread": "Lines of the given transcript begin with what may be the name of a voice "
    "and cannot be told for one, so their voice is unknown; write [Name]: before them, or correct "
    "the voice with: emodiss review.",
    "malformed_rows": "Rows of the given transcript could not be read and are left out; correct "
    "them and run again, or fail such videos with annotate --strict.",
    "text_mismatch": "Some utterances of the given transcript do not seem to be what is said at "
    "their times (flag text_mismatch); check that it belongs to this video, its times, and that "
    "its language is the aligner's.",
    "lost_review": "A correction by a person belongs to an utterance or voice that is not there "
    "any more and has no effect; review that place again.",
    "unknown_role": "The part of a voice, such as therapist or patient, is not known; state it in "
    "the manifest's column roles or with: emodiss review.",
    "no_faces": "No face was found in the picture, so no face is measured; look at the video if "
    "people are to be seen in it.",
    "stated_faces": "A person stated in the manifest or in --set people.faces whose face is "
    "whose; nothing needs to be done.",
    "unbound_voice": "No face could be given to a voice, so its utterances have no face "
    "affect; see why with: emodiss people, and state the face in the manifest's "
    "column faces.",
    "sound_offset": "Sound and picture of this file do not fit each other as they are: the mouths "
    "follow the sound better when it is moved; faces were found with that; check the file.",
    "clamped": "Measured values of affect lay past the ends of their model's scale and were set "
    "to the ends; compare with the columns ending in _raw before trusting extremes.",
    "no_prompts": "No prompt could be made of this session; see why with: emodiss prompts.",
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


def reason_words(reason: str) -> str:
    """Put reason codes into words.

    Parameters
    ----------
    reason
        Codes as in the column `dissonance_reason`, `;` between.
    """
    parts = [part for part in reason.split(";") if part]
    return "; ".join(REASONS.get(p, p.replace(":", ", ").replace("_", " ")) for p in parts)


def meaning(code: str) -> str:
    """Return what a note means.

    Parameters
    ----------
    code
        As a stage names it. A run that another version of emodiss made may hold codes that this
        version does not know; these are said to be unknown.
    """
    return MEANINGS.get(code, "A note of another version of emodiss, which knows its meaning.")
