"""Files written for people: one that was changed since is never overwritten unasked."""

import pytest

from emodiss.errors import RunError
from emodiss.runs.written import Written


def test_a_changed_file_is_kept_and_an_unchanged_one_rewritten(tmp_path):
    path = tmp_path / "x" / "a.eaf"
    written = Written(tmp_path)
    written.write(path, b"one")
    written.save()
    Written(tmp_path).write(path, b"one")
    again = Written(tmp_path)
    again.write(path, b"two")
    again.save()
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
