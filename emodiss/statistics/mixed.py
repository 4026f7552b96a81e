"""The linear mixed model beside the paper's one-way ANOVA.

Ratings of one video, and ratings of one response by several raters, belong together. The model is

    value = condition * model + rater (fixed) + video (random) + item (random) + noise

with models and raters coded to sum to zero, so that a condition's effect is its difference from
the base averaged over models and raters, whatever cells are missing (research plan 6.3).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emodiss.errors import MissingExtra
from emodiss.ratings import usable
from emodiss.statistics.bootstrap import StatisticsError, check_confidence, codes_of

Random = Literal["video", "item"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MixedModel:
    """A fitted linear mixed model.

    Parameters
    ----------
    effects
        One row per contrast: condition, model (`all` for the average over models), estimate,
        se, low, high, p_value; each is condition minus base.
    statistic, p_value, df
        Wald chi square of all conditions together (average over models), its p and df.
    video_sd, item_sd, residual_sd
        Standard deviations of the random parts; NaN for a part that was not fitted.
    interaction
        Whether gains may differ between models.
    n, n_videos, n_items, n_raters
        Ratings, videos, items and raters used.
    notes
        What the optimiser warned of, and what was left out and why.
    reason
        Why there are no estimates; empty when there are.
    """

    effects: pd.DataFrame
    statistic: float = np.nan
    p_value: float = np.nan
    df: int = 0
    video_sd: float = np.nan
    item_sd: float = np.nan
    residual_sd: float = np.nan
    interaction: bool
    converged: bool = False
    n: int
    n_videos: int
    n_items: int
    n_raters: int
    base: str
    notes: tuple[str, ...]
    reason: str = ""

    def to_frame(self) -> pd.DataFrame:
        """Give the contrasts."""
        return self.effects.copy()


def mixed_model(
    table: pd.DataFrame,
    criterion: str,
    *,
    base: str = "base",
    random: Sequence[Random] = ("video", "item"),
    interaction: bool = True,
    confidence: float = 0.95,
) -> MixedModel:
    """Fit the linear mixed model by REML (statsmodels `MixedLM`).

    Parameters
    ----------
    random
        Random intercepts. `("video",)` is quicker, but takes the ratings of one response by
        several raters for independent, which makes intervals too narrow.
    interaction
        Let gains differ between models. Dropped, with a note, when a cell is empty.
    confidence
        Level of the Wald intervals.

    Raises
    ------
    MissingExtra
        If statsmodels is not installed.
    StatisticsError
        If the base condition does not occur or an unknown random part is asked for.
    """
    try:
        from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec
    except ImportError:
        raise MissingExtra.of("statsmodels", "stats") from None
    from scipy.stats import chi2

    check_confidence(confidence)
    if "video" not in random or not set(random) <= {"video", "item"}:
        raise StatisticsError(
            f"random is {tuple(random)}; ('video',) or ('video', 'item') was expected."
        )
    needs = ("rater", "item", "video", "model", "condition", "value")
    rows = usable(table, criterion=criterion, needs=needs)
    if base not in set(rows["condition"]):
        seen = ", ".join(sorted(map(str, rows["condition"].unique())))
        raise StatisticsError(
            f"There are no ratings of {criterion} under the base condition '{base}'.",
            next_step=f"Choices: {seen or 'none'}.",
        )
    # MixedLM orders groups by label; so do we, once.
    rows = rows.sort_values(["video", "item", "rater"], ignore_index=True, kind="stable")
    design = _Design(rows, base, interaction)
    sizes: dict[str, Any] = {
        "n": len(rows),
        "n_videos": rows["video"].nunique(),
        "n_items": rows["item"].nunique(),
        "n_raters": rows["rater"].nunique(),
    }
    reason = ""
    if not design.others:
        reason = "one condition only: nothing to compare"
    elif sizes["n_videos"] < 2:
        reason = "one video only: no variance between videos"
    elif np.ptp(rows["value"]) == 0:
        reason = "all ratings are equal"
    elif np.linalg.matrix_rank(design.matrix) < design.matrix.shape[1]:
        reason = "models, conditions and raters cannot be told apart with these ratings"
    elif len(rows) <= design.matrix.shape[1] + 2:
        reason = f"{len(rows)} ratings for {design.matrix.shape[1]} coefficients"
    notes = list(design.notes)
    with_item = "item" in random
    if with_item and sizes["n_items"] == len(rows):
        with_item = False
        notes.append("Every item was rated once: item and noise are one part.")
    if with_item and sizes["n_items"] == sizes["n_videos"]:
        with_item = False
        notes.append("Every video has one item: video and item are one part.")
    unfitted = partial(
        MixedModel,
        effects=design.contrast_frame(None, None, confidence),
        interaction=design.interaction,
        base=base,
        **sizes,
    )
    if reason:
        return unfitted(notes=tuple(notes), reason=reason)
    vc = None
    if with_item:
        names, matrices = [], []
        for _, part in rows.groupby("video", sort=True)["item"]:
            codes, items = pd.factorize(part)
            names.append([str(item) for item in items])
            matrices.append(np.eye(len(items))[codes])
        vc = VCSpec(["item"], [names], [matrices])
    model = MixedLM(
        rows["value"].to_numpy(),
        design.matrix,
        groups=rows["video"].to_numpy(),
        exog_re=np.ones((len(rows), 1)),
        exog_vc=vc,
    )
    fit, troubles = fit_reml(model)
    if fit is None:
        return unfitted(notes=(*notes, *troubles), reason="the model could not be fitted")
    # Warnings of single optimiser steps are noise once the fit has converged.
    if not fit.converged:
        notes += troubles
    k = design.matrix.shape[1]
    beta = np.asarray(fit.fe_params, dtype=np.float64)
    covariance = np.asarray(fit.cov_params(), dtype=np.float64)[:k, :k]
    average = design.contrasts[: len(design.others)]
    estimate = average @ beta
    wald = float(estimate @ np.linalg.solve(average @ covariance @ average.T, estimate))
    return MixedModel(
        effects=design.contrast_frame(beta, covariance, confidence),
        statistic=wald,
        p_value=float(chi2.sf(wald, len(design.others))),
        df=len(design.others),
        video_sd=float(np.sqrt(max(np.asarray(fit.cov_re)[0, 0], 0.0))),
        item_sd=float(np.sqrt(max(fit.vcomp[0], 0.0))) if with_item else np.nan,
        residual_sd=float(np.sqrt(fit.scale)),
        interaction=design.interaction,
        converged=bool(fit.converged),
        **sizes,
        base=base,
        notes=tuple(notes),
    )


def fit_reml(model: Any) -> tuple[Any, list[str]]:
    """Fit by REML, trying slower optimisers where a quicker one fails or runs off."""
    best, troubles = None, []
    for method in ("lbfgs", "powell", "nm"):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                fit = model.fit(reml=True, method=method)
                usable_fit = bool(np.isfinite(np.asarray(fit.cov_params())).any())
            except np.linalg.LinAlgError as error:
                troubles.append(f"{method}: {error}")
                continue
        troubles += sorted({f"{method}: {w.message}" for w in caught})
        if usable_fit and fit.converged:
            return fit, troubles
        if usable_fit and best is None:
            best = fit
    return best, troubles


class _Design:
    """Fixed effects: intercept, conditions, models and raters summing to zero, interaction."""

    def __init__(self, rows: pd.DataFrame, base: str, interaction: bool) -> None:
        self.others = [c for c in codes_of(rows["condition"])[1] if c != base]
        model, self.models = codes_of(rows["model"])
        rater, raters = codes_of(rows["rater"])
        self.notes: list[str] = []
        cells = pd.crosstab(rows["model"], rows["condition"])
        empty = [(m, c) for m in cells.index for c in cells.columns if cells.loc[m, c] == 0]
        if interaction and empty:
            named = ", ".join(f"{m} under {c}" for m, c in empty)
            self.notes.append(f"No ratings of {named}: gains are taken as equal for all models.")
        self.interaction = interaction and not empty and len(self.models) > 1
        condition = rows["condition"].to_numpy()[:, None] == np.array(self.others, dtype=object)
        condition = condition.astype(np.float64).reshape(len(rows), len(self.others))
        models = _sum_coded(len(self.models))
        parts = [np.ones((len(rows), 1)), condition, models[model], _sum_coded(len(raters))[rater]]
        if self.interaction:
            crossed = condition[:, :, None] * models[model][:, None, :]
            parts.append(crossed.reshape(len(rows), -1))
        self.matrix = np.hstack(parts)
        self.contrasts = self._contrasts(models)

    def _contrasts(self, models: NDArray[np.float64]) -> NDArray[np.float64]:
        n_others, k = len(self.others), self.matrix.shape[1]
        average = np.zeros((n_others, k))
        average[np.arange(n_others), 1 + np.arange(n_others)] = 1.0
        if not self.interaction:
            return average
        width = models.shape[1]
        first = k - n_others * width
        rows = [average]
        for code in models:
            own = average.copy()
            for i in range(n_others):
                own[i, first + i * width : first + (i + 1) * width] = code
            rows.append(own)
        return np.vstack(rows)

    def contrast_frame(
        self,
        beta: NDArray[np.float64] | None,
        covariance: NDArray[np.float64] | None,
        confidence: float,
    ) -> pd.DataFrame:
        """Lay out the contrasts; NaN without a fit."""
        from scipy.stats import norm

        models = ["all", *(self.models if self.interaction else [])]
        frame = pd.DataFrame(
            [(c, m) for m in models for c in self.others],
            columns=pd.Index(["condition", "model"]),
        )
        if beta is None or covariance is None:
            return frame.assign(estimate=np.nan, se=np.nan, low=np.nan, high=np.nan, p_value=np.nan)
        estimate = self.contrasts @ beta
        se = np.sqrt(np.einsum("ij,jk,ik->i", self.contrasts, covariance, self.contrasts))
        half = norm.ppf(0.5 + confidence / 2) * se
        return frame.assign(
            estimate=estimate,
            se=se,
            low=estimate - half,
            high=estimate + half,
            p_value=2 * norm.sf(np.abs(estimate) / se),
        )


def _sum_coded(n: int) -> NDArray[np.float64]:
    """(n, n - 1) codes: the last level is minus the sum of the others."""
    return np.vstack([np.eye(n - 1), -np.ones((1, n - 1))]) if n > 1 else np.zeros((1, 0))
