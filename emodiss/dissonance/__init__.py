"""Emotional dissonance: voice and face of one person tell apart (paper A, Equation 1).

    dissonance = 1 if max(|V_ser - V_fer|, |A_ser - A_fer|) > T

Both channels must be on one declared scale (`emodiss.affect`). The answer is true, false or
undetermined: a channel that was not measured makes it undetermined and never false.

`flag` is the equation on arrays; `reflag` applies a rule (settings group `dissonance`, which says
what else may be compared) to an utterance table and says how probable each flag is; `sweep`,
`chance` and `overview` say how much a flag rate means. Nothing here looks at media or models:
another threshold costs nothing.
"""

from emodiss.arguments import explain
from emodiss.dissonance.chance import NULL_WORDS, Chance, Null, chance, sweep, sweep_against_chance
from emodiss.dissonance.equation import Axis, Flags, exceedance_probability, flag
from emodiss.dissonance.overview import Overview, overview
from emodiss.dissonance.rules import EQUATION_1, reflag

__all__ = [
    "EQUATION_1",
    "NULL_WORDS",
    "Axis",
    "Chance",
    "Flags",
    "Null",
    "Overview",
    "chance",
    "exceedance_probability",
    "flag",
    "overview",
    "reflag",
    "sweep",
    "sweep_against_chance",
]

explain(__name__)
