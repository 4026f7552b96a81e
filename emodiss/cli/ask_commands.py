"""The command that asks language models: intervene."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from emodiss.cli import output
from emodiss.cli.run_commands import AsJson, Quiet
from emodiss.cli.show_commands import RunFolder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emodiss.interventions.asking import Unanswered
    from emodiss.interventions.redaction import Redaction
    from emodiss.models.chat import ChatModel, ChatParams
    from emodiss.models.chat_ledger import Price
    from emodiss.models.chat_openai import TokenField
    from emodiss.prompts import Prompt
    from emodiss.runs.run import Run

_OMITTABLE = ("temperature", "seed", "max_tokens")


def intervene(
    run: RunFolder,
    model: Annotated[
        str | None, typer.Option(help="Model id at the endpoint, model folder, or repository.")
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="OpenAI-compatible endpoint: http://127.0.0.1:8000/v1.")
    ] = None,
    local: Annotated[
        bool, typer.Option("--local", help="Run --model on this machine with transformers.")
    ] = False,
    replay: Annotated[
        Path | None, typer.Option(help="Take the answers from such a file; ask nobody.")
    ] = None,
    kind: Annotated[
        str, typer.Option(help="base, discrete, continuous, dissonance, all, or a template file.")
    ] = "all",
    video: Annotated[str | None, typer.Option(help="Only this video.")] = None,
    end: Annotated[
        str | None, typer.Option(help="Utterance the window ends on, such as u0007.")
    ] = None,
    window: Annotated[int, typer.Option(help="Utterances in a prompt.", min=1)] = 6,
    every: Annotated[
        bool, typer.Option("--every", help="One window per patient utterance, not only the last.")
    ] = False,
    samples: Annotated[int, typer.Option(help="Answers per prompt.", min=1)] = 1,
    temperature: Annotated[float, typer.Option(help="0 picks the likeliest words.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Sample k is asked with seed + k.")] = 0,
    max_tokens: Annotated[int, typer.Option(help="Longest answer, tokens.", min=1)] = 300,
    omit: Annotated[
        list[str] | None,
        typer.Option(help="Leave out temperature, seed or max_tokens; repeatable."),
    ] = None,
    token_field: Annotated[
        str, typer.Option(help="max_tokens, or max_completion_tokens for newer OpenAI models.")
    ] = "max_tokens",
    stream: Annotated[bool, typer.Option("--stream", help="Take answers in pieces.")] = False,
    concurrency: Annotated[int, typer.Option(help="Requests at once.", min=1)] = 4,
    timeout: Annotated[float, typer.Option(help="Longest time for one answer, s.", min=0.1)] = 60.0,
    tries: Annotated[int, typer.Option(help="Requests per answer, at most.", min=1)] = 6,
    max_wait: Annotated[float, typer.Option(help="Waiting in all, s.", min=0.0)] = 600.0,
    max_cost: Annotated[
        float | None, typer.Option(help="Most that this command may spend, US dollars.", min=0.0)
    ] = None,
    prices: Annotated[
        Path | None, typer.Option(help="Price file; by default the one that comes along.")
    ] = None,
    api_key_env: Annotated[
        str, typer.Option(help="Environment variable with the key.")
    ] = "OPENAI_API_KEY",
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Dialogue may go to another machine.")
    ] = False,
    redact_names: Annotated[
        bool, typer.Option("--redact-names", help="Replace speaker labels' and listed names.")
    ] = False,
    names: Annotated[
        Path | None, typer.Option(help="Names to replace: a person per line, comma between.")
    ] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Print exactly what would be sent, and stop.")
    ] = False,
    cache: Annotated[
        Path | None, typer.Option(help="Answer cache; RUN/chat_cache.sqlite by default.")
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Keep no cache.")] = False,
    revision: Annotated[
        str | None, typer.Option(help="Commit of a repository, for --local.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda, for --local.")] = "cpu",
    offline: Annotated[
        bool, typer.Option("--offline", help="Fetch no weights, for --local.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Ask a language model what a therapist might say; answers go to RUN/interventions.jsonl."""
    from emodiss.interventions.asking import Patience, Unanswered, ask, request_hash
    from emodiss.models.chat import ChatParams
    from emodiss.models.chat_cache import Cached
    from emodiss.models.chat_ledger import FREE, Ledger, Metered, read_prices
    from emodiss.runs.interventions import InterventionFile, totals
    from emodiss.runs.run import load

    _check(base_url=base_url, local=local, replay=replay, model=model, token_field=token_field)
    omitted = set(omit or ())
    if unknown := omitted - set(_OMITTABLE):
        from emodiss.errors import SettingsError, nearest

        name = sorted(unknown)[0]
        raise SettingsError(f"'--omit {name}' names nothing.", next_step=nearest(name, _OMITTABLE))
    params = ChatParams(
        temperature=None if "temperature" in omitted else temperature,
        seed=None if "seed" in omitted else seed,
        max_tokens=None if "max_tokens" in omitted else max_tokens,
    )
    loaded = load(run)
    prompts, redactions = _prompts(
        loaded,
        kind=kind,
        video=video,
        end=end,
        window=window,
        every=every,
        redacted=redact_names,
        names=names,
    )
    if preview and base_url is not None and model is not None:
        _preview(
            prompts,
            model,
            params,
            samples=samples,
            base_url=base_url,
            api_key_env=api_key_env,
            stream=stream,
            token_field=cast("TokenField", token_field),
        )
        return
    asked: ChatModel
    price_list: Mapping[str, Price]
    if replay is not None:
        from emodiss.models.chat_replay import Replay

        asked = Replay(replay, model)
        price_list = {asked.name: FREE}
    elif base_url is not None:
        from emodiss.models.chat_openai import OpenAICompatible, is_loopback

        price_list = read_prices(prices)
        asked = OpenAICompatible(
            model or "",
            base_url=base_url,
            api_key_env=api_key_env,
            allow_remote=allow_remote,
            timeout_s=timeout,
            stream=stream,
            token_field=cast("TokenField", token_field),
        )
        if not is_loopback(base_url):
            output.say(f"Sending dialogue of {loaded.root.name} to another machine: {base_url}")
    else:
        from emodiss.models.chat_transformers import TransformersChat

        asked = TransformersChat(model or "", revision=revision, device=device, offline=offline)
        price_list = {asked.name: FREE}
        if preview:
            for prompt in prompts:
                text = asked.rendered([{"role": "user", "content": prompt.text}])
                typer.echo(json.dumps({"text": text, "params": params.to_dict()}))
            return
    if preview:
        output.say("A replay sends nothing.")
        return
    if samples > 1 and not params.temperature and replay is None:
        output.say("At temperature 0 the samples of a prompt will hardly differ.")
    ledger = Ledger(max_cost)
    asked = Metered(asked, ledger, price_list)
    kept: Cached | None = None
    if not no_cache and replay is None:
        kept = asked = Cached(asked, cache or loaded.root / "chat_cache.sqlite")

    file = InterventionFile(loaded.root)
    unanswered: list[Unanswered] = []
    n_jobs = len(prompts) * samples
    with loaded.store.lock(), output.progress_bars(quiet=quiet) as progress:
        file.mend()
        done = {line["request_sha256"] for line in file.read()}
        wanted = {
            request_hash(prompt, asked, params, sample)
            for prompt in prompts
            for sample in range(samples)
        }
        n_before = len(wanted & done)
        file.keep_prompts(prompt.to_dict() for prompt in prompts)
        answers = ask(
            prompts,
            asked,
            params=params,
            samples=samples,
            concurrency=concurrency,
            patience=Patience(tries=tries, budget_s=max_wait),
            done=done,
        )
        n_new = 0
        try:
            for answer in answers:
                if isinstance(answer, Unanswered):
                    unanswered.append(answer)
                else:
                    line = answer.to_dict()
                    redaction = redactions.get(answer.intervention.video_id)
                    line["redaction"] = redaction.to_dict() if redaction else None
                    file.append(line)
                    n_new += 1
                if progress is not None:
                    progress("answers", n_before + n_new + len(unanswered), n_jobs)
        finally:
            if kept is not None:
                kept.close()
            file.sort(loaded.videos)
            record = {
                "run": str(loaded.root.name),
                "models": totals(file.read()),
                "last_command": {
                    **ledger.to_dict(),
                    "prompts": len(prompts),
                    "samples": samples,
                    "answered_before": n_before,
                    "answered_now": n_new,
                    "not_asked": n_jobs - n_before - n_new - len(unanswered),
                    "unanswered": [one.to_dict() for one in unanswered],
                    "price": _price(price_list, asked.name),
                },
            }
            file.write_ledger(record)
    _report(file.path, record, unanswered, as_json=as_json)


def _check(
    *, base_url: str | None, local: bool, replay: Path | None, model: str | None, token_field: str
) -> None:
    from emodiss.errors import SettingsError, nearest

    if (base_url is not None) + local + (replay is not None) != 1:
        raise SettingsError(
            "It must be said who answers, in one way.",
            next_step="Give --base-url (an endpoint), --local (weights on this machine) or "
            "--replay (recorded answers).",
        )
    if model is None and replay is None:
        raise SettingsError("No model is named.", next_step="Give --model.")
    fields = ("max_tokens", "max_completion_tokens")
    if token_field not in fields:
        raise SettingsError(
            f"'--token-field {token_field}' does not exist.", next_step=nearest(token_field, fields)
        )


def _prompts(
    run: Run,
    *,
    kind: str,
    video: str | None,
    end: str | None,
    window: int,
    every: bool,
    redacted: bool,
    names: Path | None,
) -> tuple[list[Prompt], dict[str, Redaction]]:
    """Render the prompts of all sessions that can be asked about, names replaced where wanted."""
    from emodiss.errors import SettingsError
    from emodiss.interventions.redaction import read_names, redact
    from emodiss.prompts import KINDS, PromptError, build, build_all

    people: list[tuple[str, ...]] = []
    if names is not None:
        if not redacted:
            raise SettingsError("--names does nothing without --redact-names.")
        try:
            people = read_names(names.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as unread:
            raise SettingsError(
                f"The list of names {names.name} cannot be read: {type(unread).__name__}."
            ) from None
    kinds = list(KINDS) if kind == "all" else [kind]
    table = run.session(video) if video else run.utterances
    found: list[Prompt] = []
    redactions: dict[str, Redaction] = {}
    fault: PromptError | None = None
    for name, session in table.groupby("video_id", sort=False):
        if redacted:
            session, redactions[str(name)] = redact(session, people)
        try:
            if end is not None:
                found += [build(session, one, end=end, window=window) for one in kinds]
            else:
                found += build_all(session, kinds, window=window, every=every)
        except PromptError as error:
            fault = error
            output.say(f"{name}: no prompts [{error.code}]: {error.what}")
    if not found:
        raise fault or PromptError(
            f"The run '{run.root.name}' has no utterances.", next_step="See emodiss status."
        )
    return found, redactions


def _preview(
    prompts: list[Prompt],
    model: str,
    params: ChatParams,
    *,
    samples: int,
    base_url: str,
    api_key_env: str,
    stream: bool,
    token_field: TokenField,
) -> None:
    from emodiss.models.chat_openai import check_url, is_loopback, request_body

    url = f"{check_url(base_url)}/chat/completions"
    for prompt in prompts:
        for sample in range(samples):
            one = params
            if params.seed is not None:
                one = dataclasses.replace(params, seed=params.seed + sample)
            body = request_body(
                model,
                [{"role": "user", "content": prompt.text}],
                one,
                stream=stream,
                token_field=token_field,
            )
            request = {
                "url": url,
                "authorization": f"Bearer ${api_key_env}",
                "body": body,
            }
            typer.echo(json.dumps(request, ensure_ascii=False))
    where = "this machine" if is_loopback(url) else "ANOTHER MACHINE"
    output.say(
        f"{len(prompts) * samples} requests would go to {where}; nothing was sent. Beside this, "
        "the openai client sends its version, the operating system and the Python version."
    )


def _price(prices: Mapping[str, Price], name: str) -> dict[str, Any] | None:
    price = prices.get(name)
    return None if price is None else dataclasses.asdict(price)


def _report(
    path: Path, record: dict[str, Any], unanswered: list[Unanswered], *, as_json: bool
) -> None:
    last = record["last_command"]
    for one in unanswered:
        output.say(
            f"{one.video_id}, {one.condition}, sample {one.sample}: no answer "
            f"[{one.error.code}]: {one.error}"
        )
    if as_json:
        typer.echo(json.dumps(record, indent=2, ensure_ascii=False, sort_keys=True))
    else:
        cost = "unknown" if last["cost_usd"] is None else f"{last['cost_usd']:.6f} USD"
        n_not = last["not_asked"] + len(unanswered)
        typer.echo(
            f"{path}: {last['answered_now']} answers new, {last['answered_before']} there before, "
            f"{n_not} without; {last['requests']} requests, cost {cost}"
        )
    if unanswered or last["not_asked"]:
        raise typer.Exit(1)
