"""The long table of ratings: one row per rater, item, criterion and presentation."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from emodiss.errors import EmodissError

CRITERIA = ("applicability", "empathy", "comprehensiveness")
"""The paper's three criteria (Haydarov et al. 2025, section 5)."""

QUESTIONS: Mapping[str, str] = {
    "degree": "Highest degree",
    "orientation": "Therapeutic orientation",
    "importance_of_empathy": "Importance of empathy",
    "frequency_of_nonverbal_cues": "Frequency of nonverbal cues",
    "importance_of_nonverbal_cues": "Importance of nonverbal cues",
    "cbt_training": "CBT training",
}
"""The six background questions of the paper's Figure 11: column to title."""

_MAX_LISTED = 50


class RatingsError(EmodissError, ValueError):
    """A ratings table or a study cannot be used as it is; every problem is listed."""

    code = "ratings"


@dataclass(frozen=True, slots=True)
class RatingScale:
    """The values a rater may give.

    Parameters
    ----------
    low, high
        First and last point of the scale, both allowed.
    step
        Distance between points; 0 allows every number in between.
    """

    low: float = 1.0
    high: float = 5.0
    step: float = 1.0

    def __post_init__(self) -> None:
        if not self.low < self.high or self.step < 0:
            raise RatingsError(
                f"A rating scale from {self.low:g} to {self.high:g} in steps of {self.step:g} "
                "does not exist; low < high and step >= 0 were expected."
            )

    def holds(self, value: float) -> bool:
        """Tell whether a value lies on the scale."""
        if not (self.low <= value <= self.high):
            return False
        if self.step == 0:
            return True
        steps = (value - self.low) / self.step
        return math.isclose(steps, round(steps), abs_tol=1e-9)

    def points(self) -> tuple[float, ...]:
        """List the points of a stepped scale, lowest first; empty for a continuous one."""
        if self.step == 0:
            return ()
        n = math.floor((self.high - self.low) / self.step + 1e-9) + 1
        return tuple(self.low + self.step * k for k in range(n))

    def __str__(self) -> str:
        how = f" in steps of {self.step:g}" if self.step else ""
        return f"a number from {self.low:g} to {self.high:g}{how}"


LIKERT = RatingScale(1.0, 5.0, 1.0)
"""The paper's scale: 1 = poor, 5 = exceptional."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the declared schema.

    Parameters
    ----------
    name
        Name in the table and in CSV files.
    kind
        `text`, `number`, `count` (whole number, 0 or more) or `time` (ISO 8601).
    required
        Whether the column must exist and hold something in every row.
    meaning
        One line for the data dictionary.
    """

    name: str
    kind: Literal["text", "number", "count", "time"]
    required: bool
    meaning: str


COLUMNS = (
    Column("study", "text", False, "name of the study"),
    Column("rater", "text", True, "code of the rater"),
    Column("rater_group", "text", False, "group the rater belongs to; one group per rater"),
    Column("item", "text", True, "code of what was rated: one response to one window"),
    Column("video", "text", True, "id of the video the item comes from; the sampling cluster"),
    Column("model", "text", True, "chat model that wrote the response"),
    Column("condition", "text", True, "prompt condition: base, discrete, continuous, ..."),
    Column("criterion", "text", True, "what was rated: applicability, empathy, ..."),
    Column("value", "number", False, "the rating; empty means not rated"),
    Column("position", "count", False, "place of the item in this rater's order, from 1"),
    Column("repeat", "count", False, "0 for the first presentation, 1 for the second, ..."),
    Column("seconds", "number", False, "time spent on the item, in seconds"),
    Column("saved_at", "time", False, "when the rating was saved, ISO 8601"),
    Column("comment", "text", False, "what the rater added in words"),
)
"""Schema of the long table. Reader, checks and data dictionary all come from here."""

_IDENTITY = ("study", "rater", "item", "criterion", "repeat")
_OF_ITEM = ("video", "model", "condition")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a table.

    Parameters
    ----------
    line
        Line in the file, the header being line 1; for a table in memory, row number + 2.
    column
        Name of the column.
    value
        What stands there.
    expected
        What should.
    """

    line: int
    column: str
    value: str
    expected: str

    def __str__(self) -> str:
        return f"line {self.line}, {self.column}: '{self.value}' (expected {self.expected})"


def _raise_all(problems: Sequence[Problem], source: str) -> None:
    if not problems:
        return
    listed = "\n".join(f"  {problem}" for problem in problems[:_MAX_LISTED])
    left = len(problems) - _MAX_LISTED
    more = f"\n  and {left} more" if left > 0 else ""
    raise RatingsError(
        f"{source} has {len(problems)} problem(s):\n{listed}{more}\n",
        next_step="Correct these cells and read the file again; nothing was dropped or guessed.",
    )


def read(
    path: str | Path, *, scale: RatingScale = LIKERT, criteria: Iterable[str] | None = None
) -> pd.DataFrame:
    """Read a CSV of ratings, or say everything that is wrong with it.

    Parameters
    ----------
    path
        UTF-8 CSV (with or without byte order mark) with a header line.
    scale
        What a rating may be.
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
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except FileNotFoundError:
        raise RatingsError(
            f"There is no ratings file at '{path}'.", next_step="Check the path."
        ) from None
    except UnicodeDecodeError as error:
        raise RatingsError(
            f"'{path.name}' is not UTF-8 text (byte {error.start}).",
            next_step="Save it as CSV UTF-8.",
        ) from None
    except csv.Error as error:
        raise RatingsError(f"'{path.name}' is not a CSV file: {error}.") from None
    if not rows:
        raise RatingsError(f"'{path.name}' is empty; a header line and ratings were expected.")
    header = [name.strip() for name in rows[0][1]]
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise RatingsError(f"'{path.name}' names columns twice: {', '.join(twice)}.")
    ragged = [
        Problem(line, "(row)", f"{len(row)} cells", f"{len(header)} cells as in the header")
        for line, row in rows[1:]
        if len(row) != len(header)
    ]
    _raise_all(ragged, f"'{path.name}'")
    table = pd.DataFrame([row for _, row in rows[1:]], columns=pd.Index(header), dtype="str")
    return _checked(table, [line for line, _ in rows[1:]], f"'{path.name}'", scale, criteria)


def write(table: pd.DataFrame, path: str | Path) -> None:
    """Write a long table as CSV that `read` takes back unchanged.

    Parameters
    ----------
    table
        Ratings, columns of `COLUMNS`.
    path
        Where to; parent folders must exist.
    """
    table.to_csv(path, index=False, lineterminator="\n")


def check(
    table: pd.DataFrame, *, scale: RatingScale = LIKERT, criteria: Iterable[str] | None = None
) -> pd.DataFrame:
    """Check a table in memory against the schema and give it back with its declared types.

    Parameters
    ----------
    table
        Ratings, one row per rating.
    scale, criteria
        As for `read`.

    Returns
    -------
    DataFrame
        As from `read`.

    Raises
    ------
    RatingsError
        As from `read`; lines count from 2, as if the table had been written to CSV.
    """
    lines = list(range(2, len(table) + 2))
    return _checked(table.reset_index(drop=True), lines, "The ratings table", scale, criteria)


def _checked(
    table: pd.DataFrame,
    lines: list[int],
    source: str,
    scale: RatingScale,
    criteria: Iterable[str] | None,
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
    problems: list[Problem] = []
    out: dict[str, pd.Series] = {}
    for column in COLUMNS:
        if column.name in table.columns:
            out[column.name] = _typed(table[column.name], column, lines, problems)
        else:
            out[column.name] = _absent(column, len(table))
    checked = pd.DataFrame(out)
    for name in table.columns:
        if name not in out:
            checked[name] = table[name]
    _check_values(checked, lines, scale, criteria, problems)
    _check_consistency(checked, lines, problems)
    _raise_all(sorted(problems, key=lambda problem: problem.line), source)
    return checked


def _absent(column: Column, n: int) -> pd.Series:
    if column.name == "repeat":  # a table without repeats holds first presentations only
        return pd.Series(np.zeros(n, dtype=np.int64))
    if column.kind in ("number", "count"):
        return pd.Series(np.full(n, np.nan))
    return pd.Series([pd.NA] * n, dtype="str")


def _typed(
    cells: pd.Series, column: Column, lines: list[int], problems: list[Problem]
) -> pd.Series:
    text = cells.astype("str").str.strip()
    empty = cells.isna() | text.isna() | (text == "")
    if column.required:
        for row in np.flatnonzero(empty):
            problems.append(Problem(lines[row], column.name, "", "something"))
    if column.kind == "text":
        return text.mask(empty)
    if column.kind == "time":
        for row in np.flatnonzero(~empty):
            try:
                datetime.fromisoformat(text.iloc[row])
            except ValueError:
                problems.append(Problem(lines[row], column.name, text.iloc[row], "ISO 8601 time"))
        return text.mask(empty)
    numbers = pd.to_numeric(text.mask(empty), errors="coerce").astype(np.float64)
    bad = ~empty & ~np.isfinite(numbers)
    expected = "a number"
    if column.kind == "count":
        expected = "a whole number, 0 or more"
        bad |= ~empty & ((numbers < 0) | (numbers != np.floor(numbers)))
    elif column.name == "seconds":
        expected = "a number of seconds, 0 or more"
        bad |= ~empty & (numbers < 0)
    for row in np.flatnonzero(bad):
        problems.append(Problem(lines[row], column.name, text.iloc[row], expected))
    numbers = numbers.mask(bad)
    if column.name == "repeat":
        return numbers.fillna(0).astype(np.int64)
    return numbers


def _check_values(
    table: pd.DataFrame,
    lines: list[int],
    scale: RatingScale,
    criteria: Iterable[str] | None,
    problems: list[Problem],
) -> None:
    values = table["value"].to_numpy()
    for value in np.unique(values[np.isfinite(values)]):
        if not scale.holds(float(value)):
            for row in np.flatnonzero(values == value):
                problems.append(Problem(lines[row], "value", f"{value:g}", str(scale)))
    if criteria is not None:
        allowed = tuple(criteria)
        known = table["criterion"].isin(allowed) | table["criterion"].isna()
        for row in np.flatnonzero(~known):
            seen = str(table["criterion"].iloc[row])
            problems.append(Problem(lines[row], "criterion", seen, f"one of {', '.join(allowed)}"))


def _check_consistency(table: pd.DataFrame, lines: list[int], problems: list[Problem]) -> None:
    first: dict[tuple[str, ...], int] = {}
    keys = zip(*(table[name].astype("str").fillna("") for name in _IDENTITY), strict=True)
    for row, key in enumerate(keys):
        if key in first:
            what = f"rater {key[1]}, item {key[2]}, {key[3]}, repeat {key[4]}"
            expected = f"one rating; the first stands in line {lines[first[key]]}"
            problems.append(Problem(lines[row], "(row)", what, expected))
        else:
            first[key] = row
    for owner, names in (("item", _OF_ITEM), ("rater", ("rater_group",))):
        for name in names:
            pairs = table[[owner, name]].dropna().drop_duplicates()
            for repeated in pairs.loc[pairs[owner].duplicated(keep=False), owner].unique():
                of_one = pairs.loc[pairs[owner] == repeated, name]
                for row in of_one.index[1:]:
                    expected = f"'{of_one.iloc[0]}' as in line {lines[of_one.index[0]]}, "
                    expected += f"because {owner} '{repeated}' can have only one {name}"
                    problems.append(Problem(lines[row], name, str(of_one[row]), expected))


def usable(
    table: pd.DataFrame,
    *,
    criterion: str | None = None,
    needs: Sequence[str] = ("value",),
) -> pd.DataFrame:
    """Keep what the statistics may use: rated, first presentation, one criterion if named.

    Parameters
    ----------
    table
        Long table of ratings.
    criterion
        Keep this criterion only.
    needs
        Columns that must exist.

    Returns
    -------
    DataFrame
        A filtered copy with a fresh index.

    Raises
    ------
    RatingsError
        If a column or the criterion does not exist.
    """
    wanted = [*needs, *(["criterion"] if criterion is not None else [])]
    absent = [name for name in wanted if name not in table.columns]
    if absent:
        raise RatingsError(
            f"The ratings table lacks the column(s) {', '.join(absent)}; "
            f"it has {', '.join(map(str, table.columns)) or 'none'}."
        )
    keep = table["value"].notna()
    if "repeat" in table.columns:
        keep &= table["repeat"].fillna(0) == 0
    if criterion is not None:
        known = table["criterion"] == criterion
        if not known.any():
            seen = ", ".join(sorted(map(str, table["criterion"].dropna().unique())))
            raise RatingsError(
                f"There are no ratings of '{criterion}'.", next_step=f"Choices: {seen or 'none'}."
            )
        keep &= known
    return table.loc[keep].reset_index(drop=True)


def wide(table: pd.DataFrame, criterion: str) -> pd.DataFrame:
    """Spread one criterion into items by raters.

    Parameters
    ----------
    table
        Long table of ratings.
    criterion
        Which criterion.

    Returns
    -------
    DataFrame
        One row per item, one column per rater, NaN where not rated.

    Raises
    ------
    RatingsError
        If a rater rated an item twice in the same presentation.
    """
    rows = usable(table, criterion=criterion, needs=("value", "rater", "item"))
    twice = rows.duplicated(["rater", "item"])
    if twice.any():
        row = rows.loc[twice].iloc[0]
        raise RatingsError(
            f"{int(twice.sum())} duplicate rating(s) of {criterion}, for example rater "
            f"'{row['rater']}' on item '{row['item']}'; one per rater and item was expected.",
            next_step="Pass the table through ratings.check to see them all.",
        )
    return rows.pivot(index="item", columns="rater", values="value")


def item_means(table: pd.DataFrame) -> pd.DataFrame:
    """Average over raters: one row per item and criterion.

    Parameters
    ----------
    table
        Long table of ratings.

    Returns
    -------
    DataFrame
        Columns item, video, model, condition, criterion, mean, n_raters.
    """
    keys = ["item", "video", "model", "condition", "criterion"]
    rows = usable(table, needs=(*keys, "value"))
    grouped = rows.groupby(keys, sort=True)["value"]
    return grouped.agg(mean="mean", n_raters="size").reset_index()


def notes(table: pd.DataFrame) -> list[str]:
    """State what a reader must know before trusting numbers from this table.

    Parameters
    ----------
    table
        Long table of ratings.

    Returns
    -------
    list of str
        One sentence each: too few raters or videos, raters who gave one value only, conditions
        missing for a model, incomplete or unbalanced crossing, ratings left empty, repeats.
    """
    rows = usable(table, needs=("value", "rater", "item", "video", "model", "condition"))
    said: list[str] = []
    empty = int(table["value"].isna().sum())
    if empty:
        said.append(f"{empty} of {len(table)} ratings are empty and are left out.")
    if "repeat" in table.columns and (n_repeats := int((table["repeat"].fillna(0) > 0).sum())):
        said.append(f"{n_repeats} repeated ratings serve intra-rater agreement only.")
    if rows.empty:
        return [*said, "There are no ratings to analyse."]
    if rows["rater"].nunique() == 1:
        said.append("There is one rater only: agreement and severity cannot be estimated.")
    if rows["video"].nunique() == 1:
        said.append("There is one video only: intervals over videos cannot be estimated.")
    by = ["rater", "criterion"] if "criterion" in rows.columns else ["rater"]
    for key, group in rows.groupby(by, sort=True)["value"]:
        if len(group) > 1 and group.nunique() == 1:
            where = f" on {key[1]}" if len(by) == 2 else ""
            said.append(f"Rater {key[0]} gave {group.iloc[0]:g} {len(group)} times{where}.")
    cells = pd.crosstab(rows["model"], rows["condition"])
    for model in cells.index:
        for condition in cells.columns:
            if cells.loc[model, condition] == 0:
                said.append(f"Model {model} has no ratings under condition {condition}.")
    if cells.to_numpy().min() != cells.to_numpy().max():
        low, high = int(cells.to_numpy().min()), int(cells.to_numpy().max())
        said.append(
            f"The design is unbalanced ({low} to {high} ratings per model and condition): the "
            "mean of the per-model gains need not equal the pooled difference."
        )
    n_criteria = rows["criterion"].nunique() if "criterion" in rows.columns else 1
    full = rows["rater"].nunique() * rows["item"].nunique() * n_criteria
    if len(rows) < full:
        said.append(
            f"{full - len(rows)} of {full} cells of rater x item x criterion are missing "
            f"({1 - len(rows) / full:.1%})."
        )
    return said


def background(
    answers: pd.DataFrame, *, questions: Mapping[str, str] | Sequence[str] | None = None
) -> pd.DataFrame:
    """Count the raters' answers to the background questionnaire (the paper's Figure 11).

    Parameters
    ----------
    answers
        One row per rater, one column per question; several answers in a cell are separated by
        semicolons.
    questions
        Columns to count, optionally with titles. By default those of `QUESTIONS` that exist.

    Returns
    -------
    DataFrame
        Columns question, title, answer, n, n_raters, share (of the raters who answered).

    Raises
    ------
    RatingsError
        If a named column does not exist, or none is there.
    """
    if questions is None:
        questions = {k: title for k, title in QUESTIONS.items() if k in answers.columns}
        if not questions:
            raise RatingsError(
                "The questionnaire has none of the columns "
                f"{', '.join(QUESTIONS)}; it has {', '.join(map(str, answers.columns))}.",
                next_step="Name the columns to count with questions=[...].",
            )
    titles = (
        dict(questions)
        if isinstance(questions, Mapping)
        else {name: name.replace("_", " ") for name in questions}
    )
    parts = []
    for name, title in titles.items():
        if name not in answers.columns:
            raise RatingsError(
                f"The questionnaire has no column '{name}'; "
                f"it has {', '.join(map(str, answers.columns))}."
            )
        text = answers[name].dropna().astype("str").str.strip()
        text = text[text != ""]
        counts = text.str.split(r"\s*;\s*", regex=True).explode().value_counts(sort=True)
        n_raters = len(text)
        parts.append(
            pd.DataFrame(
                {
                    "question": name,
                    "title": title,
                    "answer": counts.index.astype("str"),
                    "n": counts.to_numpy(),
                    "n_raters": n_raters,
                    "share": counts.to_numpy() / max(n_raters, 1),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
