"""Figure 8: where the raters come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from emodiss.plots import style
from emodiss.plots.ratings.tables import nothing, require
from emodiss.vocabulary import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROWS = (
    "Iceland:IS . . . Norway:NO Sweden:SE Finland:FI",
    ". . . . . . Estonia:EE",
    "Ireland:IE United_Kingdom:GB . . Denmark:DK . Latvia:LV",
    ". . . Netherlands:NL Germany:DE Poland:PL Lithuania:LT Belarus:BY",
    ". . Belgium:BE Luxembourg:LU Czechia:CZ Slovakia:SK Ukraine:UA",
    ". France:FR Switzerland:CH Liechtenstein:LI Austria:AT Hungary:HU Romania:RO Moldova:MD",
    "Portugal:PT Spain:ES Monaco:MC Italy:IT Slovenia:SI Croatia:HR Serbia:RS Bulgaria:BG",
    ". Andorra:AD . San_Marino:SM . Bosnia_and_Herzegovina:BA Kosovo:XK North_Macedonia:MK "
    "Türkiye:TR",
    ". . . Malta:MT . Montenegro:ME Albania:AL Greece:GR Cyprus:CY",
)
"""Europe as tiles, north at the top: no outlines of countries are shipped."""

TILES = {
    cell.partition(":")[0].replace("_", " "): (column, row, cell.partition(":")[2])
    for row, line in enumerate(_ROWS)
    for column, cell in enumerate(line.split())
    if cell != "."
}
"""Country to the column and row of its tile, and what stands on it."""

_LIGHT, _DARK = 0.25, 0.85


def plot_tiles(counts: pd.Series, *, ax: Axes | None = None) -> Axes:
    """Draw Europe as tiles, darker where more raters come from, each with its number."""
    import matplotlib as mpl
    from matplotlib.patches import Rectangle

    with style.house_style():
        ax = style.axes_or_new(ax, height=4.0)
        most = max(int(counts.max()), 1) if len(counts) else 1
        for name, (column, row, short) in TILES.items():
            n = int(counts.get(name, 0))
            shade = _LIGHT + (_DARK - _LIGHT) * n / most
            colour = mpl.colormaps["Blues"](shade) if n else "#F2F3F5"
            ax.add_patch(Rectangle((column, row), 0.94, 0.94, facecolor=colour, edgecolor="none"))
            ink = "white" if n and shade > 0.6 else style.INK if n else style.QUIET
            text = f"{short}\n{n}" if n else short
            ax.text(
                column + 0.47, row + 0.47, text, ha="center", va="center", color=ink,
                fontsize=8, fontweight="bold" if n else "normal", linespacing=1.1,
            )  # fmt: skip
        ax.set(xlim=(-0.1, 9.1), ylim=(9.1, -0.1), aspect="equal")
        ax.set_axis_off()
    return ax


def figure8(counts: pd.DataFrame) -> Figure:
    """Draw paper A's Figure 8: the countries that the raters come from.

    Parameters
    ----------
    counts
        Of the question `country`, from `ratings.background`: question, title, answer, n, n_raters.
    """
    import matplotlib.pyplot as plt

    require(counts, ["question", "title", "answer", "n", "n_raters"], "ratings.background")
    with style.house_style():
        counts = counts[counts["n"] > 0]
        if counts.empty:
            return nothing("nobody named a country")
        by_country = counts.set_index("answer")["n"].sort_values(ascending=False, kind="stable")
        height, title = max(4.2, 1.2 + 0.3 * len(by_country)), "Countries of "
        title += counted(int(counts["n_raters"].iloc[0]), "rater")
        bars: Any
        if set(by_country.index) & set(TILES):
            figure, (tiles, bars) = plt.subplots(
                1, 2, figsize=(9.0, height), width_ratios=(1.35, 1)
            )
            plot_tiles(by_country, ax=tiles).set_title(title)
        else:  # nobody comes from where there are tiles
            figure, bars = plt.subplots(figsize=(4.5, height))
            bars.set_title(title)
        n = by_country.to_numpy(dtype=np.int64)
        drawn = bars.barh(range(len(n)), n, 0.62, color=style.SPEECH)
        bars.bar_label(drawn, labels=[str(k) for k in n], padding=3, fontsize=8)
        bars.set_yticks(range(len(n)), [str(name) for name in by_country.index])
        bars.set(ylim=(max(len(n), 6) - 0.4, -0.6), xlim=(0, 1.15 * n.max()), xlabel="raters")
        bars.xaxis.get_major_locator().set_params(integer=True)
        bars.grid(axis="y", visible=False)
        bars.tick_params(axis="y", length=0)
    return figure
