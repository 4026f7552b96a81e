"""MIRROR (Kim et al. 2025): simulated sessions with resistant clients, from profiles to tables.

Each verb reads and writes the folder of one experiment; file names are in `mirror/layout.py`, and
commands of the same names call the verbs.
"""

<<<<<<< HEAD
from emodiss.mirror.experiment import Experiment, create, load
from emodiss.mirror.expressions import expressions
from emodiss.mirror.faces import faces

__all__ = ["Experiment", "create", "expressions", "faces", "load"]
=======
from emodiss.mirror.experiment import Decoding, Experiment, create, load
from emodiss.mirror.profiles import Cases, profiles
from emodiss.mirror.screenplays import Written, screenplays

__all__ = [
    "Cases",
    "Decoding",
    "Experiment",
    "Written",
    "create",
    "load",
    "profiles",
    "screenplays",
]
>>>>>>> encounters
