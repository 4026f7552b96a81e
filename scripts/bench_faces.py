"""Time face detection against facenet-pytorch, and measure what its approximations do.

    python scripts/bench_faces.py [--frames 12] [--repeats 3] [--accuracy] [--json]

Both detectors run in turns in one process on one core, on the same frames; the ratio is that of
their median CPU seconds, so other work on the machine touches both alike. The clip is made here
from a public-domain portrait inside scikit-image: two moving heads of about 100 pixels on 720p.
`--accuracy` adds the named approximations, compared with exact detection of the same frames.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from emodiss.faces import FaceBoxes
from emodiss.models.faces_facenet import ReferenceMtcnn
from emodiss.models.faces_mtcnn import MtcnnDetector
from emodiss.tracks import iou

Frame = NDArray[np.uint8]


def moving_heads(n_frames: int, *, height: int = 720, width: int = 1280) -> list[Frame]:
    """Make a clip of two heads that sway in front of a textured wall, at 30 FPS."""
    import cv2
    from skimage import data

    portrait = data.astronaut()
    wall = cv2.GaussianBlur(cv2.resize(data.brick(), (width, height)), (0, 0), 3)
    wall = np.repeat(wall[:, :, None], 3, 2)
    side = height * 640 // 720  # the face is a sixth of the portrait: about 105 pixels at 720p
    person = cv2.resize(portrait, (side, side), interpolation=cv2.INTER_AREA)
    frames = []
    for k in range(n_frames):
        frame = wall.copy()
        for centre, phase in ((0.26, 0.0), (0.74, 1.7)):
            x = int(width * centre - side / 2 + 0.02 * width * np.sin(np.pi * k / 30 + phase))
            y = int(height - side + 0.015 * height * np.sin(1.6 * np.pi * k / 30 + phase))
            x0, x1, y1 = max(x, 0), min(x + side, width), min(y + side, height)
            mirrored = person[:, ::-1] if phase else person
            frame[max(y, 0) : y1, x0:x1] = mirrored[max(-y, 0) : y1 - y, x0 - x : x1 - x]
        frames.append(np.ascontiguousarray(frame))
    return frames


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


def agreement(exact: Sequence[FaceBoxes], other: Sequence[FaceBoxes]) -> dict[str, float]:
    """Compare an approximation with exact detection by overlap."""
    best: list[float] = []
    shift: list[NDArray[np.floating]] = []
    extra = 0
    for a, b in zip(exact, other, strict=True):
        overlap = iou(a.boxes, b.boxes) if len(a) and len(b) else np.zeros((len(a), len(b)))
        for row, box in zip(overlap, a.boxes, strict=True):
            best.append(float(row.max()) if len(row) else 0.0)
            if best[-1] > 0.5:
                near = b.boxes[row.argmax()]
                shift.append(((near[:2] + near[2:]) - (box[:2] + box[2:])) / 2)
        extra += int((overlap.max(0) <= 0.5).sum()) if len(a) else len(b)
    found = np.array([v for v in best if v > 0.5])
    return {
        "missed": len(best) - len(found),
        "extra": extra,
        "iou_mean": float(found.mean()) if len(found) else float("nan"),
        "iou_p5": float(np.percentile(found, 5)) if len(found) else float("nan"),
        "shift_x_px": float(np.mean([s[0] for s in shift])) if shift else float("nan"),
        "shift_y_px": float(np.mean([s[1] for s in shift])) if shift else float("nan"),
    }


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU seconds of this process, all threads."""
    start = time.process_time()
    work()
    return time.process_time() - start


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


def approximations(frames: Sequence[Frame]) -> list[dict[str, object]]:
    """Measure each named approximation against exact detection at a minimum face of 20."""
    exact_detector = MtcnnDetector(20)
    exact_detector.detect(frames[:1])
    exact: list[FaceBoxes] = []
    exact_s = cpu_seconds(lambda: exact.extend(exact_detector.detect(frames)))
    rows: list[dict[str, object]] = []
    for name, detector in (
        ("min_face_size=40", MtcnnDetector(40)),
        ("min_face_size=60", MtcnnDetector(60)),
        ("min_face_share=0.1", MtcnnDetector(min_face_share=0.1)),
        ("half_size, 20", MtcnnDetector(20, half_size=True)),
        ("half_size, 40", MtcnnDetector(40, half_size=True)),
    ):
        found: list[FaceBoxes] = []
        seconds = cpu_seconds(lambda d=detector, f=found: f.extend(d.detect(frames)))
        rows.append({"name": name, "speedup": exact_s / seconds, **agreement(exact, found)})
    return rows


def main() -> None:
    """Print ratios and differences."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--min-face", type=float, nargs="+", default=[20, 40])
    parser.add_argument("--accuracy", action="store_true", help="also measure approximations")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    frames = moving_heads(options.frames)
    result = {
        "host": f"{platform.machine()}, torch {torch.__version__}, 1 thread",
        "load_before": os.getloadavg()[0],
        "clip": f"{len(frames)} frames 1280x720",
        "detection": [compare(frames, size, options.repeats) for size in options.min_face],
        "approximations": approximations(frames) if options.accuracy else [],
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
    for row in result["approximations"]:
        print(
            f"{row['name']:20s} {row['speedup']:.1f}x; missed {row['missed']}, extra "
            f"{row['extra']}; IoU mean {row['iou_mean']:.3f}, 5th percentile {row['iou_p5']:.3f}; "
            f"shift ({row['shift_x_px']:+.2f}, {row['shift_y_px']:+.2f}) px"
        )


if __name__ == "__main__":
    main()
