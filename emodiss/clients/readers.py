"""Profiles from files: intake forms as CACTUS has them, and tables of the schema."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emodiss import tabular
from emodiss.clients.records import ClientError, Profile

_LABELS = {
    "name": "name",
    "age": "age",
    "gender": "gender|sex",
    "occupation": "occupation|job",
    "education": "education",
    "marital_status": r"marital\s+status",
    "family": r"family\s+(?:details|information|situation)|family",
}
_LABEL = {
    field: re.compile(
        rf"^[ \t]{{0,40}}[-*]{{0,9}}[ \t]{{0,40}}(?:{words})[ \t*]*:"
        r"[ \t*]*\n?[ \t]*(?P<value>[^\n]*)",
        re.IGNORECASE | re.MULTILINE,
    )
    for field, words in _LABELS.items()
}
_NEXT_LABEL = re.compile(rf"[-* \t]*(?:{'|'.join(_LABELS.values())})[ \t*]*:", re.IGNORECASE)
_SECTION = (
    r"^[ \t#*]*(?:\d+[.)][ \t]*)?(?:{words})[ \t*]*(?::[ \t*]*|$)\n?(?P<value>.*?)"
    r"(?=^[ \t#*]*(?:\d+[.)][ \t]*)?(?:{ends})[ \t*]*(?::|$)|\Z)"
)
_REASON = r"reasons?\s+for\s+seeking\s+(?:counsell?ing|therapy|help)"
_ENDS = (
    r"presenting\s+problem|past\s+history[^\n:]*|(?:academic|daily)[^\n:]*functioning[^\n:]*|"
    r"(?:functioning|social\s+support)[^\n:]*"
)
_REASON_SECTION = re.compile(
    _SECTION.format(words=_REASON, ends=_ENDS), re.IGNORECASE | re.MULTILINE | re.DOTALL
)
_CACTUS_IDS = ("id", "profile_id")
_TEXTS = tuple(
    field.name
    for field in dataclasses.fields(Profile)
    if field.name not in ("age", "thinking_traps")
)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row that is no profile.

    Parameters
    ----------
    line
        Line of the file, or number of the record in a JSON list, from 1.
    reason
        What is missing or wrong; none of its words.
    """

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Profiles:
    """What a file of profiles holds.

    Parameters
    ----------
    profiles
        In the order of the file.
    left_out
        Rows that are none.
    n_repeated
        Records that say the same of the same client as an earlier one; CACTUS has one record per
        dialogue, and several dialogues per client.
    """

    profiles: tuple[Profile, ...]
    left_out: tuple[LeftOut, ...]
    n_repeated: int = 0


def read_profiles(path: str | Path, *, strict: bool = False) -> Profiles:
    """Read profiles from JSON lines, a JSON list or a CSV whose columns are those of `Profile`.

    Parameters
    ----------
    path
        The file. In a CSV several thinking traps stand in one cell with `;` between. A JSON file
        whose records have an `intake_form` is read by `read_cactus`.
    strict
        Whether a row that is no profile fails the file instead of being left out.

    Raises
    ------
    ClientError
        If the file cannot be read, two rows have one id, or `strict` and a row is at fault.
    """
    path = Path(path)
    if path.suffix.casefold() in (".csv", ".tsv"):
        table = tabular.read(path, error=ClientError, what="table of profiles")
        rows = ((row.line, _from_cells(row.cells)) for row in table.rows)
        return _read(path, rows, _from_schema, strict)
    records = _json_records(path)
    if any(isinstance(record, dict) and "intake_form" in record for _, record in records):
        return _read(path, records, _from_cactus, strict)
    return _read(path, records, _from_schema, strict)


def read_cactus(path: str | Path, *, strict: bool = False) -> Profiles:
    """Read profiles from records as CACTUS (Lee et al. 2024) has them.

    Parameters
    ----------
    path
        JSON list or JSON lines with `intake_form` (a text with labels, or an object), `thought`,
        `patterns`, `cbt_plan` and `cbt_technique` or `technique`. The user supplies it: the data
        are under GPL-2.0 and none come with emodiss.

    Returns
    -------
    Profiles
        A record without an id gets one from its content, so that dialogues of one client with one
        thought give one profile.

    Raises
    ------
    ClientError
        As in `read_profiles`.
    """
    path = Path(path)
    return _read(path, _json_records(path), _from_cactus, strict)


def _read(
    path: Path,
    records: Iterable[tuple[int, Any]],
    made: Callable[[Any], Profile],
    strict: bool,
) -> Profiles:
    found: dict[str, tuple[int, Profile]] = {}
    left_out: list[LeftOut] = []
    n_repeated = 0
    for line, record in records:
        try:
            profile = made(record)
        except _NoProfile as fault:
            left_out.append(LeftOut(line, str(fault)))
            if tabular.is_hopeless(len(left_out), len(found)):
                left_out.append(LeftOut(line + 1, tabular.GIVEN_UP))
                break
            continue
        first, earlier = found.setdefault(profile.id, (line, profile))
        if first == line:
            continue
        if made is _from_schema or not _same_client(earlier, profile):
            raise ClientError(
                f"{path.name}: the id '{profile.id}' stands in line {first} and in line {line}.",
                next_step="Give each profile its own id.",
            )
        n_repeated += 1
    if strict and left_out:
        raise ClientError(
            f"{path.name}, line {left_out[0].line}: {left_out[0].reason}; {len(left_out)} rows "
            "are no profiles.",
            next_step="Mend them, or leave --strict away to go on without them.",
        )
    if not found:
        why = "".join(f" Row {row.line}: {row.reason}." for row in left_out[:1])
        raise ClientError(
            f"{path.name} holds no profile.{why}",
            next_step="See the guide mirror.md for the columns.",
        )
    return Profiles(tuple(each for _, each in found.values()), tuple(left_out), n_repeated)


def _same_client(one: Profile, other: Profile) -> bool:
    """Whether two records tell of one client and thought; plans differ between dialogues."""
    apart: dict[str, Any] = {"thinking_traps": (), "plan_technique": None, "plan": None}
    return dataclasses.replace(one, **apart) == dataclasses.replace(other, **apart)


class _NoProfile(Exception):
    """Why a record is no profile."""


def _json_records(path: Path) -> list[tuple[int, Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        if text.lstrip().startswith("["):
            return list(enumerate(tabular.json_value(text), 1))
        lines = enumerate(text.split("\n"), 1)
        return [(number, _json(line)) for number, line in lines if line.strip()]
    except (OSError, ValueError) as fault:
        raise ClientError(
            f"The profiles {path.name} cannot be read: {type(fault).__name__}.",
            next_step="Give a JSON list, JSON lines or a CSV, in UTF-8.",
        ) from None


def _json(line: str) -> Any:
    try:
        return tabular.json_value(line)
    except ValueError:
        return None


def _from_cells(cells: Mapping[str, str]) -> dict[str, Any]:
    record: dict[str, Any] = {name: text for name, text in cells.items() if text}
    record["thinking_traps"] = _listed(cells.get("thinking_traps", ""), ";")
    return record


def _from_schema(record: Any) -> Profile:
    if not isinstance(record, dict):
        raise _NoProfile("no JSON object")
    unknown = sorted(set(record) - {*_TEXTS, "age", "thinking_traps"})
    if unknown:
        raise _NoProfile(f"unknown column '{unknown[0]}'")
    return _made(record)


def _from_cactus(record: Any) -> Profile:
    if not isinstance(record, dict):
        raise _NoProfile("no JSON object")
    form = record.get("intake_form")
    stated = _of_object(form) if isinstance(form, dict) else _of_text(str(form or ""))
    stated["distorted_thought"] = record.get("thought")
    stated["thinking_traps"] = record.get("patterns") or ()
    technique = record.get("cbt_technique", record.get("technique"))
    stated["plan_technique"] = _joined(technique)
    stated["plan"] = _joined(record.get("cbt_plan"))
    given = next((record[name] for name in _CACTUS_IDS if record.get(name)), None)
    stated["id"] = str(given) if given is not None else _content_id(stated)
    return _made(stated)


def _of_text(form: str) -> dict[str, Any]:
    """Read an intake form's labels, with values beside or below them, and its reason."""
    found: dict[str, Any] = {}
    for field, label in _LABEL.items():
        match = label.search(form)
        if match and not _NEXT_LABEL.match(match["value"]):
            found[field] = match["value"].strip(" \t*")
    reason = _REASON_SECTION.search(form)
    if reason:
        found["reason"] = " ".join(reason["value"].split())
    return found


def _of_object(form: Mapping[str, Any]) -> dict[str, Any]:
    plain = {" ".join(re.findall(r"[a-z]+", str(key).casefold())): form[key] for key in form}
    found: dict[str, Any] = {}
    for field, words in {**_LABELS, "reason": f"{_REASON}|reason"}.items():
        for key, value in plain.items():
            if re.fullmatch(words, key) and isinstance(value, str | int):
                found[field] = value
    return found


def _made(stated: Mapping[str, Any]) -> Profile:
    """Make a profile, or say what it lacks."""
    values = {name: _text(stated.get(name), name) for name in _TEXTS}
    for name in ("id", "name", "gender", "distorted_thought", "reason"):
        if not values[name]:
            raise _NoProfile(f"no {name}")
    for name in ("plan_technique", "plan", "face"):
        values[name] = values[name] or None
    age = re.fullmatch(r"(\d{1,3})(?:\.0)?(?: *(?:years?|yrs?)(?: *old)?)?", str(stated.get("age")))
    if not age or not 0 < int(age[1]) < 130:
        raise _NoProfile("no age" if stated.get("age") in (None, "") else "an age that is none")
    traps = stated.get("thinking_traps") or ()
    traps = _listed(traps, ",") if isinstance(traps, str) else traps
    if not isinstance(traps, Sequence) or not all(isinstance(trap, str) for trap in traps):
        raise _NoProfile("thinking traps that are no texts")
    return Profile(age=int(age[1]), thinking_traps=tuple(t.strip() for t in traps), **values)


def _text(value: Any, name: str) -> Any:
    if value is None:
        return ""
    if not isinstance(value, str | int):
        raise _NoProfile(f"a {name} that is no text")
    return str(value).strip()


def _listed(text: str, mark: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(mark) if part.strip())


def _joined(value: Any) -> str | None:
    """Join a plan or techniques that come as a list."""
    if isinstance(value, list):
        return "\n".join(map(str, value))
    return None if value is None else str(value)


def _content_id(stated: Mapping[str, Any]) -> str:
    names = ("name", "age", "gender", "occupation", "reason", "distorted_thought")
    said = "\n".join(" ".join(str(stated.get(name, "")).casefold().split()) for name in names)
    return f"c{hashlib.sha256(said.encode()).hexdigest()[:10]}"
