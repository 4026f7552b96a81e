"""Corrected files back: what a person changed in an exported WebVTT or EAF file.

An utterance is known again by its id, and where a tool has lost the id, by its place in time. A
file says nothing of what it does not hold: an utterance that is missing is not removed and one
that was added is not taken over; both are reported.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from emodiss.errors import nearest
from emodiss.exports import elan, stamp
from emodiss.exports.items import ExportError, Item, one_line, role_of_name
from emodiss.manifest import Role
from emodiss.reviews import SAME_PLACE, differences
from emodiss.tabular import decoded
from emodiss.transcript.captions import VOICE_TAG, plain_text, read_cues
from emodiss.transcript.records import Problem

TOLERANCE_S = 0.001
"""Files hold whole milliseconds, and rounding moves an edge by at most half of one; both edges of
a very short utterance may move by one."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something that a person changed.

    Parameters
    ----------
    kind
        Kind of review: `role`, `speaker`, `times` or `text`.
    target
        Id of the utterance; for `role` the label of the voice.
    values
        Fields of the review.
    """

    kind: str
    target: str
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Handed:
    """An utterance as it stands in a corrected file."""

    id: str
    start: float
    end: float
    speaker: str
    role: Role | None
    text: str


@dataclass(frozen=True, slots=True)
class _Before:
    """What is known of the time before a file was changed."""

    # What the file said at export, by id of the utterance.
    exported: Mapping[str, stamp.Exported]
    # Kind and target of every review that was ever made.
    reviewed: Collection[tuple[str, str]]

    def of(self, one: _Handed, item: Item) -> stamp.Exported | None:
        return self.exported.get(one.id) or self.exported.get(item.utterance_id)

    def left(self, kind: str, one: _Handed, item: Item) -> bool:
        """Whether a person left a field as it was exported."""
        was = self.of(one, item)
        return was is not None and _field(was, kind) == _field(stamp.Exported.of(one), kind)

    def doubt(self, kind: str, one: _Handed, item: Item) -> str:
        """Why a field may not be taken from the file; empty when it may."""
        was = self.of(one, item)
        target = item.speaker if kind == "role" else item.utterance_id
        if was is None:
            if (kind, target) not in self.reviewed:
                return ""
            return (
                f"{target}, {kind}: was reviewed, and the file has lost what says whether that was "
                "before its export; not taken over; export again and correct that"
            )
        if _field(was, kind) == _field(stamp.Exported.of(item), kind):
            return ""
        return (
            f"{target}, {kind}: changed since the export, both in the table and in the file; not "
            "taken over; export again and correct that"
        )


def _field(state: stamp.Exported, kind: str) -> str:
    return str(getattr(state, kind))


def read_back(
    path: Path, shown: Sequence[Item], *, reviewed: Collection[tuple[str, str]] = ()
) -> tuple[list[Change], list[str]]:
    """Compare a corrected file with what was exported.

    Parameters
    ----------
    path
        A `.vtt` or `.eaf` file that `write` made and a person changed.
    shown
        The session as it stands now, from `items`.
    reviewed
        Kind and target (as in `Change`) of every review that was ever made of this session, which
        protects what they say from a file that has lost its stamp.

    Returns
    -------
    changes
        In the order of the session; a role that changed for a whole voice comes last.
    problems
        What was not taken over and why; ids and times, never words.

    Raises
    ------
    ExportError
        If the file cannot be read, or nothing in it belongs to this session.
    """
    handed, problems, exported = _read(path)
    before = _Before(stamp.read(exported), reviewed)
    pairs, strays = _matched(handed, shown)
    if handed and not pairs:
        raise ExportError(
            f"Nothing in {path.name} belongs to this session.",
            next_step="Check the video; a file corrects the session that it was exported from.",
        )
    problems += [
        f"an utterance was added at {stray.start:.3f} s; an import adds none" for stray in strays
    ]
    problems += [
        f"{item.utterance_id} is not in the file; an import removes none"
        for item in shown
        if item.utterance_id not in pairs
    ]
    changes: list[Change] = []
    for item in shown:
        own = pairs.get(item.utterance_id)
        if own is None:
            continue
        if own.end <= own.start:
            problems.append(f"{item.utterance_id} ends at {own.end:.3f} s, before it starts")
            continue
        now = {n: getattr(item, n) for n in ("speaker", "text", "start", "end")}
        then = {n: getattr(own, n) for n in ("speaker", "text", "start", "end")}
        for kind, values in differences(now, then, tolerance_s=TOLERANCE_S).items():
            if before.left(kind, own, item):
                continue
            if doubt := before.doubt(kind, own, item):
                problems.append(doubt)
            else:
                changes.append(Change(kind, item.utterance_id, values))
    changes += _roles(pairs, shown, before, problems)
    return changes, problems


def _read(path: Path) -> tuple[list[_Handed], list[str], str]:
    """Utterances, problems and the stamp of a file."""
    readers = {".vtt": _from_vtt, ".eaf": _from_eaf}
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise ExportError(
            f"{path.name}: a corrected file is WebVTT or EAF, not '{path.suffix}'.",
            next_step=nearest(suffix, readers),
        )
    if not path.exists():
        raise ExportError(
            f"There is no file '{path}'.", next_step="Name the corrected file, with its folder."
        )
    text = decoded(path, error=ExportError, what="corrected file")
    return readers[suffix](text.replace("\r\n", "\n").replace("\r", "\n"), path.name)


def _from_vtt(text: str, name: str) -> tuple[list[_Handed], list[str], str]:
    handed: list[_Handed] = []
    problems: list[str] = []
    for cue in read_cues(text):
        if isinstance(cue, Problem):
            problems.append(f"{name}, line {cue.line}: {cue.message}")
            continue
        said = " ".join(cue.lines)
        tags = list(VOICE_TAG.finditer(said))
        if len(tags) != 1:
            problems.append(
                f"{name}, line {cue.line}: {len(tags)} voices in one cue; expected one <v ...>"
            )
            continue
        classes = (tags[0]["classes"] or "").split(".")
        role: Role | None = None
        for one in classes:
            role = role or role_of_name(one)
        speaker = plain_text(tags[0]["name"] or "")
        if not speaker:
            problems.append(f"{name}, line {cue.line}: a voice without a name; expected <v Name>")
            continue
        handed.append(_Handed(cue.id, cue.start, cue.end, speaker, role, plain_text(said)))
    noted = re.search(rf"^NOTE {stamp.NAME}\n((?:.+\n?)+)", text, re.MULTILINE)
    return handed, problems, noted[1] if noted else ""


def _from_eaf(text: str, name: str) -> tuple[list[_Handed], list[str], str]:
    annotations, problems, exported = elan.read(text, name=name)
    handed = [
        _Handed(
            id=a.utterance_id or "",
            start=a.start,
            end=a.end,
            speaker=one_line(a.speaker),
            role=role_of_name(a.tier),
            text=one_line(a.text),
        )
        for a in annotations
    ]
    return handed, problems, exported


def _matched(
    handed: Sequence[_Handed], shown: Sequence[Item]
) -> tuple[dict[str, _Handed], list[_Handed]]:
    """Give each utterance what became of it, by id first and then by place."""
    pairs: dict[str, _Handed] = {}
    known = {item.utterance_id: item for item in shown}
    left: list[_Handed] = []
    for one in handed:
        rival = pairs.get(one.id)
        if one.id not in known:
            left.append(one)
        elif rival is None:
            pairs[one.id] = one
        else:
            # A copy, or the halves of a cut: the one that still lies there keeps the id.
            better, other = sorted((rival, one), key=lambda h: -_fit(h, known[one.id]))
            pairs[one.id] = better
            left.append(other)
    strays: list[_Handed] = []
    free = _Free([item for item in shown if item.utterance_id not in pairs])
    for one in left:
        best = free.take(one)
        if best is not None:
            pairs[best.utterance_id] = one
        else:
            strays.append(one)
    return pairs, strays


class _Free:
    """Utterances that nobody has claimed yet, found by their place in time."""

    def __init__(self, found: Sequence[Item]) -> None:
        self._items = sorted(found, key=lambda item: item.start)  # of equals, the first stays so
        self._starts = [item.start for item in self._items]
        self._reach = list(accumulate((item.end for item in self._items), max))

    def take(self, one: _Handed) -> Item | None:
        """Take the one that lies where another lies, of several the one of its speaker."""
        # What fits shares at least this much with it; starts rise, and so does what was reached.
        shared = max(0.0, SAME_PLACE * (one.end - one.start) - TOLERANCE_S)
        low = bisect_right(self._reach, one.start + shared)
        high = bisect_left(self._starts, one.end - shared)
        best = max(
            range(low, high),
            key=lambda n: (_fit(one, self._items[n]), self._items[n].speaker == one.speaker),
            default=None,
        )
        if best is None or _fit(one, self._items[best]) < SAME_PLACE:
            return None
        item = self._items[best]
        for kept in (self._items, self._starts, self._reach):
            del kept[best]
        return item


def _fit(one: _Handed, item: Item) -> float:
    inner = min(one.end, item.end) - max(one.start, item.start)
    outer = max(one.end, item.end) - min(one.start, item.start)
    return max(0.0, inner) / outer if outer > 0 else 0.0


def _roles(
    pairs: Mapping[str, _Handed], shown: Sequence[Item], before: _Before, problems: list[str]
) -> list[Change]:
    """Roles that changed for all of a voice; a role belongs to a voice and not to an utterance."""
    own: dict[str, list[tuple[_Handed, Item]]] = {}
    for item in shown:
        one = pairs.get(item.utterance_id)
        if one is not None and one.speaker == item.speaker:
            own.setdefault(item.speaker, []).append((one, item))
    changes: list[Change] = []
    for speaker, lines in own.items():
        if all(one.role == item.role or before.left("role", one, item) for one, item in lines):
            continue
        roles = {one.role for one, _ in lines}
        if len(roles - {None}) > 1:
            problems.append(f"the voice '{speaker}' has several roles in the file; none was taken")
        elif len(roles) == 1 and (role := roles.pop()) is not None:
            if doubts := [doubt for pair in lines if (doubt := before.doubt("role", *pair))]:
                problems.append(doubts[0])
            else:
                changes.append(Change("role", speaker, {"role": role}))
    return changes
