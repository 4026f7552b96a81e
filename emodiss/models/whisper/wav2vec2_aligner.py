"""Word times by forced alignment: WhisperX's aligner over a wav2vec2 with letters (CTC).

Weights come from a local folder: torchaudio's English `WAV2VEC2_ASR_BASE_960H`, or any Hugging
Face wav2vec2 for another language. WhisperX splits sentences with NLTK, whose data lie in the same
folder (`nltk_data`), so that nothing is fetched here.
"""

from __future__ import annotations

import math
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emodiss.errors import ModelError, ModelMissing
from emodiss.models import speech_signal
from emodiss.models.quiet import quiet_libraries
from emodiss.models.torch_threads import torch_threads, without_tf32
from emodiss.settings import AlignmentSettings
from emodiss.transcript import Utterance, Word

TORCHAUDIO_FILE: Final = "wav2vec2_fairseq_base_ls960_asr_ls960.pth"
_PUNKT: Final = Path("nltk_data") / "tokenizers" / "punkt_tab"


class Wav2Vec2Aligner:
    """Finds when words are said: with torchaudio's English wav2vec2 or a Hugging Face one.

    Options as in `AlignmentSettings`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "whisperx-wav2vec2",
        device: str = "cpu",
        threads: int = 1,
        **options: Any,
    ) -> None:
        chosen = AlignmentSettings(**options)
        if chosen.local_folder is not None:
            folder = Path(chosen.local_folder)
        torchaudio = (folder / TORCHAUDIO_FILE).is_file()
        absent = [] if torchaudio or (folder / "config.json").is_file() else [TORCHAUDIO_FILE]
        if not (folder / _PUNKT).is_dir():
            absent.append(str(_PUNKT))
        if absent:
            raise ModelMissing(
                f"The aligner's folder {folder} lacks {', '.join(absent)}.",
                next_step=f"Fetch it with: emodiss models pull {name}; or do without word times: "
                "--set models.aligner=none.",
            )
        self.name = name
        self._language = chosen.language
        self._device = device
        self._threads = threads
        self._nltk = folder / "nltk_data"
        quiet_libraries()
        from whisperx.alignment import load_align_model

        # load_state_dict_from_url finds the file in model_dir, and would unpickle it.
        before = os.environ.get("TORCH_FORCE_WEIGHTS_ONLY_LOAD")
        os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
        try:
            self._model, self._metadata = load_align_model(
                self._language,
                device,
                model_name="WAV2VEC2_ASR_BASE_960H" if torchaudio else str(folder),
                model_dir=str(folder),
                model_cache_only=True,
            )
        except (ValueError, RuntimeError) as error:
            raise ModelError(
                f"The folder {folder} holds no wav2vec2 that WhisperX can align with.",
                next_step=f"Fetch it again with: emodiss models pull {name}.",
            ) from error
        finally:
            if before is None:
                del os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"]
            else:
                os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = before

    def align(
        self,
        signal: NDArray[np.floating],
        sample_rate: int,
        utterances: Sequence[Utterance],
        *,
        language: str | None = None,
    ) -> list[tuple[Word, ...]]:
        """Find when the words of each utterance are said."""
        from whisperx.alignment import align

        if language is not None and language != self._language:
            raise ModelError(
                f"The aligner '{self.name}' is for '{self._language}', the text is '{language}'.",
                next_step="Give a wav2vec2 of that language: --set models.aligner=wav2vec2-local "
                "--set alignment.local_folder=...; or do without word times: --set "
                "models.aligner=none.",
                code="language",
            )
        audio = speech_signal.at_16_khz(signal, sample_rate).astype(np.float32)
        found: list[tuple[Word, ...]] = []
        with torch_threads(self._threads), without_tf32(), _nltk_data(self._nltk):
            for utterance in utterances:
                text = " ".join(utterance.text.split())
                if not text:
                    found.append(())
                    continue
                segment = {"text": text, "start": utterance.start, "end": utterance.end}
                result = align([segment], self._model, self._metadata, audio, self._device)
                found.append(_words(text, result["word_segments"]))
        return found


def _words(text: str, aligned: list[dict[str, Any]]) -> tuple[Word, ...]:
    """Words of an utterance; all without times when WhisperX gave it up."""
    nan = math.nan
    if not aligned:
        return tuple(Word(word, nan, nan, timing="interpolated") for word in text.split())
    return tuple(
        Word(
            one["word"],
            float(one.get("start", nan)),
            float(one.get("end", nan)),
            # WhisperX scores the words it heard; those between are filled in from neighbours.
            timing="aligned" if "score" in one and "start" in one else "interpolated",
            score=min(max(float(one.get("score", nan)), 0.0), 1.0) if "score" in one else nan,
        )
        for one in aligned
    )


@contextmanager
def _nltk_data(folder: Path) -> Generator[None]:
    """Let NLTK look into a folder first."""
    import nltk

    nltk.data.path.insert(0, str(folder))
    try:
        yield
    finally:
        nltk.data.path.remove(str(folder))
