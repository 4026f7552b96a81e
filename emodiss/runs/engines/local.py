"""Worker processes on this machine, one resident model each.

A worker that dies (out of memory, a crash in native code) costs its own job only. It is tried again
while nothing else is under way, and failed if it ends another worker.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait

from emodiss.runs.engines import Take
from emodiss.runs.perform import Job, died, perform, release_model
from emodiss.runs.store import Outcome


class LocalEngine:
    """Runs jobs in so many worker processes, or with 0 in this one, which is easier to debug."""

    def __init__(self, *, workers: int) -> None:
        self.workers = workers
        self._idle: list[_Worker] = []
        # By what is heard of them.
        self._busy: dict[Connection, tuple[_Worker, Job]] = {}

    def work(self, take: Take) -> Iterator[Outcome]:
        """Yield one outcome per job, in the order they finish."""
        if self.workers == 0:
            while (job := take()) is not None:
                yield perform(job)
            return
        # Lost with their workers; most often memory ran out, so each has the machine to itself.
        lost: deque[Job] = deque()
        while True:
            if lost and not self._busy:
                self._give(lost[0])
            while not lost and len(self._busy) < self.workers and (job := take()) is not None:
                self._give(job)
            if not self._busy:
                return
            for answers in wait(list(self._busy)):
                worker, job = self._busy.pop(answers)  # type: ignore[arg-type]
                outcome = worker.answer()
                again = bool(lost) and lost[0] is job
                if outcome is None and not again:
                    lost.append(job)
                    continue
                if again:
                    lost.popleft()
                if outcome is not None:
                    self._idle.append(worker)
                yield outcome or died(job)

    def stop(self) -> None:
        """End the worker processes at once; writes are whole or not at all, so nothing is torn."""
        # To close would wait for a job that may take an hour.
        for worker in self._workers():
            worker.process.terminate()

    def close(self) -> None:
        """Let the workers finish, end them, and forget the model of this process."""
        workers = self._workers()
        self._idle, self._busy = [], {}
        for worker in workers:
            worker.dismiss()
        for worker in workers:
            worker.process.join()
        release_model()

    def _workers(self) -> list[_Worker]:
        return [*self._idle, *(worker for worker, _ in self._busy.values())]

    def _give(self, job: Job) -> None:
        """Give a job to an idle worker that lives, or to a new one."""
        while True:
            worker = self._idle.pop() if self._idle else _Worker()
            if worker.give(job):
                self._busy[worker.answers] = worker, job
                return


class _Worker:
    """A process that does one job after the other."""

    def __init__(self) -> None:
        # Spawned, not forked: torch and CUDA do not survive a fork.
        context = get_context("spawn")
        self.answers, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, os.getpid()))
        self.process.start()
        theirs.close()

    def give(self, job: Job) -> bool:
        """Send a job; False if the process has ended meanwhile."""
        try:
            self.answers.send(job)
        except OSError:
            return False
        return True

    def answer(self) -> Outcome | None:
        """Receive what became of the job; None if the process has ended."""
        try:
            return self.answers.recv()
        except (EOFError, OSError):
            return None

    def dismiss(self) -> None:
        """Let the process end after what it is at."""
        with contextlib.suppress(OSError):
            self.answers.send(None)


def _serve(jobs: Connection, parent: int) -> None:
    """Do jobs until there are no more, or nobody is there to give any."""
    _stay_silent_and_mortal(parent)
    with contextlib.suppress(EOFError, OSError):
        while (job := jobs.recv()) is not None:
            jobs.send(perform(job))


def _stay_silent_and_mortal(parent: int) -> None:
    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    # Ctrl-C reaches the whole group; the parent alone decides what becomes of the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    # What it is at may take an hour, and nobody would hear the answer.
    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
