"""A page for each simulated session: what was said, shown, noted, planned and scored."""

from __future__ import annotations

from pathlib import Path

from emodiss.mirror import layout
from emodiss.mirror.experiment import Experiment
from emodiss.web.encounters import write_encounters


def pages(experiment: Experiment) -> Path:
    """Write the pages of all sessions to `report/`; returns their index.

    Raises
    ------
    RunError
        If there are no sessions.
    """
    encounters = experiment.need(experiment.encounters, "simulate")
    return write_encounters(
        encounters,
        experiment.root / layout.REPORT,
        root=experiment.root,
        scores=experiment.lines(layout.SCORES).read(),
        name=experiment.root.name,
    )
