"""Commands about a corpus and what people look at: collect, fetch, curate, manifest, report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emodiss.cli import output
from emodiss.cli.run_commands import AllowLocal, AsCsv, AsJson, Out, Quiet

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
    talk: Annotated[
        list[Path] | None,
        typer.Option(
            "--transcripts",
            help="HOPE's transcripts, files or their folder; repeatable. Written as one table "
            "hope_talk.csv: who says what in which role, without times.",
        ),
    ] = None,
    match: Annotated[
        Path | None,
        typer.Option(
            help="CSV with the columns transcript, url: which transcript belongs to which "
            "address. HOPE does not say it."
        ),
    ] = None,
) -> None:
    """Turn HOPE's list of addresses into a manifest, and its transcripts into a table of roles.

    The transcripts have no times, so they cannot be the manifest's transcripts.
    """
    from emodiss.corpus import public
    from emodiss.errors import SettingsError
    from emodiss.runs.store import write_atomically

    if match is not None and not talk:
        raise SettingsError(
            "--match says which transcript belongs where, and there are none.",
            next_step="Give them with --transcripts.",
        )
    found = public.read_hope_urls(urls)
    if not talk:
        _write_collection(found, out, "hope", transcripts=False)
        return
    table, problems = public.read_hope_folder(talk)
    for problem in problems:
        output.say(problem)
    if match is not None:
        found, table = public.match_hope(found, table, match)
    _write_collection(found, out, "hope", transcripts=False)
    path = out / "hope_talk.csv"
    write_atomically(path, table.drop(columns=["start", "end"]).to_csv(index=False).encode())
    output.say(f"{table['transcript'].nunique()} transcripts, {len(table):,} utterances")
    typer.echo(str(path))


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
    import json

    from emodiss import corpus, manifest as manifests
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
        limits=corpus.Limits().changed([f"language={language}", *(limit or [])]),
        overrules=overrules,
        pictures=pictures,
    )
    steps = corpus.waterfall(table)
    # JSON knows neither NaN nor infinity; what is missing is null.
    endless = table.isin([float("inf"), float("-inf")])
    plain = table.astype(object).where(table.notna() & ~endless, None)
    if as_json:
        found = {
            "videos": plain.to_dict("records"),
            "waterfall": steps.to_dict("records"),
            "overlap": corpus.overlap(table).to_dict("index"),
        }
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    columns = [
        "id",
        "verdict",
        "reasons",
        "duplicate_of",
        "language",
        "snr_db",
        "n_talkers",
        "duration_s",
    ]
    output.show(plain.to_dict("records"), as_csv=as_csv, columns=columns)
    if not as_csv:
        output.show(steps.to_dict("records"))


def collect(
    queries: Annotated[list[str], typer.Argument(help='Searches, such as "CBT session roleplay".')],
    out: Annotated[Path, typer.Option("--out", "-o", help="Candidate manifest.")] = Path(
        "candidates.csv"
    ),
    limit: Annotated[int, typer.Option(help="Most videos per search.", min=1)] = 20,
    details: Annotated[
        bool, typer.Option(help="Look at each page: licence, date, language, captions.")
    ] = True,
) -> None:
    """Search YouTube for candidates, with yt-dlp; no media is fetched. Leaves this machine."""
    from emodiss.corpus import collection
    from emodiss.runs.store import write_atomically

    found = collection.collect(queries, limit=limit, details=details)
    for trouble in found.troubles:
        output.say(trouble)
    write_atomically(out, found.to_csv().encode())
    output.say(f"{len(found.rows)} candidates")
    typer.echo(str(out))
    if found.troubles and not found.rows:
        raise typer.Exit(1)


def fetch(
    manifest: Annotated[Path, typer.Argument(help="CSV with the columns id and url.")],
    out: Out = Path("run"),
    max_height: Annotated[int, typer.Option(help="Largest picture height, pixels.")] = 720,
    cookies: Annotated[
        Path | None, typer.Option(help="Cookie file of a browser session (Netscape format).")
    ] = None,
    proxy: Annotated[
        str | None, typer.Option(help="Proxy; by default what the environment says.")
    ] = None,
    rate_limit: Annotated[
        float | None, typer.Option(help="Most megabytes per second of one download.")
    ] = None,
    retries: Annotated[int, typer.Option(help="Repetitions of a broken request.", min=0)] = 3,
    captions: Annotated[
        list[str] | None, typer.Option(help="Keep captions in a language: en.*; repeatable.")
    ] = None,
    max_gb: Annotated[float, typer.Option(help="Largest file, gigabytes.")] = 20.0,
    max_hours: Annotated[float, typer.Option(help="Longest video, hours.")] = 6.0,
    parallel: Annotated[int, typer.Option(help="Downloads at a time.", min=1)] = 2,
    allow_local: AllowLocal = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    quiet: Quiet = False,
) -> None:
    """Download the videos of a manifest into a run folder; annotate then finds them there.

    Addresses that died are kept in RUN/decay.csv.
    """
    from dataclasses import asdict

    from emodiss import manifest as manifests
    from emodiss.media import fetch as fetches
    from emodiss.runs.fetching import fetch_manifest

    options = fetches.Options(
        cookies=cookies,
        proxy=proxy,
        rate_limit=round(rate_limit * 1e6) if rate_limit else None,
        retries=retries,
        captions=tuple(captions or ()),
        max_bytes=round(max_gb * 1e9),
        max_hours=max_hours,
    )
    read = manifests.read(manifest, allow_local=allow_local)
    for problem in read.problems:
        output.say(f"{manifest.name}: {problem}")
    with output.progress_bars(quiet=quiet) as progress:
        step = None if progress is None else (lambda done, n: progress("fetch", done, n))
        found = fetch_manifest(
            read, out, max_height=max_height, options=options, parallel=parallel, progress=step
        )
    output.show([asdict(entry) for entry in found], as_json=as_json, as_csv=as_csv)
    if not all(entry.here for entry in found):
        raise typer.Exit(1)


def share(
    manifest: Annotated[Path, typer.Argument(help="A manifest with addresses.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File; stdout if none.")] = None,
) -> None:
    """Write the list that may be passed on: addresses and stretches, no media, no words."""
    from emodiss import manifest as manifests
    from emodiss.corpus.sharing import rows_of, shareable
    from emodiss.runs.store import write_atomically

    # Only addresses are taken from it: no file that it names is opened.
    read = manifests.read(manifest, allow_local=True)
    for problem in read.problems:
        output.say(f"{manifest.name}: {problem}")
    text = shareable(rows_of(read))
    if out is None:
        typer.echo(text, nl=False)
        return
    write_atomically(out, text.encode())
    typer.echo(str(out))


def licences(
    manifest: Annotated[Path, typer.Argument(help="A manifest with the column license.")],
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Count the terms under which the videos of a manifest were published."""
    from emodiss import manifest as manifests
    from emodiss.corpus.licences import count_licences, summary

    read = manifests.read(manifest, allow_local=True)  # no file that it names is opened
    for problem in read.problems:
        output.say(f"{manifest.name}: {problem}")
    table = count_licences(row.license for row in read.rows)
    output.show(output.records(table), as_json=as_json, as_csv=as_csv)
    output.say(summary(table))


def licenses(
    run: Annotated[Path | None, typer.Argument(help="Run folder; all models if none.")] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List the terms of every model that the utterances of a run rest on."""
    from emodiss.exports.provenance import trace
    from emodiss.exports.whole_run import model_terms
    from emodiss.models.catalog import CATALOG
    from emodiss.runs.run import load

    if run is not None:
        loaded = load(run)
        rests = trace(loaded)
        rows = model_terms(loaded, rests)
        if rests.untraced:
            output.say(
                f"The models of {len(rests.untraced)} sessions cannot be named, because the "
                "stored results are not those of the tables; run emodiss annotate again."
            )
    else:
        rows = [
            {
                "name": entry.name,
                "task": entry.task,
                "identity": entry.identity,
                "licence": entry.licence,
                "noncommercial": entry.noncommercial,
                "source": entry.source,
            }
            for entry in CATALOG.values()
        ]
    output.show(rows, as_json=as_json, as_csv=as_csv)
