"""Networks exported once: kept, found again, never mistaken, and used where nothing can be kept."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from emodiss.errors import ModelError
from emodiss.models.onnx_export import Export, Runner

torch = pytest.importorskip("torch")

BUILT: list[str] = []


class Doubling(torch.nn.Module):
    def forward(self, x):
        return 2 * x.mean(dim=1)


def build(sha256: str) -> Doubling:
    BUILT.append(sha256)
    return Doubling().eval()


def export(sha256: str = "ab" * 32) -> Export:
    how = (f"{__name__}:build", sha256)
    return Export("doubling", sha256, how, (1, 5, 3), "x", "y", {0: "batch", 1: "frames"})


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("EMODISS_HOME", str(tmp_path))
    BUILT.clear()
    return tmp_path / "exported"


def check(runner: Runner) -> None:
    x = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    np.testing.assert_allclose(runner(x), 2 * x.mean(axis=1), rtol=1e-6)


def test_a_network_is_exported_once(folder):
    check(Runner(export()))
    check(Runner(export()))
    assert len(BUILT) == 1
    (kept,) = folder.iterdir()
    assert kept.stem.endswith(hashlib.sha256(kept.read_bytes()).hexdigest()[:16])


def test_other_weights_are_another_file(folder):
    check(Runner(export()))
    check(Runner(export("cd" * 32)))
    assert len(BUILT) == 2 and len(list(folder.iterdir())) == 2


def test_a_damaged_file_is_made_again(folder):
    check(Runner(export()))
    (kept,) = folder.iterdir()
    content = bytearray(kept.read_bytes())
    content[len(content) // 2] ^= 1
    kept.write_bytes(bytes(content))
    check(Runner(export()))
    assert len(BUILT) == 2
    assert kept.stem.endswith(hashlib.sha256(kept.read_bytes()).hexdigest()[:16])


def test_where_nothing_can_be_kept_it_stays_in_memory(folder):
    folder.write_text("a file where the folder should be")
    check(Runner(export()))
    check(Runner(export()))
    assert len(BUILT) == 2 and folder.is_file()


def test_threads_are_those_asked_for(monkeypatch):
    import onnxruntime

    seen = []
    session = onnxruntime.InferenceSession

    def recorded(content, options, **rest):
        seen.append((options.intra_op_num_threads, options.inter_op_num_threads))
        return session(content, options, **rest)

    monkeypatch.setattr(onnxruntime, "InferenceSession", recorded)
    check(Runner(export(), threads=2))
    assert seen == [(2, 1)]
    with pytest.raises(ValueError, match="at least 1"):
        Runner(export(), threads=0)


def test_what_is_kept_runs_without_torch(monkeypatch):
    import importlib.metadata

    check(Runner(export()))

    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", absent)
    check(Runner(export()))
    assert len(BUILT) == 1


def test_a_process_without_torch_stays_without(folder):
    """The networks of MTCNN, whose exporter runs elsewhere; what it makes is kept for all."""
    code = """
import sys
import numpy as np
from emodiss.models.mtcnn.detector import OnnxMtcnn
found = OnnxMtcnn(20).detect([np.zeros((30, 40, 3), np.uint8)])
assert len(found) == 1 and not {"torch", "torchvision"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert [path.name.partition("-v")[0] for path in sorted(folder.iterdir())] == ["mtcnn-pnet"]


def test_what_the_other_process_cannot_do_is_said(folder, monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")
    what = Export("nothing", "ab" * 32, ("emodiss.errors:no_such_network",), (1,), "x", "y")
    with pytest.raises(ModelError, match=r"nothing could not be exported.*no_such_network") as told:
        what.content()
    assert "doctor" in str(told.value.next_step)
