"""Language models that come as one GGUF file: turned into safetensors once, then run as any other.

transformers reads GGUF by turning every tensor back into plain numbers, which takes far longer than
loading them. So it is done once per file and version, and kept in the cache folder.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import io
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from emodiss.chat.transformers import TransformersChat
from emodiss.errors import MissingExtra, ModelError
from emodiss.models import catalog
from emodiss.models.weight_files import WeightFile

_READERS = ("gguf", "accelerate", "transformers")
_KNOWN = (("gpt2", "smollm"),)
"""Kinds of vocabulary, and of cutting text before byte pairs are merged, by the file's names."""


class GgufChat(TransformersChat):
    """A catalogued language model whose weights are one GGUF file."""

    def __init__(self, name: str, folder: Path, *, device: str = "cpu") -> None:
        entry = catalog.entry_of(name)
        (file,) = entry.files
        super().__init__(
            unpacked(folder / file.name, file, name=name),
            device=device,
            dtype="float32",
            offline=True,
        )
        self._name = name
        self._identity = f"transformers {entry.identity} float32"


def unpacked(path: Path, published: WeightFile, *, name: str) -> Path:
    """Return the folder of a GGUF file's model as safetensors, made when it is not there."""
    for package in _READERS:
        if importlib.util.find_spec(package) is None:
            raise MissingExtra.of(package, "llm-local")
    versions = "-".join(importlib.metadata.version(package) for package in _READERS)
    folder = catalog.home() / "converted" / f"{name}-{published.digest}-{versions}"
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # In the same file system, so that it appears whole or not at all.
        scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".unpacking-"))
        try:
            _convert(path, scratch)
            with contextlib.suppress(OSError):  # another process was first
                os.rename(scratch, folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as fault:
        raise ModelError(
            f"'{name}' cannot be unpacked into {folder.parent}: {fault.strerror or fault}.",
            next_step="It needs 600 MB there; EMODISS_HOME names another place.",
            code="disk",
        ) from fault
    return folder


def _convert(path: Path, folder: Path) -> None:
    import torch
    import transformers

    _tokenizer(path).save_pretrained(folder)
    with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
        model: Any = transformers.AutoModelForCausalLM.from_pretrained(
            path.parent, gguf_file=path.name, dtype=torch.float32, local_files_only=True
        )
    model.save_pretrained(folder, safe_serialization=True)


def _tokenizer(path: Path) -> Any:
    """Build the tokenizer from the file's own description.

    transformers' reader takes the wrong token for the end of a turn, leaves digits together, and
    needs seven times as long.
    """
    import gguf
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    fields = gguf.GGUFReader(path).fields

    def of(key: str) -> Any:
        return fields[f"tokenizer.{key}"].contents()

    kind = (of("ggml.model"), of("ggml.pre"))
    if kind not in _KNOWN:
        raise ModelError(
            f"{path.name} has a tokenizer of the kind {'/'.join(map(str, kind))}; "
            f"expected {', '.join('/'.join(known) for known in _KNOWN)}.",
            next_step="Give the model as a folder of safetensors.",
        )
    words: list[str] = of("ggml.tokens")
    types: list[int] = of("ggml.token_type")
    merges = [tuple(pair.split(" ")) for pair in of("ggml.merges")]
    tokenizer = Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    control = int(gguf.TokenType.CONTROL)
    tokenizer.add_special_tokens([w for w, t in zip(words, types, strict=True) if t == control])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=words[of("ggml.bos_token_id")],
        eos_token=words[of("ggml.eos_token_id")],
        unk_token=words[of("ggml.unknown_token_id")],
        pad_token=words[of("ggml.padding_token_id")],
        chat_template=of("chat_template"),
    )
