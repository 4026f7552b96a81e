"""Models that check pictures: tiny random ones of the right kind, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emodiss.demo import clients
from emodiss.errors import ModelMissing, SettingsError
from emodiss.models import catalog
from emodiss.screening.protocols import FaceEmbedder, ImageTextModel, NsfwClassifier, cosine
from emodiss.settings import resolve
from tests.models import tiny_clip

transformers = pytest.importorskip("transformers")
torch = pytest.importorskip("torch")


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (336, 336, 3), np.uint8)


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random CLIP with one layer a side and seven words."""
    folder = tmp_path_factory.mktemp("clip")
    tokenizer = tiny_clip.tokenizer(folder)
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    small |= {"num_attention_heads": 2, "projection_dim": 8}
    torch.manual_seed(0)
    config = transformers.CLIPConfig(
        text_config={
            **small,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": 16,
            "bos_token_id": 0,
            "eos_token_id": 1,
        },
        vision_config={**small, "image_size": 32, "patch_size": 16},
        projection_dim=8,
    )
    transformers.CLIPModel(config).save_pretrained(folder)
    images = transformers.CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )
    transformers.CLIPProcessor(images, tokenizer).save_pretrained(folder)
    return folder


def test_clip_gives_the_cosine_of_its_own_vectors(clip_folder):
    model = catalog.load("clip", resolve({}, {"options.clip.model": str(clip_folder)}))
    assert isinstance(model, ImageTextModel)
    assert model.identity.startswith(f"clip {clip_folder.name} folder-")
    one, text = picture(0), "a facial photo with sad eyes"
    value = model.similarity(one, text)
    assert -1 <= value <= 1
    assert value == model.similarity(one, text)
    assert value != model.similarity(picture(1), text)
    assert value != model.similarity(one, "smile")
    # By hand: the two vectors of transformers, and numpy's cosine.
    raw = transformers.CLIPModel.from_pretrained(clip_folder).eval()
    read = transformers.CLIPProcessor.from_pretrained(clip_folder, use_fast=False)
    with torch.inference_mode():
        a = raw.get_image_features(**read(images=[one], return_tensors="pt"))
        b = raw.get_text_features(**read(text=[text], return_tensors="pt"))
    assert value == pytest.approx(cosine(a.numpy(), b.numpy()), abs=1e-5)
    assert -1 <= model.similarity(one, "a facial photo with sad eyes " * 20) <= 1  # cut


def classifier(folder: Path, labels: list[str]) -> Path:
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=32,
        patch_size=16,
        id2label=dict(enumerate(labels)),
        label2id={label: n for n, label in enumerate(labels)},
    )
    transformers.ViTForImageClassification(config).save_pretrained(folder)
    transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def test_a_classifier_is_read_by_its_labels(tmp_path):
    def scores(labels: list[str]) -> tuple[float, float]:
        folder = classifier(tmp_path / "-".join(labels), labels)
        model = catalog.load("nsfw", resolve({}, {"options.nsfw.model": str(folder)}))
        assert isinstance(model, NsfwClassifier)
        return model.scores(picture(0))

    bad, good = scores(["normal", "nsfw"])
    assert bad + good == pytest.approx(1) and bad != good
    assert scores(["nsfw", "normal"]) == pytest.approx((good, bad))  # the same weights, turned
    with pytest.raises(SettingsError, match="labels cat, dog"):
        scores(["cat", "dog"])


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that averages each of 16 tiles of the aligned face, per colour."""
    onnx = pytest.importorskip("onnx")
    tiles = {"kernel_shape": [28, 28], "strides": [28, 28]}
    made = onnx.helper.make_graph(
        [
            onnx.helper.make_node("AveragePool", ["x"], ["y"], **tiles),
            onnx.helper.make_node("Flatten", ["y"], ["z"]),
        ],
        "tiles",
        [onnx.helper.make_tensor_value_info("x", 1, ["n", 3, 112, 112])],
        [onnx.helper.make_tensor_value_info("z", 1, ["n", 48])],
    )  # fmt: skip
    path = tmp_path_factory.mktemp("arcface") / "tiles.onnx"
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(made, opset_imports=opset, ir_version=8), str(path))
    return path


def test_faces_are_aligned_before_they_are_compared(network, tmp_path):
    import cv2

    folder = clients.write_faces(tmp_path).parent
    model = catalog.load("arcface", resolve({}, {"options.arcface.file": str(network)}))
    assert isinstance(model, FaceEmbedder)

    def read(name: str) -> np.ndarray:
        return np.ascontiguousarray(np.asarray(cv2.imread(str(folder / name)))[:, :, ::-1])

    one, other = read("collins.png"), read("hopper.png")
    vector = model.embed(one)
    assert vector is not None and vector.shape == (48,) and (np.abs(vector) <= 1).all()
    # Turned, moved and shrunk, it is the same face; somebody else is not.
    matrix = np.array([[0.7, 0.15, 40], [-0.15, 0.7, 90]])
    moved = np.asarray(cv2.warpAffine(one, matrix, (512, 512)), np.uint8)
    assert cosine(vector, model.embed(moved)) > 0.97
    assert cosine(vector, model.embed(other)) < 0.9
    assert model.embed(np.full((200, 200, 3), 127, np.uint8)) is None


@pytest.mark.parametrize(
    ("name", "options", "kind"),
    [
        ("clip", {}, SettingsError),
        ("clip", {"options.clip.model": "openai/clip-vit-base-patch32"}, SettingsError),
        ("nsfw", {"options.nsfw.model": "a/b", "options.nsfw.revision": "main"}, SettingsError),
        ("clip", {"options.clip.model": "."}, ModelMissing),
        ("arcface", {}, SettingsError),
        ("arcface", {"options.arcface.file": "none.onnx"}, ModelMissing),
    ],
)
def test_what_is_not_there_is_said(name, options, kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind) as error:
        catalog.load(name, resolve({}, options))
    assert str(error.value)
