"""Words by faster-whisper: Whisper over stretches of speech, with the times of its words.

WhisperX runs the same engine, with another voice activity and in batches. For a small model on a
CPU its imports cost more than ten minutes of recognition, its batches gain nothing, and the words
are as good (`emodiss/guides/words_and_voices.md`), so that this adapter does without it.

Speech is found by Silero VAD, whose weights lie inside faster-whisper. Stretches are laid one
after another in windows of at most half a minute, so that memory does not grow with the recording.
Words get their times from the decoder's cross-attention (`timing="attention"`). Nothing is drawn
by chance: Whisper's second attempts at other temperatures are left out, so that the same sound
gives the same words.

Sound goes in as an array; nothing is decoded or fetched here.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from emodiss.models import speech_signal
from emodiss.models.speech_signal import Samples
from emodiss.models.whisper import folder as whisper_folder
from emodiss.models.whisper.attention_times import STEP_S, drawn_in
from emodiss.models.whisper.doubts import WHISPER, Belief, doubt_the_recording, doubts, level_db
from emodiss.transcript import Recognition, Utterance, Word
from emodiss.transcript.join import ends_sentence
from emodiss.transcript.timing import shared_out

_RATE: Final = 16_000
_JUDGED_WORDS: Final = 3
"""The mean probability of fewer words says little about them."""
_BLOCK_S: Final = 600
"""Speech is looked for in so many seconds at once; the memory of it is a hundred megabytes."""


class FasterWhisper:
    """Recognises speech with a CTranslate2 Whisper; options as in `WhisperSettings`."""

    takes_stretches = True

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "whisper-tiny-en",
        belief: Belief = WHISPER,
        device: str = "cpu",
        threads: int = 1,
        **options: Any,
    ) -> None:
        from faster_whisper import WhisperModel

        folder, chosen = whisper_folder.chosen(folder, options, name=name)
        self._options = chosen
        self.name = name
        self._belief = belief
        self._activity = (chosen.vad_onset, min(chosen.vad_onset, chosen.vad_offset))
        self._model: Any = whisper_folder.load(
            WhisperModel, folder, device=device, threads=threads, compute_type=chosen.compute_type
        )

    def transcribe(
        self, signal: NDArray[np.floating], sample_rate: int, *, language: str | None = None
    ) -> Recognition:
        """Recognise what is said."""
        from faster_whisper.transcribe import restore_speech_timestamps
        from faster_whisper.vad import collect_chunks

        audio = speech_signal.in_stretches(signal, sample_rate)
        spoken, assumed = whisper_folder.language_for(
            language, self._model.supported_languages, name=self.name
        )
        if not audio.any():
            return Recognition(())
        segments: list[Utterance] = []
        words: list[tuple[Word, ...]] = []
        for window in self._windows(audio):
            pieces, _ = collect_chunks(cast("NDArray[np.float32]", audio), window)
            found, about = self._model.transcribe(
                np.concatenate(pieces),
                language=spoken,
                beam_size=self._options.beam_size,
                temperature=0.0,
                condition_on_previous_text=False,
                word_timestamps=True,
            )
            spoken = about.language
            for segment in restore_speech_timestamps(found, window, _RATE):
                for one, its_words in self._judged(segment, audio):
                    segments.append(one)
                    words.append(its_words)
        return Recognition(
            doubt_the_recording(segments),
            language=spoken if segments else None,
            words=tuple(word for group in words for word in group),
            language_assumed=assumed and bool(segments),
        )

    def _windows(self, audio: Samples) -> Iterator[list[dict[str, int]]]:
        """Stretches of speech, in samples, together no longer than a window."""
        window: list[dict[str, int]] = []
        length = 0
        for stretch in self._stretches(audio):
            own = stretch["end"] - stretch["start"]
            if window and length + own > self._options.chunk_s * _RATE:
                yield window
                window, length = [], 0
            window.append(stretch)
            length += own
        if window:
            yield window

    def _stretches(self, audio: Samples) -> Iterator[dict[str, int]]:
        from faster_whisper.vad import VadOptions, get_speech_timestamps

        onset, offset = self._activity
        options = VadOptions(
            threshold=onset, neg_threshold=offset, max_speech_duration_s=self._options.chunk_s
        )
        start = 0
        while start < len(audio):
            block = audio[start : start + _BLOCK_S * _RATE]
            found = get_speech_timestamps(block, options)
            following = start + len(block)
            if following < len(audio) and len(found) > 1:
                # The last stretch may go on beyond the block: the next block begins with it.
                following = start + found.pop()["start"]
            for stretch in found:
                yield {"start": start + stretch["start"], "end": start + stretch["end"]}
            start = following

    def _judged(self, segment: Any, audio: Samples) -> Iterator[tuple[Utterance, tuple[Word, ...]]]:
        """Judge what Whisper says sentence by sentence; a loop stays in one piece."""
        last = len(audio) / _RATE
        timed = drawn_in(
            [
                Word(
                    word.word.strip(),
                    min(max(float(word.start), 0.0), last),
                    min(max(float(word.end), 0.0), last),
                    timing="attention",
                    score=min(max(float(word.probability), 0.0), 1.0),
                )
                for word in segment.words or ()
                if word.word.strip()
            ],
            audio,
        )
        whole = doubts(segment.text.strip(), 0.0, 0.0)
        for words in [timed] if whole else _sentences(timed):
            text = " ".join(word.text for word in words)
            # Marks alone ("...") are Whisper's way to write a sound that is no speech.
            if not any(character.isalnum() for character in text):
                continue
            start, end = min(words[0].start, last - STEP_S), words[-1].end
            end = max(end, start + STEP_S)
            scores = [word.score for word in words]
            flags = doubts(
                text,
                float(segment.avg_logprob),
                float(segment.no_speech_prob),
                level_db(audio[round(start * _RATE) : round(end * _RATE)]),
                word_probability=float(np.mean(scores))
                if len(words) >= _JUDGED_WORDS
                else math.nan,
                belief=self._belief,
            )
            one = Utterance(start, end, "", text, timing="detected", flags=flags)
            yield one, tuple(shared_out(one) if "repetition" in flags else words)

    def close(self) -> None:
        """Give the memory back."""
        self._model = None
        gc.collect()


def _sentences(words: Sequence[Word]) -> Iterator[Sequence[Word]]:
    """Words up to each sentence end; too few to be judged stay with those beside them."""
    first = 0
    for place in range(1, len(words)):
        enough = place - first >= _JUDGED_WORDS and len(words) - place >= _JUDGED_WORDS
        if enough and ends_sentence(words[place - 1].text):
            yield words[first:place]
            first = place
    if words:
        yield words[first:]
