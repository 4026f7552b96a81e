"""Rules: which two sides of an utterance are compared, on what scale, and from what on they differ.

The default rule is paper A's Equation 1. The others answer questions the paper leaves open
(research decisions A1 to A4).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emodiss.dissonance.equation import exceedance_probability
from emodiss.errors import SettingsError, nearest

Comparison = Literal["voice_vs_face", "text_vs_nonverbal"]
ComparedScale = Literal["house", "raw"]
Baseline = Literal["none", "shift", "z"]

# With fewer utterances a speaker's own mean is mostly the utterance that is held against it.
_MIN_BASELINE = 3

# Values in [-1, 1] differ by at most 2; standard scores go further.
_MAX_THRESHOLD = {"none": 2.0, "shift": 2.0, "z": 10.0}


@dataclass(frozen=True, slots=True)
class Rule:
    """What counts as dissonant.

    Parameters
    ----------
    compare
        `voice_vs_face`: Equation 1, valence and arousal. `text_vs_nonverbal`: VADER sentiment of
        the words against the mean valence of voice and face, on valence alone (paper A's
        introduction, decision A3).
    scale
        `house`, or `raw` for the models' own scales, as the paper probably did (decision A1).
    baseline
        `none`; `shift` takes from each side what it is on average for this speaker in this
        session; `z` divides by its standard deviation too, and the threshold then counts those.
        Both remove what a model always says about a voice or a face.
    threshold
        T; strictly greater counts. 0.5 is the paper's, chosen by eye on its Figure 10.
    quantile
        In [0, 1): T is this quantile of the scores at hand and `threshold` does not count; 0.9
        flags the top tenth. None for a fixed threshold.
    min_coverage
        Least share of an utterance with the speaker's face in view.

    Raises
    ------
    SettingsError
        If a value does not exist, is out of range, or two do not go together.
    """

    compare: Comparison = "voice_vs_face"
    scale: ComparedScale = "house"
    baseline: Baseline = "none"
    threshold: float = 0.5
    quantile: float | None = None
    min_coverage: float = 0.0

    def __post_init__(self) -> None:
        for name, kind in (
            ("compare", Comparison),
            ("scale", ComparedScale),
            ("baseline", Baseline),
        ):
            value = getattr(self, name)
            if value not in get_args(kind):
                raise SettingsError(
                    f"Dissonance has no {name} '{value}'.", next_step=nearest(value, get_args(kind))
                )
        top = _MAX_THRESHOLD[self.baseline]
        if not 0 <= self.threshold <= top:
            raise SettingsError(
                f"The threshold must lie from 0 to {top:g}, got {self.threshold:g}."
            )
        if self.quantile is not None and not 0 <= self.quantile < 1:
            raise SettingsError(f"The quantile must lie in [0, 1), got {self.quantile:g}.")
        if not 0 <= self.min_coverage <= 1:
            raise SettingsError(
                f"The least coverage must lie in [0, 1], got {self.min_coverage:g}."
            )
        if self.compare == "text_vs_nonverbal" and self.scale == "raw":
            raise SettingsError(
                "Sentiment lies in [-1, 1] and cannot be compared with models' raw scales.",
                next_step="Leave dissonance.scale at house.",
            )

    @classmethod
    def of(cls, settings: Any) -> Rule:
        """Take the rule out of the settings group `dissonance`."""
        return cls(**{field.name: getattr(settings, field.name) for field in fields(cls)})

    @property
    def threshold_words(self) -> str:
        """The threshold in words: `0.5`, or which quantile it is of each session's scores."""
        if self.quantile is None:
            return f"{self.threshold:g}"
        return f"{self.quantile:g} quantile of each session"

    @property
    def axes(self) -> tuple[str, ...]:
        """Axes on which the sides are compared."""
        return ("valence", "arousal") if self.compare == "voice_vs_face" else ("valence",)


@dataclass(frozen=True, slots=True, eq=False)
class Sides:
    """The two sides of n utterances on k axes, ready to be subtracted.

    Parameters
    ----------
    first, second
        (n, k) float64: voice and face, or text and the mean of both. NaN in the whole row where
        anything is missing.
    error
        (n, k) standard error of `second`, as far as it is known; else NaN. One number per
        utterance comes from a voice or a text, so only the face's error can be known.
    reasons
        Per utterance why it cannot be compared, or None.
    groups
        (n,) int64, one number per speaker and session.
    """

    first: NDArray[np.float64]
    second: NDArray[np.float64]
    error: NDArray[np.float64]
    reasons: tuple[str | None, ...]
    groups: NDArray[np.int64]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which utterances can be compared."""
        values = np.column_stack([self.first, self.second])
        return np.asarray(np.isfinite(values).all(axis=1), np.bool_)


def sides(table: pd.DataFrame, rule: Rule) -> Sides:
    """Lay out what a rule compares.

    Parameters
    ----------
    table
        Utterance table.
    rule
        Its threshold plays no part here.

    Raises
    ------
    ValueError
        If the table lacks a column that is compared.
    """
    suffix = "_raw" if rule.scale == "raw" else ""
    voice, face = (
        np.column_stack([_numbers(table, f"{channel}_{axis}{suffix}") for axis in rule.axes])
        for channel in ("speech", "face")
    )
    error = np.column_stack(
        [_numbers(table, f"face_{axis}_se", needed=False) for axis in rule.axes]
    )
    if rule.scale == "raw":
        error = np.full_like(error, np.nan)  # measured on the house scale
    first, second = voice, face
    wordless = np.zeros(len(table), dtype=bool)
    if rule.compare == "text_vs_nonverbal":
        first, second, error = _numbers(table, "sentiment")[:, None], (voice + face) / 2, error / 2
        wordless = np.isnan(first[:, 0])
    coverage = _numbers(table, "face_coverage", needed=rule.min_coverage > 0)
    sparse = coverage < rule.min_coverage  # NaN compares False
    keys = [table[name].astype("str") for name in ("video_id", "speaker")]
    groups = pd.DataFrame({"video": keys[0], "speaker": keys[1]}).groupby(
        ["video", "speaker"], sort=True
    )
    whose = groups.ngroup().to_numpy(np.int64)
    known = np.isfinite(first).all(axis=1) & np.isfinite(second).all(axis=1) & ~sparse
    reasons = [
        None if sure else _reason(speech, look, mute, few)
        for sure, speech, look, mute, few in zip(
            known, _texts(table, "speech_status"), _texts(table, "face_status"), wordless, sparse,
            strict=True,
        )
    ]  # fmt: skip
    first, second = (np.where(known[:, None], side, np.nan) for side in (first, second))
    if rule.baseline != "none":
        first, second, error = _against_baseline(
            first, second, error, known, whose, rule.baseline, reasons
        )
    return Sides(first, second, error, tuple(reasons), whose)


def _numbers(table: pd.DataFrame, name: str, *, needed: bool = True) -> NDArray[np.float64]:
    """Return a column as numbers; all NaN where the table may do without it and does."""
    if name in table:
        return table[name].to_numpy(np.float64, na_value=np.nan)
    if needed:
        raise ValueError(f"The table lacks the column '{name}', which this rule compares.")
    return np.full(len(table), np.nan)


def _texts(table: pd.DataFrame, name: str) -> list[str]:
    if name not in table:
        return ["ok"] * len(table)
    return [value if isinstance(value, str) else "missing" for value in table[name]]


def _reason(speech: str, face: str, wordless: bool, sparse: bool) -> str:
    parts = ["text:none"] if wordless else []
    parts += [f"speech:{speech}"] if speech != "ok" else []
    parts += [f"face:{face}"] if face != "ok" else []
    parts += ["face:low_coverage"] if face == "ok" and sparse else []
    return ";".join(parts) or "not_measured"


def _against_baseline(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    error: NDArray[np.float64],
    known: NDArray[np.bool_],
    groups: NDArray[np.int64],
    baseline: str,
    reasons: list[str | None],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Take each speaker's own mean, and with `z` the spread, out of both sides."""
    found = [first.copy(), second.copy()]
    error = error.copy()
    for group in np.unique(groups[known]):
        own = np.flatnonzero(known & (groups == group))
        trouble = "baseline:too_few" if len(own) < _MIN_BASELINE else None
        for side in found:
            mine = side[own]
            spread = mine.std(axis=0, ddof=1) if len(own) > 1 else np.zeros(mine.shape[1])
            if trouble is None and baseline == "z" and (spread <= 1e-9).any():
                trouble = "baseline:no_spread"
            side[own] = mine - mine.mean(axis=0)
            if baseline == "z" and trouble is None:
                side[own] /= spread
                if side is found[1]:
                    error[own] /= spread
        if trouble is not None:
            for side in found:
                side[own] = np.nan
            for i in own:
                reasons[i] = trouble
    return found[0], found[1], error


def threshold_of(scores: NDArray[np.float64], rule: Rule) -> float:
    """Return T: the rule's own, or its quantile of the known scores; NaN when none is known."""
    if rule.quantile is None:
        return rule.threshold
    known = scores[np.isfinite(scores)]
    return float(np.quantile(known, rule.quantile)) if len(known) else float("nan")


def scores_of(found: Sides) -> NDArray[np.float64]:
    """Return the largest absolute difference per utterance, (n,); NaN where one is missing."""
    return np.abs(found.first - found.second).max(axis=1, initial=0.0)


def reflag(table: pd.DataFrame, rule: Rule | None = None) -> pd.DataFrame:
    """Apply a rule to an utterance table; no model is needed.

    Parameters
    ----------
    table
        Utterance table, of one session or of many.
    rule
        Default is Equation 1 with T = 0.5. A quantile is taken over the whole table given.

    Returns
    -------
    DataFrame
        A copy with the columns delta_valence, delta_arousal, dissonance_score, dissonant,
        dissonance_axis, dissonance_reason, dissonance_probability, dissonance_threshold, compared,
        compared_scale and baseline made anew.
    """
    rule = rule or Rule()
    found = sides(table, rule)
    delta = found.first - found.second  # (n, k)
    score = scores_of(found)
    threshold = threshold_of(score, rule)
    unknown = np.isnan(score)
    past = np.abs(delta) > threshold  # NaN compares False
    axis = np.full(len(table), None, dtype=object)
    for k, name in enumerate(rule.axes):
        axis[past[:, k]] = name
    axis[past.sum(axis=1) > 1] = "both"
    axis[unknown] = None
    out = table.copy()
    out["delta_valence"] = delta[:, 0]
    out["delta_arousal"] = delta[:, 1] if len(rule.axes) > 1 else np.nan
    out["dissonance_score"] = score
    out["dissonant"] = pd.arrays.BooleanArray(past.any(axis=1) & ~unknown, unknown)
    out["dissonance_axis"] = pd.Series(axis, index=table.index, dtype="str")
    out["dissonance_reason"] = pd.Series(list(found.reasons), index=table.index, dtype="str")
    out["dissonance_probability"] = exceedance_probability(
        delta, found.error, threshold=threshold
    ).reshape(len(table))
    out["dissonance_threshold"] = threshold
    out["compared"] = rule.compare
    out["compared_scale"] = rule.scale
    out["baseline"] = rule.baseline
    return out
