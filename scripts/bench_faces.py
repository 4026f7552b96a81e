"""Time face detection against facenet-pytorch, and measure what its approximations do.

    python scripts/bench_faces.py [--frames 12] [--repeats 3] [--json]
    python scripts/bench_faces.py --accuracy [--clip FILE] [--seconds 4]

Both detectors run in turns in one process on one core, on the same frames; the ratio is that of
their median CPU seconds, so that other work on the machine touches both alike. The clip is
generated (`bench_clip.py`): two moving heads with faces of about 105 pixels on 720p.

`--accuracy` measures the named approximations instead, on that clip or on one of your own: exact
detection of every frame is the yardstick for the tracked boxes (share found, overlap, pixels), and
FER-lite, which is shipped, for what other boxes do to the mean valence and arousal of a face.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
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
    {"faces.min_face": 40},
    {"faces.min_face": 60},
    {"faces.min_face": 0.1},
    {"faces.half_size": True},
    {"faces.half_size": True, "faces.min_face": 40},
    {"faces.stride": 2},
    {"faces.stride": 3},
    {"faces.stride": 5},
    {"faces.stride": 10},
    {"faces.stride": 3, "faces.min_face": 40},
    {"faces.stride": 5, "faces.min_face": 40},
)
"""Settings on top of preset `paper`."""


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
    """The tracked faces of a clip under some settings, what they cost, and how they look."""

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
        tracks = video.follow(
            faces=kept["faces"],
            model=catalog.load("sort", chosen),
            settings=chosen.tracks,
            min_score=chosen.faces.min_score,
        ).tracks
        self.boxes: dict[int, list[tuple[int, Any]]] = {}
        for track in tracks:
            for tick, box in zip(track.ticks.tolist(), track.boxes, strict=True):
                self.boxes.setdefault(tick, []).append((track.id, box))


def measure(clip: Path, media: Any, pairs: list[tuple[int, Any]]) -> Any:
    """Mean valence and arousal, by FER-lite, of (tick, box) pairs in order of ticks."""
    from emodiss.faces import crop
    from emodiss.media import iterate_frames
    from emodiss.models.lite.face import LiteFace

    model = LiteFace()
    at = dict(
        zip(media.ticks().tolist(), media.clock().frame_at(media.ticks()).tolist(), strict=True)
    )
    wanted: dict[int, list[Any]] = {}
    for tick, box in pairs:
        wanted.setdefault(at[tick], []).append(box)
    values: list[Any] = []
    for frame in iterate_frames(clip, media, np.array(sorted(wanted))):
        for box in wanted[frame.index]:
            face = crop(frame.image, box, margin=model.crop_margin, square=model.crop_square)
            found = model.predict([face])
            values.append((found.valence[0], found.arousal[0]))
    return np.mean(values, axis=0)


def accuracy(clip: Path) -> list[dict[str, Any]]:
    """Measure each approximation against exact detection of every tick."""
    from emodiss.manifest import VideoRow
    from emodiss.media import probe
    from emodiss.settings import MediaSettings

    media = probe(
        source=clip,
        row=VideoRow(id="clip", path=clip.name),
        settings=MediaSettings(),
    )
    exact = Watched(clip, media, {})
    rows: list[dict[str, Any]] = []
    for changes in APPROXIMATIONS:
        other = Watched(clip, media, changes)
        overlap: list[float] = []
        shift: list[Any] = []
        n_faces = extra = 0
        # By exact track: its boxes, and the approximation's box of the same face.
        matched: dict[int, list[tuple[int, Any, Any]]] = {}
        for tick, faces in exact.boxes.items():
            mine = np.array([box for _, box in faces])
            theirs = np.array([box for _, box in other.boxes.get(tick, [])]).reshape(-1, 4)
            table = iou(mine, theirs) if len(theirs) else np.zeros((len(mine), 1))
            n_faces += len(mine)
            extra += int((table.max(0) <= 0.5).sum()) if len(theirs) else 0
            for (track, box), row in zip(faces, table, strict=True):
                if row.max() > 0.5:
                    near = theirs[row.argmax()]
                    overlap.append(float(row.max()))
                    shift.append(((near[:2] + near[2:]) - (box[:2] + box[2:])) / 2)
                    matched.setdefault(track, []).append((tick, box, near))
        effect = [
            measure(clip, media, [(t, near) for t, _, near in faces])
            - measure(clip, media, [(t, box) for t, box, _ in faces])
            for faces in matched.values()
        ]
        rows.append(
            {
                "settings": changes,
                "speedup": exact.seconds / other.seconds,
                "faces": n_faces,
                "recall": len(overlap) / n_faces if n_faces else float("nan"),
                "extra": extra,
                "iou_mean": float(np.mean(overlap)) if overlap else float("nan"),
                "iou_p5": float(np.percentile(overlap, 5)) if overlap else float("nan"),
                "centre_rmse_px": float(np.sqrt(np.mean(np.square(shift).sum(-1))))
                if shift
                else float("nan"),
                "valence_max": float(np.abs(effect)[:, 0].max()) if effect else float("nan"),
                "arousal_max": float(np.abs(effect)[:, 1].max()) if effect else float("nan"),
            }
        )
    return rows


def main() -> None:
    """Print ratios and differences, or the accuracy of approximations."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--min-face", type=float, nargs="+", default=[20, 40])
    parser.add_argument("--accuracy", action="store_true", help="measure approximations instead")
    parser.add_argument("--clip", type=Path, help="for --accuracy: a video of your own")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of the generated clip")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    if options.accuracy:
        with tempfile.TemporaryDirectory() as folder:
            clip = options.clip or write_clip(
                Path(folder) / "clip.mp4", round(options.seconds * FPS)
            )
            rows = accuracy(clip)
        print(json.dumps(rows, indent=1) if options.json else _accuracy_text(rows))
        return
    frames = list(moving_heads(options.frames))
    result = {
        "host": f"{platform.machine()}, torch {torch.__version__}, 1 thread",
        "load_before": os.getloadavg()[0],
        "clip": f"{len(frames)} frames 1280x720",
        "detection": [compare(frames, size, options.repeats) for size in options.min_face],
        "load_after": os.getloadavg()[0],
    }
    if options.json:
        print(json.dumps(result, indent=1))
        return
    print(f"{result['clip']}; {result['host']}; load {result['load_before']:.1f}")
    for row in result["detection"]:
        print(
            f"min face {row['min_face_size']:3.0f}: reference {row['reference_ms']:6.1f} ms, "
            f"ours {row['ours_ms']:6.1f} ms, ratio {row['ratio']:.2f} "
            f"({row['ratio_min']:.2f} to {row['ratio_max']:.2f}); {row['faces']} faces, "
            f"{row['count_mismatches']} count mismatches, boxes within {row['max_box_px']:.1e} px, "
            f"landmarks within {row['max_landmark_px']:.1e} px"
        )


def _accuracy_text(rows: list[dict[str, Any]]) -> str:
    lines = [f"{rows[0]['faces']} tracked faces; against exact detection of every tick:"]
    for row in rows:
        name = " ".join(f"{key}={value}" for key, value in row["settings"].items())
        lines.append(
            f"{name:40s} {row['speedup']:4.1f}x; found {row['recall']:.1%}, {row['extra']} extra; "
            f"overlap {row['iou_mean']:.3f} (5th percentile {row['iou_p5']:.3f}), centre off by "
            f"{row['centre_rmse_px']:.1f} px; mean valence of a face moves by up to "
            f"{row['valence_max']:.1e}, arousal by {row['arousal_max']:.1e}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
