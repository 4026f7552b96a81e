"""Clips, figures, reliability drawing and model card of SER-lite; for `train_lite_speech.py`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from arousal_rules import RuleArousal
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TARGETS = ("valence", "arousal", "dominance")
CORPORA = ("emodb", "ravdess")
SEED = 20261121
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


def voice_folds(voices: NDArray[np.str_], n_folds: int, seed: int) -> Iterator[NDArray[np.bool_]]:
    """Yield (n,) masks of the clips to test; each voice is tested once."""
    shuffled = np.random.default_rng(seed).permutation(np.unique(voices))
    for part in np.array_split(shuffled, min(n_folds, len(shuffled))):
        yield np.isin(voices, part)


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
