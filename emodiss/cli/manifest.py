"""Commands about manifests: manifest from-annomi, from-hope, share, licences."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emodiss.cli import output
from emodiss.cli.options import AsCsv, AsJson
from emodiss.vocabulary import counted

if TYPE_CHECKING:
    from emodiss.manifest.public import Collection


def from_annomi(
    table: Annotated[Path, typer.Argument(help="AnnoMI-simple.csv or AnnoMI-full.csv.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for manifest.csv and transcripts.")
    ] = Path("annomi"),
    transcripts: Annotated[
        bool, typer.Option(help="Write the transcripts too, in a folder beside the manifest.")
    ] = True,
) -> None:
    """Turn AnnoMI's table into a manifest and one transcript per session."""
    from emodiss.manifest import public

    _write_collection(public.read_annomi(table), out, transcripts=transcripts)


def from_hope(
    urls: Annotated[Path, typer.Argument(help="URL_sources.txt: one address per line.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for manifest.csv.")] = Path(
        "hope"
    ),
    talk: Annotated[
        list[Path] | None,
        typer.Option(
            "--transcripts",
            help="HOPE's transcripts, files or their folder; repeatable. Written as one table "
            "talk.csv: who says what in which role, without times.",
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
    from emodiss.errors import SettingsError
    from emodiss.manifest import public
    from emodiss.runs.store import write_atomically

    if match is not None and not talk:
        raise SettingsError(
            "--match says which transcript belongs where, and there are none.",
            next_step="Give them with --transcripts.",
        )
    found = public.read_hope_urls(urls)
    if not talk:
        _write_collection(found, out, transcripts=False)
        return
    table, problems = public.read_hope_folder(talk)
    for problem in problems:
        output.say(problem)
    if match is not None:
        found, table = public.match_hope(found, table, match)
    _write_collection(found, out, transcripts=False)
    path = out / "talk.csv"
    write_atomically(path, table.drop(columns=["start", "end"]).to_csv(index=False).encode())
    n = table["transcript"].nunique()
    output.say(f"{counted(n, 'transcript')}, {counted(len(table), 'utterance')}")
    output.tell(str(path))


def _write_collection(found: Collection, out: Path, *, transcripts: bool) -> None:
    for problem in found.problems:
        output.say(problem)
    path = found.write(out, transcripts=transcripts)
    output.say(
        f"{counted(len(found.manifest), 'session')} of "
        f"{counted(found.n_urls, 'address', 'addresses')}"
        + (f", {counted(found.n_utterances, 'utterance')}" if found.n_utterances else "")
    )
    output.tell(str(path))


def share(
    manifest: Annotated[Path, typer.Argument(help="A manifest with addresses.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File; stdout if none.")] = None,
) -> None:
    """Write the list that may be passed on: addresses and stretches, no media, no words."""
    from emodiss import manifest as manifests
    from emodiss.corpus.sharing import rows_of, shareable

    # Only addresses are taken from it: no file that it names is opened.
    read = manifests.read(manifest, allow_local=True)
    for problem in read.problems:
        output.say(f"{manifest.name}: {problem}")
    if n_local := sum(row.url is None for row in read.rows):
        of = f"{n_local} of {counted(len(read.rows), 'row')}"
        output.say(f"{of} without an address: left out, since only addresses are passed on.")
    output.tell_or_write(shareable(rows_of(read)), out)


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
