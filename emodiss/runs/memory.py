"""What a run remembers: what it was made from, its preset and its settings, so that it goes on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from emodiss import manifest as manifests, presets
from emodiss.errors import EmodissError, ManifestError, RunError, SettingsError
from emodiss.manifest import Manifest, VideoRow
from emodiss.models.catalog import with_errors
from emodiss.prompts import with_templates
from emodiss.runs import layout
from emodiss.runs.files import named
from emodiss.runs.run import Run, load
from emodiss.settings import NAMES, Settings, resolve

Absent = Literal["stop", "keep", "drop"]
"""What becomes of a run's videos that are not handed in: nothing is done, they stay, they go."""

# Videos or settings that a line names before it leaves the rest out.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Choice:
    """What a run is to be made with."""

    root: Path
    # preset, settings: As given, as remembered, or by default.
    preset: str
    settings: Settings
    # Lines that tell a person what was not given and how it was chosen.
    said: tuple[str, ...]
    # Videos of the run that are not handed in, and whose rows stay.
    kept: tuple[str, ...] = ()


def choose(
    read: Manifest,
    out: str | Path | None,
    preset: str | None,
    settings: Mapping[str, Any] | Iterable[str],
    *,
    absent: Absent = "stop",
) -> Choice:
    """Settle on folder, preset, settings, and what becomes of videos that are not handed in."""
    said: list[str] = []
    settings = with_templates(settings)
    root = Path(out) if out is not None else manifests.run_folder(read)
    with named(root):
        before = load(root) if (root / layout.RUN).is_file() else None
    if out is None:
        said.append(f"run folder {_shown(root)}; another with: --out")
        if before is not None:
            _require_same(read, before)
    if preset is not None:
        chosen = with_errors(resolve(presets.changes_of(preset), settings))
        if before is not None:
            said += _conflicts(before, preset, chosen)
    elif before is not None:
        preset = str(before.facts.get("preset", presets.DEFAULT))
        chosen = with_errors(resolve(_remembered(before), settings))
        said.append(f"goes on with preset {preset} and the settings of this run")
    else:
        preset = presets.DEFAULT
        chosen = with_errors(resolve(presets.changes_of(preset), settings))
        said.append(presets.DEFAULT_SAID)
    gone = _left_out(read, before, absent) if before is not None else []
    if gone:
        stay = "kept as measured" if absent == "keep" else "taken out of its tables"
        said.append(f"{_counted(gone)} not handed in now and {stay}")
    return Choice(root, preset, chosen, tuple(said), tuple(gone) if absent == "keep" else ())


def _shown(path: Path) -> str:
    """Return a path as one would type it from here."""
    relative = _relative(path, Path.cwd())
    return str(path) if relative is None or relative.startswith("..") else relative


def _remembered(run: Run) -> dict[str, Any]:
    """Every setting of a run by its dotted name."""
    stored = run.facts.get("settings", {})
    flat = {f"{group}.{n}": v for group, values in stored.items() for n, v in values.items()}
    try:
        resolve(flat)
    except SettingsError as error:
        raise RunError(
            f"The settings of the run '{run.root.name}' do not fit this version: {error.what}",
            next_step="Name the preset anew: --preset lite (or paper), and --set what you changed.",
        ) from error
    return flat


def _conflicts(run: Run, preset: str, chosen: Settings) -> Iterator[str]:
    """Say where a preset that is given anew leaves what the run was made with."""
    try:
        facts = run.facts
    except RunError as error:
        if error.code != "damaged":
            raise
        yield f"{layout.RUN} is damaged and is written anew"
        return
    if facts.get("preset") != preset:
        yield (
            f"this run was made with preset {facts.get('preset')}; it goes on with {preset}, and "
            "what rests on other models or settings is measured anew"
        )
        return
    old, new = facts.get("settings", {}), chosen.model_dump(mode="json")
    changed: list[str] = []
    for name in NAMES:
        group, _, field = name.partition(".")
        was, now = old.get(group, {}).get(field), new[group][field]
        if was != now and not isinstance(was, dict) and not isinstance(now, dict):
            changed.append(f"{name}={_value(now)} (was {_value(was)})")
        elif was != now:
            changed.append(name)
    if changed:
        more = f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
        yield (
            f"the preset is given anew, and other settings of this run are not kept: "
            f"{', '.join(changed[:_NAMED])}{more}"
        )


def _value(value: Any) -> str:
    return "none" if value is None else str(value)


def _left_out(read: Manifest, before: Run, absent: Absent) -> list[str]:
    """List the videos of a run that are not handed in; stop where nobody said what is meant."""
    # A row that cannot be used is a problem of its own, and its video is meant to stay.
    here = {row.id for row in read.rows} | {problem.id for problem in read.problems}
    try:
        gone = [video for video in _videos(before) if video not in here]
    except RunError as error:
        if error.code != "damaged" or absent != "drop":
            raise
        return []  # nobody knows them, and they are to go
    if gone and absent == "stop":
        raise RunError(
            f"{_counted(gone)} not handed in now and would leave the run's tables.",
            next_step="Keep them: --add. Let them go: --replace; what was measured of them stays "
            "in the folder. Or name another folder with --out.",
            code="videos_left_out",
        )
    return gone


def _counted(gone: list[str]) -> str:
    more = ", ..." if len(gone) > _NAMED else ""
    verb = "is" if len(gone) == 1 else "are"
    return f"{len(gone)} of the run's videos ({', '.join(gone[:_NAMED])}{more}) {verb}"


def _videos(run: Run) -> list[str]:
    return run.videos if (run.root / layout.MANIFEST).is_file() else []


def inputs_of(read: Manifest, root: Path) -> dict[str, Any]:
    """Describe for `run.json` what a run is made from."""
    root = root.absolute()
    return {
        "folder": str(read.folder),
        "sources": [
            {"path": str(path), "beside_run": _relative(path, root)} for path in read.sources
        ],
    }


def _relative(path: Path, root: Path) -> str | None:
    try:
        return Path(os.path.relpath(path, root)).as_posix()
    except ValueError:  # another drive on Windows
        return None


def inputs_now(run: Run) -> list[Path] | None:
    """Where a run's manifest or media lie now; None for a run that does not say."""
    inputs = run.facts.get("inputs")
    if inputs is None:
        return None
    found: list[Path] = []
    for source in inputs["sources"]:
        path, near = Path(source["path"]), source["beside_run"]
        if not path.exists() and near:
            path = Path(os.path.normpath(run.root.absolute() / near))
        found.append(path)
    return found


def _require_same(read: Manifest, before: Run) -> None:
    """Keep a folder chosen by default from being taken over by another video of the same name."""
    old = inputs_now(before)
    if old and not {p.resolve() for p in old} & {p.resolve() for p in read.sources}:
        raise RunError(
            f"The folder '{before.root.name}' holds the run of '{old[0].name}'.",
            next_step="Choose another run folder with --out.",
        )


def reopened(root: Path, *, allow_local: bool = False) -> Manifest:
    """Read again what a run was made from."""
    run = load(root)
    sources = inputs_now(run)
    again = f"Name it anew: emodiss annotate MANIFEST --out {root}."
    if sources is None:
        raise RunError(
            f"The run '{root.name}' does not say which manifest it used.", next_step=again
        )
    if not sources:
        return _from_memory(run, allow_local=allow_local)
    try:
        return manifests.opened(sources, allow_local=allow_local)
    except ManifestError as error:
        raise RunError(
            f"What the run '{root.name}' was made from cannot be read: {error.what}",
            next_step=again,
        ) from error


def _from_memory(run: Run, *, allow_local: bool) -> Manifest:
    """Take the rows of a run whose manifest was never a file."""
    fields = VideoRow.model_fields
    rows = [
        {**{k: v for k, v in row.items() if k in fields}, **row.get("metadata", {})}
        for row in run.manifest
    ]
    folder = run.facts["inputs"]["folder"]
    try:
        return manifests.from_rows(rows, folder=folder, allow_local=allow_local)
    except EmodissError as error:
        raise RunError(
            f"The rows of the run '{run.root.name}' cannot be used as they are: {error.what}",
            next_step=error.next_step or "Hand the rows to emodiss.annotate again.",
        ) from error
