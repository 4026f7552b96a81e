"""What every export shows of an utterance."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from emodiss.errors import EmodissError
from emodiss.manifest import ROLES, Role
from emodiss.timebase import Seconds

if TYPE_CHECKING:
    import pandas as pd

VALUES = {
    "speech valence": "speech_valence",
    "speech arousal": "speech_arousal",
    "face valence": "face_valence",
    "face arousal": "face_arousal",
    "listener valence": "listener_valence",
    "listener arousal": "listener_arousal",
    "dissonance": "dissonant",
}
"""Names of the tiers with measurements, and the column of the utterance table behind each."""

_NEEDED = ("video_id", "utterance_id", "start", "end", "speaker", "text")
COLUMNS = (*_NEEDED, "role", "dissonance_axis", *VALUES.values())
"""Columns of the utterance table that files show; those that not every file needs may lack."""

DECIMALS = 3

# XML 1.0 can hold no other characters, escaped or not; no tool has a use for them.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class ExportError(EmodissError, ValueError):
    """A session cannot be written in a format, or a corrected file cannot be read."""

    code = "export"


@dataclass(frozen=True, slots=True)
class Item:
    """One utterance as files show it.

    Parameters
    ----------
    start, end
        Seconds from media start.
    role
        None when not known.
    text
        On one line; empty when nobody transcribed it.
    values
        From the names of `VALUES` to what is shown; only what was measured.
    """

    utterance_id: str
    start: Seconds
    end: Seconds
    speaker: str
    role: Role | None
    text: str
    values: Mapping[str, str] = field(default_factory=dict)


def items(table: pd.DataFrame) -> list[Item]:
    """Read the utterances of one session, in order of start.

    Parameters
    ----------
    table
        Utterance table of one video; columns in `emodiss.utterances.SCHEMA`. Affect columns may
        be absent.

    Raises
    ------
    ExportError
        If the table holds several videos, or lacks a column that every file needs.
    """
    for name in _NEEDED:
        if name not in table:
            raise ExportError(
                f"The table lacks the column '{name}'.", next_step="Use run.session(video)."
            )
    if table["video_id"].nunique() > 1:
        raise ExportError(
            f"The table holds {table['video_id'].nunique()} videos; a file shows one.",
            next_step="Use run.session(video).",
        )
    measured = zip(*(_cells(table, column) for column in VALUES.values()), strict=False)
    columns = (table[name].tolist() for name in ("utterance_id", "start", "end", "speaker"))
    known = (_cells(table, name) for name in ("role", "text", "dissonance_axis"))
    found = [
        Item(
            utterance_id=str(own),
            start=float(start),
            end=float(end),
            speaker=one_line(speaker),
            role=role,
            text=one_line(text or ""),
            values=dict(_values(values, axis)),
        )
        # What is not in the table is missing without end.
        for own, start, end, speaker, role, text, axis, values in zip(
            *columns, *known, measured, strict=False
        )
    ]
    return sorted(found, key=lambda item: (item.start, item.end, item.utterance_id))


def _cells(table: pd.DataFrame, name: str) -> Iterable[Any]:
    """Cells of a column, None where something is missing; of one that is absent, without end."""
    if name not in table:
        return itertools.repeat(None)
    cells = table[name].astype(object).to_numpy(copy=True)
    cells[table[name].isna().to_numpy()] = None
    return cells.tolist()


def _values(cells: Iterable[Any], axis: str | None) -> Iterator[tuple[str, str]]:
    for (name, column), value in zip(VALUES.items(), cells, strict=True):
        if value is None:
            continue
        if column == "dissonant":
            yield name, f"yes ({axis})" if value and axis else ("yes" if value else "no")
        else:
            yield name, f"{float(value):.{DECIMALS}f}"


def edges(start: Seconds, end: Seconds) -> tuple[int, int]:
    """Return start and end in whole milliseconds, at least one apart, as files hold them."""
    first = round(start * 1000)
    return first, max(first + 1, round(end * 1000))


def one_line(text: object) -> str:
    """Bring a text onto one line and drop characters that no file format can hold."""
    return " ".join(_UNWRITABLE.sub("", str(text)).split())


@dataclass(frozen=True, slots=True)
class Tier:
    """Utterances of one voice that do not overlap."""

    # Unique in the file: the role, with the speaker where two voices share it, and a number where a
    # voice overlaps itself.
    name: str
    # speaker, role: Whose.
    speaker: str
    role: Role | None
    items: tuple[Item, ...]


def tiers(utterances: Sequence[Item]) -> list[Tier]:
    """Sort utterances into tiers, one per voice; therapist first, then by first appearance."""
    voices: list[tuple[str, Role | None]] = list(
        dict.fromkeys((item.speaker, item.role) for item in utterances)
    )
    order = (*ROLES, None)
    voices.sort(key=lambda voice: order.index(voice[1]))
    found: list[Tier] = []
    for speaker, role in voices:
        shared = sum(other == role for _, other in voices) > 1
        if role is None:
            # A voice that is called like a role has none for that.
            name = speaker if role_of_name(speaker) is None else f"voice {speaker}"
        else:
            name = f"{role} ({speaker})" if shared else role
        own = [item for item in utterances if (item.speaker, item.role) == (speaker, role)]
        for number, layer in enumerate(layers(own), start=1):
            unique = name if number == 1 else f"{name} #{number}"
            while unique in {tier.name for tier in found}:
                unique += "'"
            found.append(Tier(unique, speaker, role, tuple(layer)))
    return found


def role_of_name(name: str) -> Role | None:
    """Return the role that the name of a tier states: "patient", "patient (Bo)", "patient #2"."""
    first = name.casefold().split(" ")[0].rstrip("'")
    for role in ROLES:
        if first == role:
            return role
    return None


def layers(utterances: Iterable[Item]) -> list[list[Item]]:
    """Spread utterances over as few layers as it takes for none to overlap within one."""
    found: list[list[Item]] = []
    for item in utterances:
        # Compared as files write them, in milliseconds: neighbours may share a rounded edge.
        free = next((one for one in found if round(one[-1].end, 3) <= round(item.start, 3)), None)
        if free is None:
            found.append([item])
        else:
            free.append(item)
    return found
