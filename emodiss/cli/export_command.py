"""The command that writes a run in the formats of other programs: export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emodiss.cli import output
from emodiss.cli.show_commands import RunFolder

if TYPE_CHECKING:
    from emodiss.runs.run import Run


def export(
    run: RunFolder,
    kinds: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            help="Per video: rttm, webvtt, textgrid, eaf, or all of these. Per run: huggingface "
            "(dataset folder), audformat (index CSV), methods (paragraph), urls (the list that may "
            "be passed on). Repeatable.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder.")] = Path("exports"),
    video: Annotated[str | None, typer.Option(help="Only this video.")] = None,
    words: Annotated[
        bool,
        typer.Option("--words", help="For huggingface and audformat: texts and names too."),
    ] = False,
) -> None:
    """Write a run for Praat, ELAN, players and scoring, or as a dataset and a methods paragraph."""
    from emodiss.errors import nearest
    from emodiss.exports import FORMATS, ExportError, suffix_of, write
    from emodiss.reviews import NOTHING_SAID
    from emodiss.runs.reviews import ReviewFile, n_pending
    from emodiss.runs.run import load
    from emodiss.runs.store import write_atomically

    loaded = load(run)
    named = [_ENDINGS.get(kind.casefold(), kind.casefold()) for kind in kinds or ["all"]]
    choices = (*FORMATS, *_WHOLE_RUN)
    for kind in named:
        if kind not in (*choices, "all"):
            raise ExportError(f"There is no format '{kind}'.", next_step=nearest(kind, choices))
    chosen = list(dict.fromkeys(k for n in named for k in (FORMATS if n == "all" else (n,))))
    whole = [kind for kind in chosen if kind in _WHOLE_RUN]
    for kind in whole:
        typer.echo(str(_write_whole(loaded, kind, out, words=words)))
    chosen = [kind for kind in chosen if kind not in whole]
    if not chosen:
        return
    overlays = ReviewFile(run).overlays()
    broken = {failure.video for failure in loaded.failures}
    failed = False
    for name in [video] if video else loaded.videos:
        table = loaded.session(name)
        if not len(table):
            failed = failed or name in broken
            output.say(f"{name}: no utterances, so no files; see emodiss status.")
            continue
        if pending := n_pending(loaded.store, name, overlays.get(name, NOTHING_SAID)):
            output.say(
                f"{name}: {pending} reviews are newer than the table and not in the file; run "
                "emodiss annotate again first."
            )
        for kind in chosen:
            try:
                text = write(table, kind, media=loaded.media(name))
            except ExportError as error:
                failed = True
                output.say(f"{name}: no {kind}: {error}")
                continue
            path = out / f"{name}{suffix_of(kind)}"
            write_atomically(path, text.encode())
            typer.echo(str(path))
    if failed:
        raise typer.Exit(1)


_WHOLE_RUN = ("huggingface", "audformat", "methods", "urls")
_ENDINGS = {"vtt": "webvtt"}
"""File endings that people type for a format of another name."""


def _write_whole(run: Run, kind: str, out: Path, *, words: bool) -> Path:
    from emodiss.corpus.sharing import shareable
    from emodiss.exports import whole_run
    from emodiss.runs.store import write_atomically

    if kind == "huggingface":
        return whole_run.write_huggingface(run, out / "huggingface", words=words)
    if kind == "audformat":
        path, text = out / "audformat.csv", whole_run.audformat_index(run, out, words=words)
    elif kind == "urls":
        path, text = out / "urls.csv", shareable(run.manifest)
    else:
        path, text = out / "methods.txt", whole_run.methods(run)
    write_atomically(path, text.encode())
    return path
