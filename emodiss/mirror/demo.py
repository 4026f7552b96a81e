"""The whole experiment with scripted models: from profiles to tables and pages, offline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from emodiss.chat.endpoint import Endpoint
from emodiss.chat.model import ChatModel
from emodiss.demo import actors
from emodiss.demo.clients import write_faces
from emodiss.encounters.session import Rules
from emodiss.errors import RunError
from emodiss.mirror import layout
from emodiss.mirror.evaluate import Evaluation, evaluate
from emodiss.mirror.experiment import Experiment, Progress, create
from emodiss.mirror.expressions import expressions
from emodiss.mirror.faces import faces, synthesizer
from emodiss.mirror.judge import judge
from emodiss.mirror.pages import pages
from emodiss.mirror.pairs import collect_pairs, pairs
from emodiss.mirror.paper import paper
from emodiss.mirror.profiles import profiles
from emodiss.mirror.screen import Screening, screen
from emodiss.mirror.screenplays import screenplays
from emodiss.mirror.simulate import Drawing, Simulation, simulate
from emodiss.runs.files import write_atomically
from emodiss.runs.journal import Journal
from emodiss.statistics import Bootstrap

ARMS = {"adviser": "text", "listener": "text+p", "seer": "p+ec"}
"""Therapists of the demo and what each is given."""

REFERENCE = "seer"


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo made.

    Parameters
    ----------
    evaluation, screening
        What its sessions and its screenplays say.
    report
        Index of the pages.
    paper
        The text that tells of it, Markdown.
    """

    experiment: Experiment
    evaluation: Evaluation
    screening: Screening
    report: Path
    paper: Path


def demo(root: Path, *, resamples: int = 1000, progress: Progress = None) -> Demo:
    """Run the whole experiment: three profiles, four types, three scripted therapists, drawn faces.

    Parameters
    ----------
    root
        New folder, or one of an earlier demo, which is continued.
    resamples
        Of the bootstrap behind the intervals.

    Raises
    ------
    RunError
        If the folder holds another experiment.
    """
    experiment = create(root)
    known = {case.profile.id for case in experiment.cases.read()}
    if not known <= {profile.id for profile in actors.PROFILES}:
        raise RunError(
            f"'{root.name}' holds another experiment.", next_step="Name a new folder for the demo."
        )
    given = root / "given"
    source = given / "profiles.jsonl"
    Journal(source, encode=actors.Profile.to_dict, sealed=False).write(list(actors.PROFILES))
    table = write_faces(given)
    profiles(experiment, source, n_evaluation=len(actors.PROFILES), faces=table)

    screenplays(experiment, _of(actors.writer()), side="all", progress=progress)
    expressions(experiment, _of(actors.describer()), progress=progress)
    draw = synthesizer("warp")
    faces(experiment, draw, progress=progress)
    screening = screen(experiment, progress=progress)

    for name, variant in ARMS.items():
        simulation = Simulation(
            name=name,
            variant=variant,  # pyright: ignore[reportArgumentType]
            rules=Rules(max_turns=8),
            captioner="given",
            drawing=Drawing(draw, _of(actors.describer())),
        )
        simulate(
            experiment,
            _of(actors.therapist(name)),
            _of(actors.client()),
            simulation,
            progress=progress,
        )
    judge(experiment, _of(actors.judge()), progress=progress)
    _compare(experiment)
    evaluation = evaluate(experiment, reference=REFERENCE, bootstrap=Bootstrap(resamples=resamples))
    evaluation.write(root / layout.EVALUATION)
    report = pages(experiment)
    told = root / layout.PAPER
    write_atomically(told, paper(experiment, evaluation, screening).encode())
    return Demo(experiment, evaluation, screening, report, told)


def _of(model: ChatModel) -> Endpoint:
    return Endpoint([model], concurrency=2)


def _compare(experiment: Experiment) -> None:
    """Let two scripted raters fill the blind sheets."""
    folder = experiment.root / layout.PAIRS
    if not folder.exists():
        pairs(experiment, n_cases=9)
    filled: list[Path] = []
    for path in sorted((folder / "sheets").glob("*.csv")):
        sheet = pd.read_csv(path, dtype=str, keep_default_na=False)
        for question in ("goal", "approach", "bond"):
            sheet[question] = [
                actors.choose(row.dialogue_a, row.dialogue_b, f"{path.stem} {row.item} {question}")
                for row in sheet.itertuples()
            ]
        filled.append(folder / "filled" / path.name)
        write_atomically(filled[-1], sheet.to_csv(index=False, lineterminator="\n").encode())
    collect_pairs(experiment, filled)
