"""GGUF language models, on a tiny one written here; the real toy is in tests/test_demo_run.py."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emodiss.chat.transformers import TransformersChat
from emodiss.errors import MissingExtra, ModelError, SettingsError
from emodiss.models import chat_gguf
from emodiss.models.weight_files import WeightFile, sha256_of

torch = pytest.importorskip("torch", reason="needs the extra llm-local")
transformers = pytest.importorskip("transformers", reason="needs the extra llm-local")
gguf = pytest.importorskip("gguf", reason="needs the extra llm-local")
pytest.importorskip("accelerate", reason="needs the extra llm-local")

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
HEADS, HEADS_KV, HIDDEN, LAYERS, ROOM = 4, 2, 16, 2, 64


def write_gguf(path: Path, model, *, pre: str = "smollm") -> None:
    """Write a Llama as llama.cpp's converter does: its names, and its order of rotary halves."""
    from tokenizers import pre_tokenizers

    # One token per byte, and one merge: "1" and "2" would be joined if digits were not kept apart.
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*CONTROL, *letters, "12", "ab"]
    out = gguf.GGUFWriter(path, "llama")
    out.add_block_count(LAYERS)
    out.add_context_length(ROOM)
    out.add_embedding_length(HIDDEN)
    out.add_feed_forward_length(2 * HIDDEN)
    out.add_head_count(HEADS)
    out.add_head_count_kv(HEADS_KV)
    out.add_layer_norm_rms_eps(1e-5)
    out.add_rope_freq_base(10000.0)
    out.add_vocab_size(len(words))
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre(pre)
    out.add_token_list(words)
    out.add_token_types([3] * len(CONTROL) + [1] * (len(words) - len(CONTROL)))
    out.add_token_merges(["1 2", "a b"])
    out.add_bos_token_id(1)
    out.add_eos_token_id(2)
    out.add_unk_token_id(0)
    out.add_pad_token_id(2)
    out.add_chat_template(TEMPLATE)
    names = {
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
    }
    state = {name: values.float().numpy() for name, values in model.state_dict().items()}
    out.add_tensor("token_embd.weight", state["model.embed_tokens.weight"])
    out.add_tensor("output_norm.weight", state["model.norm.weight"])
    for layer in range(LAYERS):
        for name, short in names.items():
            values = state[f"model.layers.{layer}.{name}.weight"]
            if short in ("attn_q", "attn_k"):
                n = HEADS if short == "attn_q" else HEADS_KV
                halves = values.reshape(n, 2, len(values) // n // 2, -1)
                values = halves.swapaxes(1, 2).reshape(values.shape).copy()
            out.add_tensor(f"blk.{layer}.{short}.weight", values)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


@pytest.fixture(scope="module")
def original():
    """A Llama with random weights; the reference for what is read back."""
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(CONTROL) + 256 + 2,
        hidden_size=HIDDEN,
        intermediate_size=2 * HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS_KV,
        max_position_embeddings=ROOM,
        rms_norm_eps=1e-5,
        initializer_range=0.5,
        tie_word_embeddings=True,
    )
    return transformers.LlamaForCausalLM(config).eval()


@pytest.fixture
def tiny(original, tmp_path, monkeypatch) -> tuple[Path, WeightFile]:
    """The same Llama as a GGUF file, and an empty cache folder."""
    monkeypatch.setenv("EMODISS_HOME", str(tmp_path / "home"))
    path = tmp_path / "tiny.gguf"
    write_gguf(path, original)
    return path, WeightFile(path.name, sha256=sha256_of(path))


def test_the_unpacked_model_computes_what_the_original_does(tiny, original, capfd):
    folder = chat_gguf.unpacked(*tiny, name="tiny")
    assert capfd.readouterr() == ("", "")
    model = TransformersChat(folder, offline=True)
    ids = torch.tensor([[1, 40, 41, 42, 7, 2]])
    with torch.inference_mode():
        expected, found = original(ids).logits, model._model(ids).logits
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert model._ends == [2], "the end of a turn is the file's, not the beginning of one"


def test_the_unpacked_tokenizer_cuts_text_as_the_file_says(tiny):
    tokenizer = TransformersChat(chat_gguf.unpacked(*tiny, name="tiny"), offline=True)._tokenizer
    ids = tokenizer("ab12 é<|im_end|>", add_special_tokens=False)["input_ids"]
    # "ab" is merged, "12" is not, for digits stand alone; é is two bytes (C3 A9).
    assert tokenizer.convert_ids_to_tokens(ids) == ["ab", "1", "2", "Ġ", "Ã", "©", "<|im_end|>"]
    assert tokenizer.decode(ids[:-1]) == "ab12 é"
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (1, 2, 2)
    said = tokenizer.apply_chat_template([{"role": "user", "content": "ab"}], tokenize=False)
    assert said == "<|im_start|>user\nab<|im_end|>\n"


def test_a_file_is_unpacked_once_and_again_when_it_is_another(tiny, monkeypatch):
    path, published = tiny
    folder = chat_gguf.unpacked(path, published, name="tiny")
    calls = []
    monkeypatch.setattr(chat_gguf, "_convert", lambda _path, folder: calls.append(folder))
    assert chat_gguf.unpacked(path, published, name="tiny") == folder and calls == []
    other = WeightFile(published.name, sha256="0" * 64)
    assert chat_gguf.unpacked(path, other, name="tiny") != folder and len(calls) == 1


def test_an_unpacking_that_is_cut_short_leaves_nothing_behind(tiny, monkeypatch):
    def full(_path: Path, folder: Path) -> None:
        (folder / "config.json").write_text("{")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(chat_gguf, "_convert", full)
    with pytest.raises(ModelError, match="No space left") as caught:
        chat_gguf.unpacked(*tiny, name="tiny")
    assert caught.value.code == "disk" and "EMODISS_HOME" in caught.value.next_step
    monkeypatch.undo()
    assert list((tiny[0].parent / "home" / "converted").iterdir()) == []


def test_a_tokenizer_of_another_kind_is_refused(original, tmp_path, monkeypatch):
    monkeypatch.setenv("EMODISS_HOME", str(tmp_path / "home"))
    path = tmp_path / "other.gguf"
    write_gguf(path, original, pre="llama-bpe")
    with pytest.raises(ModelError, match="gpt2/llama-bpe; expected gpt2/smollm"):
        chat_gguf.unpacked(path, WeightFile(path.name, sha256="0" * 64), name="other")
    assert list((tmp_path / "home" / "converted").iterdir()) == []


def test_what_reads_the_file_is_named_when_it_is_missing(tiny, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "gguf" else find(name)
    )
    with pytest.raises(MissingExtra, match=r"emodiss\[llm-local\]"):
        chat_gguf.unpacked(*tiny, name="tiny")


# --- the command ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--local", "smolm2-135m"), "Did you mean 'smollm2-135m'"),
        (("--local", "smollm2-135m", "--revision", "0" * 40), "--revision"),
        (("--local", "smollm2-135m", "--model", "other"), "Two models"),
        (("--local",), "No model is named"),
        (("smollm2-135m",), "who answers"),
    ],
)
def test_wrong_names_are_refused_before_anything_is_loaded(arguments, said, tmp_path):
    from emodiss.cli import app
    from tests.chat.scripted import table

    (tmp_path / "run.json").write_text('{"settings": {}, "problems": []}')
    (tmp_path / "manifest.jsonl").write_text('{"id": "v1"}\n')
    table("v1").to_parquet(tmp_path / "utterances.parquet")
    done = CliRunner().invoke(app, ["intervene", str(tmp_path), *arguments])
    assert isinstance(done.exception, SettingsError), done.output
    assert said in str(done.exception)
