"""What the figures about ratings ask of their tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from emodiss.errors import SettingsError, nearest
from emodiss.plots import style
from emodiss.tabular import a_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def in_order(names: Iterable[Any], first: Sequence[str]) -> list[str]:
    """List what occurs: the known names in their known order, then the rest as they come."""
    seen = dict.fromkeys(map(str, names))
    return list(dict.fromkeys([*(name for name in first if name in seen), *seen]))


def largest_first(table: pd.DataFrame, what: str, size: str) -> list[str]:
    """List what occurs by its mean size, equals by name."""
    means = table.groupby(table[what].astype("str"))[size].mean()
    return list(means.sort_values(ascending=False, kind="stable").index)


def require(table: pd.DataFrame, columns: Sequence[str], maker: str) -> None:
    """Refuse a table that lacks columns, and name the function that makes the right one."""
    table = a_table(table, "results")
    absent = [name for name in columns if name not in table.columns]
    if absent:
        raise SettingsError(
            f"The table lacks the column(s) {', '.join(absent)}; "
            f"it has {', '.join(map(str, table.columns)) or 'none'}.",
            next_step=f"Draw the table that {maker} returns.",
        )


def one_criterion(table: pd.DataFrame, criterion: str) -> pd.DataFrame:
    """Keep the rows of one criterion, refusing one that has none."""
    part = table[table["criterion"] == criterion]
    if part.empty:
        seen = [str(name) for name in table["criterion"].unique()]
        raise SettingsError(
            f"The table has no criterion '{criterion}'.", next_step=nearest(criterion, seen)
        )
    return part


def nothing(text: str) -> Figure:
    """Make a figure that says why there is nothing to see."""
    ax = style.axes_or_new(None, width=6.0, height=2.0)
    style.empty_note(ax, text)
    ax.set_axis_off()
    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure
