"""The command that asks a language model who is therapist and who is patient: label-roles."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emodiss.cli import chat_options as chats, output, prompting
from emodiss.cli.option_groups import grouped
from emodiss.cli.run_commands import AsCsv, AsJson, Quiet
from emodiss.cli.show_commands import RunFolder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from emodiss.interventions import Redaction
    from emodiss.runs.run import Run
    from emodiss.transcript import Utterance


@grouped
def label_roles(
    run: RunFolder,
    model_name: chats.Named = None,
    model: chats.Model = None,
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
    *,
    place: chats.Place,
    redacted: prompting.Redacted,
    preview: chats.Preview = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    quiet: Quiet = False,
) -> None:
    """Ask a language model which part each voice plays; quotations are checked, doubt abstains."""
    from emodiss.interventions import Unanswered
    from emodiss.runs.reviews import ReviewFile
    from emodiss.runs.run import load
    from emodiss.study import label_roles as role_labels

    model = chats.one_model(model_name, model, place)
    params = place.parameters(temperature=0.0, max_tokens=max_tokens)
    loaded = load(run)
    people = redacted.people()
    sessions = _sessions(loaded, video)
    shown, redactions = _redacted(sessions, people) if redacted else (sessions, {})
    if preview:
        texts = [role_labels.render(talk, max_words=max_words) for talk in shown.values()]
        place.say_previewed(place.preview(texts, model or "", params, samples=1))
        return
    file = ReviewFile(loaded.root)
    before = file.read_labels()
    rows: list[dict[str, Any]] = []
    unanswered: list[Unanswered] = []
    with (
        place.ready([model], loaded.root) as ready,
        output.progress_bars(quiet=quiet) as progress,
    ):
        answers = role_labels.ask(
            sessions,
            next(iter(ready.models.values())),
            params=params,
            shown=shown if redacted else None,
            min_confidence=min_confidence,
            max_words=max_words,
            concurrency=place.concurrency,
            patience=place.patience,
        )
        for n, answer in enumerate(answers, start=1):
            if isinstance(answer, Unanswered):
                unanswered.append(answer)
            else:
                if before.get(answer.video_id) != answer.labels:
                    redaction = redactions.get(answer.video_id)
                    line = {"redaction": redaction.to_dict() if redaction else None}
                    file.append_label(answer.to_dict() | line)
                rows += [
                    {"video_id": answer.video_id, **_shown(label.to_dict())}
                    for label in answer.labels
                ]
            if progress is not None:
                progress("sessions", n, len(sessions))
    order = {name: position for position, name in enumerate(sessions)}
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
    from emodiss.study.reviewing import Session

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


def _redacted(
    sessions: Mapping[str, Sequence[Utterance]], people: Iterable[Sequence[str]]
) -> tuple[dict[str, Sequence[Utterance]], dict[str, Redaction]]:
    """Sessions with names replaced, and what was replaced, by id."""
    import pandas as pd

    from emodiss.errors import SettingsError
    from emodiss.interventions import redact

    shown: dict[str, Sequence[Utterance]] = {}
    done: dict[str, Redaction] = {}
    for video, talk in sessions.items():
        columns = {"text": [u.text for u in talk], "speaker": [u.speaker for u in talk]}
        table, done[video] = redact(pd.DataFrame(columns, dtype=object), people)
        if table["speaker"].nunique() < len(set(columns["speaker"])):
            raise SettingsError(
                f"{video}: with names replaced, two voices would bear one label.",
                next_step="List the names of different people on lines of their own.",
            )
        shown[video] = [
            replace(u, text=text, speaker=speaker)
            for u, text, speaker in zip(talk, table["text"], table["speaker"], strict=True)
        ]
    return shown, done
