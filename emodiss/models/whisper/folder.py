"""A CTranslate2 Whisper in a folder: loading it, and the language it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from emodiss.errors import ModelError, ModelMissing
from emodiss.settings import WhisperSettings

FILES: Final = ("model.bin", "config.json", "tokenizer.json")


def require_files(folder: Path, *, name: str) -> None:
    """Insist that a folder holds a Whisper."""
    absent = [file for file in FILES if not (folder / file).is_file()]
    if absent:
        raise ModelMissing(
            f"The Whisper folder {folder} lacks {', '.join(absent)}.",
            next_step=f"Fetch it with: emodiss models pull {name}, or give a folder that "
            "ctranslate2 converted; or give transcripts and use --preset lite.",
        )


def chosen(folder: Path, options: Mapping[str, Any], *, name: str) -> tuple[Path, WhisperSettings]:
    """Settle on the folder of a Whisper, which must be whole, and on how it is run."""
    settings = WhisperSettings(**options)
    if settings.local_folder is not None:
        folder = Path(settings.local_folder)
    require_files(folder, name=name)
    return folder, settings


def load(
    make: Any, folder: Path, *, device: str, threads: int, compute_type: str, on_cpu: str = "int8"
) -> Any:
    """Load the weights; the compute type `default` is float16 on a GPU, else `on_cpu`."""
    if compute_type == "default":
        compute_type = "float16" if device == "cuda" else on_cpu
    try:
        return make(
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


def language_for(
    language: str | None, known: Sequence[str], *, name: str
) -> tuple[str | None, bool]:
    """Settle in which language a model listens."""
    alone = len(known) == 1
    if language is None:
        return (known[0], True) if alone else (None, False)
    if language in known:
        return language, False
    raise ModelError(
        f"The model '{name}' does not know the language '{language}'.",
        next_step=(
            f"It knows {known[0]} alone. Choose a model of many languages, and do without an "
            "aligner of English: emodiss models pull whisperx-small, then --set "
            "models.asr=whisperx-small --set models.aligner=none (whisperx-large-v3 is better and "
            "slower); or give this video a transcript."
            if alone
            else f"Set transcript.language to one of: {', '.join(sorted(known))}."
        ),
        code="language",
    )
