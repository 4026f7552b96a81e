"""Measure Ray: two nodes against one, a node that is killed, and what scheduling costs.

    python scripts/bench_ray.py [--videos 4] [--minutes 2] [--sessions 1441]
                                [--skip nodes kill scheduling]

Nodes are processes of this machine with one core each (`ray.cluster_utils`), so that two of them
need two idle cores. `nodes` and `kill` annotate copies of the demo session, looped to so many
minutes and untouched, with the preset `lite`, from media to table. Seconds until the first result
(joining the cluster, starting actors) are told beside the whole, since clips shorter than these
would measure little else; so is how long one node had no job. `scheduling` gives 1,441
sessions times every stage, as real jobs with real settings, to actors that answer at once: what is
left is the driver's and Ray's own work.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench_clip import loop_session
from bench_pieces import results, watched_run

import emodiss
from emodiss import demo
from emodiss.manifest import VideoRow
from emodiss.reviews import NOTHING_SAID
from emodiss.runs import engines
from emodiss.runs.perform import Job
from emodiss.runs.store import Outcome, Store
from emodiss.settings import resolve
from emodiss.stages import STAGES


@contextmanager
def cluster(nodes: int) -> Iterator[Any]:
    """Start nodes of one core each, and end them."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        for _ in range(nodes - 1):
            made.add_node(num_cpus=1)
        made.wait_for_nodes()
        yield made
    finally:
        made.shutdown()


def study(folder: Path, videos: int, minutes: float) -> Path:
    """Write recordings made of the demo clip and a manifest; return it."""
    clip = demo.build(folder / "demo").video
    session = loop_session(folder / "session.mp4", clip, minutes * 60)
    lines = ["id,path"]
    for n in range(videos):
        shutil.copy(session, folder / f"v{n}.mp4")
        lines.append(f"v{n},v{n}.mp4")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder / "manifest.csv"


def annotate(
    manifest: Path, out: Path, nodes: int, *, kill_at: str | None = None
) -> dict[str, Any]:
    """Annotate on a fresh cluster; return wall seconds without its start, and what was lost."""
    with cluster(nodes) as made:
        killed = threading.Event()

        def progress(stage: str, done: int, total: int) -> None:
            if stage == kill_at and done and not killed.is_set():
                killed.set()
                node = next(iter(made.worker_nodes))
                made.remove_node(node, allow_graceful=False)

        took = watched_run(
            manifest, nodes, out=out, engine="ray", address=made.address, progress=progress
        )
        if kill_at and not killed.is_set():
            raise SystemExit(f"No node was killed in stage {kill_at}.")
    return took


class Answering:
    """An actor that answers at once."""

    def version(self) -> str:
        """Say what it was made from."""
        return emodiss.__version__

    def perform(self, job: Job) -> Outcome:
        """Do nothing."""
        return Outcome(job.row.id, job.stage, "done", key=job.key)


def scheduling(sessions: int, folder: Path) -> dict[str, float]:
    """Send jobs that cost nothing; return milliseconds per job and the driver's memory."""
    from emodiss.runs.engines import ray_actors

    ray_actors._Worker = Answering  # type: ignore[misc, assignment]
    settings, store = resolve({}), Store(folder / "run")
    store.root.mkdir()
    pool = engines.create("ray", workers=2)
    list(pool.work(one_by_one(jobs("media", 4, store, settings))))  # both actors are up
    peaks: list[float] = []
    wall, cpu = time.perf_counter(), time.process_time()
    for stage in STAGES:
        for outcome in pool.work(one_by_one(jobs(stage.name, sessions, store, settings))):
            store.append([outcome])
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    n = sessions * len(STAGES)
    found = {
        "jobs": n,
        "wall_ms_per_job": 1000 * (time.perf_counter() - wall) / n,
        "driver_cpu_ms_per_job": 1000 * (time.process_time() - cpu) / n,
        "driver_mb_after_first_stage": peaks[0],
        "driver_mb_after_last_stage": peaks[-1],
    }
    pool.close()
    return found


def one_by_one(jobs: list[Job]) -> engines.Take:
    """Give one job after the other."""
    left = iter(jobs)
    return lambda: next(left, None)


def jobs(stage: str, sessions: int, store: Store, settings: Any) -> list[Job]:
    """Make one job of a stage for every session."""
    inputs = {s.name: "0" * 64 for s in STAGES}
    return [
        Job(
            root=store.root,
            row=VideoRow(id=f"s{n:04d}", path=f"/media/s{n:04d}.mp4"),
            source=Path(f"/media/s{n:04d}.mp4"),
            stage=stage,
            key="0" * 64,
            inputs=inputs,
            facts={"version": 1, "settings": {}},
            settings=settings,
            overlay=NOTHING_SAID,
            model=None,
            device="cpu",
            threads=1,
        )
        for n in range(sessions)
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--videos", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--sessions", type=int, default=1441)
    parser.add_argument("--skip", nargs="*", default=[], choices=("nodes", "kill", "scheduling"))
    chosen = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "nodes" not in chosen.skip or "kill" not in chosen.skip:
            manifest = study(folder, chosen.videos, chosen.minutes)
            one = annotate(manifest, folder / "one", 1)
            reference = results(folder / "one")
        if "nodes" not in chosen.skip:
            two = annotate(manifest, folder / "two", 2)
            again = annotate(manifest, folder / "again", 1)
            found["nodes"] = {
                "one_node": [one, again],
                "two_nodes": two,
                "ratio": round((one["wall_s"] + again["wall_s"]) / 2 / two["wall_s"], 2),
                "same_bytes": results(folder / "two") == reference,
            }
        if "kill" not in chosen.skip:
            took = annotate(manifest, folder / "killed", 2, kill_at="faces")
            found["kill"] = {
                **took,
                "same_bytes": results(folder / "killed") == reference,
            }
        if "scheduling" not in chosen.skip:
            found["scheduling"] = {
                k: round(v, 2) for k, v in scheduling(chosen.sessions, folder).items()
            }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
