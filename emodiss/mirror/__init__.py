"""MIRROR (Kim et al. 2025): simulated sessions with resistant clients, from profiles to tables.

Each verb reads and writes the folder of one experiment; file names are in `mirror/layout.py`, and
commands of the same names call the verbs.
"""

from emodiss.arguments import explain
from emodiss.mirror.annomi import annomi
from emodiss.mirror.demo import Demo, demo
from emodiss.mirror.evaluate import Evaluation, evaluate
from emodiss.mirror.experiment import Decoding, Experiment, create, load
from emodiss.mirror.expressions import Expressions, expressions
from emodiss.mirror.faces import Faces, faces
from emodiss.mirror.judge import Asking, Judged, judge
from emodiss.mirror.pages import pages
from emodiss.mirror.pairs import collect_pairs, pairs
from emodiss.mirror.profiles import Cases, profiles
from emodiss.mirror.screen import Instruments, Screening, screen
from emodiss.mirror.screenplays import Written, screenplays
from emodiss.mirror.simulate import Drawing, Simulated, Simulation, simulate
from emodiss.mirror.training_data import training_data

__all__ = [
    "Asking",
    "Cases",
    "Decoding",
    "Demo",
    "Drawing",
    "Evaluation",
    "Experiment",
    "Expressions",
    "Faces",
    "Instruments",
    "Judged",
    "Screening",
    "Simulated",
    "Simulation",
    "Written",
    "annomi",
    "collect_pairs",
    "create",
    "demo",
    "evaluate",
    "expressions",
    "faces",
    "judge",
    "load",
    "pages",
    "pairs",
    "profiles",
    "screen",
    "screenplays",
    "simulate",
    "training_data",
]

explain(__name__)
