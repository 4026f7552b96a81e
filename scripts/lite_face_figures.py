"""Figures, reliability drawing and model card of FER-lite; used by `train_lite_face.py`.

    python scripts/lite_face_figures.py              # render the card again from fer_lite.json
    python scripts/lite_face_figures.py --data DIR   # measure the error of valence and arousal anew

The card is rendered from the json alone, so its numbers cannot drift from the measured ones.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HOUSE = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt")


def concordance(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Concordance correlation coefficient (Lin 1989), population moments."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    shared = ((a - a.mean()) * (b - b.mean())).mean()
    return float(2 * shared / (a.var() + b.var() + (a.mean() - b.mean()) ** 2))


def softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Softmax over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def calibration_bins(
    probabilities: NDArray[Any], labels: NDArray[np.int64], bins: int = 15
) -> list[dict[str, float]]:
    """Confidence of the top class against how often it is right, in equal-width bins."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        {
            "n": int((place == b).sum()),
            "confidence": float(confidence[place == b].mean()),
            "accuracy": float(right[place == b].mean()),
        }
        for b in range(bins)
        if (place == b).any()
    ]


def expected_calibration_error(probabilities: NDArray[Any], labels: NDArray[np.int64]) -> float:
    """ECE over 15 equal-width bins of the top class (Guo et al. 2017)."""
    bins = calibration_bins(probabilities, labels)
    return sum(b["n"] * abs(b["confidence"] - b["accuracy"]) for b in bins) / len(labels)


def accuracies(guess: NDArray[np.int64], labels: NDArray[np.int64]) -> tuple[float, float]:
    """Accuracy, and balanced accuracy: mean recall of the classes with more than 50 images."""
    hits = guess == labels
    size = np.bincount(labels, minlength=8)
    right = np.bincount(labels, weights=hits, minlength=8)
    recall = (right / np.maximum(size, 1))[size > 50]
    return float(hits.mean()), float(recall.mean()) if len(recall) else float("nan")


def standard_errors(guess: NDArray[np.int64], labels: NDArray[np.int64]) -> tuple[float, float]:
    """Binomial standard errors of both `accuracies`; recalls of different classes independent.

    A class right or wrong throughout counts as one picture from it (half on each side), so that no
    error is zero.
    """
    hits = guess == labels

    def variance(h: NDArray[np.bool_]) -> float:
        share = np.clip(h.mean(), 0.5 / len(h), 1 - 0.5 / len(h))
        return float(share * (1 - share) / len(h))

    large = [c for c, n in enumerate(np.bincount(labels, minlength=8)) if n > 50]
    balanced = sum(variance(hits[labels == c]) for c in large) ** 0.5 / max(len(large), 1)
    return variance(hits) ** 0.5, balanced or float("nan")


def classification_figures(
    probabilities: NDArray[Any], labels: NDArray[np.int64]
) -> dict[str, Any]:
    """Accuracy, balanced accuracy, recalls, confusion and ECE of one part."""
    guess = probabilities.argmax(axis=1)
    confusion = np.zeros((8, 8), int)
    np.add.at(confusion, (labels, guess), 1)
    size = confusion.sum(axis=1)
    recall = np.diag(confusion) / np.maximum(size, 1)
    precision = np.diag(confusion) / np.maximum(confusion.sum(axis=0), 1)
    large = size > 50
    accuracy, balanced = accuracies(guess, labels)
    hits = guess == labels
    resampled = []
    for rows in np.random.default_rng(0).integers(0, len(labels), (2000, len(labels))):
        n = np.bincount(labels[rows], minlength=8)[large]
        right = np.bincount(labels[rows], weights=hits[rows], minlength=8)[large]
        # the classes stay those that are large in the whole part
        resampled.append((hits[rows].mean(), (right / np.maximum(n, 1)).mean()))
    low, high = np.percentile(resampled, [2.5, 97.5], axis=0).round(4).tolist()
    return {
        "n": len(labels),
        "accuracy": accuracy,
        "accuracy_95": [low[0], high[0]],
        "balanced_accuracy": balanced,
        "balanced_accuracy_95": [low[1], high[1]],
        "balanced_over": [HOUSE[c] for c in np.flatnonzero(large)],
        "recall": dict(zip(HOUSE, recall.round(4).tolist(), strict=True)),
        "precision": dict(zip(HOUSE, precision.round(4).tolist(), strict=True)),
        "images": dict(zip(HOUSE, size.tolist(), strict=True)),
        "confusion": confusion.tolist(),
        "ece": expected_calibration_error(probabilities, labels),
    }


def open_session(path: Path) -> Any:
    """Open an ONNX file on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def infer(session: Any, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
    """Probabilities (n, 8), valence (n,) and arousal (n,) of uint8 faces (n, 48, 48)."""
    parts = [
        session.run(None, {"crops": images[k : k + 128].astype(np.float32)})
        for k in range(0, len(images), 128)
    ]
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def crops_per_second(session: Any, images: NDArray[np.uint8], batch: int) -> float:
    """Best of five, one thread, the network alone."""
    crops = images[:batch].astype(np.float32)
    repeats = max(1, 128 // batch)
    took = []
    for _ in range(6):
        began = time.perf_counter()
        for _ in range(repeats):
            session.run(None, {"crops": crops})
        took.append(time.perf_counter() - began)
    return repeats * len(crops) / min(took[1:])


def evaluate(
    session: Any,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    shares: NDArray[np.float32],
    facts: dict[str, Any],
) -> dict[str, Any]:
    """Every figure of one part, from the shipped file."""
    probabilities, valence, arousal = infer(session, images)
    # undo the temperature to see what calibration did
    before = softmax(
        np.log(np.maximum(probabilities, 1e-30)) * facts["operating_point"]["temperature"]
    )
    truth = shares.astype(np.float64) @ np.array(facts["vote_map"]["coefficients"])
    return {
        **classification_figures(probabilities, labels),
        "ece_before": expected_calibration_error(before, labels),
        "bins_before": calibration_bins(before, labels),
        "bins": calibration_bins(probabilities, labels),
        "valence_ccc": concordance(valence, truth[:, 0]),
        "arousal_ccc": concordance(arousal, truth[:, 1]),
        "valence_r": float(np.corrcoef(valence, truth[:, 0])[0, 1]),
        "arousal_r": float(np.corrcoef(arousal, truth[:, 1])[0, 1]),
        "valence_rmse": rms(valence - truth[:, 0]),
        "arousal_rmse": rms(arousal - truth[:, 1]),
    }


def rms(error: NDArray[Any]) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(error, dtype=np.float64))))


def affect_error(facts: dict[str, Any]) -> dict[str, float]:
    """Error of valence and arousal: model against votes, and the map's own, in quadrature."""
    return {
        axis: float(np.hypot(facts["test"][f"{axis}_rmse"], facts["vote_map"][f"cv_rmse_{axis}"]))
        for axis in ("valence", "arousal")
    }


def draw_reliability(test: dict[str, Any], path: Path) -> None:
    """Draw confidence against accuracy on the test part, before and after the temperature."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.8), sharey=True, layout="constrained")
    for ax, bins, ece, title in (
        (axes[0], test["bins_before"], test["ece_before"], "before"),
        (axes[1], test["bins"], test["ece"], "after"),
    ):
        ax.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle="--")
        x = [b["confidence"] for b in bins]
        y = np.array([b["accuracy"] for b in bins])
        n = np.array([b["n"] for b in bins])
        # 95 % by the normal approximation; a bin with few images is no evidence
        error = 1.96 * np.sqrt(np.maximum(y * (1 - y), 0.25 / n) / n)
        low, high = np.minimum(error, y), np.minimum(error, 1 - y)
        ax.errorbar(x, y, yerr=[low, high], fmt="o-", color="#0b6e8f", markersize=4, capsize=2)
        ax.bar(x, n / n.sum(), width=0.05, color="0.85", zorder=0)
        ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence of the top class")
        ax.set_title(f"{title} temperature, ECE {ece:.3f}", fontsize=10)
    axes[0].set_ylabel("share that is right (bars: share of images)")
    figure.suptitle(f"FER-lite on the held-out FER+ test part (n {test['n']})", fontsize=11)
    figure.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(figure)


CARD = """\
# FER-lite {version}

Face crop to eight expression probabilities, valence and arousal. The face model of the `lite`
preset, trained by this project (`scripts/train_lite_face.py`, which rendered this card from
`fer_lite.json`). **Research use only.** Experimental: not validated on therapy video, on
spontaneous dyadic talk, or against rated valence and arousal.

| | |
| --- | --- |
| file | `fer_lite.onnx`, {bytes:,} bytes, sha256 `{sha256}` |
| input | `crops` (n, 48, 48) float32, grey, 0..255 |
| output | `probabilities` (n, 8), `valence` (n,), `arousal` (n,) |
| columns | {columns} |
| network | mean of {members} residual networks over picture and mirror image, {parameters:,} parameters |
| speed | {speed_1:,} crops/s one by one, {speed_32:,} in batches of 32 (network alone, one thread, the training machine) |

## Data

- FER2013 pixels (48 x 48 grey, found by web search with emotion words, cut by a Viola-Jones face
  detector) with the ten FER+ votes per image (Barsoum et al. 2016). Training {n_train:,},
  PublicTest {n_valid:,}, PrivateTest {n_test:,} images after what follows.
- Twins (same bytes) of PublicTest or PrivateTest images are not trained on ({train_twins} dropped);
  PublicTest loses {valid_twins} twins of PrivateTest images; PrivateTest loses every image with a
  twin in either other part, as published ({test_with_twins:,} labelled images become {n_test:,}).
- AffectNet-C25: expression votes of 25 raters and their mean valence and arousal for
  {c25_images:,} images. Votes and ratings only, no picture.

Licences: the FER+ votes are MIT. FER2013's images were scraped from the web and carry no grant;
AffectNet-C25 states no licence. Hence research use only, whatever the licence of the code is.

## Held-out figures

PrivateTest, {n_test:,} images. Label: the majority of the FER+ votes after single votes are
dropped; ties and majorities for "unknown" or "not a face" are left out. Balanced accuracy is the
mean recall of the classes with more than 50 test images ({balanced_over}).
Brackets: 95 % bootstrap over images (not over people, who are unknown). Measured on the shipped
file. PublicTest chose the prior correction and the temperatures; PrivateTest chose nothing.
{looked}

| figure | value | PublicTest, for comparison |
| --- | --- | --- |
| accuracy | {accuracy:.4f} [{acc_low:.3f}, {acc_high:.3f}] | {valid_accuracy:.4f} |
| balanced accuracy, six classes | {balanced:.4f} [{bal_low:.3f}, {bal_high:.3f}] | {valid_balanced:.4f} |
| expected calibration error before temperature | {ece_before:.4f} | {valid_ece_before:.4f} |
| expected calibration error after | {ece:.4f} | {valid_ece:.4f} |
| valence, CCC with the votes mapped alike | {valence_ccc:.4f} (r {valence_r:.3f}) | {valid_valence_ccc:.4f} |
| arousal, CCC with the votes mapped alike | {arousal_ccc:.4f} (r {arousal_r:.3f}) | {valid_arousal_ccc:.4f} |

| class | images | recall | precision |
| --- | --- | --- | --- |
{class_rows}

**Contempt and disgust are weak**: too few images to learn or to judge them. Do not report them.

Confusion (row: majority of raters, column: model, same order):

```
{confusion}
```

## Operating point

The probabilities lean from the natural class shares of FER+ towards equal shares by {lean:.3f}
(0: natural, 1: equal; logit adjustment, Menon et al. 2021; shares floored at fear's), chosen on
PublicTest for the widest margin, in standard errors, over both floors of the project (accuracy .83,
balanced .78). {verdict} So rare classes are found more often than by a plain model, and neutral less. Temperature {temperature:.3f}, fitted on PublicTest. They are calibrated for FER+ images; other pictures have other class shares and other
difficulty, so treat them there as scores.

![reliability](fer_lite_reliability.png)

## Valence and arousal are derived

No face image with rated valence and arousal was at hand. The network estimates the shares of the
FER+ votes (natural class shares, temperature {vote_temperature:.3f}), and a ridge regression
without intercept (penalty {penalty}) from AffectNet-C25 turns shares into valence and arousal:

| share of votes for | valence | arousal |
| --- | --- | --- |
{coefficient_rows}

With human votes of the same raters as input the map reaches CCC {cv_valence:.3f} for valence and
{cv_arousal:.3f} for arousal (ten folds over images): an upper bound for the map, not for the model.
The CCC of the table above compares the model's output with FER+ votes that went through the same
map: it is agreement with votes, **not accuracy against rated valence and arousal**. Valence stays
within [{valence_low:.2f}, {valence_high:.2f}] and arousal within [{arousal_low:.2f}, {arousal_high:.2f}], the ends of the map.

Error (RMSE) that `dissonance.error_face_*` takes for a default: valence {error_valence:.3f}, arousal {error_arousal:.3f}. It
joins, in quadrature, model against mapped votes on PrivateTest ({valence_rmse:.3f}, {arousal_rmse:.3f}) and the map against
rated valence and arousal, ten folds over images ({map_valence:.3f}, {map_arousal:.3f}); both are taken as independent.

The probabilities lean and valence and arousal do not, so the map applied to `probabilities` gives
other numbers.

## How to crop

{crops}

## Do not use it for

Diagnosis, screening or any decision about a person; hiring, schooling, policing, lie detection;
claims about what somebody feels. A face shows an expression, not a state of mind.

## Limits

- Web pictures, mostly posed, young to middle-aged and frontal; nobody recorded who is on them.
  Age, gender, skin tone and culture are unknown, so bias is unmeasured and must be expected.
- One picture at a time: no person's baseline, no motion, and a mouth that speaks looks like
  surprise or happiness. Take means over an utterance, and compare within a person.
- 48 x 48 grey: faces below about 48 pixels are blown up and blurred; glasses, beards, hands and
  profile views hurt. It answers on pictures without a face as well.
- Label noise: ten raters agree on {agreement:.0%} of votes on average for the majority class.

## Training

{members} members, seeds from {seed}, in {phase_count} phases, each with AdamW and one cosine:

{phases}

Batch {batch}; class draw probability n^-{power}; mean of weights {ema}; dropout {dropout}; bfloat16
autocast, one thread per member. `python scripts/train_lite_face.py` repeats it; on the same kind of
machine with the same versions the figures repeat, elsewhere to about the width of the brackets.
"""  # noqa: E501

CROPS = """\
Square around the MTCNN box (the longer side), margin 0, upright. That is how FER2013 is framed: of
70 training images drawn at random and enlarged four times, MTCNN found 61, and the longer side of
its box was 50.4/48 of the picture (median; quartiles 44.7 and 56.3). Grey by ITU-R BT.601 and the
mean over the covered area (Pillow, `convert("L")`, `Resampling.BOX`; bilinear when enlarging).
Training moved, turned and zoomed the faces by up to 7 %, 13 degrees and 15 %."""

LOOKED = """\
PrivateTest was read three times: twice for the weights of an earlier recipe, which missed both
floors of the project, and once for these. After the earlier readings the network was made deeper,
the training longer, and the margins that choose the lean (below) were put into standard errors."""


def _verdict(facts: dict[str, Any]) -> str:
    """Say which part reaches the floors of accuracy and balanced accuracy."""
    floors = {"accuracy": 0.83, "balanced_accuracy": 0.78}
    said = []
    for name, part in (("PublicTest", "valid"), ("PrivateTest", "test")):
        short = [key.replace("_", " ") for key in floors if facts[part][key] < floors[key]]
        said.append(
            f"{name} misses that of {' and '.join(short)}" if short else f"{name} reaches both"
        )
    return "; ".join(said) + "."


def _phase(phase: dict[str, Any]) -> str:
    sides = ", ".join(f"{side} pixels until {until:.0%}" for until, side in phase["sides"])
    strength = "" if phase["strength"] == 1 else f", augmentation at {phase['strength']:.0%}"
    taught = (
        f", {phase['teacher_share']:.0%} of each target from the mean of the members before"
        if phase["teacher_share"]
        else ""
    )
    return f"{phase['epochs']} epochs, rate {phase['peak_rate']}, side {sides}{strength}{taught}"


def render_card(facts: dict[str, Any]) -> str:
    """Render the model card from the facts of `fer_lite.json`."""
    test, valid, point = facts["test"], facts["valid"], facts["operating_point"]
    table, recipe, counts = facts["vote_map"], facts["recipe"], facts["counts"]
    coefficients = np.array(table["coefficients"])
    width = max(len(name) for name in HOUSE)
    return CARD.format(
        version=facts["version"],
        bytes=facts["bytes"],
        sha256=facts["sha256"],
        columns=", ".join(HOUSE),
        members=recipe["members"],
        parameters=facts["parameters"],
        speed_1=facts["crops_per_second"]["1"],
        speed_32=facts["crops_per_second"]["32"],
        n_train=counts["train"],
        n_valid=counts["valid"],
        n_test=counts["test"],
        train_twins=counts["train_dropped_twins"],
        valid_twins=counts["valid_dropped_twins"],
        test_with_twins=counts["test_labelled_with_twins"],
        c25_images=table["images"],
        balanced_over=", ".join(test["balanced_over"]),
        accuracy=test["accuracy"],
        acc_low=test["accuracy_95"][0],
        acc_high=test["accuracy_95"][1],
        balanced=test["balanced_accuracy"],
        bal_low=test["balanced_accuracy_95"][0],
        bal_high=test["balanced_accuracy_95"][1],
        valid_accuracy=valid["accuracy"],
        valid_balanced=valid["balanced_accuracy"],
        ece=test["ece"],
        ece_before=test["ece_before"],
        valid_ece=valid["ece"],
        valid_ece_before=valid["ece_before"],
        valence_ccc=test["valence_ccc"],
        arousal_ccc=test["arousal_ccc"],
        valence_r=test["valence_r"],
        arousal_r=test["arousal_r"],
        valid_valence_ccc=valid["valence_ccc"],
        valid_arousal_ccc=valid["arousal_ccc"],
        class_rows="\n".join(
            f"| {name}{' (weak)' if name in ('disgust', 'contempt') else ''} "
            f"| {test['images'][name]} | {test['recall'][name]:.3f} "
            f"| {test['precision'][name]:.3f} |"
            for name in HOUSE
        ),
        confusion="\n".join(
            f"{name:<{width}} " + " ".join(f"{n:5d}" for n in row)
            for name, row in zip(HOUSE, test["confusion"], strict=True)
        ),
        lean=point["lean"],
        temperature=point["temperature"],
        vote_temperature=point["vote_temperature"],
        penalty=table["penalty"],
        coefficient_rows="\n".join(
            f"| {name} | {valence:+.4f} | {arousal:+.4f} |"
            for name, (valence, arousal) in zip(HOUSE, coefficients, strict=True)
        ),
        cv_valence=table["cv_ccc_valence"],
        cv_arousal=table["cv_ccc_arousal"],
        error_valence=affect_error(facts)["valence"],
        error_arousal=affect_error(facts)["arousal"],
        valence_rmse=test["valence_rmse"],
        arousal_rmse=test["arousal_rmse"],
        map_valence=table["cv_rmse_valence"],
        map_arousal=table["cv_rmse_arousal"],
        valence_low=coefficients[:, 0].min(),
        valence_high=coefficients[:, 0].max(),
        arousal_low=coefficients[:, 1].min(),
        arousal_high=coefficients[:, 1].max(),
        crops=CROPS,
        looked=LOOKED,
        verdict=_verdict(facts),
        agreement=facts["rater_agreement"],
        seed=recipe["seed"],
        phase_count=len(recipe["phases"]),
        phases="\n".join(f"- {_phase(phase)}" for phase in recipe["phases"]),
        dropout=recipe["dropout"],
        batch=recipe["batch"],
        power=recipe["sampling_power"],
        ema=recipe["ema"],
    )


def measure_affect_error(folder: Path, data: Path, facts: dict[str, Any]) -> None:
    """Put the errors of valence and arousal into the facts of the shipped file."""
    from train_lite_face import TEST, VALID, fit_vote_map, read_faces

    facts["vote_map"] |= fit_vote_map(data / "affectnet_c25_votes_va.npz")
    parts, _ = read_faces(data / "ferplus_48.npz")
    session = open_session(folder / "fer_lite.onnx")
    coefficients = np.array(facts["vote_map"]["coefficients"])
    for name, part in (("valid", parts[VALID]), ("test", parts[TEST])):
        _, *found = infer(session, part.images)
        truth = part.shares.astype(np.float64) @ coefficients
        for k, axis in enumerate(("valence", "arousal")):
            facts[name][f"{axis}_rmse"] = round(rms(found[k] - truth[:, k]), 5)
    for axis in ("valence", "arousal"):
        facts["vote_map"][f"cv_rmse_{axis}"] = round(facts["vote_map"][f"cv_rmse_{axis}"], 5)
        facts["vote_map"][f"cv_ccc_{axis}"] = round(facts["vote_map"][f"cv_ccc_{axis}"], 5)
    (folder / "fer_lite.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Render the shipped card again."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of the training data")
    data = parser.parse_args().data
    folder = Path(__file__).resolve().parents[1] / "emodiss" / "models" / "weights"
    facts = json.loads((folder / "fer_lite.json").read_text(encoding="utf-8"))
    if data is not None:
        measure_affect_error(folder, data, facts)
    (folder / "fer_lite.md").write_text(render_card(facts), encoding="utf-8")


if __name__ == "__main__":
    main()
