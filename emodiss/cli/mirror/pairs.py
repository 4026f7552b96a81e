"""The command that puts sessions side by side for raters, and collects what they chose."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emodiss.cli import output
from emodiss.cli.options import AsCsv, AsJson


def pairs(
    out: Annotated[Path, typer.Argument(help="Folder of the experiment.")],
    therapist: Annotated[
        list[str] | None, typer.Option(help="Whom to compare; repeatable. All if not given.")
    ] = None,
    rater: Annotated[
        list[str] | None,
        typer.Option(help="Code of a rater, or CODE=GROUP; repeatable. Two experts by default."),
    ] = None,
    cases: Annotated[int, typer.Option(help="Cases to draw.", min=1)] = 200,
    directions: Annotated[
        bool, typer.Option(help="Show stage directions, which are non-verbal cues.")
    ] = True,
    questions: Annotated[
        Path | None, typer.Option(help="JSON file of your own questions; the printed ones.")
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the study.")] = "pairs",
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    filled: Annotated[
        list[Path] | None,
        typer.Option(help="A filled sheet, repeatable: collect the choices; give all at once."),
    ] = None,
    study: Annotated[
        Path | None, typer.Option(help="Folder of the study; OUT/pairs by default.")
    ] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Put sessions of every two therapists side by side: blind sheets, and the hidden key apart.

    With --filled, join the raters' sheets with the key into OUT/pair_ratings.csv.
    """
    from emodiss import mirror
    from emodiss.errors import SettingsError

    experiment = mirror.load(out)
    if filled:
        table, path = mirror.collect_pairs(experiment, filled, study=study)
        n_missing = int(table["choice"].isna().sum())
        if as_json or as_csv:
            output.show(output.records(table), as_json=as_json, as_csv=as_csv)
        else:
            output.tell(f"{path}: {len(table)} comparisons, {n_missing} not answered")
        return
    groups = {code: group for code, _, group in (text.partition("=") for text in rater or ())}
    if len(groups) < len(rater or ()):
        raise SettingsError("A rater is named twice.", next_step="Give each --rater once.")
    made, paths = mirror.pairs(
        experiment,
        therapist,
        raters=groups or ("expert1", "expert2"),
        n_cases=cases,
        seed=seed,
        directions=directions,
        name=name,
        form=questions,
        out=study,
    )
    for note in made.notes:
        output.say(note)
    if as_json or as_csv:
        rows = [{"file": str(path)} for path in paths]
        output.show(rows, as_json=as_json, as_csv=as_csv)
        return
    for path in paths:
        output.tell(str(path))
