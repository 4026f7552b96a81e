"""How far two people who went through the same sample agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from emodiss.errors import RunError, must_be
from emodiss.reviews import Review, find_utterance, find_voice
from emodiss.runs.run import AnyRun, Run, load
from emodiss.study.review_session import Session
from emodiss.study.reviewing import sessions

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("about", "statistic", "n", "same", "value", "low", "high", "reason")


def agreement(
    run: AnyRun, first: str, second: str, *, video: str | None = None, confidence: float = 0.95
) -> pd.DataFrame:
    """Say how far two reviewers agree on what both of them judged.

    What one says is what stands after this person's own reviews alone: a role or an utterance
    that was judged right is said to be as it was shown.

    Parameters
    ----------
    first, second
        Names of the reviewers.
    confidence
        Of the intervals, in (0, 1).

    Returns
    -------
    DataFrame
        `about` (verdict, role, speaker, text, start, end), `statistic` (`kappa`, Cohen 1960, or
        `ICC2,1`, Shrout and Fleiss 1979; of texts only the share that is the same), `n` things
        that both judged, `same` (share in [0, 1]; of times within 0.05 s), `value` with the
        interval `low` to `high`, and `reason` where there is no value.

    Raises
    ------
    RunError
        If one of them judged nothing, or nothing was judged by both.
    """
    run = load(run)
    for person in (first, second):
        must_be(person, str, what="the name of a person who reviewed", how="Give it as text.")
    import pandas as pd

    told: list[dict[str, Any]] = []
    judged = {first: 0, second: 0}
    for session in sessions(run, video):
        by_person = {name: _said(session, name) for name in (first, second)}
        for name, said in by_person.items():
            judged[name] += len(said)
        for key, ours in by_person[first].items():
            if theirs := by_person[second].get(key):
                told += [
                    {"video": session.video, "about": about, "a": ours[about], "b": theirs[about]}
                    for about in ours
                    if about in theirs
                ]
    for name, n in judged.items():
        if not n:
            raise RunError(
                f"'{name}' has judged nothing in this run.",
                next_step="See who did: emodiss review list. The queue is in emodiss serve.",
            )
    if not told:
        raise RunError(
            f"'{first}' and '{second}' have judged nothing that is the same.",
            next_step="Give both the same sample: the same share and seed.",
        )
    table = pd.DataFrame(told)
    rows = [
        _row(about, table[table["about"] == about], confidence)
        for about in ("verdict", "role", "speaker", "text", "start", "end")
        if (table["about"] == about).any()
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _said(session: Session, name: str) -> dict[tuple[Any, ...], Mapping[str, Any]]:
    """Find what one person says of everything that this person judged, by what it is about."""
    own = session.of_people([name])
    found: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for review in own.standing.held:
        if review.kind == "verdict":
            # As found, so that it is the same for both whatever each of them moved.
            draft = session.draft.utterances
            place = find_voice(review.of, draft) if review.of_voice else None
            if not review.of_voice:
                place = find_utterance(review.of[0], draft)
            key = (review.judged, review.of if place is None else place)
            found[key] = _of_voice(own, review) if review.of_voice else _of_utterance(own, review)
    return found


def _of_voice(own: Session, verdict: Review) -> dict[str, Any]:
    label = find_voice(verdict.of, own.talk.utterances)
    stated = {
        find_voice(r.of, own.talk.utterances): r.role for r in own.standing.held if r.kind == "role"
    }
    role = stated.get(label, verdict.shown if verdict.right else None)
    # Wrong, and nothing better said: it is not the role that was shown.
    told = role or (f"not {verdict.shown}" if not verdict.right else "unknown")
    return {"verdict": verdict.right, "role": told}


def _of_utterance(own: Session, verdict: Review) -> dict[str, Any]:
    found: dict[str, Any] = {"verdict": verdict.right}
    if unit := own.at(verdict.of[0]):
        u = unit.utterance
        found |= {"speaker": u.speaker, "text": u.text, "start": u.start, "end": u.end}
    return found


def _row(about: str, said: pd.DataFrame, confidence: float) -> dict[str, Any]:
    from emodiss.statistics import Bootstrap, StatisticsError, cohen_kappa, icc

    a, b = said["a"], said["b"]
    nan = float("nan")
    row = {"about": about, "statistic": "kappa", "n": len(said), "reason": ""}
    row |= {"value": nan, "low": nan, "high": nan}
    try:
        if about in ("start", "end"):
            row |= {"statistic": "ICC2,1", "same": float(((a - b).abs() <= _SAME_S).mean())}
            both = said[["a", "b"]].astype(float).to_numpy()
            found: Any = icc(both, "ICC2,1", confidence=confidence)
        else:
            row |= {"same": float((a == b).mean())}
            if about == "text":
                return {**row, "statistic": "share that is the same"}
            sure = Bootstrap(confidence=confidence)
            found = cohen_kappa(a.astype(str), b.astype(str), bootstrap=sure)
    except StatisticsError as error:
        return {**row, "reason": error.what}
    told = {name: getattr(found, name) for name in ("low", "high", "reason")}
    return {**row, "value": found.statistic, **told}


_SAME_S = 0.05


def reviewers(run: Run, known: Sequence[Session] | None = None) -> list[str]:
    """Name everybody who reviewed something in a run."""
    every = known if known is not None else sessions(run)
    return sorted({review.by for session in every for review in session.reviews})
