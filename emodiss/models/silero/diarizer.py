"""Voice activity by Silero VAD: stretches of speech, without telling voices apart.

The weights lie inside the faster-whisper package (Silero VAD v6, MIT). For a recording of one
person (`--set models.diarizer=silero-vad`): it says when somebody speaks, not who.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emodiss.transcript import Turn

UNKNOWN_SPEAKER = "unknown"
"""Label of the one voice that all speech is given to."""

_SAMPLE_RATE = 16_000


class SileroVoiceActivity:
    """Stretches of speech as turns of one unknown speaker.

    Shorter pauses than 0.5 s fall inside a sentence; 15 s are what one utterance of the paper's
    examples holds at most, and what speech models were trained on.
    """

    name = "silero-vad"

    def __init__(
        self, *, min_silence_s: float = 0.5, pad_s: float = 0.1, max_speech_s: float = 15.0
    ) -> None:
        self.min_silence_s = min_silence_s
        self.pad_s = pad_s
        self.max_speech_s = max_speech_s

    def diarize(
        self, signal: NDArray[np.floating], sample_rate: int, num_speakers: int | None = None
    ) -> list[Turn]:
        """Find stretches of speech."""
        from faster_whisper.vad import VadOptions, get_speech_timestamps

        if np.ndim(signal) != 1 or sample_rate != _SAMPLE_RATE:
            raise ValueError(
                f"Silero VAD needs one mono signal at {_SAMPLE_RATE} Hz, got shape "
                f"{np.shape(signal)} at {sample_rate} Hz; decode it with emodiss.media."
            )
        if not len(signal):
            return []
        options = VadOptions(
            min_silence_duration_ms=round(self.min_silence_s * 1000),
            speech_pad_ms=round(self.pad_s * 1000),
            max_speech_duration_s=self.max_speech_s,
        )
        found = get_speech_timestamps(np.asarray(signal, np.float32), options, _SAMPLE_RATE)
        return [
            Turn(s["start"] / _SAMPLE_RATE, s["end"] / _SAMPLE_RATE, UNKNOWN_SPEAKER) for s in found
        ]
