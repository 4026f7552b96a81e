"""What people name on the command line: figures, export formats, prompt conditions, criteria.

To add one, write its function or template, and a row here. Functions stand as `module:function`,
as in `emodiss.stages`, so that `--help` can name them all and loads none.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal


def function(path: str) -> Callable[..., Any]:
    """Import a function that is written as `module:function`."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


@dataclass(frozen=True, slots=True)
class RunFigure:
    """A figure of a run: its name, its function, and which options the function takes."""

    # `figure3` may be asked for as `fig3`.
    name: str
    draw: str
    # Of `video` and `blur`. A figure that shows words or faces of one session is drawn on request
    # alone; one that takes no option is drawn by `annotate`.
    options: tuple[str, ...] = ()
    named_after_video: bool = False

    @property
    def short(self) -> str:
        """The name that takes less typing."""
        return self.name.replace("figure", "fig")


FIGURES = {
    row.name: row
    for row in (
        RunFigure("figure2", "emodiss.plots.moment:figure2", ("video", "blur")),
        RunFigure("figure3", "emodiss.plots.paper:figure3"),
        RunFigure("figure4", "emodiss.plots.moment:figure4", ("video",)),
        RunFigure("figure10", "emodiss.plots.paper:figure10"),
        RunFigure("session", "emodiss.plots.session:figure_session", ("video",), True),
        RunFigure("contact-sheet", "emodiss.plots.contact:contact_sheet", ("video", "blur"), True),
    )
}
"""Figures of a run by name."""


@dataclass(frozen=True, slots=True)
class Format:
    """An export format, of each video or of the whole run.

    Parameters
    ----------
    name
        Name on the command line.
    file
        Suffix of a video's file with its dot; name of the file or folder of a run.
    of_video
        Function of the id of the video, its utterances and its media file: the content of the file.
    of_run
        Function of a run: the content of the file, or the files of the folder, their paths in it to
        their contents, the one that tells of the others last.
    options
        Which the latter takes: `path` of the file or folder, whether `words` and names may leave.
    also
        Other names that people type.
    what
        What it is, in a word or two.
    """

    name: str
    file: str
    of_video: str = ""
    of_run: str = ""
    options: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    what: str = ""


FORMATS = {
    row.name: row
    for row in (
        Format("rttm", ".rttm", "emodiss.exports.formats:rttm"),
        Format("webvtt", ".vtt", "emodiss.exports.formats:webvtt", also=("vtt",)),
        Format("textgrid", ".TextGrid", "emodiss.exports.formats:textgrid"),
        Format("eaf", ".eaf", "emodiss.exports.elan:write"),
        Format(
            "huggingface",
            "huggingface",
            of_run="emodiss.exports.whole_run:huggingface",
            options=("words",),
            what="dataset folder",
        ),
        Format(
            "audformat",
            "audformat.csv",
            of_run="emodiss.exports.whole_run:audformat_index",
            options=("path", "words"),
            what="index CSV",
        ),
        Format(
            "methods",
            "methods.txt",
            of_run="emodiss.exports.methods:methods",
            what="paragraph",
        ),
        Format(
            "bibtex",
            "references.bib",
            of_run="emodiss.exports.references:references",
            what="what it cites",
        ),
        Format(
            "urls",
            "urls.csv",
            of_run="emodiss.exports.whole_run:urls",
            what="the list that may be passed on",
        ),
    )
}
"""Export formats by name."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What a condition of prompts shows beside the dialogue; its template bears its name.

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
    since
        Version of the stage `prompts` that first wrote it. A new condition has one more than the
        last, so that the sessions of older runs get their prompt too.
    """

    name: str
    cues: Literal["labels", "numbers"] | None = None
    marks: bool = False
    captioned: bool = False
    pictured: bool = False
    since: int = 2

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
"""The conditions that every run has prompts of: the paper's four."""

CRITERIA = ("applicability", "empathy", "comprehensiveness")
"""The paper's three criteria (Haydarov et al. 2025, section 5); `templates/judge_<name>.jinja`."""
