"""Figure 7: replies side by side, as a picture and as HTML."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from emodiss.errors import SettingsError, nearest
from emodiss.plots import style
from emodiss.plots.ratings.means import CONDITION_COLOURS
from emodiss.plots.ratings.tables import in_order, require

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def side_by_side(
    replies: pd.DataFrame, *, conditions: Sequence[str] = ("base", "dissonance")
) -> pd.DataFrame:
    """Lay the replies of each model under several conditions next to each other.

    Parameters
    ----------
    replies
        One row per model and condition: model, condition, response and, if known, technique.
        Rows of one window only: two replies of a model under a condition are an error.
    conditions
        Columns of the result, left to right.

    Returns
    -------
    DataFrame
        One row per model, one column per condition, `Technique: response` as in the paper; a
        missing reply is a missing value.

    Raises
    ------
    SettingsError
        If columns or all the conditions are missing, or a model replied twice.
    """
    require(replies, ["model", "condition", "response"], "interventions as one row per reply")
    rows = replies[replies["condition"].isin(conditions)]
    if rows.empty:
        seen = [str(name) for name in replies["condition"].unique()]
        raise SettingsError(
            f"There is no reply under {' or '.join(conditions)}.",
            next_step=nearest(str(conditions[0]), seen),
        )
    twice = rows.duplicated(["model", "condition"])
    if twice.any():
        row = rows[twice].iloc[0]
        raise SettingsError(
            f"Model '{row['model']}' has several replies under '{row['condition']}'.",
            next_step="Keep the replies to one window, and one sample of each.",
        )
    response = rows["response"].astype("str").str.strip()
    if "technique" in rows.columns:
        named = rows["technique"].notna() & (rows["technique"].astype("str").str.strip() != "")
        response = response.where(
            ~named, rows["technique"].astype("str").str.strip() + ": " + response
        )
    wide = rows.assign(said=response).pivot(index="model", columns="condition", values="said")
    return wide.reindex(columns=list(conditions)).sort_index()


def figure7(
    replies: pd.DataFrame,
    *,
    conditions: Sequence[str] = ("base", "dissonance"),
    context: str | None = None,
    width_chars: int = 62,
) -> Figure:
    """Draw paper A's Figure 7: what each model says without and with the mark of dissonance.

    Parameters
    ----------
    replies, conditions
        As for `side_by_side`. A line below names conditions that are there and not shown; the page
        of `replies_page` has all.
    context
        The dialogue that the models were shown, printed above the table.
    width_chars
        Characters per line in a cell.
    """
    import matplotlib.pyplot as plt

    table = side_by_side(replies, conditions=conditions)
    cells = [
        [_wrapped(value, width_chars) if pd.notna(value) else "(no reply)" for value in row]
        for row in table.to_numpy()
    ]
    models = [style.wrap(str(name), 14) for name in table.index]
    top = _wrapped(context, 22 + width_chars * len(conditions)) if context else ""
    line = 0.14
    heights = [
        (max(t.count("\n") for t in (model, *row)) + 1) * line + 0.16
        for model, row in zip(models, cells, strict=True)
    ]
    head = 0.3
    above = (top.count("\n") + 1) * line + 0.16 if top else 0.0
    others = [name for name in _all_conditions(replies) if name not in conditions]
    total = sum(heights) + head + above + (0.24 if others else 0.0)
    widths = [1.25, *[0.066 * width_chars] * len(conditions)]
    with style.house_style():
        figure, ax = plt.subplots(figsize=(sum(widths) + 0.2, total + 0.2))
        ax.set(xlim=(0, sum(widths)), ylim=(total + 0.02, 0))
        ax.set_axis_off()
        # What a model wrote is text: '$' must not start a formula.
        plain: dict[str, Any] = {
            "va": "top",
            "fontsize": 8,
            "parse_math": False,
            "linespacing": 1.2,
        }
        if top:
            ax.text(0.05, 0.05, top, style="italic", **plain)
        starts = np.concatenate([[0.0], np.cumsum(widths)])
        y = above
        for x, name in zip(starts[1:], conditions, strict=False):
            ax.text(x + 0.05, y + 0.08, name, weight="bold", **plain)
        y += head
        for model, row, height in zip(models, cells, heights, strict=True):
            ax.axhline(y, color=style.QUIET, lw=0.7)
            ax.text(0.05, y + 0.1, model, weight="bold", **plain)
            for x, text in zip(starts[1:], row, strict=False):
                ax.text(x + 0.05, y + 0.1, text, **plain)
            y += height
        ax.axhline(y, color=style.QUIET, lw=0.7)
        if others:
            ax.text(0.05, y + 0.1, f"Not shown here: {', '.join(others)}.", **plain)
        ax.grid(visible=False)
    return figure


def _all_conditions(replies: pd.DataFrame) -> list[str]:
    """List the conditions of replies: the paper's in its order, then others."""
    return in_order(replies["condition"], tuple(CONDITION_COLOURS))


def _wrapped(text: Any, width: int) -> str:
    lines = str(text).splitlines() or [""]
    return "\n".join("\n".join(textwrap.wrap(line, width) or [""]) for line in lines)


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Replies side by side</title>
<style>
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, "Noto Sans", sans-serif; margin: 2rem auto; max-width: 75rem;
  padding: 0 1.2rem; overflow-wrap: break-word; }
table { border-collapse: collapse; width: 100%%; }
caption { text-align: left; padding-bottom: 1.5rem; max-width: 45rem; }
th, td { text-align: start; vertical-align: top; padding: .6rem 1.5rem .6rem 0;
  border-bottom: 1px solid #8886; }
td { white-space: pre-line; }
@media screen and (max-width: 45em) {
  body { margin: 1rem auto; }
  thead { position: absolute; clip-path: inset(50%%); }
  tr, th, td { display: block; }
  tr { border-bottom: 1px solid #8886; padding: .6rem 0; }
  th, td { border: 0; padding: .2rem 0; }
  td::before { content: attr(data-condition); display: block; opacity: .75; font-size: .85em; }
}
</style>
</head>
<body>
<h1>Replies side by side</h1>
%s</body>
</html>
"""


def replies_page(
    replies: pd.DataFrame,
    *,
    conditions: Sequence[str] | None = None,
    context: str | None = None,
) -> str:
    """Write the table of `replies_html` as a page of its own, in light and dark, for print too.

    Parameters
    ----------
    conditions
        As for `side_by_side`; all that are there if None.
    """
    shown = _all_conditions(replies) if conditions is None else conditions
    return _PAGE % replies_html(replies, conditions=shown, context=context)


def replies_html(
    replies: pd.DataFrame,
    *,
    conditions: Sequence[str] = ("base", "dissonance"),
    context: str | None = None,
) -> str:
    """Write the side-by-side table as HTML, escaped, which shows emoji and right-to-left text."""
    from html import escape

    table = side_by_side(replies, conditions=conditions)
    head = "".join(f'<th scope="col">{escape(str(c))}</th>' for c in ("model", *conditions))
    body = ""
    for model, row in zip(table.index, table.to_numpy(), strict=True):
        said = "".join(
            f'<td dir="auto" data-condition="{escape(str(c))}">'
            f"{escape(str(v)) if pd.notna(v) else '(no reply)'}</td>"
            for c, v in zip(table.columns, row, strict=True)
        )
        body += f'<tr><th scope="row">{escape(str(model))}</th>{said}</tr>\n'
    lines = "".join(
        f'<div dir="auto">{escape(line)}</div>\n' for line in (context or "").splitlines()
    )
    caption = f"<caption>\n{lines}</caption>\n" if context else ""
    return f"<table>\n{caption}<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n"
