"""Engines: map one function over jobs, and know nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from emodiss.errors import SettingsError, nearest
from emodiss.runs.perform import Job
from emodiss.runs.store import Outcome


class Engine(Protocol):
    """Maps `perform` over jobs."""

    def map(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Yield one outcome per job, in whatever order they finish."""
        ...

    def stop(self) -> None:
        """End the workers at once; what they are at is lost, and nothing else."""
        ...

    def close(self) -> None:
        """Let the workers finish and end them."""
        ...


ENGINES = ("local", "ray")


def create(name: str, *, workers: int) -> Engine:
    """Make an engine."""
    if name == "local":
        from emodiss.runs.engines.local import LocalEngine

        return LocalEngine(workers=workers)
    if name == "ray":
        from emodiss.runs.engines.ray_actors import RayEngine

        return RayEngine(workers=workers)
    raise SettingsError(f"There is no engine '{name}'.", next_step=nearest(name, ENGINES))
