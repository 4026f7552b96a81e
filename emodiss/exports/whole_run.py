"""A whole run for others: a Hugging Face dataset folder, an audformat index, a methods text."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from emodiss.corpus.sharing import shareable
from emodiss.exports.methods import methods
from emodiss.exports.provenance import Provenance, trace
from emodiss.runs import codecs
from emodiss.utterances import SCHEMA
from emodiss.vocabulary import counted

if TYPE_CHECKING:
    from emodiss.runs.run import Run

_WORDS = ("text", "speaker", "listener")
"""Columns that hold what people said and what they are called."""


_OTHERS = {
    "role-classifier": (
        "Apache-2.0, as emodiss; fitted on AnnoMI, which states no licence",
        None,
        "scripts/fit_role_classifier.py",
    ),
    "vader": ("MIT", False, "vaderSentiment (Hutto and Gilbert 2014)"),
}
"""Terms, whether they forbid commercial use, and source of models that are not in the catalog."""


def model_terms(run: Run, rests: Provenance | None = None) -> list[dict[str, Any]]:
    """List the terms of every model that the utterances of a run rest on."""
    from emodiss.models.catalog import cards

    rests = rests or trace(run)
    recorded = run.facts.get("licences", {})
    traced = len(rests.sessions) - len(rests.untraced)
    rows: list[dict[str, Any]] = []
    for use in rests.uses:
        name = use.identity.partition("@")[0]
        licence, noncommercial, source = _OTHERS.get(name, ("terms of its provider", None, ""))
        if entry := cards().get(name):
            licence, noncommercial, source = entry.licence, entry.noncommercial, entry.source
        rows.append(
            {
                "name": name,
                "task": use.task,
                "identity": use.identity,
                "licence": recorded.get(name, licence),
                "noncommercial": noncommercial,
                "source": source,
                "n_sessions": len(use.videos),
                "of_sessions": traced,
            }
        )
    return rows


def audformat_index(run: Run, path: Path, words: bool = False) -> str:
    """Write the utterances as an audformat table: file, start and end, then values."""
    media, folder = run.media_files(), path.parent.resolve()
    names = {row["id"]: _file_name(media.get(row["id"]), row, folder) for row in run.manifest}
    table = run.utterances
    found = table.drop(columns=["video_id", "start", "end"])
    if not words:
        numbers = {
            (video, name): number
            for video, names in table.groupby("video_id")["speaker"]
            for number, name in enumerate(dict.fromkeys(names.dropna()), start=1)
        }
        found = found.drop(columns="text")
        for name in ("speaker", "listener"):
            said = zip(table["video_id"], table[name], strict=True)
            found[name] = pd.array([numbers.get(pair) for pair in said], dtype="Int64")
    found.insert(0, "file", table["video_id"].map(names))
    for k, name in enumerate(("start", "end"), start=1):
        found.insert(k, name, pd.to_timedelta(table[name], unit="s").astype("str"))
    return found.to_csv(index=False)


def _file_name(media: Path | None, row: Mapping[str, Any], folder: Path) -> str:
    if media is None:
        return str(row.get("url") or row.get("path") or "")
    try:
        return Path(os.path.relpath(media.resolve(), folder)).as_posix()
    except ValueError:  # another drive on Windows
        return media.resolve().as_posix()


def huggingface(run: Run, words: bool = False) -> dict[str, bytes]:
    """Make the files of a dataset that Hugging Face `datasets` loads: Parquet and a card."""
    table = run.utterances
    if not words:
        table = table.drop(columns=list(_WORDS))
    addresses = {row["id"]: row["url"] or "" for row in run.manifest}
    table.insert(1, "url", table["video_id"].map(addresses).astype("str"))
    videos = run.videos_table.drop(columns="sha256")
    videos.insert(1, "url", videos["video_id"].map(addresses).astype("str"))
    return {
        "data/utterances.parquet": codecs.to_parquet(table),
        "data/videos.parquet": codecs.to_parquet(videos),
        "README.md": _card(run, table, words=words).encode(),
    }


def urls(run: Run) -> str:
    """List the addresses and stretches, which may be passed on."""
    return shareable(run.manifest)


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
        f"{counted(len(run.videos_table), 'video')}, {counted(len(table), 'utterance')}. No media"
        + ("" if words else " and no words")
        + " are in here: videos are shared by address, and belong to their owners.\n\n"
        "A flag is a difference between two models, not a feeling of a person. Not for judging, "
        "monitoring or deciding about anybody.\n\n"
        f"## How it was made\n\n{methods(run)}\n"
        "## Terms of the models\n\n| model | task | sessions | terms |\n| --- | --- | --- | --- |\n"
    )
    for row in model_terms(run):
        sessions = f"{row['n_sessions']:,} of {row['of_sessions']:,}"
        out.write(f"| `{row['identity']}` | {row['task']} | {sessions} | {row['licence']} |\n")
    out.write("\n## Columns of `utterances`\n\n| column | type | meaning |\n| --- | --- | --- |\n")
    for name in table.columns:
        dtype, meaning = meanings[str(name)]
        out.write(f"| `{name}` | {dtype} | {meaning} |\n")
    return out.getvalue()
