"""A flag's probability: which errors are in it, what it is learned from, and when there is none."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal, norm

from emodiss.dissonance import exceedance_probability, overview, reflag
from emodiss.dissonance.probability import learn_spread, probability_past
from emodiss.models.catalog import CATALOG, weights_folder, with_errors
from emodiss.settings import DissonanceSettings as Rule, resolve

ERRORS: dict[str, Any] = {
    "error_speech_valence": 0.3, "error_speech_arousal": 0.3,
    "error_face_valence": 0.1, "error_face_arousal": 0.1,
}  # fmt: skip


def table(delta, *, se: float = 0.05, **columns) -> pd.DataFrame:
    """Utterances of one speaker whose voice lies `delta` (n, 2) above a neutral face."""
    delta = np.asarray(delta, float)
    made = {
        "video_id": "v", "speaker": "Ada", "start": np.arange(len(delta), dtype=float),
        "speech_valence": delta[:, 0], "speech_arousal": delta[:, 1],
        "face_valence": 0.0, "face_arousal": 0.0, "face_valence_se": se, "face_arousal_se": se,
    }  # fmt: skip
    return pd.DataFrame({**made, **columns})


def test_correlated_errors_as_the_normal_distribution_of_scipy_has_it():
    # The audit's example: 0.52 with independent errors, 0.42 with a correlation of .7.
    for correlation in (0.0, 0.7, -0.4):
        cov = 0.01 * np.array([[1, correlation], [correlation, 1]])
        square = multivariate_normal([0.45, 0.45], cov).cdf
        inside = (square([0.5, 0.5]) - square([-0.5, 0.5]) - square([0.5, -0.5])
                  + square([-0.5, -0.5]))  # fmt: skip
        found = exceedance_probability([0.45, 0.45], [0.1, 0.1], correlation=correlation)
        assert found == pytest.approx(1 - inside, abs=2e-4)


def test_a_normal_spread_is_learned_and_large_differences_are_shrunk():
    # Truth N(0, .4^2), error .3: of a measured d on valence, with arousal at 0, truth is normal
    # around .64 d with deviation .24.
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 0.4, (2000, 2))
    measured = truth + rng.normal(0, 0.3, truth.shape)
    error = np.tile(0.09 * np.eye(2), (2000, 1, 1))
    spread = learn_spread(measured, error)
    assert spread.shares.sum() == pytest.approx(1)
    found = probability_past([[0.6, 0.0], [0.1, 0.0]], error[:2], spread)
    stay = norm.cdf(0.5, 0, 0.24) - norm.cdf(-0.5, 0, 0.24)
    for p, d in zip(found, (0.6, 0.1), strict=True):
        within = norm.cdf(0.5, 0.64 * d, 0.24) - norm.cdf(-0.5, 0.64 * d, 0.24)
        assert p == pytest.approx(1 - stay * within, abs=0.05)
    flat = exceedance_probability([0.6, 0.0], [0.3, 0.3])
    assert found[0] < flat - 0.1


def test_without_an_error_of_a_model_there_is_no_probability_and_a_reason():
    few = table([[0.9, 0.0]] * 3)
    found = reflag(few)
    assert found["dissonant"].all() and found["dissonance_probability"].isna().all()
    assert set(found["dissonance_probability_basis"]) == {"no_error:speech;no_error:face"}
    voice: dict[str, Any] = {name: ERRORS[name] for name in ERRORS if "speech" in name}
    assert set(reflag(few, Rule(**voice))["dissonance_probability_basis"]) == {"no_error:face"}
    # One picture, however long it is shown, has no error of its own.
    found = reflag(table([[0.9, 0.0]] * 3, se=math.nan), Rule(**ERRORS))
    assert set(found["dissonance_probability_basis"]) == {"no_error:frames"}
    undetermined = reflag(table([[math.nan, 0.0]]), Rule(**ERRORS))
    assert undetermined["dissonance_probability_basis"].isna().all()


def test_models_and_frames_are_told_apart_and_a_hair_past_the_threshold_is_no_certainty():
    # The audit's u0008: a score of .509 was called .95 on frames alone.
    found = reflag(table([[0.509, 0.148], *[[0.1, 0.2]] * 6], se=0.0055), Rule(**ERRORS))
    assert found["score_error_models"][0] == pytest.approx(math.hypot(0.3, 0.1))
    assert found["score_error_sampling"][0] == pytest.approx(0.0055)
    assert 0.1 < found["dissonance_probability"][0] < 0.7
    assert set(found["dissonance_probability_basis"]) <= {"learned", "flat"}


def test_errors_larger_than_all_differences_leave_the_flat_answer():
    # All within .1, errors of .8: they cannot have been added to a truth.
    delta = np.random.default_rng(0).normal(0, 0.1, (40, 2))
    rule = Rule(**{**ERRORS, "error_speech_valence": 0.8, "error_speech_arousal": 0.8})
    found = reflag(table(delta), rule)
    assert set(found["dissonance_probability_basis"]) == {"flat"}
    sd = math.sqrt(0.8**2 + 0.1**2 + 0.05**2)
    expected = exceedance_probability(delta[0], [sd, sd])
    assert found["dissonance_probability"][0] == pytest.approx(expected)


def test_raw_scales_bring_their_own_width():
    # Voice 0..1 is half as wide as the house scale; the face's scale is the house scale.
    rows = table([[0.4, 0.2], [-0.4, 0.6]])
    for axis in ("valence", "arousal"):
        rows[f"speech_{axis}_raw"] = (rows[f"speech_{axis}"] + 1) / 2
        rows[f"face_{axis}_raw"] = rows[f"face_{axis}"]
    found = reflag(rows, Rule(scale="raw", **ERRORS))
    assert found["score_error_models"][0] == pytest.approx(math.hypot(0.15, 0.1))
    assert found["score_error_sampling"][0] == pytest.approx(0.05)
    assert found["dissonance_probability"].notna().all()
    odd = reflag(rows.assign(speech_valence_raw=7.0), Rule(scale="raw", **ERRORS))
    assert odd["dissonance_probability"].isna().all()


def test_settings_take_the_models_errors_from_their_cards_unless_somebody_says_otherwise():
    lite = {"models.speech_affect": "ser-lite", "models.face_affect": "fer-lite"}
    stated = with_errors(resolve(lite)).dissonance
    assert stated.error_face_valence == CATALOG["fer-lite"].error.valence
    own = with_errors(resolve({**lite, "dissonance.error_face_valence": 0.5})).dissonance
    assert own.error_face_valence == 0.5
    assert own.error_face_arousal == stated.error_face_arousal is not None
    paper = with_errors(resolve({})).dissonance
    # audEERING publishes no error; EmoNet's is the published one.
    assert (paper.error_speech_valence, paper.error_face_valence) == (None, 0.29)
    for entry in CATALOG.values():
        assert (entry.error is not None) == entry.task.endswith("_affect")
        assert entry.error is None or len(entry.error.source) > 10


def test_errors_of_shipped_models_are_those_of_their_evaluations():
    facts = {
        name: json.loads((weights_folder() / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("ser_lite", "fer_lite")
    }
    for axis in ("valence", "arousal"):
        face = facts["fer_lite"]
        own = math.hypot(face["test"][f"{axis}_rmse"], face["vote_map"][f"cv_rmse_{axis}"])
        assert getattr(CATALOG["fer-lite"].error, axis) == pytest.approx(own, abs=5e-4)
        across = facts["ser_lite"]["across"].values()
        total = sum(part["n"] * part[axis]["rmse"] ** 2 for part in across)
        voice = math.sqrt(total / sum(part["n"] for part in across))
        assert getattr(CATALOG["ser-lite"].error, axis) == pytest.approx(voice, abs=5e-4)


def test_a_constant_between_two_models_is_called_what_it_is():
    rng = np.random.default_rng(3)
    # Voice always some .8 above the face, and nothing else: all flagged, and so by chance.
    shifted = table(rng.normal(0.8, 0.05, (30, 2)))
    found = overview(shifted, Rule())
    assert (found.rate, found.chance.null_rate, found.rate_centred) == (1, 1, 0)
    words = found.in_words()
    assert "30 of 30 utterances dissonant at T = 0.5 (100.0%), 0 undetermined" in words
    assert "say nothing about moments" in words and "constant difference" in words
    assert "shifted in time" in words
    assert overview(shifted, Rule(baseline="shift")).chance_centred is None
