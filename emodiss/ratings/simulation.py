"""Ratings whose truth is known: effects, severity and missing cells as stated.

The latent rating of rater r on the response of model m under condition c to video v is

    mean + model_m + effect_c(m) + severity_r + video_v + item_vmc + noise

with normal video, item and noise terms. It is rounded and clipped to the scale, as people do.
Rounding bends effects a little, so the truth is not the latent effect but the expected rating,
which has a closed form: E[clip(round(x), lo, hi)] = lo + sum over steps of P(x > threshold).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emodiss.ratings.schema import LIKERT, RatingScale, RatingsError

PAPER_RATERS: Mapping[str, str] = {
    "r1": "group1",
    "r2": "group1",
    "r3": "group1",
    "r4": "group2",
    "r5": "group2",
}
"""Five raters in two groups, as in the paper's section 5.1."""

PAPER_SEVERITY: Mapping[str, float] = {"r1": 0.3, "r2": 0.2, "r3": 0.3, "r4": -0.4, "r5": -0.4}
"""Latent rater effects that give about the paper's gap of 0.68 between the groups."""

PAPER_EFFECTS: Mapping[str, float] = {
    "base": 0.0,
    "continuous": 0.391,
    "discrete": 0.437,
    "dissonance": 0.445,
}
"""The paper's pooled differences on empathy (section 5.1), used as latent effects."""

PAPER_MODELS: Mapping[str, float] = {"gpt-4o": 0.2, "gemini": 0.1, "llama3": -0.1, "mistral": -0.2}
"""The paper's four models with invented quality differences."""


@dataclass(frozen=True, slots=True, eq=False)
class Simulated:
    """A simulated study and what went into it.

    Parameters
    ----------
    table
        Long table of ratings, one criterion.
    judge
        One row per item: item, criterion, judge, score.
    truth
        One row per model and condition: model, condition, mean (expected rating, averaged over
        raters), gain (over the first condition).
    severity
        One row per rater: rater, rater_group, severity (expected rating minus the mean of the
        raters, averaged over models and conditions).
    """

    table: pd.DataFrame
    judge: pd.DataFrame
    truth: pd.DataFrame
    severity: pd.DataFrame

    def pooled_gain(self) -> pd.Series:
        """Average the true gains over models; index: condition."""
        return self.truth.groupby("condition", sort=False)["gain"].mean()


def simulate(
    *,
    n_videos: int = 100,
    effects: Mapping[str, float] = PAPER_EFFECTS,
    model_effects: Mapping[str, float] = PAPER_MODELS,
    raters: Mapping[str, str] = PAPER_RATERS,
    severity: Mapping[str, float] = PAPER_SEVERITY,
    gain_by_model: Mapping[str, float] | None = None,
    mean: float = 3.2,
    video_sd: float = 0.4,
    item_sd: float = 0.3,
    noise_sd: float = 0.8,
    missing: float = 0.224,
    judge_slope: float = 0.5,
    judge_bias: float = 0.6,
    judge_sd: float = 0.7,
    scale: RatingScale = LIKERT,
    criterion: str = "empathy",
    seed: int = 0,
) -> Simulated:
    """Simulate one criterion of a crossed rating study.

    Parameters
    ----------
    n_videos
        Number of videos, one window each.
    effects
        Latent effect per condition; the first condition is the base of the gains.
    model_effects
        Latent quality per model.
    raters
        Rater to group.
    severity
        Latent effect per rater; raters not named get 0.
    gain_by_model
        Factor on the condition effects per model; 1 for models not named.
    video_sd, item_sd, noise_sd
        Standard deviations of the video, the response, and a single rating.
    missing
        Probability that a rating is missing, completely at random. The default leaves about the
        6,208 of 8,000 ratings that the paper's degrees of freedom imply.
    judge_slope, judge_bias, judge_sd
        The judge gives mean + bias + slope x (what the item deserves) + noise.
    scale
        Stepped scale that ratings are rounded and clipped to.

    Raises
    ------
    RatingsError
        If the scale has no steps or a share is outside [0, 1).
    """
    if scale.step == 0:
        raise RatingsError("Simulated ratings need a scale with steps.")
    if not 0 <= missing < 1:
        raise RatingsError(f"missing is {missing}; a share from 0 to below 1 was expected.")
    rng = np.random.default_rng(seed)
    models, conditions, people = list(model_effects), list(effects), list(raters)
    factor = {m: (gain_by_model or {}).get(m, 1.0) for m in models}
    cell = np.array(
        [[model_effects[m] + factor[m] * effects[c] for c in conditions] for m in models]
    )
    strict = np.array([severity.get(r, 0.0) for r in people])
    video = rng.normal(0.0, video_sd, size=(n_videos, 1, 1))
    item = rng.normal(0.0, item_sd, size=(n_videos, *cell.shape))
    deserved = cell + video + item
    noise = rng.normal(0.0, noise_sd, size=(*deserved.shape, len(people)))
    values = _rounded(mean + deserved[..., None] + strict + noise, scale)
    score = mean + judge_bias + judge_slope * deserved
    score = _rounded(score + rng.normal(0.0, judge_sd, size=score.shape), scale)

    v, m, c, r = (axis.ravel() for axis in np.indices(values.shape))
    names = np.array([f"v{i:05d}" for i in range(n_videos)])
    codes = np.array([f"i{i:07d}" for i in range(deserved.size)]).reshape(deserved.shape)
    table = pd.DataFrame(
        {
            "study": "simulated",
            "rater": np.array(people)[r],
            "rater_group": np.array([raters[p] for p in people])[r],
            "item": codes[v, m, c],
            "video": names[v],
            "model": np.array(models)[m],
            "condition": np.array(conditions)[c],
            "criterion": criterion,
            "value": values.ravel(),
            "repeat": 0,
        }
    )
    table = table[rng.random(len(table)) >= missing].reset_index(drop=True)
    judge = pd.DataFrame(
        {"item": codes.ravel(), "criterion": criterion, "judge": "judge", "score": score.ravel()}
    )
    spread = float(np.sqrt(video_sd**2 + item_sd**2 + noise_sd**2))
    expected = _expected(mean + cell[..., None] + strict, spread, scale)
    means = expected.mean(axis=2)
    truth = pd.DataFrame(
        [
            (models[i], conditions[j], means[i, j], means[i, j] - means[i, 0])
            for i in range(len(models))
            for j in range(len(conditions))
        ],
        columns=pd.Index(["model", "condition", "mean", "gain"]),
    )
    of_rater = expected.mean(axis=(0, 1))
    harsh = pd.DataFrame(
        {
            "rater": people,
            "rater_group": [raters[p] for p in people],
            "severity": of_rater - of_rater.mean(),
        }
    )
    return Simulated(table=table, judge=judge, truth=truth, severity=harsh)


def _rounded(latent: NDArray[np.float64], scale: RatingScale) -> NDArray[np.float64]:
    steps = np.floor((latent - scale.low) / scale.step + 0.5)
    return scale.low + scale.step * np.clip(steps, 0, len(scale.points()) - 1)


def _expected(mean: NDArray[np.float64], sd: float, scale: RatingScale) -> NDArray[np.float64]:
    from scipy.special import ndtr

    thresholds: Sequence[float] = [p - scale.step / 2 for p in scale.points()[1:]]
    if sd == 0:
        return _rounded(mean, scale)
    above = np.sum([ndtr((mean - t) / sd) for t in thresholds], axis=0)
    return np.asarray(scale.low + scale.step * above, dtype=np.float64)
