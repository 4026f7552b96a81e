"""What goes into a prompt and what comes out: turns, windows, prompts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from emodiss.chat.model import Content, Picture, Text, content_sha256
from emodiss.errors import EmodissError
from emodiss.settings import PromptsSettings


class PromptError(EmodissError, ValueError):
    """No prompt can be made from this table with these options."""

    code = "prompt"


DEFAULTS = PromptsSettings()
"""The decisions where the paper leaves the wording open."""

LITERAL = PromptsSettings(literal=True)
"""As close to the printed templates as a filled template can be."""


@dataclass(frozen=True, slots=True)
class Channel:
    """What one channel showed during one utterance; `words` say why there is nothing, if so."""

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
    start, end
        Seconds from media start.
    dissonant
        True, False, or None when undetermined.
    labels, numbers
        The cue in brackets, ready to print; empty for anybody but the patient.
    tag, prefix
        The mark of dissonance, ready to print before the colon or before the words; else empty.
    caption
        What the face showed, in brackets and ready to print; empty for anybody but the patient.
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
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of dialogue that a prompt can be made from.

    Parameters
    ----------
    start, end
        Seconds from media start.
    n_words
        Words in the window, split at white space.
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


_OF_PICTURE = ("sha256", "width", "height")


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt, and everything that was known when it was written.

    Parameters
    ----------
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
    n_untranscribed
        Utterances between the first and the last one shown that have no text.
    template, template_sha256
        Name and content hash of the template that was filled.
    options
        How it is worded: the settings in force, by name.
    dialogue
        What was said, one line `Speaker: words` per utterance shown, without any cue: what a judge
        or a rater may see of the window, the same in all conditions.
    pictures
        What is sent before the text: frames of the window, in order of time.
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
    options: dict[str, Any]
    dialogue: str
    pictures: tuple[Picture, ...] = ()

    @property
    def sha256(self) -> str:
        """Hash of the text, and of the pictures if any: what a reply refers to."""
        content: Content = (*self.pictures, Text(self.text)) if self.pictures else self.text
        return content_sha256(content)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the hash is added as `sha256`, pictures are named if any."""
        record = asdict(replace(self, pictures=()))
        del record["pictures"]
        if self.pictures:
            record["pictures"] = [
                {"file": one.path.name} | {name: getattr(one, name) for name in _OF_PICTURE}
                for one in self.pictures
            ]
        record["window"] = list(self.window)
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
        values: dict[str, Any] = {"pictures": (), **record}
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
            values["options"] = PromptsSettings.model_validate(values["options"]).wording()
        except ValidationError as fault:
            name = fault.errors()[0]["loc"][0]
            raise PromptError(
                f"A prompt record has an option '{name}' that cannot be.", code="prompt_record"
            ) from None
        values["window"] = tuple(values["window"])
        values["pictures"] = tuple(
            Picture(Path(one["file"]), *(one[name] for name in _OF_PICTURE))
            for one in values["pictures"]
        )
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
