"""Ray actors, one resident model each, on this machine or on a cluster; only this file imports ray.

The run folder, the media and the weights must lie on a file system that all nodes share, under the
same paths. A node that dies costs nothing that is written: what its actors were at is done again
on others.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections import Counter, deque
from collections.abc import Iterator
from typing import Any, Final

import emodiss
from emodiss.errors import MissingExtra, RunError
from emodiss.runs.engines import Take
from emodiss.runs.perform import Job, died, perform
from emodiss.runs.store import Outcome

TRIES: Final = 3
"""How often a job is given to an actor that does not survive it; two actors may have died idle."""

# What workers elsewhere must know of this process's surroundings.
_HANDED_ON: Final = ("EMODISS_HOME", "HF_HUB_OFFLINE", "OMP_NUM_THREADS")


class _Worker:
    def version(self) -> str:
        return emodiss.__version__

    def perform(self, job: Job) -> Outcome:
        # A folder that this node alone knows would take the result, and nobody would find it.
        if not job.root.is_dir():
            error = {
                "code": "not_shared",
                "what": f"The run folder is not there on node {os.uname().nodename}.",
                "next_step": "Put it on a file system that all nodes share, under the same path.",
            }
            return Outcome(job.row.id, job.stage, "failed", key=job.key, error=error)
        return perform(job)


class RayEngine:
    """Runs jobs in Ray actors; those there is no room for wait until the cluster grows."""

    def __init__(
        self,
        *,
        workers: int | None,
        threads: int = 1,
        device: str = "cpu",
        address: str | None = None,
    ) -> None:
        try:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            import ray
        except ImportError:
            raise MissingExtra.of("ray", "ray") from None
        self._ray = ray
        self._started_here = not ray.is_initialized()
        if self._started_here:
            self._connect(address)
        elif address:
            raise RunError(
                "This process is connected to a Ray cluster already.",
                next_step="Leave the address away, or call ray.shutdown() first.",
            )
        resource = "GPU" if device == "cuda" else "CPU"
        there = ray.cluster_resources().get(resource, 0)
        if device == "cuda" and not there:
            self._leave()
            raise RunError(
                "Device 'cuda' was asked for, and no node of the Ray cluster offers a GPU.",
                next_step="Start nodes with GPUs, or run with --device cpu.",
            )
        fitting = int(there) if device == "cuda" else int(there) // threads
        self._count = max(1, fitting if workers is None else workers)
        handed_on = {name: os.environ[name] for name in _HANDED_ON if name in os.environ}
        remote: Any = ray.remote(_Worker)
        self._worker = remote.options(
            num_cpus=threads,
            num_gpus=1 if device == "cuda" else 0,
            runtime_env={"env_vars": {**handed_on, "PYANNOTE_METRICS_ENABLED": "0"}},
        )
        self._idle: list[Any] = []
        # What is under way: the actor, and its job or, while it starts, None.
        self._busy: dict[Any, tuple[Any, Job | None]] = {}
        self._failed_starts = 0
        for _ in range(self._count):
            self._hire()

    def work(self, take: Take) -> Iterator[Outcome]:
        """Yield one outcome per job, in the order they finish."""
        from ray.exceptions import OutOfMemoryError, RayActorError

        # To be given out before what `take` gives.
        first: deque[Job] = deque()
        lost = Counter[tuple[str, str]]()
        while True:
            while self._idle and (job := first.popleft() if first else take()) is not None:
                actor = self._idle.pop()
                self._busy[actor.perform.remote(job)] = (actor, job)
            if all(job is None for _, job in self._busy.values()) and not first:
                # Nothing is under way: all actors are still starting, or there is nothing to do.
                job = None if self._idle else take()
                if job is None:
                    return
                first.append(job)
            (finished,), _ = self._ray.wait(list(self._busy), num_returns=1)
            actor, job = self._busy.pop(finished)
            try:
                answer = self._ray.get(finished)
            except (RayActorError, OutOfMemoryError):
                self._hire()
                if job is None:
                    self._count_failed_start()
                    continue
                lost[job.row.id, job.key] += 1
                if lost[job.row.id, job.key] < TRIES:
                    first.append(job)
                else:
                    yield died(job)
                continue
            self._idle.append(actor)
            self._failed_starts = 0
            if job is not None:
                yield answer
            elif answer != emodiss.__version__:
                raise RunError(
                    f"A node of the cluster has emodiss {answer}, and this machine "
                    f"{emodiss.__version__}.",
                    next_step="Install the same version everywhere.",
                )

    def stop(self) -> None:
        """End the actors at once."""
        self.close()

    def close(self) -> None:
        """Stop the actors, and leave the cluster that this engine joined; once is enough."""
        # Any call after the shutdown would start Ray again, with handles it does not know.
        actors = [*self._idle, *(actor for actor, _ in self._busy.values())]
        self._idle, self._busy = [], {}
        for actor in actors:
            self._ray.kill(actor)
        self._leave()

    def _connect(self, address: str | None) -> None:
        # Naming a cluster's size is for whoever starts it.
        own: dict[str, Any] = {"include_dashboard": False}
        named = address or os.environ.get("RAY_ADDRESS")
        try:
            self._ray.init(
                address=address,
                log_to_driver=False,
                logging_level=logging.ERROR,
                **({} if named else own),
            )
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise RunError(
                f"No Ray cluster answers at '{named}'.",
                next_step="Start one with: ray start --head; if it asks for a token, export "
                "RAY_AUTH_MODE=token here, too. Or leave --address away.",
            ) from error

    def _hire(self) -> None:
        """Ask for one more actor; it counts once it answers."""
        actor = self._worker.remote()
        self._busy[actor.version.remote()] = (actor, None)

    def _count_failed_start(self) -> None:
        self._failed_starts += 1
        if self._failed_starts > TRIES * self._count:
            raise RunError(
                "The workers on the Ray cluster end as soon as they start.",
                next_step="See that emodiss is installed in the environment of every node.",
            )

    def _leave(self) -> None:
        if self._started_here:
            self._started_here = False
            with contextlib.suppress(Exception):
                self._ray.shutdown()
