"""Engines: do jobs on workers as they come free, and know nothing of what a job is for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Protocol

from emodiss.errors import SettingsError, nearest
from emodiss.runs.perform import Job
from emodiss.runs.store import Outcome

Take = Callable[[], Job | None]
"""Gives the next job that can start, or None when for now there is none."""


class Engine(Protocol):
    """Calls `perform` on workers."""

    def work(self, take: Take) -> Iterator[Outcome]:
        """Yield one outcome per job, in whatever order they finish.

        `take` is asked when a worker is free, and again after each outcome, since that may let more
        jobs start. Ends when nothing is under way and there is no job.
        """
        ...

    def stop(self) -> None:
        """End the workers at once; what they are at is lost, and nothing else."""
        ...

    def close(self) -> None:
        """Let the workers finish and end them."""
        ...


ENGINES = ("local", "ray")


def create(
    name: str,
    *,
    workers: int | None,
    threads: int = 1,
    device: str = "cpu",
    address: str | None = None,
) -> Engine:
    """Make an engine; without a number of workers it takes what the machines offer."""
    if workers is not None and workers < 0:
        raise SettingsError(
            f"There cannot be {workers} workers.", next_step="Give 0 to work in this process."
        )
    if name == "local":
        from emodiss.runs.engines.local import LocalEngine

        if address:
            raise SettingsError(
                "An address is that of a Ray cluster.", next_step="Add: --engine ray"
            )
        # A worker is started when a job finds none idle, so that a short video gets one.
        return LocalEngine(workers=(os.cpu_count() or 1) if workers is None else workers)
    if name == "ray":
        from emodiss.runs.engines.ray_actors import RayEngine

        return RayEngine(workers=workers, threads=threads, device=device, address=address)
    raise SettingsError(f"There is no engine '{name}'.", next_step=nearest(name, ENGINES))
