"""What the commands that ask language models share: who answers, with what patience and money."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from emodiss.cli import output

if TYPE_CHECKING:
    from emodiss.chat.ledger import Ledger, Price
    from emodiss.chat.model import ChatModel, ChatParams
    from emodiss.chat.openai import TokenField
    from emodiss.chat.transformers import TransformersChat
    from emodiss.interventions import Patience

Model = Annotated[
    str | None,
    typer.Option(help="Model id at the endpoint; with --local a name, folder or repository."),
]
Named = Annotated[str | None, typer.Argument(help="The same as --model.", show_default=False)]
Preview = Annotated[
    bool, typer.Option("--preview", help="Print exactly what would be sent, and stop.")
]

_OMITTABLE = ("temperature", "seed", "max_tokens")
_TOKEN_FIELDS = ("max_tokens", "max_completion_tokens")


def one_model(named: str | None, model: str | None, place: Place) -> str | None:
    """Return the model that a command was given, as an argument or with `--model`.

    Parameters
    ----------
    named, model
        The argument and the option.
    place
        A replay needs no model.

    Raises
    ------
    SettingsError
        If none is named, or two.
    """
    from emodiss.errors import SettingsError

    given = sorted({name for name in (named, model) if name is not None})
    if len(given) > 1:
        raise SettingsError(f"Two models are named, {given[0]} and {given[1]}; one was expected.")
    if not given and place.replay is None:
        raise SettingsError("No model is named.", next_step="Give --model.")
    return given[0] if given else None


@dataclass(frozen=True, slots=True)
class Place:
    """Where models answer, with how much patience and money: options of the command line, checked.

    A field is an option; its help says what it means. Exactly one of `base_url`, `local` and
    `replay` is given.

    Raises
    ------
    SettingsError
        If not exactly one place is named, or the token field does not exist.
    """

    base_url: Annotated[
        str | None, typer.Option(help="OpenAI-compatible endpoint: http://127.0.0.1:8000/v1.")
    ] = None
    local: Annotated[
        bool,
        typer.Option(
            "--local",
            help="Run the model on this machine: smollm2-135m (a toy), a folder or a repository.",
        ),
    ] = False
    replay: Annotated[
        Path | None, typer.Option(help="Take the answers from such a file; ask nobody.")
    ] = None
    seed: Annotated[int, typer.Option(help="Sample k is asked with seed + k.")] = 0
    omit: Annotated[
        list[str] | None,
        typer.Option(help="Leave out temperature, seed or max_tokens; repeatable."),
    ] = None
    token_field: Annotated[
        str, typer.Option(help="max_tokens, or max_completion_tokens for newer OpenAI models.")
    ] = "max_tokens"
    stream: Annotated[bool, typer.Option("--stream", help="Take answers in pieces.")] = False
    concurrency: Annotated[int, typer.Option(help="Requests at once.", min=1)] = 4
    timeout: Annotated[float, typer.Option(help="Longest time for one answer, s.", min=0.1)] = 60.0
    tries: Annotated[int, typer.Option(help="Requests per answer, at most.", min=1)] = 6
    max_wait: Annotated[float, typer.Option(help="Waiting in all, s.", min=0.0)] = 600.0
    max_cost: Annotated[
        float | None, typer.Option(help="Most that this command may spend, US dollars.", min=0.0)
    ] = None
    prices: Annotated[
        Path | None, typer.Option(help="Price file; by default the one that comes along.")
    ] = None
    api_key_env: Annotated[str, typer.Option(help="Environment variable with the key.")] = (
        "OPENAI_API_KEY"
    )
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Dialogue may go to another machine.")
    ] = False
    cache: Annotated[
        Path | None, typer.Option(help="Answer cache; RUN/chat_cache.sqlite by default.")
    ] = None
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Keep no cache.")] = False
    revision: Annotated[str | None, typer.Option(help="Commit of a repository, for --local.")] = (
        None
    )
    device: Annotated[str, typer.Option(help="cpu or cuda, for --local.")] = "cpu"
    offline: Annotated[bool, typer.Option("--offline", help="Fetch no weights, for --local.")] = (
        False
    )

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
        from emodiss.chat.openai import is_loopback

        return self.base_url is not None and not is_loopback(self.base_url)

    @property
    def patience(self) -> Patience:
        """How often and how long to try."""
        from emodiss.interventions import Patience

        return Patience(tries=self.tries, budget_s=self.max_wait)

    def parameters(self, *, temperature: float, max_tokens: int) -> ChatParams:
        """Put decoding parameters together, without those that the endpoint refuses.

        Parameters
        ----------
        temperature, max_tokens
            Their values; the seed is an option of its own.

        Raises
        ------
        SettingsError
            If `omit` names anything else.
        """
        from emodiss.chat.model import ChatParams
        from emodiss.errors import SettingsError, nearest

        left_out = set(self.omit or ())
        if unknown := sorted(left_out - set(_OMITTABLE)):
            raise SettingsError(
                f"'--omit {unknown[0]}' names nothing.", next_step=nearest(unknown[0], _OMITTABLE)
            )
        return ChatParams(
            temperature=None if "temperature" in left_out else temperature,
            seed=None if "seed" in left_out else self.seed,
            max_tokens=None if "max_tokens" in left_out else max_tokens,
        )

    @contextlib.contextmanager
    def ready(self, models: Sequence[str | None], run: Path) -> Generator[Ready]:
        """Make models ready on one bill, with answers kept where there is a cache.

        Parameters
        ----------
        models
            Id, folder or repository of each; a recording of one model needs none.
        run
            Run folder, where the cache is by default. A replay has none.

        Yields
        ------
        Ready
            The models and what they cost.
        """
        from emodiss.chat.cache import Cached
        from emodiss.chat.ledger import Ledger, Metered

        found = Ready({}, Ledger(self.max_cost), {})
        with contextlib.ExitStack() as stack:
            for model in models:
                asked, prices = self._open(model)
                asked = Metered(asked, found.ledger, prices)
                price = prices.get(asked.name)
                found.prices[asked.name] = None if price is None else dataclasses.asdict(price)
                if not self.no_cache and self.replay is None:
                    asked = Cached(asked, self.cache or run / "chat_cache.sqlite")
                    stack.callback(asked.close)
                found.models[asked.name] = asked
            yield found

    def _open(self, model: str | None) -> tuple[ChatModel, Mapping[str, Price]]:
        """Open a model and read the prices by model id."""
        from emodiss.chat.ledger import FREE, read_prices

        asked: ChatModel
        if self.replay is not None:
            from emodiss.chat.replay import Replay

            asked = Replay(self.replay, model)
            return asked, {asked.name: FREE}
        if self.local:
            asked = self._open_local(model or "")
            return asked, {asked.name: FREE}
        from emodiss.chat.openai import OpenAICompatible

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

    def _open_local(self, model: str) -> TransformersChat:
        """Open a model of the catalog, of a folder (`./NAME` where both bear a name), or a hub."""
        from emodiss.chat.transformers import TransformersChat
        from emodiss.errors import SettingsError, nearest
        from emodiss.models import catalog
        from emodiss.settings import Settings

        known = [e.name for e in catalog.CATALOG.values() if e.task == "chat"]
        if model in known:
            if self.revision is not None:
                raise SettingsError(f"--revision is for repositories; '{model}' has one revision.")
            output.say(f"{model}: {catalog.entry_of(model).what}.")
            return catalog.load(model, Settings(), device=self.device)
        if not (self.revision or "/" in model or Path(model).is_dir()):
            raise SettingsError(
                f"There is no language model '{model}' on this machine.",
                next_step=f"{nearest(model, known)} Or give a folder, or a repository with "
                "--revision.",
            )
        return TransformersChat(
            model, revision=self.revision, device=self.device, offline=self.offline
        )

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
            How many requests; 0 for a replay.
        """
        if self.replay is not None:
            return 0
        n = 0
        asked = self._open_local(model) if self.local else None
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
        from emodiss.chat.openai import check_url, request_body

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


@dataclass(frozen=True, slots=True)
class Ready:
    """Models that can be asked.

    Parameters
    ----------
    models
        By name.
    ledger
        Where all their requests are booked.
    prices
        Price of each as plain values, None when it is not known.
    """

    models: dict[str, ChatModel]
    ledger: Ledger
    prices: dict[str, dict[str, Any] | None]


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
