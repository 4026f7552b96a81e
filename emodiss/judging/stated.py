"""Which numbers of an answer state its score, told by what stands before and after each.

A number counts something, numbers something, bounds something or belongs to another scale at least
as often as it is a score, so it counts for nothing until its surroundings say what it is.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

from emodiss.ratings import RatingScale

Reason = Literal["none", "several", "off_scale", "other_scale", "vague", "taken_back"]

REASONS: dict[Reason, str] = {
    "none": "no number is stated as the score",
    "several": "different scores are stated",
    "off_scale": "the number is no point of the scale",
    "other_scale": "the score is stated on another scale",
    "vague": "a range, a bound, a question or a denial",
    "taken_back": "the score is corrected afterwards",
}
"""Why an answer has no score."""

_MOST_NUMBERS = 2000  # in a reply that says one; more are no reasons

NUMBER = (
    r"(?<![.,٫．/\dA-Za-zÀ-ɏЀ-ӿ_#])[+-]?\d+(?:[.,٫．]\d{1,2})?"
    r"(?=[分点點점]|です|[^\W\d_]{1,3}点|(?!\d|[.,٫．]\d|[^\W\d]|_))"
)
_NUMBERS = re.compile(NUMBER)

# Emphasis and formulas around a number; what stands inside keeps its place.
_DRESS = re.compile(
    r"\\(?:boxed|text|textbf|mathbf|mathrm|fbox)\s?\{|\\[()\[\]]|[*`$\r]|(?<!\w)__|__(?!\w)"
)
_STRUCK = re.compile(r"~~[^~\n]{0,40}\d")


@functools.cache
def _listed() -> dict[str, Any]:
    """Read the lists of `data/stated_scores.json`, in the languages that were tried.

    Entries are regular expressions; those of a list that ends in `_unspaced` belong to scripts
    that set no blank between words, or stand inside a word.
    """
    text = resources.files("emodiss.data").joinpath("stated_scores.json").read_text("utf-8")
    return json.loads(text)


def _any(kind: str) -> str:
    return "|".join(_listed()[kind])


def _words(kind: str) -> str:
    return rf"\b(?:{_any(kind)})\b|{_any(f'{kind}_unspaced')}"


_UNIT = rf"(?:{_any('units')})"
_OUT_OF = re.compile(
    rf"[ \t]{{0,9}}{_UNIT}?[ \t]{{0,9}}(?:/|{_any('out_of')})[ \t]{{0,9}}"
    rf"(?P<top>\d+(?:[.,]\d+)?|{_any('numbers')})(?![\w]|[.,]\d|[ \t]?%)",
    re.IGNORECASE,
)
_SLASHED = re.compile(
    rf"(\d)[ \t*_]{{0,9}}(?:/|{_any('denominators')})[ \t*_]{{0,9}}(?P<top>\d{{1,6}}(?:\.\d+)?)",
    re.IGNORECASE,
)
_TO = rf"[ \t]?(?:{_any('to')})[ \t]?"
_SCALE_WORD = rf"(?:{_any('scale')})"
# What a scale is said to be: its ends, or its upper end.
_STATED_SCALES = (
    re.compile(
        rf"\((?:{_any('before_scale')})?[ :]{{0,3}}(?P<low>\d{{1,3}}){_TO}(?P<top>\d{{1,3}})\)",
        re.I,
    ),
    re.compile(
        rf"{_SCALE_WORD}[^\d\n]{{0,20}}(?P<low>\d{{1,3}})[^\d\n]{{0,20}}?{_TO}(?P<top>\d{{1,3}})",
        re.I,
    ),
    re.compile(
        rf"(?P<low>\d{{1,3}}){_TO}(?P<top>\d{{1,3}})[ -]{{0,3}}(?:point )?{_SCALE_WORD}", re.I
    ),
    re.compile(r"\bfrom (?P<low>1|0) to (?P<top>\d{1,3})\b", re.I),
    re.compile(r"(?P<top>\d{1,3})[- ]point (?:likert )?(?:scale|rating)", re.I),
    re.compile(r"\(out of (?P<top>\d{1,3})\)", re.I),
    re.compile(
        rf"\bmax(?:imum|imal|imo|\.)?[ _]{{0,2}}(?:{_any('maxima')})?"
        r"[\"']?[ ]{0,2}[:=]?[ ]{0,2}(?P<top>\d{1,3})(?!\w)",
        re.I,
    ),
    re.compile(rf"(?:{_any('full_marks')})[ ：:为是]{{0,3}}(?P<top>\d{{1,3}})[分点點]?"),
    re.compile(rf"(?P<top>\d{{1,3}})[ ]?(?:{_any('of_full_marks')})(?:中|で|의)?"),
    re.compile(rf"(?P<top>\d{{1,3}})[分点點점](?:{_any('among_marks')})"),
)
_LEGEND = re.compile(r"(?<![\w.,])(?P<point>\d{1,3})[ ]?=[ ]?[\"“]?(?=[^\W\d_])")

_OF_SOMETHING_ELSE = re.compile(_words("of_something_else"), re.IGNORECASE)
_SEPARATOR = rf"(?:[:=：＝|]|[ \t][-–—][ \t]|\b(?:{_any('is')})\b|[はが为為是])"
_BETWEEN = r"[\s_\[{(<\"'“«]{0,20}"

# Before and after a number that may be a score.
_IN_SENTENCE = re.compile(
    rf"(?:^|[,→>…]|\b(?:{_any('before_a_score')})|[^\W\d_a-zA-ZÀ-ɏЀ-ӿ])[\s(\[\"'“‘]{{0,9}}\Z",
    re.IGNORECASE,
)
_RATES = re.compile(
    rf"\b(?:{_any('raters')})\b[^.!?\n]{{0,60}}\b(?:{_any('verbs')})\b|\b(?:{_any('deserve')})s?\b"
    rf"|\b(?:{_any('nouns')})s? of\b|{_words('rates')}|\b(?:{_any('nouns_alone')})\b",
    re.IGNORECASE,
)
_AFTER = re.compile(
    rf"[ \t\])}}\"'”’»>]{{0,9}}"
    rf"(?:{_UNIT}(?![^\Wでだを입了이로])[ \t]{{0,3}})?[\])}}\"'”’»]{{0,3}}"
    r"(?:[ \t]{0,99}$|[ \t]{0,99}(?:[\n.,;:!({}|\]。、，；：！）—–]|</?[A-Za-z|]|/[A-Za-z/*]|-[ \t]"
    rf"|->|[☀-➿⭐🌀-🫿]|→|\\|{_any('endings')}|(?:{_any('after_a_score')})\b|[A-Z]))",
)
_BOUND_BEFORE = re.compile(
    rf"(?:(?<![\w\"'/|▁])[<>]|[≤≥≈±~]|\b(?:(?:{_any('bounds_before')})(?: (?:{_any('articles')}))?"
    rf"|{_any('no')}))[\s(\"']{{0,9}}\Z",
    re.IGNORECASE,
)
_BOUND_AFTER = re.compile(
    rf"[ \t\])}}\"']{{0,6}}(?:\+|-(?=\s*(?:$|\n))|%|％|\?|？|{_any('bounds_after')}"
    rf"|(?:[-–—~〜～,、/&|]|{_any('to_or')})[ \t(\[\"']{{0,4}}[+-]?\d)",
    re.IGNORECASE,
)
_DENIED = re.compile(_words("denials"), re.IGNORECASE)
_TAKEN_BACK = re.compile(_words("corrections"), re.IGNORECASE)
_SEEMS = re.compile(rf"[ \t](?:{_any('seems')})\b", re.IGNORECASE)
_UNIT_ALONE = re.compile(rf"^[ \t]?{_UNIT}(?!\w)", re.IGNORECASE)
_LIST_NUMBER = re.compile(r"[.)][ \t]{1,9}\S")


@dataclass(frozen=True, slots=True)
class Stated:
    """A number that states a score."""

    value: float
    start: int
    end: int


def stated_score(
    text: str, whole: str, scale: RatingScale, criteria: tuple[str, ...], asked: str | None
) -> Stated | Reason:
    """Find the one score in an answer, or say why it has none.

    `text` is the answer without thinking and wrapping, `whole` what was answered, of one length.
    """
    if _STRUCK.search(text):
        return "taken_back"
    plain = _DRESS.sub(_blank, text)
    numbers = list(_numbers(plain))
    if len(numbers) > _MOST_NUMBERS:
        return "several"
    another = _without_scales(plain, scale)
    if another is None:
        return "other_scale"
    found = _candidates(
        another, [n for n in numbers if another[n.start] != " "], scale, criteria, asked
    )
    if not found:
        return "none" if found is not None else "other_scale"
    for one in found:
        if doubt := _doubt(whole, plain, one):
            return doubt
    if len({one.value for one in found}) > 1:
        return "several"
    if _is_taken_back(another, numbers, found[0], scale):
        return "taken_back"
    return found[0] if scale.holds(found[0].value) else "off_scale"


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _numbers(plain: str) -> Iterator[Stated]:
    for match in _NUMBERS.finditer(plain):
        value = float(re.sub(r"[,٫．]", ".", match[0]))
        yield Stated(value, match.start(), match.end())


def _without_scales(plain: str, scale: RatingScale) -> str | None:
    """Blank what says which scale is meant; None where it is another one."""
    for pattern in _STATED_SCALES:
        for match in pattern.finditer(plain):
            ends = match.groupdict()
            if float(ends["top"]) != scale.high or float(ends.get("low") or scale.low) != scale.low:
                return None
        plain = pattern.sub(_blank, plain)
    if any(not scale.low <= float(m["point"]) <= scale.high for m in _LEGEND.finditer(plain)):
        return None
    return _LEGEND.sub(_blank, plain)


@functools.cache
def _labels(names: tuple[str, ...]) -> re.Pattern[str]:
    """Match a number after a label that holds one of the names, or inside a tag of that name."""
    spelled = (re.sub(r"(?:[\s_-]|\\[\s_-])+", r"[\\s_-]", re.escape(name)) for name in names)
    label = f"(?:{'|'.join(sorted(spelled, key=len, reverse=True))})"
    return re.compile(
        rf"(?P<label>(?<![^\W\d_一-鿿]){label})(?![^\W\d_一-鿿])(?:>\s{{0,20}}|[^\d\n:=：＝|{{]{{0,20}}"
        rf"(?:\([^()\n]{{0,80}}\)[^\d\n:=：＝|]{{0,5}})?{_SEPARATOR}){_BETWEEN}(?P<number>{NUMBER})",
        re.IGNORECASE,
    )


def labelled(text: str, names: tuple[str, ...]) -> Iterator[re.Match[str]]:
    """Find numbers behind a label, but those of another thing, such as a confidence."""
    for match in _labels(names).finditer(text):
        begins = max(text.rfind("\n", 0, match.start()), match.start() - 30, 0)
        said = re.split(r"[.,;|{]", text[begins : match.start()])[-1] + match[0]
        if not _OF_SOMETHING_ELSE.search(said):
            yield match


def _candidates(
    plain: str,
    numbers: list[Stated],
    scale: RatingScale,
    criteria: tuple[str, ...],
    asked: str | None,
) -> list[Stated] | None:
    """Collect the numbers that state a score by their place; None where one is on another scale."""
    others = tuple(c for c in criteria if asked is not None and c != asked)
    own = tuple(c for c in criteria if c not in others)
    foreign = {m.start("number") for m in labelled(plain, others)} if others else set()
    heads = {m.start("number") for m in labelled(plain, (*_listed()["labels"], *own))} - foreign
    found: list[Stated] = []
    tops: set[int] = set()
    begun = len(plain) - len(plain.lstrip())
    for number in numbers:
        if number.start in foreign or number.start in tops:
            continue
        out_of = _OUT_OF.match(plain, number.end)
        if out_of:
            tops.add(out_of.start("top"))
        first = not plain[begun : number.start].strip(" \t\"'“‘([{<#")
        follows = _follows(plain, number)
        if number.start not in heads and _is_alone(plain, number, begun):
            of_list = re.match(r"[.)][ \t]*\n", plain[number.end : number.end + 20])
            stated = not (of_list and heads)
        elif number.start in heads or first:
            goes_on = _BOUND_AFTER.match(plain, _past(plain, number))
            listed = number.start not in heads and _LIST_NUMBER.match(plain, number.end)
            stated = bool(follows or goes_on) and not listed
        elif out_of and _top(out_of) == scale.high:
            stated = follows
        else:
            stated = not heads and _in_a_rating(plain, number)
        if stated and out_of and _top(out_of) != scale.high:
            return None
        if stated:
            found.append(number)
    return found


def _past(plain: str, number: Stated) -> int:
    """Where a number ends with what it is out of: behind the `/5` of `4/5`."""
    out_of = _OUT_OF.match(plain, number.end)
    return out_of.end() if out_of else number.end


def _top(out_of: re.Match[str]) -> float:
    said = out_of["top"].casefold()
    spelled_out: dict[str, float] = _listed()["numbers"]
    return spelled_out[said] if said in spelled_out else float(said.replace(",", "."))


def without_denominators(text: str, scale: RatingScale) -> str:
    """Blank the `/5` of `4/5`; that of another scale stays, so that its number is none."""

    def blank(match: re.Match[str]) -> str:
        known = match["top"].isdecimal() and float(match["top"]) == scale.high
        return match[1] + " " * (len(match[0]) - len(match[1])) if known else match[0]

    return _SLASHED.sub(blank, text)


def goes_on(text: str, end: int) -> bool:
    """Whether what stands behind a number makes it a range, a bound or a part of another scale."""
    return bool(_BOUND_AFTER.match(text, end) or _OUT_OF.match(text, end))


def _is_alone(plain: str, number: Stated, begun: int) -> bool:
    """Whether a number is all that stands on the first or the last line."""
    line = plain.rfind("\n", 0, number.start) + 1
    end = plain.find("\n", number.end)
    end = len(plain) if end < 0 else end
    behind = plain[_past(plain, number) : end]
    around = plain[line : number.start] + _UNIT_ALONE.sub("", behind)
    if (
        around.strip(" \t\"'“”‘’()[]{}<>【】（）.。_")
        or plain[number.start - 1 : number.start] == "#"
    ):
        return False
    return line <= begun or not plain[end:].strip()


def _follows(plain: str, number: Stated) -> bool:
    """Whether what comes after a number lets it be a score; "4 children" is none."""
    return bool(_AFTER.match(plain, _past(plain, number)))


def _sentence(plain: str, number: Stated) -> str:
    begins = max(0, number.start - 120)
    return re.split(r"[.!?。！？\n]\s", plain[begins : number.start])[-1]


def _in_a_rating(plain: str, number: Stated) -> bool:
    """Whether a sentence gives the number as its rating."""
    before = _sentence(plain, number)
    behind = plain[number.end : number.end + 2]
    rates = _RATES.search(before) or (behind[:1] and behind[0] in "分点點점")
    return bool(rates and _IN_SENTENCE.search(before) and _follows(plain, number))


def _doubt(whole: str, plain: str, number: Stated) -> Reason | None:
    """Say what speaks against a number that is stated as the score."""
    before = plain[max(0, number.start - 40) : number.start]
    end = _past(plain, number)
    framed = before.endswith("<") and plain[end : end + 1] == ">"
    if _BOUND_AFTER.match(plain, end) or (_BOUND_BEFORE.search(before) and not framed):
        return "vague"
    if (
        whole[max(0, number.start - 1) : number.start] == ">"
        and not whole[: number.start - 1].strip()
    ):
        return "vague"
    return "vague" if _DENIED.search(_sentence(plain, number)) else None


def _is_taken_back(plain: str, numbers: list[Stated], first: Stated, scale: RatingScale) -> bool:
    """Whether another point of the scale is named afterwards, as a score would be."""
    for number in numbers:
        if number.start < first.end or number.value == first.value or not scale.holds(number.value):
            continue
        said = _follows(plain, number) or _SEEMS.match(plain, number.end)
        if plain[number.start] == " " or not said:
            continue
        before = plain[max(first.end, number.start - 80) : number.start]
        if _LIST_NUMBER.match(plain, number.end) and not before.rsplit("\n", 1)[-1].strip():
            continue
        if _TAKEN_BACK.search(before) or re.search(
            r"(?:->|→|\bfinal\b[^\n]{0,20}:)\s{0,3}\Z", before, re.I
        ):
            return True
    return False
