"""Techniques: one spelling for each, and the length of what is said."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any


@dataclass(frozen=True, slots=True)
class Technique:
    """A technique's name brought to one spelling.

    Parameters
    ----------
    name
        Name in the vocabulary; for an unknown one, the name as written without decoration.
    group
        School it is counted under, a key of `groups` in `data/techniques.json`; None if unknown.
    level
        `approach` for a whole therapy, `technique` for a single move; None if unknown.
    also
        Further techniques of the vocabulary that the same name mentions, in order.
    """

    name: str
    group: str | None = None
    level: str | None = None
    also: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Whether the vocabulary has it."""
        return self.group is not None


DECORATION = " \t\r\n*_#\"“”'`[]:.,;–—-"
"""What models put around a name."""

_PARTS = re.compile(
    r"(?<!\s)\s+(?:(?:and|with|using|via|through|plus|into|from|within|in)|[–—-])\s+|"
    r"[/,&+;:()\[\]|]+"
)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The technique names that are known, with their schools and their sources."""

    groups: Mapping[str, str]
    sources: Mapping[str, str]
    entries: tuple[Mapping[str, Any], ...]
    generic: frozenset[str]
    by_spelling: Mapping[str, int]


@lru_cache(maxsize=1)
def vocabulary() -> Vocabulary:
    """Read the vocabulary that comes with the package."""
    path = resources.files("emodiss") / "data" / "techniques.json"
    record = json.loads(path.read_text("utf-8"))
    generic = frozenset(record["generic_words"])
    entries = tuple(record["techniques"])
    by_spelling: dict[str, int] = {}
    for index, entry in enumerate(entries):
        for spelling in (entry["name"], *entry["spellings"]):
            for key in {_plain(spelling), _stripped(spelling, generic)} - {""}:
                by_spelling.setdefault(key, index)
    return Vocabulary(record["groups"], record["sources"], entries, generic, by_spelling)


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def _stripped(name: str, generic: frozenset[str]) -> str:
    return " ".join(word for word in _plain(name).split() if word not in generic)


def tidy_name(name: str) -> str:
    """Take stars, brackets, quotes, colons and the like off both ends of a name."""
    name = " ".join(name.split()).strip(DECORATION)
    # Brackets around a whole name go, those of an abbreviation at its end stay.
    if name.startswith("(") and name.endswith(")") and name.count("(") == 1:
        name = name[1:-1].strip(DECORATION)
    return name if name.count("(") == name.count(")") else name.rstrip(")").rstrip(DECORATION)


@lru_cache(maxsize=4096)
def normalise_technique(name: str) -> Technique:
    """Bring a technique's name to the vocabulary's spelling.

    Parameters
    ----------
    name
        As a model or a person wrote it.

    Returns
    -------
    Technique
        A name is known when the whole of it, or a part between separators (`and`, `/`, `(`, ` - `,
        ...), is a spelling of the vocabulary apart from generic words such as "technique". Of
        several parts, the first single technique is taken before a whole approach, and the others
        are kept in `also`. Anything else stays unknown: a name is never forced into a group.
    """
    words = vocabulary()
    tidy = tidy_name(name.replace("’", "'"))
    hits: list[int] = []
    for part in (tidy, *_PARTS.split(tidy)):
        for key in (_plain(part), _stripped(part, words.generic)):
            hit = words.by_spelling.get(key) if key else None
            if hit is not None:
                hits.append(hit)
                break
        if hits and part == tidy:
            break
    hits = list(dict.fromkeys(hits))
    if not hits:
        return Technique(name=tidy)
    hits.sort(key=lambda hit: words.entries[hit]["level"] != "technique")  # stable
    entry = words.entries[hits[0]]
    return Technique(
        name=entry["name"],
        group=entry["group"],
        level=entry["level"],
        also=tuple(words.entries[hit]["name"] for hit in hits[1:]),
    )


_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_STOPS = re.compile(r"(?<![.!?…。！？؟])[.!?…。！？؟]+[\"”'’)\]]*(?=\s|\Z)")
_ABBREVIATION = re.compile(r"(?:\b(?:Dr|Mr|Mrs|Ms|Prof|St|vs|etc|e\.g|i\.e)|\b[A-Z])\Z")


def count_words(text: str) -> int:
    """Count words: runs of letters and digits, apostrophes inside a word included.

    Parameters
    ----------
    text
        Any language. Combining marks count as part of their letter; a script without spaces
        between words (Chinese, Thai) gives one word per run.
    """
    if not text.isascii():
        text = "".join(char for char in text if not unicodedata.category(char).startswith("M"))
    return len(_WORD.findall(text))


def count_sentences(text: str) -> int:
    """Count sentences: stretches with at least one word that end in a stop, a line or the text.

    Parameters
    ----------
    text
        Abbreviations such as "Dr." and single capitals end no sentence.
    """
    count = 0
    for line in text.split("\n"):
        start = 0
        for stop in _STOPS.finditer(line):
            if _ABBREVIATION.search(line[max(0, stop.start() - 6) : stop.start()]):
                continue
            count += count_words(line[start : stop.end()]) > 0
            start = stop.end()
        count += count_words(line[start:]) > 0
    return count
