"""Show that memory stays flat as videos grow: peak of a whole run over lengths of one clip.

    python scripts/bench_memory.py [--seconds 10 60 600 3600] [--sound]

One generated clip is looped to each length without encoding it again (320 x 180 pixels, two
talking heads), and annotated in a fresh process with the preset `lite` and wide strides, so that
an hour ends in minutes; what is held at a time does not depend on them. With `--sound` the film
has a sound track, whose 16 kHz samples are held once as 16-bit integers (115 MB per hour) and once
more as floats where a model takes the whole signal.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench_clip import FPS, loop_clip, write_clip

SETTINGS = ("faces.stride=30", "face_affect.stride=30", "faces.min_face=20")

CHILD = """
import json, resource, sys
import emodiss
folder, settings = sys.argv[1], sys.argv[2:]
run = emodiss.annotate(
    folder + "/manifest.csv", out=folder + "/run", preset="lite", settings=settings, workers=0,
    figures=False,
)
table = run.utterances
print(json.dumps({
    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "utterances": len(table),
    "faces_ok": int((table["face_status"] == "ok").sum()),
    "failures": [f.stage for f in run.failures],
}))
"""


def with_sound(film: Path, seconds: float, folder: Path) -> Path:
    """Add a spoken-like tone of the film's length."""
    import imageio_ffmpeg

    out = folder / "sounding.mp4"
    tone = f"sine=frequency=180:duration={seconds},tremolo=f=4:d=0.9"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", str(film), "-f", "lavfi"]
    command += ["-i", tone, "-c:v", "copy", "-c:a", "aac", "-ar", "16000", "-shortest", str(out)]
    subprocess.run(command, check=True)
    return out


def measure(seconds: float, clip: Path, *, sound: bool) -> dict[str, object]:
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
            [sys.executable, "-c", CHILD, name, *SETTINGS, "people.min_confidence=0"],
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
    parser.add_argument("--sound", action="store_true")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        clip = write_clip(Path(folder) / "clip.mp4", 10 * FPS, height=180, width=320)
        for seconds in options.seconds:
            rows.append(measure(seconds, clip, sound=options.sound))
            row = rows[-1]
            print(
                f"{seconds:6.0f} s of video: peak {row['peak_mb']:.0f} MB; {row['faces_ok']} of "
                f"{row['utterances']} utterances with a face; failed: {row['failures'] or 'none'}; "
                f"took {row['took_s']:.0f} s",
                flush=True,
            )
    if len(rows) > 1:
        first, last = rows[0], rows[-1]
        hours = (last["seconds"] - first["seconds"]) / 3600
        print(f"growth: {(last['peak_mb'] - first['peak_mb']) / hours:.0f} MB per hour of video")


if __name__ == "__main__":
    main()
