"""The command that lets language models rate interventions: judge."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from emodiss.cli import chat_options as chats, output, prompting
from emodiss.cli.option_groups import grouped
from emodiss.cli.options import AsCsv, AsJson, Quiet, RunFolder
from emodiss.registry import CRITERIA
from emodiss.vocabulary import counted

Own = Annotated[
    list[str] | None,
    typer.Option(
        help="JUDGE=MODEL: this judge is of the family of that model; repeatable. A judge of the "
        "same name is taken for granted."
    ),
]


@grouped
def judge(
    run: RunFolder,
    model_names: chats.Judges = None,
    model: chats.Judge = None,
    criterion: Annotated[
        list[str] | None,
        typer.Option(
            help=f"{', '.join(CRITERIA)}, or a text file; repeatable. All of these if not given."
        ),
    ] = None,
    steps: Annotated[
        Path | None,
        typer.Option(
            help="Evaluation steps; RUN/judge_steps.json by default, written by the first judge."
        ),
    ] = None,
    mode: Annotated[
        str, typer.Option(help="logprob weighs points by probability; sample; single.")
    ] = "logprob",
    fallback: Annotated[
        str, typer.Option(help="Where no probabilities are given: sample, single or none.")
    ] = "sample",
    samples: Annotated[int, typer.Option(help="Answers per score in mode sample.", min=1)] = 20,
    scale_order: Annotated[
        str, typer.Option(help="How the points are listed: ascending, descending or both.")
    ] = "ascending",
    video: prompting.Video = None,
    max_requests: Annotated[
        int | None,
        typer.Option(help="Stop before the first request if more than this may be needed.", min=0),
    ] = None,
    own: Own = None,
    max_tokens: Annotated[
        int, typer.Option(help="Longest answer, tokens; models that reason need more.", min=1)
    ] = 16,
    *,
    place: chats.Answering,
    redacted: prompting.Redacted,
    preview: chats.Preview = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    quiet: Quiet = False,
) -> None:
    """Let language models rate a run's interventions by G-Eval; scores go to RUN/judgements.csv.

    Judges see the dialogue and the reply, never the model or the condition behind it.
    """
    from emodiss import study
    from emodiss.runs.run import load
    from emodiss.study.judge import requests

    models = chats.with_models(place, *(model_names or ()), *(model or ()))
    family = families(own)
    loaded = load(run)
    asked: dict[str, Any] = {
        "criteria": criterion or CRITERIA,
        "steps": steps,
        "mode": mode,
        "fallback": None if fallback == "none" else fallback,
        "samples": samples,
        "scale_order": scale_order,
        "max_tokens": max_tokens,
        "video": video,
        "people": redacted.people(),
        "say": output.say,
    }
    if preview:
        chats.preview(models, requests(loaded, models, **asked))
        return
    with output.progress_bars(quiet=quiet) as progress:
        done = study.judge(
            loaded, models, **asked, max_requests=max_requests, own=family, progress=progress
        )
    record = done.record
    if as_json:
        record = record | {"notes": done.notes, "file": str(done.path)}
        record |= {name: output.records(frame) for name, frame in done.checks.items()}
        output.show_json(record)
    elif as_csv:
        output.tell(done.table.to_csv(index=False, lineterminator="\n"), end="")
    else:
        for name, frame in done.checks.items():
            output.tell(_TITLES[name])
            output.show(output.records(frame), columns=[c for c in frame if c in _SHOWN])
    for note in done.notes:
        output.say(note)
    for name, (code, n) in done.troubles.items():
        output.say(f"{name}: {n} questions without an answer [{code}]")
    if not (as_json or as_csv):
        output.tell(
            f"{done.path}: {counted(len(done.table), 'judgement')}, {record['unanswered']} "
            f"unanswered, {record['replaced']} replaced; {chats.bill_of(record, models)}"
        )
    if record["unanswered"]:
        raise typer.Exit(1)


_TITLES = {
    "missing": "What could not be read or was not answered",
    "order": "Order: scores with the scale listed downwards minus upwards",
    "length": "Length: Spearman correlation of score and words of the response",
    "self_preference": "Self-preference: kinder to its own model than the reference is",
}
_SHOWN = (
    *("judge", "criterion", "n", "n_missing", "rate", "n_answers", "n_unparsable"),
    *("unparsable_rate", "n_fallback", "mass", "difference", "rho", "preference", "low", "high"),
    *("mean_absolute", "n_own", "n_other", "reference", "reason"),
)


def families(own: Sequence[str] | None) -> dict[str, list[str]]:
    """Read `--own`: judge to the models of its family."""
    from emodiss.errors import SettingsError

    found: dict[str, list[str]] = {}
    for text in own or ():
        name, equals, model = text.partition("=")
        if not (name and equals and model):
            raise SettingsError(f"'--own {text}' is not of the form JUDGE=MODEL.")
        found.setdefault(name, []).append(model)
    return found
