"""Which judgements count, and one score for every case, therapist and criterion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emodiss import judging
from emodiss.encounters import Encounter
from emodiss.errors import SettingsError
from emodiss.judging.sessions import dialogue_sha256
from emodiss.mirror.judge import spoken

_WAY = ("judge", "wording", "directions")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Judgements that count, and by instrument the judge, wording and whether directions showed."""

    table: pd.DataFrame
    ways: dict[str, tuple[str, str, bool]]


def chosen_judgements(
    judged: pd.DataFrame,
    *,
    judge: str | None = None,
    wording: Sequence[str] = (),
    directions: bool | None = None,
) -> Chosen:
    """Choose a judge and a way per instrument: if several fit, own wording, no directions."""
    parts: list[pd.DataFrame] = []
    ways: dict[str, tuple[str, str, bool]] = {}
    if judge is not None and judge not in set(judged["judge"]):
        raise SettingsError(
            f"There is no judge '{judge}'.",
            next_step=f"Choices: {', '.join(sorted(set(judged['judge'])))}.",
        )
    if strange := sorted(set(wording) - set(judged["wording"])):
        raise SettingsError(
            f"Nothing was judged in the wording '{strange[0]}'.",
            next_step=f"Choices: {', '.join(sorted(set(judged['wording'])))}.",
        )
    for instrument, rows in judged.groupby("instrument", sort=False):
        there = [
            (str(name), str(words), bool(seen))
            for name, words, seen in rows[list(_WAY)].drop_duplicates().to_numpy().tolist()
        ]
        fitting = [
            way
            for way in there
            if judge in (None, way[0])
            and (not set(wording) & {w for _, w, _ in there} or way[1] in wording)
            and directions in (None, way[2])
        ]
        if len(fitting) > 1:
            usual = [way for way in fitting if way[1] == "own" or way[1] in wording]
            fitting = [way for way in usual if not way[2]] or usual or fitting
        if not fitting:
            continue
        if len(fitting) > 1:
            said = "; ".join(f"judge {way[0]}, wording {way[1]}" for way in fitting)
            raise SettingsError(
                f"The {instrument} was judged in several ways: {said}.",
                next_step="Give --judge, --wording or --directions.",
            )
        [way] = fitting
        same = (rows["judge"] == way[0]) & (rows["wording"] == way[1])
        parts.append(rows[same & (rows["directions"].astype(bool) == way[2])])
        ways[str(instrument)] = way
    if not parts:
        raise SettingsError("No judgement was made in the way that was asked for.")
    return Chosen(pd.concat(parts, ignore_index=True), ways)


def score_grid(
    encounters: Sequence[Encounter],
    judged: pd.DataFrame,
    *,
    items: str | Path | None = None,
    zero: bool = False,
) -> pd.DataFrame:
    """Give every case, therapist and criterion its row, with a score or why there is none.

    Judgements are by one judge in one way per instrument. Columns are those of
    `statistics.paired.SCORES` and item. Reasons: `no_session` (the case was not simulated with
    this therapist), `session_failed`, `not_judged`, `session_changed` (since it was judged),
    `unparsable` (with `zero`, CounselingEval counts these as 0).
    """
    by_item = {each.id: each for each in encounters}
    digests = {
        (each.id, shown): dialogue_sha256(spoken(each.lines, directions=shown))
        for each in encounters
        for shown in {bool(seen) for seen in judged["directions"]}
    }
    now = [
        digests.get((item, bool(shown))) == digest
        for item, shown, digest in zip(
            judged["item"], judged["directions"], judged["dialogue_sha256"], strict=True
        )
    ]
    stale = set(judged.loc[[not same for same in now], "item"])
    fresh = judged[now]
    counselling = fresh[fresh["instrument"] == "counseling"]
    score = counselling["score"]
    if zero:
        score = score.mask(counselling["status"] == "unparsable", 0.0)
    rows = [counselling.assign(score=score, reason=counselling["status"].replace("ok", ""))]
    rows.append(judging.alliance_scores(fresh, items=items))
    said = pd.concat(rows)[["item", "criterion", "score", "reason"]]
    known = {
        (item, criterion): (value, "" if value == value else reason)
        for item, criterion, value, reason in said.itertuples(index=False, name=None)
    }
    counted = set(judged["criterion"])
    criteria = [name for name in judging.COUNSELING if name in counted]
    if (judged["instrument"] == "alliance").any():
        criteria += list(judging.DIMENSIONS)
    cases = {each.case.id: each.case for each in encounters}
    therapists = list(dict.fromkeys(each.therapist for each in encounters))
    out: list[dict[str, Any]] = []
    for criterion in criteria:
        for case in cases.values():
            for therapist in therapists:
                item = f"{case.id}/{therapist}"
                session = by_item.get(item)
                row: dict[str, Any] = {"item": item, "case": case.id, "profile": case.profile.id}
                row |= {"resistance": case.resistance, "model": therapist, "criterion": criterion}
                if session is None:
                    found = (float("nan"), "no_session")
                elif session.status != "complete":
                    found = (float("nan"), "session_failed")
                else:
                    reason = "session_changed" if item in stale else "not_judged"
                    found = known.get((item, criterion), (float("nan"), reason))
                out.append(row | {"score": found[0], "reason": found[1]})
    return pd.DataFrame(out)
