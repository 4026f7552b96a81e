"""What raters answer in the browser: one SQLite file of a study, written by `emodiss rate`.

Nothing is overwritten: a changed answer is a further row, and one taken back carries when. The
latest that stands counts. Functions take a connection inside a transaction.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import secrets
import sqlite3
import statistics
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pandas as pd

from emodiss.errors import must_be
from emodiss.ratings.handout import Handout, Step
from emodiss.ratings.schema import RatingsError
from emodiss.runs.files import write_atomically
from emodiss.tabular import for_spreadsheets, json_value

FILE = Path("hidden", "answers.sqlite")

SCHEMA = """
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS rater (
    rater TEXT PRIMARY KEY, code TEXT NOT NULL UNIQUE, consented_at TEXT, instructed_at TEXT
);
CREATE TABLE IF NOT EXISTS answer (
    id INTEGER PRIMARY KEY, rater TEXT NOT NULL, step TEXT NOT NULL, form TEXT NOT NULL,
    saved_at TEXT NOT NULL, seconds REAL, choices TEXT NOT NULL, reason TEXT NOT NULL,
    comment TEXT NOT NULL, undone_at TEXT, UNIQUE (rater, form)
);
CREATE INDEX IF NOT EXISTS answer_of ON answer (rater, step);
CREATE TABLE IF NOT EXISTS draft (
    rater TEXT NOT NULL, step TEXT NOT NULL, fields TEXT NOT NULL, PRIMARY KEY (rater, step)
);
CREATE TABLE IF NOT EXISTS opened (
    rater TEXT NOT NULL, step TEXT NOT NULL, first_at TEXT NOT NULL, last_at TEXT NOT NULL,
    times INTEGER NOT NULL, PRIMARY KEY (rater, step)
);
CREATE TABLE IF NOT EXISTS about (
    id INTEGER PRIMARY KEY, rater TEXT NOT NULL, part TEXT NOT NULL, saved_at TEXT NOT NULL,
    answers TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS event (
    id INTEGER PRIMARY KEY, at TEXT NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a rater said about one step."""

    # Option by criterion; empty where the item cannot be judged.
    choices: Mapping[str, str]
    # Why it cannot be judged; "" where it can.
    reason: str = ""
    comment: str = ""
    seconds: float = math.nan
    saved_at: str = ""
    undone_at: str | None = None


def now() -> str:
    """Return the time, UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def prepare(connection: sqlite3.Connection, raters: Sequence[str]) -> None:
    """Make the codes of raters and researcher that are not there yet."""
    made = {"secret": secrets.token_hex(32), "admin": secrets.token_urlsafe(16)}
    put = "INSERT OR IGNORE INTO fact VALUES (?, ?)"
    connection.executemany(put, made.items())
    connection.executemany(
        "INSERT OR IGNORE INTO rater (rater, code) VALUES (?, ?)",
        [(rater, secrets.token_urlsafe(16)) for rater in raters],
    )


def facts(connection: sqlite3.Connection) -> dict[str, str]:
    """Return secret and admin token."""
    return {row["name"]: row["value"] for row in connection.execute("SELECT * FROM fact")}


def codes(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the code of each rater's link."""
    return {row["rater"]: row["code"] for row in connection.execute("SELECT * FROM rater")}


def stage(connection: sqlite3.Connection, rater: str) -> tuple[bool, bool, frozenset[str]]:
    """Tell whether a rater consented, read the instructions, and which parts are answered."""
    row = connection.execute("SELECT * FROM rater WHERE rater = ?", (rater,)).fetchone()
    parts = connection.execute("SELECT DISTINCT part FROM about WHERE rater = ?", (rater,))
    said = frozenset(part["part"] for part in parts)
    return row["consented_at"] is not None, row["instructed_at"] is not None, said


def mark(connection: sqlite3.Connection, rater: str, what: str) -> None:
    """Note when a rater first `consented` or was `instructed`."""
    column = {"consented": "consented_at", "instructed": "instructed_at"}[what]
    connection.execute(
        f"UPDATE rater SET {column} = ? WHERE rater = ? AND {column} IS NULL", (now(), rater)
    )


def save_about(
    connection: sqlite3.Connection, rater: str, part: str, answers: Mapping[str, str]
) -> None:
    """Keep the answers to one part of the questionnaire; the latest count."""
    row = (rater, part, now(), json.dumps(dict(answers), ensure_ascii=False))
    connection.execute(
        "INSERT INTO about (rater, part, saved_at, answers) VALUES (?, ?, ?, ?)", row
    )


def about(connection: sqlite3.Connection, rater: str) -> dict[str, str]:
    """Return what a rater last said of themselves."""
    found: dict[str, str] = {}
    rows = connection.execute("SELECT answers FROM about WHERE rater = ? ORDER BY id", (rater,))
    for row in rows:
        found.update(_fields(row["answers"]))
    return found


def standing(connection: sqlite3.Connection, rater: str) -> dict[str, Answer]:
    """Return the answer that counts, by step."""
    rows = connection.execute(
        "SELECT * FROM answer WHERE rater = ? AND undone_at IS NULL ORDER BY id", (rater,)
    )
    return {row["step"]: _answer(row) for row in rows}


def standing_of(connection: sqlite3.Connection, rater: str, step: str) -> Answer | None:
    """Return the answer to one step that counts."""
    row = connection.execute(
        "SELECT * FROM answer WHERE rater = ? AND step = ? AND undone_at IS NULL "
        "ORDER BY id DESC LIMIT 1",
        (rater, step),
    ).fetchone()
    return _answer(row) if row else None


def first_open(
    connection: sqlite3.Connection, rater: str, walk: Sequence[Step], reached: int = 1
) -> int:
    """Return the number of the first step without an answer, from one that is known to be reached.

    One beyond the last if there is none.
    """
    answered = "SELECT 1 FROM answer WHERE rater = ? AND step = ? AND undone_at IS NULL LIMIT 1"
    while reached <= len(walk):
        if connection.execute(answered, (rater, walk[reached - 1].name)).fetchone() is None:
            break
        reached += 1
    return reached


def latest(
    connection: sqlite3.Connection, rater: str, n: int, skip: int
) -> list[tuple[str, Answer, bool]]:
    """List what a rater saved, the latest first, with the step and whether it counts."""
    rows = connection.execute(
        "SELECT *, id = (SELECT MAX(id) FROM answer AS other WHERE other.rater = answer.rater "
        "AND other.step = answer.step AND other.undone_at IS NULL) AS stands "
        "FROM answer WHERE rater = ? ORDER BY id DESC LIMIT ? OFFSET ?",
        (rater, n, skip),
    )
    return [(row["step"], _answer(row), bool(row["stands"])) for row in rows]


def history(connection: sqlite3.Connection, rater: str) -> list[tuple[str, Answer]]:
    """List everything a rater ever saved, in order, with the step."""
    rows = connection.execute("SELECT * FROM answer WHERE rater = ? ORDER BY id", (rater,))
    return [(row["step"], _answer(row)) for row in rows]


def _answer(row: sqlite3.Row) -> Answer:
    return Answer(
        choices=_fields(row["choices"]),
        reason=row["reason"],
        comment=row["comment"],
        seconds=math.nan if row["seconds"] is None else row["seconds"],
        saved_at=row["saved_at"],
        undone_at=row["undone_at"],
    )


def _fields(text: str) -> dict[str, str]:
    """Read fields of a form as they were kept."""
    try:
        found = json_value(text)
    except (ValueError, TypeError):
        found = None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise RatingsError(
            f"'{FILE.name}' is damaged: it holds an answer that no page sent.",
            next_step="Restore it from a backup.",
        )
    return found


def opened(connection: sqlite3.Connection, rater: str, step: str) -> None:
    """Note that a rater looks at a step; its time starts here for pages without a clock."""
    at = now()
    connection.execute(
        "INSERT INTO opened VALUES (?, ?, ?, ?, 1) ON CONFLICT (rater, step) DO UPDATE "
        "SET last_at = excluded.last_at, times = times + 1",
        (rater, step, at, at),
    )


def save(
    connection: sqlite3.Connection,
    rater: str,
    step: str,
    form: str,
    answer: Answer,
) -> bool:
    """Keep an answer; False where this very form was kept before, as when a browser asks again.

    The time on the item is what the page's clock says, if that can be true; else it is counted
    from when the item was last opened.
    """
    at = now()
    row = connection.execute(
        "SELECT * FROM opened WHERE rater = ? AND step = ?", (rater, step)
    ).fetchone()
    seconds = answer.seconds
    if row is None:
        seconds = None
    elif not 0 <= seconds <= _between(row["first_at"], at) + 1:
        seconds = _between(row["last_at"], at)
    kept = connection.execute(
        "INSERT OR IGNORE INTO answer "
        "(rater, step, form, saved_at, seconds, choices, reason, comment) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(rater, step, form, at, seconds, json.dumps(dict(answer.choices))),
            *(answer.reason, answer.comment),
        ),
    )
    connection.execute("DELETE FROM draft WHERE rater = ? AND step = ?", (rater, step))
    return kept.rowcount > 0


def _between(first: str, last: str) -> float:
    return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()


def latest_form(connection: sqlite3.Connection, rater: str) -> str:
    """Return the form of a rater's latest answer that stands; "" where there is none."""
    row = _latest(connection, rater)
    return "" if row is None else row["form"]


def undo(connection: sqlite3.Connection, rater: str, form: str) -> str | None:
    """Take back a rater's latest answer that stands; its step, or None where it is another form's.

    So a page that is sent twice, or that is older than the latest answer, takes back no other one.
    """
    row = _latest(connection, rater)
    if row is None or row["form"] != form:
        return None
    connection.execute("UPDATE answer SET undone_at = ? WHERE id = ?", (now(), row["id"]))
    return row["step"]


def _latest(connection: sqlite3.Connection, rater: str) -> sqlite3.Row | None:
    return connection.execute(
        "SELECT id, step, form FROM answer WHERE rater = ? AND undone_at IS NULL "
        "ORDER BY id DESC LIMIT 1",
        (rater,),
    ).fetchone()


def save_draft(
    connection: sqlite3.Connection, rater: str, step: str, form: str, fields: Mapping[str, str]
) -> None:
    """Keep what is chosen on a page that was not saved yet; one that arrives after it is late."""
    connection.execute(
        "INSERT OR REPLACE INTO draft SELECT ?, ?, ? "
        "WHERE NOT EXISTS (SELECT 1 FROM answer WHERE rater = ? AND form = ?)",
        (rater, step, json.dumps(dict(fields)), rater, form),
    )


def draft(connection: sqlite3.Connection, rater: str, step: str) -> dict[str, str]:
    """Return what was chosen on a page before it was left."""
    row = connection.execute(
        "SELECT fields FROM draft WHERE rater = ? AND step = ?", (rater, step)
    ).fetchone()
    return _fields(row["fields"]) if row else {}


def note(connection: sqlite3.Connection, who: str, what: str) -> None:
    """Keep that the researcher looked at agreement, changed the instructions, and so on."""
    connection.execute("INSERT INTO event (at, who, what) VALUES (?, ?, ?)", (now(), who, what))


@dataclass(frozen=True, slots=True, eq=False)
class BrowserAnswers:
    """Tables of what raters answered in the browser.

    Parameters
    ----------
    ratings
        The long table, as `emodiss.ratings.read` (or `read_pairs`) gives it, with the columns
        `cannot_judge` (why, where there is no value) and `copied_from` (the item that was shown
        with the same words). Items not answered yet are not in it.
    questionnaire
        One row per rater who answered: rater, rater_group, and a column per question.
    history
        Every answer ever saved: rater, step, saved_at, seconds, criterion, value, cannot_judge,
        comment, taken_back_at.
    attention
        One row per attention item that was answered: rater, step, expected, passed.
    progress
        One row per rater: rater, rater_group, n_steps, n_done, n_cannot_judge, last_saved_at,
        median_seconds, attention_failed.
    """

    ratings: pd.DataFrame
    questionnaire: pd.DataFrame
    history: pd.DataFrame
    attention: pd.DataFrame
    progress: pd.DataFrame


@contextlib.contextmanager
def reading(handout: Handout) -> Generator[sqlite3.Connection]:
    """Open the answers of a study for reading; a server may be writing them meanwhile."""
    path = handout.folder / FILE
    if not path.is_file():
        raise RatingsError(
            f"The study '{handout.name}' has no answers from the browser yet.",
            next_step="Let raters answer: emodiss rate STUDY; or give filled sheets: --ratings.",
        )
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=30)
        with contextlib.closing(connection):
            connection.row_factory = sqlite3.Row
            connection.execute("BEGIN")
            require_sound(connection)
            yield connection
    except sqlite3.DatabaseError as error:
        raise _damaged(str(error)) from error


def require_sound(connection: sqlite3.Connection) -> None:
    """Refuse a file that is damaged, or another program's: all of it is read once.

    SQLite itself notices damage only where it comes by, and takes any value for any column.
    """
    try:
        said = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if said != "ok":
            raise _damaged(said)
        for table, columns in _columns().items():
            kinds = columns.values()
            for row in connection.execute(f"SELECT {', '.join(columns)} FROM {table}"):
                if not all(map(_fits, kinds, row, columns)):
                    raise _damaged(f"the table '{table}' holds a value of another kind")
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter of names of damaged tables
        raise _damaged(str(error)) from error


def _damaged(why: str) -> RatingsError:
    return RatingsError(
        f"'{FILE.name}' cannot be read ({why}).",
        next_step="Restore it from a backup, or move it away: raters then get new links.",
        code="damaged",
    )


@functools.cache
def _columns() -> dict[str, dict[str, str]]:
    """Tables of the file, their columns and what these hold."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(SCHEMA)
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
        ).fetchall()
        return {
            table: {row[1]: row[2] for row in connection.execute(f"PRAGMA table_info({table})")}
            for (table,) in tables
        }


_KINDS = {"TEXT": str, "INTEGER": int, "REAL": float}


def _fits(kind: str, value: object, column: str) -> bool:
    """Whether a column may hold a value; times must be such, as they are reckoned with."""
    if value is None:
        return True
    if not isinstance(value, _KINDS[kind]):
        return False
    if not column.endswith("_at") or value == "":
        return True
    try:
        return datetime.fromisoformat(str(value)).tzinfo is not None
    except ValueError:
        return False


def browser_answers(handout: Handout) -> BrowserAnswers:
    """Read what raters answered in the browser so far.

    Parameters
    ----------
    handout
        From `emodiss.ratings.open_study`.

    Raises
    ------
    RatingsError
        If there are no answers yet, or the file is damaged.
    """
    how = "Open its folder: emodiss.ratings.open_study(FOLDER)."
    must_be(handout, Handout, what="a study", how=how)
    with reading(handout) as connection:
        return tables(connection, handout)


def write_answers(handout: Handout, folder: str | Path) -> list[Path]:
    """Write what raters answered so far, a CSV for each kind; earlier ones are replaced."""
    found = browser_answers(handout)
    paths: list[Path] = []
    for name in TABLES:
        table: pd.DataFrame = getattr(found, name)
        text = for_spreadsheets(table).to_csv(index=False, lineterminator="\n")
        paths.append(Path(folder) / f"{name}.csv")
        write_atomically(paths[-1], text.encode())
    return paths


def tables(connection: sqlite3.Connection, handout: Handout) -> BrowserAnswers:
    """Lay out what raters answered as tables."""
    return BrowserAnswers(**{name: made(connection, handout) for name, made in TABLES.items()})


def rated(connection: sqlite3.Connection, handout: Handout) -> pd.DataFrame:
    """Lay out the answers to items that count: `BrowserAnswers.ratings`."""
    rows: list[dict[str, object]] = []
    names = [ask.name for ask in handout.asks]
    for rater, group in handout.raters.items():
        mine = {"rater": rater, "rater_group": group}
        found = standing(connection, rater)
        for step in handout.walks[rater]:
            if step.name in found and step.kind == "item":
                rows += _long(handout, mine, step, found[step.name], names)
    return _checked(handout, rows)


def _questionnaire(connection: sqlite3.Connection, handout: Handout) -> pd.DataFrame:
    people = [
        {"rater": rater, "rater_group": group, **said}
        for rater, group in handout.raters.items()
        if (said := about(connection, rater))
    ]
    columns = ["rater", "rater_group", *(q.name for q in handout.instrument.questions)]
    return pd.DataFrame(people, columns=columns)


def _past(connection: sqlite3.Connection, handout: Handout) -> pd.DataFrame:
    names = [ask.name for ask in handout.asks]
    past = [
        {
            "rater": rater,
            "step": step,
            "saved_at": answer.saved_at,
            "seconds": answer.seconds,
            "cannot_judge": answer.reason,
            "comment": answer.comment,
            "taken_back_at": answer.undone_at or "",
            "criterion": name,
            "value": answer.choices.get(name, ""),
        }
        for rater in handout.raters
        for step, answer in history(connection, rater)
        for name in names
    ]
    return pd.DataFrame(past, columns=_HISTORY)


def _attention(connection: sqlite3.Connection, handout: Handout) -> pd.DataFrame:
    checks = [
        {"rater": rater, "step": step.name, "expected": expected, "passed": passed}
        for rater in handout.raters
        for step in handout.walks[rater]
        if step.kind == "attention"
        and (answer := standing_of(connection, rater, step.name)) is not None
        for expected in [handout.instrument.attention[int(step.name.split("-")[1]) - 1].expected]
        for passed in [set(answer.choices.values()) == {expected}]
    ]
    return pd.DataFrame(checks, columns=["rater", "step", "expected", "passed"])


def progress(connection: sqlite3.Connection, handout: Handout) -> pd.DataFrame:
    """Say how far each rater is: `BrowserAnswers.progress`."""
    checks = _attention(connection, handout)
    failed = checks.loc[~checks["passed"].astype("bool"), "rater"].value_counts()
    rows: list[dict[str, object]] = []
    for rater, group in handout.raters.items():
        walk = handout.walks[rater]
        steps = {step.name for step in walk}
        kept = connection.execute(
            "SELECT step, seconds, reason, saved_at FROM answer "
            "WHERE rater = ? AND undone_at IS NULL ORDER BY id",
            (rater,),
        )
        last = {step: said for step, *said in map(tuple, kept) if step in steps}
        times = [seconds for seconds, _, _ in last.values() if seconds is not None]
        rows.append(
            {
                "rater": rater,
                "rater_group": group,
                "n_steps": len(walk),
                "n_done": len(last),
                "n_cannot_judge": sum(bool(reason) for _, reason, _ in last.values()),
                "last_saved_at": max((saved_at for *_, saved_at in last.values()), default=""),
                "median_seconds": statistics.median(times) if times else math.nan,
                "attention_failed": int(failed.get(rater, 0)),
            }
        )
    return pd.DataFrame(rows)


TABLES: Final[Mapping[str, Callable[[sqlite3.Connection, Handout], pd.DataFrame]]] = {
    "ratings": rated,
    "questionnaire": _questionnaire,
    "history": _past,
    "attention": _attention,
    "progress": progress,
}
"""How each table of `BrowserAnswers` is made; none needs another."""

_HISTORY = (
    *("rater", "step", "saved_at", "seconds", "criterion", "value", "cannot_judge", "comment"),
    "taken_back_at",
)


def _long(
    handout: Handout, mine: Mapping[str, object], step: Step, answer: Answer, names: Sequence[str]
) -> list[dict[str, object]]:
    """Rows of one answered step, for the item that was shown and for those that read alike."""
    return [
        {
            "study": handout.name,
            **mine,
            "item": item,
            "criterion": name,
            "value": answer.choices.get(name),
            "position": step.position,
            "seconds": answer.seconds,
            "saved_at": answer.saved_at,
            "comment": answer.comment or None,
            "cannot_judge": answer.reason or None,
            "copied_from": None if item == step.name else step.name,
        }
        for item in (step.name, *step.copies)
        for name in names
    ]


_LONG = (
    *("study", "rater", "rater_group", "item", "criterion", "value", "position", "seconds"),
    *("saved_at", "comment", "cannot_judge", "copied_from"),
)


def _checked(handout: Handout, rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=list(_LONG))
    # A repeat is named after its first showing in the table, and so is what it was copied from.
    repeat_of = (
        handout.key.set_index("item")["repeat_of"] if "repeat_of" in handout.key.columns else None
    )
    if repeat_of is not None:
        table["copied_from"] = table["copied_from"].map(repeat_of).astype("object")
    if table.empty:
        return table
    return handout.table(table)
