"""Dissonance of groups: rate and mean signed difference by role, phase and session.

Utterances of one session belong together, so intervals come from drawing whole sessions, and
comparisons from a linear mixed model with sessions, and speakers within them, as random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emodiss.errors import MissingExtra, nearest
from emodiss.statistics.bootstrap import DEFAULT, Bootstrap, StatisticsError
from emodiss.statistics.mixed import fit_reml

PHASES = ("beginning", "middle", "end")
"""Thirds of a session, by the middle of an utterance between its first and last word."""

GROUPINGS = ("role", "phase", "session")

OUTCOMES = ("dissonant", "delta_valence", "delta_arousal")
"""What is averaged: flags (their mean is the rate), and signed differences, speech minus face."""

MIN_SESSIONS = 5
"""Fewer sessions cannot say how sessions differ: no interval and no mixed model."""

_FEW_SESSIONS = 10


@dataclass(frozen=True, slots=True, eq=False)
class DissonanceBy:
    """Dissonance of each group.

    Parameters
    ----------
    by
        What was grouped by.
    groups
        One row per group: its names, n_sessions, n_utterances, n_determined, and of every outcome
        in `OUTCOMES` the mean, low and high (over sessions); NaN where there is none.
    effects
        One row per outcome and level that is not the first of its grouping: outcome, grouping,
        level, against, estimate, se, low, high, p_value. Of the flags it is a difference of rates.
    n_sessions
        Sessions with a determined utterance.
    notes
        What a reader should know.
    """

    by: tuple[str, ...]
    groups: pd.DataFrame
    effects: pd.DataFrame
    n_sessions: int
    notes: tuple[str, ...]


def dissonance_by(
    table: pd.DataFrame,
    by: Sequence[str] = ("role", "phase"),
    *,
    compare: bool = True,
    bootstrap: Bootstrap = DEFAULT,
) -> DissonanceBy:
    """Average flags and signed differences within groups, with intervals over sessions.

    Parameters
    ----------
    table
        Utterance table, flagged (`emodiss.dissonance.reflag` applies another rule first).
    by
        Of `role`, `phase` (third of the session) and `session`.
    compare
        Fit the mixed models that compare levels.
    bootstrap
        Whole sessions are drawn; percentile intervals, widened for the number of sessions
        (Hesterberg 2015, The American Statistician 69(4), 371-386).

    Raises
    ------
    StatisticsError
        If there is no such grouping.
    """
    by = tuple(by)
    for name in by:
        if name not in GROUPINGS:
            raise StatisticsError(
                f"Dissonance cannot be grouped by '{name}'.", next_step=nearest(name, GROUPINGS)
            )
    if not by or len(set(by)) < len(by):
        raise StatisticsError(
            "Name what to group by, each once.", next_step=f"Choices: {', '.join(GROUPINGS)}."
        )
    rows = _rows(table)
    known = rows[rows["dissonant"].notna()]
    n_sessions = int(known["session"].nunique())
    notes: list[str] = []
    if n_sessions < MIN_SESSIONS:
        notes.append(
            f"{n_sessions} session{'s' if n_sessions != 1 else ''} with determined utterances: "
            f"too few for intervals and comparisons, which need {MIN_SESSIONS}."
        )
    elif n_sessions < _FEW_SESSIONS:
        notes.append(f"{n_sessions} sessions: intervals are rough below {_FEW_SESSIONS}.")
    if "session" in by:
        notes.append("One session alone has no interval over sessions and no comparison.")
    groups = _groups(rows, by, bootstrap)
    effects = pd.DataFrame(columns=_EFFECT_COLUMNS)
    if compare and "session" not in by and n_sessions >= MIN_SESSIONS:
        effects, troubles = _effects(known, by, bootstrap.confidence)
        notes += troubles
    return DissonanceBy(by, groups, effects, n_sessions, tuple(notes))


def _rows(table: pd.DataFrame) -> pd.DataFrame:
    """Pick what is needed of each utterance, with its groups."""
    session = table["video_id"].astype("str")
    first = table["start"].groupby(session).transform("min")
    last = table["end"].groupby(session).transform("max")
    place = ((table["start"] + table["end"]) / 2 - first) / (last - first)
    third = np.clip((place.to_numpy(np.float64) * 3).astype(int), 0, 2)
    flags = table["dissonant"].astype("Float64").to_numpy(np.float64, na_value=np.nan)
    return pd.DataFrame(
        {
            "session": session,
            "speaker": table["speaker"].astype("str"),
            "role": table["role"].fillna("unknown").astype("str"),
            "phase": pd.Categorical.from_codes(third, list(PHASES), ordered=True),
            "dissonant": flags,
            "delta_valence": table["delta_valence"].to_numpy(np.float64, na_value=np.nan),
            "delta_arousal": table["delta_arousal"].to_numpy(np.float64, na_value=np.nan),
        }
    ).reset_index(drop=True)


def _groups(rows: pd.DataFrame, by: tuple[str, ...], bootstrap: Bootstrap) -> pd.DataFrame:
    sessions = sorted(rows.loc[rows["dissonant"].notna(), "session"].unique())
    times = bootstrap.draw(len(sessions)) if sessions else np.zeros((0, 0))
    found: list[dict[str, Any]] = []
    for names, part in rows.groupby(list(by), observed=True, sort=True):
        known = part[part["dissonant"].notna()]
        row: dict[str, Any] = dict(zip(by, names, strict=True))  # pyright: ignore[reportArgumentType]
        n = int(known["session"].nunique())
        row |= {"n_sessions": n, "n_utterances": len(part), "n_determined": len(known)}
        for outcome in OUTCOMES:
            name = "rate" if outcome == "dissonant" else outcome
            low, high = _interval(known, outcome, sessions, times, n, bootstrap)
            mean = float(known[outcome].mean()) if len(known) else float("nan")
            row |= {name: mean, f"{name}_low": low, f"{name}_high": high}
        found.append(row)
    return pd.DataFrame(found)


def _interval(
    known: pd.DataFrame,
    outcome: str,
    sessions: list[str],
    times: NDArray[np.float64],
    n: int,
    bootstrap: Bootstrap,
) -> tuple[float, float]:
    """Interval of a group's mean, over sessions."""
    from scipy.stats import norm, t

    if n < MIN_SESSIONS:
        return float("nan"), float("nan")
    sums = known.groupby("session")[outcome].agg(["sum", "count"]).reindex(sessions).fillna(0)
    with np.errstate(invalid="ignore"):
        means = (times @ sums["sum"].to_numpy()) / (times @ sums["count"].to_numpy())
    # n sessions vary by (n - 1) / n too little in resamples, and follow t rather than the normal.
    tail = norm.cdf(-np.sqrt(n / (n - 1)) * t.ppf(0.5 + bootstrap.confidence / 2, n - 1))
    return replace(bootstrap, confidence=1 - 2 * float(tail)).limits(means)


_EFFECT_COLUMNS = [
    "outcome", "grouping", "level", "against", "estimate", "se", "low", "high", "p_value",
]  # fmt: skip


def _effects(
    known: pd.DataFrame, by: tuple[str, ...], confidence: float
) -> tuple[pd.DataFrame, list[str]]:
    """Fit a mixed model per outcome: levels against the first, all groupings at once."""
    from scipy.stats import norm

    try:
        from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec
    except ImportError:
        raise MissingExtra.of("statsmodels", "stats") from None
    found: list[tuple[Any, ...]] = []
    notes: list[str] = []
    known = known.sort_values(["session", "speaker"], kind="stable", ignore_index=True)
    labels: list[tuple[str, str, str]] = []
    columns = [np.ones(len(known))]
    for name in by:
        levels = [
            x for x in (PHASES if name == "phase" else sorted(known[name].unique()))
            if (known[name] == x).any()
        ]  # fmt: skip
        for level in levels[1:]:
            labels.append((name, level, levels[0]))
            columns.append((known[name] == level).to_numpy(np.float64))
    design = np.column_stack(columns)
    if not labels:
        return pd.DataFrame(columns=_EFFECT_COLUMNS), ["One group only: nothing to compare."]
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return pd.DataFrame(columns=_EFFECT_COLUMNS), ["Groups coincide and cannot be told apart."]
    names, matrices = [], []
    for _, part in known.groupby("session", sort=True)["speaker"]:
        codes, speakers = pd.factorize(part)
        names.append([str(speaker) for speaker in speakers])
        matrices.append(np.eye(len(speakers))[codes])
    for outcome in OUTCOMES:
        values = known[outcome].to_numpy()
        if np.isnan(values).any() or np.ptp(values) < 1e-12:
            notes.append(f"{outcome}: not measured, or all equal; no comparison.")
            continue
        model = MixedLM(
            values,
            design,
            groups=known["session"].to_numpy(),
            exog_re=np.ones((len(known), 1)),
            exog_vc=VCSpec(["speaker"], [names], [matrices]),
        )
        fit, troubles = fit_reml(model)
        if fit is None or not fit.converged:
            notes += [f"{outcome}: the mixed model did not converge.", *troubles]
            continue
        k = design.shape[1]
        estimates = np.asarray(fit.fe_params)[1:]
        errors = np.sqrt(np.diag(np.asarray(fit.cov_params())[:k, :k]))[1:]
        for (name, level, against), estimate, se in zip(labels, estimates, errors, strict=True):
            half = norm.ppf(0.5 + confidence / 2) * se
            p_value = 2 * norm.sf(abs(estimate) / se)
            found.append(
                (outcome, name, level, against, estimate, se, estimate - half, estimate + half,
                 p_value)
            )  # fmt: skip
    return pd.DataFrame(found, columns=pd.Index(_EFFECT_COLUMNS)), notes
