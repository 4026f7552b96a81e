"""One session of a run, to read and to look at."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emodiss.errors import RunError, nearest

if TYPE_CHECKING:
    import pandas as pd

    from emodiss.runs.run import Run

_SHOWN = (
    *("start", "end", "speaker", "role", "text", "speech_valence", "speech_arousal"),
    *("face_valence", "face_arousal", "dissonant", "dissonance_reason"),
)
"""Columns that a notebook shows; the table has them all."""


@dataclass(frozen=True, slots=True)
class Session:
    """One session of a run: `run["s01"]`.

    A notebook shows it with its utterances. `len` counts them.

    Parameters
    ----------
    run
        The run.

    Raises
    ------
    RunError
        If the run has no such video.
    """

    run: Run
    video: str

    def __post_init__(self) -> None:
        videos = self.run.videos
        if self.video not in videos:
            raise RunError(
                f"There is no video '{self.video}'.", next_step=nearest(self.video, videos)
            )

    @property
    def utterances(self) -> pd.DataFrame:
        """Its rows of the utterance table; columns in `emodiss.utterances.SCHEMA`."""
        return self.run.session(self.video)

    @property
    def words(self) -> pd.DataFrame:
        """Its words with times, where they are known."""
        return self.run.session_words(self.video)

    @property
    def faces(self) -> pd.DataFrame:
        """Its measured face frames; columns in `emodiss.utterances.FRAME_SCHEMA`."""
        return self.run.session_frames(self.video)

    @property
    def voice(self) -> pd.DataFrame:
        """Its voice over time; columns in `emodiss.utterances.WINDOW_SCHEMA`."""
        return self.run.session_windows(self.video)

    @property
    def prompts(self) -> list[dict[str, Any]]:
        """Its rendered prompts, as in `prompts.jsonl`."""
        return [prompt for prompt in self.run.prompts if prompt["video_id"] == self.video]

    @property
    def people(self) -> Any:
        """Its voices with their faces: `emodiss.people.People`."""
        return self.run.artifact(self.video, "people")

    @property
    def media(self) -> Path | None:
        """Its media file; None when it is not there now."""
        return self.run.media(self.video)

    @property
    def duration(self) -> float:
        """Its length in seconds."""
        table = self.run.columns("videos", ["video_id", "duration"])
        return float(table.loc[table["video_id"] == self.video, "duration"].iloc[0])

    def __len__(self) -> int:
        return len(self.utterances)

    def _repr_html_(self) -> str:
        table = self.utterances
        shown = table[[name for name in _SHOWN if name in table]].set_axis(table["utterance_id"])
        return card(
            f"Session {self.video} of run {self.run.root.name}",
            {"length": f"{self.duration:.1f} s", **counts(table)},
            shown.to_html(max_rows=12, float_format="{:z.2f}".format, na_rep="", border=0),
        )


def counts(table: pd.DataFrame) -> dict[str, Any]:
    """Count utterances, flags and what is undetermined, for people."""
    known = table["dissonant"].dropna()
    return {
        "utterances": len(table),
        "dissonant": f"{int(known.sum())} of {len(known)} determined",
        "voices": table["speaker"].nunique(),
    }


def card(
    title: str, facts: Mapping[str, Any], table: str = "", notes: Mapping[str, str] | None = None
) -> str:
    """Write a title, facts, a table that is HTML already, and notes by code, as HTML."""
    apart = "style='margin-right:1.5em'"
    said = "".join(
        f"<span {apart}>{html.escape(name)}: <b>{html.escape(str(value))}</b></span>"
        for name, value in facts.items()
    )
    listed = "".join(
        f"<li><code>{html.escape(code)}</code>: {html.escape(text)}</li>"
        for code, text in (notes or {}).items()
    )
    return (
        f"<div><p><b>{html.escape(title)}</b></p><p>{said}</p>{table}"
        + (f"<ul>{listed}</ul>" if listed else "")
        + "</div>"
    )
