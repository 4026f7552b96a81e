"""What `prompts` and `intervene` share: which windows, which conditions, and in which words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emodiss.cli import output

if TYPE_CHECKING:
    import pandas as pd

    from emodiss.interventions import Redaction
    from emodiss.prompts import Prompt, PromptError
    from emodiss.runs.run import Run
    from emodiss.settings import PromptsSettings

Video = Annotated[str | None, typer.Option(help="Only this video.")]


@dataclass(frozen=True, slots=True)
class Redacted:
    """Whether names are replaced, and which: options of the command line."""

    redact_names: Annotated[
        bool, typer.Option("--redact-names", help="Replace speaker labels' and listed names.")
    ] = False
    names: Annotated[
        Path | None, typer.Option(help="Names to replace: a person per line, comma between.")
    ] = None

    def __bool__(self) -> bool:
        return self.redact_names

    def people(self) -> list[tuple[str, ...]]:
        """Read the list of names, if there is one.

        Raises
        ------
        SettingsError
            If names are listed but not to be replaced, or the list cannot be read.
        """
        from emodiss.errors import SettingsError
        from emodiss.interventions import read_names

        if self.names is None:
            return []
        if not self.redact_names:
            raise SettingsError("--names does nothing without --redact-names.")
        try:
            return read_names(self.names.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as unread:
            raise SettingsError(
                f"The list of names {self.names.name} cannot be read: {type(unread).__name__}.",
                next_step="Give a text file in UTF-8 with one person per line.",
            ) from None


@dataclass(frozen=True, slots=True)
class Choice:
    """Which windows and conditions, and in which words: options of the command line."""

    kind: Annotated[
        str,
        typer.Option(help="base, discrete, continuous, dissonance, all, or a template file."),
    ] = "all"
    video: Video = None
    end: Annotated[
        str | None, typer.Option(help="Utterance the window ends on, such as u0007.")
    ] = None
    span: Annotated[
        tuple[float, float] | None,
        typer.Option(
            help="All utterances that begin between two times, s; --window does not apply."
        ),
    ] = None
    window: Annotated[
        int | None,
        typer.Option(
            help="Utterances in a prompt, or words with prompts.window_unit=words; as in the run "
            "if not given.",
            min=1,
        ),
    ] = None
    every: Annotated[
        bool, typer.Option("--every", help="One window per patient utterance, not only the last.")
    ] = False
    literal: Annotated[
        bool, typer.Option("--literal", help="The paper's wording to the letter.")
    ] = False
    templates: Annotated[
        Path | None, typer.Option(help="Folder of further conditions, one template file each.")
    ] = None
    assign: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a setting of the run: prompts.name=value; repeatable."),
    ] = None


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


def settings_of(run: Run, choice: Choice) -> PromptsSettings:
    """Start from the settings that the run was made with and change what the command names.

    Parameters
    ----------
    run
        The run.
    choice
        As on the command line.

    Raises
    ------
    SettingsError
        If `--set` names another group, or a value is out of range.
    """
    from emodiss.errors import SettingsError, nearest
    from emodiss.prompts import with_templates
    from emodiss.settings import LITERALLY, NAMES, resolve

    known = [name for name in NAMES if name.startswith("prompts.")]
    for text in choice.assign or ():
        name = text.partition("=")[0].strip()
        if name not in known:
            raise SettingsError(
                f"'--set {name}' does not apply here.", next_step=nearest(name, known)
            )
    wording = ["prompts.literal=true"] if choice.literal else []
    chosen = resolve({}, with_templates([*wording, *(choice.assign or ())])).prompts
    named = chosen.model_fields_set
    if "literal" in named:  # switched off, it takes its parts with it
        named = {*named, *LITERALLY}
    changes = {name: getattr(chosen, name) for name in named}
    if choice.window is not None:
        changes["window"] = choice.window
    if choice.every:
        changes["every"] = True
    if choice.templates is not None:
        changes["templates"] = with_templates({"prompts.templates": choice.templates})[
            "prompts.templates"
        ]
    return run.settings.prompts.changed(**changes)


def render(run: Run, choice: Choice, redacted: Redacted) -> Rendered:
    """Render the prompts of all videos of a run that can be asked about.

    Parameters
    ----------
    run
        The run.
    choice
        As on the command line; the kind `all` is the paper's four and those of the settings.
    redacted
        Whether to replace names, and which.

    Raises
    ------
    PromptError
        If the condition or its template is at fault, which is no video's doing.
    SettingsError
        If options contradict each other, a setting does not exist or the list of names cannot be
        read.
    """
    from emodiss.errors import SettingsError
    from emodiss.interventions import redact
    from emodiss.prompts import KINDS, PromptError, build, build_all, load_template

    settings = settings_of(run, choice)
    video, end, span = choice.video, choice.end, choice.span
    if end is not None and span is not None:
        raise SettingsError("--end and --span both say where the window lies; give one of them.")
    kinds = [*KINDS, *settings.templates] if choice.kind == "all" else [choice.kind]
    for one in kinds:
        load_template(one, settings.templates)
    persons = redacted.people()
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
                found.prompts.extend(build_all(session, kinds, options=settings))
            else:
                place = span if end is None else end
                found.prompts.extend(
                    [build(session, one, end=place, options=settings) for one in kinds]
                )
        except PromptError as error:
            if error.code in ("prompt_template", "prompt_condition"):
                raise
            found.refused[name] = error
    return found


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
        Listed names, from `Redacted.people`.

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
