"""The command that writes examples to train a therapist's model with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emodiss.cli import output
from emodiss.cli.options import AsJson


def training_data(
    out: Annotated[Path, typer.Argument(help="Folder of the experiment.")],
    variant: Annotated[
        str, typer.Option(help="text, text+p, base, p, ec or p+ec, as in simulate.")
    ] = "p+ec",
    form: Annotated[
        str, typer.Option("--format", help="llava (one JSON list) or trl (JSON lines of messages).")
    ] = "llava",
    history: Annotated[
        int, typer.Option(help="Last lines that each example tells; 0 for all.", min=0)
    ] = 6,
    unscreened: Annotated[
        bool, typer.Option("--unscreened", help="Use dialogues that screen rejected, too.")
    ] = False,
    training_only: Annotated[
        bool,
        typer.Option(
            "--training-only",
            help="Leave dialogues of evaluation clients out; without it they are an error.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write screened dialogues of the training side as examples, with a list of licences."""
    from emodiss import mirror

    done = mirror.training_data(
        mirror.load(out),
        variant,  # pyright: ignore[reportArgumentType]
        form=form,  # pyright: ignore[reportArgumentType]
        history=history or None,
        unscreened=unscreened,
        training_only=training_only,
    )
    record = done.record
    if as_json:
        output.show([{**record, "path": str(done.path)}], as_json=True)
        return
    if not record["screened"]:
        output.say("The dialogues were not screened: emodiss mirror screen.")
    for what in ("left_out", "dialogues_left_out"):
        if record[what]:
            told = ", ".join(f"{n} {reason}" for reason, n in record[what].items())
            output.say(f"{'lines' if what == 'left_out' else 'dialogues'} left out: {told}")
    typer.echo(
        f"{done.path}: {record['examples']} examples of {record['dialogues']} dialogues, "
        f"{record['captions']} of them captions; read LICENCES.md beside it"
    )
