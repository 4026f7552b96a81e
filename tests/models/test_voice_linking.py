"""Linking stretches of speech to voices: invented vectors, whose voices are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from emodiss.models.campplus import linking as voice_linking, speaker_windows
from emodiss.models.campplus.linking import Pieces
from emodiss.models.campplus.speaker_windows import Windows
from emodiss.models.segmentation.speaker_frames import FRAME_S, frame_start, turns_of

DIMENSIONS = 64


def voice(seed: int) -> np.ndarray:
    vector = np.random.default_rng(seed).normal(size=DIMENSIONS)
    return vector / np.linalg.norm(vector)


def pieces_of(voices, who, *, noise: float = 0.6, every_s: float = 1.5, seed: int = 0) -> Pieces:
    """One piece after the other, `who[i]` of `voices` in each; noise has length `noise`."""
    rng = np.random.default_rng(seed)
    scatter = rng.normal(size=(len(who), DIMENSIONS)) * noise / np.sqrt(DIMENSIONS)
    vectors = np.stack([voices[w] for w in who]) + scatter
    starts = np.arange(len(who)) * every_s
    return Pieces(
        np.stack([starts, starts + 1.5], axis=1),
        np.full(len(who), 1.5),
        vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
    )


def windows_of(outputs: np.ndarray, *, length_s: float = 10.0) -> Windows:
    """Windows every second over a recording in which output `outputs[f]` speaks in frame f."""
    active = np.eye(3, dtype=bool)[outputs] & (outputs >= 0)[:, None]
    length = round(length_s / FRAME_S)
    active = np.concatenate([active, np.zeros((length, 3), bool)])
    firsts = np.round(np.arange(0, len(outputs) * FRAME_S - 1, 1.0) / FRAME_S).astype(int)
    return Windows(firsts, np.stack([active[f : f + length] for f in firsts]))


def frames_of(who, outputs, every_s: float = 1.5) -> np.ndarray:
    n = int(len(who) * every_s / FRAME_S)
    at = (frame_start(np.arange(n)) / every_s).astype(int).clip(0, len(who) - 1)
    return np.array(outputs)[np.array(who)[at]]


NOTHING = [Windows(np.array([0]), np.zeros((1, 589, 3), bool))]


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_as_many_voices_are_found_as_there_are(n):
    voices = [voice(seed) for seed in range(n)]
    who = [i % n for i in range(12 * n)]
    found = voice_linking.centroids(pieces_of(voices, who), NOTHING)
    assert len(found) == n
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0)
    assert sorted((found @ np.stack(voices).T).argmax(axis=1)) == list(range(n))


def test_the_number_given_is_kept_and_bounds_hold():
    who = [i % 3 for i in range(36)]
    pieces = pieces_of([voice(seed) for seed in range(3)], who)
    for least, most, expected in ((1, 1, 1), (2, 2, 2), (5, 5, 5), (4, None, 4), (1, 2, 2)):
        assert len(voice_linking.centroids(pieces, NOTHING, least=least, most=most)) == expected
    # Fewer when there are fewer pieces.
    few = pieces_of([voice(0)], [0, 0])
    assert len(voice_linking.centroids(few, NOTHING, least=4, most=4)) == 2


def between(cosine: float) -> list[np.ndarray]:
    """Two voices of that cosine."""
    one, other = voice(0), voice(1)
    other = other - (other @ one) * one
    return [one, cosine * one + np.sqrt(1 - cosine**2) * other / np.linalg.norm(other)]


def test_windows_decide_where_voices_are_much_alike():
    who = [(i // 2) % 2 for i in range(24)]
    apart = [windows_of(frames_of(who, [0, 1]))]
    together = [windows_of(frames_of(who, [0, 0]))]
    # Twelve pieces of each, of which every one stands for half a second.
    reliable = 6.0 / (6.0 + voice_linking.RELIABLE_S)
    pieces = pieces_of(between(voice_linking.SAME * reliable), who, noise=0.0)
    assert len(voice_linking.centroids(pieces, apart)) == 2
    assert len(voice_linking.centroids(pieces, together)) == 1


def test_a_word_is_nearer_to_a_voice_than_its_noisy_vector_says():
    # The cosine of one piece to a long cluster is bounded by its own noise.
    one, other = between(0.5)
    assert voice_linking.SAME > 0.5
    long = pieces_of([one], [0] * 20, noise=0.0)
    for n_pieces, expected in ((1, 1), (20, 2)):
        second = pieces_of([other], [0] * n_pieces, noise=0.0)
        both = Pieces(
            np.concatenate([long.spans, second.spans + 60.0]),
            np.concatenate([long.solo_s, second.solo_s]),
            np.concatenate([long.vectors, second.vectors]),
        )
        found = voice_linking.merged(
            both, NOTHING, np.repeat([0, 1], [20, n_pieces]), least=1, most=None
        )
        assert len(found) == expected


def test_long_recordings_are_grouped_block_by_block(monkeypatch):
    sizes = []
    import scipy.cluster.hierarchy as hierarchy

    linkage = hierarchy.linkage
    monkeypatch.setattr(
        hierarchy, "linkage", lambda x, *a, **k: (sizes.append(len(x)), linkage(x, *a, **k))[1]
    )
    who = np.random.default_rng(0).integers(0, 3, 3000).tolist()
    pieces = pieces_of([voice(seed) for seed in range(3)], who)
    assert len(voice_linking.centroids(pieces, NOTHING)) == 3
    assert len(sizes) == 5 and max(sizes) == 600


@given(st.lists(st.tuples(st.integers(1, 400), st.integers(0, 80)), max_size=8))
def test_pieces_cover_speech_and_nothing_else(runs):
    n_voices = np.array([v for on, off in runs for v in [1] * on + [0] * off], np.int64)
    spans = voice_linking.cut(n_voices)
    assert (np.diff(spans[:, 0]) > 0).all()
    assert (spans[:, 1] - spans[:, 0] <= voice_linking.PIECE_S + 1e-9).all()
    times = frame_start(np.arange(len(n_voices))) + FRAME_S / 2
    covered = np.zeros(len(n_voices), bool)
    for start, end in spans:
        covered |= (start <= times) & (times < end)
    assert covered[n_voices > 0].all()
    # Beyond speech only pauses shorter than a quarter of a second.
    extra = np.flatnonzero(np.diff(covered & (n_voices == 0), prepend=False, append=False))
    assert all((b - a) * FRAME_S < 0.25 for a, b in extra.reshape(-1, 2))


def test_as_many_voices_speak_as_windows_hear():
    who = [0] * 6 + [1] * 6
    voices = np.stack([voice(0), voice(1)])
    pieces = pieces_of(voices, who)
    outputs = frames_of(who, [0, 1])
    windows = windows_of(outputs)
    over = slice(500, 520)  # inside the first voice's stretch both speak
    for number, first in enumerate(windows.firsts):
        low, high = max(0, over.start - first), max(0, over.stop - first)
        windows.active[number, low:high] = [True, True, False]
    n_voices = np.ones(len(outputs), np.int64)
    n_voices[over], n_voices[100:150] = 2, 0
    speaking = voice_linking.assign(pieces, voices, [windows], n_voices)
    np.testing.assert_array_equal(speaking.sum(axis=1), n_voices)
    alone = n_voices == 1
    assert (speaking[alone].argmax(axis=1) == outputs[alone]).mean() > 0.98
    assert speaking[over].all()


def test_networks_vote_on_how_many_speak_with_equal_weight():
    # The 10 s windows say two, the 5 s windows nobody: one on average.
    ten = Windows(np.arange(0, 600, 60), np.ones((10, 589, 3), bool) & [True, True, False])
    five = Windows(np.arange(0, 600, 60), np.zeros((10, 293, 3), bool))
    assert (speaker_windows.mean_voices([ten, five], 800) == 1).all()
    assert (speaker_windows.mean_voices([ten], 800) == 2).all()
    assert len(speaker_windows.mean_voices([ten], 5000)) == 5000


def test_a_class_of_the_powerset_is_a_set_of_voices():
    log_probabilities = np.log(np.eye(7, dtype=np.float32) + 1e-6)
    decoded = speaker_windows.of_sets(log_probabilities)
    assert decoded.sum(axis=1).tolist() == [0, 1, 1, 1, 2, 2, 2]
    assert len(np.unique(decoded, axis=0)) == 7
    assert decoded[4].tolist() == [True, True, False]


@given(st.integers(0, 5), st.integers(0, 10_000))
def test_what_one_voice_differs_in_is_taken_off(n_changes, seed):
    rng = np.random.default_rng(seed)
    vectors = 3 * rng.normal(size=(7, DIMENSIONS))
    changes = np.linalg.qr(rng.normal(size=(DIMENSIONS, DIMENSIONS)))[0][:n_changes]
    left = voice_linking.without(vectors, changes)
    np.testing.assert_allclose(left @ changes.T, 0.0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(left, axis=1), 1.0)
    # However far somebody moves along them, the voice sounds the same.
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    moved = unit + rng.normal(size=(7, n_changes)) @ changes
    np.testing.assert_allclose(voice_linking.without(moved, changes), left, atol=1e-9)


def test_where_two_voices_are_nearly_as_likely_there_is_doubt():
    one, other = between(0.0)
    middle = (one + other) / np.sqrt(2.0)
    # Five pieces of each, the third of them as much like one as like the other.
    heard = [one, one, middle, one, one, other, other, middle, other, other]
    spans = np.stack([np.arange(10) * 1.5, np.arange(10) * 1.5 + 1.5], axis=1)
    pieces = Pieces(spans, np.full(10, 1.5), np.stack(heard))
    times = frame_start(np.arange(int(15.0 / FRAME_S)))
    speaking = np.stack([times < 7.5, times >= 7.5], axis=1)
    doubts = voice_linking.doubtful(pieces, np.stack([one, other]), speaking)
    assert not (doubts & ~speaking).any()
    for number in range(10):
        at = np.argmin(abs(times - (number * 1.5 + 0.75)))
        assert doubts[at].any() == (number in (2, 7))
    # Where both speak, both are there; one voice alone cannot be taken for another.
    assert not voice_linking.doubtful(pieces, np.stack([one, other]), np.ones_like(speaking)).any()
    assert not voice_linking.doubtful(pieces, one[None], speaking[:, :1]).any()


def test_doubts_stand_in_the_turns_that_they_belong_to():
    speaking = np.zeros((1000, 2), bool)
    speaking[100:300, 0] = speaking[400:900, 1] = True
    doubtful = np.zeros_like(speaking)
    doubtful[150:200, 0] = doubtful[850:900, 1] = True
    first, second = turns_of(speaking, 20.0, doubtful)
    ((start, end),) = first.doubts
    assert (start, end) == pytest.approx((float(frame_start(150)), float(frame_start(200))))
    assert second.doubts == ((pytest.approx(float(frame_start(850))), second.end),)
    assert all(not turn.doubts for turn in turns_of(speaking, 20.0))
