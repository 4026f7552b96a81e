"""Encounters: simulated sessions of a model that plays a client and one that plays a therapist."""

from emodiss.encounters.records import VARIANTS, Encounter, Plan, Reply, Variant

__all__ = ["VARIANTS", "Encounter", "Plan", "Reply", "Variant"]
