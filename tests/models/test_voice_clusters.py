"""Clusters of voices: the evidence against an independent derivation, groups of known origin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import multivariate_t

from emodiss.models.segmentation import clusters as voice_clusters
from emodiss.models.segmentation.clusters import Stretches, cluster, separation


def stretches(frames: list[np.ndarray], links: dict[tuple[int, int], float] | None = None):
    table: list[dict[int, float]] = [{} for _ in frames]
    for (i, j), odds in (links or {}).items():
        table[i][j] = table[j][i] = odds
    return Stretches.of(frames, table)


def people(rng: np.random.Generator, *means: float, n: int = 8, d: int = 5) -> list[np.ndarray]:
    """Stretches of 100 frames; person by person in turn, told apart by their mean."""
    return [rng.normal(mean, 1.0, (100, d)) for _ in range(n) for mean in means]


def same(labels: np.ndarray, truth: list[int]) -> bool:
    return len(set(zip(labels.tolist(), truth, strict=True))) == len(set(truth))


def test_evidence_is_the_product_of_predictive_densities(monkeypatch):
    # Murphy (2007), equation 258: each new frame has a multivariate t density given those before.
    # Chained over frames, that must equal the closed form, frame count and all.
    monkeypatch.setattr(voice_clusters, "_TEMPER", 1.0)
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(12, 3)) @ rng.normal(size=(3, 3))
    summary = stretches([frames])
    prior = voice_clusters._Prior(summary)
    closed = prior.log_evidence(summary.counts, summary.sums, summary.squares)[0]
    closed -= len(frames) * prior.d / 2 * np.log(np.pi)  # the term per frame that is left out
    k, m, v, s = 1.0, prior.mean, prior.freedom, prior.scatter
    chained = 0.0
    for x in frames:
        shape = s * (k + 1) / (k * (v - prior.d + 1))
        chained += multivariate_t(m, shape, df=v - prior.d + 1).logpdf(x)
        s = s + k / (k + 1) * np.outer(x - m, x - m)
        m, k, v = (k * m + x) / (k + 1), k + 1, v + 1
    assert closed == pytest.approx(chained, abs=1e-8)


def test_two_people_are_told_apart_and_all_their_stretches_found():
    frames = people(np.random.default_rng(1), -1.0, 1.0)
    labels = cluster(stretches(frames), 2, seeds=np.ones(16, bool))
    assert same(labels, [0, 1] * 8)


def test_a_long_recording_goes_through_blocks_to_the_same_answer(monkeypatch):
    monkeypatch.setattr(voice_clusters, "_BLOCK", 20)
    monkeypatch.setattr(voice_clusters, "_BLOCK_CLUSTERS", 4)
    frames = people(np.random.default_rng(2), -1.0, 0.0, 1.0, n=30)
    labels = cluster(stretches(frames), 3, seeds=np.ones(90, bool))
    assert same(labels, [0, 1, 2] * 30)


def test_links_decide_where_the_sound_says_nothing():
    rng = np.random.default_rng(3)
    frames = [rng.normal(size=(10, 5)) for _ in range(4)]
    links = {(0, 1): 50.0, (2, 3): 50.0, (0, 2): -50.0, (1, 3): -50.0}
    labels = cluster(stretches(frames, links), 2, seeds=np.ones(4, bool))
    assert same(labels, [0, 0, 1, 1])


def test_the_sound_outvotes_a_wrong_link():
    frames = people(np.random.default_rng(4), -2.0, 2.0, n=4)
    labels = cluster(stretches(frames, {(0, 1): 8.0, (0, 2): -8.0}), 2, seeds=np.ones(8, bool))
    assert same(labels, [0, 1] * 4)


def test_short_stretches_join_and_found_nothing():
    frames = people(np.random.default_rng(5), -1.0, 1.0)
    seeds = np.arange(16) < 10
    labels = cluster(stretches(frames), 2, seeds=seeds)
    assert same(labels, [0, 1] * 8)


def test_the_number_asked_for_wins_unless_the_caller_wants_the_better_fit():
    rng = np.random.default_rng(6)
    frames = [rng.normal(size=(100, 5)) for _ in range(6)]
    everything = {(i, j): 20.0 for i in range(6) for j in range(i)}
    summary, seeds = stretches(frames, everything), np.ones(6, bool)
    assert len(set(cluster(summary, 2, seeds=seeds).tolist())) == 2
    assert set(cluster(summary, 2, seeds=seeds, keep_all=False).tolist()) == {0}


def test_separation_grows_with_distance_and_is_small_within_one_voice():
    rng = np.random.default_rng(7)
    labels = np.array([0, 1] * 8)
    apart = [separation(stretches(people(rng, -m, m)), labels) for m in (0.0, 0.5, 1.0, 2.0)]
    assert apart == sorted(apart) and apart[0] < 0.15 < apart[1]
    assert separation(stretches(people(rng, 0.0)), np.zeros(8, np.int64)) == float("inf")


@settings(max_examples=20, deadline=None)
@given(st.floats(0.01, 100.0), st.integers(0, 2**32 - 1))
def test_a_change_of_unit_changes_no_group(scale, seed):
    frames = people(np.random.default_rng(seed), -2.0, 2.0, n=3)
    one = cluster(stretches([scale * f for f in frames]), 2, seeds=np.ones(6, bool))
    assert same(one, [0, 1] * 3)
