"""Encounters: simulated sessions of a model that plays a client and one that plays a therapist."""

from emodiss.arguments import explain
from emodiss.encounters.failures import FAILURES, failure_counts, failures
from emodiss.encounters.lengths import lengths, reply_lengths
from emodiss.encounters.records import VARIANTS, Encounter, Plan, Reply, Variant

__all__ = [
    "FAILURES",
    "VARIANTS",
    "Encounter",
    "Plan",
    "Reply",
    "Variant",
    "failure_counts",
    "failures",
    "lengths",
    "reply_lengths",
]

explain(__name__)
