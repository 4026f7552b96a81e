"""The seam to language models: what goes in, what comes out, and one method.

Adapters are `openai` (any OpenAI-compatible endpoint), `transformers` and `gguf` (weights on this
machine) and `replay` (answers recorded earlier). `cache` and `ledger` wrap a model and are models
themselves, so they stack: `Cached(Metered(OpenAICompatible(...)))`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Protocol, TypedDict, runtime_checkable

from emodiss.chat.pictures import Picture
from emodiss.errors import ChatError, EmodissError, SettingsError
from emodiss.tabular import is_text

__all__ = [
    "Answered",
    "ChatError",
    "ChatModel",
    "ChatParams",
    "Completion",
    "Content",
    "Message",
    "Named",
    "Part",
    "Picture",
    "Question",
    "Text",
    "TokenLogprob",
    "Unanswered",
    "Usage",
    "Wrapped",
    "content_sha256",
    "parts",
    "pictures_of",
    "request_key",
]


def stated_text(value: Any) -> str | None:
    """Return what is text and not empty, and None for anything else."""
    return value if isinstance(value, str) and value and is_text(value) else None


@dataclass(frozen=True, slots=True)
class Text:
    """Words of a message that holds pictures too."""

    text: str


Part = Text | Picture
Content = str | Sequence[Part]


class Message(TypedDict):
    """One message; content without pictures is a string, as endpoints and chat templates take it.

    Bytes of a picture are read by the adapter that sends or reads it, and by nothing else.
    """

    role: Literal["system", "user", "assistant"]
    content: Content


def parts(content: Content) -> Sequence[Part]:
    """Take a message's content apart."""
    return (Text(content),) if isinstance(content, str) else content


def pictures_of(messages: Sequence[Message]) -> list[Picture]:
    """All pictures of messages, in order."""
    every = (part for message in messages for part in parts(message["content"]))
    return [part for part in every if isinstance(part, Picture)]


def content_sha256(content: Content) -> str:
    """Hash a message's content: of words alone their own hash; pictures count by their hashes."""
    text = content if isinstance(content, str) else _json(_plain(content))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(content: Content) -> Any:
    if isinstance(content, str):
        return content
    return [{"text": p.text} if isinstance(p, Text) else {"picture": p.sha256} for p in content]


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class ChatParams:
    """Decoding parameters; None leaves a parameter out of the request, and the record says so.

    Parameters
    ----------
    temperature
        0 picks the likeliest token; at most 2.
    seed
        Of the sampling. Endpoints promise best effort at most.
    max_tokens
        Longest answer, in the model's own tokens.
    top_p
        Share of probability that is sampled from, in (0, 1].
    stop
        Texts that end the answer.
    top_logprobs
        How many alternatives are returned with each token, 0 to 20.
    frequency_penalty, presence_penalty
        What a token's logit loses for each time it was said, and for having been said at all;
        -2 to 2.

    Raises
    ------
    SettingsError
        If a value is out of range.

    Notes
    -----
    Temperature 0, a fixed seed and 300 tokens are decision A21 of the project's reading of the
    paper, which states none of them.
    """

    temperature: float | None = 0.0
    seed: int | None = 0
    max_tokens: int | None = 300
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    top_logprobs: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "stop", tuple(self.stop))
        for name, low, high in (
            ("temperature", 0, 2),
            ("max_tokens", 1, None),
            ("top_p", 0, 1),
            ("top_logprobs", 0, 20),
            ("frequency_penalty", -2, 2),
            ("presence_penalty", -2, 2),
        ):
            value = getattr(self, name)
            # Written so that NaN fails too.
            if value is not None and not (value >= low and (high is None or value <= high)):
                limits = f"at least {low}" if high is None else f"{low} to {high}"
                raise SettingsError(f"The parameter '{name}' must be {limits}, got {value}.")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; penalties stand in it only if there are any.

        Requests without them so keep the keys that they had before penalties were known.
        """
        record = {**asdict(self), "stop": list(self.stop)}
        for name in ("frequency_penalty", "presence_penalty"):
            if record[name] is None:
                del record[name]
        return record


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the endpoint counted them; None where it did not say."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None

    @classmethod
    def stated(cls, record: Any) -> Usage:
        """Take the counts that an endpoint or a recording states; what is no count is unknown."""
        said = record if isinstance(record, dict) else {}
        counts = (said.get(name) for name in ("prompt_tokens", "completion_tokens"))
        return cls(*(n if type(n) is int and n >= 0 else None for n in counts))


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One token of an answer, its logprob, and the likeliest tokens at its place with theirs."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer of a model.

    Parameters
    ----------
    text
        What it said, untouched; empty when it said nothing.
    model
        Model id that the endpoint says it used, which may be more exact than the one asked for.
    finish_reason
        Why it stopped, in the endpoint's own word; None if unsaid.
    latency_s
        Seconds from request to full answer; None when replayed.
    answered_at
        UTC time of the answer, ISO 8601; None if unknown.
    logprobs
        Per token, if asked for and given.
    recorded_params
        For a replayed answer: the parameters it was recorded with.
    from_cache
        Whether nothing was asked because the cache had it.
    cost_usd
        What the answer cost when it was asked for, in US dollars; None when unknown.
    picture_policy
        What was done to the pictures before the model saw them; None without pictures.
    """

    text: str
    model: str
    finish_reason: str | None = None
    usage: Usage = field(default_factory=Usage)
    latency_s: float | None = None
    answered_at: str | None = None
    raw_id: str | None = None
    logprobs: tuple[TokenLogprob, ...] = ()
    recorded_params: Mapping[str, Any] | None = None
    from_cache: bool = False
    cost_usd: float | None = None
    picture_policy: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Completion:
        """Read back what `to_dict` wrote.

        Raises
        ------
        KeyError, TypeError
            If it is no such record.
        """
        # Answers kept before there were pictures do not name a policy.
        record = {"picture_policy": None, **record}
        values = {name: record[name] for name in (f.name for f in fields(cls))}
        values["usage"] = Usage(**values["usage"])
        values["logprobs"] = tuple(
            TokenLogprob(t["token"], t["logprob"], tuple((text, value) for text, value in t["top"]))
            for t in values["logprobs"]
        )
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Question:
    """What a model is asked.

    Parameters
    ----------
    id
        Tells questions apart that are asked together.
    text
        What is sent, as one message of the user.
    about
        What the question is about, for whoever reads the answer; it is not sent.
    system
        What is sent before it as a message of the system; None sends none.
    pictures
        What is sent before the text, in the same message.
    """

    id: str
    text: str
    about: Mapping[str, str] = field(default_factory=dict)
    system: str | None = None
    pictures: tuple[Picture, ...] = ()

    @property
    def content(self) -> Content:
        """Pictures and text as a message's content; the text itself where there is no picture."""
        return (*self.pictures, Text(self.text)) if self.pictures else self.text

    @property
    def sha256(self) -> str:
        """Hash of the content."""
        return content_sha256(self.content)

    @property
    def messages(self) -> list[Message]:
        """What is sent."""
        said: list[Message] = [{"role": "user", "content": self.content}]
        return said if self.system is None else [{"role": "system", "content": self.system}, *said]


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer to a question, unread.

    Parameters
    ----------
    sample
        Index among several answers, from 0.
    model, identity
        Who answered: name, and adapter, place and name.
    """

    question: Question
    sample: int
    completion: Completion
    model: str
    identity: str
    params: ChatParams
    requests: int

    @property
    def parameters(self) -> dict[str, Any]:
        """Decoding parameters of the answer as plain values: the recorded ones of a replay."""
        recorded = self.completion.recorded_params
        return self.params.to_dict() if recorded is None else dict(recorded)


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A question that got no answer."""

    question: Question
    sample: int
    model: str
    error: EmodissError


class Named(Protocol):
    """What tells one model from another."""

    @property
    def identity(self) -> str:
        """Adapter, place and model: all of the model that can change an answer; no secrets."""
        ...

    @property
    def name(self) -> str:
        """Model id as it was asked for."""
        ...


@runtime_checkable
class ChatModel(Named, Protocol):
    """Answers messages. Safe to call from several threads."""

    def generate(
        self, messages: Sequence[Message], params: ChatParams, *, sample: int = 0
    ) -> Completion:
        """Answer.

        Parameters
        ----------
        sample
            Index among several answers to the same messages. It tells answers apart in caches
            and recordings; what makes them differ is the seed.

        Raises
        ------
        ChatError
            If there is no answer; it says whether asking again may help.
        """
        ...


class Wrapped:
    """A model around another one, whose identity and name it bears."""

    def __init__(self, model: ChatModel) -> None:
        self._model = model

    @property
    def identity(self) -> str:
        """Of the model behind."""
        return self._model.identity

    @property
    def name(self) -> str:
        """Of the model behind."""
        return self._model.name


def request_key(model: Named, messages: Sequence[Message], params: ChatParams, sample: int) -> str:
    """Hash everything that can change an answer."""
    content = {
        "identity": model.identity,
        "messages": [{**message, "content": _plain(message["content"])} for message in messages],
        "params": params.to_dict(),
        "sample": sample,
    }
    return hashlib.sha256(_json(content).encode()).hexdigest()
