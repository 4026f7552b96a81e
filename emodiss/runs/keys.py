"""An artifact's key: a hash of everything that decides its content, from the stage table alone.

Never from what lies on disk. A key chained from stored results would let the stale result of a
stage that failed on a re-run pass as cached.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emodiss.manifest import VideoRow
from emodiss.reviews import NOTHING_SAID, Overlay
from emodiss.stages import STAGES, Stage
from emodiss.transcript.readers import told_by_name


@dataclass(frozen=True, slots=True)
class Recipe:
    """What makes one artifact of one video."""

    stage: Stage
    # 64 hexadecimal digits; empty when the stage is skipped for this video.
    key: str
    # What the key was computed from, in readable form.
    facts: dict[str, Any]
    model: str | None
    # Why the stage is not needed for this video; empty when it is.
    skipped: str = ""


def recipes(
    row: VideoRow,
    *,
    content: str,
    transcript: str | None,
    settings: Mapping[str, Any],
    identities: Mapping[str, str],
    overlay: Overlay = NOTHING_SAID,
    voices: bool = True,
) -> dict[str, Recipe]:
    """Compute the recipe of every stage for one video, in order; settings are plain values."""
    found: dict[str, Recipe] = {}
    # The same bytes are other words to another reader.
    name = told_by_name(Path(row.transcript)) if transcript and row.transcript else ""
    said = None if transcript is None else transcript + name
    stated = {**row.model_dump(mode="json"), "transcript": said}
    given = {**stated, "voices": transcript is not None and voices}
    for stage in STAGES:
        model = settings["models"][stage.model] if stage.model else None
        skipped = ""
        if stage.unless and given[stage.unless]:
            skipped = f"{stage.unless} given"
        elif stage.only_if and not given[stage.only_if[0]]:
            skipped = f"no {stage.only_if[0]} given"
        elif stage.only_if and not _setting(settings, stage.only_if[1]):
            skipped = f"{stage.only_if[1]} is off"
        elif stage.off and _setting(settings, stage.off[0]) == stage.off[1]:
            skipped = f"{stage.off[0]} is {'none' if stage.off[1] is None else stage.off[1]}"
        elif stage.model and model is None:
            skipped = f"no model for {stage.model} in this preset"
        facts: dict[str, Any] = {
            "version": stage.version,
            "inputs": {name: found[name].key for name in stage.reads},
            "settings": _counting(settings, stage),
        }
        if stage.row:
            facts["row"] = {column: stated[column] for column in stage.row}
        if stage.source:
            facts["content"] = content
        # What nobody said leaves no trace, so that a review that is taken back does not either.
        if reviews := overlay.of_kinds(stage.reviews):
            facts["reviews"] = [review.facts() for review in reviews]
        if stage.role_labels and overlay.role_labels:
            facts["role_labels"] = [label.to_dict() for label in overlay.role_labels]
        if model is not None:
            facts["model"] = identities[model]
        key = "" if skipped else digest({"stage": stage.name, **facts})
        found[stage.name] = Recipe(stage, key, facts, model, skipped)
    return found


def _setting(dumped: Mapping[str, Any], dotted: str) -> Any:
    group, _, name = dotted.partition(".")
    return dumped[group][name]


def _counting(dumped: Mapping[str, Any], stage: Stage) -> dict[str, dict[str, Any]]:
    """Return the settings that can change a stage's result, by group."""
    found: dict[str, dict[str, Any]] = {}
    if group := stage.settings:
        whole = dumped[group].items()
        found[group] = {n: v for n, v in whole if f"{group}.{n}" not in stage.apart}
    for dotted in stage.also:
        group, _, name = dotted.partition(".")
        found.setdefault(group, {})[name] = dumped[group][name]
    return found


def digest(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON as 64 hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
