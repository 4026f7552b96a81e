"""Measure Ray: two nodes against one, and a node that is killed.

    python scripts/bench_ray.py [--videos 4] [--minutes 2] [--skip nodes kill]

Nodes are processes of this machine with one core each (`ray.cluster_utils`), so that two of them
need two idle cores. `nodes` and `kill` annotate copies of the demo session, looped to so many
minutes and untouched, with the preset `lite`, from media to table. Seconds until the first result
(joining the cluster, starting actors) are told beside the whole, since clips shorter than these
would measure little else; so is how long one node had no job. What scheduling costs:
`bench_schedule.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench_clip import loop_session
from bench_pieces import results, watched_run

from emodiss import demo


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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--videos", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--skip", nargs="*", default=[], choices=("nodes", "kill"))
    chosen = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
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
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
