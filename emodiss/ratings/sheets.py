"""Sheets of a study: written for raters, and joined with the hidden key once they are filled."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from emodiss import __version__
from emodiss.ratings import sums
from emodiss.ratings.instrument import OWN, shipped
from emodiss.ratings.pairs import PairStudy
from emodiss.ratings.schema import COLUMNS, CRITERIA, LIKERT, RatingScale, RatingsError
from emodiss.ratings.study import Study
from emodiss.ratings.table import check, long_rows
from emodiss.ratings.windows import HIDDEN
from emodiss.tabular import for_spreadsheets


def merge(
    sheets: Mapping[str, pd.DataFrame] | Iterable[pd.DataFrame],
    key: pd.DataFrame,
    *,
    criteria: Sequence[str] = CRITERIA,
    scale: RatingScale = LIKERT,
) -> pd.DataFrame:
    """Join filled sheets with the hidden key into the long table.

    Parameters
    ----------
    sheets
        Filled sheets, each with rater, item and one column per criterion, or already long with
        criterion and value. Sheets may be incomplete; empty cells become NaN.

    Returns
    -------
    DataFrame
        The long table, as from `ratings.read`. A repeat carries the code of its first showing
        as `item`, and `repeat` 1.

    Raises
    ------
    RatingsError
        If a sheet lacks columns, holds codes that are not in the key, or ratings are outside the
        scale or double. File and line of each are named where the sheets know them.
    """
    hidden = (*HIDDEN, "video", "window", "repeat")
    rows = long_rows(sheets, COLUMNS, criteria, "value", hidden)
    rows["item"] = rows["item"].astype("str")
    unknown = rows[~rows["item"].isin(key["item"].astype("str"))]
    if len(unknown):
        raise RatingsError(
            f"{unknown['item'].nunique()} item code(s) are not in the key, the first is "
            f"'{unknown['item'].iloc[0]}' ({unknown['_place'].iloc[0]}).",
            next_step="Merge the sheets with the key of the same study.",
        )
    merged = rows.merge(key.assign(item=key["item"].astype("str")), on="item", how="left")
    merged["item"] = merged["repeat_of"]
    columns = (merged[name].tolist() for name in ("_place", "item", "criterion"))
    facts = zip(*columns, strict=True)
    return check(
        merged.drop(columns=["repeat_of", "_place"]),
        scale=scale,
        criteria=criteria,
        places=[f"{place}, item {item}, {what}" for place, item, what in facts],
    )


def write_study(study: Study, folder: str | Path, *, run: str | Path | None = None) -> list[Path]:
    """Write sheets, items and the key as CSV; the key apart, so that it is not handed out.

    Beside the key lies how the study was drawn, which names models and conditions too. What raters
    are told and asked (`ratings.read_instrument`) is written for the researcher to change.

    Parameters
    ----------
    folder
        Must not hold a study yet. Gets `items.csv`, `sheets/<rater>.csv`, `hidden/key.csv`,
        `hidden/design.json`, `hidden/SHA256SUMS`, `instrument.toml`, `instructions.md` and
        `consent.md`.
    run
        The run whose clips `emodiss rate` shows; kept as seen from the folder.

    Raises
    ------
    RatingsError
        If the folder holds a key already, or a rater's code cannot be a file name.
    """
    said = {
        "study": study.name,
        "emodiss": __version__,
        "criteria": study.criteria,
        "scale": asdict(study.scale),
        "design": study.design,
        "notes": study.notes,
    }
    if run is not None:
        said["run"] = _seen_from(Path(folder), Path(run))
    return _write(folder, "items", study.items, study.sheets, study.key, said)


def write_pairs(study: PairStudy, folder: str | Path) -> list[Path]:
    """Write a pairwise study as `write_study` does, with the questions in `form.json`.

    Parameters
    ----------
    study
        From `build_pairs`.
    folder
        Must not hold a study yet. Gets `pairs.csv`, `sheets/<rater>.csv`, `form.json`,
        `hidden/key.csv`, `hidden/design.json`, whose `kind` is `pairs`, `hidden/SHA256SUMS`,
        `instrument.toml`, `instructions.md` and `consent.md`.

    Raises
    ------
    RatingsError
        As from `write_study`.
    """
    said = {
        "study": study.name,
        "kind": "pairs",
        "emodiss": __version__,
        "criteria": study.form.criteria,
        "design": study.design,
        "notes": study.notes,
    }
    paths = _write(folder, "pairs", study.pairs, study.sheets, study.key, said)
    form = Path(folder) / "form.json"
    form.write_text(json.dumps(asdict(study.form), indent=2) + "\n", encoding="utf-8")
    return [*paths, form]


def _write(
    folder: str | Path,
    what: str,
    items: pd.DataFrame,
    sheets: Mapping[str, pd.DataFrame],
    key: pd.DataFrame,
    said: Mapping[str, Any],
) -> list[Path]:
    folder = Path(folder)
    key_path = folder / "hidden" / "key.csv"
    if key_path.exists():
        raise RatingsError(
            f"'{folder.name}' holds a study already.", next_step="Choose another folder."
        )
    for rater in sheets:
        if not rater.replace("-", "").replace("_", "").replace(".", "").isalnum() or ".." in rater:
            raise RatingsError(
                f"The rater code '{rater}' cannot be a file name; "
                "letters, digits, '-', '_' and '.' were expected."
            )
    paths = [folder / f"{what}.csv", key_path, key_path.with_name("design.json")]
    # What people said and the key of the study are for their owner alone.
    for closed in (folder, folder / "sheets", key_path.parent):
        closed.mkdir(mode=0o700, parents=True, exist_ok=True)
    for_spreadsheets(items).to_csv(paths[0], index=False, lineterminator="\n")
    for rater, sheet in sheets.items():
        paths.append(folder / "sheets" / f"{rater}.csv")
        for_spreadsheets(sheet).to_csv(paths[-1], index=False, lineterminator="\n")
    key.to_csv(key_path, index=False, lineterminator="\n")
    paths[2].write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    paths.append(sums.write(key_path.parent, paths[:3]))
    for name in OWN:
        paths.append(folder / name)
        if not paths[-1].exists():  # a researcher may have put an own one there first
            paths[-1].write_text(shipped(name, of_pairs=what == "pairs"), "utf-8")
    return paths


def _seen_from(folder: Path, run: Path) -> str:
    try:
        return Path(os.path.relpath(run.resolve(), folder.resolve())).as_posix()
    except ValueError:  # another drive on Windows
        return run.resolve().as_posix()
