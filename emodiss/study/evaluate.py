"""Ratings of a study, analysed whole: tables, notes, the paper's figures and Table 3."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from emodiss import interventions, judging, ratings, statistics, tabular
from emodiss.errors import EmodissError, SettingsError
from emodiss.ratings import RatingScale, sums
from emodiss.ratings.handout import DESIGN, Design, read_design
from emodiss.runs import layout
from emodiss.runs.files import write_atomically
from emodiss.runs.run import AnyRun, Run, load
from emodiss.study.answers import browser_answers
from emodiss.study.study import Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Table = pd.DataFrame | str | Path
"""A table, or the CSV that holds it."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What ratings say.

    Parameters
    ----------
    tables
        By name: `means`, `gains`, `tests`, `kappa` and more, as far as there are data for them;
        `emodiss evaluate` writes each as `<name>.csv`.
    notes
        What a reader should know, in sentences: what is missing, what was left out and why.
    flagged
        How many rated windows are flagged, in words; "" where nobody said.
    replies, context, conditions
        Of Figure 7: replies to one window, the dialogue they answer, and the two conditions that
        stand beside each other. None and "" where there is no Figure 7.
    """

    tables: dict[str, pd.DataFrame]
    notes: list[str]
    scale: RatingScale
    flagged: str = ""
    replies: pd.DataFrame | None = None
    context: str | None = None
    conditions: tuple[str, ...] = ()

    def figures(self) -> dict[str, Figure]:
        """Draw Figures 5 to 8 and 11, Table 3 and the answers, as far as there are data."""
        from emodiss.plots.registry import Rated, draw_ratings

        replies = {} if self.replies is None else {"replies": self.replies}
        rated = Rated(self.scale, self.flagged, self.conditions, self.context)
        return draw_ratings({**self.tables, **replies}, rated)

    def write(self, folder: str | Path) -> list[Path]:
        """Write tables as CSV, notes and figures; return the files.

        What a font cannot show in a figure is added to the notes.

        Raises
        ------
        SettingsError
            If the folder is a file.
        """
        from emodiss.plots import ratings as drawings
        from emodiss.plots.registry import save

        folder = Path(folder)
        make_results_folder(folder, option="--out")
        pictures: list[Path] = []
        for name, figure in self.figures().items():
            path = folder / layout.FIGURES / f"{name}.png"
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                save(figure, path)
            pictures.append(path)
            if n := sum("missing from font" in str(warning.message) for warning in caught):
                shown = "; figure7.html shows them." if name == "figure7" else "."
                note = f"{path.name} shows {n} characters as boxes, because the font lacks them"
                if note + shown not in self.notes:
                    self.notes.append(note + shown)
        html: dict[str, str] = {}
        if self.replies is not None:
            html["figure7.html"] = drawings.replies_page(self.replies, context=self.context)
        return [*write_tables(folder, self.tables, self.notes, html), *pictures]


def make_results_folder(folder: Path, *, option: str) -> None:
    """Make a folder for tables and, in it, one for figures; `option` names another."""
    for place in (folder, folder / layout.FIGURES):
        try:
            place.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise SettingsError(
                f"'{place}' is a file; a folder was expected.",
                next_step=f"Choose another {option}.",
            ) from None


def write_tables(
    folder: Path,
    tables: Mapping[str, pd.DataFrame],
    notes: Sequence[str],
    more: Mapping[str, str] | None = None,
) -> list[Path]:
    """Write tables as CSV, then other texts by their names, then the notes; return the files."""
    contents = {
        f"{name}.csv": frame.to_csv(index=False, lineterminator="\n")
        for name, frame in sorted(tables.items())
    }
    contents |= {**(more or {}), "notes.txt": "".join(f"{note}\n" for note in notes)}
    for name, text in contents.items():
        write_atomically(folder / name, text.encode())
    return [folder / name for name in contents]


def evaluate(
    run: AnyRun | None = None,
    rated: Table | Sequence[str | Path] | None = None,
    *,
    key: Table | None = None,
    criteria: Sequence[str] | None = None,
    answered: str | Path | None = None,
    judges: Sequence[Table] = (),
    background: Table | None = None,
    replies: Table | None = None,
    own: Mapping[str, Sequence[str]] | None = None,
    video: str | None = None,
    window: str | None = None,
    base: str = "base",
    scale: RatingScale | None = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    mixed: bool = True,
    adjust_severity: bool = False,
) -> Evaluation:
    """Analyse ratings of responses, with the judges' scores beside them.

    Parameters
    ----------
    run
        The run whose responses were rated; its judgements and responses are used where none are
        given and where they fit. None for ratings from elsewhere.
    rated
        Ratings, long: a table, or CSV files; the run's `ratings.csv` if None. With a key, the
        filled sheets of raters.
    key
        Hidden key of a blind study, to which sheets are joined. Criteria and scale are those of
        the study whose `design.json` lies beside it, where none are given.
    criteria
        Names of the criteria that sheets ask for, or that a long table may name. None: those of
        the study, else the paper's for sheets and any for a long table.
    answered
        Folder of a rating study that was answered in the browser (`emodiss rate`): its ratings,
        scale and questionnaire are used, and the run that it is from where none is given.
    judges
        Scores of judges: item, criterion, score, judge.
    background
        The raters' background, one row each; for Figure 11, and Figure 8 where it has a column
        `country`.
    replies
        Replies to one window for Figure 7: model, condition, technique, response.
    video, window
        Of Figure 7; the first video and its last window if None.
    scale
        Of the ratings; 1 to 5 in steps of 1 if None.
    confidence, resamples, seed
        Level of all intervals; resamples of the bootstrap and its seed.
    adjust_severity
        Whether to give means and gains also with the raters' severity taken out.

    Returns
    -------
    Evaluation
        Draw it with `figures`, keep it with `write`.

    Raises
    ------
    SettingsError
        If there are no ratings.
    RatingsError, JudgeError
        If a table that was named cannot be used.
    """
    from emodiss.plots.ratings import table3

    asked: ratings.Instrument | None = None
    if isinstance(key, str | Path) and (beside := Path(key).with_name(DESIGN.name)).is_file():
        design = read_design(beside)
        _require_ratings(design)
        criteria, scale = criteria or design.criteria, scale or design.scale
    if answered is not None:
        handout = ratings.open_study(answered)
        _require_ratings(handout)
        said = browser_answers(handout)
        if said.ratings.empty:
            raise SettingsError(
                f"No rater has answered an item of the study '{handout.name}' yet.",
                next_step="See how far they are: emodiss rate STUDY, the researcher's page.",
            )
        rated, scale, asked = said.ratings, scale or handout.scale, handout.instrument
        background = said.questionnaire if background is None else background
        run = Run(handout.run) if run is None and handout.run is not None else run
    study = None if run is None else Study(load(run))
    scale = scale or RatingScale()
    table = _ratings(study, rated, key, criteria, scale)
    boot = {"bootstrap": statistics.Bootstrap(confidence, resamples, seed)}
    scores, tables, notes = _judges(study, judges, table, scale, own or {}, boot)
    answers, unread = _answers(study)
    table = _with_flags(table, answers)
    result = statistics.evaluate(
        table, judge=scores, base=base, mixed=mixed, adjust=adjust_severity, **boot
    )
    tables = {**result.tables, **tables}
    notes = [*result.notes, *notes, *unread]
    flagged = statistics.flagged_part(ratings.usable(table))
    if answers is not None:
        tables["failures"] = statistics.failure_rates(answers, confidence=confidence)
        tables["techniques"] = statistics.technique_shares(answers, confidence=confidence)
    for name, source in (("table3", "judge"), ("table3_groups", "judge_groups")):
        if source in tables:
            tables[name] = table3(tables[source])
    if background is not None:
        tables |= _people(words_of(background), asked)
    said_by = context = None
    try:
        said_by, context = _replies(study, replies, video, window)
    except interventions.InterventionError as fault:
        if video is not None or window is not None:
            raise
        notes.append(f"There is no Figure 7. {fault}")
    others = [] if said_by is None else [c for c in said_by.get("condition", []) if c != base]
    beside = "dissonance" if "dissonance" in others else others[0] if others else base
    return Evaluation(
        tables,
        notes,
        scale,
        flagged.note if flagged else "",
        said_by,
        context,
        tuple(dict.fromkeys((base, beside))),
    )


def _require_ratings(study: Design | ratings.Handout) -> None:
    if study.kind == "pairs":
        raise SettingsError(
            f"The study '{study.name}' compares pairs; ratings of single responses were expected.",
            next_step="Export the comparisons: emodiss rate STUDY --export FOLDER.",
        )


def _ratings(
    study: Study | None,
    rated: Table | Sequence[str | Path] | None,
    key: Table | None,
    criteria: Sequence[str] | None,
    scale: RatingScale,
) -> pd.DataFrame:
    if isinstance(rated, pd.DataFrame) and key is None:
        tables = [ratings.check(rated, scale=scale, criteria=criteria)]
    else:
        named: list[Any] = []
        if isinstance(rated, Sequence) and not isinstance(rated, str):
            named = list(rated)
        elif rated is not None:
            named = [rated]
        own = None if study is None else study.root / layout.RATINGS
        if not named and own is not None and own.is_file():
            named = [own]
        if not named:
            raise SettingsError(
                "No ratings were named.", next_step="Name a file: emodiss evaluate --ratings FILE."
            )
        if key is not None:
            if not isinstance(key, pd.DataFrame):
                sums.require_as_written(Path(key).parent, Path(key))
            hidden = words_of(key)
            if "repeat" in hidden.columns:
                hidden["repeat"] = pd.to_numeric(hidden["repeat"])
            asked = tuple(criteria or ratings.CRITERIA)
            sheets = {_name(one, n): words_of(one, asked) for n, one in enumerate(named)}
            tables = [ratings.merge(sheets, hidden, criteria=asked, scale=scale)]
        else:
            tables = [ratings.read(path, scale=scale, criteria=criteria) for path in named]
    joined = pd.concat(tables, ignore_index=True) if len(tables) > 1 else None
    table = tables[0] if joined is None else ratings.check(joined, scale=scale)
    if not table["value"].notna().any():
        raise SettingsError(
            "The ratings table has no rating in it: every value is empty.",
            next_step="See that sheets were filled in, and that not every item was answered with "
            "'cannot be judged'.",
        )
    return table


def _name(sheet: Table, n: int) -> str:
    return f"sheet {n + 1}" if isinstance(sheet, pd.DataFrame) else str(sheet)


def words_of(table: Table, criteria: Sequence[str] = ratings.CRITERIA) -> pd.DataFrame:
    """Read a CSV of words; an empty cell is missing, and 'None' or 'NA' are words."""
    if isinstance(table, pd.DataFrame):
        return table
    known = (*(column.name for column in ratings.COLUMNS), *criteria, *ratings.QUESTIONS)
    read = tabular.read(
        Path(table), error=ratings.RatingsError, what="table", restore=True, known=known
    )
    return read.frame(words=True)


def _people(answers: pd.DataFrame, asked: ratings.Instrument | None) -> dict[str, pd.DataFrame]:
    """Count what raters said of themselves: countries apart, for Figure 8."""
    if asked is None:
        titles, orders = dict(ratings.QUESTIONS), {}
    else:
        titles = {q.name: q.title for q in asked.questions if q.kind != "text"}
        orders = asked.orders()
    found = {name: title for name, title in titles.items() if name in answers.columns}
    tables: dict[str, pd.DataFrame] = {}
    if "country" in answers.columns:
        country = {"country": found.pop("country", "Country")}
        tables["countries"] = ratings.background(answers, questions=country)
    if found or not tables:
        questions = found or None
        tables["background"] = ratings.background(answers, questions=questions, orders=orders)
    return tables


def _answers(study: Study | None) -> tuple[pd.DataFrame | None, list[str]]:
    """Read the run's responses, if it has any, or say why they cannot be counted."""
    if study is None or not study.has_responses:
        return None, []
    try:
        return study.responses, []
    except interventions.InterventionError as fault:
        return None, [f"Failures and techniques are not counted. {fault}"]


def _with_flags(table: pd.DataFrame, answers: pd.DataFrame | None) -> pd.DataFrame:
    """Say of rated items whether their window is flagged, where only the run knows it."""
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


Judged = tuple[pd.DataFrame | None, dict[str, pd.DataFrame], list[str]]
"""Scores, one per item; tables of checks; notes."""


def _judges(
    study: Study | None,
    named: Sequence[Table],
    table: pd.DataFrame,
    scale: RatingScale,
    own: Mapping[str, Sequence[str]],
    boot: Mapping[str, Any],
) -> Judged:
    """Use the judgements that are named, or those of the run if they fit the ratings."""
    if named:
        return _checked(named, table, scale, own, boot)
    path = None if study is None else study.root / layout.JUDGEMENTS
    if path is None or not path.is_file():
        return None, {}, []
    try:
        return _checked([path], table, scale, own, boot)
    except EmodissError as fault:
        said = f"The run's judgements do not fit these ratings and are left out. {fault}"
        return None, {}, [said]


def _checked(
    named: Sequence[Table],
    table: pd.DataFrame,
    scale: RatingScale,
    own: Mapping[str, Sequence[str]],
    boot: Mapping[str, Any],
) -> Judged:
    """Read the judges' scores, one per item, and check the judges against the experts."""
    read = pd.concat(
        [
            one if isinstance(one, pd.DataFrame) else judging.read_scores(Path(one), scale=scale)
            for one in named
        ],
        ignore_index=True,
    )
    scores, said = judging.match_items(read, table)
    if scores.empty:
        return None, {}, ["The judges scored none of the rated items: there is no Table 3."]
    if "video" not in scores.columns:
        videos = table.drop_duplicates("item").set_index("item")["video"]
        scores = scores.assign(video=scores["item"].map(videos))
    judges = sorted(set(scores["judge"]))
    checks, _ = judging.examine(scores, judges, own, ratings=table, **boot)
    said += _missing_notes(checks["missing"])
    if "order" in checks:
        said.append("The judge's scores are means over both orders of the scale.")
    one = judging.average_orders(scores)
    checks = {f"judge_{name}": frame for name, frame in checks.items()}
    return one, checks, said


def _replies(
    study: Study | None, replies: Table | None, video: str | None, window: str | None
) -> tuple[pd.DataFrame | None, str | None]:
    """Take the replies of Figure 7 from a file or the run, with the dialogue they answer."""
    if replies is not None:
        return words_of(replies), None
    if study is None or not study.has_responses:
        return None, None
    found = interventions.one_window(study.responses, video=video, window=window)
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
