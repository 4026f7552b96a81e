"""One look for all plots: colours by role and by channel, sizes and fonts.

The hues are Okabe and Ito's (2008), which people with colour-blindness can tell apart; channels
also differ in marker and line, so that nothing is said by colour alone.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, cast

from emodiss.vocabulary import looks_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

SPEECH = "#0072B2"
FACE = "#D55E00"
FLAG = "#CC79A7"
QUIET = "#8A8F98"
INK = "#22262B"

ROLE_COLOURS = {"therapist": "#009E73", "patient": "#E69F00", "other": "#56B4E9", None: QUIET}
"""Fill colour of each role; None is a role not known."""

VOICE_COLOURS = ("#F0E442", "#B3A2E6", "#8FD3C5", "#C9A66B", "#E8A0A0")
"""Fill colours of voices whose role is not known: pale, unlike those of roles and channels."""

ON_ROLE = "#000000"
"""Colour of text on any of these: black has at least 4.5 to 1 on all of them, white on none."""

DPI = 150

MARKERS = {"speech": "o", "face": "s"}

_SETTINGS: dict[str, Any] = {
    "figure.dpi": DPI,
    "savefig.dpi": DPI,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "grid.color": "#E6E8EB",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    # So that headings do not touch the edge.
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.w_pad": 0.08,
}


def colours_of(table: pd.DataFrame) -> dict[str, str]:
    """Give each voice of an utterance table its fill colour: of its role, or one of its own."""
    own = {f"voice{k}": colour for k, colour in enumerate(VOICE_COLOURS)}
    looks = looks_of(zip(table["speaker"], table["role"], strict=True))
    return {voice: own.get(look) or ROLE_COLOURS[look] for voice, look in looks.items()}


@contextlib.contextmanager
def house_style() -> Generator[None]:
    """Apply the look to everything drawn inside."""
    import matplotlib as mpl

    with mpl.rc_context(cast("Any", _SETTINGS)):
        yield


def axes_or_new(ax: Axes | None, *, width: float = 6.0, height: float = 4.0) -> Axes:
    """Return the axes given, or those of a new figure of a size in inches."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(width, height))[1]


def empty_note(ax: Axes, text: str) -> None:
    """Say on the axes why there is nothing to see; an empty plot must not look like a result."""
    ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes, color=QUIET)


def short(text: str, most: int) -> str:
    """Cut a long name in its middle: its beginning and its end tell it from others."""
    if len(text) <= most:
        return text
    head = (most - 1) // 2
    return f"{text[:head]}\N{HORIZONTAL ELLIPSIS}{text[len(text) - (most - 1 - head) :]}"


def wrap(text: str, width: int) -> str:
    """Break a name into lines, after blanks and the marks that model names are made of."""
    lines = [""]
    for part in re.findall(r"[^\s/_.:-]*[\s/_.:-]*", text):
        if lines[-1] and len(lines[-1] + part.rstrip()) > width:
            lines.append("")
        while len(part.rstrip()) > width:
            lines[-1] += part[:width]
            lines.append("")
            part = part[width:]
        lines[-1] += part
    return "\n".join(line.strip() for line in lines if line.strip())


_LONG_S = 180.0
_STEPS_S = (10, 30, 60, 120, 300, 600, 900, 1800, 3600)


def time_axis(ax: Axes) -> None:
    """Label an x axis in seconds: as they are up to three minutes, as clock time beyond."""
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    low, high = ax.get_xlim()
    if high - low <= _LONG_S:
        ax.set_xlabel("time, s")
        return
    step = next((s for s in _STEPS_S if (high - low) / s <= 14), _STEPS_S[-1])
    hours = high >= 3600

    def clock(seconds: float, _place: int | None = None) -> str:
        whole = round(seconds)
        if hours:
            return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
        return f"{whole // 60}:{whole % 60:02d}"

    ax.xaxis.set_major_locator(MultipleLocator(step))
    ax.xaxis.set_major_formatter(FuncFormatter(clock))
    ax.set_xlabel("time, h:min:s" if hours else "time, min:s")
