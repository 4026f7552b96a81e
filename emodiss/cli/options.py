"""Options and arguments that several commands share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[Path, typer.Option("--out", "-o", help="Run folder; continued when it exists.")]
OutOrBeside = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="Run folder; continued when it exists. By default NAME-run beside what is named.",
    ),
]
Preset = Annotated[str, typer.Option(help="lite (embedded models), paper, paper-raw or fast.")]
PresetOrOwn = Annotated[
    str | None,
    typer.Option(
        help="lite (embedded models; for a new run the default), paper, paper-raw or fast. Without "
        "it a run that exists goes on with its own preset and settings."
    ),
]
Assign = Annotated[
    list[str] | None, typer.Option("--set", help="Change a setting: group.name=value; repeatable.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
AllowLocal = Annotated[
    bool,
    typer.Option(
        "--allow-local",
        help="Open files outside the manifest's folder too; only for a manifest that you trust.",
    ),
]
Workers = Annotated[
    int | None, typer.Option(help="Worker processes; 0 works in this process.", min=0)
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress shown.")]
Engine = Annotated[str, typer.Option(help="local or ray.")]
Address = Annotated[
    str | None,
    typer.Option(help="Of a Ray cluster: auto, or ray://head:10001.", show_default=False),
]
Device = Annotated[str, typer.Option(help="cpu or cuda.")]
Threads = Annotated[int, typer.Option(help="CPU threads per model.", min=1)]
Figures = Annotated[bool, typer.Option(help="Draw the figures at the end.")]


@dataclass(frozen=True, slots=True)
class Working:
    """How a run is worked on; a `grouped` command takes the fields as options."""

    workers: Workers = None
    engine: Engine = "local"
    address: Address = None
    device: Device = "cpu"
    threads: Threads = 1


Offline = Annotated[
    bool, typer.Option("--offline", help="Fetch no video; those never fetched fail.")
]
RunFolder = Annotated[Path, typer.Argument(help="Run folder.")]
