"""Which language is spoken in a video, and on whose word.

No text classifier is at hand that is small, permissive and tried on talk, so text alone tells only
whether it is English: its most frequent words make up about half of spoken English and hardly any
of another language. For other languages the manifest, the recogniser or the video's page must know.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from emodiss.vocabulary import language_code as code_of

Source = Literal["manifest", "recogniser", "page", "captions", "words", "undetermined"]
"""Who says it, most trusted first: a person or a search in the manifest; a recogniser that was left
to find out (Whisper listens to the first half minute); the video's page; captions marked as those
of the original sound; the words of the transcript, for English alone; nobody."""

OTHER = "other"
"""In place of a code: not English, and no more is known."""

# The most frequent English words.
_FREQUENT = """
    the and to of a in is it you that he was for on are with as i his they be at have this from
    had not but what all were we when your can said there use an each which she do how their if
    so just like know yeah don't it's i'm that's me my about
"""
_FUNCTION_WORDS = frozenset(_FREQUENT.split())
_MIN_WORDS = 30


@dataclass(frozen=True, slots=True)
class Language:
    """A language and who said so."""

    # ISO 639, two letters where the language has such a code; `other` for not English; "" when
    # nobody knows.
    code: str
    # Who says so.
    by: Source


def spoken(
    stated: Mapping[Source, str | None],
    *,
    english: float,
    min_english: float,
    wanted: str,
) -> Language:
    """Decide which language is spoken: by the most trusted statement, else by English words."""
    for by, tag in stated.items():
        if code := code_of(tag):
            return Language(code, by)
    # NaN compares false both ways.
    if english >= min_english:
        return Language("en", "words")
    if english < min_english and wanted == "en":
        return Language(OTHER, "words")
    return Language("", "undetermined")


def english_share(texts: Iterable[str]) -> float:
    """Return the share of frequent English words in [0, 1]; NaN under thirty words."""
    words = re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", " ".join(texts).lower().replace("’", "'"))
    if len(words) < _MIN_WORDS:
        return float("nan")
    return sum(word in _FUNCTION_WORDS for word in words) / len(words)


def original_captions(media: Path) -> str | None:
    """Return the language of fetched captions that are marked as the original sound's, or None."""
    for path in sorted(media.parent.glob(f"{media.stem}.*-orig.*")):
        return path.name.removeprefix(f"{media.stem}.").partition("-orig")[0]
    return None
