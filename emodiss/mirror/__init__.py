"""MIRROR (Kim et al. 2025): simulated sessions with resistant clients, from profiles to tables.

Each verb reads and writes the folder of one experiment; file names are in `mirror/layout.py`, and
commands of the same names call the verbs.
"""

from emodiss.mirror.experiment import Experiment, create, load

__all__ = ["Experiment", "create", "load"]
