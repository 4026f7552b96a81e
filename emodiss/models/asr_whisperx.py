"""Words by WhisperX: Whisper over stretches of speech, in batches (Bain et al. 2023).

What Whisper says is kept in segments of up to 30 s with the doubts it leaves: Whisper writes
fluent text on silence and music, and repeats itself when it loses the thread. Such segments are
flagged, never dropped. Times inside a segment come from `align_whisperx`.

Sound goes in as an array; nothing is decoded here. Weights come from a local CTranslate2 folder;
nothing is fetched here. The voice activity that WhisperX cuts by is that of its own bundled
network, loaded by `segmentation_network` because WhisperX itself would unpickle the file.
"""

from __future__ import annotations

import contextlib
import gc
import io
import logging
import os
import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emodiss.errors import ModelError, ModelMissing
from emodiss.models import speech_signal
from emodiss.models.catalog import Catalogued
from emodiss.transcript import Recognition, Utterance

__all__ = ["WhisperX", "doubts", "quiet_libraries"]

LOW_LOG_PROBABILITY: Final = -1.0
"""Least mean log probability of a token that is believed: Whisper's own `logprob_threshold`."""
NO_SPEECH_PROBABILITY: Final = 0.6
"""Probability of no speech above which text is doubted: Whisper's own `no_speech_threshold`."""
COMPRESSION_RATIO: Final = 2.4
"""Text that compresses further repeats itself: Whisper's own `compression_ratio_threshold`."""
REPETITIONS: Final = 4
"""The same one to five words this often in a row are not speech."""
_LONGEST_NGRAM: Final = 5
_SILENT_DBFS: Final = -60.0

_FILES: Final = ("model.bin", "config.json", "tokenizer.json")


def quiet_libraries() -> None:
    """Keep WhisperX from logging spoken words, and pyannote.audio from reporting over the network.

    Call before the first import of either.
    """
    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    # "Failed to align segment ("<the words>")" is a warning there, printed to stdout by a handler
    # that WhisperX adds on import unless there is one already.
    logger = logging.getLogger("whisperx")
    logger.handlers = [logging.NullHandler()]
    logger.propagate = False
    logger.setLevel(logging.CRITICAL + 1)


class WhisperX(Catalogued):
    """Recognises speech with a CTranslate2 Whisper.

    Parameters
    ----------
    folder
        CTranslate2 folder: model.bin, config.json, tokenizer.json, vocabulary,
        preprocessor_config.json.
    local_folder
        Taken instead of `folder`: a Whisper of one's own.
    name
        Catalog name, for messages.
    compute_type
        `default` is float16 on a GPU and float32 on a CPU; `int8` is smaller and faster.
    batch_size
        Segments at once.
    beam_size
        Beams of the search; WhisperX's own default is 5.
    chunk_s
        Longest segment, seconds; Whisper hears 30 s at most.
    vad_onset, vad_offset
        Activity at which speech starts and ends; WhisperX's own defaults.
    device
        `cpu` or `cuda`.
    threads
        CPU threads.

    Raises
    ------
    ModelMissing
        If the folder lacks a file.
    ModelError
        If it does not hold a Whisper.
    """

    def __init__(
        self,
        folder: Path,
        *,
        local_folder: str | None = None,
        name: str = "whisperx-local",
        compute_type: str = "default",
        batch_size: int = 8,
        beam_size: int = 5,
        chunk_s: float = 30.0,
        vad_onset: float = 0.5,
        vad_offset: float = 0.363,
        device: str = "cpu",
        threads: int = 1,
    ) -> None:
        if local_folder is not None:
            folder = Path(local_folder)
        absent = [file for file in _FILES if not (folder / file).is_file()]
        if absent:
            raise ModelMissing(
                f"The Whisper folder {folder} lacks {', '.join(absent)}.",
                next_step=f"Fetch it with: emodiss models pull {name}, or give a folder that "
                "ctranslate2 converted; or give transcripts and use --preset lite.",
            )
        self.name = name
        self._batch_size = batch_size
        self._chunk_s = chunk_s
        self._pipeline: Any = _pipeline(
            folder,
            device=device,
            threads=threads,
            compute_type=compute_type,
            beam_size=beam_size,
            vad={"vad_onset": vad_onset, "vad_offset": vad_offset},
        )

    def transcribe(
        self, signal: NDArray[np.floating], sample_rate: int, *, language: str | None = None
    ) -> Recognition:
        """Recognise what is said.

        Parameters
        ----------
        signal
            (n,) float mono in [-1, 1].
        sample_rate
            Hz, at least 8,000.
        language
            ISO 639-1 code; None lets Whisper decide by the first 30 s.

        Returns
        -------
        Recognition
            Segments of up to `chunk_s`; flags name doubts: `no_speech`, `low_probability`,
            `repetition`. Empty when there is no speech.

        Raises
        ------
        ValueError
            If the signal is not one finite channel.
        ModelError
            If the model does not know the language.
        """
        audio = speech_signal.at_16_khz(signal, sample_rate).astype(np.float32)
        if not audio.any():
            return Recognition(())
        known = self._pipeline.model.supported_languages
        if language is not None and language not in known:
            raise ModelError(
                f"The model '{self.name}' does not know the language '{language}'.",
                next_step=f"Set transcript.language to one of: {', '.join(sorted(known))}.",
                code="language",
            )
        recorder = self._pipeline.model.model
        recorder.no_speech.clear()
        result = self._pipeline.transcribe(
            audio, batch_size=self._batch_size, language=language, chunk_size=self._chunk_s
        )
        found: list[Utterance] = []
        for segment, no_speech in zip(result["segments"], recorder.no_speech, strict=True):
            text = segment["text"].strip()
            start, end = float(segment["start"]), min(float(segment["end"]), len(audio) / 16_000)
            if not text or end <= start:
                continue
            part = audio[round(start * 16_000) : round(end * 16_000)]
            flags = doubts(text, float(segment["avg_logprob"]), no_speech, _level_db(part))
            found.append(Utterance(start, end, "", text, timing="detected", flags=flags))
        return Recognition(tuple(found), str(result["language"]) if found else None)

    def close(self) -> None:
        """Give the memory back."""
        self._pipeline = None
        gc.collect()


def doubts(
    text: str, log_probability: float, no_speech: float, level_db: float = 0.0
) -> tuple[str, ...]:
    """Name what speaks against a piece of recognised text.

    Parameters
    ----------
    text
        As recognised.
    log_probability
        Mean log probability of its tokens.
    no_speech
        Whisper's probability that nobody speaks, in [0, 1].
    level_db
        Level of the sound, dB relative to full scale.

    Returns
    -------
    tuple of str
        `no_speech` (Whisper heard nobody, or there is no sound), `low_probability`, `repetition`.
    """
    found: list[str] = []
    if no_speech > NO_SPEECH_PROBABILITY or level_db < _SILENT_DBFS:
        found.append("no_speech")
    if log_probability < LOW_LOG_PROBABILITY:
        found.append("low_probability")
    content = text.encode()
    if len(content) / len(zlib.compress(content)) > COMPRESSION_RATIO or _repeats(text):
        found.append("repetition")
    return tuple(found)


def _repeats(text: str) -> bool:
    words = text.lower().split()
    for n in range(1, _LONGEST_NGRAM + 1):
        span = n * REPETITIONS
        for first in range(len(words) - span + 1):
            ngram = words[first : first + n]
            if words[first : first + span] == ngram * REPETITIONS:
                return True
    return False


def _level_db(part: NDArray[np.float32]) -> float:
    power = float(np.mean(np.square(part, dtype=np.float64))) if len(part) else 0.0
    return 10 * float(np.log10(power)) if power > 0 else -float("inf")


class _Recorder:
    """A CTranslate2 Whisper that also notes each segment's probability of no speech.

    WhisperX does not ask for it, and there is no other place to get it without a second pass.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self.no_speech: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def generate(self, *arguments: Any, **options: Any) -> Any:
        results = self._model.generate(*arguments, return_no_speech_prob=True, **options)
        self.no_speech += [float(result.no_speech_prob) for result in results]
        return results


def _pipeline(
    folder: Path,
    *,
    device: str,
    threads: int,
    compute_type: str,
    beam_size: int,
    vad: dict[str, float],
) -> Any:
    quiet_libraries()
    import whisperx.asr

    if compute_type == "default":
        compute_type = "float16" if device == "cuda" else "float32"
    try:
        model = whisperx.asr.WhisperModel(
            str(folder),
            device=device,
            compute_type=compute_type,
            cpu_threads=threads,
            local_files_only=True,
        )
    except (RuntimeError, ValueError) as error:
        raise ModelError(
            f"The folder {folder} cannot be loaded as a CTranslate2 Whisper with compute type "
            f"'{compute_type}' on {device}.",
            next_step="Convert the model with ct2-transformers-converter, or set another "
            "whisper.compute_type.",
        ) from error
    model.model = _Recorder(model.model)
    # It prints a remark about the voice activity; stdout is for data.
    with contextlib.redirect_stdout(io.StringIO()):
        return whisperx.asr.load_model(
            str(folder),
            device,
            model=model,
            vad_model=_activity(threads),
            vad_options=vad,
            asr_options={"beam_size": beam_size},
            threads=threads,
        )


def _activity(threads: int) -> Any:
    """WhisperX's voice activity on the safely loaded network."""
    from pyannote.core import SlidingWindow, SlidingWindowFeature
    from whisperx.vads import Pyannote, Vad

    from emodiss.models import segmentation_network
    from emodiss.models.diarizer_segmentation import STEP_S, stitched
    from emodiss.models.torch_threads import torch_threads

    network = segmentation_network.load()

    class Activity(Vad):  # pyright: ignore[reportUntypedBaseClass]
        preprocess_audio = staticmethod(Pyannote.preprocess_audio)

        def __call__(self, audio: dict[str, Any]) -> SlidingWindowFeature:
            samples = audio["waveform"][0].numpy()
            with torch_threads(threads):
                windows = network.windows(samples, STEP_S)
            anyone = stitched(windows.max(axis=2, keepdims=True))
            step = segmentation_network.FRAME_S
            start = float(segmentation_network.frame_start(0))
            frames = SlidingWindow(start=start, duration=step, step=step)
            return SlidingWindowFeature(anyone[: int(len(samples) / 16_000 / step)], frames)

        @staticmethod
        def merge_chunks(*arguments: Any, **options: Any) -> Any:
            return Pyannote.merge_chunks(*arguments, **options)

    return Activity(0.5)
