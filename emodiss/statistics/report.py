"""Everything at once: the tables behind Figures 5 and 6, Table 3 and section 5.1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from emodiss.errors import MissingExtra
from emodiss.ratings import notes as design_notes, shown_once, usable, wide
from emodiss.statistics.alpha import krippendorff_alpha
from emodiss.statistics.bland_altman import bland_altman
from emodiss.statistics.bootstrap import DEFAULT, Bootstrap, StatisticsError
from emodiss.statistics.gains import block_means, condition_means, gains
from emodiss.statistics.judges import judge_correlations, judge_pairs
from emodiss.statistics.kappa import intra_rater, pairwise_kappa
from emodiss.statistics.mixed import MixedModel, mixed_model
from emodiss.statistics.ranks import Friedman, friedman, wilcoxon
from emodiss.statistics.rater_groups import judge_by_group, kappa_by_group
from emodiss.statistics.reliability import adjust_severity, icc_forms, severity
from emodiss.statistics.variance import Anova, anova_oneway, tukey_hsd
from emodiss.vocabulary import counted

PAPER_ANOVA = "as in the paper; ignores that raters and videos repeat"
"""What must stand beside the paper's test."""


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """The tables of one study.

    Parameters
    ----------
    tables
        Name to table, the test to lead with first: tests, means, gains, gains_pooled, anova,
        cells, tukey, mixed, friedman, wilcoxon, kappa, alpha, icc, severity, intra_rater; with a
        judge also judge and bland_altman; with rater groups also severity_groups, kappa_groups
        and judge_groups; where only some windows are flagged, gains_flagged and
        gains_pooled_flagged; with `adjust`, means, gains, gains_pooled and judge once more, their
        names ending in _adjusted. Each has a column criterion where criteria are apart.
    notes
        What a reader must know first.
    """

    tables: Mapping[str, pd.DataFrame]
    notes: tuple[str, ...]


def evaluate(
    table: pd.DataFrame,
    *,
    judge: pd.DataFrame | None = None,
    base: str = "base",
    bootstrap: Bootstrap = DEFAULT,
    mixed: bool = True,
    adjust: bool = False,
) -> Evaluation:
    """Run the whole analysis plan on one ratings table.

    Parameters
    ----------
    table
        Long table of ratings, checked (`ratings.read` or `ratings.check`). With a column flagged
        (whether the window holds dissonance), gains are also given among flagged windows. Where
        `copied_from` says that a rating is that of another item, which read alike, agreement
        counts it once.
    judge
        Scores of one or several judges, as for `judge_correlations`.
    mixed
        Fit the mixed model. Without statsmodels it is left out and a note says so.
    adjust
        Add tables with the raters' severity taken out (`adjust_severity`).
    """
    rows = usable(table, needs=("rater", "item", "video", "model", "condition", "criterion"))
    said = design_notes(table)
    confidence = bootstrap.confidence
    parts: dict[str, list[pd.DataFrame]] = {}

    def add(name: str, frame: pd.DataFrame, criterion: str) -> None:
        frame = frame.copy()
        frame.insert(0, "criterion", criterion)
        parts.setdefault(name, []).append(frame)

    video = rows.drop_duplicates("item").set_index("item")["video"]
    for criterion, part in rows.groupby("criterion", sort=True):
        name = str(criterion)
        fit: MixedModel | None = None
        test = anova_oneway(part["value"], part["condition"], confidence=confidence)
        add("anova", test.to_frame(), name)
        add("cells", test.cells(), name)
        pairs = tukey_hsd(part["value"], part["condition"], alpha=1.0 - confidence)
        add("tukey", pairs.to_frame(), name)
        if test.reason:
            said.append(f"ANOVA of {name}: {test.reason}.")
        blocks = block_means(part, name)
        ranks = friedman(blocks)
        add("friedman", ranks.to_frame(), name)
        if base in blocks.columns:
            add("wilcoxon", wilcoxon(blocks, reference=base), name)
        if mixed and base in set(part["condition"]):
            try:
                fit = mixed_model(part, name, base=base, confidence=confidence)
            except MissingExtra as error:
                said.append(f"The mixed model was left out. {error}")
                mixed = False
            else:
                add("mixed", fit.to_frame(), name)
                said += [f"Mixed model of {name}: {note}" for note in fit.notes]
                if fit.reason:
                    said.append(f"Mixed model of {name}: {fit.reason}.")
                elif not fit.converged:
                    said.append(f"Mixed model of {name}: the fit did not converge.")
        add("tests", _tests(fit, ranks, test), name)
        spread = wide(shown_once(part), name)
        of_item = video.loc[spread.index]
        for level in ("nominal", "ordinal", "interval"):
            found = krippendorff_alpha(spread, level, clusters=of_item, bootstrap=bootstrap)
            add("alpha", found.to_frame().rename(columns={"statistic": "alpha"}), name)
        add("icc", icc_forms(spread, confidence=confidence), name)
    names = ("tests", *(name for name in parts if name != "tests"))
    tables = {name: pd.concat(parts[name], ignore_index=True) for name in names if name in parts}
    tables |= _means(table, base, judge, bootstrap)
    if base not in set(rows["condition"]):
        said.append(f"There are no ratings under the base condition '{base}': no gains.")
    elif some := flagged_part(rows):
        said.append(some.note)
        if base in set(some.rows["condition"]):
            tables["gains_flagged"] = gains(some.rows, base=base, bootstrap=bootstrap)
            tables["gains_pooled_flagged"] = gains(some.rows, base=base, by=(), bootstrap=bootstrap)
    if adjust:
        try:
            fair = adjust_severity(table)
        except StatisticsError as error:
            said.append(f"Nothing was adjusted for severity. {error}")
        else:
            again = _means(fair, base, judge, bootstrap)
            tables |= {f"{name}_adjusted": frame for name, frame in again.items()}
    seen = shown_once(table)
    tables["kappa"] = pairwise_kappa(seen, bootstrap=bootstrap)
    tables["severity"] = severity(table, bootstrap=bootstrap)
    if "rater_group" in rows.columns and rows["rater_group"].notna().any():
        tables["severity_groups"] = severity(table, by="rater_group", bootstrap=bootstrap)
        if rows["rater_group"].nunique() > 1:
            tables["kappa_groups"] = kappa_by_group(seen, bootstrap=bootstrap)
            if judge is not None and rows["rater_group"].notna().all():
                tables["judge_groups"] = judge_by_group(table, judge, bootstrap=bootstrap)
    tables["intra_rater"] = intra_rater(seen, confidence=confidence)
    if judge is not None:
        tables["bland_altman"] = _judge_limits(table, judge, bootstrap)
    return Evaluation(tables=tables, notes=tuple(said))


@dataclass(frozen=True, slots=True, eq=False)
class FlaggedPart:
    """The ratings of flagged windows."""

    rows: pd.DataFrame
    # How many windows they are of.
    note: str


def flagged_part(rows: pd.DataFrame) -> FlaggedPart | None:
    """Keep the ratings of flagged windows; None unless some windows are flagged and some are not.

    Parameters
    ----------
    rows
        Ratings; `flagged` is read where present, as true or false in words or values.
    """
    if "flagged" not in rows.columns:
        return None
    said = rows["flagged"].astype("str").str.strip().str.casefold()
    flagged = said.isin(("true", "1", "1.0", "yes"))
    if not flagged.any() or flagged.all():
        return None
    window = rows["video"].astype("str")
    if "window" in rows.columns:
        window += "\0" + rows["window"].astype("str")
    return FlaggedPart(
        rows[flagged],
        f"{window[flagged].nunique()} of {window.nunique()} rated windows are flagged. In the "
        "others the default dissonance prompt is the base prompt, which dilutes its gain over all "
        "windows.",
    )


def _means(
    table: pd.DataFrame, base: str, judge: pd.DataFrame | None, bootstrap: Bootstrap
) -> dict[str, pd.DataFrame]:
    """Means, gains where there is a base condition, and the judge beside the means."""
    made = {"means": condition_means(table, bootstrap=bootstrap)}
    if base in set(usable(table)["condition"]):
        made["gains"] = gains(table, base=base, bootstrap=bootstrap)
        made["gains_pooled"] = gains(table, base=base, by=(), bootstrap=bootstrap)
    if judge is not None:
        made["judge"] = judge_correlations(table, judge, bootstrap=bootstrap)
    return made


def _tests(fit: MixedModel | None, ranks: Friedman, paper: Anova) -> pd.DataFrame:
    """Whether conditions differ, by each test; the one that the design asks for comes first."""
    rows: list[dict[str, Any]] = []
    if fit is not None and not fit.reason:
        row = {"test": "mixed model", "name": "Wald chi2", "statistic": fit.statistic}
        row |= {"df": str(fit.df), "p_value": fit.p_value}
        what = "raters fixed, videos and responses random"
        rows.append(row | {"remark": what if fit.converged else f"{what}; did not converge"})
    row = {"test": "Friedman", "name": "chi2", "statistic": ranks.statistic}
    row |= {"df": str(ranks.df), "p_value": ranks.p_value}
    what = f"ranks within {counted(ranks.n, 'video')}"
    rows.append(row | {"remark": f"{what}; {ranks.reason}" if ranks.reason else what})
    row = {"test": "one-way ANOVA", "name": "F", "statistic": paper.statistic}
    row |= {"df": f"{paper.df_between}, {paper.df_within}", "p_value": paper.p_value}
    rows.append(row | {"remark": PAPER_ANOVA})
    return pd.DataFrame(rows)


def _judge_limits(table: pd.DataFrame, judge: pd.DataFrame, bootstrap: Bootstrap) -> pd.DataFrame:
    rows = []
    for (name, criterion), part in judge_pairs(table, judge).groupby(["judge", "criterion"]):
        found = bland_altman(
            part["expert"], part["score"], clusters=part["video"], bootstrap=bootstrap
        )
        rows.append({"judge": name, "criterion": criterion} | asdict(found))
    return pd.DataFrame(rows)
