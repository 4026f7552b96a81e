"""Plots: functions of a record or a table that draw on given axes.

matplotlib is imported here and nowhere else, and only when a plot is drawn. `ax` is where to draw;
by default that is a new figure.
"""

from __future__ import annotations

from emodiss.arguments import explain
from emodiss.plots.contact import contact_sheet
from emodiss.plots.moment import figure2, figure4
from emodiss.plots.paper import figure3, figure10
from emodiss.plots.plane import plot_differences, plot_plane
from emodiss.plots.ratings import (
    figure5,
    figure6,
    figure7,
    figure11,
    plot_correlations,
    plot_kappa,
    plot_means,
    replies_html,
    replies_page,
    side_by_side,
    table3,
)
from emodiss.plots.registry import draw, draw_all
from emodiss.plots.session import plot_session
from emodiss.plots.sweep import plot_sweep
from emodiss.registry import FIGURES

__all__ = [
    "FIGURES",
    "contact_sheet",
    "draw",
    "draw_all",
    "figure2",
    "figure3",
    "figure4",
    "figure5",
    "figure6",
    "figure7",
    "figure10",
    "figure11",
    "plot_correlations",
    "plot_differences",
    "plot_kappa",
    "plot_means",
    "plot_plane",
    "plot_session",
    "plot_sweep",
    "replies_html",
    "replies_page",
    "side_by_side",
    "table3",
]

explain(__name__)
