"""Measure one long video on one core and on two: seconds, and whether the bytes are the same.

    python scripts/bench_pieces.py [--minutes 10] [--repeats 1] [--keep FOLDER]

The demo session is looped to the length asked for, without encoding it again, and annotated with
the preset `lite` as if nobody had touched it: recognised, told apart, looked at, measured. Runs of
one and of two worker processes take turns. Wall seconds: nothing else may work on the machine.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from bench_clip import loop_session

import emodiss
from emodiss import demo


def results(run: Path) -> dict[str, str]:
    """Hash every file of the artifacts and tables."""
    files = [p for p in (run / "videos").rglob("*") if p.is_file()] + [*run.glob("*.parquet")]
    return {
        str(p.relative_to(run)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(files)
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="leave the clip and the runs here")
    chosen = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    folder = chosen.keep or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    clip = demo.build(folder / "demo").video
    video = loop_session(folder / "long.mp4", clip, chosen.minutes * 60)
    took: dict[int, list[float]] = {1: [], 2: []}
    hashes: list[dict[str, str]] = []
    for repeat in range(chosen.repeats):
        for workers in took:
            out = folder / f"run-{workers}-{repeat}"
            started = time.perf_counter()
            run = emodiss.annotate(video, out=out, workers=workers)
            took[workers].append(round(time.perf_counter() - started, 1))
            if run.failures:
                raise SystemExit(f"{len(run.failures)} stages failed: {run.failures[0]}")
            hashes.append(results(out))
    one, two = (statistics.median(took[n]) for n in took)
    found = {
        "minutes": chosen.minutes,
        "one_worker_s": took[1],
        "two_workers_s": took[2],
        "ratio": round(one / two, 2),
        "same_bytes": all(h == hashes[0] for h in hashes),
    }
    print(json.dumps(found, indent=2))
    if chosen.keep is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
