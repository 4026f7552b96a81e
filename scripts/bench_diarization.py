"""Speed of the diarizers: the shared trunk against the upstream way, and the real-time factor.

Usage: python scripts/bench_diarization.py [--seconds 60] [--windows 4]

The trunk is pyannote's WeSpeaker ResNet34 with random weights: its speed does not depend on them.
Both legs alternate in one run, and CPU seconds are compared, so that other work on the machine
changes the ratio little.
"""

from __future__ import annotations

import argparse
import os
import time
import wave

os.environ["PYANNOTE_METRICS_ENABLED"] = "0"

import numpy as np

RATE = 16_000


def read_sample() -> np.ndarray:
    """Read the call that pyannote.audio ships, without importing it."""
    import importlib.util
    from pathlib import Path

    spec = importlib.util.find_spec("pyannote.audio")
    assert spec is not None and spec.origin is not None
    with wave.open(str(Path(spec.origin).parent / "sample" / "sample.wav"), "rb") as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return pcm.astype(np.float32) / 32768


def bench_trunk(sample: np.ndarray, n_windows: int) -> None:
    import torch
    from pyannote.audio.models.embedding import WeSpeakerResNet34

    from emodiss.models.diarizer_pyannote import share_trunk

    torch.set_num_threads(1)
    torch.manual_seed(0)
    upstream = WeSpeakerResNet34().eval()
    shared = WeSpeakerResNet34().eval()
    shared.load_state_dict(upstream.state_dict())
    share_trunk(shared)
    spent = {"upstream": 0.0, "shared": 0.0}
    largest = 0.0
    with torch.inference_mode():
        for number in range(n_windows + 1):
            start = (number * RATE) % (len(sample) - 10 * RATE)
            window = torch.from_numpy(sample[start : start + 10 * RATE])[None, None]
            masks = (torch.rand(3, 1, 589) > 0.5).float()
            found = {}
            for name, network in (("upstream", upstream), ("shared", shared)):
                before = time.process_time()
                found[name] = torch.cat([network(window, weights=mask) for mask in masks])
                if number:  # the first round warms up
                    spent[name] += time.process_time() - before
            largest = max(largest, float((found["upstream"] - found["shared"]).abs().max()))
    for name, seconds in spent.items():
        print(f"embedding, {name:9}: {seconds / n_windows:6.3f} CPU-s per 10 s window of 3 voices")
    ratio = spent["upstream"] / spent["shared"]
    print(f"shared trunk: {ratio:.2f}x less, largest difference {largest:g}")


def bench_segmentation(sample: np.ndarray, seconds: float) -> None:
    from emodiss.models.diarizer_segmentation import SegmentationDiarizer

    diarizer = SegmentationDiarizer(threads=1)
    diarizer.diarize(sample[: 6 * RATE], RATE)
    signal = np.resize(sample, round(seconds * RATE))
    before, wall = time.process_time(), time.perf_counter()
    turns = diarizer.diarize(signal, RATE)
    cpu, wall = time.process_time() - before, time.perf_counter() - wall
    print(
        f"pyannote-segmentation: {seconds:g} s of sound in {cpu:.1f} CPU-s ({wall:.1f} s on this "
        f"machine): {seconds / cpu:.0f}x real time on one core, {len(turns)} turns, "
        f"{len({turn.speaker for turn in turns})} voices"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed of the diarizers.")
    parser.add_argument("--seconds", type=float, default=60.0, help="sound to diarize")
    parser.add_argument("--windows", type=int, default=4, help="windows of the trunk bench")
    options = parser.parse_args()
    sample = read_sample()
    bench_segmentation(sample, options.seconds)
    bench_trunk(sample, options.windows)


if __name__ == "__main__":
    main()
