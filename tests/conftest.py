"""Fixtures shared by all tests: where the optional local data lie, and what to keep quiet."""

from __future__ import annotations

import gc
import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

# A busy machine makes single examples slow; the tests' own time limit catches what hangs.
settings.register_profile("emodiss", deadline=None)
settings.load_profile("emodiss")

# One thread per process: two test workers must not fight over the cores, and single-threaded
# arithmetic repeats to the last bit.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("MPLBACKEND", "Agg")

_REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files with slow tests first: no worker is left alone with one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="module", autouse=True)
def _short_garbage_collections() -> None:
    """Let the garbage collector no longer search what already lives: modules and tests.

    A run collects after each model; among the objects of thousands of tests and of torch that
    takes longer than the run itself.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real clips with independent truth; absent from a stranger's clone."""
    folder = Path(os.environ.get("EMODISS_SHARED", _REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("needs the developers' data folder ../shared/data, which is not in a clone")
    return folder


@pytest.fixture
def stand_ins(monkeypatch):
    """Put the stand-in models into the catalog; the list of models loaded starts empty."""
    from emodiss.models import catalog
    from tests import fakes

    for name, entry in fakes.ENTRIES.items():
        monkeypatch.setitem(catalog.CATALOG, name, entry)
    fakes.LOADED.clear()
    return fakes.SETTINGS


@pytest.fixture(scope="session")
def study(tmp_path_factory) -> Path:
    """Folder with a.mp4, b.mp4, transcripts and manifest.csv; nobody in it is real."""
    from tests import make

    folder = tmp_path_factory.mktemp("study")
    for name, brightness in (("a", 90), ("b", 200)):
        make.write_media(
            folder / f"{name}.mp4",
            frames=[make.grey(brightness + i % 3) for i in range(75)],
            sound=make.tone(3.0, level=0.2),
        )
        make.write_stm(
            folder / f"{name}.stm",
            [
                ("Ada", 0.0, 1.2, "How have you been this week?"),
                ("Bo", 1.3, 2.8, "I do not know. It was a good week."),
            ],
        )
    (folder / "manifest.csv").write_text(
        "id,path,roles\na,a.mp4,Ada=therapist;Bo=patient\nb,b.mp4,Ada=therapist;Bo=patient\n"
    )
    return folder


@pytest.fixture(scope="session")
def study_run(study, tmp_path_factory) -> Path:
    """Folder of a finished run of the study, by the stand-ins; nothing writes into it."""
    import emodiss
    from emodiss.models import catalog
    from tests import fakes

    root = tmp_path_factory.mktemp("finished") / "run"
    with pytest.MonkeyPatch.context() as patch:
        for name, entry in fakes.ENTRIES.items():
            patch.setitem(catalog.CATALOG, name, entry)
        manifest = study / "manifest.csv"
        emodiss.annotate(manifest, out=root, preset="lite", settings=fakes.SETTINGS, workers=0)
    return root


@pytest.fixture(scope="session")
def demo_session(tmp_path_factory):
    """The demo session, built once for all workers; nothing writes into it."""
    from emodiss import demo

    folder = _folder_of_all_workers(tmp_path_factory)
    with FileLock(folder / "demo.lock"):
        return demo.build(folder / "demo")


@pytest.fixture(scope="session")
def demo_run(demo_session, tmp_path_factory) -> Path:
    """Folder of a finished run of the demo session, made once; nothing writes into it."""
    import emodiss

    folder = _folder_of_all_workers(tmp_path_factory)
    with FileLock(folder / "demo-run.lock"):  # the second worker finds everything measured
        made = emodiss.annotate(
            demo_session.manifest, out=folder / "demo-run", preset="lite", workers=0
        )
    return made.root


def _folder_of_all_workers(tmp_path_factory) -> Path:
    """Folder of this run of the tests, the same in each worker of pytest-xdist."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture
def finished_run(study_run, stand_ins, tmp_path) -> Path:
    """Copy the study's finished run to `tmp_path / "run"`, where to annotate again is cheap."""
    return shutil.copytree(study_run, tmp_path / "run")
