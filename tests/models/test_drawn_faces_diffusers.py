"""Drawing through diffusers: a tiny random SDXL with a tiny random IP-Adapter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emodiss.demo import clients
from emodiss.errors import ModelError, ModelMissing, SettingsError
from emodiss.faces.drawn import SIDE
from emodiss.models import catalog
from emodiss.settings import resolve
from tests.models import tiny_clip

diffusers = pytest.importorskip("diffusers")
transformers = pytest.importorskip("transformers")
torch = pytest.importorskip("torch")

pytestmark = pytest.mark.slow

WEIGHTS = "ip-adapter.safetensors"
CROSS = 64


def write_pipeline(folder: Path) -> None:
    torch.manual_seed(0)
    words = tiny_clip.tokenizer(folder, longest=77)
    text = transformers.CLIPTextConfig(
        hidden_size=32,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=2,
        vocab_size=len(words),
        projection_dim=32,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    unet = diffusers.UNet2DConditionModel(
        block_out_channels=(32, 64),
        layers_per_block=1,
        sample_size=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 1),
        projection_class_embeddings_input_dim=80,  # six numbers of 8, and the pooled text
        cross_attention_dim=CROSS,
    )
    vae = diffusers.AutoencoderKL(
        block_out_channels=(32, 64),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
    )
    diffusers.StableDiffusionXLPipeline(
        vae=vae,
        text_encoder=transformers.CLIPTextModel(text),
        text_encoder_2=transformers.CLIPTextModelWithProjection(text),
        tokenizer=words,
        tokenizer_2=words,
        unet=unet,
        scheduler=diffusers.EulerDiscreteScheduler(),
        add_watermarker=False,
    ).save_pretrained(folder / "sdxl")
    write_adapter(folder / "adapter", unet)


def write_adapter(folder: Path, unet) -> None:
    from safetensors.torch import save_file

    vision = transformers.CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        projection_dim=CROSS,
        image_size=32,
        patch_size=16,
    )
    transformers.CLIPVisionModelWithProjection(vision).save_pretrained(folder / "image_encoder")
    tensors = {
        "image_proj.proj.weight": torch.randn(4 * CROSS, CROSS),
        "image_proj.proj.bias": torch.zeros(4 * CROSS),
        "image_proj.norm.weight": torch.ones(CROSS),
        "image_proj.norm.bias": torch.zeros(CROSS),
    }
    crossing = [name for name in unet.attn_processors if name.endswith("attn2.processor")]
    sizes = {"down": 64, "mid": 64, "up": 64}
    for n, name in enumerate(crossing):
        for part in ("to_k_ip", "to_v_ip"):
            shape = (sizes[name.partition("_")[0]], CROSS)
            tensors[f"ip_adapter.{2 * n + 1}.{part}.weight"] = torch.randn(shape)
    save_file(tensors, str(folder / WEIGHTS))


def options(folder: Path, **changes: object) -> dict[str, object]:
    stated = {"model": folder / "sdxl", "adapter": folder / "adapter", "weights": WEIGHTS}
    stated |= {"steps": 2, "size": 64} | changes
    return {f"options.diffusers.{name}": str(value) for name, value in stated.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("diffusers")
    write_pipeline(made)
    clients.write_faces(made / "faces")
    return made


def test_words_reference_and_seed_make_the_picture(folder):
    model = catalog.load("diffusers", resolve({}, options(folder)))

    def draw(words: str = "sad eyes", face: str = "collins", seed: int = 3) -> np.ndarray:
        path = folder / "faces" / f"{face}.png"
        found = model.draw(path, words, "smile", gender="female", seed=seed)
        assert (
            found.prompt
            == f"portrait photo of a female, perfect face, natural skin, high detail, {words}"
        )
        assert ", smile, missing limbs" in found.negative
        return found.pixels

    first = draw()
    assert first.shape == (SIDE, SIDE, 3) and first.dtype == np.uint8 and first.std() > 0
    assert np.array_equal(first, draw())
    for other in (draw(seed=4), draw(face="hopper"), draw("a smile")):
        assert not np.array_equal(first, other)
    twin = catalog.load("diffusers", resolve({}, options(folder, scale=0.0)))
    assert twin.identity != model.identity
    with pytest.raises(ModelError) as error:
        model.draw(folder / "none.png", "a", "b", gender="female", seed=0)
    assert error.value.code == "picture"


def test_what_is_not_there_or_could_run_code_is_refused(folder, tmp_path):
    for changes, kind in (
        ({"model": ""}, SettingsError),
        ({"adapter": tmp_path / "none"}, SettingsError),
        ({"weights": "ip-adapter.bin"}, SettingsError),
        ({"weights": "other.safetensors"}, ModelMissing),
        ({"model": tmp_path}, ModelMissing),
    ):
        with pytest.raises(kind):
            catalog.load("diffusers", resolve({}, options(folder, **changes)))
