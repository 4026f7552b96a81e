"""Time face detection against facenet-pytorch, and measure what its approximations do.

    python scripts/bench_faces.py [--frames 12] [--repeats 3] [--json]
    python scripts/bench_faces.py --accuracy [--clip FILE] [--seconds 4]
    python scripts/bench_faces.py --accuracy --data ../shared/data [--part chosen]

Both detectors run in turns in one process on one core, on the same frames; the ratio is that of
their median CPU seconds, so that other work on the machine touches both alike. The clip is
generated (`bench_clip.py`): two moving heads with faces of about 105 pixels on 720p.

`--accuracy` measures the named approximations instead, on that clip, on one of your own, or on the
real ones of a folder with `asd/` and `video/`. The yardstick is a search of every tick, and of what
it finds the faces that are tracked, which is for half a second and more. FER-lite, which is
shipped, tells what other boxes do to the mean valence and arousal of pieces of at most four
seconds, as utterances are. The real clips are parted by the people in them: the defaults were
chosen on the part `chosen`; printed without `--part` is the rest, in which none of them is.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bench_clip import FPS, Frame, cpu_seconds, moving_heads, write_clip

from emodiss.faces import FaceBoxes, iou
from emodiss.models.mtcnn.detector import MtcnnDetector
from emodiss.models.mtcnn.reference import ReferenceMtcnn

APPROXIMATIONS: tuple[dict[str, Any], ...] = (
    {"faces.stride": 2},
    {"faces.stride": 3},
    {"faces.stride": 5},
    {"faces.mode": "follow", "faces.scan_every": 15},
    {"faces.mode": "follow", "faces.scan_every": 15, "faces.stride": 3},
    {"faces.mode": "follow", "faces.scan_every": 30, "faces.stride": 3},
)
"""Settings on top of preset `paper` and the smallest face."""

CHOSEN = ("pc_", "vr")
"""Sources of the people on whom the constants and defaults of following were chosen."""

PIECE_S, SAMPLED = 4.0, 4
"""Longest piece whose means are compared, and every how many ticks a face is measured for it."""


def difference(a: Sequence[FaceBoxes], b: Sequence[FaceBoxes]) -> dict[str, float]:
    """Compare face by face in the order given, as the same detector must agree with itself."""
    wrong = [len(x) != len(y) for x, y in zip(a, b, strict=True)]
    pairs = [(x, y) for x, y, w in zip(a, b, wrong, strict=True) if not w and len(x)]
    return {
        "faces": sum(map(len, a)),
        "count_mismatches": sum(wrong),
        "max_box_px": max((float(np.abs(x.boxes - y.boxes).max()) for x, y in pairs), default=0),
        "max_landmark_px": max(
            (float(np.abs(x.landmarks - y.landmarks).max()) for x, y in pairs), default=0
        ),
    }


def compare(frames: Sequence[Frame], min_face_size: float, repeats: int) -> dict[str, float]:
    """Run reference and ours in turns."""
    reference, ours = ReferenceMtcnn(min_face_size), MtcnnDetector(min_face_size)
    reference.detect(frames[:1])
    ours.detect(frames[:1])
    theirs: list[FaceBoxes] = []
    own: list[FaceBoxes] = []
    ratios, naive_s, ours_s = [], [], []
    for _ in range(repeats):
        naive = mine = 0.0
        # Frame by frame, so that a burst of other work on the machine hits both.
        theirs.clear()
        own.clear()
        for frame in frames:
            naive += cpu_seconds(lambda f=frame: theirs.extend(reference.detect([f])))
            mine += cpu_seconds(lambda f=frame: own.extend(ours.detect([f])))
        ratios.append(naive / mine)
        naive_s.append(naive)
        ours_s.append(mine)
    return {
        "min_face_size": min_face_size,
        "reference_ms": 1e3 * statistics.median(naive_s) / len(frames),
        "ours_ms": 1e3 * statistics.median(ours_s) / len(frames),
        "ratio": statistics.median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
        **difference(theirs, own),
    }


class Watched:
    """The tracked faces of a clip under some settings, and what they cost."""

    def __init__(self, clip: Path, media: Any, changes: dict[str, Any]) -> None:
        from emodiss.faces import stages as video
        from emodiss.models import catalog
        from emodiss.settings import resolve

        chosen = resolve(changes)
        model = catalog.load("mtcnn", chosen)
        model.detect([np.zeros((40, 40, 3), np.uint8)])
        kept: dict[str, Any] = {}

        def look() -> None:
            kept["faces"] = video.detect(
                source=clip, media=media, model=model, settings=chosen.faces
            )

        self.seconds = cpu_seconds(look)
        self.tracks = video.follow(
            faces=kept["faces"],
            model=catalog.load("sort", chosen),
            settings=chosen.tracks,
            min_score=chosen.faces.min_score,
        ).tracks
        self.fragments = sum(len(track.fragments) for track in self.tracks)
        # By tick: number of the track, box and landmarks.
        self.faces: dict[int, list[tuple[int, Any, Any]]] = {}
        for track in self.tracks:
            rows = zip(track.ticks.tolist(), track.boxes, track.landmarks, strict=True)
            for tick, box, points in rows:
                self.faces.setdefault(tick, []).append((track.id, box, points))


Pair = tuple[int, int, Any, Any, Any, Any]
"""Tick, exact track, and box and landmarks of both."""


def pairs_of(exact: Watched, other: Watched) -> tuple[list[Pair], int, int]:
    """Faces that both have, how many the exact one has, and how many only the other has."""
    found: list[Pair] = []
    n_faces = sum(map(len, exact.faces.values()))
    n_other = sum(map(len, other.faces.values()))
    seen = 0
    for tick, faces in exact.faces.items():
        others = other.faces.get(tick)
        if not others:
            continue
        table = iou(np.array([b for _, b, _ in faces]), np.array([b for _, b, _ in others]))
        seen += int((table.max(0) > 0.5).sum())
        for (track, box, points), row in zip(faces, table, strict=True):
            if row.max() > 0.5:
                _, near, near_points = others[int(row.argmax())]
                found.append((tick, track, box, points, near, near_points))
    return found, n_faces, n_other - seen


def effects(clip: Path, media: Any, pairs: list[Pair]) -> list[Any]:
    """Measure with FER-lite how the other boxes move the means of each piece."""
    from emodiss.faces import crop
    from emodiss.media import iterate_frames
    from emodiss.models.lite.face import LiteFace
    from emodiss.timebase import CLOCK_FPS

    model = LiteFace()
    sampled = [pair for pair in pairs if pair[0] % SAMPLED == 0]
    shown = media.clock().frame_at(np.array([pair[0] for pair in sampled], np.int64))
    by_frame: dict[int, list[Pair]] = {}
    for pair, frame in zip(sampled, shown.tolist(), strict=True):
        by_frame.setdefault(frame, []).append(pair)
    moved: dict[tuple[int, int], list[Any]] = {}
    for frame in iterate_frames(clip, media, np.array(sorted(by_frame), np.int64)):
        for tick, track, box, _, near, _ in by_frame[frame.index]:
            faces = [
                crop(frame.image, b, margin=model.crop_margin, square=model.crop_square)
                for b in (box, near)
            ]
            measured = model.predict(faces)
            change = np.diff([measured.valence, measured.arousal])[:, 0]
            piece = int(tick / CLOCK_FPS // PIECE_S)
            moved.setdefault((track, piece), []).append(change)
    return [np.mean(changes, axis=0) for changes in moved.values()]


def accuracy(clips: Sequence[Path], min_face: float) -> list[dict[str, Any]]:
    """Measure each approximation against a search of every tick."""
    from emodiss.manifest import VideoRow
    from emodiss.media import probe
    from emodiss.settings import MediaSettings

    kept: list[list[dict[str, Any]]] = [[] for _ in APPROXIMATIONS]
    for clip in clips:
        row = VideoRow(id="clip", path=clip.name)
        media = probe(source=clip, row=row, settings=MediaSettings())
        exact = Watched(clip, media, {"faces.min_face": min_face})
        for changes, found in zip(APPROXIMATIONS, kept, strict=True):
            other = Watched(clip, media, {"faces.min_face": min_face, **changes})
            pairs, n_faces, extra = pairs_of(exact, other)
            widths = [box[2] - box[0] for _, _, box, _, _, _ in pairs]
            found.append(
                {
                    "clip": clip.stem,
                    "exact_s": exact.seconds,
                    "seconds": other.seconds,
                    "faces": n_faces,
                    "found": len(pairs),
                    "extra": extra,
                    "overlap": [iou(p[2][None], p[4][None])[0, 0] for p in pairs],
                    "landmarks": [
                        np.linalg.norm(p[3] - p[5], axis=1).mean() / w
                        for p, w in zip(pairs, widths, strict=True)
                    ],
                    "fragments": (exact.fragments, other.fragments),
                    "effects": effects(clip, media, pairs),
                }
            )
        print(f"{clip.stem}: {exact.seconds:.1f} s", file=sys.stderr, flush=True)
    return [_summed(c, found) for c, found in zip(APPROXIMATIONS, kept, strict=True)]


def _summed(changes: dict[str, Any], found: list[dict[str, Any]]) -> dict[str, Any]:
    """Put the clips together; the worst clip beside the whole."""
    known = [f for f in found if f["faces"]]
    overlap = np.concatenate([f["overlap"] for f in found])
    landmarks = np.concatenate([f["landmarks"] for f in found])
    effect = np.abs([e for f in found for e in f["effects"]]).reshape(-1, 2).max(axis=1)
    worst = min(known, key=lambda f: f["found"] / f["faces"])
    return {
        "settings": changes,
        "clips": len(found),
        "speedup": sum(f["exact_s"] for f in found) / sum(f["seconds"] for f in found),
        "faces": sum(f["faces"] for f in found),
        "recall": len(overlap) / sum(f["faces"] for f in found),
        "worst": [worst["clip"], worst["found"] / worst["faces"]],
        "extra": sum(f["extra"] for f in found) / sum(f["faces"] for f in found),
        "overlap": [float(overlap.mean()), float(np.percentile(overlap, 5))],
        "landmarks": [float(np.median(landmarks)), float(np.percentile(landmarks, 95))],
        "fragments": [sum(f["fragments"][k] for f in found) for k in (0, 1)],
        "effect": [float(effect.mean()), float(np.percentile(effect, 95)), float(effect.max())],
    }


def real_clips(data: Path, part: str) -> list[Path]:
    """Clips of one part: `chosen` has people of the first sources, `rest` nobody of them."""
    found: list[Path] = []
    for path in sorted([*data.glob("asd/*.mp4"), *data.glob("video/*.m[op][4v]")]):
        scene = path.with_suffix(".json")
        sources = json.loads(scene.read_text())["clips"] if scene.is_file() else [path.stem]
        if any(source.startswith(CHOSEN) for source in sources) == (part == "chosen"):
            found.append(path)
    return found


def main() -> None:
    """Print ratios and differences, or the accuracy of approximations."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--min-face", type=float, nargs="+", default=[20, 40])
    parser.add_argument("--accuracy", action="store_true", help="measure approximations instead")
    parser.add_argument("--clip", type=Path, help="for --accuracy: a video of your own")
    parser.add_argument("--data", type=Path, help="for --accuracy: a folder of real clips")
    parser.add_argument("--part", choices=["rest", "chosen"], default="rest")
    parser.add_argument("--least", type=float, default=40, help="for --accuracy: smallest face")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of the generated clip")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    if options.accuracy:
        with tempfile.TemporaryDirectory() as folder:
            if options.data:
                clips = real_clips(options.data, options.part)
            elif options.clip:
                clips = [options.clip]
            else:
                clips = [write_clip(Path(folder) / "clip.mp4", round(options.seconds * FPS))]
            rows = accuracy(clips, options.least)
        print(json.dumps(rows, indent=1) if options.json else _accuracy_text(rows))
        return
    frames = list(moving_heads(options.frames))
    load = os.getloadavg()[0]
    detection = [compare(frames, size, options.repeats) for size in options.min_face]
    result = {
        "host": f"{platform.machine()}, torch {torch.__version__}, 1 thread",
        "load_before": load,
        "clip": f"{len(frames)} frames 1280x720",
        "detection": detection,
        "load_after": os.getloadavg()[0],
    }
    if options.json:
        print(json.dumps(result, indent=1))
        return
    print(f"{result['clip']}; {result['host']}; load {result['load_before']:.1f}")
    for row in detection:
        print(
            f"min face {row['min_face_size']:3.0f}: reference {row['reference_ms']:6.1f} ms, "
            f"ours {row['ours_ms']:6.1f} ms, ratio {row['ratio']:.2f} "
            f"({row['ratio_min']:.2f} to {row['ratio_max']:.2f}); {row['faces']} faces, "
            f"{row['count_mismatches']} count mismatches, boxes within {row['max_box_px']:.1e} px, "
            f"landmarks within {row['max_landmark_px']:.1e} px"
        )


def _accuracy_text(rows: list[dict[str, Any]]) -> str:
    lines = [
        f"{rows[0]['clips']} clips, {rows[0]['faces']} tracked faces of a search of every tick.",
        "",
        "| settings | times as fast | found (worst clip) | beside | overlap (5th percentile) "
        "| landmarks off (95th percentile), face widths | fragments "
        "| a piece's mean moves (95th percentile, most) |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        name = " ".join(f"{key}={value}" for key, value in row["settings"].items())
        worst, share = row["worst"]
        lines.append(
            f"| `{name}` | {row['speedup']:.1f} | {row['recall']:.1%} ({worst} {share:.1%}) "
            f"| {row['extra']:.1%} | {row['overlap'][0]:.3f} ({row['overlap'][1]:.3f}) "
            f"| {row['landmarks'][0]:.3f} ({row['landmarks'][1]:.3f}) "
            f"| {row['fragments'][1]} of {row['fragments'][0]} "
            f"| {row['effect'][0]:.3f} ({row['effect'][1]:.3f}, {row['effect'][2]:.3f}) |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
