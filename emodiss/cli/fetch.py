"""The command that downloads the videos of a manifest: fetch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emodiss.cli import output
from emodiss.cli.options import AllowLocal, AsCsv, AsJson, Out, Quiet
from emodiss.settings import MediaSettings


def fetch(
    manifest: Annotated[Path, typer.Argument(help="CSV with the columns id and url.")],
    out: Out = Path("run"),
    max_height: Annotated[
        int, typer.Option(help="Largest picture height, pixels.")
    ] = MediaSettings().max_height,
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
    local_network: Annotated[
        bool,
        typer.Option("--local-network", help="Ask addresses of this machine and its link, too."),
    ] = False,
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
        local_network=local_network,
    )
    read = manifests.read(manifest, allow_local=allow_local)
    for problem in read.problems:
        output.say(f"{manifest.name}: {problem}")
    with output.progress_bars(quiet=quiet) as progress:
        step = None if progress is None else (lambda done, n: progress("fetch", done, n))
        found = fetch_manifest(
            read, out, max_height=max_height, options=options, parallel=parallel, progress=step
        )
    if found or as_json or as_csv:
        output.show([asdict(entry) for entry in found], as_json=as_json, as_csv=as_csv)
    else:
        output.say(f"{manifest.name} names no address: there is nothing to fetch.")
    if not all(entry.here for entry in found):
        raise typer.Exit(1)
