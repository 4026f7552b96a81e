"""Which numbers of an answer state its score, told by what stands before and after each.

A number counts something, numbers something, bounds something or belongs to another scale at least
as often as it is a score, so it counts for nothing until its surroundings say what it is.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

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

_UNIT = (
    r"(?:points?|pts?|stars?|punkte?n?|sterne?|étoiles?|puntos?|estrellas?|pontos?|punti|stelle|"
    r"балл(?:а|ов)?|очк(?:о|а|ов)|punkty?|puan|poäng|punten|[分点點점]|⭐️?|★)"
)
_WORDS = {
    **{"four": 4, "five": 5, "six": 6, "seven": 7, "nine": 9, "ten": 10, "hundred": 100},
    **{"cinco": 5, "cinq": 5, "fünf": 5, "zehn": 10, "dix": 10, "diez": 10},
}
_OUT_OF = re.compile(
    rf"[ \t]{{0,9}}{_UNIT}?[ \t]{{0,9}}(?:/|out of(?: an?)?(?: possible| maximum)?|of|von|sur|de|su"
    rf"|من|из|van|av|sobre|od)[ \t]{{0,9}}(?P<top>\d+(?:[.,]\d+)?|{'|'.join(_WORDS)})"
    r"(?![\w]|[.,]\d|[ \t]?%)",
    re.IGNORECASE,
)
_SLASHED = re.compile(
    r"(\d)[ \t*_]{0,9}(?:/|out of|von|sur)[ \t*_]{0,9}(?P<top>\d{1,6}(?:\.\d+)?)", re.IGNORECASE
)
_TO = r"[ \t]?(?:-|–|—|~|〜|～|\.\.|to|through|bis|à|a|до|至|到|から|and|und|et|y)[ \t]?"
_SCALE_WORD = r"(?:scale|range|skala|échelle|escala|scala|шкал\w{0,2}|schaal)"
# What a scale is said to be: its ends, or its upper end.
_STATED_SCALES = (
    re.compile(
        rf"\((?:scale|from|von|de)?[ :]{{0,3}}(?P<low>\d{{1,3}}){_TO}(?P<top>\d{{1,3}})\)", re.I
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
        r"\bmax(?:imum|imal|imo|\.)?[ _]{0,2}(?:score|points?|punkte|rating|value)?"
        r"[\"']?[ ]{0,2}[:=]?[ ]{0,2}(?P<top>\d{1,3})(?!\w)",
        re.I,
    ),
    re.compile(r"(?:满分|滿分|満点)[ ：:为是]{0,3}(?P<top>\d{1,3})[分点點]?"),
    re.compile(
        r"(?P<top>\d{1,3})[ ]?(?:点満点|分满分|分滿分|分制|点制|段階|점 ?만점|점 ?척도)"
        r"(?:中|で|의)?"
    ),
    re.compile(r"(?P<top>\d{1,3})[分点點점](?:中的|中|のうち|里)"),
)
_LEGEND = re.compile(r"(?<![\w.,])(?P<point>\d{1,3})[ ]?=[ ]?[\"“]?(?=[^\W\d_])")

_RATING_WORDS = (
    *("score", "scores", "rating", "grade", "mark", "answer", "result", "output", "verdict"),
    *(
        "evaluation",
        "assessment",
        "overall",
        "final",
        "bewertung",
        "wertung",
        "punktzahl",
        "punkte",
    ),
    *("ergebnis", "gesamtnote", "note", "nota", "puntuación", "puntuacion", "puntaje"),
    *("calificación", "valoración", "pontuação", "avaliação", "punteggio", "voto", "valutazione"),
    *(
        "évaluation",
        "оценка",
        "балл",
        "баллы",
        "评分",
        "評分",
        "得分",
        "分数",
        "分數",
        "打分",
    ),
    *(
        "スコア",
        "評価",
        "点数",
        "評点",
        "得点",
        "점수",
        "평가",
        "평점",
        "التقييم",
        "تقييم",
        "الدرجة",
    ),
    *("النتيجة", "ציון", "דירוג", "ocena", "wynik", "puan", "skor", "poäng", "betyg", "cijfer"),
    *("beoordeling", "empathie", "empatía", "empatia", "共感", "同理心", "共情", "공감", "эмпатия"),
)
_OF_SOMETHING_ELSE = re.compile(
    r"\b(?:confidence|certainty|max|maximum|minimum|min|initial|previous|preliminary|first|example"
    r"|temporary|draft|konfidenz|sicherheit|confiance|confianza)\b|置信|信心|確信",
    re.IGNORECASE,
)
_SEPARATOR = r"(?:[:=：＝|]|[ \t][-–—][ \t]|\b(?:is|ist|est|es|é|è)\b|[はが为為是])"
_BETWEEN = r"[\s_\[{(<\"'“«]{0,20}"

# Before and after a number that may be a score.
_IN_SENTENCE = re.compile(
    r"(?:^|[,→>…]|\b(?:an?|as|at|of|with|to|it|this|is|be|was|say|give|rate|score|rating|grade|"
    r"nota|note|"
    r"gebe|vergebe|eine?n?|mit|auf|ist|un|une|à|de|des|donne|con|um|uma|doy|es|dou|een|en|på|"
    r"на|ставлю|даю)|[^\W\d_a-zA-ZÀ-ɏЀ-ӿ])[\s(\[\"'“‘]{0,9}\Z",
    re.IGNORECASE,
)
_RATES = re.compile(
    r"\b(?:i|i['’]d|i['’]ll|we|my)\b[^.!?\n]{0,60}\b(?:give|rate|score|grade|assign|award|say|rating|choose|go|"
    r"mark|judge|put)\b|\b(?:deserve|merit|earn|warrant)s?\b|\b(?:score|rating|grade|mark)s? of\b"
    r"|\b(?:gebe|vergebe|würde|daria|поставила?|bewerte|donne|doy|daría|pongo|dou|daria"
    r"|assegno|attribue|ставлю|даю)\b"  # codespell:ignore
    r"|[给給打评評点點점분]|أعطي|أقي[ّ]?م"
    r"|\b(?:score|rating|grade|answer)\b",
    re.IGNORECASE,
)
_AFTER = re.compile(
    rf"[ \t\])}}\"'”’»>]{{0,9}}"
    rf"(?:{_UNIT}(?![^\Wでだを입了이로])[ \t]{{0,3}})?[\])}}\"'”’»]{{0,3}}"
    r"(?:[ \t]{0,99}$|[ \t]{0,99}(?:[\n.,;:!({}|\]。、，；：！）—–]|</?[A-Za-z|]|/[A-Za-z/*]|-[ \t]"
    r"|->|[☀-➿⭐🌀-🫿]|→|\\|です|だ|を|입니다|이|了"
    r"|(?:because|since|as|for|due|on|in|overall|although|though|but|while|given|based|and is|the|"
    r"this|it|which|that|weil|denn|da|für|car|parce|pour|porque|para|por|perché|потому|так)\b"
    r"|[A-Z]))",
)
_BOUND_BEFORE = re.compile(
    r"(?:(?<![\w\"'/|▁])[<>]|[≤≥≈±~]|\b(?:(?:at (?:least|most)|up to|between|below|above|under|over"
    r"|(?:more|less|higher|lower|greater|better|worse) than|about|around|approximately|approx\.?"
    r"|nearly|almost|roughly|maybe|perhaps|possibly|mindestens|höchstens|über|etwa|ca\."
    r"|unter"  # codespell:ignore
    r"|zwischen|vielleicht|au (?:moins|plus)|environ|(?:moins|plus) de|entre|al menos"
    r"|(?:menos|más) de|circa)(?: an?| eine?| un[ea]?)?"
    r"|not|no|never|nicht|kein|keine|pas|jamais|не))[\s(\"']{0,9}\Z",
    re.IGNORECASE,
)
_BOUND_AFTER = re.compile(
    r"[ \t\])}\"']{0,6}(?:\+|-(?=\s*(?:$|\n))|%|％|\?|？|percent|prozent"
    r"|or (?:more|higher|less|lower|above|below|so)|ou (?:plus|moins)|o más"
    r"|oder (?:mehr|weniger|höher)"  # codespell:ignore
    r"|(?:[-–—~〜～,、/&|]|to|or|and|bis|à|ou|a|o|y|u|e|до|или|至|到|或"
    r"|oder)"  # codespell:ignore
    r"[ \t(\[\"']{0,4}[+-]?\d)",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"\b(?:not|n['’]t|cannot|never|refuse|unable|decline|nicht|kein\w{0,2}|pas|ne|n['’]est|no puedo"
    r"|не|нельзя)\b|n['’]t\b|不能|不会|ません|ない|않",
    re.IGNORECASE,
)
_TAKEN_BACK = re.compile(
    r"\b(?:actually|correction|corrected|on (?:second thoughts?|reflection)|wait|hmm+|no(?=,)|or"
    r"|edit|update|maybe|perhaps|possibly|vielleicht"
    r"|revis\w{1,4}|chang(?:e|ed|ing)|lower|raise|reduce|increase|upgrade|downgrade|adjust\w{0,3}|instead|rather|"
    r"make (?:it|that)|reconsider\w{0,3}|nein|doch|eigentlich|korrektur|lieber|plutôt|finalement|"
    r"en fait|mejor|corrección|anzi|нет|вернее|точнее|исправ\w{0,6})\b"
    r"|更正|修正|訂正|改为|改成|やはり|いや|아니",
    re.IGNORECASE,
)
_SEEMS = re.compile(r"[ \t](?:is|would|seems|feels|may|might|fits)\b", re.IGNORECASE)
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
    heads = {m.start("number") for m in labelled(plain, (*_RATING_WORDS, *own))} - foreign
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
    return _WORDS[said] if said in _WORDS else float(said.replace(",", "."))


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
