"""Measure what looking at a speaker's face less often does to the values of utterances.

    python scripts/bench_looks.py --data ../shared/data [--part chosen] [--json]

The faces of real clips (`asd/` and `video/` of a folder) are measured at every tick with FER-lite,
which is shipped, and cut into stretches as long as utterances; then only the ticks that some
settings choose are kept. Printed is how far the mean and the standard deviation move, the larger of
valence and arousal, and how many flags change: of utterances whose voice differs from the face by
a normal deviate of 0.4, the spread that `dissonance.probability` expects. The clips are parted by
the people in them as in `bench_faces.py`. FER-lite scatters from frame to frame, which few looks
average less; whether EmoNet does less so could not be seen without its weights.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from bench_faces import real_clips
from numpy.typing import NDArray

from emodiss.settings import DissonanceSettings, FaceAffectSettings
from emodiss.timebase import CLOCK_FPS
from emodiss.utterances.measures import sampled

LENGTHS_S = (1.2, 2.0, 4.0, 8.0)
RULES = (
    *(FaceAffectSettings(stride=n) for n in (3, 6, 8, 10, 12, 15)),
    *(FaceAffectSettings(stride=6, looks_per_utterance=n) for n in (8, 10, 12, 16, 24)),
)
APART_SD = 0.4


def curves(clip: Path) -> list[NDArray[np.float64]]:
    """Valence and arousal of each tracked face at every tick, (n, 2) each; gaps are held."""
    from emodiss.faces import stages
    from emodiss.manifest import VideoRow
    from emodiss.media import probe
    from emodiss.models import catalog
    from emodiss.models.lite.face import LiteFace
    from emodiss.presets import changes_of
    from emodiss.settings import MediaSettings, resolve
    from emodiss.utterances.looks import Looks, measure

    chosen = resolve(changes_of("lite"))
    media = probe(source=clip, row=VideoRow(id="clip", path=clip.name), settings=MediaSettings())
    faces = stages.detect(
        source=clip, media=media, model=catalog.load("mtcnn-onnx", chosen), settings=chosen.faces
    )
    tracks = stages.follow(
        faces=faces,
        model=catalog.load("sort", chosen),
        settings=chosen.tracks,
        min_score=chosen.faces.min_score,
    ).tracks
    clock = media.clock()
    looks = Looks.joined([Looks.of(clock, t, np.arange(len(t)), -1, 0) for t in tracks])
    measured = measure(clip, media, looks, LiteFace(), (0, sys.maxsize))
    at = np.flatnonzero(looks.first_of_crop())[measured.crop]
    values = np.stack([measured.valence_raw, measured.arousal_raw], axis=1).astype(np.float64)
    found: list[NDArray[np.float64]] = []
    for track in tracks:
        own = np.flatnonzero(looks.track_id[at] == track.id)
        own = own[np.argsort(looks.tick[at[own]])]
        ticks = looks.tick[at[own]]
        if len(own):
            every = np.arange(ticks[0], ticks[-1] + 1)
            found.append(values[own[np.searchsorted(ticks, every, side="right") - 1]])
    return found


def effects(faces: list[NDArray[np.float64]], seconds: float, rule: FaceAffectSettings) -> Any:
    """See what a rule does to stretches of one length: looks, moves of mean and SD, flags."""
    n = round(seconds * CLOCK_FPS)
    gaps = np.linspace(-3, 3, 601) * APART_SD
    weights = np.exp(-0.5 * np.square(gaps / APART_SD))
    threshold = DissonanceSettings().threshold
    rows = []
    for face in faces:
        for begin in range(0, len(face) - n + 1, n // 2):
            whole = face[begin : begin + n]
            seen = whole[sampled(np.arange(begin, begin + n), rule)]
            off = seen.mean(axis=0) - whole.mean(axis=0)
            changed = (np.abs(gaps + off[:, None]) > threshold) != (np.abs(gaps) > threshold)
            share = (changed @ weights / weights.sum()).max()
            spread = np.abs(seen.std(axis=0) - whole.std(axis=0)).max()
            rows.append((len(seen), np.abs(off).max(), spread, share))
    return np.array(rows)


def main() -> None:
    """Print a table of rules by lengths."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="a folder of real clips")
    parser.add_argument("--part", choices=["rest", "chosen"], default="rest")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    clips = real_clips(options.data, options.part)
    faces = [face for clip in clips for face in curves(clip)]
    rows = []
    for rule in RULES:
        for seconds in LENGTHS_S:
            looks, off, spread, flags = effects(faces, seconds, rule).T
            rows.append(
                {
                    "settings": rule.model_dump(include={"stride", "looks_per_utterance"}),
                    "seconds": seconds,
                    "stretches": len(off),
                    "looks": float(looks.mean()),
                    "mean_moves": [float(f(off)) for f in (np.mean, _percentile, np.max)],
                    "sd_moves": float(spread.mean()),
                    "flags_change": float(flags.mean()),
                }
            )
    print(json.dumps(rows, indent=1) if options.json else _text(rows, len(clips), len(faces)))


def _percentile(values: NDArray[np.float64]) -> float:
    return float(np.percentile(values, 95))


def _text(rows: list[dict[str, Any]], n_clips: int, n_faces: int) -> str:
    lengths = " | ".join(f"{s:g} s" for s in LENGTHS_S)
    counts = ", ".join(str(row["stretches"]) for row in rows[: len(LENGTHS_S)])
    lines = [
        f"{n_clips} clips, {n_faces} faces; {counts} stretches. Looks: how far the mean moves "
        "(95th percentile, most).",
        "",
        f"| `face_affect.` | {lengths} | SD moves | flags that change |",
        "| --- |" + " --- |" * (len(LENGTHS_S) + 2),
    ]
    for first in range(0, len(rows), len(LENGTHS_S)):
        own = rows[first : first + len(LENGTHS_S)]
        name = " ".join(f"{k}={v}" for k, v in own[0]["settings"].items() if v is not None)
        cells = (
            "{}: {:.3f} ({:.3f}, {:.3f})".format(round(row["looks"]), *row["mean_moves"])
            for row in own
        )
        spread = max(row["sd_moves"] for row in own)
        flags = ", ".join(f"{row['flags_change']:.1%}" for row in own)
        lines.append(f"| `{name}` | {' | '.join(cells)} | {spread:.3f} | {flags} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
