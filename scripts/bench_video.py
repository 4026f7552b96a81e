"""Time the video stages against what one writes from each library's README.

    python scripts/bench_video.py [--turns 1.6 3.4 8] [--naive-frames 52] [--repeats 3]
        [--only exact "preset fast"] [--weights emonet_8.pth] [--json]

The naive reference opens the clip with OpenCV, calls `facenet_pytorch.MTCNN.detect` on every frame
(minimum face 20), tracks with SORT, and runs EmoNet in float32 on the speaker's face in each frame
of an utterance, one face at a time. The variants are this project's own stages under settings that
anybody can `--set`. All run on one thread, which costs the reference the fewest CPU seconds;
`--threads` gives the reference more, as torch takes by default (on a busy machine it then crawls).

Two people take turns. Longer utterances are looked at less often under some settings, so their
lengths count: by default they are the means of the thirds of an exponential distribution of 3.35 s
(that of a feature film's turns), of turns over one second. Every frame costs the reference the
same, so it does the first frames only, the first turn by default; variants do the whole clip.

Naive and variants run in turns on one clip in one process; the ratio is the median of their CPU
seconds per frame, so that other work on the machine touches both alike. Beside each ratio stands
what the variant does to the valence and arousal means of the utterances against `exact`, which
runs once, or without it to those that the reference does whole; the CPU time by part; and EmoNet's
share of the fastest matrix product that this machine shows in the same run.

Without `--weights`, EmoNet gets seeded random weights, whose valence and arousal are scaled to a
deviation of 0.12 between the frames of one face: right for speed and for exactness, and no more
than a hint at what reduced precision does to the real ones.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bench_clip import FPS, cpu_seconds, write_clip

from emodiss.presets import changes_of

FRAME_SD = 0.12
"""Deviation of valence and arousal between the frames of one face, assumed where weights are
random; it sets the scale of the effects printed."""

VARIANTS: dict[str, dict[str, Any]] = {
    "exact": {},
    "bfloat16": {"emonet.precision": "bfloat16"},
    "strides": {"faces.stride": 3, "faces.min_face": 40, "face_affect.stride": 3},
    "strides, bfloat16": {
        "faces.stride": 5,
        "faces.min_face": 40,
        "face_affect.stride": 3,
        "emonet.precision": "bfloat16",
    },
    "preset fast": changes_of("fast"),
    "wide strides, bfloat16": {
        "faces.stride": 10,
        "faces.min_face": 40,
        "face_affect.stride": 6,
        "emonet.precision": "bfloat16",
    },
}
"""Settings on top of preset `paper`."""


TURNS_S = (1.6, 3.4, 8.0)
"""Seconds: means of the thirds of 1 + an exponential of mean 3.35."""

SPOKEN = 0.95
"""Share of the time in which somebody speaks."""


class Clip:
    """A clip, its two people, and who speaks when: they take turns of given lengths, in seconds."""

    def __init__(self, path: Path, lengths: Sequence[float]) -> None:
        from emodiss.manifest import VideoRow
        from emodiss.media import probe
        from emodiss.settings import MediaSettings

        self.path = path
        self.media = probe(
            source=path,
            row=VideoRow(id="clip", path=path.name),
            settings=MediaSettings(),
        )
        self.middle = self.media.width / 2
        starts = np.cumsum([0.0, *lengths]) / SPOKEN
        self.turns = [
            ("right" if k % 2 else "left", float(start), float(start + length))
            for k, (start, length) in enumerate(zip(starts, lengths, strict=False))
        ]

    def transcript(self) -> Any:
        """Say it as the pipeline does."""
        from emodiss.transcript import Transcript, Utterance

        spoken = tuple(Utterance(start, end, who, "words") for who, start, end in self.turns)
        return Transcript(spoken, "given")

    def people(self, tracks: Any) -> Any:
        """Give each voice the tracks on its side of the picture."""
        from emodiss.people import People, Person

        sides: dict[str, list[int]] = {"left": [], "right": []}
        for track in tracks.tracks:
            centre = float(track.boxes[:, [0, 2]].mean())
            sides["left" if centre < self.middle else "right"].append(track.id)
        persons = (Person(who, tuple(ids), math.nan, "setting") for who, ids in sides.items())
        return People(tuple(persons), ())


def naive(clip: Clip, weights: Path, threads: int, n_frames: int) -> list[tuple[float, float]]:
    """Do it as the READMEs do; mean valence and arousal per utterance that is done whole."""
    import cv2
    import torch
    from facenet_pytorch import MTCNN

    from emodiss.faces import sort
    from emodiss.models.emonet.adapter import read_weights
    from emodiss.models.emonet.network import EmoNet

    torch.set_num_threads(threads)
    detector = MTCNN(keep_all=True)
    network = EmoNet(8)
    network.load_state_dict(read_weights(weights))
    frames: list[Any] = []
    found: list[Any] = []
    per_utterance: list[list[tuple[float, float]]] = [[] for _ in clip.turns]
    capture = cv2.VideoCapture(str(clip.path))
    with torch.inference_mode():
        while True:
            there, picture = capture.read()
            if not there or len(frames) == n_frames:
                break
            frame = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
            boxes, scores = detector.detect(frame)
            faces = (
                [] if boxes is None else [b for b, s in zip(boxes, scores, strict=True) if s > 0.9]
            )
            found.append(np.array([[*b, 1.0] for b in faces]).reshape(-1, 5))
            at = len(frames) / FPS
            frames.append(None)
            for (who, start, end), values in zip(clip.turns, per_utterance, strict=True):
                if not start <= at < end:
                    continue
                for x1, y1, x2, y2 in faces:
                    if ((x1 + x2) / 2 < clip.middle) != (who == "left"):
                        continue
                    crop = frame[int(y1) : int(np.ceil(y2)), int(x1) : int(np.ceil(x2))]
                    face = cv2.resize(crop, (256, 256)).transpose(2, 0, 1)[None]
                    out = network(torch.from_numpy(face.astype(np.float32) / 255))
                    values.append((float(out["valence"]), float(out["arousal"])))
    capture.release()
    torch.set_num_threads(1)
    sort(found)
    whole = zip(clip.turns, per_utterance, strict=True)
    return [tuple(np.mean(v, axis=0)) for (_, _, end), v in whole if end * FPS <= len(frames)]


def ours(clip: Clip, detector: Any, face_model: Any, settings: Any) -> tuple[list[Any], Any]:
    """Run the project's stages; means per utterance, and CPU seconds and faces per stage."""
    from emodiss.faces import stages as video
    from emodiss.models import catalog
    from emodiss.utterances import measure_faces

    tracker = catalog.load("sort", settings)
    kept: dict[str, Any] = {}

    def look() -> None:
        kept["faces"] = video.detect(
            source=clip.path,
            media=clip.media,
            model=detector,
            settings=settings.faces,
        )

    def follow() -> None:
        kept["tracks"] = video.follow(
            faces=kept["faces"],
            model=tracker,
            settings=settings.tracks,
            min_score=settings.faces.min_score,
        )

    def measure() -> None:
        kept["affect"] = measure_faces(
            source=clip.path,
            media=clip.media,
            transcript=clip.transcript(),
            tracks=kept["tracks"],
            people=clip.people(kept["tracks"]),
            model=watched,
            settings=settings.face_affect,
        )

    stages = {"faces": cpu_seconds(look), "tracks": cpu_seconds(follow)}
    watched = _Timed(face_model)
    stages["face_affect"] = cpu_seconds(measure)
    stages["emonet"] = watched.seconds
    affect = kept["affect"]
    means = [
        tuple(
            float(v[affect.utterance == i].mean()) for v in (affect.valence_raw, affect.arousal_raw)
        )
        for i in range(len(clip.turns))
    ]
    looked, measured = len(kept["faces"].faces), len(affect.tick)
    return means, {"seconds": stages, "looked": looked, "measured": measured}


class _Timed:
    """A face affect model whose own CPU seconds are counted."""

    def __init__(self, model: Any) -> None:
        self._model, self.seconds = model, 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def predict(self, crops: Any) -> Any:
        kept: list[Any] = []
        self.seconds += cpu_seconds(lambda: kept.append(self._model.predict(crops)))
        return kept[0]


def make_weights(path: Path, clip: Clip) -> Path:
    """Write random EmoNet weights whose statistics fit the clip and whose output spreads."""
    import torch

    from emodiss.faces import crop
    from emodiss.media import iterate_frames
    from emodiss.models.emonet.network import EmoNet
    from emodiss.models.mtcnn.detector import MtcnnDetector

    n = len(clip.media.frame_times)
    chosen = np.unique(np.linspace(0, n - 1, 5).astype(np.int64))
    pictures = [frame.image for frame in iterate_frames(clip.path, clip.media, chosen)]
    faces: dict[bool, list[Any]] = {True: [], False: []}
    import cv2

    for picture, found in zip(pictures, MtcnnDetector(40).detect(pictures), strict=True):
        for box in found.boxes[found.scores > 0.9]:
            face = cv2.resize(crop(picture, box), (256, 256)).transpose(2, 0, 1)
            faces[bool((box[0] + box[2]) / 2 < clip.middle)].append(face / np.float32(255))
    torch.manual_seed(0)
    network = EmoNet(8)
    both = torch.from_numpy(np.stack(faces[True] + faces[False]))
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = None  # a plain mean over the faces
    network.train()
    with torch.no_grad():
        network(both)
        network.eval()
        out = network(both)
        split = len(faces[True])
        last = network.emo_fc_2[3]
        for row, name in ((-2, "valence"), (-1, "arousal")):
            values = out[name]
            spread = torch.sqrt((values[:split].var() + values[split:].var()) / 2)
            last.weight[row] *= FRAME_SD / spread
            last.bias[row] = (last.bias[row] - values.mean()) * FRAME_SD / spread
    torch.save(network.state_dict(), path)
    return path


def peaks() -> dict[str, tuple[float, str]]:
    """GFLOP/s of the fastest matrix product of this machine, one thread, and who computed it."""
    import onnxruntime
    import torch
    from onnx import TensorProto, helper

    n = 1536
    matrix = np.random.default_rng(0).normal(size=(n, n)).astype(np.float32)
    shape = helper.make_tensor_value_info("a", TensorProto.FLOAT, [n, n])
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["a", "b"], ["c"])],
        "product",
        [shape],
        [helper.make_tensor_value_info("c", TensorProto.FLOAT, [n, n])],
        [helper.make_tensor("b", TensorProto.FLOAT, [n, n], matrix.tobytes(), raw=True)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    a32 = torch.from_numpy(matrix)
    a16 = a32.bfloat16()
    work = {
        ("float32", "onnxruntime"): lambda: session.run(None, {"a": matrix}),
        ("float32", "torch"): lambda: a32 @ a32,
        ("bfloat16", "torch"): lambda: a16 @ a16,
    }
    found: dict[str, tuple[float, str]] = {}
    for (precision, library), product in work.items():
        product()
        rate = 2e-9 * n**3 / min(cpu_seconds(product) for _ in range(5))
        found[precision] = max(found.get(precision, (0.0, "")), (rate, library))
    return found


def flops(work: Callable[[], object]) -> float:
    """GFLOP of the convolutions and matrix products in a call, two per multiplication."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / 1e9


def run(
    clip: Clip, weights: Path, repeats: int, names: list[str], threads: int, n_naive: int
) -> dict[str, Any]:
    """Run the naive reference and the variants in turns."""
    import torch

    from emodiss.media import iterate_frames
    from emodiss.models import catalog
    from emodiss.models.emonet.network import EmoNet
    from emodiss.settings import resolve

    chosen, detectors, face_models = {}, {}, {}
    for name in names:
        settings = resolve({**VARIANTS[name], "emonet.allow_unverified": True})
        chosen[name] = settings
        detectors[name] = catalog.load(settings.models.faces, settings)
        face_models[name] = catalog.load("emonet-8", settings)
    frame = next(iterate_frames(clip.path, clip.media, np.array([0]))).image
    per_face = flops(lambda: EmoNet(8)(torch.zeros(1, 3, 256, 256)))
    for detector in detectors.values():
        detector.detect([frame])
    for model in face_models.values():  # loading and first calls are nobody's steady state
        model.predict([np.zeros((9, 9, 3), np.uint8)])
    naive_s: list[float] = []
    truth: list[Any] = []
    seconds: dict[str, list[float]] = {name: [] for name in names}
    stages: dict[str, list[Any]] = {name: [] for name in names}
    means: dict[str, list[Any]] = {}
    n_frames = len(clip.media.frame_times)
    n_naive = min(n_naive, n_frames)
    for k in range(repeats):
        spent_s = cpu_seconds(lambda: truth.append(naive(clip, weights, threads, n_naive)))
        naive_s.append(spent_s / n_naive)
        for name in (name for name in names if name != "exact" or not k):
            means[name], spent = ours(clip, detectors[name], face_models[name], chosen[name])
            stages[name].append(spent)
            parts = spent["seconds"]
            seconds[name].append(
                (parts["faces"] + parts["tracks"] + parts["face_affect"]) / n_frames
            )
    rows = []
    for name in names:
        known = truth[0] if name == "exact" else means.get("exact", truth[0])
        error = np.array(means[name])[: len(known)] - np.array(known).reshape(-1, 2)
        ratios = [a / b for a, b in zip(naive_s, seconds[name], strict=False)]
        count = stages[name][0]
        middle = {
            stage: statistics.median(s["seconds"][stage] for s in stages[name])
            for stage in count["seconds"]
        }
        rows.append(
            {
                "variant": name,
                "settings": VARIANTS[name],
                "cpu_ms_per_frame": 1e3 * statistics.median(seconds[name]),
                "parts_ms": {
                    "walk": 1e3 * (middle["faces"] + middle["tracks"]) / n_frames,
                    "EmoNet": 1e3 * middle["emonet"] / n_frames,
                    "decoding for it": 1e3 * (middle["face_affect"] - middle["emonet"]) / n_frames,
                },
                "ratio": statistics.median(ratios),
                "ratio_min": min(ratios),
                "ratio_max": max(ratios),
                "valence_off": np.abs(error[:, 0]).tolist(),
                "arousal_off": np.abs(error[:, 1]).tolist(),
                "precision": chosen[name].emonet.precision,
                "frames_looked_at": count["looked"],
                "faces_measured": count["measured"],
                "emonet_ms": 1e3 * middle["emonet"] / count["measured"],
                "emonet_gflop": per_face,
            }
        )
    return {
        "naive_cpu_ms_per_frame": 1e3 * statistics.median(naive_s),
        "naive_frames": n_naive,
        "naive_spread": max(naive_s) / min(naive_s) - 1,
        "variants": rows,
    }


def main() -> None:
    """Print ratios, effects and shares of the peak."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--turns", type=float, nargs="+", default=TURNS_S, help="their seconds")
    parser.add_argument("--naive-frames", type=int, help="how many the reference does")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--weights", type=Path, help="emonet_8.pth; random weights without")
    parser.add_argument("--threads", type=int, default=1, help="of the naive reference")
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EMODISS_HOME"] = folder
        n_frames = round(sum(options.turns) / SPOKEN * FPS)
        clip = Clip(write_clip(Path(folder) / "clip.mp4", n_frames), options.turns)
        weights = Path(folder) / "models" / "emonet-8" / "emonet_8.pth"
        weights.parent.mkdir(parents=True)
        if options.weights:
            weights.symlink_to(options.weights.resolve())
        else:
            make_weights(weights, clip)
        result: dict[str, Any] = {
            "clip": f"{n_frames} frames 1280x720, 2 faces, turns of "
            f"{', '.join(f'{s:g}' for s in options.turns)} s, {SPOKEN:.0%} of the time",
            "weights": str(options.weights.name) if options.weights else "random",
            "host": f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}",
            "bf16": [f for f in ("amx_bf16", "avx512_bf16") if f in _cpu_flags()],
            "load_before": os.getloadavg()[0],
            "peak_gflops": peaks(),
            **run(
                clip,
                weights,
                options.repeats,
                options.only,
                options.threads,
                options.naive_frames or round(options.turns[0] / SPOKEN * FPS),
            ),
            "load_after": os.getloadavg()[0],
        }
    print(json.dumps(result, indent=1) if options.json else _text(result))


def _cpu_flags() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text() if path.is_file() else ""


def _text(result: dict[str, Any]) -> str:
    peak = result["peak_gflops"]
    lines = [
        f"{result['clip']}; EmoNet weights: {result['weights']}",
        f"{result['host']}; bfloat16 by {', '.join(result['bf16']) or 'emulation'}; load "
        f"{result['load_before']:.1f} to {result['load_after']:.1f}",
        "fastest product, one thread: "
        + "; ".join(f"{name} {rate:.0f} GFLOP/s ({who})" for name, (rate, who) in peak.items()),
        f"naive: {result['naive_cpu_ms_per_frame']:.0f} CPU-ms per frame, of the first "
        f"{result['naive_frames']}",
    ]
    if result["naive_spread"] > 0.15:
        lines.append(
            f"The naive runs differ by {result['naive_spread']:.0%}: the machine is too busy for "
            "these ratios; run again."
        )
    exact = any(row["variant"] == "exact" for row in result["variants"])
    for row in result["variants"]:
        share = 1e5 * row["emonet_gflop"] / row["emonet_ms"] / peak[row["precision"]][0]
        against = "exact" if exact and row["variant"] != "exact" else "the reference"
        off = (" ".join(f"{x:.0e}" for x in row[f"{axis}_off"]) for axis in ("valence", "arousal"))
        parts = ", ".join(f"{part} {ms:.1f}" for part, ms in row["parts_ms"].items())
        lines += [
            f"{row['variant']}: ratio {row['ratio']:.2f} ({row['ratio_min']:.2f} to "
            f"{row['ratio_max']:.2f}), {row['cpu_ms_per_frame']:.1f} CPU-ms per frame",
            f"    {' '.join(f'{k}={v}' for k, v in row['settings'].items()) or 'preset paper'}",
            f"    means of the utterances off {against}: valence {next(off)}, arousal {next(off)}",
            f"    CPU-ms per frame: {parts}; {row['frames_looked_at']} looks for faces, "
            f"{row['faces_measured']} faces measured; EmoNet {row['emonet_ms']:.1f} ms and "
            f"{row['emonet_gflop']:.1f} GFLOP per face, {share:.0f} % of the peak",
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
