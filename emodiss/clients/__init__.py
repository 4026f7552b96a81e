"""Clients of simulated sessions: profiles, and four ways to resist therapy or not to."""

from emodiss.arguments import explain
from emodiss.clients.cases import make_cases
from emodiss.clients.pairing import Face, Paired, pair, read_faces
from emodiss.clients.readers import LeftOut, Profiles, read_cactus, read_profiles
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
    "Face",
    "LeftOut",
    "Paired",
    "Profile",
    "Profiles",
    "Resistance",
    "Split",
    "make_cases",
    "pair",
    "read_cactus",
    "read_faces",
    "read_profiles",
    "resistance",
]

explain(__name__)
