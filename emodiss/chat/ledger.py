"""What asking costs: tokens and money, by dated prices, with a limit that holds.

An unknown price gives an unknown cost, never 0.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from emodiss.chat.model import (
    ChatError,
    ChatModel,
    ChatParams,
    Completion,
    Message,
    Text,
    Usage,
    Wrapped,
    parts,
)
from emodiss.errors import SettingsError
from emodiss.tabular import json_value

_TOKENS_PER_PRICE = 1_000_000
_MESSAGE_OVERHEAD_TOKENS = 32
"""Tokens that a chat template puts around one message; known templates use fewer than 20."""
_PICTURE_TOKENS = 50_000
"""Tokens of one picture at most. The dearest rule known is that of gpt-4o-mini: 2833 and 5667 for
each of up to 8 tiles, 48169 in all."""


@dataclass(frozen=True, slots=True)
class Price:
    """Price of a model, US dollars per million tokens, its date (ISO 8601) and where it stands."""

    input_usd: float
    output_usd: float
    as_of: str
    source: str

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Cost in US dollars of one answer."""
        sent, received = self.input_usd * prompt_tokens, self.output_usd * completion_tokens
        return (sent + received) / _TOKENS_PER_PRICE


FREE = Price(0.0, 0.0, as_of="", source="runs on this machine, no fee")
"""Of weights on this machine and of recordings."""


def read_prices(path: str | Path | None = None) -> dict[str, Price]:
    """Read a price file."""
    name = "chat_prices.json" if path is None else Path(path).name
    try:
        if path is None:
            text = (resources.files("emodiss") / "data" / name).read_text("utf-8")
        else:
            text = Path(path).read_text("utf-8")
        record = json_value(text)
        prices = {
            model: Price(
                float(entry["input"]),
                float(entry["output"]),
                str(entry.get("as_of", record["as_of"])),
                str(entry.get("source", record["source"])),
            )
            for model, entry in record["models"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        raise SettingsError(
            f"The price file {name} cannot be read: {type(fault).__name__} {fault}.",
            next_step='Expected: {"as_of": "2026-11-21", "source": "...", "models": '
            '{"model-id": {"input": 1.0, "output": 2.0}}}, US dollars per million tokens.',
        ) from None
    for model, price in prices.items():
        if not (0 <= price.input_usd < float("inf") and 0 <= price.output_usd < float("inf")):
            raise SettingsError(
                f"The price file {name} gives '{model}' a price that is no amount: "
                f"{price.input_usd}, {price.output_usd}."
            )
    return prices


class Ledger:
    """Requests, tokens and cost of one command, up to a limit; safe to use from several threads."""

    def __init__(self, limit_usd: float | None = None) -> None:
        if limit_usd is not None and not limit_usd >= 0:
            raise SettingsError(f"A cost limit must be at least 0, got {limit_usd}.")
        self.limit_usd = limit_usd
        self._lock = threading.Lock()
        self._held = 0.0
        self._spent = 0.0
        self._lost = 0.0
        self._counts = dict.fromkeys(
            ("requests", "failed_requests", "answers_of_unknown_cost", "failures_of_unknown_cost"),
            0,
        )
        self._tokens = {"prompt_tokens": 0, "completion_tokens": 0, "answers_without_usage": 0}

    def hold(self, worst_usd: float | None) -> float:
        """Set the worst-case cost of a request aside."""
        with self._lock:
            if self.limit_usd is not None:
                if worst_usd is None:
                    raise ChatError(
                        "The cost of a request is unknown, so a cost limit cannot be kept.",
                        next_step="Give a price file with --prices, keep --max-tokens, or drop "
                        "--max-cost.",
                        code="cost_unknown",
                        stops_all=True,
                    )
                if self._spent + self._lost + self._held + worst_usd > self.limit_usd:
                    raise ChatError(
                        f"The next request could pass the cost limit of {self.limit_usd:g} USD: "
                        f"{self._spent:.6f} spent, {self._lost + self._held:.6f} set aside, up to "
                        f"{worst_usd:.6f} more.",
                        next_step="Run the same command with a higher --max-cost to go on; "
                        "nothing is asked twice.",
                        code="cost_limit",
                        stops_all=True,
                    )
            held = worst_usd or 0.0
            self._held += held
            self._counts["requests"] += 1
            return held

    def settle(self, held: float, usage: Usage, cost_usd: float | None) -> None:
        """Book an answer."""
        with self._lock:
            self._held -= held
            if usage.prompt_tokens is None or usage.completion_tokens is None:
                self._tokens["answers_without_usage"] += 1
            self._tokens["prompt_tokens"] += usage.prompt_tokens or 0
            self._tokens["completion_tokens"] += usage.completion_tokens or 0
            if cost_usd is None:
                self._counts["answers_of_unknown_cost"] += 1
                self._lost += held
            else:
                self._spent += cost_usd

    def fail(self, held: float, *, charged: bool) -> None:
        """Book a request without an answer."""
        with self._lock:
            self._held -= held
            self._counts["failed_requests"] += 1
            if charged:
                self._counts["failures_of_unknown_cost"] += 1
                self._lost += held

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `cost_usd` is null when any part of it is unknown."""
        with self._lock:
            unknown = (
                self._counts["answers_of_unknown_cost"] + self._counts["failures_of_unknown_cost"]
            )
            return {
                **self._counts,
                **self._tokens,
                "known_cost_usd": round(self._spent, 9),
                "cost_usd": None if unknown else round(self._spent, 9),
                "limit_usd": self.limit_usd,
            }


class Metered(Wrapped):
    """A model whose requests are booked, at the price of the id asked for or of the one used."""

    def __init__(self, model: ChatModel, ledger: Ledger, prices: Mapping[str, Price]) -> None:
        super().__init__(model)
        self._ledger = ledger
        self._prices = prices

    def worst_usd(self, messages: Sequence[Message], params: ChatParams) -> float | None:
        """Most that one request can cost, in US dollars; None when unknown."""
        price = self._prices.get(self.name)
        if price is None:
            return None
        if price.input_usd == price.output_usd == 0:
            return 0.0
        if params.max_tokens is None:
            return None
        # A token covers at least one byte of text, so the bytes bound the tokens.
        sent = len(messages) * _MESSAGE_OVERHEAD_TOKENS
        for part in (part for message in messages for part in parts(message["content"])):
            sent += len(part.text.encode()) if isinstance(part, Text) else _PICTURE_TOKENS
        return price.cost(sent + _MESSAGE_OVERHEAD_TOKENS, params.max_tokens)

    def generate(
        self, messages: Sequence[Message], params: ChatParams, *, sample: int = 0
    ) -> Completion:
        """Ask the model behind and book tokens and cost."""
        held = self._ledger.hold(self.worst_usd(messages, params))
        try:
            answer = self._model.generate(messages, params, sample=sample)
        except ChatError as error:
            self._ledger.fail(held, charged=error.may_be_charged)
            raise
        except BaseException:
            self._ledger.fail(held, charged=True)
            raise
        cost = self._cost(answer)
        self._ledger.settle(held, answer.usage, cost)
        return dataclasses.replace(answer, cost_usd=cost)

    def _cost(self, answer: Completion) -> float | None:
        price = self._prices.get(self.name) or self._prices.get(answer.model)
        if price is None:
            return None
        if price.input_usd == price.output_usd == 0:
            return 0.0
        sent, received = answer.usage.prompt_tokens, answer.usage.completion_tokens
        return None if sent is None or received is None else price.cost(sent, received)
