"""Commands about a corpus and what people look at: report, manifest, curate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emodiss.cli import output
from emodiss.cli.run_commands import AsCsv, AsJson, Quiet

if TYPE_CHECKING:
    from emodiss.corpus.public import Collection

RunFolder = Annotated[Path, typer.Argument(help="Run folder.")]


def report(
    run: RunFolder,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder; default is RUN/report.")
    ] = None,
    video: Annotated[
        list[str] | None, typer.Option(help="Only this video; repeatable; default is all.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Write one web page per session, and an index: video, transcript, curves, flags. No network.

    The pages hold what people said: keep them where the recordings may be kept.
    """
    from emodiss.runs.run import load
    from emodiss.web import report as reports

    loaded = load(run)
    with output.progress_bars(quiet=quiet) as progress:
        step = None if progress is None else (lambda done, n: progress("report", done, n))
        index = reports.write(loaded, out, videos=video, progress=step)
    typer.echo(str(index))


def from_annomi(
    table: Annotated[Path, typer.Argument(help="AnnoMI-simple.csv or AnnoMI-full.csv.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder.")] = Path(),
    transcripts: Annotated[
        bool, typer.Option(help="Write the transcripts too, beside the manifest.")
    ] = True,
) -> None:
    """Turn AnnoMI's table into a manifest and one transcript per session."""
    from emodiss.corpus import public

    _write_collection(public.read_annomi(table), out, "annomi", transcripts=transcripts)


def from_hope(
    urls: Annotated[Path, typer.Argument(help="URL_sources.txt: one address per line.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder.")] = Path(),
) -> None:
    """Turn HOPE's list of addresses into a manifest; its transcripts have no times."""
    from emodiss.corpus import public

    _write_collection(public.read_hope_urls(urls), out, "hope", transcripts=False)


def _write_collection(found: Collection, out: Path, name: str, *, transcripts: bool) -> None:
    for problem in found.problems:
        output.say(problem)
    path = found.write(out, name, transcripts=transcripts)
    output.say(
        f"{len(found.manifest)} sessions of {found.n_urls} addresses"
        + (f", {found.n_utterances:,} utterances" if found.n_utterances else "")
    )
    typer.echo(str(path))


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
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Judge candidates by measured reasons: duplicates, poor audio, groups. Deletes nothing.

    JSON holds the videos, the waterfall and the overlap of reasons; CSV the videos.
    """
    import json

    from emodiss import corpus, manifest as manifests
    from emodiss.runs.run import load

    read = manifests.read(manifest)
    ids = [row.id for row in read.rows] + [p.id for p in read.problems if p.id]
    table = corpus.curate(
        load(run),
        ids=list(dict.fromkeys(ids)),
        limits=corpus.Limits().changed(limit or []),
        overrules=corpus.read_overrules(overrule) if overrule else None,
    )
    steps = corpus.waterfall(table)
    # JSON knows neither NaN nor infinity; what is missing is null.
    plain = table.astype(object).where(table.notna(), None).replace(float("inf"), None)
    if as_json:
        found = {
            "videos": plain.to_dict("records"),
            "waterfall": steps.to_dict("records"),
            "overlap": corpus.overlap(table).to_dict("index"),
        }
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    columns = ["id", "verdict", "reasons", "duplicate_of", "snr_db", "n_talkers", "duration_s"]
    output.show(plain.to_dict("records"), as_csv=as_csv, columns=columns)
    if not as_csv:
        output.show(steps.to_dict("records"))
