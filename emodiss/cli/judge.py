"""The command that lets language models rate interventions: judge."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from emodiss.cli import chat_options as chats, output, prompting
from emodiss.cli.option_groups import grouped
from emodiss.cli.run_commands import AsCsv, AsJson, Quiet
from emodiss.cli.show_commands import RunFolder

if TYPE_CHECKING:
    import pandas as pd

    from emodiss.chat.model import ChatModel, ChatParams
    from emodiss.interventions import Patience
    from emodiss.judging import Criterion, Steps
    from emodiss.runs.run import Run
    from emodiss.study.judgements import JudgementFile

Own = Annotated[
    list[str] | None,
    typer.Option(
        help="JUDGE=MODEL: this judge is of the family of that model; repeatable. A judge of the "
        "same name is taken for granted."
    ),
]

_PLACEHOLDER = "(the steps that the judge writes)"


@grouped
def judge(
    run: RunFolder,
    model_names: Annotated[
        list[str] | None, typer.Argument(help="Judges, as with --model.", show_default=False)
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="A judge: id at the endpoint; with --local a name, folder or repository; "
            "repeatable."
        ),
    ] = None,
    criterion: Annotated[
        list[str] | None,
        typer.Option(
            help="applicability, empathy, comprehensiveness, or a text file; repeatable. All three "
            "if not given."
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
    own: Own = None,
    max_tokens: Annotated[
        int, typer.Option(help="Longest answer, tokens; models that reason need more.", min=1)
    ] = 16,
    *,
    place: chats.Place,
    redacted: prompting.Redacted,
    preview: chats.Preview = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    quiet: Quiet = False,
) -> None:
    """Let language models rate a run's interventions by G-Eval; scores go to RUN/judgements.csv.

    Judges see the dialogue and the reply, never the model or the condition behind it.
    """
    from emodiss import judging
    from emodiss.errors import SettingsError, nearest
    from emodiss.ratings import CRITERIA
    from emodiss.runs.run import load
    from emodiss.study.judgements import JudgementFile

    judges: list[str | None] = list(dict.fromkeys([*(model_names or ()), *(model or ())]))
    if not judges and place.replay is None:
        raise SettingsError("No judge is named.", next_step="Give --model, once per judge.")
    orders = judging.ORDERS if scale_order == "both" else (scale_order,)
    for name, choices in ((mode, judging.MODES), (fallback, ("sample", "single", "none"))):
        if name not in choices:
            raise SettingsError(f"Unknown: '{name}'.", next_step=nearest(name, choices))
    if not set(orders) <= set(judging.ORDERS):
        choices = (*judging.ORDERS, "both")
        raise SettingsError(f"Unknown: '{scale_order}'.", next_step=nearest(scale_order, choices))
    family = families(own)
    params = place.parameters(temperature=0.0, max_tokens=max_tokens)
    chosen = [judging.criterion(name) for name in criterion or CRITERIA]
    loaded = load(run)
    items = _items(loaded, video, redacted)
    file = JudgementFile(loaded.root)
    given = _steps(steps, file)
    asking: dict[str, Any] = {"mode": mode, "samples": samples, "max_tokens": max_tokens}
    if preview:
        n = 0
        if place.replay is None:
            n = _preview(
                place, cast("list[str]", judges), items, chosen, given, params, orders, asking
            )
        place.say_previewed(n)
        return
    file.read()  # what stands in the way of keeping the scores is said before they are asked for
    with (
        loaded.store.lock(),
        output.progress_bars(quiet=quiet) as progress,
        place.ready(judges or [None], loaded.root) as ready,
    ):
        models = ready.models
        written = _plan(models, chosen, given, params, place.patience)
        if set(written) > set(given):
            judging.write_steps(written, steps or file.steps_path)
        parts: list[pd.DataFrame] = []
        for name, asked in models.items():
            for order in orders:
                label = name if len(orders) == 1 else f"{name}, {order}"
                parts.append(
                    judging.judge(
                        items,
                        asked,
                        steps=written,
                        params=params,
                        criteria=chosen,
                        fallback=None if fallback == "none" else cast("Any", fallback),
                        scale_order=cast("Any", order),
                        concurrency=place.concurrency,
                        patience=place.patience,
                        progress=None
                        if progress is None
                        else lambda done, n, label=label: progress(label, done, n),
                        **asking,
                    )
                )
        table = _together(parts)
        replaced = file.keep(table)
        n_missing = int((table["status"] == "unanswered").sum())
        record = {
            "run": loaded.root.name,
            "judges": list(models),
            "judgements": len(table),
            "unanswered": n_missing,
            "replaced": replaced,
            "errors": table.loc[table["error"] != "", "error"].value_counts().to_dict(),
            **ready.ledger.to_dict(),
            "prices": ready.prices,
        }
        file.write_ledger(record)
    checks, notes = examine(cast("pd.DataFrame", file.read()), list(models), family)
    if as_json:
        record |= {"notes": notes, "file": str(file.path)}
        record |= {name: output.records(frame) for name, frame in checks.items()}
        typer.echo(json.dumps(record, indent=2, ensure_ascii=False))
    elif as_csv:
        typer.echo(table.to_csv(index=False, lineterminator="\n"), nl=False)
    else:
        for name, frame in checks.items():
            typer.echo(_TITLES[name])
            output.show(output.records(frame), columns=[c for c in frame if c in _SHOWN])
    for note in notes:
        output.say(note)
    for name, (code, n) in _troubles(table).items():
        output.say(f"{name}: {n} questions without an answer [{code}]")
    if not (as_json or as_csv):
        typer.echo(
            f"{file.path}: {len(table)} judgements, {n_missing} unanswered, {replaced} replaced; "
            f"{record['requests']} requests, {chats.cost_of(record)}"
        )
    if n_missing:
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


def examine(
    judgements: pd.DataFrame, judges: Sequence[str], own: Mapping[str, Sequence[str]]
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Check judges by what a run holds: missing scores, order, length, self-preference.

    Parameters
    ----------
    judgements
        All of the run; other judges serve as reference.
    judges
        Whom to report on.
    own
        Judge to models of its own family, beside a model of the same name.

    Returns
    -------
    dict, list of str
        Tables by check, and why a check is not there.
    """
    from emodiss import judging

    mine = judgements[judgements["judge"].isin(list(judges))]
    checks = {"missing": judging.unparsable_rates(mine)}
    notes: list[str] = []
    if mine["scale_order"].nunique() > 1:
        checks["order"] = judging.order_check(mine)
    else:
        notes.append("The order of the scale was not checked: judge with --scale-order both.")
    lengths = mine.drop_duplicates("item")[["item", "n_words"]]
    checks["length"] = judging.length_check(mine, lengths.astype({"n_words": "float64"}))
    written = set(judgements["model"])
    family = {name: {*own.get(name, ()), *({name} & written)} for name in judges}
    family = {name: models for name, models in family.items() if models}
    if not family:
        notes.append(
            "Self-preference was not checked: no judge bears the name of a judged model; say whose "
            "family a judge is with --own JUDGE=MODEL."
        )
    elif judgements["judge"].nunique() < 2:
        notes.append(
            "Self-preference was not checked: there is no other judge to compare with. 'emodiss "
            "evaluate' compares with experts."
        )
    else:
        checks["self_preference"] = judging.self_preference(judgements, own=family)
    if judgements.groupby("criterion")["steps_sha256"].nunique().gt(1).any():
        notes.append(
            "The judgements of this run go by different evaluation steps: judges and runs can be "
            "compared only where steps_sha256 is the same."
        )
    return checks, notes


def families(own: Sequence[str] | None) -> dict[str, list[str]]:
    """Read `--own`: judge to the models of its family.

    Parameters
    ----------
    own
        As on the command line.

    Raises
    ------
    SettingsError
        If one is not of the form JUDGE=MODEL.
    """
    from emodiss.errors import SettingsError

    found: dict[str, list[str]] = {}
    for text in own or ():
        name, equals, model = text.partition("=")
        if not (name and equals and model):
            raise SettingsError(f"'--own {text}' is not of the form JUDGE=MODEL.")
        found.setdefault(name, []).append(model)
    return found


def _items(run: Run, video: str | None, redacted: prompting.Redacted) -> pd.DataFrame:
    """Take what can be judged out of a run; what has no response cannot."""
    from emodiss.errors import RunError
    from emodiss.study import Study

    table = Study(run).responses
    if video is not None:
        run.session(video)  # refuses an unknown one
        table = table[table["video"] == video]
    said = table["response"].str.strip() != ""
    if n_empty := int((~said).sum()):
        output.say(f"{n_empty} interventions hold no response and cannot be judged.")
    table = table[said].rename(columns={"transcript": "context"}).reset_index(drop=True)
    if table.empty:
        raise RunError("There is no response to judge.", next_step="See RUN/interventions.jsonl.")
    people = redacted.people()
    return prompting.redact_responses(table, run.utterances, people) if redacted else table


def _steps(path: Path | None, file: JudgementFile) -> dict[str, Steps]:
    from emodiss import judging

    if path is not None and path.exists():
        return judging.read_steps(path)
    if path is None and file.steps_path.exists():
        return judging.read_steps(file.steps_path)
    return {}


def _plan(
    models: Mapping[str, ChatModel],
    criteria: Sequence[Criterion],
    given: Mapping[str, Steps],
    params: ChatParams,
    patience: Patience,
) -> dict[str, Steps]:
    """Let the first judge write the steps that are still missing."""
    from emodiss import judging

    lacking = [each for each in criteria if each.name not in given]
    if not lacking:
        return dict(given)
    first = next(iter(models.values()))
    return {**given, **judging.plan_steps(first, lacking, params=params, patience=patience)}


def _together(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat(parts, ignore_index=True)


def _preview(
    place: chats.Place,
    judges: Sequence[str],
    items: pd.DataFrame,
    criteria: Sequence[Criterion],
    given: Mapping[str, Steps],
    params: ChatParams,
    orders: Sequence[str],
    asking: Mapping[str, Any],
) -> int:
    """Print every request; where steps are still to be written, their place is marked."""
    from emodiss import judging

    lacking = [each for each in criteria if each.name not in given]
    steps = dict(given)
    n = 0
    if lacking:
        texts = [judging.steps_question(each).text for each in lacking]
        n += place.preview(texts, judges[0], judging.steps_params(params), samples=1)
        unwritten = {e.name: judging.Steps(e.name, _PLACEHOLDER, "", "") for e in lacking}
        steps |= unwritten
        output.say(f"Steps are still to be written; they will stand in place of '{_PLACEHOLDER}'.")
    way = judging.mode_params(params, asking["mode"], asking["max_tokens"])
    for name in judges:
        for order in orders:
            asked = judging.questions(items, steps, criteria, scale_order=cast("Any", order))
            samples = asking["samples"] if asking["mode"] == "sample" else 1
            n += place.preview([one.text for one in asked], name, way, samples=samples)
    return n


def _troubles(table: pd.DataFrame) -> dict[str, tuple[str, int]]:
    found = table[table["status"] == "unanswered"].groupby("judge")["error"]
    return {str(name): (", ".join(sorted(set(part))), len(part)) for name, part in found}
