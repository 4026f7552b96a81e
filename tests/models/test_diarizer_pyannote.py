"""community-1's adapter on a pipeline with random weights: real formats, real code paths."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from emodiss.errors import ModelError, ModelMissing
from emodiss.models.pyannote.diarizer import Community1, share_trunk
from tests import make
from tests.models import tiny_community
from tests.models.contracts import check_diarizer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_community.write(tmp_path_factory.mktemp("community") / "one")


@pytest.fixture(scope="module")
def pipeline(folder) -> Community1:
    return Community1(folder)


def test_it_keeps_the_contract(pipeline):
    check_diarizer(pipeline)


def test_sharing_the_trunk_changes_no_bit_of_an_embedding():
    import torch
    from pyannote.audio.models.embedding import WeSpeakerResNet34

    torch.manual_seed(0)
    network = WeSpeakerResNet34().eval()
    windows = torch.stack([torch.from_numpy(make.talk(s, s + 5.0)) for s in (8.0, 13.0)])
    masks = (torch.rand(2, 3, 293) > 0.4).float()
    with torch.inference_mode():
        alone = [
            network(windows[w : w + 1, None], weights=masks[w, v : v + 1])
            for w in range(2)
            for v in range(3)
        ]
        calls: list[int] = []
        trunk = network.forward_frames
        network.forward_frames = lambda x: (calls.append(len(x)), trunk(x))[1]
        share_trunk(network)
        shared = [
            network(windows[w : w + 1, None], weights=masks[w, v : v + 1])
            for w in range(2)
            for v in range(3)
        ]
        assert calls == [1, 1], "one pass per window, not one per voice"
        for one, other in zip(alone, shared, strict=True):
            assert torch.equal(one, other)
        batch = network(windows.repeat_interleave(3, 0)[:, None], weights=masks.reshape(6, 293))
        np.testing.assert_allclose(batch.numpy(), torch.cat(alone).numpy(), atol=1e-6)


def test_sharing_the_trunk_changes_no_turn(folder, pipeline):
    upstream = Community1(folder, shared_trunk=False)
    signal = make.talk(8.0, 20.0)
    assert pipeline.diarize(signal, 16_000) == upstream.diarize(signal, 16_000)


def test_the_number_of_voices_is_bounded(folder, pipeline):
    signal = make.talk(8.0, 23.0)
    assert len({t.speaker for t in pipeline.diarize(signal, 16_000, 2)}) == 2
    one = Community1(folder, max_speakers=1, exclusive=True).diarize(signal, 16_000)
    assert len({t.speaker for t in one}) == 1
    assert all(a.end <= b.start + 1e-9 for a, b in pairwise(one))


def test_a_missing_model_names_page_command_and_what_does_without(tmp_path):
    with pytest.raises(ModelMissing) as caught:
        Community1(tmp_path)
    for part in ("huggingface.co/pyannote", "HF_TOKEN", "emodiss models pull", "--preset lite"):
        assert part in str(caught.value)


def test_a_checkpoint_that_carries_code_is_refused(folder, tmp_path):
    import shutil

    import torch

    copy = shutil.copytree(folder, tmp_path / "copy")
    path = copy / "segmentation" / "pytorch_model.bin"

    class Evil:
        def __reduce__(self):
            return (print, ("the checkpoint ran code",))

    checkpoint = torch.load(path, weights_only=False)
    torch.save({**checkpoint, "evil": Evil()}, path)
    with pytest.raises(ModelError):
        Community1(copy)


def test_telemetry_is_off(pipeline):
    import os

    assert os.environ["PYANNOTE_METRICS_ENABLED"] == "0"
