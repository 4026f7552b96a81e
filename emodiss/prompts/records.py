"""What goes into a prompt and what comes out: options, turns, windows, prompts."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from emodiss.errors import EmodissError, SettingsError, nearest


class PromptError(EmodissError, ValueError):
    """No prompt can be made from this table with these options."""

    code = "prompt"


@dataclass(frozen=True, slots=True)
class PromptOptions:
    """How a prompt is worded where the paper leaves it open; the first choice is the default.

    Parameters
    ----------
    channels
        Which measurements are shown: `("speech", "face")` as in the paper, or one of them.
    cue_format
        `words`: `(speech: sad; face: neutral)`; `fused`: one cue for both channels, equal labels
        once, different ones as `sad / neutral`, numbers as their mean; `json`.
    decimals
        Digits after the point of valence and arousal, 0 to 6.
    scale_line
        Whether a line states the scale where numbers are shown; the paper shows none.
    missing
        A channel that was not measured: `words` says so (`face: not visible`), `omit` leaves it
        out, `error` refuses. It is never shown as 0 or neutral.
    no_flag
        Dissonance prompt for a window without a flag: `base` gives exactly the base prompt, so
        that nothing but a flag can tell the two conditions apart; `drop` leaves out the sentence
        on dissonance; `keep` prints it all the same; `error` refuses.
    flag_as
        `tag`: `Patient (emotional dissonance): ...` (appendix A); `prefix`: the phrase in brackets
        before the words (section 4.1).
    flag_which
        `each` flagged patient utterance, or only the `last` patient utterance of the window.
    flag_values
        Whether a mark of dissonance also shows valence and arousal of both channels.
    unknown_roles
        When no patient is known in the session: `error` refuses; `speaker` prints speaker labels
        and lets every speaker of unknown role stand in for the patient: a window may end on them
        and they carry the cues. `drop` leaves out utterances of unknown role. Where a patient is
        known, other speakers of unknown role are printed by label, without cues, unless dropped.
    same_role
        Two speakers of one role: `number` prints `Patient 1` and `Patient 2` in order of first
        word in the session; `merge` prints `Patient` for both.
    others
        People who are neither therapist nor patient: `keep` prints `Other`; `drop` leaves them out.
    end_on
        A window ends on a `patient` utterance, or on `any`.
    untranscribed
        Utterances without text: `skip` leaves them out, and they do not count towards the window;
        `mark` prints `[no transcript]`.
    window_unit
        Whether `window` counts `utterances` or `words`. With words, the window is the longest run
        of whole utterances that fits, and at least one. Words (split at white space) stand in for
        tokens, whose number depends on the model.
    context_marker
        Whether the literal `[Context]` of appendix A is printed after `Dialogue:`. By default it
        is read as the place where the dialogue goes.

    Raises
    ------
    SettingsError
        If a value is not one of the choices.

    Notes
    -----
    Defaults are decisions A10 to A13 and A20 of the project's reading of the paper.
    """

    channels: tuple[str, ...] = ("speech", "face")
    cue_format: Literal["words", "fused", "json"] = "words"
    decimals: int = 2
    scale_line: bool = True
    missing: Literal["words", "omit", "error"] = "words"
    no_flag: Literal["base", "drop", "keep", "error"] = "base"
    flag_as: Literal["tag", "prefix"] = "tag"
    flag_which: Literal["each", "last"] = "each"
    flag_values: bool = False
    unknown_roles: Literal["error", "speaker", "drop"] = "error"
    same_role: Literal["number", "merge"] = "number"
    others: Literal["keep", "drop"] = "keep"
    end_on: Literal["patient", "any"] = "patient"
    untranscribed: Literal["skip", "mark"] = "skip"
    window_unit: Literal["utterances", "words"] = "utterances"
    context_marker: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                raise SettingsError(
                    f"Prompt option '{name}' cannot be {value!r}.",
                    next_step=nearest(str(value), choices),
                )
        if not self.channels or set(self.channels) - {"speech", "face"}:
            raise SettingsError(
                f"Prompt option 'channels' cannot be {self.channels!r}.",
                next_step="Give 'speech', 'face' or both.",
            )
        if not 0 <= self.decimals <= 6:
            raise SettingsError(f"Prompt option 'decimals' must be 0 to 6, got {self.decimals}.")

    @classmethod
    def of(cls, settings: Any) -> PromptOptions:
        """Read the options out of anything that has them all as attributes.

        Parameters
        ----------
        settings
            Such as the group `prompts` of a run's settings.
        """
        return cls(**{field.name: getattr(settings, field.name) for field in fields(cls)})


_CHOICES = {
    "cue_format": ("words", "fused", "json"),
    "missing": ("words", "omit", "error"),
    "no_flag": ("base", "drop", "keep", "error"),
    "flag_as": ("tag", "prefix"),
    "flag_which": ("each", "last"),
    "unknown_roles": ("error", "speaker", "drop"),
    "same_role": ("number", "merge"),
    "others": ("keep", "drop"),
    "end_on": ("patient", "any"),
    "untranscribed": ("skip", "mark"),
    "window_unit": ("utterances", "words"),
}

DEFAULTS = PromptOptions()
"""The decisions; see `PromptOptions`."""

LITERAL = PromptOptions(scale_line=False, no_flag="keep", same_role="merge", context_marker=True)
"""As close to the printed templates as a filled template can be; the setting `prompts.literal`."""

LITERALLY: Mapping[str, Any] = {
    field.name: getattr(LITERAL, field.name)
    for field in fields(PromptOptions)
    if getattr(LITERAL, field.name) != getattr(DEFAULTS, field.name)
}
"""What `LITERAL` changes, by name."""


@dataclass(frozen=True, slots=True)
class Channel:
    """What one channel showed during one utterance.

    Parameters
    ----------
    label
        Expression label, or None.
    valence, arousal
        In [-1, 1], or None.
    words
        Why there is nothing, in words; empty when the channel was measured.
    """

    label: str | None
    valence: float | None
    arousal: float | None
    words: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance as a template sees it.

    Parameters
    ----------
    speaker
        Name to print: `Therapist`, `Patient`, `Other` or a speaker label.
    role
        `therapist`, `patient`, `other`, or None when unknown.
    is_patient
        Whether the utterance carries cues: the patient's, or that of a stand-in.
    text
        What was said, on one line.
    start, end
        Seconds from media start.
    speech, face
        What the channels showed.
    dissonant
        True, False, or None when undetermined.
    labels, numbers
        The cue in brackets, ready to print; empty for anybody but the patient.
    tag, prefix
        The mark of dissonance, ready to print before the colon or before the words; else empty.
    """

    speaker: str
    role: str | None
    is_patient: bool
    text: str
    start: float
    end: float
    speech: Channel
    face: Channel
    dissonant: bool | None
    labels: str
    numbers: str
    tag: str
    prefix: str


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of dialogue that a prompt can be made from.

    Parameters
    ----------
    video_id
        Session.
    utterance_ids
        Utterances in order.
    start, end
        Seconds from media start.
    n_words
        Words in the window, split at white space.
    n_patient
        Patient utterances.
    n_flagged, n_undetermined
        Patient utterances whose dissonance is true, and whose dissonance is undetermined.
    """

    video_id: str
    utterance_ids: tuple[str | int, ...]
    start: float
    end: float
    n_words: int
    n_patient: int
    n_flagged: int
    n_undetermined: int

    @property
    def end_id(self) -> str | int:
        """The utterance that the window ends on."""
        return self.utterance_ids[-1]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt, and everything that was known when it was written.

    Parameters
    ----------
    video_id, condition
        Session and condition.
    text
        What the model is asked.
    window
        The utterances shown, in order.
    start, end
        Seconds from media start; NaN when the table has no times.
    n_patient, n_flagged, n_undetermined
        Patient utterances in the window; those whose dissonance is true; those undetermined.
    dissonance_present
        Whether at least one utterance is marked as dissonant under these options. A fact about
        the window, so it is the same in all conditions and can be used to filter.
    n_speech_missing, n_face_missing
        Patient utterances without a measurement of that channel: without a label in `discrete`,
        without valence and arousal in the other conditions.
    n_unknown_roles
        Utterances shown whose role is unknown.
    n_untranscribed
        Utterances between the first and the last one shown that have no text.
    template, template_sha256
        Name and content hash of the template that was filled.
    options
        The options in force.
    dialogue
        What was said, one line `Speaker: words` per utterance shown, without any cue: what a judge
        or a rater may see of the window, the same in all conditions.
    """

    video_id: str
    condition: str
    text: str
    window: tuple[str | int, ...]
    start: float
    end: float
    n_patient: int
    n_flagged: int
    n_undetermined: int
    dissonance_present: bool
    n_speech_missing: int
    n_face_missing: int
    n_unknown_roles: int
    n_untranscribed: int
    template: str
    template_sha256: str
    options: PromptOptions
    dialogue: str

    @property
    def sha256(self) -> str:
        """Hash of the text: what a reply refers to."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the hash of the text is added as `sha256`."""
        record = asdict(self)
        record["window"] = list(self.window)
        record["options"]["channels"] = list(self.options.channels)
        for name in ("start", "end"):
            record[name] = record[name] if math.isfinite(record[name]) else None
        return {**record, "sha256": self.sha256}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Prompt:
        """Read back what `to_dict` wrote.

        Raises
        ------
        PromptError
            If a field is missing or unknown, or the text no longer matches its hash.
        """
        values = dict(record)
        stated = values.pop("sha256", None)
        names = {field.name for field in fields(cls)}
        if set(values) != names:
            odd = ", ".join(sorted(set(values) ^ names))
            raise PromptError(
                f"A prompt record has missing or unknown fields: {odd}.",
                next_step="Write the prompts again with 'emodiss prompts'.",
                code="prompt_record",
            )
        try:
            values["options"] = PromptOptions(**values["options"])
        except TypeError as fault:
            raise PromptError(
                f"A prompt record has unknown options: {fault}.", code="prompt_record"
            ) from None
        values["window"] = tuple(values["window"])
        for name in ("start", "end"):
            values[name] = math.nan if values[name] is None else float(values[name])
        prompt = cls(**values)
        if stated is not None and stated != prompt.sha256:
            raise PromptError(
                f"The text of a prompt for video '{prompt.video_id}' was changed after it was "
                f"written: its hash is {prompt.sha256[:12]}, the record says {str(stated)[:12]}.",
                next_step="Put a changed wording into a template file and build the prompt again.",
                code="prompt_record",
            )
        return prompt
