"""Vocal arousal by rules, without training (Bone, Lee & Narayanan 2014).

Three things rise when a person is aroused: pitch, loudness, and the share of energy above 500 Hz.
Each utterance of one speaker is compared with that speaker's baseline on each of the three, and the
three scores are fused. Nothing is trained, so nothing can overfit to actors; but a baseline is
needed, so the rating says how aroused an utterance is *for this speaker in this recording* and
nothing about the speaker's level as a whole.

Source: D. Bone, C.-C. Lee, S. Narayanan, "Robust Unsupervised Arousal Rating: A Rule-Based
Framework with Knowledge-Inspired Vocal Features", IEEE Transactions on Affective Computing 5(2),
201-213, 2014, doi:10.1109/TAFFC.2014.2326393.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emodiss.models import speech_signal
from emodiss.models.lite import voice_features, voice_frames

__all__ = ["MIN_BASELINE", "RULE_FEATURES", "Agreement", "RuleArousal", "agreement", "measure"]

Floats = NDArray[np.float64]

RULE_FEATURES: Final = ("median_log_f0", "median_level_db", "hf500_db")
"""Columns of the features: ln Hz, dB re full scale, dB (above 500 Hz over 80 to 500 Hz)."""

MIN_BASELINE: Final = 3
"""Fewest measurable baseline utterances; below it every rating is NaN. Our choice."""


def measure(signal: ArrayLike, sample_rate: int) -> Floats:
    """Measure the three features of one utterance."""
    samples = speech_signal.at_16_khz(signal, sample_rate)
    if len(samples) < voice_frames.WINDOW_S * speech_signal.SAMPLE_RATE:
        return np.full(3, np.nan)
    frames = voice_frames.analyse(samples)
    voiced = frames.voiced
    if voiced.sum() < voice_features.MIN_VOICED_FRAMES:
        return np.full(3, np.nan)
    return np.array(
        [
            np.median(np.log(frames.f0_hz[voiced])),
            np.median(frames.level_db[voiced]),
            float(voice_frames.hf500_db(frames.power[voiced].mean(axis=0))),
        ]
    )


class RuleArousal:
    """Rates the utterances of one speaker against that speaker's baseline."""

    def rate(self, features: ArrayLike, *, neutral: ArrayLike | None = None) -> Floats:
        """Rate all utterances of one speaker in one session.

        Parameters
        ----------
        features : (n, 3) float
            One row per utterance (:func:`measure`); a row with a NaN is rated NaN.
        neutral : (n,) bool, optional
            Which utterances are known to be neutral: the baseline. Without it, the baseline is all
            utterances, which the paper also allows: then the ratings centre on zero by
            construction, and a speaker who stays in one state looks like any other.

        Returns
        -------
        (n,) float64
            Arousal in [-1, 1]; NaN where features are missing, and NaN throughout when fewer than
            :data:`MIN_BASELINE` baseline utterances are measurable.

        Raises
        ------
        ValueError
            If shapes do not fit.

        Notes
        -----
        Score of one feature: ``2 P(b <= x) - 1`` over the baseline values b. The authors' released
        tool counts baseline values; here a Gaussian kernel (bandwidth by Silverman 1986, eq. 3.31)
        smooths the count, so that small baselines give no steps. Fusion, as in the tool: the weight
        of a feature is the Spearman correlation of its score with the mean of the three scores over
        this speaker's utterances; the rating is the weighted sum over the sum of absolute weights.
        A feature without such a correlation (under three utterances, or a constant score) weighs 0,
        and when all three weigh 0 the plain mean is taken.
        """
        values = np.asarray(features, dtype=np.float64)
        if values.ndim != 2 or values.shape[1] != len(RULE_FEATURES):
            raise ValueError(
                f"features have shape {values.shape}; expected (n, {len(RULE_FEATURES)}) with "
                f"columns {', '.join(RULE_FEATURES)}."
            )
        measured = np.isfinite(values).all(axis=1)
        base = measured.copy()
        if neutral is not None:
            chosen = np.asarray(neutral)
            if chosen.shape != (len(values),) or chosen.dtype != np.bool_:
                raise ValueError(
                    f"neutral has shape {chosen.shape} and dtype {chosen.dtype}; expected "
                    f"({len(values)},) bool, one per utterance."
                )
            base &= chosen
        ratings = np.full(len(values), np.nan)
        if base.sum() < MIN_BASELINE:
            return ratings
        scores = np.column_stack([_score(column[measured], column[base]) for column in values.T])
        weights = _weights(scores)
        ratings[measured] = scores @ weights / np.abs(weights).sum()
        return ratings

    def rate_signals(
        self,
        signals: Sequence[ArrayLike],
        sample_rate: int,
        *,
        neutral: ArrayLike | None = None,
    ) -> Floats:
        """Measure and rate the utterances of one speaker, given as signals.

        Parameters
        ----------
        signals : sequence of (n,) float
            Cut from one recording, not normalised one by one.
        sample_rate : int
            Of all signals.
        neutral : (n,) bool, optional
            As in :meth:`rate`.

        Returns
        -------
        (n,) float64
            As :meth:`rate`.
        """
        features = np.array([measure(signal, sample_rate) for signal in signals]).reshape(-1, 3)
        return self.rate(features, neutral=neutral)


def _score(values: Floats, baseline: Floats) -> Floats:
    """``2 P(b <= x) - 1`` under a kernel density of the baseline; (n,) in [-1, 1]."""
    from scipy.special import erf

    iqr = float(np.subtract(*np.percentile(baseline, [75, 25])))
    spread = min(s for s in (baseline.std(ddof=1), iqr / 1.34, np.inf) if s > 0)
    if not np.isfinite(spread):  # all baseline values are equal: the kernel shrinks to a step
        return np.sign(values - baseline[0])
    width = 0.9 * spread * len(baseline) ** -0.2
    return erf((values[:, None] - baseline) / (np.sqrt(2.0) * width)).mean(axis=1)


def _weights(scores: Floats) -> Floats:
    together = scores.mean(axis=1)
    weights = np.array([_spearman(column, together) for column in scores.T])
    weights = np.nan_to_num(weights, nan=0.0)
    return weights if np.abs(weights).sum() > 0 else np.ones(scores.shape[1])


def _spearman(a: Floats, b: Floats) -> float:
    """Rank correlation; NaN under three pairs or when one side is constant."""
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    from scipy.stats import rankdata

    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far a model and the rules rank the same utterances alike.

    Attributes
    ----------
    rho : float
        Spearman correlation in [-1, 1]; NaN under three pairs or when one side is constant.
    n : int
        Utterances that both could measure.
    """

    rho: float
    n: int


def agreement(model_arousal: ArrayLike, rule_arousal: ArrayLike) -> Agreement:
    """Cross-check a model's arousal against the rules, over one speaker's utterances."""
    model = np.asarray(model_arousal, dtype=np.float64)
    rules = np.asarray(rule_arousal, dtype=np.float64)
    if model.shape != rules.shape or model.ndim != 1:
        raise ValueError(
            f"model_arousal has shape {model.shape} and rule_arousal {rules.shape}; "
            "expected the same (n,)."
        )
    both = np.isfinite(model) & np.isfinite(rules)
    return Agreement(rho=_spearman(model[both], rules[both]), n=int(both.sum()))
