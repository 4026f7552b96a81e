"""What speaks against a piece of recognised text.

Whisper writes fluent text on silence and music, in the wrong language and under noise, and it
repeats itself when it loses the thread. Such text is flagged, never dropped.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emodiss.transcript import Utterance

NO_SPEECH_PROBABILITY: Final = 0.6
"""Probability of no speech above which text is doubted: Whisper's own `no_speech_threshold`."""
COMPRESSION_RATIO: Final = 2.4
"""Text that compresses further repeats itself: Whisper's own `compression_ratio_threshold`."""
REPETITIONS: Final = 4
"""The same one to five words this often in a row are not speech."""
_LOOP_WORDS_PER_S: Final = 6.0
"""Repeated text faster than this was never spoken: conversation has 3 to 4 words a second. Loops of
Whisper have 8 to 9, sentences that an actor repeats have 2."""
_LOOP_REPETITIONS: Final = 20
"""Nor was what comes so often in a row, however slowly."""
_LONGEST_NGRAM: Final = 5
_SILENT_DBFS: Final = -60.0


@dataclass(frozen=True, slots=True)
class Belief:
    """From where on a model's words are believed; part of its card."""

    # Least mean log probability of a window's tokens. Whisper's own `logprob_threshold` of -1 was
    # meant for larger models; a small one is wrong long before.
    log_probability: float = -1.0
    # Least mean probability of a segment's words: it lets a clear sentence stand in a window of
    # doubtful ones. 1 where the log probability alone decides.
    word_probability: float = 1.0
    # Mean probability of words below which a segment is doubted whatever its window is like.
    hopeless: float = 0.0


WHISPER: Final = Belief()
"""Whisper's own threshold."""

TINY_EN: Final = Belief(log_probability=-0.6, word_probability=0.66, hopeless=0.6)
"""For Whisper tiny.en, int8. -0.6 from 92 acted clips (clean, under babble, and German read as
English); the word probabilities from 378 others, of all 24 English and 10 German speakers at hand.
On 120 further clips they raise the precision of the flag from .82 to .95 and cost .06 of its recall
of .98."""


def doubts(
    text: str,
    log_probability: float,
    no_speech: float,
    level_db: float = 0.0,
    *,
    word_probability: float = math.nan,
    belief: Belief = WHISPER,
) -> tuple[str, ...]:
    """Name what speaks against a piece of recognised text."""
    found: list[str] = []
    if no_speech > NO_SPEECH_PROBABILITY or level_db < _SILENT_DBFS:
        found.append("no_speech")
    unsure = log_probability < belief.log_probability
    if (unsure and not word_probability >= belief.word_probability) or (
        word_probability < belief.hopeless
    ):
        found.append("low_probability")
    content = text.encode()
    if len(content) / len(zlib.compress(content)) > COMPRESSION_RATIO or _repeats(text):
        found.append("repetition")
    return tuple(found)


def doubt_the_recording(segments: Sequence[Utterance]) -> tuple[Utterance, ...]:
    """Doubt all that was heard in a recording of which most is doubtful."""
    total = sum(segment.duration for segment in segments)
    doubtful = sum(s.duration for s in segments if _is_invented(s))
    if not segments or doubtful <= total / 2:
        return tuple(segments)
    return tuple(replace(s, flags=(*s.flags, "language_or_noise_doubtful")) for s in segments)


def _is_invented(segment: Utterance) -> bool:
    """Whether a segment says nothing of what is spoken; a loop is sure of its words."""
    if {"low_probability", "no_speech"} & set(segment.flags):
        return True
    fast = len(segment.text.split()) > _LOOP_WORDS_PER_S * segment.duration
    return "repetition" in segment.flags and (fast or _repeats(segment.text, _LOOP_REPETITIONS))


def level_db(part: NDArray[np.float32]) -> float:
    """Level of a stretch of sound, dB relative to full scale; minus infinity when there is none."""
    power = float(np.mean(np.square(part, dtype=np.float64))) if len(part) else 0.0
    return 10 * float(np.log10(power)) if power > 0 else -math.inf


def _repeats(text: str, times: int = REPETITIONS) -> bool:
    """Whether one to five words come so often in a row."""
    words = text.lower().split()
    for n in range(1, _LONGEST_NGRAM + 1):
        alike = 0
        for earlier, later in zip(words, words[n:], strict=False):
            alike = alike + 1 if earlier == later else 0
            if alike >= n * (times - 1):
                return True
    return False
