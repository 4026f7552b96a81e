"""Language models whose weights lie on this machine, through their own chat templates.

A model whose configuration has a part for vision is given pictures through its own processor.

Weights are safetensors only, code from a model's repository is never run, and a repository is
named with the full hash of a commit. Chat templates are programs too; transformers runs them in a
sandbox, and only those of the folder or commit that was named.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import re
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from emodiss.chat.model import (
    ChatError,
    ChatParams,
    Completion,
    Content,
    Message,
    Picture,
    Text,
    TokenLogprob,
    Usage,
    parts,
    pictures_of,
)
from emodiss.errors import MissingExtra, ModelError, ModelMissing, SettingsError, is_out_of_memory

_COMMIT = re.compile(r"\A[0-9a-f]{40}\Z")
_WHOLE_FILE = 64 << 20
_SAMPLE = 1 << 20


class TransformersChat:
    """A causal language model of transformers, or one that sees pictures; see `Endpoint`."""

    def __init__(
        self,
        model: str | Path,
        *,
        revision: str | None = None,
        device: str = "cpu",
        dtype: str = "auto",
        offline: bool = False,
    ) -> None:
        folder = Path(model)
        self._name = folder.name if folder.is_dir() else str(model)
        self._source = str(model)
        if folder.is_dir():
            if revision is not None:
                raise SettingsError(f"A revision is for repositories; '{self._name}' is a folder.")
            self._identity = f"transformers {self._name} sha256-{_digest(folder)[:12]} {dtype}"
        else:
            if revision is None or not _COMMIT.match(revision):
                raise SettingsError(
                    f"'{model}' is no folder, and as a repository it needs the full hash of a "
                    f"commit, got {revision}.",
                    next_step="Give the folder, or --revision with 40 hexadecimal digits.",
                )
            self._identity = f"transformers {model}@{revision} {dtype}"
        try:
            import torch
            import transformers
        except ImportError as fault:
            raise MissingExtra.of(str(fault.name), "models") from None
        self._torch = torch
        self._transformers = transformers
        self._lock = threading.Lock()
        self._device = device
        local = offline or folder.is_dir() or os.environ.get("HF_HUB_OFFLINE") == "1"
        where: dict[str, Any] = {
            "revision": revision or "main",
            "local_files_only": local,
            "trust_remote_code": False,
        }
        self._processor: Any = None
        self._tokenizer: Any
        try:
            config = transformers.AutoConfig.from_pretrained(self._source, **where)
            kind: Any = transformers.AutoModelForCausalLM
            if hasattr(config, "vision_config"):
                kind = transformers.AutoModelForImageTextToText
                self._processor = transformers.AutoProcessor.from_pretrained(self._source, **where)
                self._tokenizer = self._processor.tokenizer
            else:
                self._tokenizer = transformers.AutoTokenizer.from_pretrained(self._source, **where)
            self._model: Any = kind.from_pretrained(
                self._source, use_safetensors=True, dtype=dtype, **where
            )
        # Of odd values in config.json, transformers raises whatever comes first.
        except Exception as fault:
            if is_out_of_memory(fault):
                raise
            raise ModelMissing(
                f"The model '{self._name}' cannot be loaded: {type(fault).__name__}.",
                next_step="It needs config.json, tokenizer files and *.safetensors"
                + (
                    ", all on this machine; drop --offline to fetch them."
                    if local and not folder.is_dir()
                    else "."
                ),
            ) from fault
        if not (self._processor or self._tokenizer).chat_template:
            raise ModelError(
                f"The tokenizer of '{self._name}' has no chat template.",
                next_step="Use the instruction-tuned variant of the model.",
                code="chat_template",
            )
        own = self._model.generation_config
        self._ends = _as_list(own.eos_token_id) or _as_list(self._tokenizer.eos_token_id)
        # What a request leaves at its default, transformers fills in from here: a repetition
        # penalty, for one, that nobody asked for.
        self._model.generation_config = transformers.GenerationConfig()
        self._model.to(device).eval()

    @property
    def identity(self) -> str:
        """Adapter, weights (commit, or hash of the folder's files) and number type."""
        return self._identity

    @property
    def name(self) -> str:
        """Repository, or the folder's own name."""
        return self._name

    def rendered(self, messages: Sequence[Message]) -> str:
        """Write messages through the model's chat template: what the model reads."""
        n_pictures = len(pictures_of(messages))
        processor: Any = self._processor
        if n_pictures and processor is None:
            raise ChatError(
                f"'{self._name}' reads text alone and was given {n_pictures} pictures.",
                next_step="Use a model that sees, such as a LLaVA or a Qwen-VL.",
                code="no_vision",
            )
        form = _joined if self._processor is None else _typed
        try:
            text: str = (self._processor or self._tokenizer).apply_chat_template(
                [{**message, "content": form(message["content"])} for message in messages],
                tokenize=False,
                add_generation_prompt=True,
            )
        except Exception as fault:  # whatever the template's own program raises
            raise ChatError(
                f"The chat template of '{self._name}' fails ({type(fault).__name__}).",
                code="chat_template",
            ) from None
        if n_pictures and text.count(processor.image_token) != n_pictures:
            raise ChatError(
                f"The chat template of '{self._name}' has no place for {n_pictures} pictures.",
                next_step="Use the model's own template, or fewer pictures.",
                code="chat_template",
            )
        return text

    @property
    def picture_policy(self) -> str | None:
        """What is done to pictures before the model sees them; None if it sees none."""
        if self._processor is None:
            return None
        own = type(self._processor.image_processor).__name__
        return f"padded to a square with the mean colour, then {own}" if self._crops else own

    @property
    def _crops(self) -> bool:
        """Whether the processor would cut off what is not in the middle square.

        LLaVA was trained on padded pictures, and its processor crops.
        """
        return bool(getattr(self._processor.image_processor, "do_center_crop", False))

    def _seen(self, picture: Picture) -> Any:
        """Pixels of a picture as they go to the processor."""
        pixels = picture.pixels()
        side = max(pixels.size)
        if not self._crops or pixels.size == (side, side):
            return pixels
        from PIL import Image

        mean = tuple(round(255 * value) for value in self._processor.image_processor.image_mean)
        square = Image.new("RGB", (side, side), mean)
        square.paste(pixels, ((side - pixels.width) // 2, (side - pixels.height) // 2))
        return square

    def _encoded(self, messages: Sequence[Message]) -> Any:
        """Tokens, and what else the model takes."""
        text, pictures = self.rendered(messages), pictures_of(messages)
        # Most templates write the control tokens themselves, the beginning of text included.
        begin = self._tokenizer.bos_token
        special = self._processor is not None and not (begin and text.startswith(begin))
        options: dict[str, Any] = {"return_tensors": "pt", "add_special_tokens": special}
        if not pictures:
            found = self._tokenizer(text, **options)
            return {name: found[name] for name in ("input_ids", "attention_mask")}
        seen = [self._seen(picture) for picture in pictures]
        try:
            processor: Any = self._processor
            found = processor(text=text, images=seen, **options)
        except (ValueError, RuntimeError, IndexError, ZeroDivisionError) as fault:
            raise ChatError(
                f"The processor of '{self._name}' cannot take the pictures "
                f"{' '.join(map(str, pictures))} ({type(fault).__name__}).",
                code="picture",
            ) from None
        # Tokenizers also number the parts of a text, for models that this one may not be.
        taken = inspect.signature(self._model.forward).parameters
        return {name: value for name, value in found.items() if name in taken}

    def generate(
        self, messages: Sequence[Message], params: ChatParams, *, sample: int = 0
    ) -> Completion:
        """Continue the conversation; one at a time, whatever thread asks."""
        torch = self._torch
        self._refuse_control_tokens(messages)
        encoded = {
            # Pixels take the number type of the weights.
            name: value.to(self._device, self._model.dtype if value.is_floating_point() else None)
            for name, value in self._encoded(messages).items()
        }
        length = encoded["input_ids"].shape[1]
        room = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        n_new = params.max_tokens
        if n_new is None:
            n_new = (room or length + 1024) - length
        if room is not None and (n_new < 1 or length + n_new > room):
            raise ChatError(
                f"The prompt has {length} tokens and the answer may have {params.max_tokens}; "
                f"'{self._name}' has room for {room}.",
                next_step="Shorten the prompt with --window, or the answer with --max-tokens.",
                code="context_length",
            )
        settings = self._settings(params, n_new)
        # The seed is the process's; the lock keeps others from drawing in between.
        with self._lock, torch.random.fork_rng(), torch.inference_mode():
            start = time.monotonic()  # its turn, not the wait for it
            if params.seed is not None:
                torch.manual_seed(params.seed)
            out = self._model.generate(
                **encoded,
                generation_config=settings,
                stopping_criteria=[self._stops(params, int(length))] if params.stop else None,
                logits_processor=[_penalties(params, int(length))],
            )
            latency_s = time.monotonic() - start
        new = out.sequences[0, length:]
        ends = set(_as_list(settings.eos_token_id))
        ended = len(new) > 0 and int(new[-1]) in ends
        text = self._tokenizer.decode(new, skip_special_tokens=True)
        stopped = [stop for stop in params.stop if stop in text]
        if stopped:
            text = text[: min(text.index(stop) for stop in stopped)]
        return Completion(
            text=text,
            model=self._name,
            finish_reason="stop" if ended or stopped else "length",
            usage=Usage(int(length), len(new)),
            latency_s=latency_s,
            answered_at=datetime.now(UTC).isoformat(timespec="seconds"),
            logprobs=self._logprobs(out, new, params),
            picture_policy=self.picture_policy if pictures_of(messages) else None,
        )

    def _stops(self, params: ChatParams, length: int) -> Any:
        """Criterion: the answer so far holds a stop text. Works with any tokenizer."""
        torch, tokenizer = self._torch, self._tokenizer

        def reached(ids: Any, _scores: Any, **_options: Any) -> Any:
            text = tokenizer.decode(ids[0, length:], skip_special_tokens=True)
            found = any(stop in text for stop in params.stop)
            return torch.full((len(ids),), found, dtype=torch.bool, device=ids.device)

        return reached

    def _settings(self, params: ChatParams, n_new: int) -> Any:
        ends = self._ends
        pad = self._tokenizer.pad_token_id
        chosen: dict[str, Any] = {"do_sample": False}
        if params.temperature:
            top_p = 1.0 if params.top_p is None else params.top_p
            # top_k is on by default in transformers and unknown to the chat protocol.
            chosen = {
                "do_sample": True,
                "temperature": params.temperature,
                "top_p": top_p,
                "top_k": 0,
            }
        return self._transformers.GenerationConfig(
            max_new_tokens=n_new,
            eos_token_id=ends or None,
            pad_token_id=pad if pad is not None else (ends[0] if ends else None),
            return_dict_in_generate=True,
            output_logits=params.top_logprobs is not None,
            **chosen,
        )

    def _refuse_control_tokens(self, messages: Sequence[Message]) -> None:
        # As text of a dialogue they would end a turn and begin another one in the model's eyes.
        control = [
            token.content
            for token in self._tokenizer.added_tokens_decoder.values()
            if token.special and token.content.strip()
        ]
        if self._processor is not None:  # as text it would stand for a picture
            control.append(self._processor.image_token)
        for index, message in enumerate(messages):
            texts = [part.text for part in parts(message["content"]) if isinstance(part, Text)]
            if any(token in text for text in texts for token in control):
                raise ChatError(
                    f"Message {index} holds a control token of '{self._name}' as text.",
                    next_step="Correct the transcript, or choose another window with --end.",
                    code="special_token",
                )

    def _logprobs(self, out: Any, new: Any, params: ChatParams) -> tuple[TokenLogprob, ...]:
        if params.top_logprobs is None:
            return ()
        torch = self._torch
        found: list[TokenLogprob] = []
        for token, logits in zip(new.tolist(), out.logits, strict=True):
            logs = torch.log_softmax(logits[0].float(), dim=-1)
            best = torch.topk(logs, min(params.top_logprobs, len(logs)))
            top = tuple(
                (self._tokenizer.decode([index]), float(value))
                for value, index in zip(best.values.tolist(), best.indices.tolist(), strict=True)
            )
            found.append(TokenLogprob(self._tokenizer.decode([token]), float(logs[token]), top))
        return tuple(found)


def _penalties(params: ChatParams, length: int) -> Any:
    """Take from each token's logit what OpenAI's penalties take, counting the answer alone."""
    each, once = params.frequency_penalty or 0.0, params.presence_penalty or 0.0

    def lowered(ids: Any, scores: Any) -> Any:
        said = scores.new_zeros(scores.shape)
        said.scatter_add_(1, ids[:, length:], scores.new_ones(ids[:, length:].shape))
        return scores - each * said - once * (said > 0)

    return lowered


def _joined(content: Content) -> str:
    return "".join(part.text for part in parts(content) if isinstance(part, Text))


def _typed(content: Content) -> list[dict[str, str]]:
    """Content in the form that templates of models with vision take."""
    return [
        {"type": "text", "text": part.text} if isinstance(part, Text) else {"type": "image"}
        for part in parts(content)
    ]


def _as_list(value: int | Sequence[int] | None) -> list[int]:
    if value is None:
        return []
    return [value] if isinstance(value, int) else list(value)


def _digest(folder: Path) -> str:
    """Hash a folder's files: names, sizes, contents; of very large ones three stretches."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.is_file() and p.name[0] != "."):
        size = path.stat().st_size
        digest.update(f"{path.name}\0{size}\0".encode())
        with path.open("rb") as file:
            if size <= _WHOLE_FILE:
                digest.update(file.read())
                continue
            for place in (0, size // 2, size - _SAMPLE):
                file.seek(place)
                digest.update(file.read(_SAMPLE))
    return digest.hexdigest()
