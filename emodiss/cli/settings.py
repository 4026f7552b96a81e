"""The command that lists the settings."""

from __future__ import annotations

from typing import Any

from emodiss import presets
from emodiss.cli import output
from emodiss.cli.options import AsCsv, AsJson, Preset


def settings(
    preset: Preset = presets.DEFAULT, as_json: AsJson = False, as_csv: AsCsv = False
) -> None:
    """List every setting with its value in a preset and what it means."""
    from emodiss.models.catalog import with_errors
    from emodiss.settings import NAMES, resolve

    chosen = with_errors(resolve(presets.changes_of(preset))).model_dump()
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
