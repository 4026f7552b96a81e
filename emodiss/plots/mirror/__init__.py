"""Figures of MIRROR experiments: each a function of a table from `statistics`, or of pictures."""

from emodiss.plots.mirror.lengths import figure_lengths
from emodiss.plots.mirror.pairs import figure_pairs
from emodiss.plots.mirror.pictures import with_and_without

__all__ = ["figure_lengths", "figure_pairs", "with_and_without"]
