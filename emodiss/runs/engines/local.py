"""Worker processes on this machine, one resident model each.

A worker that dies (out of memory, a crash in native code) costs its own job only: the jobs that
were under way are tried again one by one, and the one that kills its worker again is failed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from emodiss.runs.perform import Job, died, perform, release_model
from emodiss.runs.store import Outcome


class LocalEngine:
    """Runs jobs in so many worker processes, or with 0 in this one, which is easier to debug."""

    def __init__(self, *, workers: int) -> None:
        self.workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def map(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Yield one outcome per job, in the order they finish."""
        if self.workers == 0:
            for job in jobs:
                yield perform(job)
            return
        waiting = {self._submit(job): job for job in jobs}
        unfinished: list[Job] = []
        for future in as_completed(waiting):
            try:
                yield future.result()
            except BrokenProcessPool:
                unfinished.append(waiting[future])
        if unfinished:
            self.close()
        for job in unfinished:
            try:
                yield self._submit(job).result()
            except BrokenProcessPool:
                self.close()
                yield died(job)

    def stop(self) -> None:
        """End the worker processes at once; writes are whole or not at all, so nothing is torn."""
        # The pool itself would wait for a job that may take an hour.
        for process in list(getattr(self._pool, "_processes", None) or ()):
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGTERM)

    def close(self) -> None:
        """Stop the workers and forget the model of this process."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
        release_model()

    def _submit(self, job: Job) -> Future[Outcome]:
        if self._pool is None:
            # Spawned, not forked: torch and CUDA do not survive a fork.
            self._pool = ProcessPoolExecutor(
                max_workers=self.workers,
                mp_context=get_context("spawn"),
                initializer=_start_worker,
                initargs=(os.getpid(),),
            )
        return self._pool.submit(perform, job)


def _start_worker(parent: int) -> None:
    """Keep a worker silent and mortal."""
    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    # Ctrl-C reaches the whole group; the parent alone decides what becomes of the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    # A worker waits on a pipe that it holds open itself, so it would outlive a killed parent.
    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
