"""The commands about models: what there is, and fetching weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from emodiss import presets
from emodiss.cli import output
from emodiss.cli.options import AsCsv, AsJson

if TYPE_CHECKING:
    from emodiss.models.card import Card


def _lacks(entry: Card) -> str:
    """Say what a model lacks to run on this machine; empty when nothing."""
    weights, package = entry.missing(), not entry.installed
    return " and ".join(["weights"] * bool(weights) + [f"package {entry.package}"] * package)


def list_models(as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """List the models: task, whether they can run here, size, terms and native scale."""
    from emodiss.models.catalog import cards, problems

    rows = [
        {
            "name": e.name,
            "task": e.task,
            "here": not _lacks(e),
            "lacks": _lacks(e),
            "place": e.place,
            "size_mb": e.size_mb or None,  # a model of one's own has no known size
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
    columns = ["name", "task", "here", "lacks", "size_mb", "scale", "licence", "what"]
    output.show(rows, as_json=as_json, as_csv=as_csv, columns=columns)


def pull_models(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names, as in: emodiss models list.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="Fetch what this preset lacks: paper, paper-raw, fast or lite."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress shown.")] = False,
) -> None:
    """Fetch weights from their publishers, check them, and put them where runs look."""
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
        output.say(f"{entry.name}: {entry.licence}; {entry.source}")
        if not entry.installed:
            output.say(
                f"{entry.name}: the package {entry.package} that runs it is missing: "
                f'pip install "emodiss[{entry.extra}]"'
            )
        with output.progress_bars(quiet=quiet) as report:
            placed = pull(entry.name, progress=report)
        for path in placed:
            output.tell(str(path))
        if not placed:
            output.say(f"{entry.name}: nothing to fetch")
