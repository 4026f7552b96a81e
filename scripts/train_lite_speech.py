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
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emodiss.models import voice_features
from emodiss.models.speech_arousal_rules import RuleArousal

Floats = NDArray[np.float64]

ROOT = Path(__file__).resolve().parents[1]
TARGETS = ("valence", "arousal", "dominance")
CORPORA = ("emodb", "ravdess")
SEED = 20261121

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
DRAWS = 2000  # of voices, for the bootstrap intervals


@dataclass(frozen=True)
class Clips:
    """All clips: labels, targets, and features clean and degraded."""

    table: pd.DataFrame
    targets: Floats  # (n, 3) in [-1, 1]
    features: Floats  # (1 + COPIES + 1, n, d); index 0 is clean
    rules: Floats  # (n, 3)
    seconds_per_cpu_second: float

    @property
    def corpus(self) -> NDArray[np.str_]:
        """(n,) corpus of each clip."""
        return self.table["corpus"].to_numpy(dtype=str)

    @property
    def voice(self) -> NDArray[np.str_]:
        """(n,) speaker of each clip, unique over corpora."""
        return self.table["speaker"].to_numpy(dtype=str)


def degrade(signal: Floats, rng: np.random.Generator) -> Floats:
    """Put a clip into another room, before another microphone, with noise."""
    from scipy.signal import fftconvolve

    n, rate = len(signal), voice_features.SAMPLE_RATE
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
    if rate != voice_features.SAMPLE_RATE or signal.ndim != 1:
        raise SystemExit(f"Clip {number}: {rate} Hz, shape {signal.shape}; expected 16 kHz mono.")
    begin = time.process_time()
    frames = voice_features.analyse(signal)
    rows = [voice_features.summarise(frames)]
    cpu_s = time.process_time() - begin
    voiced = frames.voiced
    rules = np.array(
        [
            np.median(np.log(frames.f0_hz[voiced])),
            np.median(frames.level_db[voiced]),
            float(voice_features.hf500_db(frames.power[voiced].mean(axis=0))),
        ]
    )
    for copy in range(1, TEST_COPY + 1):
        rng = np.random.default_rng([SEED, copy, number])
        rows.append(voice_features.summarise(voice_features.analyse(degrade(signal, rng))))
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


def voice_folds(voices: NDArray[np.str_], n_folds: int, seed: int) -> Iterator[NDArray[np.bool_]]:
    """Yield (n,) masks of the clips to test; each voice is tested once."""
    shuffled = np.random.default_rng(seed).permutation(np.unique(voices))
    for part in np.array_split(shuffled, min(n_folds, len(shuffled))):
        yield np.isin(voices, part)


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


# The figures ----------------------------------------------------------------------------------


def ccc(predicted: Floats, target: Floats) -> float:
    """Concordance correlation (Lin 1989), population moments."""
    covariance = np.mean((predicted - predicted.mean()) * (target - target.mean()))
    gap = predicted.mean() - target.mean()
    return float(2 * covariance / (predicted.var() + target.var() + gap**2))


def accuracy(predicted: Floats, target: Floats) -> dict[str, float]:
    """CCC, correlation, error and bias of one target."""
    return {
        "ccc": ccc(predicted, target),
        "r": float(np.corrcoef(predicted, target)[0, 1]),
        "rmse": float(np.sqrt(np.mean((predicted - target) ** 2))),
        "bias": float(np.mean(predicted - target)),
    }


def ccc_interval(predicted: Floats, target: Floats, voices: NDArray[np.str_]) -> list[float]:
    """95 % bootstrap interval of the CCC, drawing voices."""
    x, y = predicted, target
    terms = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y])
    sums = np.stack([terms[:, voices == v].sum(axis=1) for v in np.unique(voices)])
    picked = np.random.default_rng(SEED).integers(len(sums), size=(DRAWS, len(sums)))
    n, sum_x, sum_y, sum_xx, sum_yy, sum_xy = sums[picked].sum(axis=1).T
    mean_x, mean_y = sum_x / n, sum_y / n
    spread = sum_xx / n - mean_x**2 + sum_yy / n - mean_y**2
    drawn = 2 * (sum_xy / n - mean_x * mean_y) / (spread + (mean_x - mean_y) ** 2)
    return [float(q) for q in np.percentile(drawn, [2.5, 97.5])]


def auc(high: Floats, low: Floats) -> float:
    """Probability that a draw from `high` exceeds one from `low`, ties half."""
    difference = high[:, None] - low
    return float(np.mean(difference > 0) + 0.5 * np.mean(difference == 0))


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


def block(clips: Clips, predicted: Floats, rows: NDArray[np.bool_]) -> dict:
    """Figures of one (2, n, 3) prediction on the clips `rows`."""
    figures: dict = {"n": int(rows.sum()), "voices": len(np.unique(clips.voice[rows]))}
    for k, name in enumerate(TARGETS):
        figures[name] = accuracy(predicted[0, rows, k], clips.targets[rows, k])
        figures[name]["ccc_degraded"] = ccc(predicted[1, rows, k], clips.targets[rows, k])
        figures[name]["ccc_ci95"] = ccc_interval(
            predicted[0, rows, k], clips.targets[rows, k], clips.voice[rows]
        )
    per_voice = [
        ccc(predicted[0, rows & (clips.voice == v), 1], clips.targets[rows & (clips.voice == v), 1])
        for v in np.unique(clips.voice[rows])
    ]
    figures["arousal_ccc_per_voice"] = {
        "min": min(per_voice),
        "median": float(np.median(per_voice)),
        "max": max(per_voice),
    }
    return figures


def calibration(clips: Clips, predicted: Floats) -> dict:
    """Reliability on held-out voices, and whether an affine correction would help there.

    Correction and interval widths are each time taken from the other voices.
    """
    out: dict = {}
    for k, name in enumerate(TARGETS):
        x, y = predicted[:, k], clips.targets[:, k]
        slope, intercept = np.polyfit(x, y, 1)
        corrected = np.empty_like(x)
        covered = {0.8: np.zeros(len(x), bool), 0.9: np.zeros(len(x), bool)}
        for test in voice_folds(clips.voice, 34, SEED + 2):
            a, b = np.polyfit(x[~test], y[~test], 1)
            corrected[test] = a * x[test] + b
            residual = np.abs(y[~test] - x[~test])
            for level, inside in covered.items():
                inside[test] = np.abs(y[test] - x[test]) <= np.quantile(residual, level)
        edges = np.quantile(x, np.linspace(0, 1, 11))
        bins = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, 9)
        means = [(x[bins == b].mean(), y[bins == b].mean()) for b in range(10) if (bins == b).any()]
        out[name] = {
            "slope": float(slope),
            "intercept": float(intercept),
            "binned_error": float(np.mean([abs(p - t) for p, t in means])),
            "rmse": float(np.sqrt(np.mean((x - y) ** 2))),
            "rmse_if_corrected": float(np.sqrt(np.mean((corrected - y) ** 2))),
            "bins": [[float(p), float(t)] for p, t in means],
            "half_width": {
                str(level): float(np.quantile(np.abs(y - x), level)) for level in covered
            },
            "coverage": {
                str(level): {
                    "all": float(inside.mean()),
                    **{c: float(inside[clips.corpus == c].mean()) for c in CORPORA},
                    "worst_voice": float(
                        min(inside[clips.voice == v].mean() for v in np.unique(clips.voice))
                    ),
                }
                for level, inside in covered.items()
            },
        }
    return out


def rule_figures(clips: Clips, model_arousal: Floats) -> dict:
    """Rule-based arousal against the category order, and against SER-lite on held-out voices."""
    from scipy.stats import spearmanr

    ratings = {}
    for kind in ("neutral_baseline", "own_baseline"):
        rated = np.full(len(clips.table), np.nan)
        for voice in np.unique(clips.voice):
            rows = clips.voice == voice
            neutral = (clips.table["emotion"] == "neutral").to_numpy()[rows]
            rated[rows] = RuleArousal().rate(
                clips.rules[rows], neutral=neutral if kind == "neutral_baseline" else None
            )
        ratings[kind] = rated
    arousal = clips.targets[:, 1]
    out: dict = {}

    def rho(a: Floats, b: Floats) -> float:
        both = np.isfinite(a) & np.isfinite(b)
        return float(spearmanr(a[both], b[both]).statistic) if both.sum() > 2 else float("nan")

    for corpus in CORPORA:
        rows = clips.corpus == corpus
        voices = np.unique(clips.voice[rows])
        out[corpus] = {}
        for kind, rated in {**ratings, "ser_lite": model_arousal}.items():
            mine = [rho(rated[clips.voice == v], arousal[clips.voice == v]) for v in voices]
            out[corpus][kind] = {
                "rho": rho(rated[rows], arousal[rows]),
                "rho_per_voice_median": _median(mine),
                "voices_rated": int(np.isfinite(mine).sum()),
            }
        between = [
            rho(ratings["own_baseline"][clips.voice == v], model_arousal[clips.voice == v])
            for v in voices
        ]
        out[corpus]["agreement_per_voice_median"] = _median(between)
    strength = clips.table["intensity"].to_numpy(dtype=str)
    emotion = clips.table["emotion"].to_numpy(dtype=str)
    out["ravdess"]["auc_strong_over_normal"] = {}
    for kind, rated in {**ratings, "ser_lite": model_arousal}.items():
        pairs = []
        for voice in np.unique(clips.voice[clips.corpus == "ravdess"]):
            for name in ("anger", "fear", "happiness", "sadness", "disgust", "surprise"):
                rows = (clips.voice == voice) & (emotion == name) & np.isfinite(rated)
                high, low = (
                    rated[rows & (strength == "strong")],
                    rated[rows & (strength == "normal")],
                )
                if len(high) and len(low):
                    pairs.append(auc(high, low))
        if pairs:
            out["ravdess"]["auc_strong_over_normal"][kind] = float(np.mean(pairs))
    return out


def _median(values: list[float]) -> float:
    finite = [v for v in values if np.isfinite(v)]
    return float(np.median(finite)) if finite else float("nan")


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


def draw(clips: Clips, predicted: Floats, figures: dict, path: Path) -> None:
    """Reliability: mean target per tenth of the predictions, on held-out voices."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    colours = {"emodb": "#0072B2", "ravdess": "#D55E00"}
    titles = {"emodb": "EMO-DB", "ravdess": "RAVDESS"}
    fig, axes = plt.subplots(1, 3, figsize=(11.5, 4.3), layout="constrained")
    for ax, k in zip(axes, (1, 0, 2), strict=True):
        name = TARGETS[k]
        facts = figures["calibration"][name]
        x, y = predicted[:, k], clips.targets[:, k]
        half = facts["half_width"]["0.9"]
        line = np.array([-1.05, 1.05])
        ax.fill_between(line, line - half, line + half, color="0.93", lw=0, label="90 % interval")
        ax.plot(line, line, color="0.5", lw=1, ls="--", label="perfect")
        for corpus in CORPORA:
            rows = clips.corpus == corpus
            order = np.argsort(x[rows])
            tenths = np.array_split(order, 10)
            px = [x[rows][t].mean() for t in tenths]
            py = [y[rows][t].mean() for t in tenths]
            se = [y[rows][t].std() / np.sqrt(len(t)) for t in tenths]
            ax.errorbar(
                px,
                py,
                yerr=1.96 * np.array(se),
                fmt="o",
                ms=4.5,
                lw=1.2,
                color=colours[corpus],
                label=titles[corpus],
            )
        ax.text(
            0.03,
            0.97,
            f"both: slope {facts['slope']:.2f}, intercept {facts['intercept']:+.2f}\n"
            f"CCC {figures['pooled']['emodb'][name]['ccc']:.2f} EMO-DB, "
            f"{figures['pooled']['ravdess'][name]['ccc']:.2f} RAVDESS",
            transform=ax.transAxes,
            va="top",
            fontsize=8.5,
        )
        ax.set(
            xlim=line,
            ylim=line,
            xlabel=f"predicted {name}",
            title=name if name == "arousal" else f"{name} (experimental)",
        )
        ax.set_aspect("equal")
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("mean category norm of a tenth")
    axes[0].legend(loc="lower right", fontsize=8, frameon=False)
    fig.suptitle("SER-lite on voices it never heard", fontsize=12)
    fig.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(fig)


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


def card_section(figures: dict) -> str:
    """Markdown of the figures, from the same numbers as the json."""
    rows = [
        (
            "| trained on | tested on | arousal CCC [95 %] | r | degraded clips | valence CCC "
            "| dominance CCC |"
        ),
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    names = {"emodb": "EMO-DB", "ravdess": "RAVDESS"}
    for kind, corpus, learned in (
        ("within", "emodb", "EMO-DB, other voices"),
        ("within", "ravdess", "RAVDESS, other voices"),
        ("pooled", "emodb", "both, other voices"),
        ("pooled", "ravdess", "both, other voices"),
        ("across", "emodb", "RAVDESS only"),
        ("across", "ravdess", "EMO-DB only"),
    ):
        f = figures[kind][corpus]
        a = f["arousal"]
        rows.append(
            f"| {learned} | {names[corpus]} ({f['n']} clips, {f['voices']} voices) "
            f"| **{a['ccc']:.3f}** [{a['ccc_ci95'][0]:.2f}, {a['ccc_ci95'][1]:.2f}] | {a['r']:.3f} "
            f"| {a['ccc_degraded']:.3f} | {f['valence']['ccc']:.3f} | {f['dominance']['ccc']:.3f} |"
        )
    out = ["### Held-out accuracy", "", *rows, ""]
    out += [
        "Arousal CCC per held-out voice (trained on both): "
        + "; ".join(
            f"{names[c]} {figures['pooled'][c]['arousal_ccc_per_voice']['min']:.2f} to "
            f"{figures['pooled'][c]['arousal_ccc_per_voice']['max']:.2f}, median "
            f"{figures['pooled'][c]['arousal_ccc_per_voice']['median']:.2f}"
            for c in CORPORA
        )
        + ".",
        "Arousal bias across corpora (predicted minus target): "
        + "; ".join(f"{names[c]} {figures['across'][c]['arousal']['bias']:+.2f}" for c in CORPORA)
        + ".",
        "",
        "### Calibration (trained on both, held-out voices)",
        "",
        (
            "| | slope | intercept | binned error | RMSE | RMSE with affine correction "
            "| 90 % half width | covered (aim .90): all / EMO-DB / RAVDESS / worst voice |"
        ),
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in ("arousal", "valence", "dominance"):
        c = figures["calibration"][name]
        cover = c["coverage"]["0.9"]
        out.append(
            f"| {name} | {c['slope']:.2f} | {c['intercept']:+.2f} | {c['binned_error']:.3f} "
            f"| {c['rmse']:.3f} | {c['rmse_if_corrected']:.3f} | {c['half_width']['0.9']:.2f} "
            f"| {cover['all']:.2f} / {cover['emodb']:.2f} / {cover['ravdess']:.2f} / "
            f"{cover['worst_voice']:.2f} |"
        )
    out += [
        "",
        "### Beside the rules of Bone et al. (2014)",
        "",
        "Spearman with the arousal order of the categories, pooled / median per voice:",
        "",
        (
            "| | rules, neutral baseline | rules, own clips as baseline "
            "| SER-lite (trained on both, held-out voices) "
            "| rules and SER-lite, median per voice |"
        ),
        "| --- | --- | --- | --- | --- |",
    ]
    for corpus in CORPORA:
        r = figures["rules"][corpus]
        cells = [
            f"{_shown(r[k]['rho'])} / {_shown(r[k]['rho_per_voice_median'])}"
            + (
                f" ({r[k]['voices_rated']} voices)"
                if r[k]["voices_rated"] != figures["within"][corpus]["voices"]
                else ""
            )
            for k in ("neutral_baseline", "own_baseline", "ser_lite")
        ]
        out.append(
            f"| {names[corpus]} | {' | '.join(cells)} | {_shown(r['agreement_per_voice_median'])} |"
        )
    strong = figures["rules"]["ravdess"]["auc_strong_over_normal"]
    out += [
        "",
        "RAVDESS, strong over normal intensity of the same voice and emotion (no target knows the "
        "intensity; calm left out), mean AUC: "
        + ", ".join(
            f"{label} {strong[k]:.3f}"
            for k, label in (
                ("neutral_baseline", "rules (neutral baseline)"),
                ("own_baseline", "rules (own baseline)"),
                ("ser_lite", "SER-lite"),
            )
            if k in strong
        )
        + ".",
        "",
        "### Size and speed",
        "",
        (
            f"{figures['bytes'] / 1024:.0f} KiB, {figures['n_features']} features; features run "
            f"{figures['realtime_factor']:.0f} times faster than real time on one core of the "
            f"training machine. Chosen for the shipped weights: kernel width "
            f"{figures['chosen']['width']}, penalty {figures['chosen']['penalty']}. sha256 "
            f"`{figures['sha256']}`."
        ),
    ]
    return "\n".join(out)


BEGIN, END = "<!-- figures: begin (generated) -->", "<!-- figures: end -->"


def write_card(card: Path, section: str) -> None:
    """Put the figures between the markers of the card; the rest is written by hand."""
    text = card.read_text(encoding="utf-8") if card.exists() else f"# SER-lite\n\n{BEGIN}\n{END}\n"
    if BEGIN not in text or END not in text:
        raise SystemExit(f"{card.name} has no markers '{BEGIN}' and '{END}'.")
    head, tail = text.split(BEGIN)[0], text.split(END)[1]
    card.write_text(f"{head}{BEGIN}\n{section}\n{END}{tail}", encoding="utf-8")


def rounded(value: object) -> object:
    """Round all floats to 4 digits, so that the last bits of a machine do not show; NaN is null."""
    if isinstance(value, float):
        return round(value, 4) if np.isfinite(value) else None
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return value


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
