"""The ONNX folder's adapter, on folders of the published form that hold small networks."""

from __future__ import annotations

import math
import os
import warnings
from itertools import pairwise
from pathlib import Path

import audonnx
import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from emodiss.errors import ModelError, ModelMissing
from emodiss.models.audeering.onnx_folder import AudonnxSpeech
from emodiss.models.audeering.windows import normalised, windows
from tests.models.contracts import check_speech_affect_model, voice
from tests.models.test_speech_affect_wav2vec2 import SpeechRegressor, tiny_network

LABELS = ["arousal", "dominance", "valence"]


class _Exported(torch.nn.Module):
    """Outputs in the published order: hidden states, then logits."""

    def __init__(self, network: SpeechRegressor) -> None:
        super().__init__()
        self.network = network

    def forward(self, signal: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        out = self.network(signal)
        return out["pooled"], out["logits"]


def export(folder: Path, network: torch.nn.Module, *, labels: list[str] = LABELS) -> Path:
    """Write `model.onnx` and, with audonnx itself, `model.yaml`."""
    folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.from_numpy(voice(1.0)[None]),),
            str(folder / "model.onnx"),
            input_names=["signal"],
            output_names=["hidden_states", "logits"],
            dynamic_axes={"signal": {1: "time"}},
            opset_version=17,
            dynamo=False,
        )
    model = audonnx.Model(str(folder / "model.onnx"), labels={"logits": labels})
    model.to_yaml(str(folder / "model.yaml"))
    return folder


class _Statistics(torch.nn.Module):
    """A network whose outputs can be told by hand: mean, mean square, and length over 32,000."""

    def forward(self, signal: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean, power = signal.mean(dim=1), (signal**2).mean(dim=1)
        length = torch.ones_like(signal).sum(dim=1) / 32_000
        logits = torch.stack((mean, power, length), dim=1)
        return logits.repeat(1, 2), logits


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(tmp_path_factory.mktemp("onnx"), _Exported(tiny_network()))


@pytest.fixture(scope="module")
def simple(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(tmp_path_factory.mktemp("simple"), _Statistics())


@pytest.fixture(scope="module")
def model(folder: Path) -> AudonnxSpeech:
    return AudonnxSpeech(folder, allow_unverified=True)


def test_speech_affect_contract(model: AudonnxSpeech) -> None:
    check_speech_affect_model(model)


def test_onnx_equals_torch(model: AudonnxSpeech) -> None:
    network = tiny_network()
    for duration_s in (0.025, 0.5, 1.0, 3.3):
        signal = voice(duration_s)
        with torch.inference_mode():
            expected = network(torch.from_numpy(signal[None]))["logits"][0].numpy()
        arousal, dominance, valence = expected
        np.testing.assert_allclose(
            model.raw([signal]), [[valence, arousal, dominance]], rtol=0, atol=1e-5
        )


def test_the_signal_is_fed_raw_unless_asked(simple: Path) -> None:
    signal = (0.25 + 0.1 * np.sin(np.arange(16_000) * 2 * np.pi / 100)).astype(np.float32)
    # 160 whole periods: mean 0.25, mean square 0.25^2 + 0.1^2 / 2 = 0.0675, length 0.5.
    out = AudonnxSpeech(simple, allow_unverified=True).predict(signal, 16_000)
    assert out.arousal_raw == pytest.approx(0.25, abs=1e-6)
    assert out.dominance_raw == pytest.approx(0.0675, abs=1e-6)
    assert out.valence_raw == pytest.approx(0.5, abs=1e-6)
    assert (out.arousal, out.valence) == pytest.approx((-0.5, 0.0), abs=1e-6)
    level = AudonnxSpeech(simple, allow_unverified=True, signal="normalised").predict(
        signal, 16_000
    )
    assert level.arousal_raw == pytest.approx(0.0, abs=1e-5)
    assert level.dominance_raw == pytest.approx(1.0, abs=1e-4)


def test_long_utterances_are_averaged_over_equal_windows(simple: Path) -> None:
    # 4 s in windows of at most 1.5 s: three of 21,333 or 21,334 samples. Their mean length,
    # weighted by length, is (2 * 21,333^2 + 21,334^2) / 64,000 / 32,000 = 0.66667.
    signal = voice(4.0)
    out = AudonnxSpeech(simple, allow_unverified=True, window_s=1.5).predict(signal, 16_000)
    assert out.valence_raw == pytest.approx(0.66667, abs=1e-4)
    # Weighted by duration, the windows' mean squares make the whole signal's mean square.
    power = float(np.mean(signal.astype(np.float64) ** 2))
    assert out.dominance_raw == pytest.approx(power, abs=1e-6)
    whole = AudonnxSpeech(simple, allow_unverified=True, window_s=15).predict(signal, 16_000)
    assert whole.valence_raw == pytest.approx(2.0, abs=1e-6)
    assert whole.valence == 1.0, "past the end of the scale: clamped, and raw keeps 2"


@given(window=st.integers(1, 10**6), n_windows=st.floats(1e-6, 300))
def test_windows_cover_once_and_are_equal(window: int, n_windows: float) -> None:
    n = math.ceil(window * n_windows)
    parts = windows(n, window)
    assert parts[0][0] == 0 and parts[-1][1] == n
    assert all(a[1] == b[0] for a, b in pairwise(parts))
    lengths = [end - start for start, end in parts]
    assert max(lengths) <= window and max(lengths) - min(lengths) <= 1
    assert len(parts) == math.ceil(n / window)


def test_normalised_is_centred_with_unit_variance() -> None:
    out = normalised((3 * voice(1.0) + 0.3).astype(np.float32))
    assert out.dtype == np.float32
    assert float(out.mean()) == pytest.approx(0, abs=1e-5)
    assert float(out.std()) == pytest.approx(1, abs=1e-4)
    assert (normalised(np.full(400, 0.7, np.float32)) == 0).all()


def test_order_is_read_from_the_labels(tmp_path: Path, folder: Path) -> None:
    signal = voice()
    first = AudonnxSpeech(folder, allow_unverified=True).predict(signal, 16_000)
    other = export(tmp_path, _Exported(tiny_network()), labels=["valence", "arousal", "dominance"])
    second = AudonnxSpeech(other, allow_unverified=True).predict(signal, 16_000)
    assert second.valence_raw == first.arousal_raw
    assert second.arousal_raw == first.dominance_raw
    assert second.dominance_raw == first.valence_raw


def test_unlabelled_outputs_are_refused(tmp_path: Path) -> None:
    other = export(tmp_path, _Statistics(), labels=["a", "b", "c"])
    with pytest.raises(ModelError, match=r"valence, arousal, dominance is absent"):
        AudonnxSpeech(other, allow_unverified=True).load()


def test_stereo_is_refused_where_audonnx_would_join_the_channels(model: AudonnxSpeech) -> None:
    stereo = np.stack([voice(), voice(seed=1)])
    joined = audonnx.load(str(model.folder))(stereo, 16_000, outputs="logits")
    assert joined.shape == (1, 3), "audonnx takes it without a word"
    with pytest.raises(ValueError, match=r"shape \(2, 32000\)"):
        model.predict(stereo, 16_000)


@pytest.mark.parametrize("constant", [0.0, 0.3])
def test_a_signal_that_does_not_vary_is_not_measured(model: AudonnxSpeech, constant: float) -> None:
    # The real model answers zeros with 0.55, 0.61, 0.40, which would pass for a measurement.
    out = model.predict(np.full(32_000, constant, np.float32), 16_000)
    assert math.isnan(out.valence) and math.isnan(out.valence_raw) and math.isnan(out.dominance)


def test_shortest_signal(folder: Path) -> None:
    model = AudonnxSpeech(folder, allow_unverified=True, min_duration_s=0.025)
    assert math.isnan(model.predict(voice()[:399], 16_000).arousal)
    assert math.isfinite(model.predict(voice()[:400], 16_000).arousal)
    assert AudonnxSpeech(folder).min_duration_s == 0.5


def test_other_rates_are_resampled(simple: Path) -> None:
    # One second stays one second: 16,000 samples after resampling are 0.5 of 32,000.
    model = AudonnxSpeech(simple, allow_unverified=True)
    for rate in (8_000, 22_050, 44_100, 48_000):
        assert model.predict(voice(1.0, rate), rate).valence_raw == pytest.approx(0.5, abs=1e-4)


def test_threads_reach_the_session(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}
    load = audonnx.load

    def spy(root: str, **options: object) -> audonnx.Model:
        seen.update(options)
        return load(root, **options)

    monkeypatch.setattr(audonnx, "load", spy)
    AudonnxSpeech(folder, allow_unverified=True, threads=2).load()
    assert seen["num_workers"] == 2


def test_missing_files_name_the_way_out(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ModelMissing, match=r"emodiss models pull audeering-w2v2\..*--preset lite"):
        AudonnxSpeech(tmp_path).predict(voice(), 16_000)
    (tmp_path / "model.yaml").write_bytes((folder / "model.yaml").read_bytes())
    with pytest.raises(ModelMissing, match=r"model\.onnx"):
        AudonnxSpeech(tmp_path).load()


@pytest.mark.parametrize(
    "description",
    [
        "",
        "just words",
        "$os.system==1.0: {command: 'touch opened'}",
        "$audonnx.core.model.Model==1.0.1:\n  path: model.onnx\n  transform:\n"
        "    $audonnx.core.function.Function==1.0.1:\n      func: 'touch opened'\n",
        "!!python/object/apply:os.system ['touch opened']",
        *("!!bool x", "!!int ''", "!!timestamp x", "a: " + "[" * 5000, "0x_"),
        "a: &a {b: 1}\n" + "$audonnx.core.model.Model==1.0.1: {path: model.onnx, labels: *a}",
        "$audonnx.core.model.Model==1.0.1: {path: model.onnx, labels: [" + "a, " * 10_000 + "]}",
    ],
)
def test_a_description_that_would_run_something_else_is_refused(
    tmp_path: Path, folder: Path, description: str
) -> None:
    (tmp_path / "model.onnx").write_bytes((folder / "model.onnx").read_bytes())
    (tmp_path / "model.yaml").write_text(description)
    with pytest.raises(ModelError, match=r"expected '\$audonnx\.core\.model\.Model'"):
        AudonnxSpeech(tmp_path, allow_unverified=True).load()
    assert not Path("opened").exists()


def test_a_damaged_graph_is_refused(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "model.yaml").write_bytes((folder / "model.yaml").read_bytes())
    (tmp_path / "model.onnx").write_bytes(b"not a graph")
    with pytest.raises(ModelError, match="cannot be read as an audonnx model"):
        AudonnxSpeech(tmp_path, allow_unverified=True).load()


def test_other_graphs_are_refused(tmp_path: Path) -> None:
    import onnx
    from audonnx.testing import create_model_proto

    onnx.save(create_model_proto([[1, 3]]), str(tmp_path / "model.onnx"))
    audonnx.Model(str(tmp_path / "model.onnx")).to_yaml(str(tmp_path / "model.yaml"))
    with pytest.raises(ModelError, match=r"expected input 'signal' and an output 'logits'"):
        AudonnxSpeech(tmp_path, allow_unverified=True).load()


@pytest.mark.parametrize(
    "options",
    [
        {"threads": 0},
        {"batch_size": 2},
        {"min_duration_s": 0.01},
        {"window_s": 0.5},
        {"window_s": math.nan},
        {"signal": "loud"},
    ],
)
def test_options_out_of_range(tmp_path: Path, options: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        AudonnxSpeech(tmp_path, **options)


def test_published_outputs_for_seeded_noise() -> None:
    """audEERING's how-to prints 0.6563389, 0.630771, 0.4762332 for this signal."""
    home = os.environ.get("EMODISS_HOME")
    found = [
        path.parent
        for path in (sorted(Path(home).rglob("model.onnx")) if home else [])
        if (path.parent / "model.yaml").exists() and path.stat().st_size > 600e6
    ]
    if not found:
        pytest.skip("needs the ONNX folder under EMODISS_HOME; emodiss ships no weights of it")
    noise = np.random.RandomState(0).normal(size=16_000)
    [[valence, arousal, dominance]] = AudonnxSpeech(found[0]).raw([noise])
    assert [arousal, dominance, valence] == pytest.approx(
        [0.6563389, 0.630771, 0.4762332], abs=1e-4
    )
