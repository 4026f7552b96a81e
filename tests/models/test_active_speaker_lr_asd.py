"""LR-ASD: sound features, layers, graph and scores, with weights of one's own and with the real."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from emodiss.errors import ModelError, ModelMissing
from emodiss.models import catalog
from emodiss.models.lr_asd import LR_ASD, adapter as lr_asd
from emodiss.settings import resolve


def clip(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Faces and sound of n pictures, made of sines and noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:112, 0:112]
    faces = [127 + 90 * np.sin(x / (9 + 3 * math.sin(k / 3)) + y / 17) for k in range(n)]
    t = np.arange(n * 640 + 240) / 16_000
    sound = 6000 * np.sin(2 * np.pi * 220 * t) * (1 + np.sin(2 * np.pi * 4 * t))
    noisy = sound + rng.normal(0, 200, len(t))
    return np.rint(faces).astype(np.uint8), np.rint(noisy).astype(np.int16)


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory) -> Path:
    """Weights that anybody can make again, with the names of the published file."""
    torch = pytest.importorskip("torch")
    from emodiss.models.lr_asd.network import LrAsdNetwork

    network = LrAsdNetwork()
    rng = np.random.default_rng(7)
    state = {}
    for name, value in network.state_dict().items():
        if value.dtype == torch.int64:
            state[name] = value
            continue
        fan = max(1, int(np.prod(value.shape[1:])))
        made = rng.normal(0, 1 / math.sqrt(fan), value.shape)
        positive = name.endswith("running_var") or ("norm" in name and name.endswith("weight"))
        state[name] = torch.tensor(np.abs(made) + 0.5 if positive else made, dtype=torch.float32)
    path = tmp_path_factory.mktemp("lr") / "synthetic.model"
    torch.save({**state, "lossV.FC.weight": torch.zeros(2, 128)}, path)
    return path


def opened(path: Path, monkeypatch) -> lr_asd.LrAsd:
    """An adapter that takes these weights for the published ones."""
    monkeypatch.setattr(lr_asd, "verify", lambda *_, **__: None)
    return lr_asd.LrAsd(path)


def test_sound_features_of_a_sine_by_hand():
    # 1 kHz at amplitude 1000: energy per frame is a sum over 257 points of |X|^2 / 512, half of
    # the whole spectrum's, which by Parseval is half the frame's sum of squares.
    t = np.arange(16_000) / 16_000
    sound = np.rint(1000 * np.sin(2 * np.pi * 1000 * t)).astype(np.int16)
    rows = lr_asd.mfcc(sound, 90)
    assert rows.shape == (90, 13)
    # Pre-emphasis changes the amplitude to |1 - .97 exp(-i w)|.
    gain = abs(1 - 0.97 * np.exp(-2j * np.pi * 1000 / 16_000))
    expected = math.log(400 * (1000 * gain) ** 2 / 2 / 2)
    assert rows[10:80, 0] == pytest.approx(expected, abs=0.01)


def test_missing_sound_is_silence_and_keeps_the_rows():
    _, sound = clip(25)
    rows = lr_asd.mfcc(sound[:8000], 100)
    assert rows.shape == (100, 13)
    assert np.allclose(rows[60:], rows[99]) and rows[99, 0] == pytest.approx(
        math.log(np.finfo(float).eps)
    )


def test_graph_and_network_agree_and_any_length_goes(synthetic, monkeypatch):
    import torch

    from emodiss.models.lr_asd.network import load

    network, model = load(synthetic), opened(synthetic, monkeypatch)
    tensors = torch.load(synthetic, weights_only=True)
    for n in (5, 13, 40):
        faces, sound = clip(n)
        scores = model.score(faces, sound)
        with torch.inference_mode():
            expected = network(
                torch.from_numpy(lr_asd.mfcc(sound, 4 * n))[None],
                torch.from_numpy(faces.astype(np.float32))[None],
            ).numpy()
        assert scores.shape == (n,) and scores.dtype == np.float32
        assert np.abs(scores - expected).max() < 1e-4
    assert scores.std() > 1e-3  # it looks at the pictures
    independent = bare(tensors, lr_asd.mfcc(sound, 4 * n), faces.astype(np.float32))
    assert np.abs(scores - independent).max() < 1e-4


def test_the_graph_is_made_once_and_kept_beside_the_weights(synthetic, monkeypatch):
    faces, sound = clip(6)
    first = opened(synthetic, monkeypatch).score(faces, sound)
    (kept,) = synthetic.parent.glob("synthetic-*.onnx")
    monkeypatch.setattr(lr_asd, "export", lambda _: pytest.fail("made again"))
    assert np.array_equal(opened(synthetic, monkeypatch).score(faces, sound), first)
    assert kept.stat().st_size < 4_000_000


def test_too_few_pictures_are_refused(synthetic, monkeypatch):
    faces, sound = clip(4)
    with pytest.raises(ValueError, match="5 pictures or more, got 4"):
        opened(synthetic, monkeypatch).score(faces, sound)


def test_only_the_published_file_is_taken(tmp_path, synthetic):
    with pytest.raises(ModelMissing):
        lr_asd.LrAsd(tmp_path / "not here.model")
    with pytest.raises(ModelError, match="synthetic"):
        lr_asd.LrAsd(synthetic)
    from emodiss.models.lr_asd.network import load

    other = tmp_path / "other.model"
    import torch

    torch.save({"layer": torch.zeros(1)}, other)
    with pytest.raises(ModelError, match="does not hold the layers"):
        load(other)


def test_the_catalog_knows_it_and_no_preset_takes_it():
    entry = catalog.CATALOG["lr-asd"]
    assert entry.task == "active_speaker" and entry.licence == "MIT"
    assert entry.files == (LR_ASD,) and "1b6dcd2d8fc2" in str(LR_ASD.url)
    for preset in ({}, {"models.face_affect": "fer-lite"}):
        assert resolve(preset).models.active_speaker is None


def test_the_real_weights_score_as_a_run_of_the_bare_tensors(shared_data, tmp_path):
    torch = pytest.importorskip("torch")
    path = shared_data / "lr_asd" / LR_ASD.name
    if not path.is_file():
        pytest.skip("the weights of LR-ASD are not on this machine")
    copy = tmp_path / LR_ASD.name
    copy.write_bytes(path.read_bytes())
    faces, sound = clip(30)
    scores = lr_asd.LrAsd(copy).score(faces, sound)
    found = torch.load(path, map_location="cpu", weights_only=True)
    expected = bare(found, lr_asd.mfcc(sound, 120), faces.astype(np.float32))
    assert np.abs(scores - expected).max() < 1e-4


def bare(w: dict, sound: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Run the network by functional calls on the file's tensors alone."""
    import torch
    from torch.nn import functional as F

    def norm(x, name):
        stats = [w[f"{name}.{k}"] for k in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(x, *stats, eps=1e-3)

    def gate(x, name):  # (1, channels, t)
        return x * torch.sigmoid(norm(F.conv1d(x, w[f"{name}.attention.weight"]), f"{name}.bn"))

    def gru(x, name):
        h, out = torch.zeros(64), []
        for row in x:
            i = w[f"{name}.weight_ih_l0"] @ row + w[f"{name}.bias_ih_l0"]
            g = w[f"{name}.weight_hh_l0"] @ h + w[f"{name}.bias_hh_l0"]
            r, z = torch.sigmoid(i[:64] + g[:64]), torch.sigmoid(i[64:128] + g[64:128])
            h = (1 - z) * torch.tanh(i[128:] + r * g[128:]) + z * h
            out.append(h)
        return torch.stack(out)

    with torch.inference_mode():
        a = torch.from_numpy(sound).T[None, None]
        v = (torch.from_numpy(faces)[None, None] / 255 - 0.4161) / 0.1688
        for k in (1, 2, 3):
            for step, wide in (("1", 2), ("2", 1)):
                name = f"model.audioEncoder.block{k}.m"
                a = F.conv2d(a, w[f"{name}_{step}.weight"], padding=(wide, 0))
                a = F.relu(norm(a, f"{name}_norm_{step}"))
                name = f"model.visualEncoder.block{k}.s"
                stride = (1, 2, 2) if (k, step) == (1, "1") else 1
                v = F.conv3d(v, w[f"{name}_{step}.weight"], stride=stride, padding=(0, wide, wide))
                v = F.relu(norm(v, f"{name}_norm_{step}"))
            for step, wide in (("1", 2), ("2", 1)):
                name = f"model.audioEncoder.block{k}.t"
                a = F.conv2d(a, w[f"{name}_{step}.weight"], padding=(0, wide))
                a = F.relu(norm(a, f"{name}_norm_{step}"))
                name = f"model.visualEncoder.block{k}.t"
                v = F.conv3d(v, w[f"{name}_{step}.weight"], padding=(wide, 0, 0))
                v = F.relu(norm(v, f"{name}_norm_{step}"))
            if k < 3:
                a = F.max_pool2d(a, (1, 3), (1, 2), (0, 1))
                v = F.max_pool3d(v, (1, 3, 3), (1, 2, 2), (0, 1, 1))
        both = torch.cat([a.mean(dim=2), v.amax(dim=(3, 4))], dim=1)
        x = gate(both, "model.fusion")[0].T
        forth = gru(x, "model.detector.gru_forward")
        back = gru(x.flip(0), "model.detector.gru_backward").flip(0)
        x = gate(torch.cat([forth, back], dim=1).T[None], "model.detector.attention")[0].T
        logits = x @ w["lossAV.FC.weight"].T + w["lossAV.FC.bias"]
        return (logits[:, 1] - logits[:, 0]).numpy()
