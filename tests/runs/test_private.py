"""A run is for the eyes of its owner; what is written elsewhere follows the umask."""

from __future__ import annotations

import os
import stat

import pytest

from emodiss.runs.files import write_atomically
from emodiss.runs.reviews import ReviewFile
from emodiss.runs.store import Store
from tests.runs.test_annotate import annotate

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")


@pytest.fixture(params=[0o000, 0o022])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes(root):
    return {p: stat.S_IMODE(p.stat().st_mode) for p in (root, *root.rglob("*"))}


def open_to_others(root):
    return [str(path) for path, mode in modes(root).items() if mode & 0o077]


def test_a_run_is_closed_to_others(study, tmp_path, stand_ins, umask):
    run = annotate(study, tmp_path / "deep" / "run", stand_ins)
    assert open_to_others(run.root) == []
    assert all(m == (0o700 if p.is_dir() else 0o600) for p, m in modes(run.root).items())
    assert stat.S_IMODE(run.root.parent.stat().st_mode) == 0o777 & ~umask
    ReviewFile(run.root).append_label({"video_id": "a", "labels": []})
    write_atomically(run.root / "report" / "a.html", b"x")
    assert open_to_others(run.root) == []


def test_a_run_of_before_is_closed_when_it_goes_on(tmp_path, umask):
    root = tmp_path / "run"
    (root / "downloads").mkdir(parents=True)
    for path in (root / "run.json", root / "downloads" / "media.mp4"):
        path.write_bytes(b"{}")
        path.chmod(0o644)
    outside = tmp_path / "outside.mp4"
    outside.write_bytes(b"")
    outside.chmod(0o644)
    (root / "link.mp4").symlink_to(outside)
    with Store(root).lock():
        (root / "downloads" / "late.mp4").write_bytes(b"")
    (root / "link.mp4").unlink()
    assert open_to_others(root) == []
    assert stat.S_IMODE(outside.stat().st_mode) == 0o644


def test_a_file_elsewhere_follows_the_umask(tmp_path, umask):
    write_atomically(tmp_path / "new" / "export.csv", b"x")
    assert stat.S_IMODE((tmp_path / "new" / "export.csv").stat().st_mode) == 0o666 & ~umask
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o777 & ~umask


def test_a_rating_study_is_closed_to_others(tmp_path, umask):
    from tests.web import studies

    folder = studies.write(tmp_path / "study")
    closed = [stat.S_IMODE((folder / name).stat().st_mode) for name in (".", "hidden", "sheets")]
    assert closed == [0o700] * 3
    write_atomically(folder / "figures" / "a.png", b"x")
    assert open_to_others(folder / "figures") == []
