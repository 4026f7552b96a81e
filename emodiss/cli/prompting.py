"""What `prompts` and `intervene` share: which windows, which conditions, and in which words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emodiss.cli import output
from emodiss.registry import CONDITIONS, KINDS

if TYPE_CHECKING:
    from emodiss.runs.run import Run
    from emodiss.settings import PromptsSettings
    from emodiss.study import Rendered

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

    def people(self) -> list[tuple[str, ...]] | None:
        """Read the list of names; None if none are to be replaced."""
        from emodiss.errors import SettingsError
        from emodiss.interventions import read_names

        if self.names is not None and not self.redact_names:
            raise SettingsError("--names does nothing without --redact-names.")
        if self.names is None:
            return [] if self.redact_names else None
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
        typer.Option(help=f"{', '.join(CONDITIONS)}, all (the first {len(KINDS)}), or a file."),
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
    n_frames: Annotated[
        int, typer.Option("--frames", help="For video: frames of a prompt, evenly spaced.", min=1)
    ] = 8
    frame_seconds: Annotated[
        float,
        typer.Option(help="For video: frames are taken from so much of the window's end, s."),
    ] = 60.0
    templates: Annotated[
        Path | None, typer.Option(help="Folder of further conditions, one template file each.")
    ] = None
    assign: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a setting of the run: prompts.name=value; repeatable."),
    ] = None


def settings_of(run: Run, choice: Choice) -> PromptsSettings:
    """Start from the settings that the run was made with and change what the command names."""
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
    """Render the prompts that a command asks for; videos without any are named on stderr."""
    from emodiss.study import prompts

    rendered = prompts(
        run,
        choice.kind,
        video=choice.video,
        end=choice.end,
        span=choice.span,
        settings=settings_of(run, choice),
        people=redacted.people(),
        n_frames=choice.n_frames,
        frame_seconds=choice.frame_seconds,
    )
    for video, fault in rendered.refused.items():
        output.say(f"{video}: no prompts [{fault.code}]: {fault}")
    return rendered
