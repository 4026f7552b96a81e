"""The command that writes a run in the formats of other programs: export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emodiss.cli import output
from emodiss.cli.options import RunFolder
from emodiss.cli.reporting import resume_command
from emodiss.registry import FORMATS
from emodiss.vocabulary import counted

_OF_RUNS = [f"{row.name} ({row.what})" for row in FORMATS.values() if row.of_run]
_WITH_WORDS = [row.name for row in FORMATS.values() if "words" in row.options]


def export(
    run: RunFolder,
    kinds: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            help=f"Per video: {', '.join(r.name for r in FORMATS.values() if r.of_video)}, or all "
            f"of these. Per run: {', '.join(_OF_RUNS)}. Repeatable.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder.")] = Path("exports"),
    video: Annotated[str | None, typer.Option(help="Only this video.")] = None,
    words: Annotated[
        bool,
        typer.Option("--words", help=f"For {' and '.join(_WITH_WORDS)}: texts and names too."),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite files that were changed, too.")
    ] = False,
) -> None:
    """Write a run for Praat, ELAN, players and scoring, or as a dataset and a methods paragraph."""
    from emodiss.errors import RunError
    from emodiss.exports import COLUMNS, ExportError, write, write_run
    from emodiss.exports.registry import find
    from emodiss.reviews import NOTHING_SAID
    from emodiss.runs.reviews import ReviewFile, n_pending
    from emodiss.runs.run import load
    from emodiss.runs.written import Written

    loaded = load(run)
    every = [row for row in FORMATS.values() if row.of_video]
    named = [every if kind.casefold() == "all" else [find(kind)] for kind in kinds or ["all"]]
    rows = {row.name: row for several in named for row in several}.values()
    overlays = ReviewFile(run).overlays()
    for name in [video] if video else loaded.videos:
        if pending := n_pending(loaded.store, name, overlays.get(name, NOTHING_SAID)):
            what = counted(pending, "review is", "reviews are")
            output.say(
                f"{name}: {what} newer than the table and not in what is written; first run: "
                f"{resume_command(run)}"
            )
    for row in rows:
        if row.of_run:
            output.tell(str(write_run(loaded, row.name, out, words=words, force=force)))
    chosen = [row for row in rows if row.of_video]
    if not chosen:
        return
    broken = {failure.video for failure in loaded.failures}
    failed = False
    # All at once: reading the table anew for each of a thousand sessions takes longer than writing.
    whole = loaded.session(video) if video else loaded.columns("utterances", list(COLUMNS))
    where = whole.groupby("video_id", observed=True).indices
    media = loaded.media_files([video] if video else None)
    with Written(run) as written:
        for name in [video] if video else loaded.videos:
            table = whole.iloc[where.get(name, [])]
            if not len(table):
                failed = failed or name in broken
                output.say(f"{name}: no utterances, so no files; see emodiss status.")
                continue
            for row in chosen:
                try:
                    text = write(table, row.name, media=media.get(name))
                except ExportError as error:
                    failed = True
                    output.say(f"{name}: no {row.name}: {error}")
                    continue
                path = out / f"{name}{row.file}"
                try:
                    written.write(path, text.encode(), force=force)
                except RunError as error:
                    failed = True
                    output.say(f"{name}: {error}")
                    continue
                output.tell(str(path))
    if failed:
        raise typer.Exit(1)
