"""Gather the tables of all videos of a run: Parquet for programs, CSV for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from emodiss import utterances
from emodiss.runs import codecs, layout, seals
from emodiss.runs.journal import canonical
from emodiss.runs.perform import give_back_memory, result_type
from emodiss.runs.store import Store, write_atomically
from emodiss.settings import FaceAffectSettings

# Loaded where tables are made: to plan a run would take twice as long with it.
if TYPE_CHECKING:
    import pandas as pd

GATHERED: Final = (
    *("media", "wording", "people", "face_affect", "listener_affect", "voice_windows"),
    *("utterances", "prompts"),
)
"""Stages whose artifacts the tables are gathered from."""


def gather(
    store: Store, current: Mapping[str, Mapping[str, str]], settings: FaceAffectSettings
) -> None:
    """Write the tables of the run from those of its videos; by id, the keys that now stand."""
    import pandas as pd

    seals.write(store.root / "videos.parquet", codecs.to_parquet(_videos(store, current)))
    tables: dict[str, pd.DataFrame] = {}
    words: list[pd.DataFrame] = []
    windows: list[pd.DataFrame] = []
    prompts: list[str] = []
    for video, keys in current.items():
        if "utterances" not in keys:
            continue  # an older table may lie on disk
        table, transcript = (_read(store, video, n, keys) for n in ("utterances", "wording"))
        tables[video] = table
        words.append(utterances.word_table(table, transcript))
        if "voice_windows" in keys:
            measured = _read(store, video, "voice_windows", keys)
            windows.append(utterances.window_table(table, measured))
        if "prompts" in keys:
            for prompt in _read(store, video, "prompts", keys).prompts:
                prompts.append(canonical(prompt) + "\n")
    table = _joined(list(tables.values()), utterances.SCHEMA)
    utterances.validate(table)
    seals.write(store.root / "utterances.parquet", codecs.to_parquet(table))
    write_atomically(store.root / "utterances.csv", table.to_csv(index=False).encode())
    word_table = pd.concat(words, ignore_index=True) if words else pd.DataFrame()
    seals.write(store.root / "words.parquet", codecs.to_parquet(word_table))
    seals.write(store.root / layout.PROMPTS, "".join(prompts).encode())
    window_table = _joined(windows, utterances.WINDOW_SCHEMA)
    utterances.validate(window_table, utterances.WINDOW_SCHEMA)
    seals.write(store.root / "voice_windows.parquet", codecs.to_parquet(window_table))
    frame_table, summary = _frames(store, current, tables, settings)
    with seals.replaced(store.root / "face_frames.parquet") as file:
        codecs.write_parquet(frame_table, file)
    seals.write(store.root / "face_summary.parquet", codecs.to_parquet(summary))
    del frame_table
    give_back_memory()


def _frames(
    store: Store,
    current: Mapping[str, Mapping[str, str]],
    tables: Mapping[str, pd.DataFrame],
    settings: FaceAffectSettings,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row per measured face, and their summary.

    The first is by far the longest table, so faces are read one by one for it.
    """
    parts: list[pd.DataFrame] = []
    summaries: list[pd.DataFrame] = []
    for video, table in tables.items():
        keys = current[video]
        faces, people = (_read(store, video, n, keys) for n in ("face_affect", "people"))
        others = _read(store, video, "listener_affect", keys) if "listener_affect" in keys else None
        parts.append(utterances.frame_table(table, faces, others, people, video=video))
        summaries.append(utterances.face_summary(parts[-1], settings))
        del faces, others
        give_back_memory()
    frames = _joined(parts, utterances.FRAME_SCHEMA)
    return frames, _joined(summaries, utterances.FACE_SUMMARY_SCHEMA)


def _read(store: Store, video: str, name: str, keys: Mapping[str, str]) -> Any:
    """Read the artifact that this run stands behind."""
    return store.read(video, name, result_type(name), key=keys[name])


def _joined(parts: list[pd.DataFrame], schema: Sequence[utterances.Column]) -> pd.DataFrame:
    import pandas as pd

    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return utterances.conform(table, schema)


def _videos(store: Store, current: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """One row per video whose media could be read."""
    import pandas as pd

    rows: list[dict[str, object]] = []
    for video, keys in current.items():
        if "media" not in keys:
            continue
        media = _read(store, video, "media", keys)
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
            transcript = _read(store, video, "wording", keys)
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
