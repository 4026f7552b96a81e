"""The command that asks a language model who is therapist and who is patient: label-roles."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emodiss.cli import chat_options as chats, output
from emodiss.cli.run_commands import AsCsv, AsJson, Quiet
from emodiss.cli.show_commands import RunFolder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emodiss.runs.run import Run
    from emodiss.transcript import Utterance


def label_roles(
    run: RunFolder,
    model: Annotated[
        str | None, typer.Option(help="Model id at the endpoint, model folder, or repository.")
    ] = None,
    base_url: chats.BaseUrl = None,
    local: chats.Local = False,
    replay: chats.Replay = None,
    video: Annotated[str | None, typer.Option(help="Only this video.")] = None,
    min_confidence: Annotated[
        float, typer.Option(help="A role the model is less sure of is not used.", min=0, max=1)
    ] = 0.8,
    max_words: Annotated[
        int, typer.Option(help="Words of a session that are shown, from its beginning.", min=1)
    ] = 8000,
    max_tokens: Annotated[
        int, typer.Option(help="Longest answer, tokens; models that reason need more.", min=1)
    ] = 600,
    seed: chats.Seed = 0,
    omit: chats.Omit = None,
    token_field: chats.TokenName = "max_tokens",
    stream: chats.Stream = False,
    concurrency: chats.Concurrency = 4,
    timeout: chats.Timeout = 60.0,
    tries: chats.Tries = 6,
    max_wait: chats.MaxWait = 600.0,
    max_cost: chats.MaxCost = None,
    prices: chats.Prices = None,
    api_key_env: chats.ApiKeyEnv = "OPENAI_API_KEY",
    allow_remote: chats.AllowRemote = False,
    preview: chats.Preview = False,
    cache: chats.Cache = None,
    no_cache: chats.NoCache = False,
    revision: chats.Revision = None,
    device: chats.Device = "cpu",
    offline: chats.Offline = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    quiet: Quiet = False,
) -> None:
    """Ask a language model which part each voice plays; quotations are checked, doubt abstains."""
    from emodiss import role_labels
    from emodiss.errors import SettingsError
    from emodiss.interventions.asking import Patience, Unanswered
    from emodiss.models.chat_cache import Cached
    from emodiss.models.chat_ledger import Ledger, Metered
    from emodiss.runs.reviews import ReviewFile
    from emodiss.runs.run import load

    place = chats.Place(
        base_url=base_url,
        local=local,
        replay=replay,
        api_key_env=api_key_env,
        allow_remote=allow_remote,
        timeout=timeout,
        stream=stream,
        token_field=token_field,
        prices=prices,
        revision=revision,
        device=device,
        offline=offline,
    )
    if model is None and replay is None:
        raise SettingsError("No model is named.", next_step="Give --model.")
    params = chats.parameters(omit, temperature=0.0, seed=seed, max_tokens=max_tokens)
    loaded = load(run)
    sessions = _sessions(loaded, video)
    if preview:
        texts = [role_labels.render(talk, max_words=max_words) for talk in sessions.values()]
        n = 0 if replay else place.preview(texts, model or "", params, samples=1)
        place.say_previewed(n)
        return
    asked, price_list = place.open(model)
    ledger = Ledger(max_cost)
    asked = Metered(asked, ledger, price_list)
    kept: Cached | None = None
    if not no_cache and replay is None:
        kept = asked = Cached(asked, cache or loaded.root / "chat_cache.sqlite")
    file = ReviewFile(loaded.root)
    before = file.read_labels()
    rows: list[dict[str, Any]] = []
    unanswered: list[Unanswered] = []
    try:
        with output.progress_bars(quiet=quiet) as progress:
            answers = role_labels.ask(
                sessions,
                asked,
                params=params,
                min_confidence=min_confidence,
                max_words=max_words,
                concurrency=concurrency,
                patience=Patience(tries=tries, budget_s=max_wait),
            )
            for n, answer in enumerate(answers, start=1):
                if isinstance(answer, Unanswered):
                    unanswered.append(answer)
                else:
                    if before.get(answer.video_id) != answer.labels:
                        file.append_label(answer.to_dict())
                    rows += [
                        {"video_id": answer.video_id, **_shown(label.to_dict())}
                        for label in answer.labels
                    ]
                if progress is not None:
                    progress("sessions", n, len(sessions))
    finally:
        if kept is not None:
            kept.close()
    order = {name: place for place, name in enumerate(sessions)}
    rows.sort(key=lambda row: order[row["video_id"]])
    output.show(rows, as_json=as_json, as_csv=as_csv)
    for one in unanswered:
        output.say(f"{one.video_id}: no answer [{one.error.code}]: {one.error}")
    if rows:
        output.say("Run the same 'emodiss annotate' again to bring the roles into the tables.")
    if unanswered or len(rows) == 0:
        raise typer.Exit(1)


def _shown(label: dict[str, Any]) -> dict[str, Any]:
    return {**label, "quotes": json.dumps(label["quotes"], ensure_ascii=False)}


def _sessions(run: Run, video: str | None) -> dict[str, Sequence[Utterance]]:
    """Sessions with text, by id."""
    from emodiss.errors import RunError
    from emodiss.runs.reviewing import Session

    found: dict[str, Sequence[Utterance]] = {}
    for name in [video] if video else run.videos:
        session = Session(run, name)
        try:
            utterances = session.wording.utterances
        except RunError:
            output.say(f"{name}: no transcript yet; see emodiss status.")
            continue
        if any(u.text.strip() for u in utterances):
            found[name] = utterances
        else:
            output.say(f"{name}: nobody transcribed it, so there is nothing to go by.")
    return found
