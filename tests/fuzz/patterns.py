"""Time every regular expression of the package on text made against it: none may take its square.

By command: python -m tests.fuzz.patterns [--size 3000]
"""

from __future__ import annotations

import argparse
import ast
import importlib
import random
import re
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from re import (
    _constants as sre,  # pyright: ignore
    _parser as parser,  # pyright: ignore
)
from typing import Any

import emodiss
from tests.fuzz.__main__ import as_bytes, placed
from tests.fuzz.readers import fuzzers

ROOT = Path(emodiss.__file__).parent
_LOOK = ("search", "match", "fullmatch", "sub", "split", "findall", "finditer")
ENDS = ("", "\0")
"""What keeps a long stretch from being the end."""
SLOW_S_PER_CHARACTER = 1e-6
"""CPU seconds that need a look at twice the length; a step of the engine takes some 1e-8."""


@dataclass(frozen=True)
class Use:
    """A pattern, where it stands, and how it is looked for."""

    place: str
    pattern: re.Pattern[str]
    how: str


def uses(scratch: Path) -> list[Use]:
    """Patterns of the package: of its modules, of its functions, and those that readers make."""
    found: dict[tuple[str, int, str], Use] = {}
    called = defaultdict[str, set[str]](set)  # by name of a pattern, and by module
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in ROOT.rglob("*.py")}
    for path, tree in trees.items():
        place = path.relative_to(ROOT).as_posix()
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in _LOOK:
                of = node.value.value if isinstance(node.value, ast.Subscript) else node.value
                called[getattr(of, "id", "")].add(node.attr)
                if getattr(of, "id", "") != "re":
                    called[place].add(node.attr)
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            first = node.args[0] if node.args else None
            of_re = isinstance(node.func.value, ast.Name) and node.func.value.id == "re"
            if of_re and isinstance(first, ast.Constant) and isinstance(first.value, str):
                how = node.func.attr
                if how in _LOOK:
                    _add(found, Use(place, re.compile(first.value, _flags(node)), how))
    for path in trees:
        if "re.compile(" not in path.read_text(encoding="utf-8"):
            continue
        place = path.relative_to(ROOT)
        if place.parts[0] == "models" and place.parts[1] != "drawn_faces":
            continue  # read no text of others
        name = ".".join(["emodiss", *place.with_suffix("").parts]).removesuffix(".__init__")
        for known, value in vars(importlib.import_module(name)).items():
            for pattern in _patterns(value):
                for how in called[known] or {"search"}:
                    _add(found, Use(f"{place.as_posix()}:{known}", pattern, how))
    for place, pattern in _made(scratch):
        ways = called[place]
        for how in ways & {"search", "match", "fullmatch"} or ways or {"search"}:
            _add(found, Use(f"{place} (made)", pattern, how))
    return list(found.values())


def _flags(call: ast.Call) -> int:
    names = {node.attr for node in ast.walk(call) if isinstance(node, ast.Attribute)}
    return int(sum(re.RegexFlag[name] for name in names & set(re.RegexFlag.__members__)))


def _add(found: dict[tuple[str, int, str], Use], use: Use) -> None:
    if isinstance(use.pattern.pattern, str):
        found.setdefault((use.pattern.pattern, use.pattern.flags, use.how), use)


def _patterns(value: object) -> Iterator[re.Pattern[str]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _patterns(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _patterns(each)


def _made(scratch: Path) -> Iterator[tuple[str, re.Pattern[str]]]:
    """Patterns that functions make of names while they read."""
    kept: dict[tuple[str, int], str] = {}
    compiled = re.compile

    def compile(pattern: Any, flags: Any = 0) -> Any:
        file = Path(sys._getframe(1).f_code.co_filename)
        found = compiled(pattern, flags)
        if file.is_relative_to(ROOT) and isinstance(found.pattern, str):
            kept.setdefault((found.pattern, found.flags), file.relative_to(ROOT).as_posix())
        return found

    re.compile = compile
    try:
        for name, fuzzer in fuzzers().items():
            path = placed(fuzzer, scratch / name)
            for seed in fuzzer.seeds:
                path.write_bytes(as_bytes(seed))
                fuzzer.read(path)
    finally:
        re.compile = compiled
    for (text, flags), place in kept.items():
        yield place, re.compile(text, flags)


def attacks(pattern: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Give what comes first and what is repeated, from each repetition in a pattern."""
    rng = random.Random(0)
    seen = set[tuple[str, str]]()
    for before, body in _repeats(parser.parse(pattern.pattern, pattern.flags), "", rng):
        for unit in (body, before[-1:] + body):
            if unit and (before, unit) not in seen:
                seen.add((before, unit))
                yield before, unit


def _repeats(tree: Any, before: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    for op, value in tree:
        if op in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            _, most, inner = value
            if most > 3:
                for _ in range(2):
                    yield before, _sample(inner, rng)
            yield from _repeats(inner, before, rng)
        elif op is sre.SUBPATTERN:
            yield from _repeats(value[-1], before, rng)
        elif op is sre.BRANCH:
            for branch in value[1]:
                yield from _repeats(branch, before, rng)
        elif op in (sre.ASSERT, sre.ASSERT_NOT):
            yield from _repeats(value[1], before, rng)
            continue
        before += _sample([(op, value)], rng)


def _sample(tree: Any, rng: random.Random) -> str:
    """Make some text that a pattern fits."""
    out = ""
    for op, value in tree:
        if op is sre.LITERAL:
            out += chr(value)
        elif op is sre.NOT_LITERAL:
            out += next(c for c in "a ." if ord(c) != value)
        elif op is sre.ANY:
            out += "a"
        elif op is sre.IN:
            out += _one_of(value, rng)
        elif op in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            out += "".join(_sample(value[2], rng) for _ in range(max(value[0], min(1, value[1]))))
        elif op is sre.SUBPATTERN:
            out += _sample(value[-1], rng)
        elif op is sre.ATOMIC_GROUP:
            out += _sample(value, rng)
        elif op is sre.BRANCH:
            out += _sample(rng.choice(value[1]), rng)
    return out


_CLASSES = {
    sre.CATEGORY_DIGIT: "1",
    sre.CATEGORY_SPACE: " ",
    sre.CATEGORY_WORD: "a",
    sre.CATEGORY_NOT_DIGIT: "a",
    sre.CATEGORY_NOT_SPACE: "a",
    sre.CATEGORY_NOT_WORD: "-",
}


def _one_of(items: Any, rng: random.Random) -> str:
    if items[0][0] is sre.NEGATE:
        chars = (char for char in "a 1-.\n\"'[(<{" if not any(_holds(i, char) for i in items[1:]))
        return next(chars, "")
    op, value = rng.choice(items)
    if op is sre.LITERAL:
        return chr(value)
    return chr(value[0]) if op is sre.RANGE else _CLASSES[value]


def _holds(item: Any, char: str) -> bool:
    op, value = item
    if op is sre.LITERAL:
        return ord(char) == value
    if op is sre.RANGE:
        return value[0] <= ord(char) <= value[1]
    name = str(value)
    kind = (
        char.isdigit()
        if "DIGIT" in name
        else char.isspace()
        if "SPACE" in name
        else (char.isalnum() or char == "_")
    )
    return kind != ("_NOT_" in name)


def seconds(use: Use, text: str, enough: float) -> float:
    """CPU seconds that a look takes, the least of three unless that is little."""
    look = getattr(use.pattern, use.how)
    least = float("inf")
    for _ in range(3):
        begun = time.process_time()
        found = look("", text) if use.how == "sub" else look(text)
        if use.how == "finditer":
            for _match in found:
                pass
        least = min(least, time.process_time() - begun)
        if least < enough:
            break
    return least


def slow(use: Use, size: int) -> tuple[float, float, str] | None:
    """Tell with which text a pattern takes about four times as long for twice as much."""
    for lead, unit in attacks(use.pattern):
        for end in ENDS:
            # Exponential ones show at a few letters; what takes long here is not tried longer.
            if seconds(use, (lead + unit * 20)[: len(lead) + 20] + end, 0.005) > 0.005:
                return 0.0, float("inf"), f"{lead[:20]!r} {unit!r} {end!r}"
            few = lead + unit * (size // 8 // len(unit)) + end
            if seconds(use, few, 1.0) < SLOW_S_PER_CHARACTER * len(few) / 8:
                continue
            once = lead + unit * (size // len(unit)) + end
            twice = lead + unit * (2 * size // len(unit)) + end
            enough = SLOW_S_PER_CHARACTER * len(twice)
            if (took := seconds(use, twice, enough)) < enough:
                continue
            before = seconds(use, once, 0.0)
            if took > 3 * before:
                return before, took, f"{lead[:20]!r} {unit!r} {end!r}"
    return None


def slow_uses(scratch: Path, size: int) -> Iterator[tuple[Use, tuple[float, float, str]]]:
    """Give the patterns of the package that take the square of a text, or more."""
    for use in uses(scratch):
        if hit := slow(use, size):
            yield use, hit


def main() -> int:
    """Print patterns that take the square of a text, or more."""
    asked = argparse.ArgumentParser(prog="python -m tests.fuzz.patterns", description=__doc__)
    asked.add_argument("--size", type=int, default=3000)
    size = asked.parse_args().size
    n = 0
    with tempfile.TemporaryDirectory() as folder:
        for use, (once, twice, text) in slow_uses(Path(folder), size):
            n += 1
            print(f"{use.place}: {use.how}: {once:.4f} {twice:.4f} s: {text}", flush=True)
            print(f"    {use.pattern.pattern[:150]}")
    print(f"{n} slow; {time.process_time():.1f} CPU s")
    return 1 if n else 0


if __name__ == "__main__":
    sys.exit(main())
