"""Check by simulation that the statistics find what was put in: coverage of 95 % intervals.

Every simulated study has the paper's crossing (videos x models x conditions x raters), stated
effects, severe and mild raters and missing ratings; the truth is known in closed form. Two worlds:

crossed   ratings of one response share that response's quality (realistic)
paired    ratings of one response share nothing but the video and the rater

Run: python scripts/simulate_study.py --n 500 --mixed 40 --processes 2

Every study has its own seed, so the result does not depend on the number of processes.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache, partial
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import studentized_range

from emodiss import statistics
from emodiss.ratings import Simulated, simulate

CRITERION = "empathy"
WORLDS = {"crossed": {"item_sd": 0.45}, "paired": {"item_sd": 0.0}}

Covered = tuple[bool, float]  # was the truth inside, and how wide was the interval


def covers(low: Iterable[float], high: Iterable[float], truth: Iterable[float]) -> list[Covered]:
    """Compare intervals with the truth; an undefined interval counts as a miss."""
    triples = zip(low, high, truth, strict=True)
    return [(bool(a <= t <= b), float(b - a)) for a, b, t in triples]


@cache
def critical_value(k: int, df: int) -> float:
    """Return the 95 % point of the studentized range."""
    return float(studentized_range.ppf(0.95, k, df))


def one_study(study: Simulated, resamples: int, seed: int, mixed: bool) -> dict[str, list[Covered]]:
    """Run every method on one study."""
    table, truth = study.table, study.truth
    base = str(truth["condition"].iloc[0])
    pooled_truth = study.pooled_gain()
    boot = {"bootstrap": statistics.Bootstrap(resamples=resamples, seed=seed)}
    out: dict[str, list[Covered]] = {}

    by_model = statistics.gains(table, base=base, **boot).merge(truth, on=["model", "condition"])
    out["gain per model, cluster bootstrap"] = covers(
        by_model["low"], by_model["high"], by_model["gain_y"]
    )
    for name, matched in (("", False), (", matched ratings", True)):
        pooled = statistics.gains(table, base=base, by=(), matched=matched, **boot)
        out[f"pooled gain, cluster bootstrap{name}"] = covers(
            pooled["low"], pooled["high"], pooled_truth[pooled["condition"]]
        )

    naive = statistics.anova_oneway(table["value"], table["condition"])
    n = dict(zip(naive.groups, naive.n, strict=True))
    mean = dict(zip(naive.groups, naive.means, strict=True))
    others = [c for c in naive.groups if c != base]
    half = [1.96 * math.sqrt(naive.ms_within * (1 / n[base] + 1 / n[c])) for c in others]
    gain = [mean[c] - mean[base] for c in others]
    out["pooled gain, one-way ANOVA's error (naive, one at a time)"] = covers(
        np.subtract(gain, half), np.add(gain, half), pooled_truth[others]
    )
    # Same formula as tukey_from_summary; its quantile hardly moves with df and is slow, so cached.
    q = float(critical_value(len(naive.groups), round(naive.df_within, -3)))
    each = []
    for a, b in combinations(naive.groups, 2):
        width = q * math.sqrt(naive.ms_within / 2 * (1 / n[a] + 1 / n[b]))
        gap = mean[b] - mean[a]
        each += covers([gap - width], [gap + width], [pooled_truth[b] - pooled_truth[a]])
    out["all six differences, Tukey HSD (naive, whole family)"] = [
        (all(hit for hit, _ in each), float(np.mean([width for _, width in each])))
    ]

    if mixed:
        for name, random in (
            ("video + item", ("video", "item")),
            ("video only", ("video",)),
        ):
            fit = statistics.mixed_model(table, CRITERION, base=base, random=random)  # type: ignore[arg-type]
            average = fit.effects[fit.effects["model"] == "all"]
            out[f"pooled gain, mixed model ({name})"] = covers(
                average["low"], average["high"], pooled_truth[average["condition"]]
            )

    harsh = statistics.severity(table, **boot).merge(study.severity, on="rater")
    out["rater effect, cluster bootstrap"] = covers(harsh["low"], harsh["high"], harsh["severity"])
    return out


def judge_study(
    study: Simulated, resamples: int, seed: int, truth: dict[str, float]
) -> dict[str, list[Covered]]:
    """Cover the correlations of Table 3."""
    found = statistics.judge_correlations(
        study.table,
        study.judge,
        methods=list(truth),
        bootstrap=statistics.Bootstrap(resamples=resamples, seed=seed),
    )
    return {
        f"judge {row.method}, cluster bootstrap": covers([row.low], [row.high], [truth[row.method]])
        for row in found.itertuples()
    }


def true_correlations(world: dict[str, float], missing: float, n_videos: int) -> dict[str, float]:
    """Take the correlations of one very large study as the truth; they have no closed form."""
    large = simulate(n_videos=n_videos, missing=missing, seed=987_654_321, **world)
    pairs = statistics.judge_pairs(large.table, large.judge)
    return {
        method: statistics.correlation(pairs["expert"], pairs["score"], method).statistic
        for method in ("pearson", "spearman", "kendall")
    }


def numbered_study(
    i: int, *, world: str, args: argparse.Namespace, correlations: dict[str, float]
) -> dict[str, list[Covered]]:
    """Simulate and analyse study number i of a world."""
    seed = args.seed + i
    study = simulate(n_videos=args.videos, missing=args.missing, seed=seed, **WORLDS[world])
    results = one_study(study, args.resamples, seed, mixed=i < args.mixed)
    return results | judge_study(study, args.resamples, seed, correlations)


def all_studies(world: str, args: argparse.Namespace) -> Iterator[dict[str, list[Covered]]]:
    """Yield the results of all studies of a world in order of number."""
    correlations = true_correlations(dict(WORLDS[world]), args.missing, args.truth_videos)
    work = partial(numbered_study, world=world, args=args, correlations=correlations)
    if args.processes == 1:
        yield from map(work, range(args.n))
        return
    # A fresh interpreter per process reads this; more threads than cores would slow both down.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with multiprocessing.get_context("spawn").Pool(args.processes) as pool:
        yield from pool.imap(work, range(args.n), chunksize=1)


def run(world: str, args: argparse.Namespace) -> pd.DataFrame:
    """Simulate one world."""
    hits: dict[str, list[list[Covered]]] = defaultdict(list)
    started = time.monotonic()
    for done, results in enumerate(all_studies(world, args), 1):
        for name, covered in results.items():
            hits[name].append(covered)
        if sys.stderr.isatty() or done % 50 == 0 or done == args.n:
            took = time.monotonic() - started
            end = "\r" if sys.stderr.isatty() and done < args.n else "\n"
            print(f"{world}: {done}/{args.n} studies, {took:.0f} s", end=end, file=sys.stderr)
    rows = []
    for name, studies in hits.items():
        share = np.array([np.mean([hit for hit, _ in study]) for study in studies])
        width = np.mean([width for study in studies for _, width in study])
        # Intervals of one study are dependent; studies are not, so they give the error.
        error = share.std(ddof=1) / math.sqrt(len(share)) if len(share) > 1 else math.nan
        rows.append(
            {
                "world": world,
                "interval": name,
                "coverage_%": 100 * share.mean(),
                "mc_error_%": 100 * error,
                "mean_width": width,
                "studies": len(studies),
                "intervals": sum(len(study) for study in studies),
            }
        )
    return pd.DataFrame(rows)


def show(result: pd.DataFrame) -> None:
    """Print the coverage of each interval, world by world."""
    print("Coverage of 95 % intervals: share that holds the truth, +/- its standard error over")
    print("studies. Below 95 the interval claims too much, above it too little.")
    width = int(result["interval"].str.len().max())
    for world, rows in result.groupby("world", sort=False):
        print(f"\n{world}\n  {'interval':<{width}}  coverage %     mean width  studies  intervals")
        for row in rows.to_dict("records"):
            share = f"{row['coverage_%']:5.1f} +/- {row['mc_error_%']:3.1f}"
            counts = f"{row['studies']:7d}  {row['intervals']:9d}"
            print(f"  {row['interval']:<{width}}  {share}  {row['mean_width']:10.3f}  {counts}")


def main() -> None:
    """Parse the command line, simulate, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--n", type=int, default=500, help="studies per world")
    parser.add_argument("--videos", type=int, default=100, help="videos per study")
    parser.add_argument("--missing", type=float, default=0.224, help="share of missing ratings")
    parser.add_argument("--resamples", type=int, default=1000, help="bootstrap resamples")
    parser.add_argument("--mixed", type=int, default=50, help="studies that get the mixed models")
    parser.add_argument("--worlds", nargs="+", choices=list(WORLDS), default=list(WORLDS))
    parser.add_argument(
        "--truth-videos", type=int, default=5000, help="videos behind the true correlations"
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the first study")
    parser.add_argument("--processes", type=int, default=1, help="studies worked on at once")
    parser.add_argument("--csv", action="store_true", help="print CSV instead of a table")
    args = parser.parse_args()
    if args.n < 1:
        parser.error("--n must be 1 or more")
    if args.processes < 1:
        parser.error("--processes must be 1 or more")
    result = pd.concat([run(world, args) for world in args.worlds], ignore_index=True)
    if args.csv:
        print(result.to_csv(index=False), end="")
    else:
        show(result)


if __name__ == "__main__":
    main()
