"""The hub checkpoint's adapter, on small networks of the same architecture with random weights."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from emodiss.errors import ModelError, ModelMissing
from emodiss.models.audeering import AUDEERING_HUB
from emodiss.models.audeering.checkpoint import SpeechRegressor, Wav2Vec2Speech
from tests.models.contracts import check_speech_affect_model, voice

CONFIG: dict[str, Any] = {
    # The published configuration with small numbers; what decides the code path is as published.
    "model_type": "wav2vec2",
    "do_stable_layer_norm": True,
    "feat_extract_norm": "layer",
    "conv_bias": True,
    "pad_token_id": 0,
    "vocab_size": None,
    "conv_dim": [16] * 7,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "id2label": {"0": "arousal", "1": "dominance", "2": "valence"},
    "label2id": {"arousal": 0, "dominance": 1, "valence": 2},
    "pooling_mode": "mean",
    "initializer_range": 0.2,
}


def tiny_network(config: dict[str, Any] = CONFIG) -> SpeechRegressor:
    from transformers import Wav2Vec2Config

    torch.manual_seed(0)
    network = SpeechRegressor(Wav2Vec2Config.from_dict(config))
    # Values about 0.5, as the real ones are, so that clamping hides nothing.
    with torch.no_grad():
        network.classifier.out_proj.bias.fill_(0.5)
    return network


def write_checkpoint(folder: Path, config: dict[str, Any] = CONFIG, *, older: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    state = {k: v.contiguous() for k, v in tiny_network(config).state_dict().items()}
    if not older:
        save_file(state, folder / "model.safetensors")
        return folder
    # The older file names the halves of the weight-normed convolution as older torch did.
    names = {
        "parametrizations.weight.original0": "weight_g",
        "parametrizations.weight.original1": "weight_v",
    }
    renamed = {}
    for name, tensor in state.items():
        for newer, old in names.items():
            name = name.replace(newer, old)
        renamed[name] = tensor
    assert sum(name.endswith(("weight_g", "weight_v")) for name in renamed) == 2
    torch.save(renamed, folder / "pytorch_model.bin")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="module")
def model(folder: Path) -> Wav2Vec2Speech:
    return Wav2Vec2Speech(folder, allow_unverified=True)


def by_hand(signal: np.ndarray) -> np.ndarray:
    """(3,) valence, arousal, dominance: transformers' own body, and the head in numpy."""
    network = tiny_network()
    with torch.inference_mode():
        states = network.wav2vec2(torch.from_numpy(signal[None])).last_hidden_state[0].numpy()
    head = {
        k: v.detach().numpy().astype(np.float64) for k, v in network.classifier.named_parameters()
    }
    hidden = np.tanh(head["dense.weight"] @ states.mean(axis=0) + head["dense.bias"])
    arousal, dominance, valence = head["out_proj.weight"] @ hidden + head["out_proj.bias"]
    return np.array([valence, arousal, dominance])


def test_every_tensor_of_the_published_checkpoint(shared_data: Path) -> None:
    from transformers import Wav2Vec2Config, Wav2Vec2Model  # noqa: F401

    text = (shared_data / "audeering" / "hf_keys_shapes.txt").read_text()
    published = {row.split("\t")[0]: row.split("\t")[1] for row in text.splitlines()}
    large = {
        **CONFIG,
        "conv_dim": [512] * 7,
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_attention_heads": 16,
        "num_hidden_layers": 12,
        "num_conv_pos_embeddings": 128,
        "num_conv_pos_embedding_groups": 16,
    }
    with torch.device("meta"):
        network = SpeechRegressor(Wav2Vec2Config.from_dict(large))
    own = {name: str(tuple(tensor.shape)) for name, tensor in network.state_dict().items()}
    # torch prints the one-element shape of weight norm's g alike in all versions: (1, 1, 128).
    assert own == published
    assert sum(p.numel() for p in network.parameters()) == 165_336_707


def test_speech_affect_contract(model: Wav2Vec2Speech) -> None:
    check_speech_affect_model(model)


def test_head_and_order_against_numpy(model: Wav2Vec2Speech) -> None:
    signal = voice(1.5)
    expected = by_hand(signal)
    assert np.ptp(expected) > 0.05, "or a wrong order would pass"
    np.testing.assert_allclose(model.raw([signal]), [expected], rtol=0, atol=1e-5)


def test_order_is_read_from_the_labels(tmp_path: Path, model: Wav2Vec2Speech) -> None:
    labels = {"0": "valence", "1": "arousal", "2": "dominance"}
    config = {**CONFIG, "id2label": labels, "label2id": {v: int(k) for k, v in labels.items()}}
    other = Wav2Vec2Speech(write_checkpoint(tmp_path, config), allow_unverified=True)
    # Same weights, so outputs 0, 1, 2 are the same numbers under other names.
    first = model.predict(voice(), 16_000)
    second = other.predict(voice(), 16_000)
    assert second.valence_raw == first.arousal_raw
    assert second.arousal_raw == first.dominance_raw
    assert second.dominance_raw == first.valence_raw


def test_normalisation_is_that_of_the_published_preprocessor(
    folder: Path, model: Wav2Vec2Speech
) -> None:
    from transformers import Wav2Vec2FeatureExtractor

    extractor = Wav2Vec2FeatureExtractor(
        do_normalize=True, feature_size=1, sampling_rate=16_000, padding_value=0.0
    )
    # The extractor works in float32, so a large offset would cost it digits that we keep.
    signal = 0.1 * voice(1.5) + 0.02
    ready = extractor(signal, sampling_rate=16_000, return_tensors="np").input_values[0]
    measured = model.predict(signal, 16_000)
    expected = by_hand(ready.astype(np.float32))
    got = [measured.valence_raw, measured.arousal_raw, measured.dominance_raw]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5)

    plain = Wav2Vec2Speech(folder, allow_unverified=True, signal="raw")
    raw = plain.predict(signal, 16_000)
    np.testing.assert_allclose(
        [raw.valence_raw, raw.arousal_raw, raw.dominance_raw], by_hand(signal), rtol=0, atol=1e-5
    )
    assert raw != measured


def test_padded_batch_equals_one_by_one(model: Wav2Vec2Speech) -> None:
    signals = [voice(d, seed=i) for i, d in enumerate((2.0, 0.5, 1.1, 0.7321, 0.025))]
    batch = model.raw(signals)
    single = np.concatenate([model.raw([signal]) for signal in signals])
    np.testing.assert_allclose(batch, single, rtol=0, atol=1e-5)
    # Without the mask the short ones move: the padding is what is being kept out.
    padded = np.zeros((1, 32_000), np.float32)
    padded[0, : len(signals[1])] = signals[1]
    assert np.abs(model.raw(list(padded)) - single[1]).max() > 1e-3


def test_the_network_keeps_cudnn_and_takes_no_tf32(
    model: Wav2Vec2Speech, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[bool, bool, str]] = []
    forward = SpeechRegressor.forward

    def watched(self: SpeechRegressor, *given: Any) -> dict[str, torch.Tensor]:
        cudnn = torch.backends.cudnn
        seen.append((cudnn.enabled, cudnn.allow_tf32, torch.get_float32_matmul_precision()))
        return forward(self, *given)

    monkeypatch.setattr(SpeechRegressor, "forward", watched)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")  # as other code in the process may leave it
    try:
        model.raw([voice(1.0)])
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    assert seen == [(True, False, "highest")]


def test_equal_lengths_in_a_batch(model: Wav2Vec2Speech) -> None:
    signals = [voice(1.0, seed=i) for i in range(3)]
    single = np.concatenate([model.raw([signal]) for signal in signals])
    np.testing.assert_allclose(model.raw(signals), single, rtol=0, atol=1e-6)


def test_many_utterances_keep_their_order(folder: Path, model: Wav2Vec2Speech) -> None:
    signals = [voice(d, seed=i) for i, d in enumerate((3.0, 0.6, 0.1, 1.0, 2.0))]
    signals.append(np.zeros(16_000, np.float32))
    batched = Wav2Vec2Speech(folder, allow_unverified=True, batch_size=3, window_s=1.5)
    single = Wav2Vec2Speech(folder, allow_unverified=True, window_s=1.5)
    together = batched.predict_many(signals, 16_000)
    apart = [single.predict(signal, 16_000) for signal in signals]
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_allclose(one.raw, other.raw, rtol=0, atol=2e-5)
    assert [math.isnan(one.valence) for one in together] == [False, False, True, False, False, True]
    assert model.predict_many([], 16_000) == []


def test_long_utterances_are_averaged_over_equal_windows(folder: Path) -> None:
    # 2.5 s in windows of at most 1 s: three of 0.8333 s. 40,000 samples: 13,333 + 13,333 + 13,334.
    signal = voice(2.5)
    model = Wav2Vec2Speech(folder, allow_unverified=True, signal="raw", window_s=1.0)
    parts = [signal[:13_333], signal[13_333:26_666], signal[26_666:]]
    rows = np.stack([by_hand(part) for part in parts])
    expected = (rows * [[13_333], [13_333], [13_334]]).sum(axis=0) / 40_000
    out = model.predict(signal, 16_000)
    got = [out.valence_raw, out.arousal_raw, out.dominance_raw]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5)
    assert np.abs(by_hand(signal) - expected).max() > 1e-4, "or windows would not matter here"


def test_house_scale_is_twice_minus_one(model: Wav2Vec2Speech) -> None:
    out = model.predict(voice(), 16_000)
    assert 0 < out.arousal_raw < 1
    assert out.arousal == pytest.approx(2 * out.arousal_raw - 1, abs=1e-12)


def test_older_file_holds_the_same_weights(tmp_path: Path, model: Wav2Vec2Speech) -> None:
    older = Wav2Vec2Speech(write_checkpoint(tmp_path, older=True), allow_unverified=True)
    one, other = older.predict(voice(), 16_000), model.predict(voice(), 16_000)
    # Not to the last bit: where a file puts a tensor in memory decides how it is summed.
    np.testing.assert_allclose(one.raw, other.raw, rtol=0, atol=1e-6)


def _drop(state: dict) -> None:
    del state["classifier.dense.weight"]


def _add(state: dict) -> None:
    state["classifier.extra"] = torch.zeros(1)


def _reshape(state: dict) -> None:
    state["classifier.out_proj.bias"] = torch.zeros(4)


@pytest.mark.parametrize("damage", [_drop, _add, _reshape])
def test_weights_that_do_not_fit_are_refused(tmp_path: Path, damage: Any) -> None:
    # transformers itself would fill a missing head with random numbers and warn.
    write_checkpoint(tmp_path)
    state = {k: v.contiguous() for k, v in tiny_network().state_dict().items()}
    damage(state)
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match=r"does not fit.*1 tensors.*classifier"):
        Wav2Vec2Speech(tmp_path, allow_unverified=True).load()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"model_type": "hubert"}, "not describe a wav2vec2"),
        ({"pooling_mode": "max"}, "pooling_mode 'max'"),
        ({"id2label": {"0": "angry", "1": "dominance", "2": "valence"}}, "arousal is absent"),
        ({"id2label": {"0": 1, "1": "dominance", "2": "valence"}}, "arousal is absent"),
        ({"conv_dim": 5}, r"no network .*TypeError"),
        ({"id2label": {"a": "b"}}, r"no network .*ValueError"),
        ({"num_attention_heads": 0}, "no network"),
        ({"num_hidden_layers": 10**9}, "no network"),
        ({"add_adapter": True, "num_adapter_layers": 10**9}, "no network"),
    ],
)
def test_other_models_are_refused(tmp_path: Path, change: dict, named: str) -> None:
    write_checkpoint(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**CONFIG, **change}))
    with pytest.raises(ModelError, match=named):
        Wav2Vec2Speech(tmp_path, allow_unverified=True).load()


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    write_checkpoint(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ModelError, match="cannot be read as weights"):
        Wav2Vec2Speech(tmp_path, allow_unverified=True).load()
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelError, match="not JSON"):
        Wav2Vec2Speech(tmp_path, allow_unverified=True).load()


def test_missing_and_unpublished_weights(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ModelMissing, match=r"emodiss models pull audeering-w2v2-hf.*--preset lite"):
        Wav2Vec2Speech(tmp_path / "nowhere").predict(voice(), 16_000)
    with pytest.raises(ModelError, match=r"not the published config.json.*allow_unverified"):
        Wav2Vec2Speech(folder).load()


@pytest.mark.parametrize(
    "options",
    [{"threads": 0}, {"batch_size": 0}, {"min_duration_s": 0.0249}, {"window_s": 0.9}],
)
def test_options_out_of_range(tmp_path: Path, options: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Wav2Vec2Speech(tmp_path, **options)


def test_published_outputs_for_one_second_of_zeros() -> None:
    """Card example: zeros through the processor give 0.5460754, 0.6062266, 0.40431657."""
    home = os.environ.get("EMODISS_HOME")
    found = sorted(Path(home).rglob(AUDEERING_HUB[1].name)) if home else []
    found = [path for path in found if path.stat().st_size == AUDEERING_HUB[1].size]
    if not found:
        pytest.skip("needs the hub checkpoint under EMODISS_HOME; emodiss ships no weights of it")
    model = Wav2Vec2Speech(found[0].parent)
    # Normalised zeros are zeros; they go past the check that answers NaN for silence.
    [[valence, arousal, dominance]] = model.raw([np.zeros(16_000)])
    assert [arousal, dominance, valence] == pytest.approx(
        [0.5460754, 0.6062266, 0.40431657], abs=1e-5
    )
