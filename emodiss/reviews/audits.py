"""The audit of a sample: what the study did with its roles, drawn and counted so it can be redone.

Paper A checked by hand who is therapist and who is patient in a random sample of 10 % of its
labelled sessions (appendix B). `draw` makes the sheet for that, `score` counts a filled one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from emodiss.errors import EmodissError, nearest
from emodiss.manifest import ROLES, Role, parse_role
from emodiss.tabular import many_records

Unit = Literal["session", "utterance"]

UNITS: tuple[Unit, ...] = ("session", "utterance")

COLUMNS = (
    "unit",
    "video_id",
    "utterance_id",
    "speaker",
    "start",
    "end",
    "role",
    "role_source",
    "role_confidence",
    "n_utterances",
    "text",
    "verdict",
    "correct_role",
    "note",
)
"""Columns of a sheet; a person fills in the last three."""

FILLED_IN = COLUMNS[-3:]

EXCERPT_WORDS = 40
"""Words of a voice that a session's sheet shows, from its longest utterances."""

_RIGHT = {"right": True, "r": True, "yes": True, "y": True, "true": True, "1": True}
_WRONG = {"wrong": False, "w": False, "no": False, "n": False, "false": False, "0": False}
VERDICTS = {**_RIGHT, **_WRONG}
"""How a verdict may be written, in any case."""


class AuditError(EmodissError, ValueError):
    """A sample cannot be drawn, or a sheet cannot be counted."""

    code = "audit"


@dataclass(frozen=True, slots=True)
class Score:
    """How many of the audited were right."""

    # What was counted: `session`, `voice` or `utterance`. A session is right when all its voices
    # are.
    unit: str
    # n, n_right: Audited, and right among them.
    n: int
    n_right: int
    # In the sample and not judged yet; they are left out of the accuracy.
    n_open: int
    # `n_right / n`, NaN when nothing was judged.
    accuracy: float
    # low, high: Wilson interval (Wilson 1927, Journal of the American Statistical Association 22,
    # 209), NaN likewise. It does not shrink to a point when all are right, as "100 %" does.
    low: float
    high: float
    confidence: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; what is missing is None."""
        values = asdict(self)
        return {k: None if v != v else v for k, v in values.items()}


def sample(
    table: pd.DataFrame, *, share: float = 0.1, seed: int = 0, unit: Unit = "session"
) -> pd.DataFrame:
    """Draw a sample for a person to check."""
    if unit not in UNITS:
        raise AuditError(f"There is no unit '{unit}'.", next_step=nearest(unit, UNITS))
    if not 0 < share <= 1:
        raise AuditError(f"The share must lie above 0 and be at most 1, got {share:g}.")
    keys = ["video_id"] if unit == "session" else ["video_id", "utterance_id"]
    names = table[keys].drop_duplicates().sort_values(keys).reset_index(drop=True)
    if not len(names):
        raise AuditError("There is nothing to draw from: the run has no utterances.")
    # A share of 0.1 of 30 is 3, although 0.1 * 30 is a little more in floating point.
    n = math.ceil(share * len(names) - 1e-9)
    chosen = np.random.default_rng(seed).choice(len(names), size=n, replace=False)
    drawn = table.merge(names.iloc[np.sort(chosen)], on=keys)
    if unit == "session":
        groups = drawn.groupby(["video_id", "speaker"], sort=False)
        rows = [_voice(str(v), str(s), own) for (v, s), own in groups]
    else:
        rows = [{**row, "n_utterances": 1} for row in drawn.to_dict("records")]
    sheet = pd.DataFrame(rows).assign(unit=unit, verdict="", correct_role="", note="")
    order = {video: place for place, video in enumerate(table["video_id"].drop_duplicates())}
    sheet = sheet.sort_values("video_id", key=lambda c: c.map(order), kind="stable")
    return sheet.reindex(columns=list(COLUMNS)).reset_index(drop=True)


def _voice(video: str, speaker: str, own: pd.DataFrame) -> dict[str, Any]:
    first = own.iloc[0]
    return {
        "video_id": video,
        "utterance_id": "",
        "speaker": speaker,
        "start": own["start"].min(),
        "end": own["end"].max(),
        **{name: first.get(name) for name in ("role", "role_source", "role_confidence")},
        "n_utterances": len(own),
        "text": _excerpt(own),
    }


def _excerpt(own: pd.DataFrame) -> str:
    longest = own.assign(_words=own["n_words"].fillna(0)).nlargest(3, "_words", keep="first")
    words = " / ".join(longest.sort_values("start")["text"].fillna("")).split()
    return " ".join(words[:EXCERPT_WORDS]) + (" ..." if len(words) > EXCERPT_WORDS else "")


@dataclass(frozen=True, slots=True)
class Judged:
    """One row of a filled sheet."""

    video_id: str
    # None where a voice of a session was judged.
    utterance_id: str | None
    speaker: str
    # None where nothing was filled in.
    right: bool | None
    correct_role: Role | None = None
    note: str = ""


@many_records()
def read_sheet(
    rows: Sequence[Mapping[str, Any]], *, name: str, lines: Sequence[int] = ()
) -> list[Judged]:
    """Check a filled sheet."""
    found: list[Judged] = []
    places = [f"line {line}" for line in lines] or [f"row {k + 1}" for k in range(len(rows))]
    for place, row in zip(places, rows, strict=True):
        lacking = [c for c in ("video_id", "speaker", "verdict") if c not in row]
        if lacking:
            raise AuditError(
                f"{name}, {place} lacks the column '{lacking[0]}'.",
                next_step="Fill in the sheet that 'emodiss review sample' wrote.",
            )
        cells = {k: str(v).strip() for k, v in row.items() if v is not None and v == v}
        verdict = cells.get("verdict", "").lower()
        if verdict and verdict not in VERDICTS:
            raise AuditError(
                f"{name}, {place}: the verdict is {len(verdict)} characters that say neither "
                "right nor wrong.",
                next_step="Write right or wrong, or leave it empty.",
            )
        try:
            role = parse_role(cells["correct_role"]) if cells.get("correct_role") else None
        except ValueError as error:
            raise AuditError(
                f"{name}, {place}: {error}",
                next_step=f"Roles are {', '.join(ROLES)}.",
            ) from None
        right = VERDICTS.get(verdict)
        if right and role is not None and role != cells.get("role"):
            raise AuditError(f"{name}, {place}: the verdict is right, and another role is stated.")
        found.append(
            Judged(
                video_id=cells.get("video_id", ""),
                utterance_id=cells.get("utterance_id") or None,
                speaker=cells.get("speaker", ""),
                right=right,
                correct_role=role,
                note=cells.get("note", ""),
            )
        )
    return found


def score(judged: Sequence[Judged], *, confidence: float = 0.95) -> list[Score]:
    """Count what was right."""
    if not 0 < confidence < 1:
        raise AuditError(f"The confidence must lie between 0 and 1, got {confidence:g}.")
    voices = [one.right for one in judged if one.utterance_id is None]
    spoken = [one.right for one in judged if one.utterance_id is not None]
    sessions: dict[str, list[bool | None]] = {}
    for one in judged:
        if one.utterance_id is None:
            sessions.setdefault(one.video_id, []).append(one.right)
    whole = [
        False if False in verdicts else (None if None in verdicts else True)
        for verdicts in sessions.values()
    ]
    counted = {"session": whole, "voice": voices, "utterance": spoken}
    return [_scored(unit, values, confidence) for unit, values in counted.items() if values]


def _scored(unit: str, values: Sequence[bool | None], confidence: float) -> Score:
    from scipy import stats

    n, n_right = sum(v is not None for v in values), sum(v is True for v in values)
    accuracy = low = high = math.nan
    if n:
        accuracy = n_right / n
        interval = stats.binomtest(n_right, n).proportion_ci(confidence, method="wilson")
        low, high = float(interval.low), float(interval.high)
    return Score(unit, n, n_right, len(values) - n, accuracy, low, high, confidence)
