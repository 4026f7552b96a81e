"""Curves of a session as SVG paths: time in thousandths of the axis, values upwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emodiss.series import begins
from emodiss.vocabulary import counted, looks_of

if TYPE_CHECKING:
    import pandas as pd

WIDTH, HEIGHT = 10_000.0, 200.0
"""Size of the drawing; the page stretches it in width."""

# More points than a screen has columns only make the page heavy.
_MAX_POINTS = 3000
_OF_BARS = ["utterance_id", "start", "end", "speaker", "dissonant"]


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of time: x and width in the drawing, and what it stands for."""

    x: float
    width: float
    id: str
    kind: str
    state: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One axis of affect."""

    # `valence` or `arousal`.
    axis: str
    # voice, face, frames: SVG paths: the voice and the face per utterance, the face frame by frame.
    voice: str
    face: str
    frames: str
    # Utterances that are dissonant on this axis.
    shades: tuple[Bar, ...]
    # The same in words, for those who do not see it.
    summary: str


def panel(axis: str, table: pd.DataFrame, frames: pd.DataFrame, start: float, end: float) -> Panel:
    """Draw voice and face on one axis of affect."""
    fired = table["dissonant"].fillna(False) & table["dissonance_axis"].isin([axis, "both"])
    shades = _bars(table.loc[fired, _OF_BARS], start, end)
    means = {c: table[f"{c}_{axis}"] for c in ("speech", "face")}
    told = [
        f"{name}: mean {values.mean():+z.2f} over {counted(int(values.notna().sum()), 'utterance')}"
        if values.notna().any()
        else f"{name}: not measured"
        for name, values in (("voice", means["speech"]), ("face", means["face"]))
    ]
    return Panel(
        axis=axis,
        voice=_levels(table, means["speech"], start, end),
        face=_levels(table, means["face"], start, end),
        frames=line_path(frames, axis, start, end),
        shades=shades,
        summary=f"{'; '.join(told)}; {counted(len(shades), 'utterance')} dissonant on this axis",
    )


def lanes(table: pd.DataFrame, start: float, end: float) -> list[tuple[str, tuple[Bar, ...]]]:
    """Lay out who speaks when: one lane per speaker, in order of appearance."""
    looks = looks_of(zip(table["speaker"], table["role"], strict=True))
    found: dict[str, list[Bar]] = {}
    for speaker, bar in zip(
        table["speaker"].to_numpy(object), _bars(table[_OF_BARS], start, end, looks), strict=True
    ):
        if isinstance(speaker, str):
            found.setdefault(speaker, []).append(bar)
    return [(speaker, tuple(bars)) for speaker, bars in found.items()]


def _bars(
    table: pd.DataFrame, start: float, end: float, looks: Mapping[str, str] | None = None
) -> tuple[Bar, ...]:
    x = _x(table["start"].to_numpy(float), start, end)
    right = _x(table["end"].to_numpy(float), start, end)
    names = ("utterance_id", "speaker", "dissonant")
    texts = (table[name].to_numpy(object, na_value=None) for name in names)
    return tuple(
        Bar(round(a, 1), round(width, 1), str(k), (looks or {}).get(who, "shade"), state_of(flag))
        for a, width, k, who, flag in zip(x.tolist(), (right - x).tolist(), *texts, strict=True)
    )


def state_of(flag: Any) -> str:
    """Return `dissonant`, `agreeing` or, when the flag is missing, `undetermined`."""
    if not isinstance(flag, bool | np.bool_):
        return "undetermined"
    return "dissonant" if flag else "agreeing"


def _x(seconds: NDArray[np.float64], start: float, end: float) -> NDArray[np.float64]:
    return (seconds - start) / max(end - start, 1e-9) * WIDTH


def _y(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return (1 - np.clip(values, -1, 1)) / 2 * HEIGHT


def _levels(table: pd.DataFrame, values: pd.Series, start: float, end: float) -> str:
    """Path of one level line per utterance with a value."""
    there = values.notna().to_numpy()
    a = _x(table["start"].to_numpy(float)[there], start, end)
    b = _x(table["end"].to_numpy(float)[there], start, end)
    y = _y(values.to_numpy(float)[there])
    edges = zip(a.tolist(), b.tolist(), y.tolist(), strict=True)
    return "".join(f"M{p:.1f} {v:.1f}H{q:.1f}" for p, q, v in edges)


def line_path(frames: pd.DataFrame, axis: str, start: float, end: float) -> str:
    """Path through the face frames; a gap in time or a change of utterance stays a gap."""
    time, value = frames["time"].to_numpy(float), frames[axis].to_numpy(float)
    there = np.flatnonzero(~np.isnan(value))
    if not len(there):
        return ""
    there = there[np.argsort(time[there])]
    time, value = time[there], value[there]
    whose = frames["utterance_id"].to_numpy(object)[there]
    broken = begins(time, whose)
    if len(time) > _MAX_POINTS:
        # Means of as many neighbours as it takes, never across a gap.
        step = int(np.ceil(len(time) / _MAX_POINTS))
        run = np.cumsum(broken)
        place = np.arange(len(time)) - np.flatnonzero(broken)[run - 1]
        first = np.flatnonzero(broken | (place % step == 0))
        size = np.diff(np.r_[first, len(time)])
        time, value = np.add.reduceat(time, first) / size, np.add.reduceat(value, first) / size
        broken = broken[first]
    x, y = _x(time, start, end), _y(value)
    return "".join(
        f"{'M' if b else 'L'}{p:.1f} {v:.1f}"
        for p, v, b in zip(x.tolist(), y.tolist(), broken.tolist(), strict=True)
    )
