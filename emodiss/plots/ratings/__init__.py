"""The paper's figures about ratings: each a function of a table from `statistics` or `ratings`.

Cells without ratings have no bar and no colour and say so; every cell shows its n.
"""

from emodiss.plots.ratings.answers import figure_answers
from emodiss.plots.ratings.countries import figure8
from emodiss.plots.ratings.judges import figure_correlations, plot_correlations, table3
from emodiss.plots.ratings.kappa import figure6, plot_kappa
from emodiss.plots.ratings.means import figure5, plot_means
from emodiss.plots.ratings.raters import figure11, plot_answers
from emodiss.plots.ratings.replies import figure7, replies_html, replies_page, side_by_side

__all__ = [
    "figure5",
    "figure6",
    "figure7",
    "figure8",
    "figure11",
    "figure_answers",
    "figure_correlations",
    "plot_answers",
    "plot_correlations",
    "plot_kappa",
    "plot_means",
    "replies_html",
    "replies_page",
    "side_by_side",
    "table3",
]
