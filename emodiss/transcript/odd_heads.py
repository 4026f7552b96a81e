"""Lines that open with what may be a name, in a form that no head of a voice is read from.

`Zed Quill > I am new`, `«Zed Quill» I am new`, or a name on a line of its own. Nothing is read
from them: they only stop the voice before them from being carried on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

_MARKS = re.compile(r"[\s*_~♪♫#=/|•\u200e\u200f\u2066-\u2069]{0,9}(?:[-–—]\s{0,9})?")
_ENCLOSED = re.compile(
    r"(?:<([^<>\n]{1,60})>|\{([^{}\n]{1,60})\}|«([^«»\n]{1,60})»"
    r"|/([^/\n]{1,60})/|\|([^|\n]{1,60})\||\*{1,3}([^*\n]{1,60})\*{1,3}"
    r"|_{1,3}([^_\n]{1,60})_{1,3}|={1,3}([^=\n]{1,60})={1,3}"
    r"|「([^「」\n]{1,60})」|『([^『』\n]{1,60})』|〈([^〈〉\n]{1,60})〉"
    r"|《([^《》\n]{1,60})》|“([^“”\n]{1,60})”|\"([^\"\n]{1,60})\""
    r"|[\[【〔]([^\[\]【】〔〕/|,(–]{1,60})\s?[/|,(–][^\[\]【】〔〕\n]{0,60}[\]】〕])\s{0,9}"
)
_BRACKETED = re.compile(rf"{_MARKS.pattern}[\[【〔]([^\W\d_][^\[\]【】〔〕\n]{{0,59}})[\]】〕]")
_SEPARATED = re.compile(  # what no sentence has behind its first words
    r"(?P<name>[^\n>»=→|~•@\[\](){}<;:：–—…\t-]{1,60}?)\s{0,9}"
    r"(?:[>»=→|~•\t]|-{1,2}>|::|[\[(（][^\[\]()（）\n]{0,30}[\])）])[\s>=]{0,9}"
)
_DASHED = re.compile(  # what sentences have, too
    r"(?P<name>[^\n>»=→|~•@\[\](){}<;:：–—…\t-]{1,60}?)"
    r"(?:\s{1,9}[-–—]\s{1,9}|[–—]\s{0,9}|\s{0,9};\s{1,9}|\s{1,9}(?:…|\.\.\.)\s{0,9}|\.\s{0,9}—)"
)
_MENTIONED = re.compile(r"@\w")
_PARTICLE = re.compile(r"[はがをにのとでもへや是的，、,。.!?！？…]")
_BEHIND_A_NAME = re.compile(
    r"\s{0,9}(?:[=>»→|~•;…\t–—]|-{1,2}>|-\s|\.|::)"
    r"|[^:：\n]{0,60}[:：]\s|\s{0,9}[\[(（][^\[\]()（）\n]{0,30}[\])）]\s{0,9}(?P<said>\S)"
)
_WITHOUT_CAPITALS = re.compile("[\u10d0-\u10ff]")
"""Georgian letters: Unicode has capitals for them, which headings alone are set in."""
_ONE_LINE = 32
"""Widest cue, in characters, that needs no second line: broken earlier, its first line is more."""


def looks_headed(
    line: str, following: str, names: Collection[str], named: Callable[[str], bool]
) -> bool:
    """Whether a line may begin with the name of a voice in a form that is not read.

    `following` is the next line of the caption, `names` are those of the file as they are
    compared, and `named` says whether words have the form of a name.
    """
    start = _MARKS.match(line)
    rest = line[start.end() if start else 0 :]
    if _after_a_known_name(rest, following, names):
        return True
    enclosed = _ENCLOSED.match(line.lstrip())
    if enclosed:
        name = next(filter(None, enclosed.groups()), "").strip()
        said = line.lstrip()[enclosed.end() :]
        return named(name) and begins_a_turn(said) and not _PARTICLE.match(said)
    if _MENTIONED.match(rest) and not small(rest[1]):
        return True
    separated = _SEPARATED.match(rest) or _DASHED.match(rest)
    if separated:
        said = rest[separated.end() :].lstrip("—–-\"'“«「 ")
        return begins_a_turn(said) and named(separated["name"].strip())
    alone = rest.strip()
    broken_early = len(line) + len(following) < _ONE_LINE
    return broken_early and begins_a_turn(following) and named(alone)


def in_brackets(line: str) -> str:
    """Return what a line begins with in square brackets, if it has a capital, as names have."""
    found = _BRACKETED.match(line)
    if not found or small(found[1][0]) or not begins_a_turn(line[found.end() :]):
        return ""
    return found[1]


def _after_a_known_name(rest: str, following: str, names: Collection[str]) -> bool:
    """Whether a line begins with a name of the file and goes on as no sentence would."""
    folded = rest.casefold()
    for name in names:
        if not folded.startswith(name):
            continue
        behind = rest[len(name) :]
        if not behind.strip():
            return bool(following)
        found = _BEHIND_A_NAME.match(behind)
        if found and (found["said"] is None or begins_a_turn(found["said"])):
            return True
        # "Bo, you were late" calls Bo; few call anyone by two names.
        if " " in name and behind[0] in ",，、،፣":
            return True
    return False


def begins_a_turn(said: str) -> bool:
    """Whether words may begin a turn: no small letter, and not nothing."""
    said = said.lstrip(" \t\"'“«「¿¡—–-")
    return bool(said) and (said[0].isalpha() or not said[0].isascii()) and not small(said[0])


def small(char: str) -> bool:
    """Whether a letter is a small one of a script that begins names with capitals."""
    return char.islower() and not _WITHOUT_CAPITALS.match(char)
