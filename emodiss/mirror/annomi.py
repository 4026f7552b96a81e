"""Replies of a therapist's model to clients of real sessions who speak against change (AnnoMI)."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emodiss import tabular
from emodiss.chat.endpoint import Endpoint
from emodiss.chat.model import Answered, Question, Unanswered
from emodiss.encounters.session import Picture, pictured, tidy_caption
from emodiss.encounters.wording import caption_prompt, read_reply, reply_prompt
from emodiss.errors import EmodissError, RunError, SettingsError, nearest
from emodiss.faces.pictures import crop
from emodiss.manifest.public import ANNOMI_CODES, read_annomi
from emodiss.media import iterate_frames
from emodiss.mirror import layout
from emodiss.mirror.experiment import Decoding, Progress, Say, asked
from emodiss.mirror.pages import picture_address, render
from emodiss.prompts.session import clean
from emodiss.runs.files import write_atomically
from emodiss.runs.journal import Journal
from emodiss.runs.memory import inputs_now
from emodiss.runs.run import Run
from emodiss.screenplays import Line
from emodiss.screenplays.wording import UNSTATED
from emodiss.study.opening import opened

ANNOMI_VARIANTS = ("base", "ec")
"""What the therapist is given; a plan is made before a session, and these have begun."""

NOTE = "The conversation above is a motivational interview, which is not CBT."
MARGIN = 0.3
"""Shown around the face, as a share of its box: hair and chin."""

_TALK, _BEHAVIOUR = ANNOMI_CODES.values()
_AHEAD = 5
"""Rows looked over for the one that an utterance came from: more is another part of the talk."""


@dataclass(frozen=True, slots=True)
class Moment:
    """An utterance of a client with the talk asked for, and what the model made of it."""

    # video_id, utterance_id, start, end, timing: As in the table of utterances; seconds.
    video_id: str
    utterance_id: str
    start: float
    end: float
    timing: str
    # Middle of the utterance, seconds: when the picture is taken.
    time: float
    # As annotators say.
    talk: str
    # status, reason: `answered`; `skipped` with `no_media`, `unbound`, `not_in_view`, `no_frame` or
    # `not_the_client` (the run has this voice as somebody else); `unanswered` with the code of the
    # error.
    status: str = "skipped"
    reason: str = ""
    # track_id, binding_confidence, binding_source: Whose face it is, how sure that is (None if a
    # person said so), and who said so.
    track_id: int | None = None
    binding_confidence: float | None = None
    binding_source: str | None = None
    # Path of the crop below the run; None without one.
    picture: str | None = None
    # The last lines, this one among them.
    history: tuple[str, ...] = ()
    # caption, reply, flags: Of the model; flags as in `encounters.wording.Spoken`.
    caption: str | None = None
    reply: str | None = None
    flags: tuple[str, ...] = ()
    # model, request_sha256: Who replied, and the hash of all that can change the reply.
    model: str = ""
    request_sha256: str = ""

    @property
    def id(self) -> str:
        """Video and utterance."""
        return f"{self.video_id}/{self.utterance_id}"


@dataclass(frozen=True, slots=True)
class Demonstration:
    """What came of it."""

    # In the order of the talk; also in `annomi/moments.jsonl` of the run.
    moments: tuple[Moment, ...]
    # `annomi/index.html` of the run.
    page: Path
    # What a reader should know, in sentences.
    notes: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every moment with a face has a reply, and there is one."""
        found = {each.status for each in self.moments}
        return "answered" in found and "unanswered" not in found


def annomi(
    run: Run,
    models: Endpoint,
    *,
    talk: str = "sustain",
    every: bool = False,
    variant: str = "ec",
    table: Path | None = None,
    history: int = 6,
    decoding: Decoding | None = None,
    say: Say = None,
    progress: Progress = None,
) -> Demonstration:
    """Let a therapist's model see the client at each utterance of a kind of talk, and reply.

    The picture is the frame at the middle of the utterance, cut to the face that the run bound to
    the client's voice. Crops stay in the run folder.

    Parameters
    ----------
    run
        Annotated sessions of AnnoMI (`emodiss manifest from-annomi`).
    models
        One model that sees.
    talk
        `sustain`, `change` or `neutral`.
    every
        Each such utterance; otherwise the first of each session that has a face.
    variant
        `base`, or `ec` with a caption by the same model.
    table
        AnnoMI-simple.csv or AnnoMI-full.csv; None to read the transcripts that the manifest names,
        if they lie beside the run or below the working folder.
    history
        Last lines that are told, the utterance among them.
    decoding
        Of replies; those of `simulate` if None.
    say, progress
        Are told what a user should know, and how far it is.

    Raises
    ------
    SettingsError
        If talk or variant does not exist, or not one model is named.
    RunError
        If no session has codes, or none has such talk.
    """
    for what, one, known in (
        ("variant", variant, ANNOMI_VARIANTS),
        ("talk", talk, ("sustain", "change", "neutral")),
    ):
        if one not in known:
            raise SettingsError(f"There is no {what} '{one}'.", next_step=nearest(one, known))
    params = (decoding or Decoding(0.7, max_tokens=256)).params(models.only())
    found, lines, topics, notes = _found(run, talk, table, history)
    with run.store.lock(), opened(models, run, say) as ready:
        ((name, model),) = ready.models.items()
        moments = _with_faces(run, found, every)
        files = {m.id: Picture(m.picture, run.root / m.picture) for m in moments if m.picture}
        captions: dict[str, str | None] = {}
        lost: dict[str, str] = {}
        if variant == "ec":
            about = [pictured(each, caption_prompt(), files[each]) for each in files]
            for _, answer in asked(about, model, params, models):
                if isinstance(answer, Unanswered):
                    lost[answer.question.id] = answer.error.code
                else:
                    captions[answer.question.id] = tidy_caption(answer.completion.text)
        questions: list[Question] = []
        for each in (m for m in moments if m.id in files and m.id not in lost):
            prompt = reply_prompt(
                {"client_information": UNSTATED, "reason_counseling": topics[each.video_id]},
                lines[each.id],
                pictured=True,
                caption=captions.get(each.id),
                window=history,
            )
            questions.append(pictured(each.id, f"{prompt}\n\n{NOTE}", files[each.id]))
        replies: dict[str, tuple[str, Answered]] = {}
        for n, (digest, answer) in enumerate(asked(questions, model, params, models), 1):
            if isinstance(answer, Unanswered):
                lost[answer.question.id] = answer.error.code
            else:
                replies[answer.question.id] = (digest, answer)
            if progress is not None:
                progress("replies", n, len(questions))
    done: list[Moment] = []
    for each in moments:
        made = replace(each, caption=captions.get(each.id), model=name)
        if each.id in lost:
            made = replace(made, status="unanswered", reason=lost[each.id])
        elif each.id in replies:
            digest, answer = replies[each.id]
            spoken = read_reply(answer.completion.text, "therapist", "")
            made = replace(
                made,
                status="answered",
                reply=spoken.words,
                flags=spoken.flags,
                request_sha256=digest,
            )
        done.append(made)
    folder = run.root / layout.ANNOMI
    file: Journal[Moment] = Journal(
        folder / "moments.jsonl", next_step="Move it away.", encode=asdict
    )
    file.write(done)
    if any(each.timing == "interpolated" for each in done):
        notes.append(
            "Times of whole seconds were not aligned to the sound: a picture may show the other "
            "person. Annotate with --set transcript.align=true."
        )
    page = folder / "index.html"
    shown = [asdict(m) | {"address": picture_address(run.root, m.picture)} for m in done]
    content = render("annomi.html.jinja", moments=shown, talk=talk, model=name, variant=variant)
    write_atomically(page, content)
    return Demonstration(tuple(done), page, tuple(notes))


def _found(
    run: Run, talk: str, table: Path | None, history: int
) -> tuple[list[Moment], dict[str, list[Line]], dict[str, str], list[str]]:
    """Find the utterances with such talk, and what was said up to each."""
    collection = None if table is None else read_annomi(table)
    notes = [] if collection is None else list(collection.problems)
    moments: list[Moment] = []
    lines: dict[str, list[Line]] = {}
    topics: dict[str, str] = {}
    n_coded = 0
    for row in run.manifest:
        video = row["id"]
        topics[video] = str(row.get("metadata", {}).get("topic") or UNSTATED)
        if collection is not None:
            text = collection.transcripts.get(video)
            coded = None if text is None else tabular.parse(text, f"{video}.csv")
        else:
            path = _transcript(run, row.get("transcript"))
            coded = path and tabular.read(path, error=RunError, what="transcript")
        if not coded or _TALK not in coded.header:
            notes.append(f"{video}: no codes of talk were found")
            continue
        n_coded += 1
        session = run.session(video)
        rows = [each.cells for each in coded.rows]
        matched = matched_rows([str(text) for text in session["text"]], rows)
        if n := matched.count(None):
            notes.append(f"{video}: {n} utterances are none of the transcript's, and have no code")
        so_far: list[Line] = []
        for at, cells in zip(session.itertuples(), matched, strict=True):
            said: Any = at
            speaker = said.role if isinstance(said.role, str) else (cells or {}).get("Speaker", "")
            role = "therapist" if speaker == "therapist" else "client"
            words = clean(str(said.text))
            so_far.append(Line(role, (), words, len(so_far)))
            if cells is None or cells[_TALK] != talk:
                continue
            source = said.binding_source
            one = Moment(
                video_id=video,
                utterance_id=str(said.utterance_id),
                start=float(said.start),
                end=float(said.end),
                timing=str(said.timing),
                time=(float(said.start) + float(said.end)) / 2,
                talk=talk,
                reason="" if role == "client" else "not_the_client",
                binding_confidence=_number(said.binding_confidence),
                binding_source=source if isinstance(source, str) else None,
                history=tuple(f"{x.role.capitalize()}: {x.words}" for x in so_far[-history:]),
            )
            moments.append(one)
            lines[one.id] = list(so_far)
    if not n_coded:
        raise RunError(
            f"No session of the run has codes of talk in a column {_TALK}.",
            next_step="Give AnnoMI's table with --table.",
            code="missing",
        )
    if not moments:
        raise RunError(f"No session of the run has {talk} talk.", code="missing")
    return moments, lines, topics, notes


def _transcript(run: Run, stated: object) -> Path | None:
    if not isinstance(stated, str):
        return None
    inputs = run.facts.get("inputs") or {}
    folders = [Path(inputs.get("folder", ".")), *(path.parent for path in inputs_now(run) or ())]
    places = (folder / stated for folder in (*folders, run.root.parent))
    return next((place for place in places if place.is_file()), None)


def matched_rows(
    texts: Sequence[str], rows: Sequence[dict[str, str]]
) -> list[dict[str, str] | None]:
    """Give each utterance the row it came from: in order, whole or as a part that was cut off."""
    plain = [_plain(row.get("Utterance", "")) for row in rows]
    place = 0
    found: list[dict[str, str] | None] = []
    for text in map(_plain, texts):
        ahead = range(place, min(place + _AHEAD, len(rows)))
        # A part of the row at hand goes before a later row that says the very same.
        tests: tuple[Callable[[int], bool], ...] = (
            lambda at, text=text: plain[at] == text,
            lambda at, text=text: f" {text} " in f" {plain[at]} ",
        )
        hits = [at for test in tests for at in ahead if text and test(at)]
        at = hits[0] if hits else None
        found.append(None if at is None else rows[at])
        if at is not None:
            place = at if plain[at] != text else at + 1
    return found


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _with_faces(run: Run, moments: Sequence[Moment], every: bool) -> list[Moment]:
    """Cut out the client's face at each moment, or say why there is none."""
    media_files = run.media_files({each.video_id for each in moments})
    made: list[Moment] = []
    shown: Counter[str] = Counter()
    for each in moments:
        if not every and shown[each.video_id]:
            continue
        if each.reason:
            made.append(each)
            continue
        try:
            one = _face(run, each, media_files.get(each.video_id))
        except EmodissError as fault:
            one = replace(each, reason=fault.code)
        shown[each.video_id] += one.picture is not None
        made.append(one)
    return made


def _face(run: Run, each: Moment, source: Path | None) -> Moment:
    """Take the picture of one moment."""
    if source is None:
        return replace(each, reason="no_media")
    media, tracks, people = (
        run.artifact(each.video_id, name) for name in ("media", "tracks", "people")
    )
    session = run.session(each.video_id)
    (speaker,) = session.loc[session["utterance_id"] == each.utterance_id, "speaker"]
    own = [n for person in people.persons if person.speaker == speaker for n in person.track_ids]
    if not own or not media.has_video:
        return replace(each, reason="unbound")
    clock = media.clock()
    tick = int(np.clip(round(each.time * clock.fps), clock.first_tick, clock.n_ticks - 1))
    for track in (tracks.of(number) for number in own):
        (at,) = np.nonzero(track.ticks == tick)
        if not len(at):
            continue
        frame = int(clock.frame_at(np.array([tick]))[0])
        images = [f.image for f in iterate_frames(source, media, np.array([frame], np.int64))]
        if not images:
            return replace(each, track_id=track.id, reason="no_frame")
        face = crop(images[0], track.boxes[at[0]], margin=MARGIN, square=True)
        name = hashlib.sha256(each.id.encode()).hexdigest()[:16]
        path = f"{layout.ANNOMI}/faces/{name}.png"
        import cv2

        encoded = cv2.imencode(".png", np.ascontiguousarray(face[:, :, ::-1]))[1]
        write_atomically(run.root / path, encoded.tobytes())
        return replace(each, track_id=track.id, picture=path)
    return replace(each, reason="not_in_view")


def _number(value: Any) -> float | None:
    """Give a number as JSON can; None for one that is missing."""
    return None if pd.isna(value) or not math.isfinite(value) else float(value)
