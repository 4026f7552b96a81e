"""What raters are shown and asked beside the items: statements, scale, practice, questionnaire."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from emodiss.errors import as_path
from emodiss.ratings.schema import RatingScale, RatingsError
from emodiss.tabular import decoded

FILE = "instrument.toml"
INSTRUCTIONS = "instructions.md"
CONSENT = "consent.md"
_LONGEST, _MOST_DOTS = 100_000, 200  # of the file, and of a line
OWN = {
    FILE: "rating_instrument.toml",
    INSTRUCTIONS: "rating_instructions.md",
    CONSENT: "rating_consent.md",
}
"""Files of a study folder that a researcher may change, and the shipped ones they start as."""

_OF_PAIRS = {INSTRUCTIONS: "pair_instructions.md", CONSENT: "pair_consent.md"}
"""Those of a study that compares pairs, all of which were simulated."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What one criterion asks: its name in tables, its title and its words."""

    name: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question about the rater."""

    name: str
    title: str
    text: str
    kind: Literal["one", "several", "number", "text"]
    when: Literal["before", "after"] = "before"
    source: str = ""
    options: tuple[str, ...] = ()
    # Whether the options run from little to much.
    ordered: bool = False
    low: float = 0.0
    high: float = 1e9

    def answer(self, given: Sequence[str]) -> str | None:
        """Take what a form sent as text, several answers with semicolons; None if it is none."""
        words = [" ".join(text.split()) for text in given if text.strip()]
        if not words:
            return ""
        if self.kind == "several":
            known = len(set(words)) == len(words) and set(words) <= set(self.options)
            return (
                "; ".join(option for option in self.options if option in words) if known else None
            )
        if len(words) > 1:
            return None
        if self.kind == "one":
            return words[0] if words[0] in self.options else None
        if self.kind == "text":
            return words[0] if len(words[0]) <= 500 else None
        try:
            number = float(words[0].replace(",", "."))
        except ValueError:
            return None
        return f"{number:g}" if self.low <= number <= self.high else None


@dataclass(frozen=True, slots=True)
class Practice:
    """An item that everybody answers first, and what is said about it afterwards."""

    response: str
    transcript: str = ""
    technique: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Attention:
    """An item that says itself which point to choose."""

    response: str
    expected: str


@dataclass(frozen=True, slots=True)
class Instrument:
    """The instrument of a study; texts are shown as they stand.

    Parameters
    ----------
    statements
        One per criterion.
    source
        Where the statements are from.
    anchors
        Labels of the points of the scale, lowest first.
    reasons
        Why an item may be beyond judgement.
    practice, attention
        Items beside those of the study; `attention` is empty unless switched on.
    questions
        About the rater.
    """

    statements: tuple[Statement, ...]
    source: str
    anchors: tuple[str, ...]
    reasons: tuple[str, ...]
    practice: tuple[Practice, ...]
    attention: tuple[Attention, ...]
    questions: tuple[Question, ...]

    def orders(self) -> dict[str, tuple[str, ...]]:
        """Return the options of ordered questions, for `ratings.background`."""
        return {q.name: q.options for q in self.questions if q.ordered}

    def titles(self) -> dict[str, str]:
        """Return the title of each question by its name."""
        return {question.name: question.title for question in self.questions}


def read_instrument(path: str | Path | None = None) -> Instrument:
    """Read the instrument of a study.

    Parameters
    ----------
    path
        A TOML file such as `instrument.toml` of a study folder; the shipped one if None, with the
        statements of Haydarov et al. (2025).

    Raises
    ------
    RatingsError
        If the file cannot be read, or names what does not exist.
    """
    place = (
        as_path(path, "an instrument")
        if path is not None
        else resources.files("emodiss") / "data" / OWN[FILE]
    )
    try:
        text = place.read_text(encoding="utf-8-sig")
        _require_moderate(text)
        found = _from(tomllib.loads(text))
    except OSError as error:
        raise RatingsError(f"'{place.name}' cannot be opened ({error.strerror}).") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else f"{error}"
        raise RatingsError(
            f"'{place.name}' is no instrument: {why}.",
            next_step="Compare it with emodiss/data/rating_instrument.toml, which explains itself.",
        ) from error
    _check(found, place.name)
    return found


def _require_moderate(text: str) -> None:
    """Refuse what tomllib would read for minutes: it goes through a name for each of its parts."""
    if len(text) > _LONGEST:
        raise ValueError(f"it has {len(text):,} characters; at most {_LONGEST:,} are read")
    for number, line in enumerate(text.split("\n"), start=1):
        if line.count(".") > _MOST_DOTS:
            raise ValueError(f"line {number} has more than {_MOST_DOTS} dots")


def _from(said: Mapping[str, Any]) -> Instrument:
    statements = dict(said["statements"])
    source = str(statements.pop("source", ""))
    attention = said.get("attention", {})
    items = attention.get("items", []) if attention.get("use", False) else []
    made = Instrument(
        statements=tuple(Statement(name, **each) for name, each in statements.items()),
        source=source,
        anchors=tuple(map(str, said["scale"]["anchors"])),
        reasons=tuple(map(str, said["cannot_judge"]["reasons"])),
        practice=tuple(
            Practice(**{name: text.strip() for name, text in each.items()})
            for each in said.get("practice", [])
        ),
        attention=tuple(Attention(each["response"], str(each["expected"])) for each in items),
        questions=tuple(
            Question(**each, options=tuple(options))
            for options, each in map(_apart, said.get("questions", []))
        ),
    )
    for each in (*made.statements, *made.practice, *made.attention, *made.questions):
        for field in fields(each):
            value = getattr(each, field.name)
            values = value if isinstance(value, tuple) else (value,)
            expected = {"ordered": bool, "low": (int, float), "high": (int, float)}
            if not all(isinstance(v, expected.get(field.name, str)) for v in values):
                raise TypeError(f"'{field.name}' is of another kind than expected")
    return made


def _apart(question: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """Take the options of a question apart from what else it says."""
    return question.get("options", []), {k: v for k, v in question.items() if k != "options"}


def _check(found: Instrument, name: str) -> None:
    names = [question.name for question in found.questions]
    wrong = [
        f"question '{q.name}' is of kind '{q.kind}', asked '{q.when}'"
        for q in found.questions
        if q.kind not in ("one", "several", "number", "text") or q.when not in ("before", "after")
    ]
    wrong += [
        f"question '{q.name}' needs two or more distinct options, without semicolons"
        for q in found.questions
        if q.kind in ("one", "several")
        and (len(set(q.options)) < max(2, len(q.options)) or any(";" in o for o in q.options))
    ]
    if len(set(names)) < len(names) or "rater" in names:
        wrong.append("two questions have one name, or one is called 'rater'")
    if not found.reasons:
        wrong.append("there is no reason why an item may be beyond judgement")
    if wrong:
        raise RatingsError(
            f"'{name}' cannot be used: {'; '.join(wrong)}.", next_step="Correct the file."
        )


def fit(found: Instrument, criteria: Sequence[str], scale: RatingScale) -> tuple[Statement, ...]:
    """Return the statements of a study's criteria in their order, or raise a RatingsError."""
    by_name = {statement.name: statement for statement in found.statements}
    if absent := [name for name in criteria if name not in by_name]:
        raise RatingsError(
            f"There is no statement for the criterion '{absent[0]}'.",
            next_step=f"Add [statements.{absent[0]}] to {FILE} of the study.",
        )
    if len(scale.points()) != len(found.anchors):
        raise RatingsError(
            f"The scale has {len(scale.points())} points, and {len(found.anchors)} are labelled.",
            next_step=f"Give one label per point under [scale] in {FILE}.",
        )
    return tuple(by_name[name] for name in criteria)


def own_text(folder: str | Path, name: str) -> str | None:
    """Return a study's own text, or None where it has none; RatingsError if it is not UTF-8."""
    path = Path(folder) / name
    if not path.is_file():
        return None
    return decoded(path, error=RatingsError, what="text for raters").replace("\r\n", "\n")


def shipped(name: str, *, of_pairs: bool = False) -> str:
    """Return the shipped text of one of `OWN`."""
    file = _OF_PAIRS.get(name, OWN[name]) if of_pairs else OWN[name]
    return (resources.files("emodiss") / "data" / file).read_text(encoding="utf-8")
