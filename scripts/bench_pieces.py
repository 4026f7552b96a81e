"""Measure long videos on one core and on two: seconds, where a core was idle, and the same bytes.

    python scripts/bench_pieces.py [--minutes 6 60] [--repeats 1] [--keep FOLDER]

The demo session is looped to the lengths asked for, without encoding it again, and annotated with
the preset `lite` as if nobody had touched it: recognised, told apart, looked at, measured. Runs of
one and of two worker processes take turns. Wall seconds: nothing else may work on the machine.

What two workers lose is told: seconds in which one of them had nothing to do, by the jobs that the
other was at, and CPU seconds that two take more than one (models are loaded twice, and cores share
caches and memory).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench_clip import loop_session

import emodiss
from emodiss import demo
from emodiss.runs import engines
from emodiss.runs.engines import Engine, Take
from emodiss.runs.perform import Job
from emodiss.runs.store import Outcome

_TOLD_S = 0.05


@dataclass
class Watched:
    """An engine, and when each of its jobs was given out and came back."""

    engine: Engine
    spans: list[tuple[float, float, str]] = field(default_factory=list)

    def work(self, take: Take) -> Iterator[Outcome]:
        """Yield what the engine yields."""
        given: dict[tuple[str, str], float] = {}

        def watched() -> Job | None:
            job = take()
            if job is not None:
                given[job.row.id, job.key] = time.perf_counter()
            return job

        for outcome in self.engine.work(watched):
            begin = given.pop((outcome.video, outcome.key))
            self.spans.append((begin, time.perf_counter(), outcome.stage))
            yield outcome

    def stop(self) -> None:
        """Stop the engine."""
        self.engine.stop()

    def close(self) -> None:
        """Close the engine."""
        self.engine.close()


def alone(spans: list[tuple[float, float, str]], begin: float, end: float) -> dict[str, float]:
    """Seconds from begin to end with less than two jobs under way, by the one that was."""
    edges = sorted({begin, end, *(t for a, b, _ in spans for t in (a, b))})
    idle: defaultdict[str, float] = defaultdict(float)
    for a, b in pairwise(edges):
        under_way = [stage for start, stop, stage in spans if start <= a and b <= stop]
        if len(under_way) < 2:
            idle[under_way[0] if under_way else "no job"] += b - a
    most = sorted(idle.items(), key=lambda told: -told[1])
    return {stage: round(seconds, 1) for stage, seconds in most if seconds >= _TOLD_S}


def watched_run(media: Path, n_workers: int, **options: Any) -> dict[str, Any]:
    """Annotate; return seconds, and of two workers those in which one of them had no job."""
    create, watched = engines.create, list[Watched]()

    def watching(*args: Any, **options: Any) -> Watched:
        watched.append(Watched(create(*args, **options)))
        return watched[0]

    engines.create = watching  # type: ignore[assignment]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    try:
        run = emodiss.annotate(media, **options)
    finally:
        engines.create = create
    end = time.perf_counter()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if run.failures:
        raise SystemExit(f"{len(run.failures)} stages failed: {run.failures[0]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found = {
        "wall_s": round(end - begin, 1),
        # Workers are started by then, and the video is known.
        "until_first_result_s": round(min(stop for _, stop, _ in watched[0].spans) - begin, 1),
        # Of processes that have ended; of Ray's there are none.
        "workers_cpu_s": round(cpu, 1),
        "largest_worker_so_far_mb": round(after.ru_maxrss / 1024),
    }
    if n_workers == 1:
        return found
    return {**found, "one_worker_alone_s": alone(watched[0].spans, begin, end)}


def results(run: Path) -> dict[str, str]:
    """Hash every file of the artifacts and tables."""
    files = [p for p in (run / "videos").rglob("*") if p.is_file()] + [*run.glob("*.parquet")]
    return {
        str(p.relative_to(run)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(files)
    }


def measured(folder: Path, clip: Path, minutes: float, repeats: int) -> dict[str, Any]:
    """Measure one length."""
    video = loop_session(folder / f"long-{minutes:g}.mp4", clip, minutes * 60)
    runs: dict[int, list[dict[str, Any]]] = {1: [], 2: []}
    hashes: list[dict[str, str]] = []
    for repeat in range(repeats):
        for workers, done in runs.items():
            out = folder / f"run-{minutes:g}-{workers}-{repeat}"
            done.append(watched_run(video, workers, out=out, workers=workers))
            hashes.append(results(out))
    one, two = (statistics.median(run["wall_s"] for run in runs[n]) for n in runs)
    return {
        "minutes": minutes,
        "one_worker": runs[1],
        "two_workers": runs[2],
        "medians_s": [one, two],
        "ratio": round(one / two, 2),
        "same_bytes": all(h == hashes[0] for h in hashes),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, nargs="+", default=[6])
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="leave the clips and the runs here")
    chosen = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    folder = chosen.keep or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    clip = demo.build(folder / "demo").video
    found = [measured(folder, clip, n, chosen.repeats) for n in sorted(set(chosen.minutes))]
    print(json.dumps(found, indent=2))
    if chosen.keep is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
