"""A face for each profile: of the same gender, near in age, and of nobody else."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from emodiss import tabular
from emodiss.clients.records import ClientError, Profile

_GENDERS = {
    "female": ("female", "f", "woman", "girl", "w"),
    "male": ("male", "m", "man", "boy"),
}
COLUMNS = {
    "path": "the picture, relative to the table (required)",
    "identity": "who is on it; several pictures may show one person (required)",
    "gender": "of that person (required)",
    "age": "in years (required)",
    "source": "where the picture is from",
    "licence": "by what leave it is used",
}
"""Columns of a table of faces, and their meaning."""

_COLUMNS = tuple(COLUMNS)


@dataclass(frozen=True, slots=True)
class Face:
    """A picture of a face that a client may have.

    Parameters
    ----------
    path
        Where the picture lies.
    identity
        Whose face it is; several pictures may show one person.
    gender, age
        As the table says, or as somebody predicted; age in years.
    source, licence
        Where it comes from, and what may be done with it.
    """

    path: str
    identity: str
    gender: str
    age: int
    source: str = ""
    licence: str = ""


@dataclass(frozen=True, slots=True)
class Paired:
    """A profile with its face.

    Parameters
    ----------
    face
        The face; None if none of the profile's gender was left.
    age_gap
        Years between the age groups, by tens; None without a face.
    """

    profile: str
    face: Face | None
    age_gap: int | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def read_faces(path: str | Path) -> list[Face]:
    """Read a table of faces: path, identity, gender, age, source, licence.

    Parameters
    ----------
    path
        CSV. Paths in it start from its folder.

    Raises
    ------
    ClientError
        If it cannot be read, lacks a column or has an age that is none.
    """
    path = Path(path)
    table = tabular.read(path, error=ClientError, what="table of faces", known=_COLUMNS)
    missing = [name for name in _COLUMNS[:4] if name not in table.header]
    if missing:
        raise ClientError(
            f"The table of faces {path.name} has no column '{missing[0]}'.",
            next_step=f"It needs {', '.join(_COLUMNS[:4])}; source and licence are good to have.",
        )
    found: list[Face] = []
    for row in table.rows:
        cells = row.cells
        age = cells["age"].partition(".")[0]
        if not (
            re.fullmatch(r"\d{1,3}", age)
            and cells["path"]
            and cells["identity"]
            and cells["gender"]
        ):
            raise ClientError(
                f"{path.name}, line {row.line}: path, identity, gender and an age in years are "
                "needed."
            )
        place = str((path.parent / cells["path"]).resolve())
        more = (cells.get("source", ""), cells.get("licence", ""))
        found.append(Face(place, cells["identity"], cells["gender"], int(age), *more))
    return found


def pair(profiles: Sequence[Profile], faces: Sequence[Face], *, seed: int = 0) -> list[Paired]:
    """Give each profile a face; no face is given twice, since a second client would be known by it.

    Parameters
    ----------
    profiles
        Their order does not matter.
    faces
        One picture of each identity is drawn.

    Returns
    -------
    list of Paired
        By id of the profile. Gender is that of the profile; age is of the same group of ten years,
        or of the nearest one that has a face left.
    """

    def order(*names: str) -> str:
        return hashlib.sha256(":".join((str(seed), *names)).encode()).hexdigest()

    one: dict[str, Face] = {}
    for face in sorted(faces, key=lambda each: order(each.identity, each.path)):
        one.setdefault(face.identity, face)
    left = sorted(one.values(), key=lambda each: order(each.identity))
    made: list[Paired] = []
    for profile in sorted(profiles, key=lambda each: order(each.id)):
        same = [face for face in left if plain_gender(face.gender) == plain_gender(profile.gender)]
        group = _ten(profile.age)
        chosen = min(same, key=lambda face: abs(_ten(face.age) - group), default=None)
        gap = None
        if chosen is not None:
            left.remove(chosen)
            gap = abs(_ten(chosen.age) - group)
        made.append(Paired(profile.id, chosen, gap))
    return sorted(made, key=lambda each: each.profile)


def plain_gender(word: str) -> str:
    """Fold the words for a gender: `F` and `woman` are `female`; others stay as they are."""
    plain = word.strip().casefold()
    return next((name for name, words in _GENDERS.items() if plain in words), plain)


def _ten(age: int) -> int:
    """Age rounded to tens, halves up."""
    return (age + 5) // 10 * 10
