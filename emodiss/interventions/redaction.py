"""Names taken out of a dialogue before it is shown to a model.

The rule is stated, not learned. Replaced are (1) the names that the caller lists and (2) the
speaker labels of the session that look like a name, whole and word by word; wherever they stand as
whole words, in upper or lower case. Each person becomes `NAME1`, `NAME2`, ... throughout a session.

Everything else stays: a name that nobody listed, a nickname, a place, an employer. The rule makes
a dialogue no anonymous one; who must be sure lists the names and reads the preview.

The stand-in has no brackets because replies are asked for as `[Technique] [Your Response]`, and a
reply that begins with a bracketed name would be read as naming a technique.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

RULE = "listed names and name-like speaker labels, as whole words, in any case"

# fmt: off
_NO_NAMES = frozenset({
    "adult", "and", "child", "client", "clinician", "coach", "counsellor", "counselor", "dad", "de",
    "doctor", "dr", "father", "female", "guest", "host", "interviewee", "interviewer", "la",
    "madam", "male", "man", "miss", "mom", "mother", "mr", "mrs", "ms", "nurse", "of", "other",
    "participant", "patient", "people", "person", "prof", "psychiatrist", "psychologist", "sir",
    "speaker", "spk", "student", "subject", "teacher", "the", "therapist", "unknown", "van",
    "voice", "von", "woman",
})
# fmt: on
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


@dataclass(frozen=True, slots=True)
class Redaction:
    """What was replaced; holds no names.

    Parameters
    ----------
    rule
        How names were found.
    n_people
        People whose names were looked for.
    n_replaced
        Places where one was replaced.
    """

    rule: str
    n_people: int
    n_replaced: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"rule": self.rule, "n_people": self.n_people, "n_replaced": self.n_replaced}


def redact(
    session: pd.DataFrame, people: Iterable[Sequence[str]] = ()
) -> tuple[pd.DataFrame, Redaction]:
    """Replace names in one session.

    Parameters
    ----------
    session
        Rows of the utterance table of one session; `text` and `speaker` are read where present.
    people
        One entry per person: the spellings of the name, such as `("Katherine Smith", "Kate")`. What
        holds no letter or digit is no name.

    Returns
    -------
    DataFrame, Redaction
        A copy with names replaced in `text` and `speaker`, and what was done. Listed people are
        numbered first, in the order given, then speakers in order of first appearance.
    """
    known = [tuple(n.strip() for n in person if any(map(str.isalnum, n))) for person in people]
    known = [person for person in known if person]
    listed = {name.casefold() for person in known for name in person}
    if "speaker" in session.columns:
        for label in dict.fromkeys(str(s) for s in session["speaker"].dropna()):
            spellings = _spellings(label)
            if spellings and not {s.casefold() for s in spellings} & listed:
                known.append(spellings)
    stand_ins: dict[str, str] = {}
    for number, person in enumerate(known, 1):
        for name in person:
            stand_ins.setdefault(" ".join(name.casefold().split()), f"NAME{number}")
    if not stand_ins:
        return session.copy(), Redaction(RULE, 0, 0)
    # The longest first: a full name is one person, not two words of it.
    choices = "|".join(
        r"\s+".join(re.escape(word) for word in name.split())
        for name in sorted(stand_ins, key=lambda name: (-len(name), name))
    )
    pattern = re.compile(rf"(?<!\w)(?:{choices})(?!\w)", re.IGNORECASE)
    counts = {"text": 0, "speaker": 0}
    out = session.copy()
    for column in counts:
        if column not in out.columns:
            continue
        values: list[Any] = []
        for value in out[column]:
            if isinstance(value, str):
                value, n = pattern.subn(lambda match: _stand_in(match, stand_ins), value)
                counts[column] += n
            values.append(value)
        out[column] = pd.Series(values, index=out.index, dtype=object)
    return out, Redaction(RULE, len(known), counts["text"])


def _stand_in(match: re.Match[str], stand_ins: dict[str, str]) -> str:
    found = " ".join(match.group().casefold().split())
    # Case folding can differ in length from what the pattern matched without regard to case.
    return stand_ins.get(found, "NAME")


def _spellings(label: str) -> tuple[str, ...]:
    """Name-like parts of a speaker label: its words, and the run of them; () if there are none."""
    words = [w for w in _WORD.findall(label) if len(w) > 1 and w.casefold() not in _NO_NAMES]
    if not words:
        return ()
    return tuple(dict.fromkeys((" ".join(words), *words)))


def read_names(text: str) -> list[tuple[str, ...]]:
    """Read a list of names.

    Parameters
    ----------
    text
        One person per line, spellings separated by commas; empty lines and lines that begin with
        `#` are skipped.
    """
    lines = (line.strip() for line in text.lstrip("\ufeff").splitlines())
    people = (tuple(name.strip() for name in line.split(",")) for line in lines if line[:1] != "#")
    kept = (tuple(name for name in person if name) for person in people)
    return [person for person in kept if person]
