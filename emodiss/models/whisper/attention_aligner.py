"""Word times from Whisper's cross-attention: no further weights than those of the recogniser.

A text is forced through Whisper's decoder beside the sound, and each of its tokens lies where the
decoder looked (dynamic time warping over the heads that CTranslate2 knows to be aligned). That is
coarser than a wav2vec2 with letters, and it says how probable the words are here: text that is not
what is said comes out improbable.

The attention has no blank, so the first word of a stretch begins with the stretch and a word before
a pause takes the pause with it. Therefore each utterance is aligned by itself, its first word is no
longer than its letters allow, and words are drawn in to where the sound is loud.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emodiss.errors import ModelError
from emodiss.models import speech_signal
from emodiss.models.speech_signal import Samples
from emodiss.models.whisper import folder as whisper_folder
from emodiss.models.whisper.attention_times import STEP_S, drawn_in
from emodiss.transcript import Timing, Utterance, Word
from emodiss.transcript.timing import text_weight

_RATE: Final = 16_000
_HOP: Final = 160
"""Samples in one frame of the spectrogram."""
_WINDOW_S: Final = 30.0
"""Whisper hears no more at once."""
_BELIEVED_S: Final = 20.0
"""Of a window inside a longer stretch, words up to here are taken; the rest is aligned anew."""
_MOST_TOKENS: Final = 400
"""The decoder takes 448, special ones included."""
_WORD_S, _LETTER_S = 0.15, 0.08
"""Longest first word: so much, and so much for each letter. By the sample that pyannote.audio
ships: the error of starts falls from .59 to .19 s where a transcript states whole seconds."""


@dataclass(slots=True)
class _Placed:
    """A word as written, with the pieces of it that were found."""

    text: str
    start: float = math.nan
    end: float = math.nan
    score: float = math.nan


class AttentionAligner:
    """Finds when given words are said, with a CTranslate2 Whisper."""

    timing: Timing = "attention"
    takes_stretches = True

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "whisper-tiny-en-attention",
        mismatch_below: float = 0.0,
        device: str = "cpu",
        threads: int = 1,
    ) -> None:
        whisper_folder.require_files(folder, name=name)
        self.name = name
        self.mismatch_below = mismatch_below
        self._processor: dict[str, Any] = {"device": device, "threads": threads}
        self._folder = folder

    @cached_property
    def _model(self) -> Any:
        """Loaded when words are sought: what a Whisper recognised has its times already."""
        from faster_whisper import WhisperModel

        return whisper_folder.load(
            WhisperModel, self._folder, **self._processor, compute_type="default"
        )

    def align(
        self,
        signal: NDArray[np.floating],
        sample_rate: int,
        utterances: Sequence[Utterance],
        *,
        language: str | None = None,
    ) -> list[tuple[Word, ...]]:
        """Find when the words of each utterance are said."""
        from faster_whisper.tokenizer import Tokenizer

        known = self._model.supported_languages
        spoken = language or "en"
        if spoken not in known:
            raise ModelError(
                f"The aligner '{self.name}' does not know the language '{spoken}' of the text.",
                next_step="Do without word times: --set models.aligner=none (and "
                "transcript.align=false); or give a wav2vec2 of that language: --set "
                "models.aligner=wav2vec2-local --set alignment.local_folder=...",
                code="language",
            )
        tokenizer = Tokenizer(
            self._model.hf_tokenizer,
            self._model.model.is_multilingual,
            task="transcribe",
            language=spoken,
        )
        audio = speech_signal.in_stretches(signal, sample_rate)
        return [self._words(u, audio, tokenizer) for u in utterances]

    def _words(self, utterance: Utterance, audio: Samples, tokenizer: Any) -> tuple[Word, ...]:
        words = [_Placed(text) for text in utterance.text.split()]
        rest = [word for word in words if any(letter.isalnum() for letter in word.text)]
        start, end = utterance.start, min(utterance.end, len(audio) / _RATE)
        while rest and end - start >= 2 * STEP_S:
            whole = end - start <= _WINDOW_S
            part = rest if whole else _as_many_as_fit(rest, _WINDOW_S / (end - start))
            until = end if whole else start + _WINDOW_S
            if not self._place(part, audio[round(start * _RATE) : round(until * _RATE)], tokenizer):
                break
            for word in part:
                word.start, word.end = word.start + start, word.end + start
            if whole:
                break
            taken = max(1, sum(word.end <= start + _BELIEVED_S for word in part))
            for word in part[taken:]:
                word.start = word.end = word.score = math.nan
            start, rest = part[taken - 1].end, rest[taken:]
        return _finished(words, audio, end)

    def _place(self, words: Sequence[_Placed], part: NDArray[np.float32], tokenizer: Any) -> bool:
        """Time words in up to 30 s of sound, seconds from its start; False where they cannot be."""
        tokens = tokenizer.encode(" " + " ".join(word.text for word in words))
        if len(tokens) > _MOST_TOKENS or not part.any():
            return False
        # Whisper pads to 30 s; the encoder takes less just as well, for a tenth of the time.
        features = self._model.feature_extractor(part, padding=0)
        n_frames = min(features.shape[-1], len(part) // _HOP, 3_000)
        encoded = self._model.encode(features[:, : max(n_frames, 2)])
        (pieces,) = self._model.find_alignment(tokenizer, [tokens], encoded, n_frames)
        return _gather(words, pieces)

    def close(self) -> None:
        """Give the memory back."""
        self.__dict__.pop("_model", None)
        gc.collect()


def _as_many_as_fit(words: Sequence[_Placed], share: float) -> list[_Placed]:
    """First words that make up a share of the text, at least one."""
    weights = np.cumsum([text_weight(word.text) for word in words])
    return list(words[: max(1, int(np.searchsorted(weights, share * weights[-1])))])


def _gather(words: Sequence[_Placed], pieces: Sequence[dict[str, Any]]) -> bool:
    """Put the tokenizer's pieces together to the words as written; False where they differ.

    A piece of punctuation alone belongs to a word and says nothing about its time.
    """
    waiting = iter(words)
    word, left = None, ""
    sums: list[tuple[float, int]] = []
    for piece in pieces:
        text = "".join(piece["word"].split())
        while text:
            if not left:
                word = next(waiting, None)
                if word is None:
                    return False
                left = "".join(word.text.split())
                sums.append((0.0, 0))
            assert word is not None
            n = min(len(text), len(left))
            if text[:n] != left[:n]:
                return False
            if any(letter.isalnum() for letter in text[:n]):
                start, end = float(piece["start"]), float(piece["end"])
                word.start = start if math.isnan(word.start) else word.start
                word.end = end
                total, count = sums[-1]
                sums[-1] = total + float(piece["probability"]), count + 1
                word.score = min(max(sums[-1][0] / sums[-1][1], 0.0), 1.0)
            text, left = text[n:], left[n:]
    return not left and next(waiting, None) is None


def _finished(words: Sequence[_Placed], audio: Samples, end: float) -> tuple[Word, ...]:
    """Shorten words to what their letters and the sound allow."""
    found = [word for word in words if math.isfinite(word.start)]
    if found:
        letters = sum(letter.isalnum() for letter in found[0].text)
        found[0].start = max(found[0].start, found[0].end - _WORD_S - _LETTER_S * letters)
    made = [
        Word(
            word.text,
            word.start,
            min(max(word.end, word.start), end),
            timing="attention" if math.isfinite(word.start) else "interpolated",
            score=word.score,
        )
        for word in words
    ]
    return tuple(drawn_in(made, audio))
