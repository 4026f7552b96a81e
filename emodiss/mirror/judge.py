"""Letting language models judge whole sessions, and keeping what they said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from emodiss import judging
from emodiss.chat.endpoint import Endpoint
from emodiss.chat.model import Answered, ChatParams, Question, Unanswered
from emodiss.errors import RunError, SettingsError, nearest
from emodiss.judging.sessions import (
    Lines,
    dialogue_sha256,
    is_cut,
    record as written,
    session_table,
)
from emodiss.mirror.experiment import Experiment, Progress, Say, asked, request_hash, shown
from emodiss.screenplays import Line
from emodiss.vocabulary import counted

INSTRUMENTS = ("counseling", "alliance")

Of = Literal["encounters", "screenplays"]

_KEY = ("of", "item", "instrument", "criterion", "wording", "directions", "judge")


@dataclass(frozen=True, slots=True)
class Asking:
    """What judges are asked about sessions.

    Parameters
    ----------
    of
        `encounters`, or the `screenplays` of the training data.
    instruments
        Of `INSTRUMENTS`.
    criteria
        Criteria of CounselingEval; all six if None.
    prompts
        Folder with CACTUS's own prompt files, for exact replication; own wording if None.
    as_printed
        Ask the Working Alliance Inventory as the paper prints it; see `judging.alliance`.
    items
        File of items of that inventory; those that come along if None.
    directions
        Show stage directions too; judges read only what was spoken by default.

    Raises
    ------
    SettingsError
        If an instrument does not exist.
    """

    of: Of = "encounters"
    instruments: Sequence[str] = INSTRUMENTS
    criteria: Sequence[str] | None = None
    prompts: Path | None = None
    as_printed: bool = False
    items: Path | None = None
    directions: bool = False
    max_tokens: int = 512

    def __post_init__(self) -> None:
        for name in self.instruments:
            if name not in INSTRUMENTS:
                raise SettingsError(
                    f"There is no instrument '{name}'.", next_step=nearest(name, INSTRUMENTS)
                )

    def questions(self, sessions: Mapping[str, Lines]) -> list[Question]:
        """Write what is asked about sessions."""
        found: list[Question] = []
        if "counseling" in self.instruments:
            criteria = tuple(judging.COUNSELING if self.criteria is None else self.criteria)
            found += judging.counseling_questions(sessions, criteria, prompts=self.prompts)
        if "alliance" in self.instruments:
            found += judging.alliance_questions(
                sessions, as_printed=self.as_printed, items=self.items
            )
        return found


@dataclass(frozen=True, slots=True)
class Judged:
    """What judges said of an experiment's sessions.

    Parameters
    ----------
    table
        All judgements that were asked for, those of earlier commands included; columns in
        `judging.SESSION_COLUMNS`.
    skipped
        Sessions that cannot be judged, and why.
    record
        What the command did and cost.
    """

    table: pd.DataFrame
    skipped: dict[str, str]
    record: dict[str, Any]

    @property
    def complete(self) -> bool:
        """Whether every question has an answer, readable or not."""
        return not self.record["unanswered"]


def judge(
    experiment: Experiment,
    models: Endpoint,
    asking: Asking | None = None,
    *,
    say: Say = None,
    progress: Progress = None,
) -> Judged:
    """Let language models judge sessions; each answer goes to `scores.jsonl` as it arrives.

    Judges see the dialogue alone: no therapist's name, no profile, no type of resistance.

    Parameters
    ----------
    experiment
        With sessions, or screenplays.
    models
        The judges. What one answered before is not asked again.
    asking
        What they are asked; `Asking()` if None.
    say, progress
        Are told what a user should know, and how far each judge is.

    Raises
    ------
    SettingsError
        If no judge is named.
    RunError
        If there is nothing to judge.
    JudgeError
        If criteria, prompt files or items cannot be used.
    """
    way = asking or Asking()
    params = _parameters(models, way)
    sessions, skipped = judged_sessions(experiment, way.of, way.directions)
    questions = way.questions(sessions)
    shown_as = {item: dialogue_sha256(lines) for item, lines in sessions.items()}
    file = experiment.scores
    wanted: dict[tuple[str, ...], str] = {}
    unanswered: dict[tuple[str, ...], dict[str, Any]] = {}
    n_new = 0
    with experiment.alone(), experiment.opened(models, say) as ready:
        known = {_key(line): line["request_sha256"] for line in file.read()}
        for name, model in ready.models.items():
            own = {
                (way.of, *(q.about[k] for k in _KEY[1:5]), str(way.directions), name): q
                for q in questions
            }
            digests = {key: request_hash(q, model, params) for key, q in own.items()}
            new = [q for key, q in own.items() if known.get(key) != digests[key]]
            wanted |= digests
            if say is not None:
                of = f"{counted(len(new), 'question')} about {counted(len(sessions), 'session')}"
                say(f"{name}: {of}; {len(own) - len(new):,} answered before.")
            for n, (digest, found) in enumerate(asked(new, model, params, models), start=1):
                about = found.question.about
                line = written(found, name, _score(found)) | {
                    "of": way.of,
                    "directions": way.directions,
                    "dialogue_sha256": shown_as[about["item"]],
                    "request_sha256": digest,
                }
                if line["status"] == "unanswered":
                    unanswered[_key(line)] = line
                else:
                    file.append([line])
                    n_new += 1
                if progress is not None:
                    progress(name, n, len(new))
        file.upsert([], key=_key, order=_key)
        kept = {
            key: line
            for line in file.read()
            if line["request_sha256"] == wanted.get(key := _key(line))
        }
        # What was never asked, because the judge cannot be asked at all, is in neither.
        lines = [line for key in wanted if (line := kept.get(key) or unanswered.get(key))]
        record = {
            **ready.ledger.to_dict(),
            "judges": list(ready.models),
            "parameters": params.to_dict(),
            "of": way.of,
            "sessions": len(sessions),
            "skipped": dict(Counter(skipped.values())),
            "questions": len(wanted),
            "new": n_new,
            "unparsable": sum(line["status"] == "unparsable" for line in lines),
            "unanswered": len(wanted) - len(kept),
            "errors": dict(Counter(line["error"] for line in unanswered.values())),
        }
        experiment.book("judge", record)
    return Judged(session_table(lines), skipped, record)


def requests(
    experiment: Experiment, models: Endpoint, asking: Asking | None = None
) -> list[dict[str, Any]]:
    """Show what `judge` would send, given the same; nobody is asked."""
    way = asking or Asking()
    sessions, _ = judged_sessions(experiment, way.of, way.directions)
    return shown(models, way.questions(sessions), _parameters(models, way))


def judged_sessions(
    experiment: Experiment, of: Of = "encounters", directions: bool = False
) -> tuple[dict[str, Lines], dict[str, str]]:
    """Take what can be judged out of an experiment, and say why the rest cannot."""
    found: dict[str, Lines] = {}
    skipped: dict[str, str] = {}
    if of == "encounters":
        every = experiment.need(experiment.encounters, "simulate")
        told = [(each.id, each.lines, each.status, each.reason) for each in every]
    else:
        plays = experiment.need(experiment.screenplays, "screenplays")
        told = [(each.case.id, each.lines, each.status, each.status) for each in plays]
    for item, lines, status, reason in told:
        said = spoken(lines, directions=directions)
        if status != "complete":
            skipped[item] = reason or status
        elif {role for role, _ in said} != {"therapist", "client"}:
            skipped[item] = "one_role"
        else:
            found[item] = said
    if not found:
        raise RunError(
            f"None of {len(told)} {of} of '{experiment.root.name}' is complete.",
            next_step=f"Run 'emodiss mirror {'simulate' if of == 'encounters' else of}' again.",
            code="missing",
        )
    return found, skipped


def spoken(lines: Sequence[Line], *, directions: bool) -> list[tuple[str, str]]:
    """Give a dialogue to read: (role, words), with directions in brackets if wanted."""
    return [(line.role, (line.text if directions else line.words) or "...") for line in lines]


def _score(found: Answered | Unanswered) -> float | None:
    if isinstance(found, Unanswered):
        return None
    said = found.completion
    if found.question.about["instrument"] == "counseling":
        return judging.counseling_score(said.text)
    return judging.alliance_score(said.text, cut=is_cut(said))


def _parameters(models: Endpoint, way: Asking) -> ChatParams:
    if not models.models and models.replay is None:
        raise SettingsError("No judge is named.", next_step="Give --model, once per judge.")
    return models.parameters(temperature=0.0, max_tokens=way.max_tokens)


def _key(line: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(line[name]) for name in _KEY)


def read_scores(experiment: Experiment, of: Of = "encounters") -> pd.DataFrame:
    """Read all judgements of an experiment, columns of `judging.SESSION_COLUMNS`.

    Parameters
    ----------
    of
        Of which sessions.
    """
    lines = {_key(line): line for line in experiment.scores.read()}
    return session_table(line for line in lines.values() if line["of"] == of)
