"""Which clients are simulated, how each resists, and on which side of the split each stands."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from emodiss.clients.records import RESISTANCES, Case, ClientError, Profile, Resistance, Split


def make_cases(
    profiles: Sequence[Profile],
    *,
    n_evaluation: int = 200,
    n_training: int | None = None,
    types: Sequence[Resistance] = RESISTANCES,
    seed: int = 0,
) -> list[Case]:
    """Split profiles into evaluation and training, and give each one every type of resistance.

    Parameters
    ----------
    profiles
        Their order does not matter.
    n_evaluation
        Profiles to evaluate with: 200 in the paper, which gives 800 cases.
    n_training
        Profiles to train with; None for all others.
    types
        Types of resistance; each profile gets all of them.
    seed
        Of the draw.

    Returns
    -------
    list of Case
        Evaluation first. People with one name, age and gender stand on one side, even under
        several profiles; if they do not fit, fewer profiles than asked for are drawn.

    Raises
    ------
    ClientError
        If two profiles have one id, or no type is named.
    """
    if not types or len({profile.id for profile in profiles}) < len(profiles):
        raise ClientError("Cases need one type or more, and profiles with ids of their own.")
    people: dict[tuple[str, int, str], list[Profile]] = {}
    for profile in sorted(profiles, key=lambda each: each.id):
        people.setdefault(profile.person, []).append(profile)
    drawn: dict[Split, list[Profile]] = {"evaluation": [], "training": []}
    room = {"evaluation": n_evaluation, "training": len(profiles)}
    if n_training is not None:
        room["training"] = n_training
    for same in sorted(people.values(), key=lambda group: _drawn(group[0].id, seed)):
        for side, chosen in drawn.items():
            if len(chosen) + len(same) <= room[side]:
                chosen.extend(same)
                break
    return [
        Case(profile, kind, side)
        for side, chosen in drawn.items()
        for profile in chosen
        for kind in RESISTANCES
        if kind in types
    ]


def _drawn(name: str, seed: int) -> str:
    """Place of an id in a random order that no other id can change."""
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()
