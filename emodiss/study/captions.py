"""What the patient's face shows in words, kept beside a run and asked for by one condition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emodiss import tabular
from emodiss.errors import RunError
from emodiss.prompts import caption, measured_caption
from emodiss.runs import layout
from emodiss.runs.journal import Journal
from emodiss.runs.run import Run

COLUMNS = ("video_id", "utterance_id", "face_caption", "model")
_IDS = COLUMNS[:2]
_MEASURED = (*_IDS, "role", "face_label", "face_valence", "face_arousal")
MEASURED = "measured"
"""Stands for the model where the words are emodiss' own numbers."""


@dataclass(frozen=True, slots=True)
class FaceCaption:
    """What a face shows during one utterance, in 40 words at most, and the model that says so."""

    video_id: str
    utterance_id: str
    face_caption: str
    model: str

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> FaceCaption:
        """Read back plain values; TypeError or KeyError if they are no caption."""
        values = [record[name] for name in COLUMNS]
        if not all(isinstance(value, str) for value in values):
            raise TypeError
        return cls(*values)


def caption_faces(run: Run, source: Path | None = None) -> list[FaceCaption]:
    """Describe the patient's face in each utterance; `face_captions.jsonl` keeps it.

    `source` is a CSV of captions by whatever model made them: video_id, utterance_id, face_caption,
    model (RunError where it does not fit the run). None: words from emodiss' own label, valence and
    arousal. Gives the new ones; captions of other utterances stay as they are.
    """
    table = run.columns("utterances", _MEASURED if source is None else _IDS)
    made = _measured(table) if source is None else _read(Path(source), table)
    _file(run).upsert(made, key=lambda each: (each.video_id, each.utterance_id))
    return made


def with_captions(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """Add the columns face_caption and face_caption_model, where there are captions."""
    said = {(each.video_id, each.utterance_id): each for each in _file(run).read()}
    if not said:
        return table
    keys = zip(table["video_id"].astype(str), table["utterance_id"].astype(str), strict=True)
    found = [said.get(key) for key in keys]
    return table.assign(
        face_caption=[each and each.face_caption for each in found],
        face_caption_model=[each and each.model for each in found],
    )


def _file(run: Run) -> Journal[FaceCaption]:
    return Journal(
        run.root / layout.FACE_CAPTIONS,
        next_step="Make it again: emodiss caption.",
        decode=FaceCaption.from_dict,
        encode=asdict,
    )


def _measured(table: pd.DataFrame) -> list[FaceCaption]:
    own = table[table["role"] == "patient"]
    said = [
        measured_caption(None if pd.isna(label) else str(label), float(valence), float(arousal))
        for label, valence, arousal in zip(
            own["face_label"],
            own["face_valence"].astype("float64"),
            own["face_arousal"].astype("float64"),
            strict=True,
        )
    ]
    names = zip(own["video_id"].astype(str), own["utterance_id"].astype(str), said, strict=True)
    return [FaceCaption(*name, MEASURED) for name in names if name[2]]


def _read(path: Path, table: pd.DataFrame) -> list[FaceCaption]:
    read = tabular.read(path, error=RunError, what="table of captions", known=COLUMNS)
    tabular.require_columns(read, COLUMNS, error=RunError, what="table of captions")
    known = set(zip(table["video_id"].astype(str), table["utterance_id"].astype(str), strict=True))
    found: list[FaceCaption] = []
    for row in read.rows:
        cells = row.cells
        if (cells["video_id"], cells["utterance_id"]) not in known:
            raise RunError(
                f"'{path.name}', line {row.line}: the run has no utterance "
                f"'{cells['utterance_id']}' of '{cells['video_id']}'.",
                next_step="Take the ids from: emodiss table.",
            )
        said = caption(cells["face_caption"])
        if said:
            found.append(
                FaceCaption(cells["video_id"], cells["utterance_id"], said, cells["model"])
            )
    return found
