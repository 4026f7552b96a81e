"""MIRROR (Kim et al. 2025): simulated sessions with resistant clients, from profiles to tables.

Each verb reads and writes the folder of one experiment; file names are in `mirror/layout.py`, and
commands of the same names call the verbs.
"""

from emodiss.mirror.experiment import Decoding, Experiment, create, load
from emodiss.mirror.expressions import Expressions, expressions
from emodiss.mirror.faces import Faces, faces
from emodiss.mirror.judge import Asking, Judged, judge
from emodiss.mirror.profiles import Cases, profiles
from emodiss.mirror.screen import Instruments, Screening, screen
from emodiss.mirror.screenplays import Written, screenplays

__all__ = [
    "Asking",
    "Cases",
    "Decoding",
    "Experiment",
    "Expressions",
    "Faces",
    "Instruments",
    "Judged",
    "Screening",
    "Written",
    "create",
    "expressions",
    "faces",
    "judge",
    "load",
    "profiles",
    "screen",
    "screenplays",
]
