"""A LLaVA with random weights: two layers of CLIP, two of Llama, a tokenizer of whole words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

CONTROL = ["<unk>", "<s>", "</s>", "<pad>", "<image>"]
# As in llava-hf/llava-1.5-7b-hf, put together here: no beginning of text, pictures before words.
TEMPLATE = (
    "{% for m in messages %}{{ m.role.upper() }}: "
    "{% for c in m.content if c.type == 'image' %}<image>\n{% endfor %}"
    "{% for c in m.content if c.type == 'text' %}{{ c.text }} {% endfor %}"
    "{% if m.role == 'assistant' %}</s>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
SIDE, PATCH = 28, 14
N_TOKENS = (SIDE // PATCH) ** 2
"""Tokens that stand for one picture."""


def build(place: Path, texts: Iterable[str] = (), *, room: int = 192) -> Path:
    """Write model (seed 0), tokenizer of the words of `texts`, processor and template."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    known = ["USER", "ASSISTANT", "SYSTEM", ":", "What", "do", "you", "see", "?", "a", "face", "."]
    words = dict.fromkeys(known)
    for text in texts:
        words |= dict.fromkeys(re.findall(r"\w+|[^\w\s]+", text))
    vocabulary = {word: index for index, word in enumerate([*CONTROL, *words])}
    whole = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    whole.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=whole,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        additional_special_tokens=["<image>"],
    )
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}
    config = transformers.LlavaConfig(
        vision_config=transformers.CLIPVisionConfig(
            **sizes, num_attention_heads=2, image_size=SIDE, patch_size=PATCH
        ),
        text_config=transformers.LlamaConfig(
            **sizes,
            num_attention_heads=2,
            num_key_value_heads=2,
            vocab_size=len(vocabulary),
            max_position_embeddings=room,
            initializer_range=0.5,
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=3,
        ),
        image_token_index=vocabulary["<image>"],
        image_seq_length=N_TOKENS,
    )
    torch.manual_seed(0)
    model = transformers.LlavaForConditionalGeneration(config)
    with torch.no_grad():  # as large as those of a trained one, so that a picture is felt
        for weights in model.model.multi_modal_projector.parameters():
            weights.mul_(20)
    model.save_pretrained(place, safe_serialization=True)
    transformers.LlavaProcessor(
        transformers.CLIPImageProcessor(
            size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
        ),
        tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    ).save_pretrained(place)
    return place
