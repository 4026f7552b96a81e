"""Who is simulated: profiles read, split, given types of resistance and faces."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from emodiss import clients
from emodiss.clients import RESISTANCES, Case, LeftOut, Paired, Resistance
from emodiss.errors import RunError
from emodiss.mirror import layout
from emodiss.mirror.experiment import Experiment


@dataclass(frozen=True, slots=True)
class Cases:
    """What came of reading profiles.

    Parameters
    ----------
    cases
        Who is simulated.
    left_out
        Rows that are no profiles.
    n_repeated
        Records of the same client and thought as an earlier one.
    pairs
        Faces; empty if none were given.
    """

    cases: tuple[Case, ...]
    left_out: tuple[LeftOut, ...]
    n_repeated: int
    pairs: tuple[Paired, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every row is a profile and every profile has a face, where faces were given."""
        return not self.left_out and all(each.face is not None for each in self.pairs)


def profiles(
    experiment: Experiment,
    source: Path,
    *,
    n_evaluation: int = 200,
    n_training: int | None = None,
    types: Sequence[Resistance] = RESISTANCES,
    faces: Path | None = None,
    seed: int = 0,
    strict: bool = False,
) -> Cases:
    """Read profiles and write `cases.jsonl`: split by person, each with every type of resistance.

    Parameters
    ----------
    experiment
        Where the cases go.
    source
        File of profiles, or of records as CACTUS has them.
    n_evaluation, n_training, types, seed
        As in `clients.make_cases`.
    faces
        Table of faces, for `clients.pair`; `references.jsonl` says who got which.
    strict
        Whether a row that is no profile fails the command.

    Raises
    ------
    ClientError
        If a file cannot be read.
    RunError
        If dialogues or sessions of other cases are in the folder.
    """
    found = clients.read_profiles(source, strict=strict)
    people = found.profiles
    pairs: list[Paired] = []
    if faces is not None:
        pairs = clients.pair(people, clients.read_faces(faces), seed=seed)
        of = {each.profile: each.face and each.face.identity for each in pairs}
        people = tuple(dataclasses.replace(each, face=of[each.id]) for each in people)
    cases = clients.make_cases(
        people, n_evaluation=n_evaluation, n_training=n_training, types=types, seed=seed
    )
    with experiment.alone():
        _refuse_change(experiment, cases)
        experiment.cases.write(cases)
        experiment.lines(layout.LEFT_OUT).write([asdict(each) for each in found.left_out])
        if faces is not None:
            experiment.references.write([each.to_dict() for each in pairs])
    return Cases(tuple(cases), found.left_out, found.n_repeated, tuple(pairs))


def _refuse_change(experiment: Experiment, cases: Sequence[Case]) -> None:
    """Refuse to change who stands on which side once somebody was asked about it."""
    asked = {each.case.id: each.case for each in experiment.screenplays.read()}
    asked |= {each.case.id: each.case for each in experiment.encounters.read()}
    new = {case.id: case for case in cases}
    changed = [name for name, case in asked.items() if new.get(name) != case]
    if changed:
        raise RunError(
            f"The experiment '{experiment.root.name}' has dialogues of {len(changed)} cases that "
            f"would change or go, such as {changed[0]}.",
            next_step="Begin another experiment in another folder.",
            code="cases",
        )
