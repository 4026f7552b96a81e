"""Roles by a language model: what it is shown, and what of its answer is believed.

The model sees the whole transcript with the labels of the voices and answers in JSON: a role for
each voice, how sure it is, and words of that voice that show it. Quoted words that the voice never
said make the answer worthless, so every quotation is looked up; a voice without a quotation that
holds has no role. The model may abstain, and an answer that cannot be read is an abstention too.
The study this project follows labelled roles with GPT-4 and then by hand (paper A, appendix B);
its prompt is not published, and this wording is our own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib import resources
from typing import TYPE_CHECKING, Any

import pandas as pd

from emodiss import chat
from emodiss.chat.answers import json_of, unwrapped
from emodiss.chat.endpoint import Endpoint
from emodiss.chat.model import Question, Unanswered
from emodiss.errors import EmodissError, RunError, SettingsError, must_be
from emodiss.interventions import Redaction, redact
from emodiss.manifest import ROLES
from emodiss.people.roles import MIN_CONFIDENCE
from emodiss.prompts.wording import Template, render as fill
from emodiss.reviews.role_labels import RoleLabel, occurs, words
from emodiss.runs.reviews import ReviewFile
from emodiss.runs.run import AnyRun, Run, load
from emodiss.study.opening import catalogued, opened
from emodiss.study.prompting import People
from emodiss.study.review_session import Session
from emodiss.transcript import Utterance

if TYPE_CHECKING:
    from emodiss.chat.ask import Patience
    from emodiss.chat.model import ChatModel, ChatParams

MAX_WORDS = 8000
"""Words of a session that are shown, from its beginning: about 11,000 tokens of English."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """What a language model said about one session."""

    video_id: str
    labels: tuple[RoleLabel, ...]
    raw: str
    # model, identity: Who answered: name, and adapter, place and name.
    model: str
    identity: str
    prompt_sha256: str
    # UTC time, ISO 8601; None if unknown.
    answered_at: str | None
    parameters: Mapping[str, Any]
    # Seconds from request to full answer; None when nobody timed it.
    latency_s: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; such lines can be given again by `emodiss.chat.replay`."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {**values, "labels": [label.to_dict() for label in self.labels]}


def ask(
    sessions: Mapping[str, Sequence[Utterance]],
    model: ChatModel,
    *,
    params: ChatParams,
    shown: Mapping[str, Sequence[Utterance]] | None = None,
    min_confidence: float = MIN_CONFIDENCE,
    max_words: int = MAX_WORDS,
    concurrency: int = 1,
    patience: Patience | None = None,
    sleep: Callable[[float], object] | None = None,
) -> Iterator[Labelled | Unanswered]:
    """Ask a language model which part each voice plays, once per session."""
    seen = sessions if shown is None else shown
    questions = (
        Question(video, render(seen[video], max_words=max_words), {"video": video})
        for video in sessions
    )
    answers = chat.ask(
        questions,
        model,
        params=params,
        concurrency=concurrency,
        patience=patience,
        sleep=sleep,
    )
    for found in answers:
        if isinstance(found, Unanswered):
            yield found
            continue
        video, said = found.question.id, found.completion
        labels = read_answer(said.text, seen[video], min_confidence=min_confidence)
        if shown is not None:
            labels = unredacted(labels, shown[video], sessions[video])
        yield Labelled(
            video_id=video,
            labels=labels,
            raw=said.text,
            model=found.model,
            identity=found.identity,
            prompt_sha256=found.question.sha256,
            answered_at=said.answered_at,
            parameters=found.parameters,
            latency_s=said.latency_s,
        )


@dataclass(frozen=True, slots=True)
class RoleLabels:
    """What came of asking for roles.

    Parameters
    ----------
    answered
        One per session, in the order of the run.
    unanswered
        Why a session has no answer, by video id.
    """

    answered: list[Labelled]
    unanswered: dict[str, EmodissError]

    @property
    def complete(self) -> bool:
        """Whether every session that was asked about has labels, and there was one."""
        return bool(self.answered) and not self.unanswered

    def rows(self) -> list[dict[str, Any]]:
        """One row per voice: video_id, speaker, role, confidence, quotes, reason."""
        return [
            {"video_id": one.video_id, **label.to_dict()}
            for one in self.answered
            for label in one.labels
        ]


def label_roles(
    run: AnyRun,
    models: Endpoint,
    *,
    video: str | None = None,
    people: People | None = None,
    min_confidence: float = MIN_CONFIDENCE,
    max_words: int = MAX_WORDS,
    max_tokens: int = 600,
    say: Callable[[str], object] | None = None,
    progress: Callable[[str, int, int], object] | None = None,
) -> RoleLabels:
    """Ask a language model which part each voice plays; labels go to `role_labels.jsonl`.

    The next `emodiss.annotate` of the run brings them into the tables.

    Parameters
    ----------
    models
        One model.
    min_confidence, max_words
        As in `read_answer` and `render`.
    max_tokens
        Longest answer; models that reason need more.

    Raises
    ------
    SettingsError
        If not one model is named, or two voices would have one label.
    RunError
        If there is no such video.
    ModelError
        If the model or the cache cannot be opened.
    """
    run = load(run)
    must_be(models, Endpoint, what="a language model", how="Name one: emodiss.chat.Endpoint.")
    params = models.only().parameters(temperature=0.0, max_tokens=max_tokens)
    sessions = _sessions(run, video, say)
    shown, redactions = _shown(sessions, people)
    file = ReviewFile(run.root)
    before = file.read_labels()
    answered: dict[str, Labelled] = {}
    unanswered: dict[str, EmodissError] = {}
    with opened(models, run, say) as ready:
        answers = ask(
            sessions,
            next(iter(ready.models.values())),
            params=params,
            shown=None if people is None else shown,
            min_confidence=min_confidence,
            max_words=max_words,
            concurrency=models.concurrency,
            patience=models.patience,
        )
        for n, found in enumerate(answers, start=1):
            if isinstance(found, Unanswered):
                unanswered[found.question.id] = found.error
            else:
                answered[found.video_id] = found
                if before.get(found.video_id) != found.labels:
                    redaction = redactions.get(found.video_id)
                    line = {"redaction": redaction.to_dict() if redaction else None}
                    file.append_label(found.to_dict() | line)
            if progress is not None:
                progress("sessions", n, len(sessions))
    return RoleLabels([answered[name] for name in sessions if name in answered], unanswered)


def requests(
    run: AnyRun,
    models: Endpoint,
    *,
    video: str | None = None,
    people: People | None = None,
    max_words: int = MAX_WORDS,
    max_tokens: int = 600,
    say: Callable[[str], object] | None = None,
) -> Iterator[dict[str, Any]]:
    """Show what `label_roles` would send, given the same; nobody is asked."""
    run = load(run)
    params = models.only().parameters(temperature=0.0, max_tokens=max_tokens)
    shown, _ = _shown(_sessions(run, video, say), people)
    asked = [Question(name, render(talk, max_words=max_words)) for name, talk in shown.items()]
    return models.requests(asked, params, catalogued=catalogued(say))


def _sessions(
    run: Run, video: str | None, say: Callable[[str], object] | None
) -> dict[str, Sequence[Utterance]]:
    """Sessions with text, by id."""
    found: dict[str, Sequence[Utterance]] = {}
    for name in [video] if video else run.videos:
        session = Session(run, name)
        try:
            utterances = session.wording.utterances
        except RunError:
            fault = "no transcript yet; see emodiss status."
        else:
            if any(u.text.strip() for u in utterances):
                found[name] = utterances
                continue
            fault = "nobody transcribed it, so there is nothing to go by."
        if say is not None:
            say(f"{name}: {fault}")
    return found


def _shown(
    sessions: Mapping[str, Sequence[Utterance]], people: People | None
) -> tuple[Mapping[str, Sequence[Utterance]], dict[str, Redaction]]:
    """Sessions with names replaced, and what was replaced, by id."""
    if people is None:
        return sessions, {}
    shown: dict[str, Sequence[Utterance]] = {}
    done: dict[str, Redaction] = {}
    for video, talk in sessions.items():
        columns = {"text": [u.text for u in talk], "speaker": [u.speaker for u in talk]}
        table, done[video] = redact(pd.DataFrame(columns, dtype=object), people)
        if table["speaker"].nunique() < len(set(columns["speaker"])):
            raise SettingsError(
                f"{video}: with names replaced, two voices would have one label.",
                next_step="List the names of different people on lines of their own.",
            )
        shown[video] = [
            replace(u, text=text, speaker=speaker)
            for u, text, speaker in zip(talk, table["text"], table["speaker"], strict=True)
        ]
    return shown, done


def render(utterances: Sequence[Utterance], *, max_words: int = MAX_WORDS) -> str:
    """Write the question about one session."""
    lines: list[str] = []
    shown: list[str] = []
    left = max_words
    for u in utterances:
        left -= len(u.text.split())
        if left < 0:
            break
        if u.text.strip():
            label = _one_line(u.speaker)
            shown.append(label)
            lines.append(f"| {label}: {_one_line(u.text)}")
    source = resources.files("emodiss").joinpath("templates/role_labels.jinja").read_text("utf-8")
    values = {
        "talk": "\n".join(lines),
        "speakers": list(dict.fromkeys(shown)),
        "roles": list(ROLES),
    }
    return fill(Template("role_labels", "role_labels.jinja", source), values)


def read_answer(
    text: str, utterances: Sequence[Utterance], *, min_confidence: float = MIN_CONFIDENCE
) -> tuple[RoleLabel, ...]:
    """Read a model's answer and check it against the transcript."""
    speakers = list(dict.fromkeys(u.speaker for u in utterances))
    answers = _answers(text)
    if answers is None:
        return tuple(RoleLabel(s, None, math.nan, (), "unparsable") for s in speakers)
    labels = [_label(s, answers.get(_one_line(s)), utterances, min_confidence) for s in speakers]
    if sum(label.role == "therapist" for label in labels) > 1:
        labels = [
            RoleLabel(label.speaker, None, label.confidence, label.quotes, "two_therapists")
            if label.role == "therapist"
            else label
            for label in labels
        ]
    return tuple(labels)


def unredacted(
    labels: Iterable[RoleLabel], shown: Sequence[Utterance], utterances: Sequence[Utterance]
) -> tuple[RoleLabel, ...]:
    """Let labels of a session with names replaced speak of the session as it is."""
    voices = {hidden.speaker: u.speaker for hidden, u in zip(shown, utterances, strict=True)}
    return tuple(
        replace(
            label,
            speaker=voices[label.speaker],
            quotes=tuple(_as_said(q, label.speaker, shown, utterances) for q in label.quotes),
        )
        for label in labels
    )


def _answers(text: str) -> dict[str, Any] | None:
    """Entries by speaker, None when the answer is not what was asked for."""
    data = json_of(unwrapped(text))
    entries = data.get("speakers") if isinstance(data, dict) else data
    if not isinstance(entries, list):
        return None
    found: dict[str, Any] = {}
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("speaker"), str):
            return None
        name = _one_line(entry["speaker"])
        # A voice that is answered twice, and not alike, is not answered.
        found[name] = entry if found.get(name, entry) == entry else {}
    return found


def _label(
    speaker: str, entry: Any, utterances: Sequence[Utterance], min_confidence: float
) -> RoleLabel:
    if entry is None:
        return RoleLabel(speaker, None, math.nan, (), "not_answered")
    role, stated, quotes = entry.get("role"), entry.get("confidence"), entry.get("quotes")
    if role in (None, "unknown"):
        return RoleLabel(speaker, None, math.nan, (), "abstained")
    number = isinstance(stated, int | float) and not isinstance(stated, bool) and 0 <= stated <= 1
    if role not in ROLES or not number or not isinstance(quotes, list):
        return RoleLabel(speaker, None, math.nan, (), "unparsable")
    found = tuple(
        _one_line(quote)
        for quote in quotes
        if isinstance(quote, str) and occurs(quote, speaker, utterances)
    )
    if not found:
        return RoleLabel(speaker, None, float(stated), (), "unsupported")
    if stated < min_confidence:
        return RoleLabel(speaker, None, float(stated), found, "too_unsure")
    return RoleLabel(speaker, role, float(stated), found)


_STAND_IN = re.compile(r"\bname\d*")


def _as_said(
    quote: str, speaker: str, shown: Sequence[Utterance], utterances: Sequence[Utterance]
) -> str:
    """Put the words that were said for the stand-ins of a quotation; a name may be several."""
    sought = words(quote)
    if not _STAND_IN.search(" ".join(sought)):
        return quote
    hidden, u = next(
        pair
        for pair in zip(shown, utterances, strict=True)
        if pair[0].speaker == speaker and occurs(quote, speaker, pair[:1])
    )
    seen, said = words(hidden.text), words(u.text)
    at: list[int] = []  # where each word that was seen begins in what was said
    for word in seen:
        after = at[-1] + 1 if at else 0
        # A word that is no name stands in both; what is skipped is the rest of a name before it.
        at.append(after if _STAND_IN.search(word) else said.index(word, after))
    at.append(len(said))
    n = len(sought)
    first = next(i for i in range(len(seen)) if seen[i : i + n] == sought)
    return " ".join(said[at[first] : at[first + n]])


def _one_line(text: str) -> str:
    return " ".join(text.split())
