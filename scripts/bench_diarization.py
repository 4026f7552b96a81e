"""How well and how fast the diarizers tell voices apart, by recording and by class.

Usage: python scripts/bench_diarization.py [--data ../shared/data] [--classes real,one-voice]
       python scripts/bench_diarization.py --trunk

The first form runs the diarizers that need no token over recordings with known turns: the call that
pyannote.audio ships and, with `--data`, AMI snippets, scenes of single talkers, and compositions of
acted speech, made the same way every time. Diarization error rate by pyannote.metrics, without
collar, overlap counted; what the reference calls speech in compositions are whole clips, pauses
inside them too, so look at confusion and counts there. CPU seconds are process time, one thread,
loading left out.

The second form compares the two ways to run pyannote's embedding network (random weights: its
speed does not depend on them) for the diarizer that needs a token.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["PYANNOTE_METRICS_ENABLED"] = "0"

import numpy as np

RATE = 16_000
Reference = list[tuple[float, float, str]]
Sound = np.ndarray


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording whose turns are known; the sound is made when it is asked for."""

    kind: str
    name: str
    read: Callable[[], tuple[Sound, Reference]]


@dataclass(frozen=True, slots=True)
class Score:
    """Seconds of speech, of errors, and of computing; voices found and there."""

    speech: float
    missed: float
    false_alarm: float
    confused: float
    found: int
    there: int
    cpu_s: float
    duration: float


# --- recordings ----------------------------------------------------------------------------------


def package_folder(name: str) -> Path:
    """Find a package without importing it."""
    import importlib.util

    spec = importlib.util.find_spec(name)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent


def read_sample() -> Sound:
    """Read the call that pyannote.audio ships."""
    return read_wav(package_folder("pyannote.audio") / "sample" / "sample.wav")


def read_wav(path: Path) -> Sound:
    """Read a mono file at 16 kHz."""
    import soundfile

    sound, rate = soundfile.read(path, dtype="float32")
    assert rate == RATE and sound.ndim == 1, path
    return sound


def read_rttm(path: Path, name: str) -> Reference:
    rows = [line.split() for line in path.read_text().splitlines()]
    return [(float(r[3]), float(r[3]) + float(r[4]), r[7]) for r in rows if r and r[1] == name]


def read_media(path: Path) -> Sound:
    import av
    from av.audio.resampler import AudioResampler

    resampler = AudioResampler("flt", "mono", RATE)
    with av.open(str(path)) as container:
        frames = [f for packet in container.decode(audio=0) for f in resampler.resample(packet)]
        frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def recordings(data: Path | None) -> Iterator[Recording]:
    """Name every recording there is."""
    sample = package_folder("pyannote.audio") / "sample" / "sample.rttm"
    yield Recording("real", "sample", lambda: (read_sample(), read_rttm(sample, "sample")))
    if data is None:
        return
    rttm = data / "audio" / "debug.development.rttm"
    for name in ("dev00", "dev01"):
        path = data / "audio" / f"{name}.wav"
        yield Recording("real", name, lambda p=path, n=name: (read_wav(p), read_rttm(rttm, n)))
    jfk = data / "audio" / "jfk.wav"
    yield Recording("scene, 1", "jfk", lambda: (read_wav(jfk), [(0.3, 10.6, "jfk")]))
    dyad = data / "video" / "dyad.mp4"
    yield Recording("scene, 2+", "dyad", lambda: (read_media(dyad), [(0, 8, "a"), (8, 16, "b")]))
    for path in sorted((data / "asd").glob("*.json")):
        turns = [
            (t["start"], t["end"], t["speaker"]) for t in json.loads(path.read_text())["turns"]
        ]
        kind = "scene, 1" if len({t[2] for t in turns}) == 1 else "scene, 2+"
        video = path.with_suffix(".mp4")
        yield Recording(kind, path.stem, lambda v=video, t=turns: (read_media(v), t))
    yield from compositions(data / "lite")


def compositions(folder: Path) -> Iterator[Recording]:
    """Name compositions of acted clips: all emotions mixed, pauses of 0.15 to 0.7 s."""
    with (folder / "speech_labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    clips: dict[str, list[str]] = {}
    for row in rows:
        clips.setdefault(row["speaker"], []).append(row["archive_name"])
    archive = folder / "speech_16k_flac.tar"
    actors = sorted(name for name in clips if name.startswith("ravdess"))
    germans = sorted(name for name in clips if name.startswith("emodb"))
    # The constants were chosen on the first half of the actors; the second was kept back.
    halves = {"heard": actors[:12] + germans[:5], "kept back": actors[12:] + germans[5:]}
    for half, everybody in halves.items():
        for seed, actor in enumerate(everybody):
            yield Recording(
                f"one, {half}", actor, lambda a=actor, s=seed: compose(archive, clips, [a], 30.0, s)
            )
        men, women = everybody[0:12:2], everybody[1:12:2]  # odd numbers are men
        pairs = [(sex[i], sex[i + 1]) for sex in (women, men) for i in (0, 2, 4)]
        for seed, pair in enumerate([*pairs, (women[0], men[4]), (women[1], men[5])]):
            yield Recording(
                f"two, {half}",
                " ".join(actor[-2:] for actor in pair),
                lambda p=pair, s=seed: compose(archive, clips, list(p), 40.0, 100 + s),
            )


def compose(
    archive: Path, clips: dict[str, list[str]], actors: list[str], seconds: float, seed: int
) -> tuple[Sound, Reference]:
    """Join clips of actors, one to three of an actor at a time."""
    import soundfile

    rng = np.random.default_rng(seed)
    bags = {actor: rng.permutation(clips[actor]).tolist() for actor in actors}
    parts: list[Sound] = [np.zeros(RATE // 3)]
    reference: Reference = []
    turn = int(rng.integers(len(actors)))
    with tarfile.open(archive) as packed:
        while (now := sum(map(len, parts)) / RATE) < seconds:
            actor = actors[turn % len(actors)]
            for _ in range(int(rng.integers(1, 4))):
                file = packed.extractfile(bags[actor].pop())
                assert file is not None
                clip = soundfile.read(io.BytesIO(file.read()))[0]
                clip = clip / np.abs(clip).max() * 0.3 * 10 ** (rng.uniform(-6, 3) / 20)
                now = sum(map(len, parts)) / RATE
                reference.append((now, now + len(clip) / RATE, actor))
                parts += [clip, np.zeros(round(rng.uniform(0.15, 0.7) * RATE))]
            turn += 1
    sound = np.concatenate(parts)
    return (sound + 3e-4 * rng.normal(size=len(sound))).astype(np.float32), reference


# --- scores --------------------------------------------------------------------------------------


def score(reference: Reference, turns: list[Any], cpu_s: float, duration: float) -> Score:
    from pyannote.core import Annotation, Segment, Timeline
    from pyannote.metrics.diarization import DiarizationErrorRate

    def annotation(rows: Iterable[tuple[float, float, str]]) -> Annotation:
        made = Annotation()
        for number, (start, end, who) in enumerate(rows):
            made[Segment(start, end), number] = who
        return made

    metric = DiarizationErrorRate(collar=0.0, skip_overlap=False)
    parts = metric(
        annotation(reference),
        annotation((t.start, t.end, t.speaker) for t in turns),
        uem=Timeline([Segment(0.0, duration)]),
        detailed=True,
    )
    assert isinstance(parts, dict)
    return Score(
        parts["total"],
        parts["missed detection"],
        parts["false alarm"],
        parts["confusion"],
        len({t.speaker for t in turns}),
        len({r[2] for r in reference}),
        cpu_s,
        duration,
    )


HEADER = (
    "| diarizer | what | n | counts right | DER | missed | false | confused | worst | CPU s/s |\n"
    "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
)


def row(diarizer: str, what: str, scores: list[Score]) -> str:
    """One line of the table: shares of the speech, and the worst recording's confusion."""
    speech = sum(s.speech for s in scores)
    errors = [
        sum(getattr(s, kind) for s in scores) for kind in ("missed", "false_alarm", "confused")
    ]
    right = sum(s.found == s.there for s in scores)
    counts = f"{right}" if len(scores) > 1 else f"{scores[0].found} of {scores[0].there}"
    worst = max(s.confused / s.speech for s in scores)
    cpu = sum(s.cpu_s for s in scores) / sum(s.duration for s in scores)
    shares = " | ".join(f"{e / speech:.3f}" for e in (sum(errors), *errors))
    return (
        f"| {diarizer} | {what} | {len(scores)} | {counts} | {shares} | {worst:.2f} | {cpu:.3f} |"
    )


def bench_recordings(data: Path | None, kinds: set[str], names: list[str], each: bool) -> None:
    from emodiss.models import catalog
    from emodiss.settings import resolve

    diarizers = {name: catalog.load(name, resolve({})) for name in names}
    for diarizer in diarizers.values():
        diarizer.diarize(read_sample()[: 4 * RATE], RATE)  # loads the networks
    scores: dict[tuple[str, str], list[Score]] = {}
    print(HEADER, flush=True)
    for recording in recordings(data):
        if kinds and not any(recording.kind.startswith(kind) for kind in kinds):
            continue
        sound, reference = recording.read()
        for name, diarizer in diarizers.items():
            before = time.process_time()
            turns = diarizer.diarize(sound, RATE)
            spent = time.process_time() - before
            found = score(reference, turns, spent, len(sound) / RATE)
            scores.setdefault((recording.kind, name), []).append(found)
            if each or recording.kind == "real":
                print(row(name, recording.name, [found]), flush=True)
    for (kind, name), found in scores.items():
        if len(found) > 1 and kind != "real":
            print(row(name, kind, found))


def bench_trunk(sample: np.ndarray, n_windows: int) -> None:
    import torch
    from pyannote.audio.models.embedding import WeSpeakerResNet34

    from emodiss.models.pyannote.diarizer import share_trunk

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


def main() -> None:
    parser = argparse.ArgumentParser(description="Accuracy and speed of the diarizers.")
    parser.add_argument("--data", type=Path, help="folder of recordings with known turns")
    parser.add_argument("--classes", default="", help="only classes that begin like this, by comma")
    parser.add_argument("--diarizers", default="pyannote-segmentation,campplus")
    parser.add_argument("--each", action="store_true", help="print every recording")
    parser.add_argument("--trunk", action="store_true", help="compare pyannote's embedding instead")
    parser.add_argument("--windows", type=int, default=4, help="windows of the trunk bench")
    options = parser.parse_args()
    if options.trunk:
        bench_trunk(read_sample(), options.windows)
        return
    kinds = {kind for kind in options.classes.split(",") if kind}
    bench_recordings(options.data, kinds, options.diarizers.split(","), options.each)


if __name__ == "__main__":
    main()
