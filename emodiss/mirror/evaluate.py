"""An experiment's scores, comparisons and lengths as the tables and figures of the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from emodiss import encounters as sessions, judging, ratings, statistics
from emodiss.errors import SettingsError, nearest
from emodiss.judging.alliance import AS_PRINTED
from emodiss.mirror import layout
from emodiss.mirror.experiment import Experiment
from emodiss.mirror.faces import face_file
from emodiss.mirror.judge import read_scores
from emodiss.mirror.scores import Chosen, chosen_judgements, score_grid
from emodiss.mirror.sets import counselling_sets
from emodiss.statistics import Bootstrap
from emodiss.statistics.paired import laid_out
from emodiss.statistics.win_rates import Ties
from emodiss.study.evaluate import make_results_folder, write_tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PRINTED = {name: judging.COUNSELING[name] for name in judging.COUNSELING if name != "strategy"}
"""Criteria of Table 2; the paper leaves `strategy` out because it follows length."""

LOW_SCORE = 3.0
"""Below it the paper looks at a session (appendix F)."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an experiment says.

    Parameters
    ----------
    tables
        By name, as far as there are data: `table1` to `table6` as the paper lays them out, and
        what is behind them: `scores`, `table2_tests`, `table2_change`, `table3_tests`,
        `table3_change`, `unread`, `lengths`, `length_sessions`, `length_correlation`,
        `failures`, `failure_counts`, `low_scores`, `win_rates`, `win_rate_means`, `side_bias`,
        `pair_agreement`, `bradley_terry`.
    notes
        What a reader should know, in sentences.
    examples
        Pictures without and with stage directions, with the direction in words: Figure 14.
    """

    tables: dict[str, pd.DataFrame]
    notes: list[str]
    examples: tuple[tuple[Path | None, Path | None, str], ...] = ()

    def figures(self) -> dict[str, Figure]:
        """Draw Figures 5, 7, 8 and 14, as far as there are data."""
        from emodiss.plots import mirror as plots

        found: dict[str, Figure] = {}
        if "win_rates" in self.tables:
            titles = {q.name: q.title for q in ratings.pair_form().questions}
            named = titles | {
                name: name for name in self.tables["win_rates"]["criterion"] if name not in titles
            }
            found["figure5"] = plots.figure_pairs(self.tables["win_rates"], titles=named)
        if "length_correlation" in self.tables:
            unit = self.tables["lengths"]["tokenizer"].iloc[0]
            for name, criteria in (("figure7", judging.GENERAL), ("figure8", judging.CBT)):
                titles = {criterion: judging.COUNSELING[criterion] for criterion in criteria}
                found[name] = plots.figure_lengths(
                    self.tables["length_sessions"],
                    self.tables["length_correlation"],
                    titles=titles,
                    unit="words" if unit == "words" else f"tokens ({unit})",
                )
        if self.examples:
            found["figure14"] = plots.with_and_without(self.examples)
        return found

    def write(self, folder: str | Path, *, figures: bool = True) -> list[Path]:
        """Write tables as CSV, notes and figures; return the files.

        Raises
        ------
        SettingsError
            If the folder is a file.
        """
        from emodiss.plots.registry import save

        folder = Path(folder)
        make_results_folder(folder, option="--to")
        paths = write_tables(folder, self.tables, self.notes)
        for name, figure in self.figures().items() if figures else ():
            paths.append(folder / layout.FIGURES / f"{name}.png")
            save(figure, paths[-1])
        return paths


def evaluate(
    experiment: Experiment,
    *,
    reference: str | None = None,
    judge: str | None = None,
    wording: Sequence[str] = (),
    directions: bool | None = None,
    items: str | Path | None = None,
    parse_failure: Literal["missing", "zero"] = "missing",
    comparisons: pd.DataFrame | str | Path | None = None,
    ties: Ties = "half",
    tokenizer: str | Path = "words",
    bootstrap: Bootstrap | None = None,
) -> Evaluation:
    """Compute the paper's tables from what lies in an experiment.

    Parameters
    ----------
    experiment
        With sessions; judgements, comparisons and pictures as far as there are any.
    reference
        Therapist that the others are compared with; the only one with planning and captioning
        (`p+ec`) if None.
    judge, wording, directions
        Which judgements count where several judges were asked, or one in several ways. Own wording
        if nothing is said.
    items
        File of items that the Working Alliance Inventory was asked with.
    parse_failure
        `zero` counts answers of CounselingEval that state no score as 0, as CACTUS does.
    comparisons
        Table of comparisons or its CSV; `pair_ratings.csv` of the experiment if None.
    ties
        As in `statistics.win_rates`.
    tokenizer
        What replies are measured by, as in `encounters.lengths`.

    Raises
    ------
    RunError
        If there are no sessions.
    SettingsError
        If the reference, the judge or the wording does not exist, or must be named.
    """
    if parse_failure not in ("missing", "zero"):
        raise SettingsError(
            f"Unknown: '{parse_failure}'.", next_step=nearest(parse_failure, ("missing", "zero"))
        )
    boot = bootstrap or Bootstrap()
    every = experiment.need(experiment.encounters, "simulate")
    compared = _reference(every, reference)
    notes: list[str] = []
    tables: dict[str, pd.DataFrame] = {"table1": counselling_sets(experiment)}
    lengths = sessions.lengths(every, tokenizer)
    tables["lengths"] = lengths
    notes += _limits(every)
    tables["failures"] = sessions.failures(every)
    tables["failure_counts"] = sessions.failure_counts(every)
    judged = read_scores(experiment)
    if judged.empty:
        notes.append("Nothing was judged yet: no Tables 2 and 3.")
    else:
        chosen = chosen_judgements(judged, judge=judge, wording=wording, directions=directions)
        grid = score_grid(every, chosen.table, items=items, zero=parse_failure == "zero")
        tables["scores"] = grid
        notes += _about(chosen, grid, zero=parse_failure == "zero")
        tables |= _scored(every, grid, compared, lengths, tokenizer, boot)
        tables["unread"] = _unread(chosen.table)
    told = _comparisons(experiment, comparisons)
    if told is None:
        notes.append("No pairs were compared by people yet: no Tables 4 to 6, no Figure 5.")
    else:
        tables |= _paired(told, list(dict.fromkeys(each.therapist for each in every)), ties, boot)
        words = {"half": "half a win for each", "drop": "left out", "three_way": "a third outcome"}
        notes.append(
            f"A tie is {words[ties]} in Tables 4 to 6; the paper does not say what it did."
        )
    return Evaluation(tables, notes, tuple(_examples(experiment)))


def _reference(every: Sequence[sessions.Encounter], reference: str | None) -> str:
    names = list(dict.fromkeys(each.therapist for each in every))
    if reference is not None:
        if reference not in names:
            raise SettingsError(
                f"There is no therapist '{reference}'.", next_step=nearest(reference, names)
            )
        return reference
    best = list(dict.fromkeys(each.therapist for each in every if each.variant == "p+ec"))
    found = names if len(names) == 1 else best
    if len(found) != 1:
        raise SettingsError(
            f"{len(best) or 'No'} therapists plan and caption (p+ec); one was expected.",
            next_step=f"Give --reference. Choices: {', '.join(names)}.",
        )
    return found[0]


def _scored(
    every: Sequence[sessions.Encounter],
    grid: pd.DataFrame,
    reference: str,
    lengths: pd.DataFrame,
    tokenizer: str | Path,
    bootstrap: Bootstrap,
) -> dict[str, pd.DataFrame]:
    """Compute Tables 2 and 3, what is behind them, and the correlation with length."""
    tables: dict[str, pd.DataFrame] = {}
    for name, titles in (("table2", PRINTED), ("table3", dict(judging.DIMENSIONS))):
        part = grid[grid["criterion"].isin(list(titles))]
        if part.empty:
            continue
        shown = {key: titles[key] for key in titles if key in set(part["criterion"])}
        tests = statistics.paired(part, reference=reference, confidence=bootstrap.confidence)
        change = statistics.resistance_change(part, bootstrap=bootstrap)
        tables[name] = laid_out(
            statistics.score_means(part), tests, change, reference=reference, titles=shown
        )
        tables |= {f"{name}_tests": tests, f"{name}_change": change}
    if "table2" in tables:
        size = lengths.set_index("model")
        for column, title in (("mean", "Avg."), ("max", "Max")):
            sizes = tables["table2"]["Model"].map(size[column])
            tables["table2"][f"Response Length {title}"] = sizes.round(2)
    low = grid[grid["score"] < LOW_SCORE]
    tables["low_scores"] = low.drop(columns="reason").reset_index(drop=True)
    counselling = grid[grid["criterion"].isin(list(judging.COUNSELING))]
    if not counselling.empty:
        sizes = sessions.reply_lengths(every, tokenizer)[["item", "arm", "length"]]
        arms = {each.therapist: each.arm for each in every}
        table = counselling.merge(sizes[["item", "length"]], on="item", how="left")
        table["arm"] = table["model"].map(arms)
        tables["length_sessions"] = table.drop(columns="reason")
        tables["length_correlation"] = statistics.length_correlation(table, bootstrap=bootstrap)
    return tables


def _paired(
    table: pd.DataFrame, order: Sequence[str], ties: Ties, bootstrap: Bootstrap
) -> dict[str, pd.DataFrame]:
    """Compute Tables 4 to 6 and what is behind them."""
    seen = {*table["model_a"].astype("str"), *table["model_b"].astype("str")}
    models = [name for name in order if name in seen] + sorted(seen - set(order))
    rates = statistics.win_rates(table, ties=ties, models=models, bootstrap=bootstrap)
    tables = {
        "win_rates": rates.pairs,
        "win_rate_means": rates.means,
        "side_bias": statistics.side_bias(table, bootstrap=bootstrap),
        "pair_agreement": statistics.pair_agreement(table, bootstrap=bootstrap),
        "bradley_terry": statistics.bradley_terry(table),
    }
    asked = set(table["criterion"].astype("str"))
    for number, criterion in enumerate(ratings.pair_form().criteria, start=4):
        if criterion in asked:
            matrix = rates.matrix(criterion).round(2)
            tables[f"table{number}"] = matrix.rename_axis("Model").reset_index()
    return tables


def _comparisons(
    experiment: Experiment, given: pd.DataFrame | str | Path | None
) -> pd.DataFrame | None:
    if isinstance(given, pd.DataFrame):
        return ratings.check_pairs(given)
    path = experiment.root / layout.PAIR_RATINGS if given is None else Path(given)
    return ratings.read_pairs(path) if given is not None or path.exists() else None


def _limits(every: Sequence[sessions.Encounter]) -> list[str]:
    """Warn where therapists were allowed replies of different length."""
    limits: dict[str, set[str]] = {}
    for each in every:
        stated = each.settings.get("therapist", {})
        limit = str(stated.get("max_tokens") or "unknown")
        limits.setdefault(limit, set()).add(each.therapist)
    if len(limits) < 2:
        return []
    said = "; ".join(f"{limit}: {', '.join(sorted(who))}" for limit, who in sorted(limits.items()))
    return [f"Replies had different limits, so that lengths cannot be compared (tokens, {said})."]


def _about(chosen: Chosen, grid: pd.DataFrame, *, zero: bool) -> list[str]:
    notes = [
        f"{instrument}: judged by '{way[0]}', wording '{way[1]}'"
        + (", stage directions shown." if way[2] else ".")
        for instrument, way in chosen.ways.items()
    ]
    if chosen.ways.get("alliance", ("", ""))[1] == AS_PRINTED:
        notes.append(
            "The alliance was asked as printed: short sessions count against the counselor, and "
            "items 1 and 3 of Goal run the other way, so that Goal stays near the middle."
        )
    missing = grid[grid["score"].isna()]
    if len(missing):
        why = missing.drop_duplicates(["item", "criterion"])["reason"].value_counts().sort_index()
        said = ", ".join(f"{n} {reason}" for reason, n in why.items())
        notes.append(
            f"{len(missing)} of {len(grid)} scores are missing ({said}); none counts as 0."
        )
    if zero:
        notes.append(
            "Answers of CounselingEval without a readable score count as 0, as in CACTUS: means "
            "are lower for it."
        )
    return notes


def _unread(table: pd.DataFrame) -> pd.DataFrame:
    """Count the answers that state no score."""
    grouped = table.groupby(["judge", "instrument", "criterion"], sort=False)["status"]
    found = grouped.agg(n="size", n_unparsable=lambda seen: int((seen == "unparsable").sum()))
    return found.assign(rate=found["n_unparsable"] / found["n"]).reset_index()


def _examples(experiment: Experiment, most: int = 4) -> list[tuple[Path | None, Path | None, str]]:
    """Find lines with a picture of each kind, spread over the cases."""
    drawn = {
        (each.case_id, each.line): experiment.root / each.path
        for each in face_file(experiment).read()
        if each.status == "drawn" and each.path
    }
    found: dict[str, tuple[Path | None, Path | None, str]] = {}
    said: Mapping[tuple[str, int], str] = {}
    if drawn:
        plays = experiment.screenplays.read()
        said = {
            (play.case.id, line.index): ", ".join(line.directions)
            for play in plays
            for line in play.lines
        }
    for each in face_file(experiment, without_directions=True).read():
        key = (each.case_id, each.line)
        if each.status == "drawn" and each.path and said.get(key) and key in drawn:
            plain = experiment.root / each.path
            found.setdefault(key[0], (plain, drawn[key], f"[{said[key]}]"))
    return list(found.values())[:most]
