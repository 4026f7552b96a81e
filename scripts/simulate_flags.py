"""Whether what is said of a flag holds, where the truth is known: simulated faces and voices.

    python scripts/simulate_flags.py                # tables for people
    python scripts/simulate_flags.py --json         # the same for programs
    python scripts/simulate_flags.py --plot FILE    # draw the reliability of probabilities
    python scripts/simulate_flags.py --write        # put tables and picture into the guide

Three questions, one seed:

- coverage: how often does the 95 % interval of a face's mean hold the true mean?
- reliability: of the flags called p, how many are true?
- null: how often is a true null called significant?
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import lfilter

from emodiss.affect import mean_of_series, means_of_series
from emodiss.dissonance import Null, chance, reflag
from emodiss.settings import DissonanceSettings

Floats = NDArray[np.float64]

ROOT = Path(__file__).resolve().parents[1]
GUIDE = ROOT / "emodiss" / "guides" / "dissonance.md"
PICTURE = ROOT / ".github" / "flag_reliability.png"

SEED = 20261128
LAGS = (0.0, 0.8, 0.9, 0.95, 0.98)
FRAMES = (30, 60, 150, 600)
NULL_LAGS = (0.0, 0.5, 0.8, 0.9)
LAYOUTS = ((1, 40), (5, 20))  # sessions, utterances in each
THRESHOLD = 0.5

# Errors of the simulated models, and the frames of a face as measured on real clips with FER-lite.
VOICE_ERROR, FACE_ERROR = 0.25, 0.15
FRAME_LAG1, FRAME_SD = 0.88, 0.09


def autoregression(rng: np.random.Generator, shape: tuple[int, ...], lag1: float) -> Floats:
    """Stationary series of unit variance along the last axis."""
    noise = rng.normal(size=shape)
    noise[..., 1:] *= np.sqrt(1 - lag1**2)
    return np.asarray(lfilter([1.0], [1.0, -lag1], noise, axis=-1))


def heavy_tailed(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """AR(1) of .9 whose steps follow Student's t with three degrees of freedom."""
    steps = rng.standard_t(3, size=(*shape[:-1], shape[-1] + 200))
    return np.asarray(lfilter([1.0], [1.0, -0.9], steps, axis=-1))[..., 200:]


def noisy(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """AR(1) of .95 and as much white noise."""
    return autoregression(rng, shape, 0.95) + rng.normal(size=shape)


def two_speeds(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Sum of an AR(1) of .5 and one of .97."""
    return autoregression(rng, shape, 0.5) + autoregression(rng, shape, 0.97)


def smooth(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Average steps over ten frames."""
    steps = np.cumsum(rng.normal(size=(*shape[:-1], shape[-1] + 10)), axis=-1)
    return steps[..., 10:] - steps[..., :-10]


OTHERS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Floats]] = {
    "lag-1 .9, heavy tails (t with 3 df)": heavy_tailed,
    "lag-1 .95 and as much white noise": noisy,
    "lag-1 .5 plus lag-1 .97": two_speeds,
    "running mean over 10": smooth,
}
"""Series that are not AR(1), as the intervals assume."""


def coverage(series: int) -> list[dict[str, Any]]:
    """Share of intervals that hold the true mean, by lag-1 correlation and length."""
    rng = np.random.default_rng([SEED, 1])
    return [
        {
            "lag1": lag1,
            "n": n,
            "coverage": _covered(autoregression(rng, (series, n), lag1)),
        }
        for lag1 in LAGS
        for n in FRAMES
    ]


def coverage_of_tracks(tracks: int, stretches: int = 10) -> list[dict[str, Any]]:
    """Measure the same where ten utterances of one track tell of its persistence together."""
    rng = np.random.default_rng([SEED, 2])
    found = []
    for lag1 in LAGS:
        for n in FRAMES:
            values = autoregression(rng, (tracks, stretches, n), lag1)
            means = [mean for track in values for mean in means_of_series(track)]
            hits = [mean.interval[0] < 0 < mean.interval[1] for mean in means]
            found.append({"lag1": lag1, "n": n, "coverage": round(float(np.mean(hits)), 3)})
    return found


def coverage_of_others(series: int) -> list[dict[str, Any]]:
    """Measure the same for series of other make."""
    rng = np.random.default_rng([SEED, 3])
    return [
        {"series": name, "n": n, "coverage": _covered(make(rng, (series, n)))}
        for name, make in OTHERS.items()
        for n in FRAMES
    ]


def _covered(values: Floats) -> float:
    found = [mean_of_series(row) for row in values]
    return round(float(np.mean([abs(m.mean) < 1.96 * m.standard_error for m in found])), 3)


def frame_errors(rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    """Errors of n means of face frames around their truth, and the standard errors found.

    Utterances have 30 to 600 frames; ten in a row share a face track.
    """
    lengths = rng.choice([30, 45, 60, 90, 150, 300, 600], n)
    spread = FRAME_SD * np.exp(rng.normal(0, 0.5, n))
    values = [
        sd * autoregression(rng, (length,), FRAME_LAG1)
        for sd, length in zip(spread, lengths, strict=True)
    ]
    means = [mean for i in range(0, n, 10) for mean in means_of_series(values[i : i + 10])]
    return np.array([m.mean for m in means]), np.array([m.standard_error for m in means])


def sessions(
    rng: np.random.Generator, truth: Floats, frames: tuple[Floats, Floats], *, tails: bool = False
) -> pd.DataFrame:
    """Measure true differences (n, 2) with a voice and a face that err."""
    n = len(truth)
    table = pd.DataFrame({"video_id": "v", "speaker": "a", "start": np.arange(n, dtype=float)})
    # Errors of the voice may have heavy tails, though their root mean square is the same.
    shocks = rng.standard_t(4, (n, 2)) / np.sqrt(2) if tails else rng.normal(size=(n, 2))
    for k, axis in enumerate(("valence", "arousal")):
        face = rng.normal(0, 0.2, n)
        drawn = rng.integers(0, len(frames[0]), n)
        table[f"speech_{axis}"] = face + truth[:, k] + VOICE_ERROR * shocks[:, k]
        table[f"face_{axis}"] = face + rng.normal(0, FACE_ERROR, n) + frames[0][drawn]
        table[f"face_{axis}_se"] = frames[1][drawn]
    return table


def rule() -> DissonanceSettings:
    """Equation 1 with the errors of the simulated models."""
    return DissonanceSettings(
        threshold=THRESHOLD,
        error_speech_valence=VOICE_ERROR,
        error_speech_arousal=VOICE_ERROR,
        error_face_valence=FACE_ERROR,
        error_face_arousal=FACE_ERROR,
    )


def bins(said: Floats, true: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Mean probability and share that is true in each tenth of the scale."""
    place = np.minimum((said * 10).astype(int), 9)
    return [
        {
            "said": round(float(said[place == b].mean()), 3),
            "true": round(float(true[place == b].mean()), 3),
            "n": int((place == b).sum()),
        }
        for b in range(10)
        if (place == b).any()
    ]


def _judged(table: pd.DataFrame, truth: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    said = reflag(table, rule())["dissonance_probability"].to_numpy(np.float64)
    return said, np.abs(truth).max(axis=1) > THRESHOLD


def reliability(utterances: int) -> list[dict[str, Any]]:
    """Truth normal with a deviation of .4 on each axis, one run."""
    rng = np.random.default_rng([SEED, 4])
    truth = rng.normal(0, 0.4, (utterances, 2))
    frames = frame_errors(rng, min(2_000, utterances))
    return bins(*_judged(sessions(rng, truth, frames), truth))


def reliability_of_others(utterances: int) -> list[dict[str, Any]]:
    """Largest gap between said and true, over bins with more than 200 cases, in other worlds."""
    rng = np.random.default_rng([SEED, 5])

    def normal(n: int, sd: float = 0.4) -> Floats:
        return rng.normal(0, sd, (n, 2))

    def correlated(n: int) -> Floats:
        return rng.multivariate_normal([0.2, -0.1], [[0.16, 0.1], [0.1, 0.16]], n)

    def mostly_none(n: int) -> Floats:
        return np.where(rng.random((n, 1)) < 0.8, 0.1, 0.8) * rng.normal(size=(n, 2))

    worlds: dict[str, tuple[Callable[[int], Floats], int, bool]] = {
        "normal, SD .4": (normal, utterances, False),
        "normal, SD .4; sessions of 100 apart": (normal, 100, False),
        "normal, SD .4; sessions of 40 apart": (normal, 40, False),
        "normal, SD .25": (lambda n: normal(n, 0.25), utterances, False),
        "normal, SD .6": (lambda n: normal(n, 0.6), utterances, False),
        "heavy tails (t with 3 df, SD .4)": (
            lambda n: rng.standard_t(3, (n, 2)) * 0.4 / np.sqrt(3), utterances, False),
        "axes correlated (.6), means .2 and -.1": (correlated, utterances, False),
        "four in five SD .1, one in five SD .8": (mostly_none, utterances, False),
        "normal, SD .4; the voice's errors with heavy tails (t with 4 df)": (
            normal, utterances, True),
    }  # fmt: skip
    frames = frame_errors(rng, min(1_000, utterances))
    found = []
    for name, (make, size, tails) in worlds.items():
        said, true = [], []
        for _ in range(utterances // size):
            truth = make(size)
            judged = _judged(sessions(rng, truth, frames, tails=tails), truth)
            said.append(judged[0])
            true.append(judged[1])
        gaps = [
            (b["said"], b["true"], b["n"])
            for b in bins(np.concatenate(said), np.concatenate(true))
            if b["n"] > 200
        ]
        worst = max(gaps, key=lambda gap: abs(gap[0] - gap[1]))
        found.append(dict(zip(("truth", "said", "true", "n"), (name, *worst), strict=True)))
    return found


def rejections(null: Null, layout: tuple[int, int], tables: int) -> list[dict[str, Any]]:
    """Share of tables, voice and face independent, in which chance() finds p <= .05."""
    n_sessions, n = layout
    found = []
    for lag1 in NULL_LAGS:
        rng = np.random.default_rng([SEED, 6, n, int(100 * lag1)])
        hits = 0
        for _ in range(tables):
            values = 0.4 * autoregression(rng, (4, n_sessions, n), lag1).reshape(4, -1)
            names = ("speech_valence", "speech_arousal", "face_valence", "face_arousal")
            table = pd.DataFrame(dict(zip(names, values, strict=True)))
            table["video_id"] = np.repeat([f"v{i}" for i in range(n_sessions)], n)
            table["speaker"] = "a"
            p = chance(table, threshold=THRESHOLD, null=null, n_pairings=199).p_value
            hits += p <= 0.05
        found.append(
            {"lag1": lag1, "sessions": n_sessions, "utterances": n, "null": null,
             "rejected": round(hits / tables, 3)}
        )  # fmt: skip
    return found


def simulate(scale: float = 1.0, *, processes: int = 2) -> dict[str, list[dict[str, Any]]]:
    """Answer all questions; a smaller scale is quicker and less exact."""
    null = [
        (kind, layout, int(size * scale))
        for kind, size in (("shift", 400), ("permutation", 80))
        for layout in LAYOUTS
    ]
    jobs: list[tuple[str, Callable[..., list[dict[str, Any]]], tuple[Any, ...]]] = [
        ("reliability", reliability, (int(20_000 * scale),)),
        *(("null", rejections, given) for given in null),
        ("reliability_of_others", reliability_of_others, (int(8_000 * scale),)),
        ("coverage", coverage, (int(500 * scale),)),
        ("coverage_of_tracks", coverage_of_tracks, (int(25 * scale),)),
        ("coverage_of_others", coverage_of_others, (int(250 * scale),)),
    ]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name, _, _ in jobs}
    if processes == 1:
        for name, work, given in jobs:
            found[name] += work(*given)
        return found
    with ProcessPoolExecutor(processes) as pool:
        waiting = [(name, pool.submit(work, *given)) for name, work, given in jobs]
        for name, job in waiting:
            found[name] += job.result()
    return found


# --- for people ---------------------------------------------------------------------------------


def table_of(rows: list[list[str]]) -> str:
    """Lay rows out in Markdown, the first as the head."""
    head, *rest = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rest))


def parts(found: dict[str, list[dict[str, Any]]]) -> dict[str, str]:
    """Tables by the names of their places in the guide."""

    def square(rows: list[dict[str, Any]], side: str) -> str:
        names = list(dict.fromkeys(row[side] for row in rows))
        values = {(row[side], row["n"]): f"{row['coverage']:.2f}" for row in rows}
        head = ["lag-1 correlation" if side == "lag1" else "series", *map(str, FRAMES)]
        return table_of([head, *([str(x), *(values[x, n] for n in FRAMES)] for x in names)])

    rejected = {
        (row["null"], row["sessions"], row["lag1"]): f"{row['rejected']:.3f}"
        for row in found["null"]
    }
    return {
        "coverage": square(found["coverage"], "lag1"),
        "coverage_of_tracks": square(found["coverage_of_tracks"], "lag1"),
        "coverage_of_others": square(found["coverage_of_others"], "series"),
        "reliability": table_of(
            [
                ["said, mean of the bin", "true", "utterances"],
                *(
                    [f"{b['said']:.2f}", f"{b['true']:.2f}", f"{b['n']:,}"]
                    for b in found["reliability"]
                ),
            ]
        ),
        "reliability_of_others": table_of(
            [
                ["true differences", "said", "true", "utterances in that bin"],
                *(
                    [b["truth"], f"{b['said']:.2f}", f"{b['true']:.2f}", f"{b['n']:,}"]
                    for b in found["reliability_of_others"]
                ),
            ]
        ),
        "null": table_of(
            [
                ["re-paired by", "sessions", *(f"lag-1 {lag1:g}" for lag1 in NULL_LAGS)],
                *(
                    [null, f"{n_sessions} of {n}"]
                    + [rejected[null, n_sessions, lag1] for lag1 in NULL_LAGS]
                    for null in ("shift", "permutation")
                    for n_sessions, n in LAYOUTS
                ),
            ]
        ),
    }


def draw(found: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Draw said against true, with the binomial error of each bin."""
    import matplotlib as mpl

    mpl.use("Agg")
    from emodiss.plots import style

    rows = found["reliability"]
    said, true, n = (np.array([b[name] for b in rows]) for name in ("said", "true", "n"))
    with style.house_style():
        ax = style.axes_or_new(None, width=4.6, height=4.4)
        line = np.array([0.0, 1.0])
        ax.fill_between(line, line - 0.05, line + 0.05, color=style.QUIET, alpha=0.25, lw=0,
                        label="within 5 points")  # fmt: skip
        ax.plot(line, line, color=style.QUIET, lw=1, ls="--")
        half = 1.96 * np.sqrt(np.maximum(true * (1 - true), 0.25 / n) / n)
        ax.errorbar(said, true, yerr=half, color=style.FLAG, marker="o", ms=4, lw=1.2,
                    label="flags (bars: 95 %)")  # fmt: skip
        ax.bar(said, n / n.sum(), width=0.06, color=style.QUIET, alpha=0.5, lw=0,
               label="share of utterances")  # fmt: skip
        ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="probability that is said",
               ylabel="share that is truly past T")  # fmt: skip
        ax.legend(loc="upper left", fontsize=8)
        figure = ax.figure
        figure.savefig(path, dpi=130, metadata={"Software": None})  # pyright: ignore[reportAttributeAccessIssue]


def write(tables: dict[str, str]) -> None:
    """Put the tables between their markers in the guide."""
    text = GUIDE.read_text(encoding="utf-8")
    for name, table in tables.items():
        pattern = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
        if not pattern.search(text):
            raise SystemExit(f"{GUIDE.name} lacks the part '{name}'.")
        text = pattern.sub(lambda m, table=table: f"{m[1]}{table}\n{m[2]}", text)
    GUIDE.write_text(text, encoding="utf-8")


def main() -> None:
    """Simulate and show."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--plot", type=Path, help="draw the reliability of probabilities")
    parser.add_argument("--write", action="store_true", help="renew the guide and its picture")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual cases")
    chosen = parser.parse_args()
    found = simulate(chosen.scale)
    if chosen.plot:
        draw(found, chosen.plot)
    if chosen.write:
        draw(found, PICTURE)
        write(parts(found))
    if chosen.json:
        print(json.dumps(found, indent=1))
        return
    for name, table in parts(found).items():
        print(f"{name.replace('_', ' ')}\n\n{table}\n")


if __name__ == "__main__":
    main()
