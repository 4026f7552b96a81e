"""The prompts of a run, as they go to a language model: windows, conditions, names replaced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from emodiss.errors import SettingsError
from emodiss.interventions import Redaction, redact
from emodiss.prompts import CONDITIONS, KINDS, Prompt, PromptError, build, build_all, load_template
from emodiss.runs.run import AnyRun, load
from emodiss.study.captions import with_captions
from emodiss.study.frames import N_FRAMES, SECONDS, with_frames

if TYPE_CHECKING:
    from emodiss.settings import PromptsSettings

People = Sequence[Sequence[str]]
"""Names to replace: one entry per person, its spellings."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """Prompts of a run.

    Parameters
    ----------
    prompts
        Video by video.
    refused
        Why a video has none, by id.
    redactions
        Which names were replaced, by id; empty where that was not asked for.
    """

    prompts: list[Prompt]
    refused: dict[str, PromptError]
    redactions: dict[str, Redaction]


def prompts(
    run: AnyRun,
    kind: str = "all",
    *,
    video: str | None = None,
    end: str | None = None,
    span: tuple[float, float] | None = None,
    settings: PromptsSettings | None = None,
    people: People | None = None,
    n_frames: int = N_FRAMES,
    frame_seconds: float = SECONDS,
) -> Rendered:
    """Render the prompts of all videos of a run that can be asked about.

    Parameters
    ----------
    kind
        A condition, a template file, or `all`: the paper's four and those of the settings;
        `caption` is apart, since it needs `emodiss caption` first, and `video`, since its prompts
        hold pictures.
    end, span
        Utterance the window ends on; or all utterances that begin between two times, seconds.
    settings
        Wording and windows; those of the run if None.
    n_frames, frame_seconds
        For `video`: frames per prompt, evenly spaced, and the end of the window that they are
        taken from, seconds. They are kept in the run folder.

    Raises
    ------
    PromptError
        If the condition or its template is at fault, which is no video's doing.
    SettingsError
        If both `end` and `span` are given.
    """
    run = load(run)
    settings = settings or run.settings.prompts
    if end is not None and span is not None:
        raise SettingsError("--end and --span both say where the window lies; give one of them.")
    kinds = [*KINDS, *settings.templates] if kind == "all" else [kind]
    loaded = [load_template(one, settings.templates) for one in kinds]
    pictured = any(not one.own and CONDITIONS[one.condition].pictured for one in loaded)
    found = Rendered([], {}, {})
    failed = {failure.video: failure.stage for failure in run.failures}
    table = run.session(video) if video else run.utterances
    if "caption" in kinds:
        table = with_captions(run, table)
    sessions = dict(iter(table.groupby("video_id", sort=False)))
    for name in [video] if video else run.videos:
        session = sessions.get(name, table.iloc[:0])
        try:
            if name in failed and session.empty:
                raise PromptError(
                    f"Its stage {failed[name]} failed.",
                    next_step="See emodiss status.",
                    code="prompt_failed",
                )
            if people is not None:
                session, found.redactions[name] = redact(session, people)
            if end is None and span is None:
                made = build_all(session, kinds, options=settings)
            else:
                place = span if end is None else end
                made = [build(session, one, end=place, options=settings) for one in kinds]
            if pictured:
                made, fault = with_frames(run, made, n_frames, frame_seconds)
                if fault is not None:
                    found.refused[name] = fault
            found.prompts.extend(made)
        except PromptError as error:
            if error.code in ("prompt_template", "prompt_condition"):
                raise
            found.refused[name] = error
    return found


def redact_responses(table: pd.DataFrame, utterances: pd.DataFrame, people: People) -> pd.DataFrame:
    """Replace names in dialogues and the responses to them, video by video.

    Columns video, context, technique and response are read. One person has one stand-in within a
    video.
    """
    out = table.copy()
    for video, part in table.groupby("video", sort=False):
        labels = utterances.loc[utterances["video_id"] == video, "speaker"]
        for column in ("context", "technique", "response"):
            said = pd.DataFrame({"text": part[column], "speaker": None}, dtype=object)
            # The labels stand first, so that every column numbers people alike.
            whole = pd.concat([pd.DataFrame({"text": None, "speaker": labels}, dtype=object), said])
            out.loc[part.index, column] = redact(whole, people)[0]["text"].iloc[len(labels) :]
    return out
