"""Whisper and wav2vec2 with random weights, small enough to build in a test.

The formats, shapes and code paths are real; the words that come out are nonsense.
"""

from __future__ import annotations

import json
from pathlib import Path

LANGUAGES = ("en", "de")


def _byte_names() -> list[str]:
    """The printable stand-ins that byte-level BPE gives the 256 bytes (Radford et al. 2019)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in plain]
    return [chr(b) for b in plain] + [chr(256 + n) for n in range(len(rest))]


def write_whisper(folder: Path, *, seed: int = 0) -> Path:
    """Write a CTranslate2 folder of a random multilingual Whisper of 64 dimensions."""
    import torch
    from ctranslate2.converters import TransformersConverter
    from transformers import (
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperTokenizerFast,
    )

    source = folder.with_name(folder.name + "-hf")
    source.mkdir(parents=True)
    special = [
        *("<|endoftext|>", "<|startoftranscript|>"),
        *(f"<|{code}|>" for code in LANGUAGES),
        *("<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>"),
        *("<|nospeech|>", "<|notimestamps|>"),
    ]
    vocabulary = {name: number for number, name in enumerate([*_byte_names(), *special])}
    (source / "vocab.json").write_text(json.dumps(vocabulary))
    (source / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = WhisperTokenizerFast(
        vocab_file=str(source / "vocab.json"),
        merges_file=str(source / "merges.txt"),
        unk_token="<|endoftext|>",
        bos_token="<|endoftext|>",
        eos_token="<|endoftext|>",
    )
    tokenizer.add_special_tokens({"additional_special_tokens": special[1:]})
    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in special}
    end, start = ids["<|endoftext|>"], ids["<|startoftranscript|>"]
    torch.manual_seed(seed)
    config = WhisperConfig(
        vocab_size=len(tokenizer) + 1502,  # the converter names the 1501 time stamps itself
        d_model=64,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=start,
        suppress_tokens=[],
        begin_suppress_tokens=[],
        max_target_positions=448,
    )
    model = WhisperForConditionalGeneration(config)
    model.save_pretrained(source)
    tokenizer.save_pretrained(source)
    WhisperFeatureExtractor().save_pretrained(source)
    TransformersConverter(
        str(source), copy_files=["tokenizer.json", "preprocessor_config.json"]
    ).convert(str(folder), force=True)
    # Letters and spaces only, so that the nonsense is text.
    letters = {vocabulary[c] for c in "abcdefghijklmnopqrstuvwxyz\u0120"}
    written = json.loads((folder / "config.json").read_text())
    written["suppress_ids"] = sorted(set(range(config.vocab_size)) - letters - {end})
    written["lang_ids"] = [ids[f"<|{code}|>"] for code in LANGUAGES]
    (folder / "config.json").write_text(json.dumps(written))
    # CTranslate2 knows a multilingual vocabulary by its empty token.
    names = json.loads((folder / "vocabulary.json").read_text())
    (folder / "vocabulary.json").write_text(json.dumps([*names[:-1], ""]))
    return folder


def write_wav2vec2(folder: Path, *, seed: int = 0) -> Path:
    """Write a Hugging Face folder of a random wav2vec2 with a letter vocabulary."""
    import torch
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForCTC,
        Wav2Vec2Processor,
    )

    folder.mkdir(parents=True)
    letters = ["<pad>", "<s>", "</s>", "<unk>", "|", "'", *"abcdefghijklmnopqrstuvwxyz"]
    (folder / "vocab.json").write_text(json.dumps({c: n for n, c in enumerate(letters)}))
    tokenizer = Wav2Vec2CTCTokenizer(str(folder / "vocab.json"), word_delimiter_token="|")
    extractor = Wav2Vec2FeatureExtractor(return_attention_mask=False)
    Wav2Vec2Processor(feature_extractor=extractor, tokenizer=tokenizer).save_pretrained(folder)
    torch.manual_seed(seed)
    config = Wav2Vec2Config(
        vocab_size=len(letters),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(16,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
    )
    Wav2Vec2ForCTC(config).save_pretrained(folder)
    return folder


def write_punkt(folder: Path) -> Path:
    """Write NLTK's sentence splitter for English with nothing learned."""
    home = folder / "tokenizers" / "punkt_tab" / "english"
    home.mkdir(parents=True)
    for name in ("collocations.tab", "sent_starters.txt", "abbrev_types.txt", "ortho_context.tab"):
        (home / name).write_text("")
    return folder
