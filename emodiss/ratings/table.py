"""The long table of ratings: one row per rater, item, criterion and presentation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from emodiss import tabular
from emodiss.errors import as_path
from emodiss.ratings.schema import COLUMNS, CRITERIA, LIKERT, RatingScale, RatingsError
from emodiss.registry import CONDITIONS
from emodiss.tabular import Column, Misfit

_IDENTITY = ("study", "rater", "item", "criterion", "repeat")
_NAMES = ("rater", "rater_group", "model", "condition", "criterion")
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
    table = found.frame()
    lines = [int(line) for line in table.index]
    return _checked(table.reset_index(drop=True), lines, f"'{path.name}'", scale, criteria)


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
    table: pd.DataFrame,
    lines: list[int],
    source: str,
    scale: RatingScale,
    criteria: Iterable[str] | None,
    places: Sequence[str] = (),
) -> pd.DataFrame:
    absent = [c.name for c in COLUMNS if c.required and c.name not in table.columns]
    if "value" not in table.columns:
        absent.append("value")
    if absent:
        raise RatingsError(
            f"{source} lacks the column(s) {', '.join(absent)}; "
            f"it has {', '.join(map(str, table.columns)) or 'none'}.",
            next_step="Required: rater, item, video, model, condition, criterion, value.",
        )
    misfits: list[Misfit] = []
    allowed = {"criterion": criteria or CRITERIA, "condition": CONDITIONS}
    for name, names in allowed.items():
        known = tabular.spellings(names)
        table = table.assign(
            **{name: table[name].map(lambda cell, known=known: _spelled(cell, known))}
        )
    out = typed_columns(table, COLUMNS, lines, misfits)
    own = {name: table[name] for name in table.columns if name not in out}
    checked = pd.DataFrame({**out, **own})
    misfits += tabular.spelled_twice(checked, _NAMES, lines, places)
    _check_values(checked, lines, scale, criteria, misfits)
    _check_consistency(checked, lines, misfits)
    tabular.refuse(misfits, source, error=RatingsError, places=places)
    return checked


def _spelled(cell: object, known: Mapping[str, str]) -> object:
    return tabular.as_known(cell.strip(), known) if isinstance(cell, str) else cell


def typed_columns(
    table: pd.DataFrame, columns: Sequence[Column], lines: list[int], misfits: list[Misfit]
) -> dict[str, pd.Series]:
    """Columns with their declared types, empty where the table lacks them; adds what misfits."""
    return {
        column.name: _typed(table[column.name], column, lines, misfits)
        if column.name in table.columns
        else _absent(column, len(table))
        for column in columns
    }


def _absent(column: Column, n: int) -> pd.Series:
    if column.name == "repeat":  # a table without repeats holds first presentations only
        return pd.Series(np.zeros(n, dtype=np.int64))
    if column.kind in ("number", "count"):
        return pd.Series(np.full(n, np.nan)).astype(column.dtype)
    return pd.Series(pd.NA, index=pd.RangeIndex(n), dtype="str")


def _typed(cells: pd.Series, column: Column, lines: list[int], misfits: list[Misfit]) -> pd.Series:
    values, bad = column.typed(cells)
    text = cells.astype("str").str.strip().tolist() if bad.any() else []
    for row in np.flatnonzero(bad)[: tabular.MOST_FAULTS]:
        misfits.append(Misfit(lines[row], column.name, text[row], column.expected))
    if column.required:
        for row in np.flatnonzero(values.isna())[: tabular.MOST_FAULTS]:
            misfits.append(Misfit(lines[row], column.name, "", "something"))
    if column.name == "repeat":
        return values.fillna(0).astype(np.int64)
    return values.astype(column.dtype) if column.kind == "count" else values


def _check_values(
    table: pd.DataFrame,
    lines: list[int],
    scale: RatingScale,
    criteria: Iterable[str] | None,
    misfits: list[Misfit],
) -> None:
    values = table["value"].to_numpy()
    for value in np.unique(values[np.isfinite(values)]):
        if not scale.holds(float(value)):
            for row in np.flatnonzero(values == value):
                misfits.append(Misfit(lines[row], "value", f"{value:g}", str(scale)))
    if criteria is not None:
        allowed = tuple(criteria)
        known = table["criterion"].isin(allowed) | table["criterion"].isna()
        for row in np.flatnonzero(~known):
            seen = str(table["criterion"].iloc[row])
            misfits.append(Misfit(lines[row], "criterion", seen, f"one of {', '.join(allowed)}"))


def _check_consistency(table: pd.DataFrame, lines: list[int], misfits: list[Misfit]) -> None:
    first: dict[tuple[str, ...], int] = {}
    identity = (table[name].astype("str").fillna("").tolist() for name in _IDENTITY)
    keys = zip(*identity, strict=True)
    for row, key in enumerate(keys):
        if key in first:
            what = f"rater {key[1]}, item {key[2]}, {key[3]}, repeat {key[4]}"
            expected = f"one rating; the first stands in line {lines[first[key]]}"
            misfits.append(Misfit(lines[row], "(row)", what, expected))
        else:
            first[key] = row
    for owner, names in (("item", _OF_ITEM), ("rater", ("rater_group",))):
        for name in names:
            pairs = table[[owner, name]].dropna().drop_duplicates()
            stated: dict[str, tuple[int, str]] = {}  # by owner: where first, and what
            columns = (pairs.index.tolist(), pairs[owner].tolist(), pairs[name].tolist())
            for row, of, value in zip(*columns, strict=True):
                place, only = stated.setdefault(of, (row, value))
                if row != place:
                    expected = f"'{only}' as in line {lines[place]}, because {owner} '{of}' "
                    expected += f"can have only one {name}"
                    misfits.append(Misfit(lines[row], name, str(value), expected))


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
        headings = tabular.spellings((*(column.name for column in columns), value, *criteria))
        sheet = sheet.rename(columns=lambda name, by=headings: tabular.as_known(str(name), by))
        if twice := [name for name in sheet.columns if list(sheet.columns).count(name) > 1]:
            raise RatingsError(f"Sheet {number} ({file}) names the column {twice[0]} twice.")
        is_long = {"criterion", value} <= set(sheet.columns)
        needed = ["rater", "item", *([] if is_long else criteria)]
        if absent := [column for column in needed if column not in sheet.columns]:
            raise RatingsError(f"Sheet {number} ({file}) lacks the column(s) {', '.join(absent)}.")
        # A sheet that was read from a file knows its lines (`emodiss.tabular.Table.frame`).
        lines = sheet.index if sheet.index.name == "line" else range(2, len(sheet) + 2)
        sheet = sheet.assign(_place=[f"{file}, line {line}" for line in lines])
        if not is_long:
            kept = [c.name for c in columns if c.name in sheet.columns and c.name not in criteria]
            sheet = sheet.melt([*kept, "_place"], list(criteria), "criterion", value)
        parts.append(sheet.drop(columns=[column for column in hidden if column in sheet.columns]))
    return pd.concat(parts, ignore_index=True)
