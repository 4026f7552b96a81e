"""Options of the commands that ask language models, and how they tell what was asked."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, get_args

import typer

from emodiss.chat.endpoint import Endpoint, MaybeEndpoint
from emodiss.cli import output
from emodiss.cli.option_groups import Options
from emodiss.vocabulary import counted

Model = Annotated[
    str | None,
    typer.Option(help="Model id at the endpoint; with --local a name, folder or repository."),
]
Named = Annotated[str | None, typer.Argument(help="The same as --model.", show_default=False)]
Judge = Annotated[
    list[str] | None,
    typer.Option(
        help="A judge: id at the endpoint; with --local a name, folder or repository; repeatable."
    ),
]
Judges = Annotated[
    list[str] | None, typer.Argument(help="Judges, as with --model.", show_default=False)
]
Preview = Annotated[
    bool, typer.Option("--preview", help="Print exactly what would be sent, and stop.")
]
Answering = Annotated[
    Endpoint,
    Options(
        base_url=typer.Option(help="OpenAI-compatible endpoint: http://127.0.0.1:8000/v1."),
        local=typer.Option(
            "--local",
            help="Run the model on this machine: smollm2-135m (a toy), a folder or a repository.",
        ),
        replay=typer.Option(help="Take the answers from such a file; ask nobody."),
        seed=typer.Option(help="Sample k is asked with seed + k."),
        omit=typer.Option(help="Leave out temperature, seed, max_tokens, top_p; repeatable."),
        token_field=typer.Option(
            help="max_tokens, or max_completion_tokens for newer OpenAI models."
        ),
        stream=typer.Option("--stream", help="Take answers in pieces."),
        concurrency=typer.Option(help="Requests at once.", min=1),
        timeout=typer.Option(help="Longest time for one answer, s.", min=0.1),
        tries=typer.Option(help="Requests per answer, at most.", min=1),
        max_wait=typer.Option(help="Waiting in all, s.", min=0.0),
        max_cost=typer.Option(help="Most that this command may spend, US dollars.", min=0.0),
        prices=typer.Option(help="Price file; by default the one that comes along."),
        api_key_env=typer.Option(help="Environment variable with the key."),
        allow_remote=typer.Option("--allow-remote", help="Dialogue may go to another machine."),
        allow_remote_pictures=typer.Option(
            "--allow-remote-pictures", help="Pictures may go there too."
        ),
        cache=typer.Option(help="Answer cache; RUN/chat_cache.sqlite by default."),
        no_cache=typer.Option("--no-cache", help="Keep no cache."),
        revision=typer.Option(help="Commit of a repository, for --local."),
        device=typer.Option(help="cpu or cuda, for --local."),
        offline=typer.Option("--offline", help="Fetch no weights, for --local."),
    ),
]
MaybeAnswering = Annotated[MaybeEndpoint, *get_args(Answering)[1:]]


def with_models(endpoint: Endpoint, *named: str | None) -> Endpoint:
    """Name the models of an endpoint: arguments and options, each once."""
    names = tuple(dict.fromkeys(name for name in named if name is not None))
    return dataclasses.replace(endpoint, models=names)


def preview(endpoint: Endpoint, requests: Iterable[Mapping[str, Any]]) -> None:
    """Print requests, one JSON line each, and say on stderr where they would go."""
    lines = [json.dumps(request, ensure_ascii=False) for request in requests]
    for line in lines:
        output.tell(line)
    if endpoint.replay is not None:
        output.say("A replay sends nothing.")
        return
    where = "ANOTHER MACHINE" if endpoint.is_remote else "this machine"
    also = (
        " Beside this, the openai client sends its version, the operating system and the Python "
        "version."
    )
    also = "" if endpoint.local else also
    output.say(f"{counted(len(lines), 'request')} would go to {where}; nothing was sent.{also}")


def bill_of(bill: Mapping[str, Any], *places: Endpoint) -> str:
    """Say how much was asked and what it cost, and how much of that is not known."""
    asked = counted(bill["requests"], "request")
    if not bill["requests"]:
        return asked  # everything was there
    if bill["cost_usd"] or (bill["cost_usd"] is not None and any(p.is_remote for p in places)):
        return f"{asked}, cost {bill['cost_usd']:.6f} USD"
    if not (bill["known_cost_usd"] or any(place.is_remote for place in places)):
        return asked  # a server on this machine sends no bill
    n = bill["answers_of_unknown_cost"] + bill["failures_of_unknown_cost"]
    return (
        f"{asked}, cost unknown: {bill['known_cost_usd']:.6f} USD and {counted(n, 'request')} "
        "without a known price (give one with --prices)"
    )
