"""What models answered, counted: failures and schools of technique, by model and condition."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from emodiss.interventions import FAILURES, vocabulary
from emodiss.statistics.bootstrap import (
    ONE_VIDEO,
    Estimate,
    Labels,
    StatisticsError,
    check_clusters,
    check_confidence,
    series_of,
)

ANY_FAILURE = "any"
UNKNOWN_TECHNIQUE = "unknown"
NO_TECHNIQUE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proportion(Estimate):
    """A share: successes by trials.

    Parameters
    ----------
    n, n_clusters
        Trials; clusters they come from.
    n_effective
        How many independent trials would tell as much.
    """

    n: int
    n_clusters: int
    n_effective: float


def proportion(
    successes: ArrayLike | pd.Series,
    clusters: Labels,
    *,
    confidence: float = 0.95,
) -> Proportion:
    """Estimate a share from trials in clusters; one cluster alone gives no interval.

    Wilson's interval (1927) with the effective sample size n / deff, where deff is how much
    larger the variance over clusters is than that of independent trials, and at least 1 (Kish
    1965, Survey Sampling), corrected for few clusters (Korn and Graubard 1998, Survey Methodology
    24, 193-201). With one trial per cluster it is Wilson's own. Where all trials agree, nothing
    tells how alike the trials of a cluster are, and each cluster counts as one trial.

    Parameters
    ----------
    successes
        (n,) true or false.
    clusters
        (n,) cluster of each trial, such as its video.
    """
    check_confidence(confidence)
    hit = series_of(successes, "Successes").to_numpy(dtype=np.float64)
    if not np.isin(hit, (0, 1)).all():
        raise StatisticsError("Successes must be true or false; state none for a missing one.")
    codes = check_clusters(clusters, len(hit))
    n, n_clusters = len(hit), int(codes.max()) + 1 if len(codes) else 0
    if n == 0:
        return Proportion(n=0, n_clusters=0, n_effective=0.0, reason="no responses")
    p = float(hit.mean())
    if n_clusters < 2:
        return Proportion(
            statistic=p, n=n, n_clusters=n_clusters, n_effective=np.nan, reason=ONE_VIDEO
        )
    from scipy.special import ndtri, stdtrit

    if p in (0.0, 1.0):
        effective = float(n_clusters)
    else:
        totals = np.bincount(codes, hit - p, minlength=n_clusters)
        clustered = float(totals @ totals) / n**2 * n_clusters / (n_clusters - 1)
        few = stdtrit(n - 1, 0.5 + confidence / 2) / stdtrit(n_clusters - 1, 0.5 + confidence / 2)
        effective = n / max(clustered / (p * (1.0 - p) / (n - 1)), 1.0) * float(few) ** 2
    z2 = float(ndtri(0.5 + confidence / 2)) ** 2
    middle = (p + z2 / (2 * effective)) / (1 + z2 / effective)
    half = math.sqrt(z2 * (p * (1 - p) / effective + z2 / (4 * effective**2))) / (
        1 + z2 / effective
    )
    low, high = max(middle - half, 0.0), min(middle + half, 1.0)
    return Proportion(
        statistic=p, low=low, high=high, n=n, n_clusters=n_clusters, n_effective=effective
    )


def failure_rates(
    responses: pd.DataFrame,
    *,
    by: Sequence[str] = ("model", "condition"),
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Share of responses that raise each failure flag (appendix F of the paper).

    Parameters
    ----------
    responses
        From `emodiss.interventions.responses`: video, failures and the columns of `by`; with
        flagged, the windows that hold dissonance are counted apart too.
    by
        Columns to split by.
    confidence
        Level of the intervals, see `proportion`; videos are the clusters.

    Returns
    -------
    DataFrame
        One row per kind of windows (`all`, and `flagged` where only some are), split and failure
        (`any`, then `emodiss.interventions.FAILURES`): windows, *by, failure, n_failed, n, share,
        low, high, n_videos, reason. A response can raise several flags.
    """
    raised = responses["failures"].fillna("").astype("str").str.split(";")

    def of(part: pd.DataFrame) -> Iterator[tuple[str, Any]]:
        own = raised.loc[part.index]
        yield ANY_FAILURE, own.map(lambda flags: flags != [""])
        for name in FAILURES:
            yield name, own.map(lambda flags, name=name: name in flags)

    return _shares(responses, by, ("failure", "n_failed"), of, confidence)


def technique_shares(
    responses: pd.DataFrame,
    *,
    by: Sequence[str] = ("model", "condition"),
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Share of responses whose technique belongs to each school.

    Parameters
    ----------
    responses
        As for `failure_rates`, with technique and technique_group.

    Returns
    -------
    DataFrame
        One row per kind of windows, split and technique_group that any response has, the
        vocabulary's groups first, then `unknown` (a name that the vocabulary lacks) and `none`
        (no technique named): windows, *by, technique_group, n_named, n, share, low, high,
        n_videos, reason. Each response counts in the group of the first technique it names, so
        the shares of a split add up to 1.
    """
    named = responses["technique"].notna() & (
        responses["technique"].astype("str").str.strip() != ""
    )
    group = responses["technique_group"].fillna(UNKNOWN_TECHNIQUE).where(named, NO_TECHNIQUE)
    known = (*vocabulary().groups, UNKNOWN_TECHNIQUE, NO_TECHNIQUE)
    seen = [name for name in known if (group == name).any()]

    def of(part: pd.DataFrame) -> Iterator[tuple[str, Any]]:
        for name in seen:
            yield name, group.loc[part.index] == name

    return _shares(responses, by, ("technique_group", "n_named"), of, confidence)


def _shares(
    responses: pd.DataFrame,
    by: Sequence[str],
    names: tuple[str, str],
    of: Callable[[pd.DataFrame], Iterator[tuple[str, Any]]],
    confidence: float,
) -> pd.DataFrame:
    what, count = names
    absent = [name for name in ("video", *by) if name not in responses.columns]
    if absent:
        raise StatisticsError(f"The responses lack the column(s) {', '.join(absent)}.")
    kinds = {"all": responses}
    if "flagged" in responses.columns:
        flagged = responses["flagged"].astype("boolean").fillna(False)
        if 0 < flagged.sum() < len(flagged):
            kinds["flagged"] = responses[flagged.to_numpy(dtype=bool)]
    rows: list[dict[str, Any]] = []
    for kind, table in kinds.items():
        parts = table.groupby(list(by), sort=True) if by else [((), table)]
        for key, part in parts:
            for name, hit in of(part):
                found = proportion(hit, part["video"], confidence=confidence)
                rows.append(
                    {
                        "windows": kind,
                        **dict(zip(by, key, strict=True)),
                        what: name,
                        count: int(np.asarray(hit).sum()),
                        "n": found.n,
                        "share": found.statistic,
                        "low": found.low,
                        "high": found.high,
                        "n_videos": found.n_clusters,
                        "reason": found.reason,
                    }
                )
    columns = ["windows", *by, what, count, "n", "share", "low", "high", "n_videos", "reason"]
    return pd.DataFrame(rows, columns=pd.Index(columns))
