"""Dissonance of groups: rate and mean signed differences, with intervals over sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emodiss.plots import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from emodiss.statistics import DissonanceBy

_PANELS = (
    ("rate", "share that is dissonant"),
    ("delta_valence", "valence, voice minus face"),
    ("delta_arousal", "arousal, voice minus face"),
)


def plot_dissonance_by(found: DissonanceBy) -> Figure:
    """Draw one panel per outcome, one row per group; lines are intervals over sessions."""
    from matplotlib.figure import Figure as NewFigure

    groups = found.groups
    names = [
        f"{', '.join(str(row[name]) for name in found.by)} (n = {row['n_determined']:,})"
        for row in groups.to_dict("records")
    ]
    places = np.arange(len(groups))
    with style.house_style():
        figure = NewFigure(figsize=(10.5, 1.6 + 0.36 * max(len(groups), 2)), layout="constrained")
        axes = figure.subplots(1, len(_PANELS), sharey=True)
        for ax, (name, label) in zip(axes, _PANELS, strict=True):
            ax.set_xlabel(label)
            ax.set_yticks(places, names, parse_math=False)
            ax.set_ylim(len(groups) - 0.5, -0.5)
            if not len(groups):
                continue
            middle = groups[name].to_numpy(float)
            low, high = (groups[f"{name}_{end}"].to_numpy(float) for end in ("low", "high"))
            ax.hlines(places, low, high, color=style.INK, lw=1.4)
            ax.plot(middle, places, "o", color=style.FLAG, ms=5)
            if name == "rate":
                ax.set_xlim(-0.02, 1.02)
            else:
                ax.axvline(0, color=style.QUIET, lw=0.8)
        many = f"{found.n_sessions} session{'s' if found.n_sessions != 1 else ''}"
        intervals = groups.filter(like="_low").notna().any().any()
        lines = "lines: 95 % over sessions" if intervals else "too few for intervals"
        figure.suptitle(f"{many}; {lines}")
    return figure
