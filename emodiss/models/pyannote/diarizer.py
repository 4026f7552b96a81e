"""Who speaks when by pyannote's community-1 pipeline, from a local folder.

The folder is a copy of the gated repository: config.yaml, segmentation/, embedding/ and plda/.
Fetching it needs a Hugging Face token (`emodiss models pull pyannote-community-1`); running it does
not. Checkpoints are read with `weights_only`, and telemetry is off.

pyannote computes the ResNet of its speaker embedding once per window and voice, although the mask
that says where the voice speaks enters only at the pooling after it. `shared_trunk` computes it
once per window: the same bits, about a third of the work.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emodiss.errors import ModelError, ModelMissing
from emodiss.models import speech_signal
from emodiss.models.pyannote import COMMUNITY_1
from emodiss.models.quiet import quiet_libraries
from emodiss.models.torch_threads import torch_threads
from emodiss.settings import PyannoteSettings
from emodiss.transcript import Turn

PAGE: Final = "https://huggingface.co/pyannote/speaker-diarization-community-1"
"""Where its terms are accepted."""

FILES: Final = tuple(file.name for file in COMMUNITY_1)
"""What a copy of the repository must hold."""


class Community1:
    """Speaker turns by pyannote.audio's community-1; options as in `PyannoteSettings`."""

    name = "pyannote-community-1"

    def __init__(
        self,
        folder: Path,
        *,
        device: str = "cpu",
        threads: int = 1,
        **options: Any,
    ) -> None:
        chosen = PyannoteSettings(**options)
        absent = [name for name in FILES if not (folder / name).is_file()]
        if absent:
            raise ModelMissing(
                f"pyannote community-1 is not on this machine: {folder} lacks {', '.join(absent)}.",
                next_step=f"Accept its terms on {PAGE}, set HF_TOKEN, and run: emodiss models pull "
                "pyannote-community-1. Without a token: --set "
                "models.diarizer=pyannote-segmentation, or --preset lite.",
            )
        self._bounds = chosen.model_dump(include={"min_speakers", "max_speakers"})
        self._exclusive = chosen.exclusive
        self._threads = threads
        quiet_libraries()
        import torch
        from pyannote.audio import Pipeline

        try:
            with _weights_only():
                pipeline: Any = Pipeline.from_pretrained(str(folder))
        except Exception as error:  # whatever pyannote, torch and their unpickler raise
            raise ModelError(
                f"The files in {folder} do not make a pyannote pipeline.",
                next_step="Delete the folder and fetch it again with: emodiss models pull "
                "pyannote-community-1.",
            ) from error
        if chosen.shared_trunk:
            share_trunk(pipeline._embedding.model_)
        self._pipeline = pipeline.to(torch.device(device))

    def diarize(
        self, signal: NDArray[np.floating], sample_rate: int, num_speakers: int | None = None
    ) -> list[Turn]:
        """Find who speaks when."""
        import torch

        if num_speakers is not None and num_speakers < 1:
            raise ValueError(f"num_speakers is {num_speakers}; expected at least 1, or None.")
        audio = speech_signal.at_16_khz(signal, sample_rate).astype(np.float32)
        if not audio.any():
            return []
        waveform = torch.from_numpy(audio).unsqueeze(0)
        bounds = {"num_speakers": num_speakers} if num_speakers is not None else self._bounds
        with torch_threads(self._threads):
            output = self._pipeline({"waveform": waveform, "sample_rate": 16_000}, **bounds)
        found = (
            output.exclusive_speaker_diarization if self._exclusive else output.speaker_diarization
        )
        duration = len(audio) / 16_000
        turns = [
            Turn(max(float(span.start), 0.0), min(float(span.end), duration), str(speaker))
            for span, _, speaker in found.itertracks(yield_label=True)
        ]
        kept = [turn for turn in turns if turn.start < turn.end]
        return sorted(kept, key=lambda turn: (turn.start, turn.end, turn.speaker))


def share_trunk(embedding: Any) -> None:
    """Let a WeSpeaker ResNet compute its trunk once per window, whatever number of masks follow."""
    import torch

    last: list[tuple[Any, Any]] = []

    def frames_of(waveform: Any) -> Any:
        if last and torch.equal(last[0][0], waveform):
            return last[0][1]
        frames = embedding.forward_frames(waveform)
        last[:] = [(waveform.clone(), frames)]
        return frames

    def forward(waveforms: Any, weights: Any = None) -> Any:
        frames = [frames_of(waveforms[i : i + 1]) for i in range(len(waveforms))]
        one = frames[0] if len(frames) == 1 else torch.cat(frames)
        return embedding.forward_embedding(one, weights=weights)

    embedding.forward = forward


@contextmanager
def _weights_only() -> Generator[None]:
    """Make torch refuse everything in a pyannote checkpoint but tensors and plain descriptions."""
    import torch
    from pyannote.audio.core.model import Introspection
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from torch.torch_version import TorchVersion

    allowed: list[Any] = [Introspection, Problem, Resolution, Specifications]
    allowed.append(TorchVersion)
    name = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        with torch.serialization.safe_globals(allowed):
            yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
