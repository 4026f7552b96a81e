"""Simulated sessions: clients and therapists that are models, case by case."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from emodiss.chat.ask import Asker
from emodiss.chat.endpoint import Endpoint
from emodiss.chat.ledger import Ledger
from emodiss.chat.model import Answered, ChatModel, ChatParams, Question, Unanswered
from emodiss.clients import Case
from emodiss.encounters import session as sessions
from emodiss.encounters.planning import PLAN_TOKENS
from emodiss.encounters.records import VARIANTS, Encounter, Variant
from emodiss.encounters.session import Camera, Captioner, Given, Picture, Rules, Vlm
from emodiss.errors import ChatError, RunError, SettingsError, nearest
from emodiss.faces.drawn import FaceSynthesizer
from emodiss.mirror import layout
from emodiss.mirror.experiment import Decoding, Experiment, Progress, Say, request_hash
from emodiss.mirror.faces import draw_line, reference_pictures
from emodiss.runs.journal import canonical
from emodiss.screenplays import Expression, Line
from emodiss.screenplays.expressions import expression_question, parse_expression

CAPTIONERS = ("vlm", "measured", "given")
"""Who says what a client feels: the therapist's model, emodiss' own face model, the directions."""

SPEAKING = Decoding(temperature=0.7, max_tokens=256)
"""Of both speakers; one limit of length for every therapist."""

_CONTRAST = "any other expression"
_NEUTRAL = "a neutral expression"


@dataclass(frozen=True, slots=True)
class Drawing:
    """How the client's pictures are made.

    Parameters
    ----------
    draw
        What draws them.
    describer
        Model that says what the face shows, as for screenplays; without one the stage directions
        say it.
    """

    draw: FaceSynthesizer
    describer: Endpoint | None = None


@dataclass(frozen=True, slots=True)
class Simulation:
    """How sessions are simulated.

    Parameters
    ----------
    name
        Under which the therapist is compared; model and variant if None.
    variant
        One of `VARIANTS`.
    rules
        When sessions end, and what is told.
    client, therapist
        How the two decode.
    captioner
        One of `CAPTIONERS`, for variants with `ec`.
    drawing
        How pictures are made, for variants that see any.

    Raises
    ------
    SettingsError
        If a variant or captioner does not exist, or one that needs pictures gets none.
    """

    name: str | None = None
    variant: Variant = "text"
    rules: Rules = field(default_factory=Rules)
    client: Decoding = SPEAKING
    therapist: Decoding = SPEAKING
    captioner: str = "vlm"
    drawing: Drawing | None = None

    def __post_init__(self) -> None:
        for what, one, known in (
            ("variant", self.variant, VARIANTS),
            ("captioner", self.captioner, CAPTIONERS),
            ("end rule", self.rules.end, ("two_in_a_row", "first_end", "released_code")),
        ):
            if one not in known:
                raise SettingsError(f"There is no {what} '{one}'.", next_step=nearest(one, known))
        if self.sees and self.drawing is None:
            raise SettingsError(
                f"The variant '{self.variant}' needs pictures of the client.",
                next_step="Say what draws them, or take the variant text.",
            )

    @property
    def sees(self) -> bool:
        """Whether the therapist gets pictures."""
        return not self.variant.startswith("text")


@dataclass(frozen=True, slots=True)
class Simulated:
    """What came of simulating sessions.

    Parameters
    ----------
    encounters
        All sessions of this therapist that are in the folder.
    record
        What the command did and cost.
    """

    encounters: tuple[Encounter, ...]
    record: dict[str, Any]

    @property
    def complete(self) -> bool:
        """Whether every case has a whole session."""
        return not self.record["failed"] and not self.record["missing"]


@dataclass(frozen=True, slots=True)
class Speaker:
    """A model that speaks, with its parameters and its patience."""

    asker: Asker
    model: ChatModel
    params: ChatParams

    @property
    def identity(self) -> str:
        """Of the model."""
        return self.model.identity

    def key(self, question: Question) -> str:
        """Hash of all that can change the answer."""
        return request_hash(question, self.model, self.params)

    def answer(self, question: Question) -> Answered | Unanswered:
        """Ask, with patience; once asking has stopped for good, nothing more is asked."""
        if self.asker.stopped:
            stopped = ChatError("Asking has stopped.", code="stopped")
            return Unanswered(question, 0, self.model.name, stopped)
        return self.asker.answer(question)


def simulate(
    experiment: Experiment,
    therapist: Endpoint,
    client: Endpoint,
    simulation: Simulation | None = None,
    *,
    side: Literal["evaluation", "training"] = "evaluation",
    say: Say = None,
    progress: Progress = None,
) -> Simulated:
    """Let a therapist talk with the client of each case; sessions go to `encounters.jsonl`.

    A session is kept when it has ended, and its answers before that in the cache; a command that
    is run again goes on where it was. Failed sessions are kept with their reason and tried again.

    Parameters
    ----------
    experiment
        With cases.
    therapist, client
        One model each.
    simulation
        `Simulation()` if None.
    side
        Of which cases.
    say, progress
        Are told what a user should know, and how far it is.

    Raises
    ------
    RunError
        If there are no such cases, or pictures have no reference.
    SettingsError
        If not one model each is named.
    """
    chosen = simulation or Simulation()
    every = experiment.need(experiment.cases, "profiles")
    cases = [case for case in every if case.split == side]
    if not cases:
        raise RunError(
            f"The experiment '{experiment.root.name}' has no cases for {side}.",
            next_step="See emodiss mirror profiles --n.",
            code="missing",
        )
    with contextlib.ExitStack() as stack:
        stack.enter_context(experiment.alone())
        # One command has one limit of cost, however many speak.
        bills: dict[float | None, tuple[Ledger, list[str]]] = {}

        def speaker(who: str, models: Endpoint, decoding: Decoding) -> Speaker:
            params = decoding.params(models.only())
            bill, whose = bills.setdefault(models.max_cost, (Ledger(models.max_cost), []))
            whose.append(who)
            ready = stack.enter_context(experiment.opened(models, say, bill))
            (model,) = ready.models.values()
            return Speaker(Asker(model, params, models.patience), model, params)

        of_client = speaker("client", client, chosen.client)
        of_therapist = speaker("therapist", therapist, chosen.therapist)
        name = chosen.name or _default_name(of_therapist.model.name, chosen.variant)
        planner: Speaker | None = None
        if _has(chosen.variant, "p"):
            room = max(PLAN_TOKENS, chosen.therapist.max_tokens)
            params = _with_tokens(chosen.therapist, room).params(therapist)
            asker = Asker(of_therapist.model, params, therapist.patience)
            planner = Speaker(asker, of_therapist.model, params)
        camera, drawn_by = None, None
        if chosen.drawing is not None and chosen.sees:
            describer = chosen.drawing.describer
            words = describer and speaker("describer", describer, Decoding(0.7, 0.9, None, 128))
            camera = _camera(experiment, chosen.drawing.draw, words, name)
            drawn_by = [chosen.drawing.draw.identity, words and words.identity]
        captioner = _captioner(chosen, of_therapist)
        settings: dict[str, Any] = {
            "rules": asdict(chosen.rules),
            "client": of_client.params.to_dict(),
            "therapist": of_therapist.params.to_dict(),
            "captioner": chosen.captioner if captioner is not None else None,
            "drawn_by": drawn_by,
        }
        about = [name, chosen.variant, of_client.identity, of_therapist.identity, settings]
        keys = {case.id: _key(case, about) for case in cases}
        known = {each.id: each for each in experiment.encounters.read()}
        before = {
            case.id: each
            for case in cases
            if (each := known.get(f"{case.id}/{name}")) is not None
            and each.settings.get("key") == keys[case.id]
            and each.status == "complete"
        }
        todo = [case for case in cases if case.id not in before]

        def one(case: Case) -> Encounter | None:
            if of_client.asker.stopped or of_therapist.asker.stopped:
                return None  # a wrong key or a spent limit: so would be all that follow
            return sessions.simulate(
                case,
                of_client,
                of_therapist,
                name=name,
                variant=chosen.variant,
                rules=chosen.rules,
                camera=camera,
                captioner=captioner,
                planner=planner,
                settings={**settings, "key": keys[case.id]},
            )

        def stop() -> None:
            for asker in (of_client.asker, of_therapist.asker):
                asker.interrupt()

        try:
            # Closed before the cache is: sessions that are under way end first.
            made_now = _side_by_side(one, todo, therapist.concurrency, stop)
            with contextlib.closing(made_now):
                for n, made in enumerate(made_now, 1):
                    if made is not None:
                        experiment.encounters.append([made])
                    if progress is not None:
                        progress("sessions", len(before) + n, len(cases))
        finally:
            place = {case.id: n for n, case in enumerate(every)}
            experiment.encounters.upsert(
                [],
                key=lambda each: each.id,
                order=lambda each: (each.therapist, place.get(each.case.id, len(place))),
            )
        own = {case.id for case in cases}
        found = tuple(
            each
            for each in experiment.encounters.read()
            if each.therapist == name and each.case.id in own
        )
        record = {
            "therapist": name,
            "variant": chosen.variant,
            "cases": len(cases),
            "new": len(todo),
            "before": len(before),
            "failed": sum(each.status == "failed" for each in found),
            "missing": len(cases) - len(found),
            "ended_by": dict(Counter(str(each.ended_by) for each in found)),
            "without_plan": sum(each.labelled != each.variant for each in found),
            "truncated": sum("truncated" in r.flags for each in found for r in each.replies),
            "without_picture": sum("no_picture" in r.flags for each in found for r in each.replies),
            "bills": [{"of": whose, **bill.to_dict()} for bill, whose in bills.values()],
            "settings": settings,
        }
        experiment.book(f"simulate {name}", record)
    return Simulated(found, record)


def _side_by_side(
    work: Callable[[Case], Encounter | None],
    cases: Sequence[Case],
    n: int,
    stop: Callable[[], None],
) -> Generator[Encounter | None]:
    """Simulate several sessions at once; yields each as it ends, and stops all if that fails."""
    with ThreadPoolExecutor(max_workers=n, thread_name_prefix="session") as pool:
        running = [pool.submit(work, case) for case in cases]
        try:
            for future in as_completed(running):
                yield future.result()
        finally:
            stop()
            for future in running:
                future.cancel()


def _camera(
    experiment: Experiment, draw: FaceSynthesizer, words: Speaker | None, name: str
) -> Camera:
    """Make what takes the client's picture at each line."""
    references = reference_pictures(experiment)
    if not references:
        raise RunError(
            f"The experiment '{experiment.root.name}' has no faces to draw from.",
            next_step="Give some: emodiss mirror profiles --faces.",
            code="missing",
        )
    folder = f"{layout.SESSION_FACES}/{_slug(name)}"

    def take(case: Case, lines: Sequence[Line]) -> Picture | None:
        line = lines[-1]
        positive, negative = ", ".join(line.directions) or _NEUTRAL, _CONTRAST
        if words is not None:
            question = expression_question(case.id, lines[:-1], line)
            positive, negative = parse_expression(sessions.answered(words, question))
        made = draw_line(
            draw,
            Expression(case.id, line.index, positive, negative),
            reference=references.get(case.profile.id),
            gender=case.profile.gender,
            root=experiment.root,
            folder=folder,
        )
        if made.status != "drawn" or made.path is None:
            return None
        return Picture(made.path, experiment.root / made.path)

    return take


def _captioner(chosen: Simulation, therapist: Speaker) -> Captioner | None:
    if not _has(chosen.variant, "ec"):
        return None
    if chosen.captioner == "vlm":
        return Vlm(therapist)
    if chosen.captioner == "given":
        return Given()
    from emodiss.mirror.captions import Measured

    return Measured()


def _has(variant: str, part: str) -> bool:
    return part in variant.split("+")


def _default_name(model: str, variant: str) -> str:
    return model if variant == "text" else f"{model} {variant}"


def _with_tokens(decoding: Decoding, n: int) -> Decoding:
    return Decoding(decoding.temperature, decoding.top_p, decoding.penalty, n)


def _key(case: Case, about: Sequence[Any]) -> str:
    """Hash of all that can change a session."""
    text = canonical({"case": case.to_dict(), "about": json.loads(json.dumps(about))})
    return hashlib.sha256(text.encode()).hexdigest()


def _slug(name: str) -> str:
    """Name of a folder for a therapist; unlike for unlike names."""
    plain = re.sub(r"[^A-Za-z0-9.+-]+", "-", Path(name).name).strip("-.")[:40]
    return f"{plain or 'therapist'}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"
