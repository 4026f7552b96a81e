"""The command that screens screenplays and their pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from emodiss.cli import chat_options as chats, output
from emodiss.cli.option_groups import grouped
from emodiss.cli.options import AsCsv, AsJson, Quiet


@grouped
def screen(
    out: Annotated[Path, typer.Argument(help="Folder of the experiment.")],
    model_name: chats.Named = None,
    model: chats.Model = None,
    assign: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="A limit, identity.threshold=0.2, or options.MODEL.NAME=...; repeatable."
        ),
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="Filters, commas between; all but age if not given.")
    ] = None,
    image_text: Annotated[
        str | None, typer.Option(help="Model for pictures and directions: clip.")
    ] = None,
    identity_model: Annotated[
        str | None, typer.Option(help="Model that tells people apart: arcface.")
    ] = None,
    nsfw: Annotated[str | None, typer.Option(help="Model for unsuitable pictures: nsfw.")] = None,
    faces: Annotated[str, typer.Option(help="Model that finds faces; none for none.")] = "mtcnn",
    as_printed: Annotated[
        bool,
        typer.Option("--as-printed", help="Alliance limit 0.3 as printed: it rejects nothing."),
    ] = False,
    *,
    place: chats.MaybeAnswering,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    quiet: Quiet = False,
) -> None:
    """Judge dialogues by six filters of quality and two of safety; deletes nothing.

    A language model is asked for the safety of lines where one is named. What no model measures
    is counted as not measured and rejects nothing. CSV holds the dialogues, JSON rates, waterfall
    and overlap too.
    """
    from emodiss import mirror
    from emodiss.mirror.screen import instruments
    from emodiss.screening import AS_PRINTED, limits_of

    given = assign or []
    options = [text for text in given if text.startswith("options.")]
    limits = [text for text in given if text not in options]
    if as_printed:
        output.say("As printed, the limit of the alliance is 0.3: nothing is rejected.")
        limits = [*AS_PRINTED, *limits]
    stated = limits_of(limits)
    models = chats.with_models(place, model_name, model)
    asks = bool(models.models or models.base_url or models.local or models.replay)
    tools = instruments(
        image_text=image_text,
        embedder=identity_model,
        nsfw=nsfw,
        detector=None if faces == "none" else faces,
        safety=models.only() if asks else None,
        options=options,
    )
    with output.progress_bars(quiet=quiet) as progress:
        done = mirror.screen(
            mirror.load(out),
            tools,
            limits=stated,
            filters=None if only is None else [name.strip() for name in only.split(",")],
            say=output.say,
            progress=progress,
        )
    rows = output.records(done.table())
    for name, fault in done.unanswered.items():
        output.say(f"{name}: safety not known [{fault.code}]: {fault}")
    if as_json:
        found: dict[str, Any] = {
            "dialogues": rows,
            "rates": output.records(done.rates()),
            "waterfall": output.records(done.waterfall()),
            "overlap": done.overlap().to_dict("index"),
        }
        output.show_json(found)
    elif as_csv:
        output.show(rows, as_csv=True)
    else:
        output.say("What each filter rejects (printed: the paper's rate):")
        output.show(output.records(done.rates()))
        output.say("What each rejects (with it), takes of what those before left, and leaves:")
        output.show(output.records(done.waterfall()))
    if done.unanswered:
        raise typer.Exit(1)
