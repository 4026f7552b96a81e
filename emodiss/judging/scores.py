"""From what a judge answered to a number, or to nothing: never to a guess."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emodiss.chat.answers import unwrapped
from emodiss.judging.stated import (
    NUMBER,
    Reason,
    Stated,
    goes_on,
    labelled,
    stated_score,
    without_denominators,
)
from emodiss.ratings import CRITERIA, LIKERT, RatingScale

if TYPE_CHECKING:
    from emodiss.chat.model import TokenLogprob

_MOST_LOGPROB = 0.01
"""Rounding may push the logarithm of a probability of 1 over 0, and nothing else may."""


@dataclass(frozen=True, slots=True)
class Found:
    """A score in a text.

    Parameters
    ----------
    start
        Where it begins, in characters.
    """

    value: float
    start: int


def find_score(
    text: str,
    *,
    scale: RatingScale = LIKERT,
    criteria: tuple[str, ...] = CRITERIA,
    asked: str | None = None,
) -> Found | None:
    """Find the one score that a judge's answer states.

    Thinking aloud, control tokens and wrapping count for nothing (`chat.answers.unwrapped`).
    What remains states a score by a number that stands alone on the first or the last line (`4`,
    `[[4]]`, `4/5`), by numbers after a label (`Score: 4`, `Empathy (1-5): 4`) and by sentences that
    give one (`I would give it a 4`). Different candidates, ranges, bounds, corrections, another
    scale (`4/10`), a number off the scale or none at all mean that there is no score.

    Parameters
    ----------
    criteria
        Names that may stand as a label before a score.
    asked
        The criterion that was asked for: numbers after the names of others are no scores then.
    """
    found = _find(text, scale, criteria, asked)
    return None if isinstance(found, str) else Found(found.value, found.start)


def why_no_score(
    text: str,
    *,
    scale: RatingScale = LIKERT,
    criteria: tuple[str, ...] = CRITERIA,
    asked: str | None = None,
) -> str:
    """Say why `find_score` finds none, as a key of `stated.REASONS`; empty where there is one."""
    found = _find(text, scale, criteria, asked)
    return found if isinstance(found, str) else ""


def _find(
    text: str, scale: RatingScale, criteria: tuple[str, ...], asked: str | None
) -> Stated | Reason:
    return stated_score(unwrapped(text), text, scale, criteria, asked)


_LEADING = re.compile(
    r"[ \t\n*_`\[(\"']{0,20}(?P<number>"
    + NUMBER
    + r")[ \t*_`\])\"']{0,20}(?P<after>[,;:\n]|[-–—]|$)"
)
_GOES_ON = re.compile(r"[ \t]{0,20}(?:or\b|to\b|and\b)?[ \t]{0,20}[+-]?\d")


def find_leading(
    text: str, *, scale: RatingScale = LIKERT, labels: tuple[str, ...] = CRITERIA
) -> float | None:
    """Find the score of an answer that begins with it, as in `4, the counselor listens`.

    None if there is no score at the beginning and none after a label ("score", "rating" or one of
    `labels`), if there are several, or if it is off the scale. Numbers in the explanation are none.
    """
    stripped = without_denominators(unwrapped(text), scale)
    leading = _LEADING.match(stripped)
    # An explanation may speak of the criterion and of numbers.
    spots = _labelled(stripped, () if leading else labels)
    # "4, 5" and "3-4" are ranges and lists, not a score with an explanation.
    if leading and leading["after"] != "\n" and _GOES_ON.match(stripped, leading.end()):
        return None
    if leading:
        spots.add(leading["number"])
    values = {float(number.replace(",", ".")) for number in spots}
    if len(values) != 1:
        return None
    value = values.pop()
    return value if scale.holds(value) else None


_BRACKETED = re.compile(
    r"\[\[[ \t*]{0,9}(?:(?:rating|score)[ \t]{0,9}[:=]?[ \t]{0,9})?(?P<number>[+-]?\d+(?:[.,]\d+)?)"
    r"(?:[ \t]{0,9}/[ \t]{0,9}(?P<top>\d{1,6}))?[ \t*]{0,9}\]\]",
    re.IGNORECASE,
)
_EXAMPLE = re.compile(r"(?:e\.g\.|for example|such as)[ ,:]{0,5}$", re.IGNORECASE)
_STATED = re.compile(r"(?:rating|score)[ \t*_]{0,9}(?:[:=]|\bis\b)[ \t*_:]{0,9}$", re.IGNORECASE)
_JOINED = re.compile(r"[\s*_,;/&–—-]{0,40}(?:(?:or|and|to)\b)?[\s*_]{0,40}")
_ONLY = re.compile(r"[\s*_`\[(\"']*(?P<number>" + NUMBER + r")[\s*_`\])\"'.]*")
_NEAR = 100
_LINE_BEGINS = re.compile(r"(?:^|\n)[ \t*_>#-]*\Z")
_LINE_ENDS = re.compile(r"[ \t*_.]*\n")


def find_bracketed(text: str, *, scale: RatingScale = LIKERT, cut: bool = False) -> float | None:
    """Find the rating in double brackets that an answer ends with: `... [[4]]`; None without one.

    The last one counts, and ratings on the way to it do not, unless they claim the same: they
    stand beside it (`[[3]] or [[4]]`), after a label (`Rating: [[3]]`), or on a line of their
    own. If those differ, there is no rating. An answer without double brackets has one only after
    a label, or if it is nothing but a number. Of an answer that was `cut` off, a rating that more
    words follow is not the last.
    """
    stripped = unwrapped(text)
    spots = [
        m
        for m in _BRACKETED.finditer(stripped)
        if not _EXAMPLE.search(_before(stripped, m.start()))
    ]
    if any(m["top"] and float(m["top"]) != scale.high for m in spots):
        return None
    if not spots:
        bare = without_denominators(stripped, scale)
        numbers = _labelled(bare, ())
        if only := _ONLY.fullmatch(bare):
            numbers.add(only["number"])
    elif cut and stripped[spots[-1].end() :].strip(" \t\n*_."):
        numbers = set()
    else:
        numbers = {spots[-1]["number"]}
        for spot, after in itertools.pairwise(spots):
            before, behind = _before(stripped, spot.start()), stripped[spot.end() : after.start()]
            beside = after is spots[-1] and _JOINED.fullmatch(behind)
            alone = _LINE_BEGINS.search(before) and _LINE_ENDS.match(behind)
            if beside or alone or _STATED.search(before):
                numbers.add(spot["number"])
    values = {float(number.replace(",", ".")) for number in numbers}
    if len(values) != 1:
        return None
    value = values.pop()
    return value if scale.holds(value) else None


def _before(text: str, place: int) -> str:
    """Give what stands right before a place: each mark of an answer is looked at."""
    return text[max(0, place - _NEAR) : place]


def _labelled(text: str, names: tuple[str, ...]) -> set[str]:
    found = labelled(text, ("score", "rating", *names))
    return {m["number"] for m in found if not goes_on(text, m.end("number"))}


@dataclass(frozen=True, slots=True)
class Weighed:
    """A score weighed by probability, renormalised to the scale, and its mass before that."""

    score: float
    mass: float


def weigh(
    tokens: Sequence[TokenLogprob],
    *,
    scale: RatingScale = LIKERT,
    criteria: tuple[str, ...] = CRITERIA,
    asked: str | None = None,
) -> Weighed | None:
    """Weigh the points of the scale by their probability at the place of the score.

    This is G-Eval's score (Liu et al. 2023, section 2, equation 1). The place is the token at
    which the score that the answer states begins. Tokens that spell the same point, such as `4`
    and ` 4`, add up.

    Parameters
    ----------
    tokens
        The answer, token by token, each with its likeliest alternatives.

    Returns
    -------
    Weighed or None
        None if the answer states no score, or the score is longer than one token.
    """
    text = "".join(t.token for t in tokens)
    found = find_score(text, scale=scale, criteria=criteria, asked=asked)
    if found is None:
        return None
    end = 0
    for token in tokens:
        end += len(token.token)
        if end > found.start:
            break
    else:
        return None
    if _point(token.token, scale) != found.value:
        return None
    # The chosen token may be missing from the list when it was sampled and unlikely.
    listed = dict(token.top) or {token.token: token.logprob}
    listed.setdefault(token.token, token.logprob)
    mass: dict[float, float] = {}
    for text, logprob in listed.items():
        if not logprob <= _MOST_LOGPROB:  # no logarithm of a probability
            return None
        point = _point(text, scale)
        if point is not None:
            mass[point] = mass.get(point, 0.0) + math.exp(logprob)
    total = sum(mass.values())
    if not total > 0 or not math.isfinite(total):
        return None
    score = sum(point * p for point, p in mass.items()) / total
    return Weighed(score, min(total, 1.0))


def _point(token: str, scale: RatingScale) -> float | None:
    """Read a token as a point of the scale."""
    text = token.strip(" \t\n\r*_`[]()\"'▁Ġ:")
    if not re.fullmatch(r"\d+(?:\.\d+)?", text):
        return None
    value = float(text)
    return value if scale.holds(value) else None
