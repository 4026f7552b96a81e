"""One simulated session: who speaks when, what each is told, and when it ends."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from emodiss.chat.model import Answered, Question, Unanswered
from emodiss.clients import Case
from emodiss.encounters.planning import parse_plan, plan_prompt, planned_text
from emodiss.encounters.records import Encounter, EndedBy, Plan, Reply, Variant
from emodiss.encounters.wording import (
    IMAGE,
    OPENING,
    caption_prompt,
    client_prompt,
    client_system,
    read_reply,
    therapist_prompt,
)
from emodiss.prompts.session import clean
from emodiss.screenplays.records import Line, Speaker

EndRule = Literal["two_in_a_row", "first_end", "released_code"]

_CUT = ("length", "max_tokens", "MAX_TOKENS")
CAPTION_WORDS = 40
RELEASED_MESSAGES = 4
"""The released code lets nobody end before so many messages."""


class Agent(Protocol):
    """A model that speaks in a session."""

    @property
    def identity(self) -> str:
        """Adapter, place and model."""
        ...

    def key(self, question: Question) -> str:
        """Hash of all that can change the answer."""
        ...

    def answer(self, question: Question) -> Answered | Unanswered:
        """Answer, or say why there is no answer."""
        ...


@dataclass(frozen=True, slots=True)
class Picture:
    """The client's picture at one line.

    Parameters
    ----------
    path
        In the experiment's folder.
    """

    path: str
    file: Path


Camera = Callable[[Case, Sequence[Line]], Picture | None]
"""Gives the client's picture at the last line, or None where none could be made."""


@dataclass(frozen=True, slots=True)
class Caption:
    """What is known of the client's emotion at one line (None: nothing), and how it came about."""

    text: str | None
    reply: Reply | None = None


class Captioner(Protocol):
    """Says what a client feels at the last line of a dialogue."""

    def caption(self, case: Case, lines: Sequence[Line], picture: Picture | None) -> Caption:
        """Say it, or raise `NoAnswer`."""
        ...


class NoAnswer(Exception):
    """A model did not answer; what it says is the code of the error."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How sessions go, whoever is the therapist."""

    # `two_in_a_row`: `[/END]` in two turns of the client in a row; `first_end`; `released_code`:
    # the first after more than four messages.
    end: EndRule = "two_in_a_row"
    # Most turns; a turn is a line of each.
    max_turns: int = 20
    # How many of the last lines both are told; None for all.
    history: int | None = None
    # What every therapist begins with; `{first_name}` stands for the client's.
    opening: str = OPENING

    def ended(self, ends: Sequence[bool], n_lines: int) -> EndedBy | None:
        """Say which rule ends a session after a line of the client; `ends`: which held the tag."""
        reached = {
            "two_in_a_row": len(ends) > 1 and ends[-1] and ends[-2],
            "first_end": ends[-1],
            "released_code": ends[-1] and n_lines > RELEASED_MESSAGES,
        }
        if reached[self.end]:
            return self.end
        return "max_turns" if len(ends) >= self.max_turns else None


def simulate(
    case: Case,
    client: Agent,
    therapist: Agent,
    *,
    name: str,
    variant: Variant = "text",
    rules: Rules | None = None,
    camera: Camera | None = None,
    captioner: Captioner | None = None,
    planner: Agent | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Encounter:
    """Let two models talk.

    Parameters
    ----------
    case
        Whom the client's model plays. The therapist is told who the client is and why the client
        comes: no thought, no type of resistance, no stage direction.
    client, therapist
        Who speaks.
    name
        Under which the therapist is compared.
    variant
        What the therapist is given beside words.
    rules
        `Rules()` if None.
    camera
        Makes the client's pictures, for every variant but those of text.
    captioner
        For the variants with `ec`.
    planner
        For the variants with `p`; the therapist's model, with room for a plan.
    settings
        Kept with the session.

    Returns
    -------
    Encounter
        With status `failed` and the code of the error if a model did not answer.
    """
    session = _Session(case, client, therapist, rules or Rules(), camera, captioner)
    ended_by: EndedBy | None = None
    reason: str | None = None
    try:
        ended_by = session.run(planner)
    except NoAnswer as fault:
        reason = str(fault)
    return Encounter(
        case=case,
        therapist=name,
        variant=variant,
        lines=tuple(session.lines),
        captions=tuple(session.captions),
        pictures=tuple(each and each.path for each in session.pictures),
        plan=session.plan,
        ended_by=ended_by,
        status="complete" if reason is None else "failed",
        reason=reason,
        client_model=client.identity,
        therapist_model=therapist.identity,
        replies=tuple(session.replies),
        settings=dict(settings or {}),
    )


@dataclass
class _Session:
    """What has happened so far."""

    case: Case
    client: Agent
    therapist: Agent
    rules: Rules
    camera: Camera | None
    captioner: Captioner | None
    plan: Plan | None = None

    def __post_init__(self) -> None:
        self.lines: list[Line] = []
        self.captions: list[str | None] = []
        self.pictures: list[Picture | None] = []
        self.replies: list[Reply] = []
        self.ends: list[bool] = []

    def run(self, planner: Agent | None) -> EndedBy:
        """Speak in turn until a rule ends it."""
        opening = self.rules.opening.replace("{first_name}", self.case.profile.first_name)
        self._say("therapist", (), opening)
        while True:
            self._client()
            if rule := self.rules.ended(self.ends, len(self.lines)):
                return rule
            if planner is not None and self.plan is None:
                self.plan = self._plan(planner)
            self._therapist()

    def _client(self) -> None:
        prompt = client_prompt(self.case, self.lines, window=self.rules.history)
        question = Question(self._id(), prompt, system=client_system(self.case))
        self._reply("client", self.client, question)
        if self.camera is not None:
            self.pictures[-1] = self.camera(self.case, self.lines)
        if self.captioner is not None:
            said = self.captioner.caption(self.case, self.lines, self.pictures[-1])
            self.captions[-1] = None if said.text is None else tidy_caption(said.text)
            if said.reply is not None:
                self.replies.append(said.reply)

    def _therapist(self) -> None:
        picture = self.pictures[-1]
        prompt = therapist_prompt(
            self.case.profile,
            self.lines,
            pictured=picture is not None,
            caption=self.captions[-1],
            plan=planned_text(self.plan),
            window=self.rules.history,
        )
        missing = ("no_picture",) if self.camera is not None and picture is None else ()
        self._reply("therapist", self.therapist, pictured(self._id(), prompt, picture), missing)

    def _plan(self, planner: Agent) -> Plan:
        picture = self.pictures[-1]
        prompt = plan_prompt(self.case.profile, pictured=picture is not None)
        return parse_plan(answered(planner, pictured(f"{self._id()}-plan", prompt, picture)))

    def _reply(
        self, role: Speaker, agent: Agent, question: Question, flags: tuple[str, ...] = ()
    ) -> None:
        found = agent.answer(question)
        if isinstance(found, Unanswered):
            raise NoAnswer(found.error.code)
        text, finish = found.completion.text, found.completion.finish_reason
        spoken = read_reply(text, role, self.case.profile.name)
        cut = ("truncated",) if finish in _CUT else ()
        marks = (*flags, *spoken.flags, *cut)
        self.replies.append(Reply(len(self.lines), agent.key(question), text, finish, marks))
        self._say(role, spoken.directions, spoken.words)
        if role == "client":
            self.ends.append(spoken.ends)

    def _say(self, role: Speaker, directions: tuple[str, ...], words: str) -> None:
        self.lines.append(Line(role, directions, words, len(self.lines)))
        self.captions.append(None)
        self.pictures.append(None)

    def _id(self) -> str:
        return f"{self.case.id}-{len(self.lines)}"


@dataclass(frozen=True, slots=True)
class Vlm:
    """Asks a vision-language model in the paper's words."""

    agent: Agent

    def caption(self, case: Case, lines: Sequence[Line], picture: Picture | None) -> Caption:
        """Ask about the picture; without one there is nothing to say."""
        if picture is None:
            return Caption(None)
        question = pictured(f"{case.id}-{len(lines)}-caption", caption_prompt(), picture)
        text = answered(self.agent, question)
        flags = ("caption",)
        return Caption(text, Reply(lines[-1].index, self.agent.key(question), text, None, flags))


@dataclass(frozen=True, slots=True)
class Given:
    """Tells the stage directions themselves: an oracle, to see what a perfect caption is worth."""

    def caption(self, case: Case, lines: Sequence[Line], picture: Picture | None) -> Caption:
        """Join the directions of the last line."""
        return Caption(", ".join(lines[-1].directions) or None)


def answered(agent: Agent, question: Question) -> str:
    """Ask, and return the text; NoAnswer if there is none."""
    found = agent.answer(question)
    if isinstance(found, Unanswered):
        raise NoAnswer(found.error.code)
    return found.completion.text


def pictured(name: str, prompt: str, picture: Picture | None) -> Question:
    """Put a prompt and its picture into a question; the mark of its place is the adapter's."""
    if picture is None:
        return Question(name, prompt)
    from emodiss.chat.pictures import Picture as Attached

    text = prompt.removeprefix(f"{IMAGE}\n")
    return dataclasses.replace(Question(name, text), pictures=(Attached.of(picture.file),))


def tidy_caption(text: str) -> str | None:
    """Bring a caption onto one line of at most `CAPTION_WORDS` words."""
    return " ".join(clean(text).split()[:CAPTION_WORDS]) or None
