"""Whatever a verb of the Python API is handed, it answers with an error that says what belongs."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pandas as pd
import pytest

import emodiss
from emodiss.errors import ArgumentError, DiskError
from emodiss.runs.files import write_atomically


def test_a_table_is_no_list_of_paths():
    with pytest.raises(ArgumentError, match="Got DataFrame"):
        emodiss.plan(pd.DataFrame({"path": ["a.mp4"]}))  # pyright: ignore[reportArgumentType]


def test_an_error_of_the_disk_is_typed_and_an_os_error(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    places = ["folder", "file/x.csv", "n" * 300, "n" * 300 + "/x.csv"]
    if os.name == "posix" and os.geteuid() != 0:
        (tmp_path / "closed").mkdir(mode=0o500)
        places.append("closed/x.csv")
    for place in places:
        path: Path = tmp_path / place
        with pytest.raises(DiskError, match="cannot be used") as caught:
            write_atomically(path, b"x")
        error = caught.value
        assert isinstance(error, OSError) and isinstance(error, emodiss.EmodissError)
        assert error.errno and error.strerror and str(tmp_path) in str(error.filename)
        # Workers hand it through a pipe.
        again = pickle.loads(pickle.dumps(error))
        assert (again.errno, again.filename, str(again)) == (
            error.errno,
            error.filename,
            str(error),
        )
