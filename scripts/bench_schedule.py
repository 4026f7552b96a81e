"""Time what a run of many sessions costs beside its stages: planned, scheduled and gathered.

    python scripts/bench_schedule.py                          # 1,441 sessions, two workers here
    python scripts/bench_schedule.py --engine ray --sessions 200

`emodiss.annotate` itself runs, from the manifest to the tables, with the real agenda, engine,
workers, files and journals. Stages that need media, a model or long are stand-ins that answer at
once, those of `bench_scale.py`; sessions are 20 seconds long, so that none is done in pieces. CPU
seconds are those of the driver and of its workers, divided by jobs: reading what a stage reads,
writing and sealing what it makes, and the journal's lines are all in them. The driver's memory is
looked at after every job.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from pathlib import Path
from unittest import mock

import bench_scale

import emodiss
from emodiss.runs import perform
from emodiss.runs.engines import ray_actors
from emodiss.runs.perform import Job
from emodiss.runs.store import Outcome
from emodiss.runs.work import Work

SECONDS, SAID = 20.0, 10
"""Length of a session, and utterances in it."""


class Standing:
    """An actor of Ray whose stages answer at once; it looks at its own CPU seconds."""

    def __init__(self) -> None:
        # Kept: it ends with whoever holds it.
        self._standing = bench_scale.stand_in()
        self._standing.__enter__()

    def version(self) -> str:
        """Say what it was made from."""
        return emodiss.__version__

    def perform(self, job: Job) -> Outcome:
        """Do a job, and write down what it cost."""
        return counted(job)


def counted(job: Job) -> Outcome:
    """Do a job, and write the CPU seconds of this process so far where the driver reads them."""
    outcome = perform.perform(job)
    own = job.root.parent / "cpu" / str(os.getpid())
    own.write_text(str(time.process_time()))
    return outcome


def measure(folder: Path, engine: str, sessions: int, workers: int) -> dict[str, float]:
    """Annotate so many sessions; return what it took beside the stages."""
    study = bench_scale.write_study(
        folder / "study", sessions=sessions, n=SAID * sessions, seconds=SECONDS
    )
    (folder / "cpu").mkdir()
    memory: list[float] = []
    started, cpu = time.perf_counter(), time.process_time()
    with (
        mock.patch.object(Work, "require_models", lambda *_, **__: None),
        mock.patch.object(ray_actors, "_Worker", Standing),
    ):
        run = emodiss.annotate(
            study,
            out=folder / "run",
            engine=engine,
            workers=workers,
            progress=lambda *_: memory.append(_resident_mb()),
        )
    wall, driver = time.perf_counter() - started, time.process_time() - cpu
    if run.failures or len(run.utterances) != SAID * sessions:
        raise SystemExit(f"{len(run.failures)} jobs failed, such as {run.failures[:1]}.")
    n = sum(outcome.status == "done" for outcome in run.outcomes.values())
    theirs = sum(float(path.read_text()) for path in (folder / "cpu").iterdir())
    return {
        "sessions": sessions,
        "jobs": n,
        "wall_ms_per_job": 1000 * wall / n,
        "driver_cpu_ms_per_job": 1000 * driver / n,
        "workers_cpu_ms_per_job": 1000 * theirs / n,
        "driver_mb_first_tenth": max(memory[: len(memory) // 10]),
        "driver_mb_last_tenth": max(memory[-len(memory) // 10 :]),
        "driver_mb_peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _resident_mb() -> float:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize() / 2**20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine", choices=("local", "ray"), default="local")
    parser.add_argument("--sessions", type=int, default=bench_scale.SESSIONS)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Ray's workers import this module and its neighbours.
    here = str(Path(__file__).resolve().parent)
    os.environ["PYTHONPATH"] = os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])
    with tempfile.TemporaryDirectory() as name:
        found = measure(Path(name), chosen.engine, chosen.sessions, chosen.workers)
    print(json.dumps({key: round(value, 2) for key, value in found.items()}, indent=2))


if __name__ == "__mp_main__":  # in a worker of this machine, before it does anything
    standing = bench_scale.stand_in()
    standing.__enter__()
    from emodiss.runs.engines import local

    local.perform = counted
if __name__ == "__main__":
    main()
