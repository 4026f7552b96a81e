"""Long and hostile text for every reader: what doubles in length may not take four times as long.

By command: python -m tests.fuzz.shapes [--only vtt] [--size 30000]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import random
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emodiss.errors import EmodissError
from tests.fuzz.__main__ import placed
from tests.fuzz.fuzzer import Fuzzer
from tests.fuzz.readers import fuzzers

UNITS = (
    *(" ", "\n", "\t", "\n\n", " \n", "a", "A ", "A. ", "é", "(", "[", "{", "<", '"', "'", "`"),
    *(")", "]", "}", ">", "[a", "(a ", "<v a", "<v ", "<b>", "</b>", "<00:00:01.000>", "{\\", "*"),
    *("_", "* ", "# ", "-", "--", "- ", "-->", ">> ", "> ", ":", "a:", "A: b\n", "A:\n", "1", "1 "),
    *(
        "1\n",
        "1.",
        "1,",
        "1.1",
        "0:",
        "00:",
        "1/5 ",
        "&",
        "&#1",
        "&amp;",
        ";",
        ",",
        ",\n",
        "|",
        "=",
        "\\",
    ),
    *(
        "\\u",
        "\\ud800",
        '","',
        '":{"a',
        "[{",
        "a\n\n",
        "a\n \n",
        "a -->",
        "\u266a",
        "\u2028",
        "李",
        "李：",
    ),
    *("technique ", "Technique: a ", "Technique:\n", "response: ", "<technique>x</technique>\n"),
    *("<technique>x</technique><response>", "Therapist: ", "Therapist (", "Score ", "Score: 4\n"),
    *(
        "empathy (",
        "<think>",
        "</think>",
        "<|im_start|>",
        "```\n",
        "```a\n{",
        "~~~\n",
        "Here is: \n",
    ),
    *(
        "I can't ",
        "the patient ",
        "name1 ",
        "Dr. ",
        "a@b.",
        "From a To b: ",
        "A, B, ",
        "1:00 ",
        "No. ",
    ),
    *(
        "00:00:01.000 --> 00:00:02.000\nx\n",
        "00:00:01,000 --> 00:00:02,000\n",
        "NOTE\n",
        "WEBVTT\n",
    ),
)
"""What is repeated."""

_TOKEN = re.compile(r"\w+|\s+|[^\w\s]+")


def texts(fuzzer: Fuzzer, size: int) -> Iterator[tuple[str, str]]:
    """Give names and texts of a size: units repeated at places of sound inputs, and many rows."""
    for n, seed in enumerate(seed for seed in fuzzer.seeds if isinstance(seed, str)):
        rng = random.Random(n)
        ends = [0, *(match.end() for match in _TOKEN.finditer(seed))]
        for unit in UNITS:
            many = unit * (size // len(unit))
            yield f"{unit!r} alone", many
            for at in sorted({ends[-1], *rng.sample(ends, min(3, len(ends)))}):
                yield f"{unit!r} at {at} of seed {n}", seed[:at] + many + seed[at:]
        yield from _rows(n, seed, size)


def _rows(n: int, seed: str, size: int) -> Iterator[tuple[str, str]]:
    """Many rows alike, and many that differ in names and numbers."""
    try:
        tree = json.loads(seed)
    except ValueError:
        lines = seed.split("\n")
        k = size // max(1, len(seed)) + 1
        yield f"rows of seed {n}", "\n".join([lines[0], *lines[1:] * k])
        yield f"seed {n} again and again", seed * k
        for only in range(1, min(len(lines), 6)):
            k = size // (len(lines[only]) + 4) + 1
            told_apart = (
                re.sub(r"([A-Za-z])\b", rf"\g<1>{i}", lines[only], count=2) for i in range(k)
            )
            yield f"line {only} of seed {n}, told apart", "\n".join([*lines[:only], *told_apart])
        wide = size // 8
        yield f"wide header, seed {n}", lines[0] + "".join(f",x_{i}" for i in range(wide)) + "\n"
        return
    for place in _lists(tree):
        made = json.loads(seed)
        found = made
        for step in place:
            found = found[step]
        one = json.dumps(found[0])
        k = size // (len(one) + 4) + 1
        found[:] = [_told_apart(json.loads(one), i) for i in range(k)]
        yield f"many at {place}, seed {n}", json.dumps(made)
        found[:] = [json.loads(one)] * k
        yield f"many alike at {place}, seed {n}", json.dumps(made)
    yield f"many keys, seed {n}", json.dumps({f"k{i}": i for i in range(size // 12)})


def _lists(node: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(node, list) and node:
        yield place
    for key in (node if isinstance(node, dict) else range(len(node))) if node else ():
        if isinstance(node[key], dict | list):
            yield from _lists(node[key], (*place, key))


def _told_apart(node: Any, i: int) -> Any:
    if isinstance(node, dict):
        return {k: _told_apart(v, i) for k, v in node.items()}
    if isinstance(node, list):
        return [_told_apart(v, i) for v in node]
    if isinstance(node, str):
        return f"{node}{i}"
    return node + i / 10 if isinstance(node, int | float) and not isinstance(node, bool) else node


def seconds(fuzzer: Fuzzer, path: Path, text: str) -> float:
    """CPU seconds that one input takes, the least of two tries."""
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    took: list[float] = []
    while len(took) < 2 and (not took or took[0] > 0.02):
        begun = time.process_time()
        with contextlib.suppress(EmodissError):
            fuzzer.read(path)
        took.append(time.process_time() - begun)
    return min(took)


def main() -> int:
    """Print what takes more than in proportion; 1 if anything does."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.shapes", description=__doc__)
    parser.add_argument("--only", action="append")
    parser.add_argument("--size", type=int, default=30_000)
    parser.add_argument("--limit", type=float, default=2.0, help="CPU s per million characters")
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    slow = n = 0
    for name in asked.only or fuzzers():
        fuzzer, shown = fuzzers()[name], set[str]()
        worst = 0.0
        with tempfile.TemporaryDirectory() as folder:
            path = placed(fuzzer, Path(folder))
            for what, text in texts(fuzzer, asked.size):
                if len(text) < asked.size / 4:
                    continue
                n += 1
                took = seconds(fuzzer, path, text)
                per_million = took / len(text) * 1e6
                worst = max(worst, per_million)
                unit = what.split(" at ")[0]
                if per_million > asked.limit and unit not in shown:
                    shown.add(unit)
                    slow += 1
                    print(f"  {name}: {what}: {took:.3f} s for {len(text)}", flush=True)
        print(f"{name:14} at worst {worst:.2f} CPU s per million characters", flush=True)
    print(f"{n:,} texts, {slow} slow")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
