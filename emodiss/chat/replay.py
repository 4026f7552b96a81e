"""Answers recorded earlier, given again: no network, no weights, the same words every time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from types import NoneType
from typing import Any

from emodiss.chat.model import (
    ChatError,
    ChatParams,
    Completion,
    Message,
    Usage,
    content_sha256,
    stated_text,
)
from emodiss.errors import ModelError, nearest
from emodiss.tabular import json_value


class Replay:
    """A model that repeats its recorded answers.

    Parameters
    ----------
    path
        JSON lines. Needed in each: `prompt_sha256` (of the last
        message, its pictures included: `content_sha256`), `raw` (the answer), `model`. Used where
        present: `sample` (0 if absent), `finish_reason`, `prompt_tokens`, `completion_tokens`,
        `parameters`, `served_model`, `answered_at`, `picture_policy`.
    model
        Which model's answers; may be left out when the file holds one model.

    Raises
    ------
    ModelError
        If the file cannot be read, a line lacks a field, the model is not in it, or two lines
        give different answers to one prompt and sample.
    """

    def __init__(self, path: str | Path, model: str | None = None) -> None:
        path = Path(path)
        records, digest = _read(path)
        names = sorted({record["model"] for _, record in records})
        if model is None and len(names) == 1:
            model = names[0]
        if model is None or model not in names:
            said = "Several models are" if model is None else f"The model '{model}' is not"
            raise ModelError(
                f"{said} in the recording {path.name}.",
                next_step=nearest(model or "", names),
                code="replay",
            )
        self._model = model
        self._identity = f"replay sha256-{digest[:12]} {model}"
        self._answers: dict[tuple[str, int], dict[str, Any]] = {}
        for number, record in records:
            if record["model"] != model:
                continue
            key = (record["prompt_sha256"], record.get("sample", 0))
            earlier = self._answers.setdefault(key, record)
            if earlier["raw"] != record["raw"]:
                raise ModelError(
                    f"{path.name}, line {number}: a second, different answer of '{model}' to "
                    f"prompt {key[0][:12]}, sample {key[1]}.",
                    next_step="Keep the answers of one set of parameters in one file.",
                    code="replay",
                )

    @property
    def identity(self) -> str:
        """Adapter, content hash of the recording, model."""
        return self._identity

    @property
    def name(self) -> str:
        """Model whose answers these are."""
        return self._model

    def generate(
        self, messages: Sequence[Message], params: ChatParams, *, sample: int = 0
    ) -> Completion:
        """Give the recorded answer to the last message; `params` are recorded ones, not these."""
        digest = content_sha256(messages[-1]["content"])
        record = self._answers.get((digest, sample))
        if record is None:
            raise ChatError(
                f"The recording has no answer of '{self._model}' to prompt {digest[:12]}, "
                f"sample {sample}.",
                next_step="Replay prompts that were rendered as they were for the recording.",
                code="replay_missing",
            )
        return Completion(
            text=record["raw"],
            model=stated_text(record.get("served_model")) or self._model,
            finish_reason=stated_text(record.get("finish_reason")),
            usage=Usage.stated(record),
            answered_at=stated_text(record.get("answered_at")),
            recorded_params=record["parameters"],
            picture_policy=stated_text(record.get("picture_policy")),
        )


def _read(path: Path) -> tuple[list[tuple[int, dict[str, Any]]], str]:
    try:
        content = path.read_bytes()
        lines = content.decode("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as fault:
        raise ModelError(
            f"The recording {path.name} cannot be read: {type(fault).__name__}.",
            next_step="Give the JSON lines in which a run kept its answers.",
            code="replay",
        ) from None
    records: list[tuple[int, dict[str, Any]]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json_value(line)
            whole = (
                isinstance(record["prompt_sha256"], str)
                and isinstance(record["raw"], str)
                and isinstance(record["model"], str)
                and isinstance(record.get("sample", 0), int)
                and isinstance(record.setdefault("parameters", {}), dict | NoneType)
            )
            record["parameters"] = record["parameters"] or {}
        except (ValueError, KeyError, TypeError, AttributeError):
            whole, record = False, {}
        if not whole:
            raise ModelError(
                f"{path.name}, line {number}: no recorded answer; expected a JSON object with "
                "the texts prompt_sha256, raw and model.",
                code="replay",
            )
        records.append((number, record))
    if not records:
        raise ModelError(f"The recording {path.name} is empty.", code="replay")
    return records, hashlib.sha256(content).hexdigest()
