"""Fuzz every reader: python -m tests.fuzz --n 100000 --seed 1 [--only vtt] [--processes 2]."""

from __future__ import annotations

import argparse
import collections
import itertools
import logging
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from emodiss.errors import EmodissError
from tests.fuzz.fuzzer import Fuzzer
from tests.fuzz.mutation import mutated
from tests.fuzz.readers import fuzzers

SLOW_S = 2.0
"""CPU seconds that no input may take."""


@dataclass
class Tally:
    """What became of the inputs of one reader."""

    name: str
    inputs: int = 0
    returned: int = 0
    codes: collections.Counter[str] = field(default_factory=collections.Counter)
    # By kind and place, each with the first input that shows it.
    untyped: dict[str, tuple[int, int]] = field(default_factory=dict)
    slowest: tuple[float, int] = (0.0, -1)
    seconds: float = 0.0

    @property
    def n_untyped(self) -> int:
        """How many inputs ended in anything but a result or an error of emodiss."""
        return sum(n for n, _ in self.untyped.values())


def content_of(name: str, fuzzer: Fuzzer, seed: int, number: int) -> bytes:
    """Make one input; number and seed make it again."""
    rng = random.Random(f"{seed}:{name}:{number}")
    return mutated(fuzzer.seeds, rng)


def as_bytes(content: str | bytes) -> bytes:
    """Give what a file is to hold."""
    return content.encode() if isinstance(content, str) else content


def placed(fuzzer: Fuzzer, folder: Path) -> Path:
    """Lay what a reader needs beside its file, and return where its file goes."""
    for name, content in fuzzer.beside.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(as_bytes(content))
    path = folder / fuzzer.file
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def tried(name: str, fuzzer: Fuzzer, numbers: Iterable[int], seed: int) -> Tally:
    """Give a reader many inputs."""
    tally = Tally(name)
    begun = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        path = placed(fuzzer, Path(folder))
        for number in numbers:
            path.write_bytes(content_of(name, fuzzer, seed, number))
            tally.inputs += 1
            start = time.process_time()
            try:
                fuzzer.read(path)
                tally.returned += 1
            except EmodissError as error:
                if fuzzer.never:
                    _note(tally, error, number)
                tally.codes[error.code] += 1
            except Exception as error:
                _note(tally, error, number)
            tally.slowest = max(tally.slowest, (time.process_time() - start, number))
    tally.seconds = time.process_time() - begun
    return tally


def _note(tally: Tally, error: Exception, number: int) -> None:
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "/emodiss/" in f.filename]
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "the fuzzer"
    kind = f"{type(error).__name__} at {place}"
    n, first = tally.untyped.get(kind, (0, number))
    tally.untyped[kind] = (n + 1, first)


def _known(only: list[str] | None) -> dict[str, Fuzzer]:
    """Readers of the suite, and those of models where they are asked for."""
    known = fuzzers()
    if only is not None and known.keys() >= set(only):
        return known
    from tests.fuzz import models

    return {**known, **models.fuzzers()}


def _job(name: str, numbers: range, seed: int) -> Tally:
    logging.disable(logging.CRITICAL)
    return tried(name, _known([name])[name], numbers, seed)


def _merged(parts: Iterable[Tally]) -> Tally:
    first, *others = parts
    for one in others:
        first.inputs += one.inputs
        first.returned += one.returned
        first.codes += one.codes
        first.seconds += one.seconds
        first.slowest = max(first.slowest, one.slowest)
        for kind, (n, number) in one.untyped.items():
            before, at = first.untyped.get(kind, (0, number))
            first.untyped[kind] = (before + n, min(at, number))
    return first


def _all(names: list[str], n: int, seed: int, processes: int) -> Iterator[Tally]:
    if processes < 2:
        for name in names:
            yield _job(name, range(n), seed)
        return
    with ProcessPoolExecutor(processes) as pool:
        for name in names:
            edges = [n * k // processes for k in range(processes + 1)]
            parts = [
                pool.submit(_job, name, range(a, b), seed) for a, b in itertools.pairwise(edges)
            ]
            yield _merged(part.result() for part in parts)


def main() -> int:
    """Run and print a table; 1 if anything was untyped or slow."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--n", type=int, default=1000, help="inputs per reader")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", help="one reader; repeatable")
    parser.add_argument("--skip", action="append", default=[], help="not this reader; repeatable")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--show", type=int, help="print input number SHOW of --only and its fault")
    asked = parser.parse_args()
    known = _known(asked.only)
    names = [name for name in asked.only or known if name not in asked.skip]
    if asked.show is not None:
        content = content_of(names[0], known[names[0]], asked.seed, asked.show)
        sys.stdout.buffer.write(content + b"\n")
        with tempfile.TemporaryDirectory() as folder:
            path = placed(known[names[0]], Path(folder))
            path.write_bytes(content)
            print("returned", known[names[0]].read(path))
        return 0
    print(
        f"{'reader':15} {'inputs':>8} {'read':>8} {'untyped':>7} {'CPU s':>7} {'slowest':>8}"
        "  errors"
    )
    bad = 0
    total = collections.Counter[str]()
    for tally in _all(names, asked.n, asked.seed, asked.processes):
        codes = ", ".join(f"{code} {n}" for code, n in tally.codes.most_common())
        print(
            f"{tally.name:15} {tally.inputs:8} {tally.returned:8} {tally.n_untyped:7} "
            f"{tally.seconds:7.1f} {tally.slowest[0]:7.3f}s  {codes}",
            flush=True,
        )
        for kind, (n, number) in sorted(tally.untyped.items()):
            print(f"    {n} x {kind}: --only {tally.name} --seed {asked.seed} --show {number}")
        if tally.slowest[0] > SLOW_S:
            print(f"    slow: --only {tally.name} --seed {asked.seed} --show {tally.slowest[1]}")
        bad += tally.n_untyped + (tally.slowest[0] > SLOW_S)
        total["inputs"] += tally.inputs
        total["untyped"] += tally.n_untyped
    print(f"{total['inputs']:,} inputs, {total['untyped']} untyped errors")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
