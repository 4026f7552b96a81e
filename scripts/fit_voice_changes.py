"""Fit what CAM++'s vectors of one voice differ in: emotion, room, line. Measure it on other voices.

    python scripts/fit_voice_changes.py --data ../shared/data/lite     # 2 minutes on one core

Writes `emodiss/models/campplus/voice_changes.npy`, which the diarizer takes off every vector
(nuisance attribute projection: Solomonoff, Campbell and Boardman 2005, "Advances in channel
compensation for SVM speaker recognition", ICASSP). Data: the folder that `train_lite_speech.py`
describes. Fitted on the 12 actors of RAVDESS and 5 of EMO-DB that chose the diarizer's constants;
the others are only measured. Each voice says acted clips of all emotions: as they are, over the
telephone, in a room, and in noise.
"""

from __future__ import annotations

import argparse
import csv
import io
import tarfile
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from emodiss.models.campplus import mel_bands
from emodiss.models.campplus.diarizer import CampplusDiarizer
from emodiss.models.campplus.linking import PIECE_S
from emodiss.models.segmentation.speaker_frames import SAMPLE_RATE

TARGET = Path(__file__).resolve().parents[1] / "emodiss/models/campplus/voice_changes.npy"
N_DIRECTIONS = 4
"""Three to five count voices alike on the 114 recordings that chose it; two and six less well."""
N_CLIPS = {"fitted": 24, "others": 8}

Floats = NDArray[np.floating]


def telephone(signal: Floats) -> Floats:
    """Cut to 300 to 3400 Hz and code in 8 bits (mu law)."""
    from scipy.signal import butter, sosfilt

    band = butter(4, [300, 3400], "bandpass", fs=SAMPLE_RATE, output="sos")
    out = np.asarray(sosfilt(band, signal))
    out /= np.abs(out).max()
    coded = np.round(np.sign(out) * np.log1p(255 * np.abs(out)) / np.log1p(255) * 127) / 127
    return np.sign(coded) * np.expm1(np.abs(coded) * np.log1p(255)) / 255


def room(signal: Floats, rng: np.random.Generator) -> Floats:
    """Add an echo that decays by 60 dB in 0.2 to 0.6 s, 1 to 8 dB below the direct sound."""
    from scipy.signal import fftconvolve

    n = round(rng.uniform(0.2, 0.6) * SAMPLE_RATE)
    echo = rng.standard_normal(n) * 10 ** (-3 * np.arange(n) / n)
    echo[:40] = 0.0
    echo *= 10 ** (-rng.uniform(1, 8) / 20) / np.linalg.norm(echo)
    echo[0] = 1.0
    return fftconvolve(signal, echo)[: len(signal)]


def noisy(signal: Floats, rng: np.random.Generator) -> Floats:
    """Add pink noise 8 to 25 dB below the speech."""
    n = len(signal)
    pink = np.fft.rfft(rng.standard_normal(n)) / np.sqrt(np.maximum(np.arange(n // 2 + 1), 20))
    noise = np.fft.irfft(pink, n)
    level = signal[np.abs(signal) > 0.005].std() * 10 ** (-rng.uniform(8, 25) / 20)
    return signal + level * noise / noise.std()


def vectors_of(data: Path, speakers: list[str], n_clips: int, seed: int = 0) -> dict[str, Floats]:
    """Describe each voice under each condition: (clips, conditions, 192), of length 1."""
    network = CampplusDiarizer()._networks()[2]
    rng = np.random.default_rng(seed)
    with (data / "speech_labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    found: dict[str, Floats] = {}
    with tarfile.open(data / "speech_16k_flac.tar") as archive:
        for speaker in speakers:
            names = [row["archive_name"] for row in rows if row["speaker"] == speaker]
            clips: list[list[Floats]] = []
            for name in rng.permutation(names)[:n_clips]:
                packed = archive.extractfile(str(name))
                assert packed is not None
                clip = soundfile.read(io.BytesIO(packed.read()))[0]
                clip = 0.2 * clip / np.abs(clip).max()
                kinds = [clip, telephone(clip), room(clip, rng), noisy(clip, rng)]
                first = max(0, (len(clip) - round(PIECE_S * SAMPLE_RATE)) // 2)
                clips.append([])
                for kind in kinds:
                    piece = kind[first : first + round(PIECE_S * SAMPLE_RATE)]
                    piece = piece + 2e-4 * rng.standard_normal(len(piece))
                    bands = mel_bands.log_mel_bands(piece.astype(np.float32))
                    vector = network((bands - bands.mean(axis=0))[None])[0]
                    clips[-1].append(vector / np.linalg.norm(vector))
            found[speaker] = np.array(clips)
    return found


def fit(vectors: dict[str, Floats]) -> tuple[Floats, Floats]:
    """Directions in which single voices vary most, (n, 192), and the share of each."""
    scatter = np.zeros((192, 192))
    for clips in vectors.values():
        every = clips.reshape(-1, 192) - clips.reshape(-1, 192).mean(axis=0)
        scatter += every.T @ every
    shares, directions = np.linalg.eigh(scatter)
    return directions[:, ::-1].T, shares[::-1] / shares.sum()


def separation(vectors: dict[str, Floats], directions: Floats) -> str:
    """How far apart cosines of one voice and of two lie: a voice's halves that differ most."""
    left = {s: v - v @ directions.T @ directions for s, v in vectors.items()}
    left = {s: v / np.linalg.norm(v, axis=-1, keepdims=True) for s, v in left.items()}
    one: list[float] = []
    two: list[float] = []
    for condition in range(4):
        means: list[Floats] = []
        for clips in left.values():
            own = clips[:, condition]
            centred = own - own.mean(axis=0)
            order = np.argsort(centred @ np.linalg.svd(centred, full_matrices=False)[2][0])
            halves = [own[part].mean(axis=0) for part in np.array_split(order, 2)]
            one.append(float(np.dot(*[half / np.linalg.norm(half) for half in halves])))
            means.append(own.mean(axis=0) / np.linalg.norm(own.mean(axis=0)))
        two += (np.array(means) @ np.array(means).T)[np.triu_indices(len(means), 1)].tolist()
    spread = np.sqrt((np.var(one) + np.var(two)) / 2)
    return (
        f"one voice {np.mean(one):.2f}, two {np.mean(two):.2f}, "
        f"{(np.mean(one) - np.mean(two)) / spread:.2f} standard deviations apart"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Fit what CAM++'s vectors of one voice differ in.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=TARGET)
    options = parser.parse_args()
    with (options.data / "speech_labels.csv").open() as file:
        speakers = sorted({row["speaker"] for row in csv.DictReader(file)})
    actors = [s for s in speakers if s.startswith("ravdess")]
    germans = [s for s in speakers if s.startswith("emodb")]
    halves = {"fitted": actors[:12] + germans[:5], "others": actors[12:] + germans[5:]}
    vectors = {half: vectors_of(options.data, who, N_CLIPS[half]) for half, who in halves.items()}
    directions, shares = fit(vectors["fitted"])
    print("share of what one voice differs in:", np.round(shares[: N_DIRECTIONS + 2], 3))
    for half, mine in vectors.items():
        for n in (0, N_DIRECTIONS):
            print(f"{half}, {n} directions taken off: {separation(mine, directions[:n])}")
    np.save(options.out, directions[:N_DIRECTIONS].astype(np.float32))


if __name__ == "__main__":
    main()
