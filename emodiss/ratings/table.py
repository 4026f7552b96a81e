"""The long table of ratings: one row per rater, item, criterion and presentation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emodiss import tabular
from emodiss.errors import as_path
from emodiss.ratings.schema import COLUMNS, CRITERIA, LIKERT, RatingScale, RatingsError
from emodiss.registry import CONDITIONS
from emodiss.spelling import as_known, spellings
from emodiss.tabular import Column, Misfit

_IDENTITY = ("study", "rater", "item", "criterion", "repeat")
_NAMES = (("rater",), ("rater_group",), ("model",), ("condition",), ("criterion",))
_OF_ITEM = ("video", "model", "condition")


def read(
    path: str | Path, *, scale: RatingScale = LIKERT, criteria: Iterable[str] | None = None
) -> pd.DataFrame:
    """Read a CSV of ratings, or say everything that is wrong with it.

    Parameters
    ----------
    path
        CSV with a header, as `emodiss.tabular.parse` reads it; decimal commas, and `NA` and the
        like for a missing number, are taken.
    criteria
        Allowed names of criteria; None allows any.

    Returns
    -------
    DataFrame
        Columns of `COLUMNS` in that order (optional ones filled with missing values), then any
        further columns as text. `value` is float64, NaN where not rated. Missing raters, items
        or cells are fine.

    Raises
    ------
    RatingsError
        If the file is missing, empty or has bad rows: one error listing each line, column, value
        and what was expected.
    """
    path = as_path(path, "a ratings table")
    if not path.exists():
        raise RatingsError(f"There is no ratings file at '{path}'.", next_step="Check the path.")
    text = tabular.decoded(path, error=RatingsError, what="ratings table")
    found = tabular.parse(
        text, path.name, known=[column.name for column in COLUMNS], short_rows=False
    )
    tabular.require_header(found, error=RatingsError, what="ratings table")
    expected = f"{found.width} cells as in the header"
    ragged = [
        Misfit(fault.line, "(row)", f"{fault.n_cells} cells", expected)
        if fault.n_cells
        else Misfit(fault.line, "(row)", "", fault.message)
        for fault in found.faults
    ]
    tabular.refuse(ragged, f"'{path.name}'", error=RatingsError)
    table = {name: [row.cells[name] for row in found.rows] for name in found.header}
    lines = [row.line for row in found.rows]
    return _checked(table, lines, f"'{path.name}'", scale, criteria)


def write(table: pd.DataFrame, path: str | Path) -> None:
    """Write a long table as CSV that `read` takes back unchanged.

    Parameters
    ----------
    path
        Where to; parent folders must exist.
    """
    table.to_csv(path, index=False, lineterminator="\n")


def check(
    table: pd.DataFrame,
    *,
    scale: RatingScale = LIKERT,
    criteria: Iterable[str] | None = None,
    places: Sequence[str] = (),
) -> pd.DataFrame:
    """Check a table in memory against the schema and give it back with its declared types.

    Parameters
    ----------
    table
        Ratings, one row per rating.
    places
        Where each row came from, for messages, such as "r1.csv, line 7".

    Raises
    ------
    RatingsError
        As from `read`; without places, lines count from 2, as if the table had been written to
        CSV.
    """
    table = tabular.a_table(table, "ratings")
    lines = list(range(2, len(table) + 2))
    whole = table.reset_index(drop=True)
    return _checked(whole, lines, "The ratings table", scale, criteria, places)


def _checked(
    table: pd.DataFrame | Mapping[str, list[str]],
    lines: list[int],
    source: str,
    scale: RatingScale,
    criteria: Iterable[str] | None,
    places: Sequence[str] = (),
) -> pd.DataFrame:
    names = list(table)
    absent = [c.name for c in COLUMNS if c.required and c.name not in names]
    if "value" not in names:
        absent.append("value")
    if absent:
        raise RatingsError(
            f"{source} lacks the column(s) {', '.join(absent)}; "
            f"it has {', '.join(map(str, names)) or 'none'}.",
            next_step="Required: rater, item, video, model, condition, criterion, value.",
        )
    misfits: list[Misfit] = []
    criteria = None if criteria is None else tuple(criteria)
    found = typed_columns(table, COLUMNS, lines, misfits)
    found["repeat"] = [int(n or 0) for n in found["repeat"]]
    for name, allowed in (("criterion", criteria or CRITERIA), ("condition", CONDITIONS)):
        known = spellings(allowed)
        found[name] = [cell and as_known(cell, known) for cell in found[name]]
    misfits += tabular.spelled_twice(found, _NAMES, lines, places)
    _check_values(found, lines, scale, criteria, misfits)
    _check_consistency(found, lines, misfits)
    tabular.refuse(misfits, source, error=RatingsError, places=places)
    out = {column.name: column.series(found[column.name]) for column in COLUMNS}
    out["repeat"] = out["repeat"].astype(np.int64)  # each row has one
    for name in (name for name in names if name not in out):
        own = table[name]
        out[name] = pd.Series(own, dtype="str") if isinstance(own, list) else own
    return pd.DataFrame(out)


def typed_columns(
    table: pd.DataFrame | Mapping[str, list[str]],
    columns: Sequence[Column],
    lines: list[int],
    misfits: list[Misfit],
) -> dict[str, list[Any]]:
    """Values of declared columns, None where there is none; adds what misfits."""
    return {
        column.name: _typed(tabular.cells_of(table[column.name]), column, lines, misfits)
        if column.name in table
        else [None] * len(lines)
        for column in columns
    }


def _typed(
    cells: list[str | None], column: Column, lines: list[int], misfits: list[Misfit]
) -> list[Any]:
    values, bad = column.typed(cells)
    for row in bad[: tabular.MOST_FAULTS]:
        misfits.append(Misfit(lines[row], column.name, cells[row] or "", column.expected))
    if column.required and None in cells:
        empty = [row for row, cell in enumerate(cells) if cell is None]
        for row in empty[: tabular.MOST_FAULTS]:
            misfits.append(Misfit(lines[row], column.name, "", "something"))
    return values


def _check_values(
    found: Mapping[str, list[Any]],
    lines: list[int],
    scale: RatingScale,
    criteria: Iterable[str] | None,
    misfits: list[Misfit],
) -> None:
    values = found["value"]
    off = {value for value in set(values) if value is not None and not scale.holds(value)}
    if off:
        wrong = [row for row, value in enumerate(values) if value in off]
        for row in wrong[: tabular.MOST_FAULTS]:
            misfits.append(Misfit(lines[row], "value", f"{values[row]:g}", str(scale)))
    if criteria is not None:
        allowed = tuple(criteria)
        named = enumerate(found["criterion"])
        strange = [row for row, name in named if name is not None and name not in allowed]
        for row in strange[: tabular.MOST_FAULTS]:
            seen, expected = found["criterion"][row], f"one of {', '.join(allowed)}"
            misfits.append(Misfit(lines[row], "criterion", seen, expected))


def _check_consistency(
    found: Mapping[str, list[Any]], lines: list[int], misfits: list[Misfit]
) -> None:
    if len(misfits) >= tabular.MOST_FAULTS:
        return
    first: dict[tuple[Any, ...], int] = {}
    for row, key in enumerate(zip(*(found[name] for name in _IDENTITY), strict=True)):
        place = first.setdefault(key, row)
        if place != row:
            _, rater, item, criterion, repeat = (("" if part is None else part) for part in key)
            what = f"rater {rater}, item {item}, {criterion}, repeat {repeat}"
            expected = f"one rating; the first stands in line {lines[place]}"
            misfits.append(Misfit(lines[row], "(row)", what, expected))
    for owner, names in (("item", _OF_ITEM), ("rater", ("rater_group",))):
        for name in names:
            stated: dict[str, tuple[int, str]] = {}  # by owner: where first, and what
            said: set[tuple[str, str]] = set()
            for row, (of, value) in enumerate(zip(found[owner], found[name], strict=True)):
                if of is None or value is None:
                    continue
                place, only = stated.setdefault(of, (row, value))
                if value != only and (of, value) not in said:
                    said.add((of, value))
                    expected = f"'{only}' as in line {lines[place]}, because {owner} '{of}' "
                    expected += f"can have only one {name}"
                    misfits.append(Misfit(lines[row], name, value, expected))


def long_rows(
    sheets: Mapping[str, pd.DataFrame] | Iterable[pd.DataFrame],
    columns: Sequence[Column],
    criteria: Sequence[str],
    value: str,
    hidden: Sequence[str],
) -> pd.DataFrame:
    """Put sheets below each other, a row per criterion, with the file and line of each."""
    named = (
        list(sheets.items())
        if isinstance(sheets, Mapping)
        else [(f"sheet {number}", sheet) for number, sheet in enumerate(sheets, start=1)]
    )
    if not named:
        raise RatingsError("There are no sheets to merge.")
    parts: list[pd.DataFrame] = []
    for number, (name, sheet) in enumerate(named, start=1):
        file = Path(name).name
        headings = spellings((*(column.name for column in columns), value, *criteria))
        sheet = sheet.rename(columns=lambda name, by=headings: as_known(str(name), by))
        if twice := [name for name in sheet.columns if list(sheet.columns).count(name) > 1]:
            raise RatingsError(f"Sheet {number} ({file}) names the column {twice[0]} twice.")
        is_long = {"criterion", value} <= set(sheet.columns)
        needed = ["rater", "item", *([] if is_long else criteria)]
        if absent := [column for column in needed if column not in sheet.columns]:
            raise RatingsError(f"Sheet {number} ({file}) lacks the column(s) {', '.join(absent)}.")
        # A sheet that was read from a file knows its lines (`emodiss.tabular.Table.frame`).
        lines = sheet.index if sheet.index.name == "line" else range(2, len(sheet) + 2)
        places = [f"{file}, line {line}" for line in lines]
        shown = [str(column) for column in sheet.columns if column not in hidden]
        if is_long:
            parts.append(sheet[shown].assign(_place=places))
            continue
        kept = [c.name for c in columns if c.name in shown and c.name not in criteria]
        part = {name: sheet[name].tolist() * len(criteria) for name in kept}
        part["_place"] = places * len(criteria)
        part["criterion"] = [criterion for criterion in criteria for _ in places]
        part[value] = [cell for criterion in criteria for cell in sheet[criterion].tolist()]
        parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)
