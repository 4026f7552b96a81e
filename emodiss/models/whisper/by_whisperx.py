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
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emodiss.models import speech_signal
from emodiss.models.quiet import quiet_libraries
from emodiss.models.whisper import folder as whisper_folder
from emodiss.models.whisper.doubts import doubt_the_recording, doubts, level_db
from emodiss.transcript import Recognition, Utterance


class WhisperX:
    """Recognises speech with a CTranslate2 Whisper; options as in `WhisperSettings`."""

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "whisperx-local",
        device: str = "cpu",
        threads: int = 1,
        **options: Any,
    ) -> None:
        folder, chosen = whisper_folder.chosen(folder, options, name=name)
        self._options = chosen
        self.name = name
        self._pipeline: Any = _pipeline(
            folder,
            device=device,
            threads=threads,
            compute_type=chosen.compute_type,
            beam_size=chosen.beam_size,
            vad={"vad_onset": chosen.vad_onset, "vad_offset": chosen.vad_offset},
        )

    def transcribe(
        self, signal: NDArray[np.floating], sample_rate: int, *, language: str | None = None
    ) -> Recognition:
        """Recognise what is said."""
        audio = speech_signal.at_16_khz(signal, sample_rate).astype(np.float32)
        spoken, assumed = whisper_folder.language_for(
            language, self._pipeline.model.supported_languages, name=self.name
        )
        if not audio.any():
            return Recognition(())
        recorder = self._pipeline.model.model
        recorder.no_speech.clear()
        result = self._pipeline.transcribe(
            audio,
            batch_size=self._options.batch_size,
            language=spoken,
            chunk_size=self._options.chunk_s,
        )
        found: list[Utterance] = []
        for segment, no_speech in zip(result["segments"], recorder.no_speech, strict=True):
            text = segment["text"].strip()
            start, end = float(segment["start"]), min(float(segment["end"]), len(audio) / 16_000)
            if not text or end <= start:
                continue
            part = audio[round(start * 16_000) : round(end * 16_000)]
            flags = doubts(text, float(segment["avg_logprob"]), no_speech, level_db(part))
            found.append(Utterance(start, end, "", text, timing="detected", flags=flags))
        return Recognition(
            doubt_the_recording(found),
            language=str(result["language"]) if found else None,
            language_assumed=assumed and bool(found),
        )

    def close(self) -> None:
        """Give the memory back."""
        self._pipeline = None
        gc.collect()


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

    model = whisper_folder.load(
        whisperx.asr.WhisperModel,
        folder,
        device=device,
        threads=threads,
        compute_type=compute_type,
        on_cpu="float32",
    )
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

    from emodiss.models.segmentation import network as segmentation_network
    from emodiss.models.segmentation.diarizer import STEP_S, stitched
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
