"""EmoNet against recorded outputs of the reference network, and the adapter around it.

The published weights may not be redistributed. Goldens therefore use synthetic weights by a recipe
that anyone can repeat (`synthetic_state`); the expected numbers were recorded from the authors'
own network class (face-analysis/emonet at 49eef30) filled by the same recipe.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from emodiss.affect import EXPRESSIONS
from emodiss.errors import ModelError, ModelMissing
from emodiss.models.emonet import runtimes as emonet_runtimes
from emodiss.models.emonet.adapter import (
    PUBLISHED,
    EmoNet,
    EmoNetFace,
    landmark_square,
    landmarks_of,
    read_weights,
    warp_square,
)
from emodiss.models.weight_files import WeightFile, git_blob_id, verify
from tests.models.contracts import check_face_affect_model

torch.set_num_threads(1)


def synthetic_state(n_classes: int) -> dict[str, torch.Tensor]:
    """Fill each tensor from a generator seeded by the checksum of its name."""
    state = {}
    with torch.device("meta"):
        shapes = EmoNet(n_classes).state_dict()
    for name, tensor in shapes.items():
        shape = tuple(tensor.shape)
        draw = np.random.RandomState(zlib.crc32(name.encode()) & 0xFFFFFFFF)
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(0)
            continue
        if name.endswith("running_var"):
            values = draw.uniform(0.5, 1.5, shape)
        elif name.endswith("running_mean"):
            values = draw.normal(size=shape) * 0.1
        elif name.endswith("bias"):
            values = draw.normal(size=shape) * 0.05
        elif len(shape) <= 1:
            values = draw.uniform(0.8, 1.2, shape)
        else:
            values = draw.normal(size=shape) * np.sqrt(1 / np.prod(shape[1:])) * 0.5
        state[name] = torch.from_numpy(np.asarray(values, np.float32))
    return state


def pattern() -> np.ndarray:
    """(256, 256, 3) uint8 whose value at row i, column j, channel c is 7i + 13j + 29c mod 256."""
    i, j, c = np.mgrid[:256, :256, :3]
    return ((7 * i + 13 * j + 29 * c) % 256).astype(np.uint8)


@pytest.fixture(scope="module")
def state8() -> dict[str, torch.Tensor]:
    return synthetic_state(8)


@pytest.fixture(scope="module")
def file8(tmp_path_factory: pytest.TempPathFactory, state8: dict[str, torch.Tensor]) -> Path:
    """The older file format with `module.` prefixes: what emonet_8.pth very likely is."""
    path = tmp_path_factory.mktemp("emonet") / "emonet_8.pth"
    torch.save(
        {f"module.{k}": v for k, v in state8.items()}, path, _use_new_zipfile_serialization=False
    )
    return path


@pytest.fixture(scope="module")
def model(file8: Path) -> EmoNetFace:
    return EmoNetFace(file8, allow_unverified=True)


# Recorded from the reference network; the digits are those of research notes on models, section 1.
LOGITS = [0.14728054, 0.01852892, 0.12491868, -0.12087807, -0.11050465, -0.04581678, -0.00778311]
GOLDEN = {
    8: ([*LOGITS, 0.04940278], 0.10720332, -0.01393315),
    5: (LOGITS[:5], -0.04581679, -0.00778311),
}


@pytest.mark.parametrize("n_classes", [8, 5])
def test_synthetic_weights_give_the_reference_outputs(n_classes: int) -> None:
    network = EmoNet(n_classes)
    network.load_state_dict(synthetic_state(n_classes))
    image = torch.from_numpy(pattern().transpose(2, 0, 1)[None].astype(np.float32) / 255)
    with torch.inference_mode():
        out = network(image)
    logits, valence, arousal = GOLDEN[n_classes]
    np.testing.assert_allclose(out["expression"].numpy(), [logits], rtol=0, atol=1e-5)
    assert out["valence"].numpy() == pytest.approx([valence], abs=1e-5)
    assert out["arousal"].numpy() == pytest.approx([arousal], abs=1e-5)
    heatmap = out["heatmap"]
    assert heatmap.shape == (1, 68, 64, 64)
    assert heatmap.mean().item() == pytest.approx(0.02855428, abs=1e-5)
    assert heatmap.std().item() == pytest.approx(0.22074318, abs=1e-5)
    assert heatmap[0, 0, 10, 20].item() == pytest.approx(0.22128546, abs=1e-5)


@pytest.mark.parametrize(("n_classes", "n_parameters"), [(8, 13_963_410), (5, 13_963_023)])
def test_tensors_are_named_and_shaped_as_published(
    n_classes: int, n_parameters: int, shared_data: Path
) -> None:
    text = (shared_data / "emonet" / f"emonet_{n_classes}_keys_shapes.txt").read_text()
    published = {row.split("\t")[0]: tuple(row.split("\t")[1:]) for row in text.splitlines()}
    network = EmoNet(n_classes)
    own = {
        name: (str(tuple(tensor.shape)), str(tensor.dtype))
        for name, tensor in network.state_dict().items()
    }
    assert own == published
    assert sum(p.numel() for p in network.parameters()) == n_parameters


def test_importing_leaves_torch_as_it_was() -> None:
    # The authors' module replaces torch.nn.InstanceNorm2d for the whole process.
    assert torch.nn.InstanceNorm2d.__name__ == "InstanceNorm2d"


def test_network_refuses_other_sizes_and_class_counts() -> None:
    with pytest.raises(ValueError, match="224"):
        EmoNet()(torch.zeros(1, 3, 224, 224))
    with pytest.raises(ValueError, match="got 7"):
        EmoNet(7)
    with pytest.raises(ValueError, match="got 7"):
        EmoNetFace("emonet_7.pth", 7)


def test_face_affect_contract(model: EmoNetFace) -> None:
    check_face_affect_model(model)


def test_pattern_through_the_adapter(model: EmoNetFace) -> None:
    # 256 x 256 needs no resizing, so the recorded numbers hold; softmax of the recorded logits.
    out = model.predict([pattern()])
    logits, valence, arousal = GOLDEN[8]
    weights = [2.718281828459045**x for x in logits]
    assert out.valence_raw == pytest.approx([valence], abs=1e-5)
    assert out.arousal_raw == pytest.approx([arousal], abs=1e-5)
    np.testing.assert_allclose(
        out.probabilities[0], [w / sum(weights) for w in weights], rtol=0, atol=1e-6
    )


def test_crops_of_other_sizes_are_stretched_by_opencv(model: EmoNetFace) -> None:
    crop = cv2.resize(pattern(), (90, 224))  # 90 wide, 224 high: the shape is not kept
    stretched = cv2.resize(crop, (256, 256), interpolation=cv2.INTER_LINEAR)
    one, other = model.predict([crop]), model.predict([stretched])
    assert one.valence_raw == pytest.approx(other.valence_raw, abs=1e-7)
    assert one.arousal_raw == pytest.approx(other.arousal_raw, abs=1e-7)


def test_batch_equals_single(file8: Path, model: EmoNetFace) -> None:
    crops = [pattern(), pattern()[:100, :80].copy()]
    batched = EmoNetFace(file8, allow_unverified=True, batch_size=2).predict(crops)
    single = model.predict(crops)
    np.testing.assert_allclose(batched.valence_raw, single.valence_raw, rtol=0, atol=1e-6)
    np.testing.assert_allclose(batched.arousal_raw, single.arousal_raw, rtol=0, atol=1e-6)
    np.testing.assert_allclose(batched.probabilities, single.probabilities, rtol=0, atol=1e-6)


def test_mirror_averages_affect_and_leaves_expression(file8: Path, model: EmoNetFace) -> None:
    crop = pattern()
    plain, flipped = model.predict([crop]), model.predict([crop[:, ::-1].copy()])
    both = EmoNetFace(file8, allow_unverified=True, mirror=True).predict([crop])
    assert abs(plain.valence_raw[0] - flipped.valence_raw[0]) > 1e-4, "or the test shows nothing"
    assert both.valence_raw[0] == pytest.approx(
        (plain.valence_raw[0] + flipped.valence_raw[0]) / 2, abs=1e-6
    )
    assert both.arousal_raw[0] == pytest.approx(
        (plain.arousal_raw[0] + flipped.arousal_raw[0]) / 2, abs=1e-6
    )
    np.testing.assert_allclose(both.probabilities, plain.probabilities, rtol=0, atol=1e-6)


def test_values_past_the_ends_are_clamped_counted_and_kept_raw(
    tmp_path: Path, state8: dict[str, torch.Tensor]
) -> None:
    # The last layer's bias moves valence (row 8 of 10) by +3 and leaves arousal (row 9) alone.
    state = dict(state8)
    state["emo_fc_2.3.bias"] = state["emo_fc_2.3.bias"].clone()
    state["emo_fc_2.3.bias"][8] += 3
    torch.save(state, tmp_path / "w.pth")
    model = EmoNetFace(tmp_path / "w.pth", allow_unverified=True)
    out = model.predict([pattern()])
    assert out.valence == pytest.approx([1.0], abs=0)
    assert out.valence_raw == pytest.approx([3 + 0.10720332], abs=1e-5)


@pytest.fixture(scope="module")
def file5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("emonet") / "emonet_5.pth"
    torch.save(synthetic_state(5), path)
    return path


@pytest.mark.parametrize(("fifth", "column"), [("fear", 4), ("anger", 6)])
def test_five_classes_fill_five_of_eight_columns(file5: Path, fifth: str, column: int) -> None:
    model = EmoNetFace(
        file5,
        5,
        fifth_class=fifth,
        allow_unverified=True,  # type: ignore[arg-type]
    )
    out = model.predict([pattern()])
    weights = [2.718281828459045**x for x in LOGITS[:5]]
    expected = np.zeros(8)
    expected[[0, 1, 2, 3, column]] = [w / sum(weights) for w in weights]
    assert EXPRESSIONS[column] == fifth
    np.testing.assert_allclose(out.probabilities, [expected], rtol=0, atol=1e-6)


@pytest.mark.parametrize("newer", [True, False])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_both_file_formats_with_and_without_prefix(
    tmp_path: Path, state8: dict[str, torch.Tensor], newer: bool, prefix: str
) -> None:
    path = tmp_path / "w.pth"
    torch.save(
        {prefix + k: v for k, v in state8.items()}, path, _use_new_zipfile_serialization=newer
    )
    assert (path.read_bytes()[:2] == b"PK") is newer, "zip files begin with PK"
    read = read_weights(path)
    assert read.keys() == state8.keys()
    assert torch.equal(read["conv1.weight"], state8["conv1.weight"])
    EmoNetFace(path, allow_unverified=True).load()


def _without_one(state: dict) -> dict:
    return {k: v for k, v in state.items() if k != "m1.b2_3.conv2.weight"}


def _with_one_more(state: dict) -> dict:
    return {**state, "m2.conv.weight": torch.zeros(1)}


def _half_prefixed(state: dict) -> dict:
    # Upstream loads without checking, so that a wrong prefix leaves random weights behind.
    return {("module." + k if k.startswith("m0") else k): v for k, v in state.items()}


def _other_shape(state: dict) -> dict:
    return {**state, "l0.bias": torch.zeros(67)}


def _not_finite(state: dict) -> dict:
    return {**state, "l0.bias": torch.full((68,), torch.nan)}


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (_without_one, "1 missing .*m1.b2_3.conv2.weight"),
        (_with_one_more, "1 unknown .*m2.conv.weight"),
        (_half_prefixed, "missing .*m0.*unknown .*module.m0"),
        (_other_shape, "of another shape .*l0.bias"),
        (_not_finite, "not finite.*l0.bias"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    tmp_path: Path, state8: dict[str, torch.Tensor], damage: Callable[[dict], dict], named: str
) -> None:
    torch.save(damage(state8), tmp_path / "w.pth")
    with pytest.raises(ModelError, match=named):
        EmoNetFace(tmp_path / "w.pth", allow_unverified=True).load()


def test_class_count_must_fit_the_file(file8: Path) -> None:
    with pytest.raises(ModelError, match=r"with 5 classes.*emo_fc_2\.3\.bias"):
        EmoNetFace(file8, 5, allow_unverified=True).load()


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.mkdir, ("opened",))


def test_a_pickle_with_code_is_refused_unrun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"conv1.weight": _Bomb()}, "w.pth")
    with pytest.raises(ModelError, match="cannot be read"):
        EmoNetFace("w.pth", allow_unverified=True).load()
    assert not (tmp_path / "opened").exists()


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\n"])
def test_files_that_are_no_weights(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(ModelError, match="cannot be read"):
        EmoNetFace(tmp_path / "w.pth", allow_unverified=True).load()
    with pytest.raises(ModelError, match=r"not the published.*bytes, expected 56087163"):
        EmoNetFace(tmp_path / "w.pth").load()


def test_missing_weights_name_the_way_out(tmp_path: Path) -> None:
    model = EmoNetFace(tmp_path / "emonet_8.pth")
    with pytest.raises(ModelMissing, match=r"emodiss models pull emonet-8.*--preset lite"):
        model.predict([pattern()])


@pytest.mark.parametrize("n_classes", [8, 5])
def test_an_unpublished_file_needs_explicit_consent(file8: Path, n_classes: int) -> None:
    with pytest.raises(ModelError, match=r"not the published.*allow_unverified"):
        EmoNetFace(file8, n_classes).load()


def test_hashes_are_gits_and_sha256(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"what is up, doc?")
    # The worked example of "Pro Git", section 10.2 (Git Objects).
    assert git_blob_id(path) == "bd9dbf5aae1a3862dd1526723246b20206e5fc37"
    sha256 = hashlib.sha256(b"what is up, doc?").hexdigest()
    verify(path, WeightFile("f", 16, sha256, git_blob_id(path)), model="m")
    for wrong in (
        WeightFile("f", size=17),
        WeightFile("f", sha256=sha256[::-1]),
        WeightFile("f", git_blob="0" * 40),
    ):
        with pytest.raises(ModelError, match="not the published f"):
            verify(path, wrong, model="m")


@pytest.mark.parametrize(
    "options",
    [
        {"crop": "square"},
        {"backend": "tensorrt"},
        {"precision": "int8"},
        {"fifth_class": "disgust"},
        {"backend": "onnxruntime", "device": "cuda"},
        {"backend": "onnxruntime", "precision": "bfloat16"},
        {"backend": "openvino", "device": "cuda"},
        {"threads": 0},
        {"batch_size": 0},
    ],
)
def test_options_that_do_not_exist(options: dict) -> None:
    with pytest.raises(ValueError, match=str(next(iter(options.values())))):
        EmoNetFace("w.pth", **options)


def test_caller_keeps_its_threads(model: EmoNetFace) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        model.predict([pattern()])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_backends_equal_torch(file8: Path, model: EmoNetFace, backend: str) -> None:
    crops = [pattern(), pattern()[:, ::-1].copy(), pattern()[::-1].copy()]
    fast = EmoNetFace(file8, allow_unverified=True, backend=backend, batch_size=2).predict(crops)
    slow = model.predict(crops)
    np.testing.assert_allclose(fast.valence_raw, slow.valence_raw, rtol=0, atol=1e-5)
    np.testing.assert_allclose(fast.arousal_raw, slow.arousal_raw, rtol=0, atol=1e-5)
    np.testing.assert_allclose(fast.probabilities, slow.probabilities, rtol=0, atol=1e-5)


def test_torch_keeps_cudnn_and_takes_no_tf32(file8: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[bool, bool]] = []
    forward = EmoNet.forward

    def watched(self: EmoNet, image: torch.Tensor) -> dict[str, torch.Tensor]:
        seen.append((torch.backends.cudnn.enabled, torch.backends.cudnn.allow_tf32))
        return forward(self, image)

    monkeypatch.setattr(EmoNet, "forward", watched)
    before = (torch.backends.cudnn.enabled, torch.backends.cudnn.allow_tf32)
    EmoNetFace(file8, allow_unverified=True, backend="torch").predict([pattern()])
    assert seen == [(before[0], False)] and before[0]
    assert (torch.backends.cudnn.enabled, torch.backends.cudnn.allow_tf32) == before


def has_bfloat16() -> bool:
    return "bf16" in Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else False


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_bfloat16_is_near_and_not_equal(file8: Path, model: EmoNetFace, backend: str) -> None:
    if backend == "openvino" and not has_bfloat16():
        pytest.skip("this processor does not compute in bfloat16")
    near = EmoNetFace(file8, allow_unverified=True, precision="bfloat16", backend=backend)
    near, exact = near.predict([pattern()]), model.predict([pattern()])
    # bfloat16 keeps 8 bits: 0.4 % per rounding, over some fifty layers.
    assert near.valence_raw == pytest.approx(exact.valence_raw, abs=0.02)
    assert near.valence_raw[0] != exact.valence_raw[0]


def test_a_processor_without_bfloat16_is_told_and_nothing_is_rounded_less(
    file8: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    openvino = emonet_runtimes.import_openvino()

    class Plain(openvino.Core):
        def get_property(self, *asked: str) -> list[str]:  # type: ignore[override]
            return ["FP32", "INT8"]

    monkeypatch.setattr(openvino, "Core", Plain)
    model = EmoNetFace(file8, allow_unverified=True, precision="bfloat16")
    with pytest.raises(ModelError, match=r"bfloat16; OpenVINO offers FP32, INT8.*backend=torch"):
        model.predict([pattern()])


_PRIVATE = """
import os, sys
from pathlib import Path
from emodiss.models.emonet import runtimes as emonet_runtimes
from emodiss.models.emonet.network import EmoNet
run = emonet_runtimes.in_openvino(EmoNet(8).eval(), precision="float32", threads=1)
assert "openvino" in sys.modules
assert not [name for name in sys.modules if name.startswith("openvino_telemetry.")]
assert not list(Path(os.environ["HOME"]).rglob("*openvino*")), "left in the home folder"
"""


def test_openvino_calls_nobody_and_ends_cleanly(tmp_path: Path) -> None:
    # Its telemetry leaves an identifier in the home folder as soon as it is imported.
    environment = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", _PRIVATE], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_landmark_square_by_hand() -> None:
    # Box 10..60 by 20..80: centre (35, 50), side 200 (50 + 60) / 220 = 100.
    points = np.array([[10.0, 50.0], [60.0, 40.0], [30.0, 20.0], [40.0, 80.0]])
    assert landmark_square(points) == pytest.approx((-15.0, 0.0, 85.0, 100.0))
    with pytest.raises(ValueError, match="span an area"):
        landmark_square(np.ones((68, 2)))


def test_landmarks_are_the_highest_cells() -> None:
    heatmap = np.zeros((68, 64, 64), np.float32)
    for k in range(68):
        heatmap[k, k % 64, (2 * k) % 64] = 1 + k
    points = landmarks_of(heatmap)
    assert points.shape == (68, 2)
    # Landmark 3 peaks in row 3, column 6: x = 6.5 / 64, y = 3.5 / 64.
    assert points[3] == pytest.approx((6.5 / 64, 3.5 / 64))


def test_warp_copies_when_nothing_moves_and_is_black_outside() -> None:
    picture = pattern()
    np.testing.assert_array_equal(warp_square(picture, (0, 0, 256, 256)), picture)
    shifted = warp_square(picture, (-32, 0, 224, 256))
    assert (shifted[:, :32] == 0).all()
    np.testing.assert_array_equal(shifted[:, 32:], picture[:, :224])
    # Half size, one colour: still that colour inside, black outside.
    grey = np.full((128, 128, 3), 77, np.uint8)
    big = warp_square(grey, (-64, -64, 192, 192))
    assert (big[65:191, 65:191] == 77).all() and (big[:64] == 0).all()


def test_landmark_crop_measures_the_square_around_its_own_heatmaps(
    file8: Path, model: EmoNetFace, state8: dict[str, torch.Tensor]
) -> None:
    crop = cv2.resize(pattern(), (180, 150))
    aligning = EmoNetFace(file8, allow_unverified=True, crop="landmark_square")
    assert aligning.crop_square and aligning.crop_margin > 0
    # By hand: first pass on the stretched crop, the square in the crop's own pixels, second pass.
    network = EmoNet()
    network.load_state_dict(state8)
    image = cv2.resize(crop, (256, 256)).transpose(2, 0, 1)[None].astype(np.float32) / 255
    with torch.inference_mode():
        heatmap = network(torch.from_numpy(image))["heatmap"][0].numpy()
    square = landmark_square(landmarks_of(heatmap) * (180, 150))
    expected = model.predict([warp_square(crop, square)])
    out = aligning.predict([crop])
    assert out.valence_raw == pytest.approx(expected.valence_raw, abs=1e-6)
    assert out.valence_raw[0] != pytest.approx(model.predict([crop]).valence_raw[0], abs=1e-5)


def _real(name: str) -> Path:
    home = os.environ.get("EMODISS_HOME")
    found = sorted(Path(home).rglob(name)) if home else []
    if not found:
        pytest.skip(f"needs {name} under EMODISS_HOME; its licence forbids shipping it")
    return found[0]


@pytest.mark.parametrize("n_classes", [8, 5])
def test_real_file_is_accepted(n_classes: int) -> None:
    path = _real(PUBLISHED[n_classes].name)
    model = EmoNetFace(path, n_classes)
    out = model.predict([pattern()])
    assert np.isfinite(out.valence_raw).all() and np.isfinite(out.arousal_raw).all()


def test_real_weights_on_the_authors_example() -> None:
    # The authors' demo.py prints Happy, 0.064, 0.143 for images/example.png with 8 classes.
    path, picture = _real("emonet_8.pth"), _real("example.png")
    rgb = cv2.cvtColor(cv2.imread(str(picture), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    out = EmoNetFace(path).predict([rgb])
    assert EXPRESSIONS[int(out.probabilities[0].argmax())] == "happy"
    assert out.valence_raw == pytest.approx([0.064], abs=6e-4)
    assert out.arousal_raw == pytest.approx([0.143], abs=6e-4)
