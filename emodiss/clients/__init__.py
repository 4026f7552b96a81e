"""Clients of simulated sessions: profiles, and four ways to resist therapy or not to."""

from emodiss.clients.records import (
    RESISTANCES,
    RESISTANT,
    TRAITS,
    Case,
    ClientError,
    Profile,
    Resistance,
    Split,
    resistance,
)

__all__ = [
    "RESISTANCES",
    "RESISTANT",
    "TRAITS",
    "Case",
    "ClientError",
    "Profile",
    "Resistance",
    "Split",
    "resistance",
]
