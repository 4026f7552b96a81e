"""Show how memory grows with the length of a video: peak of a whole run over lengths of one clip.

    python scripts/bench_memory.py [--seconds 10 60 600 3600] [--models stand-ins] [--sound]

One generated clip (320 x 180 pixels, two talking heads) is looped to each length without encoding
it again, and annotated in a fresh process with the preset `lite`. What is held at a time (frames,
networks) shows with the real models, `--models lite`, at wide strides, so that an hour ends in
minutes. What is kept for each tick shows with `--models stand-ins`, the default: every tick is
looked at and measured, by models that answer at once. `--models as-it-is` changes no setting of
`lite`; `--height 720` makes larger pictures, of which following holds some. With `--sound` the film
has a sound track, whose 16 kHz samples are held once as 16-bit integers (115 MB per hour), also
while they are decoded and stored, and once more as floats where a model takes the whole signal
(230 MB per hour).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bench_clip import FPS, loop_clip, write_clip

from emodiss.affect import EXPRESSIONS, FaceAffect
from emodiss.faces import FaceBoxes

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


def annotate(folder: Path, settings: Sequence[str]) -> dict[str, Any]:
    """Run everything in this process; the peak is that of its whole life."""
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
    run = emodiss.annotate(
        folder / "manifest.csv",
        out=folder / "run",
        preset="lite",
        settings=settings,
        workers=0,
    )
    table = run.utterances
    return {
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "utterances": len(table),
        "faces_ok": int((table["face_status"] == "ok").sum()),
        "failures": [f.stage for f in run.failures],
    }


def with_sound(film: Path, seconds: float, folder: Path) -> Path:
    """Add a spoken-like tone of the film's length."""
    import imageio_ffmpeg

    out = folder / "sounding.mp4"
    tone = f"sine=frequency=180:duration={seconds},tremolo=f=4:d=0.9"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", str(film), "-f", "lavfi"]
    command += ["-i", tone, "-c:v", "copy", "-c:a", "aac", "-ar", "16000", "-shortest", str(out)]
    subprocess.run(command, check=True)
    return out


def measure(seconds: float, clip: Path, *, models: str, sound: bool) -> dict[str, Any]:
    """Annotate a film of this length in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        film = loop_clip(folder / "film.mp4", clip, seconds)
        if sound:
            film = with_sound(film, seconds, folder)
        # Ten seconds each, left and right in turn, as the clip's two heads.
        lines = [
            f"film 1 {who} {start:.1f} {min(start + 9.5, seconds):.1f} <o> words of a sentence"
            for start, who in ((10.0 * k, "AB"[k % 2]) for k in range(int(seconds // 10) or 1))
        ]
        (folder / "film.stm").write_text("\n".join(lines) + "\n")
        (folder / "manifest.csv").write_text(
            f"id,path,transcript,roles\nfilm,{film},film.stm,A=therapist;B=patient\n"
        )
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
    parser.add_argument("--sound", action="store_true")
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
            rows.append(measure(seconds, clip, models=options.models, sound=options.sound))
            row = rows[-1]
            print(
                f"{seconds:6.0f} s of video: peak {row['peak_mb']:.0f} MB; {row['faces_ok']} of "
                f"{row['utterances']} utterances with a face; failed: {row['failures'] or 'none'}; "
                f"took {row['took_s']:.0f} s",
                flush=True,
            )
    first, last = rows[0], rows[-1]
    if last["seconds"] > first["seconds"]:
        hours = (last["seconds"] - first["seconds"]) / 3600
        print(f"growth: {(last['peak_mb'] - first['peak_mb']) / hours:.0f} MB per hour of video")


if __name__ == "__main__":
    main()
