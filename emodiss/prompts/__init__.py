"""Prompts: what a language model is asked about a stretch of a session.

Four conditions, worded as in appendix A of Haydarov et al. (2025): `base` shows the dialogue
alone, `discrete` adds emotion labels to each patient utterance, `continuous` adds valence and
arousal, `dissonance` marks the utterances whose voice and face disagree. A fifth one of our own,
`caption`, describes the face in words; `video` is for models that see frames of the video, which
`emodiss.study.prompts` adds to the text. A further condition is a template file; no code is needed.

One line of the prompt is one utterance. Line breaks inside an utterance become spaces, so that
nothing a person said can pass for another speaker's turn, and whatever a person said about
"instructions" stands in the dialogue like any other words: it is neither removed nor obeyed here.
Texts are filled into the template as values and never read as template code.

Times never reach the built-in templates: moving a session in time changes no prompt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emodiss.arguments import explain
from emodiss.prompts.captions import caption, measured_caption
from emodiss.prompts.cues import absent, turn
from emodiss.prompts.records import DEFAULTS, LITERAL, Prompt, PromptError, Turn, Window
from emodiss.prompts.session import Session, all_windows, clean
from emodiss.prompts.wording import Template, load_template, read_templates, render, with_templates
from emodiss.registry import CONDITIONS, KINDS, Condition
from emodiss.settings import PromptsSettings
from emodiss.tabular import table_of
from emodiss.vocabulary import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CONDITIONS",
    "DEFAULTS",
    "KINDS",
    "LITERAL",
    "Condition",
    "Prompt",
    "PromptError",
    "Template",
    "Turn",
    "Window",
    "build",
    "build_all",
    "caption",
    "clean",
    "load_template",
    "measured_caption",
    "read_templates",
    "windows",
    "with_templates",
]

SCALE_LINE = (
    "Valence runs from -1 (unpleasant) to 1 (pleasant) and arousal from -1 (calm) to 1 (excited)."
)


def build(
    utterances: pd.DataFrame,
    kind: str | Path,
    *,
    end: str | int | float | tuple[float, float] | Window | None = None,
    options: PromptsSettings = DEFAULTS,
    **changes: Any,
) -> Prompt:
    """Write one prompt about one session.

    Parameters
    ----------
    utterances
        One session's rows of the utterance table, or a session of a run. `text` is needed; `role`,
        `video_id`, `utterance_id`, `start`, `end`, `speaker`, the affect columns and `dissonant`
        are used where present, and a condition names the columns that it cannot do without.
    kind
        One of `CONDITIONS`, the path of a template file, or the name of a template in `templates`.
    end
        Where the window ends. None: the last patient utterance with text. Text: an utterance id.
        An integer: an utterance id where the ids are integers, else a position in order of time
        (negative counts from the back). A float: seconds; the last patient utterance that has
        ended by then. A pair of seconds: all utterances that start in `[start, end)`, cut after
        the last patient utterance in it; `window` does not apply. A `Window`: exactly that.
    options
        Settings group `prompts`: how much is shown, and how it is worded.
    changes
        Settings of that group that hold here, such as `window=3` or `templates=folder`.

    Raises
    ------
    PromptError
        If the session is empty, has no text, no patient or no known roles, if `end` names no
        patient utterance, a needed column is missing, or the template is unknown or faulty.
    SettingsError
        If a change names no setting of the group or is out of range.
    """
    session = Session(table_of(utterances), _changed(options, changes))
    template = load_template(kind, session.options.templates)
    return _fill(session, template, session.window(end, session.options.window))


def build_all(
    utterances: pd.DataFrame,
    kinds: Iterable[str | Path] = KINDS,
    *,
    options: PromptsSettings = DEFAULTS,
    **changes: Any,
) -> list[Prompt]:
    """Write the prompts of all conditions, session by session and window by window.

    Parameters
    ----------
    utterances
        Rows of the utterance table; sessions are told apart by `video_id`.
    kinds, options, changes
        As in `build`; `every` takes every window instead of the last one of each session, and
        `flagged_only` leaves out windows in which nothing is marked as dissonant (decision A12: in
        a study set the dissonance prompt should always differ from the base prompt).

    Raises
    ------
    PromptError
        As `build` does, for the first session that cannot be used or, with `flagged_only`, has
        no flagged window.
    """
    options = _changed(options, changes)
    window, flagged_only = options.window, options.flagged_only
    loaded = [load_template(kind, options.templates) for kind in kinds]
    utterances = table_of(utterances)
    parts = [utterances]
    if "video_id" in utterances.columns and len(utterances):
        parts = [part for _, part in utterances.groupby("video_id", sort=False, dropna=False)]
    prompts: list[Prompt] = []
    for part in parts:
        session = Session(part, options)
        ends = [rows[-1] for rows in all_windows(session, window)] if options.every else [None]
        n_before = len(prompts)
        for row in ends:
            shown = session.window(None, window) if row is None else session.back(row, window)
            if not flagged_only or _marked(session, shown):
                prompts += [_fill(session, template, shown) for template in loaded]
        if flagged_only and len(prompts) == n_before:
            raise PromptError(
                f"In video '{session.video_id}' no window that was asked for is dissonant.",
                next_step="Ask for every window, or do without flagged_only.",
                code="prompt_no_flag",
            )
    return prompts


def windows(
    utterances: pd.DataFrame,
    *,
    options: PromptsSettings = DEFAULTS,
    full: bool = False,
    **changes: Any,
) -> Iterator[Window]:
    """List every window of a session that ends on a patient utterance.

    Parameters
    ----------
    utterances
        One session's rows of the utterance table.
    full
        Whether to leave out the windows at the start that hold fewer than `window` utterances.

    Yields
    ------
    Window
        In order of time.

    Raises
    ------
    PromptError
        As `build` does for a session that cannot be used.
    """
    options = _changed(options, changes)
    window = options.window
    session = Session(utterances, options)
    for rows in all_windows(session, window):
        if full and options.window_unit == "utterances" and len(rows) < (window or 0):
            continue
        patient = [row for row in rows if session.is_patient[row]]
        flags = [session.dissonant[row] for row in patient]
        yield Window(
            video_id=session.video_id,
            utterance_ids=tuple(session.ids[row] for row in rows),
            start=session.starts[rows[0]],
            end=session.ends[rows[-1]],
            n_words=sum(len(session.texts[row].split()) for row in rows),
            n_patient=len(patient),
            n_flagged=flags.count(True),
            n_undetermined=flags.count(None),
        )


def _changed(options: PromptsSettings, changes: dict[str, Any]) -> PromptsSettings:
    """Lay changes over the settings; templates may be the folder that they are kept in."""
    folder = changes.get("templates")
    if isinstance(folder, str | Path):
        changes = {**changes, "templates": read_templates(folder)}
    return options.changed(**changes) if changes else options


def _fill(session: Session, template: Template, rows: list[int]) -> Prompt:
    options = session.options
    condition = Condition(template.condition) if template.own else CONDITIONS[template.condition]
    _need_columns(session, condition)
    patient = [row for row in rows if session.is_patient[row]]
    flags = [session.dissonant[row] for row in patient]
    marked = _marked(session, rows)
    used = template
    if condition.marks and not marked:
        if options.no_flag == "error":
            raise PromptError(
                f"No utterance in this window of video '{session.video_id}' is dissonant "
                f"({flags.count(None)} of {len(flags)} undetermined).",
                next_step="Choose another window or another prompts.no_flag.",
                code="prompt_no_flag",
            )
        if options.no_flag == "base":
            used = load_template("base")
    for row in rows:  # windows overlap and conditions share them
        key = (row, row in marked)
        if key not in session.turns:
            session.turns[key] = turn(session, *key)
    turns = [session.turns[row, row in marked] for row in rows]
    missing = _missing(session, turns, condition)
    text = render(
        used,
        {
            "turns": turns,
            "channels": options.channels,
            "condition": template.condition,
            "context_marker": "[Context]" if options.context_marker else "",
            "dissonance_present": bool(marked),
            "dissonance_sentence": bool(marked) or options.no_flag == "keep",
            "scale_line": SCALE_LINE if options.scale_line else "",
            "options": options,
        },
    )
    between = range(rows[0], rows[-1] + 1)
    return Prompt(
        video_id=session.video_id,
        condition=template.condition,
        text=text,
        window=tuple(session.ids[row] for row in rows),
        start=session.starts[rows[0]],
        end=session.ends[rows[-1]],
        n_patient=len(patient),
        n_flagged=flags.count(True),
        n_undetermined=flags.count(None),
        dissonance_present=bool(marked),
        n_speech_missing=missing["speech"],
        n_face_missing=missing["face"],
        n_unknown_roles=sum(turn.role is None for turn in turns),
        n_untranscribed=sum(not session.texts[row] for row in between),
        template=used.name,
        template_sha256=used.sha256,
        options=options.wording(),
        dialogue="\n".join(f"{turn.speaker}: {turn.text}" for turn in turns),
    )


def _marked(session: Session, rows: list[int]) -> set[int]:
    """Rows of a window that these options mark as dissonant."""
    patient = [row for row in rows if session.is_patient[row]]
    eligible = patient if session.options.flag_which == "each" else patient[-1:]
    return {row for row in eligible if session.dissonant[row] is True}


def _need_columns(session: Session, condition: Condition) -> None:
    needed = condition.columns(session.options.channels)
    lacking = [name for name in needed if name not in session.table.columns]
    if lacking:
        raise PromptError(
            f"The {condition.name} prompt needs the column(s) {', '.join(lacking)}.",
            next_step="Describe the faces first: emodiss caption."
            if condition.captioned
            else "Use the table that 'emodiss annotate' writes, or show one channel only "
            "with prompts.channels.",
            code="prompt_columns",
        )


def _missing(session: Session, turns: list[Turn], condition: Condition) -> dict[str, int]:
    """Count patient utterances without a measurement, by channel; refuse them where asked to."""
    missing = {
        name: sum(
            absent(getattr(shown, name), condition.cues == "labels")
            for shown in turns
            if shown.is_patient
        )
        for name in ("speech", "face")
    }
    refused = [name for name in session.options.channels if missing[name]]
    if session.options.missing == "error" and refused and condition.cues:
        raise PromptError(
            f"In a window of video '{session.video_id}' there is no {refused[0]} measurement for "
            f"{counted(missing[refused[0]], 'patient utterance')}.",
            next_step="Choose another window, or set prompts.missing=words.",
            code="prompt_missing_channel",
        )
    return missing


explain(__name__)
