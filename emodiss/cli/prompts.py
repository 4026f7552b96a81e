"""The command that renders prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emodiss.cli import output, prompting
from emodiss.cli.option_groups import grouped
from emodiss.cli.options import RunFolder


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
        output.tell_or_write(f"{text}\n" if text else "", out)
    if found.refused:
        raise typer.Exit(1)
