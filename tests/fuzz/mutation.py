"""Inputs that nobody meant: mutations of sound ones, by bytes, by tokens and by structure."""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Sequence
from typing import Any

TOKENS = (
    *("", " ", "\n", "\r", "\r\n", "\t", "\0", "\u2028", "\u00a0", "\ufeff", "\u200b", "\x1b[31m"),
    *(",", ";", "|", '"', "'", "=", "-->", "<v ", "</v>", "<", ">", "[", "]", "(", ")", "{", "}"),
    *("0", "-1", "1e400", "-0", "NaN", "nan", "inf", "Infinity", "1" * 400, "9" * 5000, "0.1", "²"),
    *("00:00:01.000", "00:61.000", "99:59:59,999", "1:2:3", "null", "true", "[]", "{}", '""'),
    *(
        "\\ud800",
        "\\u0000",
        "\ud800",
        "é",
        "e\u0301",
        "李医生",
        "سارة",
        "A" * 300,
        "&#" + "9" * 5000,
    ),
    *("&amp;", "<!DOCTYPE x>", "<script>", "=cmd|' /C calc'!A0", "$\\frac{$", "../../x", "C:\\x"),
    *("sep=;", "WEBVTT", "NOTE", "None", "NA", "therapist", "1.5", "4/5", "```json", "</think>"),
)
"""What breaks readers of text."""

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 10**400, 1e308, float("inf"), float("nan"), "", " ", "x"),
    *("²", "1", "\ud800", "\0", [], {}, [[]], [None], {"x": None}, {"": []}, ["x"], "9" * 5000),
)
"""What breaks readers of JSON."""

_TOKEN = re.compile(r"\w+|\s+|[^\w\s]+")


def mutated(seeds: Sequence[str | bytes], rng: random.Random) -> bytes:
    """Make one input from sound ones."""
    text = rng.choice(seeds)
    if isinstance(text, bytes):
        for _ in range(rng.choice((1, 1, 2, 4))):
            text = damaged(text, rng)
        return text
    seeds = [seed for seed in seeds if isinstance(seed, str)]
    how = rng.random()
    if how < 0.35:
        structured = _of_json(text, rng)
        if structured is not None:
            return structured.encode("utf-8", "surrogatepass")
    if how < 0.8:
        for _ in range(rng.choice((1, 1, 1, 2, 4, 12))):
            text = _of_tokens(text, seeds, rng)
    elif how < 0.85:
        text = "".join(rng.choice(TOKENS) for _ in range(rng.randint(1, 40)))
    content = text.encode("utf-8", "surrogatepass")
    if rng.random() < 0.2:
        content = _of_bytes(content, rng)
    if rng.random() < 0.03:
        content = text.encode("utf-16", "surrogatepass")
    return content


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Flip up to three bits, cut the end, or put zeros or a block of the file elsewhere."""
    if not content:
        return b"\0"
    changed = bytearray(content)
    kind = rng.choice(("flip", "flip", "cut", "zeros", "moved"))
    place = rng.randrange(len(content))
    if kind == "flip":
        for _ in range(rng.randint(1, 3)):
            changed[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        del changed[place:]
    else:
        n = min(rng.choice((1, 16, 512)), len(content) - place)
        start = rng.randrange(len(content) - n + 1)
        changed[place : place + n] = bytes(n) if kind == "zeros" else content[start : start + n]
    return bytes(changed)


def _of_tokens(text: str, seeds: Sequence[str], rng: random.Random) -> str:
    spans = [match.span() for match in _TOKEN.finditer(text)] or [(0, 0)]
    start, end = rng.choice(spans)
    how = rng.randrange(7)
    if how == 0:
        return text[:start] + text[end:]
    if how == 1:
        return text[:start] + rng.choice(TOKENS) + text[end:]
    if how == 2:
        return text[:start] + rng.choice(TOKENS) + text[start:]
    if how == 3:  # a stretch again
        return text[:end] + text[start : rng.choice(spans)[1]] + text[end:]
    if how == 4:  # a stretch of another
        other = rng.choice(seeds)
        cut = sorted(rng.randrange(len(other) + 1) for _ in range(2))
        return text[:start] + other[cut[0] : cut[1]] + text[end:]
    lines = text.split("\n")
    at = rng.randrange(len(lines))
    if how == 5:
        lines.insert(rng.randrange(len(lines) + 1), lines[at])
    else:
        del lines[at]
    return "\n".join(lines)


def _of_bytes(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at = rng.randrange(len(changed) + 1)
        how = rng.randrange(4)
        if how == 0 and changed:
            changed[min(at, len(changed) - 1)] ^= 1 << rng.randrange(8)
        elif how == 1:
            changed.insert(at, rng.randrange(256))
        elif how == 2:
            del changed[at : at + rng.randint(1, 8)]
        else:
            del changed[at:]
    return bytes(changed)


def _of_json(text: str, rng: random.Random) -> str | None:
    """Change a value of JSON, or of one line of JSON lines; None if it is neither."""
    lines = text.split("\n")
    for place in [None] if len(lines) == 1 else [None, rng.randrange(len(lines))]:
        try:
            tree = json.loads(text if place is None else lines[place])
        except (ValueError, RecursionError):
            continue
        if not isinstance(tree, dict | list):
            return None
        for _ in range(rng.choice((1, 1, 2, 4))):
            tree = _other(tree, rng)
        made = json.dumps(tree, ensure_ascii=rng.random() < 0.5, allow_nan=True)
        if place is None:
            return made
        lines[place] = made
        return "\n".join(lines)
    return None


def _other(tree: Any, rng: random.Random) -> Any:
    """Change something in a tree: a value, a name, or how much there is."""
    places: list[tuple[Any, Any]] = []

    def visit(node: Any) -> None:
        for key in node if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], dict | list):
                visit(node[key])

    if not isinstance(tree, dict | list):
        return tree
    visit(tree)
    if not places or rng.random() < 0.02:
        return copy.deepcopy(rng.choice(VALUES))
    node, key = rng.choice(places)
    how = rng.randrange(5)
    if how < 3:
        node[key] = copy.deepcopy(rng.choice(VALUES))
    elif how == 3:
        del node[key]
    elif isinstance(node, dict):
        node[rng.choice(TOKENS)] = node.pop(key)
    else:
        node.insert(key, copy.deepcopy(node[key]))
    return tree
