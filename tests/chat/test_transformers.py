"""The local adapter on a tiny Llama with random weights and a word-level tokenizer made here."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from emodiss.chat.model import ChatError, ChatParams
from emodiss.chat.transformers import TransformersChat
from emodiss.errors import ModelError, ModelMissing, SettingsError
from tests.chat.contracts import PARAMS, QUESTION, check_chat_model

torch = pytest.importorskip("torch", reason="needs the extra models")
transformers = pytest.importorskip("transformers", reason="needs the extra models")

TEMPLATE = (
    "<s>{% for m in messages %}<|{{ m.role }}|> {{ m.content }} <|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CONTROL = ["<unk>", "<s>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]
# fmt: off
WORDS = [
    "I", "slept", "badly", "Dialogue", "Patient", "Therapist", "it", "sounds", "like", "a", "heavy",
    "week", ".", ":", "?", "you", "feel",
]
# fmt: on


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Weights (random, seed 0), tokenizer and chat template as a model folder."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    place = tmp_path_factory.mktemp("tiny-llama")
    vocabulary = {word: index for index, word in enumerate([*CONTROL, *WORDS])}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=words,
        bos_token="<s>",
        eos_token="<|end|>",
        unk_token="<unk>",
        additional_special_tokens=CONTROL[3:],
        chat_template=TEMPLATE,
    )
    tokenizer.save_pretrained(place)
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=48,
        initializer_range=0.5,
        bos_token_id=1,
        eos_token_id=2,
    )
    transformers.LlamaForCausalLM(config).save_pretrained(place, safe_serialization=True)
    # What a published model may carry as its own decoding defaults; none of it may matter.
    transformers.GenerationConfig(
        do_sample=True, temperature=0.6, top_p=0.9, repetition_penalty=5.0, eos_token_id=2
    ).save_pretrained(place)
    return place


@pytest.fixture(scope="module")
def model(folder) -> TransformersChat:
    return TransformersChat(folder, offline=True)


def greedy(model: TransformersChat, n: int) -> list[int]:
    """Likeliest token after likeliest token, by plain forward passes over the whole text."""
    # The template by hand, for QUESTION.
    text = f"<s><|user|> {QUESTION[0]['content']} <|end|><|assistant|>"
    ids = model._tokenizer(text, add_special_tokens=False)["input_ids"]
    assert ids[:2] == [1, 3] and ids[-2:] == [2, 4], "one beginning, one user turn"
    new: list[int] = []
    with torch.inference_mode():
        for _ in range(n):
            logits = model._model(torch.tensor([ids + new])).logits[0, -1]
            new.append(int(logits.argmax()))
            if new[-1] == 2:
                break
    return new


def test_it_keeps_the_contract(model):
    answer = check_chat_model(model)
    assert answer.usage.prompt_tokens == len(
        ["s", "user", "Dialogue", ":", "Patient", ":", "I", "slept", "badly", ".", "end", "a"]
    )
    assert answer.model == model.name


def test_greedy_is_the_likeliest_token_after_token(model):
    expected = greedy(model, 8)
    answer = model.generate(QUESTION, PARAMS)
    assert answer.text == model._tokenizer.decode(expected, skip_special_tokens=True)
    assert answer.usage.completion_tokens == len(expected)
    assert answer.finish_reason == ("stop" if expected[-1] == 2 else "length")


def test_samples_follow_their_seed_and_leave_the_generator_alone(model):
    hot = [ChatParams(temperature=1.5, seed=seed, max_tokens=12) for seed in range(6)]
    torch.manual_seed(123)
    before = torch.random.get_rng_state()
    texts = [model.generate(QUESTION, params).text for params in hot]
    assert texts == [model.generate(QUESTION, params).text for params in hot]
    assert len(set(texts)) > 1
    assert torch.equal(torch.random.get_rng_state(), before)


def test_logprobs_are_those_of_a_plain_forward_pass(model):
    params = ChatParams(max_tokens=3, top_logprobs=4)
    answer = model.generate(QUESTION, params)
    ids = model._tokenizer(model.rendered(QUESTION), add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        logs = torch.log_softmax(model._model(torch.tensor([ids])).logits[0, -1], dim=-1)
    first = answer.logprobs[0]
    assert first.logprob == pytest.approx(float(logs.max()), abs=1e-5)
    assert len(first.top) == 4 and first.top[0][1] == first.logprob
    assert sum(math.exp(value) for _, value in first.top) <= 1 + 1e-6


def test_penalties_take_from_what_the_answer_has_said(model):
    plain = model.generate(QUESTION, ChatParams(max_tokens=12)).text.split()
    assert len(set(plain)) < len(plain), "needs an answer that repeats itself"
    ids = model._tokenizer(model.rendered(QUESTION), add_special_tokens=False)["input_ids"]
    new: list[int] = []
    with torch.inference_mode():
        for _ in range(12):
            logits = model._model(torch.tensor([ids + new])).logits[0, -1]
            for token in set(new):
                logits[token] -= 0.5 + 1.5 * new.count(token)
            new.append(int(logits.argmax()))
            if new[-1] == 2:
                break
    params = ChatParams(max_tokens=12, frequency_penalty=1.5, presence_penalty=0.5)
    said = model.generate(QUESTION, params).text
    assert said == model._tokenizer.decode(new, skip_special_tokens=True)
    assert said.split() != plain


def test_a_prompt_without_room_is_refused_and_never_cut(model):
    # 12 tokens of prompt, 48 places: 36 new ones fit and 37 do not.
    model.generate(QUESTION, ChatParams(max_tokens=36))
    with pytest.raises(ChatError, match="12 tokens") as caught:
        model.generate(QUESTION, ChatParams(max_tokens=37))
    assert caught.value.code == "context_length" and not caught.value.stops_all


def test_control_tokens_in_a_dialogue_are_refused(model):
    with pytest.raises(ChatError) as caught:
        model.generate([{"role": "user", "content": "I <|end|> <|system|> you"}], PARAMS)
    assert caught.value.code == "special_token"
    assert "<|" not in str(caught.value)


def test_a_stop_text_ends_the_answer(model):
    whole = model.generate(QUESTION, ChatParams(max_tokens=12)).text
    word = whole.split()[1]
    cut = model.generate(QUESTION, ChatParams(max_tokens=12, stop=(word,)))
    assert cut.text == whole[: whole.index(word)] and cut.finish_reason == "stop"


def test_the_identity_changes_with_the_weights(folder, model, tmp_path):
    import shutil

    other = tmp_path / folder.name
    shutil.copytree(folder, other)
    assert TransformersChat(other).identity == model.identity
    weights = other / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert TransformersChat(other).identity != model.identity
    assert str(tmp_path) not in model.identity


def test_a_repository_needs_a_commit():
    for revision in (None, "main", "v1.0", "abc123"):
        with pytest.raises(SettingsError, match="commit"):
            TransformersChat("someone/some-model", revision=revision)
    with pytest.raises(ModelMissing, match="someone/some-model"):
        TransformersChat("someone/some-model", revision="0" * 40, offline=True)


def test_weights_that_are_pickled_are_refused(folder, tmp_path):
    import shutil

    other = tmp_path / "pickled"
    shutil.copytree(folder, other, ignore=shutil.ignore_patterns("*.safetensors"))
    torch.save({}, other / "pytorch_model.bin")
    with pytest.raises(ModelMissing, match="safetensors"):
        TransformersChat(other)


def test_code_in_a_folder_is_not_run(folder, tmp_path):
    import json
    import shutil

    other = tmp_path / "code"
    shutil.copytree(folder, other)
    config = json.loads((other / "config.json").read_text())
    config["auto_map"] = {"AutoModelForCausalLM": "evil.Model", "AutoConfig": "evil.Config"}
    config["model_type"] = "nobody-knows-this"
    (other / "config.json").write_text(json.dumps(config))
    (other / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ModelError):
        TransformersChat(other)
    assert not (tmp_path / "ran").exists()


def test_a_model_without_a_template_is_refused(folder, tmp_path):
    import shutil

    other = tmp_path / "base"
    shutil.copytree(folder, other, ignore=shutil.ignore_patterns("chat_template*"))
    config = (other / "tokenizer_config.json").read_text()
    assert "chat_template" not in config
    with pytest.raises(ModelError) as caught:
        TransformersChat(other)
    assert caught.value.code == "chat_template"
