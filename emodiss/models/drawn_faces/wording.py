"""Which movements of a face the words of a description ask for.

A lexicon for demos and tests, in the terms of the Facial Action Coding System where it has one. It
reads English words one by one and knows nothing of sentences: the last words before a hit may
weaken, strengthen or take it back, and that is all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final


@dataclass(frozen=True, slots=True)
class Pose:
    """Movements of a face, each from -1 to 1; 0 is the face at rest."""

    # Mouth corners up (action unit 12), or down (15).
    smile: float = 0.0
    # Jaw dropped (26); not below 0.
    opening: float = 0.0
    # inner_brow, outer_brow: Raised (1, 2), or lowered (4).
    inner_brow: float = 0.0
    outer_brow: float = 0.0
    # Opened wide (5), or closing (7, 43).
    lids: float = 0.0
    # Eyes and head turned from the viewer; the side is the seed's.
    aside: float = 0.0
    # Eyes and head lowered, or raised.
    down: float = 0.0
    # Head laid on one side; the side is the seed's.
    tilt: float = 0.0


_SAD: Final = {"smile": -0.7, "inner_brow": 0.8, "outer_brow": -0.2, "lids": -0.3}
_ANGRY: Final = {"smile": -0.4, "inner_brow": -0.9, "outer_brow": -0.3, "lids": -0.25}
_AFRAID: Final = {"inner_brow": 0.8, "outer_brow": 0.4, "lids": 0.7, "smile": -0.3}
_CALM: Final = {"smile": 0.25}

LEXICON: Final[tuple[tuple[str, Mapping[str, float]], ...]] = (
    # Mouth.
    (r"smil\w*|grin\w*|smirk\w*", {"smile": 0.9, "lids": -0.1}),
    (r"laugh\w*|chuckl\w*", {"smile": 1.0, "opening": 0.6, "lids": -0.3}),
    (r"frown\w*|scowl\w*|grimac\w*", {"smile": -0.8, "inner_brow": -0.6}),
    (r"pout\w*|downturned|turned down|sulk\w*", {"smile": -0.8}),
    (r"press\w*|purs\w*|tight\w*|clench\w*|thin lips", {"smile": -0.3}),
    (r"sigh\w*", {"opening": 0.2, "lids": -0.3, "down": 0.2}),
    (r"gasp\w*|mouth (?:slightly )?(?:open|agape)|jaw dropp\w*|parted|yawn\w*", {"opening": 0.7}),
    # Brows.
    (r"furrow\w*|knit\w*|wrinkl\w*|creas\w*", {"inner_brow": -0.8}),
    (r"(?:raised|lifted|arched) (?:eye)?brows?", {"inner_brow": 0.7, "outer_brow": 0.8}),
    (r"(?:eye)?brows? (?:\w+ )?(?:raised|lifted|arched)", {"inner_brow": 0.7, "outer_brow": 0.8}),
    # Eyes.
    (r"wid(?:e|ened)[ -]eye[sd]|eyes (?:\w+ )?wide\w*", {"lids": 0.9, "outer_brow": 0.4}),
    (r"narrow\w*|squint\w*", {"lids": -0.45}),
    (r"clos\w* (?:\w+ )?eyes|eyes (?:\w+ )?(?:closed|shut)", {"lids": -1.0}),
    (r"tired\w*|exhaust\w*|weary|wearily|sleepy|droop\w*", {"lids": -0.5, "smile": -0.3}),
    (r"tear\w*|cry\w*|weep\w*|sob\w*", _SAD),
    # Gaze and head.
    (
        r"away|avert\w*|aside|distan\w*|sideways|avoid\w*|turn\w* (?:his|her|their) head",
        {"aside": 0.9},
    ),
    (
        r"down(?:cast|wards?)?|floor|lowered (?:head|gaze)|bow\w*|ashamed|shame\w*|embarrass\w*",
        {"down": 0.9, "lids": -0.2},
    ),
    (r"look\w* up|upward\w*|gaz\w* up", {"down": -0.7}),
    (r"tilt\w*|cock\w*", {"tilt": 0.9}),
    # Feelings by name.
    (r"happ\w+|joy\w*|delight\w*|cheer\w*|pleas\w+|amus\w*|bright\w*", {"smile": 0.9}),
    (
        r"warm\w*|relie\w*|hope\w*|trust\w*|confident\w*|proud\w*|grateful\w*|content\w*",
        {"smile": 0.6},
    ),
    (
        r"calm\w*|relax\w*|serene|peace\w*|gentl\w*|soft\w*|open(?:ly)?|curious\w*|interest\w*",
        _CALM,
    ),
    (
        r"sad\w*|sorrow\w*|melanchol\w*|griev\w*|hurt\w*|despair\w*|hopeless\w*|dejected\w*|gloom\w*",
        _SAD,
    ),
    (
        r"depress\w*|miserabl\w*|disappoint\w*|discourag\w*|pain\w*|regret\w*|guilt\w*|lonel\w*",
        _SAD,
    ),
    (
        r"ang(?:er|ry|rily)|irritat\w*|annoy\w*|furious\w*|hostil\w*|defensiv\w*|resent\w*|glar\w*",
        _ANGRY,
    ),
    (r"frustrat\w*|defian\w*|contempt\w*|disgust\w*|stern\w*|resist\w*", _ANGRY),
    (
        r"fear\w*|afraid|scared|anxi\w*|nervous\w*|worr\w*|apprehens\w*|panic\w*|uneas\w*|tens\w*",
        _AFRAID,
    ),
    (
        r"surpris\w*|astonish\w*|shock\w*|startl\w*|amaz\w*",
        {"inner_brow": 0.8, "outer_brow": 0.8, "lids": 0.8, "opening": 0.6},
    ),
    (
        r"confus\w*|puzzl\w*|perplex\w*|skeptic\w*|sceptic\w*|doubt\w*|uncertain\w*|hesita\w*|unsure",
        {"inner_brow": -0.5, "outer_brow": 0.3, "tilt": 0.5, "smile": -0.2},
    ),
    (
        r"bored\w*|indifferen\w*|blank\w*|expressionless|disinterest\w*|guarded|withdrawn|neutral",
        {"lids": -0.3, "smile": -0.15},
    ),
    (
        r"thoughtful\w*|ponder\w*|pensive\w*|contemplat\w*|reflect\w*",
        {"inner_brow": -0.3, "aside": 0.4, "down": 0.2},
    ),
)
"""Words as regular expressions, and the movements that each adds."""

_WEAKER: Final = r"slight\w*|faint\w*|little|bit|hint|somewhat|subtl\w*|small|weak\w*|barely|half"
_STRONGER: Final = r"very|wide\w*|broad\w*|big|deep\w*|extreme\w*|strong\w*|bright\w*"
_BEFORE: Final = 3  # words
_NEGATED: Final = r"no|not|never|without|lack\w*|hardly|nor|isn't|doesn't|absen\w*"

_FOUND: Final = [(re.compile(rf"\b(?:{words})\b"), moves) for words, moves in LEXICON]


def pose_of(description: str) -> tuple[Pose, int]:
    """Read the movements that a description asks for.

    Returns
    -------
    pose
        The sum over all words that are known, cut to [-1, 1].
    n_words
        How many were known; 0 leaves the face at rest.
    """
    total = dict.fromkeys((f.name for f in fields(Pose)), 0.0)
    n_words = 0
    for clause in re.split(r"[.,;:!?]|\bbut\b", description.lower()):
        for pattern, moves in _FOUND:
            for hit in pattern.finditer(clause):
                n_words += 1
                share = _share(clause[: hit.start()])
                for name, value in moves.items():
                    total[name] += share * value
    lowest = {"opening": 0.0}
    return Pose(**{n: max(lowest.get(n, -1.0), min(1.0, v)) for n, v in total.items()}), n_words


def _share(before: str) -> float:
    """How much of a movement the words before it leave: none, half, all, or more."""
    words = " ".join(re.findall(r"[\w']+", before)[-_BEFORE:])
    if re.search(rf"\b(?:{_NEGATED})\b", words):
        return 0.0
    weaker = 0.5 if re.search(rf"\b(?:{_WEAKER})\b", words) else 1.0
    return weaker * (1.3 if re.search(rf"\b(?:{_STRONGER})\b", words) else 1.0)
