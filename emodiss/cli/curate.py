"""The command that judges candidates for a corpus: curate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emodiss.cli import output
from emodiss.cli.options import AsCsv, AsJson


def curate(
    manifest: Annotated[Path, typer.Argument(help="The manifest of the candidates.")],
    run: Annotated[Path, typer.Option(help="Run folder in which they were annotated.")],
    limit: Annotated[
        list[str] | None,
        typer.Option(help="Change a limit: min_snr_db=5; repeatable."),
    ] = None,
    overrule: Annotated[
        Path | None, typer.Option(help="CSV of a person's decisions: id, verdict, why.")
    ] = None,
    language: Annotated[
        str, typer.Option(help="Code of the wanted language: en, de; text alone tells English.")
    ] = "en",
    pictures: Annotated[
        bool,
        typer.Option(help="Find duplicates with other sound too: decodes every video whole."),
    ] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Judge candidates by measured reasons: duplicates, poor audio, groups. Deletes nothing.

    JSON holds the videos, the waterfall and the overlap of reasons; CSV the videos.
    """
    from emodiss import corpus, manifest as manifests
    from emodiss.corpus.curation import REASONS
    from emodiss.corpus.limits import limits_of
    from emodiss.runs.run import load

    # Only ids are taken from it: no file that it names is opened.
    read = manifests.read(manifest, allow_local=True)
    ids = [row.id for row in read.rows] + [p.id for p in read.problems if p.id]
    overrules: dict[str, tuple[str, str]] = {}
    if overrule is not None:
        overrules = corpus.read_overrules(overrule)
        for unknown in sorted(overrules.keys() - set(ids)):
            output.say(f"{overrule.name}: decides about '{unknown}', which the manifest lacks")
    table = corpus.curate(
        load(run),
        ids=list(dict.fromkeys(ids)),
        limits=limits_of([f"language={language}", *(limit or [])]),
        overrules=overrules,
        pictures=pictures,
    )
    steps = corpus.waterfall(table)
    videos = output.records(table)
    if as_json:
        found = {
            "videos": videos,
            "waterfall": steps.to_dict("records"),
            "overlap": corpus.overlap(table).to_dict("index"),
        }
        output.show_json(found)
        return
    columns = ["id", "verdict", "reasons", "duplicate_of", "language", "snr_db", "n_talkers"]
    columns += ["duration_s", "speech_s"]
    output.show(videos, as_csv=as_csv, columns=columns)
    if not as_csv:
        said = steps[(steps["with_it"] > 0) | steps["step"].isin(["candidates", "kept"])]
        output.show(said.to_dict("records"))
        output.say(
            "with_it: videos that have the reason; taken: those among them that no reason above "
            "took; left: what stays."
        )
        for reason in (step for step in said["step"] if step in REASONS):
            output.say(f"{reason}: {REASONS[reason]}")
