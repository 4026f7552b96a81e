"""Show how memory grows with the length of a video: the peak of each stage at some lengths.

    python scripts/bench_memory.py                  # 1, 10 and 60 minutes: some 20 CPU minutes
    python scripts/bench_memory.py --long           # and three hours
    python scripts/bench_memory.py --write          # the table of the guide anew
    python scripts/bench_memory.py --minutes 1 10 --speech FILE

One generated clip (two talking heads) is looped to each length without encoding it again, a
recording of people who talk is looped along, and `emodiss.annotate` finds words, voices and faces
in it with the preset `lite` and one worker. A new worker does all stages of a film, one after the
other, as in every run; its peak is counted anew for each job, reading and writing included.

What is held at a time (frames, networks) shows in the first column: `lite` as it is, 720 pixels
high. What is kept for each tick, word or piece of a voice shows in the others: pictures of 180
pixels, faces and expressions by models that answer at once, as often as `lite` looks; words and
voices are found by the real ones. For Linux, which can count a peak anew.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bench_clip import FPS, loop_clip, write_clip
from update_guides import GUIDES, updated

from emodiss.affect import EXPRESSIONS, FaceAffect
from emodiss.demo.portraits import find_sample
from emodiss.faces import FaceBoxes
from emodiss.runs import perform
from emodiss.stages import STAGES

LOG = "EMODISS_BENCH_MEMORY"
"""Environment variable that tells the worker where to write its peaks."""

STAND_INS = ("models.faces=stand-in-faces", "models.face_affect=stand-in-face")
STARTER = "the process that starts the worker"


class StandInFaces:
    """Finds the two heads of the clip where they are on average, give or take a third of a pixel.

    Without that scatter an hour of boxes would compress to almost nothing, unlike real ones.
    """

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)

    def detect(self, frames: Sequence[Any]) -> list[FaceBoxes]:
        """Give two faces for every frame."""
        boxes = np.array([[67, 30, 99, 62], [221, 30, 253, 62]], np.float32)
        at = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)
        points = np.concatenate([boxes.reshape(2, 2, 2), boxes[:, None, :2] + at * 32], axis=1)
        found: list[FaceBoxes] = []
        for _ in frames:
            seen = points + self._random.normal(0, 0.3, points.shape).astype(np.float32)
            scores = self._random.uniform(0.99, 1, 2).astype(np.float32)
            found.append(FaceBoxes(seen[:, :2].reshape(2, 4), scores, seen[:, 2:]))
        return found


class StandInFace:
    """Takes brightness for valence, and draws the expressions by lot."""

    scale = "signed"
    crop_margin = 0.0
    crop_square = False

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)

    def predict(self, crops: Sequence[Any]) -> FaceAffect:
        """Measure n crops."""
        valence = np.array([crop.mean() / 127.5 - 1 for crop in crops], np.float32)
        lots = self._random.dirichlet(np.ones(len(EXPRESSIONS)), len(crops)).astype(np.float32)
        return FaceAffect(valence, -valence, lots, "signed")


def offer_stand_ins() -> None:
    """Put the stand-ins into the catalog of this process."""
    from emodiss.models.catalog import CATALOG

    for name, model, loader in (
        ("stand-in-faces", "mtcnn", StandInFaces),
        ("stand-in-face", "fer-lite", StandInFace),
    ):
        CATALOG[name] = dataclasses.replace(
            CATALOG[model],
            name=name,
            place="package",
            package="numpy",
            packaged=(),
            loader=f"bench_memory:{loader.__name__}",
            options=lambda _settings, _folder: {},
        )


def watch() -> None:
    """Let this worker write down the peak of each job that it does."""
    do = perform.perform

    def watched(job: perform.Job) -> perform.Outcome:
        count_anew()
        outcome = do(job)
        with Path(os.environ[LOG]).open("a", encoding="utf-8") as log:
            log.write(json.dumps([job.stage, peak_mb()]) + "\n")
        return outcome

    perform.perform = watched


def count_anew() -> None:
    """Count the peak of this process from now on."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_mb() -> float:
    """Return the peak of this process since it was last counted anew."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def with_speech(film: Path, seconds: float, speech: Path, out: Path) -> Path:
    """Loop a recording along."""
    import imageio_ffmpeg

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", str(film)]
    command += ["-stream_loop", "-1", "-i", str(speech), "-c:v", "copy", "-c:a", "aac"]
    command += ["-ar", "16000", "-ac", "1", "-t", str(seconds), str(out)]
    subprocess.run(command, check=True)
    return out


def measure(
    minutes: float, clip: Path, speech: Path, settings: Sequence[str], folder: Path
) -> dict[str, float]:
    """Annotate a film of this length; return the peak of each stage, MB."""
    import emodiss

    seconds = 60 * minutes
    silent = loop_clip(folder / "silent.mp4", clip, seconds)
    film = with_speech(silent, seconds, speech, folder / "film.mp4")
    silent.unlink()
    log = folder / "peaks.jsonl"
    os.environ[LOG] = str(log)
    started = time.perf_counter()
    count_anew()
    run = emodiss.annotate(
        film, out=folder / "run", preset="lite", settings=settings, workers=1, allow_local=True
    )
    peaks = {STARTER: peak_mb()}
    for line in log.read_text(encoding="utf-8").splitlines():
        stage, peak = json.loads(line)
        peaks[stage] = max(peaks.get(stage, 0.0), peak)
    failed = ", ".join(f.stage for f in run.failures) or "none"
    print(
        f"{minutes:g} min: peak {max(peaks.values()):.0f} MB; {len(run.utterances)} utterances, "
        f"{run.utterances['speaker'].nunique()} voices, {len(run.face_frames)} measured faces; "
        f"failed: {failed}; {time.perf_counter() - started:.0f} s",
        flush=True,
    )
    return peaks


def table(found: Mapping[str, Mapping[str, float]], lengths: Sequence[float]) -> str:
    """Lay out the peaks, and how they grow from the second length to the last."""
    first, last = lengths[min(1, len(lengths) - 2)], lengths[-1]
    growing = f"grows from {first:g} to {last:g} min, MB per hour"
    lines = [
        f"| peak, MB | {' | '.join(found)} | {growing} |",
        "| --- |" + " ---: |" * (len(found) + 1),
    ]
    few, many = (found[f"{minutes:g} min"] for minutes in (first, last))
    for stage in (*(stage.name for stage in STAGES), STARTER):
        if stage not in many:
            continue
        grows = (many[stage] - few[stage]) * 60 / (last - first)
        cells = [f"{peaks[stage]:.0f}" if stage in peaks else "" for peaks in found.values()]
        lines.append(f"| {stage} | {' | '.join(cells)} | {grows:.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Print the peak of each stage at each length, and its growth."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 10, 60])
    parser.add_argument("--long", action="store_true", help="also three hours")
    parser.add_argument("--speech", type=Path, help="recording of people who talk, WAV")
    parser.add_argument("--write", action="store_true", help="put the table into the guide")
    options = parser.parse_args()
    lengths = sorted({*options.minutes, *([180.0] if options.long else [])})
    if len(lengths) < 2:
        parser.error("growth needs two lengths at least")
    speech = options.speech or find_sample("pyannote.audio", "sample/sample.wav")
    offer_stand_ins()
    found: dict[str, dict[str, float]] = {}
    runs = [("`lite`, 720p, 1 min", 1.0, 720, ())]
    runs += [(f"{minutes:g} min", minutes, 180, STAND_INS) for minutes in lengths]
    for name, minutes, height, models in runs:
        settings = (*models, "people.min_confidence=0")  # the sound is of others than the faces
        with tempfile.TemporaryDirectory() as folder:
            clip = Path(folder) / "clip.mp4"
            write_clip(clip, 10 * FPS, height=height, width=height * 16 // 9)
            found[name] = measure(minutes, clip, speech, settings, Path(folder))

    def memory() -> str:
        return table(found, lengths)

    print(f"\n{memory()}")
    if options.write:
        path = GUIDES / "speed.md"
        path.write_text(updated(path.read_text("utf-8"), "speed", memory), encoding="utf-8")


if __name__ == "__mp_main__":  # in the worker, which imports this file before it does anything
    offer_stand_ins()
    watch()
if __name__ == "__main__":
    main()
