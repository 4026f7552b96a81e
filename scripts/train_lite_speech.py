"""Train SER-lite, measure it on held-out voices, and write weights, figures and card.

    python scripts/train_lite_speech.py            # ../shared/data/lite, 10 minutes on 2 cores
    python scripts/train_lite_speech.py --smoke --out DIR   # a few clips, seconds, for the test

Data: a folder with

* ``speech_16k_flac.tar``: 16 kHz mono FLAC clips, named as in the table;
* ``speech_labels.csv``: archive_name, corpus (emodb or ravdess), speaker, emotion, intensity.

Elsewhere, obtain EMO-DB (Burkhardt et al. 2005; http://emodb.bilderbar.info, 535 wav) and the
speech part of RAVDESS (Livingstone & Russo 2018; https://doi.org/10.5281/zenodo.1188976,
Audio_Speech_Actors_01-24.zip, 1,440 wav, CC BY-NC-SA 4.0), resample to 16 kHz mono, and write the
table from the file names (both corpora state speaker and emotion there). The clips used here had
silent ends trimmed and EMO-DB clips cut at 2 s, so figures may differ a little.

Method, fixed before the reported run: ridge regression on Gaussian kernel features (Nystrom) plus
the linear features. Kernel width and penalty are chosen inside each training part by folds over its
own voices, never by the voices that are tested. Every training clip is also shown twice degraded
(room, microphone, noise). Every figure comes from the recipe that makes the shipped weights.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
import tarfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from lite_speech_figures import (
    CORPORA,
    SEED,
    Clips,
    Floats,
    block,
    calibration,
    card_section,
    draw,
    rounded,
    rule_figures,
    voice_folds,
    write_card,
)
from numpy.typing import NDArray

from emodiss.models import speech_signal
from emodiss.models.lite import voice_features, voice_frames

ROOT = Path(__file__).resolve().parents[1]

# Valence, arousal, dominance in [0, 1]: the words' entries in the NRC VAD Lexicon v1 (Mohammad
# 2018, ACL). Surprise has valence .875 there, a pleasant surprise; an acted surprise has no known
# sign, so it is set to the middle.
NORMS = {
    "anger": (0.167, 0.865, 0.657),
    "boredom": (0.167, 0.139, 0.255),
    "calm": (0.875, 0.100, 0.282),
    "disgust": (0.052, 0.775, 0.317),
    "fear": (0.073, 0.840, 0.293),
    "happiness": (0.960, 0.732, 0.850),
    "neutral": (0.469, 0.184, 0.357),
    "sadness": (0.052, 0.288, 0.164),
    "surprise": (0.500, 0.875, 0.562),
}

COPIES = 2  # degraded copies of each training clip
TEST_COPY = 3  # another degradation, seen in no training, to measure robustness
CLIP_AT = 4.0  # standard deviations; a feature far outside training must not run away
JITTER = 1e-6
LANDMARKS = 400
LINEAR_SHARE = 0.3
WIDTHS = (0.25, 0.5)
PENALTIES = (0.1, 0.3, 1.0)
OUTER_FOLDS = {"emodb": 10, "ravdess": 12}  # EMO-DB: one voice left out; RAVDESS: two
INNER_FOLDS = 3


def degrade(signal: Floats, rng: np.random.Generator) -> Floats:
    """Put a clip into another room, before another microphone, with noise."""
    from scipy.signal import fftconvolve

    n, rate = len(signal), speech_signal.SAMPLE_RATE
    hz = np.fft.rfftfreq(n, 1 / rate)
    out = signal
    # Room: exponential tail of 0.1 to 0.6 s, 0 to 15 dB under the direct sound.
    if rng.random() < 0.6:
        tail = int(rng.uniform(0.1, 0.6) * rate)
        room = rng.standard_normal(tail) * np.exp(-6.9 * np.arange(tail) / tail)
        room *= 10 ** (-rng.uniform(0, 15) / 20) / np.linalg.norm(room)
        room[0] += 1.0
        out = fftconvolve(out, room)[:n]
    # Microphone: smooth response within 5 dB.
    if rng.random() < 0.6:
        knots, gains_db = np.geomspace(80, 4000, 5), rng.uniform(-5, 5, 5)
        response = np.interp(np.log(np.maximum(hz, 1)), np.log(knots), gains_db)
        out = np.fft.irfft(np.fft.rfft(out) * 10 ** (response / 20), n)
    # Noise: white to pink, 10 to 35 dB under the speech.
    if rng.random() < 0.8:
        colour = np.maximum(hz, 40.0) ** -rng.uniform(0, 1)
        noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(n)) * colour, n)
        ratio_db = rng.uniform(10, 35)
        out = out + noise * np.sqrt(np.mean(out**2) / np.mean(noise**2)) * 10 ** (-ratio_db / 20)
    return out


def _measure(job: tuple[bytes, int]) -> tuple[Floats, Floats, float, float]:
    """Features of one clip in all copies, rule features, seconds, CPU seconds of the clean one."""
    import soundfile

    flac, number = job
    signal, rate = soundfile.read(io.BytesIO(flac), dtype="float64")
    if rate != speech_signal.SAMPLE_RATE or signal.ndim != 1:
        raise SystemExit(f"Clip {number}: {rate} Hz, shape {signal.shape}; expected 16 kHz mono.")
    begin = time.process_time()
    frames = voice_frames.analyse(signal)
    rows = [voice_features.summarise(frames)]
    cpu_s = time.process_time() - begin
    voiced = frames.voiced
    rules = np.array(
        [
            np.median(np.log(frames.f0_hz[voiced])),
            np.median(frames.level_db[voiced]),
            float(voice_frames.hf500_db(frames.power[voiced].mean(axis=0))),
        ]
    )
    for copy in range(1, TEST_COPY + 1):
        rng = np.random.default_rng([SEED, copy, number])
        rows.append(voice_features.summarise(voice_frames.analyse(degrade(signal, rng))))
    return np.stack(rows), rules, len(signal) / rate, cpu_s


def load(data: Path, *, smoke: bool, jobs: int) -> Clips:
    """Read the clips and compute all features."""
    table = pd.read_csv(data / "speech_labels.csv", keep_default_na=False)
    unknown = sorted(set(table["emotion"]) - set(NORMS))
    if unknown:
        raise SystemExit(f"Emotions without norms: {unknown}; expected {sorted(NORMS)}.")
    if smoke:
        few = table["corpus"] + table["speaker"]
        keep = [v for c in CORPORA for v in sorted(few[table["corpus"] == c].unique())[:3]]
        some = table["emotion"].isin(["anger", "fear", "happiness", "neutral", "sadness"])
        table = table[few.isin(keep) & some].groupby(["corpus", "speaker", "emotion"]).head(1)
    table = table.reset_index(drop=True)
    with tarfile.open(data / "speech_16k_flac.tar") as archive:
        wanted = set(table["archive_name"])
        found = {
            m.name: archive.extractfile(m).read()  # type: ignore[union-attr]
            for m in archive
            if m.name in wanted
        }
    jobs_list = [(found[name], i) for i, name in enumerate(table["archive_name"])]
    with ProcessPoolExecutor(jobs) as pool:
        done = list(pool.map(_measure, jobs_list, chunksize=16))
    return Clips(
        table=table,
        targets=2 * np.array([NORMS[e] for e in table["emotion"]]) - 1,
        features=np.stack([d[0] for d in done], axis=1),
        rules=np.stack([d[1] for d in done]),
        seconds_per_cpu_second=sum(d[2] for d in done) / sum(d[3] for d in done),
    )


# The model ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Regressor:
    """Standardise, clip, Gaussian kernel to landmarks, a linear map of kernel and features."""

    mean: Floats  # (d,)
    sd: Floats  # (d,)
    landmarks: Floats  # (m, d), standardised
    gamma: float
    kernel_weights: Floats  # (m, 3)
    linear_weights: Floats  # (d, 3)
    offset: Floats  # (3,)

    def predict(self, features: Floats) -> Floats:
        """(n, d) features to (n, 3) valence, arousal, dominance."""
        z = np.clip((features - self.mean) / self.sd, -CLIP_AT, CLIP_AT)
        kernel = np.exp(-self.gamma * _squared_distances(z, self.landmarks))
        return kernel @ self.kernel_weights + z @ self.linear_weights + self.offset


def _squared_distances(a: Floats, b: Floats) -> Floats:
    return np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T, 0.0)


def _fit(
    copies: Floats, targets: Floats, choices: list[tuple[float, float]], landmarks: int
) -> list[Regressor]:
    """One regressor per (width, penalty) from (copies, n, d) features and (n, 3) targets."""
    n_copies, n, d = copies.shape
    stacked = copies.reshape(n_copies * n, d)
    mean, sd = stacked.mean(axis=0), stacked.std(axis=0) + 1e-9
    z = np.clip((stacked - mean) / sd, -CLIP_AT, CLIP_AT)
    wanted = np.tile(targets, (n_copies, 1))
    offset = wanted.mean(axis=0)
    rng = np.random.default_rng(SEED)
    marks = z[rng.choice(len(z), min(landmarks, len(z)), replace=False)]
    apart, among = _squared_distances(z, marks), _squared_distances(marks, marks)
    scale = np.sqrt(LINEAR_SHARE / d)
    fitted = []
    for width in dict.fromkeys(width for width, _ in choices):
        gamma = width / d
        values, vectors = np.linalg.eigh(np.exp(-gamma * among) + JITTER * np.eye(len(marks)))
        whiten = vectors / np.sqrt(values)
        design = np.hstack([np.exp(-gamma * apart) @ whiten, z * scale])
        gram, moment = design.T @ design, design.T @ (wanted - offset)
        for penalty in (penalty for w, penalty in choices if w == width):
            # Copies of one clip are one observation, so the penalty counts them together.
            ridge = penalty * n_copies * np.eye(len(gram))
            weights = np.linalg.solve(gram + ridge, moment)
            curved, straight = np.split(weights, [len(marks)])
            fitted.append(
                Regressor(mean, sd, marks, gamma, whiten @ curved, scale * straight, offset)
            )
    return fitted


def train(
    clips: Clips, rows: NDArray[np.int64], landmarks: int
) -> tuple[Regressor, dict[str, float]]:
    """Choose width and penalty by inner folds over the voices of `rows`, then fit on all of them.

    The criterion is the squared error of the three targets on the clean clips of unseen voices.
    """
    seen = clips.features[: 1 + COPIES]
    choices = [(width, penalty) for width in WIDTHS for penalty in PENALTIES]
    errors = np.zeros(len(choices))
    for test in voice_folds(clips.voice[rows], INNER_FOLDS, SEED + 1):
        learn, check = rows[~test], rows[test]
        for i, model in enumerate(_fit(seen[:, learn], clips.targets[learn], choices, landmarks)):
            errors[i] += ((model.predict(seen[0, check]) - clips.targets[check]) ** 2).sum()
    best = choices[int(errors.argmin())]
    (model,) = _fit(seen[:, rows], clips.targets[rows], [best], landmarks)
    return model, {"width": best[0], "penalty": best[1]}


# Held-out voices ------------------------------------------------------------------------------


def out_of_voice(clips: Clips, corpus: str, *, pooled: bool, landmarks: int) -> tuple[Floats, list]:
    """Predict each clip of `corpus` by a model that never heard its voice.

    `pooled` adds the whole other corpus to every training part, as the shipped weights have it.

    Returns
    -------
    (2, n, 3) float64, list
        Clean and degraded test clips (NaN outside the corpus), and what each fold chose.
    """
    mine = clips.corpus == corpus
    rows = np.flatnonzero(mine)
    predicted = np.full((2, *clips.targets.shape), np.nan)
    chosen = []
    for test in voice_folds(clips.voice[rows], OUTER_FOLDS[corpus], SEED):
        learn = rows[~test]
        if pooled:
            learn = np.concatenate([learn, np.flatnonzero(~mine)])
        assert not set(clips.voice[learn]) & set(clips.voice[rows[test]])
        model, choice = train(clips, learn, landmarks)
        chosen.append(choice)
        for k, copy in enumerate((0, TEST_COPY)):
            predicted[k, rows[test]] = model.predict(clips.features[copy, rows[test]])
    return predicted, chosen


# What is written ------------------------------------------------------------------------------


def export(model: Regressor) -> bytes:
    """Write the regressor as one ONNX graph in double precision."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    constants = {
        "mean": model.mean,
        "sd": model.sd,
        "low": np.array(-CLIP_AT),
        "high": np.array(CLIP_AT),
        "zero": np.array(0.0),
        "minus_two": np.array(-2.0),
        "minus_gamma": np.array(-model.gamma),
        "marks_t": np.ascontiguousarray(model.landmarks.T),
        "marks_sq": (model.landmarks**2).sum(axis=1),
        "kernel_weights": model.kernel_weights,
        "linear_weights": model.linear_weights,
        "offset": model.offset,
    }
    axes = numpy_helper.from_array(np.array([1], dtype=np.int64), "axes")
    node = helper.make_node
    nodes = [
        node("Sub", ["features", "mean"], ["centred"]),
        node("Div", ["centred", "sd"], ["scaled"]),
        node("Max", ["scaled", "low"], ["floored"]),
        node("Min", ["floored", "high"], ["z"]),
        node("Mul", ["z", "z"], ["z_sq"]),
        node("ReduceSum", ["z_sq", "axes"], ["norm"], keepdims=1),
        node("MatMul", ["z", "marks_t"], ["dot"]),
        node("Mul", ["dot", "minus_two"], ["cross"]),
        node("Add", ["cross", "norm"], ["partial"]),
        node("Add", ["partial", "marks_sq"], ["unsafe"]),
        node("Max", ["unsafe", "zero"], ["distance"]),
        node("Mul", ["distance", "minus_gamma"], ["exponent"]),
        node("Exp", ["exponent"], ["kernel"]),
        node("MatMul", ["kernel", "kernel_weights"], ["curved"]),
        node("MatMul", ["z", "linear_weights"], ["straight"]),
        node("Add", ["curved", "straight"], ["both"]),
        node("Add", ["both", "offset"], ["affect"]),
    ]
    graph = helper.make_graph(
        nodes,
        "ser_lite",
        [helper.make_tensor_value_info("features", TensorProto.DOUBLE, ["n", len(model.mean)])],
        [helper.make_tensor_value_info("affect", TensorProto.DOUBLE, ["n", 3])],
        [axes, *(numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items())],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    made.producer_name = "emodiss"
    onnx.checker.check_model(made)
    return made.SerializeToString()


def main(argv: list[str] | None = None) -> int:
    """Run the script; see the module's text."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT / "../shared/data/lite")
    parser.add_argument("--out", type=Path, default=ROOT / "emodiss/models/weights")
    parser.add_argument("--jobs", type=int, default=2, help="processes for the features")
    parser.add_argument("--cache", type=Path, help="keep computed features in this .npz")
    parser.add_argument("--smoke", action="store_true", help="a few clips, to test the script")
    args = parser.parse_args(argv)
    if not (args.data / "speech_labels.csv").exists():
        parser.error(f"no speech_labels.csv in {args.data}; --help says how to obtain the data")
    if args.smoke and args.out.resolve() == (ROOT / "emodiss/models/weights").resolve():
        parser.error("--smoke makes useless weights; give another --out")
    landmarks = 40 if args.smoke else LANDMARKS
    args.out.mkdir(parents=True, exist_ok=True)

    def say(text: str) -> None:
        print(f"[{time.perf_counter() - begin:5.0f} s] {text}", file=sys.stderr, flush=True)

    begin = time.perf_counter()
    clips = _load_cached(args)
    say(
        f"{len(clips.table)} clips, {clips.features.shape[2]} features, "
        f"{clips.seconds_per_cpu_second:.0f}x real time on one core"
    )

    figures: dict = {"within": {}, "pooled": {}, "across": {}}
    pooled = np.full((2, *clips.targets.shape), np.nan)
    for kind in ("within", "pooled"):
        for corpus in CORPORA:
            predicted, chosen = out_of_voice(
                clips, corpus, pooled=kind == "pooled", landmarks=landmarks
            )
            rows = clips.corpus == corpus
            figures[kind][corpus] = block(clips, predicted, rows) | {"chosen": chosen}
            if kind == "pooled":
                pooled[:, rows] = predicted[:, rows]
            say(f"{kind} {corpus}: arousal CCC {figures[kind][corpus]['arousal']['ccc']:.3f}")
    for corpus in CORPORA:
        rows = clips.corpus == corpus
        model, chosen_one = train(clips, np.flatnonzero(~rows), landmarks)
        predicted = np.stack([model.predict(clips.features[c]) for c in (0, TEST_COPY)])
        figures["across"][corpus] = block(clips, predicted, rows) | {"chosen": [chosen_one]}
        say(f"across to {corpus}: arousal CCC {figures['across'][corpus]['arousal']['ccc']:.3f}")
    figures["calibration"] = calibration(clips, pooled[0])
    figures["rules"] = rule_figures(clips, pooled[0, :, 1])

    model, figures["chosen"] = train(clips, np.arange(len(clips.table)), landmarks)
    weights = export(model)
    import onnxruntime

    session = onnxruntime.InferenceSession(weights, providers=["CPUExecutionProvider"])
    gap = np.abs(
        session.run(["affect"], {"features": clips.features[0]})[0]
        - model.predict(clips.features[0])
    ).max()
    say(f"ONNX against numpy: largest difference {gap:.1e}")
    if gap > 1e-6:
        raise SystemExit(f"The ONNX graph differs from the fitted model by {gap:.1e}.")
    figures |= {
        "name": "ser_lite",
        "sha256": hashlib.sha256(weights).hexdigest(),
        "bytes": len(weights),
        "n_features": len(voice_features.FEATURE_NAMES),
        "features_sha256": voice_features.fingerprint(),
        "seed": SEED,
        "smoke": args.smoke,
        "realtime_factor": float(clips.seconds_per_cpu_second),
        "n_clips": len(clips.table),
        "n_voices": len(np.unique(clips.voice)),
    }
    figures = rounded(figures)  # type: ignore[assignment]
    (args.out / "ser_lite.onnx").write_bytes(weights)
    draw(clips, pooled[0], figures, args.out / "ser_lite_reliability.png")
    section = card_section(figures)
    write_card(args.out / "ser_lite.md", section)
    (args.out / "ser_lite.json").write_text(
        json.dumps(figures, indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )
    print(section)
    say("done")
    return 0


def _load_cached(args: argparse.Namespace) -> Clips:
    """Features from the cache when it fits the table and the feature code, else computed."""
    key = f"{voice_features.fingerprint()} {args.smoke}"
    if args.cache and args.cache.exists():
        kept = np.load(args.cache, allow_pickle=False)
        if str(kept["key"]) == key:
            table = pd.read_json(io.StringIO(str(kept["table"])), orient="split", dtype=False)
            return Clips(
                table, kept["targets"], kept["features"], kept["rules"], float(kept["speed"])
            )
    clips = load(args.data, smoke=args.smoke, jobs=args.jobs)
    if args.cache:
        np.savez(
            args.cache,
            key=key,
            table=clips.table.to_json(orient="split"),
            targets=clips.targets,
            features=clips.features,
            rules=clips.rules,
            speed=clips.seconds_per_cpu_second,
        )
    return clips


if __name__ == "__main__":
    raise SystemExit(main())
