"""Ray actors, one resident model each; the only file that imports ray.

The run folder must lie on a file system that all nodes share.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

from emodiss.errors import MissingExtra
from emodiss.runs.perform import Job, perform
from emodiss.runs.store import Outcome


class _Worker:
    def perform(self, job: Job) -> Outcome:
        return perform(job)


class RayEngine:
    """Runs jobs in Ray actors.

    Parameters
    ----------
    workers
        Number of actors, at least 1.

    Raises
    ------
    MissingExtra
        If ray is not installed.
    """

    def __init__(self, *, workers: int) -> None:
        try:
            import ray
        except ImportError:
            raise MissingExtra.of("ray", "ray") from None
        self._ray = ray
        self._started_here = not ray.is_initialized()
        if self._started_here:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        environment = {"env_vars": {"PYANNOTE_METRICS_ENABLED": "0"}}
        remote: Any = ray.remote(_Worker)
        count = max(1, workers)
        self._actors = [remote.options(runtime_env=environment).remote() for _ in range(count)]

    def map(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Yield one outcome per job, in the order they finish."""
        from ray.util import ActorPool

        pool: Any = ActorPool(self._actors)
        yield from pool.map_unordered(lambda actor, job: actor.perform.remote(job), list(jobs))

    def stop(self) -> None:
        """End the actors at once."""
        self.close()

    def close(self) -> None:
        """Stop the actors, and Ray itself when this engine started it; once is enough."""
        # Any call after the shutdown would start Ray again, with handles it does not know.
        actors, self._actors = self._actors, []
        for actor in actors:
            self._ray.kill(actor)
        if actors and self._started_here:
            self._ray.shutdown()
