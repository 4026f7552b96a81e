"""Memory over many files: the models of speech, file after file, in one process.

Usage: python scripts/bench_speech_memory.py --whisper FOLDER --aligner FOLDER [--files 50]

Prints the resident memory after every tenth file, and the growth after the first ten. The folders
are any CTranslate2 Whisper and any wav2vec2 with NLTK's data (see `emodiss.models`); without them
only the diarizer runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from bench_diarization import RATE, read_sample


def resident_mb() -> float:
    """Resident memory of this process in megabytes (Linux)."""
    import os

    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description="Memory over many files.")
    parser.add_argument("--whisper", type=Path, help="CTranslate2 folder")
    parser.add_argument("--aligner", type=Path, help="wav2vec2 folder")
    parser.add_argument("--files", type=int, default=50)
    options = parser.parse_args()
    from emodiss.models.segmentation.diarizer import SegmentationDiarizer
    from emodiss.models.whisper.by_whisperx import WhisperX
    from emodiss.models.whisper.wav2vec2_aligner import Wav2Vec2Aligner

    diarizer = SegmentationDiarizer()
    whisper = WhisperX(options.whisper, compute_type="int8") if options.whisper else None
    aligner = Wav2Vec2Aligner(options.aligner) if options.aligner else None
    sample = read_sample()
    rng = np.random.default_rng(0)
    early = 0.0
    for number in range(1, options.files + 1):
        start = int(rng.integers(0, 10 * RATE))
        signal = sample[start : start + int(rng.integers(10, 20)) * RATE]
        diarizer.diarize(signal, RATE)
        if whisper is not None:
            heard = whisper.transcribe(signal, RATE, language="en")
            if aligner is not None:
                aligner.align(signal, RATE, heard.segments)
        if number % 10 == 0:
            now = resident_mb()
            early = early or now
            print(f"after {number:3} files: {now:7.0f} MB resident")
    print(f"growth after the first ten files: {resident_mb() - early:+.0f} MB")


if __name__ == "__main__":
    main()
