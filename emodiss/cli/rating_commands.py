"""Commands about ratings: study, evaluate."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from emodiss.cli import output
from emodiss.cli.judge import Own, families
from emodiss.cli.run_commands import AsJson
from emodiss.cli.show_commands import RunFolder

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from emodiss.ratings import RatingScale


def study(
    run: RunFolder,
    rater: Annotated[list[str], typer.Option(help="Code of a rater, or CODE=GROUP; repeatable.")],
    model: Annotated[
        list[str] | None,
        typer.Option(help="Model whose responses are rated; repeatable. All if not given."),
    ] = None,
    condition: Annotated[
        list[str] | None, typer.Option(help="Condition; repeatable. All if not given.")
    ] = None,
    windows: Annotated[int, typer.Option(help="Windows to draw.", min=1)] = 100,
    max_per_video: Annotated[int, typer.Option(help="Windows of one video.", min=1)] = 1,
    flagged_share: Annotated[
        float | None,
        typer.Option(
            help="Share of windows that hold dissonance; as common if none.", min=0, max=1
        ),
    ] = None,
    raters_per_window: Annotated[
        int | None, typer.Option(help="How many raters see a window; all if none.", min=1)
    ] = None,
    repeats: Annotated[
        float, typer.Option(help="Share of a rater's items shown twice.", min=0, max=0.5)
    ] = 0.05,
    order: Annotated[
        str, typer.Option(help="random, or window: all responses of a window together.")
    ] = "random",
    name: Annotated[str, typer.Option(help="Name of the study.")] = "study",
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="New folder; RUN/study by default.")
    ] = None,
) -> None:
    """Deal a run's interventions out to raters: blind sheets, and the hidden key apart."""
    from emodiss.errors import SettingsError
    from emodiss.ratings import build_study, write_study
    from emodiss.runs.run import load

    loaded = load(run)
    groups = {code: group for code, _, group in (text.partition("=") for text in rater)}
    if len(groups) < len(rater):
        raise SettingsError("A rater is named twice.", next_step="Give each --rater once.")
    source, chosen = _ratable(loaded.responses, {"model": model, "condition": condition})
    made = build_study(
        source,
        models=chosen["model"],
        conditions=chosen["condition"],
        raters=groups,
        n_windows=windows,
        seed=seed,
        repeats=repeats,
        name=name,
        flagged_share=flagged_share,
        max_per_video=max_per_video,
        raters_per_window=raters_per_window,
        order=cast("Any", order),
    )
    paths = write_study(made, out or loaded.root / "study")
    for note in made.notes:
        output.say(note)
    for path in paths:
        typer.echo(str(path))


def _ratable(
    table: pd.DataFrame, asked: Mapping[str, list[str] | None]
) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """Keep one response per model and condition, of windows that have them all."""
    from emodiss.errors import SettingsError, nearest

    chosen: dict[str, list[str]] = {}
    for column, names in asked.items():
        known = list(dict.fromkeys(table[column]))
        if unknown := [one for one in names or () if one not in known]:
            raise SettingsError(
                f"There are no responses of {column} '{unknown[0]}'.",
                next_step=nearest(unknown[0], known),
            )
        chosen[column] = names or known
        table = table[table[column].isin(chosen[column])]
    first = (table["sample"] == 0) & (table["response"].str.strip() != "")
    twice = table[first & table[first].duplicated(["video", "window", "model", "condition"])]
    if len(twice):
        row = twice.iloc[0]
        raise SettingsError(
            f"The run holds {len(twice)} responses beyond one per window, model and condition: "
            f"'{row['model']}' was asked more than once for window {row['window']} of "
            f"'{row['video']}' in condition '{row['condition']}', by other settings or in "
            "another way.",
            next_step="Keep the lines of one way in RUN/interventions.jsonl, or choose other "
            "models or conditions with --model and --condition.",
        )
    n_wanted = len(chosen["model"]) * len(chosen["condition"])
    n_there = first.groupby([table["video"], table["window"]]).transform("sum")
    if n_short := table.loc[n_there < n_wanted, ["video", "window"]].drop_duplicates().shape[0]:
        output.say(f"{n_short} windows lack a response of a model or condition; none is drawn.")
    return table[first & (n_there == n_wanted)], chosen


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
        Path | None, typer.Option(help="Hidden key of the study, to which sheets are joined.")
    ] = None,
    judge: Annotated[
        list[Path] | None,
        typer.Option(
            help="CSV of a judge's scores: item, criterion, score, judge; repeatable. "
            "RUN/judgements.csv if not given and if it fits the ratings."
        ),
    ] = None,
    background: Annotated[
        Path | None, typer.Option(help="CSV of the raters' background, one row each (Figure 11).")
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
    """Analyse ratings: tables as CSV, and the paper's Figures 5, 6, 7, 11 and Table 3."""
    import matplotlib as mpl

    mpl.use("Agg")

    from emodiss import statistics
    from emodiss.errors import SettingsError
    from emodiss.interventions import InterventionError
    from emodiss.plots import ratings as drawings
    from emodiss.plots.figures import save
    from emodiss.ratings import RatingScale, background as count_answers, usable

    if not ratings and run is not None and (run / "ratings.csv").is_file():
        ratings = [run / "ratings.csv"]
    if not ratings:
        raise SettingsError(
            "No ratings were named.", next_step="Name a file: emodiss evaluate --ratings FILE."
        )
    scale = RatingScale(low, high, step)
    table = _ratings(ratings, key, scale)
    if not table["value"].notna().any():
        raise SettingsError(
            "The ratings table has no rating in it: every value is empty.",
            next_step="Check that the sheets were filled in before they were exported.",
        )
    boot: dict[str, Any] = {"confidence": confidence, "resamples": resamples, "seed": seed}
    scores, checks, said = _judges(judge, run, table, scale, families(own), boot)
    answers, unread = _answers(run)
    table = _with_flags(table, answers)
    result = statistics.evaluate(
        table,
        judge=scores,
        base=base,
        mixed=mixed,
        adjust=adjust_severity,
        **boot,
    )
    tables = dict(result.tables) | checks
    notes = [*result.notes, *said, *unread]
    flagged = statistics.flagged_part(usable(table))
    figures: dict[str, Figure] = {
        "figure5": drawings.figure5(
            tables["means"], scale=scale, note=flagged.note if flagged else ""
        ),
        "figure6": drawings.figure6(tables["kappa"]),
    }
    if answers is not None:
        tables["failures"] = statistics.failure_rates(answers, confidence=confidence)
        tables["techniques"] = statistics.technique_shares(answers, confidence=confidence)
        figures["answers"] = drawings.figure_answers(tables["failures"], tables["techniques"])
    texts: dict[str, str] = {}
    if "judge" in tables:
        tables["table3"] = drawings.table3(tables["judge"])
        figures["table3"] = _figure_of(drawings.plot_correlations(tables["judge"]))
    if "judge_groups" in tables:
        tables["table3_groups"] = drawings.table3(tables["judge_groups"])
    if background is not None:
        tables["background"] = count_answers(_plain_csv(background))
        figures["figure11"] = drawings.figure11(tables["background"])
    try:
        said_by, context = _replies(replies, run, video, window)
    except InterventionError as fault:
        if video is not None or window is not None:
            raise
        said_by = context = None
        notes.append(f"There is no Figure 7. {fault}")
    if said_by is not None:
        others = [c for c in dict.fromkeys(said_by.get("condition", [])) if c != base]
        pair = (base, "dissonance" if "dissonance" in others else others[0] if others else base)
        beside: dict[str, Any] = {"conditions": tuple(dict.fromkeys(pair)), "context": context}
        figures["figure7"] = drawings.figure7(said_by, **beside)
        texts["figure7.html"] = drawings.replies_html(said_by, **beside)
    folder = out or (run or Path()) / "evaluation"
    pictures = [folder / "figures" / f"{name}.png" for name in figures]
    _make_folders(folder)
    for figure, path in zip(figures.values(), pictures, strict=True):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            save(figure, path)
        if n := sum("missing from font" in str(warning.message) for warning in caught):
            notes.append(
                f"{path.name} shows {n} characters as boxes, because the font lacks them"
                + ("; figure7.html shows them." if path.stem == "figure7" else ".")
            )
    written = [*_write(folder, tables, texts, notes), *pictures]
    if as_json:
        content = {
            "notes": notes,
            "files": [str(path) for path in written],
            "tables": {name: output.records(frame) for name, frame in sorted(tables.items())},
        }
        typer.echo(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False))
        return
    for note in notes:
        output.say(note)
    _show(tables)
    for path in written:
        typer.echo(str(path))


def _ratings(paths: list[Path], key: Path | None, scale: Any) -> pd.DataFrame:
    import pandas as pd

    from emodiss.ratings import check, merge, read

    if key is not None:
        sheets = {str(path): _plain_csv(path) for path in paths}
        hidden = _plain_csv(key)
        if "repeat" in hidden.columns:
            hidden["repeat"] = pd.to_numeric(hidden["repeat"])
        return merge(sheets, hidden, scale=scale)
    tables = [read(path, scale=scale) for path in paths]
    return (
        tables[0] if len(tables) == 1 else check(pd.concat(tables, ignore_index=True), scale=scale)
    )


def _plain_csv(path: Path) -> pd.DataFrame:
    """Read a CSV of words; an empty cell is missing, and 'None' or 'NA' are words."""
    from emodiss import tabular
    from emodiss.ratings import RatingsError

    found = tabular.read(path, error=RatingsError, what="table", restore=True).frame()
    return found.where(found != "")


def _answers(run: Path | None) -> tuple[pd.DataFrame | None, list[str]]:
    """Read the run's responses, if it has any, or say why they cannot be counted."""
    from emodiss.interventions import InterventionError
    from emodiss.runs.interventions import InterventionFile
    from emodiss.runs.judgements import responses

    if run is None or not InterventionFile(run).path.is_file():
        return None, []
    try:
        return responses(run), []
    except InterventionError as fault:
        return None, [f"Failures and techniques are not counted. {fault}"]


def _with_flags(table: pd.DataFrame, answers: pd.DataFrame | None) -> pd.DataFrame:
    """Say of rated items whether their window is flagged, where only the run knows it."""
    from emodiss import judging

    if "flagged" in table.columns or answers is None:
        return table
    try:
        matched, _ = judging.match_items(answers, table)
    except judging.JudgeError:
        return table
    flags = matched.drop_duplicates("item").set_index("item")["flagged"]
    if not set(table["item"]) <= set(flags.index):
        return table
    return table.assign(flagged=table["item"].map(flags))


def _judges(
    named: list[Path] | None,
    run: Path | None,
    table: pd.DataFrame,
    scale: RatingScale,
    own: Mapping[str, list[str]],
    boot: Mapping[str, Any],
) -> tuple[pd.DataFrame | None, dict[str, pd.DataFrame], list[str]]:
    """Use the judgements that are named, or those of the run if they fit the ratings."""
    from emodiss.errors import EmodissError
    from emodiss.runs.judgements import JudgementFile

    if named:
        return _checked(named, table, scale, own, boot)
    path = None if run is None else JudgementFile(run).path
    if path is None or not path.is_file():
        return None, {}, []
    try:
        return _checked([path], table, scale, own, boot)
    except EmodissError as fault:
        said = f"The run's judgements do not fit these ratings and are left out. {fault}"
        return None, {}, [said]


def _checked(
    paths: list[Path],
    table: pd.DataFrame,
    scale: RatingScale,
    own: Mapping[str, list[str]],
    boot: Mapping[str, Any],
) -> tuple[pd.DataFrame | None, dict[str, pd.DataFrame], list[str]]:
    """Read the judges' scores, one per item, and check the judges against the experts."""
    import pandas as pd

    from emodiss import judging

    read = pd.concat([judging.read_scores(path, scale=scale) for path in paths], ignore_index=True)
    scores, said = judging.match_items(read, table)
    if scores.empty:
        return None, {}, ["The judges scored none of the rated items: there is no Table 3."]
    if "video" not in scores.columns:
        videos = table.drop_duplicates("item").set_index("item")["video"]
        scores = scores.assign(video=scores["item"].map(videos))
    checks = {"judge_missing": judging.unparsable_rates(scores)}
    said += _missing_notes(checks["judge_missing"])
    if "scale_order" in scores.columns and scores["scale_order"].nunique() > 1:
        said.append("The judge's scores are means over both orders of the scale.")
        checks["judge_order"] = judging.order_check(scores, **boot)
    one = judging.average_orders(scores)
    if "n_words" in scores.columns:
        lengths = scores.drop_duplicates("item")[["item", "n_words"]]
        checks["judge_length"] = judging.length_check(one, lengths, ratings=table, **boot)
    written = set(table["model"])
    family = {name: {*own.get(name, ()), *({name} & written)} for name in set(one["judge"])}
    family = {name: models for name, models in sorted(family.items()) if models}
    if family:
        checks["judge_self_preference"] = judging.self_preference(
            one, own=family, ratings=table, **boot
        )
    return one, checks, said


def _replies(
    path: Path | None, run: Path | None, video: str | None, window: str | None
) -> tuple[pd.DataFrame | None, str | None]:
    """Take the replies of Figure 7 from a file or the run, with the dialogue they answer."""
    from emodiss.interventions import one_window
    from emodiss.runs.interventions import InterventionFile
    from emodiss.runs.judgements import responses

    if path is not None:
        return _plain_csv(path), None
    if run is None or not InterventionFile(run).path.is_file():
        return None, None
    found = one_window(responses(run), video=video, window=window)
    return found, str(found["transcript"].iloc[0])


def _missing_notes(rates: pd.DataFrame) -> list[str]:
    said: list[str] = []
    for row in rates.to_dict("records"):
        name, what = row["judge"], row["criterion"]
        if row["n_missing"]:
            said.append(
                f"Judge {name} has no score for {row['n_missing']} of {row['n']} items on {what} "
                f"({row['rate']:.1%}); they are missing, not 0."
            )
        if row.get("n_unparsable"):
            said.append(
                f"{row['n_unparsable']} of {row['n_answers']} answers of judge {name} on {what} "
                f"state no score ({row['unparsable_rate']:.1%})."
            )
        if row.get("n_fallback"):
            said.append(
                f"Judge {name} was read in another mode than asked for on {row['n_fallback']} "
                f"items, {what}."
            )
    return said


def _figure_of(ax: Any) -> Figure:
    return ax.get_figure(root=True)


def _make_folders(folder: Path) -> None:
    from emodiss.errors import SettingsError

    for place in (folder, folder / "figures"):
        try:
            place.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise SettingsError(
                f"'{place}' is a file; a folder was expected.", next_step="Choose another --out."
            ) from None


def _write(
    folder: Path, tables: Mapping[str, pd.DataFrame], texts: Mapping[str, str], notes: list[str]
) -> list[Path]:
    from emodiss.runs.store import write_atomically

    contents = {f"{name}.csv": _csv(frame) for name, frame in sorted(tables.items())}
    contents |= dict(texts) | {"notes.txt": "".join(f"{note}\n" for note in notes)}
    for name, text in contents.items():
        write_atomically(folder / name, text.encode())
    return [folder / name for name in contents]


def _csv(frame: pd.DataFrame) -> str:
    return frame.to_csv(index=False, lineterminator="\n")


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
