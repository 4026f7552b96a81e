"""Six filters of quality and two of safety (Kim et al. 2025, section 3.4), and two hidden ones.

Each looks at a record alone, so that all can be run on all records and compared. Rates in the
comments are those that the paper prints. Taken as independent they would leave about 9,990 of
41,223 dialogues, as disjoint about 870; printed are 3,073.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final

from emodiss.clients.pairing import plain_gender
from emodiss.errors import SettingsError, nearest
from emodiss.screening.limits import Limits, OfPictures
from emodiss.screening.records import LEVELS, PictureMeasures, Record, Verdict

Filter = Callable[[Record, Limits], Verdict]


def image_text(record: Record, limits: Limits) -> Verdict:
    """Reject pictures that do not show the stage directions (2.95 %)."""
    least = limits.image_text.threshold
    return _pictures(
        record,
        limits.image_text,
        lambda picture: (_at_least(picture.image_text, least), picture.image_text),
        "image_text",
    )


def identity(record: Record, limits: Limits) -> Verdict:
    """Reject pictures of somebody else than the reference (66.05 %)."""
    least = limits.identity.threshold
    return _pictures(
        record,
        limits.identity,
        lambda picture: (_at_least(picture.identity, least), picture.identity),
        "other_person",
    )


def gender(record: Record, limits: Limits) -> Verdict:
    """Reject pictures whose predicted gender is not the profile's (15.39 %)."""
    stated = plain_gender(record.play.case.profile.gender)

    def judge(picture: PictureMeasures) -> tuple[bool | None, float]:
        return (
            None if picture.gender is None else plain_gender(picture.gender) == stated
        ), math.nan

    return _pictures(record, limits.gender, judge, "other_gender")


def basic(record: Record, limits: Limits) -> Verdict:
    """Reject dialogues of the wrong form (1.03 %); the score is the number of turns.

    The parts of speech count only where somebody tagged them; else the reason says so.
    """
    own, lines, turns = limits.basic, record.play.lines, record.play.n_turns
    found: dict[str, list[int]] = {
        "too_many_words": [n for n, each in _said(record) if len(each.split()) > own.max_words],
        "no_words": [n for n, each in _said(record) if not each.strip()],
        "parts_of_speech": [
            n for n, tags in (record.tags or {}).items() if _longest_run(tags) > own.max_run
        ],
    }
    reasons = [name for name, at in found.items() if at]
    if record.play.status != "complete":
        reasons.append(record.play.status)
    if turns < own.min_turns:
        reasons.append("too_few_turns")
    if turns > own.max_turns:
        reasons.append("too_many_turns")
    if len({line.role for line in lines} | _strangers(record)) > 2:
        reasons.append("speakers")
    if reasons:
        return Verdict(
            False, turns, ";".join(reasons), tuple(sorted({n for at in found.values() for n in at}))
        )
    return Verdict(True, turns, "" if record.tags is not None else "parts_of_speech_not_measured")


def copy_paste(record: Record, limits: Limits) -> Verdict:
    """Reject dialogues that say a sentence of the profile or the plan as it stands (1.36 %)."""
    own, profile = limits.copy_paste, record.play.case.profile
    texts = [profile.introduction(), profile.distorted_thought, profile.reason]
    texts += [profile.family, profile.plan or ""]
    sentences = {
        folded
        for text in texts
        for sentence in _sentences(text, numbered=own.numbered)
        if len((folded := _folded(sentence)).split()) >= own.min_words
    }
    at = [
        n
        for n, said in _said(record)
        if any(re.search(rf"(?<!\w){re.escape(s)}(?!\w)", _folded(said)) for s in sentences)
    ]
    return Verdict(not at, float(len(at)), "copied" if at else "", tuple(at))


def alliance(record: Record, limits: Limits) -> Verdict:
    """Reject dialogues with a weak alliance of therapist and client (10.01 %)."""
    keep = _at_least(record.alliance, limits.alliance.threshold)
    reason = {None: "not_measured", False: "alliance", True: ""}[keep]
    return Verdict(keep, record.alliance, reason)


def nsfw(record: Record, limits: Limits) -> Verdict:
    """Reject pictures that are unsuitable at least as likely as normal (not printed)."""

    def judge(picture: PictureMeasures) -> tuple[bool | None, float]:
        margin = picture.normal - picture.nsfw
        return (None if math.isnan(margin) else margin > 0), margin

    return _pictures(record, limits.nsfw, judge, "nsfw")


def safety(record: Record, limits: Limits) -> Verdict:
    """Reject dialogues in which a line of either role calls for caution (1.09 %).

    The score is the worst level found, from 0 (casual) to 4 (needs intervention).
    """
    worst = LEVELS.index(limits.safety.worst)
    levels = {line.index: record.safety.get(line.index) for line in record.play.lines}
    known = {n: LEVELS.index(level) for n, level in levels.items() if level is not None}
    score = float(max(known.values(), default=math.nan))
    at = tuple(n for n, level in known.items() if level >= worst)
    if at:
        return Verdict(False, score, "unsafe", at)
    open_ = tuple(n for n in levels if n not in known)
    return Verdict(None if open_ else True, score, "not_measured" if open_ else "", open_)


def face_found(record: Record, limits: Limits) -> Verdict:
    """Reject pictures without a face, those that cannot be read among them (hidden)."""
    return _pictures(
        record, limits.face_found, lambda picture: (picture.face_found, math.nan), "no_face"
    )


def age(record: Record, limits: Limits) -> Verdict:
    """Reject pictures whose predicted age is far from the profile's (hidden); scored in years."""
    stated, most = record.play.case.profile.age, limits.age.max_gap

    def judge(picture: PictureMeasures) -> tuple[bool | None, float]:
        gap = abs(picture.age - stated)
        return (None if math.isnan(gap) else gap <= most), -gap

    found = _pictures(record, limits.age, judge, "age_gap")
    return Verdict(found.keep, -found.score, found.reason, found.lines)


FILTERS: Final[Mapping[str, Filter]] = {
    "image_text": image_text,
    "identity": identity,
    "gender": gender,
    "basic": basic,
    "copy_paste": copy_paste,
    "alliance": alliance,
    "nsfw": nsfw,
    "safety": safety,
    "face_found": face_found,
    "age": age,
}
"""In the paper's order; the last two are in the released code and not in the paper."""

OFF: Final = ("age",)
"""Filters that run only where they are asked for."""

PRINTED: Final[Mapping[str, float]] = {
    "image_text": 0.0295,
    "identity": 0.6605,
    "gender": 0.1539,
    "basic": 0.0103,
    "copy_paste": 0.0136,
    "alliance": 0.1001,
    "safety": 0.0109,
}
"""Share that each filter rejects, as the paper prints it."""


def chosen(names: Iterable[str] | None = None) -> dict[str, Filter]:
    """Return filters by name, in the paper's order; all that are on if None.

    Raises
    ------
    SettingsError
        If there is none of a name.
    """
    wanted = [name for name in FILTERS if name not in OFF] if names is None else list(names)
    for name in wanted:
        if name not in FILTERS:
            raise SettingsError(f"There is no filter '{name}'.", next_step=nearest(name, FILTERS))
    return {name: each for name, each in FILTERS.items() if name in wanted}


def screened(
    record: Record, limits: Limits | None = None, names: Iterable[str] | None = None
) -> dict[str, Verdict]:
    """Run filters on one record, each on its own; by name, in the paper's order."""
    stated = limits or Limits()
    return {name: each(record, stated) for name, each in chosen(names).items()}


def directions_text(directions: Sequence[str]) -> str:
    """Write what a picture is compared with: its directions, in the released code's words."""
    return f"A facial photo with {', '.join(directions).lower()}"


def _pictures(
    record: Record,
    own: OfPictures,
    judge: Callable[[PictureMeasures], tuple[bool | None, float]],
    reason: str,
) -> Verdict:
    """Judge the pictures of all lines of the client, and the dialogue by them."""
    lines = [line.index for line in record.play.lines if line.role == "client"]
    found = {n: judge(record.pictures[n]) for n in lines if n in record.pictures}
    scores = [score for _, score in found.values() if not math.isnan(score)]
    score = min(scores, default=math.nan)
    bad = tuple(n for n, (keep, _) in found.items() if keep is False)
    open_ = tuple(n for n in lines if n not in found or found[n][0] is None)
    allowed = {"dialogue": 0, "image": len(lines), "more_than_k": own.k}[own.drop]
    if len(bad) > allowed:
        return Verdict(False, score, reason, bad)
    if open_:
        return Verdict(None, score, "not_measured" if len(open_) == len(lines) else "in_part", bad)
    return Verdict(True, score, reason if bad else "", bad)


def _at_least(score: float, least: float) -> bool | None:
    return None if math.isnan(score) else score >= least


def _said(record: Record) -> list[tuple[int, str]]:
    return [(line.index, line.words) for line in record.play.lines]


def _sentences(text: str, *, numbered: bool) -> list[str]:
    """Part a text into sentences; those behind a number come without it, or not at all."""
    found: list[str] = []
    for row in text.splitlines():
        bare = re.sub(r"^\s*\d+[.)]\s+", "", row)
        parts = re.split(r"(?<=[.!?])\s+", bare)
        found += parts if numbered or bare == row else parts[1:]
    return found


def _folded(text: str) -> str:
    """Fold case and white space, and take off what ends a sentence."""
    return " ".join(text.casefold().split()).rstrip(".!? ")


def _longest_run(tags: Sequence[str]) -> int:
    return max((len(list(run)) for _, run in groupby(tags)), default=0)


def _strangers(record: Record) -> set[str]:
    """Find roles of a play that are neither of the two: `Narrator:` before a line's words."""
    name = record.play.case.profile.name
    known = {"therapist", "counselor", "counsellor", "psychotherapist", "client", "patient"}
    known |= {name.casefold(), *name.casefold().split()[:1]}
    labels = [
        (found[1].casefold(), found[2] == "[")
        for found in re.finditer(
            r"^[ \t>#*_]*([A-Z][\w.'-]{0,40}(?: [A-Z][\w.'-]{0,40})?)[ \t*_]{0,40}:[ \t*_]*(.?)",
            record.play.raw,
            re.MULTILINE,
        )
    ]
    # "One thing: I am tired" is no role; one that has a direction, or comes again, is.
    names = Counter(label for label, _ in labels)
    return {label for label, directed in labels if directed or names[label] > 1} - known
