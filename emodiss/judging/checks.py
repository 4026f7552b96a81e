"""Whether a judge can be trusted: what it could not answer, and three known biases.

Judges are swayed by the order in which choices are listed, by length, and by their own style
(Zheng et al. 2023, section 3.3). Each check puts a number with an interval on one of these;
intervals come from the cluster bootstrap over videos, or over items where no video is named.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emodiss import tabular
from emodiss.errors import as_path
from emodiss.interventions.techniques import count_words
from emodiss.judging.criteria import JudgeError
from emodiss.ratings import LIKERT, RatingScale, RatingsError, item_means
from emodiss.registry import CRITERIA
from emodiss.spelling import as_known, spellings
from emodiss.statistics.bootstrap import (
    DEFAULT,
    ONE_VIDEO,
    TOO_FEW,
    Bootstrap,
    cluster_sums,
    codes_of,
    mean_limits,
)
from emodiss.statistics.correlation import correlation
from emodiss.tabular import Misfit, a_table

SCORE_COLUMNS = {
    "item": "code of what was judged (required)",
    "criterion": "by what (required)",
    "judge": "name of the judge; `judge` where absent",
    "score": "the score, or nothing (column required)",
    "scale_order": "order in which the points were listed, where a judge was asked in both",
}
"""Columns of a table of scores from elsewhere, and their meaning; further ones are kept."""

_KEYS = ["judge", "criterion", "item"]


def _needs(table: pd.DataFrame, *columns: str) -> None:
    table = a_table(table, "judgements")
    absent = [name for name in columns if name not in table.columns]
    if absent:
        raise JudgeError(
            f"The judgements lack the column(s) {', '.join(absent)}; "
            f"they have {', '.join(map(str, table.columns)) or 'none'}."
        )


def _clusters(table: pd.DataFrame) -> pd.Series:
    return table["video"] if "video" in table.columns else table["item"]


def read_scores(path: str | Path, *, scale: RatingScale = LIKERT) -> pd.DataFrame:
    """Read judgements from a CSV file, or say everything that is wrong with it.

    Parameters
    ----------
    path
        Columns item, criterion and score; judge, and those of `COLUMNS`, are optional. An empty
        score is missing. Any number from one end of the scale to the other is allowed: weighed
        and averaged scores lie between its points.

    Returns
    -------
    DataFrame
        The columns of the file; score is float64, judge is filled with "judge" where absent.

    Raises
    ------
    RatingsError
        If the file cannot be read, lacks columns, or has bad or double rows; each is listed.
    """
    path = as_path(path, "a table of scores")
    if not path.exists():
        raise RatingsError(f"There is no file of judgements at '{path}'.")
    found = tabular.read(
        path, error=RatingsError, what="table of judgements", known=(*_KEYS, "score")
    )
    needed = ("item", "criterion", "score")
    tabular.require_columns(found, needed, error=RatingsError, what="table of judgements")
    table = found.frame()
    lines = [int(line) for line in table.index]
    table = table.reset_index(drop=True)
    if "judge" not in table.columns:
        table["judge"] = "judge"
    score = tabular.Column("score", "number", "what the judge gave", scale.low, scale.high)
    number, bad = score.typed(tabular.cells_of(table["score"]))
    said, items = table["score"].tolist(), table["item"].tolist()
    misfits = [
        Misfit(lines[k], "score", str(said[k]), f"{score.expected}, or nothing")
        for k in bad[: tabular.MOST_FAULTS]
    ]
    for name in ("item", "criterion", "judge"):
        empty = table.index[table[name].str.strip() == ""][: tabular.MOST_FAULTS]
        misfits += [Misfit(lines[int(k)], name, "", "a name") for k in empty]
    known = spellings(CRITERIA)
    table["criterion"] = [as_known(name, known) for name in table["criterion"]]
    misfits += tabular.spelled_twice(table, (["criterion"], ["judge"]), lines)
    keys = [*_KEYS, *(["scale_order"] if "scale_order" in table.columns else [])]
    misfits += [
        Misfit(lines[int(k)], "item", str(items[k]), "one score per judge and criterion")
        for k in table.index[table.duplicated(keys)][: tabular.MOST_FAULTS]
    ]
    tabular.refuse(misfits, f"'{path.name}'", error=RatingsError)
    table["score"] = score.series(number)
    for name in ("n_answers", "n_unparsable", "mass", "spread", "latency_s"):
        if name in table.columns:
            table[name] = pd.to_numeric(table[name], errors="coerce")
    return table


def unparsable_rates(judgements: pd.DataFrame) -> pd.DataFrame:
    """Count what a judge did not answer.

    Parameters
    ----------
    judgements
        From `judge` or `read_scores`.

    Returns
    -------
    DataFrame
        One row per judge and criterion: n (items), n_missing and rate (items without a score);
        where the table tells, also n_answers, n_unparsable and unparsable_rate (single answers
        that state no score), n_unanswered, n_fallback (items judged in another mode than asked)
        and mass (mean probability of the scale's points).
    """
    _needs(judgements, *_KEYS, "score")
    out: list[dict[str, Any]] = []
    for (name, criterion), part in judgements.groupby(["judge", "criterion"], sort=True):
        missing = int(part["score"].isna().sum())
        row: dict[str, Any] = {"judge": name, "criterion": criterion, "n": len(part)}
        row |= {"n_missing": missing, "rate": missing / len(part)}
        if {"n_answers", "n_unparsable"} <= set(part.columns):
            answers, bad = float(part["n_answers"].sum()), float(part["n_unparsable"].sum())
            row |= {"n_answers": int(answers), "n_unparsable": int(bad)}
            row["unparsable_rate"] = bad / answers if answers else np.nan
        if "status" in part.columns:
            row["n_unanswered"] = int((part["status"] == "unanswered").sum())
        if {"mode", "asked_mode"} <= set(part.columns):
            row["n_fallback"] = int((part["mode"] != part["asked_mode"]).sum())
        if "mass" in part.columns:
            row["mass"] = float(part["mass"].mean())
        out.append(row)
    return pd.DataFrame(out)


def average_orders(judgements: pd.DataFrame) -> pd.DataFrame:
    """Average the scores of both orders of the scale, so that each item has one.

    Parameters
    ----------
    judgements
        From `judge`, once per order.

    Returns
    -------
    DataFrame
        Columns judge, criterion, item, score and, where present, video, model, condition. A score
        is missing unless all orders in which that judge was asked about the item gave one.
    """
    _needs(judgements, *_KEYS, "score")
    kept = [c for c in ("video", "model", "condition") if c in judgements.columns]
    grouped = judgements.groupby(_KEYS, sort=True)
    scores = grouped["score"].mean().where(grouped["score"].count() == grouped.size())
    facts = grouped[kept].first() if kept else pd.DataFrame(index=scores.index)
    return facts.assign(score=scores).reset_index()


def order_check(
    judgements: pd.DataFrame,
    *,
    bootstrap: Bootstrap = DEFAULT,
) -> pd.DataFrame:
    """Compare scores of the same items with the scale listed upwards and downwards.

    Parameters
    ----------
    judgements
        From `judge`, once with each `scale_order`.

    Returns
    -------
    DataFrame
        One row per judge and criterion: difference (descending minus ascending) with low and
        high, mean_absolute difference, n (items with both scores), reason.
    """
    _needs(judgements, *_KEYS, "score", "scale_order")
    out: list[dict[str, Any]] = []
    for (name, criterion), part in judgements.groupby(["judge", "criterion"], sort=True):
        both = part.pivot(index="item", columns="scale_order", values="score")
        both = both.reindex(columns=["ascending", "descending"]).dropna()
        cluster = part.assign(c=_clusters(part)).drop_duplicates("item").set_index("item")["c"]
        change = (both["descending"] - both["ascending"]).to_numpy(dtype=np.float64)
        row: dict[str, Any] = {"judge": name, "criterion": criterion, "difference": np.nan}
        row |= {"low": np.nan, "high": np.nan, "mean_absolute": np.nan, "n": len(both)}
        row["reason"] = "" if len(both) else "no item was judged in both orders"
        if len(both):
            low, high = mean_limits(change, cluster.loc[both.index], bootstrap)
            row |= {"difference": float(change.mean()), "low": low, "high": high}
            row["mean_absolute"] = float(np.abs(change).mean())
            if np.isnan(low):
                row["reason"] = ONE_VIDEO if cluster.loc[both.index].nunique() < 2 else TOO_FEW
        out.append(row)
    return pd.DataFrame(out)


def length_check(
    judgements: pd.DataFrame,
    items: pd.DataFrame,
    *,
    ratings: pd.DataFrame | None = None,
    bootstrap: Bootstrap = DEFAULT,
) -> pd.DataFrame:
    """Correlate scores with the length of the response (Spearman).

    Long answers may be better; so the experts' own correlation with length on the same items
    stands beside the judge's where ratings are given.

    Parameters
    ----------
    judgements
        One score per judge, criterion and item.
    items
        item and n_words, or item and response.

    Returns
    -------
    DataFrame
        One row per judge and criterion: rho, low, high, n, reason, and with ratings expert_rho,
        expert_low, expert_high, expert_n.
    """
    _needs(judgements, *_KEYS, "score")
    if "n_words" in items.columns:
        words = items.set_index("item")["n_words"].astype("float64")
    elif "response" in items.columns:
        words = items.set_index("item")["response"].map(lambda text: float(count_words(str(text))))
    else:
        raise JudgeError("The items have neither n_words nor response: their length is not known.")
    words.index = words.index.astype("str")
    table = average_orders(judgements)
    table["words"] = table["item"].astype("str").map(words)
    experts = None
    if ratings is not None:
        experts = item_means(ratings).set_index(["item", "criterion"])["mean"]
    out: list[dict[str, Any]] = []
    for (name, criterion), part in table.groupby(["judge", "criterion"], sort=True):
        where = _clusters(part)
        found = correlation(
            part["words"], part["score"], "spearman", clusters=where, bootstrap=bootstrap
        )
        row: dict[str, Any] = {"judge": name, "criterion": criterion, "rho": found.statistic}
        reason = found.reason.replace("x is", "lengths are").replace("y is", "scores are")
        row |= {"low": found.low, "high": found.high, "n": found.n, "reason": reason}
        if experts is not None:
            said = experts.reindex(pd.MultiIndex.from_frame(part[["item", "criterion"]]))
            # The same items as the judge's: those with a score.
            mean = said.to_numpy(dtype=np.float64).copy()
            mean[part["score"].isna().to_numpy()] = np.nan
            human = correlation(
                part["words"], mean, "spearman", clusters=where, bootstrap=bootstrap
            )
            row |= {"expert_rho": human.statistic, "expert_low": human.low}
            row |= {"expert_high": human.high, "expert_n": human.n}
        out.append(row)
    return pd.DataFrame(out)


def self_preference(
    judgements: pd.DataFrame,
    *,
    own: Mapping[str, Collection[str]],
    ratings: pd.DataFrame | None = None,
    bootstrap: Bootstrap = DEFAULT,
) -> pd.DataFrame:
    """Ask whether a judge is kinder to responses of its own model than others are.

    The number is (judge minus reference) on own responses less the same on all others, so that
    neither a generous judge nor a good model counts as self-preference. The reference is the
    experts' mean where ratings are given, else the mean of the other judges.

    Parameters
    ----------
    judgements
        With the column model (who wrote the response) unless ratings are given.
    own
        Judge to the models that are its own; judges not named are left out.

    Returns
    -------
    DataFrame
        One row per judge in `own` and criterion: preference, low, high, n_own, n_other,
        reference, reason.
    """
    unknown = sorted(set(own) - set(judgements["judge"].astype("str")))
    if unknown:
        raise JudgeError(f"There are no judgements by {', '.join(unknown)}.")
    table = average_orders(judgements)
    if ratings is not None:
        reference = "experts"
        facts = item_means(ratings)[["item", "criterion", "video", "model", "mean"]]
        table = table[[*_KEYS, "score"]].merge(facts, on=["item", "criterion"], how="inner")
    else:
        reference = "other judges"
        _needs(table, "model")
        by_item = table.groupby(["criterion", "item"])["score"]
        total, count = by_item.transform("sum"), by_item.transform("count")
        left = count - table["score"].notna()
        others = total - table["score"].fillna(0.0)
        table["mean"] = others.where(left > 0) / left.where(left > 0)
    table = table.dropna(subset=["score", "mean"])
    out: list[dict[str, Any]] = []
    for name, criterion in judgements[["judge", "criterion"]].drop_duplicates().to_numpy():
        if name not in own:
            continue
        part = table[(table["judge"] == name) & (table["criterion"] == criterion)]
        is_own = part["model"].isin(list(own[name])).to_numpy()
        gap = (part["score"] - part["mean"]).to_numpy(dtype=np.float64)
        n_own, n_other = int(is_own.sum()), int((~is_own).sum())
        row: dict[str, Any] = {"judge": name, "criterion": criterion, "preference": np.nan}
        row |= {"low": np.nan, "high": np.nan, "n_own": n_own, "n_other": n_other}
        row |= {"reference": reference, "reason": ""}
        if not n_own or not n_other:
            which = "of its own model" if not n_own else "of other models"
            row["reason"] = f"no item {which} has a score and a reference"
        else:
            row["preference"] = float(gap[is_own].mean() - gap[~is_own].mean())
            codes, names = codes_of(_clusters(part))
            columns = np.column_stack([gap * is_own, is_own, gap * ~is_own, ~is_own])
            sums = cluster_sums(codes, len(names), columns.astype(np.float64))
            if len(names) < 2:
                row["reason"] = ONE_VIDEO
            else:
                a, n, b, m = (bootstrap.draw(len(names)) @ sums).T
                with np.errstate(invalid="ignore", divide="ignore"):
                    low, high = bootstrap.limits(a / n - b / m)
                row |= {"low": low, "high": high}
                row["reason"] = TOO_FEW if np.isnan(low) else ""
        out.append(row)
    return pd.DataFrame(out)


def examine(
    judgements: pd.DataFrame,
    judges: Iterable[str],
    own: Mapping[str, Collection[str]] | None = None,
    *,
    ratings: pd.DataFrame | None = None,
    bootstrap: Bootstrap = DEFAULT,
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Check judges: missing scores, order, length, self-preference.

    Parameters
    ----------
    judgements
        Scores of all judges; without ratings, the others serve as reference.
    own
        Judge to models of its own family, beside a model of the same name.
    ratings
        What experts said of the same items.

    Returns
    -------
    dict of DataFrame
        missing, order, length and self_preference, as far as there are data for them.
    list of str
        Why a check is not there.
    """
    names = list(judges)
    mine = judgements[judgements["judge"].isin(names)]
    tables = {"missing": unparsable_rates(mine)}
    notes: list[str] = []
    if "scale_order" in mine.columns and mine["scale_order"].nunique() > 1:
        tables["order"] = order_check(mine, bootstrap=bootstrap)
    else:
        notes.append("The order of the scale was not checked: judge with --scale-order both.")
    scores, compared, experts = mine, judgements, {}
    if ratings is not None:
        scores = compared = average_orders(judgements)
        experts = {"ratings": ratings}
    if "n_words" in mine.columns:
        lengths = mine.drop_duplicates("item")[["item", "n_words"]]
        tables["length"] = length_check(scores, lengths, **experts, bootstrap=bootstrap)
    written = set((judgements if ratings is None else ratings)["model"])
    family = {name: {*(own or {}).get(name, ()), *({name} & written)} for name in names}
    family = {name: models for name, models in family.items() if models}
    if not family:
        notes.append(
            "Self-preference was not checked: no judge has the name of a judged model; say whose "
            "family a judge is with --own JUDGE=MODEL."
        )
    elif ratings is None and judgements["judge"].nunique() < 2:
        notes.append(
            "Self-preference was not checked: there is no other judge to compare with. 'emodiss "
            "evaluate' compares with experts."
        )
    else:
        tables["self_preference"] = self_preference(
            compared, own=family, **experts, bootstrap=bootstrap
        )
    if (
        "steps_sha256" in judgements.columns
        and judgements.groupby("criterion")["steps_sha256"].nunique().gt(1).any()
    ):
        notes.append(
            "The judgements of this run go by different evaluation steps: judges and runs can be "
            "compared only where steps_sha256 is the same."
        )
    return tables, notes
