"""CLIP and picture classifiers through transformers: safetensors alone, no code of a repository."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emodiss.errors import MissingExtra, ModelMissing, SettingsError, is_out_of_memory
from emodiss.models import weight_files

_COMMIT = re.compile(r"\A[0-9a-f]{40}\Z")
_UNSUITABLE = ("nsfw", "unsafe", "porn", "explicit")
_SUITABLE = ("normal", "sfw", "safe", "neutral")


class Clip:
    """Compares pictures with texts; a repository is named with its commit."""

    def __init__(self, model: str, revision: str | None = None, *, device: str = "cpu") -> None:
        self._identity, self._processor, self._model = _opened("clip", "CLIPModel", model, revision)
        self._device = device
        self._model.to(device)

    @property
    def identity(self) -> str:
        """Name and weights."""
        return self._identity

    def similarity(self, picture: NDArray[np.uint8], text: str) -> float:
        """Cosine of picture and text; a text longer than the model reads is cut, as in CLIP."""
        import torch

        given = self._processor(
            text=[text], images=[picture], return_tensors="pt", padding=True, truncation=True
        ).to(self._device)
        with torch.inference_mode():
            found = self._model(**given)
        # The model scales both to length 1.
        return float((found.image_embeds * found.text_embeds).sum().clamp(-1, 1))


class Nsfw:
    """Tells unsuitable pictures from normal ones by a model whose labels name a class for each."""

    def __init__(self, model: str, revision: str | None = None, *, device: str = "cpu") -> None:
        self._identity, self._processor, self._model = _opened(
            "nsfw", "AutoModelForImageClassification", model, revision
        )
        self._device = device
        self._model.to(device)
        labels = {str(name).casefold(): int(n) for n, name in self._model.config.id2label.items()}
        self._bad = next((labels[name] for name in _UNSUITABLE if name in labels), None)
        self._good = next((labels[name] for name in _SUITABLE if name in labels), None)
        if self._bad is None or self._good is None:
            raise SettingsError(
                f"The classifier has the labels {', '.join(labels)}; expected were one of "
                f"{', '.join(_UNSUITABLE)} and one of {', '.join(_SUITABLE)}.",
                next_step="Give a classifier of unsuitable pictures.",
            )

    @property
    def identity(self) -> str:
        """Name and weights."""
        return self._identity

    def scores(self, picture: NDArray[np.uint8]) -> tuple[float, float]:
        """Probability of unsuitable and of normal."""
        import torch

        given = self._processor(images=[picture], return_tensors="pt").to(self._device)
        with torch.inference_mode():
            share = self._model(**given).logits[0].softmax(-1)
        return float(share[self._bad]), float(share[self._good])


def _opened(name: str, kind: str, model: str, revision: str | None) -> tuple[str, Any, Any]:
    """Load a processor and a model; returns its identity first."""
    folder = Path(model)
    here = bool(model) and folder.is_dir()
    if not model or (not here and not (revision and _COMMIT.match(revision))):
        raise SettingsError(
            f"The model '{name}' needs a folder, or a repository and the full hash of a commit; "
            f"got '{folder.name}' and {revision}.",
            next_step=f"Give --set options.{name}.model=FOLDER, or a repository and "
            f"--set options.{name}.revision=COMMIT.",
        )
    try:
        import transformers
    except ImportError as fault:
        raise MissingExtra.of(str(fault.name), "llm-local") from None
    where: dict[str, Any] = {
        "revision": revision or "main",
        "local_files_only": here or os.environ.get("HF_HUB_OFFLINE") == "1",
        "trust_remote_code": False,
    }
    try:
        processor = (
            transformers.CLIPProcessor if kind == "CLIPModel" else transformers.AutoImageProcessor
        )
        read = processor.from_pretrained(model, use_fast=False, **where)
        made = getattr(transformers, kind).from_pretrained(model, use_safetensors=True, **where)
    except Exception as fault:  # of odd values in config.json: whatever comes first
        if is_out_of_memory(fault):
            raise
        raise ModelMissing(
            f"The model '{folder.name}' cannot be loaded: {type(fault).__name__}.",
            next_step="It needs config.json, the processor's files and *.safetensors.",
        ) from fault
    weights = weight_files.fingerprint(folder) if here else f"@{revision}"
    return f"{name} {folder.name if here else model} {weights}", read, made.eval()
