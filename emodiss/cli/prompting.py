"""What `prompts` and `intervene` share: which windows, which conditions, and in which words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emodiss.cli import output

if TYPE_CHECKING:
    import pandas as pd

    from emodiss.interventions import Redaction
    from emodiss.prompts import Prompt, PromptError
    from emodiss.runs.run import Run
    from emodiss.settings import PromptsSettings

Kind = Annotated[
    str, typer.Option(help="base, discrete, continuous, dissonance, all, or a template file.")
]
Video = Annotated[str | None, typer.Option(help="Only this video.")]
End = Annotated[str | None, typer.Option(help="Utterance the window ends on, such as u0007.")]
Span = Annotated[
    tuple[float, float] | None,
    typer.Option(help="All utterances that begin between two times, s; --window does not apply."),
]
Window = Annotated[
    int | None,
    typer.Option(
        help="Utterances in a prompt, or words with prompts.window_unit=words; as in the run if "
        "not given.",
        min=1,
    ),
]
Every = Annotated[
    bool, typer.Option("--every", help="One window per patient utterance, not only the last.")
]
Templates = Annotated[
    Path | None, typer.Option(help="Folder of further conditions, one template file each.")
]
Assign = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a setting of the run: prompts.name=value; repeatable."),
]
RedactNames = Annotated[
    bool, typer.Option("--redact-names", help="Replace speaker labels' and listed names.")
]
Names = Annotated[
    Path | None, typer.Option(help="Names to replace: a person per line, comma between.")
]


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

    def report(self) -> None:
        """Name the videos without prompts on stderr."""
        for video, fault in self.refused.items():
            output.say(f"{video}: no prompts [{fault.code}]: {fault}")


def settings_of(
    run: Run,
    *,
    window: int | None,
    every: bool,
    templates: Path | None,
    assign: Sequence[str] | None,
) -> PromptsSettings:
    """Start from the settings that the run was made with and change what the command names.

    Parameters
    ----------
    run
        The run.
    window, every, templates, assign
        As on the command line.

    Raises
    ------
    SettingsError
        If `assign` names another group, or a value is out of range.
    """
    from emodiss.errors import SettingsError, nearest
    from emodiss.settings import NAMES, resolve

    known = [name for name in NAMES if name.startswith("prompts.")]
    for text in assign or ():
        name = text.partition("=")[0].strip()
        if name not in known:
            raise SettingsError(
                f"'--set {name}' does not apply here.", next_step=nearest(name, known)
            )
    chosen = resolve({}, assign or ()).prompts
    named = chosen.model_fields_set
    changes = {name: getattr(chosen, name) for name in named}
    if window is not None:
        changes["window"] = window
    if every:
        changes["every"] = True
    if templates is not None:
        changes["templates"] = resolve({}, {"prompts.templates": templates}).prompts.templates
    return run.settings.prompts.model_copy(update=changes)


def render(
    run: Run,
    kind: str,
    settings: PromptsSettings,
    *,
    video: str | None = None,
    end: str | None = None,
    span: tuple[float, float] | None = None,
    redacted: bool = False,
    names: Path | None = None,
) -> Rendered:
    """Render the prompts of all videos of a run that can be asked about.

    Parameters
    ----------
    run
        The run.
    kind
        A condition, a template file, or `all`: the paper's four and those of the settings.
    settings
        From `settings_of`.
    video
        Only this one.
    end, span
        Where the window ends, or the two times it lies between; by default, as the settings say.
    redacted, names
        Whether to replace names, and the list of further names.

    Raises
    ------
    PromptError
        If the condition or its template is at fault, which is no video's doing.
    SettingsError
        If options contradict each other or the list of names cannot be read.
    """
    from emodiss.errors import SettingsError
    from emodiss.interventions import redact
    from emodiss.prompts import KINDS, PromptError, PromptOptions, build, build_all, load_template

    if end is not None and span is not None:
        raise SettingsError("--end and --span both say where the window lies; give one of them.")
    kinds = [*KINDS, *settings.templates] if kind == "all" else [kind]
    for one in kinds:
        load_template(one, settings.templates)
    persons = people(redacted, names)
    options = PromptOptions.of(settings)
    shared: dict[str, Any] = {
        "window": settings.window,
        "options": options,
        "templates": settings.templates,
    }
    found = Rendered([], {}, {})
    failed = {failure.video: failure.stage for failure in run.failures}
    table = run.session(video) if video else run.utterances
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
            if redacted:
                session, found.redactions[name] = redact(session, persons)
            if end is None and span is None:
                found.prompts.extend(
                    build_all(
                        session,
                        kinds,
                        every=settings.every,
                        flagged_only=settings.flagged_only,
                        **shared,
                    )
                )
            else:
                place = span if end is None else end
                found.prompts.extend([build(session, one, end=place, **shared) for one in kinds])
        except PromptError as error:
            if error.code in ("prompt_template", "prompt_condition"):
                raise
            found.refused[name] = error
    return found


def people(redacted: bool, names: Path | None) -> list[tuple[str, ...]]:
    """Read the list of names, if there is one.

    Parameters
    ----------
    redacted, names
        As on the command line.

    Raises
    ------
    SettingsError
        If names are listed but not to be replaced, or the list cannot be read.
    """
    from emodiss.errors import SettingsError
    from emodiss.interventions import read_names

    if names is None:
        return []
    if not redacted:
        raise SettingsError("--names does nothing without --redact-names.")
    try:
        return read_names(names.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as unread:
        raise SettingsError(
            f"The list of names {names.name} cannot be read: {type(unread).__name__}.",
            next_step="Give a text file in UTF-8 with one person per line.",
        ) from None


def redact_responses(
    table: pd.DataFrame, utterances: pd.DataFrame, persons: Sequence[tuple[str, ...]]
) -> pd.DataFrame:
    """Replace names in dialogues and the responses to them, video by video.

    Parameters
    ----------
    table
        Responses with the columns video, context, technique and response.
    utterances
        Utterance table, for the speaker labels of each video.
    persons
        Listed names, from `people`.

    Returns
    -------
    DataFrame
        A copy; one person has one stand-in within a video.
    """
    import pandas as pd

    from emodiss.interventions import redact

    out = table.copy()
    for video, part in table.groupby("video", sort=False):
        labels = utterances.loc[utterances["video_id"] == video, "speaker"]
        for column in ("context", "technique", "response"):
            said = pd.DataFrame({"text": part[column], "speaker": None}, dtype=object)
            # The labels stand first, so that every column numbers people alike.
            whole = pd.concat([pd.DataFrame({"text": None, "speaker": labels}, dtype=object), said])
            out.loc[part.index, column] = redact(whole, persons)[0]["text"].iloc[len(labels) :]
    return out
