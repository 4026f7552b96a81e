"""What `intervene` and `judge` share: who answers, where, with how much patience and money."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from emodiss.cli import output

if TYPE_CHECKING:
    from emodiss.models.chat import ChatModel, ChatParams
    from emodiss.models.chat_ledger import Price
    from emodiss.models.chat_openai import TokenField

BaseUrl = Annotated[
    str | None, typer.Option(help="OpenAI-compatible endpoint: http://127.0.0.1:8000/v1.")
]
Local = Annotated[
    bool, typer.Option("--local", help="Run --model on this machine with transformers.")
]
Replay = Annotated[Path | None, typer.Option(help="Take the answers from such a file; ask nobody.")]
Seed = Annotated[int, typer.Option(help="Sample k is asked with seed + k.")]
Omit = Annotated[
    list[str] | None,
    typer.Option(help="Leave out temperature, seed or max_tokens; repeatable."),
]
TokenName = Annotated[
    str, typer.Option(help="max_tokens, or max_completion_tokens for newer OpenAI models.")
]
Stream = Annotated[bool, typer.Option("--stream", help="Take answers in pieces.")]
Concurrency = Annotated[int, typer.Option(help="Requests at once.", min=1)]
Timeout = Annotated[float, typer.Option(help="Longest time for one answer, s.", min=0.1)]
Tries = Annotated[int, typer.Option(help="Requests per answer, at most.", min=1)]
MaxWait = Annotated[float, typer.Option(help="Waiting in all, s.", min=0.0)]
MaxCost = Annotated[
    float | None, typer.Option(help="Most that this command may spend, US dollars.", min=0.0)
]
Prices = Annotated[
    Path | None, typer.Option(help="Price file; by default the one that comes along.")
]
ApiKeyEnv = Annotated[str, typer.Option(help="Environment variable with the key.")]
AllowRemote = Annotated[
    bool, typer.Option("--allow-remote", help="Dialogue may go to another machine.")
]
Preview = Annotated[
    bool, typer.Option("--preview", help="Print exactly what would be sent, and stop.")
]
Cache = Annotated[Path | None, typer.Option(help="Answer cache; RUN/chat_cache.sqlite by default.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Keep no cache.")]
Revision = Annotated[str | None, typer.Option(help="Commit of a repository, for --local.")]
Device = Annotated[str, typer.Option(help="cpu or cuda, for --local.")]
Offline = Annotated[bool, typer.Option("--offline", help="Fetch no weights, for --local.")]

_OMITTABLE = ("temperature", "seed", "max_tokens")
_TOKEN_FIELDS = ("max_tokens", "max_completion_tokens")


@dataclass(frozen=True, slots=True)
class Place:
    """Where models answer: the options of the command line, checked.

    Parameters
    ----------
    base_url, local, replay
        Exactly one of them is given.
    api_key_env, allow_remote, timeout, stream, token_field
        Of an endpoint.
    prices
        Price file.
    revision, device, offline
        Of local weights.

    Raises
    ------
    SettingsError
        If not exactly one place is named, or the token field does not exist.
    """

    base_url: str | None
    local: bool
    replay: Path | None
    api_key_env: str
    allow_remote: bool
    timeout: float
    stream: bool
    token_field: str
    prices: Path | None
    revision: str | None
    device: str
    offline: bool

    def __post_init__(self) -> None:
        from emodiss.errors import SettingsError, nearest

        if (self.base_url is not None) + self.local + (self.replay is not None) != 1:
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
        from emodiss.models.chat_openai import is_loopback

        return self.base_url is not None and not is_loopback(self.base_url)

    def open(self, model: str | None) -> tuple[ChatModel, Mapping[str, Price]]:
        """Make a model ready.

        Parameters
        ----------
        model
            Its id, folder or repository; a recording of one model needs none.

        Returns
        -------
        ChatModel, dict
            The model and prices by model id.
        """
        from emodiss.models.chat_ledger import FREE, read_prices

        asked: ChatModel
        if self.replay is not None:
            from emodiss.models.chat_replay import Replay

            asked = Replay(self.replay, model)
            return asked, {asked.name: FREE}
        if self.local:
            from emodiss.models.chat_transformers import TransformersChat

            asked = TransformersChat(
                model or "", revision=self.revision, device=self.device, offline=self.offline
            )
            return asked, {asked.name: FREE}
        from emodiss.models.chat_openai import OpenAICompatible

        prices = read_prices(self.prices)
        asked = OpenAICompatible(
            model or "",
            base_url=self.base_url or "",
            api_key_env=self.api_key_env,
            allow_remote=self.allow_remote,
            timeout_s=self.timeout,
            stream=self.stream,
            token_field=cast("TokenField", self.token_field),
        )
        if self.is_remote:
            output.say(f"Sending dialogue to another machine: {self.base_url}")
        return asked, prices

    def preview(self, texts: Iterable[str], model: str, params: ChatParams, *, samples: int) -> int:
        """Print the requests as they would be sent, one JSON line each.

        Parameters
        ----------
        texts
            What would be asked.
        model
            Whom.
        params
            Decoding parameters.
        samples
            Answers to each text.

        Returns
        -------
        int
            How many requests.
        """
        n = 0
        if self.local:
            from emodiss.models.chat_transformers import TransformersChat

            asked = cast("TransformersChat", self.open(model)[0])
        else:
            asked = None
        for text in texts:
            for sample in range(samples):
                one = params
                if params.seed is not None:
                    one = dataclasses.replace(params, seed=params.seed + sample)
                if asked is None:
                    typer.echo(json.dumps(self._request(text, model, one), ensure_ascii=False))
                else:
                    rendered = asked.rendered([{"role": "user", "content": text}])
                    record = {"text": rendered, "params": one.to_dict()}
                    typer.echo(json.dumps(record, ensure_ascii=False))
                n += 1
        return n

    def _request(self, text: str, model: str, params: ChatParams) -> dict[str, Any]:
        from emodiss.models.chat_openai import check_url, request_body

        body = request_body(
            model,
            [{"role": "user", "content": text}],
            params,
            stream=self.stream,
            token_field=cast("TokenField", self.token_field),
        )
        url = f"{check_url(self.base_url or '')}/chat/completions"
        return {"url": url, "authorization": f"Bearer ${self.api_key_env}", "body": body}

    def say_previewed(self, n: int) -> None:
        """Say on stderr where the requests of a preview would go.

        Parameters
        ----------
        n
            How many there are.
        """
        if self.replay is not None:
            output.say("A replay sends nothing.")
            return
        where = "ANOTHER MACHINE" if self.is_remote else "this machine"
        also = (
            " Beside this, the openai client sends its version, the operating system and the "
            "Python version."
        )
        output.say(
            f"{n} requests would go to {where}; nothing was sent.{'' if self.local else also}"
        )


def parameters(
    omit: Sequence[str] | None, *, temperature: float, seed: int, max_tokens: int
) -> ChatParams:
    """Put decoding parameters together, without those that the endpoint refuses.

    Parameters
    ----------
    omit
        Names of parameters to leave out.
    temperature, seed, max_tokens
        Their values.

    Raises
    ------
    SettingsError
        If `omit` names anything else.
    """
    from emodiss.errors import SettingsError, nearest
    from emodiss.models.chat import ChatParams

    left_out = set(omit or ())
    if unknown := sorted(left_out - set(_OMITTABLE)):
        raise SettingsError(
            f"'--omit {unknown[0]}' names nothing.", next_step=nearest(unknown[0], _OMITTABLE)
        )
    return ChatParams(
        temperature=None if "temperature" in left_out else temperature,
        seed=None if "seed" in left_out else seed,
        max_tokens=None if "max_tokens" in left_out else max_tokens,
    )


def price_of(prices: Mapping[str, Price], name: str) -> dict[str, Any] | None:
    """Return a price as plain values, None when it is not known."""
    price = prices.get(name)
    return None if price is None else dataclasses.asdict(price)


def cost_of(bill: Mapping[str, Any]) -> str:
    """Say what a command cost, and how much of that is not known.

    Parameters
    ----------
    bill
        As `Ledger.to_dict` gives it.
    """
    if bill["cost_usd"] is not None:
        return f"cost {bill['cost_usd']:.6f} USD"
    n = bill["answers_of_unknown_cost"] + bill["failures_of_unknown_cost"]
    return (
        f"cost unknown: {bill['known_cost_usd']:.6f} USD and {n} requests without a known price "
        "(give one with --prices)"
    )
