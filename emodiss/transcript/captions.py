"""Readers for captions: WebVTT and SRT, as players show them."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from emodiss.timebase import parse_time
from emodiss.transcript.heads import name_voices, reads_like_a_name
from emodiss.transcript.odd_heads import begins_a_turn
from emodiss.transcript.records import Problem, Row, Word
from emodiss.transcript.timing import share_out

_ARROW = re.compile(r"\s*(?P<start>[^\s-]+)\s*-->\s*(?P<end>\S+)(?:\s+.*)?")
_CLOCK_VTT = re.compile(r"(?:\d{1,9}:)?\d{2}:\d{2}[.,]\d{1,3}")
_CLOCK_SRT = re.compile(r"(?:\d{1,3}:)?\d{1,2}:\d{2}(?:[.,]\d{1,3})?")
VOICE_TAG = re.compile(r"<v(?P<classes>\.[^\s<>]*)?(?:[ \t](?P<name>[^<>]*))?>")
"""The tag that says whose voice follows, with its classes."""

# Webex writes the name beside the number of a cue: `1 "Ana Ruiz" (1234567)`.
_WEBEX = re.compile(r"\d+ \"(?P<name>[^\"\n]{1,80})\" \(\d+\)")
_INNER_TIME = re.compile(r"<((?:\d{1,3}:)?[0-5]\d:[0-5]\d\.\d{3})>")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|</?>|<(?:\d+:)?\d{2}:\d{2}\.\d{3}>")
_NO_CUE = re.compile(r"(?:NOTE|STYLE|REGION)(?:\s|$)")
_NEARLY_TIMES = re.compile(r"\s*\d{1,3}:\d{1,2}\S*\s*-{1,2}>")
_BREAK = re.compile(r"<br\s{0,9}/?>|\\N", re.IGNORECASE)
_OVERRIDE = re.compile(r"\{\\[^{}]*\}")  # {\an8}: placement, carried over from SSA

_CHAT_NAME = re.compile(r"^(?P<lead>\s{0,9}(?:[-–]\s?)?)<(?P<name>[^<>/\n]{1,40})>(?=\s*\S)")
_SET_OFF = re.compile(
    r"^(?P<lead>\s{0,9}(?:[-–]\s?)?)(?:<(?P<tag>b|u|strong|font)(?:\s[^<>]{0,80})?>(?P<name>[^<>\n]{1,60})"
    r"</(?P=tag)>\s{0,9}|(?P<column>[^<>\t\n]{1,60})\t\s{0,9})(?=\S)",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"(?:[biusvc]|rt|ruby|font|lang|span|em|strong|p|br|00)\b", re.IGNORECASE)
_DIRECTION = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")

# Of a file that rolls: pairs of captions that touch, in which the second repeats the first.
_ROLLING_SHARE, _ROLLING_PAIRS = 0.2, 2
_TOUCHING_S = 0.25
_BLINK_S = 0.05
_MOST_LINES = 32  # on a screen, more than any standard of captions allows

_LONG_REFERENCE = re.compile(r"&#(?:\d{8,}|[xX][0-9a-fA-F]{8,});?")


@dataclass(frozen=True, slots=True)
class Cue:
    """One cue of a caption file."""

    # Line of the file that holds its times, counted from 1.
    line: int
    # start, end: Seconds.
    start: float
    end: float
    # As they stand in the file, tags included.
    lines: tuple[str, ...]
    # The line above the times; empty when there is none.
    id: str = ""


def read_vtt(text: str) -> Iterator[Row | Problem]:
    """Read WebVTT (W3C, section 4), with voice tags and word times where there are some."""
    cues: list[Cue] = []
    for cue in read_cues(text):
        if isinstance(cue, Problem):
            yield cue
        else:
            cues.append(cue)
    named = sum(bool(_WEBEX.fullmatch(cue.id)) for cue in cues) > len(cues) / 2
    rows = [
        replace(row, speaker=found["name"].strip()) if found and row.speaker is None else row
        for cue in _unrolled(cues)
        for found in (_WEBEX.fullmatch(cue.id) if named else None,)
        for row in _voices(cue)
    ]
    yield from _on_one_line(name_voices(_with_words(rows)))


def read_cues(text: str) -> Iterator[Cue | Problem]:
    """Find the cues of a WebVTT file, without a look at what they say."""
    lines = text.split("\n")
    if not re.match(r"WEBVTT(?:[ \t]|$)", lines[0]):
        yield Problem(1, "does not begin with 'WEBVTT'; expected that word on the first line")
    yield from _cues(
        ["", *lines[1:]],
        clock=_CLOCK_VTT,
        example="00:01:02.500 --> 00:01:04.000",
        passed_over=lambda line, block: bool(_NO_CUE.match(block[0])) or line == 2,
    )


def read_srt(text: str) -> Iterator[Row | Problem]:
    """Read SubRip, with speakers given as `Name: text`, `[Name] text` or `[Name]: text`."""
    cues: list[Cue] = []
    for cue in _cues(text.split("\n"), clock=_CLOCK_SRT, example="00:01:02,500 --> 00:01:04,000"):
        if isinstance(cue, Problem):
            yield cue
        else:
            cues.append(cue)
    rows = [
        Row(cue.line, cue.start, cue.end, None, "\n".join(plain_text(_chat(s)) for s in cue.lines))
        for cue in _unrolled(cues)
    ]
    yield from _on_one_line(name_voices(_with_words(rows)))


def _with_words(rows: list[Row]) -> list[Row]:
    """Leave out captions that show nothing, of a file in which others show words."""
    return [row for row in rows if row.text.strip() or row.speaker] or rows


def _on_one_line(rows: Iterable[Row | Problem]) -> Iterator[Row | Problem]:
    for row in rows:
        text = "" if isinstance(row, Problem) else " ".join(row.text.split())
        yield row if isinstance(row, Problem) or text == row.text else replace(row, text=text)


def _chat(line: str) -> str:
    """Write the name that chats put before a line, `<Ana> Hello`, in the brackets of captions.

    So, too, a name that is set off from its line by bold letters, a colour or a tab.
    """
    if set_off := _SET_OFF.match(line) if "\t" in line or "</" in line else None:
        name, said = (set_off["name"] or set_off["column"]).strip(), line[set_off.end() :]
        if reads_like_a_name(name) and begins_a_turn(plain_text(said)):
            return f"{set_off['lead']}[{name}] {said}"
    found = _CHAT_NAME.match(line)
    if not found or _MARKUP.match(found["name"]) or f"</{found['name']}>" in line:
        return line
    return f"{found['lead']}[{found['name']}] {line[found.end() :]}"


def _cues(
    lines: Sequence[str],
    *,
    clock: re.Pattern[str],
    example: str,
    passed_over: Callable[[int, list[str]], bool] = lambda _line, _block: False,
) -> Iterator[Cue | Problem]:
    """Read the cues of a file, also where blank lines are missing or stand inside a cue."""
    last: Cue | None = None
    further: list[str] = []  # of the last cue, after a blank line
    faulty = False
    for line, block in _blocks(lines):
        for at, part in _divided(line, block, clock):
            timed = any("-->" in content for content in part[:2])
            if not timed and passed_over(at, part):
                continue
            if not timed and (last is not None or faulty) and not _meant_as_times(part):
                # A blank line inside a cue: players show what follows.
                if last is not None and not (len(part) == 1 and part[0].strip().isdecimal()):
                    further += part
                continue
            if last is not None:
                yield replace(last, lines=(*last.lines, *further))
            further = []
            found = _cue(at, part, clock=clock, example=example)
            faulty = isinstance(found, Problem)
            if isinstance(found, Problem):
                yield found
            last = None if isinstance(found, Problem) else found
    if last is not None:
        yield replace(last, lines=(*last.lines, *further))


def _divided(
    line: int, block: list[str], clock: re.Pattern[str]
) -> Iterator[tuple[int, list[str]]]:
    """Divide a block in which further times follow, as where blank lines are missing."""
    if len(block) < 3:
        yield line, block
        return
    begins = [0]
    has_times = False
    for place, content in enumerate(block):
        match = _ARROW.fullmatch(content) if "-->" in content else None
        if not match or not (clock.fullmatch(match["start"]) and clock.fullmatch(match["end"])):
            continue
        if has_times:
            numbered = block[place - 1].strip().isdecimal() and place - 1 > begins[-1]
            begins.append(place - numbered)
        has_times = True
    for begin, end in zip(begins, [*begins[1:], len(block)], strict=True):
        yield line + begin, block[begin:end]


def _meant_as_times(block: Sequence[str]) -> bool:
    return any(">" in content and _NEARLY_TIMES.match(content) for content in block[:2])


def _blocks(lines: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Find blocks between blank lines, with the line each one starts on.

    A line of spaces is part of a cue in WebVTT (YouTube writes such lines), but in files edited
    by hand it may separate: it does where the times of a cue follow.
    """
    block: list[str] = []
    for line, content in enumerate([*lines, ""], start=1):
        if content.strip() or (
            content and block and not any("-->" in later for later in lines[line : line + 2])
        ):
            block.append(content)
        elif block:
            yield line - len(block), block
            block = []


def _cue(line: int, block: list[str], *, clock: re.Pattern[str], example: str) -> Cue | Problem:
    place = next((i for i, content in enumerate(block[:2]) if "-->" in content), None)
    if place is None:
        return Problem(line, f"a block without times; expected a line such as '{example}'")
    match = _ARROW.fullmatch(block[place])
    line += place
    if not match or not (clock.fullmatch(match["start"]) and clock.fullmatch(match["end"])):
        return Problem(line, f"times that cannot be read; expected a line such as '{example}'")
    try:
        start, end = parse_time(match["start"]), parse_time(match["end"])
    except ValueError as error:
        return Problem(line, str(error))
    shown = [part for content in block[place + 1 :] for part in _BREAK.split(content)]
    return Cue(line, start, end, tuple(shown), block[0].strip() if place else "")


def plain_text(text: str) -> str:
    """Take tags, entities and runs of white space out of the text of a cue."""
    if "{" in text:
        text = _OVERRIDE.sub("", text)
    if "<" in text:
        text = _TAG.sub("", text)
    if "&" in text:
        text = html.unescape(_LONG_REFERENCE.sub("\ufffd", text))
    return visible(text)


def visible(text: str) -> str:
    """Take marks of direction and width, which nobody sees, and runs of white space out."""
    if text.isascii():
        return text if text.isalnum() else " ".join(text.split())
    return " ".join(_DIRECTION.sub("", text).split())


def _voices(cue: Cue) -> list[Row]:
    """One row per voice tag of a cue, or one row for all of it."""
    text = "\n".join(_chat(line) for line in cue.lines)
    tags = list(VOICE_TAG.finditer(text))
    edges = [0, *(tag.start() for tag in tags), len(text)]
    names = [None, *(plain_text(tag["name"] or "") or None for tag in tags)]
    parts = [
        (name, part, plain)
        for name, start, end in zip(names, edges, edges[1:], strict=False)
        if (plain := plain_text(part := text[start:end]))
    ]
    if len(parts) <= 1:
        # A voice may be named where nobody transcribed what it says.
        name, part, _ = parts[0] if parts else (names[-1], "", "")
        lines = "\n".join(plain_text(line) for line in part.split("\n"))
        return [Row(cue.line, cue.start, cue.end, name, lines, _words(part, cue))]
    if cue.end <= cue.start:
        return [Row(cue.line, cue.start, cue.end, name, plain) for name, _, plain in parts]
    spans = share_out(cue.start, cue.end, [plain for _, _, plain in parts])
    return [
        Row(cue.line, start, end, name, plain, timing="interpolated")
        for (name, _, plain), (start, end) in zip(parts, spans, strict=True)
    ]


def _words(text: str, cue: Cue) -> tuple[Word, ...]:
    """Words of a cue with inner times; none when it has no inner times."""
    pieces = _INNER_TIME.split(text)
    if len(pieces) == 1:
        return ()
    times = [cue.start, *(parse_time(time) for time in pieces[1::2]), cue.end]
    words: list[Word] = []
    for piece, start, end in zip(pieces[::2], times, times[1:], strict=False):
        texts = plain_text(piece).split()
        if not texts:
            continue
        spans = share_out(start, end, texts) if end > start else [(start, end)] * len(texts)
        # Only where a word starts is stated; that it lasts until the next one is a guess.
        words += [Word(t, *s, timing="interpolated") for t, s in zip(texts, spans, strict=True)]
    return tuple(words)


def _unrolled(cues: Sequence[Cue]) -> list[Cue]:
    """Give each line once of captions that roll: that show a line again below or above the next.

    A file rolls when captions that touch repeat each other again and again, a line moving up or
    growing. In any other file, and after a pause, a line that stands twice was said twice.
    """
    shown = [tuple(text for line in cue.lines if (text := plain_text(line))) for cue in cues]
    pairs = [
        (earlier, later)
        for earlier, later in zip(range(len(cues)), range(1, len(cues)), strict=False)
        if cues[later].start - cues[earlier].end <= _TOUCHING_S and shown[earlier] and shown[later]
    ]
    rolled = [
        (earlier, later)
        for earlier, later in pairs
        if any(_repeated(shown[earlier], shown[later]))
        and (
            shown[later] != shown[earlier]
            or min(map(_length, (cues[earlier], cues[later]))) <= _BLINK_S
        )
    ]
    inner = any(_INNER_TIME.search(line) for cue in cues for line in cue.lines)
    if not inner and (len(rolled) < _ROLLING_PAIRS or len(rolled) < _ROLLING_SHARE * len(pairs)):
        return list(cues)
    unrolled: list[Cue] = []
    before: tuple[str, ...] = ()
    until = -math.inf
    for cue, plain in zip(cues, shown, strict=True):
        if not plain:
            continue
        touching = cue.start - until <= _TOUCHING_S
        n_lines, n_characters = _repeated(before, plain) if touching else (0, 0)
        lines = [line for line in cue.lines if plain_text(line)]
        fresh = lines[n_lines:]
        if n_characters and fresh:  # the line that was growing
            fresh[0] = plain[n_lines][n_characters:].strip()
        before, until = plain, max(until, cue.end)
        if any(plain_text(line) for line in fresh):
            unrolled.append(replace(cue, lines=tuple(fresh)))
    # Display goes on after the voice has moved to the next line.
    return [
        replace(cue, end=min(cue.end, following.start))
        if following and following.start > cue.start
        else cue
        for cue, following in zip(unrolled, [*unrolled[1:], None], strict=True)
    ]


def _length(cue: Cue) -> float:
    return cue.end - cue.start


def _repeated(before: Sequence[str], after: Sequence[str]) -> tuple[int, int]:
    """Lines at the top of a caption that the one before ended with, and how far the next grew."""
    for n in range(min(len(before), len(after), _MOST_LINES), 0, -1):
        if tuple(before[-n:]) == tuple(after[:n]):
            return n, 0
        grown = after[n - 1]
        if (
            tuple(before[-n:-1]) == tuple(after[: n - 1])
            and grown.startswith(before[-1])
            and not grown[len(before[-1]) : len(before[-1]) + 1].isalnum()
        ):
            return n - 1, len(before[-1])
    return 0, 0
