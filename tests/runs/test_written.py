"""Files written for people: one that was changed since is never overwritten unasked."""

import pytest

from emodiss.errors import RunError
from emodiss.runs.written import Written


def test_a_changed_file_is_kept_and_an_unchanged_one_rewritten(tmp_path):
    path = tmp_path / "x" / "a.eaf"
    with Written(tmp_path) as written:
        written.write(path, b"one")
    Written(tmp_path).write(path, b"one")
    with pytest.raises(KeyboardInterrupt), Written(tmp_path) as again:
        again.write(path, b"two")
        raise KeyboardInterrupt
    path.write_bytes(b"mine")
    with pytest.raises(RunError, match=r"a\.eaf.*changed"):
        Written(tmp_path).write(path, b"three")
    assert path.read_bytes() == b"mine"
    Written(tmp_path).write(path, b"three", force=True)
    assert path.read_bytes() == b"three"


def test_a_file_of_somebody_else_is_kept(tmp_path):
    path = tmp_path / "a.eaf"
    path.write_bytes(b"theirs")
    with pytest.raises(RunError, match="something else"):
        Written(tmp_path).write(path, b"ours")
    assert path.read_bytes() == b"theirs"


def test_figures_and_pages_of_earlier_versions_are_drawn_anew_but_not_changed_ones(tmp_path):
    path = tmp_path / "report" / "index.html"
    path.parent.mkdir()
    path.write_bytes(b"of an earlier version")
    with Written(tmp_path) as written:
        written.write(path, b"new")
    path.write_bytes(b"mine")
    with pytest.raises(RunError, match="changed"):
        Written(tmp_path).write(path, b"newer")
    assert path.read_bytes() == b"mine"


def test_what_another_process_wrote_meanwhile_is_remembered_too(tmp_path):
    one, other = tmp_path / "x" / "a.eaf", tmp_path / "x" / "b.eaf"
    with Written(tmp_path) as first:
        first.write(one, b"1")
        with Written(tmp_path) as second:
            second.write(other, b"1")
    for path in (one, other):
        Written(tmp_path).write(path, b"2")
        assert path.read_bytes() == b"2"
