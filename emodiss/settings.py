"""Settings: every parameter that can change a result, with its default and where that comes from.

Settings are grouped by the noun they belong to. `--set group.name=value` changes one; a preset
is a set of such changes. What cannot change a result (device, workers, progress) is not here,
and never enters an artifact's key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, Self, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from emodiss.errors import SettingsError, nearest
from emodiss.tabular import is_text
from emodiss.vocabulary import FaceChoice, parse_faces


class Group(BaseModel):
    """Settings that belong together; what a noun takes as its options."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def checked(cls, values: Mapping[str, Any], within: str) -> Self:
        """Make the group from values, as typed or as read (SettingsError); `within` names it."""
        if unknown := next((n for n in values if n not in cls.model_fields), None):
            raise SettingsError(
                f"There is no setting '{within}.{unknown}'.",
                next_step=nearest(unknown, cls.model_fields),
            )
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise in_words(error, within=within) from None

    def changed(self, **changes: Any) -> Self:
        """Return the group with some settings changed, all checked again (SettingsError)."""
        if unknown := next((n for n in changes if n not in type(self).model_fields), None):
            raise SettingsError(
                f"There is no setting '{unknown}'.",
                next_step=nearest(unknown, type(self).model_fields),
            )
        own = {name: getattr(self, name) for name in self.model_fields_set}
        try:
            return type(self).model_validate({**own, **changes})
        except ValidationError as error:
            raise in_words(error) from None


def in_words(
    error: ValidationError,
    what: str = "setting",
    next_step: str = "See: emodiss settings.",
    *,
    within: str = "",
) -> SettingsError:
    """Put what pydantic found into words."""
    fault = error.errors()[0]
    where = ".".join(str(part) for part in ((within, *fault["loc"]) if within else fault["loc"]))
    value = "" if isinstance(fault["input"], dict) else f" cannot be {fault['input']!r}"
    about = f"The {what} {where}{value}" if where else "These settings do not go together"
    return SettingsError(
        f"{about}: {fault['msg'].removeprefix('Value error, ')}.",
        next_step=next_step,
    )


class MediaSettings(Group):
    """Fetching and opening files."""

    max_height: int = Field(
        default=720, ge=144, description="largest picture height to download, pixels"
    )
    allow_truncated: bool = Field(
        default=False, description="accept a file that ends before its stated end"
    )


class TranscriptSettings(Group):
    """Words and turns to utterances."""

    language: str | None = Field(
        default=None,
        description="language code for recognition, where the manifest states none; None detects "
        "it, or assumes that of a model which knows one alone",
    )
    num_speakers: int | None = Field(default=None, ge=1, description="number of voices, when known")
    max_pause_s: float = Field(
        default=1.0,
        gt=0,
        description="a longer pause inside one speaker's talk starts a new utterance, s",
    )
    strict: bool = Field(
        default=False,
        description="a malformed row of a given transcript fails its video (--strict)",
    )
    captions: bool = Field(
        default=False,
        description="captions that were fetched with a video are its transcript when none is given",
    )
    align: bool = Field(
        default=False,
        description="find in the sound when the words of a given transcript are said; they set "
        "the times of utterances of which it states no end (needs models.aligner)",
    )
    max_utterance_s: float | None = Field(
        default=None,
        gt=0,
        description="longer utterances are cut at their best pause or sentence end, s; none is 30 "
        "for recognised words and voice activity, and leaves given transcripts as they are",
    )


class FacesSettings(Group):
    """Face detection; thresholds and minimum face are facenet-pytorch's own defaults."""

    mode: Literal["scan", "follow"] = Field(
        default="scan",
        description="scan: search every picture looked at; follow: search some, and in between "
        "only around the places where faces were, which is an approximation; a detector that can "
        "only search searches all",
    )
    scan_every: int = Field(
        default=15,
        ge=1,
        description="in mode follow, ticks from one search to the next; a cut or a face that is "
        "lost brings it at once",
    )
    stride: int = Field(default=1, ge=1, description="look at every n-th tick of the 30 FPS clock")
    min_face: float = Field(
        default=20,
        gt=0,
        description="smallest face: pixels from 1 up, or share of the picture's height",
    )
    half_size: bool = Field(
        default=False,
        description="look at the picture halved in width and height; an approximation",
    )
    min_score: float = Field(
        default=0.9, ge=0, le=1, description="least detector probability of a face that is tracked"
    )
    cut_threshold: float = Field(
        default=27.0,
        gt=0,
        description="content change of a cut, looked for in the same pass; PySceneDetect's default",
    )


class TracksSettings(Group):
    """Tracking, by default with SORT (Bewley et al. 2016), and the joining of fragments."""

    max_age: int = Field(default=1, ge=1, description="detections a track survives without a match")
    min_hits: int = Field(default=3, ge=1, description="matches before a track counts")
    iou_threshold: float = Field(default=0.3, gt=0, lt=1, description="least overlap of a match")
    max_gap_s: float = Field(
        default=8.0,
        ge=0,
        description="longest absence over which fragments of one face are joined, s",
    )
    min_join_confidence: float = Field(
        default=0.3, ge=0, le=1, description="least confidence for two fragments to be one face"
    )
    across_cuts: bool = Field(
        default=True,
        description="join fragments over cuts too, by colours of head and chest, and place",
    )
    max_cut_gap_s: float = Field(
        default=60.0,
        ge=0,
        description="longest absence over a cut after which fragments are joined, s",
    )
    min_track_s: float = Field(
        default=0.5, ge=0, description="shorter tracks are dropped as false finds, s"
    )


class PeopleSettings(Group):
    """Voices to faces."""

    min_confidence: float = Field(
        default=0.95,
        ge=0,
        le=1,
        description="least posterior probability for a voice to be given a face; see the guide "
        "for what it lets through",
    )
    faces: dict[str, FaceChoice] | None = Field(
        default=None,
        description="whose face is whose in every video, as in the manifest's column of that name: "
        "therapist_label=left;patient_label=right; labels that a video lacks are passed over",
    )

    @field_validator("faces", mode="before")
    @classmethod
    def _choices(cls, value: Any) -> Any:
        return parse_faces(value) if isinstance(value, str) else value


class SpeechAffectSettings(Group):
    """What counts as measurable speech."""

    min_duration_s: float = Field(default=1.0, ge=0, description="shortest utterance, s")
    max_overlap: float = Field(
        default=0.5, ge=0, le=1, description="largest share of an utterance that others talk over"
    )
    silence_dbfs: float = Field(
        default=-60.0, le=0, description="quieter utterances are silent, dB"
    )
    window_s: float | None = Field(
        default=3.0,
        gt=0,
        description="length of the windows in which the voice is measured over time inside longer "
        "utterances, s; none measures no windows; changes no utterance's value",
    )
    hop_s: float = Field(
        default=1.5, gt=0, description="largest distance from one window's start to the next, s"
    )

    @model_validator(mode="after")
    def _windows_fit(self) -> SpeechAffectSettings:
        if self.window_s is None:
            return self
        if self.window_s < self.min_duration_s:
            raise ValueError(
                f"windows of {self.window_s:g} s are shorter than min_duration_s "
                f"({self.min_duration_s:g} s), and none could be measured"
            )
        if self.hop_s > self.window_s:
            raise ValueError(
                f"hop_s ({self.hop_s:g}) is longer than window_s ({self.window_s:g}), which would "
                "leave speech between windows"
            )
        return self


class FaceAffectSettings(Group):
    """Which frames of whose faces are measured, and when there are enough."""

    who: Literal["speaker", "all"] = Field(
        default="speaker",
        description="speaker measures the speaker's face; all measures the other faces too, while "
        "they listen and while nobody speaks, in columns of their own",
    )
    stride: int = Field(default=1, ge=1, description="measure every n-th tick of the 30 FPS clock")
    looks_per_utterance: int | None = Field(
        default=None,
        ge=1,
        description="looks at the speaker's face per utterance, evenly spread, where every "
        "stride-th tick would be more; none looks at every stride-th tick",
    )
    looks_apart_s: float = Field(
        default=0.5,
        gt=0,
        description="longest time between two of these looks, s; a long utterance gets more of "
        "them",
    )
    min_frames: int = Field(default=5, ge=1, description="fewest measured face frames")
    min_size: float = Field(
        default=20, ge=1, description="smallest face side that is measured, pixels"
    )

    @model_validator(mode="after")
    def _looks_suffice(self) -> FaceAffectSettings:
        looks = self.looks_per_utterance
        if looks is not None and looks < self.min_frames:
            raise ValueError(
                f"looks_per_utterance ({looks}) is less than min_frames ({self.min_frames}), and "
                "no utterance would have enough"
            )
        return self


class EmoNetSettings(Group):
    """How EmoNet is run; see `emodiss.models.emonet.adapter.EmoNetFace`."""

    crop: Literal["box", "landmark_square"] = Field(
        "box", description="the detector's tight box, or the authors' square around landmarks"
    )
    mirror: bool = Field(
        False, description="average valence and arousal with those of the mirrored face"
    )
    fifth_class: Literal["fear", "anger"] = Field(
        "fear", description="what the fifth class of emonet-5 means; its authors disagree"
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="float32 is exact; bfloat16 is a faster approximation"
    )
    backend: Literal["auto", "torch", "onnxruntime", "openvino"] = Field(
        "auto",
        description="auto: on a CPU onnxruntime for float32, openvino for bfloat16; else torch",
    )
    batch_size: int | None = Field(
        None, ge=1, description="faces per forward pass; none is 1 on a CPU and 64 on a GPU"
    )
    allow_unverified: bool = Field(
        False, description="take a weight file that is not the published one; its hash is kept"
    )

    @model_validator(mode="after")
    def _onnxruntime_is_exact(self) -> EmoNetSettings:
        if self.backend == "onnxruntime" and self.precision != "float32":
            raise ValueError("emonet.backend=onnxruntime runs in float32; use emonet.backend=torch")
        return self


class AudeeringSettings(Group):
    """How audEERING's speech model is run; see `emodiss.models.audeering.windows`."""

    signal: Literal["published", "raw", "normalised"] = Field(
        "published",
        description="level of the signal; published: raw for the ONNX folder, normalised to zero "
        "mean and unit variance for the hub checkpoint, as in their own examples",
    )
    # Longer than any training segment; the attention's cost grows with the square of the length.
    window_s: float = Field(
        15.0, ge=1, description="longer utterances are cut into equal windows and averaged, s"
    )
    batch_size: int | None = Field(
        None, ge=1, description="windows per forward pass; none is 1 on a CPU and 16 on a GPU"
    )
    allow_unverified: bool = Field(
        False, description="take weights that are not the published ones; their hash is kept"
    )


class WhisperSettings(Group):
    """How Whisper recognises speech; the size is chosen by models.asr."""

    local_folder: str | None = Field(
        None, description="CTranslate2 Whisper of one's own (with models.asr=whisperx-local)"
    )
    compute_type: Literal["default", "float16", "float32", "int8"] = Field(
        "default",
        description="precision; default is float16 on a GPU, and on a CPU float32, or int8 for "
        "whisper-tiny-en",
    )
    batch_size: int = Field(8, ge=1, description="segments that WhisperX recognises at once")
    beam_size: int = Field(5, ge=1, description="beams of the search; WhisperX's own default")
    chunk_s: float = Field(30.0, gt=0, le=30, description="longest segment, s; Whisper hears 30")
    vad_onset: float = Field(
        0.5, gt=0, lt=1, description="voice activity at which speech starts; WhisperX's default"
    )
    vad_offset: float = Field(
        0.363, gt=0, lt=1, description="voice activity at which speech ends; WhisperX's default"
    )


class AlignmentSettings(Group):
    """How words are aligned to the sound."""

    local_folder: str | None = Field(
        None, description="wav2vec2 of one's own (with models.aligner=wav2vec2-local)"
    )
    language: str = Field("en", description="language that the aligner was trained on")


class PyannoteSettings(Group):
    """How pyannote's community-1 tells speakers apart."""

    min_speakers: int | None = Field(None, ge=1, description="fewest voices")
    max_speakers: int | None = Field(None, ge=1, description="most voices")
    exclusive: bool = Field(False, description="give overlapping speech to one voice only")
    shared_trunk: bool = Field(
        True, description="compute the embedding's ResNet once per window; the same bits, faster"
    )


_ERROR = "root mean square error"
_ERROR_DEFAULT = "none takes what the model's card states"


class DissonanceSettings(Group):
    """What counts as dissonant: Equation 1 of paper A, and what may be compared instead.

    The default rule is the paper's. The others answer questions that it leaves open.
    """

    threshold: float = Field(
        default=0.5, gt=0, le=10, description="T; the paper chose 0.5 by looking at its Figure 10"
    )
    quantile: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="T is this quantile of a session's scores instead; or none",
    )
    compare: Literal["voice_vs_face", "text_vs_nonverbal"] = Field(
        default="voice_vs_face",
        description="voice_vs_face (Equation 1), or text_vs_nonverbal: VADER sentiment against "
        "the mean valence of voice and face",
    )
    scale: Literal["house", "raw"] = Field(
        default="house",
        description="compare on the house scale, or the models' raw values (paper-raw)",
    )
    baseline: Literal["none", "shift", "z"] = Field(
        default="none",
        description="take out what each side is on average per speaker and session (shift), and "
        "divide by its spread (z; T then counts standard deviations)",
    )
    min_coverage: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="least share of an utterance with the speaker's face in view",
    )
    error_speech_valence: float | None = Field(
        default=None, gt=0, description=f"{_ERROR} of the speech model on valence; {_ERROR_DEFAULT}"
    )
    error_speech_arousal: float | None = Field(
        default=None, gt=0, description=f"{_ERROR} of the speech model on arousal; {_ERROR_DEFAULT}"
    )
    error_face_valence: float | None = Field(
        default=None, gt=0, description=f"{_ERROR} of the face model on valence; {_ERROR_DEFAULT}"
    )
    error_face_arousal: float | None = Field(
        default=None, gt=0, description=f"{_ERROR} of the face model on arousal; {_ERROR_DEFAULT}"
    )
    error_correlation: float = Field(
        default=0.0, gt=-1, lt=1, description="correlation of the errors on valence and on arousal"
    )
    expected_spread: float = Field(
        default=0.4,
        gt=0,
        description="standard deviation of true differences on each axis that is expected before "
        "any is measured; counts like eight utterances",
    )

    @model_validator(mode="after")
    def _go_together(self) -> DissonanceSettings:
        if self.threshold > 2 and self.baseline != "z":
            raise ValueError(
                "a threshold should be less than or equal to 2 unless baseline is z: values in "
                "[-1, 1] differ by no more"
            )
        if self.compare == "text_vs_nonverbal" and self.scale == "raw":
            raise ValueError("sentiment cannot be compared on the models' raw scales")
        return self

    @property
    def axes(self) -> tuple[str, ...]:
        """Axes on which the sides are compared."""
        return ("valence", "arousal") if self.compare == "voice_vs_face" else ("valence",)

    @property
    def threshold_words(self) -> str:
        """The threshold in words: `0.5`, or which quantile it is of each session's scores."""
        if self.quantile is None:
            return f"{self.threshold:g}"
        return f"{self.quantile:g} quantile of each session"


LITERALLY: Final = {
    "scale_line": False,
    "no_flag": "keep",
    "same_role": "merge",
    "context_marker": True,
}
"""What the setting `prompts.literal` changes."""


class PromptsSettings(Group):
    """Which prompts are rendered, and how they are worded where the paper leaves it open.

    `templates` keeps the texts of a folder, so that a run says what it was asked and a changed
    text is a changed setting (`emodiss.prompts.with_templates` reads the folder).
    """

    literal: bool = Field(
        default=False,
        description="the paper's wording to the letter (--literal): scale_line=false, "
        "no_flag=keep, same_role=merge, context_marker=true, each unless it is set itself",
    )
    window: int | None = Field(
        default=6,
        ge=1,
        description="utterances in a prompt, or words by window_unit; none shows all up to its end",
    )
    every: bool = Field(
        default=False,
        description="a prompt for every patient utterance, not only the last of the session",
    )
    flagged_only: bool = Field(
        default=False, description="only windows in which an utterance is marked as dissonant"
    )
    templates: dict[str, str] = Field(
        default_factory=dict, description="folder of further conditions, one Jinja2 file each"
    )
    channels: tuple[Literal["speech", "face"], ...] = Field(
        default=("speech", "face"),
        min_length=1,
        description="measurements that are shown: speech,face or one of them",
    )
    cue_format: Literal["words", "fused", "json"] = Field(
        default="words", description="words per channel, one fused cue for both, or json (A11)"
    )
    decimals: int = Field(default=2, ge=0, le=6, description="digits of valence and arousal (A11)")
    scale_line: bool = Field(
        default=True, description="state the scale where numbers are shown (A11)"
    )
    missing: Literal["words", "omit", "error"] = Field(
        default="words", description="a channel not measured: say so in words, omit it, or error"
    )
    no_flag: Literal["base", "drop", "keep", "error"] = Field(
        default="base",
        description="dissonance prompt without a flag: give the base prompt, drop the sentence on "
        "dissonance, keep it, or error (A12)",
    )
    flag_as: Literal["tag", "prefix"] = Field(
        default="tag",
        description="mark of dissonance: tag beside the name or prefix of the words (A13)",
    )
    flag_which: Literal["each", "last"] = Field(
        default="each",
        description="mark each dissonant utterance, or only the last one shown (A13)",
    )
    flag_values: bool = Field(
        default=False, description="valence and arousal beside the mark (A13)"
    )
    unknown_roles: Literal["error", "speaker", "drop"] = Field(
        default="error",
        description="no known patient: error, show speaker labels instead, or drop those of "
        "unknown role",
    )
    same_role: Literal["number", "merge"] = Field(
        default="number",
        description="two speakers of one role: number them, or merge under one name",
    )
    others: Literal["keep", "drop"] = Field(
        default="keep", description="people who are neither therapist nor patient: keep or drop"
    )
    end_on: Literal["patient", "any"] = Field(
        default="patient", description="who may have the last word of a window (A20)"
    )
    untranscribed: Literal["skip", "mark"] = Field(
        default="skip", description="utterances without text: skip them, or mark their place"
    )
    window_unit: Literal["utterances", "words"] = Field(
        default="utterances",
        description="what the window counts; words are split at white space and stand in for "
        "tokens, whose number depends on the model (A20)",
    )
    context_marker: bool = Field(
        default=False, description="print the literal [Context] of the paper's appendix A"
    )

    @field_validator("templates", mode="before")
    @classmethod
    def _none_are_none(cls, value: Any) -> Any:
        return {} if value is None else value

    @model_validator(mode="before")
    @classmethod
    def _to_the_letter(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        try:
            literal = TypeAdapter(bool).validate_python(data.get("literal", False))
        except ValidationError:
            return data  # the field itself says what is wrong
        if not literal:
            return data
        return {**LITERALLY, **data}

    def wording(self) -> dict[str, Any]:
        """Return how a prompt is worded, in plain values: all but which prompts are rendered."""
        which = {"literal", "window", "every", "flagged_only", "templates"}
        return self.model_dump(mode="json", exclude=which)

    @field_validator("channels", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return [name.strip() for name in value.split(",")] if isinstance(value, str) else value


class Models(Group):
    """Names from the model catalog, one per task; None where a preset does without."""

    asr: str | None = "whisperx-large-v3"
    aligner: str | None = "whisperx-wav2vec2"
    diarizer: str | None = "pyannote-community-1"
    faces: str = "mtcnn"
    tracker: str = "sort"
    active_speaker: str | None = None
    speech_affect: str = "audeering-w2v2"
    face_affect: str = "emonet-8"


class Settings(Group):
    """All settings of a run."""

    models: Models = Models()
    media: MediaSettings = MediaSettings()
    transcript: TranscriptSettings = TranscriptSettings()
    whisper: WhisperSettings = WhisperSettings()  # pyright: ignore[reportCallIssue]
    alignment: AlignmentSettings = AlignmentSettings()  # pyright: ignore[reportCallIssue]
    pyannote: PyannoteSettings = PyannoteSettings()  # pyright: ignore[reportCallIssue]
    faces: FacesSettings = FacesSettings()
    tracks: TracksSettings = TracksSettings()
    people: PeopleSettings = PeopleSettings()
    speech_affect: SpeechAffectSettings = SpeechAffectSettings()
    face_affect: FaceAffectSettings = FaceAffectSettings()
    emonet: EmoNetSettings = EmoNetSettings()  # pyright: ignore[reportCallIssue]
    audeering: AudeeringSettings = AudeeringSettings()  # pyright: ignore[reportCallIssue]
    dissonance: DissonanceSettings = DissonanceSettings()
    prompts: PromptsSettings = PromptsSettings()
    options: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="options of models that other packages bring: options.<model>.<name>=value; "
        "the model's card says which there are",
    )


def assigned(assignments: Iterable[str] | Mapping[str, Any]) -> dict[str, Any]:
    """Read `group.name=value` texts as dotted names and values; `none` is None."""
    if isinstance(assignments, Mapping):
        return dict(assignments)
    found: dict[str, Any] = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals:
            raise SettingsError(
                f"'--set {text}' has no '='.", next_step="Write --set group.name=value."
            )
        if not is_text(text):
            raise SettingsError(
                f"'--set {text!a}' holds half a character.", next_step="Write it in Unicode."
            )
        found[name.strip()] = None if value.strip().lower() == "none" else value.strip()
    return found


def resolve(
    changes: Mapping[str, Any], assignments: Iterable[str] | Mapping[str, Any] = ()
) -> Settings:
    """Put together a run's settings: a preset's changes, then assignments, which win."""
    merged = {**changes, **assigned(assignments)}
    nested: dict[str, dict[str, Any]] = {}
    for dotted, value in merged.items():
        group, _, name = dotted.partition(".")
        if group == "options" and name.count(".") == 1:
            model, _, option = name.partition(".")
            nested.setdefault("options", {}).setdefault(model, {})[option] = value
            continue
        if dotted not in NAMES:
            raise SettingsError(
                f"There is no setting '{dotted}'.",
                next_step=nearest(dotted, NAMES, listed_by="emodiss settings"),
            )
        nested.setdefault(group, {})[name] = value
    try:
        return Settings.model_validate(nested)
    except ValidationError as error:
        raise in_words(error) from None


def _names() -> dict[str, str]:
    names: dict[str, str] = {}
    for group, outer in Settings.model_fields.items():
        if group == "options":
            continue
        kind = cast("type[Group]", outer.annotation)
        for name, inner in kind.model_fields.items():
            names[f"{group}.{name}"] = inner.description or f"model for the task {name}"
    return names


NAMES = _names()
"""Every dotted setting name and what it means."""
