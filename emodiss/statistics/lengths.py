"""Length of the replies and scores: Figures 7 and 8 of MIRROR (Kim et al. 2025, appendix D).

Scores and lengths of different models, taken together, also differ because the models do: one that
talks much and badly makes a correlation of its own. So the correlation within models stands beside
the one over all.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from emodiss.statistics.bootstrap import DEFAULT, Bootstrap, StatisticsError, settled
from emodiss.statistics.correlation import Correlation, Method, correlation
from emodiss.tabular import a_table

_METHODS: tuple[Method, ...] = ("pearson", "spearman")


def length_correlation(table: pd.DataFrame, *, bootstrap: Bootstrap = DEFAULT) -> pd.DataFrame:
    """Correlate the mean length of a session's replies with its scores.

    Parameters
    ----------
    table
        One row per session and criterion: case, model, arm (`text` or `vision`), criterion, score,
        length. Rows that lack a score or a length are counted and left out.
    bootstrap
        Resamples of cases, seed and level of the intervals.

    Returns
    -------
    DataFrame
        One row per arm, criterion, scope and method (pearson, spearman): r, low, high, n,
        n_models, n_dropped, reason. Scope `pooled` is the paper's; `within` takes each model's
        own means off first; another scope is that model alone.

    Raises
    ------
    StatisticsError
        If columns are absent.
    """
    needed = ("case", "model", "arm", "criterion", "score", "length")
    table = a_table(table, "scores")
    if absent := [name for name in needed if name not in table.columns]:
        raise StatisticsError(f"The table lacks the column(s) {', '.join(absent)}.")
    out: list[dict[str, Any]] = []
    for (arm, criterion), rows in table.groupby(["arm", "criterion"], sort=False):
        whole = rows.dropna(subset=["score", "length"])
        by_model = whole.groupby("model")
        apart = {
            name: settled(
                (whole[name] - by_model[name].transform("mean")).to_numpy(float),
                of=whole[name].to_numpy(float),
            )
            for name in ("score", "length")
        }
        inner = whole.assign(**apart)
        models = sorted(map(str, rows["model"].unique()))
        scopes = {"pooled": whole, "within": inner}
        scopes |= {model: whole[whole["model"] == model] for model in models}
        for scope, part in scopes.items():
            asked = rows if scope in ("pooled", "within") else rows[rows["model"] == scope]
            for method in _METHODS:
                found: Correlation = correlation(
                    part["length"],
                    part["score"],
                    method,
                    clusters=part["case"],
                    bootstrap=bootstrap,
                )
                row: dict[str, Any] = {"arm": arm, "criterion": criterion, "scope": scope}
                row |= {"method": method, "r": found.statistic, "low": found.low}
                row |= {"high": found.high, "n": found.n, "n_models": part["model"].nunique()}
                row |= {"n_dropped": len(asked) - len(part), "reason": found.reason}
                out.append(row)
    columns = ["arm", "criterion", "scope", "method", "r", "low", "high", "n", "n_models"]
    return pd.DataFrame(out, columns=pd.Index([*columns, "n_dropped", "reason"]))
