"""Measure hours of video and sound per GPU-hour, and check the GPU's results against the CPU's.

    python scripts/bench_gpu.py [--sound SPEECH.wav] [--clip CLIP.mp4] [--json FILE] [--write]
    python scripts/bench_gpu.py --device cpu --quick     # small networks, to try the script
    python scripts/bench_gpu.py --read FILE --write      # a result from elsewhere into the guide

Each model is called as the pipeline calls it: arrays in, arrays out, so that transfers and the work
around the network on the CPU count. The ways to run a model take turns; rates are medians, with the
slowest and fastest turn in brackets. Before that, each way's results are compared with the same
model's in float32 on the CPU, and must stay within the bounds of `BOUNDS`.

EmoNet, audEERING's model and Whisper large-v3 have random weights of the published sizes here:
right for speed, and no more than a hint at what reduced precision does to the real ones. MTCNN and
Whisper tiny.en have their real weights. Words are recognised only with `--sound`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np
from bench_clip import FPS
from bench_gpu_parts import PARTS, Bench, Part, Run
from bench_video import Clip

BOUNDS: dict[str, dict[str, float]] = {
    # Largest difference from float32 on the CPU that passes; affect in units of [-1, 1].
    "float32": {"valence": 1e-4, "arousal": 1e-4, "box_px": 0.05, "faces": 0, "logits": 1e-3},
    "tf32": {"valence": 0.02, "arousal": 0.02, "logits": 1e-2},
    "bfloat16": {"valence": 0.1, "arousal": 0.1, "logits": 0.1},
    "float16": {"logits": 2e-2},
}

RUN_BOUND = 1e-3
"""The same for the affect of an utterance after a whole run in float32."""


def measure(bench: Bench, part: Part, repeats: int) -> dict[str, Any]:
    """Compare each way with the CPU, then time all in turns."""
    import torch

    cuda = torch.cuda if bench.device != "cpu" else None
    run = part.reference.load()
    # First calls load and compile.
    run(part.few[:1] if isinstance(part.few, list) else part.few)
    start = time.perf_counter()
    truth = run(part.few)
    cpu_s = time.perf_counter() - start
    del run
    ready: dict[str, Run] = {}
    rows: dict[str, dict[str, Any]] = {}
    for name, way in part.ways.items():
        bench.empty()
        before = cuda.memory_allocated() if cuda else 0
        if cuda:
            cuda.reset_peak_memory_stats()
        ready[name] = way.load()
        found = part.differ(truth, ready[name](part.few))
        ready[name](part.many)  # sizes not met before cost a search for the fastest kernel
        bounds = {k: v for k, v in BOUNDS.get(way.precision, {}).items() if k in found}
        rows[name] = {
            "way": name,
            "batch": way.batch,
            "difference": found,
            "bounds": bounds,
            "within": all(found[k] <= v for k, v in bounds.items()),  # NaN is not
            "peak_mb": (cuda.max_memory_allocated() - before) / 1e6 if cuda else None,
        }
    spent: dict[str, list[float]] = {name: [] for name in ready}
    for turn in range(repeats):
        names = list(ready)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            start = time.perf_counter()
            ready[name](part.many)
            if cuda:
                cuda.synchronize()
            spent[name].append(time.perf_counter() - start)
    for name, seconds in spent.items():
        rows[name] |= {
            "rate": part.many_s / statistics.median(seconds),
            "rate_min": part.many_s / max(seconds),
            "rate_max": part.many_s / min(seconds),
        }
    return {
        "part": part.name,
        "unit": part.unit,
        "weights": part.weights,
        "media_s": part.many_s,
        "cpu_rate": part.few_s / cpu_s,
        "rows": list(rows.values()),
    }


def decoding(bench: Bench) -> dict[str, float]:
    """CPU seconds to decode a second of the clip, every frame, on one thread."""
    from emodiss.media import iterate_frames

    media = bench.clip.media
    wanted = np.arange(len(media.frame_times))
    spent = []
    for _ in range(2 if bench.quick else 5):
        start = time.process_time()
        for _ in iterate_frames(bench.clip.path, media, wanted):
            pass
        spent.append((time.process_time() - start) / (len(wanted) / FPS))
    return {"cpu_s_per_s": statistics.median(spent), "min": min(spent), "max": max(spent)}


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure all parts; one that breaks costs itself alone."""
    import torch

    began = time.perf_counter()
    gpu = options.device != "cpu"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Real weights are found where they are; random ones lie in this folder.
        os.environ["EMODISS_HOME"] = name
        bench = Bench(options, folder)
        torch.set_num_threads(bench.threads)
        result: dict[str, Any] = {
            "device": torch.cuda.get_device_name() if gpu else "none: the CPU",
            "versions": {
                "torch": torch.__version__,
                "cuda": torch.version.cuda if gpu else None,  # pyright: ignore[reportAttributeAccessIssue]
            },
            "host": f"{platform.machine()}, {os.cpu_count()} cores, {bench.threads} threads used",
            "clip": f"{bench.clip.media.width}x{bench.clip.media.height}, two faces",
            "quick": bench.quick,
            "repeats": options.repeats,
            "decoding": decoding(bench),
            "parts": [],
            "not_run": {},
            "runs": [],
        }
        for key in options.only:
            start = time.perf_counter()
            try:
                part = PARTS[key](bench)
                if part is None:
                    result["not_run"][key] = "needs --sound"
                    continue
                found = measure(bench, part, options.repeats)
                del part
            except Exception as error:
                traceback.print_exc()
                result["not_run"][key] = f"{type(error).__name__}: {str(error)[:300]}"
                continue
            finally:
                bench.empty()
            found["seconds"] = time.perf_counter() - start
            result["parts"].append(found)
            if options.json:  # work done is not lost to a time limit
                options.json.write_text(json.dumps(result, indent=1))
            print(f"{key}: {found['seconds']:.0f} s", file=sys.stderr, flush=True)
        for preset in ("lite", "paper") if options.talk else ():
            try:
                result["runs"].append(whole_run(bench, preset, options.talk))
            except Exception as error:
                traceback.print_exc()
                result["not_run"][f"run, {preset}"] = f"{type(error).__name__}: {str(error)[:300]}"
    result["seconds"] = time.perf_counter() - began
    return result


def whole_run(bench: Bench, preset: str, talk: Path) -> dict[str, Any]:
    """Annotate one recording on the CPU and on the device; how far the utterances lie apart."""
    import pandas as pd

    from emodiss import annotate

    length = float(Clip(talk, ()).media.frame_times[-1])
    folder = bench.folder / f"run-{preset}"
    folder.mkdir()
    media = folder / f"talk{talk.suffix}"
    shutil.copyfile(talk, media)
    middle, end = (f"00:00:{s:06.3f}".replace(".", ",") for s in (length / 2, length))
    media.with_suffix(".srt").write_text(
        f"1\n00:00:00,000 --> {middle}\nAda: I was there.\n\n2\n{middle} --> {end}\nBo: When?\n"
    )
    changes: dict[str, Any] = dict.fromkeys(("models.asr", "models.aligner", "models.diarizer"))
    if preset == "paper":
        changes |= {
            "models.speech_affect": "audeering-w2v2-hf",
            "emonet.allow_unverified": True,
            "audeering.allow_unverified": True,
        }
    tables = [
        annotate(
            media,
            out=folder / f"{k}-{device}",
            preset=preset,
            settings=changes,
            device=device,
            threads=bench.threads,
            workers=0,
        ).utterances
        for k, device in enumerate(("cpu", bench.device))
    ]
    one, other = tables
    numbers = [c for c in one.columns if pd.api.types.is_float_dtype(one[c])]
    a, b = (t[numbers].to_numpy(np.float64, na_value=np.nan) for t in tables)
    apart = np.abs(a - b)
    affect = ["face_valence", "face_arousal", "speech_valence", "speech_arousal"]
    found = {c: float(np.nanmax(apart[:, numbers.index(c)], initial=0.0)) for c in affect}
    rest = one.columns.difference(numbers)
    same = bool((np.isnan(a) == np.isnan(b)).all()) and one[rest].equals(other[rest])
    counts = {
        "with_face": int(one["face_valence"].notna().sum()),
        "with_voice": int(one["speech_valence"].notna().sum()),
    }
    return {
        "preset": preset,
        "utterances": len(one),
        **counts,
        "difference": found,
        "same": same,
        # Where nothing was measured nothing was compared.
        "within": same and all(counts.values()) and all(v <= RUN_BOUND for v in found.values()),
    }


def table(result: dict[str, Any]) -> str:
    """Lay the result out for the guide."""
    versions = result["versions"]
    decode = result["decoding"]
    said = [
        f"Run on: {result['device']} (torch {versions['torch']}, CUDA {versions['cuda']}); host "
        f"{result['host']}; clip {result['clip']}; {result['repeats']} turns"
        + (" (quick: tiny networks; no figure of any use)" if result["quick"] else "")
        + ".",
        "",
        "| model | way | hours per GPU-hour | largest difference from the CPU | peak, MB |",
        "| --- | --- | --- | --- | --- |",
    ]
    for part in result["parts"]:
        for row in part["rows"]:
            apart = ", ".join(f"{_WORDS[k]} {_figure(v)}" for k, v in row["difference"].items())
            outside = "" if row["within"] else " **outside its bound**"
            peak = "" if row["peak_mb"] is None else f"{row['peak_mb']:.0f}"
            said.append(
                f"| {part['part']} | {row['way']} | {_figure(row['rate'])} of {part['unit']} "
                f"({_figure(row['rate_min'])} to {_figure(row['rate_max'])}) | {apart}{outside} | "
                f"{peak} |"
            )
    said += ["", "The same in float32 on the host's CPU, hours per hour: "]
    said[-1] += "; ".join(f"{p['part']} {_figure(p['cpu_rate'])}" for p in result["parts"]) + "."
    said.append(
        f"Decoding the clip costs {decode['cpu_s_per_s']:.3f} CPU-seconds per second of video "
        f"({decode['min']:.3f} to {decode['max']:.3f}): {_figure(1 / decode['cpu_s_per_s'])} hours "
        "per hour and core."
    )
    weights: dict[str, list[str]] = {}
    for part in result["parts"]:
        weights.setdefault(part["weights"], []).append(part["part"])
    said += [f"Weights, {kind}: {'; '.join(names)}." for kind, names in weights.items()]
    for one in result["runs"]:
        apart = ", ".join(f"{name} {_figure(v)}" for name, v in one["difference"].items())
        said.append(
            f"A whole run, preset {one['preset']}, {one['utterances']} utterances ("
            f"{one['with_face']} with a face, {one['with_voice']} with a voice), against the same "
            f"on the CPU: {apart}; all else {'equal' if one['same'] else '**differs**'}."
        )
    said += [f"Not run: {key} ({why})." for key, why in result["not_run"].items()]
    return "\n".join(said)


_WORDS = {
    "faces": "faces",
    "box_px": "edge in px",
    "score": "score",
    "valence": "V",
    "arousal": "A",
    "logits": "logits, relative",
    "words": "words",
    "of": "of",
    "shift_s": "start in s",
}


def _figure(value: float) -> str:
    """Two or three digits."""
    if value == 0 or value >= 100:
        return f"{value:.0f}"
    return f"{value:.1e}" if abs(value) < 1e-3 else f"{value:.3g}"


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--quick", action="store_true", help="tiny networks, few frames")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--clip", type=Path, help="720p with two faces, left and right")
    parser.add_argument(
        "--sound", type=Path, help="real English speech: WAV, mono, 16 bits, 16 kHz"
    )
    parser.add_argument("--json", type=Path, help="write the result here")
    parser.add_argument("--talk", type=Path, help="two people talk: compares whole runs")
    parser.add_argument("--read", type=Path, help="a result to show; nothing is run")
    parser.add_argument("--write", action="store_true", help="put the table into the guide")
    options = parser.parse_args()
    if options.read:
        result = json.loads(options.read.read_text())
    else:
        import torch

        if options.device == "cuda" and not torch.cuda.is_available():
            sys.exit("torch finds no CUDA GPU here; try --device cpu --quick.")
        result = run(options)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))
    print(table(result))
    if options.write:
        from update_guides import GUIDES, updated

        def gpu() -> str:
            return table(result)

        path = GUIDES / "speed.md"
        path.write_text(updated(path.read_text(encoding="utf-8"), "speed", gpu), encoding="utf-8")
    broken = {k: v for k, v in result["not_run"].items() if v != "needs --sound"}
    outside = [r["way"] for p in result["parts"] for r in p["rows"] if not r["within"]]
    outside += [f"run, {one['preset']}" for one in result["runs"] if not one["within"]]
    if broken or outside:
        sys.exit(f"failed: {', '.join(broken) or 'none'}; outside bounds: {outside or 'none'}")


if __name__ == "__main__":
    main()
