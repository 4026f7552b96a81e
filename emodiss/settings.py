"""Settings: every parameter that can change a result, with its default and where that comes from.

Settings are grouped by the noun they belong to. `--set group.name=value` changes one; a preset
is a set of such changes. What cannot change a result (device, workers, progress) is not here,
and never enters an artifact's key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emodiss.errors import SettingsError, nearest


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MediaSettings(_Group):
    """Fetching and opening files."""

    max_height: int = Field(720, ge=144, description="largest picture height to download, pixels")
    allow_truncated: bool = Field(
        False, description="accept a file that ends before its stated end"
    )


class TranscriptSettings(_Group):
    """Words and turns to utterances."""

    language: str | None = Field(None, description="language code for recognition; None detects it")
    num_speakers: int | None = Field(None, ge=1, description="number of voices, when known")
    max_pause_s: float = Field(
        1.0, gt=0, description="a longer pause inside one speaker's talk starts a new utterance, s"
    )
    strict: bool = Field(True, description="stop at the first malformed line of a given transcript")


class FacesSettings(_Group):
    """Face detection; thresholds and minimum face are facenet-pytorch's own defaults."""

    stride: int = Field(1, ge=1, description="look at every n-th tick of the 30 FPS clock")
    min_face: float = Field(
        20, gt=0, description="smallest face: pixels from 1 up, or share of the picture's height"
    )
    min_score: float = Field(
        0.9, ge=0, le=1, description="least detector probability of a face that is tracked"
    )


class TracksSettings(_Group):
    """SORT (Bewley et al. 2016) and the joining of fragments."""

    max_age: int = Field(1, ge=1, description="detections a track survives without a match")
    min_hits: int = Field(3, ge=1, description="matches before a track counts")
    iou_threshold: float = Field(0.3, gt=0, lt=1, description="least overlap of a match")
    max_gap_s: float = Field(
        8.0, ge=0, description="longest absence over which fragments of one face are joined, s"
    )
    min_join_confidence: float = Field(
        0.3, ge=0, le=1, description="least confidence for two fragments to be one face"
    )
    min_track_s: float = Field(
        0.5, ge=0, description="shorter tracks are dropped as false finds, s"
    )
    cut_threshold: float = Field(
        27.0, gt=0, description="content change of a cut; PySceneDetect's own default"
    )


class PeopleSettings(_Group):
    """Voices to faces."""

    min_confidence: float = Field(
        0.99, ge=0, le=1, description="least confidence for a voice to be given a face"
    )


class SpeechAffectSettings(_Group):
    """What counts as measurable speech."""

    min_duration_s: float = Field(1.0, ge=0, description="shortest utterance, s (decision A4)")
    max_overlap: float = Field(
        0.5, ge=0, le=1, description="largest share of an utterance that others talk over"
    )
    silence_dbfs: float = Field(-60.0, le=0, description="quieter utterances are silent, dB")


class FaceAffectSettings(_Group):
    """Which frames of the speaker's face are measured, and when there are enough."""

    stride: int = Field(1, ge=1, description="measure every n-th tick of the 30 FPS clock")
    min_frames: int = Field(5, ge=1, description="fewest measured face frames (decision A4)")
    min_size: float = Field(20, ge=1, description="smallest face side that is measured, pixels")


class DissonanceSettings(_Group):
    """Equation 1 of paper A."""

    threshold: float = Field(
        0.5, gt=0, le=2, description="T; the paper chose 0.5 by looking at its Figure 10"
    )
    scale: Literal["house", "raw"] = Field(
        "house", description="compare on the house scale, or the models' raw values (paper-raw)"
    )
    min_coverage: float = Field(
        0.0, ge=0, le=1, description="least share of an utterance with the speaker's face in view"
    )
    neutral_radius: float = Field(
        0.2, ge=0, lt=1, description="speech nearer to the origin than this is labelled neutral"
    )


class PromptsSettings(_Group):
    """Which prompts are rendered."""

    window: int = Field(6, ge=1, description="utterances in a prompt (decision A20)")
    every: bool = Field(
        False, description="a prompt for every patient utterance, not only the last of the session"
    )


class Models(_Group):
    """Names from the model catalog, one per task; None where a preset does without."""

    asr: str | None = "whisperx-large-v3"
    aligner: str | None = "whisperx-wav2vec2"
    diarizer: str | None = "pyannote-community-1"
    faces: str = "mtcnn"
    speech_affect: str = "audeering-w2v2"
    face_affect: str = "emonet-8"


class Settings(_Group):
    """All settings of a run."""

    models: Models = Models()
    media: MediaSettings = MediaSettings()  # pyright: ignore[reportCallIssue]
    transcript: TranscriptSettings = TranscriptSettings()  # pyright: ignore[reportCallIssue]
    faces: FacesSettings = FacesSettings()  # pyright: ignore[reportCallIssue]
    tracks: TracksSettings = TracksSettings()  # pyright: ignore[reportCallIssue]
    people: PeopleSettings = PeopleSettings()  # pyright: ignore[reportCallIssue]
    speech_affect: SpeechAffectSettings = SpeechAffectSettings()  # pyright: ignore[reportCallIssue]
    face_affect: FaceAffectSettings = FaceAffectSettings()  # pyright: ignore[reportCallIssue]
    dissonance: DissonanceSettings = DissonanceSettings()  # pyright: ignore[reportCallIssue]
    prompts: PromptsSettings = PromptsSettings()  # pyright: ignore[reportCallIssue]


def resolve(
    changes: Mapping[str, Any], assignments: Iterable[str] | Mapping[str, Any] = ()
) -> Settings:
    """Put together the settings of a run.

    Parameters
    ----------
    changes
        Dotted names to values, usually a preset.
    assignments
        `group.name=value` texts as typed on a command line, or dotted names to values. They win
        over `changes`.

    Raises
    ------
    SettingsError
        If a name does not exist (the nearest one is named) or a value is out of range.
    """
    merged = dict(changes)
    if isinstance(assignments, Mapping):
        merged.update(assignments)
    else:
        for text in assignments:
            name, equals, value = text.partition("=")
            if not equals:
                raise SettingsError(
                    f"'--set {text}' has no '='.", next_step="Write --set group.name=value."
                )
            merged[name.strip()] = None if value.strip().lower() == "none" else value.strip()
    nested: dict[str, dict[str, Any]] = {}
    for dotted, value in merged.items():
        group, _, name = dotted.partition(".")
        if dotted not in NAMES:
            raise SettingsError(
                f"There is no setting '{dotted}'.", next_step=nearest(dotted, NAMES)
            )
        nested.setdefault(group, {})[name] = value
    try:
        return Settings.model_validate(nested)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise SettingsError(
            f"The setting {where} cannot be {fault['input']!r}: {fault['msg']}.",
            next_step="See: emodiss settings.",
        ) from None


def _names() -> dict[str, str]:
    names: dict[str, str] = {}
    for group, outer in Settings.model_fields.items():
        kind = cast("type[_Group]", outer.annotation)
        for name, inner in kind.model_fields.items():
            names[f"{group}.{name}"] = inner.description or f"model for the task {name}"
    return names


NAMES = _names()
"""Every dotted setting name and what it means."""
