"""A CLIP tokenizer of seven words and their letters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WORDS = ["a", "facial", "photo", "with", "sad", "eyes", "smile"]


def tokenizer(folder: Path, *, longest: int = 16) -> Any:
    """Write the two files that a CLIP tokenizer is read from, and read it."""
    import transformers

    vocabulary = ["<|startoftext|>", "<|endoftext|>", *(f"{word}</w>" for word in WORDS)]
    letters = sorted({letter for word in WORDS for letter in word})
    vocabulary += [*letters, *(f"{letter}</w>" for letter in letters)]
    merges = ["#version: 0.2"]
    for word in WORDS:  # each word grows letter by letter
        parts = [*word[:-1], word[-1] + "</w>"]
        while len(parts) > 1:
            pair = f"{parts[0]} {parts[1]}"
            if pair not in merges:
                merges.append(pair)
            parts = [parts[0] + parts[1], *parts[2:]]
            if parts[0] not in vocabulary:
                vocabulary.append(parts[0])
    table = {token: n for n, token in enumerate(dict.fromkeys(vocabulary))}
    (folder / "vocab.json").write_text(json.dumps(table))
    (folder / "merges.txt").write_text("\n".join(merges))
    return transformers.CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=longest
    )
