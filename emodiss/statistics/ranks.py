"""Rank tests on blocks, and Holm's adjustment: checks that do not lean on interval scales."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from emodiss.statistics.bootstrap import StatisticsError, series_of, settled
from emodiss.vocabulary import counted


@dataclass(frozen=True, slots=True)
class Friedman:
    """Friedman's rank test over blocks.

    Parameters
    ----------
    statistic, p_value
        Tie-corrected chi square and p.
    df
        Treatments minus one.
    kendall_w
        Kendall's W in [0, 1]: agreement of the blocks on the order of treatments.
    treatments, mean_ranks
        Name and mean rank (1 = lowest) of each treatment.
    n, n_dropped
        Complete blocks used; incomplete blocks left out.
    """

    statistic: float
    p_value: float
    df: int
    kendall_w: float
    treatments: tuple[Any, ...]
    mean_ranks: tuple[float, ...]
    n: int
    n_dropped: int
    reason: str = ""

    def to_frame(self) -> pd.DataFrame:
        """One row per treatment, the test repeated in each."""
        return pd.DataFrame(
            {
                "treatment": list(self.treatments),
                "mean_rank": list(self.mean_ranks),
                "statistic": self.statistic,
                "df": self.df,
                "p_value": self.p_value,
                "kendall_w": self.kendall_w,
                "n": self.n,
                "n_dropped": self.n_dropped,
                "reason": self.reason,
            }
        )


def friedman(blocks: pd.DataFrame) -> Friedman:
    """Test whether treatments differ in rank within blocks.

    Parameters
    ----------
    blocks
        One row per block, one column per treatment, as from `block_means`. Rows with a missing
        cell are dropped and counted.
    """
    from scipy.stats import chi2, rankdata

    complete = blocks.dropna()
    n, k = complete.shape
    n_dropped = len(blocks) - n
    reason = ""
    values = settled(complete.to_numpy(dtype=np.float64))
    ranks = rankdata(values, axis=1) if n else np.zeros((0, k))
    spread = float(((ranks - (k + 1) / 2) ** 2).sum())
    if k < 3:
        reason = f"{k} treatment(s): three or more are needed; use wilcoxon for two"
    elif n < 2:
        reason = f"{counted(n, 'complete block')}: two or more are needed"
    elif spread == 0:
        reason = "all treatments tie in every block"
    statistic = p = w = np.nan
    if not reason:
        # Tie-corrected form (Conover 1999, eq. 5.8.1): between-rank over within-rank variance.
        between = float(((ranks.sum(axis=0) - n * (k + 1) / 2) ** 2).sum())
        statistic = (k - 1) * between / spread
        p = float(chi2.sf(statistic, k - 1))
        w = statistic / (n * (k - 1))
    return Friedman(
        statistic=statistic,
        p_value=p,
        df=max(k - 1, 0),
        kendall_w=w,
        treatments=tuple(blocks.columns),
        mean_ranks=tuple(map(float, ranks.mean(axis=0))) if n else (np.nan,) * k,
        n=n,
        n_dropped=n_dropped,
        reason=reason,
    )


def wilcoxon(blocks: pd.DataFrame, *, reference: Hashable) -> pd.DataFrame:
    """Compare each treatment with the reference by Wilcoxon's signed-rank test, Holm-adjusted.

    Parameters
    ----------
    blocks
        One row per block, one column per treatment.
    reference
        Column to compare with.

    Returns
    -------
    DataFrame
        One row per other treatment: treatment, reference, n (pairs), n_dropped, n_zero (ties,
        handled by Pratt's method), statistic, p_value, p_holm, median_difference
        (Hodges-Lehmann), rank_biserial (in [-1, 1], positive when the treatment is higher),
        reason.

    Raises
    ------
    StatisticsError
        If the reference is not a column.
    """
    from scipy.stats import rankdata, wilcoxon as signed_rank

    if reference not in blocks.columns:
        raise StatisticsError(
            f"There is no treatment '{reference}'.",
            next_step=f"Choices: {', '.join(map(str, blocks.columns))}.",
        )
    rows = []
    for name in blocks.columns.drop(reference):
        pairs = blocks[[name, reference]].dropna().to_numpy(dtype=np.float64)
        # Differences of means that are equal differ in the last bits; they are ties.
        d = settled(pairs[:, 0] - pairs[:, 1], of=pairs)
        row: dict[str, Any] = {
            "treatment": name,
            "reference": reference,
            "n": len(d),
            "n_dropped": len(blocks) - len(d),
            "n_zero": int((d == 0).sum()),
            "statistic": np.nan,
            "p_value": np.nan,
            "p_holm": np.nan,
            "median_difference": np.nan,
            "rank_biserial": np.nan,
            "reason": "",
        }
        if len(d) == 0:
            row["reason"] = "no complete pairs"
        elif not d.any():
            row |= {"reason": "all differences are zero", "median_difference": 0.0}
        else:
            test: Any = signed_rank(d, zero_method="pratt")
            ranks = rankdata(np.abs(d))[d != 0]
            signs = np.sign(d[d != 0])
            i, j = np.triu_indices(len(d))
            row |= {
                "statistic": float(test.statistic),
                "p_value": float(test.pvalue),
                "median_difference": float(np.median((d[i] + d[j]) / 2)),
                "rank_biserial": float((ranks * signs).sum() / ranks.sum()),
            }
        rows.append(row)
    out = pd.DataFrame(rows)
    if len(out):
        out["p_holm"] = holm(out["p_value"])
    return out


def holm(p_values: ArrayLike | pd.Series) -> NDArray[np.float64]:
    """Adjust p values, to at most 1, by Holm's step-down method (Holm 1979).

    Parameters
    ----------
    p_values
        (m,) p values in [0, 1]; NaN stays NaN and does not count as a test.

    Raises
    ------
    StatisticsError
        If a value lies outside [0, 1].
    """
    p = series_of(p_values, "p values").to_numpy(dtype=np.float64)
    known = np.flatnonzero(~np.isnan(p))
    if ((p[known] < 0) | (p[known] > 1)).any():
        raise StatisticsError("p values must lie in [0, 1].")
    ordered = known[np.argsort(p[known], kind="stable")]
    factors = len(ordered) - np.arange(len(ordered))
    out = np.full(p.shape, np.nan)
    out[ordered] = np.minimum(np.maximum.accumulate(p[ordered] * factors), 1.0)
    return out
