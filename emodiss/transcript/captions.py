"""Readers for captions: WebVTT and SRT, with the ways in which they name voices."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from emodiss.timebase import parse_time
from emodiss.transcript.records import Problem, Row, Word
from emodiss.transcript.timing import share_out

_ARROW = re.compile(r"\s*(?P<start>\S+)\s+-->\s+(?P<end>\S+)(?:\s+.*)?")
_CLOCK_VTT = re.compile(r"(?:\d{2,}:)?\d{2}:\d{2}\.\d{3}")
_CLOCK_SRT = re.compile(r"\d{1,3}:\d{2}:\d{2}[.,]\d{1,3}")
VOICE_TAG = re.compile(r"<v(?P<classes>\.[^\s>]*)?(?:[ \t]+(?P<name>[^>]*))?>")
"""The tag that says whose voice follows, with its classes."""

_INNER_TIME = re.compile(r"<((?:\d{2,}:)?\d{2}:\d{2}\.\d{3})>")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|</?>|<(?:\d{2,}:)?\d{2}:\d{2}\.\d{3}>")
_OVERRIDE = re.compile(r"\{\\[^{}]*\}")  # {\an8}: placement, carried over from SSA

_BRACKETED = re.compile(r"[-\u2013]?\s*\[(?P<name>[^\[\]]{1,40})\](?P<colon>\s*:)?\s*")
_PREFIXED = re.compile(
    r"[-\u2013]?\s*(?P<name>[^\W\d_][\w.'\u2019-]*(?: [\w.'\u2019()-]+){0,3})\s*:(?=\s|$)\s*"
)
_KNOWNVOICE_TAGS = re.compile(
    r"(?:speaker|spk|voice)[ _]?\w{1,3}|therapist|patient|client|counsell?or|clinician|doctor"
    r"|psychologist|psychiatrist|interviewer|interviewee|coach|moderator|mother|father|[tcp]",
    re.IGNORECASE,
)
_SOUNDS = frozenset(
    {
        *("music", "laughter", "laughing", "laughs", "applause", "chuckle", "chuckles", "sigh"),
        *("chuckling", "sighs", "sighing", "crying", "cries", "sobbing", "sniffs", "coughs"),
        *("coughing", "inaudible", "unintelligible", "crosstalk", "silence", "pause", "noise"),
        *("foreign", "blank_audio"),
    }
)


NAMED_SHARE = 0.1
"""Share of cues that must begin with a recurring head before unusual heads count as names: a
file that names its speakers does so at every change of voice, a phrase recurs now and then."""


@dataclass(frozen=True, slots=True)
class Cue:
    """One cue of a caption file.

    Parameters
    ----------
    line
        Line of the file that holds its times, counted from 1.
    start, end
        Seconds.
    lines
        As they stand in the file, tags included.
    id
        The line above the times; empty when there is none.
    """

    line: int
    start: float
    end: float
    lines: tuple[str, ...]
    id: str = ""


def read_vtt(text: str) -> Iterator[Row | Problem]:
    """Read WebVTT (W3C, section 4), with voice tags and word times where there are some.

    Parameters
    ----------
    text
        The file's text.

    Yields
    ------
    Row or Problem
        A cue with several `<v Name>` gives one row per voice, its time shared by text length.
        Rolling captions, which show each line twice, give each line once.
    """
    cues: list[Cue] = []
    for cue in read_cues(text):
        if isinstance(cue, Problem):
            yield cue
        else:
            cues.append(cue)
    if any(_INNER_TIME.search(line) for cue in cues for line in cue.lines):
        cues = _unroll(cues)
    rows = [row for cue in cues for row in _voices(cue)]
    yield from name_voices(rows)


def read_cues(text: str) -> Iterator[Cue | Problem]:
    """Find the cues of a WebVTT file, without a look at what they say.

    Parameters
    ----------
    text
        The file's text.

    Yields
    ------
    Cue or Problem
        In the order of the file; comments and style sheets are passed over.
    """
    lines = text.split("\n")
    if not re.match(r"WEBVTT(?:[ \t]|$)", lines[0]):
        yield Problem(1, "does not begin with 'WEBVTT'; expected that word on the first line")
    for line, block in _blocks(["", *lines[1:]]):
        if "-->" not in "".join(block[:2]) and (
            re.match(r"(NOTE|STYLE|REGION)(\s|$)", block[0]) or line == 2
        ):
            continue  # a comment, a style sheet, or header lines below WEBVTT
        yield _cue(line, block, clock=_CLOCK_VTT, example="00:01:02.500 --> 00:01:04.000")


def read_srt(text: str) -> Iterator[Row | Problem]:
    """Read SubRip, with speakers given as `Name: text`, `[Name] text` or `[Name]: text`.

    Parameters
    ----------
    text
        The file's text.

    Yields
    ------
    Row or Problem
    """
    cues: list[Cue] = []
    for line, block in _blocks(text.split("\n")):
        cue = _cue(line, block, clock=_CLOCK_SRT, example="00:01:02,500 --> 00:01:04,000")
        if isinstance(cue, Problem):
            yield cue
        else:
            cues.append(cue)
    rows = [
        Row(cue.line, cue.start, cue.end, None, plain_text(" ".join(cue.lines))) for cue in cues
    ]
    yield from name_voices(rows)


def name_voices(rows: Sequence[Row]) -> list[Row]:
    """Take speaker names that stand at the head of the text into the speaker column.

    `Remember: ...` looks like a name and `[Music]` like a speaker. A head counts as a name when
    it is a usual one (`SPEAKER_00`, `Therapist`), is written in brackets with a colon, or
    comes back in a file where at least `NAMED_SHARE` of the cues begin with heads that come
    back; where every cue begins with a head, one that comes once counts too, as nobody names
    the voice of all others and leaves out one. Sound descriptions never count.

    Parameters
    ----------
    rows
        All rows of a file, in order.

    Returns
    -------
    list of Row
        If no row names a voice: the rows as they are. Else rows without a name go on with the
        last one named, as subtitles mean it, flagged `speaker_carried`.
    """
    heads = [_head(row.text) if row.speaker is None else None for row in rows]
    counts = Counter(head.name for head in heads if head)
    recurring = sum(count for count in counts.values() if count > 1)
    habitual = recurring >= NAMED_SHARE * len(rows)
    always = recurring > 0 and all(heads)
    named: list[Row] = []
    last: str | None = None
    for row, head in zip(rows, heads, strict=True):
        if head and (head.certain or always or (habitual and counts[head.name] > 1)):
            last = head.name
            row = replace(row, speaker=last, text=row.text[head.length :].strip())
        elif row.speaker is not None:
            last = None  # a voice tag is explicit: nothing is carried past it
        elif last is not None:
            row = replace(row, speaker=last, flags=(*row.flags, "speaker_carried"))
        named.append(row)
    return named


@dataclass(frozen=True, slots=True)
class _Head:
    name: str
    length: int
    certain: bool


def _head(text: str) -> _Head | None:
    match = _BRACKETED.match(text) or _PREFIXED.match(text)
    if not match:
        return None
    name = " ".join(match["name"].split())
    words = name.lower().split()
    in_brackets = match.re is _BRACKETED
    if not words or words[0] in _SOUNDS or words[-1] in _SOUNDS:
        return None
    certain = bool(_KNOWNVOICE_TAGS.fullmatch(name)) or (in_brackets and bool(match["colon"]))
    if not certain and not name[0].isupper():
        return None  # "[sniffing]", "and then he said: ..."
    return _Head(name, match.end(), certain)


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
    return Cue(line, start, end, tuple(block[place + 1 :]), block[0].strip() if place else "")


def plain_text(text: str) -> str:
    """Take tags, entities and runs of white space out of the text of a cue."""
    text = html.unescape(_TAG.sub("", _OVERRIDE.sub("", text)))
    return " ".join(text.replace("\u200b", "").replace("\u200e", "").split())


def _voices(cue: Cue) -> list[Row]:
    """One row per voice tag of a cue, or one row for all of it."""
    text = " ".join(cue.lines)
    tags = list(VOICE_TAG.finditer(text))
    edges = [0, *(tag.start() for tag in tags), len(text)]
    names = [None, *(plain_text(tag["name"] or "") or None for tag in tags)]
    parts = [
        (name, text[start:end])
        for name, start, end in zip(names, edges, edges[1:], strict=False)
        if plain_text(text[start:end])
    ]
    if len(parts) <= 1:
        # A voice may be named where nobody transcribed what it says.
        name, part = parts[0] if parts else (names[-1], "")
        return [Row(cue.line, cue.start, cue.end, name, plain_text(part), _words(part, cue))]
    if cue.end <= cue.start:
        return [Row(cue.line, cue.start, cue.end, name, plain_text(part)) for name, part in parts]
    spans = share_out(cue.start, cue.end, [plain_text(part) for _, part in parts])
    return [
        Row(cue.line, start, end, name, plain_text(part), timing="interpolated")
        for (name, part), (start, end) in zip(parts, spans, strict=True)
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


def _unroll(cues: Sequence[Cue]) -> list[Cue]:
    """Drop from each cue the leading lines that the cue before it showed already."""
    unrolled: list[Cue] = []
    shown: tuple[str, ...] = ()
    for cue in cues:
        plain = tuple(plain_text(line) for line in cue.lines)
        fresh = [
            line
            for line, content in zip(cue.lines, plain, strict=True)
            if content and content not in shown
        ]
        if any(plain):
            shown = plain
        if fresh:
            unrolled.append(replace(cue, lines=tuple(fresh)))
    # Display goes on after the voice has moved to the next line.
    return [
        replace(cue, end=min(cue.end, following.start)) if following else cue
        for cue, following in zip(unrolled, [*unrolled[1:], None], strict=True)
    ]
