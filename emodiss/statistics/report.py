"""Everything at once: the tables behind Figures 5 and 6, Table 3 and section 5.1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from emodiss.errors import MissingExtra
from emodiss.ratings import notes as design_notes, usable, wide
from emodiss.statistics.alpha import krippendorff_alpha
from emodiss.statistics.bland_altman import bland_altman
from emodiss.statistics.bootstrap import RESAMPLES
from emodiss.statistics.gains import block_means, condition_means, gains
from emodiss.statistics.judges import judge_correlations, judge_pairs
from emodiss.statistics.kappa import intra_rater, pairwise_kappa
from emodiss.statistics.mixed import mixed_model
from emodiss.statistics.ranks import friedman, wilcoxon
from emodiss.statistics.reliability import icc_forms, severity
from emodiss.statistics.variance import anova_oneway, tukey_hsd


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """The tables of one study.

    Parameters
    ----------
    tables
        Name to table: means, gains, gains_pooled, anova, cells, tukey, mixed, friedman,
        wilcoxon, kappa, alpha, icc, severity, severity_groups, intra_rater; with a judge also
        judge and bland_altman. Each has a column criterion where criteria are apart.
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
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
    mixed: bool = True,
) -> Evaluation:
    """Run the whole analysis plan on one ratings table.

    Parameters
    ----------
    table
        Long table of ratings, checked (`ratings.read` or `ratings.check`).
    judge
        Scores of one or several judges, as for `judge_correlations`.
    base
        Condition to compare with.
    confidence
        Level of all intervals.
    resamples, seed
        Of every bootstrap.
    mixed
        Fit the mixed model. Without statsmodels it is left out and a note says so.

    Returns
    -------
    Evaluation
    """
    rows = usable(table, needs=("rater", "item", "video", "model", "condition", "criterion"))
    said = design_notes(table)
    boot: dict[str, Any] = {"confidence": confidence, "resamples": resamples, "seed": seed}
    parts: dict[str, list[pd.DataFrame]] = {}

    def add(name: str, frame: pd.DataFrame, criterion: str) -> None:
        frame = frame.copy()
        frame.insert(0, "criterion", criterion)
        parts.setdefault(name, []).append(frame)

    video = rows.drop_duplicates("item").set_index("item")["video"]
    for criterion, part in rows.groupby("criterion", sort=True):
        name = str(criterion)
        test = anova_oneway(part["value"], part["condition"], confidence=confidence)
        add("anova", test.to_frame(), name)
        add("cells", test.cells(), name)
        pairs = tukey_hsd(part["value"], part["condition"], alpha=1.0 - confidence)
        add("tukey", pairs.to_frame(), name)
        if test.reason:
            said.append(f"ANOVA of {name}: {test.reason}.")
        blocks = block_means(part, name)
        add("friedman", friedman(blocks).to_frame(), name)
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
        spread = wide(part, name)
        of_item = video.loc[spread.index]
        for level in ("nominal", "ordinal", "interval"):
            found = krippendorff_alpha(spread, level, clusters=of_item, **boot)
            fields = list(type(found).__dataclass_fields__)
            row = pd.DataFrame([{field: getattr(found, field) for field in fields}])
            add("alpha", row.rename(columns={"statistic": "alpha"}), name)
        add("icc", icc_forms(spread, confidence=confidence), name)
    tables = {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}
    tables["means"] = condition_means(table, **boot)
    if base in set(rows["condition"]):
        tables["gains"] = gains(table, base=base, **boot)
        tables["gains_pooled"] = gains(table, base=base, by=(), **boot)
    else:
        said.append(f"There are no ratings under the base condition '{base}': no gains.")
    tables["kappa"] = pairwise_kappa(table, **boot)
    tables["severity"] = severity(table, **boot)
    if "rater_group" in rows.columns and rows["rater_group"].notna().any():
        tables["severity_groups"] = severity(table, by="rater_group", **boot)
    tables["intra_rater"] = intra_rater(table, confidence=confidence)
    if judge is not None:
        tables["judge"] = judge_correlations(table, judge, **boot)
        tables["bland_altman"] = _judge_limits(table, judge, boot)
    return Evaluation(tables=tables, notes=tuple(said))


def _judge_limits(table: pd.DataFrame, judge: pd.DataFrame, boot: dict[str, Any]) -> pd.DataFrame:
    rows = []
    for (name, criterion), part in judge_pairs(table, judge).groupby(["judge", "criterion"]):
        found = bland_altman(part["expert"], part["score"], clusters=part["video"], **boot)  # type: ignore[arg-type]
        fields = list(type(found).__dataclass_fields__)
        head = {"judge": name, "criterion": criterion}
        rows.append(head | {field: getattr(found, field) for field in fields})
    return pd.DataFrame(rows)
