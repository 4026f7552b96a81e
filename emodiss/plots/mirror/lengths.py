"""Figures 7 and 8 of MIRROR: length of the replies and scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from emodiss.plots import style
from emodiss.plots.ratings.tables import nothing, require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#22262B")
_MARKERS = "osD^vPX"
_ARMS = {"text": "text-based therapists", "vision": "therapists that see the client"}


def figure_lengths(
    sessions: pd.DataFrame,
    correlations: pd.DataFrame,
    *,
    titles: Mapping[str, str],
    unit: str = "words",
) -> Figure:
    """Draw Figure 7 or 8: a point per session, the arms below each other.

    Parameters
    ----------
    sessions
        One row per session and criterion: model, arm, criterion, score, length.
    correlations
        From `statistics.length_correlation` of the same table; Pearson's r is shown, over all and
        within models.
    titles
        Criterion to the title of its column, in order.
    unit
        What length is counted in.
    """
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D

    require(sessions, ["model", "arm", "criterion", "score", "length"], "mirror.evaluate")
    needed = ["arm", "criterion", "scope", "method", "r", "low", "high", "n"]
    require(correlations, needed, "statistics.length_correlation")
    known = sessions.dropna(subset=["score", "length"])
    criteria = [name for name in titles if name in set(known["criterion"])]
    arms = [arm for arm in _ARMS if arm in set(known["arm"])]
    with style.house_style():
        if not criteria or not arms:
            return nothing("no session has a score and a length")
        models = sorted(map(str, known["model"].unique()))
        looks = {
            name: (_COLOURS[k % len(_COLOURS)], _MARKERS[k // len(_COLOURS) % len(_MARKERS)])
            for k, name in enumerate(models)
        }
        figure, axes = plt.subplots(
            len(arms), len(criteria), figsize=(3.3 * len(criteria), 3.0 * len(arms) + 0.5),
            squeeze=False, sharey=True,
        )  # fmt: skip
        for line, arm in zip(axes, arms, strict=True):
            for ax, criterion in zip(line, criteria, strict=True):
                part = known[(known["arm"] == arm) & (known["criterion"] == criterion)]
                _points(ax, part, looks)
                said = _said(correlations, arm, criterion)
                ax.set_title(titles[criterion] + said, fontsize=8.5)
                ax.set_xlabel(f"{unit} per reply, mean of a session", fontsize=8)
            line[0].set_ylabel(f"score\n{_ARMS[arm]}")
        handles = [
            Line2D([], [], marker=marker, color=colour, ls="") for colour, marker in looks.values()
        ]
        figure.legend(
            handles, [style.short(name, 30) for name in models],
            loc="outside lower center", ncols=min(4, len(models)),
        )  # fmt: skip
    return figure


def _points(ax: Axes, part: pd.DataFrame, looks: Mapping[str, tuple[str, str]]) -> None:
    """Draw the sessions; scores are whole numbers, so that points are moved apart a little."""
    rng = np.random.default_rng(0)
    for model, (colour, marker) in looks.items():
        own = part[part["model"].astype("str") == model]
        score = own["score"].to_numpy(dtype=np.float64) + rng.uniform(-0.12, 0.12, len(own))
        ax.plot(own["length"], score, marker, color=colour, ms=3.5, alpha=0.6, mew=0)


def _said(correlations: pd.DataFrame, arm: str, criterion: str) -> str:
    rows = correlations[
        (correlations["arm"] == arm)
        & (correlations["criterion"] == criterion)
        & (correlations["method"] == "pearson")
    ].set_index("scope")
    said = ""
    for scope, name in (("pooled", "over all"), ("within", "within models")):
        if scope not in rows.index:
            continue
        r, low, high = (float(rows.loc[scope, column]) for column in ("r", "low", "high"))
        if np.isnan(r):
            said += f"\nr {name}: none ({rows.loc[scope, 'reason']})"
            continue
        limits = "" if np.isnan(low) else f" [{low:z.2f}, {high:z.2f}]"
        said += f"\nr {name} = {r:z.2f}{limits}"
    return said
