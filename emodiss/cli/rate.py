"""The command that lets raters answer in a browser: rate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emodiss.cli import output

if TYPE_CHECKING:
    from emodiss.web.rate import Addresses


def rate(
    study: Annotated[Path, typer.Argument(help="Study folder, as emodiss study writes it.")],
    run: Annotated[
        Path | None,
        typer.Option(help="Run whose clips are shown; by default the one the study is from."),
    ] = None,
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = 8765,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than this machine's are a risk.")
    ] = "127.0.0.1",
    export: Annotated[
        Path | None,
        typer.Option(help="Write the answers so far as CSV into this folder, and serve nothing."),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(help="potato or label-studio: export the blind study instead of answers."),
    ] = None,
    figure9: Annotated[
        Path | None, typer.Option(help="Photograph the form (needs Chromium), and serve nothing.")
    ] = None,
) -> None:
    """Let raters rate or compare in a browser, each by a link of their own."""
    from emodiss.errors import SettingsError
    from emodiss.ratings import open_study

    if to is not None and export is None:
        raise SettingsError("--to needs a folder.", next_step="Add --export FOLDER.")
    if export is not None:
        from emodiss.study.answers import write_answers
        from emodiss.study.raters import write_for

        handout = open_study(study)
        paths = write_for(handout, to, export) if to else write_answers(handout, export)
        for path in paths:
            output.tell(str(path))
        return
    from emodiss.web import rate as pages

    if figure9 is not None:
        output.tell(str(pages.figure9(study, figure9, run=run)))
        return
    from emodiss.web.safety import is_loopback

    if not is_loopback(host):
        output.say(
            f"Warning: {host} can be reached from other machines, and what travels is not "
            "encrypted. Clips and answers are confidential: put a proxy with HTTPS before it, or "
            "use 127.0.0.1 with a tunnel (ssh -L)."
        )

    def announce(where: Addresses) -> None:
        if pages.consent_is_ours(study):
            output.say(
                "consent.md of the study is the suggestion that emodiss ships: replace it by the "
                "text that your ethics board approved before people take part."
            )
        output.tell(f"researcher  {where.researcher}")
        for rater, link in where.raters.items():
            output.tell(f"{rater}  {link}")
        output.say("Serving; Ctrl-C stops. Every saved answer is kept.")

    pages.serve_study(study, run=run, host=host, port=port, announce=announce)
    output.say("Stopped. Go on with the same command; links stay the same.")
