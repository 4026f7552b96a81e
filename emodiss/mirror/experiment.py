"""The folder of one MIRROR experiment: what lies in it, and whom it is asked with."""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from emodiss import chat
from emodiss.chat.endpoint import Endpoint, Ready
from emodiss.chat.ledger import Ledger
from emodiss.chat.model import Answered, ChatModel, ChatParams, Question, Unanswered, request_key
from emodiss.clients import Case
from emodiss.encounters import Encounter
from emodiss.errors import RunError
from emodiss.mirror import layout
from emodiss.runs import seals
from emodiss.runs.files import make_folder, sound, write_json
from emodiss.runs.journal import Journal
from emodiss.runs.store import Store
from emodiss.screenplays import Expression, Screenplay
from emodiss.study.opening import catalogued
from emodiss.tabular import json_value

T = TypeVar("T")
Say = Callable[[str], object] | None
Progress = Callable[[str, int, int], object] | None

VERSION = 1
"""Of the files in the folder; raised when older ones can no longer be read."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """How a model decodes.

    Parameters
    ----------
    temperature, top_p, max_tokens
        As in `ChatParams`.
    penalty
        Of frequency and of presence; None leaves both out.
    """

    temperature: float = 0.0
    top_p: float | None = None
    penalty: float | None = None
    max_tokens: int = 256

    def params(self, models: Endpoint) -> ChatParams:
        """Put the parameters together as an endpoint takes them."""
        more = {
            "top_p": self.top_p,
            "frequency_penalty": self.penalty,
            "presence_penalty": self.penalty,
        }
        return models.parameters(
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            **{name: value for name, value in more.items() if value is not None},
        )


@dataclass(frozen=True, slots=True)
class Experiment:
    """A folder with the cases, dialogues, pictures, sessions and scores of one experiment."""

    root: Path

    @property
    def cases(self) -> Journal[Case]:
        """Who is simulated."""
        return self._journal(layout.CASES, Case)

    @property
    def screenplays(self) -> Journal[Screenplay]:
        """Dialogues that a model wrote in one answer."""
        return self._journal(layout.SCREENPLAYS, Screenplay)

    @property
    def expressions(self) -> Journal[Expression]:
        """What the client's face shows, in words."""
        return self._journal(layout.EXPRESSIONS, Expression)

    @property
    def encounters(self) -> Journal[Encounter]:
        """Simulated sessions."""
        return self._journal(layout.ENCOUNTERS, Encounter)

    @property
    def scores(self) -> Journal[dict[str, Any]]:
        """What judges said about sessions, as `judging.SESSION_COLUMNS` and what was asked."""
        name = layout.SCORES
        return Journal(self.root / name, next_step=_advice(name), decode=_score)

    @property
    def references(self) -> Journal[dict[str, Any]]:
        """Which face each profile has, as `clients.Paired`."""
        name = layout.REFERENCES
        return Journal(self.root / name, next_step=_advice(name), decode=_reference)

    def lines(self, name: str, *needed: str) -> Journal[dict[str, Any]]:
        """Any other file of JSON lines, by its name in `layout`; what each line must say."""

        def decode(line: dict[str, Any]) -> dict[str, Any]:
            return {**line, **{each: line[each] for each in needed}}

        return Journal(self.root / name, next_step=_advice(name), decode=decode)

    def _journal(self, name: str, kind: Any) -> Journal[Any]:
        return Journal(
            self.root / name,
            next_step=_advice(name),
            decode=kind.from_dict,
            encode=kind.to_dict,
        )

    def need(self, journal: Journal[T], command: str) -> list[T]:
        """Read a file; RunError naming the command that writes it if there is nothing in it."""
        found = journal.read()
        if not found:
            raise RunError(
                f"The experiment '{self.root.name}' has no {journal.path.name} yet.",
                next_step=f"Make it: emodiss mirror {command}.",
                code="missing",
            )
        return found

    @contextlib.contextmanager
    def alone(self) -> Generator[None]:
        """Hold the folder for this process alone."""
        with Store(self.root).lock():
            yield

    def opened(
        self, models: Endpoint, say: Say = None, ledger: Ledger | None = None
    ) -> contextlib.AbstractContextManager[Ready]:
        """Open models on one bill; answers are kept in the folder if nothing else is said."""
        cache, local = self.root / layout.CHAT_CACHE, catalogued(say)
        return models.ready(cache, catalogued=local, say=say, ledger=ledger)

    def book(self, command: str, record: Mapping[str, Any]) -> None:
        """Keep what a command did and cost, in the place of what it did before."""
        path = self.root / layout.LEDGER
        booked: dict[str, Any] = {}
        if path.exists():
            advice = f"Move {path.name} away; only the bill is lost."
            with sound(path, advice):
                booked = dict(seals.read_json(path, advice))
        seals.write_json(path, {**booked, command: dict(record)})


def create(root: Path) -> Experiment:
    """Make the folder of an experiment, or open the one that is there.

    Raises
    ------
    RunError
        If the folder holds something else.
    """
    mark = root / layout.EXPERIMENT
    if mark.exists():
        return load(root)
    if root.is_dir() and any(root.iterdir()):
        raise RunError(
            f"The folder '{root.name}' holds something else than an experiment.",
            next_step="Name a new or empty folder.",
        )
    make_folder(root.parent)
    root.mkdir(mode=0o700, exist_ok=True)
    write_json(mark, {"version": VERSION})
    return Experiment(root)


def load(root: Path) -> Experiment:
    """Open the folder of an experiment.

    Raises
    ------
    RunError
        If it is none.
    """
    mark = root / layout.EXPERIMENT
    if not mark.is_file():
        raise RunError(
            f"'{root.name}' is no folder of a MIRROR experiment: it has no {mark.name}.",
            next_step="Begin one: emodiss mirror profiles.",
        )
    with sound(mark, "Begin the experiment again in another folder."):
        version = json_value(mark.read_bytes())["version"]
    if version != VERSION:
        raise RunError(f"'{root.name}' was made by another version of emodiss ({version}).")
    return Experiment(root)


def file_hash(path: Path) -> str:
    """SHA-256 of a file; empty where it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def request_hash(question: Question, model: ChatModel, params: ChatParams, sample: int = 0) -> str:
    """Hash all that can change the answer to a question."""
    return request_key(model, question.messages, params, sample)


def asked(
    questions: Iterable[Question],
    model: ChatModel,
    params: ChatParams,
    models: Endpoint,
) -> Iterator[tuple[str, Answered | Unanswered]]:
    """Ask questions; yields the hash of each request with what came of it."""
    hashes = {each.id: (each, request_hash(each, model, params)) for each in questions}
    new = [question for question, _ in hashes.values()]
    for found in chat.ask(
        new, model, params=params, concurrency=models.concurrency, patience=models.patience
    ):
        yield hashes[found.question.id][1], found


def shown(
    models: Endpoint, questions: Iterable[Question], params: ChatParams
) -> list[dict[str, Any]]:
    """Show what would be asked; nothing for a replay."""
    if models.replay is not None:
        return []
    model = next(iter(models.models))
    name = model if isinstance(model, str) else model.name
    where = {"url": models.base_url, "model": name, "params": params.to_dict()}
    return [{**where, "messages": question.messages} for question in questions]


def _score(line: dict[str, Any]) -> dict[str, Any]:
    texts = ("of", "item", "instrument", "criterion", "wording", "judge", "status", "error")
    score = line["score"]
    if (
        not all(isinstance(line[name], str) for name in (*texts, "request_sha256"))
        or not isinstance(line["directions"], bool)
        or not (score is None or (isinstance(score, int | float) and math.isfinite(score)))
    ):
        raise TypeError
    return line


def _reference(line: dict[str, Any]) -> dict[str, Any]:
    face = line["face"]
    if not isinstance(line["profile"], str) or not (
        face is None or (isinstance(face, dict) and isinstance(face["path"], str))
    ):
        raise TypeError
    return line


def _advice(name: str) -> str:
    return f"Take the line out, or move {name} away; cached answers are free."
