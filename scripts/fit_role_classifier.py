"""Fit the role classifier on AnnoMI and print what cross-validation says about it.

    python scripts/fit_role_classifier.py AnnoMI-simple.csv [--write]

AnnoMI (Wu, Balloccu, Kumar, Helaoui, Reiter, Reforgiato Recupero and Riboni 2022) is at
https://github.com/uccollab/AnnoMI; it states no licence, so only fitted numbers are kept.
Sessions of one video share people, so folds are cut between videos. `--write` stores the
coefficients in `emodiss/data/role_classifier.json`. Same input, same bytes.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emodiss.people.roles import (
    FEATURES,
    MIN_CONFIDENCE,
    Coefficients,
    Counts,
    count_features,
    score,
)
from emodiss.transcript import Utterance, read_annomi

PSEUDO_COUNT = 4.0
PENALTY = 1.0
WINDOW = 12
WINDOWS_PER_SESSION = 4
REPEATS, FOLDS, SEED = 5, 10, 0


Part = dict[str, Counts]  # what therapist and client say in some stretch, counted


@dataclass(frozen=True)
class Session:
    """One transcript, counted: whole, without punctuation and capitals, and in windows."""

    video: str
    whole: Part
    bare: Part
    windows: list[Part]


def load(path: Path) -> list[Session]:
    """Read the sessions and cut windows of `WINDOW` utterances with both voices."""
    with path.open(encoding="utf-8", newline="") as file:
        video = {row["transcript_id"]: row["video_url"] for row in csv.DictReader(file)}
    generator = np.random.default_rng(SEED)
    sessions: list[Session] = []
    for name, whole in read_annomi(path, strict=False).items():
        last = max(1, len(whole) - WINDOW + 1)
        starts = generator.choice(last, size=min(last, WINDOWS_PER_SESSION), replace=False)
        windows = [whole[start : start + WINDOW] for start in sorted(starts)]
        sessions.append(
            Session(
                video=video[name],
                whole=count_features(whole),
                bare=count_features([bare(utterance) for utterance in whole]),
                windows=[part for part in map(count_features, windows) if len(part) == 2],
            )
        )
    return sessions


def bare(utterance: Utterance) -> Utterance:
    """Take off what a recogniser without punctuation would not write."""
    return replace(utterance, text=re.sub(r"[^\w\s']", " ", utterance.text.lower()))


def common_means(sessions: Sequence[Session]) -> NDArray[np.float64]:
    """Average each feature over all speakers of all sessions."""
    shares = [counts.shares() for s in sessions for counts in s.whole.values()]
    return np.mean(np.array(shares), axis=0)


def difference(part: Part, means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Subtract the client's features from the therapist's."""
    shares = {who: np.array(c.shares(means, PSEUDO_COUNT)) for who, c in part.items()}
    return shares["therapist"] - shares["client"]


def fit(sessions: Sequence[Session]) -> Coefficients:
    """Fit by Newton's method: logistic loss on differences, ridge on standardised weights."""
    means = common_means(sessions)
    rows, masses = [], []
    for session in sessions:
        parts = [session.whole, *session.windows]
        for part in parts:
            rows.append(difference(part, means))
            masses.append(1.0 / len(parts))  # every session counts once
    x, mass = np.array(rows), np.array(masses)
    scale = np.sqrt(np.average(x**2, axis=0, weights=mass))
    x = x / scale
    weights = np.zeros(x.shape[1])
    for _ in range(100):
        chance = 1 / (1 + np.exp(-x @ weights))  # of the therapist being the first of the pair
        gradient = x.T @ (mass * (1 - chance)) - PENALTY * weights
        curvature = (x * (mass * chance * (1 - chance))[:, None]).T @ x
        step = np.linalg.solve(curvature + PENALTY * np.eye(len(weights)), gradient)
        weights = weights + step
        if np.abs(step).max() < 1e-10:
            break
    return Coefficients(weights / scale, means, PSEUDO_COUNT)


def margin(part: Part, fitted: Coefficients) -> float:
    """Logit of the therapist being the therapist."""
    return score(part["therapist"], fitted) - score(part["client"], fitted)


@dataclass(frozen=True)
class Held:
    """Logits of sessions, and of their windows, by coefficients that never saw their video."""

    whole: NDArray[np.float64]  # (n_sessions,)
    bare: NDArray[np.float64]  # (n_sessions,)
    windows: NDArray[np.float64]  # (n_windows,)


def cross_validate(sessions: Sequence[Session], seed: int) -> Held:
    """Fit on nine tenths of the videos, judge the sessions of the rest, in turn."""
    videos = sorted({session.video for session in sessions})
    fold = dict(zip(videos, np.random.default_rng(seed).permutation(len(videos)), strict=True))
    whole, stripped, windows = [], [], []
    for held in range(FOLDS):
        fitted = fit([s for s in sessions if fold[s.video] % FOLDS != held])
        for session in (s for s in sessions if fold[s.video] % FOLDS == held):
            whole.append(margin(session.whole, fitted))
            stripped.append(margin(session.bare, fitted))
            windows += [margin(window, fitted) for window in session.windows]
    return Held(np.array(whole), np.array(stripped), np.array(windows))


def figures(logits: NDArray[np.float64]) -> dict[str, float]:
    """Share right; share answered at `MIN_CONFIDENCE` and share right of those."""
    chance = 1 / (1 + np.exp(-np.abs(logits)))
    answered = chance >= MIN_CONFIDENCE
    return {
        "n": len(logits),
        "right": round(float((logits > 0).mean()), 4),
        "answered": round(float(answered.mean()), 4),
        "right_and_answered": round(float((answered & (logits > 0)).mean()), 4),
        "right_of_answered": round(float((logits[answered] > 0).mean()), 4),
        "mean_confidence": round(float(chance.mean()), 4),
    }


def main() -> None:
    """Print the cross-validation, and store the coefficients if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("annomi", type=Path, help="AnnoMI-simple.csv")
    parser.add_argument("--write", action="store_true", help="store the coefficients")
    options = parser.parse_args()
    sessions = load(options.annomi)
    held = [cross_validate(sessions, seed) for seed in range(REPEATS)]
    report = {
        "sessions": [figures(h.whole) for h in held],
        "sessions_without_punctuation": [figures(h.bare) for h in held],
        "windows": [figures(h.windows) for h in held],
    }
    for kind, rows in report.items():
        for seed, row in enumerate(rows):
            print(kind, "seed", seed, *(f"{name}={value}" for name, value in row.items()))
    fitted = fit(sessions)
    for name, weight, mean in zip(FEATURES, fitted.weights, fitted.means, strict=True):
        print(f"{name:16} weight {weight:8.3f}   mean {mean:.4f}")
    if options.write:
        stored = {
            "about": "Role classifier of emodiss: logistic regression on differences between "
            "speakers. Fitted by scripts/fit_role_classifier.py; numbers only, no text.",
            "fitted_on": "AnnoMI-simple.csv, 133 sessions of 119 videos, "
            "https://github.com/uccollab/AnnoMI at 42936645; Wu et al. 2022, ICASSP, "
            "doi:10.1109/ICASSP43922.2022.9746035",
            "validation": {
                "method": f"{REPEATS} times {FOLDS}-fold, folds cut between videos; windows of "
                f"{WINDOW} utterances; answered means confidence >= {MIN_CONFIDENCE}",
                **report,
            },
            "features": list(FEATURES),
            "weights": [round(float(weight), 6) for weight in fitted.weights],
            "means": [round(float(mean), 6) for mean in fitted.means],
            "pseudo_count": PSEUDO_COUNT,
        }
        target = Path(__file__).parents[1] / "emodiss" / "data" / "role_classifier.json"
        target.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
