"""Gather the tables of all videos of a run: Parquet for programs, CSV for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pandas as pd

from emodiss import utterances
from emodiss.runs import codecs
from emodiss.runs.perform import give_back_memory, result_type
from emodiss.runs.store import Store, replaced, write_atomically


def gather(store: Store, current: Mapping[str, Mapping[str, str]]) -> None:
    """Write the tables of the run from those of its videos.

    Parameters
    ----------
    store
        The run folder.
    current
        By video id, in manifest order, the keys of the artifacts that this run stands behind, by
        stage. A video without a current utterance table is left out, even when an older table
        lies on disk.
    """
    write_atomically(store.root / "videos.parquet", codecs.to_parquet(_videos(store, current)))
    tables: dict[str, pd.DataFrame] = {}
    words: list[pd.DataFrame] = []
    prompts: list[str] = []
    for video, keys in current.items():
        if "utterances" not in keys:
            continue
        table, transcript = (
            store.read(video, name, result_type(name), key=keys[name])
            for name in ("utterances", "wording")
        )
        tables[video] = table
        words.append(utterances.word_table(table, transcript))
        if "prompts" in keys:
            kind = result_type("prompts")
            for prompt in store.read(video, "prompts", kind, key=keys["prompts"]).prompts:
                line = json.dumps(prompt, ensure_ascii=False, sort_keys=True)
                prompts.append(line + "\n")
    table = _joined(list(tables.values()), utterances.SCHEMA)
    utterances.validate(table)
    write_atomically(store.root / "utterances.parquet", codecs.to_parquet(table))
    write_atomically(store.root / "utterances.csv", table.to_csv(index=False).encode())
    word_table = pd.concat(words, ignore_index=True) if words else pd.DataFrame()
    write_atomically(store.root / "words.parquet", codecs.to_parquet(word_table))
    write_atomically(store.root / "prompts.jsonl", "".join(prompts).encode())
    frame_table = _frames(store, current, tables)
    with replaced(store.root / "face_frames.parquet") as file:
        codecs.write_parquet(frame_table, file)
    del frame_table
    give_back_memory()


def _frames(
    store: Store, current: Mapping[str, Mapping[str, str]], tables: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """One row per measured face; by far the longest table, so faces are read one by one for it."""
    parts: list[pd.DataFrame] = []
    name = "face_affect"
    for video, table in tables.items():
        faces = store.read(video, name, result_type(name), key=current[video][name])
        parts.append(utterances.frame_table(table, faces))
        del faces
        give_back_memory()
    return _joined(parts, utterances.FRAME_SCHEMA)


def _joined(parts: list[pd.DataFrame], schema: Sequence[utterances.Column]) -> pd.DataFrame:
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return utterances.conform(table, schema)


def _videos(store: Store, current: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """One row per video whose media could be read."""
    rows: list[dict[str, object]] = []
    for video, keys in current.items():
        if "media" not in keys:
            continue
        media = store.read(video, "media", result_type("media"), key=keys["media"])
        row: dict[str, object] = {
            "video_id": video,
            "sha256": media.sha256,
            "duration": media.end - media.start,
            "has_audio": media.has_audio,
            "has_video": media.has_video,
            "width": media.width,
            "height": media.height,
        }
        if "wording" in keys:
            transcript = store.read(video, "wording", result_type("wording"), key=keys["wording"])
            row["transcript_source"] = transcript.source
            row["n_utterances"] = len(transcript.utterances)
            row["n_speakers"] = len({u.speaker for u in transcript.utterances})
        rows.append(row)
    kinds = {
        **{"video_id": "str", "sha256": "str", "duration": "float64"},
        **{"has_audio": "bool", "has_video": "bool", "width": "int64", "height": "int64"},
        **{"transcript_source": "str", "n_utterances": "Int64", "n_speakers": "Int64"},
    }
    return pd.DataFrame(rows, columns=list(kinds)).astype(kinds)
