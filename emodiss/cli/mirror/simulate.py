"""The command that simulates sessions."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from emodiss.cli import chat_options as chats, output
from emodiss.cli.option_groups import grouped
from emodiss.cli.options import AsCsv, AsJson, Quiet


@grouped
def simulate(
    out: Annotated[Path, typer.Argument(help="Folder of the experiment.")],
    model_name: chats.Named = None,
    model: chats.Model = None,
    client_model: Annotated[
        str | None, typer.Option(help="Model that plays the client; the therapist's if none.")
    ] = None,
    client_base_url: Annotated[
        str | None, typer.Option(help="Its endpoint; the therapist's if none.")
    ] = None,
    client_replay: Annotated[
        Path | None, typer.Option(help="File with its recorded answers.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the therapist in tables; model and variant if none.")
    ] = None,
    variant: Annotated[
        str, typer.Option(help="text, text+p, base, p, ec or p+ec; all but text see pictures.")
    ] = "text",
    end: Annotated[
        str, typer.Option(help="End rule: two_in_a_row, first_end or released_code.")
    ] = "two_in_a_row",
    max_turns: Annotated[int, typer.Option(help="Most turns of a session.", min=1)] = 20,
    history: Annotated[
        int | None, typer.Option(help="Last lines that both are told; all if not given.", min=1)
    ] = None,
    reply_tokens: Annotated[int, typer.Option(help="Longest reply of a therapist.", min=1)] = 256,
    client_tokens: Annotated[int, typer.Option(help="Longest reply of a client.", min=1)] = 256,
    temperature: Annotated[float, typer.Option(help="Of both; 0 picks the likeliest words.")] = 0.7,
    captioner: Annotated[
        str, typer.Option(help="vlm (the therapist's model), measured or given; for ec.")
    ] = "vlm",
    draw: Annotated[
        str, typer.Option(help="What draws the client: warp, command or diffusers.")
    ] = "warp",
    describer: Annotated[
        str | None,
        typer.Option(
            help="Model at the same place that says what the face shows; the stage "
            "directions if none."
        ),
    ] = None,
    side: Annotated[str, typer.Option(help="evaluation or training.")] = "evaluation",
    assign: Annotated[
        list[str] | None, typer.Option("--set", help="Option of what draws; repeatable.")
    ] = None,
    *,
    place: chats.Answering,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    quiet: Quiet = False,
) -> None:
    """Let a therapist's model talk with the client of each case, until the client has enough.

    The simulated therapist is for research; its words are fit for nobody's treatment.
    """
    from emodiss import mirror
    from emodiss.encounters.session import Rules
    from emodiss.errors import SettingsError, nearest
    from emodiss.mirror.faces import synthesizer

    sides = ("evaluation", "training")
    if side not in sides:
        raise SettingsError(f"There is no side '{side}'.", next_step=nearest(side, sides))
    therapist = chats.with_models(place, model_name, model)
    client = chats.with_models(place, client_model) if client_model else therapist
    if client_base_url is not None or client_replay is not None:
        client = dataclasses.replace(
            client,
            base_url=client_base_url,
            replay=client_replay,
            local=False,
            models=() if client_model is None else (client_model,),
        )
    drawing = None
    if not variant.startswith("text"):
        words = None if describer is None else chats.with_models(place, describer)
        drawing = mirror.Drawing(synthesizer(draw, assign or ()), words)
    limits: dict[str, Any] = {
        "client": mirror.Decoding(temperature=temperature, max_tokens=client_tokens),
        "therapist": mirror.Decoding(temperature=temperature, max_tokens=reply_tokens),
    }
    simulation = mirror.Simulation(
        name=name,
        variant=variant,  # pyright: ignore[reportArgumentType]
        rules=Rules(end, max_turns, history),  # pyright: ignore[reportArgumentType]
        captioner=captioner,
        drawing=drawing,
        **limits,
    )
    experiment = mirror.load(out)
    with output.progress_bars(quiet=quiet) as progress:
        done = mirror.simulate(
            experiment,
            therapist,
            client,
            simulation,
            side=side,  # pyright: ignore[reportArgumentType]
            say=output.say,
            progress=progress,
        )
    rows = [
        {
            "case": each.case.id,
            "therapist": each.therapist,
            "variant": each.labelled,
            "status": each.status,
            "reason": each.reason,
            "lines": len(each.lines),
            "ended_by": each.ended_by,
        }
        for each in done.encounters
    ]
    for row in rows:
        if row["status"] == "failed":
            output.say(f"{row['case']}: failed [{row['reason']}]")
    record = done.record
    if as_json or as_csv:
        output.show(rows, as_json=as_json, as_csv=as_csv)
    else:
        ended = ", ".join(f"{n} by {rule}" for rule, n in sorted(record["ended_by"].items()))
        output.tell(
            f"{record['therapist']}: {len(rows)} of {record['cases']} sessions "
            f"({record['before']} there before), ended {ended or 'none'}; {record['failed']} "
            f"failed, {record['truncated']} replies cut off"
        )
        for bill in record["bills"]:
            output.say(f"{', '.join(bill['of'])}: {chats.bill_of(bill, therapist, client)}")
    if not done.complete:
        raise typer.Exit(1)
