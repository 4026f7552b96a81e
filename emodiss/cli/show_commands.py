"""Commands that show something: prompts, plots, settings, models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from emodiss.cli import output
from emodiss.cli.run_commands import AsCsv, AsJson, Preset

RunFolder = Annotated[Path, typer.Argument(help="Run folder.")]


def prompts(
    run: RunFolder,
    kind: Annotated[
        str, typer.Option(help="base, discrete, continuous, dissonance, all, or a template file.")
    ] = "all",
    video: Annotated[str | None, typer.Option(help="Only this video.")] = None,
    end: Annotated[
        str | None, typer.Option(help="Utterance the window ends on, such as u0007.")
    ] = None,
    window: Annotated[int, typer.Option(help="Utterances in a prompt.", min=1)] = 6,
    every: Annotated[
        bool, typer.Option("--every", help="One window per patient utterance, not only the last.")
    ] = False,
    show: Annotated[bool, typer.Option("--show", help="Print the texts instead of JSONL.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File; stdout if none.")] = None,
) -> None:
    """Render the prompts of a run's sessions as JSON lines."""
    import json

    from emodiss.prompts import KINDS, Prompt, build, build_all
    from emodiss.runs.run import load

    loaded = load(run)
    kinds = list(KINDS) if kind == "all" else [kind]
    table = loaded.session(video) if video else loaded.utterances
    found: list[Prompt]
    if end is not None:
        found = [build(table, name, end=end, window=window) for name in kinds]
    else:
        found = build_all(table, kinds, window=window, every=every)
    if show:
        text = "\n\n".join(f"--- {p.video_id}, {p.condition} ---\n{p.text}" for p in found) + "\n"
    else:
        lines = (json.dumps(p.to_dict(), ensure_ascii=False, sort_keys=True) for p in found)
        text = "\n".join(lines) + "\n"
    _write(text, out)


def plot(
    run: RunFolder,
    figure: Annotated[str, typer.Argument(help="figure3, figure10 or session.")],
    video: Annotated[str | None, typer.Option(help="For session: which video.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="PNG, SVG or PDF; default in RUN/figures.")
    ] = None,
) -> None:
    """Draw one of the paper's figures, or the timeline of a session."""
    import matplotlib as mpl

    mpl.use("Agg")
    from emodiss.plots import figures
    from emodiss.runs.run import load

    loaded = load(run)
    drawn = figures.draw(loaded, figure, video=video)
    name = f"session_{video or loaded.videos[0]}" if figure == "session" else figure
    path = out or loaded.root / "figures" / f"{name}.png"
    figures.save(drawn, path)
    typer.echo(str(path))


def settings(preset: Preset = "paper", as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """List every setting with its value in a preset and what it means."""
    from emodiss import presets
    from emodiss.settings import NAMES, resolve

    chosen = resolve(presets.changes_of(preset)).model_dump()
    rows: list[dict[str, Any]] = []
    for dotted, meaning in NAMES.items():
        group, name = dotted.split(".")
        value = chosen[group][name]
        shown = value if as_json else ("none" if value is None else str(value).lower())
        rows.append({"setting": dotted, "value": shown, "meaning": meaning})
    output.show(rows, as_json=as_json, as_csv=as_csv)


def list_models(as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """List the models: task, whether they are here, size, terms and native scale."""
    from emodiss.models.catalog import CATALOG

    rows = [
        {
            "name": e.name,
            "task": e.task,
            "here": not e.missing(),
            "place": e.place,
            "size_mb": e.size_mb,
            "scale": e.scale or "",
            "licence": e.licence,
            "noncommercial": e.noncommercial,
            "what": e.what,
            "source": e.source,
            "identity": e.identity,
        }
        for e in CATALOG.values()
    ]
    columns = ["name", "task", "here", "size_mb", "scale", "licence", "what"]
    output.show(rows, as_json=as_json, as_csv=as_csv, columns=columns)


def _write(text: str, out: Path | None) -> None:
    if out is None:
        typer.echo(text, nl=False)
        return
    from emodiss.runs.store import write_atomically

    write_atomically(out, text.encode())
    typer.echo(str(out))
