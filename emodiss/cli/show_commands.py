"""Commands that show something: prompts, plots, tables, settings, models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emodiss import presets
from emodiss.cli import output, prompting
from emodiss.cli.option_groups import grouped
from emodiss.cli.run_commands import AsCsv, AsJson, Preset

if TYPE_CHECKING:
    import pandas as pd

RunFolder = Annotated[Path, typer.Argument(help="Run folder.")]


@grouped
def prompts(
    run: RunFolder,
    *,
    choice: prompting.Choice,
    redacted: prompting.Redacted,
    show: Annotated[bool, typer.Option("--show", help="Print the texts instead of JSONL.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File; stdout if none.")] = None,
) -> None:
    """Render the prompts of a run's sessions as JSON lines."""
    import json

    from emodiss.runs.run import load

    found = prompting.render(load(run), choice, redacted)
    if show:
        text = "\n\n".join(f"--- {p.video_id}, {p.condition} ---\n{p.text}" for p in found.prompts)
    else:
        lines = [json.dumps(p.to_dict(), ensure_ascii=False, sort_keys=True) for p in found.prompts]
        text = "\n".join(lines)
    if found.prompts or not found.refused:
        _write(f"{text}\n" if text else "", out)
    if found.refused:
        raise typer.Exit(1)


def plot(
    run: RunFolder,
    figure: Annotated[
        str, typer.Argument(help="fig2, fig3, fig4, fig10, session or contact-sheet.")
    ],
    video: Annotated[
        str | None, typer.Option(help="For fig2, fig4, session, contact-sheet: which video.")
    ] = None,
    blur: Annotated[
        bool, typer.Option("--blur", help="For fig2 and contact-sheet: hide the faces.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="PNG, SVG or PDF; default in RUN/figures.")
    ] = None,
) -> None:
    """Draw one of the paper's figures, the timeline of a session, or its tracks on frames."""
    from emodiss.plots import registry
    from emodiss.runs.run import load

    loaded = load(run)
    row = registry.find(figure)
    drawn = registry.draw(loaded, row.name, video=video, blur=blur)
    name = f"{row.name}_{video or loaded.videos[0]}" if row.named_after_video else row.name
    path = out or loaded.figures / f"{name}.png"
    registry.save(drawn, path)
    typer.echo(str(path))


def table(
    run: RunFolder,
    which: Annotated[
        str,
        typer.Argument(
            metavar="TABLE",
            help="1, 2 or 4, as in the study; licences of the videos; failures or techniques of "
            "the responses.",
        ),
    ],
    name: Annotated[str | None, typer.Option(help="For table 2: what to call this corpus.")] = None,
    all_work: Annotated[
        bool, typer.Option("--all-work", help="For table 4: failed and repeated work too.")
    ] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Print one of the study's tables: the corpus in numbers, hours of work, counts of answers."""
    from emodiss import corpus, statistics
    from emodiss.corpus.licences import summary
    from emodiss.errors import SettingsError, nearest
    from emodiss.runs.run import load
    from emodiss.study import Study

    makers: dict[str, tuple[Callable[..., pd.DataFrame], dict[str, Any]]] = {
        "1": (corpus.table1, {}),
        "2": (corpus.table2, {} if name is None else {"name": name}),
        "4": (corpus.table4, {"all_work": all_work}),
        "licences": (corpus.licences, {}),
        "failures": (lambda run: statistics.failure_rates(Study(run).responses), {}),
        "techniques": (lambda run: statistics.technique_shares(Study(run).responses), {}),
    }
    asked = which.removeprefix("table").replace("licenses", "licences")
    if asked not in makers:
        raise SettingsError(
            f"There is no table '{which}'; {', '.join(makers)} were expected.",
            next_step="Table 3 comes with the figures of: emodiss evaluate."
            if asked == "3"
            else nearest(asked, makers),
        )
    make, options = makers[asked]
    made = make(load(run), **options)
    output.show(output.records(made), as_json=as_json, as_csv=as_csv)
    if asked == "licences":
        output.say(summary(made))


def settings(
    preset: Preset = presets.DEFAULT, as_json: AsJson = False, as_csv: AsCsv = False
) -> None:
    """List every setting with its value in a preset and what it means."""
    from emodiss.settings import NAMES, resolve

    chosen = resolve(presets.changes_of(preset)).model_dump()
    rows: list[dict[str, Any]] = []
    for dotted, meaning in NAMES.items():
        group, name = dotted.split(".")
        value = chosen[group][name]
        shown = value if as_json else _as_typed(value)
        rows.append({"setting": dotted, "value": shown, "meaning": meaning})
    output.show(rows, as_json=as_json, as_csv=as_csv)


def _as_typed(value: Any) -> str:
    """Write a value as `--set` takes it."""
    if isinstance(value, tuple | dict):
        return ",".join(value) or "none"
    return "none" if value is None else str(value).lower()


def list_models(as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """List the models: task, whether they can run here, size, terms and native scale."""
    from emodiss.models.catalog import cards, problems

    rows = [
        {
            "name": e.name,
            "task": e.task,
            "here": e.installed and not e.missing(),
            "place": e.place,
            "size_mb": e.size_mb,
            "scale": e.scale or "",
            "licence": e.licence,
            "noncommercial": e.noncommercial,
            "what": e.what,
            "source": e.source,
            "identity": e.identity,
        }
        for e in cards().values()
    ]
    for problem in problems():
        output.say(str(problem))
    columns = ["name", "task", "here", "size_mb", "scale", "licence", "what"]
    output.show(rows, as_json=as_json, as_csv=as_csv, columns=columns)


def pull_models(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names, as in: emodiss models list.")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Fetch what this preset lacks: paper, paper-raw or lite.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress shown.")] = False,
) -> None:
    """Fetch weights from their publishers, check them, and put them where runs look."""
    from emodiss import presets
    from emodiss.errors import SettingsError
    from emodiss.models import catalog
    from emodiss.models.pull import pull
    from emodiss.settings import resolve

    entries = [catalog.entry_of(name) for name in names or ()]
    if preset is not None:
        chosen = catalog.chosen(resolve(presets.changes_of(preset)))
        entries += [entry for entry in chosen.values() if entry.missing()]
    elif not entries:
        raise SettingsError(
            "Nothing was named to fetch.",
            next_step="Name models (emodiss models list), or a preset with --preset.",
        )
    for entry in entries:
        typer.echo(f"{entry.name}: {entry.licence}; {entry.source}", err=True)
        with output.progress_bars(quiet=quiet) as report:
            placed = pull(entry.name, progress=report)
        for path in placed:
            typer.echo(str(path))
        if not placed:
            typer.echo(f"{entry.name}: nothing to fetch", err=True)


def _write(text: str, out: Path | None) -> None:
    if out is None:
        typer.echo(text, nl=False)
        return
    from emodiss.runs.store import write_atomically

    write_atomically(out, text.encode())
    typer.echo(str(out))
