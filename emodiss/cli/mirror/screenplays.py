"""The command that asks a model for whole sessions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from emodiss.cli import chat_options as chats, output
from emodiss.cli.option_groups import grouped
from emodiss.cli.options import AsCsv, AsJson, Quiet


@grouped
def screenplays(
    out: Annotated[Path, typer.Argument(help="Folder of the experiment.")],
    model_name: chats.Named = None,
    model: chats.Model = None,
    side: Annotated[str, typer.Option(help="training, evaluation or all.")] = "training",
    few_shot: Annotated[
        Path | None, typer.Option(help="Text file with dialogues to go by; none by default.")
    ] = None,
    temperature: Annotated[float, typer.Option(help="0 picks the likeliest words.")] = 0.7,
    top_p: Annotated[float, typer.Option(help="Share of probability to sample from.")] = 0.9,
    penalty: Annotated[float, typer.Option(help="Of frequency and of presence.")] = 0.2,
    max_tokens: Annotated[int, typer.Option(help="Longest answer, tokens.", min=1)] = 1024,
    *,
    place: chats.Answering,
    preview: chats.Preview = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    quiet: Quiet = False,
) -> None:
    """Ask a model to write each case's session with stage directions, in one answer."""
    from emodiss import mirror
    from emodiss.errors import SettingsError, nearest
    from emodiss.mirror.screenplays import requests

    sides = ("training", "evaluation", "all")
    if side not in sides:
        raise SettingsError(f"There is no side '{side}'.", next_step=nearest(side, sides))
    models = chats.with_models(place, model_name, model)
    experiment = mirror.load(out)
    asked: dict[str, Any] = {
        "side": side,
        "few_shot": None if few_shot is None else _text(few_shot),
        "decoding": mirror.Decoding(temperature, top_p, penalty, max_tokens),
    }
    if preview:
        chats.preview(models, requests(experiment, models, **asked))
        return
    with output.progress_bars(quiet=quiet) as progress:
        done = mirror.screenplays(experiment, models, **asked, say=output.say, progress=progress)
    rows = [
        {
            "case": each.case.id,
            "status": each.status,
            "lines": len(each.lines),
            "turns": each.n_turns,
            "blocks": each.n_blocks,
            "problems": len(each.problems),
            "model": each.model,
        }
        for each in done.screenplays
    ]
    for fault in done.unanswered:
        output.say(f"{fault.question.id}: no answer [{fault.error.code}]: {fault.error}")
    if as_json or as_csv:
        output.show(rows, as_json=as_json, as_csv=as_csv)
    else:
        record = done.record
        counts = ", ".join(f"{n} {name}" for name, n in sorted(record["status"].items()))
        output.tell(
            f"{record['new']} screenplays new; of {record['cases']} cases: {counts or 'none'}, "
            f"{record['missing']} missing; {chats.bill_of(record, models)}"
        )
    if not done.complete:
        raise typer.Exit(1)


def _text(path: Path) -> str:
    from emodiss.errors import SettingsError

    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as unread:
        raise SettingsError(
            f"The dialogues {path.name} cannot be read: {type(unread).__name__}.",
            next_step="Give a text file in UTF-8.",
        ) from None
