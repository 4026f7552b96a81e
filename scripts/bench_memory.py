"""Show how memory grows with the length of a video: the peak of each stage at some lengths.

    python scripts/bench_memory.py [--seconds 10 60 600 3600] [--models stand-ins] [--speech FILE]

One generated clip (320 x 180 pixels, two talking heads) is looped to each length without encoding
it again, and annotated by a fresh process with the preset `lite`, as a worker does it; what the
process holds from earlier stages counts in later ones. What is held at a time (frames, networks)
shows with the real models, `--models lite`, at wide strides, so that an hour ends in minutes. What
is kept for each tick shows with `--models stand-ins`, the default: every tick is looked at and
measured, by models that answer at once. `--models as-it-is` changes no setting of `lite`;
`--height 720` makes larger pictures. With `--speech` a recording of people who talk, as WAV, is
looped along, and no transcript is given: words and speakers are found in it. For Linux, which can
count a peak anew.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bench_clip import FPS, loop_clip, write_clip

from emodiss.affect import EXPRESSIONS, FaceAffect
from emodiss.faces import FaceBoxes
from emodiss.stages import Stage

SETTINGS = {
    "as-it-is": (),
    "lite": ("faces.mode=scan", "faces.stride=30", "face_affect.stride=30", "faces.min_face=20"),
    "stand-ins": (
        "faces.mode=scan",
        "faces.stride=1",
        "face_affect.stride=1",
        "models.faces=stand-in-faces",
        "models.face_affect=stand-in-face",
    ),
}


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


def watch_stages() -> dict[str, float]:
    """Return where the peak of each stage will be, in MB; what a worker holds before counts too."""
    peaks: dict[str, float] = {}
    load = Stage.load

    def watched(self: Stage, function: str | None = None) -> Callable[..., Any]:
        work = load(self, function)

        @functools.wraps(work)
        def measured(**given: Any) -> Any:
            peaks["between"] = max(peaks.get("between", 0), peak_mb())
            Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew
            try:
                return work(**given)
            finally:
                peaks[self.name] = max(peaks.get(self.name, 0), peak_mb())
                Path("/proc/self/clear_refs").write_text("5")

        return measured

    Stage.load = watched
    return peaks


def peak_mb() -> float:
    """Return the peak of this process since it was last counted anew."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def annotate(folder: Path, settings: Sequence[str]) -> dict[str, Any]:
    """Run everything in this process."""
    import emodiss
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
    peaks = watch_stages()
    run = emodiss.annotate(
        folder / "manifest.csv",
        out=folder / "run",
        preset="lite",
        settings=settings,
        workers=0,
    )
    table = run.utterances
    peaks["between"] = max(peaks["between"], peak_mb())
    return {
        "peak_mb": max(peaks.values()),
        "torch": "torch" in sys.modules,
        "stages": peaks,
        "utterances": len(table),
        "faces_ok": int((table["face_status"] == "ok").sum()),
        "failures": [f.stage for f in run.failures],
    }


def with_speech(film: Path, seconds: float, speech: Path, folder: Path) -> Path:
    """Loop a recording along."""
    import imageio_ffmpeg

    out = folder / "sounding.mp4"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", str(film)]
    command += ["-stream_loop", "-1", "-i", str(speech), "-c:v", "copy", "-c:a", "aac"]
    command += ["-ar", "16000", "-ac", "1", "-t", str(seconds), str(out)]
    subprocess.run(command, check=True)
    return out


def measure(seconds: float, clip: Path, *, models: str, speech: Path | None) -> dict[str, Any]:
    """Annotate a film of this length in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        film = loop_clip(folder / "film.mp4", clip, seconds)
        # Ten seconds each, left and right in turn, as the clip's two heads.
        lines = [
            f"film 1 {who} {start:.1f} {min(start + 9.5, seconds):.1f} <o> words of a sentence"
            for start, who in ((10.0 * k, "AB"[k % 2]) for k in range(int(seconds // 10) or 1))
        ]
        rows = f"id,path,transcript,roles\nfilm,{film},film.stm,A=therapist;B=patient\n"
        if speech:
            rows = f"id,path\nfilm,{with_speech(film, seconds, speech, folder)}\n"
        else:
            (folder / "film.stm").write_text("\n".join(lines) + "\n")
        (folder / "manifest.csv").write_text(rows)
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, __file__, "--child", name, "--models", models],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(done.stderr)
        found = json.loads(done.stdout.splitlines()[-1])
    return {"seconds": seconds, **found, "took_s": time.perf_counter() - started}


def main() -> None:
    """Print the peak at each length, and the growth per hour."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, nargs="+", default=[10, 60, 600, 3600])
    parser.add_argument("--models", choices=list(SETTINGS), default="stand-ins")
    parser.add_argument("--speech", type=Path, help="recording of people who talk, WAV")
    parser.add_argument("--height", type=int, default=180)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        settings = [*SETTINGS[options.models], "people.min_confidence=0"]
        print(json.dumps(annotate(options.child, settings)))
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        clip = write_clip(
            Path(folder) / "clip.mp4",
            10 * FPS,
            height=options.height,
            width=options.height * 16 // 9,
        )
        for seconds in options.seconds:
            rows.append(measure(seconds, clip, models=options.models, speech=options.speech))
            row = rows[-1]
            print(
                f"{seconds:6.0f} s of video: peak {row['peak_mb']:.0f} MB; {row['faces_ok']} of "
                f"{row['utterances']} utterances with a face; torch imported: {row['torch']}; "
                f"failed: {row['failures'] or 'none'}; took {row['took_s']:.0f} s",
                flush=True,
            )
    head = " | ".join(f"{row['seconds']:g} s" for row in rows)
    print(f"\n| peak, MB | {head} |\n" + "| --- " * (len(rows) + 1) + "|")
    for stage in rows[0]["stages"]:
        peaks = " | ".join(f"{row['stages'].get(stage, float('nan')):.0f}" for row in rows)
        print(f"| {stage} | {peaks} |")
    first, last = rows[0], rows[-1]
    if last["seconds"] > first["seconds"]:
        hours = (last["seconds"] - first["seconds"]) / 3600
        print(f"growth: {(last['peak_mb'] - first['peak_mb']) / hours:.0f} MB per hour of video")


if __name__ == "__main__":
    main()
