"""Rules: which two sides of an utterance are compared, on what scale, and from what on they differ.

The default rule is paper A's Equation 1. The others answer questions the paper leaves open
(research decisions A1 to A4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emodiss.dissonance import probability
from emodiss.dissonance.columns import Columns
from emodiss.dissonance.equation import exceedance_probability
from emodiss.settings import DissonanceSettings
from emodiss.tabular import table_of

if TYPE_CHECKING:
    import pandas as pd

EQUATION_1 = DissonanceSettings()
"""Paper A's rule."""

# With fewer utterances a speaker's own mean is mostly the utterance that is held against it.
_MIN_BASELINE = 3

# Raw values are kept as float32.
_ROUNDING = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class Sides:
    """The two sides of n utterances on k axes, ready to be subtracted."""

    # first, second: (n, k) float64: voice and face, or text and the mean of both. NaN in the whole
    # row where anything is missing.
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    # (n, k) standard deviation of what the models add to the difference; NaN where no error of a
    # model is known.
    error_models: NDArray[np.float64]
    # (n, k) the same of what few frames of the face add. One number per utterance comes from a
    # voice, whose model's error holds its own.
    error_sampling: NDArray[np.float64]
    # Per utterance why it cannot be compared, or None.
    reasons: tuple[str | None, ...]
    # (n,) int64, one number per speaker and session.
    groups: NDArray[np.int64]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which utterances can be compared."""
        values = np.column_stack([self.first, self.second])
        return np.asarray(np.isfinite(values).all(axis=1), np.bool_)


def sides(table: Columns, rule: DissonanceSettings) -> Sides:
    """Lay out what a rule compares."""
    suffix = "_raw" if rule.scale == "raw" else ""
    voice, face = (
        np.column_stack([table.numbers(f"{channel}_{axis}{suffix}") for axis in rule.axes])
        for channel in ("speech", "face")
    )
    errors = _errors(table, rule)
    first, second = voice, face
    wordless = np.zeros(table.n, dtype=bool)
    if rule.compare == "text_vs_nonverbal":
        first, second = table.numbers("sentiment")[:, None], (voice + face) / 2
        wordless = np.isnan(first[:, 0])
    coverage = table.numbers("face_coverage", needed=rule.min_coverage > 0)
    sparse = coverage < rule.min_coverage  # NaN compares False
    whose = _voices(table)
    known = np.isfinite(first).all(axis=1) & np.isfinite(second).all(axis=1) & ~sparse
    reasons = [
        None if sure else _reason(speech, look, mute, few)
        for sure, speech, look, mute, few in zip(
            known, _states(table, "speech_status"), _states(table, "face_status"), wordless, sparse,
            strict=True,
        )
    ]  # fmt: skip
    first, second = (np.where(known[:, None], side, np.nan) for side in (first, second))
    if rule.baseline != "none":
        first, second = _against_baseline(
            first, second, errors, known, whose, rule.baseline, reasons
        )
    of_voice, of_face, of_frames = errors
    return Sides(first, second, np.hypot(of_voice, of_face), of_frames, tuple(reasons), whose)


def _voices(table: Columns) -> NDArray[np.int64]:
    """Give each speaker of each session a number, (n,), in order; -1 where one is missing."""
    pairs = list(zip(table.texts("video_id"), table.texts("speaker"), strict=True))
    whole = sorted({pair for pair in pairs if None not in pair})
    number = {pair: place for place, pair in enumerate(whole)}
    return np.array([number.get(pair, -1) for pair in pairs], np.int64)


def _errors(table: Columns, rule: DissonanceSettings) -> list[NDArray[np.float64]]:
    """Errors (n, k) of the voice's model, of the face's model and of few frames, as compared."""
    shape = (table.n, len(rule.axes))
    if rule.compare == "text_vs_nonverbal":
        return [np.full(shape, np.nan) for _ in range(3)]  # nobody states one of the sentiment
    frames = [table.numbers(f"face_{axis}_se", needed=False) for axis in rule.axes]
    found = [
        np.broadcast_to(errors_of(rule, "speech"), shape).copy(),
        np.broadcast_to(errors_of(rule, "face"), shape).copy(),
        np.column_stack(frames),
    ]
    if rule.scale == "raw":  # errors are stated and measured on the house scale
        for k, axis in enumerate(rule.axes):
            width = {c: _native_width(table, f"{c}_{axis}") for c in ("speech", "face")}
            for error, channel in zip(found, ("speech", "face", "face"), strict=True):
                error[:, k] *= width[channel]
    return found


def errors_of(rule: DissonanceSettings, channel: str) -> NDArray[np.float64]:
    """Errors of the model of `speech` or `face` on valence and arousal; NaN where not known."""
    stated = [getattr(rule, f"error_{channel}_{axis}") for axis in ("valence", "arousal")]
    return np.array([np.nan if error is None else error for error in stated], np.float64)


def _native_width(table: Columns, name: str) -> float:
    """Width of a native scale, in widths of the house scale; NaN if it is neither known one."""
    house, raw = table.numbers(name, needed=False), table.numbers(f"{name}_raw")
    known = np.isfinite(house) & np.isfinite(raw)
    if not known.any():
        return float("nan")
    # Middle values, because those that were clamped do not fit.
    if np.median(np.abs(house - raw)[known]) < _ROUNDING:
        return 1.0
    return 0.5 if np.median(np.abs(house - (2 * raw - 1))[known]) < _ROUNDING else float("nan")


def _states(table: Columns, name: str) -> list[str]:
    """Texts of a column that says how a channel fared."""
    return [text or "missing" for text in table.texts(name)] if name in table else ["ok"] * table.n


def _reason(speech: str, face: str, wordless: bool, sparse: bool) -> str:
    parts = ["text:none"] if wordless else []
    parts += [f"speech:{speech}"] if speech != "ok" else []
    parts += [f"face:{face}"] if face != "ok" else []
    parts += ["face:low_coverage"] if face == "ok" and sparse else []
    return ";".join(parts) or "not_measured"


def _against_baseline(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    errors: list[NDArray[np.float64]],
    known: NDArray[np.bool_],
    groups: NDArray[np.int64],
    baseline: str,
    reasons: list[str | None],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Take each speaker's own mean, and with `z` the spread, out of both sides and `errors`."""
    found = [first.copy(), second.copy()]
    for own in rows_by_group(np.flatnonzero(known), groups):
        trouble = "baseline:too_few" if len(own) < _MIN_BASELINE else None
        for side, of_side in zip(found, (errors[:1], errors[1:]), strict=True):
            mine = side[own]
            spread = mine.std(axis=0, ddof=1) if len(own) > 1 else np.zeros(mine.shape[1])
            if trouble is None and baseline == "z" and (spread <= 1e-9).any():
                trouble = "baseline:no_spread"
            side[own] = mine - mine.mean(axis=0)
            if baseline == "z" and trouble is None:
                side[own] /= spread
                for error in of_side:
                    error[own] /= spread
        if trouble is not None:
            for side in found:
                side[own] = np.nan
            for i in own:
                reasons[i] = trouble
    return found[0], found[1]


def rows_by_group(rows: NDArray[np.intp], groups: NDArray[np.int64]) -> list[NDArray[np.intp]]:
    """Split rows by the group of each, groups in order and rows within one as they stand."""
    ordered = rows[np.argsort(groups[rows], kind="stable")]
    edges = np.flatnonzero(np.diff(groups[ordered])) + 1
    return np.split(ordered, edges) if len(ordered) else []


def threshold_of(scores: NDArray[np.float64], rule: DissonanceSettings) -> float:
    """Return T: the rule's own, or its quantile of the known scores; NaN when none is known."""
    if rule.quantile is None:
        return rule.threshold
    known = scores[np.isfinite(scores)]
    return float(np.quantile(known, rule.quantile)) if len(known) else float("nan")


def scores_of(found: Sides) -> NDArray[np.float64]:
    """Return the largest absolute difference per utterance, (n,); NaN where one is missing."""
    return np.abs(found.first - found.second).max(axis=1, initial=0.0)


def reflag(table: pd.DataFrame, rule: DissonanceSettings = EQUATION_1) -> pd.DataFrame:
    """Apply a rule to an utterance table; no model is needed.

    Parameters
    ----------
    table
        Utterance table, of one session or of many; or a run.
    rule
        Settings group `dissonance`; default is Equation 1 as in the paper. A quantile is taken over
        the whole table given.

    Returns
    -------
    DataFrame
        A copy with the columns delta_valence, delta_arousal, dissonance_score, dissonant,
        dissonance_axis, dissonance_reason, dissonance_probability, dissonance_probability_basis,
        score_error_models, score_error_sampling, dissonance_threshold, compared, compared_scale
        and baseline made anew.

    Notes
    -----
    `dissonance_probability` is the probability that the true score is past T. Measured differences
    are true ones plus independent normal errors: those of both models (root mean square errors),
    and of the face's mean over few frames. How far true differences spread is learned from all
    utterances of the table, of every speaker together (basis `learned`;
    `emodiss.dissonance.probability`). Where the stated errors alone would spread differences more
    than they are, errors were not added to the truth; then truth is taken to lie around the
    measured difference with that error, and no true difference to be rarer than another (basis
    `flat`). An error that is the same in every utterance, such as that of a model for one face, is
    not in it: see `baseline`.
    """
    import pandas as pd

    table = table_of(table)
    out = table.copy()
    for name, values in flags_of(Columns.of(table), rule).items():
        if name == "dissonant":
            values = pd.Series(values, index=table.index, dtype="boolean")
        elif isinstance(values, np.ndarray) and values.dtype.kind == "O":
            values = pd.Series(values, index=table.index, dtype="str")
        out[name] = values
    return out


def flags_of(table: Columns, rule: DissonanceSettings) -> dict[str, Any]:
    """Make the columns of `reflag`: arrays, with None for a missing text or flag, or one value."""
    found = sides(table, rule)
    delta = found.first - found.second  # (n, k)
    score = scores_of(found)
    threshold = threshold_of(score, rule)
    unknown = np.isnan(score)
    past = np.abs(delta) > threshold  # NaN compares False
    axis = np.full(table.n, None, dtype=object)
    for k, name in enumerate(rule.axes):
        axis[past[:, k]] = name
    axis[past.sum(axis=1) > 1] = "both"
    axis[unknown] = None
    dissonant = past.any(axis=1).astype(object)
    dissonant[unknown] = None
    probability, basis = _probabilities(found, delta, rule, threshold)
    rows, largest = np.arange(table.n), np.abs(np.nan_to_num(delta)).argmax(axis=1)
    errors = {"models": found.error_models, "sampling": found.error_sampling}
    return {
        "delta_valence": delta[:, 0],
        "delta_arousal": delta[:, 1] if len(rule.axes) > 1 else np.nan,
        "dissonance_score": score,
        "dissonant": dissonant,
        "dissonance_axis": axis,
        "dissonance_reason": np.array(found.reasons, dtype=object),
        "dissonance_probability": probability,
        "dissonance_probability_basis": np.array(basis, dtype=object),
        **{
            f"score_error_{name}": np.where(unknown, np.nan, error[rows, largest])
            for name, error in errors.items()
        },
        "dissonance_threshold": threshold,
        "compared": rule.compare,
        "compared_scale": rule.scale,
        "baseline": rule.baseline,
    }


def _probabilities(
    found: Sides, delta: NDArray[np.float64], rule: DissonanceSettings, threshold: float
) -> tuple[NDArray[np.float64], list[str | None]]:
    """Probability that each true score is past T, and what it rests on or why there is none."""
    n = len(delta)
    result = np.full(n, np.nan)
    basis: list[str | None] = [None] * n
    known = np.isfinite(delta).all(axis=1)
    missing = _missing_errors(found, rule)
    for i in np.flatnonzero(known):
        basis[i] = missing[i] or None
    sure = known & (np.array(missing, dtype="str") == "")
    if not sure.any():
        return result, basis
    sd = np.hypot(found.error_models, found.error_sampling)[sure]
    covariance = sd[:, :, None] * sd[:, None, :]
    covariance[:, 0, 1] *= rule.error_correlation
    covariance[:, 1, 0] *= rule.error_correlation
    flat = probability.errors_explain_more(delta[sure], covariance)
    if flat:
        result[sure] = exceedance_probability(
            delta[sure], sd, threshold=threshold, correlation=rule.error_correlation
        )
    else:
        spread = probability.learn_spread(delta[sure], covariance, expected_sd=rule.expected_spread)
        result[sure] = probability.probability_past(
            delta[sure], covariance, spread, threshold=threshold
        )
    for i in np.flatnonzero(sure):
        basis[i] = "flat" if flat else "learned"
    return result, basis


def _missing_errors(found: Sides, rule: DissonanceSettings) -> list[str]:
    """Per utterance, which error is not known; empty where all are."""
    if rule.compare == "text_vs_nonverbal":
        return ["no_error:text"] * len(found.first)
    by_model = [
        f"no_error:{channel}"
        for channel in ("speech", "face")
        if np.isnan(errors_of(rule, channel)).any()
    ]
    if not by_model and np.isnan(found.error_models).all():
        by_model = ["no_error:scale"]
    few: list[bool] = np.asarray(np.isnan(found.error_sampling).any(axis=1)).tolist()
    with_frames = ";".join([*by_model, "no_error:frames"])
    return [with_frames if alone else ";".join(by_model) for alone in few]
