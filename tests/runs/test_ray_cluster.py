"""Ray beyond one machine: nodes that die, folders and clusters that are not there."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from emodiss.errors import RunError, SettingsError
from emodiss.manifest import VideoRow
from emodiss.runs import engines
from emodiss.runs.perform import Job
from tests.runs.test_engines import contents, jobs_for, one_by_one

pytest.importorskip("ray", reason="needs the extra 'ray'")


@pytest.mark.slow  # starts two nodes
def test_a_node_that_dies_costs_nothing(study: Path, tmp_path: Path) -> None:
    from ray.cluster_utils import Cluster

    def jobs(root: Path) -> list[Job]:
        (usual,) = jobs_for(root, study, "media", "0" * 64, {})[:1]
        return [
            dataclasses.replace(usual, row=VideoRow(id=f"v{n}", path=str(usual.source)))
            for n in range(40)
        ]

    root, reference = tmp_path / "run", tmp_path / "reference"
    root.mkdir()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        other = cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        pool = engines.create("ray", workers=None, address=cluster.address)
        assert pool._count == 2  # type: ignore[attr-defined]
        outcomes = pool.work(one_by_one(jobs(root)))
        found = [next(outcomes) for _ in range(3)]
        cluster.remove_node(other, allow_graceful=False)
        found += outcomes
        pool.close()
    finally:
        cluster.shutdown()
    assert sorted(o.video for o in found) == sorted(f"v{n}" for n in range(40))
    assert {o.status for o in found} == {"done"}
    list(engines.create("local", workers=0).work(one_by_one(jobs(reference))))
    assert contents(root) == contents(reference)


def test_a_folder_that_a_node_lacks_is_said(tmp_path: Path, study: Path) -> None:
    from emodiss.runs.engines.ray_actors import _Worker

    (job,) = jobs_for(tmp_path / "elsewhere", study, "media", "0" * 64, {})[:1]
    outcome = _Worker().perform(job)
    assert outcome.error is not None and outcome.error["code"] == "not_shared"
    assert not (tmp_path / "elsewhere").exists()


def test_an_address_without_a_cluster_is_said() -> None:
    with pytest.raises(SettingsError, match="--engine ray"):
        engines.create("local", workers=1, address="auto")
    with pytest.raises(RunError, match="No Ray cluster answers"):
        engines.create("ray", workers=1, address="auto")
