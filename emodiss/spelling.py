"""Names as people and programs spell them: what two spellings of one name share."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping


def folded(name: str) -> str:
    """Return what spellings of a name share: width, form of accents, case, blanks do not count."""
    return " ".join(re.sub(r"[_\-]", " ", unicodedata.normalize("NFKC", name)).casefold().split())


def spellings(known: Iterable[str]) -> dict[str, str]:
    """Return known names by themselves and by what their spellings share; the first one wins."""
    names = list(known)
    return {**dict(reversed([(folded(name), name) for name in names])), **{n: n for n in names}}


def as_known(name: str, known: Mapping[str, str]) -> str:
    """Spell a name as one of `spellings` does, or leave it."""
    return known.get(name) or known.get(folded(name)) or name
