"""One reader for every table that a person hands in, and one writer for sheets that people open.

JSON from outside is read here, too (`json_value`).

Manifests, transcripts, ratings, filled sheets, scores and decisions come from spreadsheets, R,
editors and other tools. What these do to a CSV is dealt with here, once: encodings, `sep=`,
delimiters, decimal commas, blank rows and columns, cells left out or added at the end of a row.
"""

from __future__ import annotations

import contextlib
import csv
import gc
import heapq
import io
import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from emodiss.errors import ArgumentError, EmodissError, as_path
from emodiss.spelling import as_known, folded, spellings

if TYPE_CHECKING:
    import pandas as pd

DELIMITERS = (",", ";", "\t", "|")

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "-", "–", "—", ".", "#n/a", "<na>"})
"""What programs and people write into a cell of numbers that holds none, in lower case."""

_MAX_LISTED = 50
_MOST_LINES_ABOVE = 10  # the header
_MOST_COLUMNS = 2000  # of a table that a person fills in
# Of cells that rows may lack at their ends: what a few letters stand for must not fill memory.
_MOST_LACKING, _MOST_LACKING_PER_CHARACTER = 100_000, 4
_MOST_DIGITS = 300  # of a whole number that is certain to fit a float
_MOST_COUNTED = 2**53  # above, a float does not tell a whole number from the next
_ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_SEP_LINE = re.compile(r"\ufeff?\"?sep=(?P<delimiter>[^\r\n])\"?[ \t,;]*", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?")
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


MOST_FAULTS = 1000
"""Faults that are looked for in a file of which hardly anything fits."""


@contextlib.contextmanager
def many_records() -> Generator[None]:
    """Make many records, which point at nothing that points back, without looks for such circles.

    Python looks through all records made so far again and again: half the time of long files.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def is_hopeless(n_faults: int, n_sound: int) -> bool:
    """Whether so little of a file fits so far that the rest need not be read to say so."""
    return n_faults >= MOST_FAULTS and n_faults > 10 * n_sound


GIVEN_UP = "hardly a row fits so far, so this row and those after it were not read"
"""What is said of a hopeless file, once."""


class Row(NamedTuple):
    """One row of a table.

    Parameters
    ----------
    line
        Line of the file on which it begins, counted from 1.
    cells
        Text by column, without blanks around it; empty where the row ends early.
    """

    line: int
    cells: dict[str, str]


@dataclass(frozen=True, slots=True)
class Fault:
    """A row that cannot be read.

    Parameters
    ----------
    line
        Line of the file on which it begins, counted from 1.
    message
        What is wrong and what was expected; none of its words.
    cells
        Text by column, as far as it could be told.
    quotation
        Whether a quotation mark is at fault, so that further rows may have been swallowed.
    n_cells
        How many cells the row has, where their number is at fault.
    """

    line: int
    message: str
    cells: dict[str, str]
    quotation: bool = False
    n_cells: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it stands in a file.

    Parameters
    ----------
    name
        Of the file.
    header
        Names of the columns, in order; empty when the file is.
    width
        Columns of the header, those without a name included.
    line
        Line of the header.
    rows
        Those that fit the header.
    faults
        Those that do not, in order.
    """

    name: str
    header: tuple[str, ...]
    width: int
    line: int
    rows: tuple[Row, ...]
    faults: tuple[Fault, ...]

    def lines(self) -> Iterator[Row | Fault]:
        """Give rows and faults in the order of the file."""
        yield from heapq.merge(self.rows, self.faults, key=lambda each: each.line)

    def frame(self, *, words: bool = False) -> pd.DataFrame:
        """Return the rows as a data frame of texts, indexed by their lines.

        Parameters
        ----------
        words
            Whether empty cells are missing, as where every text is a word.
        """
        import pandas as pd

        cells = [row.cells for row in self.rows]
        if words:
            cells = [{name: cell or None for name, cell in each.items()} for each in cells]
        return pd.DataFrame(
            cells,
            columns=pd.Index(self.header),
            index=pd.Index([row.line for row in self.rows], name="line"),
            dtype="str",
        )


def read(
    path: str | Path,
    *,
    error: type[EmodissError],
    what: str,
    known: Collection[str] = (),
    restore: bool = False,
) -> Table:
    """Read a table of which every row must fit.

    Parameters
    ----------
    path
        CSV in UTF-8 or UTF-16, with a header.
    error
        Raised when it cannot be read.
    what
        What the file is, for messages, such as "ratings table".

    Returns
    -------
    Table
        Without faults, and with a header.

    Raises
    ------
    EmodissError
        Of the kind asked for, with file and line: the file is missing, no text, empty, or a row
        does not fit.
    """
    path = as_path(path, f"a {what}")
    table = parse(decoded(path, error=error, what=what), path.name, known=known, restore=restore)
    require_header(table, error=error, what=what)
    if table.faults:
        first = table.faults[0]
        more = f" ({len(table.faults) - 1} more)" if len(table.faults) > 1 else ""
        raise error(
            f"'{path.name}', line {first.line}: {first.message}.{more}",
            next_step="Correct the line and read the file again; nothing was dropped or guessed.",
        )
    return table


def decoded(path: Path, *, error: type[EmodissError], what: str) -> str:
    """Read the text of a file: UTF-8, or UTF-16 with a byte order mark."""
    try:
        raw = path.read_bytes()
    except OSError as fault:
        raise error(
            f"{path.name}: cannot be opened ({fault.strerror or type(fault).__name__}).",
            next_step=f"Check the path of the {what} and that the file may be read.",
        ) from fault
    if raw.startswith(b"PK\x03\x04"):
        raise error(
            f"{path.name}: is a workbook or an archive and no text; expected UTF-8 text.",
            next_step="Open it and save it as 'CSV UTF-8'.",
        )
    # UTF-16 announces itself; spreadsheets write it as "Unicode text".
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as fault:
        line = raw.count(b"\n", 0, fault.start) + 1
        raise error(
            f"{path.name}, line {line}: byte 0x{raw[fault.start]:02x} is not valid in "
            f"{encoding.removesuffix('-sig')}; expected UTF-8 text.",
            next_step="If it was written on Windows (Windows-1252, 'ANSI'), save it as UTF-8.",
        ) from fault
    if "\0" in text and max(text[k:400:2].count("\0") for k in (0, 1)) > len(text[:400]) // 4:
        raise error(
            f"{path.name}: looks like UTF-16 without a byte order mark; expected UTF-8 text.",
            next_step="Save it as UTF-8.",
        )
    if "\0" in text:
        raise error(
            f"{path.name}: holds zero bytes, so it is not text; expected UTF-8 text.",
            next_step=f"Check that the file is a {what} and not media.",
        )
    return text


def _whole(digits: str) -> float:
    """Read a whole number; one that no float can hold is infinite, as 1e400 is."""
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)


JSON = json.JSONDecoder(parse_int=_whole)
"""Reads JSON from outside; deep nesting is a RecursionError, see `json_value`."""


def json_value(text: str | bytes, *, halves: bool = False) -> Any:
    """Read JSON from outside, of which whatever is wrong is a ValueError.

    Parameters
    ----------
    text
        Bytes may be UTF-8, or UTF-16 or UTF-32 as JSON allows.
    halves
        Whether texts may hold halves of characters (lone surrogates), which no file can hold.

    Returns
    -------
    Any
        The value. Numbers that no float can hold are infinite.

    Raises
    ------
    ValueError
        If it is no JSON (`json.JSONDecodeError`), no text, nested too deeply, or holds halves of
        characters.
    """
    if isinstance(text, bytes):
        plain = text.isascii() and b"\0" not in text
        text = text.decode("ascii" if plain else json.detect_encoding(text), "surrogatepass")
    try:
        value = JSON.decode(text)
        # Looked for only where there may be one: texts of a corpus are long.
        suspect = not halves and (_ESCAPED_HALF.search(text) or not is_text(text))
        if suspect and not is_text(json.dumps(value, ensure_ascii=False)):
            raise ValueError("holds half a character")
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    return value


def is_text(text: str) -> bool:
    """Whether a text can be written: it holds no half of a character (a lone surrogate)."""
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


@many_records()
def parse(
    text: str,
    name: str,
    *,
    known: Collection[str] = (),
    restore: bool = False,
    short_rows: bool = True,
) -> Table:
    """Read a table from text.

    Parameters
    ----------
    text
        Comma, semicolon, tab or bar between the cells, or what a first line `sep=` names. Rows
        end with a line feed, a carriage return or both, and with nothing else.
    name
        Of the file, for messages.
    known
        Names of columns that may be expected; the delimiter is the one that shows most of them, and
        a header that is one of them but for case, blanks, `_` or width is spelled so.
    restore
        Take off what `for_spreadsheets` put before formulas.
    short_rows
        Whether a row may end before its last columns, which are empty then; not any more where
        nearly all of a large table were such columns.

    Returns
    -------
    Table
        Passed over are lines above the one that `known` tells for the header, rows without text,
        columns without name and text, and a first one without a name that numbers the rows.
        Empty cells beyond the last column, as programs leave them, are no fault.
    """
    text = text.rstrip("\x1a")  # the end of a file, as DOS wrote it
    first = text.split("\n", 1)[0].rstrip("\r")
    stated = _SEP_LINE.fullmatch(first)
    skipped = 0
    if not stated:
        skipped, above = _above_header(text, known)
        text = text[above:]
    if stated:
        text = text[len(first) :].removeprefix("\r").removeprefix("\n")
        skipped = 1
    delimiter = stated["delimiter"] if stated else _delimiter(text, known)
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True
    )
    headings = spellings(known)
    header: list[str] = []
    header_line = 1
    n_columns, named = 0, frozenset[int]()
    rows: list[Row] = []
    faults: list[Fault] = []
    n_lacking = 0  # cells, of all rows so far
    most_lacking = _MOST_LACKING + _MOST_LACKING_PER_CHARACTER * len(text) if short_rows else -1
    while True:
        line = reader.line_num + 1 + skipped
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as fault:
            message = (
                "a cell of more characters than any text has; expected a closing quotation mark"
                if "field larger" in str(fault)
                else "a quote that is not closed or not doubled; expected quotes around whole cells"
            )
            faults.append(Fault(line, message, {}, quotation=True))
            if is_hopeless(len(faults), len(rows)):
                break
            continue
        cells = [cell.strip() for cell in cells]
        if not any(cells):
            continue
        if len(faults) >= MOST_FAULTS and is_hopeless(len(faults), len(rows)):
            faults.append(Fault(line, GIVEN_UP, {}))
            break
        if not header:
            header = [as_known(cell, headings) for cell in cells]
            header_line, n_columns = line, len(cells)
            named = frozenset(place for place, column in enumerate(header) if column)
            continue
        if restore:
            cells = [_restored(cell) for cell in cells]
        n = len(cells)
        if n < n_columns:
            n_lacking += n_columns - n
            if n_lacking <= most_lacking:
                cells += [""] * (n_columns - n)
        by_name = dict(zip(header, cells, strict=False))
        if len(cells) < n_columns:
            by_name.pop("", None)
            message = f"{n} cells; expected {n_columns}, as in the header"
            faults.append(Fault(line, message, by_name, n_cells=n))
            continue
        stray = None
        if n > n_columns or len(named) < n_columns:
            by_name.pop("", None)
            # A number in a first column without a name counts rows, as pandas and R do.
            texts = enumerate(cells[1:], 1) if cells[0].isdecimal() else enumerate(cells)
            stray = next((p for p, cell in texts if cell and p not in named), None)
        if stray is None:
            rows.append(Row(line, by_name))
        elif stray < n_columns:
            message = f"text in column {stray + 1}, which has no name in the header"
            faults.append(Fault(line, message, by_name))
        else:
            message = (
                f"{n} cells; expected {n_columns}, as in the header (a text that "
                f"holds {_NAMES.get(delimiter, repr(delimiter))} needs quotes)"
            )
            faults.append(Fault(line, message, by_name, n_cells=n))
    columns = tuple(filter(None, header))
    return Table(name, columns, n_columns, header_line, tuple(rows), tuple(faults))


def spelled_twice(
    table: pd.DataFrame | Mapping[str, list[Any]],
    columns: Iterable[Sequence[str]],
    lines: Sequence[int],
    places: Sequence[str] = (),
) -> list[Misfit]:
    """Find names that are spelled in two ways in columns of one kind, such as both models."""
    found: list[Misfit] = []
    for group in columns:
        first: dict[str, tuple[str, int]] = {}
        seen: dict[str, tuple[str, int]] = {}
        for name in group:
            for row, text in enumerate(cells_of(table[name])):
                if text and text not in seen:
                    seen[text] = spelled, at = first.setdefault(folded(text), (text, row))
                    where = places[at] if places else f"line {lines[at]}"
                    said = f"'{spelled}' as in {where}, or a name that differs in more"
                    found += [Misfit(lines[row], name, text, said)] if spelled != text else []
    return found


_NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}


def require_header(table: Table, *, error: type[EmodissError], what: str) -> None:
    """Refuse a table without a header, or in which two columns bear one name."""
    if not table.header:
        raise error(
            f"The {what} '{table.name}' is empty.",
            next_step="Give it a header line with the names of its columns.",
        )
    if len(table.header) > _MOST_COLUMNS:
        raise error(
            f"The {what} '{table.name}' has {len(table.header)} columns; expected at most "
            f"{_MOST_COLUMNS}.",
            next_step=f"Check that the file is a {what}.",
        )
    twice = sorted(name for name, n in Counter(table.header).items() if n > 1)  # however spelled
    if twice:
        raise error(
            f"The {what} '{table.name}', line {table.line}, names columns twice: "
            f"{', '.join(twice)}.",
            next_step="Rename or remove one of each.",
        )


def require_columns(
    table: Table, columns: Sequence[str], *, error: type[EmodissError], what: str
) -> None:
    """Refuse a table that lacks columns."""
    lacking = [column for column in columns if column not in table.header]
    if lacking:
        raise error(
            f"The {what} '{table.name}', line {table.line}, lacks the column(s) "
            f"{', '.join(lacking)}; it has {', '.join(table.header)}.",
            next_step=f"It needs the columns {', '.join(columns[:-1])} and {columns[-1]}.",
        )


def number(text: str) -> float:
    """Read a number with decimal point or comma; NaN for `MISSING`, else a ValueError."""
    text = text.strip()
    if text.casefold() in MISSING:
        return math.nan
    if not _NUMBER.fullmatch(text):
        raise ValueError("expected a number")
    return float(text.replace(",", "."))


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: what its cells hold, and what they mean.

    Parameters
    ----------
    kind
        `text`, `number`, `count` (a whole number), `time` (ISO 8601) or `flag`.
    meaning
        One line for the data dictionary, with unit and range.
    low, high
        Least and greatest allowed value; None where there is no bound.
    choices
        Allowed texts; None when free.
    required
        Whether the column must exist and hold something in every row.
    """

    name: str
    kind: Literal["text", "number", "count", "time", "flag"]
    meaning: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] | None = None
    required: bool = False

    @property
    def dtype(self) -> str:
        """The pandas dtype, which holds missing values as such."""
        return {"number": "float64", "count": "Int64", "flag": "boolean"}.get(self.kind, "str")

    @property
    def expected(self) -> str:
        """What a cell must hold, in words."""
        if self.choices is not None:
            return f"one of {', '.join(self.choices)}"
        if self.kind == "time":
            return "ISO 8601 time"
        what = "a whole number" if self.kind == "count" else "a number"
        if self.low is None:
            return what if self.high is None else f"{what}, {self.high:g} or less"
        if self.high is None:
            return f"{what}, {self.low:g} or more"
        return f"{what} from {self.low:g} to {self.high:g}"

    def misfits(self, values: pd.Series) -> pd.Series:
        """Tell which values are not among the choices or out of range; missing ones fit."""
        fits = values.isna()
        if self.choices is not None:
            return ~(fits | values.isin(self.choices))
        if self.kind not in ("number", "count"):
            return fits & False
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        return ~(fits | values.between(low, high).fillna(False).astype(bool))

    def typed(self, cells: Sequence[str | None]) -> tuple[list[Any], list[int]]:
        """Read cells, see `cells_of`: texts or numbers, None where empty, and which do not fit."""
        # In lists: a step of pandas costs as much as many cells, and most tables are short.
        if self.kind in ("number", "count"):
            values = [self._number(cell) for cell in cells]
            bad = [row for row, value in enumerate(values) if value is None]
            return [None if value != value else value for value in values], bad
        if self.kind == "time":
            bad = [row for row, cell in enumerate(cells) if cell and not _is_time(cell)]
        elif self.choices is not None:
            bad = [row for row, cell in enumerate(cells) if cell and cell not in self.choices]
        else:
            bad = []
        return list(cells), bad

    def series(self, values: Sequence[Any]) -> pd.Series:
        """Put values, None where there is none, into a column with the declared dtype."""
        import pandas as pd

        if self.kind == "count":
            return pd.Series(values, dtype="float64").astype(self.dtype)
        return pd.Series(values, dtype=self.dtype)

    def _number(self, text: str | None) -> float | None:
        """Read one cell; NaN where it holds nothing, None where something that does not fit."""
        try:
            value = math.nan if text is None else number(text)
        except ValueError:
            return None
        if math.isnan(value):
            return value
        whole = self.kind != "count" or (value % 1 == 0 and abs(value) <= _MOST_COUNTED)
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        return value if math.isfinite(value) and whole and low <= value <= high else None


def cells_of(column: pd.Series | Sequence[str | None]) -> list[str | None]:
    """Texts of a column, without blanks around them; None where there is none."""
    if isinstance(column, Sequence):  # of a `Table`
        return [cell or None for cell in column]
    given = column if column.dtype.kind == "O" else column.astype("str")
    return [
        None if missing else str(cell).strip() or None
        for cell, missing in zip(given.tolist(), column.isna().tolist(), strict=True)
    ]


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Misfit:
    """A cell that is not what its column expects.

    Parameters
    ----------
    line
        Line in the file, the header being line 1; for a table in memory, row number + 2.
    """

    line: int
    column: str
    value: str
    expected: str

    def __str__(self) -> str:
        return self.said_of(f"line {self.line}")

    def said_of(self, place: str) -> str:
        """Say what is wrong at a place that is called otherwise."""
        return f"{place}, {self.column}: '{self.value}' (expected {self.expected})"


def refuse(
    misfits: Sequence[Misfit],
    source: str,
    *,
    error: type[EmodissError],
    places: Sequence[str] = (),
) -> None:
    """Raise one error that lists the first 50 misfits, by line or by what `places` call it."""
    if not misfits:
        return
    ordered = sorted(misfits, key=lambda misfit: misfit.line)
    said = [m.said_of(places[m.line - 2]) if places else str(m) for m in ordered[:_MAX_LISTED]]
    listed = "\n".join(f"  {each}" for each in said)
    left = len(misfits) - _MAX_LISTED
    more = f"\n  and {left} more" if left > 0 else ""
    problems = "1 problem" if len(misfits) == 1 else f"{len(misfits):,} problems"
    problems += " or more" if len(misfits) >= MOST_FAULTS else ""
    raise error(
        f"{source} has {problems}:\n{listed}{more}\n",
        next_step="Correct these cells and read the file again; nothing was dropped or guessed.",
    )


def _restored(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and _FORMULA.match(cell) else cell


def a_table(given: object, what: str) -> pd.DataFrame:
    """Return a table that was handed over, or say what was handed over instead."""
    import pandas as pd

    if not isinstance(given, pd.DataFrame):
        raise ArgumentError.of(given, f"a table of {what}", "Give a pandas DataFrame.")
    return given


def table_of(given: object) -> pd.DataFrame:
    """Return a table that was handed over, or the utterances of a run or a session."""
    import pandas as pd

    found = given if isinstance(given, pd.DataFrame) else getattr(given, "utterances", None)
    if not isinstance(found, pd.DataFrame):
        how = "Give run.utterances, or run.session(ID) for one session."
        raise ArgumentError.of(given, "a table of utterances", how)
    return found


def safe_cell(text: str) -> str:
    """Put an apostrophe before a text that a spreadsheet would run as a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def for_spreadsheets(table: pd.DataFrame) -> pd.DataFrame:
    """Put an apostrophe before texts that are formulas to a spreadsheet; see `parse(restore)`."""
    out = table.copy()
    for name in out.columns:
        if out[name].dtype.kind in "biufM":
            continue
        text = out[name].astype("str")
        formula = out[name].notna() & text.str.match(_FORMULA.pattern, na=False)
        if formula.any():
            out[name] = out[name].where(~formula, "'" + text)
    return out


def _above_header(text: str, known: Collection[str]) -> tuple[int, int]:
    """Count lines and characters above the first that names columns: titles and remarks."""
    plain = {folded(name) for name in known}
    lines = re.finditer(r"(?<![^\r\n])[^\r\n]*(?:\r\n|\r|\n)", text)  # tried at beginnings only
    for above, line in enumerate(itertools.islice(lines, _MOST_LINES_ABOVE)):
        cells = [folded(cell.strip().strip('"\ufeff')) for cell in re.split(r"[,;\t|]", line[0])]
        n = len(plain & set(cells))
        if n:
            return (above, line.start()) if 1 < n >= sum(map(bool, cells)) / 2 else (0, 0)
    return 0, 0


def _delimiter(text: str, known: Collection[str]) -> str:
    """Tell the delimiter by the first line that holds text."""
    first = next((line for line in re.split(r"[\r\n]", text) if line.strip()), "")
    outside = re.sub(r'"[^"]*"', "", first)  # a comma inside a title counts for nothing
    plain = {folded(name) for name in known}

    def shown(delimiter: str) -> tuple[int, int, int]:
        names = [folded(name.strip().strip('"\ufeff')) for name in first.split(delimiter)]
        n_known = len(plain & set(names))
        return n_known, outside.count(delimiter), -DELIMITERS.index(delimiter)

    return max(DELIMITERS, key=shown)
