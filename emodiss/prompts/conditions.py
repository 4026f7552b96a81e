"""The built-in conditions: to add one, write its template and a row here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Condition:
    """What a condition shows beside the dialogue; its template bears its name.

    Parameters
    ----------
    name
        As on the command line and in tables.
    cues
        What stands beside each patient utterance, by channel: emotion `labels` or `numbers`
        (valence and arousal). None: nothing.
    marks
        Whether utterances whose voice and face disagree are marked.
    captioned
        Whether a description of the face stands beside each patient utterance; the utterance table
        has none by itself, `emodiss caption` makes them.
    pictured
        Whether frames of the video go with the dialogue; `emodiss.study.prompts` takes them.
    """

    name: str
    cues: Literal["labels", "numbers"] | None = None
    marks: bool = False
    captioned: bool = False
    pictured: bool = False

    def columns(self, channels: tuple[str, ...]) -> list[str]:
        """Name the columns of the utterance table that it cannot do without."""
        parts = {"labels": ("label",), "numbers": ("valence", "arousal"), None: ()}[self.cues]
        more = ["dissonant"] if self.marks else ["face_caption"] if self.captioned else []
        return [f"{channel}_{part}" for part in parts for channel in channels] + more


CONDITIONS = {
    row.name: row
    for row in (
        Condition("base"),
        Condition("discrete", cues="labels"),
        Condition("continuous", cues="numbers"),
        Condition("dissonance", marks=True),
        Condition("caption", captioned=True),
        Condition("video", pictured=True),
    )
}
"""The built-in conditions by name: the paper's four, captions, and frames of the video."""

KINDS = tuple(name for name, row in CONDITIONS.items() if not (row.captioned or row.pictured))
"""The four conditions of the paper: those that every run has prompts of."""
