"""What a language model puts around its answer: thinking aloud, control tokens, code fences.

One place takes it away, whatever was asked.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from typing import Any

from emodiss.tabular import JSON

_THOUGHT = (
    r"(?:(?!end_)[a-z]{1,12}[:_]){0,2}"
    r"(?:think|thinking|thoughts?|reason|reasoning|reflection|analysis|scratchpad|monologue)"
)
_THINKING = re.compile(
    rf"(?P<open><[|｜]?[ \t]?{_THOUGHT}(?:[ \t][^<>\n]{{0,80}})?[|｜]?>"
    r"|\[THINK\]|◁think▷|<\|channel>thought\b|<unused94>thought\b"
    r"|(?P<folded><details\b[^<>\n]{0,120}>\s{0,9}<summary>[^<>\n]{0,40}"
    r"(?:think|thought|reason)[^<>\n]{0,40}</summary>))"
    rf"|<(?:/|[|｜]/|[|｜]end_(?:of_)?)[ \t]?{_THOUGHT}[ \t]?[|｜]?>"
    r"|\[/THINK\]|◁/think▷|<channel\|>|<unused95>|^\.\.\.done thinking\.[ \t]*$"
    r"|(?P<unfolded></details>)",
    re.IGNORECASE | re.MULTILINE,
)
# Channels of OpenAI's open-weight models: the answer is on the one named `final`.
_CHANNEL = re.compile(r"<\|channel\|>[ \t]{0,9}(?P<name>\w+)[^<\n]{0,80}<\|message\|>")
_FINAL = "assistantfinal"  # the same with its control tokens taken out
_ANALYSIS = re.compile(r"\s*(?:assistant)?analysis")
_TURN = re.compile(
    r"<\|(?:im_start|start)\|>[ \t]{0,9}\w{0,20}\n?|<start_of_turn>[ \t]{0,9}\w{0,20}\n?"
    r"|<\|start_header_id\|>\w{0,20}<\|end_header_id\|>|<\|(?:user|system|assistant)\|>"
    r"|<[|｜](?:User|Assistant)[|｜]>|\[/?INST\]"
)
_END = re.compile(
    r"<\|(?:im_end|eot_id|eom_id|end|endoftext|end_of_text|end_of_turn|return|eos)\|>"
    r"|<end_of_turn>|<eos>|</s>|<[|｜]end▁of▁sentence[|｜]>|\[e~\["
)
_CONTROL = re.compile(
    r"<[|｜][^<>|｜\s]{1,60}[|｜]>|<(?:s|bos|pad|unk)>|<</?SYS>>"
    r"|</?(?:final_)?(?:answer|output|solution)>"
)
_INVISIBLE = "\ufeff\u200b\u2060"
_MARGIN = re.compile(rf"^[ \t{_INVISIBLE}]+", re.MULTILINE)
_QUOTE = re.compile(r"^[ \t]{0,20}>[> \t]{0,20}", re.MULTILINE)
_FENCE_LINE = re.compile(r"^[ \t]{0,20}(?:```|~~~)[\w-]{0,20}[ \t]{0,20}$", re.MULTILINE)
_FENCED = re.compile(r"(?:```|~~~)[\w-]{0,20}[ \t]*\n(?P<inside>[^`~]*)(?:```|~~~)")
_OBJECT = re.compile(r"\{\s{0,200}[\"'“]")
_MEANT_AS_JSON = re.compile(r"\s*(?:\[\s{0,200})?\{\s{0,200}(?:[\"'“]|//|/\*|\w{1,40}[ \t]?:)")
_LAST_COMMA = re.compile(r",\s{0,200}(?=[}\]])")
_LONGEST_LITERAL = 20_000
_WITH_LINE_BREAKS = json.JSONDecoder(parse_int=JSON.parse_int, strict=False)


def unwrapped(text: str) -> str:
    """Blank everything around a model's answer."""
    text = _without_thinking(_last_channel(text))
    text = _without_control(text)
    text = _MARGIN.sub(_blanks, text)
    lines = [line for line in text.splitlines() if line.strip()]
    if lines and all(line.lstrip().startswith(">") for line in lines):
        text = _QUOTE.sub(_blanks, text)
    elif lines and lines[0].lstrip().startswith(">"):
        text = _QUOTE.sub(_blanks, text, count=1)
    return _FENCE_LINE.sub(_blanks, text)


def json_of(text: str) -> Any | None:
    """Read the JSON value that an answer holds."""
    candidates = [match["inside"] for match in _FENCED.finditer(text)]
    candidates.append(text)
    for candidate in candidates:
        body = candidate.strip()
        if body.startswith('"') and isinstance(inner := _strict(body, ""), str):
            body = inner.strip()  # JSON inside a text of JSON
        found = _OBJECT.search(body)
        if found is None:
            continue
        listed = body.startswith("[") and not body[1 : found.start()].strip()
        begin, close = (0, "]") if listed else (found.start(), "}")
        for reader in (_strict, _lenient):
            value = reader(body[begin:], close)
            if value is not None:
                return value
    return None


def looks_like_json(text: str) -> bool:
    """Whether an answer is, or holds in a fence, what was meant as JSON."""
    bodies = (text, *(match["inside"] for match in _FENCED.finditer(text)))
    return any(map(_MEANT_AS_JSON.match, bodies))


def _strict(body: str, _close: str) -> Any | None:
    try:
        value, _ = _WITH_LINE_BREAKS.raw_decode(body)
    except (ValueError, RecursionError):
        return None
    return value


def _lenient(body: str, close: str) -> Any | None:
    body = body[: body.rfind(close) + 1]
    body = _LAST_COMMA.sub("", body)
    value = _strict(body, close)
    if value is not None or len(body) > _LONGEST_LITERAL:
        return value
    try:
        with warnings.catch_warnings():  # they would repeat what the answer holds
            warnings.simplefilter("ignore")
            value = ast.literal_eval(body)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
    return value if isinstance(value, dict | list) else None


def _last_channel(text: str) -> str:
    channels = list(_CHANNEL.finditer(text))
    if channels:
        final = [match for match in channels if match["name"] == "final"]
        return _blank(text, 0, final[-1].end() if final else len(text))
    if _FINAL in text and _ANALYSIS.match(text):
        return _blank(text, 0, text.rindex(_FINAL) + len(_FINAL))
    return text


def _without_thinking(text: str) -> str:
    begins: int | None = None
    folded = False
    spans: list[tuple[int, int]] = []
    for tag in _THINKING.finditer(text):
        if tag["unfolded"] and not folded:
            continue  # of what else is folded up
        folded = bool(tag["folded"]) or (folded and not tag["unfolded"])
        if tag["open"]:
            begins = tag.start() if begins is None else begins
        else:  # an end without a start: all that stands before was thought
            spans.append((0 if begins is None else begins, tag.end()))
            begins = None
    if begins is not None:
        spans.append((begins, len(text)))
    if not spans:
        return text
    # Where an end had no start, what came before counts for nothing.
    first = max((end for start, end in spans if start == 0), default=0)
    kept: list[str] = [_blanked(text[:first])]
    place = first
    for start, end in spans:
        if start >= first:
            kept += [text[place:start], _blanked(text[start:end])]
            place = end
    return "".join([*kept, text[place:]])


def _without_control(text: str) -> str:
    """Blank control tokens, and what comes after the first turn that holds anything."""
    place, pieces = 0, list[str]()
    marks = sorted((*_TURN.finditer(text), *_END.finditer(text)), key=lambda m: m.start())
    for mark in marks:
        if mark.start() < place:
            continue
        said = text[place : mark.start()]
        pieces.append(said)
        if _CONTROL.sub("", said).strip():
            pieces.append(_blanked(text[mark.start() :]))
            place = len(text)
            break
        pieces.append(_blanked(mark[0]))
        place = mark.end()
    return _CONTROL.sub(_blanks, "".join([*pieces, text[place:]]))


def _blank(text: str, start: int, end: int) -> str:
    return text[:start] + _blanked(text[start:end]) + text[end:]


def _blanks(match: re.Match[str]) -> str:
    return _blanked(match[0])


def _blanked(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)
