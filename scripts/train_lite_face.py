"""Train, calibrate, test and export FER-lite, the face model of the `lite` preset.

    python scripts/train_lite_face.py --data DIR            # the shipped recipe
    python scripts/train_lite_face.py --data DIR --smoke    # a minute: does it run at all?

`--data` (default: `../shared/data/lite` beside the repository) holds two files. Elsewhere they are
made from public material:

ferplus_48.npz
    `images` uint8 (n, 48, 48), `split` uint8 (n,) with 0 training, 1 PublicTest, 2 PrivateTest,
    `votes` int8 (n, 10), `vote_columns` (10,). Pixels: FER2013 (the Kaggle challenge
    "Challenges in Representation Learning: Facial Expression Recognition", `fer2013.csv`).
    Votes: `fer2013new.csv` of github.com/microsoft/FERPlus, joined by the file's `Image name`
    (`fer0000000.png` is row 0 of fer2013.csv). Rows without an image name are left out.
affectnet_c25_votes_va.npz
    `expr_votes` (1600, 8) shares of 25 raters, `expr_names` (8,), `valence_arousal` (1600, 2) mean
    ratings in [-1, 1]. From github.com/kdoodoo/affectnetc25.

What is written to `--out`: `fer_lite.onnx`, `fer_lite.json` (every figure), `fer_lite.md` (the
model card, rendered from the json) and `fer_lite_reliability.png`. The trained members are kept in
`--work`, so that `--reuse` repeats calibration, test and export alone.

Method. An average of small residual networks, each trained on the distribution of the FER+ votes
(Barsoum et al. 2016, "crowd-sourced label distribution"), on samples drawn with probability
n_class ** -0.5, with flips, affine warps, gamma, blur and cut-out, AdamW and an exponential mean of
the weights. A first phase grows the image size; each later one goes on at full size with milder
augmentation and learns in part from the mean of the members of the phase before. Arithmetic is
bfloat16 where torch's autocast allows it (slow on a processor without such instructions). Each
member is trained on one thread, so that a seed gives the same weights on the same kind of machine.
The PublicTest part decides the temperatures and the prior correction; the PrivateTest part only
gives the figures.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import math
import multiprocessing
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from lite_face_figures import (
    HOUSE,
    accuracies,
    concordance,
    crops_per_second,
    draw_reliability,
    evaluate,
    expected_calibration_error,
    open_session,
    render_card,
    rms,
    softmax,
    standard_errors,
)
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ROOT / "emodiss" / "models" / "weights"
VERSION = "1"
DATA_NAMES = (
    "neutral",
    "happiness",
    "sadness",
    "surprise",
    "fear",
    "disgust",
    "anger",
    "contempt",
)
SIDE = 48
TRAIN, VALID, TEST = 0, 1, 2
FLOORS = (0.83, 0.78)
"""Accuracy and balanced accuracy that the project asks of the model."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One stretch of training with one cosine.

    `sides` holds (share of the epochs up to which, image side): small pictures first cost half
    the time. `strength` scales every augmentation. `teacher_share` is how much of each target comes
    from the members of the phase before.
    """

    epochs: int
    peak_rate: float
    sides: tuple[tuple[float, int], ...]
    strength: float = 1.0
    teacher_share: float = 0.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """What decides the weights; recorded in the json."""

    phases: tuple[Phase, ...] = (
        Phase(epochs=50, peak_rate=3e-3, sides=((0.4, 32), (0.8, 40), (1.0, 48))),
        Phase(epochs=40, peak_rate=1.5e-3, sides=((1.0, 48),), strength=0.7, teacher_share=0.5),
    )
    members: int = 2
    seed: int = 20
    batch: int = 128
    weight_decay: float = 0.05
    ema: float = 0.998
    widths: tuple[int, ...] = (32, 64, 112, 176)
    blocks: int = 2
    dropout: float = 0.2
    sampling_power: float = 0.5
    training_images: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """One part of FER+.

    `images` (n, 48, 48) uint8; `shares` (n, 8) float32 vote shares in house order after single
    votes are dropped; `labels` (n,) int64 majority class, -1 where the protocol gives none.
    """

    images: NDArray[np.uint8]
    shares: NDArray[np.float32]
    labels: NDArray[np.int64]


# --- data ---------------------------------------------------------------------------------------


def labels_from_votes(votes: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Majority class of `votes` (n, 10), house order then unknown and not-a-face; -1 for none.

    A class with a single vote counts as an outlier and is dropped; a tie for the most votes, and a
    majority for "unknown" or "not a face", give no label.
    """
    kept = np.where(votes <= 1, 0, votes)
    best = kept.max(axis=1)
    winner = kept.argmax(axis=1)
    clear = (best > 0) & ((kept == best[:, None]).sum(axis=1) == 1) & (winner < len(HOUSE))
    return np.where(clear, winner, -1).astype(np.int64)


def read_faces(path: Path) -> tuple[dict[int, Faces], dict[str, int]]:
    """Read the three parts with twins removed, and the counts that the card states.

    Twins are images with the same bytes. A training image with a twin in a later part is dropped, a
    PublicTest image with a twin in PrivateTest too, and every PrivateTest image with a twin in
    either earlier part, as those parts were published.
    """
    with np.load(path, allow_pickle=False) as stored:
        images, split = stored["images"], stored["split"]
        columns = stored["vote_columns"].tolist()
        order = [columns.index(name) for name in (*DATA_NAMES, "unknown", "NF")]
        votes = stored["votes"][:, order].astype(np.int64)
    labels = labels_from_votes(votes)
    emotion = np.where(votes <= 1, 0, votes)[:, :8].astype(np.float32)
    usable = emotion.sum(axis=1) > 0
    shares = emotion / np.maximum(emotion.sum(axis=1, keepdims=True), 1)
    keys = np.array([image.tobytes() for image in images], dtype=object)
    seen = {part: set(keys[split == part]) for part in (TRAIN, VALID, TEST)}

    def twin(*parts: int) -> NDArray[np.bool_]:
        others: set[bytes] = set().union(*(seen[part] for part in parts))
        return np.array([key in others for key in keys])

    # images without a clear majority still teach a distribution, unless most saw no face in them
    not_a_face = votes.argmax(axis=1) == 9
    keep = {
        TRAIN: (split == TRAIN) & usable & ~not_a_face & ~twin(VALID, TEST),
        VALID: (split == VALID) & (labels >= 0) & ~twin(TEST),
        TEST: (split == TEST) & (labels >= 0) & ~twin(TRAIN, VALID),
    }
    parts = {p: Faces(images[rows], shares[rows], labels[rows]) for p, rows in keep.items()}
    counts = {
        "images": len(images),
        "train": int(keep[TRAIN].sum()),
        "valid": int(keep[VALID].sum()),
        "test": int(keep[TEST].sum()),
        "train_dropped_twins": int(((split == TRAIN) & twin(VALID, TEST)).sum()),
        "valid_dropped_twins": int(((split == VALID) & twin(TEST)).sum()),
        "test_labelled_with_twins": int(((split == TEST) & (labels >= 0)).sum()),
    }
    return parts, counts


# --- network and training -----------------------------------------------------------------------


def build_network(recipe: Recipe) -> Any:
    """Return one untrained member: (n, 1, s, s) standardised grey to (n, 8) logits."""
    from torch import Tensor, nn

    def convolve(a: int, b: int, k: int, stride: int = 1) -> list[nn.Module]:
        return [nn.Conv2d(a, b, k, stride, k // 2, bias=False), nn.BatchNorm2d(b)]

    class Block(nn.Module):
        """Two 3 x 3 convolutions beside a skip; halves the picture where the width changes."""

        def __init__(self, a: int, b: int) -> None:
            super().__init__()
            self.body = nn.Sequential(
                *convolve(a, b, 3, 1 if a == b else 2), nn.ReLU(inplace=True), *convolve(b, b, 3)
            )
            pool = nn.AvgPool2d(2, ceil_mode=True)
            self.skip = nn.Identity() if a == b else nn.Sequential(pool, *convolve(a, b, 1))
            nn.init.zeros_(self.body[-1].weight)  # starts as the identity (Goyal et al. 2017)

        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.relu(self.body(x) + self.skip(x))

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            first = recipe.widths[0]
            layers: list[nn.Module] = [nn.PixelUnshuffle(2), *convolve(4, first, 3)]
            layers.append(nn.ReLU(inplace=True))
            for a, b in itertools.pairwise(recipe.widths):
                layers += [Block(a, b), *(Block(b, b) for _ in range(recipe.blocks - 1))]
            self.features = nn.Sequential(*layers)
            self.drop = nn.Dropout(recipe.dropout)
            self.head = nn.Linear(recipe.widths[-1], len(HOUSE))

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.drop(self.features(x).mean((2, 3))))

    return Network()


def standardise(x: Any) -> Any:
    """Give each picture (n, 1, h, w) zero mean and unit spread, so light and contrast drop out."""
    centred = x - x.mean((1, 2, 3), keepdim=True)
    spread = (centred * centred).mean((1, 2, 3), keepdim=True).sqrt()
    # a flat picture (spread below 1 of 255 levels) is not blown up into noise
    return centred / spread.clamp(min=1.0)


def augment(x: Any, side: int, generator: Any, strength: float = 1.0) -> Any:
    """Warp, flip, re-light, blur and cut a batch (n, 1, 48, 48) in 0..255; returns standardised."""
    import torch
    from torch.nn import functional

    n = len(x)

    def uniform(low: float, high: float, *shape: int) -> Any:
        return torch.rand(n, *shape, generator=generator) * (high - low) + low

    angle = strength * uniform(-0.22, 0.22)
    zoom = 1 + strength * uniform(-0.15, 0.15)
    stretch = 1 + strength * uniform(-0.08, 0.08)
    flip = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    theta = torch.stack(
        [
            torch.stack([flip * zoom * stretch * angle.cos(), -zoom * angle.sin()], 1),
            torch.stack([flip * zoom * angle.sin(), zoom / stretch * angle.cos()], 1),
        ],
        dim=1,
    )
    shift = strength * uniform(-0.14, 0.14, 2, 1)
    grid = functional.affine_grid(torch.cat([theta, shift], 2), [n, 1, side, side], False)
    x = functional.grid_sample(x, grid, padding_mode="border", align_corners=False)
    gamma = torch.exp(strength * uniform(-0.45, 0.45, 1, 1, 1))
    x = (x.clamp(0, 255) / 255).pow(gamma) * 255
    blurred = functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    x = torch.where(uniform(0, 1, 1, 1, 1) < 0.1 * strength, blurred, x)
    x = standardise(x)
    x = x + strength * uniform(0, 0.06, 1, 1, 1) * torch.randn(x.shape, generator=generator)
    at = torch.arange(side) / side
    centre, size = uniform(0, 1, 2, 1), uniform(0.08, 0.18, 2, 1)
    inside = (at - centre).abs() < size
    hole = inside[:, 0, :, None] & inside[:, 1, None, :] & (uniform(0, 1, 1, 1) < 0.3 * strength)
    return x.masked_fill(hole[:, None], 0.0)


def sampling_shares(faces: Faces, recipe: Recipe) -> tuple[NDArray[np.float64], ...]:
    """Return each image's draw probability, and natural and drawn mean vote shares (8,) each."""
    group = faces.shares.argmax(axis=1)
    size = np.bincount(group, minlength=8).astype(np.float64)
    weight = np.maximum(size, 1)[group] ** -recipe.sampling_power
    weight /= weight.sum()
    natural = faces.shares.mean(axis=0, dtype=np.float64)
    return weight, natural, (weight[:, None] * faces.shares).sum(axis=0)


def train_member(
    recipe: Recipe,
    phase: Phase,
    faces: Faces,
    valid: Faces,
    seed: int,
    path: Path,
    start: Path | None = None,
) -> None:
    """Train one member on one thread and store its averaged weights at `path`.

    Training goes on from the weights at `start`, or begins afresh.
    """
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    generator = torch.Generator().manual_seed(seed)
    network = build_network(recipe).to(memory_format=torch.channels_last)
    mean = build_network(recipe).to(memory_format=torch.channels_last)
    if start is not None:
        network.load_state_dict(torch.load(start, weights_only=True))
    mean.load_state_dict(network.state_dict())
    images = torch.from_numpy(faces.images)[:, None]
    shares = torch.from_numpy(faces.shares)
    weight = torch.from_numpy(sampling_shares(faces, recipe)[0])
    decayed = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": recipe.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ],
        lr=phase.peak_rate,
    )
    steps = len(images) // recipe.batch
    total, warm = steps * phase.epochs, max(1, min(steps, steps * phase.epochs // 5))
    began, step = time.monotonic(), 0
    for epoch in range(phase.epochs):
        network.train()
        side = next(s for until, s in phase.sides if (epoch + 0.5) / phase.epochs <= until)
        drawn = torch.multinomial(weight, steps * recipe.batch, True, generator=generator)
        running = 0.0
        for rows in drawn.split(recipe.batch):
            rise = min(1.0, (step + 1) / warm)
            fall = 0.5 * (1 + math.cos(math.pi * max(0, step - warm) / max(1, total - warm)))
            for entry in optimiser.param_groups:
                entry["lr"] = phase.peak_rate * rise * fall
            x = augment(images[rows].float(), side, generator, phase.strength)
            x = x.contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = network(x)
            loss = functional.cross_entropy(logits.float(), shares[rows])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            running += loss.item()
            step += 1
            kept = min(recipe.ema, (1 + step) / (10 + step))
            with torch.no_grad():
                for a, b in zip(
                    mean.state_dict().values(),
                    network.state_dict().values(),
                    strict=True,
                ):
                    if a.dtype.is_floating_point:
                        a.lerp_(b, 1 - kept)
                    else:
                        a.copy_(b)
        torch.save(mean.state_dict(), path.with_suffix(".part"))
        if epoch % 4 != 3 and epoch + 1 < phase.epochs:
            continue
        guess = member_logits(mean, valid.images)
        hit = guess.argmax(axis=1) == valid.labels
        recalls = [
            hit[valid.labels == c].mean() if (valid.labels == c).any() else np.nan for c in range(8)
        ]
        print(
            f"member {seed} epoch {epoch + 1}/{phase.epochs} side {side} "
            f"loss {running / steps:.4f} valid accuracy {hit.mean():.4f} "
            f"recalls {' '.join(f'{r:.2f}' for r in recalls)} {time.monotonic() - began:.0f} s",
            flush=True,
        )
    path.with_suffix(".part").replace(path)  # under its own name only once it is whole


def member_logits(network: Any, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Logits (n, 8) of one network over uint8 faces (n, 48, 48), mean of picture and mirror."""
    import torch

    network.eval()
    out = []
    with torch.inference_mode():
        for start in range(0, len(images), 256):
            x = standardise(torch.from_numpy(images[start : start + 256])[:, None].float())
            x = x.contiguous(memory_format=torch.channels_last)
            out.append(((network(x) + network(x.flip(3))) / 2).numpy())
    return np.concatenate(out)


def stored_logits(recipe: Recipe, path: Path, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Logits of one stored member."""
    import torch

    network = build_network(recipe)
    network.load_state_dict(torch.load(path, weights_only=True))
    return member_logits(network.to(memory_format=torch.channels_last), images)


def train(recipe: Recipe, parts: dict[int, Faces], work: Path, reuse: bool) -> list[Path]:
    """Train the members in phases, side by side, one process and one thread each.

    The first phase learns from the votes. Later, a share of each target is what the mean of the
    members of the phase before says of the picture: ten votes are a noisy sample, and several
    models that learned from all of them know some of what more raters would have said (Furlanello
    et al. 2018, "Born-again neural networks").
    """
    work.mkdir(parents=True, exist_ok=True)
    faces = parts[TRAIN]
    if recipe.training_images is not None:
        rows = slice(0, recipe.training_images)
        faces = Faces(faces.images[rows], faces.shares[rows], faces.labels[rows])
    seeds = [recipe.seed + k for k in range(recipe.members)]
    before: list[Path] = []
    for number, phase in enumerate(recipe.phases):
        paths = [work / f"member_{seed}_phase_{number}.pt" for seed in seeds]
        if not (reuse and all(path.exists() for path in paths)):
            shares = faces.shares
            if before:
                says = softmax(
                    np.mean([stored_logits(recipe, path, faces.images) for path in before], axis=0)
                )
                shares = (1 - phase.teacher_share) * shares + phase.teacher_share * says
            pupil = Faces(faces.images, shares.astype(np.float32), faces.labels)
            starts: list[Path | None] = [*before] or [None] * len(seeds)
            _side_by_side(
                [
                    (recipe, phase, pupil, parts[VALID], seed + 1000 * number, path, start)
                    for seed, path, start in zip(seeds, paths, starts, strict=True)
                ]
            )
        before = paths
    return before


def _side_by_side(jobs: list[tuple[Any, ...]]) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=train_member, args=job) for job in jobs]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode != 0 for process in processes):
        sys.exit("a member failed to train; its message stands above")


# --- the vote map, calibration, figures ---------------------------------------------------------


def fit_vote_map(path: Path) -> dict[str, Any]:
    """Ridge from AffectNet-C25 vote shares (house order) to mean rated valence and arousal.

    No intercept, because shares sum to one. The penalty is the one with the least squared error in
    ten folds (images shuffled with seed 0).
    """
    with np.load(path, allow_pickle=False) as stored:
        names = stored["expr_names"].tolist()
        x = stored["expr_votes"][:, [names.index(name) for name in DATA_NAMES]]
        y = stored["valence_arousal"]

    def solve(a: NDArray[Any], b: NDArray[Any], penalty: float) -> NDArray[np.float64]:
        return np.linalg.solve(a.T @ a + penalty * np.eye(a.shape[1]), a.T @ b)

    folds = np.random.default_rng(0).permutation(len(x)) % 10
    guesses = {}
    for penalty in (0.01, 0.1, 0.3, 1.0, 3.0, 10.0):
        guess = np.empty_like(y)
        for k in range(10):
            guess[folds == k] = x[folds == k] @ solve(x[folds != k], y[folds != k], penalty)
        guesses[penalty] = guess
    best = min(guesses, key=lambda penalty: float(((guesses[penalty] - y) ** 2).mean()))
    return {
        "penalty": best,
        "coefficients": solve(x, y, best).round(4).tolist(),
        "cv_ccc_valence": concordance(guesses[best][:, 0], y[:, 0]),
        "cv_ccc_arousal": concordance(guesses[best][:, 1], y[:, 1]),
        "cv_rmse_valence": rms(guesses[best][:, 0] - y[:, 0]),
        "cv_rmse_arousal": rms(guesses[best][:, 1] - y[:, 1]),
        "images": len(x),
    }


def operating_point(
    logits: NDArray[Any], valid: Faces, natural: NDArray[Any], drawn: NDArray[Any]
) -> dict[str, Any]:
    """Choose prior correction and temperatures on the PublicTest part.

    The members saw classes in `drawn` shares. `vote_bias` brings their logits back to `natural`
    shares. `class_bias` then leans towards a flat prior by `lean` (logit adjustment, Menon et al.
    2021), with shares floored at that of fear, so that contempt and disgust, which the model does
    not know well, are not blown up. The lean is the one whose smaller margin over the project's two
    floors (`FLOORS`) is widest, each margin counted in its own standard error, because balanced
    accuracy rests on few images of the rare classes. `vote_temperature` fits the vote distribution,
    `temperature` the majority label (least cross-entropy).
    """
    vote_bias = np.log(natural / drawn)
    flat = -np.log(np.maximum(natural, natural[HOUSE.index("fear")]))
    votes = logits + vote_bias
    grid = np.exp(np.linspace(np.log(0.2), np.log(5), 645))

    def fit(values: NDArray[Any], target: NDArray[Any]) -> float:
        losses = [-(target * np.log(softmax(values / t) + 1e-12)).sum(axis=1).mean() for t in grid]
        return float(grid[int(np.argmin(losses))])

    def margin(lean: float) -> float:
        guess = (votes + lean * flat).argmax(axis=1)
        reached = accuracies(guess, valid.labels)
        spread = standard_errors(guess, valid.labels)
        return min((r - f) / s for r, f, s in zip(reached, FLOORS, spread, strict=True))

    leans = np.linspace(0, 1, 41)
    margins = np.array([margin(lean) for lean in leans])
    # the mean of three neighbours steadies a choice among counts of single images
    lean = float(leans[int(np.convolve(margins, np.ones(3) / 3, "valid").argmax()) + 1])
    chosen = votes + lean * flat
    return {
        "lean": lean,
        "vote_bias": vote_bias.round(5).tolist(),
        "class_bias": (lean * flat - (lean * flat).min()).round(5).tolist(),
        "vote_temperature": fit(votes, valid.shares),
        "temperature": fit(chosen, np.eye(8)[valid.labels]),
        "valid_ece_before": expected_calibration_error(softmax(chosen), valid.labels),
    }


# --- export -------------------------------------------------------------------------------------


def export(
    recipe: Recipe,
    members: list[Path],
    point: dict[str, Any],
    vote_map: Any,
    path: Path,
) -> None:
    """Write one ONNX file: grey crops (n, 48, 48) in 0..255 to probabilities, valence, arousal.

    Convolution weights are stored as 8-bit integers with one scale per output channel and widened
    when the file is loaded; arithmetic is 32-bit. Every figure is measured on this file, so the
    rounding is inside the figures.
    """
    import onnx
    import torch
    from onnx import numpy_helper
    from torch import Tensor, nn

    class Shipped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.members = nn.ModuleList(build_network(recipe) for _ in members)
            for network, stored in zip(self.members, members, strict=True):
                network.load_state_dict(torch.load(stored, weights_only=True))
            for name in ("vote_bias", "class_bias"):
                self.register_buffer(name, torch.tensor(point[name], dtype=torch.float32))
            self.register_buffer(
                "vote_map", torch.tensor(vote_map["coefficients"], dtype=torch.float32)
            )

        def forward(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            x = standardise(crops.unsqueeze(1))
            mirror = x.flip(3)
            logits = sum(network(x) + network(mirror) for network in self.members)
            votes = logits / (2 * len(self.members)) + self.vote_bias
            probabilities = ((votes + self.class_bias) / point["temperature"]).softmax(1)
            affect = (votes / point["vote_temperature"]).softmax(1) @ self.vote_map
            return probabilities, affect[:, 0], affect[:, 1]

    outputs = ["probabilities", "valence", "arousal"]
    torch.onnx.export(
        Shipped().eval(),
        (torch.zeros(2, SIDE, SIDE),),
        str(path),
        input_names=["crops"],
        output_names=outputs,
        dynamic_axes={name: {0: "n"} for name in ["crops", *outputs]},
        opset_version=17,
        dynamo=False,
    )
    graph = onnx.load(str(path))
    # Cast and Mul, not DequantizeLinear: runtimes fold these two into constants when loading
    widen: list[Any] = []
    scales: list[Any] = []
    for stored in graph.graph.initializer:
        if len(stored.dims) == 4:
            name, weight = stored.name, numpy_helper.to_array(stored)
            scale = np.abs(weight).max(axis=(1, 2, 3), keepdims=True) / 127
            scale = np.maximum(scale, np.finfo(np.float32).tiny).astype(np.float32)
            narrow = np.rint(weight / scale).astype(np.int8)
            stored.CopyFrom(numpy_helper.from_array(narrow, name + "_8"))
            scales.append(numpy_helper.from_array(scale, name + "_scale"))
            widen += [
                onnx.helper.make_node("Cast", [name + "_8"], [name + "_wide"], to=1),
                onnx.helper.make_node("Mul", [name + "_wide", name + "_scale"], [name]),
            ]
    graph.graph.initializer.extend(scales)
    for node in reversed(widen):
        graph.graph.node.insert(0, node)
    onnx.checker.check_model(graph, full_check=True)
    onnx.save(graph, str(path))


def main(arguments: list[str] | None = None) -> None:
    """Run the steps the arguments ask for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, default=ROOT.parent / "shared" / "data" / "lite")
    add(
        "--work",
        type=Path,
        default=ROOT / "runs" / "train_lite_face",
        help="trained members",
    )
    add(
        "--out",
        type=Path,
        help="default: emodiss/models/weights; with --smoke: WORK/smoke",
    )
    add("--members", type=int, default=Recipe().members)
    add("--reuse", action="store_true", help="keep the members already in WORK")
    add(
        "--smoke",
        action="store_true",
        help="one epoch on a few images; figures mean nothing",
    )
    chosen = parser.parse_args(arguments)
    recipe = Recipe(members=chosen.members)
    for name in ("ferplus_48.npz", "affectnet_c25_votes_va.npz"):
        if not (chosen.data / name).is_file():
            parser.error(f"{chosen.data / name} is missing; --help says how to obtain it")
    parts, counts = read_faces(chosen.data / "ferplus_48.npz")
    if chosen.smoke:
        short = Phase(epochs=1, peak_rate=1e-3, sides=((1.0, 32),))
        taught = replace(short, teacher_share=0.5)
        recipe = Recipe(phases=(short, taught), members=1, training_images=256)
        parts = {p: Faces(f.images[:256], f.shares[:256], f.labels[:256]) for p, f in parts.items()}
    out = chosen.out or (chosen.work / "smoke" if chosen.smoke else SHIPPED)
    out.mkdir(parents=True, exist_ok=True)
    members = train(recipe, parts, chosen.work / ("smoke" if chosen.smoke else ""), chosen.reuse)

    vote_map = fit_vote_map(chosen.data / "affectnet_c25_votes_va.npz")
    _, natural, drawn = sampling_shares(parts[TRAIN], recipe)
    logits = np.mean([stored_logits(recipe, m, parts[VALID].images) for m in members], axis=0)
    point = operating_point(logits, parts[VALID], natural, drawn)
    weights = out / "fer_lite.onnx"
    export(recipe, members, point, vote_map, weights)
    session = open_session(weights)
    facts: dict[str, Any] = {
        "name": "fer-lite",
        "version": VERSION,
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "bytes": weights.stat().st_size,
        "parameters": sum(p.numel() for p in build_network(recipe).parameters()) * len(members),
        "expressions": HOUSE,
        "rater_agreement": float(parts[TEST].shares.max(axis=1).mean()),
        "recipe": asdict(recipe),
        "counts": counts,
        "vote_map": vote_map,
        "operating_point": point,
        "crops_per_second": {
            str(batch): round(crops_per_second(session, parts[TEST].images, batch))
            for batch in (1, 32)
        },
    }
    for name, part in (("valid", parts[VALID]), ("test", parts[TEST])):
        facts[name] = evaluate(session, part.images, part.labels, part.shares, facts)
    facts = json.loads(json.dumps(facts), parse_float=lambda text: round(float(text), 5))
    draw_reliability(facts["test"], out / "fer_lite_reliability.png")
    (out / "fer_lite.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    (out / "fer_lite.md").write_text(render_card(facts), encoding="utf-8")
    print(render_card(facts))
    print(f"sha256 {facts['sha256']}: set SHA256 in emodiss/models/lite/face.py to it")


if __name__ == "__main__":
    main()
