"""Errors of recognised words and of told-apart voices, against a transcript that is known."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from emodiss.transcript.records import Turn

_STEP_S = 0.01
_NOT_A_WORD = re.compile(r"[^\w']+")


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Words that were recognised, against those that were said."""

    n_said: int
    # substitutions, deletions, insertions: Fewest changes that turn the reference into what was
    # recognised.
    substitutions: int
    deletions: int
    insertions: int
    # Positions in the reference and in what was recognised that stand for each other, right or
    # substituted.
    pairs: tuple[tuple[int, int], ...]

    @property
    def n_wrong(self) -> int:
        """Substitutions, deletions and insertions."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Word error rate; NaN when nothing was said."""
        return self.n_wrong / self.n_said if self.n_said else float("nan")


@dataclass(frozen=True, slots=True)
class VoiceErrors:
    """Voices told apart, against those that spoke; overlapping speech counts per voice."""

    # Speech of the reference, seconds.
    speech_s: float
    # missed_s, false_alarm_s, confused_s: Speech that was not found, that nobody spoke, and that
    # went to another voice; no collar.
    missed_s: float
    false_alarm_s: float
    confused_s: float
    # Label that was found to the reference's label it stands for.
    same: Mapping[str, str]

    @property
    def rate(self) -> float:
        """Diarization error rate; NaN when nobody spoke."""
        wrong = self.missed_s + self.false_alarm_s + self.confused_s
        return wrong / self.speech_s if self.speech_s else float("nan")


def plain_words(text: str) -> list[str]:
    """Split text into words without case and punctuation, as word error rates count them."""
    plain = text.casefold().replace("\u2019", "'")
    return [word for part in _NOT_A_WORD.split(plain) if (word := part.strip("'"))]


def word_errors(said: Sequence[str], recognised: Sequence[str]) -> WordErrors:
    """Align two sequences of words with the fewest changes (Levenshtein 1966)."""
    n, m = len(said), len(recognised)
    cost = np.zeros((n + 1, m + 1), np.int32)
    cost[:, 0], cost[0, :] = np.arange(n + 1), np.arange(m + 1)
    other = np.array([[a != b for b in recognised] for a in said]).reshape(n, m)
    for i in range(1, n + 1):
        step = np.minimum(cost[i - 1, :-1] + other[i - 1], cost[i - 1, 1:] + 1)
        # Insertions run along the row: the cheapest start plus one per word since.
        row = np.concatenate([[i], step]) - np.arange(m + 1)
        cost[i] = np.minimum.accumulate(row) + np.arange(m + 1)
    substitutions = deletions = insertions = 0
    pairs: list[tuple[int, int]] = []
    i, j = n, m
    while i or j:
        if i and j and cost[i, j] == cost[i - 1, j - 1] + other[i - 1, j - 1]:
            i, j = i - 1, j - 1
            substitutions += int(other[i, j])
            pairs.append((i, j))
        elif i and cost[i, j] == cost[i - 1, j] + 1:
            i -= 1
            deletions += 1
        else:
            j -= 1
            insertions += 1
    return WordErrors(n, substitutions, deletions, insertions, tuple(reversed(pairs)))


def voice_errors(spoken: Iterable[Turn], found: Iterable[Turn]) -> VoiceErrors:
    """Compare turns with those of a reference under the best match of labels, in steps of 10 ms."""
    from scipy.optimize import linear_sum_assignment

    spoken, found = list(spoken), list(found)
    n = round(max((turn.end for turn in (*spoken, *found)), default=0.0) / _STEP_S) + 1
    true, guessed = _grid(spoken, n), _grid(found, n)
    shared = np.array([[(t & g).sum() for g in guessed.values()] for t in true.values()])
    same: dict[str, str] = {}
    if shared.size:
        for row, column in zip(*linear_sum_assignment(-shared), strict=True):
            if shared[row, column]:
                same[list(guessed)[column]] = list(true)[row]
    n_true, n_found = (sum(g.values(), np.zeros(n, np.int32)) for g in (true, guessed))
    right = sum(((guessed[g] & true[t]).astype(np.int32) for g, t in same.items()), np.zeros(n))
    return VoiceErrors(
        speech_s=float(n_true.sum()) * _STEP_S,
        missed_s=float(np.maximum(n_true - n_found, 0).sum()) * _STEP_S,
        false_alarm_s=float(np.maximum(n_found - n_true, 0).sum()) * _STEP_S,
        confused_s=float((np.minimum(n_true, n_found) - right).sum()) * _STEP_S,
        same=same,
    )


def _grid(turns: Iterable[Turn], n: int) -> dict[str, np.ndarray]:
    """When each voice speaks, per step."""
    found: dict[str, np.ndarray] = {}
    for turn in turns:
        mine = found.setdefault(turn.speaker, np.zeros(n, bool))
        mine[round(turn.start / _STEP_S) : round(turn.end / _STEP_S)] = True
    return found
