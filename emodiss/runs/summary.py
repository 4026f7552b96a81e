"""What could be determined in a run, what not and why, and what to do about it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from emodiss.vocabulary import reason_words

if TYPE_CHECKING:
    import pandas as pd

    from emodiss.runs.run import Run
    from emodiss.runs.store import Outcome


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something is missing in some utterances."""

    # `channel:status`, as in the tables.
    code: str
    n: int
    what: str
    # What to do about it; empty where nothing helps.
    next_step: str


@dataclass(frozen=True, slots=True)
class Determined:
    """How much of one thing is known."""

    # `words`, `voices`, `roles`, `faces`, `listeners` or `dissonance`.
    what: str
    # n, of: Utterances in which it is known, and all utterances.
    n: int
    of: int
    # Why not in the others, the most frequent first.
    reasons: tuple[Reason, ...]


_NEXT_STEPS: Final = {
    "words:no_recogniser": "give a transcript beside the media, or choose a recogniser: --set "
    "models.asr=... (emodiss models list)",
    "role:unknown": "emodiss review roles {run}",
    "face:unbound": "emodiss people {run}",
    "face:off_screen": "emodiss plot {run} contact-sheet",
    "face:too_small": "--set faces.min_face=... and face_affect.min_size=...",
    "listener:unbound": "emodiss people {run}",
}


def determined(run: Run) -> list[Determined]:
    """Count what is known of the utterances of a run."""
    table = run.utterances
    missing = {
        "words": list(_words(run, table)),
        "voices": list(_statuses(table, "speech")),
        "roles": list(_roles(table)),
        "faces": list(_statuses(table, "face")),
        "listeners": list(_statuses(table, "listener")),
        "dissonance": [
            (str(code), int(n)) for code, n in table["dissonance_reason"].value_counts().items()
        ],
    }
    if run.settings.face_affect.who != "all":
        del missing["listeners"]
    return [
        Determined(
            what=name,
            n=len(table) - sum(n for _, n in pairs),
            of=len(table),
            reasons=tuple(_reason(run, code, n) for code, n in _by_count(pairs)),
        )
        for name, pairs in missing.items()
    ]


def _by_count(missing: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    return sorted(missing, key=lambda pair: (-pair[1], pair[0]))


def _reason(run: Run, code: str, n: int) -> Reason:
    step = _NEXT_STEPS.get(code, "").format(run=shlex.quote(str(run.root)))
    return Reason(code, n, reason_words(code), step)


def _words(run: Run, table: pd.DataFrame) -> Iterator[tuple[str, int]]:
    silent = table["text"].fillna("").str.strip() == ""
    if not silent.any():
        return
    given = run.videos_table.set_index("video_id")["transcript_source"].fillna("")
    heard = table["video_id"].map(given).str.startswith("given")
    recognises = run.settings.models.asr is not None
    n_deaf = 0 if recognises else int((silent & ~heard).sum())
    if n_deaf:
        yield "words:no_recogniser", n_deaf
    if rest := int(silent.sum()) - n_deaf:
        yield "words:none", rest


def _roles(table: pd.DataFrame) -> Iterator[tuple[str, int]]:
    if n := int(table["role"].isna().sum()):
        yield "role:unknown", n


def _statuses(table: pd.DataFrame, channel: str) -> Iterator[tuple[str, int]]:
    status = table[f"{channel}_status"]
    for name, n in status[status != "ok"].value_counts().items():
        yield f"{channel}:{name}", int(n)


def noted(outcomes: Mapping[tuple[str, str], Outcome]) -> dict[str, set[str]]:
    """Return the videos by what stages noted on them, the notes in order of their codes."""
    found: dict[str, set[str]] = {}
    for (video, _), outcome in outcomes.items():
        # What a skipped stage says is why it was not needed.
        for code in () if outcome.status == "skipped" else outcome.notes:
            found.setdefault(code, set()).add(video)
    return dict(sorted(found.items()))
