"""Fixtures shared by all tests: where the optional local data lie, and what to keep quiet."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# One thread per process: two test workers must not fight over the cores, and single-threaded
# arithmetic repeats to the last bit.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("MPLBACKEND", "Agg")

_REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real clips with independent truth; absent from a stranger's clone."""
    folder = Path(os.environ.get("EMODISS_SHARED", _REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("needs the developers' data folder ../shared/data, which is not in a clone")
    return folder
