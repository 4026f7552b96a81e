"""Who answers, with how much patience and money."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from emodiss.chat.ask import Patience
from emodiss.chat.ledger import FREE, Ledger, Metered, Price, read_prices
from emodiss.chat.model import ChatModel, ChatParams, Message, Question, pictures_of
from emodiss.errors import SettingsError, nearest

if TYPE_CHECKING:
    from emodiss.chat.openai import TokenField

_PENALTIES = ("frequency_penalty", "presence_penalty")
_OMITTABLE = ("temperature", "seed", "max_tokens", "top_p", *_PENALTIES)
_TOKEN_FIELDS = ("max_tokens", "max_completion_tokens")


class Rendering(ChatModel, Protocol):
    """A model on this machine: it can show what it reads."""

    def rendered(self, messages: Sequence[Message]) -> str:
        """Put messages into the model's own form."""
        ...


Catalogued = Mapping[str, Callable[[str], Rendering]]
"""Models on this machine that have a name: how each is opened on a device."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Language models that can be asked, with how much patience and money.

    Exactly one of `base_url`, `local` and `replay` is given, or `models` are adapters themselves.

    Parameters
    ----------
    models
        Id at the endpoint; with `local` a catalog name, a folder or a repository; or a `ChatModel`.
        A replay of one model needs none.
    base_url
        OpenAI-compatible endpoint, such as `http://127.0.0.1:8000/v1`.
    local
        Run the models on this machine.
    replay
        File of recorded answers; nobody is asked.
    seed
        Sample k is asked with seed + k.
    omit
        Parameters that the endpoint refuses: temperature, seed, max_tokens, top_p or a penalty.
    token_field
        `max_tokens`, or `max_completion_tokens` for newer OpenAI models.
    timeout
        Longest time for one answer, seconds.
    tries, max_wait
        Requests per answer at most, and seconds of waiting in all.
    max_cost
        Most that may be spent, US dollars; None for no limit.
    prices
        Price file; the one that comes along if None.
    allow_remote
        Whether what is asked may go to another machine.
    allow_remote_pictures
        Whether pictures may go there too.
    cache, no_cache
        Answer cache; whoever asks names a default. Or none at all.
    revision, device, offline
        For `local`: commit of a repository, `cpu` or `cuda`, and whether weights may be fetched.

    Raises
    ------
    SettingsError
        If it is not said in one way who answers, or the token field does not exist.
    """

    models: Sequence[str | ChatModel] = ()
    base_url: str | None = None
    local: bool = False
    replay: Path | None = None
    seed: int = 0
    omit: list[str] | None = None
    token_field: str = "max_tokens"
    stream: bool = False
    concurrency: int = 4
    timeout: float = 60.0
    tries: int = 6
    max_wait: float = 600.0
    max_cost: float | None = None
    prices: Path | None = None
    api_key_env: str = "OPENAI_API_KEY"
    allow_remote: bool = False
    allow_remote_pictures: bool = False
    cache: Path | None = None
    no_cache: bool = False
    revision: str | None = None
    device: str = "cpu"
    offline: bool = False

    def __post_init__(self) -> None:
        ways = (self.base_url is not None) + self.local + (self.replay is not None)
        adapters = sum(not isinstance(model, str) for model in self.models)
        if ways != (0 if adapters else 1) or adapters not in (0, len(self.models)):
            raise SettingsError(
                "It must be said who answers, in one way.",
                next_step="Give --base-url (an endpoint), --local (weights on this machine) or "
                "--replay (recorded answers).",
            )
        if self.token_field not in _TOKEN_FIELDS:
            raise SettingsError(
                f"'--token-field {self.token_field}' does not exist.",
                next_step=nearest(self.token_field, _TOKEN_FIELDS),
            )

    @property
    def is_remote(self) -> bool:
        """Whether what is asked leaves this machine."""
        from emodiss.chat.openai import is_loopback

        return self.base_url is not None and not is_loopback(self.base_url)

    @property
    def patience(self) -> Patience:
        """How often and how long to try."""
        return Patience(tries=self.tries, budget_s=self.max_wait)

    def only(self) -> Endpoint:
        """Return this endpoint if it names one model, or none for a replay.

        Raises
        ------
        SettingsError
            If it names several, or none where one is needed.
        """
        if len(self.models) > 1:
            one, other = sorted(map(_name, self.models))[:2]
            raise SettingsError(f"Two models are named, {one} and {other}; one was expected.")
        if not self.models and self.replay is None:
            raise SettingsError("No model is named.", next_step="Give --model.")
        return self

    def parameters(self, *, temperature: float, max_tokens: int, **more: float) -> ChatParams:
        """Put decoding parameters together, without those that the endpoint refuses.

        Parameters
        ----------
        temperature, max_tokens
            As in `ChatParams`; the seed is the endpoint's.
        more
            Further ones: top_p, frequency_penalty, presence_penalty.

        Raises
        ------
        SettingsError
            If `omit` names anything else.
        """
        left_out = set(self.omit or ())
        if unknown := sorted(left_out - set(_OMITTABLE)):
            raise SettingsError(
                f"'--omit {unknown[0]}' names nothing.", next_step=nearest(unknown[0], _OMITTABLE)
            )
        omitted: dict[str, Any] = dict.fromkeys(left_out)
        stated: dict[str, Any] = {
            "temperature": temperature,
            "seed": self.seed,
            "max_tokens": max_tokens,
            **more,
        }
        return ChatParams(**{n: v for n, v in stated.items() if n not in left_out}, **omitted)

    @contextlib.contextmanager
    def ready(
        self,
        cache: Path,
        *,
        catalogued: Catalogued | None = None,
        say: Callable[[str], object] | None = None,
        ledger: Ledger | None = None,
    ) -> Generator[Ready]:
        """Open the models on one bill, with answers kept where there is a cache.

        Parameters
        ----------
        cache
            Where answers are kept if `self.cache` does not say. A replay keeps none.
        catalogued
            Models on this machine that have a name, for `local`.
        ledger
            Bill that others of the same command are on, too; one of its own if None.
        """
        from emodiss.chat.cache import Cached

        found = Ready({}, ledger or Ledger(self.max_cost), {})
        with contextlib.ExitStack() as stack:
            for model in self.models or [None]:
                asked, prices = self._open(model, catalogued or {}, say or (lambda _text: None))
                asked = Metered(asked, found.ledger, prices)
                price = prices.get(asked.name)
                found.prices[asked.name] = None if price is None else dataclasses.asdict(price)
                if not self.no_cache and self.replay is None:
                    asked = Cached(asked, self.cache or cache)
                    stack.callback(asked.close)
                found.models[asked.name] = asked
            yield found

    def _open(
        self,
        model: str | ChatModel | None,
        catalogued: Catalogued,
        say: Callable[[str], object],
    ) -> tuple[ChatModel, Mapping[str, Price]]:
        """Open a model and read the prices by model id."""
        if self.replay is not None:
            from emodiss.chat.replay import Replay

            asked = Replay(self.replay, None if model is None else _name(model))
            return asked, {asked.name: FREE}
        if self.local:
            asked = self._open_local(_name(model), catalogued)
            return asked, {asked.name: FREE}
        prices = read_prices(self.prices)
        if self.base_url is None:
            return cast("ChatModel", model), prices
        from emodiss.chat.openai import OpenAICompatible

        asked = OpenAICompatible(
            _name(model),
            base_url=self.base_url,
            api_key_env=self.api_key_env,
            allow_remote=self.allow_remote,
            allow_remote_pictures=self.allow_remote_pictures,
            timeout_s=self.timeout,
            stream=self.stream,
            token_field=cast("TokenField", self.token_field),
        )
        if self.is_remote:
            what = "dialogue and pictures" if self.allow_remote_pictures else "dialogue"
            say(f"Sending {what} to another machine: {self.base_url}")
        return asked, prices

    def _open_local(self, model: str, catalogued: Catalogued) -> Rendering:
        """Open a model of the catalog, of a folder (`./NAME` where both bear a name), or a hub."""
        if model in catalogued:
            if self.revision is not None:
                raise SettingsError(f"--revision is for repositories; '{model}' has one revision.")
            return catalogued[model](self.device)
        if not (self.revision or "/" in model or Path(model).is_dir()):
            raise SettingsError(
                f"There is no language model '{model}' on this machine.",
                next_step=f"{nearest(model, catalogued)} Or give a folder, or a repository with "
                "--revision.",
            )
        from emodiss.chat.transformers import TransformersChat

        return TransformersChat(
            model, revision=self.revision, device=self.device, offline=self.offline
        )

    def requests(
        self,
        questions: Iterable[Question],
        params: ChatParams,
        *,
        model: str | ChatModel | None = None,
        samples: int = 1,
        catalogued: Catalogued | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Show the requests as they would be sent, pictures by size and hash; none for a replay.

        Parameters
        ----------
        model
            Whom; the first of `models` if None.
        samples
            Answers to each question.
        """
        if self.replay is not None:
            return
        name = _name(self.models[0] if model is None else model)
        local = self._open_local(name, catalogued or {}) if self.local else None
        for question in questions:
            messages = question.messages
            pictures = [str(each) for each in pictures_of(messages)]
            seen: dict[str, Any] = {"pictures": pictures} if pictures else {}
            for sample in range(samples):
                one = params
                if params.seed is not None:
                    one = dataclasses.replace(params, seed=params.seed + sample)
                if local is not None:
                    yield {"text": local.rendered(messages), "params": one.to_dict()} | seen
                elif self.base_url is None:
                    system = {} if question.system is None else {"system": question.system}
                    asked = {"model": name, **system, "text": question.text}
                    yield {**asked, "params": one.to_dict()} | seen
                else:
                    yield self._request(self.base_url, messages, name, one)

    def _request(
        self, base_url: str, messages: Sequence[Message], model: str, params: ChatParams
    ) -> dict[str, Any]:
        from emodiss.chat.openai import check_url, request_body

        body = request_body(
            model,
            messages,
            params,
            stream=self.stream,
            token_field=cast("TokenField", self.token_field),
            shown=True,
        )
        url = f"{check_url(base_url)}/chat/completions"
        return {"url": url, "authorization": f"Bearer ${self.api_key_env}", "body": body}


@dataclass(frozen=True, slots=True)
class MaybeEndpoint(Endpoint):
    """An endpoint, or none where nobody is to be asked."""

    def __post_init__(self) -> None:
        if self.base_url is not None or self.local or self.replay is not None or self.models:
            Endpoint.__post_init__(self)  # a class with slots is made anew and has no super()


@dataclass(frozen=True, slots=True)
class Ready:
    """Models that can be asked.

    Parameters
    ----------
    models
        By name.
    prices
        Price of each as plain values, None when it is not known.
    """

    models: dict[str, ChatModel]
    ledger: Ledger
    prices: dict[str, dict[str, Any] | None]


def _name(model: str | ChatModel | None) -> str:
    return "" if model is None else model if isinstance(model, str) else model.name
