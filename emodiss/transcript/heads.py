"""Who speaks, read off the head of a caption's line: `Dr. Ruiz:`, `[Ana]`, `>> BO (she/her):`.

A line that begins like a name may as well begin a sentence ("Remember: breathe."). What decides is
the line's own form and whether such heads come back in the file. A head that cannot be told stops
the voice before it from being carried on: words of an unknown voice are no harm, words of the
wrong voice are.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cache, lru_cache, partial
from importlib import resources
from itertools import chain, pairwise
from typing import Literal

from emodiss.transcript.odd_heads import in_brackets, looks_headed, small
from emodiss.transcript.records import Problem, Row, Word
from emodiss.transcript.timing import share_out

NAMED_SHARE = 0.1
"""Share of rows that must begin with a recurring head before unusual heads count as names: a
file that names its speakers does so at every change of voice, a phrase recurs now and then."""

_OFTEN_SHARE = 0.2
"""Share of rows from which on even words that open sentences, come back, may be a name."""

_FEW_ROWS = 6
"""In fewer rows, all of which have a head, a voice of one word may well come once."""

_MOST_CHARACTERS = 80
_MOST_WORDS = 7
_MOST_BARE = 4
_MOST_LINKING = 3  # letters of a word between two names
_MOST_CASELESS = 14  # characters of a name and title in a script without capitals or spaces

_COLONS = ":：﹕︰︓∶꞉፦៖᠄"
_COLON = f"[{_COLONS}]"
_HAS_COLON = re.compile(_COLON)
_MAY_HOLD_A_HEAD = re.compile(rf"[{_COLONS}\[【〔(（]")
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?(?:\s?[AaPp]\.?[Mm]\.?)?"
_LEAD = re.compile(
    r"[\s*_#@•·]{0,9}(?:\d{1,4}[.)]\s{1,9})?(?:[-–—]\s{0,9})?(?P<change>(?:>{2,3}|»)\s{0,9})?[*_@]{0,3}"
    rf"(?P<stamp>[\[(]?{_CLOCK}[\])]?[\s\-–]{{1,9}})?[*_@]{{0,3}}"
)
_BRACKETED = re.compile(
    r"(?P<open>[\[【〔\(（])(?P<name>[^\[\]【】〔〕()（）]{1,60})[\]】〕\)）][*_]{0,3}"
    rf"(?P<colon>\s{{0,9}}{_COLON})?[*_]{{0,3}}\s*"
)
_BEFORE_COLON = re.compile(
    rf"(?P<name>[^{_COLONS}\n]{{1,{_MOST_CHARACTERS}}}?)\s{{0,9}}(?P<colon>{_COLON})"
)
_HEADED_OTHERWISE = re.compile(
    r"[(（](?P<bracketed>[^()（）\n]{1,60})[)）]\s{0,9}(?=\S)"
    r"|(?P<name>[^|:：\n–—-]{1,60}?)(?:\s{1,9}[-–—]\s|\s{0,9}\|)\s{0,9}(?=\S)"
)
_BEFORE_CLOCK = re.compile(
    rf"(?P<name>[^{_COLONS}\n]{{1,{_MOST_CHARACTERS}}}?)\s{{1,3}}[\[(]?{_CLOCK}[\])]?\s{{0,9}}"
    rf"(?P<colon>{_COLON})(?=\s)"
)
_BEFORE_CLOCK_ALONE = re.compile(
    rf"(?P<name>[^{_COLONS}\[\](){{}}\n]{{1,{_MOST_CHARACTERS}}}?)\s{{1,3}}[\[(]{_CLOCK}[\])]\s{{1,9}}(?=\S)"
)
_ADDRESS = re.compile(r"[\w.+-]{1,40}@[\w-]{1,40}(?:\.[\w-]{1,20}){1,3}")
_TELEPHONE = re.compile(r"\+?[\d*x(][\d*x() .-]{5,18}[\d*x]")
_ARTICLE = re.compile(r"(?:the|der|die|el|la|le|il|o|a)\s|l'", re.IGNORECASE)
_BETWEEN_NAMES = re.compile(r"\s[/|@–—-]\s|[/|,]\s{0,9}")
_FROM = re.compile(r"From (?P<name>.{1,60}?) [Tt]o .{1,60}", re.IGNORECASE)
_ASIDE = re.compile(r"\s{0,9}[\[(（【](?P<said>[^\[\]()（）【】]{0,40})[\])）】]\s{0,9}\Z")
_STAGE = re.compile(  # of a name, but no part of it
    r"(?:she|he|they|ze|xe|her|his|him|them|theirs|hers)(?:\s?[/,]\s?\w{2,6}){0,3}"
    r"|v\.?\s?o\.?|o\.?\s?s\.?|o\.?\s?c\.?|cont'?d\.?|continued|[\d:.,\s]+(?:[ap]\.?m\.?)?",
    re.IGNORECASE,
)
_CREDENTIAL = re.compile(
    r"\s{0,9},\s{0,9}(?:[A-Z][A-Za-z]{0,2}\.?\s?[A-Z][A-Za-z]{0,3}\.?(?:[A-Z]\.?){0,4}"
    r"|[A-Z]{2,6}(?:-[A-Z]{1,3})?|Jr\.?|Sr\.?|M\.?Ed\.?|Esq\.?)\Z"
)


@cache
def _words_of(kind: str) -> frozenset[str]:
    """Words of `data/caption_heads.json`, in the languages that were tried.

    `titles` and `particles` belong to names; `parts` name a part rather than a person and need
    not come back to count; `openers` begin a sentence before a colon; words `in_sentences` stand
    in no name, but for those that are `names_too`; `sounds` are descriptions of sound.
    """
    text = resources.files("emodiss.data").joinpath("caption_heads.json").read_text("utf-8")
    return frozenset(json.loads(text)[kind])


_NUMBERED = re.compile(r"[\s_#-]{0,3}(?:\d{1,3}|[A-Za-z])\Z")


_SAYING = re.compile(  # endings that make a sentence in scripts where no capital would tell
    r"(?:说|說|道|问|問|想|觉得|是|的是|就是|言った|言う|思う|は|が|말했다|말했어|다|요|는|은|ว่า|คือ|कहा|बोला|बोली|है|था|थी"
    r"|אמר|אמרה|אומר|אומרת|קאל|قال|قالت|يقول|هو|هي|هذا|זה|הוא|היא)\Z"
)


Kind = Literal["certain", "strong", "likely", "weak"]


@dataclass(frozen=True, slots=True)
class Head:
    """What may be the name of a voice at the head of a line."""

    # Label of the voice, without titles in brackets, pronouns, credentials and decoration.
    name: str
    # Characters of the line that it takes up, decoration and colon included.
    length: int
    # `certain`: by its form alone; `strong`: reads like a person's name and little else; `likely`:
    # has the form of a name; `weak`: only where it comes back.
    kind: Kind
    # Stands in brackets alone, as what is heard beside speech does.
    alone: bool = False


def find_head(line: str) -> Head | None:
    """Look for the name of a voice at the head of a line."""
    if not _MAY_HOLD_A_HEAD.search(line):
        return None
    lead = _LEAD.match(line)
    assert lead is not None  # each part of it may be absent
    start = lead.end()
    bracketed = _BRACKETED.match(line, start)
    if bracketed and any(map(str.isalpha, bracketed["name"])):
        return _in_brackets(bracketed, named=bool(lead["change"]))
    if lead["stamp"] is None and _clock_ends_at(line, start):
        return None
    found = _BEFORE_CLOCK.match(line, start) or _BEFORE_CLOCK_ALONE.match(line, start)
    if not found:
        found = _BEFORE_COLON.match(line, start)
        if not found or not _may_end_a_head(line, found):
            return None
    form = _form(found["name"].strip(' \t*_"“”«»„'))
    if form is None:
        return None
    name, kind = form
    end = found.end()
    while end < len(line) and (line[end].isspace() or line[end] in "*_"):
        end += 1
    if lead["change"] and kind != "weak":
        kind = "certain"
    return Head(name, end, kind)


def name_voices(rows: Sequence[Row]) -> Iterator[Row | Problem]:
    """Take names of voices that stand at the heads of lines into the speaker column."""
    if not any(_MAY_HOLD_A_HEAD.search(row.text) for row in rows):
        yield from rows
        return
    lines = [_lines(row) for row in rows]
    find = cache(find_head)  # of this file: each line is asked for more than once
    heads = [[find(line) for line in each] for each in lines]
    look_inside = cache(partial(_inside, find=find))
    inside = [look_inside(line) for each in lines for line in each]
    everything = [head for each in (*heads, *inside) for head in each if head]
    short = len(rows) < _FEW_ROWS
    # A phrase that is said twice is no voice that comes back.
    said = Counter(line for each in lines for line in each)
    told = (line for line, n in said.items() for _ in range(1 if n == 2 and not short else n))
    counts = Counter(
        head.name.casefold() for line in told for head in (find(line), *look_inside(line)) if head
    )
    first = [each[0] if each else None for each in heads]
    again = [head.alone for head in first if head and counts[head.name.casefold()] > 1]
    recurring, bracketed = len(again), 2 * sum(again) >= len(again)
    habitual = recurring > 0 and recurring >= NAMED_SHARE * len(rows)
    always = recurring > 0 and all(head is not None and head.kind != "weak" for head in first)
    names: dict[str, str] = {}  # by what is compared: as first written
    for head in everything:
        folded = head.name.casefold()
        named = counts[folded] > 1 or head.kind == "strong"
        if head.alone and not bracketed:
            continue  # "[Sobs]" beside "Ana:"
        once = always and head.kind != "weak" and (short or named or " " in head.name)
        if head.kind == "certain" or (habitual and named) or once:
            names.setdefault(folded, head.name)
    if not names:
        yield from rows
        return
    headed = [
        in_brackets(line) != ""
        for line, head in zip(chain(*lines), chain(*heads), strict=True)
        if head and head.name.casefold() in names
    ]
    bracketed = 2 * sum(headed) > len(headed)
    prefixes = Counter(_prefix(line) for each in lines for line in each)
    riddles = {
        prefix
        for prefix, n in prefixes.items()
        if prefix
        and (n > 1 or _bare(prefix))
        and (n >= _OFTEN_SHARE * len(rows) or not _opens(prefix))
    }
    others = Counter(_otherwise(line) for each in lines for line in each)
    often = max(2, _OFTEN_SHARE * len(rows))
    riddles |= {h for h, n in others.items() if h in names or (h and n >= often and _bare(h))}
    last: str | None = None
    for row, each in zip(rows, lines, strict=True):
        if row.speaker is not None:
            last = None  # a voice tag is explicit: nothing is carried past it
            yield row
            continue
        parts = _parts(each, names, riddles, find, bracketed=bracketed)
        if any(part.unread for part in parts):
            yield Problem(
                row.line,
                "begins with what may be the name of a voice, but cannot be told for one; its "
                "voice is left unknown (expected a name that comes back, or [Name]:)",
                doubt=True,
            )
        timing = "interpolated" if len(parts) > 1 else row.timing
        for part, words, (start, end) in _shared(row, parts):
            flags = row.flags
            if part.name is not None:
                last = part.name
            elif part.unread or part.changed:
                last = None
                flags = (*flags, "speaker_unread" if part.unread else "speaker_change")
            elif last is not None:
                flags = (*flags, "speaker_carried")
            yield Row(row.line, start, end, last, part.text, words, timing, flags)


@dataclass(slots=True)
class _Part:
    """A stretch of a caption by one voice, with the words of the row that it holds."""

    name: str | None
    first_word: int
    changed: bool = False
    unread: bool = False
    said: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join(self.said)


def _lines(row: Row) -> list[str]:
    return [line for line in row.text.split("\n") if line.strip()]


def _inside(line: str, find: Callable[[str], Head | None]) -> list[Head | None]:
    """Heads that follow the end of a sentence inside a line."""
    if not _HAS_COLON.search(line):
        return []
    first = find(line)
    done = first.length if first else _abbreviated(line)
    found: list[Head | None] = []
    for match in _SENTENCE.finditer(line):
        if match.end() < done:
            continue  # "Dr. Ruiz": the end of no sentence
        head = find(line[match.end() : match.end() + 2 * _MOST_CHARACTERS])
        done = match.end() + head.length if head else done
        found.append(head)
    return found


@lru_cache(maxsize=4096)  # short lines come back
def _abbreviated(line: str) -> int:
    """Return the length of a line whose colon follows titles or a number; 0 for others."""
    found = _BEFORE_COLON.match(line)
    written = found["name"].split() if found else []
    n = max(1, sum(word.endswith(".") for word in written))
    opening = _plain_words(written[:n])
    titles, particles = _words_of("titles"), _words_of("particles")
    known = (w in titles or w in particles or w.isdecimal() for w in opening)
    if opening and (all(known) or all(map(_INITIALS.fullmatch, written[:n]))):
        return len(line)
    # "Ana - iPhone: ...": the dash is no end of a sentence.
    return found.end() if found and _otherwise(line) else 0


@lru_cache(maxsize=4096)  # short lines come back
def _prefix(line: str) -> str:
    """Return what stands before the first colon, if it is short and words follow it."""
    lead = _LEAD.match(line)
    start = lead.end() if lead else 0
    stamped = _BEFORE_CLOCK.match(line, start) or _BEFORE_CLOCK_ALONE.match(line, start)
    found = stamped or _BEFORE_COLON.match(line, start)
    if not found or (not stamped and not _may_end_a_head(line, found)):
        return ""
    return found["name"].strip().casefold()


@lru_cache(maxsize=4096)  # short lines come back
def _otherwise(line: str) -> str:
    """Return what stands in round brackets, before a dash or a bar, if it has a name's form."""
    lead = _LEAD.match(line)
    found = _HEADED_OTHERWISE.match(line, lead.end() if lead else 0)
    if not found:
        return ""
    inside = (found["bracketed"] or found["name"]).strip(" *_")
    form = None if _sounds(inside) else _form(inside)
    return form[0].casefold() if form and form[1] != "weak" else ""


def _sounds(inside: str) -> bool:
    words = _plain_words(inside.split())
    return any(word in _words_of("sounds") or word.endswith("ing") for word in words)


def _bare(prefix: str) -> bool:
    """Whether no word of a few before a colon belongs into sentences, as in no name."""
    words = _plain_words(prefix.split())
    known = _words_of("in_sentences") | _words_of("openers")
    return (
        len(words) <= _MOST_BARE
        and not known.intersection(words)
        and not any(map(_SAYING.search, words))
    )


def reads_like_a_name(words: str) -> bool:
    """Whether words have the form of a name, and none of them belongs into sentences."""
    form = None if _sounds(words) else _form(words)
    return form is not None and form[1] != "weak" and _bare(words) and not _opens(words.casefold())


def _opens(prefix: str) -> bool:
    """Whether words before a colon begin a sentence, as far as single words tell."""
    words = _plain_words(prefix.split())
    return bool({words[0], words[-1]} & _words_of("openers")) if words else True


_INITIALS = re.compile(r"(?:[^\W\d_]\.){1,4}")
_SENTENCE = re.compile(
    r"(?<=[.!?])[\s\"'”»)\]]{1,9}|(?<=[…。！？؟।])[\s\"'”»)\]]{0,9}|\s(?=>{2,3}\s?)|\s[-–]\s"
)
_CHANGE = re.compile(r"[\s*_]{0,9}(?:>{2,3}|»)\s{0,9}")


_DASH = re.compile(r"\s{0,9}[-–]\s{0,9}")
_DASHED = re.compile(r"\s{0,9}[-–]\s?\w")


def _parts(
    lines: Sequence[str],
    names: Mapping[str, str],
    riddles: Set[str],
    find: Callable[[str], Head | None],
    *,
    bracketed: bool,
) -> list[_Part]:
    """Divide a caption at the heads of voices, between its lines and inside them."""
    parts: list[_Part] = []
    done = 0  # words before this place

    def add(text: str, name: str | None, taken: int, *, changed: bool, unread: bool) -> None:
        nonlocal done
        done += taken
        if not parts or name is not None or changed or unread:
            parts.append(_Part(name, done, changed, unread))
        words = text.split()
        parts[-1].said += words
        done += len(words)

    dashed = sum(bool(_DASHED.match(line)) for line in lines) > 1
    for line, following in pairwise((*lines, "")):
        begun = 0
        head, changed, unread = _head_at(line, 0, names, find, dashed=dashed)
        unread = unread or (
            head is None and not riddles.isdisjoint((_prefix(line), _otherwise(line)))
        )
        if head is None and not unread and line is lines[0]:
            opening = " ".join(in_brackets(line).split()[:2]) if bracketed else ""
            unread = looks_headed(line, following, names, reads_like_a_name) or (
                opening != "" and not _sounds(opening)
            )
        places = [match.end() for match in _SENTENCE.finditer(line)]
        least = head.length if head else _abbreviated(line) if places else 0
        for place in [*places, len(line)]:
            if place < begun + least:
                continue  # "Dr. Ruiz": the end of no sentence
            if place < len(line):
                inner, inner_changed, _ = _head_at(line, place, names, find, dashed=False)
                if inner is None and not inner_changed:
                    continue
            else:
                inner, inner_changed = None, False
            text = line[begun:place]
            length = head.length if head else _mark(text) if changed else 0
            taken = len(text[:length].split())
            name = head.name if head else None
            add(text[length:], name, taken, changed=changed, unread=unread)
            begun, head, changed, unread = place, inner, inner_changed, False
            least = head.length if head else 0
    return [part for part in parts if part.said or part.name] or [_Part(None, 0)]


def _head_at(
    line: str,
    place: int,
    names: Mapping[str, str],
    find: Callable[[str], Head | None],
    *,
    dashed: bool,
) -> tuple[Head | None, bool, bool]:
    """Read the head at a place: a known name, whether the voice changes, whether it is unread."""
    rest = line[place : place + 2 * _MOST_CHARACTERS] if place else line
    head = find(rest)
    if head and (known := names.get(head.name.casefold())):
        return (head if known == head.name else Head(known, head.length, head.kind)), False, False
    changed = bool(_CHANGE.match(rest)) or (dashed and bool(_DASH.match(rest)))
    # Only a line of its own is in doubt; inside a line, names that come back decide.
    unread = not place and head is not None and head.kind != "weak"
    return None, changed, unread


def _mark(text: str) -> int:
    found = _CHANGE.match(text) or _DASH.match(text)
    return found.end() if found else 0


def _shared(
    row: Row, parts: Sequence[_Part]
) -> Iterator[tuple[_Part, tuple[Word, ...], tuple[float, float]]]:
    """Give each part its share of the row's words and time."""
    words: list[tuple[Word, ...]] = [()] * len(parts)
    if row.words and len(row.words) == sum(len(line.split()) for line in _lines(row)):
        words = [row.words[p.first_word : p.first_word + len(p.said)] for p in parts]
    elif len(parts) == 1:
        words = [row.words]
    spans = _spans(row, parts, words) if len(parts) > 1 else [(row.start, row.end)]
    yield from zip(parts, words, spans, strict=True)


def _spans(
    row: Row, parts: Sequence[_Part], words: Sequence[Sequence[Word]]
) -> list[tuple[float, float]]:
    if not row.end > row.start or math.isnan(row.end):
        return [(row.start, row.end)] * len(parts)
    if all(words):
        starts = [row.start, *(own[0].start for own in words[1:])]
        spans = list(pairwise([*starts, row.end]))
        if all(start < end for start, end in spans):
            return spans
    return share_out(row.start, row.end, [part.text for part in parts])


def _in_brackets(match: re.Match[str], *, named: bool) -> Head | None:
    inside = match["name"].strip()
    if not inside or _sounds(inside):
        return None
    form = _form(inside)
    with_colon = bool(match["colon"])
    if form is None:
        return None
    name, kind = form
    if with_colon or named:
        return Head(name, match.end(), "certain" if kind != "weak" else "likely")
    if match["open"] in "(（" and kind != "certain":
        # "(Sighing)" and "(To Ana)" stand in round brackets, names of two words on a line of theirs
        own_line = match.end() == len(match.string) and len(inside.split()) > 1
        return Head(name, match.end(), kind, alone=True) if own_line and kind != "weak" else None
    return None if kind == "weak" else Head(name, match.end(), kind, alone=kind != "certain")


_CLOCK_BEGINS = re.compile(r"\d{1,2}\s?[:：]\s?\d")


def _clock_ends_at(line: str, start: int) -> bool:
    return bool(_CLOCK_BEGINS.match(line[start : start + 6]))


def _may_end_a_head(line: str, found: re.Match[str]) -> bool:
    """Whether what follows the colon may be the first word that is said."""
    after = line[found.end() : found.end() + 3]
    spaced = line[found.end("name")] != found["colon"]
    if spaced and line[found.end("name") - 1].isdecimal() and after.strip()[:1].isdecimal():
        return False  # "2 : 1"
    if not after or after[0].isspace() or found["colon"] != ":":
        return True
    if after[0] in "*_\"“«'¿¡「『":
        return True
    if not after[0].isalpha() or spaced or after.startswith("//"):
        return False
    # "Ana:Hello", "李医生:你好"; neither ":D" nor "a:b".
    return not small(after[0]) and ((len(after) > 1 and after[1].isalpha()) or not _cased(after[0]))


@lru_cache(maxsize=4096)  # names come back, whatever is said after them
def _form(written: str) -> tuple[str, Kind] | None:
    """Label and form of what stands before a colon or in brackets; None where it is no name."""
    sent = _FROM.fullmatch(written)
    if sent:
        inner = _form(sent["name"].strip())
        return (inner[0], "certain") if inner and inner[1] != "weak" else None
    base, role, sure = _without_asides(written)
    base, n_credentials = _without_credentials(base)
    base = _without_symbols(base)
    if _TELEPHONE.fullmatch(written) and sum(map(str.isdecimal, written)) >= 6:
        return written, "likely"  # who joined a meeting by telephone
    if not any(map(str.isalpha, base)):
        return None
    folded = base.casefold().strip(".")
    bare = _ARTICLE.sub("", folded, count=1)
    if {folded, bare, _NUMBERED.sub("", bare)} & _words_of("parts"):
        return base, "certain"
    if _ADDRESS.fullmatch(base):
        return base, "likely"
    chunks = [chunk for chunk in _BETWEEN_NAMES.split(base) if chunk.strip()]
    if len(chunks) > 1 and chunks[-1].strip().casefold() in _words_of("parts"):
        role, sure = chunks.pop().strip(), True
        base = base.removesuffix(role).rstrip(" /|@,–—-")
    kinds = [_kind(chunk.split(), n_chunks=len(chunks)) for chunk in chunks]
    if not kinds or len(kinds) > 3 or any(kind is None for kind in kinds):
        return None
    # Two people of one name are told apart by their part.
    name = f"{base} ({role})" if role else base
    if sure:
        return name, "certain"
    if n_credentials:
        return name, "strong"
    order: tuple[Kind, ...] = ("weak", "likely", "strong")
    return name, next(kind for kind in order if kind in kinds)


def _without_asides(written: str) -> tuple[str, str, bool]:
    """Take off what follows a name in brackets: the name, a part, whether it makes it certain."""
    base, role, sure = written, "", False
    for _ in range(3):
        aside = _ASIDE.search(base)
        if not aside:
            break
        inside = aside["said"].strip()
        if inside.casefold() in _words_of("parts"):
            role, sure = inside, True
        sure = sure or bool(_STAGE.fullmatch(inside))
        base = base[: aside.start()]
    return base.strip(), role, sure


def _without_credentials(base: str) -> tuple[str, int]:
    n = 0
    while n < 4 and (found := _CREDENTIAL.search(base)):
        base, n = base[: found.start()], n + 1
    return base, n


def _without_symbols(base: str) -> str:
    plain = unicodedata.normalize("NFC", "".join(filter(_no_symbol, base)))
    return " ".join(plain.strip(" \t\"“”'*_.-–").split())


@cache  # by character: there are no more than Unicode has
def _no_symbol(char: str) -> bool:
    return unicodedata.category(char) not in ("So", "Sk", "Cf", "Cs", "Co")


def _plain_words(words: Sequence[str]) -> list[str]:
    return [word.strip(",'\"()!?").replace(".", "").casefold() or "." for word in words]


def _kind(words: Sequence[str], *, n_chunks: int) -> Kind | None:
    plain = _plain_words(words)
    if not words or len(words) > _MOST_WORDS or not any(map(str.isalpha, plain[0])):
        return None
    titled = plain[0] in _words_of("titles") and len(words) > 1
    if len(words) == 1 and len(plain[0]) == 1 and words[0][0].isupper():
        return "likely"  # "Q:" and "A:"
    in_sentences = any(map(_of_sentences, words, plain)) and not _INITIALS.fullmatch(words[0])
    if words[-1][-1] in "!?;" or in_sentences:
        return None
    if {plain[0], plain[-1]} & _words_of("openers") and not (
        words[0][0].isupper() and plain[0] in _words_of("names_too")
    ):
        return None
    if not all(map(_wordlike, words)):
        return None
    cased = [word for word in words if _cased(word)]
    if not cased:
        joined = "".join(words)
        if len(joined) > _MOST_CASELESS + 6 * (len(words) - 1) or _SAYING.search(joined):
            return None
        return "strong" if titled else "likely"
    main = [word for word in cased if word.strip(".,'") not in _words_of("particles")]  # "Ben"
    if any(map(str.isupper, words[0])) and any(map(str.isupper, words[-1])):
        main = [word for word in main if not _links(word)]
    if main and all(any(map(_begins_names, word)) for word in main):
        return "strong" if titled else "likely"
    if len(words) == 1 and re.fullmatch(r"[^\W\d_]+_?\d+|[^\W\d_]+_[^\W_]+", words[0]):
        return "likely"  # "mia_89"
    lower = len(words) <= 2 and n_chunks == 1
    return "weak" if lower and not any(map(str.isupper, "".join(words))) else None


def _links(word: str) -> bool:
    """Whether a small word may stand between two names, as in "Mac an Ghaill"."""
    return len(word.strip("'’.")) <= _MOST_LINKING and word.islower()


def _begins_names(char: str) -> bool:
    """Whether a character may begin a name: a capital, or of a script without."""
    return char.isupper() or (char.isalpha() and not _cased(char))


def _of_sentences(word: str, plain: str) -> bool:
    if plain in _words_of("particles") or plain not in _words_of("in_sentences"):
        return False
    return not (word[0].isupper() and plain in _words_of("names_too"))


def _wordlike(word: str) -> bool:
    """Whether a word holds letters, marks, digits and what stands inside names only."""
    return all(map(_in_words, word)) and ('"' not in word or '"' in word[1:-1])


@cache  # by character: there are no more than Unicode has
def _in_words(char: str) -> bool:
    return unicodedata.category(char)[0] in "LMN" or char in ".'’‘-_&·・׳״་#+\""


def _cased(text: str) -> bool:
    """Whether a text holds a character that has a capital or a small form."""
    return any(char.isupper() or small(char) for char in text)
