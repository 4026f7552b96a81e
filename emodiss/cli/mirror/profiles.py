"""The command that reads profiles and makes cases of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emodiss.cli import output
from emodiss.cli.options import AsCsv, AsJson


def profiles(
    out: Annotated[Path, typer.Argument(help="Folder of the experiment; made if it is new.")],
    source: Annotated[Path, typer.Argument(help="Profiles: JSON lines, JSON or CSV; or CACTUS.")],
    types: Annotated[
        str, typer.Option(help="cognitive, emotional, behavioral, none; commas between; or all.")
    ] = "all",
    n: Annotated[int, typer.Option("--n", help="Profiles to evaluate with.", min=0)] = 200,
    training: Annotated[
        int | None, typer.Option(help="Profiles to train with; all others if not given.", min=0)
    ] = None,
    faces: Annotated[
        Path | None, typer.Option(help="CSV of faces: path, identity, gender, age, licence.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the split and of the faces.")] = 0,
    strict: Annotated[bool, typer.Option("--strict", help="Fail if a row is no profile.")] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Read clients' profiles, split them by person and give each the types of resistance."""
    from emodiss import clients, mirror

    kinds: tuple[clients.Resistance, ...] = clients.RESISTANCES
    if types != "all":
        kinds = tuple(clients.resistance(name.strip()) for name in types.split(","))
    made = mirror.profiles(
        mirror.create(out),
        source,
        n_evaluation=n,
        n_training=training,
        types=kinds,
        faces=faces,
        seed=seed,
        strict=strict,
    )
    if as_json or as_csv:
        rows = [
            {
                "case": case.id,
                "profile": case.profile.id,
                "resistance": case.resistance,
                "split": case.split,
                "face": case.profile.face,
            }
            for case in made.cases
        ]
        output.show(rows, as_json=as_json, as_csv=as_csv)
    else:
        sides = [case.split for case in made.cases]
        output.tell(
            f"{len(made.cases)} cases: {sides.count('evaluation')} to evaluate, "
            f"{sides.count('training')} to train; {made.n_repeated} records repeated a client."
        )
    for row in made.left_out:
        output.say(f"{source.name}, line {row.line}: left out, {row.reason}.")
    for pair in made.pairs:
        if pair.face is None:
            output.say(f"{pair.profile}: no face of this gender is left.")
    if not made.complete:
        raise typer.Exit(1)
