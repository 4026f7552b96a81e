"""Engines: one contract for every way of mapping jobs over workers, and the same bytes from all."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from emodiss.errors import SettingsError
from emodiss.manifest import VideoRow
from emodiss.reviews import NOTHING_SAID
from emodiss.runs import engines
from emodiss.runs.engines import Engine, Take
from emodiss.runs.perform import Job
from emodiss.runs.store import Store
from emodiss.settings import resolve


def _ray() -> Engine:
    pytest.importorskip("ray", reason="needs the extra 'ray'")
    return engines.create("ray", workers=2)


ENGINES: dict[str, Callable[[], Engine]] = {
    "this process": lambda: engines.create("local", workers=0),
    "worker processes": lambda: engines.create("local", workers=2),
    "ray": _ray,
}


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest):
    made = ENGINES[request.param]()
    yield made
    made.close()
    made.close()  # closing twice is closing once


def jobs_for(root: Path, study: Path, stage: str, key: str, inputs: dict[str, str]) -> list[Job]:
    return [
        Job(
            root=root,
            row=VideoRow(id=name, path=str(path)),
            source=path,
            stage=stage,
            key=key,
            inputs=inputs,
            facts={"version": 1},
            settings=resolve({}),
            overlay=NOTHING_SAID,
            model=None,
            device="cpu",
            threads=1,
        )
        for name, path in (
            ("a", study / "a.mp4"),
            ("gone", study / "gone.mp4"),
            ("b", study / "b.mp4"),
        )
    ]


def one_by_one(jobs: Iterable[Job]) -> Take:
    left = iter(jobs)
    return lambda: next(left, None)


def contents(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((root / "videos").rglob("*"))
        if path.is_file()
    }


def test_one_outcome_per_job_and_a_fault_costs_its_own_job_only(
    engine: Engine, study: Path, tmp_path: Path
) -> None:
    first = list(engine.work(one_by_one(jobs_for(tmp_path, study, "media", "0" * 64, {}))))
    assert {o.video: o.status for o in first} == {"a": "done", "b": "done", "gone": "failed"}
    (fault,) = (o for o in first if o.status == "failed")
    assert fault.error is not None and fault.error["code"] == "missing_file"
    assert (tmp_path / "errors" / "gone.media.txt").is_file()
    # The next stage reads what the first one wrote, whoever wrote it.
    second = jobs_for(tmp_path, study, "audio", "1" * 64, {"media": "0" * 64})
    outcomes = list(engine.work(one_by_one(job for job in second if job.row.id != "gone")))
    assert {o.video: o.status for o in outcomes} == {"a": "done", "b": "done"}
    assert Store(tmp_path).has("a", "audio", "1" * 64)

    reference = tmp_path / "reference"
    alone = engines.create("local", workers=0)
    list(alone.work(one_by_one(jobs_for(reference, study, "media", "0" * 64, {}))))
    after = jobs_for(reference, study, "audio", "1" * 64, {"media": "0" * 64})
    list(alone.work(one_by_one(after)))
    assert contents(tmp_path) == contents(reference) and len(contents(reference)) >= 4


_COUNT_THREADS = """
import sys
from pathlib import Path
import numpy
from threadpoolctl import threadpool_info
from emodiss.reviews import Overlay
from emodiss.runs import perform
from emodiss.settings import Settings
from tests import make

def threads():
    return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]

inside = []
perform._make = lambda job, store: inside.extend(threads()) or ()
job = perform.Job(
    Path(sys.argv[1]), make.row(id="a"), None, "audio", "0", inputs={}, facts={},
    settings=Settings(), overlay=Overlay(), model=None, device="cpu", threads=1,
)
assert perform.perform(job).status == "done"
print(inside, threads())
assert set(inside) == {1}
assert max(threads()) > 1, "this machine cannot show a difference"
"""


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores to tell one from all")
def test_a_job_multiplies_matrices_on_its_own_threads_only(tmp_path: Path) -> None:
    # With as many as there are cores, the last bits would follow the machine.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    command = [sys.executable, "-c", _COUNT_THREADS, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]


def test_nothing_to_do_is_done(engine: Engine) -> None:
    assert list(engine.work(lambda: None)) == []


def test_an_unknown_engine_is_met_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="Choices: local, ray"):
        engines.create("slurm", workers=1)
