"""The command that analyses ratings: evaluate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emodiss.cli import output
from emodiss.cli.judge import Own, families
from emodiss.cli.options import AsJson

if TYPE_CHECKING:
    import pandas as pd


def evaluate(
    run: Annotated[
        Path | None,
        typer.Argument(help="Run folder, or any folder; results go to its folder 'evaluation'."),
    ] = None,
    ratings: Annotated[
        list[Path] | None,
        typer.Option(
            help="CSV of expert ratings, long; or, with --key, filled sheets; repeatable. "
            "RUN/ratings.csv if not given."
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            help="Hidden key of the study, to which sheets are joined; criteria and scale are "
            "read from design.json beside it."
        ),
    ] = None,
    study: Annotated[
        Path | None,
        typer.Option(help="Folder of a study that was rated in the browser: emodiss rate."),
    ] = None,
    judge: Annotated[
        list[Path] | None,
        typer.Option(
            help="CSV of a judge's scores: item, criterion, score, judge; repeatable. "
            "RUN/judgements.csv if not given and if it fits the ratings."
        ),
    ] = None,
    background: Annotated[
        Path | None,
        typer.Option(help="CSV of the raters' background, one row each (Figures 8, 11)."),
    ] = None,
    replies: Annotated[
        Path | None,
        typer.Option(
            help="CSV of replies to one window: model, condition, technique, response. "
            "RUN/interventions.jsonl if not given."
        ),
    ] = None,
    own: Own = None,
    video: Annotated[str | None, typer.Option(help="Video of Figure 7; the first if none.")] = None,
    window: Annotated[
        str | None, typer.Option(help="Window of Figure 7, as u0003-u0008; the last if none.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the results.")] = None,
    base: Annotated[str, typer.Option(help="Condition that others are compared with.")] = "base",
    low: Annotated[float, typer.Option(help="Lowest rating.")] = 1.0,
    high: Annotated[float, typer.Option(help="Highest rating.")] = 5.0,
    step: Annotated[float, typer.Option(help="Step of the scale; 0 for a continuous one.")] = 1.0,
    confidence: Annotated[float, typer.Option(help="Level of all intervals.")] = 0.95,
    resamples: Annotated[int, typer.Option(help="Bootstrap resamples.", min=100)] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    mixed: Annotated[bool, typer.Option(help="Fit the mixed model.")] = True,
    adjust_severity: Annotated[
        bool,
        typer.Option(
            "--adjust-severity", help="Means and gains also with the raters' severity taken out."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Analyse ratings: tables as CSV, and the paper's Figures 5 to 8, 11 and Table 3."""
    from emodiss.ratings import RatingScale
    from emodiss.runs import layout
    from emodiss.runs.run import Run
    from emodiss.study import evaluate as evaluate_ratings

    scale = RatingScale(low, high, step)
    if scale == RatingScale():
        scale = None  # that of the study, if there is one
    found = evaluate_ratings(
        None if run is None else Run(run),
        ratings,
        key=key,
        answered=study,
        judges=judge or (),
        background=background,
        replies=replies,
        own=families(own),
        video=video,
        window=window,
        base=base,
        scale=scale,
        confidence=confidence,
        resamples=resamples,
        seed=seed,
        mixed=mixed,
        adjust_severity=adjust_severity,
    )
    written = found.write(out or (run or Path()) / layout.EVALUATION)
    if as_json:
        content = {
            "notes": found.notes,
            "files": [str(path) for path in written],
            "tables": {name: output.records(frame) for name, frame in sorted(found.tables.items())},
        }
        output.show_json(content)
        return
    for note in found.notes:
        output.say(note)
    _show(found.tables)
    for path in written:
        output.tell(str(path))


def _show(tables: Mapping[str, pd.DataFrame]) -> None:
    """Print what a reader asks first: whether conditions differ, by how much, and the judge."""
    gained = ("criterion", "condition", "gain", "low", "high", "n_base", "n_condition")
    shown = {
        "tests": ("criterion", "test", "name", "statistic", "df", "p_value", "remark"),
        "gains_pooled": gained,
        "gains_pooled_flagged": gained,
        "gains_pooled_adjusted": gained,
        "kappa_groups": ("criterion", "weights", "pairs", "kappa", "low", "high", "n_pairs"),
        "failures": ("windows", "model", "condition", "n_failed", "n", "share", "low", "high"),
        "techniques": ("model", "condition", "technique_group", "n", "share", "low", "high"),
        "table3": ("judge", "criterion", "n", "r", "rho", "tau", "mean_difference"),
        "table3_groups": ("rater_group", "judge", "criterion", "n", "r", "rho", "tau"),
    }
    for name, columns in shown.items():
        frame = tables.get(name)
        if frame is None or frame.empty:
            continue
        frame = _first_answer(name, frame)
        output.say(f"{_TITLES[name]}:")
        output.show(output.records(frame), columns=columns)


_TITLES = {
    "tests": "Do conditions differ",
    "gains_pooled": "Gains over the base condition, all windows",
    "gains_pooled_flagged": "Gains among flagged windows",
    "gains_pooled_adjusted": "Gains with the raters' severity taken out",
    "kappa_groups": "Agreement within and across rater groups",
    "failures": "Answers with any failure",
    "techniques": "The most frequent school of techniques (all are in techniques.csv)",
    "table3": "Judges beside experts",
    "table3_groups": "Judges beside each group of raters",
}


def _first_answer(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Cut a table to what fits on a screen."""
    if name == "tests":
        return frame.assign(p_value=[_shown(p, least=0.001) for p in frame["p_value"]])
    if name == "kappa_groups":
        return frame[frame["group_a"] == "all"]
    if name == "failures":
        return frame[frame["failure"] == "any"]
    if name == "techniques":
        frame = frame[frame["windows"] == "all"].sort_values("share", kind="stable")
        return frame.drop_duplicates(["model", "condition"], keep="last").sort_index()
    return frame


def _shown(value: float, *, least: float = 0.0) -> str:
    if math.isnan(value):
        return ""
    return f"< {least:g}" if value < least else f"{value:.3f}"
