"""Measure a whole run of preset `lite`, stage by stage, in CPU seconds per second of video.

    python scripts/bench_lite.py [--seconds 60] [--repeats 3] [--size 1280x720] [--fps 30]
    python scripts/bench_lite.py --json --only lite

Two talking heads, always in view (`bench_clip.py`), with the speech of the demo session, or of a
recording of yours with `--sound`, which is recognised, told apart and bound to the faces as in any
run; nothing is given. One process, one thread. A first short run loads models and libraries, which
a corpus pays once. Each variant runs in turn, the machine's own decoding beside them: every frame
decoded once and shown as RGB, the least that anybody pays who looks at a video. Medians and, in
brackets, least and most over the repeats.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from bench_clip import FPS, cpu_seconds, loop_clip, write_clip

VARIANTS: dict[str, tuple[str, ...]] = {
    "lite": (),
    "every look searched": ("faces.mode=scan",),
}
"""Settings on top of preset `lite`."""


def cpu_now() -> float:
    """CPU seconds of this process and of the programs it ran."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def write_film(
    folder: Path, name: str, seconds: float, *, size: tuple[int, int], fps: int, sound: Path | None
) -> Path:
    """Loop the talking heads and the talk to this length."""
    import imageio_ffmpeg

    from emodiss import demo

    width, height = size
    short = folder / f"heads_{width}.mp4"
    if not short.exists():
        write_clip(short, 10 * FPS, height=height, width=width)
    talk = sound or demo.build(folder / "demo").video
    pictures = loop_clip(folder / "pictures.mp4", short, seconds)
    film = folder / f"{name}.mp4"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", str(pictures)]
    command += ["-stream_loop", "-1", "-i", str(talk), "-map", "0:v", "-map", "1:a"]
    same = ["-c:v", "copy"] if fps == FPS else ["-r", str(fps), "-c:v", "libx264", "-crf", "20"]
    command += [*same, "-t", f"{seconds:g}", str(film)]
    subprocess.run(command, check=True)
    return film


def run(film: Path, out: Path, changes: tuple[str, ...]) -> dict[str, float]:
    """Annotate the film from nothing; CPU seconds by stage, `rest` being everything else."""
    import emodiss
    from emodiss.runs.engines import local

    spent: dict[str, float] = {}
    perform = local.perform

    def timed(job: Any) -> Any:
        start = cpu_now()
        outcome = perform(job)
        spent[job.stage] = spent.get(job.stage, 0.0) + cpu_now() - start
        return outcome

    local.perform = timed
    start = cpu_now()
    try:
        settings = [*changes, "people.min_confidence=0"]
        done = emodiss.annotate(film, out=out, preset="lite", settings=settings, workers=0)
    finally:
        local.perform = perform
    if done.failures:
        raise SystemExit(f"failed: {[(f.stage, f.error) for f in done.failures]}")
    table = done.utterances
    if not (table["face_status"] == "ok").any():
        raise SystemExit("no face was measured; these figures would mean nothing")
    return {**spent, "rest": cpu_now() - start - sum(spent.values())}


def decode(film: Path) -> None:
    """Decode every frame and show it as RGB."""
    from emodiss.manifest import VideoRow
    from emodiss.media import iterate_frames, probe
    from emodiss.settings import MediaSettings

    media = probe(source=film, row=VideoRow(id="v", path=film.name), settings=MediaSettings())
    for _ in iterate_frames(film, media, np.arange(len(media.frame_times))):
        pass


def main() -> None:
    """Print CPU seconds per second of video, by stage and variant."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--fps", type=int, default=FPS)
    parser.add_argument("--sound", type=Path, help="speech instead of the demo's")
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    found: dict[str, list[dict[str, float]]] = {name: [] for name in options.only}
    floor: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        look: dict[str, Any] = {"size": (width, height), "fps": options.fps}
        look["sound"] = options.sound
        warm = write_film(folder, "warm", 12, **look)
        run(warm, folder / "warm_run", ())
        film = write_film(folder, "film", options.seconds, **look)
        for repeat in range(options.repeats):
            floor.append(cpu_seconds(lambda: decode(film)))
            for number, variant in enumerate(options.only):
                out = folder / f"run_{repeat}_{number}"
                found[variant].append(run(film, out, VARIANTS[variant]))
    result = {
        "film": f"{options.seconds:g} s of {options.size} at {options.fps} FPS, two faces",
        "host": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "decode": [f / options.seconds for f in floor],
        "stages": {
            variant: {stage: [run[stage] / options.seconds for run in runs] for stage in runs[0]}
            for variant, runs in found.items()
        },
        "all": {
            variant: [sum(run.values()) / options.seconds for run in runs]
            for variant, runs in found.items()
        },
    }
    print(json.dumps(result, indent=1) if options.json else _text(result))


def _text(result: dict[str, Any]) -> str:
    variants = list(result["all"])
    lines = [
        f"{result['film']}; CPU seconds per second of video; {result['host']}",
        "",
        "| stage | " + " | ".join(variants) + " |",
        "| --- |" + " --- |" * len(variants),
    ]
    for stage in result["stages"][variants[0]]:
        cells = [statistics.median(result["stages"][v].get(stage, [0.0])) for v in variants]
        if max(cells) >= 0.0005:
            lines.append(f"| {stage} | " + " | ".join(f"{cell:.3f}" for cell in cells) + " |")

    def spread(values: list[float]) -> str:
        return f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"

    lines.append("| **all** | " + " | ".join(spread(result["all"][v]) for v in variants) + " |")
    lines += ["", f"Decoding every frame once: {spread(result['decode'])}."]
    first = result["all"][variants[0]]
    for other in variants[1:]:
        ratios = [b / a for a, b in zip(first, result["all"][other], strict=True)]
        lines.append(f"`{other}` costs {spread(ratios)} times as much as `{variants[0]}`.")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
