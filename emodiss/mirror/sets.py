"""Sets of counselling dialogues beside the experiment's own: Table 1 of MIRROR."""

from __future__ import annotations

import csv
from importlib import resources

import pandas as pd

from emodiss.mirror.experiment import Experiment
from emodiss.mirror.faces import face_file


def counselling_sets(experiment: Experiment, *, name: str = "This experiment") -> pd.DataFrame:
    """Compare the experiment's screenplays with the paper's other sets of counselling dialogues."""
    text = resources.files("emodiss.data").joinpath("counselling_sets.csv").read_text("utf-8")
    rows: list[dict[str, object]] = [
        {
            **row,
            **{kind: row[kind] == "yes" for kind in ("text", "video", "audio")},
            "dialogues": int(row["dialogues"]),
            "turns": float(row["turns"]),
            "images": float(row["images"] or "nan"),
        }
        for row in csv.DictReader(text.splitlines())
    ]
    plays = [play for play in experiment.screenplays.read() if play.status == "complete"]
    if plays:
        cases = {play.case.id for play in plays}
        n_images = sum(
            each.status == "drawn" and each.case_id in cases
            for each in face_file(experiment).read()
        )
        own: dict[str, object] = {"dataset": name, "reference": "", "text": True, "audio": False}
        own |= {"video": n_images > 0, "language": "", "dialogues": len(plays)}
        own["turns"] = sum(play.n_turns for play in plays) / len(plays)
        own["images"] = n_images / len(plays) if n_images else float("nan")
        own["aligned"] = "yes" if n_images else ""
        rows.append(own | {"remark": "screenplays that were complete, before screening"})
    return pd.DataFrame(rows)
