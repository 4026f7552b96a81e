"""A whole run for others: a Hugging Face dataset folder, an audformat index, a methods text."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from emodiss import dissonance
from emodiss.runs import codecs
from emodiss.runs.store import write_atomically
from emodiss.utterances import SCHEMA

if TYPE_CHECKING:
    from emodiss.runs.run import Run

_WORDS = ("text", "speaker")
"""Columns that hold what people said and what they are called."""

_TASKS = {
    "asr": "speech recognition",
    "aligner": "word alignment",
    "diarizer": "speaker diarization",
    "faces": "face detection",
    "speech_affect": "affect of the voice",
    "face_affect": "affect of the face",
}


def model_terms(run: Run) -> list[dict[str, Any]]:
    """List the terms of every model in a run.

    Parameters
    ----------
    run
        A run.

    Returns
    -------
    list of dict
        name, task, identity, licence, noncommercial (None when the catalog does not know the
        model any more) and source, by task. The licence is the one recorded when the run was
        made.
    """
    from emodiss.models.catalog import CATALOG

    facts = run.facts
    rows: list[dict[str, Any]] = []
    for task, identity in sorted(facts["models"].items()):
        name = str(identity).partition("@")[0]
        entry = CATALOG.get(name)
        rows.append(
            {
                "name": name,
                "task": task,
                "identity": identity,
                "licence": facts["licences"].get(name, entry.licence if entry else ""),
                "noncommercial": entry.noncommercial if entry else None,
                "source": entry.source if entry else "",
            }
        )
    return rows


def methods(run: Run, *, seed: int = 0) -> str:
    """Write the paragraph that a paper's methods section needs about a run.

    Parameters
    ----------
    run
        A run.
    seed
        Of the re-pairings behind the null rate.

    Returns
    -------
    str
        One paragraph: what was analysed, with which models, versions and parameters, the flag
        rate, and the rate that chance gives. Parameters that differ from the defaults are named.
    """
    facts, settings = run.facts, run.settings
    videos, table = run.videos_table, run.utterances
    rule = dissonance.Rule.of(settings.dissonance)
    versions = facts["versions"]
    hours = float(videos["duration"].sum()) / 3600
    failed = len({failure.video for failure in run.failures})
    models = "; ".join(
        f"{_TASKS.get(row['task'], row['task'])}, {row['identity']}" for row in model_terms(run)
    )
    packages = ", ".join(
        f"{name} {version}"
        for name, version in sorted(versions.items())
        if name not in ("emodiss", "python") and version != "not installed"
    )
    said = [
        f"{len(videos):,} video{'s' if len(videos) != 1 else ''} ({hours:.2f} h"
        + (f"; {failed} more could not be analysed" if failed else "")
        + f") were analysed with emodiss {versions.get('emodiss', '')} (preset "
        f"{facts.get('preset', '')}, Python {versions.get('python', '')}; {packages}), which "
        "follows Haydarov et al. (2025).",
        f"Models: {models}.",
        "Times refer to presentation timestamps; faces were sampled on a clock of 30 frames per "
        f"second, every {_nth(settings.faces.stride)} frame for detection and every "
        f"{_nth(settings.face_affect.stride)} for affect, and averaged over each utterance.",
        _comparison(rule),
        _counted(table, rule, seed),
        _changed(run),
    ]
    return " ".join(filter(None, said)) + "\n"


def _nth(n: int) -> str:
    return {1: "single", 2: "second", 3: "third"}.get(n, f"{n}th")


def _comparison(rule: dissonance.Rule) -> str:
    sides = (
        "the voice and the face of the speaker differed"
        if rule.compare == "voice_vs_face"
        else "the sentiment of the words (VADER) and the mean of voice and face differed"
    )
    axes = " or ".join(rule.axes)
    scale = (
        "all values being mapped to [-1, 1]"
        if rule.scale == "house"
        else "the models' raw values being compared without rescaling"
    )
    threshold = (
        f"more than T = {rule.threshold:g}"
        if rule.quantile is None
        else f"more than the {rule.quantile:g} quantile of all differences"
    )
    baseline = {
        "none": "",
        "shift": ", after the speaker's own mean in the session was taken off",
        "z": ", in standard deviations from the speaker's own mean in the session",
    }[rule.baseline]
    return (
        f"An utterance was called dissonant when {sides} by {threshold} on {axes}, {scale}"
        f"{baseline}; where a side could not be measured it was left undetermined."
    )


def _counted(table: pd.DataFrame, rule: dissonance.Rule, seed: int) -> str:
    known = table["dissonant"].notna()
    n, unknown = int(known.sum()), int((~known).sum())
    if not n:
        return f"None of {len(table):,} utterances could be determined."
    flagged = int(table["dissonant"].fillna(False).sum())
    text = (
        f"Of {n:,} determined utterances {flagged:,} ({flagged / n:.1%}) were dissonant; "
        f"{unknown:,} were undetermined."
    )
    found = dissonance.chance(table, rule=rule, seed=seed)
    if not np.isfinite(found.null_rate):
        return text + " No speaker had two determined utterances, so chance could not be estimated."
    return text + (
        f" With the sides re-paired at random within speaker and session (1,000 times, "
        f"{found.n:,} utterances) {found.null_rate:.1%} were (95 % of re-pairings: "
        f"{found.low:.1%} to {found.high:.1%}), against {found.rate:.1%} as paired "
        f"(p = {found.p_value:.3f})."
    )


def _changed(run: Run) -> str:
    """Name the settings that are not the preset's."""
    from emodiss import presets
    from emodiss.settings import resolve

    preset = run.facts.get("preset", "")
    try:
        usual = resolve(presets.changes_of(preset)).model_dump(mode="json")
    except Exception:
        return f"Settings: {json.dumps(run.settings.model_dump(mode='json'), sort_keys=True)}."
    own = run.settings.model_dump(mode="json")
    changed = [
        f"{group}.{name} = {value}"
        for group, values in own.items()
        for name, value in values.items()
        if value != usual[group][name]
    ]
    return f"Settings other than the preset's: {', '.join(changed)}." if changed else ""


def audformat_index(run: Run, folder: Path) -> str:
    """Write the utterances as an audformat table: file, start and end, then values.

    Parameters
    ----------
    run
        A run.
    folder
        Where the file will lie; local media are named relative to it.

    Returns
    -------
    str
        CSV with audformat's segmented index (audEERING's data format 1.x): `start` and `end` as
        pandas writes timedeltas. Then the columns of the utterance table without the words. A
        file that is not there is named by its address or as in the manifest.
    """
    names = {
        row["id"]: _file_name(run.media(row["id"]), row, folder.resolve()) for row in run.manifest
    }
    table = run.utterances
    found = table.drop(columns=["video_id", "start", "end", "text"])
    found.insert(0, "file", table["video_id"].map(names))
    for k, name in enumerate(("start", "end"), start=1):
        found.insert(k, name, pd.to_timedelta(table[name], unit="s").astype("str"))
    return found.to_csv(index=False)


def _file_name(media: Path | None, row: Mapping[str, Any], folder: Path) -> str:
    if media is not None:
        return Path(os.path.relpath(media.resolve(), folder)).as_posix()
    return str(row.get("url") or row.get("path") or "")


def write_huggingface(run: Run, folder: Path, *, words: bool = False) -> Path:
    """Write a dataset folder that Hugging Face `datasets` loads: Parquet and a card.

    Parameters
    ----------
    run
        A run.
    folder
        Made when it does not exist.
    words
        Put what people said and their names in too. By default only measures, times and addresses
        leave: the words belong to people, and often to a video's owner.

    Returns
    -------
    Path
        The card, `README.md`.
    """
    table = run.utterances
    if not words:
        table = table.drop(columns=list(_WORDS))
    addresses = {row["id"]: row["url"] or "" for row in run.manifest}
    table.insert(1, "url", table["video_id"].map(addresses).astype("str"))
    videos = run.videos_table.drop(columns="sha256")
    videos.insert(1, "url", videos["video_id"].map(addresses).astype("str"))
    for name, content in (("utterances", table), ("videos", videos)):
        write_atomically(folder / "data" / f"{name}.parquet", codecs.to_parquet(content))
    card = folder / "README.md"
    write_atomically(card, _card(run, table, words=words).encode())
    return card


def _card(run: Run, table: pd.DataFrame, *, words: bool) -> str:
    out = io.StringIO()
    meanings = {c.name: (c.dtype, c.meaning) for c in SCHEMA}
    meanings["url"] = ("str", "address of the video; empty for a local file")
    out.write(
        "---\n"
        "license: other\n"
        "license_name: terms-of-the-models-below\n"
        "pretty_name: Voice and face affect per utterance\n"
        "tags:\n- affect\n- valence-arousal\n- emotional-dissonance\n"
        "configs:\n"
        "- config_name: utterances\n  default: true\n  data_files: data/utterances.parquet\n"
        "- config_name: videos\n  data_files: data/videos.parquet\n"
        "---\n\n"
        "# Voice and face affect per utterance\n\n"
        f"{len(run.videos_table):,} videos, {len(table):,} utterances. No media"
        + ("" if words else " and no words")
        + " are in here: videos are shared by address, and belong to their owners.\n\n"
        "A flag is a difference between two models, not a feeling of a person. Not for judging, "
        "monitoring or deciding about anybody.\n\n"
        f"## How it was made\n\n{methods(run)}\n"
        "## Terms of the models\n\n| model | task | terms |\n| --- | --- | --- |\n"
    )
    for row in model_terms(run):
        out.write(f"| `{row['identity']}` | {row['task']} | {row['licence']} |\n")
    out.write("\n## Columns of `utterances`\n\n| column | type | meaning |\n| --- | --- | --- |\n")
    for name in table.columns:
        dtype, meaning = meanings[str(name)]
        out.write(f"| `{name}` | {dtype} | {meaning} |\n")
    return out.getvalue()
