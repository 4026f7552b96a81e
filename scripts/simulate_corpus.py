"""Simulate a corpus of the paper's size, and time its tables and figures.

    python scripts/simulate_corpus.py                      # 1,441 sessions, 500,000 utterances
    python scripts/simulate_corpus.py --keep FOLDER        # keep the run folder and the figures

Everybody in it is random numbers. Times are of a fresh process; memory is its peak.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emodiss import dissonance, utterances
from emodiss.runs import codecs
from emodiss.runs.run import load
from emodiss.settings import Settings
from emodiss.stages import STAGES

SESSIONS, UTTERANCES = 1441, 500_000
LIMIT_S, LIMIT_GB = 20.0, 2.0


def simulate(folder: Path, *, sessions: int, n: int, seed: int = 0) -> None:
    """Write a run folder of random sessions, with the paper's mean and median length."""
    rng = np.random.default_rng(seed)
    ids = [f"s{k:04d}" for k in range(sessions)]
    # A log-normal with median 2.9 and mean 6.8 minutes, as in the paper's Table 1.
    minutes = 2.9 * np.exp(rng.normal(0, np.sqrt(2 * np.log(6.8 / 2.9)), sessions))
    counts = 2 + rng.multinomial(n - 2 * sessions, minutes / minutes.sum())
    session = np.repeat(np.arange(sessions), counts)
    first = np.repeat(np.r_[0, np.cumsum(counts)[:-1]], counts)
    place = np.arange(n) - first
    length = minutes[session] * 60 / counts[session]
    patient = (place + rng.integers(0, 2, sessions)[session]) % 2 == 1
    letters = "bcdfghjklmnprstvwxyz"
    spelled = ("".join(letters[k // 20**p % 20] for p in range(4)) for k in range(29_005))
    words = np.array(list(spelled))
    # Zipf's law: the k-th word comes up with a frequency of about 1/k.
    drawn = words[np.minimum((29_005 ** rng.random((n, 12))).astype(int), 29_004)]
    texts = [" ".join(row[:k]) for row, k in zip(drawn, rng.integers(1, 13, n), strict=True)]
    measured = {c: rng.random(n) > 0.2 for c in ("speech", "face")}
    axes = {
        f"{c}_{a}": np.where(measured[c], rng.normal(m, 0.25, n).clip(-1, 1), np.nan)
        for c, a, m in (
            *(("speech", "valence", 0.15), ("speech", "arousal", 0.0)),
            *(("face", "valence", -0.1), ("face", "arousal", 0.1)),
        )
    }
    flags = dissonance.flag(*axes.values())
    table = pd.DataFrame(
        {
            "video_id": np.array(ids)[session],
            "utterance_id": [f"u{k + 1:04d}" for k in place],
            "start": place * length,
            "end": (place + 0.9) * length,
            "speaker": np.where(patient, "B", "A"),
            "role": np.where(patient, "patient", "therapist"),
            "text": texts,
            "sentiment": rng.normal(np.where(patient, -0.1, 0.15), 0.4).clip(-1, 1),
            **axes,
            "delta_valence": flags.delta_valence,
            "delta_arousal": flags.delta_arousal,
            "dissonance_score": flags.score,
            "dissonant": flags.dissonant,
            "dissonance_axis": flags.axis,
            "compared_scale": "house",
        }
    )
    table = utterances.conform(table, utterances.SCHEMA)
    videos = pd.DataFrame(
        {
            "video_id": ids,
            "sha256": [f"{k:064x}" for k in range(sessions)],
            "duration": minutes * 60,
            "has_audio": True,
            "has_video": True,
            "width": 1280,
            "height": 720,
            "transcript_source": "words",
            "n_utterances": pd.array(counts, dtype="Int64"),
            "n_speakers": pd.array([2] * sessions, dtype="Int64"),
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    empty = {
        name: utterances.conform(pd.DataFrame(), schema)
        for name, schema in {
            "face_frames": utterances.FRAME_SCHEMA,
            "face_summary": utterances.FACE_SUMMARY_SCHEMA,
            "voice_windows": utterances.WINDOW_SCHEMA,
        }.items()
    }
    tables = {"utterances": table, "videos": videos, **empty}
    for name, content in tables.items():
        (folder / f"{name}.parquet").write_bytes(codecs.to_parquet(content))
    facts = {"settings": Settings().model_dump(mode="json"), "problems": []}
    (folder / "run.json").write_text(json.dumps(facts))
    rows = ({"id": k, "url": f"https://www.youtube.com/watch?v={k}", "path": None} for k in ids)
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    jobs = (
        {"video": k, "stage": s.name, "status": "done", "seconds": 60 * m, "device": "cuda"}
        for k, m in zip(ids, minutes, strict=True)
        for s in STAGES
    )
    (folder / "outcomes.jsonl").write_text("".join(json.dumps(job) + "\n" for job in jobs))


def measure(folder: Path) -> None:
    """Make all tables and figures of a run, and print what each took."""
    import matplotlib as mpl

    mpl.use("Agg")
    from emodiss import corpus
    from emodiss.plots import registry

    run = load(folder)

    def figure(name: str) -> None:
        registry.save(registry.draw(run, name), folder / "figures" / f"{name}.png")

    work: dict[str, Callable[[], Any]] = {
        "Table 1": lambda: print(corpus.table1(run).to_string(index=False)),
        "Table 2": lambda: corpus.table2(run),
        "Table 4": lambda: corpus.table4(run),
        **{name: lambda name=name: figure(name) for name in ("figure2", "figure3", "figure4")},
        "figure10": lambda: figure("figure10"),
    }
    total = 0.0
    for name, make in work.items():
        started = time.perf_counter()
        make()
        seconds = time.perf_counter() - started
        total += seconds
        print(f"{name:9} {seconds:6.2f} s")
    # Linux counts kilobytes, macOS bytes.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )
    print(f"all       {total:6.2f} s (limit {LIMIT_S:g}), {peak / 1e9:.2f} GB (limit {LIMIT_GB:g})")
    sys.exit(0 if total < LIMIT_S and peak < LIMIT_GB * 1e9 else 1)


def main() -> None:
    """Simulate, then measure in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sessions", type=int, default=SESSIONS)
    parser.add_argument("--utterances", type=int, default=UTTERANCES)
    parser.add_argument("--keep", type=Path, help="keep the run folder here")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary) / "run"
        simulate(folder, sessions=options.sessions, n=options.utterances)
        command = [sys.executable, __file__, "--measure", str(folder)]
        sys.exit(subprocess.run(command, check=False).returncode)


if __name__ == "__main__":
    main()
