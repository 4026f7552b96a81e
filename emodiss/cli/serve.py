"""The command that shows a run in a browser, to look at and to correct: serve."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from typing import Annotated

import typer

from emodiss.cli import output
from emodiss.cli.options import RunFolder


def serve(
    run: RunFolder,
    by: Annotated[
        list[str] | None,
        typer.Option(help="A reviewer, who gets a link; repeatable. Your login name by default."),
    ] = None,
    blind: Annotated[
        bool, typer.Option("--blind", help="Double coding: nobody sees what others say.")
    ] = False,
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = 8766,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than this machine's are a risk.")
    ] = "127.0.0.1",
) -> None:
    """Look at a run and correct it in a browser: roles, faces, words, edges, voices; the audit."""
    from emodiss.web.review import serve_run
    from emodiss.web.safety import is_loopback

    if not is_loopback(host):
        output.say(
            f"Warning: {host} can be reached from other machines, and what travels is not "
            "encrypted. Recordings are confidential: put a proxy with HTTPS before it, or use "
            "127.0.0.1 with a tunnel (ssh -L)."
        )

    def announce(links: Mapping[str, str]) -> None:
        for name, link in links.items():
            output.tell(f"{name}  {link}")
        output.say("Serving; Ctrl-C stops. Links hold for this start; every saved review is kept.")

    names = list(dict.fromkeys(by or [getpass.getuser()]))
    serve_run(run, names=names, blind=blind, host=host, port=port, announce=announce)
    output.say("Stopped.")
